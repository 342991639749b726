import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** What the client writes and reads: distributions in HdrHistogram's form, and pictures. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MeasurementFilesTest {
    private static final int MESSAGES = 300_000;
    private static final Pattern ROW = Pattern.compile(
            " *([0-9]+[.][0-9]{3}) ([01][.][0-9]{12}) +([0-9]+)( +([0-9]+[.][0-9]{2}))?");

    /** One long run, at which the tests look from several sides. */
    @TempDir
    static Path folder;
    private static ClientJson json;
    private static List<String> hgrm;
    private static String svg;

    @BeforeAll
    static void aLongRun() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            json = ClientSupport.run(server.port(), "--bench", "--json", "--message", "<&>\"'",
                    "--parallel", "4", "--repeat", "" + MESSAGES / 4, "--warmup", "100",
                    "--hgrm", folder.resolve("long.hgrm").toString(),
                    "--plot", folder.resolve("long.svg").toString()).expect(0).json();
        }
        String text = Files.readString(folder.resolve("long.hgrm"), StandardCharsets.US_ASCII);
        assertTrue(text.endsWith("]\n"), "ends with a line end");
        hgrm = Arrays.asList(text.split("\n"));
        svg = Files.readString(folder.resolve("long.svg"));
    }

    private static List<Matcher> rows() {
        return hgrm.subList(2, hgrm.size() - 3).stream().map(line -> {
            Matcher row = ROW.matcher(line);
            assertTrue(row.matches(), "a row: " + line);
            return row;
        }).collect(Collectors.toList());
    }

    @Test
    void figuresAgreeInALongRunToo() {
        assertEquals(MESSAGES, json.number("messages"));
        MeasurementTest.assertConsistent(json);
    }

    @Test
    void theFormOfHgrm() {
        assertEquals("       Value     Percentile TotalCount 1/(1-Percentile)", hgrm.get(0));
        assertEquals("", hgrm.get(1));
        List<Matcher> rows = rows();
        for (Matcher row : rows.subList(0, rows.size() - 1)) {
            double percentile = Double.parseDouble(row.group(2));
            double beyond = Double.parseDouble(row.group(5));
            assertEquals(1 / (1 - percentile), beyond, 0.01 + 0.001 * beyond, row.group());
            assertEquals(String.format(Locale.US, "%12.3f %2.12f %10d %14.2f",
                    Double.parseDouble(row.group(1)), percentile, Long.parseLong(row.group(3)),
                    beyond), row.group());
        }
        Matcher last = rows.get(rows.size() - 1);
        assertEquals(String.format(Locale.US, "%12.3f %2.12f %10d",
                Double.parseDouble(last.group(1)), 1.0, MESSAGES), last.group());
        String[] footer = {
            "#\\[Mean    = [ 0-9]{8}[.][0-9]{3}, StdDeviation   = [ 0-9]{8}[.][0-9]{3}\\]",
            "#\\[Max     = [ 0-9]{8}[.][0-9]{3}, Total count    =       " + MESSAGES + "\\]",
            "#\\[Buckets = [ 0-9]{12}, SubBuckets     = [ 0-9]{12}\\]"};
        for (int i = 0; i < 3; i++) {
            String line = hgrm.get(hgrm.size() - 3 + i);
            assertTrue(line.matches(footer[i]), line);
        }
    }

    /** From 0 to 50 %, from there to 75 %, to 87.5 % and so on: five ticks each, none left out. */
    @Test
    void fiveTicksInEachHalfOfTheDistance() {
        List<Matcher> rows = rows();
        double tick = 0;
        double step = 0.1;
        for (int i = 0; i < rows.size() - 1; i++) {
            assertEquals(tick, Double.parseDouble(rows.get(i).group(2)), 1e-9, "tick " + i);
            tick += step;
            step = i % 5 == 4 ? step / 2 : step;
        }
        assertTrue(rows.size() > 60, rows.size() + " rows for " + MESSAGES + " messages");
    }

    @Test
    void hgrmRisesAndAgreesWithTheJson() {
        double value = 0;
        long count = 0;
        for (Matcher row : rows()) {
            assertTrue(Double.parseDouble(row.group(1)) >= value, row.group());
            assertTrue(Long.parseLong(row.group(3)) >= count, row.group());
            value = Double.parseDouble(row.group(1));
            count = Long.parseLong(row.group(3));
            double percentile = Double.parseDouble(row.group(2));
            assertTrue(count >= percentile * MESSAGES - 1, row.group());
        }
        assertEquals(MESSAGES, count);
        assertEquals(json.number("rtt_us.max") / 1000, value, 0.0006);
        assertEquals(json.number("rtt_us.p50") / 1000, valueAt("0.500000000000"), 0.0006);
        assertEquals(json.number("rtt_us.p90") / 1000, valueAt("0.900000000000"), 0.0006);
        assertEquals(json.number("rtt_us.p95") / 1000, valueAt("0.950000000000"), 0.0006);
        String mean = hgrm.get(hgrm.size() - 3).replaceAll(".*Mean *= *|,.*", "");
        assertEquals(json.number("rtt_us.mean") / 1000, Double.parseDouble(mean), 0.0006);
    }

    private static double valueAt(String percentile) {
        return rows().stream().filter(row -> row.group(2).equals(percentile))
                .mapToDouble(row -> Double.parseDouble(row.group(1))).findFirst().getAsDouble();
    }

    /** Written in place, at the end: a failed run leaves the old content. */
    @Test
    void filesAreWrittenInPlace(@TempDir Path own) throws Exception {
        Path file = own.resolve("run.hgrm");
        Path link = own.resolve("link.svg");
        Path other = own.resolve("run.hgrm.tmp");
        Files.writeString(file, "old\n".repeat(10_000));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        Files.writeString(other, "of somebody else\n");
        Files.createSymbolicLink(link, own.resolve("target.svg"));
        String[] args = {"--bench", "--repeat", "5", "--warmup", "0", "--message", "x", "--hgrm",
            file.toString(), "--plot", link.toString()};
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            ClientSupport.run(closed.port(), args).expect(1);
        }
        assertTrue(Files.readString(file).startsWith("old\n"));
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.run(server.port(), args).expect(0);
        }
        String text = Files.readString(file);
        assertTrue(text.startsWith("       Value ") && !text.contains("old"), text);
        assertEquals("rw-------", PosixFilePermissions.toString(
                Files.getPosixFilePermissions(file)));
        assertTrue(Files.isSymbolicLink(link), "the link is still one");
        assertTrue(Files.readString(own.resolve("target.svg")).endsWith("</svg>\n"));
        assertEquals("of somebody else\n", Files.readString(other));
        assertEquals(List.of("link.svg", "run.hgrm", "run.hgrm.tmp", "target.svg"), names(own));
    }

    /** As a shell's user would: other descriptors, and standard output, which is no file of ours. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void devicesAreLeftAsTheyAre(@TempDir Path own) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            String client = ClientSupport.jdk("java") + " -cp " + System.getProperty("echo.classes")
                    + " EchoClient --bench --repeat 5 --warmup 0 --port " + server.port();
            ClientSupport.process(own, new byte[0], "bash", "-c", client
                    + " --hgrm /dev/stdout > both && " + client + " --hgrm /dev/fd/3 3> third && "
                    + client + " --hgrm /dev/stdout | cat > piped").expect(0);
        }
        assertTrue(Files.isSymbolicLink(Path.of("/dev/stdout")), "/dev/stdout is still a link");
        assertTrue(Files.readString(own.resolve("third")).startsWith("       Value "));
        for (String name : List.of("both", "piped")) {
            String text = Files.readString(own.resolve(name));
            assertTrue(text.contains("[bench] repeats: 5,") && text.contains("       Value "), text);
        }
        assertEquals(List.of("both", "piped", "third"), names(own));
    }

    private static List<String> names(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted()
                    .collect(Collectors.toList());
        }
    }

    /** Well-formed, of bounded size, and with nothing drawn outside of it. */
    @Test
    void thePictureOfALongRun() throws Exception {
        assertTrue(svg.length() < 300_000, svg.length() + " bytes");
        Element root = parse(svg).getDocumentElement();
        assertEquals("svg", root.getNodeName());
        assertEquals("http://www.w3.org/2000/svg", root.getNamespaceURI());
        assertInside(root);
        String texts = root.getTextContent();
        assertTrue(texts.contains("<&>\"'"), "the command, and a message that is no mark-up");
        assertTrue(texts.contains("warm-up"), texts);
        assertTrue(texts.contains("p99.9"), texts);
        assertTrue(svg.chars().allMatch(c -> c == '\n' || c >= ' ' && c <= '~'), "ASCII");
    }

    private static Document parse(String xml) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(
                new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)));
    }

    private static void assertInside(Element root) {
        String[] box = root.getAttribute("viewBox").split(" ");
        double width = Double.parseDouble(box[2]);
        double height = Double.parseDouble(box[3]);
        NodeList all = root.getElementsByTagName("*");
        int places = 0;
        for (int i = 0; i < all.getLength(); i++) {
            Element element = (Element) all.item(i);
            List<String> pairs = new ArrayList<>();
            Matcher path = Pattern.compile("[ML] ?([^ MLHVh]+[ ,][^ MLHVh]+)")
                    .matcher(element.getAttribute("d"));
            while (path.find()) {
                pairs.add(path.group(1));
            }
            for (String prefix : List.of("", "c")) {
                if (element.hasAttribute(prefix + "x")) {
                    pairs.add(element.getAttribute(prefix + "x") + " "
                            + element.getAttribute(prefix + "y"));
                }
            }
            for (String pair : pairs) {
                double x = Double.parseDouble(pair.split("[ ,]")[0]);
                double y = Double.parseDouble(pair.split("[ ,]")[1]);
                assertTrue(x >= 0 && x <= width && y >= 0 && y <= height,
                        pair + " is outside, in a " + element.getNodeName());
                places++;
            }
        }
        assertTrue(places > 10, places + " places looked at");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--repeat 1 --warmup 0", "--repeat 2 --warmup 1",
        "--repeat 3000 --warmup 513", "--repeat 50 --parallel 3 --rate 1000",
        "--repeat 1 --warmup 0 --message \u0001<\u00fc\ud83d\ude00>\u001b]]>"})
    void picturesOfOtherRuns(String args) throws Exception {
        Path file = folder.resolve("other.svg");
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.run(server.port(), ClientSupport.with(args.split(" "), "--bench",
                    "--plot", file.toString())).expect(0);
        }
        assertInside(parse(Files.readString(file)).getDocumentElement());
    }

    private static final String HEADER =
            "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
    /** As HdrHistogram writes it, with numbers that are easy to recognize. */
    private static final String HDR = HEADER
            + "       1.000 0.000000000000          5           1.00\n"
            + "       2.000 0.500000000000       5000           2.00\n"
            + "       4.000 0.990625000000       9906         106.67\n"
            + "       5.000 0.999023437500       9991        1024.00\n"
            + "       8.000 1.000000000000      10000\n"
            + "#[Mean    =        2.500, StdDeviation   =        0.100]\n"
            + "#[Max     =        8.000, Total count    =      10000]\n"
            + "#[Buckets =            8, SubBuckets     =         2048]\n";
    /** As wrk2 writes it: an infinite distance in the last row, values twice the above. */
    private static final String WRK2 = HDR.replace("10000\n", "10000          inf\n")
            .replace("       1.000", "       2.000").replace("       4.000", "      10.000")
            .replace("       2.000 0.5", "       4.000 0.5").replace("   8.000", "  16.000")
            .replace("       5.000", "      12.500").replace("       2.500,", "       5.000,");
    /** As HdrHistogram writes it with commas, without a footer. */
    private static final String CSV = "\"Value\",\"Percentile\",\"TotalCount\","
            + "\"1/(1-Percentile)\"\n1.000,0.000000000000,5,1.00\n3.000,0.500000000000,5000,2.00\n"
            + "6.000,0.999023437500,9991,1024.00\n10.000,1.000000000000,10000,Infinity\n";

    @Test
    void aComparisonShowsValuesAndRatios() throws Exception {
        ClientSupport.Run run = compare(List.of(HDR, WRK2, CSV)).expect(0);
        assertEquals(List.of(), run.err);
        List<String> lines = run.out.stream().map(line -> line.trim().replaceAll(" +", " "))
                .collect(Collectors.toList());
        assertEquals("count mean p50 p99 p99.9 max", lines.get(1));
        assertEquals(List.of(
                "0.hgrm 10000 2.500 2.000 4.000 5.000 8.000",
                "1.hgrm 10000 5.000 4.000 10.000 12.500 16.000",
                "2.00x 2.00x 2.50x 2.50x 2.00x",
                "2.hgrm 10000 - 3.000 6.000 6.000 10.000",
                "- 1.50x 1.50x 1.20x 1.25x"), lines.subList(2, lines.size()));
    }

    /** A file of 500 messages says nothing about p99.9, however many digits it has. */
    @Test
    void aComparisonInventsNoPercentile() throws Exception {
        String few = "1.0 0.0 1 1.00\n2.0 0.5 250 2.00\n3.0 1.0 500\n";
        List<String> out = compare(List.of(few)).expect(0).out;
        assertEquals("0.hgrm 500 - 2.000 3.000 - 3.000", out.get(2).replaceAll(" +", " "));
    }

    @Test
    void ourOwnFilesCanBeCompared() {
        String file = folder.resolve("long.hgrm").toString();
        ClientSupport.Run run = ClientSupport.run("--compare", file, file).expect(0);
        assertTrue(run.out.get(2).replaceAll(" +", " ").startsWith("long.hgrm 300000 "), "" + run);
        assertEquals("1.00x 1.00x 1.00x 1.00x 1.00x",
                run.out.get(4).trim().replaceAll(" +", " "));
    }

    @Test
    void aComparisonCanBeDrawn() throws Exception {
        Path file = folder.resolve("compared.svg");
        compare(List.of(HDR, WRK2, CSV), "--plot", file.toString()).expect(0);
        Element root = parse(Files.readString(file)).getDocumentElement();
        assertInside(root);
        for (int i = 0; i < 3; i++) {
            assertTrue(root.getTextContent().contains(i + ".hgrm"), "a legend");
        }
    }

    /** What is wrong with a file, and in which line. */
    static Stream<Arguments> malformed() {
        return Stream.of(
                Arguments.of("nonsense\n", 1),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n2.0 1.0\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n2.0 1.0 2 inf 7\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n2.0 1.5 2 1.00\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n0.5 1.0 2\n", 4),
                Arguments.of(HEADER + "1.0 0.5 1 1.00\n2.0 0.4 2 1.00\n3.0 1.0 3\n", 4),
                Arguments.of(HEADER + "1.0 0.0 5 1.00\n2.0 1.0 4\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n-2.0 1.0 2\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\nNaN 1.0 2\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n1e3 1.0 2\n", 4),
                Arguments.of(HEADER + "1.0 0.0 1 1.00\n2.0 0.5 2 2.00\n", 4),
                Arguments.of("{\"rtt_us\": 5}\n", 1));
    }

    @ParameterizedTest
    @MethodSource
    void malformed(String text, int line) throws Exception {
        ClientSupport.Run run = compare(List.of(HDR, text)).expect(1);
        assertEquals(List.of(), run.out, run.toString());
        assertEquals(1, run.err.size(), run.toString());
        assertTrue(run.err.get(0).startsWith("[client] " + folder.resolve("1.hgrm") + ", line "
                + line + ": "), run.toString());
    }

    @Test
    void whatCannotBeReadIsOneLine() throws Exception {
        for (String file : List.of(folder.toString(), folder.resolve("none").toString(), "/")) {
            ClientSupport.Run run = ClientSupport.run("--compare", file).expect(1);
            assertEquals(1, run.err.size(), run.toString());
            assertTrue(run.err.get(0).contains(file), run.toString());
        }
        ClientSupport.Run empty = compare(List.of("")).expect(1);
        assertTrue(empty.err.get(0).contains("0.hgrm"), empty.toString());
        // A footer is a remark, and none of it may make the whole file unreadable.
        ClientSupport.Run footer = compare(List.of(HDR.replace("2.500", "2.5.0")));
        assertFalse(footer.status == 2, footer.toString());
    }

    /** Writes 0.hgrm, 1.hgrm and so on, and compares them. */
    private static ClientSupport.Run compare(List<String> texts, String... more)
            throws Exception {
        List<String> args = new ArrayList<>(List.of("--compare"));
        for (int i = 0; i < texts.size(); i++) {
            args.add(Files.writeString(folder.resolve(i + ".hgrm"), texts.get(i)).toString());
        }
        args.addAll(Arrays.asList(more));
        return ClientSupport.run(args.toArray(new String[0]));
    }
}
