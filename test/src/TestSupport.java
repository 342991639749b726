import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.function.BooleanSupplier;

import com.sun.management.UnixOperatingSystemMXBean;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** What several tests need: waiting with a bound, and clients that are simple enough to trust. */
final class TestSupport {
    private TestSupport() {
    }

    /** What has to happen is waited for so long, since it may take its time on a busy machine. */
    static final int PATIENCE_MILLIS = 60_000;

    /** Waits until something holds, and fails when it does not within a minute. */
    static void until(String what, BooleanSupplier condition) {
        if (!within(PATIENCE_MILLIS, condition)) {
            Assertions.fail("not within a minute: " + what);
        }
    }

    /** Whether something comes to hold within a time. */
    static boolean within(long millis, BooleanSupplier condition) {
        long deadline = System.nanoTime() + millis * 1_000_000;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            pause(5);
        }
        return true;
    }

    static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    /** A client's connection, on which no read waits for ever. */
    static Socket connect(int port) throws IOException {
        Socket socket = new Socket();
        open(socket, "127.0.0.1", port);
        return socket;
    }

    static void open(Socket socket, String host, int port) throws IOException {
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(PATIENCE_MILLIS);
        socket.connect(new InetSocketAddress(host, port), PATIENCE_MILLIS);
    }

    /** The same bytes for the same seed, of every value. */
    static byte[] bytes(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Sends a message and reads as many bytes back; small enough for the socket buffers. */
    static byte[] roundTrip(Socket socket, byte[] message) throws IOException {
        socket.getOutputStream().write(message);
        return socket.getInputStream().readNBytes(message.length);
    }

    /** Fails unless this connection is served. */
    static void assertServed(Socket socket) throws IOException {
        byte[] message = bytes(100, socket.getLocalPort());
        Assertions.assertArrayEquals(message, roundTrip(socket, message), "the echo");
    }

    /** Fails unless a new client is served. */
    static void assertServes(int port) throws IOException {
        try (Socket socket = connect(port)) {
            assertServed(socket);
        }
    }

    /** Sends a message of any length in pieces, ends its side, and returns all that came back. */
    static byte[] echoOf(Socket socket, byte[] message, int... pieces) throws Exception {
        FutureTask<Void> sending = inBackground(() -> {
            OutputStream out = socket.getOutputStream();
            int sent = 0;
            for (int i = 0; sent < message.length; i++) {
                int piece = pieces.length == 0 ? message.length : pieces[i % pieces.length];
                int length = Math.min(piece, message.length - sent);
                out.write(message, sent, length);
                sent += length;
            }
            socket.shutdownOutput();
            return null;
        });
        byte[] echo = socket.getInputStream().readAllBytes();
        sending.get();
        return echo;
    }

    /** Skips the test where this process or another may not have so many descriptors. */
    static void assumeDescriptors(long count) {
        OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
        if (system instanceof UnixOperatingSystemMXBean) {
            long most = ((UnixOperatingSystemMXBean) system).getMaxFileDescriptorCount();
            Assumptions.assumeTrue(most >= count, "only " + most + " descriptors");
        }
    }

    /**
     * Skips the test where Ctrl-C is ignored: a shell starts what is to run in the background with
     * SIGINT ignored, and that is inherited.
     */
    static void assumeInterruptible() throws IOException {
        Path status = Path.of("/proc/self/status");
        boolean ignored = Files.exists(status) && Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .anyMatch(line -> (Long.parseUnsignedLong(line.substring(7).trim(), 16) & 2) != 0);
        Assumptions.assumeFalse(ignored, "started in the background, where Ctrl-C is ignored");
    }

    /** Runs something in a thread of its own; get() waits for it and throws what it threw. */
    static <T> FutureTask<T> inBackground(Callable<T> work) {
        FutureTask<T> task = new FutureTask<>(work);
        Thread thread = new Thread(task, "test-helper");
        thread.setDaemon(true);
        thread.start();
        return task;
    }

    /** Fails unless the peer has closed this connection, orderly or by a reset, within a minute. */
    static void assertClosed(Socket socket) throws IOException {
        try {
            Assertions.assertEquals(-1, socket.getInputStream().read(), "end of stream");
        } catch (SocketTimeoutException e) {
            throw new AssertionError("the connection is still open", e);
        } catch (IOException e) {
            // reset
        }
    }
}
