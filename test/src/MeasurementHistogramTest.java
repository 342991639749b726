import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.Random;
import java.util.function.ToLongFunction;
import java.util.stream.LongStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The histogram beside exact sorting of the same values. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MeasurementHistogramTest {
    private static final double[] PERCENTS =
            {0.001, 0.1, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100};

    /** What latencies look like, and what they never look like but must not break it. */
    enum Distribution {
        UNIFORM(random -> random.nextInt(1_000_000)),
        LOGNORMAL(random -> (long) (20_000 * Math.exp(random.nextGaussian()))),
        BIMODAL(random -> random.nextInt(100) < 97
                ? 18_000 + random.nextInt(2000) : 40_000_000 + random.nextInt(4_000_000)),
        CONSTANT(random -> 30_000_001),
        SMALL(random -> random.nextInt(2048)),
        POWERS_OF_TWO(random -> 1L << random.nextInt(62)),
        ANYTHING(random -> random.nextLong() >>> 1 + random.nextInt(62));

        private final ToLongFunction<Random> value;

        Distribution(ToLongFunction<Random> value) {
            this.value = value;
        }

        long[] values(int count) {
            Random random = new Random(count);
            return LongStream.generate(() -> value.applyAsLong(random)).limit(count).toArray();
        }
    }

    private static EchoClient.Histogram of(long... values) {
        EchoClient.Histogram histogram = new EchoClient.Histogram();
        for (long value : values) {
            histogram.record(value);
        }
        return histogram;
    }

    @ParameterizedTest
    @EnumSource
    void percentilesHaveThreeSignificantDigits(Distribution distribution) {
        for (int count : new int[] {1, 2, 3, 10, 999, 1000, 1001, 100_000}) {
            long[] values = distribution.values(count);
            EchoClient.Histogram histogram = of(values);
            Arrays.sort(values);
            for (double percent : PERCENTS) {
                long exact = values[rank(percent, count) - 1];
                long shown = histogram.percentile(percent);
                String what = "p" + percent + " of " + count + " is " + exact + ", not " + shown;
                assertTrue(shown >= exact && shown - exact <= exact / 1024, what);
                assertTrue(exact >= 2048 || shown == exact, what);
            }
            assertEquals(values[count - 1], histogram.percentile(100));
        }
    }

    /** The definition, in decimals: p % of the values are at most the one of this rank. */
    private static int rank(double percent, int count) {
        return Math.max(1, new BigDecimal("" + percent).multiply(BigDecimal.valueOf(count))
                .divide(BigDecimal.valueOf(100)).setScale(0, RoundingMode.CEILING).intValue());
    }

    /** Where rounding would be off by one: every count up to 2047, with values that are ranks. */
    @Test
    void nearestRankIsExact() {
        EchoClient.Histogram histogram = new EchoClient.Histogram();
        for (int count = 1; count <= 2047; count++) {
            histogram.record(count);
            for (double percent : PERCENTS) {
                assertEquals(rank(percent, count), histogram.percentile(percent),
                        "p" + percent + " of 1 to " + count);
            }
        }
        assertEquals(7, of(7).percentile(0.001));
        assertEquals(7, of(7).percentile(100));
    }

    @ParameterizedTest
    @EnumSource
    void countMaximumMeanAndDeviationAreExact(Distribution distribution) {
        long[] values = distribution.values(50_000);
        EchoClient.Histogram histogram = of(values);
        BigDecimal sum = BigDecimal.ZERO;
        for (long value : values) {
            sum = sum.add(BigDecimal.valueOf(value));
        }
        double mean = sum.divide(BigDecimal.valueOf(values.length), MathContext.DECIMAL64)
                .doubleValue();
        double squares = 0;
        for (long value : values) {
            squares += (value - mean) * (value - mean);
        }
        double deviation = Math.sqrt(squares / values.length);
        assertEquals(values.length, histogram.count());
        assertEquals(Arrays.stream(values).max().getAsLong(), histogram.percentile(100));
        assertEquals(mean, histogram.mean(), 1e-9 * mean);
        assertEquals(deviation, histogram.stddev(), 1e-6 * mean);
    }

    /** All connections record into one: nothing gets lost when they do so at the same time. */
    @ParameterizedTest
    @EnumSource
    void manyThreadsRecordAsOneDoes(Distribution distribution) {
        long[] values = distribution.values(40_000);
        EchoClient.Histogram alone = of(values);
        EchoClient.Histogram shared = new EchoClient.Histogram();
        Arrays.stream(values).parallel().forEach(shared::record);
        assertEquals(alone.count(), shared.count());
        assertEquals(alone.mean(), shared.mean(), 1e-9 * alone.mean());
        assertEquals(alone.stddev(), shared.stddev(), 1e-6 * alone.mean());
        for (double percent = 0.1; percent <= 100; percent += 0.1) {
            assertEquals(alone.percentile(percent), shared.percentile(percent), "p" + percent);
        }
    }

    /** A percentile is only shown if there is at least one sample beyond it. */
    @Test
    void aPercentileNeedsSamples() {
        double[][] needs = {{50, 2}, {90, 10}, {95, 20}, {99, 100}, {99.9, 1000}, {99.99, 10_000}};
        EchoClient.Histogram histogram = new EchoClient.Histogram();
        for (double[] need : needs) {
            while (histogram.count() < need[1] - 1) {
                histogram.record(1);
            }
            assertFalse(histogram.supports(need[0]), need[0] + " of " + histogram.count());
            histogram.record(1);
            assertTrue(histogram.supports(need[0]), need[0] + " of " + histogram.count());
        }
    }

    /** It is on the measured path, between two messages: a few nanoseconds, not microseconds. */
    @Test
    void recordingIsCheap() {
        long[] values = Distribution.LOGNORMAL.values(1 << 16);
        EchoClient.Histogram histogram = new EchoClient.Histogram();
        double best = Double.MAX_VALUE;
        for (int round = 0; round < 30; round++) {
            long start = System.nanoTime();
            for (long value : values) {
                histogram.record(value);
            }
            best = Math.min(best, (System.nanoTime() - start) / (double) values.length);
        }
        assertEquals(30L << 16, histogram.count());
        assertTrue(best < 1000, best + " ns to record a value");
    }
}
