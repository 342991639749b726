import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The client's own words beside the figures: true, of use, and no wider than a terminal. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientWordsTest {
    private static final int SIZE = 64;

    /** How late an answer is, in milliseconds, by the number of the message. */
    private interface Delay {
        long of(int number);
    }

    private static ClientSupport.TestServer server(Delay delay) throws Exception {
        return ClientSupport.TestServer.answering(SIZE, (message, number) -> {
            if (delay.of(number) > 0) {
                TestSupport.pause(delay.of(number));
            }
            return message;
        });
    }

    private static ClientSupport.TestServer server() throws Exception {
        return server(number -> 0);
    }

    private static ClientSupport.TestServer stallingAt(int stalled) throws Exception {
        return server(number -> number == stalled ? 500 : 0);
    }

    /** A run of the benchmark that must succeed, with messages of the size of the servers here. */
    private static ClientSupport.Run bench(ClientSupport.TestServer server, String args) {
        ClientSupport.Run run = ClientSupport.run(server.port(), ClientSupport.with(
                args.split(" "), "--bench", "--size", "" + SIZE)).expect(0);
        // What can be said while it still runs goes there.
        assertTrue(run.err.stream().allMatch(line -> line.contains("one connection carries")),
                run.toString());
        return run;
    }

    /** The text as it would be on one endless line. */
    private static String words(ClientSupport.Run run) {
        return run.out.stream().map(line -> line.replaceFirst("\\[bench\\] +", ""))
                .collect(Collectors.joining(" "));
    }

    /** All the warnings, as a script would read them. */
    private static String warnings(ClientJson json) {
        return json.names().stream().filter(name -> name.startsWith("warnings."))
                .map(name -> "" + json.get(name)).collect(Collectors.joining("; "));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--repeat 1 --warmup 0", "--repeat 1 --warmup 1", "--repeat 5",
        "--repeat 19 --parallel 3 --warmup 2", "--repeat 1500 --warmup 0",
        "--repeat 300 --parallel 20 --warmup 3", "--repeat 100 --spin --parallel 5 --warmup 3",
        "--repeat 30 --rate 100 --warmup 0", "--repeat 400 --rate 2000 --parallel 7 --warmup 9",
        "--repeat 2000 --rate 10000000 --warmup 5", "--duration 50ms --warmup 10ms --nagle",
        "--duration 50ms --warmup 0 --rate 333", "--repeat 1 --rate 1 --parallel 2 --warmup 0"})
    void noLineIsWiderThan80Columns(String args) throws Exception {
        for (Delay delay : List.<Delay>of(number -> 0, number -> number % 3 == 0 ? 1 : 0,
                number -> number == 7 ? 400 : 0)) {
            try (ClientSupport.TestServer server = server(delay)) {
                if (!args.startsWith("--repeat 1500") || delay.of(3) == 0) {
                    assertFits(bench(server, args));
                }
            }
        }
    }

    /** Whatever has to be said, and however large the figures are. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 20000 --size 1 --warmup 20000",
        "--repeat 2 --size 1m --parallel 40 --spin",
        "--repeat 2000 --size 16k --rate 1000000 --parallel 30 --warmup 1"})
    void noLineIsWiderThan80ColumnsWithLargeFigures(String args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            assertFits(ClientSupport.run(server.port(), ClientSupport.with(args.split(" "),
                    "--bench")).expect(0));
        }
    }

    /** How many pieces depends on the machine; it is thousands where the server has the time. */
    @ParameterizedTest
    @ValueSource(strings = {"8m", "64m"})
    void noLineIsWiderThan80ColumnsWithThousandsOfPieces(String size) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start("--bufsize", "1000")) {
            assertFits(ClientSupport.run(server.port(), "--bench", "--repeat", "3", "--size", size,
                    "--warmup", "0").expect(0));
        }
    }

    private static void assertFits(ClientSupport.Run run) {
        for (String line : run.out) {
            boolean warning = line.startsWith("[bench] warning: "); // one line, however long
            assertTrue(line.length() <= 80 || warning, line.length() + " columns: " + line
                    + "\nin " + run);
            assertTrue(line.startsWith("[bench] "), line);
            assertTrue(!line.startsWith("[bench]  ") || line.contains(" p50 "), "wrapped? " + line);
            assertEquals(line.stripTrailing(), line);
        }
        assertFalse(words(run).matches("(?i).*(null|NaN|Infinity).*"), run.toString());
    }

    @Test
    void withFewerThan20MessagesP95IsTheMaximumAndThatIsSaid() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientSupport.Run few = bench(server, "--repeat 19 --warmup 0");
            assertTrue(words(few).matches(".*warning: .*p95.* maximum.*"), few.toString());
            assertTrue(few.out.get(1).matches(".* p95 RTT: [0-9.]+ ms"), few.toString());
            ClientSupport.Run enough = bench(server, "--repeat 20 --warmup 0");
            assertFalse(words(enough).matches(".*warning: .*p95.* maximum.*"), enough.toString());
        }
    }

    private static final Pattern WRONG_PLURAL = Pattern.compile("(?<![0-9.,:])(1 (messages(?!/)"
            + "|connections|(garbage )?collections|cores|threads|pieces)"
            + "|(0|[2-9]|[1-9][0-9]+) (message"
            + "|connection|(garbage )?collection|core|thread)\\b)");

    private static void assertPlurals(String text) {
        Matcher wrong = WRONG_PLURAL.matcher(text);
        assertFalse(wrong.find(), () -> wrong.group() + " in " + text);
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "1, 0, 1", "2, 2, 1", "1, 1, 2", "3, 0, 3", "21, 11, 1"})
    void oneIsNotSeveral(int repeat, int warmup, int parallel, @TempDir Path folder)
            throws Exception {
        Path plot = folder.resolve("run.svg");
        try (ClientSupport.TestServer server = server()) {
            ClientSupport.Run run = bench(server, "--repeat " + repeat + " --warmup " + warmup
                    + " --parallel " + parallel + " --plot " + plot);
            assertPlurals(words(run));
            if (warmup * parallel == 1) {
                assertTrue(words(run).contains("warm-up: 1 message not counted"), run.toString());
            }
            String svg = Files.readString(plot);
            assertPlurals(svg);
            assertTrue(svg.contains(" 64 bytes, " + parallel + " connection"), svg);
        }
    }

    /** What is collected in this process is collected in the client's, too. */
    @Test
    void oneCollectionIsNotSeveral() throws Exception {
        boolean one = false;
        for (int attempt = 0; attempt < 10 && !one; attempt++) {
            try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                    (message, number) -> {
                        if (number == 5) {
                            System.gc();
                        }
                        return message;
                    })) {
                ClientSupport.Run run = bench(server, "--repeat 5 --warmup 3");
                assertPlurals(words(run));
                one = words(run).matches(".* 1 (garbage )?collection\\b.*");
            }
        }
        assertTrue(one, "not once a single collection");
    }

    /** Which happens by itself where threads move between cores; here the server does it. */
    @Test
    void twoSpeedsAreSaidWithWhatToDo() throws Exception {
        try (ClientSupport.TestServer server = server(number -> number % 3 == 0 ? 10 : 0)) {
            ClientSupport.Run run = bench(server, "--repeat 120 --warmup 0");
            assertTrue(words(run).matches(".*warning: .*two speeds.*taskset -c .*"),
                    run.toString());
            for (String other : List.of("--spin", "--parallel 2")) {
                run = bench(server, "--repeat 60 --warmup 0 " + other);
                assertFalse(words(run).contains("two speeds"), run.toString());
            }
        }
    }

    @Test
    void oneSpeedIsNotTakenForTwo() throws Exception {
        try (ClientSupport.TestServer server = server(number -> 20)) {
            boolean even = false;
            for (int attempt = 0; attempt < 5 && !even; attempt++) {
                ClientJson json = bench(server, "--repeat 40 --warmup 0 --json -").json();
                even = json.number("rtt_us.p90") <= 3 * json.number("rtt_us.min");
                assertFalse(even && warnings(json).contains("two speeds"), json.toString());
            }
            Assumptions.assumeTrue(even, "too busy a machine: no run had one speed");
        }
    }

    /** In a closed loop it is one slow message of thousands, and stands for all that were due. */
    @Test
    void aStallInAClosedLoopPointsToRate() throws Exception {
        boolean stood = false;
        // On a busy machine p99.9 may be slow as well, and then the stall doesn't hide.
        for (int attempt = 0; attempt < 5 && !stood; attempt++) {
            try (ClientSupport.TestServer server = stallingAt(3000)) {
                ClientJson json = bench(server, "--repeat 6000 --warmup 1000 --json -").json();
                stood = json.number("rtt_us.max") > 100 * json.number("rtt_us.p99_9");
                assertEquals(stood, warnings(json).matches(".*stall of .*--rate .*"), "" + json);
            }
        }
        Assumptions.assumeTrue(stood, "too busy a machine: p99.9 was above 5 ms in each run");
    }

    /** It is the server that stalls: more connections of ours are no help. */
    @Test
    void aStallWithARateDoesNotAdviseMoreConnections() throws Exception {
        try (ClientSupport.TestServer server = stallingAt(300)) {
            ClientJson json = bench(server, "--rate 200 --duration 3s --warmup 0 --json -").json();
            Assumptions.assumeTrue(
                    json.number("behind_messages") < json.number("messages") / 2,
                    "too busy a machine: it stalls more than the server does");
            assertTrue(json.number("behind_messages") > 0, json.toString());
            assertFalse(warnings(json).matches(".*--(parallel|rate).*"), json.toString());
        }
    }

    private static final String TOO_FAST = "\\[bench\\] (warning: )?one connection carries"
            + " [0-9.,]+( messages)?/s; --rate 500 needs --parallel [0-9]+.*";

    /** Said when the warm-up has shown it, not when a minute of measuring is over. */
    @Test
    void aRateThatOneConnectionCannotCarryIsSaidAtOnce() throws Exception {
        AtomicInteger received = new AtomicInteger();
        try (ClientSupport.TestServer server = server(number -> {
            received.incrementAndGet();
            LockSupport.parkNanos(2_100_000);
            return 0;
        }); Program client = Program.launch("EchoClient", "--bench", "--rate", "500", "--duration",
                "10m", "--warmup", "100", "--size", "" + SIZE, "--port", "" + server.port())) {
            TestSupport.until("it is said: " + client.out() + client.err(), () ->
                    client.out().toString().contains("--parallel")
                    || client.err().toString().contains("--parallel"));
            String line = client.out().isEmpty() ? client.err().get(0) : client.out().get(0);
            assertTrue(line.matches(TOO_FAST), line);
            double carried = Double.parseDouble(line.replaceAll(".*carries |( messages)?/s;.*", "")
                    .replace(",", ""));
            assertTrue(carried < 480 && carried > 5, line);
            double needed = Double.parseDouble(line.replaceAll(".*--parallel ([0-9]+).*", "$1"));
            assertEquals(Math.ceil(500 / carried), needed, 1, line);
        }
    }

    @Test
    void aRateThatIsCarriedIsNotComplainedOf() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientSupport.Run run = bench(server, "--rate 100 --duration 500ms --warmup 50");
            assertFalse(run.toString().contains("--parallel"), run.toString());
        }
        // 2 connections carry what one does not.
        try (ClientSupport.TestServer server = server(number -> 20)) {
            ClientSupport.Run run = bench(server, "--rate 60 --duration 500ms --warmup 5"
                    + " --parallel 6");
            assertFalse(run.toString().contains("one connection carries"), run.toString());
        }
    }

    /** Where all wait for the network, more connections than cores are no fault. */
    @Test
    void manyConnectionsThatWaitAreNotTooManyThreads() throws Exception {
        try (ClientSupport.TestServer server = server(number -> 100)) {
            ClientJson json = bench(server, "--parallel 40 --repeat 10 --warmup 0 --json -").json();
            assertFalse(warnings(json).contains("cores"), json.toString());
        }
    }

    /** Where they take all there is, each message waits for a core, and that is said. */
    @Test
    void manyBusyConnectionsAreTooManyThreads() throws Exception {
        com.sun.management.OperatingSystemMXBean system =
                (com.sun.management.OperatingSystemMXBean) ManagementFactory
                        .getOperatingSystemMXBean();
        boolean said = false;
        double most = 0;
        for (int attempt = 0; attempt < 5 && !said; attempt++) {
            try (ServerKind.Running server = ServerKind.THREADED.start()) {
                long cpu = system.getProcessCpuTime();
                long start = System.nanoTime();
                ClientJson json = ClientSupport.run(server.port(), ("--bench --parallel 64"
                        + " --duration 1s --warmup 500ms --json -").split(" ")).expect(0).json();
                double cores = (double) (system.getProcessCpuTime() - cpu)
                        / (System.nanoTime() - start);
                most = Math.max(most, cores / Runtime.getRuntime().availableProcessors());
                said = warnings(json).matches(".*cores.*--parallel.*");
            }
        }
        Assumptions.assumeTrue(said || most > 0.9, "too busy a machine: others had the cores");
        assertTrue(said, "not once, with " + most + " of all cores");
    }

    /** Two speeds above a millisecond are no matter of cores. */
    @Test
    void slowRoundTripsAreNotTwoSpeedsOfCores() throws Exception {
        try (ClientSupport.TestServer server = server(number -> number % 3 == 0 ? 20 : 3)) {
            ClientJson json = bench(server, "--repeat 60 --warmup 0 --json -").json();
            assertFalse(warnings(json).matches(".*(two speeds|pin both|taskset).*"), "" + json);
        }
    }

    /** What is not an address of this machine is a path, on which packets are late or lost. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void onAPathTheySpreadByJitterAndLoss(@TempDir Path folder) throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder, "ip route add local 10.9.0.0/16"
                + " dev lo\n$PEER slow 5051 64 3 3000 >jitter &\n$PEER slow 5052 64 50 260000 >loss"
                + " &\nuntil [ -s jitter ] && [ -s loss ]; do sleep 0.05; done\n"
                + "$CLIENT --host 10.9.0.1 --bench --size 64 --warmup 0 --repeat 120 --json -"
                + " --port 5051\n"
                + "$CLIENT --host 10.9.0.1 --bench --size 64 --warmup 0 --repeat 120 --json -"
                + " --port 5052\nkill %1 %2").expect(0);
        String jitter = warnings(ClientJson.parse(run.out.get(0)));
        String loss = warnings(ClientJson.parse(run.out.get(1)));
        assertTrue(jitter.contains("spread widely") && jitter.contains("jitter or loss"), jitter);
        assertFalse(jitter.matches(".*(two speeds|taskset|200 ms).*"), jitter);
        assertTrue(loss.contains("200 ms") && loss.contains("sent again"), loss);
        assertFalse(loss.matches(".*(two speeds|taskset).*"), loss);
    }

    /** Scripts read the throughput as digits with a point: 1.06e-05 is none of these. */
    @Test
    void theSlowestRunHasNoExponent() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--size", "1",
                    "--rate", "10", "--repeat", "5", "--warmup", "0").expect(0);
            assertTrue(run.out.get(2).matches("\\[bench\\] throughput: 0[.]0000[0-9]{3,4} MiB/s"
                    + " [(]0[.]0000[0-9]{3,4} MB/s[)]"), run.toString());
        }
    }

    /** Three significant digits, however slow it was: 0.00 MiB/s says nothing. */
    @Test
    void slowRunsShowThreeSignificantDigits() throws Exception {
        try (ClientSupport.TestServer server = server(number -> 110)) {
            ClientSupport.Run run = bench(server, "--repeat 5 --warmup 0");
            assertTrue(run.out.get(2).matches("\\[bench\\] throughput: 0[.]00[0-9]{3,4} MiB/s"
                    + " [(]0[.]00[0-9]{3,4} MB/s[)]"), run.toString());
            assertTrue(words(run).matches(".* [0-9][.][0-9]{2} messages/s.*"), run.toString());
            double shown = Double.parseDouble(run.out.get(2).replaceAll(".*: | MiB.*", ""));
            assertTrue(shown > 0 && shown <= SIZE / 0.11 / 1048576, run.toString());
        }
    }

    /** So that nobody blames the server for what the client itself was late by. */
    @Test
    void whatTheClientWasLateByStandsApart() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = bench(server, "--rate 400 --repeat 60 --parallel 4 --warmup 0"
                    + " --json -").json();
            for (String name : List.of("min", "mean", "p50", "p90", "p95", "p99", "max")) {
                assertTrue(json.number("wakeup_us." + name) >= 0, json.toString());
            }
            double late = json.number("response_us.mean") - json.number("rtt_us.mean");
            double behind = json.number("behind_messages") / json.number("messages")
                    * json.number("behind_us_max");
            double wakeup = json.number("wakeup_us.mean");
            assertTrue(late >= wakeup - 0.01 && late <= wakeup + behind + 0.01,
                    "response is round trip, and wake-up or delay behind schedule: " + json);
            List<String> rows = bench(server, "--rate 400 --repeat 60 --warmup 0").out.stream()
                    .filter(line -> line.matches(
                            "\\[bench\\] (response|RTT|wake-up)( +[0-9.]+ (us|ms|s)| +-){7}"))
                    .collect(Collectors.toList());
            assertEquals(3, rows.size(), rows.toString());
            json = bench(server, "--repeat 10 --warmup 0 --json -").json();
            assertFalse(json.has("wakeup_us"), json.toString());
            assertFalse(words(bench(server, "--repeat 10 --warmup 0")).contains("wake-up"));
        }
    }

    /** Behind schedule is who waits for an echo; nobody does before the first message. */
    @ParameterizedTest
    @ValueSource(strings = {"--parallel 1", "--parallel 5"})
    void aFirstMessageIsNotBehindSchedule(String parallel) throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = bench(server, "--rate 100 --repeat 1 --warmup 0 --json - "
                    + parallel).json();
            assertEquals(0, json.number("behind_messages"), json.toString());
            assertEquals(json.number("response_us.mean") - json.number("rtt_us.mean"),
                    json.number("wakeup_us.mean"), 0.01, json.toString());
        }
    }
}
