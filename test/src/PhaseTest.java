import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the times of messages come to, also of many threads: with times that are made up. */
@Timeout(60)
class PhaseTest {
    private final EchoClient.Phase phase = new EchoClient.Phase(true, 100);

    @Test
    void aRoundTripCountsFromWhenItWasSent() {
        phase.begin(1000);
        phase.record(1000, 1040, 1, 0);
        phase.record(1050, 1070, 4, 7);
        phase.end(1100);
        phase.end(9999); // the first end counts
        phase.finish();
        assertEquals(List.of(2L, 40L, 20L, 40L, 0L, 100L, 1L, 7L, 0L), List.of(phase.messages(),
                phase.firstNanos(), phase.rtt.min(), phase.rtt.max(), phase.maxAtNanos(),
                phase.elapsedNanos(), phase.connect.count(), phase.connect.max(),
                phase.response.count()));
        assertEquals(2.5, phase.readsMean());
    }

    @Test
    void onAScheduleItCountsFromWhenItWasDue() {
        phase.begin(1000);
        phase.recordScheduled(1010, false, 1013, 1020, 1, 0);
        phase.recordScheduled(1020, true, 1060, 1065, 1, 0);
        phase.end(1100);
        phase.recordUnsent(1030, 1, true);
        phase.recordUnsent(1040, 3, false);
        phase.finish();
        assertEquals(List.of(2L, 5L, 7L), List.of(phase.messages(), phase.rtt.min(),
                phase.rtt.max()));
        assertEquals(List.of(6L, 10L, 70L), List.of(phase.response.count(),
                phase.response.min(), phase.response.max()));
        assertEquals(45 + 10 + 70 + 3 * 60, Math.round(phase.response.mean() * 6));
        assertEquals(List.of(1L, 3L), List.of(phase.wakeup.count(), phase.wakeup.max()));
        assertEquals(List.of(4L, 40L, 60L), List.of(phase.behind.count(), phase.behind.min(),
                phase.behind.max()));
        assertEquals(List.of(1L, 70L, 3L, 30L), List.of(phase.waiting(),
                phase.waitingMaxNanos(), phase.unsent(), phase.maxAtNanos()));
        TreeSet<Long> times = new TreeSet<>();
        phase.series.forEach((at, min, mean, max) -> times.add(at));
        assertEquals(Set.of(10L, 20L, 30L, 40L), times); // since it began
    }

    @Test
    void whatWaitsAtTheEndOfAClosedLoopCountsIfItIsLongerThanTheMedian() {
        phase.begin(1000);
        for (int i = 0; i < 9; i++) {
            phase.record(1000, 1050, 1, 0);
        }
        phase.end(2000);
        phase.recordWaiting(1980, 2000);
        phase.recordWaiting(1200, 2000);
        phase.finish();
        assertEquals(List.of(9L, 10L, 800L, 200L, 2L, 800L), List.of(phase.messages(),
                phase.rtt.count(), phase.rtt.max(), phase.maxAtNanos(), phase.waiting(),
                phase.waitingMaxNanos()));
    }

    @Test
    void intervalsAddUpToTheWhole() {
        phase.begin(1000);
        phase.record(1000, 1010, 1, 0);
        phase.record(1000, 1190, 1, 0);
        phase.intervals.next();
        phase.intervals.next(); // nothing came
        phase.recordScheduled(1100, true, 1150, 1160, 1, 0); // 60 since it was due
        phase.intervals.rest(250);
        List<String> found = new ArrayList<>();
        phase.intervals.all().forEach(one -> found.add(one.endNanos + ": " + one.messages
                + ", " + one.meanNanos + ", " + one.maxNanos));
        assertEquals(List.of("100: 2, 100.0, 190", "200: 0, NaN, 0", "250: 1, 60.0, 60"), found);
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
        Check.has("" + intervals.next(), "1.5 s", "2 messages", "605.0 us", "1.20 ms");
        String none = "" + intervals.next();
        Check.has(none, "3 s");
        Check.has("" + new EchoClient.Intervals(10 * Made.SECOND).next(), "10 s");
        Check.lacks(none, "0.00", "NaN");
    }

    @Test
    void pointsOfAPictureAreMessagesUntilTheyAreTooMany() {
        EchoClient.Series few = new EchoClient.Series();
        for (int i = 0; i < 970; i++) {
            few.add(i * 5000, i);
        }
        few.finish();
        assertTrue(few.single());
        TreeMap<Long, Double> all = new TreeMap<>();
        few.forEach((at, min, mean, max) -> all.put(at, mean));
        assertEquals(970, all.size());
        assertEquals(969.0, all.get(few.last()));
        EchoClient.Series many = new EchoClient.Series();
        for (int i = 0; i < 100_000; i++) {
            many.add(i * 5000L, i == 50_000 ? 9000 : 100 + i % 11);
        }
        many.finish();
        assertFalse(many.single());
        assertEquals(499_995_000, many.last());
        TreeMap<Long, Double> most = new TreeMap<>();
        many.forEach((at, min, mean, max) -> {
            assertEquals(100, min);
            assertTrue(mean > 104 && mean < 200, "" + mean);
            most.put(at, max);
        });
        assertTrue(most.size() > 400 && most.size() <= 1000, "" + most.size());
        assertEquals(9000, most.floorEntry(250_000_000L).getValue());
        assertTrue(most.floorKey(250_000_000L) + many.width() > 250_000_000);
    }

    /** In a closed loop a late look counts only if hardly any echo came meanwhile. */
    @ParameterizedTest
    @CsvSource({"--nagle, 0, 900", "--nagle, 30, 900", "--nagle, 50, 0", "--rate=9, 50, 900"})
    void ourOwnStandstillIsTheLongest(String way, int came, long millis) {
        Made made = new Made(way).trips(1000, 9 * Made.MS);
        made.measured.end(10 * Made.SECOND); // so 111 messages would have come in a second
        EchoClient.Standstill standstill =
                new EchoClient.Standstill(made.options, made.measured);
        assertEquals(0, standstill.look(Made.SECOND / 10, 90 * Made.MS));
        made.trips(came, Made.MS);
        assertEquals(millis, standstill.look(Made.SECOND, 900 * Made.MS) / Made.MS);
        assertEquals(Math.max(millis, 400),
                standstill.look(Made.SECOND / 2, 400 * Made.MS) / Made.MS);
    }

    /** Message of a closed loop, or of a schedule: 1 us, or 1.3 us of which 0.3 are lateness. */
    private void record(int thread, int number) {
        long at = (thread + number * 8) * 40L * Made.US;
        if (thread == 5 && number == 30_000) {
            phase.record(at, at + 9 * Made.MS, 1, 70); // the slowest
        } else if (number % 2 == 0) {
            phase.record(at, at + 1000, 1, 70);
        } else {
            phase.recordScheduled(at, number % 4 == 1, at + 300, at + 1300, 2, 0);
        }
    }

    /** Eight threads record 50,000 messages each, while somebody asks for intervals. */
    @Test
    void nothingIsLostOrCountedTwice() throws Exception {
        phase.begin(0);
        ExecutorService threads = Executors.newFixedThreadPool(8);
        CountDownLatch start = new CountDownLatch(1);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            int thread = i;
            all.add(threads.submit(() -> {
                start.await();
                for (int number = 0; number < 50_000; number++) {
                    record(thread, number);
                }
                return null;
            }));
        }
        threads.shutdown();
        start.countDown();
        while (!threads.awaitTermination(1, TimeUnit.MILLISECONDS)) {
            phase.intervals.next();
        }
        for (Future<?> one : all) {
            one.get();
        }
        phase.intervals.next();
        phase.end(20 * Made.SECOND);
        phase.finish();
        long many = 400_000;
        assertEquals(List.of(many, many, many / 2, many / 2, many / 4, many / 4),
                List.of(phase.messages(), phase.rtt.countFrom(0), phase.connect.count(),
                        phase.response.count(), phase.behind.count(), phase.wakeup.count()));
        assertEquals(1000 + (9e6 - 1000) / many, phase.rtt.mean(), 1e-6);
        assertEquals(List.of(1000L, 9 * Made.MS), List.of(phase.rtt.min(), phase.rtt.max()));
        assertEquals(List.of(1300.0, 300.0, 1.5), List.of(phase.response.mean(),
                phase.behind.mean(), phase.readsMean()));
        assertEquals((5 + 30_000L * 8) * 40 * Made.US, phase.maxAtNanos());
        assertIntervalsAndPointsHoldThemAll(many);
    }

    private void assertIntervalsAndPointsHoldThemAll(long many) {
        long messages = 0;
        long most = 0;
        double total = 0;
        for (EchoClient.Intervals.Interval one : phase.intervals.all()) {
            messages += one.messages;
            total += one.messages > 0 ? one.meanNanos * one.messages : 0;
            most = Math.max(most, one.maxNanos);
        }
        assertEquals(List.of(many, 9 * Made.MS), List.of(messages, most));
        double sum = many * 1150 + 9e6;
        assertEquals(sum, total, sum / 100); // a sum and its count are not taken at once
        DoubleSummaryStatistics values = new DoubleSummaryStatistics();
        TreeSet<Long> times = new TreeSet<>();
        phase.series.forEach((at, min, mean, max) -> {
            values.accept(min);
            values.accept(max);
            assertTrue(min <= mean && mean <= max);
            assertTrue(times.add(at), "a point twice");
        });
        assertEquals(List.of(1000.0, 9e6), List.of(values.getMin(), values.getMax()));
        assertTrue(times.size() <= 1000 && times.first() == 0, times.size() + " points");
        assertTrue(times.last() <= phase.series.last());
    }
}
