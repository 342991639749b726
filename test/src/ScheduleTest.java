import static org.junit.jupiter.api.Assertions.*;

import java.math.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** With --rate: how many messages are due, and when, beside exact arithmetic. */
@Timeout(60)
class ScheduleTest {
    private static final BigDecimal BILLION = BigDecimal.valueOf(1_000_000_000);

    private static EchoClient.Options options(String rate, int parallel) {
        return EchoClient.Options.parse("--bench", "--rate", rate, "--parallel", "" + parallel);
    }

    private static EchoClient.Schedule schedule(EchoClient.Options options, int index) {
        return new EchoClient.Schedule(options, index, 7_000);
    }

    /** Message n is due after n / rate; this many of them before the end. */
    private static long exact(String rate, long nanos) {
        return BigDecimal.valueOf(nanos).multiply(new BigDecimal(rate))
                .divide(BILLION).setScale(0, RoundingMode.CEILING).longValueExact();
    }

    private static List<String> rates() {
        List<String> rates = new ArrayList<>();
        for (int digit = 1; digit < 100; digit++) {
            for (int zeros = -3; zeros < 6; zeros++) {
                rates.add(BigDecimal.valueOf(digit, -zeros).toPlainString());
            }
        }
        return rates;
    }

    @Test
    void whatIsDueIsExactForOrdinaryPairs() {
        for (String rate : rates()) {
            EchoClient.Schedule one = schedule(options(rate, 1), 0);
            for (long hundredths = 7; hundredths <= 200; hundredths += 7) {
                long nanos = hundredths * 10_000_000;
                assertEquals(exact(rate, nanos), one.dueWithin(nanos), rate + " " + nanos);
            }
        }
    }

    @Test
    void aNanosecondDecides() {
        EchoClient.Schedule schedule = schedule(options("100", 1), 0);
        assertEquals(0, schedule.dueWithin(0));
        assertEquals(1, schedule.dueWithin(1));
        assertEquals(112, schedule.dueWithin(1_120_000_000));
        assertEquals(113, schedule.dueWithin(1_120_000_001));
    }

    @Test
    void allThreadsTogetherAreTheSchedule() {
        Random random = new Random(5);
        List<String> rates = rates();
        for (int i = 0; i < 500; i++) {
            int parallel = 1 + random.nextInt(60);
            String rate = rates.get(random.nextInt(rates.size()));
            long nanos = (1 + random.nextInt(5000)) * Made.MS;
            EchoClient.Options options = options(rate, parallel);
            long all = 0;
            long least = Long.MAX_VALUE;
            long most = 0;
            for (int index = 0; index < parallel; index++) {
                long due = schedule(options, index).dueWithin(nanos);
                all += due;
                least = Math.min(least, due);
                most = Math.max(most, due);
            }
            assertEquals(exact(rate, nanos), all, rate + " " + parallel + " " + nanos);
            assertTrue(most - least <= 1, "they take turns");
        }
    }

    @Test
    void eachPlaceIsDueAtItsTime() {
        for (String rate : rates()) {
            EchoClient.Options options = options(rate, 3);
            for (int place = 0; place < 60; place++) {
                long found = schedule(options, place % 3).dueNanos(place / 3) - 7_000;
                BigDecimal due = BigDecimal.valueOf(place).multiply(BILLION)
                        .divide(new BigDecimal(rate), 3, RoundingMode.HALF_UP);
                assertEquals(due.doubleValue(), found, 1, rate + " " + place);
            }
        }
    }

    @Test
    void noTimeIsTooLongForTheLargestRate() {
        EchoClient.Schedule fast = schedule(options("10000000", 1), 0);
        assertEquals(1_800_000L * 10_000_000, fast.dueWithin(1_800_000 * Made.SECOND)); // 500 h
        assertTrue(fast.dueWithin(Long.MAX_VALUE) > 1L << 56);
    }
}
