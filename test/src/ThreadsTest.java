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

    /** Message of a closed loop, or of a schedule: 1 us, or 1.3 us of which 0.3 are lateness. */
    private void record(int thread, int number) {
        long at = (thread + number * THREADS) * 40L * Made.US;
        if (thread == 5 && number == 30_000) {
            phase.record(at, at + 9 * Made.MS, 1, 70); // the slowest
        } else if (number % 2 == 0) {
            phase.record(at, at + 1000, 1, 70);
        } else {
            phase.recordScheduled(at, number % 4 == 1, at + 300, at + 1300, 2, 0);
        }
    }

    /** Asks for intervals meanwhile, until all threads have ended. */
    @BeforeEach
    void allAtOnce() throws Exception {
        phase.begin(0);
        CountDownLatch start = new CountDownLatch(1);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            int thread = i;
            all.add(threads.submit(() -> {
                start.await();
                for (int number = 0; number < EACH; number++) {
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
    }

    @Test
    void allAreCountedOnce() {
        assertEquals(List.of(ALL, ALL, ALL / 2, ALL / 2, ALL / 4, ALL / 4),
                List.of(phase.messages(), phase.rtt.countFrom(0), phase.connect.count(),
                        phase.response.count(), phase.behind.count(), phase.wakeup.count()));
        assertEquals(1000 + (9e6 - 1000) / ALL, phase.rtt.mean(), 1e-6);
        assertEquals(List.of(1000L, 9 * Made.MS), List.of(phase.rtt.min(), phase.rtt.max()));
        assertEquals(List.of(1300.0, 300.0), List.of(phase.response.mean(),
                phase.behind.mean()));
        assertEquals(1.5, phase.readsMean());
        assertEquals((5 + 30_000L * THREADS) * 40 * Made.US, phase.maxAtNanos());
    }

    @Test
    void intervalsAndPointsHoldThemAll() {
        long messages = 0;
        long most = 0;
        double total = 0;
        for (EchoClient.Intervals.Interval one : phase.intervals.all()) {
            messages += one.messages;
            total += one.messages > 0 ? one.meanNanos * one.messages : 0;
            most = Math.max(most, one.maxNanos);
        }
        assertEquals(List.of(ALL, 9 * Made.MS), List.of(messages, most));
        double sum = ALL * 1150 + 9e6;
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
