import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.geom.Line2D;
import java.awt.geom.Point2D;
import java.awt.geom.Rectangle2D;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** A picture of --plot, read as XML, and looked at as by someone who wants to read it. */
final class ClientPicture {
    private static final Pattern TIME = Pattern.compile("([0-9][0-9.,]*) (us|ms|s)");

    /** A text with the room that it takes, a little more than it does in most fonts. */
    static final class Label {
        final String words;
        final Rectangle2D box;

        Label(String words, Rectangle2D box) {
            this.words = words;
            this.box = box;
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "\"%s\" (%.0f to %.0f, %.0f to %.0f)", words,
                    box.getMinX(), box.getMaxX(), box.getMinY(), box.getMaxY());
        }
    }

    final Element root;
    private final String svg;
    private final String style;

    private ClientPicture(String svg) throws Exception {
        this.svg = svg;
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        root = factory.newDocumentBuilder().parse(new ByteArrayInputStream(
                svg.getBytes(StandardCharsets.UTF_8))).getDocumentElement();
        style = elements("style").stream().map(Element::getTextContent)
                .collect(Collectors.joining()).replaceAll("@media.*", "");
    }

    static ClientPicture read(Path file) throws Exception {
        return new ClientPicture(Files.readString(file));
    }

    private List<Element> elements(String name) {
        NodeList all = root.getElementsByTagName(name);
        List<Element> list = new ArrayList<>();
        for (int i = 0; i < all.getLength(); i++) {
            list.add((Element) all.item(i));
        }
        return list;
    }

    /** The first line: what was measured. */
    String title() {
        return labels().get(0).words;
    }

    /** All that is written in it, a line for each text. */
    String words() {
        return elements("text").stream().map(Element::getTextContent)
                .collect(Collectors.joining("\n"));
    }

    /** The texts that have something to read. */
    List<Label> labels() {
        return elements("text").stream().filter(text -> !text.getTextContent().isBlank())
                .map(this::label).collect(Collectors.toList());
    }

    private Label label(Element text) {
        double size = fontSize(text);
        String words = text.getTextContent().trim();
        double width = 0.6 * size * words.length();
        double x = number(text, "x");
        String anchor = text.getAttribute("text-anchor");
        double left = x;
        if (anchor.equals("end")) {
            left = x - width;
        } else if (anchor.equals("middle")) {
            left = x - width / 2;
        }
        return new Label(words, new Rectangle2D.Double(left, number(text, "y") - 0.75 * size,
                width, size));
    }

    private static double number(Element element, String name) {
        String value = element.getAttribute(name);
        return value.isEmpty() ? 0 : Double.parseDouble(value);
    }

    /** As the style sheet has it: of its class, or else of all texts. */
    private double fontSize(Element text) {
        for (String name : text.getAttribute("class").split(" ")) {
            Matcher own = Pattern.compile("[.]" + Pattern.quote(name)
                    + "\\{[^}]*font-size:([0-9.]+)px").matcher(style);
            if (!name.isEmpty() && own.find()) {
                return Double.parseDouble(own.group(1));
            }
        }
        Matcher any = Pattern.compile("\\btext\\{[^}]*font-size:([0-9.]+)px").matcher(style);
        assertTrue(any.find(), "a size for texts in " + style);
        return Double.parseDouble(any.group(1));
    }

    /** The whole picture. */
    private Rectangle2D all() {
        String[] view = root.getAttribute("viewBox").split(" ");
        return new Rectangle2D.Double(0, 0, Double.parseDouble(view[2]),
                Double.parseDouble(view[3]));
    }

    /** All rectangles but the background, the largest first: that is the panel. */
    private List<Rectangle2D> rectangles() {
        List<Rectangle2D> rectangles = new ArrayList<>();
        for (Element rect : elements("rect")) {
            Rectangle2D box = new Rectangle2D.Double(number(rect, "x"), number(rect, "y"),
                    number(rect, "width"), number(rect, "height"));
            if (!box.equals(all())) {
                rectangles.add(box);
            }
        }
        rectangles.sort(Comparator.comparing(box -> -box.getWidth() * box.getHeight()));
        return rectangles;
    }

    Rectangle2D panel() {
        assertFalse(rectangles().isEmpty(), "no panel in " + svg);
        return rectangles().get(0);
    }

    private List<Element> paths(String kind) {
        return elements("path").stream()
                .filter(path -> List.of(path.getAttribute("class").split(" ")).contains(kind))
                .collect(Collectors.toList());
    }

    /** Where the dots are, from left to right. */
    List<Point2D> dots() {
        return paths("dot").stream().flatMap(path -> lines(path).stream()).map(Line2D::getP1)
                .sorted(Comparator.comparing(Point2D::getX)).collect(Collectors.toList());
    }

    /** What a path draws, from place to place; M, L, H, V, h and v are all that is needed. */
    private static List<Line2D> lines(Element path) {
        List<Line2D> lines = new ArrayList<>();
        Matcher steps = Pattern.compile("([A-Za-z]) ?(-?[0-9.]+)(?:[ ,](-?[0-9.]+))?")
                .matcher(path.getAttribute("d"));
        double x = 0;
        double y = 0;
        while (steps.find()) {
            double first = Double.parseDouble(steps.group(2));
            double toX = x;
            double toY = y;
            switch (steps.group(1)) {
                case "M": case "L":
                    toX = first;
                    toY = Double.parseDouble(steps.group(3));
                    break;
                case "H": toX = first; break;
                case "h": toX = x + first; break;
                case "V": toY = first; break;
                case "v": toY = y + first; break;
                default: throw new AssertionError(steps.group() + " in a path");
            }
            if (!steps.group(1).equals("M")) {
                lines.add(new Line2D.Double(x, y, toX, toY));
            }
            x = toX;
            y = toY;
        }
        return lines;
    }

    /** The heights of the lines across the panel, or most of it. */
    private List<Double> linesAcross(List<Element> paths) {
        return paths.stream().flatMap(path -> lines(path).stream())
                .filter(line -> line.getY1() == line.getY2()
                        && Math.abs(line.getX2() - line.getX1()) > 0.6 * panel().getWidth())
                .map(Line2D::getY1).collect(Collectors.toList());
    }

    /** All that makes a picture readable. */
    void assertReadable(String what) {
        assertEquals("svg", root.getLocalName());
        assertEquals("http://www.w3.org/2000/svg", root.getNamespaceURI());
        assertTrue(svg.endsWith("</svg>\n"), "the end");
        assertFalse(svg.contains("var(--"), "librsvg does not know variables");
        assertFalse(Pattern.compile("NaN|Infinity|null|-1[.]8e").matcher(svg).find(), svg);
        assertTrue(svg.length() < 200_000, svg.length() + " bytes");
        assertTrue(title().matches(".*[0-9] bytes?\\b.*[0-9] connections?\\b.*"), title());
        assertEachTextHasItsPlace(what);
        assertAllMarksAreInThePanel(what);
        assertNoDataUnderWords(what);
        assertTheWarmUpIsApart(what);
        assertNoBlock(what);
        assertLabelled("max", what);
    }

    private void assertEachTextHasItsPlace(String what) {
        List<Label> labels = labels();
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < labels.size(); i++) {
            Label one = labels.get(i);
            if (!all().contains(one.box)) {
                wrong.add(one + " is beyond the picture");
            }
            for (Label other : labels.subList(i + 1, labels.size())) {
                if (one.box.intersects(other.box)) {
                    wrong.add(one + " touches " + other);
                }
            }
        }
        assertEquals(List.of(), wrong, what);
    }

    private void assertAllMarksAreInThePanel(String what) {
        Rectangle2D panel = panel();
        // With the little lines at the axis, and half of the width of a line.
        Rectangle2D room = new Rectangle2D.Double(panel.getX() - 10, panel.getY() - 2,
                panel.getWidth() + 12, panel.getHeight() + 12);
        List<String> wrong = new ArrayList<>();
        for (Element path : elements("path")) {
            for (Line2D line : lines(path)) {
                if (!room.contains(line.getP1()) || !room.contains(line.getP2())) {
                    wrong.add(path.getAttribute("class") + " at " + line.getP1() + " to "
                            + line.getP2());
                }
            }
        }
        for (Rectangle2D box : rectangles()) {
            if (box.getWidth() > 0 && !room.contains(box)) {
                wrong.add("a rectangle: " + box);
            }
        }
        assertEquals(List.of(), wrong, what);
        assertFalse(dots().isEmpty(), "dots of " + what);
    }

    /** Nothing that was measured is drawn across what is written. */
    private void assertNoDataUnderWords(String what) {
        List<Element> data = new ArrayList<>(paths("dot"));
        data.addAll(paths("bar"));
        List<String> wrong = new ArrayList<>();
        for (Element path : data) {
            List<Line2D> lines = lines(path);
            for (Label label : labels()) {
                if (lines.stream().anyMatch(label.box::intersectsLine)) {
                    wrong.add(path.getAttribute("class") + " under " + label);
                }
            }
        }
        assertEquals(List.of(), wrong, what);
    }

    /** If there was a warm-up, it has an area of its own within the panel, with its name. */
    private void assertTheWarmUpIsApart(String what) {
        for (Label label : labels()) {
            if (label.words.startsWith("warm-up")) {
                assertTrue(rectangles().stream().anyMatch(box ->
                        box.contains(label.box.getCenterX(), label.box.getCenterY())
                        && box.getWidth() < panel().getWidth()), label + " of " + what);
            }
        }
    }

    boolean hasWarmUp() {
        return labels().stream().anyMatch(label -> label.words.startsWith("warm-up"));
    }

    /** However long the run: a bounded number of marks. */
    private void assertNoBlock(String what) {
        for (Element path : elements("path")) {
            long places = path.getAttribute("d").chars().filter(c -> c == 'M').count();
            assertTrue(places <= 2048, places + " in a " + path.getAttribute("class") + " of "
                    + what);
        }
    }

    /** Fails unless a percentile or the maximum has one label, and a line where it belongs. */
    void assertLabelled(String name, String what) {
        List<Label> found = labels().stream()
                .filter(label -> label.words.matches(name + " " + TIME)).collect(
                        Collectors.toList());
        assertEquals(1, found.size(), "labels of " + name + " in " + words() + " of " + what);
        double y = heightOf(nanos(found.get(0).words));
        List<Double> lines = linesAcross(elements("path"));
        assertTrue(lines.stream().anyMatch(line -> Math.abs(line - y) < 1.5),
                found + " needs a line at " + y + ", and there are " + lines + ": " + what);
    }

    boolean hasLabel(String name) {
        return labels().stream().anyMatch(label -> label.words.matches(name + " " + TIME));
    }

    private static double nanos(String words) {
        Matcher time = TIME.matcher(words);
        assertTrue(time.find(), words);
        double number = Double.parseDouble(time.group(1).replace(",", ""));
        return number * (time.group(2).equals("us") ? 1e3 : time.group(2).equals("ms") ? 1e6 : 1e9);
    }

    /** Where a time has to be drawn, by the labels of the axis on the left, powers of ten. */
    double heightOf(double nanos) {
        List<double[]> axis = new ArrayList<>();
        for (Label label : labels()) {
            if (label.words.matches("" + TIME) && label.box.getMaxX() < panel().getMinX()) {
                double y = linesAcross(paths("grid")).stream().min(Comparator.comparing(
                        line -> Math.abs(line - label.box.getCenterY()))).orElseThrow();
                assertEquals(y, label.box.getCenterY(), 6, label + " beside its line");
                axis.add(new double[] {Math.log10(nanos(label.words)), y});
            }
        }
        assertTrue(axis.size() >= 2, "labels of the axis in " + words());
        double[] low = axis.get(0);
        double[] high = axis.get(axis.size() - 1);
        double perDecade = (high[1] - low[1]) / (high[0] - low[0]);
        for (double[] tick : axis) {
            assertEquals(low[1] + (tick[0] - low[0]) * perDecade, tick[1], 0.6, "an even axis");
        }
        return low[1] + (Math.log10(nanos) - low[0]) * perDecade;
    }
}
