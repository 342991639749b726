import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;

/** What is counted, and when it is due: with times that are made up. */
@Timeout(30)
class PhaseTest {

    private final EchoClient.Phase phase = new EchoClient.Phase(true, 100);

    private void began() {
        phase.begin(1000);
    }

    @Test
    void aRoundTripCountsFromWhenItWasSent() {
        began();
        phase.record(1000, 1040, 1, 0);
        phase.record(1050, 1070, 4, 7);
        phase.end(1100);
        phase.end(9999); // the first end counts
        phase.finish();
        assertEquals(2, phase.messages());
        assertEquals(40, phase.firstNanos());
        assertEquals(20, phase.rtt.min());
        assertEquals(40, phase.rtt.max());
        assertEquals(2.5, phase.readsMean());
        assertEquals(0, phase.maxAtNanos());
        assertEquals(100, phase.elapsedNanos());
        assertEquals(1, phase.connect.count());
        assertEquals(7, phase.connect.max());
        assertEquals(0, phase.response.count());
    }

    @Test
    void onAScheduleItCountsFromWhenItWasDue() {
        began();
        phase.recordScheduled(1010, false, 1013, 1020, 1, 0);
        phase.recordScheduled(1020, true, 1060, 1065, 1, 0);
        phase.end(1100);
        phase.recordUnsent(1030, 1, true);
        phase.recordUnsent(1040, 3, false);
        phase.finish();
        assertEquals(2, phase.messages());
        assertEquals(List.of(5L, 7L), List.of(phase.rtt.min(), phase.rtt.max()));
        assertEquals(6, phase.response.count());
        assertEquals(List.of(10L, 70L), List.of(phase.response.min(), phase.response.max()));
        assertEquals(45 + 10 + 70 + 3 * 60, Math.round(phase.response.mean() * 6));
        assertEquals(List.of(1L, 3L), List.of(phase.wakeup.count(), phase.wakeup.max()));
        assertEquals(List.of(4L, 60L), List.of(phase.behind.count(), phase.behind.max()));
        assertEquals(40, phase.behind.min());
        assertEquals(List.of(1L, 70L), List.of(phase.waiting(), phase.waitingMaxNanos()));
        assertEquals(3, phase.unsent());
        assertEquals(30, phase.maxAtNanos());
        List<Long> times = new ArrayList<>();
        phase.series.forEach((at, min, mean, max) -> times.add(at));
        Collections.sort(times);
        assertEquals(List.of(10L, 20L, 30L, 40L), times); // since it began
    }

    @Test
    void whatWaitsAtTheEndOfAClosedLoopCountsIfItIsLongerThanTheMedian() {
        began();
        for (int i = 0; i < 9; i++) {
            phase.record(1000, 1050, 1, 0);
        }
        phase.end(2000);
        phase.recordWaiting(1980, 2000);
        phase.recordWaiting(1200, 2000);
        phase.finish();
        assertEquals(9, phase.messages());
        assertEquals(10, phase.rtt.count());
        assertEquals(800, phase.rtt.max());
        assertEquals(200, phase.maxAtNanos());
        assertEquals(List.of(2L, 800L), List.of(phase.waiting(), phase.waitingMaxNanos()));
    }

    @Test
    void intervalsAddUpToTheWhole() {
        began();
        phase.record(1000, 1010, 1, 0);
        phase.record(1000, 1190, 1, 0);
        phase.intervals.next();
        phase.intervals.next(); // nothing came
        phase.recordScheduled(1100, true, 1150, 1160, 1, 0);
        phase.intervals.rest(250);
        List<EchoClient.Intervals.Interval> all = phase.intervals.all();
        assertEquals(3, all.size());
        assertEquals(List.of(100L, 200L, 250L),
                List.of(all.get(0).endNanos, all.get(1).endNanos, all.get(2).endNanos));
        assertEquals(List.of(2L, 0L, 1L),
                List.of(all.get(0).messages, all.get(1).messages, all.get(2).messages));
        assertEquals(100, all.get(0).meanNanos);
        assertEquals(190, all.get(0).maxNanos);
        assertEquals(60, all.get(2).meanNanos); // of the response time
        assertEquals(60, all.get(2).maxNanos);
        assertTrue(Double.isNaN(all.get(1).meanNanos));
    }

    /** What came after the last whole interval is told, or that half of one was silent. */
    @Test
    void whatIsLeftAtTheEndIsTold() {
        EchoClient.Intervals intervals = new EchoClient.Intervals(100);
        intervals.record(10);
        assertEquals(1, intervals.rest(1).messages);
        assertNull(new EchoClient.Intervals(100).rest(49));
        assertEquals(0, new EchoClient.Intervals(100).rest(51).messages);
        EchoClient.Intervals none = new EchoClient.Intervals(0);
        none.record(10);
        assertNull(none.rest(1000));
        assertEquals(Long.MAX_VALUE, none.nextNanos());
    }

    @Test
    void anIntervalIsShownWithItsEndMessagesMeanAndMax() {
        EchoClient.Intervals intervals = new EchoClient.Intervals(1_500_000_000L);
        intervals.record(10_000);
        intervals.record(1_200_000);
        assertEquals("1.5 s: 2 messages, mean 605.0 us, max 1.20 ms", "" + intervals.next());
        assertTrue(intervals.next().toString().startsWith("3 s: "));
        assertFalse(intervals.all().get(1).toString().contains("0.00"));
    }

    @Test
    void pointsOfAPictureAreMessagesUntilTheyAreTooMany() {
        EchoClient.Series few = new EchoClient.Series();
        for (int i = 0; i < 1000; i++) {
            few.add(i * 5000, i);
        }
        few.finish();
        assertTrue(few.single());
        assertEquals(999 * 5000, few.last());
        EchoClient.Series many = new EchoClient.Series();
        for (int i = 0; i < 100_000; i++) {
            many.add(i * 5000L, 100 + i % 11);
        }
        many.add(250_000_000, 9000);
        many.finish();
        assertFalse(many.single());
        List<Long> times = new ArrayList<>();
        double[] most = new double[2];
        many.forEach((at, min, mean, max) -> {
            times.add(at);
            assertEquals(100, min);
            assertTrue(mean > 104 && mean < 200, "" + mean);
            if (max > most[0]) {
                most[0] = max;
                most[1] = at;
            }
        });
        assertTrue(times.size() > 400 && times.size() <= 1000, "" + times.size());
        assertEquals(9000, most[0]);
        assertTrue(most[1] <= 250_000_000 && most[1] + many.width() > 250_000_000);
        assertEquals(499_995_000, many.last());
    }
}
