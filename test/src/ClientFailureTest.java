import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What happens when a server is lost, silent, wrong or not there. */
@Timeout(60)
class ClientFailureTest {

    @TempDir
    Path folder;

    /** The client with --bench, messages of 10 bytes, and three files that hold "old". */
    private Ran bench(int port, String... arguments) throws IOException {
        List<String> all = new ArrayList<>(List.of("--size", "10"));
        for (String file : List.of("json", "hgrm", "plot")) {
            Files.writeString(folder.resolve(file), "old");
            all.addAll(List.of("--" + file, folder.resolve(file).toString()));
        }
        all.addAll(List.of(arguments));
        return Ran.bench(port, all.toArray(new String[0]));
    }

    private Json json() throws IOException {
        return Json.of(Files.readString(folder.resolve("json")));
    }

    private String file(String name) throws IOException {
        return Files.readString(folder.resolve(name));
    }

    private static void names(Ran ran, String... facts) {
        assertEquals(1, ran.status, ran.toString());
        assertFalse(ran.err.contains("\tat "), ran.err);
        for (String fact : facts) {
            assertTrue(ran.err.contains(fact), fact + " in " + ran);
        }
    }

    /** Echoes messages of 10 bytes with 2 ms each; the given connection only so many. */
    private static Peer closes(int which, int after) throws IOException {
        return Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            for (int i = 1; bytes.length == 10 && (number != which || i <= after); i++) {
                Thread.sleep(2);
                client.getOutputStream().write(bytes);
                bytes = Peer.read(client, 10);
            }
        });
    }

    @Test
    void aLostConnectionDoesNotEndTheOthers() throws Exception {
        try (Peer peer = closes(2, 13)) {
            Ran ran = bench(peer.port(), "--parallel", "3", "--warmup", "10", "--repeat", "40");
            names(ran, "1 of 3 connections", "message 4", "0 of 10 bytes");
            assertTrue(ran.out.contains("FAILED"), ran.out);
            assertEquals(false, json().get("valid"));
            assertEquals(1, json().number("connections_lost"));
            assertEquals(83, json().number("messages"));
            assertEquals(30, json().number("warmup.messages"));
            assertTrue(json().number("rtt_us.min") >= 2000);
            assertTrue(ran.err.contains(json().string("error")));
            double failedAt = ReportTest.timeAfter(ran.out, "FAILED after") / 1e6;
            assertTrue(failedAt >= 0.006 && failedAt < json().number("elapsed_s"));
            assertTrue(file("hgrm").contains("Total count"));
            assertTrue(file("plot").contains("FAILED after"));
        }
    }

    @Test
    void withARateTheMessagesOfTheLostWaitUntilTheEnd() throws Exception {
        try (Peer peer = closes(2, 5)) {
            bench(peer.port(), "--parallel", "2", "--warmup", "0", "--rate", "100",
                    "--duration", "500ms");
            assertEquals(30, json().number("messages"));
            assertEquals(20, json().number("unanswered"));
            assertEquals(1, json().number("connections_lost"));
            assertEquals(390_000, json().number("response_us.max"), 110_000);
        }
    }

    @Test
    void whenAllAreLostTheRunEndsAtOnce() throws Exception {
        try (Peer peer = Peer.start((client, number) -> client.getOutputStream()
                .write(Peer.read(client, 10)))) {
            long began = System.nanoTime();
            Ran ran = bench(peer.port(), "--parallel", "3", "--warmup", "0", "--duration",
                    "1h");
            names(ran, "3 of 3 connections");
            assertEquals(3, json().number("messages"));
            assertEquals(3, json().number("connections_lost"));
            assertTrue(System.nanoTime() - began < 5 * Made.SECOND);
        }
    }

    @Test
    void aSilentConnectionIsGivenUpAfterTheTimeout() throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.start((client, number) -> {
                client.getOutputStream().write(Peer.read(client, 30));
                Peer.read(client, 1000);
            })) {
                Ran ran = bench(peer.port(), "--warmup", "0", "--timeout", "600ms", "--size",
                        "30");
                names(ran, "timed out", "600", "message 2", "0 of 30 bytes");
                assertEquals(1, json().number("messages"));
                assertEquals(1, json().number("waiting"));
                double waited = json().number("waiting_us_max") / 1e3;
                assertTrue(waited > 600 && waited < 1000, waited + " ms");
                assertEquals(json().number("waiting_us_max"), json().number("rtt_us.max"), 1);
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
            Ran ran = bench(peer.port(), "--warmup", "0", "--repeat", "1", "--timeout",
                    "900ms");
            assertEquals(0, ran.status, ran.toString());
            assertTrue(json().number("rtt_us.max") > 1_000_000);
        }
    }

    @Test
    void aWrongByteEndsEverythingAndNothingOldStays() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            for (int i = 1; i < 1000; i++) {
                byte[] bytes = Peer.read(client, 10);
                bytes[7] ^= i == 5 ? 0x20 : 0;
                client.getOutputStream().write(bytes);
            }
        })) {
            Ran ran = bench(peer.port(), "--warmup", "2", "--duration", "1h", "--parallel",
                    "2");
            names(ran, "INVALID", "message 3", "offset 7");
            assertEquals("", ran.out);
            assertEquals(false, json().get("valid"));
            assertTrue(json().string("error").contains("offset 7"));
            assertFalse(json().has("rtt_us"));
            assertEquals("", file("hgrm") + file("plot"));
        }
    }

    @ParameterizedTest
    @CsvSource({"'Hello, Echo!', 7", "'Hello, echo!!', 12", "'Hello, wor', 7", "X, 0"})
    void theFirstWrongByteIsReported(String echo, int offset) throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            Peer.read(client, 12);
            client.getOutputStream().write(echo.getBytes());
        })) {
            names(Ran.client("--port", "" + peer.port()), "INVALID", "message 1",
                    "offset " + offset + ":");
        }
    }

    @Test
    void aSurplusByteIsFoundByTheNextMessageOrAtTheEnd() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            byte[] bytes = Arrays.copyOf(Peer.read(client, 10), 11);
            bytes[10] = 'x';
            client.getOutputStream().write(bytes);
            Peer.read(client, 10);
        })) {
            names(bench(peer.port(), "--warmup", "0", "--repeat", "2"), "INVALID");
            names(bench(peer.port(), "--warmup", "0", "--repeat", "1", "--connect"), "INVALID",
                    "offset 10", "nothing more");
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
            Ran ran = bench(peer.port(), "--parallel", "2", "--warmup", "5", "--repeat", "5",
                    "--timeout", "400ms");
            names(ran, "one client at a time", "warm-up message 1");
            assertFalse(ran.err.contains("--timeout"), ran.err);
            assertEquals(5, json().number("messages"));
        }
    }

    @Test
    void aServerThatReadsLinesIsTold() throws Exception {
        try (Peer peer = Peer.start((client, number) -> new BufferedReader(
                new InputStreamReader(client.getInputStream())).readLine())) {
            names(Ran.client("--port", "" + peer.port(), "--timeout", "200ms"), "--line");
        }
        try (Peer peer = Peer.start((client, number) -> {
            byte[] line = Peer.read(client, 10);
            client.getOutputStream().write(Arrays.copyOf(line, 9));
            client.getOutputStream().write("\r\n".getBytes());
        })) {
            names(bench(peer.port(), "--warmup", "0", "--line"), "CRLF", "offset 9");
        }
    }

    @Test
    void nobodyListens() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        Ran ran = bench(port);
        names(ran, "127.0.0.1:" + port, "java EchoServer.java --port " + port);
        assertEquals(1, ran.err.lines().count());
        assertEquals("", ran.out + file("hgrm") + file("plot"));
        assertEquals(false, json().get("valid"));
        assertTrue(ran.err.contains(json().string("error")));
        names(Ran.client("--host", "no-such-host.invalid", "--timeout", "1s"),
                "no-such-host.invalid:5050");
    }

    @Test
    void everyAddressOfANameIsTriedAndTheOneThatAnswersIsNamed() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Json json = Ran.bench(server.port(), "--host", "localhost", "--repeat", "5",
                    "--warmup", "0", "--json", "-").json();
            assertEquals("localhost", json.string("host"));
            assertEquals("127.0.0.1", json.string("address"));
        }
    }

    @Test
    void aFileThatCannotBeWrittenIsToldBeforeTheRun() throws Exception {
        try (Peer peer = Peer.echo(10, 0)) {
            String nowhere = folder.resolve("no/such").toString();
            Files.writeString(folder.resolve("json"), "old");
            Ran ran = Ran.bench(peer.port(), "--json", folder.resolve("json").toString(),
                    "--hgrm", nowhere);
            names(ran, nowhere);
            assertEquals(0, peer.connectedAt.size());
            assertEquals(false, json().get("valid"));
        }
    }

    @Test
    void filesAreReplacedInPlaceAndLinksStay() throws Exception {
        try (Peer peer = Peer.echo(10, 0)) {
            Path target = Files.writeString(folder.resolve("target"), "x".repeat(100_000));
            Path link = Files.createSymbolicLink(folder.resolve("link"), target);
            Ran ran = bench(peer.port(), "--warmup", "0", "--repeat", "20", "--json",
                    link.toString());
            assertEquals(0, ran.status, ran.toString());
            assertTrue(Files.isSymbolicLink(link));
            Json json = Json.of(Files.readString(target));
            assertEquals(20, json.number("messages"));
            assertEquals(true, json.get("valid"));
            assertFalse(json.has("error"));
            assertTrue(file("hgrm").contains("Total count    =           20"), file("hgrm"));
            assertTrue(file("plot").contains("20 in all"));
            assertTrue(file("hgrm").contains(String.format(Locale.ROOT, "%.3f",
                    json.number("rtt_us.max"))));
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
        }
    }
}
