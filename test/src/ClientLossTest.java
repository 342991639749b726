import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Failures in each way of sending: closed and open loop, new connections, polling. */
@Timeout(60)
class ClientLossTest {

    private static Ran bench(Peer peer, String... arguments) {
        List<String> all = new ArrayList<>(List.of("--json", "-", "--warmup", "0"));
        if (!List.of(arguments).contains("--message")) {
            all.addAll(List.of("--size", "10"));
        }
        all.addAll(List.of(arguments));
        return Ran.bench(peer.port(), all.toArray(new String[0]));
    }

    /** That it ended with exit 1, and the JSON has this in its error. */
    private static Json failed(Ran ran, String... facts) {
        assertEquals(1, ran.status, ran.toString());
        Json json = ran.json();
        assertEquals(false, json.get("valid"));
        for (String fact : facts) {
            assertTrue(json.string("error").contains(fact), fact + " in " + ran);
        }
        assertTrue(ran.err.contains(json.string("error")), ran.err);
        return json;
    }

    /** Echoes ten bytes, but for one bit of the message of this number, counted over all. */
    private static Peer wrong(int message) throws IOException {
        AtomicInteger count = new AtomicInteger();
        return Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            while (bytes.length == 10) {
                bytes[9] ^= count.incrementAndGet() == message ? 1 : 0;
                client.getOutputStream().write(bytes);
                bytes = Peer.read(client, 10);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--connect", "--rate=200", "--line"})
    void theLastByteIsComparedInEachWayOfSending(String way) throws Exception {
        try (Peer peer = wrong(6)) {
            Json json = failed(bench(peer, way, "--repeat", "40"), "message 6", "offset 9");
            assertFalse(json.has("rtt_us"));
            assertFalse(json.string("error").contains("warm-up"), json.string("error"));
        }
        try (Peer peer = wrong(3)) {
            failed(Ran.bench(peer.port(), way, "--size", "10", "--warmup", "5", "--json", "-"),
                    "warm-up message 3", "offset 9");
        }
    }

    /** Echoes so many messages of all connections, then it closes each one. */
    private static Peer closesAfter(int messages) throws IOException {
        AtomicInteger count = new AtomicInteger();
        return Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            while (bytes.length == 10 && count.incrementAndGet() <= messages) {
                client.getOutputStream().write(bytes);
                bytes = Peer.read(client, 10);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--connect", "--rate=200"})
    void aConnectionThatIsClosedIsALossInEachWayOfSending(String way) throws Exception {
        try (Peer peer = closesAfter(7)) {
            Json json = failed(bench(peer, way, "--duration", "300ms"), "message 8",
                    "0 of 10 bytes");
            assertEquals(7, json.number("messages"));
            assertEquals(1, json.number("connections_lost"));
        }
    }

    @Test
    void onAScheduleAllThatALostConnectionLeavesIsUnsent(@TempDir Path folder)
            throws Exception {
        try (Peer peer = closesAfter(12)) {
            long began = System.nanoTime();
            Json json = failed(bench(peer, "--rate", "100", "--duration", "1h", "--hgrm",
                    folder.resolve("hgrm").toString()));
            assertTrue(System.nanoTime() - began < 5 * Made.SECOND); // all are lost
            assertEquals(12, json.number("messages"));
            double due = json.number("elapsed_s") * 100;
            assertEquals(due, 12 + json.number("unanswered"), 1.01);
            assertEquals(1, json.number("unanswered") - json.number("unsent"));
            assertTrue(Files.readString(folder.resolve("hgrm")).contains(
                    String.format("= %12.0f]", 12 + json.number("unanswered"))));
        }
    }

    @Test
    void aFullServerClosesWhatItCannotServe() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            if (number <= 2) {
                client.getInputStream().transferTo(client.getOutputStream());
            }
            Peer.read(client, 10);
            Thread.sleep(150); // until the others have had an echo
        })) {
            Json json = failed(bench(peer, "--parallel", "3", "--duration", "300ms"),
                    "1 of 3 connections", "full");
            assertEquals(1, json.number("connections_lost"));
            assertTrue(json.number("messages") > 10);
            assertTrue(json.number("elapsed_s") >= 0.3);
        }
    }

    @Test
    void aServerThatTakesBytesForText() throws Exception {
        byte[] mark = {(byte) 0xef, (byte) 0xbf, (byte) 0xbd};
        try (Peer peer = Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 300);
            ByteArrayOutputStream echo = new ByteArrayOutputStream();
            for (byte b : bytes) {
                echo.write(b < 0 ? mark : new byte[] {b});
            }
            client.getOutputStream().write(echo.toByteArray());
            Peer.read(client, 1);
        })) {
            failed(bench(peer, "--size", "300", "--repeat", "1"), "0xef 0xbf 0xbd", "text");
        }
    }

    @Test
    void anEchoThatStaysShort() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10), 0, 6);
            Peer.read(client, 1);
        })) {
            String error = failed(bench(peer, "--timeout", "200ms"), "6 of 10 bytes",
                    "message 1").string("error");
            assertFalse(error.contains("--timeout"), error);
        }
    }

    @Test
    void aServerThatDropsTheLineEnd() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10), 0, 9);
            Peer.read(client, 1);
        })) {
            failed(bench(peer, "--line", "--timeout", "200ms"), "9 of 10 bytes", "line end");
        }
    }

    @Test
    void anotherLoopbackAddressIsNamedWithItsPort() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        Ran ran = Ran.client("--host", "127.0.0.2", "--port", "" + port, "--timeout", "2s");
        assertEquals(1, ran.status);
        assertTrue(ran.err.contains("127.0.0.2:" + port), ran.err);
        assertTrue(!System.getProperty("os.name").startsWith("Linux")
                || ran.err.contains("--host 127.0.0.2"), ran.err);
    }

    /** A new connection's time is from before connecting; one that is slow to end is a loss. */
    @Test
    void anEndThatDoesNotComeIsALoss() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10));
            if (number == 5) {
                Thread.sleep(30_000); // keeps its side open
            }
        })) {
            Json json = failed(bench(peer, "--connect", "--repeat", "9", "--timeout", "300ms"),
                    "message 5");
            assertEquals(1, json.number("connections_lost"));
            assertEquals(5, peer.connectedAt.size());
        }
    }
}
