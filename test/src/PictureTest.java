import static org.junit.jupiter.api.Assertions.*;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.*;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.*;

/** The picture: valid XML, and each mark where its value is. */
@Timeout(30)
class PictureTest {

    private Document document;

    private Document draw(Made made) throws Exception {
        String svg = new EchoClient.Picture(made.result()).draw();
        assertFalse(svg.contains("NaN") || svg.contains("Infinity"), svg);
        assertFalse(svg.contains("var("), "librsvg shows no such colours");
        document = DocumentBuilderFactory.newInstance().newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        return document;
    }

    private List<Element> elements(String tag, String style) {
        List<Element> found = new ArrayList<>();
        NodeList all = document.getElementsByTagName(tag);
        for (int i = 0; i < all.getLength(); i++) {
            Element one = (Element) all.item(i);
            if (List.of(one.getAttribute("class").split(" ")).contains(style)) {
                found.add(one);
            }
        }
        return found;
    }

    private String words() {
        StringBuilder words = new StringBuilder();
        NodeList all = document.getElementsByTagName("text");
        for (int i = 0; i < all.getLength(); i++) {
            words.append(all.item(i).getTextContent()).append('\n');
        }
        return words.toString();
    }

    /** The points of a path, each as x, y and what the rest draws. */
    private static List<double[]> points(Element path) {
        List<double[]> points = new ArrayList<>();
        Matcher point = Pattern.compile("M([0-9.]+) ([0-9.]+)(?:[VHh]([0-9.]+))?")
                .matcher(path.getAttribute("d"));
        while (point.find()) {
            points.add(new double[] {Double.parseDouble(point.group(1)),
                Double.parseDouble(point.group(2)), Double.parseDouble(point.group(3))});
        }
        return points;
    }

    /** The height of a time, from the lines of the axis and their labels. */
    private double height(double micros) {
        TreeMap<Double, Double> lines = new TreeMap<>();
        List<Element> grid = elements("path", "grid");
        NodeList all = document.getElementsByTagName("text");
        for (Element line : grid) {
            double y = points(line).get(0)[1];
            for (int i = 0; i < all.getLength(); i++) {
                Element text = (Element) all.item(i);
                if (text.getAttribute("text-anchor").equals("end")
                        && text.getAttribute("x").equals("102")
                        && Math.abs(Double.parseDouble(text.getAttribute("y")) - 6 - y) < 1) {
                    lines.put(Math.log(ReportTest.micros(text.getTextContent())), y);
                }
            }
        }
        assertEquals(grid.size(), lines.size());
        double low = lines.firstKey();
        double high = lines.lastKey();
        double share = (Math.log(micros) - low) / (high - low);
        return lines.get(low) + share * (lines.get(high) - lines.get(low));
    }

    @Test
    void dotsAndLinesAreWhereTheirValuesAre() throws Exception {
        // at 0, 1, 2 and 3 s of 4 s; the last of them takes a second
        Made made = new Made("--size", "7");
        long[] nanos = {100 * Made.US, 2 * Made.MS, 30 * Made.MS, Made.SECOND};
        for (int i = 0; i < 4; i++) {
            made.measured.record(i * Made.SECOND, i * Made.SECOND + nanos[i], 1, 0);
        }
        made.measured.end(4 * Made.SECOND);
        draw(made);
        List<double[]> dots = points(elements("path", "dot").get(0));
        dots.sort(Comparator.comparingDouble(dot -> dot[0]));
        assertEquals(4, dots.size());
        assertTrue(elements("path", "bar").isEmpty());
        double left = dots.get(0)[0];
        double second = dots.get(1)[0] - left;
        for (int i = 0; i < 4; i++) {
            assertEquals(left + i * second, dots.get(i)[0], 0.3);
            assertEquals(height(nanos[i] / 1e3), dots.get(i)[1], 1.5);
        }
        assertEquals(1120 - 6, left + 4 * second, 1); // 4 s is the right edge
        List<Element> marks = elements("path", "mark");
        assertEquals(2, marks.size()); // p50 and max: 4 do not support a p99
        assertEquals(height(2000), points(marks.get(0)).get(0)[1], 1.5);
        assertEquals(height(1_000_000), points(marks.get(1)).get(0)[1], 1.5);
        String words = words();
        assertTrue(words.contains("p50 2.00 ms") && words.contains("max 1.00 s"), words);
        assertTrue(words.contains("dot: a message") && !words.contains("p99 "), words);
        assertTrue(words.contains("4 in all") && words.contains("7 bytes"), words);
        assertTrue(words.contains("RTT"), words);
    }

    /** The texts in the middle below the panel: micros by their place. */
    private TreeMap<Double, Double> timeAxis() {
        TreeMap<Double, Double> axis = new TreeMap<>();
        NodeList all = document.getElementsByTagName("text");
        for (int i = 0; i < all.getLength(); i++) {
            Element text = (Element) all.item(i);
            String words = text.getTextContent();
            if (text.getAttribute("y").equals("618") && !words.startsWith("took")) {
                axis.put(Double.valueOf(text.getAttribute("x")),
                        words.equals("0") ? 0 : ReportTest.micros(words));
            }
        }
        return axis;
    }

    @Test
    void theLinesAreAtP50P99AndMax() throws Exception {
        Made made = new Made();
        for (int i = 1; i <= 1000; i++) {
            made.trips(1, i * 100 * Made.US);
        }
        draw(made);
        List<Element> marks = elements("path", "mark");
        double[] millis = {50, 99, 100};
        String[] names = {"p50", "p99", "max"};
        for (int i = 0; i < 3; i++) {
            assertEquals(height(millis[i] * 1000), points(marks.get(i)).get(0)[1], 0.7);
            assertEquals(millis[i] * 1000, ReportTest.timeAfter(words(), "\n" + names[i]), 99);
        }
    }

    /** Four to ten round numbers, each of them where a dot of its time would be. */
    @ParameterizedTest
    @CsvSource({"1100, 6, 200", "1999, 10, 200", "2001, 5, 500", "3700, 8, 500",
        "4999, 10, 500", "5001, 6, 1000", "9000, 10, 1000", "10001, 6, 2000"})
    void theTimeAxisIsTheOneOfTheDots(int millis, int labels, int stepMillis) throws Exception {
        draw(new Made().warm(5).trips(1, millis * Made.MS));
        TreeMap<Double, Double> axis = timeAxis();
        assertEquals(labels, axis.size(), axis.toString());
        double left = axis.firstKey();
        assertEquals(points(elements("path", "dot").get(1)).get(0)[0], left, 1); // at 0
        double expected = 0;
        for (double x : axis.keySet()) {
            assertEquals(expected * 1000, axis.get(x), 1e-3);
            assertEquals(left + expected / millis * (1120 - 6 - left), x, 1.2);
            expected += stepMillis;
        }
        assertEquals(labels, elements("path", "frame").size());
    }

    /** Labels of lines that are close stand above each other. */
    @Test
    void labelsDoNotCoverEachOther() throws Exception {
        draw(new Made().warm(50).trips(500, 20 * Made.US));
        List<Double> heights = new ArrayList<>();
        for (Element text : elements("text", "small")) {
            if (text.getTextContent().matches("(p50|p99|max) 20.00 us")) {
                heights.add(Double.valueOf(text.getAttribute("y")));
                assertEquals("1128", text.getAttribute("x"));
            }
        }
        assertEquals(3, heights.size());
        assertTrue(heights.get(0) - heights.get(1) >= 22, heights.toString());
        assertTrue(heights.get(1) - heights.get(2) >= 22, heights.toString());
    }

    /** Each thing that is drawn is in the panel, or a text in its place around it. */
    @Test
    void allIsWhereItBelongs() throws Exception {
        Made made = new Made("--size", "7").warm(3000).trips(100, 20 * Made.US);
        draw(made);
        List<double[]> dots = new ArrayList<>(points(elements("path", "dot").get(1)));
        assertEquals(1, elements("path", "few").size()); // what is measured
        points(elements("path", "dot").get(0)).forEach(dots::add);
        for (double[] dot : dots) {
            assertTrue(dot[0] > 110 && dot[0] < 1120 && dot[1] > 220 && dot[1] <= 565,
                    Arrays.toString(dot));
        }
        Element frame = elements("rect", "frame").get(0);
        assertEquals("110 160 1010 430", String.join(" ", frame.getAttribute("x"),
                frame.getAttribute("y"), frame.getAttribute("width"),
                frame.getAttribute("height")));
        assertEquals("200", elements("rect", "warm").get(0).getAttribute("width"));
        assertEquals("1280", elements("rect", "back").get(0).getAttribute("width"));
        Map<String, String> places = new HashMap<>();
        NodeList all = document.getElementsByTagName("text");
        for (int i = 0; i < all.getLength(); i++) {
            Element text = (Element) all.item(i);
            places.put(text.getTextContent(),
                    text.getAttribute("x") + " " + text.getAttribute("y"));
        }
        assertEquals("210 188", places.get("warm-up, not counted"));
        assertEquals("210 618", places.get("took 60 ms"));
        assertTrue(places.get("dot: mean of 65.54 us") != null, places.toString());
        assertEquals("715 648", places.get("time of the measurement"));
        assertEquals("30 680", places.get("" + made.machine));
        assertEquals("30 706", places.get("java EchoClient.java --bench --size 7"));
    }

    @Test
    void manyMessagesAreMeansOnBars() throws Exception {
        Made made = new Made();
        for (int i = 0; i < 5000; i++) {
            made.trips(1, 100 * Made.US).trips(1, 300 * Made.US);
        }
        draw(made.warm(50));
        assertEquals(1, elements("path", "few").size()); // the warm-up
        Element bars = elements("path", "bar").get(0);
        double[] bar = points(bars).get(3);
        assertEquals(height(100), bar[1], 1.5);
        assertEquals(height(300), bar[2], 1.5);
        List<Element> dots = elements("path", "dot");
        assertEquals(2, dots.size()); // the warm-up, and what is measured
        assertEquals(height(20), points(dots.get(0)).get(7)[1], 1.5);
        assertEquals(50, points(dots.get(0)).size());
        assertEquals(height(200), points(dots.get(1)).get(3)[1], 8);
        points(dots.get(0)).forEach(dot -> assertTrue(dot[0] <= 310, "" + dot[0]));
        points(dots.get(1)).forEach(dot -> assertTrue(dot[0] >= 310, "" + dot[0]));
        String words = words();
        assertEquals(1000, ReportTest.timeAfter(words, "took")); // 50 times 20 us
        assertTrue(words.contains("p99 300"), words);
        assertTrue(words.contains("dot: mean of") && words.contains("bar:"), words);
        assertTrue(words.contains("of messages, not of time"), words);
        points(elements("path", "bar").get(0)).forEach(one -> // in the middle of its time
                assertTrue(one[0] > 316.3, Arrays.toString(one)));
    }

    @Test
    void aGapInTimeHasNoDots() throws Exception {
        Made made = new Made().trips(3000, Made.MS).trips(1, 3 * Made.SECOND)
                .trips(3000, Made.MS);
        draw(made);
        List<double[]> dots = points(elements("path", "dot").get(0));
        double a = 110 + 6 + 3.1 / 9 * 998;
        double b = 110 + 6 + 5.9 / 9 * 998;
        assertEquals(0, dots.stream().filter(dot -> dot[0] > a && dot[0] < b).count());
        assertTrue(dots.stream().anyMatch(dot -> dot[0] > b));
    }

    @Test
    void withARateItShowsResponseTimes() throws Exception {
        Made made = new Made("--rate", "100").due(50, 10 * Made.MS, 0, false, Made.MS)
                .due(1, Made.MS, 300 * Made.MS, true, Made.MS);
        made.measured.end(Made.SECOND);
        made.measured.recordUnsent(600 * Made.MS, 1, true);
        draw(made);
        List<double[]> dots = points(elements("path", "dot").get(0));
        assertEquals(52, dots.size());
        assertTrue(dots.stream().anyMatch(dot -> Math.abs(dot[1] - height(301_000)) < 1.5));
        assertTrue(dots.stream().anyMatch(dot -> Math.abs(dot[1] - height(400_000)) < 1.5));
        String words = words();
        assertTrue(words.contains("response"), words);
        assertTrue(words.contains("1 message, waiting for 400.0 ms"), words);
    }

    @Test
    void itIsValidWhateverStandsInIt() throws Exception {
        Made made = new Made("--message", "<&\"'\u001b\u20ac" + "\ud83d\ude00".repeat(90))
                .trips(1, 3);
        made.error = "<b>\u0007";
        made.error += " why".repeat(50);
        made.ending.failure = new java.io.IOException("x");
        draw(made);
        words().lines().forEach(line -> assertTrue( // what fits into the picture
                line.codePointCount(0, line.length()) <= 123, line));
        assertTrue(words().contains("<&"), words());
        assertTrue(words().contains("..."), words()); // the command is cut, and says so
        Made nothing = new Made().trips(1, 0); // as on a clock of microseconds
        nothing.measured.end(1);
        draw(nothing);
        draw(new Made().trips(2, 400L * 3600 * Made.SECOND));
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
