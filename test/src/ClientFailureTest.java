import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.channels.SocketChannel;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Exchanger;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What happens when a server is lost, silent, wrong or not there: in each way of sending. */
@Timeout(60)
class ClientFailureTest {

    @TempDir
    Path folder;
    private Outputs outputs;

    @BeforeEach
    void prepare() {
        outputs = new Outputs(folder);
    }

    /** That it ended with exit 1 and an error with these facts, which JSON has, too. */
    private Json failed(Ran ran, String... facts) throws IOException {
        assertEquals(1, ran.status, ran.toString());
        Json json = outputs.json();
        assertEquals(false, json.get("valid"));
        assertTrue(ran.err.contains(json.string("error")), ran.err);
        assertFalse(ran.err.contains("\tat "), ran.err);
        for (String fact : facts) {
            assertTrue(json.string("error").contains(fact), fact + " in " + ran);
        }
        return json;
    }

    interface Echo {
        /** The echo of message n of its connection; null closes that. */
        byte[] of(byte[] message, int n) throws Exception;
    }

    /** Answers messages of 10 bytes; the first connection has number 1. */
    private static Peer peer(Echo... echoes) throws IOException {
        return Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            for (int n = 1; bytes.length == 10; n++) {
                byte[] echo = echoes[Math.min(number, echoes.length) - 1].of(bytes, n);
                if (echo == null) {
                    return;
                }
                client.getOutputStream().write(echo);
                bytes = Peer.read(client, 10);
            }
        });
    }

    /** Changes one bit of the last byte of the message of this number, counted over all. */
    private static Peer wrong(int message) throws IOException {
        AtomicInteger count = new AtomicInteger();
        return peer((bytes, n) -> {
            bytes[9] ^= count.incrementAndGet() == message ? 1 : 0;
            return bytes;
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--connect", "--rate=200", "--line"})
    void theLastByteIsComparedInEachWayOfSending(String way) throws Exception {
        try (Peer peer = wrong(6)) {
            Json json = failed(outputs.run(peer.port(), way, "--repeat", "40"), " message 6,",
                    "offset 9");
            assertFalse(json.has("rtt_us"));
            assertFalse(json.string("error").contains("warm-up"), json.string("error"));
        }
        try (Peer peer = wrong(3)) {
            failed(outputs.run(peer.port(), way, "--warmup", "5"), "warm-up message 3,",
                    "offset 9");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--connect", "--rate=200"})
    void aConnectionThatIsClosedIsALossInEachWayOfSending(String way) throws Exception {
        AtomicInteger count = new AtomicInteger();
        try (Peer peer = peer((bytes, n) -> count.incrementAndGet() > 7 ? null : bytes)) {
            Json json = failed(outputs.run(peer.port(), way, "--duration", "300ms"),
                    "message 8", "0 of 10 bytes");
            assertEquals(7, json.number("messages"));
            assertEquals(1, json.number("connections_lost"));
        }
    }

    @Test
    void aLostConnectionDoesNotEndTheOthers() throws Exception {
        Echo slow = (bytes, n) -> {
            Thread.sleep(2);
            return bytes;
        };
        Echo closes = (bytes, n) -> n > 13 ? null : slow.of(bytes, n);
        try (Peer peer = peer(slow, closes, slow)) {
            Ran ran = outputs.run(peer.port(), "--parallel", "3", "--warmup", "10", "--repeat",
                    "40");
            Json json = failed(ran, "1 of 3 connections", "message 4", "0 of 10 bytes");
            assertEquals(1, json.number("connections_lost"));
            assertEquals(83, json.number("messages"));
            assertEquals(83, outputs.total());
            assertEquals(30, json.number("warmup.messages"));
            assertTrue(json.number("rtt_us.min") >= 2000);
            double failedAt = ReportTest.timeAfter(ran.out, "FAILED after") / 1e6;
            assertTrue(failedAt >= 0.006 && failedAt < json.number("elapsed_s"));
            assertTrue(outputs.text("plot").contains("FAILED after"));
        }
    }

    @Test
    void withARateTheMessagesOfTheLostWaitUntilTheEnd() throws Exception {
        try (Peer peer = peer((bytes, n) -> bytes, (bytes, n) -> n > 5 ? null : bytes)) {
            Json json = failed(outputs.run(peer.port(), "--parallel", "2", "--rate", "100",
                    "--duration", "500ms"), "1 of 2 connections");
            assertEquals(30, json.number("messages"));
            assertEquals(20, json.number("unanswered"));
            assertEquals(390_000, json.number("response_us.max"), 110_000);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--rate=100"})
    void whenAllAreLostTheRunEndsAtOnce(String way) throws Exception {
        try (Peer peer = peer((bytes, n) -> n > 5 ? null : bytes)) {
            long began = System.nanoTime();
            Json json = failed(outputs.run(peer.port(), way, "--parallel", "3", "--duration",
                    "1h"), "3 of 3 connections");
            assertTrue(System.nanoTime() - began < 5 * Made.SECOND);
            assertEquals(15, json.number("messages"));
            assertEquals(3, json.number("connections_lost"));
            if (way.startsWith("--rate")) {
                double due = json.number("elapsed_s") * 100;
                assertEquals(due, 15 + json.number("unanswered"), 1.01);
                assertEquals(15 + json.number("unanswered"), outputs.total());
                assertEquals(json.number("waiting"),
                        json.number("unanswered") - json.number("unsent"));
            }
        }
    }

    @Test
    void aSilentConnectionIsGivenUpAfterTheTimeout() throws Exception {
        Tries.three(() -> {
            try (Peer peer = peer((bytes, n) -> n == 1 ? bytes : new byte[0])) {
                Json json = failed(outputs.run(peer.port(), "--timeout", "600ms"), "timed out",
                        "600", "message 2", "0 of 10 bytes");
                assertEquals(List.of(1.0, 1.0),
                        List.of(json.number("messages"), json.number("waiting")));
                double waited = json.number("waiting_us_max") / 1e3;
                assertTrue(waited > 600 && waited < 1000, waited + " ms");
                assertEquals(json.number("waiting_us_max"), json.number("rtt_us.max"), 1);
            }
        });
    }

    @Test
    void whatMovesIsNotSilent() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            for (byte b : Peer.read(client, 10)) {
                Thread.sleep(100);
                client.getOutputStream().write(b);
            }
        })) {
            Ran ran = outputs.run(peer.port(), "--repeat", "1", "--timeout", "900ms");
            assertEquals(0, ran.status, ran.toString());
            assertTrue(outputs.json().number("rtt_us.max") > 1_000_000);
        }
    }

    /** No two connections send the same at the same time. */
    @Test
    void aServerThatMixesUpItsClientsIsFound() throws Exception {
        Exchanger<byte[]> others = new Exchanger<>();
        try (Peer peer = peer((bytes, n) -> others.exchange(bytes))) {
            failed(outputs.run(peer.port(), "--parallel", "2"), "INVALID", "message 1",
                    "offset 0");
        }
    }

    /** Nothing of an earlier run stays, and no figure of one that is not true. */
    @Test
    void aWrongByteEndsEverything() throws Exception {
        try (Peer peer = peer((bytes, n) -> {
            bytes[7] ^= n == 5 ? 0x20 : 0;
            return bytes;
        })) {
            Ran ran = outputs.run(peer.port(), "--warmup", "2", "--duration", "1h",
                    "--parallel", "2");
            assertFalse(failed(ran, "INVALID", "message 3", "offset 7").has("rtt_us"));
            assertEquals("", ran.out + outputs.text("hgrm") + outputs.text("plot"));
        }
    }

    /** What is not true counts before what was lost, also if it comes later. */
    @Test
    void aWrongByteAfterALossIsWhatIsTold() throws Exception {
        try (Peer peer = peer((bytes, n) -> n > 3 ? null : bytes, (bytes, n) -> {
            Thread.sleep(2);
            bytes[0] ^= n == 50 ? 1 : 0;
            return bytes;
        })) {
            failed(outputs.run(peer.port(), "--parallel", "2"), "INVALID", "message 50");
        }
    }

    /** An echo that ends early is compared as far as it came. */
    @ParameterizedTest
    @CsvSource({"'Hello, Echo!', 7", "'Hello, echo!!', 12", "'Hello, wor', 7", "X, 0"})
    void theFirstWrongByteIsReported(String echo, int offset) throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            Peer.read(client, 12);
            client.getOutputStream().write(echo.getBytes());
        })) {
            Ran ran = Ran.client("--port", "" + peer.port());
            assertEquals(1, ran.status);
            assertTrue(ran.err.matches("(?s).*INVALID.*message 1, offset " + offset + ":.*"),
                    ran.err);
        }
    }

    @Test
    void aSurplusByteIsFoundByTheNextMessageOrAtTheEnd() throws Exception {
        try (Peer peer = peer((bytes, n) -> Arrays.copyOf(bytes, 11))) {
            failed(outputs.run(peer.port(), "--repeat", "2"), "INVALID");
            failed(outputs.run(peer.port(), "--repeat", "1", "--connect"), "INVALID",
                    "offset 10", "nothing more");
        }
    }

    /** With --connect the time is from before connecting; one that is slow to end is a loss. */
    @Test
    void anEndThatDoesNotComeIsALoss() throws Exception {
        Peer[] peer = new Peer[1];
        peer[0] = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10));
            if (number == 5) {
                Thread.sleep(30_000); // keeps its side open
            }
        });
        try (Peer five = peer[0]) {
            Json json = failed(outputs.run(five.port(), "--connect", "--repeat", "9",
                    "--timeout", "300ms"), "message 5");
            assertEquals(1, json.number("connections_lost"));
            assertEquals(5, five.connectedAt.size());
        }
    }

    @ParameterizedTest
    @CsvSource({"--nagle, 6, does the server write all", "--line, 9, line end"})
    void anEchoThatStaysShort(String way, int bytes, String advice) throws Exception {
        try (Peer peer = peer((message, n) -> Arrays.copyOf(message, bytes))) {
            String error = failed(outputs.run(peer.port(), way, "--timeout", "200ms"),
                    bytes + " of 10 bytes", "message 1", advice).string("error");
            assertFalse(error.contains("--timeout"), error);
        }
    }

    @Test
    void aFullServerClosesWhatItCannotServe() throws Exception {
        Echo full = (bytes, n) -> {
            Thread.sleep(150); // until the others have had an echo
            return null;
        };
        try (Peer peer = peer((bytes, n) -> bytes, (bytes, n) -> bytes, full)) {
            Json json = failed(outputs.run(peer.port(), "--parallel", "3", "--duration",
                    "300ms"), "1 of 3 connections", "full");
            assertTrue(json.number("messages") > 10);
            assertTrue(json.number("elapsed_s") >= 0.3);
        }
    }

    @Test
    void aServerThatServesOneAtATime() throws Exception {
        Object turn = new Object();
        try (Peer peer = Peer.start((client, number) -> {
            synchronized (turn) {
                client.getInputStream().transferTo(client.getOutputStream());
            }
        })) {
            Json json = failed(outputs.run(peer.port(), "--parallel", "2", "--warmup", "5",
                    "--repeat", "5", "--timeout", "400ms"), "one client at a time",
                    "warm-up message 1");
            assertFalse(json.string("error").contains("--timeout"), json.string("error"));
            assertEquals(5, json.number("messages"));
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0)) {
            return free.getLocalPort();
        }
    }

    @Test
    void nobodyListens() throws Exception {
        int port = freePort();
        Ran ran = outputs.run(port);
        failed(ran, "127.0.0.1:" + port, "java EchoServer.java --port " + port);
        assertEquals(1, ran.err.lines().count());
        assertEquals("", ran.out + outputs.text("hgrm") + outputs.text("plot"));
        Ran unknown = Ran.client("--host", "no-such-host.invalid", "--timeout", "1s");
        assertEquals(1, unknown.status);
        assertTrue(unknown.err.contains("no-such-host.invalid:5050"), unknown.err);
    }

    /** TCP's simultaneous open: a client that happens to have the port that it connects to. */
    @Test
    void aConnectionToItselfIsRefused() throws Exception {
        EchoClient.Connection connection =
                new EchoClient.Connection(EchoClient.Options.parse());
        SocketChannel channel = (SocketChannel) ClientRunTest.field(connection, "channel");
        channel.bind(new InetSocketAddress("127.0.0.1", 0));
        IOException refused = assertThrows(IOException.class, () -> connection.connect(
                (InetSocketAddress) channel.getLocalAddress(), Made.SECOND));
        assertTrue(refused.getMessage().contains("refused"), refused.toString());
        connection.close();
    }

    /** A name with three addresses, of which one answers; or none. */
    private Program withHosts(String addresses, int port, String... more) throws IOException {
        Path hosts = folder.resolve("hosts");
        Files.writeString(hosts, addresses.replace(" ", " three\n") + " three\n");
        List<String> all = new ArrayList<>(List.of("--host", "three", "--port", "" + port));
        all.addAll(List.of(more));
        return Program.java(List.of("-Djdk.net.hosts.file=" + hosts), "EchoClient",
                all.toArray(new String[0]));
    }

    @Test
    void everyAddressOfANameIsTriedAndTheOneThatAnswersIsNamed() throws Exception {
        Assumptions.assumeTrue(System.getProperty("os.name").equals("Linux"), "127.0.0.2");
        try (Peer peer = peer((bytes, n) -> bytes);
                Program client = withHosts("127.0.0.2 127.0.0.1 127.0.0.3", peer.port(),
                        "--bench", "--size", "10", "--warmup", "0", "--repeat", "5",
                        "--parallel", "3", "--json", folder.resolve("json").toString())) {
            assertEquals(0, client.end(20), client.err());
            assertEquals("three", outputs.json().string("host"));
            assertEquals("127.0.0.1", outputs.json().string("address"));
            assertTrue(client.out().contains("three:" + peer.port() + " (127.0.0.1)"));
            assertEquals(15, outputs.json().number("messages"));
        }
        int port = freePort();
        try (Program client = withHosts("127.0.0.2 127.0.0.1", port)) {
            assertEquals(1, client.end(20)); // what the first one said is told
            assertTrue(client.err().contains("three:" + port + " (127.0.0.2)"), client.err());
        }
    }

    /** A port where connections wait to be accepted until no more can: then nothing answers. */
    private static ServerSocket full(String address, List<Socket> waiting) throws IOException {
        ServerSocket full = new ServerSocket(0, 1, InetAddress.getByName(address));
        for (int i = 0; i < 5; i++) {
            Socket socket = new Socket();
            waiting.add(socket);
            try {
                socket.connect(new InetSocketAddress(full.getInetAddress(),
                        full.getLocalPort()), 200);
            } catch (SocketTimeoutException e) {
                break;
            }
        }
        return full;
    }

    /** Of addresses that do not answer, each has its share of --timeout; so has the last. */
    @Test
    void theTimeoutIsThatOfAllAddressesTogether() throws Exception {
        Assumptions.assumeTrue(System.getProperty("os.name").equals("Linux"), "127.0.0.2");
        List<Socket> waiting = new ArrayList<>();
        Tries.three(() -> {
            try (ServerSocket full = full("0.0.0.0", waiting);
                    Program client = withHosts("127.0.0.2 127.0.0.1 127.0.0.3",
                            full.getLocalPort(), "--timeout", "1500ms")) {
                long began = System.nanoTime();
                assertEquals(1, client.end(20));
                long millis = (System.nanoTime() - began) / 1_000_000;
                assertTrue(client.err().contains("(127.0.0.2)"), client.err());
                assertTrue(client.err().contains("1.50 s"), client.err());
                assertTrue(millis >= 1500 && millis < 4000, millis + " ms");
            }
            try (ServerSocket full = full("127.0.0.2", waiting);
                    EchoServer server = EchoServer.start("--port", "" + full.getLocalPort());
                    Program client = withHosts("127.0.0.2 127.0.0.1", server.port(),
                            "--timeout", "4s")) {
                long began = System.nanoTime();
                assertEquals(0, client.end(20), client.err());
                long millis = (System.nanoTime() - began) / 1_000_000;
                assertTrue(millis >= 2000 && millis < 3900, millis + " ms");
            }
        });
        for (Socket socket : waiting) {
            socket.close();
        }
    }

    @Test
    void aFileThatCannotBeWrittenIsToldBeforeTheRun() throws Exception {
        try (Peer peer = peer((bytes, n) -> bytes)) {
            String nowhere = folder.resolve("no/such").toString();
            Ran ran = outputs.run(peer.port(), "--plot", nowhere);
            failed(ran, nowhere);
            assertEquals(0, peer.connectedAt.size());
            assertEquals("", outputs.text("hgrm"));
        }
    }

    @Test
    void aMessageAndItsFailureAreJsonToo() throws Exception {
        try (Peer peer = Peer.echo(12, 3)) {
            Ran ran = Ran.client("--port", "" + peer.port(), "--json", "-");
            assertEquals(1, ran.json().number("messages"));
            assertTrue(ran.json().number("rtt_us.max") >= 3000);
            Ran lost = Ran.client("--port", "" + peer.port(), "--json", "-", "--message", "ab",
                    "--timeout", "100ms");
            assertEquals(List.of(1, false), List.of(lost.status, lost.json().get("valid")));
            Ran line = Ran.client("--port", "" + peer.port(), "--timeout", "100ms",
                    "--message", "ab");
            assertTrue(line.err.contains("--line"), line.err);
        }
    }
}
