import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** A signal at each moment of a run: what was measured is there, nothing old, nothing more. */
@Timeout(120)
class ClientInterruptTest {

    @TempDir
    Path folder;

    /** The client as a process; its three files hold "old". */
    private Program client(Peer peer, String... arguments) throws IOException {
        List<String> all = new ArrayList<>(List.of("--bench", "--port", "" + peer.port(),
                "--size", "10"));
        for (String file : List.of("json", "hgrm", "plot")) {
            Files.writeString(folder.resolve(file), "old");
            all.addAll(List.of("--" + file, folder.resolve(file).toString()));
        }
        all.addAll(List.of(arguments));
        return Program.java("EchoClient", all.toArray(new String[0]));
    }

    private Json json() throws IOException {
        return Json.of(Files.readString(folder.resolve("json")));
    }

    private String file(String name) throws IOException {
        return Files.readString(folder.resolve(name));
    }

    /** What a run must leave that was stopped before anything was measured. */
    private void assertNothing(Program client) throws Exception {
        assertEquals("", client.out());
        assertEquals(List.of(false, true),
                List.of(json().get("valid"), json().get("interrupted")));
        assertFalse(json().has("rtt_us"));
        assertEquals("", file("hgrm") + file("plot"));
        assertFalse(client.err().contains("\tat "), client.err());
    }

    @Test
    void inTheWarmUp() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer, "--warmup", "1h")) {
            Program.await(30, "messages", () -> peer.notedAt.size() > 50);
            client.signal("TERM");
            assertEquals(143, client.end(10));
            assertNothing(client);
        }
    }

    @Test
    void onAScheduleNothingCountsThatWasNotDue() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer, "--warmup", "0", "--rate", "200", "--parallel",
                        "3", "--duration", "1h")) {
            Program.await(30, "messages", () -> peer.notedAt.size() > 100);
            client.signal("INT");
            assertEquals(130, client.end(10));
            double due = json().number("elapsed_s") * 200;
            double counted = json().number("messages") + json().number("unanswered");
            assertTrue(counted <= due + 1 && counted >= due - 1, counted + " of " + due);
            assertEquals(peer.notedAt.size(), json().number("messages"), 3);
            assertTrue(file("hgrm").contains(String.format("= %12.0f]", counted)),
                    file("hgrm"));
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
        }
    }

    @Test
    void withNewConnections() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer, "--warmup", "0", "--connect", "--duration",
                        "1h")) {
            Program.await(30, "messages", () -> peer.notedAt.size() > 30);
            client.signal("TERM");
            assertEquals(143, client.end(10));
            assertEquals(peer.notedAt.size(), json().number("messages"), 2);
            assertTrue(json().number("connect_us.max") > 0);
            assertTrue(file("plot").endsWith("</svg>\n"));
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
        }); Program client = client(peer, "--warmup", "0", "--duration", "1h", "--interval",
                "200ms")) {
            client.awaitErr("0.8 s: no echo");
            client.signal("INT");
            assertEquals(130, client.end(10));
            assertEquals(39, json().number("messages"));
            assertEquals(1, json().number("waiting"));
            double waited = json().number("waiting_us_max");
            assertTrue(waited >= 600_000, "" + waited);
            assertEquals(waited, json().number("rtt_us.max"), 1);
            assertEquals(waited, ReportTest.timeAfter(client.out(), "1 message, waiting for"),
                    waited / 100);
            assertTrue(json().number("max_at_s") * 1e6 + waited
                    <= json().number("elapsed_s") * 1e6 + 1000);
            assertTrue(file("plot").contains("waiting"));
        }
    }

    /** Of the time of --timeout only that counts in which the client was at work. */
    @Test
    void suspendedForLongerThanTheTimeoutIsNoSilence() throws Exception {
        try (Peer peer = Peer.echo(10, 1800);
                Program client = client(peer, "--warmup", "0", "--repeat", "1", "--timeout",
                        "1200ms")) {
            Program.await(30, "a message", () -> peer.notedAt.size() == 1);
            Thread.sleep(300); // so it has been seen that nothing moves
            client.signal("STOP");
            Thread.sleep(1400);
            client.signal("CONT");
            assertEquals(0, client.end(20), client.err());
            assertTrue(json().number("rtt_us.max") >= 1_800_000);
        }
    }

    @Test
    void twoSignalsAreOne() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer, "--warmup", "0", "--duration", "1h")) {
            Program.await(30, "messages", () -> peer.notedAt.size() > 30);
            client.signal("INT");
            client.signal("TERM");
            int status = client.end(10);
            assertTrue(status == 130 || status == 143, "" + status);
            assertEquals(peer.notedAt.size(), json().number("messages"), 2);
        }
    }

    @Test
    @Tag("slow")
    void withMuchBehindScheduleItEndsSoonAndLosesNothing() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0"); Peer peer = Peer.echo(1, 0);
                Program client = client(peer, "--port", "" + server.port(), "--warmup", "0",
                        "--parallel", "100", "--rate", "1000000", "--duration", "1h",
                        "--interval", "500ms")) {
            client.awaitErr("4 s: ");
            long began = System.nanoTime();
            client.signal("TERM");
            assertEquals(143, client.end(30));
            assertTrue(System.nanoTime() - began < 10 * Made.SECOND);
            double due = json().number("elapsed_s") * 1e6;
            assertEquals(due, json().number("messages") + json().number("unanswered"), 100);
            assertTrue(json().number("response_us.max") <= json().number("elapsed_s") * 1e6);
            assertTrue(file("plot").endsWith("</svg>\n"));
            assertTrue(file("hgrm").contains("Total count"));
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
        }
    }
}
