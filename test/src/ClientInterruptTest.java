import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Ctrl-C at any moment: what was measured until then is reported, nothing that was not due counts,
 * and no thread goes on. As a process it is a signal; in jshell it interrupts whoever has called
 * run.
 */
@DisabledOnOs(OS.WINDOWS)
@Timeout(value = 150, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientInterruptTest {
    private static final int SIZE = 64;

    @TempDir
    Path folder;
    private final AtomicLong received = new AtomicLong();
    /** Connections on which a message has come that gets no answer. */
    private final AtomicLong standing = new AtomicLong();

    @BeforeEach
    void ctrlCWorksHere() throws IOException {
        TestSupport.assumeInterruptible();
    }

    private ClientSupport.TestServer echoing() throws IOException {
        return ClientSupport.TestServer.answering(SIZE, (message, number) -> {
            received.incrementAndGet();
            return message;
        });
    }

    /** Echoes so many messages of a size, then neither answers nor closes. */
    private ClientSupport.TestServer silentAfter(int size, int count) throws IOException {
        return new ClientSupport.TestServer((in, out) -> {
            for (int i = 0; i < count; i++) {
                out.write(in.readNBytes(size));
                received.incrementAndGet();
            }
            if (in.read() >= 0) {
                standing.incrementAndGet();
                in.transferTo(OutputStream.nullOutputStream());
            }
        });
    }

    private static Program launch(ClientSupport.TestServer server, String... args)
            throws IOException {
        return Program.launch("EchoClient", ClientSupport.with(args, "--port",
                "" + server.port()));
    }

    /** What was measured until Ctrl-C is not lost, and not taken for a whole run. */
    @ParameterizedTest
    @CsvSource({"INT, 130, --parallel=3, RTT", "TERM, 143, --rate=2000, response",
        "INT, 130, --spin, RTT"})
    void anInterruptedRunSaysSo(String signal, int status, String more, String time)
            throws Exception {
        try (ClientSupport.TestServer server = echoing();
                Program client = launch(server, "--bench", "--duration", "1h", "--warmup", "0",
                        "--size", "" + SIZE, more)) {
            TestSupport.until("the run is under way", () -> received.get() > 300);
            ClientSupport.kill(signal, client.pid());
            assertEquals(status, client.exitCode(), client.err().toString());
            String out = String.join("\n", client.out());
            assertTrue(out.matches("(?s)\\[bench\\] repeats: [0-9]+, msg_len: " + SIZE + " bytes\n"
                    + "\\[bench\\] avg " + time + ": .* p95 " + time + ": .*\n"
                    + "\\[bench\\] throughput: .*"), out);
            assertTrue(out.matches("(?s).*INTERRUPTED after [0-9.]+ (ms|s).*"), out);
            long measured = Long.parseLong(out.replaceAll("(?s)\\[bench\\] repeats: |,.*", ""));
            assertTrue(measured > 200 && measured <= received.get(), measured + " of " + received);
            assertEquals(List.of(), client.err());
        }
    }

    /** Whoever waits until a message is due must not send it because it is the end. */
    @Test
    void withARateNothingIsSentBeforeItIsDue() throws Exception {
        AtomicLong underWay = new AtomicLong();
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    underWay.addAndGet(number == 4 ? 1 : 0);
                    return message;
                })) {
            List<Program> clients = new ArrayList<>();
            try {
                for (int i = 0; i < 8; i++) {
                    clients.add(launch(server, "--bench", "--rate", "40", "--parallel", "4",
                            "--duration", "1h", "--warmup", "0", "--size", "" + SIZE, "--json", "-",
                            "--hgrm", folder.resolve(i + ".hgrm").toString(), "--plot",
                            folder.resolve(i + ".svg").toString()));
                }
                TestSupport.until("all are under way", () -> underWay.get() == 8 * 4);
                for (Program client : clients) {
                    client.interrupt();
                }
                for (int i = 0; i < clients.size(); i++) {
                    assertNothingIsNegative(clients.get(i), i);
                }
            } finally {
                clients.forEach(Program::close);
            }
        }
    }

    private void assertNothingIsNegative(Program client, int i) throws Exception {
        assertEquals(130, client.exitCode(), client.err().toString());
        ClientJson json = ClientJson.parse(client.out().get(0));
        assertEquals(true, json.get("valid"), json.toString());
        assertEquals(true, json.get("interrupted"), json.toString());
        for (String times : List.of("response_us", "rtt_us", "wakeup_us")) {
            assertTrue(json.number(times + ".min") >= 0, times + " in " + json);
            assertTrue(json.number(times + ".mean") >= json.number(times + ".min"), "" + json);
        }
        assertTrue(json.number("response_us.mean") >= json.number("rtt_us.mean"), "" + json);
        double due = Math.floor(json.number("elapsed_s") * 40) + 1;
        assertTrue(json.number("messages") <= due, "more than " + due + " were due: " + json);
        assertAscending(Files.readAllLines(folder.resolve(i + ".hgrm")));
        ClientPicture.read(folder.resolve(i + ".svg")).assertReadable(client.out().get(0));
    }

    private static void assertAscending(List<String> hgrm) {
        double before = 0;
        for (String line : hgrm) {
            if (line.matches(" +-?[0-9.]+ [01][.][0-9]{12} .*")) {
                double value = Double.parseDouble(line.trim().split(" ")[0]);
                assertTrue(value >= before, line + " in " + hgrm);
                before = value;
            }
        }
    }

    /** However it waits for an echo, and however large that is: Ctrl-C ends it, with a report. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--parallel=3", "--spin --parallel=3",
        "--rate=100"})
    void ctrlCReportsThoughTheServerStandsStill(String more) throws Exception {
        for (int size : new int[] {SIZE, 300_000}) {
            standing.set(0);
            try (ClientSupport.TestServer server = silentAfter(size, 4);
                    Program client = launch(server, ("--bench --timeout 1h --warmup 0 --size "
                            + size + " --json - " + more).split(" "))) {
                long connections = more.contains("--parallel") ? 3 : 1;
                TestSupport.until("it stands still", () -> standing.get() == connections);
                client.interrupt();
                assertEquals(130, client.exitCode(), client.err().toString());
                ClientJson json = ClientJson.parse(client.out().get(0));
                assertEquals(true, json.get("interrupted"), json.toString());
                assertEquals(true, json.get("valid"), json.toString());
                assertEquals(4 * connections, json.number("messages"), json.toString());
                assertTrue(json.number("unanswered") >= connections, "in flight: " + json);
                assertTrue(json.number("rtt_us.max") < 60e6, json.toString());
            }
        }
    }

    /** As in jshell: the session goes on, and with it all that is not ended. */
    @ParameterizedTest
    @ValueSource(strings = {"--bench --warmup 0", "--bench --warmup 0 --spin",
        "--bench --warmup 0 --size 1m", "--bench --warmup 0 --size 1m --spin",
        "--bench --warmup 0 --parallel 5", "--bench --warmup 0 --rate 100", "--bench --rate 100",
        "--size 64", "--size 64 --spin", "--size 64 --json -", "--size 1m --spin"})
    void noThreadGoesOnAfterAnInterruptInJshell(String args) throws Exception {
        try (ClientSupport.TestServer server = silentAfter(args.contains("1m") ? 1 << 20 : SIZE,
                args.contains("--bench") ? 3 : 0)) {
            int hooks = ClientSupport.shutdownHooks();
            ClientSupport.Background run = new ClientSupport.Background(server.port(),
                    ClientSupport.with(args.split(" "), "--timeout", "1h", "--size", "" + SIZE));
            long connections = args.contains("--parallel") ? 5 : 1;
            TestSupport.until("it stands still", () -> standing.get() == connections);
            run.interrupt();
            ClientSupport.Run over = run.await();
            assertEquals(130, over.status, over.toString());
            ClientSupport.assertNoClientThreads();
            assertEquals(hooks, ClientSupport.shutdownHooks(), "hooks for the end of the session");
            assertFalse(over.toString().contains("Exception"), over.toString());
        }
    }

    @Test
    void nothingMeasuredIsNotValid() throws Exception {
        for (String args : List.of("--json - --size 64", "--json - --bench --size 64",
                "--json - --size 64 --spin", "--json - --bench --rate 10 --size 64 --warmup 0")) {
            standing.set(0);
            try (ClientSupport.TestServer server = silentAfter(SIZE, 0);
                    Program client = launch(server, (args + " --timeout 1h").split(" "))) {
                TestSupport.until("the message is there", () -> standing.get() == 1);
                client.interrupt();
                assertEquals(130, client.exitCode(), client.err().toString());
                ClientJson json = ClientJson.parse(client.out().get(0));
                assertEquals(false, json.get("valid"), json.toString());
                assertEquals(true, json.get("interrupted"), json.toString());
                assertTrue(("" + json.get("error")).contains("interrupted"), json.toString());
                assertFalse(json.has("rtt_us.mean") && json.get("rtt_us.mean") != null, "" + json);
            }
        }
    }

    /** Half a second on an idle machine; without care it was two and a half. */
    @Test
    void linesOfInputEndAtOnce() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            for (int b = in.read(); b >= 0; b = in.read()) {
                out.write(b);
                received.incrementAndGet();
            }
        })) {
            long fastest = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 5 && fastest > 1000; attempt++) {
                received.set(0);
                Process client = new ProcessBuilder(ClientSupport.jdk("java"), "-cp",
                        System.getProperty("echo.classes"), "EchoClient", "--message", "-",
                        "--port", "" + server.port()).redirectErrorStream(true)
                                .redirectOutput(folder.resolve("out").toFile()).start();
                try {
                    client.getOutputStream().write("one\n".getBytes());
                    client.getOutputStream().flush();
                    TestSupport.until("it waits for a line", () -> received.get() == 4
                            && shown().contains("RTT"));
                    long start = System.nanoTime();
                    ClientSupport.kill("INT", client.pid());
                    assertTrue(client.waitFor(60, TimeUnit.SECONDS), "still there");
                    assertEquals(130, client.exitValue(), shown());
                    fastest = Math.min(fastest, (System.nanoTime() - start) / 1_000_000);
                    assertEquals(3, shown().lines().count(), shown());
                } finally {
                    client.destroyForcibly().waitFor();
                }
            }
            assertTrue(fastest <= 1000, fastest + " ms, at best, from Ctrl-C to the end");
        }
    }

    private String shown() {
        try {
            return Files.readString(folder.resolve("out"));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** What was due while the server stood still counts with the time that it has waited. */
    @Test
    void withARateWhatWaitsCounts() throws Exception {
        try (ClientSupport.TestServer server = silentAfter(SIZE, 50);
                Program client = launch(server, "--bench", "--timeout", "1h", "--warmup", "0",
                        "--size", "" + SIZE, "--rate", "500", "--json",
                        folder.resolve("json").toString(), "--hgrm",
                        folder.resolve("hgrm").toString())) {
            TestSupport.until("it stands still", () -> standing.get() == 1);
            TestSupport.pause(1500);
            client.interrupt();
            assertEquals(130, client.exitCode(), client.err().toString());
            ClientJson json = ClientJson.parse(Files.readString(folder.resolve("json")));
            assertEquals(50, json.number("messages"), json.toString());
            double due = json.number("elapsed_s") * 500;
            assertTrue(json.number("unanswered") >= 600, json.toString());
            assertEquals(due, 50 + json.number("unanswered"), 5 + 0.02 * due, json.toString());
            assertTrue(json.number("response_us.max") >= 1_400_000, json.toString());
            assertTrue(json.number("response_us.p50") >= 400_000, json.toString());
            assertTrue(json.number("rtt_us.max") <= json.number("response_us.max"), "" + json);
            String waiting = String.format(Locale.ROOT, "%,d", (long) json.number("unanswered"));
            String out = String.join("\n", client.out());
            assertTrue(out.matches("(?s).*at the end: " + waiting + " messages\\b.*"), out);
            String hgrm = Files.readString(folder.resolve("hgrm"));
            assertTrue(hgrm.replaceAll(" +", " ").contains("Total count = "
                    + (long) (50 + json.number("unanswered"))), hgrm);
        }
    }

    /** In a closed loop each connection has at most one, which is said, too. */
    @Test
    void inAClosedLoopWhatIsInFlightIsSaid() throws Exception {
        try (ClientSupport.TestServer server = silentAfter(SIZE, 20);
                Program client = launch(server, "--bench", "--timeout", "1h", "--warmup", "0",
                        "--size", "" + SIZE, "--parallel", "3")) {
            TestSupport.until("it stands still", () -> standing.get() == 3);
            client.interrupt();
            assertEquals(130, client.exitCode(), client.err().toString());
            String out = String.join("\n", client.out());
            assertTrue(out.matches("(?s).*at the end: 3 messages\\b.*"), out);
            assertTrue(out.startsWith("[bench] repeats: 60, "), out);
        }
    }
}
