import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.management.*;
import java.lang.reflect.Field;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What the client measures, against a server with a clock of its own; and its files. */
@Timeout(60)
class ClientRunTest {
    @TempDir Path folder;

    private static Ran good(Ran ran) {
        assertEquals(0, ran.status, ran.toString());
        return ran;
    }

    /** The JSON of a good run, of messages of 10 bytes and without a warm-up. */
    static Json bench(Peer peer, String line) {
        return good(Ran.bench(peer.port(), "--json - " + line)).json();
    }

    static Object field(Object of, String name) throws Exception {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    @Test
    void aClosedLoopIsWhatThePeerSaw() throws Exception {
        try (Peer peer = Peer.echoes(100, 5)) {
            Json json = bench(peer, "--size 100 --repeat 30 --warmup 4");
            assertEquals("30 4 1 127.0.0.1",
                    json.values("messages warmup.messages reads_mean address"));
            assertEquals(34, peer.receivedAt.size());
            assertEquals(1, peer.connectedAt.size());
            double seen = (peer.receivedAt.get(33) - peer.receivedAt.get(4)) / 1e9;
            double elapsed = json.number("elapsed_s");
            double sum = 30 * json.number("rtt_us.mean") / 1e6;
            Check.between(seen + 0.005, seen + 2 * json.number("rtt_us.max") / 1e6, elapsed);
            Check.between(0.8 * elapsed, elapsed, sum);
            assertEquals(30 / elapsed, json.number("messages_s"), 0.01);
            Check.between(5000, sum * 1e6, json.number("rtt_us.min"));
            Check.between(5000, sum * 1e6, json.number("warmup.mean_us"));
            Check.between(1, 1e6, json.number("connect_us_max"));
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
            Json json = good(Ran.client("--bench --port " + peer.port() + " --json -")).json();
            assertEquals("2000 1024", json.values("messages message_bytes"));
            double warm = json.number("warmup.messages");
            Check.between(100, 20_000, warm);
            assertEquals(1024 * (2000 + warm), bytes.get());
        }
    }

    /** Both with a time and with one connection for each message. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--connect"})
    void theWarmUpEndsAfterItsTime(String way) throws Exception {
        Check.three(() -> {
            try (Peer peer = Peer.echoes(10, 5)) {
                Json json = bench(peer, "--warmup 300ms --repeat 1 " + way);
                double warm = json.number("warmup.messages");
                assertEquals(300, (peer.receivedAt.get((int) warm) - peer.receivedAt.get(0)) / 1e6,
                        100);
                assertEquals(peer.receivedAt.size(), warm + 1);
            }
        });
    }

    @Test
    void aDurationIsKept() throws Exception {
        Check.three(() -> {
            try (Peer peer = Peer.echoes(10, 1)) {
                Json json = bench(peer, "--duration 250ms");
                assertEquals(peer.receivedAt.size(), json.number("messages"));
                assertEquals(0.25, json.number("elapsed_s"), 0.05);
                assertEquals(0, json.number("warmup.messages"));
            }
        });
    }

    /** Each from before connecting, the first one, too; nothing of them stays. */
    @Test
    void aNewConnectionForEachMessage() throws Exception {
        try (Peer peer = Peer.echoes(10, 2)) {
            Json json = bench(peer, "--connect --repeat 20 --warmup 3");
            assertEquals(23, peer.connectedAt.size());
            Check.await(5, "all have ended", () -> peer.ends.size() == 23);
            assertEquals(Set.of("end"), new HashSet<>(peer.ends)); // no reset
            assertEquals("20 3", json.values("messages warmup.messages"));
            Check.between(2000 + json.number("connect_us.min"), 1e6, json.number("rtt_us.min"));
            Check.between(5, json.number("connect_us_max"), json.number("connect_us.max"));
            Json first = bench(peer, "--connect --repeat 1");
            Check.between(2000 + first.number("connect_us.min"), 1e6, first.number("rtt_us.min"));
        }
        try (Peer peer = Peer.echoesAll()) {
            int before = new File("/proc/self/fd").list().length;
            bench(peer, "--connect --spin --repeat 300");
            int after = new File("/proc/self/fd").list().length;
            assertTrue(after < before + 20, before + " descriptors, then " + after);
            EchoClient.Server server = new EchoClient.Server(
                    EchoClient.Options.parse("--port", "" + peer.port()));
            EchoClient.Connection connection = server.find();
            assertEquals(List.of(1, 1), List.of(server.connections(), server.connected()));
            server.close(connection);
            assertEquals(List.of(0, 1), List.of(server.connections(), server.connected()));
        }
        EchoClient.Trip trip = new EchoClient.Trip();
        trip.connectNanos = 500;
        trip.sendAt(2000);
        assertEquals(1500, trip.startNanos);
    }

    @Test
    void theWarmUpOfNewConnectionsIsShort() throws Exception {
        try (Peer peer = Peer.echoesAll()) {
            assertEquals("1000 12", bench(peer, "--connect --parallel 3 --warmup 30s --repeat 4")
                    .values("warmup.messages messages"));
        }
    }

    @Test
    void intervalsAreToldAndAddUp() throws Exception {
        try (Peer peer = Peer.echoes(10, 2)) {
            Ran ran = good(Ran.bench(peer.port(), "--warmup 20 --duration 450ms --interval 100ms"
                    + " --json -"));
            double sum = 0;
            double micros = 0;
            List<Json> all = ran.json().objects("intervals");
            List<String> lines = ran.err.lines().filter(line -> line.contains(" s: "))
                    .collect(Collectors.toList());
            assertEquals(all.size(), lines.size(), ran.err);
            for (int i = 0; i < all.size(); i++) {
                double messages = all.get(i).number("messages");
                sum += messages;
                if (i < 4) {
                    assertEquals((i + 1) / 10.0, all.get(i).number("end_s"), 1e-9);
                    Check.has(lines.get(i), "0." + (i + 1) + " s");
                }
                if (messages > 0) {
                    micros += messages * all.get(i).number("mean_us");
                    assertTrue(all.get(i).number("max_us") >= 2000);
                    Check.has(lines.get(i), String.format(Locale.ROOT, "%.0f message", messages));
                }
            }
            assertEquals(ran.json().number("messages"), sum);
            assertEquals(ran.json().number("rtt_us.mean"), micros / sum, 0.5);
        }
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
            bench(peer, "--line --size 30 --repeat 50 --warmup 5");
            assertEquals(55, new HashSet<>(lines).size());
            assertTrue(lines.stream().allMatch(line -> line.matches("[a-z]{29}")));
            lines.clear();
            Ran one = good(Ran.client("--port " + peer.port() + " --line --message hi"));
            assertEquals(List.of("hi"), lines);
            Check.has(one.out, "\"hi\\n\" (3 bytes)");
        }
    }

    /** Collections of garbage are those of the measurement; the load is that of before. */
    @Test
    void theMachineIsToldAsItWas() throws Exception {
        AtomicLong count = new AtomicLong();
        try (Peer peer = Peer.answers(10, (message, n) -> {
            if (count.incrementAndGet() % 4 == 0) {
                System.gc(); // at messages 4, 8 and 12
            }
            return message;
        })) {
            long before = collections();
            double counted = bench(peer, "--warmup 6 --repeat 7").number("environment.gc_count");
            Check.between(2, collections() - before - 1, counted);
        }
        Path file = Path.of("/proc/loadavg");
        if (Files.exists(file)) {
            Check.three(() -> {
                try (Peer peer = Peer.echoesAll()) {
                    double load = Double.parseDouble(Files.readString(file).split(" ")[0]);
                    assertEquals(load, bench(peer, "--repeat 9").number(
                            "environment.load_average"), 0.011);
                }
            });
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount).sum();
    }

    @Test
    void aLargeMessageDoesNotDeadlock() throws Exception {
        try (Peer peer = Peer.echoesAll()) {
            Json json = bench(peer, "--size 24m --repeat 2");
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
            for (Json json : List.of(bench(peer, "--size 9 --repeat 1"), good(Ran.client(
                    "--json - --message 123456789 --port " + peer.port())).json())) {
                assertEquals(3, json.number("reads_mean"));
                assertTrue(json.number("rtt_us.max") >= 80_000);
            }
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

    /** Small messages block; large ones do not, but rest while they wait; only polling works. */
    @ParameterizedTest
    @CsvSource({"--line, 1, true, true", "--nagle, 1, false, true", "--spin, 1, true, false",
        "--line, 8000000, true, false"})
    void nagleSpinAndSizeChangeTheSocket(String mode, int size, boolean noDelay,
            boolean blocking) throws Exception {
        try (Peer peer = Peer.answers(size, (message, n) -> {
            Thread.sleep(500);
            return message;
        })) {
            EchoClient.Server server = new EchoClient.Server(
                    EchoClient.Options.parse("--port", "" + peer.port(), mode));
            EchoClient.Connection connection = server.find();
            EchoClient.Trip trip = new EchoClient.Trip();
            trip.begin(ByteBuffer.allocate(size));
            ThreadMXBean threads = ManagementFactory.getThreadMXBean();
            long before = threads.getCurrentThreadCpuTime();
            connection.roundTrip(trip);
            double worked = (threads.getCurrentThreadCpuTime() - before) / 1e6;
            assertEquals(mode.equals("--spin"), worked > 100, worked + " ms");
            SocketChannel channel = (SocketChannel) field(connection, "channel");
            assertEquals(noDelay, channel.getOption(StandardSocketOptions.TCP_NODELAY));
            assertEquals(blocking, channel.isBlocking());
            assertTrue(channel.getOption(StandardSocketOptions.SO_RCVBUF) > 20_000);
            server.closeAll();
            assertFalse(channel.isOpen());
        }
    }

    @Test
    void oneMessage() throws Exception {
        try (Peer peer = Peer.echoes(12, 30)) {
            String file = folder.resolve("json").toString();
            for (String json : List.of("", " --json " + file)) {
                String[] lines = good(Ran.client("--port " + peer.port() + json)).out.split("\n");
                assertEquals("[client] sent    : \"Hello, echo!\" (12 bytes)", lines[0]);
                assertEquals("[client] received: \"Hello, echo!\" (12 bytes)", lines[1]);
                assertTrue(lines[2].matches("\\[client] RTT     : [0-9]+[.][0-9]{3} ms"), lines[2]);
                Check.between(30, 3000, Double.parseDouble(lines[2].split(" +")[3]));
                assertEquals(3, lines.length);
            }
            assertEquals("1 true", Json.of(Files.readString(Path.of(file)))
                    .values("messages valid"));
        }
    }

    /** An empty line is a message, too. */
    @ParameterizedTest
    @CsvSource({"--nagle, 'two\" (3 bytes)'", "--line, 'two\\n\" (4 bytes)'"})
    void eachLineOfStandardInputIsAMessage(String way, String last) throws Exception {
        try (Peer peer = Peer.echoesAll(); Program client = Program.java(List.of(), "EchoClient",
                "--message", "-", "--port", "" + peer.port(), way)) {
            client.in().write("one\n\ntwo".getBytes());
            client.in().close();
            assertEquals(0, client.end(20));
            Check.has(client.out(), "received: \"one\\n\" (4 bytes)",
                    "received: \"\\n\" (1 byte)", "received: \"" + last);
            assertEquals(9, client.out().lines().count());
        }
    }

    @Test
    void whoNoLongerReadsIsSentNoMore() throws Exception {
        try (Peer peer = Peer.echoesAll(); Program client = Program.command("sh", "-c",
                "yes | \"$0\" -cp \"$1\" EchoClient --message - --port " + peer.port()
                + " | head -n 3", Program.JAVA, Program.CLASSES)) {
            client.end(20);
            assertEquals(3, client.out().lines().count());
        }
    }

    /** The value of the first row of a distribution at this part of all, or more. */
    private static double valueAt(String hgrm, double part) {
        return Pattern.compile("(?m)^ *([0-9]+[.][0-9]{3}) +([01][.][0-9]{12}) .*$").matcher(hgrm)
                .results().filter(row -> Double.parseDouble(row.group(2)) >= part)
                .mapToDouble(row -> Double.parseDouble(row.group(1))).findFirst().orElseThrow();
    }

    /** Text and three files of the same messages; a file is written in place. */
    @ParameterizedTest
    @CsvSource({"--repeat 300 --parallel 2, RTT, rtt_us, 600",
        "--rate 2000 --repeat 600, response, response_us, 600"})
    void oneRunGivesAllThatIsAskedFor(String run, String name, String key, int messages)
            throws Exception {
        try (Peer peer = Peer.echoesAll()) {
            Outputs outputs = new Outputs(folder);
            Path real = Files.createLink(folder.resolve("real"),
                    Files.writeString(folder.resolve("json"), ""));
            Files.setPosixFilePermissions(real, PosixFilePermissions.fromString("rw-r-----"));
            Path link = Files.createSymbolicLink(folder.resolve("link"), real);
            Ran ran = good(outputs.run(peer.port(), "--size 3k --warmup 700 --json " + link
                    + " " + run));
            Json json = outputs.json(); // by its other name
            assertTrue(Files.isSymbolicLink(link));
            assertEquals("rw-r-----",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(real)));
            assertEquals(messages, json.number("messages"));
            assertEquals(messages, outputs.total());
            String hgrm = outputs.text("hgrm");
            for (String row : List.of("p50 0.5", "p90 0.9", "min 0", "max 1")) {
                double exact = json.number(key + "." + row.split(" ")[0]);
                assertEquals(exact, valueAt(hgrm, Double.parseDouble(row.split(" ")[1])),
                        exact / 500 + 0.002, row);
            }
            String plot = outputs.text("plot");
            assertTrue(plot.startsWith("<svg") && plot.endsWith("</svg>\n"));
            Check.has(plot, String.format(Locale.ROOT, "%,d in all", messages));
            assertEquals(3, plot.split("class=\"time dot\" d=\"M").length, "dots are missing");
            String[] lines = ran.out.split("\n");
            assertEquals("[bench] repeats: " + messages + ", msg_len: 3072 bytes", lines[0]);
            assertEquals(String.format(Locale.ROOT, "[bench] avg %s: %.3f ms, p95 %s: %.3f ms",
                    name, json.number(key + ".mean") / 1e3, name,
                    json.number(key + ".p95") / 1e3), lines[1]);
            double mib = json.number("throughput_mib_s");
            assertEquals(String.format(Locale.ROOT, "[bench] throughput: %.2f MiB/s (%.2f MB/s)",
                    mib, mib * 1.048576), lines[2]);
            assertEquals(messages / json.number("elapsed_s") * 3072 / 1048576, mib, mib / 1e6);
            ReportTest.agrees(ran.out, name, json, key);
            String server = ran.out.lines().filter(line -> line.contains("127.0.0.1:"
                    + peer.port() + " (127.0.0.1)")).findFirst().orElseThrow();
            assertEquals(json.number("connect_us_max"), ReportTest.micros(server.replaceAll(
                    ".* ([0-9.]+ (us|ms)).*", "$1")), json.number("connect_us_max") / 90 + 0.01);
        }
    }

    @Test
    void whatStandsBeforeAnOpenOutputStays() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/fd")), "only Linux has it");
        try (Peer peer = Peer.echoesAll()) {
            Path file = Files.writeString(folder.resolve("all"), "before\n");
            for (String open : List.of("/proc/self/fd/1", "/dev/stdout", "/dev/fd/3")) {
                // exec 3: the file is open at its end, as a shell's >> leaves it
                String out = open.endsWith("3") ? "/dev/null" : "&3";
                String run = "exec 3>>\"$0\"; \"$@\" >" + out + "; echo after >&3";
                try (Program client = Program.command("sh", "-c", run, file.toString(),
                        Program.JAVA, "-cp", Program.CLASSES, "EchoClient", "--bench",
                        "--port", "" + peer.port(), "--repeat", "20", "--warmup", "0",
                        "--json", open)) {
                    assertEquals(0, client.end(30), client.err());
                }
            }
            List<String> lines = Files.readAllLines(file);
            assertEquals(List.of("before", "after"),
                    List.of(lines.get(0), lines.get(lines.size() - 1)));
            for (String one : List.of("3 after", "3 {", "2 [bench] repeats: 20,")) {
                assertEquals(one.charAt(0) - '0', lines.stream().filter(line ->
                        line.startsWith(one.substring(2))).count(), lines.toString());
            }
        }
    }

    @Test
    void jsonOnStandardOutputStandsThereAlone() throws Exception {
        try (Peer peer = Peer.echoesAll()) {
            Path hgrm = folder.resolve("hgrm");
            Ran ran = Ran.bench(peer.port(), "--repeat 5 --json - --interval 100ms --hgrm "
                    + hgrm);
            assertEquals(1, ran.out.lines().count(), ran.out);
            assertTrue(ran.out.endsWith("}\n"));
            assertEquals(5, ran.json().number("messages"));
            Check.has(Files.readString(hgrm), "Total count    =            5]");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--json", "--hgrm", "--plot"})
    void aFileThatIsFullIsAnError(String option) throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/full")), "only Linux has it");
        try (Peer peer = Peer.echoesAll()) {
            Ran ran = Ran.bench(peer.port(), "--repeat 5 " + option + " /dev/full");
            assertEquals(1, ran.status, ran.toString());
            Check.has(ran.err, "/dev/full");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--help"})
    void aFullOutputIsAnError(String option) throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/full")), "only Linux has it");
        try (Peer peer = Peer.echoesAll(); Program client = Program.command("sh", "-c",
                "exec \"$0\" -cp \"$1\" EchoClient --port " + peer.port() + " " + option
                + " >/dev/full", Program.JAVA, Program.CLASSES)) {
            assertEquals(1, client.end(20));
            Check.has(client.err(), "standard output");
        }
    }
}
