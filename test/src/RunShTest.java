import static org.junit.jupiter.api.Assertions.*;

import java.io.File;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** run.sh: its steps by what they ran, compare by its figures, and where it works. */
@Timeout(180)
class RunShTest {
    @TempDir Path folder;

    /** run.sh of a copy of the project, so that nobody else writes its results. */
    private Program run(Map<String, String> environment, String... arguments) throws Exception {
        return start(copy(), environment, "./run.sh", arguments);
    }

    private Program start(Path from, Map<String, String> environment, String script,
            String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("bash", script));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(from.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().putAll(environment);
        return Program.start(builder);
    }

    private Path copy() throws Exception {
        Path copy = Files.createDirectories(folder.resolve("copy"));
        for (String name : List.of("run.sh", "EchoServer.java", "AsyncEchoServer.java",
                "EchoClient.java")) {
            Files.copy(Program.ROOT.resolve(name), copy.resolve(name),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        return copy;
    }

    private Json result(String name) throws Exception {
        return Json.of(Files.readString(folder.resolve("copy/results/" + name + ".json")));
    }

    @Test
    @Tag("slow")
    void theStepsRunWhatIsDocumented() throws Exception {
        try (Program steps = run(Map.of(), "--port", "0", "--async-port", "0")) {
            assertEquals(0, steps.end(150), steps.err());
            Json threaded = result("threaded");
            Json async = result("async");
            Json hello = result("hello");
            assertEquals(List.of(1024.0, 2000.0, 16384.0, 1000.0, 11.0, 1.0),
                    List.of(threaded.number("message_bytes"), threaded.number("messages"),
                            async.number("message_bytes"), async.number("messages"),
                            hello.number("message_bytes"), hello.number("messages")));
            assertNotEquals(threaded.number("port"), async.number("port"));
            assertEquals(async.number("port"), hello.number("port"));
            for (String name : List.of("threaded", "async")) {
                assertTrue(result(name).number("warmup.messages") > 0, name);
                String plot = Files.readString(folder.resolve("copy/results/" + name + ".svg"));
                assertTrue(plot.contains("<svg"), name);
                assertTrue(Files.size(folder.resolve("copy/results/" + name + ".hgrm")) > 0);
            }
            // the row of this machine, beside the published figures
            assertRow(steps.out(), "threaded 1024 B x 2000: average",
                    String.format(Locale.ROOT, "%.3f", threaded.number("rtt_us.mean") / 1000));
            assertRow(steps.out(), "async 16384 B x 1000: average",
                    String.format(Locale.ROOT, "%.3f", async.number("rtt_us.mean") / 1000));
            assertRow(steps.out(), "async hello-async, once",
                    String.format(Locale.ROOT, "%.3f", hello.number("rtt_us.mean") / 1000));
        }
    }

    /** That the line which begins so goes on with these words, whatever follows them. */
    private static void assertRow(String out, String name, String... words) {
        String row = out.lines().filter(line -> line.startsWith(name)).findFirst()
                .orElseThrow(() -> new AssertionError("no " + name + " in\n" + out));
        List<String> found = List.of(row.substring(name.length()).trim().split(" +"));
        assertEquals(List.of(words), found.subList(0, words.length), row);
    }

    private static String json(String more, double mean) {
        return "{\"message_bytes\": 64, \"messages\": 7, \"messages_s\": 20000,"
                + " \"rtt_us\": {\"mean\": " + mean + ", \"p50\": 1500.0, \"p99\": null},"
                + " \"environment\": {\"java\": \"17.0.9\", \"cores\": 4}, " + more
                + " \"valid\": true}";
    }

    @Test
    void compareShowsFiguresAndRatios() throws Exception {
        Path a = Files.writeString(folder.resolve("before.json"), json("", 20));
        Path b = Files.writeString(folder.resolve("after.json"),
                json("\"warnings\": [\"it was, say, {busy}\", \"second one\"],", 50)
                        .replace(" ", "\r\n\t").replace("it\r\n\twas,\r\n\tsay,\r\n\t{busy}",
                        "it was, say, {busy}").replace("second\r\n\tone", "second one"));
        Path c = Files.writeString(folder.resolve("tiny.json"), json("", 0.001)
                .replace("17.0.9", "25.0.1"));
        try (Program compare = run(Map.of(), "compare", "" + a, "" + b, "" + c)) {
            assertEquals(0, compare.end(60), compare.err());
            assertRow(compare.out(), "mean", "20.0", "us", "1.00x", "50.0", "us", "2.50x",
                    "0.00100", "us", "<0.001x");
            assertRow(compare.out(), "p50", "1.50", "ms", "1.00x", "1.50", "ms", "1.00x");
            assertRow(compare.out(), "p99 ", "-", "-", "-", "-", "-", "-");
            assertRow(compare.out(), "messages ", "7", "1.00x", "7", "1.00x");
            assertRow(compare.out(), "messages_s", "20000", "1.00x");
            for (String said : List.of("17.0.9", "25.0.1", "it was, say, {busy}",
                    "second one")) {
                assertTrue(compare.out().contains(said), said + compare.out());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"stray", "--stray", "''", "--port", "demo stray", "demo ''",
        "compare", "compare /nowhere.json", "compare run.sh", "test ''", "--help stray"})
    void whatItDoesNotKnowEndsWith2(String words) throws Exception {
        String[] arguments = words.replace("''", "EMPTY").split(" ");
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = arguments[i].replace("EMPTY", "");
        }
        try (Program run = run(Map.of(), arguments)) {
            assertEquals(2, run.end(60), run.out());
            assertTrue(run.err().startsWith("run.sh: "), run.err());
        }
    }

    @Test
    @Tag("slow")
    void worksByALinkWithARelativeJavaHomeClassFilesAndJvmOptions() throws Exception {
        Path copy = copy();
        Path elsewhere = Files.createDirectories(folder.resolve("else where"));
        Files.createSymbolicLink(elsewhere.resolve("link"), Path.of("../copy/run.sh"));
        Files.createSymbolicLink(elsewhere.resolve("again"), Path.of("link"));
        Files.createSymbolicLink(elsewhere.resolve("jdk"),
                Path.of(System.getProperty("java.home")));
        Files.writeString(copy.resolve("EchoServer.class"), "no class");
        Map<String, String> environment = Map.of("JAVA_HOME", "jdk", "CLASSPATH", "" + copy,
                "JAVA_TOOL_OPTIONS", "-Xmx64m", "CDPATH", "/", "tmp", "x", "results", "9");
        try (Program demo = start(elsewhere, environment, "./again", "demo", "stream")) {
            assertEquals(0, demo.end(100), demo.out() + demo.err());
            assertEquals(16384.0, result("stream").number("message_bytes"));
            assertFalse(Files.exists(elsewhere.resolve("results")), "a stray results/");
        }
    }

    @Test
    void whatJavaSaysIsShown() throws Exception {
        try (Program run = run(Map.of("JAVA_TOOL_OPTIONS", "-XX:+StrayOption"))) {
            assertEquals(1, run.end(60));
            assertTrue(run.err().contains("StrayOption"), run.err());
        }
        try (Program run = run(Map.of("JAVA_HOME", "/nowhere"))) {
            assertEquals(1, run.end(60));
            assertTrue(run.err().contains("/nowhere"), run.err());
        }
    }

    /** A folder with a program of this name, which does this. */
    private Path fake(String name, String script) throws Exception {
        Path bin = Files.createDirectories(folder.resolve("fake/bin"));
        Path file = Files.writeString(bin.resolve(name), "#!/bin/sh\n" + script + "\n");
        assertTrue(file.toFile().setExecutable(true));
        return bin;
    }

    @Test
    void aJavaWithoutACompilerIsTold() throws Exception {
        Path bin = fake("java", "echo 'openjdk version \"17.0.9\"'; echo java.base@17.0.9");
        try (Program run = run(Map.of("JAVA_HOME", bin.getParent().toString()))) {
            assertEquals(1, run.end(20));
            assertTrue(run.err().contains("JRE"), run.err());
        }
    }

    /** By a Maven that says what it was told to do, and takes nine seconds. */
    @Test
    @Tag("slow")
    void testsGoToMavenAndTheScreenIsNeverStill() throws Exception {
        Path bin = fake("mvn", "echo \"[WARNING] told: $*\"; echo '[INFO] x'\n"
                + "[ \"$5\" = -Dall ] || sleep 9; exit 3");
        String path = bin + File.pathSeparator + System.getenv("PATH");
        try (Program quick = run(Map.of("PATH", path), "test", "-Dtest=A")) {
            assertEquals(3, quick.end(30));
            assertTrue(quick.out().contains("told: -B -f test/pom.xml test -Dtest=A\n"));
            assertTrue(quick.out().matches("(?s).*\n[.]{3} [0-9]+ s\n[.]{3} [0-9]+ s\n.*"));
            assertTrue(quick.out().contains("about a minute") && !quick.out().contains("[INFO]"));
        }
        try (Program all = run(Map.of("PATH", path), "test", "all")) {
            assertEquals(3, all.end(30));
            assertTrue(all.out().contains("test -Dall\n"), all.out());
        }
    }

    /** With --step a command is shown, and not yet run, until Enter is pressed. */
    @Test
    @Tag("slow")
    void aStepIsShownBeforeItIsDone() throws Exception {
        try (Program demo = run(Map.of(), "demo", "stream", "--step")) {
            demo.awaitOut("$ java EchoServer.java");
            Thread.sleep(3000); // by far enough to start it
            assertFalse(demo.out().contains("listening"), demo.out());
            demo.in().write("\n".getBytes());
            demo.in().flush();
            demo.awaitOut("$ java EchoClient.java");
            assertTrue(demo.out().contains("listening") && !demo.out().contains("RTT"));
            demo.in().write("\n\n\n\n".getBytes());
            demo.in().close();
            assertEquals(0, demo.end(60));
            assertTrue(demo.out().contains("RTT"), demo.out());
        }
    }

    @Test
    void aTakenPortIsToldWithTheWayOut() throws Exception {
        try (java.net.ServerSocket taken = new java.net.ServerSocket(0, 1,
                java.net.InetAddress.getByName("127.0.0.1"));
                Program run = run(Map.of(), "--port", "" + taken.getLocalPort())) {
            assertNotEquals(0, run.end(60));
            assertTrue(run.err().contains("" + taken.getLocalPort()), run.err());
            assertTrue(run.err().contains("./run.sh --port 0"), run.err());
        }
    }
}
