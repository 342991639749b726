import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
 * Runs that fail on the way. A connection that is lost or silent does not take with it what was
 * measured; a wrong byte does; and of the last run nothing stays.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientLossTest {
    private static final int SIZE = 64;
    private static final String OLD = "of the last run\n".repeat(5000);

    @TempDir
    Path folder;
    private Path jsonFile;
    private Path hgrmFile;
    private Path plotFile;

    /** Files of the last run, which the next one is told to write. */
    @BeforeEach
    void aFailedRunLeavesNoOldFiles() throws IOException {
        jsonFile = Files.writeString(folder.resolve("run.json"), OLD);
        hgrmFile = Files.writeString(folder.resolve("run.hgrm"), OLD);
        plotFile = Files.writeString(folder.resolve("run.svg"), OLD);
    }

    private String[] withFiles(String args) {
        return ClientSupport.with(args.split(" "), "--json", jsonFile.toString(), "--hgrm",
                hgrmFile.toString(), "--plot", plotFile.toString(), "--bench", "--size",
                "" + SIZE);
    }

    private ClientJson json() throws IOException {
        String text = Files.readString(jsonFile);
        assertEquals(1, text.lines().count(), text);
        return ClientJson.parse(text);
    }

    /** How a server ends after some good echoes. */
    enum End {
        CLOSED("connection lost: "),
        SILENT("timed out: nothing moved for 1.00 s");

        private final String complaint;

        End(String complaint) {
            this.complaint = complaint;
        }

        ClientSupport.TestServer after(int count) throws IOException {
            if (this == SILENT) {
                return ClientSupport.TestServer.silentAfter(SIZE, count);
            }
            return new ClientSupport.TestServer((in, out) -> {
                for (int i = 0; i < count; i++) {
                    out.write(in.readNBytes(SIZE));
                }
                in.readNBytes(SIZE);
            });
        }
    }

    /** In text, JSON, distribution and picture, all marked, and of the same messages. */
    @ParameterizedTest
    @CsvSource({"CLOSED, --nagle", "CLOSED, --spin", "CLOSED, --rate=2000", "SILENT, --nagle",
        "SILENT, --spin", "SILENT, --rate=2000"})
    void aLostConnectionKeepsWhatWasMeasured(End end, String more) throws Exception {
        boolean rate = more.contains("rate");
        try (ClientSupport.TestServer server = end.after(1250)) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles(
                    "--warmup 50 --duration 1h --timeout 1s " + more)).expect(1);
            assertEquals(1, run.err.size(), run.toString());
            assertTrue(run.err.get(0).startsWith("[client] " + end.complaint), run.toString());
            assertTrue(run.err.get(0).contains(" in message 1201, after 0 of 64 bytes of the"
                    + " echo; "), run.toString());
            String error = run.err.get(0).substring("[client] ".length());
            assertTextHasFigures(run, rate ? "response" : "RTT");

            ClientJson json = json();
            assertEquals(false, json.get("valid"), json.toString());
            assertEquals(false, json.get("interrupted"), json.toString());
            assertEquals(error, json.get("error"), json.toString());
            assertEquals(1200, json.number("messages"), json.toString());
            assertEquals(50, json.number("warmup.messages"), json.toString());
            for (String figure : List.of("rtt_us.p99", "rtt_us.p99_9", "rtt_us.max", "elapsed_s",
                    "messages_s", "throughput_mib_s", "write_us_mean", "environment.cores")) {
                assertTrue(json.number(figure) > 0, figure + " of " + json);
            }
            assertEquals(rate, json.has("response_us"), json.toString());
            assertTrue(json.number("unanswered") >= 1, json.toString());
            if (rate && end == End.SILENT) {
                assertTrue(json.number("response_us.max") >= 900_000, "what waits counts: " + json);
            }

            String hgrm = Files.readString(hgrmFile);
            assertTrue(hgrm.startsWith("       Value "), hgrm);
            double most = json.number(rate ? "response_us.max" : "rtt_us.max");
            assertTrue(hgrm.contains(String.format("#[Max     = %12.3f,", most)), hgrm);
            ClientPicture picture = ClientPicture.read(plotFile);
            picture.assertReadable("a failed run");
            assertTrue(picture.words().contains("FAILED"), picture.words());
        }
    }

    /** The one that was sent is lost; those that were due after it are behind schedule. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void whatWasNotSentIsBehindSchedule(int connections) throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(SIZE, 30)) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles("--rate 1000"
                    + " --warmup 0 --duration 1h --timeout 1s --parallel " + connections))
                    .expect(1);
            ClientJson json = json();
            assertTrue(json.number("unsent") > 500, json.toString());
            assertEquals(json.number("unsent") + connections, json.number("unanswered"), "" + json);
            assertTrue(json.number("behind_messages") >= json.number("unsent"), json.toString());
            assertTrue(json.number("behind_us_max") > 500_000, json.toString());
            double percent = Double.parseDouble(String.join("\n", run.out)
                    .replaceAll("(?s).*behind schedule: | %.*", ""));
            assertTrue(percent > 50 && percent <= 100, percent + " % in " + run);
        }
    }

    private static void assertTextHasFigures(ClientSupport.Run run, String time) {
        String out = String.join("\n", run.out);
        assertTrue(out.startsWith("[bench] repeats: 1200, msg_len: 64 bytes\n[bench] avg " + time
                + ": "), out);
        assertTrue(out.matches("(?s).*\\[bench\\] FAILED after [0-9.]+ (ms|s): .*"), out);
        assertTrue(out.matches("(?s).*\\[bench\\] RTT .*warm-up: 50 messages.*"), out);
    }

    /** One of several connections is enough; what all have measured is there. */
    @Test
    void ofSeveralConnectionsAllIsReported() throws Exception {
        AtomicLong connections = new AtomicLong();
        AtomicLong echoes = new AtomicLong();
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            boolean bad = connections.incrementAndGet() == 2;
            byte[] message = in.readNBytes(SIZE);
            for (int i = 0; message.length == SIZE && !(bad && i == 300); i++) {
                out.write(message);
                echoes.incrementAndGet();
                message = in.readNBytes(SIZE);
            }
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles(
                    "--warmup 0 --duration 1h --parallel 3")).expect(1);
            double messages = json().number("messages");
            assertTrue(messages >= 300 && messages <= echoes.get()
                    && messages >= echoes.get() - 3, messages + " of " + echoes);
            assertTrue(run.out.get(0).startsWith("[bench] repeats: " + (long) messages + ","),
                    run.toString());
        }
    }

    /** One wrong byte, and no figure of this run counts, nor of the last one. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--rate=5000", "--spin"})
    void afterAWrongByteNothingStays(String more) throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    message[3] = (byte) (message[3] ^ (number == 500 ? 1 : 0));
                    return message;
                })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles("--warmup 0 "
                    + more)).expect(1);
            assertTrue(run.err.get(0).matches("\\[client\\] INVALID: message 500, offset 3: sent"
                    + " 0x.., received 0x..; .*"), run.toString());
            assertEquals(List.of(), run.out, run.toString());
            assertNothingStays(run);
        }
    }

    private void assertNothingStays(ClientSupport.Run run) throws IOException {
        ClientJson json = json();
        assertEquals(false, json.get("valid"), json.toString());
        assertEquals("[client] " + json.get("error"), run.err.get(0), json.toString());
        for (String figure : List.of("rtt_us", "messages_s", "throughput_mib_s", "response_us")) {
            assertFalse(json.has(figure), json.toString());
        }
        assertEquals("", Files.readString(hgrmFile), "the distribution");
        assertEquals("", Files.readString(plotFile), "the picture");
    }

    /** Lost before the first measured echo: in the warm-up, or because nobody is there. */
    @Test
    void whereNothingWasMeasuredNothingStays() throws Exception {
        for (End end : End.values()) {
            aFailedRunLeavesNoOldFiles();
            try (ClientSupport.TestServer server = end.after(10)) {
                ClientSupport.Run run = ClientSupport.run(server.port(), withFiles(
                        "--warmup 20 --timeout 1s")).expect(1);
                assertTrue(run.err.get(0).contains(" in warm-up message 11, "), run.toString());
                assertEquals(List.of(), run.out, run.toString());
                assertNothingStays(run);
            }
        }
        aFailedRunLeavesNoOldFiles();
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            assertNothingStays(ClientSupport.run(closed.port(), withFiles("--warmup 0")).expect(1));
        }
    }

    /** What is known decides what is asked: after echoes nobody doubts that it is a server. */
    @Test
    void theAdviceAfterATimeOutFitsWhatIsKnown() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(SIZE, 2125)) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles(
                    "--warmup 0 --duration 1h --timeout 1s")).expect(1);
            assertTrue(run.err.get(0).matches(".*; 2,125 (echoes|messages) came back before: the"
                    + " path or the server has gone silent; --timeout allows more"), "" + run);
            assertFalse(run.err.get(0).matches(".*(is it an echo server|line end|full).*"),
                    run.toString());
        }
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(SIZE, 1)) {
            ClientSupport.Run run = ClientSupport.run(server.port(), withFiles(
                    "--warmup 0 --duration 1h --timeout 1s")).expect(1);
            assertTrue(run.err.get(0).matches(".*; 1 (echo|message) came back before: .*"),
                    run.toString());
        }
    }

    /** A server that waits for line ends, a full one, or packets that are too large for a path. */
    @Test
    void theAdviceForAFirstMessageNamesWhatIsPossible() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(1, 0)) {
            for (String args : List.of("--size 8k", "--bench --size 8k", "--bench --size 8k"
                    + " --warmup 0 --spin", "--message hello", "--bench --message hello")) {
                ClientSupport.Run run = ClientSupport.run(server.port(), (args + " --timeout 1s")
                        .split(" ")).expect(1);
                String line = run.err.get(0);
                assertTrue(line.contains("timed out: nothing moved for 1.00 s in "), line);
                assertTrue(line.matches(".*message 1, after 0 of [0-9]+ bytes of the echo; .*line"
                        + " end.*"), line);
                assertTrue(line.contains("full") && line.contains("--max-connections"), line);
                // Only where it was a large one there is something smaller to try.
                assertEquals(args.contains("8k"), line.contains("--size"), line);
            }
        }
    }

    /** Half an echo is no question of the kind of server. */
    @Test
    void afterAPartOfAnEchoItIsNotAskedWhetherItIsAnEchoServer() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            out.write(in.readNBytes(5));
            in.readAllBytes();
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--timeout", "1s").expect(1);
            assertTrue(run.err.get(0).contains("after 5 of 12 bytes of the echo; "), "" + run);
            assertFalse(run.err.get(0).matches(".*(line end|is it an echo|full).*"), "" + run);
        }
    }

    /** Ctrl-Z and fg, or the lid of a laptop: then the echo has come, and waits to be read. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aClientThatWasItselfSuspendedGoesOn() throws Exception {
        AtomicLong echoes = new AtomicLong();
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    TestSupport.pause(20);
                    echoes.incrementAndGet();
                    return message;
                })) {
            for (String more : List.of("--nagle", "--spin", "--rate=30", "--nagle", "--nagle")) {
                echoes.set(0);
                try (Program client = Program.launch("EchoClient", "--bench", "--warmup", "0",
                        "--size", "" + SIZE, "--repeat", "60", "--timeout", "700ms", "--port",
                        "" + server.port(), more)) {
                    TestSupport.until("it is under way", () -> echoes.get() > 10);
                    ClientSupport.kill("STOP", client.pid());
                    TestSupport.pause(2000);
                    ClientSupport.kill("CONT", client.pid());
                    assertEquals(0, client.exitCode(), more + client.err());
                    assertTrue(client.out().get(0).startsWith("[bench] repeats: 60,"), ""
                            + client.out());
                }
            }
        }
    }

    /** So that the test above does not pass because nobody looks: a server that was suspended. */
    @Test
    void aSilentServerIsStillNoticed() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(SIZE, 5)) {
            long start = System.nanoTime();
            ClientSupport.run(server.port(), "--bench", "--size", "" + SIZE, "--timeout", "700ms",
                    "--warmup", "0").expect(1);
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            assertTrue(millis >= 600 && millis < 20_000, millis + " ms");
        }
    }
}
