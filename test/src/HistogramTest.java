import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The client's histogram, against HdrHistogram and against values that one knows. */
@Timeout(30)
class HistogramTest {
    private final EchoClient.Histogram ours = new EchoClient.Histogram();
    private final org.HdrHistogram.Histogram theirs =
            new org.HdrHistogram.Histogram(1, 1L << 50, 3);

    private void recordBoth(long nanos) {
        ours.record(nanos);
        theirs.recordValue(nanos);
    }

    private static List<String> lines(String hgrm) {
        return hgrm.lines().map(line -> line.trim().replaceAll(" +", " "))
                .collect(Collectors.toList());
    }

    /** From 1 ns to 3 hours. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 10, 999, 1000, 30_000})
    void equalsHdrHistogram(int many) {
        Random random = new Random(many);
        for (int i = 0; i < many; i++) {
            recordBoth((long) Math.exp(random.nextDouble() * 30));
        }
        for (double percent : new double[] {0.1, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}) {
            assertEquals(Math.min(ours.max(), theirs.getValueAtPercentile(percent)),
                    ours.percentile(percent), "p" + percent);
        }
        assertEquals(theirs.getMean(), ours.mean(), ours.mean() / 900);
        assertEquals(theirs.getStdDeviation(), ours.stddev(), ours.mean() / 200);
        for (String line : lines(ours.toHgrm())) {
            if (line.matches("[0-9].*")) {
                String[] columns = line.split(" ");
                double nanos = Double.parseDouble(columns[0]) * 1e3;
                double percent = Double.parseDouble(columns[1]) * 100;
                assertEquals(theirs.getValueAtPercentile(percent), nanos, nanos / 900 + 1);
                assertEquals(theirs.getCountBetweenValues(0, Math.round(nanos)),
                        Long.parseLong(columns[2]), line);
            }
        }
    }

    @Test
    void theFormIsThatOfHdrHistogram() {
        for (int i = 1; i <= 1000; i++) {
            recordBoth(i * 1000);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        theirs.outputPercentileDistribution(new PrintStream(out), 5, 1e3);
        List<String> expected = lines(out.toString(StandardCharsets.UTF_8));
        List<String> lines = lines(ours.toHgrm());
        assertEquals(expected.get(0), lines.get(0));
        assertEquals(expected.size(), lines.size(), 3);
        assertTrue(lines.contains("500.223 0.500000000000 500 2.00"), lines.toString());
        assertEquals(List.of("1000.000 1.000000000000 1000",
                "#[Mean = 500.500, StdDeviation = 288.675]",
                "#[Max = 1000.000, Total count = 1000]",
                "#[Buckets = 54, SubBuckets = 2048]"),
                lines.subList(lines.size() - 4, lines.size()));
    }

    @Test
    void minMaxMeanAndDeviationAreExact() {
        ours.record(1_000_003);
        ours.record(3_000_007, 3);
        assertEquals(List.of(4L, 1_000_003L, 3_000_007L),
                List.of(ours.count(), ours.min(), ours.max()));
        assertEquals(2_500_006, ours.mean(), 0.01);
        assertEquals(2_000_004 * Math.sqrt(3) / 4, ours.stddev(), 1);
    }

    @Test
    void percentilesAreByNearestRank() {
        for (int i = 1; i <= 1000; i++) {
            ours.record(i);
        }
        assertEquals(List.of(1L, 500L, 501L, 990L, 999L, 1000L), List.of(ours.percentile(0.1),
                ours.percentile(50), ours.percentile(50.01), ours.percentile(99),
                ours.percentile(99.9), ours.percentile(100)));
        assertEquals(List.of(1000L, 101L, 0L),
                List.of(ours.countFrom(0), ours.countFrom(900), ours.countFrom(1001)));
    }

    @ParameterizedTest
    @CsvSource({"50, 2", "90, 10", "95, 20", "99, 100", "99.9, 1000"})
    void aPercentileNeedsAValueBeyondIt(double percent, int needed) {
        ours.record(5, needed - 1);
        assertFalse(ours.supports(percent));
        assertTrue(Double.isNaN(ours.supported(percent)));
        ours.record(5);
        assertEquals(5, ours.supported(percent));
    }

    @Test
    void nothingIsNoFigure() {
        assertEquals(0, ours.min() + ours.max() + ours.percentile(50) + ours.count());
        assertTrue(Double.isNaN(ours.mean()) && Double.isNaN(ours.supported(50)));
    }
}
