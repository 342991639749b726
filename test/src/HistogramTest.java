import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The client's histogram, against HdrHistogram and against values that one knows. */
@Timeout(30)
class HistogramTest {

    private final EchoClient.Histogram ours = new EchoClient.Histogram();

    @ParameterizedTest
    @CsvSource({"wide, 1", "wide, 2", "wide, 10", "wide, 999", "wide, 1000", "wide, 30000",
        "even, 5000", "two speeds, 5000", "bell, 5000", "always the same, 5000"})
    void equalsHdrHistogram(String kind, int many) throws Exception {
        org.HdrHistogram.Histogram theirs = new org.HdrHistogram.Histogram(1, 1L << 50, 3);
        Random random = new Random(many);
        long most = 0;
        for (int i = 0; i < many; i++) {
            long nanos = value(kind, random);
            most = Math.max(most, nanos);
            ours.record(nanos);
            theirs.recordValue(nanos);
        }
        for (double percent : new double[] {0.1, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}) {
            assertEquals(Math.min(most, theirs.getValueAtPercentile(percent)),
                    ours.percentile(percent), "p" + percent);
        }
        assertEquals(theirs.getTotalCount(), ours.count());
        for (String line : ours.toHgrm().split("\n")) {
            if (line.matches(" *[0-9].*")) {
                String[] columns = line.trim().split(" +");
                double value = Double.parseDouble(columns[0]) * 1e3;
                double percent = Double.parseDouble(columns[1]) * 100;
                assertEquals(theirs.getValueAtPercentile(percent), value, value / 900 + 1);
                assertEquals(theirs.getCountBetweenValues(0, Math.round(value)),
                        Long.parseLong(columns[2]), line);
            }
        }
    }

    private static long value(String kind, Random random) {
        switch (kind) {
            case "wide": return (long) Math.exp(random.nextDouble() * 30); // up to 3 hours
            case "even": return 1 + random.nextInt(5000);
            case "two speeds": return (random.nextInt(10) < 7 ? 11_000 : 46_000)
                    + random.nextInt(900);
            case "bell": return (long) Math.max(1, 60_000 + 9_000 * random.nextGaussian());
            default: return 1_234_567;
        }
    }

    @Test
    void theFormIsThatOfHdrHistogram() throws Exception {
        org.HdrHistogram.Histogram theirs = new org.HdrHistogram.Histogram(1, 1L << 40, 3);
        for (int i = 1; i <= 1000; i++) {
            ours.record(i * 1000);
            theirs.recordValue(i * 1000);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        theirs.outputPercentileDistribution(new PrintStream(out), 5, 1e3);
        List<String> expected = shape(out.toString(StandardCharsets.UTF_8));
        List<String> lines = shape(ours.toHgrm());
        assertEquals(expected.get(0), lines.get(0));
        assertTrue(lines.containsAll(List.of("#[Mean = 500.500, StdDeviation = 288.675]",
                "#[Max = 1000.000, Total count = 1000]")), lines.toString());
        assertEquals("1000.000 1.000000000000 1000", lines.get(lines.size() - 4));
        assertTrue(lines.contains("500.223 0.500000000000 500 2.00"), lines.toString());
        assertEquals(expected.size(), lines.size(), 3);
    }

    private static List<String> shape(String text) {
        List<String> lines = new ArrayList<>();
        text.lines().forEach(line -> lines.add(line.trim().replaceAll(" +", " ")));
        return lines;
    }

    @Test
    void minMaxMeanAndDeviationAreExact() {
        ours.record(1_000_003);
        ours.record(3_000_007, 3);
        assertEquals(4, ours.count());
        assertEquals(1_000_003, ours.min());
        assertEquals(3_000_007, ours.max());
        assertEquals(2_500_006, ours.mean(), 0.01);
        assertEquals(2_000_004 * Math.sqrt(3) / 4, ours.stddev(), 1);
    }

    @Test
    void percentilesAreByNearestRank() {
        for (int i = 1; i <= 1000; i++) {
            ours.record(i);
        }
        assertEquals(1, ours.percentile(0.1));
        assertEquals(500, ours.percentile(50));
        assertEquals(501, ours.percentile(50.01));
        assertEquals(990, ours.percentile(99));
        assertEquals(999, ours.percentile(99.9));
        assertEquals(1000, ours.percentile(100));
        assertEquals(101, ours.countFrom(900));
        assertEquals(1000, ours.countFrom(0));
        assertEquals(0, ours.countFrom(1001));
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
