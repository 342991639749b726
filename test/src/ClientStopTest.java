import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A signal at each moment of a run: what was measured is there, nothing old, nothing more. */
@Timeout(120)
class ClientStopTest {

    @TempDir
    Path folder;
    private Outputs outputs;

    @BeforeEach
    void prepare() {
        outputs = new Outputs(folder);
    }

    private static void awaitMessages(Peer peer, int count) throws InterruptedException {
        Program.await(30, count + " messages", () -> peer.notedAt.size() >= count);
    }

    /** Stops it; what came back, on the peer's count, must stand in all that it leaves. */
    private Json stop(Program client, Peer peer, String signal) throws Exception {
        long began = System.nanoTime();
        client.signal(signal);
        assertEquals(signal.equals("INT") ? 130 : 143, client.end(20));
        assertTrue(System.nanoTime() - began < 5 * Made.SECOND);
        Json json = outputs.json();
        double messages = json.number("messages");
        assertEquals(peer.notedAt.size(), messages, 5);
        assertEquals(List.of(true, true), List.of(json.get("valid"), json.get("interrupted")));
        assertTrue(client.out().startsWith(String.format("[bench] repeats: %.0f,", messages)),
                client.out());
        assertTrue(client.out().contains("INTERRUPTED"), client.out());
        assertTrue(outputs.text("plot").contains("INTERRUPTED"));
        return json;
    }

    @Test
    void whatWasMeasuredIsReported() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--duration", "1h", "--parallel",
                        "2")) {
            awaitMessages(peer, 100);
            Json json = stop(client, peer, "INT");
            assertTrue(json.number("waiting") <= 2, "" + json.get("waiting"));
            assertEquals(json.number("messages"), outputs.total(), 2);
        }
    }

    @Test
    void onAScheduleNothingCountsThatWasNotDue() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--rate", "200", "--parallel",
                        "3", "--duration", "1h")) {
            awaitMessages(peer, 100);
            Json json = stop(client, peer, "INT");
            double counted = json.number("messages") + json.number("unanswered");
            assertEquals(json.number("elapsed_s") * 200, counted, 1.01);
            assertEquals(counted, outputs.total());
        }
    }

    @Test
    void withNewConnections() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--connect", "--duration", "1h")) {
            awaitMessages(peer, 30);
            assertTrue(stop(client, peer, "TERM").number("connect_us.max") > 0);
        }
    }

    @Test
    void twoSignalsAreOne() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--duration", "1h")) {
            awaitMessages(peer, 30);
            client.signal("TERM");
            client.signal("TERM");
            assertEquals(143, client.end(20));
            assertEquals(peer.notedAt.size(), outputs.json().number("messages"), 2);
        }
    }

    /** As Ctrl-C in jshell does: the session goes on, and no thread of the run. */
    @Test
    void anInterruptEndsARunInThisProcess() throws Exception {
        try (Peer peer = Peer.echo(10, 1)) {
            FutureTask<Ran> run = new FutureTask<>(() -> outputs.run(peer.port(), "--duration",
                    "1h", "--parallel", "3"));
            Thread thread = new Thread(run, "session");
            thread.start();
            awaitMessages(peer, 100);
            thread.interrupt();
            Ran ran = run.get(5, TimeUnit.SECONDS);
            assertEquals(130, ran.status);
            assertEquals(peer.notedAt.size(), outputs.json().number("messages"), 5);
            assertTrue(ran.out.contains("INTERRUPTED"), ran.out);
            Program.await(5, "no thread goes on", () -> Thread.getAllStackTraces().keySet()
                    .stream().noneMatch(one -> one.getName().startsWith("client-")));
        }
    }

    /** Of 40 messages, 39 take 1 ms and one is waited for: it counts as long as it waits. */
    @Test
    void aMessageThatIsWaitedForIsTheSlowest() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            for (int i = 1; i < 40; i++) {
                client.getOutputStream().write(Peer.read(client, 10));
            }
            Peer.read(client, 11);
        }); Program client = outputs.start(peer.port(), "--duration", "1h", "--interval",
                "200ms")) {
            client.awaitErr("0.8 s: no echo");
            client.signal("INT");
            assertEquals(130, client.end(20));
            Json json = outputs.json();
            assertEquals(List.of(39.0, 1.0),
                    List.of(json.number("messages"), json.number("waiting")));
            double waited = json.number("waiting_us_max");
            double elapsed = json.number("elapsed_s") * 1e6;
            assertTrue(waited >= 600_000 && waited > elapsed - 300_000, "" + waited);
            assertEquals(waited, json.number("rtt_us.max"), 1);
            assertEquals(waited, ReportTest.timeAfter(client.out(), "1 message, waiting for"),
                    waited / 100);
            assertEquals(elapsed, json.number("max_at_s") * 1e6 + waited, 1000);
            assertTrue(outputs.text("plot").contains("1 message, waiting for"));
        }
    }

    /** What a run must leave that was stopped before anything was measured. */
    private void assertNothing(Program client) throws Exception {
        client.signal("TERM");
        assertEquals(143, client.end(4));
        assertEquals("", client.out() + outputs.text("hgrm") + outputs.text("plot"));
        Json json = outputs.json();
        assertEquals(List.of(false, true), List.of(json.get("valid"), json.get("interrupted")));
        assertFalse(json.has("rtt_us"));
        assertFalse(client.err().contains("\tat "), client.err());
    }

    @Test
    void inTheWarmUp() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--warmup", "1h")) {
            awaitMessages(peer, 50);
            assertNothing(client);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin"})
    void beforeAnythingCameBack(String way) throws Exception {
        try (Peer peer = Peer.start((client, number) -> Peer.read(client, 20));
                Program client = outputs.start(peer.port(), way)) {
            Program.await(20, "it has connected", () -> peer.connectedAt.size() == 1);
            assertNothing(client);
        }
    }

    /** Of the time of --timeout only that counts in which the client was at work. */
    @Test
    void suspendedForLongerThanTheTimeoutIsNoSilence() throws Exception {
        try (Peer peer = Peer.echo(10, 1800);
                Program client = outputs.start(peer.port(), "--repeat", "1", "--timeout",
                        "1200ms")) {
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
        try (Peer peer = Peer.echo(10, 0);
                Program client = outputs.start(peer.port(), "--rate", "100", "--duration",
                        "2500ms", "--interval", "100ms")) {
            client.awaitErr("0.3 s: ");
            client.signal("STOP");
            Thread.sleep(1000); // what it stands still for
            client.signal("CONT");
            assertEquals(0, client.end(20), client.err());
            List<?> warnings = outputs.json().list("warnings");
            String first = "" + warnings.get(0);
            assertTrue(first.contains("client itself stood still"), warnings.toString());
            assertEquals(1_000_000, ReportTest.timeAfter(first, "for"), 300_000);
            assertFalse(warnings.toString().contains("--parallel"), warnings.toString());
        }
    }

    @Test
    void aFullOutputIsAnError() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/full")), "only Linux has it");
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = Program.start(new ProcessBuilder(Program.JAVA, "-cp",
                        Program.CLASSES, "EchoClient", "--port", "" + server.port())
                        .redirectOutput(new File("/dev/full")))) {
            assertEquals(1, client.end(20));
            assertTrue(client.err().contains("standard output"), client.err());
        }
    }

    @Test
    @Tag("slow")
    void withMuchBehindScheduleItEndsSoonAndLosesNothing() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = outputs.start(server.port(), "--parallel", "500", "--rate",
                        "10000000", "--duration", "1h", "--interval", "1s")) {
            client.awaitErr("6 s: ");
            long began = System.nanoTime();
            client.signal("TERM");
            assertEquals(143, client.end(30));
            assertTrue(System.nanoTime() - began < 10 * Made.SECOND);
            Json json = outputs.json();
            double due = json.number("messages") + json.number("unanswered");
            assertEquals(json.number("elapsed_s") * 1e7, due, 500);
            assertEquals(due, outputs.total());
            // All are closed one after the other, and meanwhile some come back.
            double longest = json.number("response_us.max") / 1e6;
            assertTrue(longest <= json.number("elapsed_s") + 1, "" + longest);
            assertTrue(outputs.text("plot").endsWith("</svg>\n"));
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
        }
    }

    @Test
    @Tag("slow")
    void suspendedWhileItEnds() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = outputs.start(peer.port(), "--duration", "1h")) {
            awaitMessages(peer, 100);
            client.signal("INT");
            Thread.sleep(20);
            client.signal("STOP");
            Thread.sleep(6000); // longer than any time that it would wait for itself
            client.signal("CONT");
            assertEquals(130, client.end(20));
            assertEquals(true, outputs.json().get("interrupted"));
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
        }
    }
}
