import static org.junit.jupiter.api.Assertions.*;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What is sent, beyond the first thousand messages and for sizes at the edges, too. */
@Timeout(60)
class PayloadTest {

    private static EchoClient.Payload payload(String... arguments) {
        return new EchoClient.Payload(EchoClient.Options.parse(arguments));
    }

    private static byte[] message(EchoClient.Payload payload, long number) {
        ByteBuffer message = payload.message(payload.window(), number);
        byte[] bytes = new byte[message.remaining()];
        message.get(bytes);
        return bytes;
    }

    /** Looks at messages around the thousandth, after which they come again. */
    @ParameterizedTest
    @CsvSource({"1, 990, 1010", "2, 0, 2002", "1024, 990, 2002", "1199999, 998, 1001"})
    void eachByteDiffersFromThatOfTheMessageBefore(String size, int first, int last) {
        EchoClient.Payload payload = payload("--bench", "--size", size);
        byte[] before = message(payload, first - 1 + 1000);
        assertEquals(Integer.parseInt(size), payload.size());
        for (int number = first; number <= last; number++) {
            byte[] bytes = message(payload, number);
            assertEquals(before.length, bytes.length);
            for (int i = 0; i < bytes.length; i++) {
                if (before[i] == bytes[i]) {
                    fail("byte " + i + " of message " + number);
                }
            }
            before = bytes;
        }
    }

    /** So a path that compresses gains nothing: all values come, none of them often. */
    @Test
    void theBytesAreRandom() {
        int[] seen = new int[256];
        for (byte b : message(payload("--bench", "--size", "256k"), 5)) {
            seen[b & 0xff]++;
        }
        assertTrue(Arrays.stream(seen).min().getAsInt() > 400, Arrays.toString(seen));
        assertTrue(Arrays.stream(seen).max().getAsInt() < 2100, Arrays.toString(seen));
    }

    @ParameterizedTest
    @CsvSource({"1, 3", "2, 2002", "80, 2002", "5m, 7"})
    void linesAreLettersOfTwoKindsInTurn(String size, int last) {
        EchoClient.Payload payload = payload("--bench", "--line", "--size", size);
        byte[] before = message(payload, 0);
        for (int number = 1; number <= last; number++) {
            byte[] bytes = message(payload, number);
            assertEquals(payload.size(), bytes.length);
            assertEquals('\n', bytes[bytes.length - 1]);
            for (int i = 0; i < bytes.length - 1; i++) {
                if (before[i] == bytes[i] || bytes[i] < 'a' || bytes[i] > 'z') {
                    fail("byte " + i + " of message " + number + ": " + bytes[i]);
                }
            }
            before = bytes;
        }
    }

    @Test
    void aTextIsSentAsItIs() {
        String text = "h\u00e9 \ud83d\ude00";
        EchoClient.Payload payload = payload("--bench", "--message", text);
        for (int number = 0; number < 1002; number += 501) {
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), message(payload, number));
        }
        assertEquals("ab\n", new String(message(payload("--line", "--message", "ab"), 3)));
        assertEquals(0, payload("--message", "").size());
        assertEquals(0, payload("--size", "0").size());
    }
}
