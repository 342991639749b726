import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.reflect.Field;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Both servers, in this process: what goes in comes out, whatever it is and however it is sent. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EchoServersTest {

    private static final String TIME_OF_DAY = " [0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?";

    /** A message that ends just before, at or after the end of the buffer is nothing special. */
    @ParameterizedTest
    @EnumSource
    void everySizeFromNothingToOneMoreThanTheBuffer(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--bufsize", "200")) {
            for (int size = 0; size <= 201; size++) {
                assertEcho(server.port(), size);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void sizesAroundTheDefaultBufferAndFarBeyondAllSocketBuffers(ServerKind kind)
            throws Exception {
        int buffer = 16 * 1024;
        int[] sizes = {buffer - 1, buffer, buffer + 1, 2 * buffer - 1, 2 * buffer, 2 * buffer + 1,
            1_000_003, 8 << 20, (32 << 20) + 1};
        try (ServerKind.Running server = kind.start()) {
            for (int size : sizes) {
                assertEcho(server.port(), size);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void oneByteBuffersWorkToo(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--bufsize", "1")) {
            assertEcho(server.port(), 5000);
        }
    }

    /** TCP has no messages: how a client cuts what it sends must not matter. */
    @ParameterizedTest
    @EnumSource
    void howAMessageIsCutDoesNotMatter(ServerKind kind) throws Exception {
        Random random = new Random(7);
        try (ServerKind.Running server = kind.start("--bufsize", "4k")) {
            for (int i = 0; i < 20; i++) {
                byte[] message = TestSupport.bytes(1 + random.nextInt(300_000), i);
                int[] pieces = random.ints(20, 1, 1 << (4 + random.nextInt(12))).toArray();
                try (Socket socket = TestSupport.connect(server.port())) {
                    assertArrayEquals(message, TestSupport.echoOf(socket, message, pieces));
                }
            }
        }
    }

    /** No line end is waited for, and no byte is taken for text. */
    @ParameterizedTest
    @EnumSource
    void everyByteAloneComesBackAtOnce(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start();
                Socket socket = TestSupport.connect(server.port())) {
            for (int value = 0; value < 256; value++) {
                socket.getOutputStream().write(value);
                assertEquals(value, socket.getInputStream().read());
            }
        }
    }

    /** The end of the client's side ends the reading, not the echo of what was read before. */
    @ParameterizedTest
    @EnumSource
    void halfCloseGetsEverythingBackAndThenTheEnd(ServerKind kind) throws Exception {
        byte[] message = TestSupport.bytes(60_000, 1);
        try (ServerKind.Running server = kind.start("--bufsize", "1k");
                Socket socket = TestSupport.connect(server.port())) {
            socket.getOutputStream().write(message);
            socket.shutdownOutput();
            assertArrayEquals(message, socket.getInputStream().readAllBytes());
        }
    }

    @ParameterizedTest
    @EnumSource
    void manyClientsAtOnceEachGetTheirOwn(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start()) {
            List<FutureTask<Void>> clients = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                byte[] message = TestSupport.bytes(200_000, i);
                clients.add(TestSupport.inBackground(() -> {
                    try (Socket socket = TestSupport.connect(server.port())) {
                        assertArrayEquals(message, TestSupport.echoOf(socket, message, 7777));
                    }
                    return null;
                }));
            }
            for (FutureTask<Void> client : clients) {
                client.get();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void closeEndsConnectionsAndMayBeRepeated(ServerKind kind) throws Exception {
        ServerKind.Running server = kind.start();
        try (Socket served = TestSupport.connect(server.port())) {
            TestSupport.assertServed(served);
            server.close();
            server.close();
            TestSupport.assertClosed(served);
        }
    }

    /** Not just soon: the next server on this port may start in the next line. */
    @ParameterizedTest
    @EnumSource
    void thePortIsFreeWhenCloseReturns(ServerKind kind) throws Exception {
        AtomicInteger port = new AtomicInteger();
        for (int i = 0; i < 100; i++) {
            try (ServerKind.Running server = kind.start("--port", port.toString())) {
                port.set(server.port());
                TestSupport.assertServes(server.port());
            }
        }
        assertThrows(IOException.class, () -> TestSupport.connect(port.get()).close());
    }

    @ParameterizedTest
    @EnumSource
    void port0TakesAFreeOneEachTime(ServerKind kind) throws Exception {
        try (ServerKind.Running one = kind.start(); ServerKind.Running two = kind.start()) {
            assertNotEquals(one.port(), two.port());
            TestSupport.assertServes(one.port());
            TestSupport.assertServes(two.port());
        }
    }

    @ParameterizedTest
    @EnumSource
    void servesOnAnIpv6Address(ServerKind kind) throws Exception {
        assumeTrue(hasIpv6(), "no IPv6 here");
        try (ServerKind.Running server = kind.start("--host", "::1");
                Socket socket = new Socket()) {
            TestSupport.open(socket, "::1", server.port());
            TestSupport.assertServed(socket);
        }
        for (String host : List.of("::1", "[::1]")) {
            String line = interruptedRun(kind, "--host", host).lines().get(0);
            assertTrue(line.matches("\\S+ listening on \\[::1\\]:[0-9]+"), line);
        }
    }

    /** An echo that is written in pieces must not wait 40 ms for the peer's acknowledgement. */
    @ParameterizedTest
    @EnumSource
    void anEchoInPiecesIsNotHeldBack(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--bufsize", "4k")) {
            assertTrue(quartileMillis(server.port()) < 20);
        }
    }

    /** And --nagle shows what the default protects from. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void withNagleAnEchoInPiecesIsHeldBack(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--bufsize", "4k", "--nagle")) {
            assertTrue(quartileMillis(server.port()) > 30);
        }
    }

    /** All event loops have the one port, and clients come to each of them. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void severalLoopsShareThePortAndTheClients() throws Exception {
        Serving server = new Serving(ServerKind.ASYNC, "--loops", "3", "--verbose");
        Set<String> loops = Set.of("loop-0", "loop-1", "loop-2");
        for (int i = 0; i < 300 && !server.err.threads().containsAll(loops); i++) {
            TestSupport.assertServes(server.port());
        }
        server.stop();
        assertTrue(server.err.threads().containsAll(loops), server.err.threads().toString());
    }

    @ParameterizedTest
    @EnumSource
    void verboseTellsOfEachConnection(ServerKind kind) throws Exception {
        Serving server = new Serving(kind, "--verbose");
        String client;
        try (Socket socket = TestSupport.connect(server.port())) {
            client = "127.0.0.1:" + socket.getLocalPort();
            TestSupport.echoOf(socket, TestSupport.bytes(2048, 1));
        }
        TestSupport.until("a line for the end", () -> server.err.lines().size() >= 2);
        try (Socket socket = TestSupport.connect(server.port())) {
            TestSupport.assertServed(socket);
            socket.setSoLinger(true, 0);
        }
        TestSupport.until("a line for the loss", () -> server.err.lines().size() >= 4);
        server.stop();
        List<String> lines = server.err.lines();
        assertTrue(lines.get(0).endsWith(" " + client + " connected"), lines.get(0));
        assertTrue(lines.get(1).endsWith(" " + client + " ended"), lines.get(1));
        assertTrue(lines.get(3).contains(" lost: "), lines.get(3));
        assertEquals(4, lines.size(), lines.toString());
        for (String line : lines) { // so that they can be laid beside the client's
            assertTrue(line.matches("\\" + kind.tag + TIME_OF_DAY + " 127[.]0[.]0[.]1:.*"), line);
        }
    }

    @ParameterizedTest
    @EnumSource
    void verboseTellsOfAnIdleConnectionThatItCloses(ServerKind kind) throws Exception {
        Serving server = new Serving(kind, "--verbose", "--idle-timeout", "50ms");
        String client;
        try (Socket socket = TestSupport.connect(server.port())) {
            client = "127.0.0.1:" + socket.getLocalPort();
            TestSupport.assertClosed(socket);
        }
        TestSupport.until("a line for the loss", () -> server.err.lines().size() >= 2);
        server.stop();
        String line = server.err.lines().get(1);
        assertTrue(line.endsWith(" " + client + " lost: idle for 0.05 s"), line);
    }

    /** In words: the class of an exception means nothing to whoever runs a server. */
    @ParameterizedTest
    @EnumSource
    void verboseTellsInPlainWordsWhyAConnectionEnded(ServerKind kind) throws Exception {
        Serving server = new Serving(kind, "--verbose");
        try (Socket socket = TestSupport.connect(server.port())) {
            TestSupport.assertServed(socket);
            socket.setSoLinger(true, 0);
        }
        TestSupport.until("a line for the loss", () -> server.err.lines().size() >= 2);
        try (Socket idle = TestSupport.connect(server.port());
                BusyClients busy = new BusyClients(server.port(), 30)) {
            TestSupport.assertServed(idle);
            busy.awaitEchoes(300);
            TestSupport.until("all are connected", () -> server.err.lines().size() == 33);
            server.stop();
        }
        String lost = server.err.lines().get(1);
        assertTrue(lost.contains(" lost: Connection reset"), lost);
        assertEquals(31, server.err.lines().stream()
                .filter(line -> line.endsWith(" closed")).count(), server.err.text());
        assertEquals(2 * 32, server.err.lines().size(), server.err.text());
    }

    @ParameterizedTest
    @EnumSource
    void runAnnouncesTheServerAndSumsUpWhenInterrupted(ServerKind kind) throws Exception {
        List<String> lines = interruptedRun(kind).lines();
        assertEquals(3, lines.size(), lines.toString());
        assertTrue(lines.get(0).matches("\\" + kind.tag + " listening on 127.0.0.1:[0-9]+"),
                lines.get(0));
        assertEquals(kind.tag + " loopback only; for all interfaces use --host 0.0.0.0",
                lines.get(1));
        assertTrue(lines.get(2).matches("\\" + kind.tag
                + " served 0 connections, 0 bytes echoed"), lines.get(2));
    }

    /** Connections that end because the server stops are counted once, neither twice nor never. */
    @ParameterizedTest
    @EnumSource
    void theSummaryCountsWhatOpenConnectionsEchoed(ServerKind kind) throws Exception {
        byte[] message = TestSupport.bytes(1024, 1);
        for (int round = 0; round < 4; round++) {
            Serving server = new Serving(kind);
            List<Socket> clients = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                clients.add(TestSupport.connect(server.port()));
                TestSupport.roundTrip(clients.get(i), message);
            }
            server.stop();
            assertTrue(server.out.lines().get(2).contains("500 connections, 512000 bytes echoed"),
                    "in round " + round + ": " + server.out.lines().get(2));
            for (Socket client : clients) {
                client.close();
            }
        }
    }

    /** Also when the thread that closes has been interrupted, all has ended when close returns. */
    @ParameterizedTest
    @EnumSource
    void closeWaitsOnAnInterruptedThread(ServerKind kind) throws Exception {
        List<Socket> clients = new ArrayList<>();
        Serving server = new Serving(kind, "--verbose");
        for (int i = 0; i < 100; i++) {
            clients.add(TestSupport.connect(server.port()));
            TestSupport.assertServed(clients.get(i));
        }
        server.stop();
        assertEquals(100, server.err.lines().stream()
                .filter(line -> line.endsWith(" closed")).count(), server.err.text());
        for (Socket client : clients) {
            client.close();
        }
    }

    /** In a test or in jshell a program is run many times in one VM. */
    @ParameterizedTest
    @EnumSource
    void runsLeaveNothingBehind(ServerKind kind) throws Exception {
        long before = Thread.getAllStackTraces().size();
        int hooks = hooks().size();
        for (int i = 0; i < 200; i++) {
            interruptedRun(kind);
        }
        assertEquals(hooks, hooks().size(), "shutdown hooks");
        TestSupport.until("no more threads than before",
                () -> Thread.getAllStackTraces().size() <= before + 5);
    }

    /** The hooks that the VM would run at its end; needs --add-opens java.base/java.lang. */
    private static Map<?, ?> hooks() throws Exception {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        return (Map<?, ?>) hooks.get(null);
    }

    @Test
    void serversPrintWhatTheyAreAndWhere() throws Exception {
        try (EchoServer threaded = EchoServer.start("--port", "0");
                AsyncEchoServer async = AsyncEchoServer.start("--port", "0", "--host", "::1")) {
            assertEquals("EchoServer on 127.0.0.1:" + threaded.port(), threaded.toString());
            assertEquals("AsyncEchoServer on [::1]:" + async.port(), async.toString());
        }
    }

    /** A name is not what it listens on, and may have had several addresses. */
    @ParameterizedTest
    @EnumSource
    void theAddressIsShownAndNotTheName(ServerKind kind) throws Exception {
        List<String> lines = interruptedRun(kind, "--host", "localhost").lines();
        assertTrue(lines.get(0).matches(".* listening on (127[.]0[.]0[.]1|\\[::1\\]):[0-9]+"),
                lines.get(0));
    }

    @ParameterizedTest
    @EnumSource
    void thatAllInterfacesAreForIpv6TooIsSaid(ServerKind kind) throws Exception {
        assumeTrue(hasIpv6(), "no IPv6 here");
        Serving server = new Serving(kind, "--host", "0.0.0.0");
        try (Socket socket = new Socket()) {
            TestSupport.open(socket, "::1", server.port());
            TestSupport.assertServed(socket);
        }
        server.stop();
        assertTrue(server.out.lines().get(0).contains(" listening on 0.0.0.0:"));
        assertTrue(server.out.lines().get(1).contains("IPv4 and IPv6"), server.out.text());
    }

    /** TCP is a stream: a read takes what is there, up to the size of the buffer. */
    @ParameterizedTest
    @EnumSource
    void traceTellsOfEachRead(ServerKind kind) throws Exception {
        Serving server = new Serving(kind, "--trace", "--bufsize", "600");
        try (Socket socket = TestSupport.connect(server.port())) {
            TestSupport.roundTrip(socket, new byte[2]);
            TestSupport.roundTrip(socket, TestSupport.bytes(1000, 1));
        }
        server.stop();
        List<String> lines = server.err.lines();
        assertTrue(lines.get(0).endsWith(" 2 bytes"), lines.toString());
        int bytes = 0;
        for (String line : lines) {
            int n = Integer.parseInt(line.replaceAll("^.* ([0-9]+) bytes?$", "$1"));
            assertTrue(n <= 600, line);
            bytes += n;
        }
        assertEquals(1002, bytes, lines.toString());
        assertTrue(lines.size() >= 3, lines.toString());
    }

    @ParameterizedTest
    @EnumSource
    void oneConnectionIsNotOneConnections(ServerKind kind) throws Exception {
        Serving server = new Serving(kind);
        try (Socket socket = TestSupport.connect(server.port())) {
            TestSupport.roundTrip(socket, new byte[2]);
        }
        server.stop();
        assertEquals(kind.tag + " served 1 connection, 2 bytes echoed", server.out.lines().get(2));
    }

    /** Not only polling: what comes after a long silence, and the end, must be seen, too. */
    @Test
    void spinServesSlowClientsToo() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start("--spin");
                Socket socket = TestSupport.connect(server.port())) {
            for (int i = 0; i < 3; i++) {
                TestSupport.assertServed(socket);
                TestSupport.pause(50); // longer than it polls
            }
            socket.shutdownOutput();
            TestSupport.assertClosed(socket);
        }
    }

    private static void assertEcho(int port, int size) throws Exception {
        byte[] message = TestSupport.bytes(size, size);
        try (Socket socket = TestSupport.connect(port)) {
            byte[] echo = TestSupport.echoOf(socket, message);
            assertEquals(-1, Arrays.mismatch(message, echo), "where " + size + " bytes differ");
        }
    }

    /** What a quarter of 16 KiB echoes take at most: no more because the machine is busy. */
    private static long quartileMillis(int port) throws IOException {
        long[] nanos = new long[41];
        byte[] message = TestSupport.bytes(16 * 1024, 1);
        try (Socket socket = TestSupport.connect(port)) {
            for (int i = 0; i < nanos.length; i++) {
                long start = System.nanoTime();
                assertArrayEquals(message, TestSupport.roundTrip(socket, message));
                nanos[i] = System.nanoTime() - start;
            }
        }
        Arrays.sort(nanos);
        return nanos[nanos.length / 4] / 1_000_000;
    }

    private static boolean hasIpv6() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("::1"))) {
            return socket.isBound();
        } catch (IOException e) {
            return false;
        }
    }

    /** What a server prints that is interrupted as soon as it listens. */
    private static Output interruptedRun(ServerKind kind, String... args) {
        Output out = new Output();
        Output err = new Output();
        Thread.currentThread().interrupt();
        int status = kind.run(out.stream(), err.stream(), ServerKind.onFreePort(args));
        Thread.interrupted();
        assertEquals(0, status);
        assertEquals("", err.text());
        return out;
    }

    /** The whole program, running in a thread of this process until it is interrupted. */
    private static final class Serving {
        final Output out = new Output();
        final Output err = new Output();
        private final FutureTask<Integer> run;
        private final Thread thread;

        Serving(ServerKind kind, String... args) {
            run = new FutureTask<>(() -> kind.run(
                    out.stream(), err.stream(), ServerKind.onFreePort(args)));
            thread = new Thread(run, "serving");
            thread.start();
            TestSupport.until("the server listens", () -> out.text().contains("listening on"));
        }

        int port() {
            return Integer.parseInt(out.lines().get(0).replaceAll(".*:", ""));
        }

        void stop() throws Exception {
            thread.interrupt();
            assertEquals(0, run.get());
        }
    }
}
