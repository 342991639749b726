import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.Field;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.*;
import org.junit.jupiter.api.*;

/** What the client measures, against a server that has a clock of its own. */
@Timeout(60)
class ClientRunTest {

    private static Ran good(Ran ran) {
        assertEquals(0, ran.status, ran.toString());
        return ran;
    }

    @Test
    void aClosedLoopIsWhatThePeerSaw() throws Exception {
        try (Peer peer = Peer.echo(100, 5)) {
            Json json = good(Ran.bench(peer.port(), "--size", "100", "--repeat", "30",
                    "--warmup", "4", "--json", "-")).json();
            assertEquals(34, peer.notedAt.size());
            double seen = (peer.notedAt.get(33) - peer.notedAt.get(4)) / 1e9;
            assertEquals(30, json.number("messages"));
            assertEquals(4, json.number("warmup.messages"));
            assertTrue(json.number("warmup.mean_us") >= 5000);
            assertTrue(json.number("rtt_us.min") >= 5000);
            double elapsed = json.number("elapsed_s");
            double sum = 30 * json.number("rtt_us.mean") / 1e6;
            assertTrue(elapsed > seen + 0.005, elapsed + " and " + seen);
            assertTrue(elapsed < seen + 2 * json.number("rtt_us.max") / 1e6, elapsed + "");
            assertTrue(sum <= elapsed && sum > 0.8 * elapsed, sum + " of " + elapsed);
            assertEquals(30 / elapsed, json.number("messages_s"), 0.01);
            assertEquals(1, json.number("reads_mean"));
            assertEquals(1, peer.connectedAt.size());
            assertTrue(json.number("connect_us_max") > 1);
            assertEquals("127.0.0.1", json.string("address"));
        }
    }

    @Test
    void theTextIsThatOfTheSameRun() throws Exception {
        File file = File.createTempFile("echo", ".json");
        try (EchoServer server = EchoServer.start("--port", "0")) {
            String text = good(Ran.bench(server.port(), "--parallel", "2", "--repeat", "1500",
                    "--warmup", "1000", "--size", "3k", "--json", file.getPath())).out;
            Json json = Json.of(java.nio.file.Files.readString(file.toPath()));
            String[] lines = text.split("\n");
            assertEquals("[bench] repeats: 3000, msg_len: 3072 bytes", lines[0]);
            assertEquals(String.format(Locale.ROOT,
                    "[bench] avg RTT: %.3f ms, p95 RTT: %.3f ms",
                    json.number("rtt_us.mean") / 1e3, json.number("rtt_us.p95") / 1e3),
                    lines[1].replaceAll("\r", ""));
            assertEquals(String.format(Locale.ROOT,
                    "[bench] throughput: %.2f MiB/s (%.2f MB/s)",
                    json.number("throughput_mib_s"),
                    json.number("throughput_mib_s") * 1.048576), lines[2]);
            ReportTest.agrees(text, "RTT", json, "rtt_us");
            assertEquals(json.number("connect_us_max"),
                    ReportTest.timeAfter(text, "connected in"),
                    json.number("connect_us_max") / 90 + 0.01);
            assertEquals(json.number("warmup.mean_us"),
                    ReportTest.timeAfter(text, ", mean"), json.number("warmup.mean_us") / 90);
            assertTrue(text.contains("2,000 messages"), text); // 1,000 on each
            assertTrue(text.contains("127.0.0.1:" + server.port() + " (127.0.0.1)"), text);
        } finally {
            file.delete();
        }
    }

    @Test
    void theDefaultsAreTheClassicCase() throws Exception {
        AtomicLong bytes = new AtomicLong();
        try (Peer peer = Peer.start((client, number) -> {
            byte[] buffer = new byte[65536];
            int n = client.getInputStream().read(buffer);
            while (n >= 0) {
                bytes.addAndGet(n);
                client.getOutputStream().write(buffer, 0, n);
                n = client.getInputStream().read(buffer);
            }
        })) {
            Json json = good(Ran.bench(peer.port(), "--json", "-")).json();
            assertEquals(2000, json.number("messages"));
            assertEquals(1024, json.number("message_bytes"));
            double warm = json.number("warmup.messages");
            assertTrue(warm <= 20_000 && warm > 100, "" + warm);
            assertEquals(1024 * (2000 + warm), bytes.get());
        }
    }

    @Test
    void theWarmUpEndsAfterItsTime() throws Exception {
        try (Peer peer = Peer.echo(10, 5)) {
            Json json = good(Ran.bench(peer.port(), "--size", "10", "--warmup", "300ms",
                    "--repeat", "1", "--json", "-")).json();
            double warm = json.number("warmup.messages");
            double seconds = (peer.notedAt.get((int) warm) - peer.notedAt.get(0)) / 1e9;
            assertEquals(0.3, seconds, 0.1);
            assertEquals(peer.notedAt.size(), warm + 1);
        }
    }

    @Test
    void aDurationIsKept() throws Exception {
        try (Peer peer = Peer.echo(10, 1)) {
            Tries.three(() -> {
                int before = peer.notedAt.size();
                Json json = good(Ran.bench(peer.port(), "--size", "10", "--warmup", "0",
                        "--duration", "250ms", "--json", "-")).json();
                assertEquals(peer.notedAt.size() - before, json.number("messages"));
                assertEquals(0.25, json.number("elapsed_s"), 0.05);
                assertEquals(0, json.number("warmup.messages"));
            });
        }
    }

    @Test
    void aScheduleIsKeptByThePeersClock() throws Exception {
        try (Peer peer = Peer.echo(10, 0)) {
            Tries.three(() -> {
                peer.notedAt.clear();
                Json json = good(Ran.bench(peer.port(), "--size", "10", "--warmup", "0",
                        "--parallel", "2", "--rate", "100", "--duration", "400ms", "--json",
                        "-")).json();
                assertEquals(40, json.number("messages"));
                assertEquals(40, peer.notedAt.size());
                List<Long> times = new ArrayList<>(peer.notedAt);
                Collections.sort(times);
                List<Double> late = new ArrayList<>(); // in ms, beside the first one
                for (int i = 0; i < 40; i++) {
                    late.add((times.get(i) - times.get(0)) / 1e6 - i * 10);
                }
                Collections.sort(late);
                assertEquals(0, late.get(20), 4, late.toString());
                assertEquals(0.4, json.number("elapsed_s"), 0.05);
                assertEquals(0, json.number("unsent"));
            });
        }
    }

    @Test
    void aSlowScheduleHasHalfMessages() throws Exception {
        try (Peer peer = Peer.echo(10, 0)) {
            Tries.three(() -> {
                peer.notedAt.clear();
                good(Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--rate", "2.5",
                        "--repeat", "2"));
                assertEquals(400, (peer.notedAt.get(1) - peer.notedAt.get(0)) / 1e6, 20);
            });
        }
    }

    /** Echoes messages of 10 bytes; before the one of this number it stands still. */
    private static Peer stalls(int message, int millis) throws IOException {
        return Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            for (int i = 1; bytes.length == 10; i++) {
                Thread.sleep(i == message ? millis : 0);
                client.getOutputStream().write(bytes);
                bytes = Peer.read(client, 10);
            }
        });
    }

    @Test
    void aStallMakesAllMessagesSlowThatWereDueMeanwhile() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(20, 300)) {
                Json json = good(Ran.bench(peer.port(), "--size", "10", "--warmup", "0",
                        "--rate", "100", "--repeat", "100", "--json", "-")).json();
                double most = json.number("response_us.max");
                double behind = json.number("behind_messages");
                assertTrue(most >= 300_000 && most < 500_000, "" + most);
                assertTrue(behind >= 26 && behind < 50, "" + behind);
                assertEquals(most - 10_000, json.number("behind_us_max"), 50_000);
                assertTrue(json.number("response_us.p90") > 150_000);
                assertTrue(json.number("response_us.p50") < 150_000);
                assertTrue(json.number("rtt_us.p90") < 150_000);
                assertEquals(0.19, json.number("max_at_s"), 0.001);
            }
        });
    }

    @Test
    void aStallAcrossTheEndIsCountedForAsLongAsTheRunAgain() throws Exception {
        try (Peer peer = stalls(11, 60_000)) {
            Tries.three(() -> {
                Json json = Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--rate",
                        "100", "--duration", "300ms", "--json", "-").json();
                assertEquals(0.6, json.number("elapsed_s"), 0.25);
                assertEquals(10, json.number("messages"));
                assertEquals(1, json.number("waiting"));
                assertEquals(19, json.number("unsent"));
                assertEquals(20, json.number("unanswered"));
                double elapsed = json.number("elapsed_s") * 1e6;
                assertEquals(elapsed - 100_000, json.number("response_us.max"), 1000);
                assertEquals(elapsed - 100_000, json.number("waiting_us_max"), 1000);
            });
        }
    }

    @Test
    void aNewConnectionForEachMessage() throws Exception {
        try (Peer peer = Peer.echo(10, 2)) {
            Ran ran = good(Ran.bench(peer.port(), "--size", "10", "--connect", "--repeat", "20",
                    "--warmup", "3", "--json", "-"));
            Json json = ran.json();
            assertEquals(23, peer.connectedAt.size());
            Program.await(5, "all have ended", () -> peer.ends.size() == 23);
            assertEquals(Set.of("end"), new HashSet<>(peer.ends)); // no reset
            assertEquals(20, json.number("messages"));
            assertEquals(3, json.number("warmup.messages"));
            assertTrue(json.number("rtt_us.min") >= 2000 + json.number("connect_us.min"));
            assertTrue(json.number("connect_us.max") <= json.number("connect_us_max"));
            assertTrue(json.number("connect_us.min") > 5);
        }
        EchoClient.Trip trip = new EchoClient.Trip();
        trip.connectNanos = 500;
        trip.sendAt(2000);
        assertEquals(1500, trip.startNanos);
    }

    @Test
    void theWarmUpOfNewConnectionsIsShort() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Json json = good(Ran.bench(server.port(), "--connect", "--parallel", "3",
                    "--warmup", "30s", "--repeat", "4", "--json", "-")).json();
            assertEquals(1000, json.number("warmup.messages"));
            assertEquals(12, json.number("messages"));
        }
    }

    @Test
    void intervalsAreToldAndAddUp() throws Exception {
        try (Peer peer = Peer.echo(10, 2)) {
            Ran ran = good(Ran.bench(peer.port(), "--size", "10", "--warmup", "20",
                    "--duration", "450ms", "--interval", "100ms", "--json", "-"));
            double sum = 0;
            double nanos = 0;
            List<?> all = ran.json().list("intervals");
            List<String> lines = ran.err.lines().filter(line -> line.contains(" s: "))
                    .collect(Collectors.toList());
            assertEquals(all.size(), lines.size(), ran.err);
            for (int i = 0; i < all.size(); i++) {
                Map<?, ?> one = (Map<?, ?>) all.get(i);
                double messages = (Double) one.get("messages");
                sum += messages;
                if (i < 4) {
                    assertEquals((i + 1) / 10.0, (Double) one.get("end_s"), 1e-9);
                }
                if (messages > 0) {
                    nanos += messages * (Double) one.get("mean_us");
                    assertTrue((Double) one.get("max_us") >= 2000);
                    assertTrue(lines.get(i).contains(String.format(Locale.ROOT, "%.0f message",
                            messages)), lines.get(i));
                }
            }
            assertEquals(ran.json().number("messages"), sum);
            assertEquals(ran.json().number("rtt_us.mean"), nanos / sum, 0.5);
        }
    }

    @Test
    void aLimitForP99() throws Exception {
        try (Peer peer = Peer.echo(10, 2)) {
            Ran above = Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--repeat",
                    "100", "--max-p99", "1500us");
            assertEquals(1, above.status);
            assertEquals(1, above.err.lines().count());
            double p99 = ReportTest.row(above.out, "RTT")[4];
            assertEquals(p99, ReportTest.timeAfter(above.err, "p99 is"));
            assertEquals(1500, ReportTest.timeAfter(above.err, "--max-p99"));
            good(Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--repeat", "100",
                    "--max-p99", "10s"));
            Ran few = Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--repeat", "99",
                    "--max-p99", "10s");
            assertEquals(1, few.status);
            assertTrue(few.err.contains("--max-p99"), few.err);
        }
        Tries.three(() -> {
            try (Peer peer = stalls(20, 300)) { // RTT is fast, the response is not
                assertEquals(1, Ran.bench(peer.port(), "--size", "10", "--warmup", "0",
                        "--rate", "200", "--repeat", "110", "--max-p99", "150ms").status);
            }
        });
    }

    @Test
    void aServerThatReadsLines() throws Exception {
        List<String> lines = Collections.synchronizedList(new ArrayList<>());
        try (Peer peer = Peer.start((client, number) -> {
            BufferedReader in = new BufferedReader(new InputStreamReader(
                    client.getInputStream(), StandardCharsets.US_ASCII));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
                client.getOutputStream().write((line + "\n").getBytes());
            }
        })) {
            good(Ran.bench(peer.port(), "--line", "--size", "30", "--repeat", "50", "--warmup",
                    "5"));
            assertEquals(55, lines.size());
            assertTrue(lines.stream().allMatch(line -> line.matches("[a-z]{29}")));
            assertEquals(55, new HashSet<>(lines).size());
            lines.clear();
            Ran one = good(Ran.client("--port", "" + peer.port(), "--line", "--message", "hi"));
            assertEquals(List.of("hi"), lines);
            assertTrue(one.out.contains("\"hi\\n\" (3 bytes)"), one.out);
        }
    }

    @Test
    void aLargeMessageDoesNotDeadlock() throws Exception {
        try (Peer peer = Peer.start((client, number) -> client.getInputStream()
                .transferTo(client.getOutputStream()))) {
            Json json = good(Ran.bench(peer.port(), "--size", "24m", "--repeat", "2",
                    "--warmup", "0", "--json", "-")).json();
            assertTrue(json.number("reads_mean") > 1);
            assertEquals(24 << 20, json.number("message_bytes"));
        }
    }

    @Test
    void anEchoInPiecesIsCountedAndMeasuredToItsLastByte() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 9);
            for (int i = 0; i < bytes.length; i += 3) {
                client.getOutputStream().write(bytes, i, 3);
                Thread.sleep(40);
            }
        })) {
            Json json = good(Ran.bench(peer.port(), "--size", "9", "--repeat", "1", "--warmup",
                    "0", "--json", "-")).json();
            assertEquals(3, json.number("reads_mean"));
            assertTrue(json.number("rtt_us.max") >= 80_000);
        }
    }

    /** By a server in this process, which looks all the time and has the same clock. */
    @Test
    void theClockStartsBeforeTheFirstByteIsSent() throws Exception {
        AtomicLong seen = new AtomicLong();
        try (Peer peer = Peer.start((client, number) -> {
            while (true) {
                while (client.getInputStream().available() == 0) {
                    Thread.onSpinWait();
                }
                seen.set(System.nanoTime());
                client.getOutputStream().write(Peer.read(client, 20_000));
            }
        })) {
            for (String mode : List.of("--nagle", "--spin")) { // blocking, and polling
                EchoClient.Server server = new EchoClient.Server(
                        EchoClient.Options.parse("--port", "" + peer.port(), mode));
                EchoClient.Connection connection = server.find();
                EchoClient.Trip trip = new EchoClient.Trip();
                for (int i = 0; i < 500; i++) {
                    trip.begin(ByteBuffer.allocate(20_000));
                    long before = System.nanoTime();
                    connection.roundTrip(trip);
                    long after = System.nanoTime();
                    assertTrue(before <= trip.startNanos && trip.startNanos <= seen.get());
                    assertTrue(seen.get() < trip.endNanos && trip.endNanos <= after);
                }
                server.closeAll();
            }
        }
    }

    private static Object field(Object of, String name) throws Exception {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    @Test
    void nagleAndSpinChangeTheSocket() throws Exception {
        try (Peer peer = Peer.echo(1, 0)) {
            for (String mode : List.of("--line", "--nagle", "--spin")) {
                EchoClient.Server server = new EchoClient.Server(
                        EchoClient.Options.parse("--port", "" + peer.port(), mode));
                EchoClient.Connection connection = server.find();
                EchoClient.Trip trip = new EchoClient.Trip();
                trip.begin(ByteBuffer.allocate(1));
                connection.roundTrip(trip);
                SocketChannel channel = (SocketChannel) field(connection, "channel");
                assertEquals(!mode.equals("--nagle"),
                        channel.getOption(StandardSocketOptions.TCP_NODELAY), mode);
                assertEquals(!mode.equals("--spin"), channel.isBlocking(), mode);
                server.closeAll();
            }
        }
    }

    @Test
    void oneMessage() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            byte[] all = Peer.read(client, 12);
            Thread.sleep(30);
            client.getOutputStream().write(all);
        })) {
            String[] lines = good(Ran.client("--port", "" + peer.port())).out.split("\n");
            assertEquals("[client] sent    : \"Hello, echo!\" (12 bytes)", lines[0]);
            assertEquals("[client] received: \"Hello, echo!\" (12 bytes)", lines[1]);
            assertTrue(lines[2].matches("\\[client] RTT     : [0-9]+[.][0-9]{3} ms"), lines[2]);
            assertTrue(Double.parseDouble(lines[2].split(" +")[3]) >= 30, lines[2]);
            assertEquals(3, lines.length);
        }
    }

    @Test
    void whatSteersATerminalIsADotAndTextIsCutBetweenCharacters() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            String family = "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67";
            Map<String, String> shown = Map.of("a\u001b[31m\u0007", "\"a.[31m.\" (7 bytes)",
                    "a\r\n", "\"a\\r\\n\" (3 bytes)", "x", "\"x\" (1 byte)",
                    family.repeat(70), "\"" + family.repeat(60) + "...\" (1260 bytes)",
                    "", "\"\" (0 bytes)", "\u20ac", "\"\u20ac\" (3 bytes)");
            for (String message : shown.keySet()) {
                String out = good(Ran.client("--port", "" + server.port(), "--message",
                        message)).out;
                assertTrue(out.contains("sent    : " + shown.get(message) + "\n"), out);
                assertTrue(out.contains("received: " + shown.get(message) + "\n"), out);
            }
        }
    }

    @Test
    void eachLineOfStandardInputIsAMessage() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = Program.java("EchoClient", "--message", "-", "--port",
                        "" + server.port())) {
            client.in().write("one\ntwo".getBytes());
            client.in().close();
            assertEquals(0, client.end(20));
            assertTrue(client.out().contains("received: \"one\\n\" (4 bytes)"), client.out());
            assertTrue(client.out().contains("received: \"two\" (3 bytes)"), client.out());
            assertEquals(6, client.out().lines().count());
        }
    }
}
