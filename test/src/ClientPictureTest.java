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
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The pictures of --plot, as one who looks at them: what is written can be read, and is true. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientPictureTest {

    @TempDir
    Path folder;

    /** The picture of a run, with the message or size that the arguments give. */
    private Picture draw(int port, String... args) throws Exception {
        Path file = folder.resolve("run.svg");
        ClientSupport.run(port, ClientSupport.with(args, "--bench", "--plot", file.toString()))
                .expect(0);
        return new Picture(Files.readString(file));
    }

    /** Every kind of run is a picture that one can read. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 1 --warmup 0", "--repeat 1 --warmup 1", "--repeat 2",
        "--repeat 5", "--repeat 5 --warmup 0", "--repeat 19 --warmup 3 --size 1m",
        "--repeat 300 --warmup 0", "--repeat 1000 --warmup 10", "--repeat 20000",
        "--repeat 100000 --warmup 20000", "--repeat 3000 --parallel 4",
        "--repeat 300 --parallel 4 --warmup 10", "--repeat 300 --parallel 50",
        "--duration 3s --size 1", "--duration 2s --size 1 --parallel 4 --warmup 500ms"})
    void aPictureThatCanBeRead(String args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            draw(server.port(), args.split(" ")).assertReadable(args);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--repeat 500 --rate 500 --warmup 0", "--repeat 1 --rate 5 --warmup 0",
        "--repeat 3000 --rate 20000 --warmup 100",
        "--repeat 300 --parallel 50 --rate 3000 --warmup 3"})
    void aPictureOfAScheduleThatCanBeRead(String args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            draw(server.port(), args.split(" ")).assertReadable(args);
        }
    }

    /** Both come from the histogram: a mark beside the curve would be of other data. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 1", "--repeat 2", "--repeat 5", "--repeat 20",
        "--repeat 300", "--repeat 1000", "--repeat 20000", "--repeat 100000", "--rate 500"})
    void marksLieOnTheCurve(String args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            draw(server.port(), (args + " --warmup 50").split(" "))
                    .assertCirclesLieOnTheCurve(args);
        }
    }

    /** Times from microseconds to a second: the widest axes, and labels far from each other. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 300 --warmup 0", "--repeat 2000 --warmup 50", "--repeat 3",
        "--repeat 20 --warmup 0", "--rate 300 --repeat 900 --warmup 0"})
    void whereTheServerStalls(String args) throws Exception {
        for (int stall : new int[] {2, 30, 1200}) {
            try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                    (message, number) -> {
                        if (number % 200 == 3) {
                            TestSupport.pause(number < 5 ? stall : stall / 20);
                        }
                        return message;
                    })) {
                draw(server.port(), (args + " --size 64").split(" ")).assertReadable(args);
            }
        }
    }

    /** All round trips alike: the curve is flat, and its labels stand above each other. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 120 --warmup 3", "--repeat 25 --rate 20 --warmup 0"})
    void whereAllAreAlike(String args) throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                (message, number) -> {
                    TestSupport.pause(20);
                    return message;
                })) {
            draw(server.port(), (args + " --size 64").split(" ")).assertReadable(args);
        }
    }

    @Test
    void theTitleSaysWhatWasMeasured() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            Picture picture = draw(server.port(), "--repeat", "50", "--size", "16k",
                    "--parallel", "3", "--warmup", "2");
            for (String title : List.of(picture.title(), picture.texts("title").get(0).words)) {
                assertTrue(title.matches(".*\\b16,384 bytes\\b.*\\b3 connections\\b.*"), title);
            }
            String words = picture.words();
            assertTrue(words.contains("warm-up"), words);
            assertTrue(words.contains("dot:"), words);
            assertFalse(words.contains("response") || words.contains("service"), words);
        }
    }

    /** With a rate there are two times for each message, and the picture says which is which. */
    @Test
    void responseAndServiceAreNamed() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            Picture picture = draw(server.port(), "--rate", "500", "--repeat", "100", "--warmup",
                    "0");
            assertTrue(picture.words().contains("response"), picture.words());
            assertTrue(picture.words().contains("service"), picture.words());
            assertEquals(2, picture.paths("curve").stream()
                    .filter(path -> path.getAttribute("d").contains("L")).count(), "curves");
        }
    }

    /** However long the command is, and whatever is in it. */
    @ParameterizedTest
    @ValueSource(strings = {"<&>\"'", "</text><script>alert(1)</script>", "&amp;&lt;]]>",
        "\u0001\u001b[31m\u0000", "\ud83d\ude00\ud83d", "a very long one "})
    void theCommandIsEscapedAndFits(String message) throws Exception {
        String repeated = message.repeat(message.startsWith("a ") ? 40 : 1);
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            Path file = folder.resolve("run.svg");
            ClientSupport.run("--bench", "--message", repeated, "--repeat", "5", "--warmup", "0",
                    "--port", "" + server.port(), "--plot", file.toString()).expect(0);
            Picture picture = new Picture(Files.readString(file));
            picture.assertReadable(message);
            assertEquals(0, picture.root.getElementsByTagName("script").getLength());
            String command = picture.words().replaceAll("(?s).*java EchoClient", "");
            assertTrue(command.contains("--bench"), command);
            if (message.matches("[ -~&&[^']]+") && !message.startsWith("a ")) {
                assertTrue(picture.words().contains(message), picture.words());
            }
        }
    }

    /** A text with the room that it takes, a little more than it does in most fonts. */
    private static final class Label {
        final String words;
        final Rectangle2D box;

        Label(String words, Rectangle2D box) {
            this.words = words;
            this.box = box;
        }

        @Override
        public String toString() {
            return String.format("\"%s\" (%.0f to %.0f, %.0f to %.0f)", words, box.getMinX(),
                    box.getMaxX(), box.getMinY(), box.getMaxY());
        }
    }

    /** An SVG that was read as XML. */
    private static final class Picture {
        final Element root;
        private final String svg;
        private final String style;

        Picture(String svg) throws Exception {
            this.svg = svg;
            DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
            factory.setNamespaceAware(true);
            root = factory.newDocumentBuilder().parse(new ByteArrayInputStream(
                    svg.getBytes(StandardCharsets.UTF_8))).getDocumentElement();
            style = elements("style").stream().map(Element::getTextContent)
                    .collect(Collectors.joining()).replaceAll("@media.*", "");
        }

        private List<Element> elements(String name) {
            NodeList all = root.getElementsByTagName(name);
            List<Element> list = new ArrayList<>();
            for (int i = 0; i < all.getLength(); i++) {
                list.add((Element) all.item(i));
            }
            return list;
        }

        private static boolean isOf(Element element, String kind) {
            return List.of(element.getAttribute("class").split(" ")).contains(kind);
        }

        String title() {
            return elements("title").get(0).getTextContent();
        }

        /** All that is written in it. */
        String words() {
            return elements("text").stream().map(Element::getTextContent)
                    .collect(Collectors.joining("\n"));
        }

        List<Element> paths(String kind) {
            return elements("path").stream().filter(path -> isOf(path, kind))
                    .collect(Collectors.toList());
        }

        /** The texts of a class, or all of them, where there is anything to read. */
        List<Label> texts(String kind) {
            return elements("text").stream()
                    .filter(text -> kind.isEmpty() || isOf(text, kind))
                    .filter(text -> !text.getTextContent().isBlank())
                    .map(this::label).collect(Collectors.toList());
        }

        private Label label(Element text) {
            double size = fontSize(text);
            String words = text.getTextContent().trim();
            double width = 0.6 * size * words.length();
            double x = Double.parseDouble(text.getAttribute("x"));
            double y = Double.parseDouble(text.getAttribute("y"));
            String anchor = text.getAttribute("text-anchor");
            double left = anchor.equals("end") ? x - width
                    : anchor.equals("middle") ? x - width / 2 : x;
            return new Label(words, new Rectangle2D.Double(left, y - 0.75 * size, width, size));
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

        void assertReadable(String what) {
            assertEquals("svg", root.getLocalName());
            assertEquals("http://www.w3.org/2000/svg", root.getNamespaceURI());
            assertFalse(svg.contains("var(--"), "librsvg does not know variables");
            assertFalse(Pattern.compile("NaN|Infinity|null|-1[.]8e").matcher(svg).find(), svg);
            assertTrue(svg.length() < 200_000, svg.length() + " bytes");
            assertEachTextHasItsPlace(what);
            assertWordsAreGood(what);
            assertNoDataUnderWords(what);
            assertNoBlock(what);
        }

        private void assertEachTextHasItsPlace(String what) {
            String[] view = root.getAttribute("viewBox").split(" ");
            Rectangle2D all = new Rectangle2D.Double(0, 0, Double.parseDouble(view[2]),
                    Double.parseDouble(view[3]));
            List<Label> labels = texts("");
            List<String> wrong = new ArrayList<>();
            for (int i = 0; i < labels.size(); i++) {
                Label one = labels.get(i);
                if (!all.contains(one.box)) {
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

        private void assertWordsAreGood(String what) {
            assertTrue(title().matches(".*[0-9] bytes?\\b.*[0-9] connections?\\b.*"), title());
            assertEquals(1, texts("").stream()
                    .filter(text -> text.words.matches("max [0-9.,]+ (us|ms|s)")).count(),
                    "the maximum in " + words());
            // The command is as it was typed, the conditions are of another kind, and the title has
            // a test of its own.
            for (Label text : texts("")) {
                assertTrue(text.words.matches("(java|JDK|TCP) .*")
                        || !Pattern.compile("(?<![0-9.,])[0-9]{4}").matcher(text.words).find(),
                        "thousands are not grouped in " + text + " of " + what);
            }
        }

        void assertCirclesLieOnTheCurve(String what) {
            List<Element> circles = elements("circle");
            assertTrue(!circles.isEmpty(), "no mark on the curve of " + what);
            List<Element> curves = paths("curve");
            assertFalse(curves.isEmpty(), "no curve of " + what);
            for (Element circle : circles) {
                Point2D centre = new Point2D.Double(
                        Double.parseDouble(circle.getAttribute("cx")),
                        Double.parseDouble(circle.getAttribute("cy")));
                double nearest = curves.stream()
                        .mapToDouble(curve -> distance(centre, curve.getAttribute("d")))
                        .min().getAsDouble();
                assertTrue(nearest < 2, centre + " is " + nearest + " from the curve of " + what);
            }
        }

        private static double distance(Point2D from, String path) {
            return lines(path).stream().mapToDouble(line -> line.ptSegDist(from)).min()
                    .orElse(Double.MAX_VALUE);
        }

        /** What a path draws, from place to place; M, L, H and V are all that is needed. */
        private static List<Line2D> lines(String path) {
            List<Line2D> lines = new ArrayList<>();
            Matcher steps = Pattern.compile("([MLHVh]) ?(-?[0-9.]+)(?:[ ,](-?[0-9.]+))?")
                    .matcher(path);
            double x = 0;
            double y = 0;
            while (steps.find()) {
                double first = Double.parseDouble(steps.group(2));
                String step = steps.group(1);
                double toX = step.equals("V") ? x : step.equals("h") ? x + first : first;
                double toY = step.equals("V") ? first
                        : steps.group(3) == null ? y : Double.parseDouble(steps.group(3));
                if (!step.equals("M")) {
                    lines.add(new Line2D.Double(x, y, toX, toY));
                }
                x = toX;
                y = toY;
            }
            return lines;
        }

        /** Nothing that was measured is drawn across what is written, second curves excepted. */
        private void assertNoDataUnderWords(String what) {
            List<Element> data = new ArrayList<>(paths("dot"));
            data.addAll(paths("bar"));
            if (paths("curve").size() == 1) {
                data.addAll(paths("curve"));
            }
            List<String> wrong = new ArrayList<>();
            for (Element path : data) {
                List<Line2D> lines = lines(path.getAttribute("d"));
                for (Label label : texts("")) {
                    if (lines.stream().anyMatch(label.box::intersectsLine)) {
                        wrong.add(path.getAttribute("class") + " under " + label);
                    }
                }
            }
            assertEquals(List.of(), wrong, what);
        }

        /** However long the run: at most 512 dots, and as many bars, on each stretch. */
        private void assertNoBlock(String what) {
            for (Element path : elements("path")) {
                String d = path.getAttribute("d");
                long places = d.chars().filter(c -> c == 'M').count();
                assertTrue(places <= 512, places + " in a " + path.getAttribute("class") + " of "
                        + what);
                assertTrue(d.chars().filter(c -> c == 'L').count() <= 2000, what);
            }
            assertTrue(paths("dot").size() >= 1, "dots of " + what);
        }
    }
}
