import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What run.sh does beside the documented steps: compares, refuses, leaves nothing behind. */
@Timeout(600)
class RunShTest extends FreshCopy {
    private static final String RTT = "\"rtt_us\": {\"min\": 1.5, \"mean\": %s, \"stddev\": 1.0, "
            + "\"p50\": 2.0, \"p90\": 3.0, \"p95\": 3.5, \"p99\": %s, \"p99_9\": %s, \"max\": %s}";

    /** A result as the client writes it, with a command that is hard to read. */
    private String result(String bytes, String rate, String mean, String p99, String p999,
            String max, String more) {
        return "{\"time\": \"2026-01-02T03:04:05Z\", \"command\": \"java EchoClient.java --message "
                + "{\\\"mean\\\": {\\\"messages\\\": 7, \\\"valid\\\": false}}, \\\"p99\\\": 1\", "
                + "\"host\": \"127.0.0.1\", \"port\": 5050, \"message_bytes\": " + bytes
                + ", \"connections\": 1, \"messages\": 2000, \"elapsed_s\": 0.5, \"messages_s\": "
                + rate + ", \"throughput_mib_s\": 3.90625, "
                + String.format(RTT, mean, p99, p999, max) + more + ", \"warmup\": {\"messages\": "
                + "20000, \"first_us\": 900.5, \"mean_us\": 20.25}, \"environment\": {\"java\": "
                + "\"17\", \"cores\": 2}, \"warnings\": [\"a, \\\"messages\\\": 3\"], "
                + "\"interrupted\": false, \"valid\": true}\n";
    }

    private String good() {
        return result("1024", "4000.0", "10.0", "25.5", "null", "2500.25", "");
    }

    private void write(String name, String text) throws IOException {
        Files.createDirectories(folder.resolve(name).getParent());
        Files.writeString(folder.resolve(name), text);
    }

    /** A script's output, and the exit status of its last command as a last line. */
    private String withStatus(String script) throws Exception {
        return shell(script + " 2>&1; echo exit $?");
    }

    private static String row(String printed, String name) {
        return printed.lines().filter(line -> line.startsWith(name + " "))
                .map(line -> line.replaceAll(" +", " ")).collect(Collectors.joining("\n"));
    }

    private static void assertNarrow(String printed) {
        printed.lines().forEach(line -> Assertions.assertTrue(line.length() <= 80, line));
    }

    @Test
    void compareShowsFiguresAndTheirRatios() throws Exception {
        write("a.json", result("1024", "4000.0", "10.0", "25.5", "null", "2500.25", ""));
        write("b.json", result("1024", "16000.0", "5.0", "102", "500.0", "0.25E7", ""));
        String printed = withStatus("./run.sh compare a.json b.json");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        for (String expected : List.of("message_bytes 1024 1.00x 1024 1.00x",
                "messages 2000 1.00x 2000 1.00x", "messages_s 4000 1.00x 16000 4.00x",
                "throughput_mib_s 3.91 1.00x 3.91 1.00x", "mean 10.0 us 1.00x 5.00 us 0.500x",
                "p99 25.5 us 1.00x 102 us 4.00x", "p99_9 - - 500 us -",
                "max 2.50 ms 1.00x 2.50 s 1000x")) {
            String name = expected.substring(0, expected.indexOf(' '));
            Assertions.assertEquals(expected, row(printed, name), printed);
        }
        Assertions.assertFalse(printed.contains("response_us"), printed);
    }

    @Test
    void compareTellsSizesApartAndResponsesFromRoundTrips() throws Exception {
        write("a.json", good());
        write("b.json", result("64", "4000.0", "10.0", "25.5", "null", "2500.25", ", "
                + String.format(RTT, "5.0", "9.0", "null", "11.0").replace("rtt", "response")));
        String printed = withStatus("./run.sh compare a.json b.json");
        Assertions.assertEquals("message_bytes 1024 1.00x 64 0.0625x",
                row(printed, "message_bytes"));
        Assertions.assertEquals("response_us.p99 - - 9.00 us -", row(printed, "response_us.p99"));
        Assertions.assertEquals("p99 25.5 us 1.00x 25.5 us 1.00x", row(printed, "p99"));
    }

    /** As jq, jq -c, jq --tab, Windows and Python lay it out. */
    @ParameterizedTest
    @CsvSource({"'\n', ' '", "'', ''", "'\n\t', '\t'", "'\r\n', ' '", "' ', ' '",
        "'\n\n', '\n  '"})
    void compareReadsEveryLayoutOfTheJson(String afterComma, String afterColon) throws Exception {
        write("a.json", layout(good(), ", ", ": "));
        write("b.json", layout(good(), "," + unescaped(afterComma), ":" + unescaped(afterColon)));
        String printed = withStatus("./run.sh compare a.json b.json");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        Assertions.assertEquals("max 2.50 ms 1.00x 2.50 ms 1.00x", row(printed, "max"), printed);
    }

    private static String unescaped(String text) {
        return text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t");
    }

    /** Puts these in place of commas and colons with their blanks, outside of texts. */
    private static String layout(String json, String comma, String colon) {
        StringBuilder out = new StringBuilder();
        boolean inText = false;
        for (int i = 0; i < json.length(); i++) {
            char c = json.charAt(i);
            if (c == '\\') {
                out.append(c);
                c = json.charAt(++i);
            } else if (c == '"') {
                inText = !inText;
            }
            boolean free = !inText && c != '"';
            if (free && (c == ',' || c == ':')) {
                out.append(c == ',' ? comma : colon);
            } else if (!free || !Character.isWhitespace(c)) {
                out.append(c);
            }
        }
        return out.toString();
    }

    /** What the Python pair prints is a result like ours. */
    @Test
    void comparesThePythonPair() throws Exception {
        assumePython();
        shell("python3 test/peers/python_pair.py asyncio --size 20000 --repeat 50 >pair.json");
        String printed = withStatus("./run.sh compare pair.json");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        Assertions.assertEquals("message_bytes 20000 1.00x", row(printed, "message_bytes"));
        Assertions.assertEquals("messages 50 1.00x", row(printed, "messages"));
        Assertions.assertTrue(row(printed, "p95").matches("p95 [0-9.]+ [um]s 1.00x"), printed);
        Assertions.assertEquals("p99_9 - -", row(printed, "p99_9"), "too few for that");
    }

    private void assumePython() throws Exception {
        Assumptions.assumeTrue(withStatus("python3 -c ''").endsWith("exit 0\n"), "no python3");
    }

    @Test
    void compareFitsWhateverTheValues() throws Exception {
        String name = "results-of-a-long-run/".repeat(8);
        Files.createDirectories(folder.resolve(name));
        write(name + "a.json", result("1", "1.0E-9", "1.0E-7", "0.001", "null", "1e90", ""));
        write(name + "b.json", result("1073741824", "123456789.5", "1.0E9", "9876543210.8",
                "123456789", "9e99", ""));
        String files = (name + "a.json " + name + "b.json ").repeat(4);
        String printed = withStatus("./run.sh compare " + files);
        assertNarrow(printed);
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        Assertions.assertTrue(printed.contains("[8]"), printed);
        String joined = printed.replace("\n", "");
        Assertions.assertTrue(joined.contains("[1] " + name + "a.json[2] " + name + "b.json"),
                printed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"missing", "folder", "device", "pipe", "empty", "binary", "other",
            "invalid", "cut", "two", "endless"})
    void compareNamesWhatIsNoResult(String kind) throws Exception {
        String good = good();
        write("good.json", good);
        write("other", "{\"message_bytes\": 5, \"rtt_us\": 7, \"valid\": \"true\"}");
        write("invalid", good.replace("\"valid\": true", "\"valid\": false"));
        write("cut", good.substring(0, good.length() / 2));
        write("two", good + good);
        String bad = kind.equals("device") ? "/dev/zero" : kind;
        String printed = withStatus("mkdir folder; mkfifo pipe; : >empty\n"
                + "head -c 50000 /dev/urandom >binary\n"
                + "dd bs=1 count=0 seek=900000000 of=endless 2>dd\n"
                + "./run.sh compare good.json " + bad);
        String[] lines = printed.split("\n");
        Assertions.assertEquals("exit 2", lines[lines.length - 1], printed);
        String said = lines[lines.length - 2];
        Assertions.assertTrue(said.startsWith("run.sh: " + bad + ": "), printed);
        Assertions.assertTrue(said.length() > bad.length() + 15, printed);
        Assertions.assertEquals(3, lines.length, printed);
    }

    @Test
    void aPortThatIsNoneExitsWith2() throws Exception {
        String printed = withStatus("./run.sh --port 70000");
        Assertions.assertTrue(printed.endsWith("exit 2\n"), printed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rubbish", "compare", "demo rubbish", "demo size rubbish --step",
        "--rubbish 5", "--async-port", "--port", "--port 0 --port", "-n", "-e", "''", "' '",
        "--port 0 -n", "--port 0 ''", "--port ''", "demo -n", "demo ''", "demo size ''",
        "demo 'size '",
        "test ''", "compare ''", "compare -n", "--help rubbish", "-h ''"})
    void wrongArgumentsExitWith2AndOneLine(String arguments) throws Exception {
        write("results", "untouched");
        String printed = withStatus("./run.sh " + arguments);
        Assertions.assertTrue(printed.endsWith("\nexit 2\n"), printed);
        Assertions.assertTrue(printed.startsWith("run.sh: "), printed);
        Assertions.assertEquals(2, printed.lines().count(), printed);
    }

    /** MSYS sets such a variable, and other names could be taken as well. */
    @Test
    void variablesOfTheEnvironmentAreNotOurs() throws Exception {
        write("a.json", good());
        write("theirs/results", "precious");
        String printed = withStatus("export " + "tmp scratch label results port server ".trim()
                .replace(" ", "=$PWD/theirs ") + "=$PWD/theirs; ./run.sh compare a.json");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        Assertions.assertEquals("mean 10.0 us 1.00x", row(printed, "mean"), printed);
        Assertions.assertEquals("precious", Files.readString(folder.resolve("theirs/results")));
    }

    /** In Turkish [a-z] is not what it is in English; Germans have a decimal comma. */
    @ParameterizedTest
    @ValueSource(strings = {"tr_TR", "de_DE"})
    void figuresAreTheSameInEveryLocale(String locale) throws Exception {
        assumeLocale(locale);
        write("a.json", good());
        write("b.json", result("1024", "16000.5", "5.125", "102", "500.0", "0.25E7", ", "
                + String.format(RTT, "5.0", "9.0", "null", "11.0").replace("rtt", "response")));
        Assertions.assertEquals(withStatus("LC_ALL=C ./run.sh compare a.json b.json"),
                withStatus(IN_LOCALE + locale + ".UTF-8 ./run.sh compare a.json b.json"));
    }

    private static final String IN_LOCALE = "LOCPATH=$PWD/locales LC_ALL=";

    /** Makes a locale in the fresh copy, where this system can. */
    private void assumeLocale(String locale) throws Exception {
        String made = withStatus("mkdir locales; localedef -i " + locale + " -f UTF-8 locales/"
                + locale + ".UTF-8");
        Assumptions.assumeTrue(made.endsWith("exit 0\n"), made);
    }

    /** Where there is no Python, its column is absent. */
    @Test
    void theDocumentedTableInTurkishAndWithoutPython() throws Exception {
        assumeLocale("tr_TR");
        write("tools/python3", "#!/bin/sh\nexit 1\n");
        String printed = withStatus("chmod +x tools/*; PATH=$PWD/tools:$PATH " + IN_LOCALE
                + "tr_TR.UTF-8 ./run.sh --port 0 --async-port 0");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        Assertions.assertTrue(printed.contains("this machine      published\n"), printed);
        for (String row : List.of("average N ms 0.030 ms", "p95 N ms 0.053 ms",
                "throughput N MiB/s 32.34 MiB/s", "average N ms 0.089 ms", "p95 N ms 0.122 ms",
                "throughput N MiB/s 172.61 MiB/s", "once N ms 5.543 ms")) {
            Assertions.assertEquals(1, printed.lines().map(line -> line.replaceAll(" +", " ")
                    .replaceFirst(" [0-9]+[.][0-9]+ ", " N ")).filter(line -> line.endsWith(row))
                    .count(), row + " in\n" + printed);
        }
    }

    /** Each of these prepares the fresh copy and runs a demo there. */
    @ParameterizedTest
    @ValueSource(strings = {
        // from another folder, through symbolic links, with a JAVA_HOME that is relative, and with
        // classes beside the sources and on the class path
        "mkdir far away; ln -s ../run.sh far/link; ln -s ../far/link away/run\n"
            + "ln -s \"$HOME_OF_JAVA\" jdk; $HOME_OF_JAVA/bin/javac -d . *.java; cd away\n"
            + "CLASSPATH=$PWD/.. JAVA_HOME=../jdk ./run",
        // java on Windows ends lines with CRLF; a PATH that is relative; what the JVM prints on
        // standard output, between the lines of the programs
        "mkdir tools away; printf '#!/bin/bash\n: >used\nexec \"$HOME_OF_JAVA/bin/java\" \"$@\""
            + " > >(sed -u \"s/\\$/\\r/\") 2> >(sed -u \"s/\\$/\\r/\" >&2)' >tools/java\n"
            + "chmod +x tools/java; cd away; JAVA_HOME= PATH=../tools:$PATH"
            + " JAVA_TOOL_OPTIONS='-XX:+PrintCompilation -verbose:class -Xlog:gc*' ../run.sh"})
    void worksWhateverTheSurroundings(String script) throws Exception {
        String printed = withStatus(script + " demo stream");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), tail(printed));
        Assertions.assertTrue(printed.contains("\nOne write in the client, 4 reads"),
                tail(printed));
        for (String other : List.of("away", "far")) {
            Assertions.assertFalse(Files.exists(folder.resolve(other + "/results")), other);
        }
        Assertions.assertEquals(script.contains("tools/java"), // which notes that it was used
                Files.exists(folder.resolve("used")));
    }

    private static String tail(String text) {
        return text.substring(Math.max(0, text.length() - 5000));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "demo"})
    void aFullDiskExitsWith1(String arguments) throws Exception {
        Assumptions.assumeTrue(Files.isWritable(Path.of("/dev/full")), "needs /dev/full");
        Assertions.assertEquals("exit 1\n", withStatus("./run.sh " + arguments + " >/dev/full"));
    }

    /** nproc counts what OpenMP may use. */
    @Test
    void openMpDoesNotTellTheNumberOfCores() throws Exception {
        Assumptions.assumeTrue(Runtime.getRuntime().availableProcessors() > 1, "needs two cores");
        String printed = shell("OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 ./run.sh demo wakeup"
                + " | grep -m 1 -e 'java EchoServer' -e 'one core'");
        Assertions.assertTrue(printed.contains("java EchoServer"), printed);
    }

    @Test
    void threadsFitTheLimitOfProcesses() throws Exception {
        shell("ulimit -u 2900; ./run.sh demo threads >out 2>&1 &\n"
                + "until grep '^# threads 725:' out; do kill -0 $! || exit; sleep 0.1; done\n"
                + "kill $!; wait $! || true");
    }

    /** Whatever is left of what Maven prints: the status is that of Maven. */
    @ParameterizedTest
    @CsvSource({"Tests run: 5, 0", "Tests run: 5, 1", "[INFO] quiet, 0", "[INFO] quiet, 3"})
    void theStatusOfTheTestsIsThatOfMaven(String printed, int status) throws Exception {
        write("tools/mvn", "#!/bin/sh\necho '" + printed + "'; exit " + status + "\n");
        String all = withStatus("chmod +x tools/mvn; PATH=$PWD/tools:$PATH ./run.sh test -Dtest=A");
        Assertions.assertEquals("$ mvn -B -f test/pom.xml test -Dtest=A\n"
                + (printed.startsWith("[INFO]") ? "" : printed + "\n")
                + "exit " + status + "\n", all);
    }

    @Test
    void aCloneWithOtherLineEndsRuns() throws Exception {
        Assumptions.assumeTrue(withStatus("git --version").endsWith("exit 0\n"), "no git");
        String printed = withStatus("git init -q one && cp -p run.sh .gitattributes one && cd one"
                + " && git add . && git -c user.name=a -c user.email=a@b commit -qm a && cd .."
                + " && git clone -q -c core.autocrlf=true one two && two/run.sh --help");
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
    }

    @Test
    void helpIsNarrowAndNamesEveryDemo() throws Exception {
        String printed = withStatus("./run.sh --help");
        assertNarrow(printed);
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
        for (String demo : shell("./run.sh demo").split("\n")) {
            Assertions.assertTrue(printed.contains(demo), demo + " in\n" + printed);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"JAVA_HOME=/nowhere", "PATH=/usr/bin/rubbish JAVA_HOME="})
    void withoutJavaItSaysSoInOneLine(String environment) throws Exception {
        String printed = withStatus("PATH=$PWD/tools:$PATH; mkdir tools\n"
                + "printf '#!/bin/sh\\nexit 127\\n' >tools/java; chmod +x tools/java\n"
                + environment.replace("PATH=/usr/bin/rubbish ", "") + " ./run.sh demo size");
        Assertions.assertTrue(printed.matches("run.sh: .*java.*\nexit 1\n"), printed);
    }

    @Test
    void takenPortIsOneClearError() throws Exception {
        try (ServerSocket taken = new ServerSocket(0)) {
            String port = "" + taken.getLocalPort();
            assertOneError(port, "./run.sh --async-port 0 --port " + port);
        }
    }

    @Test
    void twoServersDoNotShareAPort() throws Exception {
        String port = shell("echo $A").trim();
        assertOneError(port, "./run.sh --port " + port + " --async-port " + port);
    }

    private void assertOneError(String port, String command) throws Exception {
        String printed = withStatus("(" + command + " 2>&1 >/dev/null)");
        Assertions.assertTrue(printed.endsWith("exit 1\n"), printed);
        Assertions.assertEquals(1, printed.lines().filter(line -> line.contains(port)).count(),
                printed);
        awaitEnd(ProcessHandle.allProcesses().filter(process -> process.info().arguments()
                .map(words -> Arrays.asList(words).contains(port)).orElse(false)));
    }

    @Test
    void onOneCoreWakingCannotBeShown() throws Exception {
        Assumptions.assumeTrue(withStatus("taskset -c 0 true").endsWith("exit 0\n"), "no taskset");
        String printed = withStatus("taskset -c 0 ./run.sh demo wakeup");
        Assertions.assertTrue(printed.contains("cannot be shown on one core"), printed);
        Assertions.assertFalse(printed.contains("$ "), printed);
        Assertions.assertTrue(printed.endsWith("exit 0\n"), printed);
    }

    @ParameterizedTest
    @CsvSource({"TERM, 143, demo omission, -STOP", "INT, 130, demo deadlock, wrote",
        "HUP, 129, demo size, listening"})
    void aSignalLeavesNothingBehind(String signal, int status, String command, String moment)
            throws Exception {
        // Under nohup, or in the background of a script: then bash cannot catch it.
        Assumptions.assumeFalse(shell("bash -c 'kill -" + signal + " $$' && echo ignored || :")
                .contains("ignored"), signal + " is ignored where these tests were started");
        Path temporary = Files.createDirectory(folder.resolve("temporary"));
        Path log = folder.resolve("log");
        Process process = start("TMPDIR=$PWD/temporary exec ./run.sh " + command, log);
        try {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
            while (!Files.readString(log).contains(moment)) {
                Assertions.assertTrue(process.isAlive() && System.nanoTime() < deadline,
                        "no '" + moment + "' in\n" + Files.readString(log));
                Thread.sleep(50);
            }
            Thread.sleep(1000); // in the middle of what follows, whatever that is
            List<ProcessHandle> started = process.descendants().collect(Collectors.toList());
            Assertions.assertFalse(started.isEmpty(), Files.readString(log));
            shell("kill -" + signal + " " + process.pid());
            Assertions.assertTrue(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS),
                    "still running " + LIMIT_SECONDS + " s after " + signal);
            Assertions.assertEquals(status, process.exitValue(), Files.readString(log));
            awaitEnd(started.stream());
            try (Stream<Path> left = Files.list(temporary)) {
                Assertions.assertEquals(List.of(), left.filter(path -> !path.getFileName()
                        .toString().startsWith("hsperfdata")).collect(Collectors.toList()));
            }
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private static void awaitEnd(Stream<ProcessHandle> processes) throws Exception {
        for (ProcessHandle process : processes.collect(Collectors.toList())) {
            process.onExit().get(60, TimeUnit.SECONDS);
        }
    }
}
