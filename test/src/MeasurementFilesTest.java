import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What the client writes and reads: distributions in HdrHistogram's form, and pictures. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MeasurementFilesTest {
    private static final int MESSAGES = 300_000;
    private static final Pattern ROW = Pattern.compile(
            " *([0-9]+[.][0-9]{3}) ([01][.][0-9]{12}) +([0-9]+)( +([0-9]+[.][0-9]{2}))?");

    /** One long run, at which the tests look from several sides. */
    @TempDir
    static Path folder;
    private static ClientJson json;
    private static List<String> hgrm;
    private static ClientPicture picture;

    @BeforeAll
    static void aLongRun() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            json = ClientSupport.run(server.port(), "--bench", "--json", "-", "--message", "<&>\"'",
                    "--parallel", "4", "--repeat", "" + MESSAGES / 4, "--warmup", "100",
                    "--hgrm", folder.resolve("long.hgrm").toString(),
                    "--plot", folder.resolve("long.svg").toString()).expect(0).json();
        }
        String text = Files.readString(folder.resolve("long.hgrm"), StandardCharsets.US_ASCII);
        assertTrue(text.endsWith("]\n"), "ends with a line end");
        hgrm = Arrays.asList(text.split("\n"));
        picture = ClientPicture.read(folder.resolve("long.svg"));
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
    void hgrmHasTheFormOfHdrHistogram() {
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
        assertEquals(json.number("rtt_us.max"), value, 0.0006);
        assertEquals(json.number("rtt_us.p50"), valueAt("0.500000000000"), 0.0006);
        assertEquals(json.number("rtt_us.p90"), valueAt("0.900000000000"), 0.0006);
        assertEquals(json.number("rtt_us.p95"), valueAt("0.950000000000"), 0.0006);
        String mean = hgrm.get(hgrm.size() - 3).replaceAll(".*Mean *= *|,.*", "");
        assertEquals(json.number("rtt_us.mean"), Double.parseDouble(mean), 0.0006);
    }

    private static double valueAt(String percentile) {
        return rows().stream().filter(row -> row.group(2).equals(percentile))
                .mapToDouble(row -> Double.parseDouble(row.group(1))).findFirst().getAsDouble();
    }

    /** In place: a link stays a link, permissions stay, and no other file is there for a while. */
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

    /** As a shell's user would: other descriptors, and standard output, which is not our file. */
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
            assertTrue(text.contains("[bench] repeats: 5,"), text);
            assertTrue(text.contains("       Value "), text);
        }
        assertEquals(List.of("both", "piped", "third"), names(own));
    }

    private static List<String> names(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted()
                    .collect(Collectors.toList());
        }
    }

    @Test
    void thePictureOfALongRun() throws Exception {
        picture.assertReadable("a long run");
        assertTrue(picture.words().contains("<&>\"'"), "the command, whose message is no mark-up");
        for (String name : List.of("p50", "p99", "max")) {
            picture.assertLabelled(name, "a long run");
        }
    }
}
