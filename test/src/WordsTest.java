import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** How the client writes times, numbers, and texts that somebody else has sent. */
@Timeout(60)
class WordsTest {
    private static final String FAMILY = // one character of seven code points, 25 bytes
            "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67\u200d\ud83d\udc66";
    private static final String SCOTLAND = "\ud83c\udff4\udb40\udc67\udb40\udc62\udb40\udc73"
            + "\udb40\udc63\udb40\udc74\udb40\udc7f";

    /** What a private method of the client returns; it has one of its name. */
    private static String call(String name, Object... values) throws Exception {
        for (Method method : EchoClient.class.getDeclaredMethods()) {
            if (method.getName().equals(name) && method.getReturnType() == String.class
                    && method.getParameterCount() == values.length) {
                method.setAccessible(true);
                return (String) method.invoke(null, values);
            }
        }
        throw new AssertionError("no " + name);
    }

    @ParameterizedTest
    @CsvSource({"0, 0.00 us", "18040, 18.04 us", "99994, 99.99 us", "99996, 100.0 us",
        "999949, 999.9 us", "999950, 1.00 ms", "1250000, 1.25 ms", "999949000, 999.9 ms",
        "999950000, 1.00 s", "10000000000, 10.00 s", "9999900000000, 9999.9 s", "NaN, -"})
    void times(double nanos, String expected) throws Exception {
        assertEquals(expected, call("time", nanos));
    }

    @Test
    void aTimeHasAtMostEightCharactersAndTheRightUnit() throws Exception {
        Map<String, Double> units = Map.of("us", 1e3, "ms", 1e6, "s", 1e9);
        for (double nanos = 1000; nanos < 9_999e9; nanos *= 1.0007) {
            String time = call("time", nanos);
            assertTrue(time.length() <= 8, time);
            String[] words = time.split(" ");
            assertEquals(nanos, Double.parseDouble(words[0]) * units.get(words[1]),
                    nanos / 190, time);
        }
    }

    @Test
    void numbersAreTheSameInEveryCountry() throws Exception {
        Locale before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.GERMANY);
            assertEquals("1,234,567 messages", call("count", 1_234_567L, "message"));
            assertEquals("1 byte, 0 bytes", call("count", 1L, "byte") + ", "
                    + call("count", 0L, "byte"));
            assertEquals("1.50 us", call("time", 1500.0));
            for (String pair : List.of("50 50.0", "0.5 0.500", "99.96 100", "1234.4 1234")) {
                assertEquals(pair.split(" ")[1],
                        call("number", Double.valueOf(pair.split(" ")[0])));
            }
            for (String pair : List.of("51.4 51.40", "1 1.00", "0.1951 0.195",
                    "0.05123 0.0512", "0 0.00")) {
                assertEquals(pair.split(" ")[1],
                        call("megas", Double.valueOf(pair.split(" ")[0])));
            }
        } finally {
            Locale.setDefault(before);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 7, 0x1b, '\n', '\r', '\t', 0x7f, 0x85, 0x9b, 0x61c, 0x200b, 0x200e,
        0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069, 0xfeff, 0xfff9, 0xfffd, 0xffff,
        0xd800, 0xe0001})
    void whatSteersATerminalIsADot(int c) throws Exception {
        String text = new StringBuilder("a").appendCodePoint(c).append("b").toString();
        assertEquals("a.b", call("printable", text));
    }

    @Test
    void whatBelongsToATextStays() throws Exception {
        String persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645";
        for (String text : List.of("a b~", "\u00e9\u20ac", "e\u0301", persian, FAMILY,
                SCOTLAND, "\ud83d\udc4d\ud83c\udffd", "\u2764\ufe0f")) {
            assertEquals(text, call("printable", text));
        }
    }

    private static String quoted(String text) throws Exception {
        return call("quoted", ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @CsvSource({"'Hello, echo!', 'Hello, echo!', 12 bytes", "a, a, 1 byte", "'', '', 0 bytes",
        "\u20ac, \u20ac, 3 bytes", "'a\r\nb\n', a\\r\\nb\\n, 5 bytes",
        "'\u001b[31m', '.[31m', 5 bytes"})
    void aTextIsQuotedWithItsBytes(String text, String shown, String bytes) throws Exception {
        assertEquals("\"" + shown + "\" (" + bytes + ")", quoted(text));
    }

    @Test
    void bytesThatAreNoTextAndPartsOfABuffer() throws Exception {
        assertEquals("\"a.b\" (3 bytes)",
                call("quoted", ByteBuffer.wrap(new byte[] {'a', (byte) 0xff, 'b'})));
        ByteBuffer part = ByteBuffer.wrap("xHix".getBytes()).position(1).limit(3);
        assertEquals("\"Hi\" (2 bytes)", call("quoted", part));
        assertEquals(2, part.remaining());
    }

    @Test
    void aLongTextIsCutBetweenCharacters() throws Exception {
        for (String one : List.of("a", "\u20ac", "e\u0301", FAMILY, SCOTLAND,
                "\ud83d\udc4d\ud83c\udffd", "\ud83d\ude00")) {
            int bytes = one.getBytes(StandardCharsets.UTF_8).length;
            assertEquals("\"" + one.repeat(60) + "\" (" + 60 * bytes + " bytes)",
                    quoted(one.repeat(60)));
            assertEquals("\"" + one.repeat(60) + "...\" (" + 61 * bytes + " bytes)",
                    quoted(one.repeat(61)));
        }
        assertEquals("\"" + "a".repeat(60) + "...\" (1000000 bytes)",
                quoted("a".repeat(1_000_000)));
    }

    @ParameterizedTest
    @CsvSource({"127.0.0.1, 127.0.0.1", "localhost, localhost", "0:0:0:0:0:0:0:1, [::1]",
        "0:0:0:0:0:0:0:0, [::]", "::1, [::1]", "[::1], [::1]",
        "2001:db8:0:0:1:0:0:2, [2001:db8::1:0:0:2]", "1:0:0:0:0:0:0:0, [1::]",
        "1:0:2:0:3:0:4:5, [1:0:2:0:3:0:4:5]", "fe80:0:0:0:10:0:20:1, [fe80::10:0:20:1]",
        "0:0::1, [0:0::1]", "fe80::1, [fe80::1]"})
    void addresses(String host, String expected) throws Exception {
        assertEquals(expected + ":5050", call("address", host, 5050));
    }
}
