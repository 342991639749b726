import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** Defaults, times and starts that fail, by what the system and the other side see of them. */
@Timeout(60)
class ServerSocketsTest {
    private static final int CORES = Runtime.getRuntime().availableProcessors();

    /** Either it listens there, or it says that it can't, because another program does. */
    @ParameterizedTest
    @CsvSource({"THREADED,127.0.0.1:5050", "ASYNC,127.0.0.1:5051"})
    void thePortThatNobodyAskedFor(ServerKind kind, String address) throws Exception {
        try (Program server = Program.java(kind.program)) {
            Program.await(20, "a line", () -> (server.out() + server.err()).contains("\n"));
            assertTrue((server.out() + server.err()).contains(" " + address), server.err());
        }
    }

    @ParameterizedTest
    @EnumSource
    void theBufferAndTheLimitThatNobodyAskedFor(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx16m"), "--trace");
                TestClient client = new TestClient(server.port())) {
            assertTrue(server.awaitErr("\n").contains("not 10000:"), server.err());
            int before = server.err().length();
            for (int trial = 1; trial <= 20 && largest(server, before) < 16384; trial++) {
                assertTrue(client.echoes(TestClient.bytes(1_000_000)));
            }
            assertEquals(16384, largest(server, before));
        }
    }

    private static int largest(Program server, int from) {
        return server.err().substring(from).lines()
                .map(line -> line.replaceAll("[^0-9]", "")).filter(text -> !text.isEmpty())
                .mapToInt(Integer::parseInt).max().orElse(0);
    }

    @ParameterizedTest
    @EnumSource
    void theSystemAsksNowAndThenWhetherAQuietClientIsThere(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start();
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            Program.await(10, "a timer of SO_KEEPALIVE", () -> sockets(server.port(), "01")
                    .stream().anyMatch(line -> line.split(" ")[5].startsWith("02:")));
        }
    }

    @ParameterizedTest
    @CsvSource({"THREADED,,1", "ASYNC,,0", "ASYNC,1,1", "ASYNC,3,3", "ASYNC,=5,5"})
    void eachLoopListens(ServerKind kind, String loops, int count) throws Exception {
        String[] args = loops == null ? new String[0]
                : loops.startsWith("=") ? new String[] {"--loops" + loops}
                : new String[] {"--loops", loops};
        try (ServerKind.Running server = kind.start(args)) {
            assertEquals(count == 0 ? Math.max(1, CORES / 2) : count,
                    sockets(server.port(), "0A").size());
        }
    }

    /** The lines of the system's table for this port, of sockets in this state. */
    private static List<String> sockets(int port, String state) {
        String local = String.format(":%04X", port);
        List<String> found = new ArrayList<>();
        for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
            if (Files.exists(Path.of(table))) {
                found.addAll(assertDoesNotThrow(() -> Files.readAllLines(Path.of(table))));
            }
        }
        return found.stream().map(line -> line.trim().replaceAll(" +", " "))
                .filter(line -> line.split(" ")[1].endsWith(local))
                .filter(line -> line.split(" ")[3].equals(state))
                .collect(Collectors.toList());
    }

    /** Each has bytes of its own, and buffers far smaller than these. */
    @ParameterizedTest
    @CsvSource({"THREADED,100", "THREADED,16k", "ASYNC,100", "ASYNC,16k"})
    void nobodyGetsWhatAnotherSent(ServerKind kind, String bufsize) throws Exception {
        ExecutorService pool = Executors.newCachedThreadPool();
        try (ServerKind.Running server = kind.start("--bufsize", bufsize)) {
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 30; i++) {
                byte[] own = TestClient.bytes(20_000 + i);
                boolean leaves = i % 3 == 0; // before it has taken anything
                all.add(pool.submit(() -> {
                    try (TestClient client = new TestClient(server.port())) {
                        if (leaves) {
                            client.send(own);
                            return true;
                        }
                        return client.echoes(own) && client.echoes(own) && client.echoes(own);
                    }
                }));
            }
            for (Future<Boolean> one : all) {
                assertTrue(one.get());
            }
        } finally {
            pool.shutdown();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aSilentClientIsClosedNotEarlierAndNotMuchLater(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--idle-timeout", "600ms")) {
            Tries.three(() -> {
                long millis = silentMillis(server.port());
                assertTrue(millis < 900, millis + " ms");
            });
        }
    }

    private static long silentMillis(int port) throws Exception {
        try (TestClient client = new TestClient(port)) {
            long start = System.nanoTime();
            assertTrue(client.echoes((byte) 1)); // the server's clock starts after ours
            assertTrue(client.isEnded());
            long millis = (System.nanoTime() - start) / 1_000_000;
            if (millis < 598) {
                throw new IllegalStateException("closed after " + millis + " ms"); // no try
            }
            return millis;
        }
    }

    /** What is said has the time of day; without the option nothing is said. */
    @ParameterizedTest
    @EnumSource
    void verboseHasTheTimeOfDay(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--verbose");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            String line = server.awaitErr("connected");
            LocalTime said = LocalTime.parse(line.substring(kind.tag.length()).split(" ")[0]);
            long seconds = Math.abs(Duration.between(said, LocalTime.now()).toSeconds());
            assertTrue(Math.min(seconds, 86_400 - seconds) < 30, line);
        }
    }

    /** Nothing is left of a start that failed: no thread, no descriptor, no port. */
    @ParameterizedTest
    @EnumSource
    void failedStartsLeaveNothing(ServerKind kind) throws Exception {
        String port;
        try (ServerSocket taken = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            port = "" + taken.getLocalPort();
            assertCannotStart(kind, port, 1);
            int before = descriptors();
            assertCannotStart(kind, port, 20);
            Program.await(10, "no descriptor", () -> descriptors() < before + 10);
        }
        try (ServerKind.Running server = kind.start("--port", port)) {
            assertTrue(TestClient.isServed(server.port()));
        }
    }

    private static void assertCannotStart(ServerKind kind, String port, int times)
            throws InterruptedException {
        for (int i = 0; i < times; i++) {
            assertThrows(IOException.class, () -> kind.start("--port", port));
        }
        Program.await(10, "no thread is left", () -> ours() == 0);
    }

    private static long ours() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName)
                .filter(List.of("accept", "loop", "client", "close")::contains).count();
    }

    private static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    /** Below 1024 the system wants a privilege; another port would be no better advice. */
    @ParameterizedTest
    @EnumSource
    void aPortThatNeedsAPrivilege(ServerKind kind, @TempDir Path folder) throws Exception {
        Assumptions.assumeTrue(System.getProperty("user.name").equals("root")
                && Files.exists(Path.of("/usr/bin/setpriv")), "only root can be another user");
        try (Program limit = Program.command("cat",
                "/proc/sys/net/ipv4/ip_unprivileged_port_start")) {
            limit.end(10);
            Assumptions.assumeTrue(Integer.parseInt(limit.out().trim()) > 7, "no privilege");
        }
        // Another user may not read the project's folder.
        for (File file : new File(Program.CLASSES).listFiles()) {
            Files.copy(file.toPath(), folder.resolve(file.getName()));
        }
        folder.toFile().setReadable(true, false);
        folder.toFile().setExecutable(true, false);
        try (Program server = Program.command("setpriv", "--reuid", "65534", "--clear-groups",
                Program.JAVA, "-cp", folder.toString(), kind.program, "--port", "7")) {
            assertEquals(1, server.end(20), server.err());
            assertEquals(1, server.err().lines().count(), server.err());
            assertTrue(server.err().contains("127.0.0.1:7"), server.err());
            assertTrue(server.err().contains("1024"), server.err());
            assertFalse(server.err().contains("--port"), server.err());
        }
    }

    /** Who read its standard output, and its messages, goes away; it serves on. */
    @ParameterizedTest
    @EnumSource
    void itGoesOnWithoutItsReader(ServerKind kind) throws Exception {
        Process server = process(kind, "--trace", "--verbose");
        try {
            int port = portOf(server);
            server.getInputStream().close();
            server.getErrorStream().close();
            for (int i = 0; i < 3; i++) {
                assertTrue(TestClient.isServed(port));
            }
            assertEndsOnSignal(server);
        } finally {
            server.destroyForcibly();
        }
    }

    /** Nobody reads what --trace prints: that pipe is full, and the end comes in time. */
    @ParameterizedTest
    @EnumSource
    void itEndsInTimeAlthoughNobodyReadsItsMessages(ServerKind kind) throws Exception {
        Tries.three(() -> {
            Process server = process(kind, "--trace", "--bufsize", "1");
            try (TestClient client = new TestClient(portOf(server))) {
                client.send(TestClient.bytes(20_000)); // of which each is told
                client.socket.setSoTimeout(1000);
                assertThrows(SocketTimeoutException.class, () -> client.receive(20_000));
                assertEndsOnSignal(server);
            } finally {
                server.destroyForcibly();
            }
        });
    }

    private static Process process(ServerKind kind, String... args) throws IOException {
        List<String> command = new ArrayList<>(List.of(Program.JAVA, "-cp", Program.CLASSES,
                kind.program, "--port", "0"));
        command.addAll(List.of(args));
        return new ProcessBuilder(command).start();
    }

    private static int portOf(Process server) throws IOException {
        String line = new BufferedReader(new InputStreamReader(server.getInputStream()))
                .readLine();
        return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
    }

    private static void assertEndsOnSignal(Process server) throws Exception {
        long start = System.nanoTime();
        server.destroy(); // SIGTERM
        assertTrue(server.waitFor(10, TimeUnit.SECONDS));
        long millis = (System.nanoTime() - start) / 1_000_000;
        assertEquals(143, server.exitValue());
        assertTrue(millis <= 1000, millis + " ms");
    }
}
