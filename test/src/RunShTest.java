import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/**
 * run.sh: what it runs, what it makes of results, and where it works. Mostly with a java that only
 * notes how it was called, and whose results are known; so what a sentence says must be exact.
 */
@Timeout(180)
class RunShTest {
    @TempDir Path folder;

    /** A copy of the project, so that nobody else writes its results. */
    static Path copy(Path folder) throws IOException {
        Path copy = Files.createDirectories(folder.resolve("copy"));
        for (String name : List.of("run.sh", "EchoServer.java", "AsyncEchoServer.java",
                "EchoClient.java")) {
            Files.copy(Program.ROOT.resolve(name), copy.resolve(name));
        }
        return copy;
    }

    /** A program of this name that does this; on the PATH, and in JAVA_HOME. */
    private void fake(String name, String script) throws IOException {
        Path file = Files.createDirectories(folder.resolve("fake/bin")).resolve(name);
        Files.writeString(file, "#!/bin/sh\nhere=" + folder.resolve("fake") + "\n" + script + "\n");
        assertTrue(file.toFile().setExecutable(true));
    }

    /** Notes the cores that it may use, and its arguments; a server's port is 7001, 7002, ... */
    private void fakeJava(int release) throws IOException {
        Files.createDirectories(folder.resolve("fake/json"));
        fake("java", "case $1 in\n"
                + "-version) echo 'Picked up JAVA_TOOL_OPTIONS: -Dx=y' >&2\n"
                + "  echo 'openjdk version \"" + release + ".0.1\"' >&2; exit;;\n"
                + "--list-modules) echo jdk.compiler@1; exit;;\n"
                + "esac\n"
                + "cores=$(LC_ALL=C taskset -cp $$ | sed 's/.*: *//')\n"
                + "echo \"[$cores] $CLASSPATH $*\" >>$here/log\n"
                + "case $1 in\n"
                + "*Server.java) printf '[server] listening on 127.0.0.1:%s\\r\\n' $((7000 +"
                + " $(grep -c Server.java $here/log)))\n"
                + "  echo '[server] 1024 bytes' >&2; echo '[server] 9000 bytes' >&2\n"
                + "  echo $$ >>$here/pids; exec sleep 100;;\n"
                + "esac\n"
                + "echo $$ >>$here/pids; echo ' connected' >&2; [ ! -f $here/slow ] || sleep 1.5\n"
                + "[ ! -f $here/hangs ] || exec sleep 100\n"
                + "while [ $# -gt 0 ]; do case $1 in\n"
                + "  --json) cp $here/json/$(echo ${2##*/} | sed 's/-[0-9][0-9][0-9][0-9]*/-many/') $2;;\n"
                + "  --plot | --hgrm) echo '<svg' >$2;;\n"
                + "esac; shift; done; echo client ran");
    }

    /** A result with these figures, such as "mean=20 response_us.p99=7"; others are the same. */
    private static String json(String figures) {
        Map<String, Map<String, String>> groups = new TreeMap<>();
        for (String figure : ("message_bytes=64 connections=1 messages=7 messages_s=20000"
                + " throughput_mib_s=1.5 reads_mean=1.25 rtt_us.mean=20.0 rtt_us.p50=19"
                + " rtt_us.p99_9=null rtt_us.max=30 warmup.messages=5 environment.java=\"17.0.9\""
                + " environment.cores=4 valid=true " + figures).trim().split(" ")) {
            String[] pair = figure.split("=", 2);
            String[] name = ("." + pair[0]).split("[.](?=[a-z0-9_]+$)", 2);
            groups.computeIfAbsent(name[0].replaceFirst("^[.]", ""), g -> new TreeMap<>())
                    .put(name[1].replaceFirst("^[.]", ""), pair[1]);
        }
        String members = groups.get("").entrySet().stream().map(one -> "\"" + one.getKey()
                + "\": " + one.getValue()).collect(Collectors.joining(", "));
        for (String group : groups.keySet()) {
            if (!group.isEmpty()) {
                members += ", \"" + group + "\": {" + groups.get(group).entrySet().stream()
                        .map(one -> "\"" + one.getKey() + "\": " + one.getValue())
                        .collect(Collectors.joining(", ")) + "}";
            }
        }
        return "{" + members + "}\n";
    }

    private Program run(Map<String, String> environment, String... arguments) throws IOException {
        return start(copy(folder), environment, "./run.sh", arguments);
    }

    private Program start(Path from, Map<String, String> environment, String script,
            String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("bash", script));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(from.toFile());
        Path fake = folder.resolve("fake");
        boolean real = !Files.exists(fake.resolve("bin/java"));
        builder.environment().put("JAVA_HOME",
                real ? System.getProperty("java.home") : fake.toString());
        builder.environment().put("PATH", fake.resolve("bin") + ":" + System.getenv("PATH"));
        Files.createDirectories(from.resolve("temporary"));
        builder.environment().put("TMPDIR", "temporary");
        builder.environment().putAll(environment);
        return new Program(builder);
    }

    /** What was run; the result of its end; that nothing of it still runs, or lies around. */
    private String ended(Program run, int status) throws Exception {
        assertEquals(status, run.end(60), () -> run.out() + run.err());
        Path pids = folder.resolve("fake/pids");
        if (Files.exists(pids)) {
            for (String pid : Files.readAllLines(pids)) {
                Check.await(5, "end of " + pid, () -> ProcessHandle.of(Long.parseLong(pid))
                        .filter(ProcessHandle::isAlive).isEmpty());
            }
        }
        assertEquals(0, folder.resolve("copy/temporary").toFile().list().length);
        Path log = folder.resolve("fake/log");
        return Files.exists(log) ? Files.readString(log) : "";
    }

    private void result(String name, String figures) throws IOException {
        Files.writeString(folder.resolve("fake/json/" + name + ".json"), json(figures));
    }

    /** That the line which begins so goes on with these words, whatever follows them. */
    private static void assertRow(String out, String name, String words) {
        String row = out.lines().filter(line -> line.startsWith(name)).findFirst()
                .orElseThrow(() -> new AssertionError("no " + name + " in\n" + out));
        assertTrue((row.substring(name.length()).trim().replaceAll(" +", " ") + " ")
                .startsWith(words + " "), row);
    }

    /** The steps with and without a Python; the rows have our figures, Python's, and others'. */
    @Tag("slow")
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theStepsRunWhatIsDocumented(boolean python) throws Exception {
        fakeJava(17);
        result("threaded", "rtt_us.mean=31.5 rtt_us.p95=41.4 throughput_mib_s=60.25"
                + " warmup.messages=111");
        result("async", "rtt_us.mean=32.5 rtt_us.p95=42.4 throughput_mib_s=70.25"
                + " warmup.messages=222");
        result("hello", "rtt_us.mean=33.5");
        fake("python3", python ? "[ $# -gt 2 ] || exit 0; echo \"$*\" >>$here/log\n"
                + "cat $here/json/python-$2-$4.json" : "exit 1");
        Path peers = Files.createDirectories(copy(folder).resolve("test/peers"));
        Files.writeString(peers.resolve("python_pair.py"), "");
        result("python-threads-1024", "rtt_us.mean=131.5 rtt_us.p95=141.4 throughput_mib_s=6.25");
        result("python-asyncio-16384", "rtt_us.mean=132.5 rtt_us.p95=142.4 throughput_mib_s=7.25");
        result("python-asyncio-11", "rtt_us.mean=133.5");
        int port = python ? 5050 : 6060; // what it takes by itself, or what it is told
        try (Program steps = start(folder.resolve("copy"), Map.of("stepping", "yes", "cores",
                "9"), "-c", "exec bash ./run.sh " + (python ? ""
                : "--async-port 6061 --port 6060"))) {
            String log = ended(steps, 0).replaceAll("\\[.*\\] ", "");
            assertEquals("results EchoServer.java --port " + port + "\n"
                    + "results AsyncEchoServer.java --port " + (port + 1) + "\n"
                    + "results EchoClient.java --port 7001 --bench --json results/threaded.json"
                    + " --hgrm results/threaded.hgrm --plot results/threaded.svg\n"
                    + "results EchoClient.java --port 7002 --bench --size 16k --repeat 1000 --json"
                    + " results/async.json --hgrm results/async.hgrm --plot results/async.svg\n"
                    + "results EchoClient.java --port 7001 --message hello-threads\n"
                    + "results EchoClient.java --port 7002 --message hello-async --json"
                    + " results/hello.json\n" + (!python ? ""
                    : "test/peers/python_pair.py threads --size 1024 --repeat 2000\n"
                    + "test/peers/python_pair.py asyncio --size 16384 --repeat 1000\n"
                    + "test/peers/python_pair.py asyncio --size 11 --repeat 1\n"), log);
            String out = steps.out();
            assertRow(out, "mean", "31.5 us 1.00x 32.5 us 1.03x");
            assertRow(out, "threaded 1024 B x 2000: average", "0.032 ms "
                    + (python ? "0.132 ms " : "") + "0.030 ms");
            assertRow(out, "                        p95", "0.041 ms " + (python ? "0.141 ms " : "")
                    + "0.053 ms");
            assertRow(out, "                        throughput", "60.25 MiB/s "
                    + (python ? "6.25 MiB/s " : "") + "32.34 MiB/s");
            assertRow(out, "async 16384 B x 1000: average", "0.033 ms "
                    + (python ? "0.133 ms " : "") + "0.089 ms");
            assertRow(out, "                      p95", "0.042 ms " + (python ? "0.142 ms " : "")
                    + "0.122 ms");
            assertRow(out, "                      throughput", "70.25 MiB/s "
                    + (python ? "7.25 MiB/s " : "") + "172.61 MiB/s");
            assertRow(out, "async hello-async, once", "0.034 ms " + (python ? "0.134 ms " : "")
                    + "5.543 ms");
            Check.has(out.replaceAll(" +", " "), python ? "this machine Python on it published"
                    : "this machine published");
            Check.has(out.replace("\n", " "), "JDK 17", "cores: 4", "111 and 222 messages",
                    "results/threaded.svg");
            Check.has(out.replace("\\\n    ", ""), "$ java EchoClient.java --port 7002 --bench"
                    + " --size 16k --repeat 1000 --json results/async.json"); // can be pasted
        }
    }

    /** With real programs; and on ports that are free. */
    @Test
    @Tag("slow")
    void theStepsWork() throws Exception {
        try (Program steps = run(Map.of(), "--port", "0", "--async-port", "0")) {
            ended(steps, 0);
            for (String figures : List.of("threaded 1024 2000", "async 16384 1000",
                    "hello 11 1")) {
                String name = figures.split(" ")[0];
                Json json = Json.of(Files.readString(folder.resolve("copy/results/" + name
                        + ".json")));
                assertEquals(figures, name + " " + json.values("message_bytes messages"));
                if (!name.equals("hello")) {
                    assertTrue(json.number("warmup.messages") > 0, name);
                    assertTrue(Files.size(folder.resolve("copy/results/" + name + ".hgrm")) > 0);
                    assertRow(steps.out(), name + " " + figures.split(" ")[1] + " B x "
                            + figures.split(" ")[2] + ": average", String.format(Locale.ROOT,
                            "%.3f", json.number("rtt_us.mean") / 1000));
                }
            }
        }
    }

    /** Of a demo: the JDK, its results, parts of what it runs, and what its sentences tell. */
    @Tag("slow")
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "nagle; 11; nagle-off rtt_us.mean=1000 reads_mean=1.01, nagle-on rtt_us.mean=44000"
                + " reads_mean=2.02; EchoServer.java --port 0 --bufsize 4k --nagle,"
                + " --port 7001 --bench --size 16k, --port 7002 --bench --size 16k;"
                + " 44.0x, in 1.01 reads without, in 2.02 with",
        "stream; 17; stream reads_mean=3; --bufsize 5k --trace, 7001 --size 16k;"
                + " 2 reads in the server, 3.00., [server] 1024 bytes",
        "warmup; 17; cold rtt_us.p50=300 rtt_us.p90=900, warm rtt_us.p50=20 rtt_us.p90=30"
                + " warmup.first_us=1234 warmup.messages=20000;"
                + " --warmup 0 --repeat 300 --json results/cold.json,"
                + " --bench --repeat 300 --json results/warm.json,"
                + " --warmup 0 --repeat 3000 --plot results/warmup.svg;"
                + " 30.0x, with 1.23 ms, first 20000 messages",
        "wakeup; 17; blocking rtt_us.p50=30 messages_s=30000, polling rtt_us.p50=10"
                + " messages_s=90000; [FIRST] results EchoServer.java --port 0 --spin,"
                + " [LAST] results EchoClient.java --port 7001 --bench --duration 400ms --json"
                + " results/blocking.json, 7002 --bench --duration 400ms --spin;"
                + " is 10.0 us, not 30.0 us, 3.00x",
        "connect; 17; connect-kept rtt_us.p50=10, connect-threads rtt_us.p50=100"
                + " connect_us.p50=40, connect-loops rtt_us.p50=150 connect_us.p50=50;"
                + " [LAST] results AsyncEchoServer.java, 7001 --bench --repeat 2000 --json"
                + " results/connect-kept.json, 7001 --bench --connect --repeat 2000 --json"
                + " results/connect-threads.json, 7002 --bench --connect;"
                + " took 100 us (p50), took 150 us (p50), 10.0x of one, 15.0x of one, 40.0 us.,"
                + " 50.0 us., is 1.50x that",
        "connect; 21; connect-kept rtt_us.p50=10, connect-threads rtt_us.p50=100"
                + " connect_us.p50=40, connect-loops rtt_us.p50=150 connect_us.p50=50,"
                + " connect-virtual rtt_us.p50=120 connect_us.p50=60; EchoServer.java --port 0"
                + " --virtual, 7003 --bench --connect; 12.0x of one, it is 1.20x that",
        "omission; 17; closed rtt_us.max=500000 rtt_us.p99=100, open rtt_us.p99=90"
                + " response_us.p99=480000 response_us.max=499000; --verbose, --duration 2s --json"
                + " results/closed.json, --duration 2s --rate 1000 --plot results/omission.svg;"
                + " took 500 ms, p99 is 100 us, some 500, p99 is 480 ms, be 90.0 us,"
                + " results/omission.svg",
        "size; 17; size-64 rtt_us.p50=10, size-16k rtt_us.p50=20, size-1m rtt_us.p50=500;"
                + " --size 64 , --size 16k , --size 1m ; 256 times the bytes took 2.00x,"
                + " 10.0 us a message, 64 times the bytes took 25.0x",
        "threads; 17; threads-1 messages_s=1000, loops-1 messages_s=1000, threads-many"
                + " messages_s=2000 rtt_us.p50=400000, loops-many messages_s=500 rtt_us.p50=100"
                + " rtt_us.p99=1030000; 7001 --bench --parallel 1 , 7002 --bench --parallel 1 ,"
                + " 7001 --bench --parallel 1000 , 7002 --bench --parallel 1000 ; connection:"
                + " 2.00x, connection: 0.500x, took 400 ms or less, each in 500 ms, took 100 us or"
                + " less, about 2.00 s, p99 is 1.03 s",
        "threads; 21; threads-1, loops-1, virtual-1 messages_s=1000, threads-many, loops-many,"
                + " virtual-many messages_s=4000; --virtual, 7003 --bench --parallel 1000 ;"
                + " connection: 4.00x"})
    void aDemoTellsWhatItsResultsAre(String name, int release, String results, String commands,
            String facts) throws Exception {
        fakeJava(release);
        for (String one : results.split(", ")) {
            result(one.split(" ")[0], one.replaceFirst("^\\S+ ?", ""));
        }
        if (name.equals("omission")) { // so long that the server can stand still meanwhile
            Files.createFile(folder.resolve("fake/slow"));
        }
        Program here = Program.command("sh", "-c", "LC_ALL=C taskset -cp $$; ulimit -Hn; ulimit -u");
        String cores = here.await("\n").split("\n")[0].replaceAll(".*: *", "");
        here.end(10);
        Assumptions.assumeTrue(!name.equals("threads") || here.out().lines().skip(1).allMatch(
                limit -> limit.equals("unlimited") || Long.parseLong(limit) >= 4000));
        Assumptions.assumeTrue(!name.equals("wakeup") || cores.matches(".*[-,].*"));
        copy(folder);
        try (Program demo = start(folder.resolve("copy"), Map.of(), "-c",
                "ulimit -Sn 512; bash ./run.sh demo " + name)) {
            Check.has(ended(demo, 0), commands.replace("FIRST", cores.split("[-,]")[0])
                    .replace("LAST", cores.replaceAll(".*[-,]", "")).split(", ?(?=\\S)"));
            String sentences = demo.out().lines().filter(line -> !line.contains("   "))
                    .collect(Collectors.joining(" ")); // and not the tables
            Check.has(sentences.replaceAll("\\s+", " "), facts.split(", "));
            assertEquals("", demo.err());
        }
    }

    /** Where the effect is not there nothing is claimed. */
    @Tag("slow")
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "nagle; nagle-off rtt_us.mean=1000, nagle-on rtt_us.mean=9999; held",
        "nagle; nagle-off rtt_us.mean=9000, nagle-on rtt_us.mean=44000; held",
        "warmup; cold rtt_us.p50=30 rtt_us.p90=44, warm rtt_us.p50=20 rtt_us.p90=30; compiled:",
        "wakeup; blocking rtt_us.p50=10, polling rtt_us.p50=10; Polling wakes",
        "connect; connect-kept rtt_us.p50=10, connect-threads rtt_us.p50=14, connect-loops; until",
        "omission; closed rtt_us.max=390000, open response_us.p99=480000; took",
        "size; size-64 rtt_us.p50=10, size-16k rtt_us.p50=60, size-1m rtt_us.p50=500; overhead"})
    void aDemoClaimsNothingThatWasNotSeen(String name, String results, String claim)
            throws Exception {
        fakeJava(17);
        for (String one : results.split(", ")) {
            result(one.split(" ")[0], "rtt_us.p90=1 rtt_us.p99=1 connect_us.p50=1 "
                    + one.replaceFirst("^\\S+ ?", ""));
        }
        if (name.equals("omission")) {
            Files.createFile(folder.resolve("fake/slow"));
        }
        try (Program demo = run(Map.of(), "demo", name)) {
            ended(demo, 0);
            Check.lacks(demo.out(), claim);
            Check.has(demo.out(), "Not seen");
        }
    }

    @Test
    void onOneCoreNobodyIsWokenUp() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/usr/bin/taskset")), "no taskset");
        fakeJava(17);
        copy(folder);
        try (Program demo = start(folder.resolve("copy"), Map.of(), "-c",
                "taskset -c 0 bash ./run.sh demo wakeup")) {
            assertEquals("", ended(demo, 0));
            Check.has(demo.out(), "one core");
        }
        try (Program all = start(folder.resolve("copy"), Map.of(), "./run.sh", "demo", "--step",
                "all")) {
            all.await("--bufsize 4k"); // nagle is the first of all
        }
    }

    /** Each with servers, results and cores of its own. */
    @Tag("slow")
    @Test
    void demosDoNotMix() throws Exception {
        fakeJava(17);
        result("cold", "rtt_us.p50=300 rtt_us.p90=900");
        result("warm", "rtt_us.p50=20 rtt_us.p90=30");
        result("stream", "");
        result("nagle-off", "rtt_us.mean=1000");
        result("nagle-on", "rtt_us.mean=44000");
        try (Program demo = run(Map.of("cores", "7"), "demo", "warmup", "nagle", "stream",
                "stream")) {
            String log = ended(demo, 0);
            List<String> cores = log.lines().map(line -> line.split(" ")[0])
                    .collect(Collectors.toList());
            assertEquals(cores.get(cores.size() - 1), cores.get(5), log);
            assertEquals(Runtime.getRuntime().availableProcessors() > 1,
                    !cores.get(0).equals(cores.get(5)), log); // warmup keeps to one
            Check.has(demo.out(), "ratio to cold", "ratio to without --nagle");
            assertEquals(2, demo.out().split(" 2 reads in the server", -1).length - 1);
        }
    }

    @Test
    void compareShowsFiguresAndRatios() throws Exception {
        Path a = Files.writeString(folder.resolve("before.1.json"), json("rtt_us.p50=1500.0"
                + " messages=1234567 connect_us.p50=77"));
        Path b = Files.writeString(folder.resolve("before.2.json"), json("rtt_us.p50=1500.0"
                + " rtt_us.mean=50 rtt_us.max=2.5E7 response_us.p99=7 messages=200"
                + " environment.cores=8 interrupted=true warnings=[\"WARNING\",\"2\"]"
                + " intervals=[{\"messages\":50},{\"messages\":51,\"mean_us\":null}]")
                .replace(" ", "\r\n\t").replace("WARNING", "it was, say, {\\\"busy\\\"}"));
        Path c = Files.writeString(folder.resolve("tiny.json"), json("rtt_us.mean=0.001 warnings=[]")
                .replace("17.0.9", "25.0.1"));
        Path d = Files.writeString(folder.resolve("long.json"), json("rtt_us.mean=2 intervals=["
                + Stream.generate(() -> "{\"messages\":50,\"mean_us\":1234567.5}").limit(500)
                .collect(Collectors.joining(",")) + "]"));
        try (Program compare = run(Map.of(), "compare", "" + a, "" + b, "" + c, "" + d)) {
            ended(compare, 0);
            String out = compare.out();
            assertRow(out, "mean", "20.0 us 1.00x 50.0 us 2.50x 0.00100 us <0.001x");
            assertRow(out, "p50", "1.50 ms 1.00x 1.50 ms 1.00x 19.0 us 0.0127x");
            assertRow(out, "p99 ", "- - - - - -");
            assertRow(out, "p99_9", "- - - - - -");
            assertRow(out, "max", "30.0 us 1.00x 25.0 s >99999x");
            assertRow(out, "messages ", "1234567 1.00x 200 <0.001x 7 <0.001x");
            assertRow(out, "messages_s", "20000 1.00x");
            assertRow(out, "throughput_mib_s", "1.50 1.00x");
            assertRow(out, "response_us.p99 ", "- - 7.00 us -");
            assertRow(out, "environment.java".substring(12), "[1] 17.0.9 [2] 17.0.9 [3] 25.0.1");
            assertRow(out, "cores", "[1] 4 [2] 8 [3] 4 [4] 4");
            Check.has(out, "[1] before.1", "[2] before.2", "[4] long", "[2] warning: 2",
                    "[2] warning: it was, say, {\"busy\"}");
            Check.lacks(out, "[3] warning", "[1] warning");
            assertTrue(out.lines().anyMatch(line -> line.matches("\\[2\\].*interrupted.*")));
            String fourth = out.substring(out.lastIndexOf("[4] long"));
            assertRow(fourth, "mean", "2.00 us 0.100x");
        }
        try (Program full = start(folder.resolve("copy"), Map.of(), "-c",
                "bash ./run.sh compare " + a + " >/dev/full")) {
            assertEquals(1, full.end(20));
        }
    }

    @Test
    void compareTakesNoResultThatIsNoneOrFailed() throws Exception {
        Path copy = copy(folder);
        for (String content : List.of(json("valid=false"), json("").replace("mean", "median"), "",
                "{")) {
            Path file = Files.writeString(folder.resolve("result.json"), content);
            try (Program compare = start(copy, Map.of(), "./run.sh", "compare", "" + file)) {
                assertEquals(2, compare.end(20), content);
                Check.has(compare.err(), "run.sh: ", "result.json");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"stray", "--stray", "''", "--port", "demo stray", "demo ''",
        "compare", "compare /nowhere.json", "compare run.sh", "test ''", "test all ''",
        "--help stray", "demo --steps"})
    void whatItDoesNotKnowEndsWith2(String words) throws Exception {
        copy(folder);
        try (Program run = start(folder.resolve("copy"), Map.of(), "-c",
                "exec bash ./run.sh " + words)) {
            assertEquals(2, run.end(60), run.out());
            assertTrue(run.err().startsWith("run.sh: "), run.err());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"-h", "--help", "demo --help", "--port 0 -h", "compare --help",
        "--port --help"})
    void helpIsShown(String words) throws Exception {
        try (Program run = run(Map.of(), words.split(" "))) {
            ended(run, 0);
            Check.has(run.out(), "--port N", "demo", "compare", "test", "nagle ", "5050, 5051");
        }
    }

    /** By a link to a link, from elsewhere, with odd variables, and a class file beside it. */
    @Test
    void whereAndHowItIsCalledDoesNotMatter() throws Exception {
        fakeJava(17);
        result("stream", "");
        Path copy = copy(folder);
        Path elsewhere = Files.createDirectories(folder.resolve("else where"));
        Files.createSymbolicLink(elsewhere.resolve("link"), Path.of("../copy/run.sh"));
        Files.createSymbolicLink(elsewhere.resolve("again"), Path.of("link"));
        Files.createSymbolicLink(elsewhere.resolve("jdk"), folder.resolve("fake"));
        Map<String, String> environment = Map.of("JAVA_HOME", "else where/jdk", "CLASSPATH", "" + copy,
                "CDPATH", ".", "tmp", "x", "results", "9", "names", "x", "SECONDS", "999");
        try (Program demo = start(folder, environment, "else where/again", "demo", "stream")) {
            assertEquals(0, demo.end(60), () -> demo.out() + demo.err());
            Check.has(demo.out(), "client ran");
            Check.has(Files.readString(folder.resolve("fake/log")), "] results EchoServer");
            assertFalse(Files.exists(folder.resolve("results")), "a stray results/");
            assertTrue(Files.exists(copy.resolve("results/stream.json")));
        }
        try (Program demo = start(folder, Map.of("JAVA_HOME", "", "PATH", "fake/bin:"
                + System.getenv("PATH")), "copy/run.sh", "demo", "stream")) {
            assertEquals(0, demo.end(60), () -> demo.out() + demo.err());
            Check.has(demo.out(), "client ran");
        }
    }

    @Test
    @Tag("slow")
    void withJvmOptionsAndAClassFileARealJavaRuns() throws Exception {
        Files.writeString(copy(folder).resolve("EchoServer.class"), "no class");
        try (Program demo = start(folder.resolve("copy"), Map.of("JAVA_TOOL_OPTIONS", "-Xmx64m",
                "CLASSPATH", "."), "./run.sh", "demo", "stream")) {
            ended(demo, 0);
            Check.has(Files.readString(folder.resolve("copy/results/stream.json")), "16384");
        }
    }

    @Test
    void whatJavaSaysIsShown() throws Exception {
        try (Program run = run(Map.of("JAVA_TOOL_OPTIONS", "-XX:+StrayOption"))) {
            ended(run, 1);
            Check.has(run.err(), "StrayOption");
        }
        fake("java", "case $1 in -version) echo 'openjdk version \"17.0.9\"';;\n"
                + "--list-modules) echo java.base@17.0.9;; esac");
        String home = folder.resolve("fake").toString();
        for (String[] wrong : new String[][] {{"/nowhere", "/nowhere"}, {home, "JRE"}}) {
            try (Program run = start(folder.resolve("copy"), Map.of("JAVA_HOME", wrong[0]),
                    "./run.sh")) {
                ended(run, 1);
                Check.has(run.err(), wrong[1]);
            }
        }
        fake("java", "echo 'java version \"1.8.0_402\"'");
        try (Program run = start(folder.resolve("copy"), Map.of(), "./run.sh")) {
            ended(run, 1);
            Check.has(run.err(), " 8");
        }
    }

    /** Whatever a program fails with, and says, is what this one fails with, and says. */
    @ParameterizedTest
    @CsvSource({"0, ''", "3, 'taken: in use'"})
    void aServerThatEndsEndsIt(int status, String says) throws Exception {
        fakeJava(17);
        Path java = folder.resolve("fake/bin/java");
        Files.writeString(java, Files.readString(java).replace("*Server.java) ",
                "*Server.java) echo 'mine'; echo '" + says + "' >&2; exit " + status + "\n"));
        try (Program run = run(Map.of(), "demo", "stream")) {
            ended(run, status == 0 ? 1 : status);
            Check.has(run.err(), "mine", says);
            assertEquals(status > 0, run.err().contains("./run.sh --port 0"));
        }
    }

    /** While a client runs, and a server stands still. */
    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void aSignalEndsAllThatItStarted(String signal, int status) throws Exception {
        fakeJava(17);
        Files.createFile(folder.resolve("fake/hangs"));
        Path pids = folder.resolve("fake/pids");
        try (Program run = run(Map.of(), "demo", "stream")) {
            Check.await(20, "a client", () -> pids.toFile().exists()
                    && assertDoesNotThrow(() -> Files.readAllLines(pids)).size() == 2);
            new ProcessBuilder("kill", "-STOP", Files.readAllLines(pids).get(0)).start().waitFor();
            run.signal(signal);
            ended(run, status);
        }
    }

    /** By a Maven that says what it was told to do, and takes nine seconds. */
    @Tag("slow")
    @Test
    void testsGoToMavenAndTheScreenIsNeverStill() throws Exception {
        fakeJava(17);
        fake("mvn", "echo \"[WARNING] told: $*\"; echo '[INFO] x'; echo '[ERROR] broken'\n"
                + "echo '[INFO] Tests run: 7'; [ \"$5\" = -Dall ] || sleep 9; exit 3");
        try (Program quick = run(Map.of("SECONDS", "999"), "test", "-Dtest=A")) {
            ended(quick, 3);
            Check.has(quick.out(), "told: -B -f test/pom.xml test -Dtest=A\n", "broken",
                    "Tests run: 7");
            assertTrue(quick.out().matches("(?s).*\n[.]{3} [0-9] s\n[.]{3} [0-9] s\n.*"));
            Check.lacks(quick.out(), "[INFO] x");
        }
        try (Program all = start(folder.resolve("copy"), Map.of(), "./run.sh", "test", "all",
                "-Dtest=A")) {
            ended(all, 3);
            Check.has(all.out(), "test -Dall -Dtest=A\n");
        }
        fake("mvn", "sleep 100 & echo $! >>$here/pids; echo $$ >>$here/pids; wait");
        try (Program stopped = start(folder.resolve("copy"), Map.of(), "./run.sh", "test")) {
            Check.await(20, "Maven", () -> folder.resolve("fake/pids").toFile().exists());
            Thread.sleep(100);
            stopped.signal("TERM");
            ended(stopped, 143);
        }
    }

    /** With --step a command is shown, and not yet run, until Enter is pressed. */
    @Test
    void aStepIsShownBeforeItIsDone() throws Exception {
        fakeJava(17);
        result("stream", "");
        Path log = folder.resolve("fake/log");
        try (Program demo = run(Map.of(), "demo", "stream", "--step")) {
            demo.await("$ java EchoServer.java");
            Thread.sleep(500);
            assertFalse(Files.exists(log));
            demo.in().write("\n".getBytes());
            demo.in().flush();
            demo.await("$ java EchoClient.java");
            Thread.sleep(500);
            Check.lacks(Files.readString(log), "EchoClient");
            demo.in().close(); // at the end of input it goes on
            ended(demo, 0);
            Check.has(demo.out(), "client ran");
        }
    }
}
