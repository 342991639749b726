import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** The files of a run: the same messages in each, written in place. */
@Timeout(60)
class ClientFilesTest {

    @TempDir
    Path folder;

    private String path(String name) {
        return folder.resolve(name).toString();
    }

    private static double after(String text, String name) {
        Matcher number = Pattern.compile(name + " *= *([0-9.]+)").matcher(text);
        assertTrue(number.find(), name + " in " + text);
        return Double.parseDouble(number.group(1));
    }

    /** The value of the first row at this part of all, or more. */
    private static double valueAt(String hgrm, double part) {
        Matcher row = Pattern.compile("(?m)^ *([0-9]+[.][0-9]{3}) +([01][.][0-9]{12}) .*$")
                .matcher(hgrm);
        while (row.find()) {
            if (Double.parseDouble(row.group(2)) >= part) {
                return Double.parseDouble(row.group(1));
            }
        }
        throw new AssertionError("no row for " + part + " in " + hgrm);
    }

    private void assertSame(String key, String... arguments) throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            List<String> all = new ArrayList<>(List.of("--json", path("json"), "--hgrm",
                    path("hgrm"), "--plot", path("plot"), "--warmup", "700"));
            all.addAll(List.of(arguments));
            Ran ran = Ran.bench(server.port(), all.toArray(new String[0]));
            assertEquals(0, ran.status, ran.toString());
            String hgrm = Files.readString(folder.resolve("hgrm"));
            Json json = Json.of(Files.readString(folder.resolve("json")));
            assertEquals(json.number("messages"), after(hgrm, "Total count"));
            assertEquals(json.number(key + ".mean"), after(hgrm, "Mean"), 0.002);
            assertEquals(json.number(key + ".stddev"), after(hgrm, "StdDeviation"), 0.002);
            assertEquals(json.number(key + ".max"), after(hgrm, "Max"), 0.002);
            assertEquals(json.number(key + ".max"), valueAt(hgrm, 1), 0.002);
            double p50 = json.number(key + ".p50");
            assertEquals(p50, valueAt(hgrm, 0.5), p50 / 500 + 0.001);
            double p90 = json.number(key + ".p90");
            assertEquals(p90, valueAt(hgrm, 0.9), p90 / 500 + 0.001);
            assertEquals(json.number(key + ".min"), valueAt(hgrm, 0),
                    json.number(key + ".min") / 500 + 0.001);
            String plot = Files.readString(folder.resolve("plot"));
            assertTrue(plot.startsWith("<svg") && plot.endsWith("</svg>\n"));
            ReportTest.agrees(ran.out, key.equals("rtt_us") ? "RTT" : "response", json, key);
        }
    }

    @Test
    void theDistributionIsThatOfTheRoundTrips() throws Exception {
        assertSame("rtt_us", "--parallel", "2", "--repeat", "900");
    }

    @Test
    void withARateTheDistributionIsThatOfTheResponseTimes() throws Exception {
        assertSame("response_us", "--rate", "2000", "--repeat", "600");
    }

    @Test
    void permissionsAndOtherNamesOfAFileStay() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Path json = Files.writeString(folder.resolve("json"), "old".repeat(9000));
            Path other = Files.createLink(folder.resolve("other"), json);
            Files.setPosixFilePermissions(json, PosixFilePermissions.fromString("rw-r-----"));
            assertEquals(0, Ran.bench(server.port(), "--warmup", "0", "--repeat", "7",
                    "--json", path("json")).status);
            assertEquals("rw-r-----",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(json)));
            assertEquals(7, Json.of(Files.readString(other)).number("messages"));
            assertEquals(List.of("json", "other"), names());
        }
    }

    private List<String> names() throws Exception {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
            all.forEach(file -> names.add(file.getFileName().toString()));
        }
        Collections.sort(names);
        return names;
    }

    @Test
    void whatStandsBeforeAnOpenOutputStays() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/fd")), "only Linux has it");
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Path file = Files.writeString(folder.resolve("all"), "before\n");
            for (String open : List.of("/proc/self/fd/1", "/dev/fd/3")) {
                // exec 3: the file is open at its end, as a shell's >> leaves it
                String run = "exec 3>>\"$0\"; \"$@\" >&3; echo after >&3";
                try (Program client = Program.command("sh", "-c", run, file.toString(),
                        Program.JAVA, "-cp", Program.CLASSES, "EchoClient", "--bench",
                        "--port", "" + server.port(), "--repeat", "20", "--warmup", "0",
                        "--json", open)) {
                    assertEquals(0, client.end(30), client.err());
                }
            }
            List<String> lines = Files.readAllLines(file);
            assertEquals("before", lines.get(0));
            assertEquals("after", lines.get(lines.size() - 1));
            assertEquals(2, lines.stream().filter("after"::equals).count());
            assertEquals(2, lines.stream().filter(line -> line.startsWith("{")).count());
            assertEquals(2, lines.stream().filter(line -> line.contains("repeats: 20,"))
                    .count());
        }
    }

    @Test
    void jsonOnStandardOutputStandsThereAlone() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Ran ran = Ran.bench(server.port(), "--warmup", "0", "--repeat", "5", "--json", "-",
                    "--hgrm", path("hgrm"), "--interval", "100ms");
            assertEquals(1, ran.out.lines().count(), ran.out);
            assertTrue(ran.out.endsWith("}\n"));
            assertEquals(5, ran.json().number("messages"));
            assertEquals(5, after(Files.readString(folder.resolve("hgrm")), "Total count"));
        }
    }
}
