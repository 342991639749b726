import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** A signal at each moment of a run: what was measured is there, nothing old, nothing more. */
@Timeout(120)
class ClientStopTest {
    @TempDir Path folder;
    private Outputs outputs;

    @BeforeEach
    void prepare() {
        outputs = new Outputs(folder);
    }

    private static void awaitMessages(Peer peer, int count) throws InterruptedException {
        Check.await(30, count + " messages", () -> peer.receivedAt.size() >= count);
    }

    /** Stops it; what came back, on the peer's count, must stand in all that it leaves. */
    private Json stop(Program client, Peer peer, String signal) throws Exception {
        Check.between(0, 5000, Check.millis(() -> {
            client.signal(signal);
            assertEquals(signal.equals("INT") ? 130 : 143, client.end(20));
        }));
        Json json = outputs.json();
        double messages = json.number("messages");
        assertEquals(peer.receivedAt.size(), messages, 5);
        assertEquals("true true 0", json.values("valid interrupted connections_lost"));
        assertTrue(client.out().startsWith(String.format("[bench] repeats: %.0f,", messages)),
                client.out());
        Check.has(client.out(), "INTERRUPTED");
        Check.has(outputs.text("plot"), "INTERRUPTED");
        return json;
    }

    @Test
    void whatWasMeasuredIsReported() throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--duration 1h --parallel 2")) {
            awaitMessages(peer, 100);
            Json json = stop(client, peer, "INT");
            Check.between(0, 2, json.number("waiting"));
            assertEquals(json.number("messages"), outputs.total(), 2);
        }
    }

    /** Neither on a busy schedule, nor on one whose next message is due in a minute. */
    @ParameterizedTest
    @CsvSource({"--rate 200 --parallel 3, 200, 100", "--rate 0.02, 0.02, 1"})
    void onAScheduleNothingCountsThatWasNotDue(String line, double rate, int messages)
            throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--duration 1h " + line)) {
            awaitMessages(peer, messages);
            Thread.sleep(100);
            Json json = stop(client, peer, "INT");
            double counted = json.number("messages") + json.number("unanswered");
            assertEquals(json.number("elapsed_s") * rate, counted, 1.01);
            assertEquals(counted, outputs.total());
        }
    }

    @Test
    void withNewConnections() throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--connect --duration 1h")) {
            awaitMessages(peer, 30);
            assertTrue(stop(client, peer, "TERM").number("connect_us.max") > 0);
        }
    }

    @Test
    void twoSignalsAreOne() throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--duration 1h")) {
            awaitMessages(peer, 30);
            client.signal("TERM");
            stop(client, peer, "TERM");
        }
    }

    /** As Ctrl-C in jshell does: the session goes on, and nothing of the run stays in it. */
    @Test
    void anInterruptEndsARunInThisProcess() throws Exception {
        int hooks = ServerStopTest.hooks();
        try (Peer peer = Peer.echoes(10, 1)) {
            FutureTask<Ran> run = new FutureTask<>(() -> outputs.run(peer.port(),
                    "--duration 1h --parallel 3"));
            Thread thread = new Thread(run, "session");
            thread.start();
            awaitMessages(peer, 100);
            thread.interrupt();
            Ran ran = run.get(5, TimeUnit.SECONDS);
            assertEquals(130, ran.status);
            assertEquals(peer.receivedAt.size(), outputs.json().number("messages"), 5);
            Check.has(ran.out, "INTERRUPTED");
            Check.await(5, "no thread goes on", () -> Thread.getAllStackTraces().keySet()
                    .stream().noneMatch(one -> one.getName().startsWith("client-")));
            assertEquals(hooks, ServerStopTest.hooks());
        }
    }

    /** Of 40 messages, 39 take 1 ms and one is waited for: it counts as long as it waits. */
    @Test
    void aMessageThatIsWaitedForIsTheSlowest() throws Exception {
        try (Peer peer = Peer.answers(10, (message, n) -> n < 40 ? message : new byte[0]);
                Program client = outputs.start(peer.port(), "--duration 1h --interval 200ms")) {
            client.await(" 0.8 s");
            client.signal("INT");
            assertEquals(130, client.end(20));
            Json json = outputs.json();
            assertEquals("39 1", json.values("messages waiting"));
            double waited = json.number("waiting_us_max");
            double elapsed = json.number("elapsed_s") * 1e6;
            Check.between(Math.max(600_000, elapsed - 300_000), elapsed, waited);
            assertEquals(waited, json.number("rtt_us.max"), 1);
            assertEquals(waited, ReportTest.timeAfter(client.out(), "1 message, waiting for"),
                    waited / 100);
            assertEquals(elapsed, json.number("max_at_s") * 1e6 + waited, 1000);
            Check.has(outputs.text("plot"), "1 message, waiting for");
        }
    }

    /** What a run must leave that was stopped before anything was measured. */
    private void assertNothing(Program client) throws Exception {
        client.signal("TERM");
        assertEquals(143, client.end(4));
        assertEquals("", client.out() + outputs.text("hgrm") + outputs.text("plot"));
        Json json = outputs.json();
        assertEquals("false true", json.values("valid interrupted"));
        assertFalse(json.has("rtt_us"));
        Check.lacks(json.values("error"), "in time"); // that is not why
        Check.lacks(client.err(), "\tat ");
    }

    @Test
    void inTheWarmUp() throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--warmup 1h")) {
            awaitMessages(peer, 50);
            assertNothing(client);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin"})
    void beforeAnythingCameBack(String way) throws Exception {
        try (Peer peer = Peer.start((client, number) -> Peer.read(client, 20));
                Program client = outputs.start(peer.port(), way)) {
            Check.await(20, "it has connected", () -> peer.connectedAt.size() == 1);
            assertNothing(client);
        }
    }

    @Test
    void oneMessageWithJson() throws Exception {
        Path file = Files.writeString(folder.resolve("one"), "old");
        try (Peer peer = Peer.start((client, number) -> Peer.read(client, 20));
                Program client = Program.java(List.of(), "EchoClient", "--port",
                        "" + peer.port(), "--json", file.toString())) {
            Check.await(20, "it has connected", () -> peer.connectedAt.size() == 1);
            client.signal("TERM");
            assertEquals(143, client.end(4));
            assertEquals("false true", Json.of(Files.readString(file)).values("valid interrupted"));
        }
    }

    /** Of its output pipe few bytes are left: the text waits for a reader, but not for ever. */
    @Tag("slow")
    @ParameterizedTest
    @ValueSource(strings = {"sleep 2; tr -d '\\0'", "sleep 20"})
    void aTextThatNobodyReadsAtOnce(String reader) throws Exception {
        try (Peer peer = Peer.echoes(10, 1); Program shell = Program.command("bash", "-c",
                "(head -c 65000 /dev/zero; exec \"$0\" -cp \"$1\" EchoClient --bench --size 10"
                + " --warmup 0 --duration 1h --port " + peer.port() + ") | (" + reader + ")",
                Program.JAVA, Program.CLASSES)) {
            awaitMessages(peer, 30);
            ProcessHandle client = ProcessHandle.of(shell.pid()).orElseThrow().descendants()
                    .filter(one -> one.info().command().orElse("").endsWith("java")).findFirst()
                    .orElseThrow();
            client.destroy(); // SIGTERM
            client.onExit().get(10, TimeUnit.SECONDS);
            if (reader.contains("tr")) {
                shell.end(10);
                Check.has(shell.out(), "INTERRUPTED", "JDK "
                        + System.getProperty("java.version"));
            }
        }
    }

    /** Of the time of --timeout only that counts in which the client was at work. */
    @Test
    void suspendedForLongerThanTheTimeoutIsNoSilence() throws Exception {
        try (Peer peer = Peer.echoes(10, 1800);
                Program client = outputs.start(peer.port(), "--repeat 1 --timeout 1200ms")) {
            awaitMessages(peer, 1);
            Thread.sleep(300); // so it has been seen that nothing moves
            client.signal("STOP");
            Thread.sleep(1400);
            client.signal("CONT");
            assertEquals(0, client.end(20), client.err());
            assertTrue(outputs.json().number("rtt_us.max") >= 1_800_000);
        }
    }

    @Test
    void ourOwnStandstillIsSaidToBeOurs() throws Exception {
        try (Peer peer = Peer.echoes(10, 0);
                Program client = outputs.start(peer.port(),
                        "--rate 100 --duration 1800ms --interval 100ms")) {
            client.await(" 0.3 s");
            client.signal("STOP");
            Thread.sleep(1000); // what it stands still for
            client.signal("CONT");
            assertEquals(0, client.end(20), client.err());
            String warnings = outputs.json().values("warnings");
            String first = warnings.split(", \\w")[0];
            Check.has(first, "client");
            assertEquals(1_000_000, ReportTest.timeAfter(first, "for"), 300_000);
            Check.lacks(warnings, "--parallel");
        }
    }

    @Test
    @Tag("slow")
    void withMuchBehindScheduleItEndsSoonAndLosesNothing() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = outputs.start(server.port(), "--parallel 500 --rate 10000000"
                        + " --duration 1h --interval 1s")) {
            client.await(" 6 s");
            Check.between(0, 10_000, Check.millis(() -> {
                client.signal("TERM");
                assertEquals(143, client.end(30));
            }));
            Json json = outputs.json();
            double due = json.number("messages") + json.number("unanswered");
            assertEquals(json.number("elapsed_s") * 1e7, due, 500);
            assertEquals(due, outputs.total());
            // All are closed one after the other, and meanwhile some come back.
            Check.between(0, json.number("elapsed_s") + 1,
                    json.number("response_us.max") / 1e6);
            assertTrue(outputs.text("plot").endsWith("</svg>\n"));
            Check.has(client.out(), "INTERRUPTED");
        }
    }

    @Test
    @Tag("slow")
    void suspendedWhileItEnds() throws Exception {
        try (Peer peer = Peer.echoes(10, 1);
                Program client = outputs.start(peer.port(), "--duration 1h")) {
            awaitMessages(peer, 100);
            client.signal("INT");
            Thread.sleep(20);
            client.signal("STOP");
            Thread.sleep(6000); // longer than any time that it would wait for itself
            client.signal("CONT");
            assertEquals(130, client.end(20));
            assertEquals(true, outputs.json().get("interrupted"));
            Check.has(client.out(), "INTERRUPTED");
        }
    }
}
