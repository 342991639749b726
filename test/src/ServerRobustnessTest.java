import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.Field;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.CompletionHandler;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What clients and a short supply do to a server, and what it must withstand. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServerRobustnessTest {

    /** The clients of a test, closed after it however it ends. */
    private final List<AutoCloseable> clients = new ArrayList<>();

    @AfterEach
    void closeClients() throws Exception {
        for (AutoCloseable client : clients) {
            client.close();
        }
    }

    /** A peer that is reset costs nobody else anything, and leaves no descriptor and no trace. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void resetsInTheMiddleOfAMessage(ServerKind kind) throws Exception {
        try (Program server = kind.launch()) {
            Socket bystander = client(server.port());
            TestSupport.assertServed(bystander);
            long descriptors = server.descriptors();
            for (int i = 0; i < 300; i++) {
                try (Socket socket = TestSupport.connect(server.port())) {
                    socket.getOutputStream().write(TestSupport.bytes(50_000, i));
                    socket.setSoLinger(true, 0);
                }
                TestSupport.assertServed(bystander);
            }
            // The JVM itself may have opened one or two more.
            TestSupport.until("every descriptor is closed",
                    () -> server.descriptors() <= descriptors + 2);
            TestSupport.assertServes(server.port());
            assertEquals(List.of(), server.err());
        }
    }

    /** Who doesn't read is no longer read: the server holds one buffer, not all that was sent. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void peersThatSendForEverAndNeverRead(ServerKind kind) throws Exception {
        try (Program server = kind.launch()) {
            TestSupport.assertServes(server.port());
            long before = server.residentKib();
            flood(server.port(), 20);
            long moreMib = (server.residentKib() - before) / 1024;
            assertTrue(moreMib < 60, moreMib + " MiB more");
            for (int i = 0; i < 20; i++) {
                TestSupport.assertServes(server.port());
            }
            server.terminate();
            assertEquals(143, server.exitCode());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aNewClientBeside2000IdleOnesAndTheFlood(ServerKind kind) throws Exception {
        TestSupport.assumeDescriptors(3000);
        try (Program server = kind.launch()) {
            flood(server.port(), 20);
            for (int i = 0; i < 2000; i++) {
                client(server.port());
            }
            TestSupport.assertServes(server.port()); // its turn comes when all of them are accepted
            long best = Long.MAX_VALUE; // which is what the server takes, on a busy machine, too
            for (int i = 0; i < 20; i++) {
                long start = System.nanoTime();
                TestSupport.assertServes(server.port());
                best = Math.min(best, (System.nanoTime() - start) / 1_000_000);
            }
            assertTrue(best < 1000, best + " ms for the first echo");
            assertEquals(List.of(), server.err());
        }
    }

    /** Out of descriptors: wait a little and try again, rather than die or spin. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void aServerSurvivesWithoutDescriptors(ServerKind kind) throws Exception {
        try (Program server = Program.launchUnder("ulimit -n 120", kind.program, "--port", "0")) {
            Socket first = client(server.port());
            TestSupport.assertServed(first);
            for (int i = 0; i < 199; i++) {
                client(server.port());
            }
            TestSupport.until("it reports", () -> !server.err().isEmpty());
            long start = System.nanoTime();
            long before = server.cpuMillis();
            TestSupport.pause(1000); // not waiting for anything: this is the time that is measured
            long used = server.cpuMillis() - before;
            long millis = (System.nanoTime() - start) / 1_000_000;
            assertTrue(used < 0.4 * millis, used + " ms of processor time in " + millis + " ms");
            TestSupport.assertServed(first);
            long reports = 3 + (System.nanoTime() - start) / 500_000_000L;
            assertTrue(server.err().size() <= reports, server.err().toString());
            assertTrue(server.err().get(0).matches("\\" + kind.tag + " cannot serve a client, "
                    + "[0-9]+ open: Too many open files.*"),
                    server.err().toString());

            for (AutoCloseable client : clients.subList(1, 120)) {
                client.close();
            }
            TestSupport.assertServes(server.port());
            TestSupport.assertServed((Socket) clients.get(199));
            TestSupport.assertServed(first);
        }
    }

    /** A connection for which there is no thread is closed, and the others never notice. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void noThreadForANewConnection() throws Exception {
        // Each thread takes a GiB of address space, and soon no more than four of that are left.
        try (Program server = Program.launchWith(List.of("-Xss1g"), "EchoServer", "--port", "0")) {
            TestSupport.assertServes(server.port());
            server.limitAddressSpace(server.addressSpaceKib() + (9L << 19));
            List<Socket> served = new ArrayList<>();
            Socket refused = null;
            for (int i = 0; i < 10 && refused == null; i++) {
                Socket socket = client(server.port());
                try {
                    TestSupport.assertServed(socket);
                    served.add(socket);
                } catch (AssertionError | SocketException e) {
                    refused = socket;
                }
            }
            assertTrue(refused != null && !served.isEmpty(), served.size() + " were served");
            TestSupport.assertClosed(refused);
            TestSupport.until("it reports", () -> !server.err().isEmpty());
            assertEquals(1, server.err().size(), server.err().toString());
            assertTrue(server.err().get(0).matches("\\[server\\] cannot serve a client, "
                    + "[0-9]+ open: unable to create native thread.*"), server.err().get(0));
            for (Socket socket : served) {
                TestSupport.assertServed(socket);
                socket.close();
            }
            TestSupport.until("new clients are served again", () -> serves(server.port()));
        }
    }

    /** The same where there is no memory for its buffer, in both servers. */
    @ParameterizedTest
    @EnumSource
    void noMemoryForABuffer(ServerKind kind) throws Exception {
        try (Program server = Program.launchWith(List.of("-Xmx40m"),
                kind.program, "--port", "0", "--bufsize", "22m")) {
            Socket first = client(server.port());
            TestSupport.assertServed(first);
            TestSupport.assertClosed(client(server.port()));
            TestSupport.until("it reports", () -> !server.err().isEmpty());
            assertEquals(1, server.err().size(), server.err().toString());
            assertTrue(server.err().get(0).endsWith(" open: Java heap space"),
                    server.err().get(0));
            TestSupport.assertServed(first);
            first.close();
            TestSupport.until("new clients are served again", () -> serves(server.port()));
        }
    }

    /** At the limit clients wait in the backlog; each that leaves lets exactly one in. */
    @ParameterizedTest
    @CsvSource({"THREADED, --nagle", "ASYNC, --loops=1", "ASYNC, --loops=2"})
    void atTheLimitEachThatLeavesLetsExactlyOneIn(ServerKind kind, String option) throws Exception {
        try (ServerKind.Running server = kind.start("--max-connections", "2", option)) {
            List<Socket> waiting = new ArrayList<>();
            List<Socket> served = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                Socket socket = client(server.port());
                socket.getOutputStream().write(1);
                waiting.add(socket);
            }
            for (int left = 8; left > 0; left--) {
                int most = Math.min(2, left);
                TestSupport.until("two are served", () -> moveAnswered(waiting, served) == most);
                boolean third = TestSupport.within(50, () -> moveAnswered(waiting, served) > most);
                assertTrue(!third, served.size() + " are served at once");
                served.remove(0).close();
            }
        }
    }

    /** Whichever way a connection ends, its place is free again. */
    @ParameterizedTest
    @EnumSource
    void everyEndMakesRoom(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--max-connections", "1")) {
            for (int i = 0; i < 50; i++) {
                TestSupport.assertServes(server.port());
                try (Socket reset = TestSupport.connect(server.port())) {
                    reset.getOutputStream().write(new byte[5000]);
                    reset.setSoLinger(true, 0);
                }
                try (Socket silent = TestSupport.connect(server.port())) {
                    silent.shutdownOutput();
                    TestSupport.assertClosed(silent);
                }
            }
        }
    }

    /** Idle is who sends nothing for the whole time; all others stay connected. */
    @ParameterizedTest
    @EnumSource
    void onlyIdleClientsAreClosed(ServerKind kind) throws Exception {
        long idleMillis = 1500;
        try (ServerKind.Running server = kind.start("--idle-timeout", idleMillis + "ms");
                ServerKind.Running patient = kind.start()) {
            Socket forgotten = client(patient.port());
            SocketChannel stuck = flood(server.port(), 1).get(0);
            Socket busy = client(server.port());
            Socket silent = client(server.port());
            Socket once = client(server.port());
            TestSupport.assertServed(once);
            List<FutureTask<Void>> closed = new ArrayList<>();
            for (Socket idle : List.of(silent, once)) {
                closed.add(TestSupport.inBackground(() -> {
                    TestSupport.assertClosed(idle);
                    return null;
                }));
            }
            // The busy client's rhythm, not a wait; the one that is stuck can't be looked at while
            // it is, so its end is given as long again.
            long served = System.nanoTime();
            for (int more = 15; more > 0; more -= closed.stream().allMatch(FutureTask::isDone)
                    ? 1 : 0) {
                long gapMillis = (System.nanoTime() - served) / 1_000_000;
                Assumptions.assumeTrue(gapMillis < idleMillis / 2, "too busy a machine: nobody"
                        + " moved for " + gapMillis + " ms");
                served = System.nanoTime();
                TestSupport.assertServed(busy);
                TestSupport.pause(idleMillis / 15);
            }
            for (FutureTask<Void> each : closed) {
                each.get();
            }
            if (kind == ServerKind.ASYNC) {
                assertTrue(isLost(stuck), "a peer that never reads is closed, too");
            }
            TestSupport.assertServed(busy);
            TestSupport.assertServed(forgotten);
        }
    }

    /** Who waits for a slot can do nothing, which is not idle. */
    @ParameterizedTest
    @EnumSource
    void theIdleTimeoutBeginsWhenTheClientIsServed(ServerKind kind) throws Exception {
        long idleMillis = 2000;
        try (ServerKind.Running server = kind.start("--idle-timeout", idleMillis + "ms",
                "--max-connections", "1")) {
            Socket busy = client(server.port());
            TestSupport.assertServed(busy);
            Socket waiting = client(server.port());
            long start = System.nanoTime();
            while (System.nanoTime() - start < 1.2 * idleMillis * 1_000_000) {
                TestSupport.assertServed(busy);
                TestSupport.pause(20); // the busy client's rhythm
            }
            busy.close();
            TestSupport.pause(idleMillis / 3); // silent, and not for long
            TestSupport.assertServed(waiting);
        }
    }

    /** At the limit a client sees nothing but silence, so whoever runs the server is told. */
    @ParameterizedTest
    @CsvSource({"THREADED, --nagle", "ASYNC, --loops=1", "ASYNC, --loops=2"})
    void theLimitIsToldOnce(ServerKind kind, String option) throws Exception {
        try (Program server = kind.launch("--max-connections", "2", option)) {
            for (int round = 0; round < 3; round++) {
                Socket first = client(server.port());
                Socket second = client(server.port());
                TestSupport.assertServed(first);
                TestSupport.assertServed(second);
                assertEquals(Math.min(round, 1), server.err().size(), "at the limit nobody waits");
                Socket third = client(server.port());
                TestSupport.until("the limit is told", () -> !server.err().isEmpty());
                first.close();
                TestSupport.assertServed(third);
                second.close();
                third.close();
            }
            assertEquals(1, server.err().size(), server.err().toString());
            assertTrue(server.err().get(0).matches("\\" + kind.tag
                    + " .*--max-connections.*clients wait.*"), server.err().get(0));
        }
    }

    /** When epoll_ctl fails, the JDK calls a handler twice; the client still had one slot. */
    @Test
    void aHandlerThatIsCalledTwiceFreesOneSlot() throws Exception {
        try (AsyncEchoServer server = AsyncEchoServer.start("--port", "0", "--loops", "1",
                "--max-connections", "1")) {
            Socket failing = client(server.port());
            TestSupport.assertServed(failing);
            Object connection = ((Collection<?>) field(server, "clients")).iterator().next();
            CompletionHandler<?, ?> handler =
                    (CompletionHandler<?, ?>) field(connection, "whenRead");
            handler.failed(new IOException("epoll_ctl"), null);
            handler.failed(new IOException("epoll_ctl"), null);
            TestSupport.assertClosed(failing);
            TestSupport.until("nobody is left",
                    () -> ((Collection<?>) field(server, "clients")).isEmpty());
            assertEquals(1, ((Semaphore) field(server, "slots")).availablePermits());
        }
    }

    private static Object field(Object object, String name) {
        try {
            Field field = object.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(object);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** Without it, a client that vanished from the network while idle would stay for ever. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void keepAliveIsSet(ServerKind kind) throws Exception {
        Path table = Path.of("/proc/net/tcp6"); // where Java's sockets are, with IPv4, too
        Assumptions.assumeTrue(Files.exists(table), "no " + table);
        try (ServerKind.Running server = kind.start()) {
            Socket socket = client(server.port());
            TestSupport.assertServed(socket);
            // local address, remote address, state 1 (established), queues, which timer runs:
            // 02 is the one of keep-alive
            String connection = String.format(".*0100007F:%04X [^ ]*0100007F:%04X 01 [^ ]+ 02:.*",
                    server.port(), socket.getLocalPort());
            TestSupport.until("a keep-alive timer runs", () -> lines(table).stream()
                    .anyMatch(line -> line.matches(connection)));
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Stopping does not wait for clients, and counts what they sent. */
    @ParameterizedTest
    @CsvSource({"THREADED, 143", "THREADED, 130", "ASYNC, 143", "ASYNC, 130"})
    @DisabledOnOs(OS.WINDOWS)
    void stoppedWith100ConnectionsOpen(ServerKind kind, int exitCode) throws Exception {
        if (exitCode == 130) {
            TestSupport.assumeInterruptible();
        }
        try (Program server = kind.launch()) {
            byte[] message = TestSupport.bytes(1024, 1);
            for (int i = 0; i < 100; i++) {
                assertArrayEquals(message, TestSupport.roundTrip(client(server.port()), message));
            }
            long start = System.nanoTime();
            if (exitCode == 143) {
                server.terminate();
            } else {
                server.interrupt();
            }
            assertEquals(exitCode, server.exitCode());
            long millis = (System.nanoTime() - start) / 1_000_000;
            assertTrue(millis < 20_000, "gone after " + millis + " ms");
            String last = server.out().get(server.out().size() - 1);
            assertTrue(last.matches("\\" + kind.tag + " served 100 connections, "
                    + "102400 bytes echoed"), last);
            assertEquals(List.of(), server.err());
        }
    }

    /** Scripts wait for the first line; whatever they do then must already work. */
    @ParameterizedTest
    @EnumSource
    @DisabledOnOs(OS.WINDOWS)
    void stoppedAsSoonAsItListens(ServerKind kind) throws Exception {
        for (int i = 0; i < 3; i++) {
            try (Program server = kind.launch()) {
                while (server.out().isEmpty()) {
                    Thread.onSpinWait(); // the race is to be lost within microseconds
                }
                server.terminate();
                assertEquals(143, server.exitCode());
                assertEquals(List.of(), server.err());
                assertTrue(server.out().toString().contains(" served 0 connections"),
                        server.out().toString());
            }
        }
    }

    /** A write that doesn't block takes a part only, and every rest must follow. */
    @ParameterizedTest
    @CsvSource({"THREADED, --nagle", "THREADED, --spin", "ASYNC, --nagle"})
    void aSlowReaderWithTinySocketBuffersGetsEveryByte(ServerKind kind, String option)
            throws Exception {
        byte[] message = TestSupport.bytes(24 << 20, 5);
        try (ServerKind.Running server = kind.start("--bufsize", "1m", option);
                Socket socket = new Socket()) {
            socket.setReceiveBufferSize(4096);
            socket.setSendBufferSize(4096);
            TestSupport.open(socket, "127.0.0.1", server.port());
            FutureTask<Void> sending = TestSupport.inBackground(() -> {
                socket.getOutputStream().write(message);
                socket.shutdownOutput();
                return null;
            });
            boolean sent = TestSupport.within(300, sending::isDone);
            assertTrue(!sent, "the message is too short to fill the buffers on its way");
            byte[] echo = new byte[message.length];
            InputStream in = socket.getInputStream();
            for (int at = 0, n; at < echo.length; at += n) {
                n = in.read(echo, at, Math.min(echo.length - at, 1 + at % 5000));
                assertTrue(n > 0, "the end came after " + at + " bytes");
            }
            assertEquals(-1, in.read());
            assertArrayEquals(message, echo);
            sending.get();
        }
    }

    private Socket client(int port) throws IOException {
        Socket socket = TestSupport.connect(port);
        clients.add(socket);
        return socket;
    }

    /** Peers that never read, and have sent until nothing more was taken for a while. */
    private List<SocketChannel> flood(int port, int count) throws IOException {
        List<SocketChannel> peers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            SocketChannel peer = SocketChannel.open(new InetSocketAddress("127.0.0.1", port));
            clients.add(peer);
            peers.add(peer);
            peer.configureBlocking(false);
        }
        ByteBuffer data = ByteBuffer.allocateDirect(64 * 1024);
        long sent = 0;
        long movedNanos = System.nanoTime();
        while (System.nanoTime() - movedNanos < 300_000_000) {
            for (SocketChannel peer : peers) {
                data.clear();
                int n = peer.write(data);
                if (n > 0) {
                    sent += n;
                    movedNanos = System.nanoTime();
                }
            }
            assertTrue(sent < count * (64L << 20), "64 MiB from each, and still read");
        }
        return peers;
    }

    /** Whether the other side has closed this connection on which it was sent too much. */
    private static boolean isLost(SocketChannel peer) {
        try {
            for (ByteBuffer rest = ByteBuffer.allocate(1 << 20); peer.read(rest) > 0; ) {
                rest.clear();
            }
            return peer.write(ByteBuffer.allocate(1)) < 0;
        } catch (IOException e) {
            return true;
        }
    }

    /** Moves the clients that have an answer from the one list to the other, and counts these. */
    private static int moveAnswered(List<Socket> waiting, List<Socket> served) {
        for (Socket socket : List.copyOf(waiting)) {
            try {
                if (socket.getInputStream().available() > 0) {
                    waiting.remove(socket);
                    served.add(socket);
                }
            } catch (IOException e) {
                throw new AssertionError("a client that waits was lost", e);
            }
        }
        return served.size();
    }

    private static boolean serves(int port) {
        try {
            TestSupport.assertServes(port);
            return true;
        } catch (IOException | AssertionError e) {
            return false;
        }
    }
}
