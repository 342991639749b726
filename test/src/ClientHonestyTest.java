import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Exchanger;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A client that never lies: servers that do everything wrong, and what it must say of each. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientHonestyTest {
    private static final int SIZE = 1000;
    /** For servers that fall silent; long for a busy machine, short for whoever waits. */
    private static final int TIMEOUT = 1000;
    private static final String LOST = "connection lost: .+ in message %d, after %d of 1000 bytes"
            + " of the echo; .+";
    private static final String SILENT = "timed out: nothing moved for 1[.]00 s in message %d,"
            + " after %d of 1000 bytes of the echo; .+";

    /** What a server does wrong, and what the client is to say. */
    enum Trouble {
        CLOSED_AT_ONCE(LOST, 0),
        CLOSED_IN_THE_MIDDLE(LOST.replace(".+ in", "the server closed it,? in"), 300),
        HALF_AN_ECHO_THEN_SILENCE(SILENT, 500),
        NEVER_AN_ANSWER(SILENT, 0),
        ONE_WRONG_BYTE("INVALID: message %d, offset %d: sent 0x(..), received 0x(..); .+", 700),
        A_SURPLUS_BYTE("INVALID: message %d, offset %d: sent nothing more, received 0x21"
                + "(, a surplus byte)?; .+", SIZE);

        private final String complaint;
        /** Where in the message it goes wrong. */
        private final int offset;

        Trouble(String complaint, int offset) {
            this.complaint = complaint;
            this.offset = offset;
        }

        boolean silent() {
            return this == HALF_AN_ECHO_THEN_SILENCE || this == NEVER_AN_ANSWER;
        }

        /** Answers a message with it; returns whether the connection stays. */
        private boolean answer(byte[] message, OutputStream out) throws IOException {
            if (this == ONE_WRONG_BYTE) {
                message[offset] ^= 0x20;
                out.write(message);
            } else {
                byte[] echo = Arrays.copyOf(message, offset + (this == A_SURPLUS_BYTE ? 1 : 0));
                if (this == A_SURPLUS_BYTE) {
                    echo[offset] = '!';
                }
                out.write(echo);
            }
            return this != CLOSED_IN_THE_MIDDLE;
        }
    }

    /** An echo server until the message of that number, with which the trouble begins. */
    private static ClientSupport.TestServer troubled(Trouble trouble, int bad) throws IOException {
        return new ClientSupport.TestServer((in, out) -> {
            if (trouble == Trouble.CLOSED_AT_ONCE) {
                return;
            }
            byte[] message = in.readNBytes(SIZE);
            for (int number = 1; message.length == SIZE; number++) {
                if (number < bad) {
                    out.write(message);
                } else if (!trouble.answer(message, out)) {
                    return;
                }
                message = in.readNBytes(SIZE);
            }
        });
    }

    private static final String BENCH = "--size 1000 --bench --warmup 0 --repeat 20";
    private static final List<String> MODES = List.of("--size 1000", "--size 1000 --spin", BENCH,
            BENCH + " --spin", BENCH + " --json -", BENCH + " --rate 1000", "--size 1000 --json -",
            "--message " + "m".repeat(SIZE));

    /** Echoes so many messages, or until the client ends. */
    private static void echo(InputStream in, OutputStream out, int count) throws IOException {
        byte[] message = in.readNBytes(SIZE);
        for (int i = 1; message.length == SIZE; i++) {
            out.write(message);
            if (i == count) {
                return;
            }
            message = in.readNBytes(SIZE);
        }
    }

    static Stream<Arguments> everyTroubleIsOneTrueLineInEveryMode() {
        return Stream.of(Trouble.values()).flatMap(trouble ->
                MODES.stream().limit(trouble.silent() ? 6 : MODES.size())
                        .map(mode -> Arguments.of(trouble, mode)));
    }

    @ParameterizedTest
    @MethodSource
    void everyTroubleIsOneTrueLineInEveryMode(Trouble trouble, String mode) throws Exception {
        int bad = mode.contains("--bench") && trouble != Trouble.CLOSED_AT_ONCE ? 5 : 1;
        try (ClientSupport.TestServer server = troubled(trouble, bad)) {
            String timeout = trouble.silent() ? TIMEOUT + "ms" : "20s";
            ClientSupport.Run run = ClientSupport.run(server.port(),
                    (mode + " --timeout " + timeout).split(" "));
            Matcher matcher = assertHonest(run,
                    String.format(trouble.complaint, bad, trouble.offset));
            if (trouble == Trouble.ONE_WRONG_BYTE) {
                assertEquals(Integer.parseInt(matcher.group(1), 16) ^ 0x20,
                        Integer.parseInt(matcher.group(2), 16), run.toString());
            }
            if (trouble.silent()) {
                assertTrue(run.millis >= TIMEOUT, run.toString());
            }
            assertTrue(run.millis < TIMEOUT + 3000, run.toString());
        }
    }

    /**
     * Fails unless the run exits 1, says this and nothing else on standard error, and prints
     * nothing that could be taken for the result of a whole run: after good echoes it is marked
     * FAILED, and after a wrong byte there is none.
     */
    private static Matcher assertHonest(ClientSupport.Run run, String complaint) {
        run.expect(1);
        assertEquals(1, run.err.size(), run.toString());
        Matcher matcher = Pattern.compile("\\[client\\] " + complaint).matcher(run.err.get(0));
        assertTrue(matcher.matches(), "not " + complaint + " but " + run);
        assertFalse(run.toString().contains("\tat "), run.toString());
        String out = String.join("\n", run.out);
        boolean invalid = run.err.get(0).contains("INVALID");
        if (run.command.contains("--json")) {
            ClientJson json = run.json();
            assertEquals(false, json.get("valid"));
            assertTrue(run.err.get(0).endsWith((String) json.get("error")), run.toString());
            assertFalse(invalid && json.has("rtt_us"), run.toString());
        } else if (run.command.contains("--bench") && !run.out.isEmpty()) {
            assertTrue(!invalid && out.contains("[bench] FAILED after "), run.toString());
        } else {
            assertFalse(out.matches("(?s).*(throughput|avg RTT|RTT     :).*"), run.toString());
        }
        return matcher;
    }

    /** So that none of the others passes only because the client never succeeds. */
    @Test
    void aServerWithoutTroubleIsFine() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> message)) {
            for (String mode : MODES) {
                ClientSupport.run(server.port(), mode.split(" ")).expect(0);
            }
        }
    }

    /** First, last and any byte, in messages of every kind of reading. */
    @ParameterizedTest
    @CsvSource({"1, 0", "2, 1", "1000, 0", "1000, 999", "70000, 0", "70000, 69999",
        "3000000, 1048576", "3000000, 2999999"})
    void aWrongByteAnywhereIsFound(int size, int offset) throws Exception {
        for (String spin : List.of("--nagle", "--spin")) {
            AtomicInteger original = new AtomicInteger();
            try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(size,
                    (message, number) -> {
                        if (number == 2) {
                            original.set(message[offset] & 0xff);
                            message[offset]++;
                        }
                        return message;
                    })) {
                ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--repeat",
                        "3", "--warmup", "0", spin, "--size", "" + size);
                assertHonest(run, String.format("INVALID: message 2, offset %d: sent 0x%02x,"
                        + " received 0x%02x; .+", offset, original.get(),
                        original.get() + 1 & 0xff));
            }
        }
    }

    /** One that comes with the echo, in a single write; there is room to see it. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--bench", "--bench --spin", "--json -",
        "--bench --json -"})
    void aSurplusByteIsFound(String mode) throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            out.write((new String(in.readNBytes(5), StandardCharsets.US_ASCII) + "!").getBytes());
            in.readAllBytes();
        })) {
            String repeat = mode.contains("--bench") ? " --repeat=1 --warmup=0" : "";
            assertHonest(ClientSupport.run(server.port(), ("--message hello " + mode + repeat)
                    .split(" ")), "INVALID: message 1, offset 5: sent nothing more, received 0x21"
                            + "(, a surplus byte)?; .+");
        }
    }

    /** Between two messages it moves all that follows, which the next comparison finds. */
    @Test
    void aSurplusByteBetweenTwoMessagesIsFound() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    byte[] echo = new byte[SIZE + 1];
                    System.arraycopy(message, 0, echo, 1, SIZE);
                    echo[0] = (byte) (message[0] + 1);
                    return number == 3 ? echo : message;
                })) {
            assertHonest(ClientSupport.run(server.port(), "--bench", "--size", "1000",
                    "--warmup", "0"), "INVALID: message 3, offset 0: sent 0x.., received 0x..;.+");
        }
    }

    /** Right length, right kind of bytes, wrong message: what no count of bytes would find. */
    @Test
    void aStaleEchoIsFound() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            byte[] before = in.readNBytes(SIZE);
            out.write(before);
            for (byte[] message = in.readNBytes(SIZE); message.length == SIZE;
                    message = in.readNBytes(SIZE)) {
                out.write(before);
                before = message;
            }
        })) {
            assertHonest(ClientSupport.run(server.port(), "--bench", "--size", "1000",
                    "--warmup", "0"), "INVALID: message 2, offset 0: sent 0x.., received 0x..;.+");
        }
    }

    /** Each of two clients gets what the other has sent. */
    @Test
    void crossedEchoesAreFound() throws Exception {
        Exchanger<byte[]> exchanger = new Exchanger<>();
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> exchanger.exchange(message, 60, TimeUnit.SECONDS))) {
            assertHonest(ClientSupport.run(server.port(), "--bench", "--size", "1000",
                    "--parallel", "2", "--repeat", "1", "--warmup", "0"),
                    "INVALID: message 1, offset 0: sent 0x.., received 0x..; .+");
        }
    }

    @Test
    void warmUpIsComparedToo() throws Exception {
        try (ClientSupport.TestServer server = troubled(Trouble.ONE_WRONG_BYTE, 3)) {
            assertHonest(ClientSupport.run(server.port(), "--bench", "--size", "1000"),
                    "INVALID: warm-up message 3, offset 700: sent 0x.., received 0x..; .+");
        }
    }

    /** What came is compared as far as it came: a shift explains more than a missing end. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--bench --warmup 0"})
    void aLostFirstByteIsInvalidAtOffset0(String mode) throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            in.read();
            for (int b = in.read(); b >= 0; b = in.read()) {
                out.write(b);
            }
        })) {
            assertHonest(ClientSupport.run(server.port(), ("--size 1000 --timeout " + TIMEOUT
                    + "ms " + mode).split(" ")),
                    "INVALID: message 1, offset 0: sent 0x.., received 0x..; .+");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--bench --warmup 0"})
    void anotherAnswerAndTheEndIsInvalidAtOffset0(String mode) throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            in.read();
            out.write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            in.readNBytes(4);
        })) {
            assertHonest(ClientSupport.run(server.port(), ("--message hello " + mode).split(" ")),
                    "INVALID: message 1, offset 0: sent 0x68, received 0x48; .+");
        }
    }

    /** One connection of three fails; the others, which are fine, must not keep the run going. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--rate=300"})
    void oneConnectionOfSeveralEndsTheRun(String more) throws Exception {
        AtomicInteger connections = new AtomicInteger();
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            echo(in, out, connections.incrementAndGet() == 2 ? 9 : Integer.MAX_VALUE);
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--size", "1000",
                    "--parallel", "3", "--duration", "1h", "--warmup", "5", more);
            assertHonest(run, "connection lost: .+ in message [45], after 0 of 1000 .+");
        }
    }

    /** Silence on one connection, while there is traffic on the others, is silence too. */
    @Test
    void oneSilentConnectionOfSeveralTimesOut() throws Exception {
        AtomicInteger connections = new AtomicInteger();
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            echo(in, out, connections.incrementAndGet() == 2 ? 9 : Integer.MAX_VALUE);
            in.readAllBytes();
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--size", "1000",
                    "--parallel", "3", "--duration", "1h", "--warmup", "0", "--timeout",
                    TIMEOUT + "ms");
            assertHonest(run, String.format(SILENT, 10, 0));
        }
    }

    /** A message beyond all buffers, of which the server takes nothing, or returns a part. */
    @ParameterizedTest
    @CsvSource({"--nagle, 0", "--spin, 0", "--nagle, 5000000", "--spin, 5000000"})
    void aLargeMessageTimesOutToo(String mode, int part) throws Exception {
        CountDownLatch done = new CountDownLatch(1);
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            for (int i = 0; i < part; i += 1000) {
                out.write(in.readNBytes(1000));
            }
            done.await();
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--size", "32m", "--timeout",
                    TIMEOUT + "ms", mode);
            done.countDown();
            assertHonest(run, "timed out: nothing moved for 1[.]00 s in message 1, after " + part
                    + " of 33554432 bytes of the echo; .+");
        }
    }

    /** The timeout is for silence: an echo that takes longer, but moves, is waited for. */
    @Test
    void anEchoThatTricklesInIsNotCutOff() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(8,
                (message, number) -> message);
                ClientSupport.TestServer slow = new ClientSupport.TestServer((in, out) -> {
                    for (int b = in.read(); b >= 0; b = in.read()) {
                        out.write(b);
                        TestSupport.pause(400);
                    }
                })) {
            ClientSupport.run(server.port(), "--size", "8", "--timeout", "2s").expect(0);
            ClientSupport.Run run = ClientSupport.run(slow.port(), "--size", "8", "--timeout",
                    "2s").expect(0);
            assertTrue(run.millis >= 2800, run.toString());
        }
    }

    @Test
    void aWrongByteAmongLinesNamesTheLine() throws Exception {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("abc\nabc\nabd\nabc"
                .getBytes(StandardCharsets.US_ASCII)));
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            for (int b = in.read(); b >= 0; b = in.read()) {
                out.write(b == 'd' ? 'D' : b);
            }
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--message", "-").expect(1);
            assertEquals(List.of("[client] INVALID: message 3, offset 2: sent 0x64, received 0x44"),
                    List.of(run.err.get(0).replaceAll("; .*", "")));
            assertEquals(1, run.err.size(), run.toString());
            assertEquals(2, run.out.stream().filter(line -> line.contains("RTT")).count());
        } finally {
            System.setIn(before);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--bench", "--json=-"})
    void whereNobodyListensItSaysHowToStartAServer(String mode) throws Exception {
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            assertHonest(ClientSupport.run(closed.port(), mode, "--timeout", "5s"),
                    "cannot connect to 127[.]0[.]0[.]1:" + closed.port() + ": .+; is the server"
                            + " running[?] start it with: java EchoServer.java --port "
                            + closed.port());
        }
    }

    /** No such name is in any domain (RFC 6761), whether or not a name server is there. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--bench", "--json=-"})
    void anUnknownHostIsOneLineInEveryMode(String mode) {
        assertHonest(ClientSupport.run("--host", "nowhere.invalid", mode, "--timeout", "60s"),
                "cannot connect to nowhere[.]invalid:5050: (unknown host; check --host|.*name"
                        + " server.*)");
    }

    /** A listener whose queue is full answers no more than a host that is down. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aConnectionThatIsNeverMadeTimesOut() throws Exception {
        List<Socket> waiting = new ArrayList<>();
        try (ServerSocket full = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            boolean accepted = true;
            while (accepted && waiting.size() < 10) {
                Socket socket = new Socket();
                waiting.add(socket);
                try {
                    socket.connect(new InetSocketAddress("127.0.0.1", full.getLocalPort()), 200);
                } catch (SocketTimeoutException e) {
                    accepted = false;
                }
            }
            ClientSupport.Run run = ClientSupport.run(full.getLocalPort(), "--bench", "--timeout",
                    TIMEOUT + "ms");
            assertHonest(run, "cannot connect to .+: no answer within 1[.]00 s; .+");
        } finally {
            for (Socket socket : waiting) {
                socket.close();
            }
        }
    }
}
