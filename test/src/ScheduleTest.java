import static org.junit.jupiter.api.Assertions.*;

import java.math.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** With --rate: how many messages are due, and when, beside exact arithmetic. */
@Timeout(60)
class ScheduleTest {
    private static final BigDecimal BILLION = BigDecimal.valueOf(1_000_000_000);
    private static final long BEGAN = 7_000;

    private static EchoClient.Schedule schedule(String rate, int parallel, int index) {
        return new EchoClient.Schedule(EchoClient.Options.parse("--bench", "--rate", rate,
                "--parallel", "" + parallel), index, BEGAN);
    }

    private static List<String> rates() {
        List<String> rates = new ArrayList<>();
        for (int digits = 1; digits < 100; digits++) {
            for (int zeros = -3; zeros < 6; zeros++) {
                rates.add(BigDecimal.valueOf(digits, -zeros).toPlainString());
            }
        }
        return rates;
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
                    assertTrue(first - due == 0 || first - due == 1, "they take turns");
                    all += due;
                }
                assertEquals(exact.longValueExact(), all, rate + " " + nanos + " " + parallel);
            }
        }
    }

    @Test
    void aNanosecondDecides() {
        EchoClient.Schedule schedule = schedule("100", 1, 0);
        assertEquals(0, schedule.dueWithin(0));
        assertEquals(1, schedule.dueWithin(1));
        assertEquals(112, schedule.dueWithin(1_120_000_000));
        assertEquals(113, schedule.dueWithin(1_120_000_001));
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
        for (int i = 0; i < 20; i++) {
            long due = System.nanoTime() + 5_000_000;
            assertTrue(schedule.await(due, phase));
            long late = System.nanoTime() - due;
            assertTrue(late >= 0, late + " ns late");
            least = Math.min(least, late);
        }
        assertTrue(least < 1_000_000, least + " ns late");
        long before = Made.cpuNanos();
        assertTrue(schedule.await(System.nanoTime() + 200 * Made.MS, phase));
        assertTrue(Made.cpuNanos() - before < 50 * Made.MS, "it polls all the time");
        phase.end(0);
        assertFalse(schedule.await(System.nanoTime() + 60 * Made.SECOND, phase));
    }
}
