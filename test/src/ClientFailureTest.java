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
    @TempDir Path folder;
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
        Check.has(ran.err, json.values("error"));
        Check.lacks(ran.err, "\tat ");
        Check.has(json.values("error"), facts);
        return json;
    }

    /** Answers messages of 10 bytes; the first connection as the first echo says. */
    private static Peer peer(Peer.Echo... echoes) throws IOException {
        return Peer.answers(10, echoes);
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
            Json json = failed(outputs.run(peer.port(), way + " --repeat 40"), "message 6",
                    "offset 9");
            assertFalse(json.has("rtt_us"));
            Check.lacks(json.values("error"), "warm-up");
        }
        try (Peer peer = wrong(3)) {
            failed(outputs.run(peer.port(), way + " --warmup 5"), "warm-up message 3",
                    "offset 9");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--connect", "--rate=200"})
    void aConnectionThatIsClosedIsALossInEachWayOfSending(String way) throws Exception {
        AtomicInteger count = new AtomicInteger();
        try (Peer peer = peer((bytes, n) -> count.incrementAndGet() > 7 ? null : bytes)) {
            Json json = failed(outputs.run(peer.port(), way + " --duration 300ms"),
                    "message 8", "0 of 10 bytes");
            assertEquals("7 1", json.values("messages connections_lost"));
            Check.lacks(json.values("error"), "reset");
        }
    }

    /** Its time counts from when the measurement began, not from the warm-up of 200 ms. */
    @Test
    void aLostConnectionDoesNotEndTheOthers() throws Exception {
        Peer.Echo slow = (bytes, n) -> {
            Thread.sleep(2);
            return bytes;
        };
        Peer.Echo closes = (bytes, n) -> n > 103 ? null : slow.of(bytes, n);
        try (Peer peer = peer(slow, closes, slow)) {
            Ran ran = outputs.run(peer.port(), "--parallel 3 --warmup 100 --repeat 40");
            Json json = failed(ran, "1 of 3 connections", "message 4", "0 of 10 bytes");
            assertEquals("1 83 300 1", json.values(
                    "connections_lost messages warmup.messages waiting"));
            assertEquals(83, outputs.total());
            Check.between(2000, 1e6, json.number("rtt_us.min"));
            Check.between(0.006, json.number("elapsed_s") - 0.04,
                    ReportTest.timeAfter(ran.out, "FAILED after") / 1e6);
            Check.has(outputs.text("plot"), "FAILED after");
        }
    }

    @Test
    void withARateTheMessagesOfTheLostWaitUntilTheEnd() throws Exception {
        try (Peer peer = peer((bytes, n) -> bytes, (bytes, n) -> n > 5 ? null : bytes)) {
            Json json = failed(outputs.run(peer.port(), "--parallel 2 --rate 100"
                    + " --duration 500ms"), "1 of 2 connections");
            assertEquals("30 20", json.values("messages unanswered"));
            assertEquals(390_000, json.number("response_us.max"), 110_000);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--rate=100"})
    void whenAllAreLostTheRunEndsAtOnce(String way) throws Exception {
        try (Peer peer = peer((bytes, n) -> n > 5 ? null : bytes)) {
            long began = System.nanoTime();
            Json json = failed(outputs.run(peer.port(), way + " --parallel 3 --duration 1h"),
                    "3 of 3 connections");
            assertTrue(System.nanoTime() - began < 5 * Made.SECOND);
            assertEquals("15 3", json.values("messages connections_lost"));
            if (way.startsWith("--rate")) {
                double unanswered = json.number("unanswered");
                assertEquals(json.number("elapsed_s") * 100, 15 + unanswered, 1.01);
                assertEquals(15 + unanswered, outputs.total());
                assertEquals(json.number("waiting"), unanswered - json.number("unsent"));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {30, 600})
    void aSilentConnectionIsGivenUpAfterTheTimeout(int millis) throws Exception {
        Check.three(() -> {
            try (Peer peer = peer((bytes, n) -> n == 1 ? bytes : new byte[0])) {
                Json json = failed(outputs.run(peer.port(), "--timeout " + millis + "ms"),
                        "timed out", millis + ".0", "message 2", "0 of 10 bytes");
                assertEquals("1 1", json.values("messages waiting"));
                Check.between(millis, 1.1 * millis + 50, json.number("waiting_us_max") / 1e3);
                assertEquals(json.number("waiting_us_max"), json.number("rtt_us.max"), 1);
            }
        });
    }

    /** Neither an echo that comes byte by byte, nor a message that is taken so. */
    @Test
    void whatMovesIsNotSilent() throws Exception {
        try (Peer slowly = Peer.start((client, number) -> {
            for (byte b : Peer.read(client, 10)) {
                Thread.sleep(50);
                client.getOutputStream().write(b);
            }
        }); Peer reads = Peer.start((client, number) -> {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            while (all.size() < 32 << 20) {
                Thread.sleep(50);
                all.write(Peer.read(client, 2 << 20));
            }
            client.getOutputStream().write(all.toByteArray());
        })) {
            for (Peer peer : List.of(slowly, reads)) {
                String size = peer == slowly ? "10" : "32m";
                Check.three(() -> {
                    Ran ran = outputs.run(peer.port(), "--repeat 1 --timeout 400ms --size "
                            + size);
                    assertEquals(0, ran.status, ran.toString());
                    Check.between(500_000, 5e6, outputs.json().number("rtt_us.max"));
                });
            }
        }
    }

    /** No two connections send the same at the same time. */
    @Test
    void aServerThatMixesUpItsClientsIsFound() throws Exception {
        Exchanger<byte[]> others = new Exchanger<>();
        try (Peer peer = peer((bytes, n) -> others.exchange(bytes))) {
            failed(outputs.run(peer.port(), "--parallel 2"), "INVALID", "message 1", "offset 0");
        }
    }

    /** Nothing of an earlier run stays, and no figure of one that is not true. */
    @Test
    void aWrongByteEndsEverything() throws Exception {
        try (Peer peer = peer((bytes, n) -> {
            bytes[7] ^= n == 5 ? 0x20 : 0;
            return bytes;
        })) {
            Ran ran = outputs.run(peer.port(), "--warmup 2 --duration 1h --parallel 2");
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
            Json json = failed(outputs.run(peer.port(), "--parallel 2"), "INVALID", "message 50");
            assertFalse(json.has("rtt_us"));
        }
    }

    /** An echo that ends early is compared as far as it came; what came is shown. */
    @ParameterizedTest
    @CsvSource({"'Hello, Echo!', 7", "'Hello, echo!!', 12", "'Hello, wor', 7", "X, 0"})
    void theFirstWrongByteIsReported(String echo, int offset) throws Exception {
        try (Peer peer = Peer.answers(12, (message, n) -> echo.getBytes())) {
            Ran ran = Ran.client("--timeout 300ms --port " + peer.port());
            assertEquals(1, ran.status);
            Check.has(ran.err, "INVALID", "message 1");
            assertTrue(ran.err.matches("(?s).*offset " + offset + "\\b.*"), ran.err);
            assertEquals(echo.length() >= 12, ran.out.contains(echo));
        }
    }

    /** Also when it comes only after the client has ended its side. */
    @Test
    void aSurplusByteIsFoundByTheNextMessageOrAtTheEnd() throws Exception {
        try (Peer peer = peer((bytes, n) -> Arrays.copyOf(bytes, 11));
                Peer late = Peer.start((client, number) -> {
                    client.getOutputStream().write(Peer.read(client, 10));
                    client.getOutputStream().write(Peer.read(client, 1).length);
                })) {
            failed(outputs.run(peer.port(), "--repeat 2"), "INVALID");
            for (Peer each : List.of(peer, late)) {
                failed(outputs.run(each.port(), "--repeat 1 --connect"), "INVALID",
                        "offset 10");
            }
        }
    }

    /** The echo came, and that is what is said, and for how long the end did not. */
    @Test
    void anEndThatDoesNotComeIsALoss() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10));
            if (number == 5) {
                Thread.sleep(30_000); // keeps its side open
            }
        })) {
            Json json = failed(outputs.run(peer.port(), "--connect --repeat 9 --timeout 300ms"),
                    "message 5", "300.0 ms");
            Check.lacks(json.values("error"), "of 10 bytes", "--line");
            assertEquals(1, json.number("connections_lost"));
            assertEquals(5, peer.connectedAt.size());
        }
    }

    @ParameterizedTest
    @CsvSource({"--nagle, 6, write", "--line, 9, line end"})
    void anEchoThatStaysShort(String way, int bytes, String advice) throws Exception {
        try (Peer peer = peer((message, n) -> Arrays.copyOf(message, bytes))) {
            Json json = failed(outputs.run(peer.port(), way + " --timeout 200ms"),
                    bytes + " of 10 bytes", "message 1", advice);
            Check.lacks(json.values("error"), "--timeout");
        }
    }

    @Test
    void aFullServerClosesWhatItCannotServe() throws Exception {
        Peer.Echo full = (bytes, n) -> {
            Thread.sleep(150); // until the others have had an echo
            return null;
        };
        try (Peer peer = peer((bytes, n) -> bytes, (bytes, n) -> bytes, full)) {
            Json json = failed(outputs.run(peer.port(), "--parallel 3 --duration 300ms"),
                    "1 of 3 connections", "full");
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
            Json json = failed(outputs.run(peer.port(), "--parallel 2 --warmup 5 --repeat 5"
                    + " --timeout 400ms"), "at a time", "warm-up message 1");
            Check.lacks(json.values("error"), "--timeout");
            assertEquals(5, json.number("messages"));
        }
    }

    /** The last one has the fourth connection, and each message is a connection's first. */
    @Test
    void aServerThatGoesAway() throws Exception {
        Peer[] peer = new Peer[1];
        peer[0] = peer((bytes, n) -> bytes, (bytes, n) -> bytes, (bytes, n) -> bytes,
                (bytes, n) -> {
                    peer[0].stopListening();
                    return bytes;
                });
        try (Peer four = peer[0]) {
            Json json = failed(outputs.run(four.port(), "--connect --repeat 9"),
                    "127.0.0.1:" + four.port(), "4 connections");
            assertEquals(4, json.number("messages"));
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
        Ran ran = outputs.run(port, "");
        failed(ran, "127.0.0.1:" + port, "java EchoServer.java --port " + port);
        assertEquals(1, ran.err.lines().count());
        assertEquals("", ran.out + outputs.text("hgrm") + outputs.text("plot"));
        Ran unknown = Ran.client("--timeout 1s --host no-such\u001b\u009b-host.invalid");
        assertEquals(1, unknown.status);
        Check.has(unknown.err, "no-such..-host.invalid:5050");
        try (Program old = Program.java(List.of("-Djava.net.preferIPv4Stack=true"), "EchoClient",
                "--host", "::1")) {
            assertEquals(1, old.end(20));
            Check.has(old.err(), "[::1]:5050", "IPv6");
        }
    }

    /** TCP's simultaneous open: a client that happens to have the port that it connects to. */
    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void aConnectionToItselfIsRefused(String address) throws Exception {
        EchoClient.Connection connection =
                new EchoClient.Connection(EchoClient.Options.parse());
        SocketChannel channel = (SocketChannel) ClientRunTest.field(connection, "channel");
        channel.bind(new InetSocketAddress(address, 0));
        IOException refused = assertThrows(IOException.class, () -> connection.connect(
                (InetSocketAddress) channel.getLocalAddress(), Made.SECOND));
        Check.has(refused.getMessage(), "refused");
        connection.close();
    }

    /** A name with these addresses. */
    private Program withHosts(String addresses, int port, String line) throws IOException {
        Path hosts = folder.resolve("hosts");
        Files.writeString(hosts, addresses.replace(" ", " three\n") + " three\n");
        return Program.java(List.of("-Djdk.net.hosts.file=" + hosts), "EchoClient",
                ("--host three --port " + port + " " + line).split(" "));
    }

    /** Its share of --timeout was for connecting; for an echo it has all of it. */
    @Test
    void everyAddressOfANameIsTriedAndTheOneThatAnswersIsNamed() throws Exception {
        Assumptions.assumeTrue(System.getProperty("os.name").equals("Linux"), "127.0.0.2");
        try (Peer peer = peer((bytes, n) -> {
            Thread.sleep(n == 1 ? 900 : 0);
            return bytes;
        }); Program client = withHosts("127.0.0.2 127.0.0.1 127.0.0.3", peer.port(), "--bench"
                + " --size 10 --warmup 0 --repeat 5 --parallel 3 --timeout 1500ms --json "
                + folder.resolve("json"))) {
            assertEquals(0, client.end(20), client.err());
            assertEquals(3, peer.connectedAt.size());
            Check.has(client.out(), "three:" + peer.port() + " (127.0.0.1)");
            assertEquals("three 127.0.0.1", outputs.json().values("host address"));
        }
        int port = freePort();
        try (Program client = withHosts("127.0.0.2 127.0.0.1", port, "")) {
            assertEquals(1, client.end(20)); // what the first one said is told
            Check.has(client.err(), "three:" + port + " (127.0.0.2)");
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
    @Tag("slow")
    @Test
    void theTimeoutIsThatOfAllAddressesTogether() throws Exception {
        Assumptions.assumeTrue(System.getProperty("os.name").equals("Linux"), "127.0.0.2");
        List<Socket> waiting = new ArrayList<>();
        Check.three(() -> {
            try (ServerSocket full = full("0.0.0.0", waiting);
                    Program client = withHosts("127.0.0.2 127.0.0.1 127.0.0.3",
                            full.getLocalPort(), "--timeout 900ms")) {
                Check.between(900, 3000, Check.millis(() -> assertEquals(1, client.end(20))));
                Check.has(client.err(), "(127.0.0.2)", "900.0 ms");
                String line = "--timeout 300ms --port " + full.getLocalPort();
                Check.between(300, 900, Check.millis(() -> assertEquals(1,
                        Ran.client(line).status)));
            }
            try (ServerSocket full = full("127.0.0.2", waiting);
                    EchoServer server = EchoServer.start("--port", "" + full.getLocalPort());
                    Program client = withHosts("127.0.0.2 127.0.0.1", server.port(),
                            "--timeout 3s")) {
                Check.between(1500, 2900, Check.millis(() ->
                        assertEquals(0, client.end(20), client.err())));
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
            failed(outputs.run(peer.port(), "--plot " + nowhere), nowhere);
            assertEquals(0, peer.connectedAt.size());
            assertEquals("", outputs.text("hgrm"));
        }
    }

    @Test
    void aMessageAndItsFailureAreJsonToo() throws Exception {
        try (Peer peer = Peer.echoes(12, 3)) {
            String port = "--port " + peer.port();
            Json json = Ran.client(port + " --json -").json();
            assertEquals(1, json.number("messages"));
            Check.between(3000, 3e6, json.number("rtt_us.max"));
            Ran lost = Ran.client(port + " --json - --message ab --timeout 100ms");
            assertEquals("1 false", lost.status + " " + lost.json().values("valid"));
            Check.has(Ran.client(port + " --timeout 100ms --message ab").err, "--line");
        }
    }

    /** Of lines that are sent one after the other: how many came back before, on this connection. */
    @Test
    void aTalkThatEndsInSilence() throws Exception {
        try (Peer peer = Peer.answers(2, (message, n) -> n > 2 ? new byte[0] : message);
                Program client = Program.java(List.of(), "EchoClient", "--message", "-",
                        "--timeout", "300ms", "--port", "" + peer.port())) {
            client.in().write("a\nb\nc\n".getBytes());
            client.in().close();
            assertEquals(1, client.end(20));
            Check.has(client.err(), "message 3", "2 messages", "this connection");
        }
    }
}
