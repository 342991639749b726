import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;

/** Many threads record in one phase at once: nothing is lost, and nothing counted twice. */
@Timeout(60)
class ThreadsTest {
    private static final int THREADS = 8;
    private static final int EACH = 50_000;
    private static final long ALL = THREADS * EACH;

    private final EchoClient.Phase phase = new EchoClient.Phase(true, Made.SECOND);

    private interface Work {
        void record(int thread, int number);
    }

    /** Asks for intervals meanwhile, until all threads have ended. */
    private void atOnce(Work work) throws Exception {
        phase.begin(0);
        CountDownLatch start = new CountDownLatch(1);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            int thread = i;
            all.add(threads.submit(() -> {
                start.await();
                for (int number = 0; number < EACH; number++) {
                    work.record(thread, number);
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
    }

    private static long nanos(int thread, int number) {
        return 1000 + (thread * EACH + number) % 500;
    }

    @Test
    void aClosedLoop() throws Exception {
        atOnce((thread, number) -> {
            boolean slowest = thread == 5 && number == 30_000;
            long start = (thread + number * THREADS) * 40L * Made.US;
            long end = start + (slowest ? 9 * Made.MS : nanos(thread, number));
            phase.record(start, end, 1 + number % 2, 70);
        });
        double sum = 9e6;
        for (int thread = 0; thread < THREADS; thread++) {
            for (int number = 0; number < EACH; number++) {
                sum += thread == 5 && number == 30_000 ? 0 : nanos(thread, number);
            }
        }
        assertEquals(List.of(ALL, ALL, ALL, ALL), List.of(phase.messages(), phase.rtt.count(),
                phase.connect.count(), phase.rtt.countFrom(0)));
        assertEquals(sum / ALL, phase.rtt.mean(), 1e-6);
        assertEquals(List.of(1000L, 9 * Made.MS), List.of(phase.rtt.min(), phase.rtt.max()));
        assertEquals(1.5, phase.readsMean());
        assertEquals((5 + 30_000L * THREADS) * 40 * Made.US, phase.maxAtNanos());
        long messages = 0;
        long most = 0;
        double total = 0;
        for (EchoClient.Intervals.Interval one : phase.intervals.all()) {
            messages += one.messages;
            total += one.messages > 0 ? one.meanNanos * one.messages : 0;
            most = Math.max(most, one.maxNanos);
        }
        assertEquals(List.of(ALL, 9 * Made.MS), List.of(messages, most));
        assertEquals(sum, total, sum / 100); // a sum and its count are not taken at once
        assertPoints(1000, 9 * Made.MS);
    }

    /** That the points together hold the least and the greatest, and that all have a time. */
    private void assertPoints(double least, double greatest) {
        DoubleSummaryStatistics all = new DoubleSummaryStatistics();
        TreeSet<Long> times = new TreeSet<>();
        phase.series.forEach((at, min, mean, max) -> {
            all.accept(min);
            all.accept(max);
            assertTrue(min <= mean && mean <= max);
            assertTrue(times.add(at), "a point twice");
        });
        assertEquals(least, all.getMin());
        assertEquals(greatest, all.getMax());
        assertFalse(phase.series.single());
        assertTrue(times.size() <= 1000 && times.first() == 0, times.size() + " points");
        assertTrue(times.last() <= phase.series.last());
    }

    @Test
    void aSchedule() throws Exception {
        atOnce((thread, number) -> {
            long due = (thread + number * THREADS) * 40L * Made.US;
            boolean late = number % 4 == 0;
            long sent = due + (late ? 300 : 20);
            phase.recordScheduled(due, late, sent, sent + 1000, 1, 0);
        });
        assertEquals(List.of(ALL, ALL, ALL / 4, ALL * 3 / 4), List.of(phase.messages(),
                phase.response.count(), phase.behind.count(), phase.wakeup.count()));
        assertEquals(ALL, phase.rtt.countFrom(0)); // all in one bucket
        assertEquals(1000, phase.rtt.mean());
        assertEquals(1090, phase.response.mean());
        assertEquals(0, phase.rtt.stddev());
        assertPoints(1020, 1300);
    }
}
