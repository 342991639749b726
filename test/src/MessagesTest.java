import static org.junit.jupiter.api.Assertions.*;

import java.lang.management.ManagementFactory;
import java.math.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What is sent; and with --rate how many messages are due, and when, beside exact arithmetic. */
@Timeout(60)
class MessagesTest {
    private static final BigDecimal BILLION = BigDecimal.valueOf(1_000_000_000);
    private static final long BEGAN = 7_000;

    private static EchoClient.Payload payload(String line) {
        return new EchoClient.Payload(EchoClient.Options.parse(line.split(" ")));
    }

    private static byte[] message(EchoClient.Payload payload, long number) {
        ByteBuffer message = payload.message(payload.window(), number);
        byte[] bytes = new byte[message.remaining()];
        message.get(bytes);
        assertEquals(payload.size(), bytes.length);
        return bytes;
    }

    /** Also around the thousandth message, after which they come again, and for lines. */
    @ParameterizedTest
    @CsvSource({"--size 1, 1, 990, 1010", "--size 2, 2, 1, 2002", "--size 1024, 1024, 990, 1010",
        "--size 1199999, 1199999, 998, 1001", "--line --size 1, 1, 1, 3",
        "--line --size 2, 2, 1, 2002", "--line --size 81, 81, 1, 2002",
        "--line --size 16m, 16777216, 1, 2"})
    void eachByteDiffersFromThatOfTheMessageBefore(String line, int size, int first, int last) {
        EchoClient.Payload payload = payload("--bench " + line);
        assertEquals(size, payload.size());
        boolean letters = line.startsWith("--line");
        byte[] before = message(payload, first + 999); // it comes again in a thousand
        for (int number = first; number <= last; number++) {
            byte[] bytes = message(payload, number);
            int compared = size;
            if (letters) {
                compared--;
                assertEquals('\n', bytes[compared]);
            }
            for (int i = 0; i < compared; i++) {
                if (before[i] == bytes[i] || letters && (bytes[i] < 'a' || bytes[i] > 'z')) {
                    fail("byte " + i + " of message " + number + ": " + bytes[i]);
                }
            }
            before = bytes;
        }
    }

    /** So a path that compresses gains nothing: all values come, none of them often. */
    @Test
    void theBytesAreRandom() {
        int[] seen = new int[256];
        for (byte b : message(payload("--bench --size 256k"), 5)) {
            seen[b & 0xff]++;
        }
        Check.between(400, 1024, Arrays.stream(seen).min().getAsInt());
        Check.between(1024, 2100, Arrays.stream(seen).max().getAsInt());
    }

    @Test
    void aTextIsSentAsItIs() {
        String text = "h\u00e9\ud83d\ude00";
        for (int number = 0; number < 1002; number += 501) {
            assertEquals(text, new String(message(payload("--bench --message " + text), number),
                    StandardCharsets.UTF_8));
        }
        assertEquals("ab\n", new String(message(payload("--line --message ab"), 3)));
        assertEquals(0, payload("--size 0").size());
    }

    private static EchoClient.Schedule schedule(String rate, int parallel, int index) {
        return new EchoClient.Schedule(EchoClient.Options.parse("--bench", "--rate", rate,
                "--parallel", "" + parallel), index, BEGAN);
    }

    /** From 0.001 to 9,900,000 a second. */
    private static List<String> rates() {
        return IntStream.range(1, 100).boxed().flatMap(digits -> IntStream.range(-3, 6)
                .mapToObj(zeros -> BigDecimal.valueOf(digits, -zeros).toPlainString()))
                .collect(Collectors.toList());
    }

    /** Message n is due after n / rate; so many are due before an end, over all threads. */
    @Test
    void whatIsDueIsExactForOrdinaryPairs() {
        int parallel = 1;
        for (String rate : rates()) {
            parallel = parallel % 7 + 1;
            EchoClient.Schedule[] threads = new EchoClient.Schedule[parallel];
            for (int index = 0; index < parallel; index++) {
                threads[index] = schedule(rate, parallel, index);
            }
            for (long hundredths = 7; hundredths <= 200; hundredths += 7) {
                long nanos = hundredths * 10_000_000;
                BigDecimal exact = BigDecimal.valueOf(nanos).multiply(new BigDecimal(rate))
                        .divide(BILLION).setScale(0, RoundingMode.CEILING);
                long all = 0;
                long first = threads[0].dueWithin(nanos);
                for (EchoClient.Schedule thread : threads) {
                    long due = thread.dueWithin(nanos);
                    assertTrue(first == due || first == due + 1, "they take turns");
                    all += due;
                }
                assertEquals(exact.longValueExact(), all, rate + " " + nanos + " " + parallel);
            }
        }
    }

    @Test
    void aNanosecondDecides() {
        EchoClient.Schedule schedule = schedule("100", 1, 0);
        assertEquals(List.of(0L, 1L, 112L, 113L), List.of(schedule.dueWithin(0),
                schedule.dueWithin(1), schedule.dueWithin(1_120_000_000),
                schedule.dueWithin(1_120_000_001)));
        EchoClient.Schedule fast = schedule("10000000", 1, 0);
        assertEquals(1_800_000L * 10_000_000, fast.dueWithin(1_800_000 * Made.SECOND)); // 500 h
        assertTrue(fast.dueWithin(Long.MAX_VALUE) > 1L << 56);
    }

    @Test
    void eachPlaceIsDueAtItsTime() {
        for (String rate : rates()) {
            for (int place = 0; place < 12; place++) {
                long found = schedule(rate, 3, place % 3).dueNanos(place / 3) - BEGAN;
                BigDecimal due = BigDecimal.valueOf(place).multiply(BILLION)
                        .divide(new BigDecimal(rate), 3, RoundingMode.HALF_UP);
                assertEquals(due.doubleValue(), found, 1, rate + " " + place);
            }
        }
    }

    /** It parks, but wakes up before the time; the rest it polls. */
    @Test
    void awaitIsNeverEarlyAndHardlyLate() {
        EchoClient.Phase phase = new EchoClient.Phase(false);
        EchoClient.Schedule schedule = schedule("100", 1, 0);
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 40; i++) {
            long due = System.nanoTime() + (1 + i % 3) * Made.MS;
            assertTrue(schedule.await(due, phase));
            long late = System.nanoTime() - due;
            assertTrue(late >= 0, late + " ns late");
            least = Math.min(least, late);
        }
        assertTrue(least < 30 * Made.US, least + " ns late: it did not poll");
        for (int parallel = 1; parallel <= 5; parallel += 4) {
            schedule = schedule("100", parallel, 0);
            long before = cpuNanos();
            for (int i = 0; i < 10; i++) {
                assertTrue(schedule.await(System.nanoTime() + 20 * Made.MS, phase));
            }
            assertTrue(cpuNanos() - before < 50 * Made.MS, "it polls all the time");
        }
        phase.end(0);
        assertFalse(schedule.await(System.nanoTime() + 60 * Made.SECOND, phase));
    }

    private static long cpuNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }
}
