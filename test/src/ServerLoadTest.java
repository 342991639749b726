import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Many connections, one after the other and all at once: what they leave and what they cost. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServerLoadTest {
    private static final byte[] MESSAGE = TestSupport.bytes(1024, 1);

    /** A server that runs for months must not keep anything of those who left. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void after20000ConnectionsInARowNothingIsLeft(ServerKind kind) throws Exception {
        // With a small heap, so that what grows is not just garbage that waits to be collected.
        try (Program server = Program.launchWith(List.of("-Xmx48m"), kind.program,
                "--port", "0")) {
            connectInARow(server.port(), 1000);
            TestSupport.until("the first are closed", () -> server.descriptors() < 20);
            long descriptors = server.descriptors();
            long threads = server.threads();
            long residentKib = server.residentKib();
            connectInARow(server.port(), 19_000);
            // The JVM itself may have opened one more, or started another compiler thread.
            TestSupport.until("descriptors are back, " + descriptors,
                    () -> server.descriptors() <= descriptors + 3);
            TestSupport.until("threads are back, " + threads,
                    () -> server.threads() <= threads + 5);
            long moreMib = (server.residentKib() - residentKib) / 1024;
            assertTrue(moreMib < 128, moreMib + " MiB more");
            assertEquals(List.of(), server.err());
        }
    }

    /** Closer than a process can be looked at: heap and direct memory, which only the GC frees. */
    @ParameterizedTest
    @EnumSource
    void heapAndDirectMemoryAreBackWhereTheyWere(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start()) {
            connectInARow(server.port(), 300);
            long heap = liveHeapBytes();
            long direct = directBytes();
            connectInARow(server.port(), 2000);
            // Before any collection: it may free what was lost, but who knows when it comes.
            long moreDirect = directBytes() - direct;
            assertTrue(moreDirect <= 100 * 16 * 1024, moreDirect + " bytes more direct memory");
            TestSupport.until("no more heap than before",
                    () -> liveHeapBytes() < heap + 2000 * 100);
        }
    }

    /** All are served at the same time; what each costs the server is printed. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void tenThousandClientsAreServedAtOnce(ServerKind kind) throws Exception {
        int count = 10_000;
        TestSupport.assumeDescriptors(count + 1000);
        List<SocketChannel> clients = new ArrayList<>();
        try (Program server = kind.launch()) {
            TestSupport.assertServes(server.port());
            long before = server.residentKib();
            for (int i = 0; i < count; i++) {
                clients.add(SocketChannel.open(new InetSocketAddress("127.0.0.1", server.port())));
            }
            for (SocketChannel client : clients) {
                client.write(ByteBuffer.wrap(MESSAGE));
            }
            for (SocketChannel client : clients) {
                client.socket().setSoTimeout(TestSupport.PATIENCE_MILLIS);
                assertArrayEquals(MESSAGE,
                        client.socket().getInputStream().readNBytes(MESSAGE.length));
            }
            System.out.printf(Locale.ROOT, "%s: %.1f KiB a connection, at %d connections%n",
                    kind.program, (server.residentKib() - before) / (double) count, count);
            assertEquals(List.of(), server.err());
        } finally {
            for (SocketChannel client : clients) {
                client.close();
            }
        }
    }

    /** Who comes with a crowd, while others are busy, must not wait for long. */
    @ParameterizedTest
    @EnumSource
    void aCrowdThatConnectsBesideBusyClients(ServerKind kind) throws Exception {
        int count = 2000;
        TestSupport.assumeDescriptors(2 * (count + 300) + 1000);
        List<SocketChannel> crowd = new ArrayList<>();
        try (ServerKind.Running server = kind.start();
                BusyClients busy = new BusyClients(server.port(), 300)) {
            busy.awaitEchoes(3000);
            long start = System.nanoTime();
            for (int i = 0; i < count; i++) {
                SocketChannel client =
                        SocketChannel.open(new InetSocketAddress("127.0.0.1", server.port()));
                crowd.add(client);
                client.write(ByteBuffer.wrap(MESSAGE));
            }
            for (SocketChannel client : crowd) {
                client.socket().setSoTimeout(TestSupport.PATIENCE_MILLIS);
                assertArrayEquals(MESSAGE,
                        client.socket().getInputStream().readNBytes(MESSAGE.length));
            }
            long seconds = (System.nanoTime() - start) / 1_000_000_000;
            assertTrue(seconds < 20, "the last of the crowd had its echo after " + seconds + " s");
        } finally {
            for (SocketChannel client : crowd) {
                client.close();
            }
        }
    }

    private static void connectInARow(int port, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            try (Socket socket = TestSupport.connect(port)) {
                assertArrayEquals(MESSAGE, TestSupport.roundTrip(socket, MESSAGE));
            }
        }
    }

    /** What is still in use after a collection. */
    private static long liveHeapBytes() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static long directBytes() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed).sum();
    }
}
