import static org.junit.jupiter.api.Assertions.*;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.*;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;
import org.w3c.dom.*;

/** The picture: valid XML, and each mark where its value is, by the picture's own axes. */
@Timeout(30)
class PictureTest {
    private Document document;
    /** The edges of the panel, and where the warm-up ends. */
    private double left;
    private double right;
    private double top;
    private double bottom;
    private double middle;

    private void draw(Made made) throws Exception {
        String svg = new EchoClient.Picture(made.result()).draw();
        Check.lacks(svg, "NaN", "Infinity", "var("); // librsvg shows no such colours
        document = DocumentBuilderFactory.newInstance().newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        Element panel = elements("rect", "frame").get(0);
        left = number(panel, "x");
        right = left + number(panel, "width");
        top = number(panel, "y");
        bottom = top + number(panel, "height");
        middle = left + number(elements("rect", "warm").get(0), "width");
        for (Element dots : elements("path", "dot")) {
            for (double[] dot : points(dots)) {
                Check.between(left, right, dot[0]);
                Check.between(top, bottom, dot[1]);
            }
        }
    }

    private static double number(Element element, String attribute) {
        return Double.parseDouble(element.getAttribute(attribute));
    }

    private List<Element> elements(String tag, String style) {
        List<Element> found = new ArrayList<>();
        NodeList all = document.getElementsByTagName(tag);
        for (int i = 0; i < all.getLength(); i++) {
            Element one = (Element) all.item(i);
            if ((" " + one.getAttribute("class") + " ").contains(style)) {
                found.add(one);
            }
        }
        return found;
    }

    private String words() {
        return elements("text", "").stream().map(Node::getTextContent)
                .collect(Collectors.joining("\n"));
    }

    /** The points of a path from left to right, each as x, y and where a line from it ends. */
    private static List<double[]> points(Element path) {
        return Pattern.compile("M([0-9.]+) ([0-9.]+)[VHh]([0-9.]+)")
                .matcher(path.getAttribute("d")).results()
                .map(point -> new double[] {Double.parseDouble(point.group(1)),
                    Double.parseDouble(point.group(2)), Double.parseDouble(point.group(3))})
                .sorted(Comparator.comparingDouble(point -> point[0]))
                .collect(Collectors.toList());
    }

    /** The dots of what is measured: those of the warm-up are drawn first. */
    private List<double[]> dots() {
        List<Element> all = elements("path", "dot");
        return points(all.get(all.size() - 1));
    }

    /** The texts beside points at which an axis has a line: their times by their places. */
    private TreeMap<Double, Double> axis(String style, String anchor, int xOrY, String place) {
        TreeMap<Double, Double> axis = new TreeMap<>();
        for (Element line : elements("path", style)) {
            String d = line.getAttribute("d");
            double at = Double.parseDouble(d.split("[M Hv]")[1 + xOrY]);
            for (Element text : elements("text", "")) {
                String words = text.getTextContent();
                if (text.getAttribute("text-anchor").equals(anchor)
                        && words.matches("0|[0-9.]+ (us|ms|s)")
                        && Math.abs(number(text, place) - 6 * xOrY - at) < 1) {
                    axis.put(words.equals("0") ? 0 : ReportTest.micros(words), at);
                }
            }
        }
        assertEquals(elements("path", style).size(), axis.size(), "each line has a text");
        return axis;
    }

    /** The height of a time, by the lines of the axis on the left. */
    private double height(double micros) {
        TreeMap<Double, Double> axis = axis("grid", "end", 1, "y");
        assertTrue(axis.size() >= 2);
        double low = Math.log(axis.firstKey());
        double share = (Math.log(micros) - low) / (Math.log(axis.lastKey()) - low);
        double from = axis.firstEntry().getValue();
        return from + share * (axis.lastEntry().getValue() - from);
    }

    /** The lines at p50, p99 and max are where they should be, and so are their texts. */
    private void assertMarks(String names, double... micros) {
        List<Element> marks = elements("path", "mark");
        assertEquals(micros.length, marks.size());
        for (int i = 0; i < micros.length; i++) {
            assertEquals(height(micros[i]), points(marks.get(i)).get(0)[1], 1.5);
            assertEquals(middle, points(marks.get(i)).get(0)[0], 1);
            assertEquals(micros[i], ReportTest.timeAfter("\n" + words(), "\n"
                    + names.split(" ")[i]), micros[i] / 500);
        }
    }

    @Test
    void dotsAndLinesAreWhereTheirValuesAre() throws Exception {
        // at 0, 1, 2 and 3 s of 4 s; the last of them takes a second
        Made made = new Made("--message h\u00e9");
        double[] micros = {100, 2000, 30_000, 1_000_000};
        for (int i = 0; i < 4; i++) {
            long start = i * Made.SECOND;
            made.measured.record(start, start + (long) micros[i] * 1000, 1, 0);
        }
        made.measured.end(4 * Made.SECOND);
        draw(made);
        List<double[]> dots = dots();
        double second = dots.get(1)[0] - dots.get(0)[0];
        for (int i = 0; i < 4; i++) {
            assertEquals(dots.get(0)[0] + i * second, dots.get(i)[0], 0.3);
            assertEquals(height(micros[i]), dots.get(i)[1], 1.5);
        }
        assertEquals(right - 6, dots.get(0)[0] + 4 * second, 1); // 4 s is the right edge
        assertTrue(elements("path", "bar").isEmpty());
        assertMarks("p50 max", 2000, 1_000_000); // 4 do not support a p99
        Check.has(words(), "dot: a message", "4 in all", "3 bytes", "RTT");
        Check.lacks(words(), "p99 ");
    }

    @Test
    void theLinesAreAtP50P99AndMax() throws Exception {
        Made made = new Made("");
        for (int i = 1; i <= 1000; i++) {
            made.trips(1, i * 100 * Made.US);
        }
        draw(made);
        assertMarks("p50 p99 max", 50_000, 99_000, 100_000);
    }

    /** Four to ten round numbers, each of them where a dot of its time would be. */
    @ParameterizedTest
    @CsvSource({"1100, 6, 200", "1999, 10, 200", "2001, 5, 500", "3700, 8, 500",
        "4999, 10, 500", "5001, 6, 1000", "9000, 10, 1000", "10001, 6, 2000"})
    void theTimeAxisIsTheOneOfTheDots(int millis, int labels, int stepMillis) throws Exception {
        draw(new Made("").warm(5).trips(1, millis * Made.MS));
        TreeMap<Double, Double> axis = axis("frame", "middle", 0, "x");
        assertEquals(labels, axis.size(), axis.toString());
        double start = axis.get(0.0);
        assertEquals(dots().get(0)[0], start, 1);
        for (int i = 0; i < labels; i++) {
            double x = axis.get(i * stepMillis * 1000.0);
            assertEquals(start + i * stepMillis * (right - 6 - start) / millis, x, 1.2);
        }
    }

    /** Labels of lines that are close stand above each other. */
    @Test
    void labelsDoNotCoverEachOther() throws Exception {
        draw(new Made("").warm(50).trips(500, 20 * Made.US));
        List<Double> heights = elements("text", "").stream()
                .filter(text -> text.getTextContent().matches("(p50|p99|max) 20.00 us"))
                .map(text -> number(text, "y")).collect(Collectors.toList());
        assertEquals(3, heights.size());
        Check.between(17, 40, heights.get(0) - heights.get(1));
        Check.between(17, 40, heights.get(1) - heights.get(2));
    }

    /** A slow and a fast warm-up are in their part of the panel, too, which draw looks at. */
    @ParameterizedTest
    @CsvSource({"200, 10 us", "20000, 1 ms", "2000000000, 100 s"})
    void theWarmUpIsSetApart(long nanos, String took) throws Exception {
        Made made = new Made("").trips(5000, 100 * Made.US).trips(5000, 300 * Made.US);
        for (int i = 0; i < 50; i++) {
            made.warmup.record(i * nanos, (i + 1) * nanos, 1, 0);
        }
        made.warmup.end(50 * nanos);
        draw(made);
        List<double[]> warm = points(elements("path", "dot").get(0));
        assertEquals(50, warm.size());
        assertEquals(height(nanos / 1e3), warm.get(7)[1], 1.5);
        assertTrue(warm.get(49)[0] <= middle && dots().get(0)[0] >= middle);
        assertTrue(words().lines().anyMatch(line -> line.matches("[a-z ]+ " + took)), words());
        Check.has(words(), "dot: a message", "warm-up");
        assertEquals(1, elements("path", "few").size());
    }

    @Test
    void manyMessagesAreMeansOnBars() throws Exception {
        Made made = new Made("");
        for (int i = 0; i < 5000; i++) {
            made.trips(1, 100 * Made.US).trips(1, 300 * Made.US);
        }
        draw(made);
        List<double[]> bars = points(elements("path", "bar").get(0));
        Check.between(400, 1000, bars.size());
        assertEquals(bars.size(), dots().size());
        double least = height(100);
        double greatest = height(300);
        double mean = height(200);
        List<double[]> dots = dots();
        for (int i = 1; i < bars.size() - 1; i++) {
            assertEquals(least, bars.get(i)[1], 1.5);
            assertEquals(greatest, bars.get(i)[2], 1.5);
            assertEquals(mean, dots.get(i)[1], 12);
        }
        double width = bars.get(2)[0] - bars.get(1)[0];
        assertEquals(left + 6 + width / 2, bars.get(0)[0], 0.2); // in the middle of its time
        assertEquals(right - 6, bars.get(bars.size() - 1)[0], 2 * width);
        double step = ReportTest.micros(words().replaceAll( // in 2 s
                "(?s).*\ndot: [^0-9]*([0-9.]+ (us|ms)).*", "$1"));
        assertEquals(width / (right - 12 - left) * 2e6, step, step / 20);
        Check.has(words(), "bar");
    }

    /** Where nothing came there are no dots, within a run and at its end. */
    @Test
    void aGapInTimeHasNoDots() throws Exception {
        Made made = new Made("").trips(3000, Made.MS).trips(1, 3 * Made.SECOND)
                .trips(3000, Made.MS);
        made.measured.end(12 * Made.SECOND);
        draw(made);
        double twelfth = (right - 12 - left) / 12;
        double[] found = dots().stream().mapToDouble(dot -> (dot[0] - left - 6) / twelfth)
                .filter(second -> second > 3.1).sorted().toArray();
        assertEquals(6, found[0], 0.1);
        assertEquals(9, found[found.length - 1], 0.1);
    }

    @Test
    void withARateItShowsResponseTimes() throws Exception {
        Made made = new Made("--rate 100").due(150, 10 * Made.MS, 0, false, Made.MS)
                .due(1, Made.MS, 300 * Made.MS, true, Made.MS);
        made.measured.end(2 * Made.SECOND);
        made.measured.recordUnsent(1600 * Made.MS, 1, true);
        made.measured.recordUnsent(1550 * Made.MS, 200, false);
        draw(made);
        assertEquals(height(301_000), dots().get(150)[1], 1.5);
        assertEquals(height(450_000), dots().get(151)[1], 1.5);
        assertEquals(height(400_000), dots().get(152)[1], 1.5);
        assertMarks("p50 p99 max", 450_000, 450_000, 450_000);
        Check.has(words(), "response", "median 450.0 ms", "151 in all",
                "1 message, waiting for 400.0 ms");
        Check.lacks(words(), "RTT");
    }

    @Test
    void itIsValidWhateverStandsInIt() throws Exception {
        Made made = new Made("--message <&\"'\u001b\u20ac" + "\ud83d\ude00".repeat(90)).trips(1, 3);
        made.error = "<b>\u0007" + " why".repeat(50);
        made.ending.failure = new java.io.IOException("x");
        draw(made);
        words().lines().forEach(line -> assertTrue( // what fits into the picture
                line.codePointCount(0, line.length()) <= 123, line));
        Check.has(words(), "<&", "..."); // what is cut says so
        Made nothing = new Made("").trips(1, 0); // as on a clock of microseconds
        nothing.measured.end(1);
        draw(nothing);
        draw(new Made("").trips(1, 500).trips(2, 400L * 3600 * Made.SECOND));
        assertTrue(axis("grid", "end", 1, "y").size() <= 13);
    }

    @Test
    void theAxisGoesInStepsOfOneTwoFive() {
        EchoClient.Axis axis = new EchoClient.Axis(10 * Made.MS + 1, 104 * Made.MS);
        assertEquals(List.of(1e7, 2e7, 5e7, 1e8, 2e8), axis.values());
        assertEquals(0, axis.share(1e7), 1e-9);
        assertEquals(1, axis.share(2e8), 1e-9);
        assertEquals(Math.log(5) / Math.log(20), axis.share(5e7), 1e-9);
        assertEquals(List.of(1e4, 1e5, 1e6, 1e7, 1e8, 1e9),
                new EchoClient.Axis(10_000, Made.SECOND).values());
    }
}
