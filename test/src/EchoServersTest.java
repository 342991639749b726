import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.management.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What clients get from the servers, and what each option changes. */
@Timeout(60)
class EchoServersTest {
    private static final int CORES = Runtime.getRuntime().availableProcessors();

    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--bufsize 1", "THREADED,--bufsize=7",
        "THREADED,--spin", "THREADED,--nagle", "ASYNC,''", "ASYNC,--bufsize 1",
        "ASYNC,--bufsize=7", "ASYNC,--idle-timeout 20s", "ASYNC,--loops 2"})
    void everyByteComesBackAlsoAfterTheEndOfTheStream(ServerKind kind, String options)
            throws Exception {
        byte[] sent = TestClient.bytes(40_000);
        try (ServerKind.Running server = kind.start(ServerKind.words(options));
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(sent));
            client.send(sent);
            client.socket.shutdownOutput();
            assertArrayEquals(sent, client.socket.getInputStream().readAllBytes());
        }
    }

    @ParameterizedTest
    @EnumSource
    void whoNeverReadsHoldsUpNobodyAndLosesNothing(ServerKind kind) throws Exception {
        byte[] much = TestClient.bytes(20_000_000);
        try (ServerKind.Running server = kind.start("--bufsize", "5000");
                TestClient lazy = new TestClient(server.port());
                TestClient other = new TestClient(server.port())) {
            Thread sender = new Thread(() -> assertDoesNotThrow(() -> lazy.send(much)));
            sender.start();
            sender.join(500);
            assertTrue(sender.isAlive()); // the buffers of both sockets are full
            assertTrue(other.echoes(TestClient.bytes(100_000)));
            assertArrayEquals(much, lazy.receive(much.length));
            sender.join();
        }
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

    /** The numbers of bytes that the whole lines of a trace tell of. */
    private static List<Integer> traced(Program server) {
        String lines = server.err();
        return lines.substring(0, lines.lastIndexOf('\n') + 1).lines()
                .filter(line -> !line.contains("--")).map(line -> line.replaceAll("[^0-9]", ""))
                .map(Integer::valueOf).collect(Collectors.toList());
    }

    @ParameterizedTest
    @EnumSource
    void aReadTakesNoMoreThanTheBufferAndTraceTellsHowMuch(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--bufsize", "1k", "--trace");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(TestClient.bytes(3000)));
            Program.await(10, "all bytes are told", () ->
                    traced(server).stream().mapToInt(n -> n).sum() == 3000);
            assertTrue(Collections.max(traced(server)) <= 1024, server.err());
            assertTrue(server.err().lines().allMatch(line -> line.startsWith(kind.tag)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theBufferAndTheLimitThatNobodyAskedFor(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx16m"), "--trace");
                TestClient client = new TestClient(server.port())) {
            assertTrue(server.awaitErr("\n").contains("not 10000:"), server.err());
            int largest = 0;
            for (int trial = 1; trial <= 20 && largest < 16384; trial++) {
                assertTrue(client.echoes(TestClient.bytes(1_000_000)));
                largest = Collections.max(traced(server));
            }
            assertEquals(16384, largest);
        }
    }

    @ParameterizedTest
    @EnumSource
    void verboseTellsWhoComesAndGoesAndWhen(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--verbose", "--idle-timeout", "2s");
                TestClient idle = new TestClient(server.port());
                TestClient client = new TestClient(server.port())) {
            String ends = "127.0.0.1:" + client.socket.getLocalPort();
            String lost = "127.0.0.1:" + idle.socket.getLocalPort();
            assertTrue(client.echoes((byte) 1));
            client.socket.close();
            server.awaitErr(ends + " ended");
            server.awaitErr(lost + " lost");
            assertTrue(server.err().contains(ends + " connected"));
            assertTrue(server.err().contains(lost + " connected"));
            String time = server.err().substring(kind.tag.length()).split(" ")[0];
            long seconds = Math.abs(Duration.between(LocalTime.parse(time), LocalTime.now())
                    .toSeconds());
            assertTrue(Math.min(seconds, 86_400 - seconds) < 30, time);
        }
    }

    /** With Nagle's algorithm the rest of an echo waits for a delayed acknowledgement. */
    @ParameterizedTest
    @EnumSource
    void nagleHoldsBackTheRestOfAnEcho(ServerKind kind) throws Exception {
        assertTrue(medianMillis(kind, "--bufsize", "512", "--nagle") > 30);
        Tries.three(() -> assertTrue(medianMillis(kind, "--bufsize", "512") < 20));
    }

    private static double medianMillis(ServerKind kind, String... args) throws Exception {
        long[] nanos = new long[15];
        try (ServerKind.Running server = kind.start(args);
                TestClient client = new TestClient(server.port())) {
            for (int i = 0; i < nanos.length; i++) {
                long start = System.nanoTime();
                assertTrue(client.echoes(TestClient.bytes(1000)));
                nanos[i] = System.nanoTime() - start;
            }
        }
        Arrays.sort(nanos);
        return nanos[nanos.length / 2] / 1e6;
    }

    @ParameterizedTest
    @EnumSource
    void atTheLimitTheNextClientWaitsUntilOneLeaves(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--max-connections", "2")) {
            int port = server.port();
            try (TestClient one = new TestClient(port); TestClient two = new TestClient(port)) {
                assertTrue(one.echoes((byte) 1) && two.echoes((byte) 2));
                assertEquals("", server.err());
                try (TestClient three = new TestClient(port);
                        TestClient four = new TestClient(port)) {
                    List<TestClient> others = new ArrayList<>();
                    for (int i = 0; i < 60; i++) { // they wait, and nobody is refused
                        others.add(new TestClient(port));
                    }
                    TestClient.closeAll(others);
                    three.send((byte) 3);
                    assertTrue(three.isSilentFor(200));
                    one.socket.close();
                    assertArrayEquals(new byte[] {3}, three.receive(1));
                    two.socket.close();
                    assertTrue(four.echoes((byte) 4));
                }
            }
            assertEquals(1, server.err().lines().count(), server.err());
            assertTrue(server.err().contains("--max-connections 2"), server.err());
        }
    }

    /** A client's time begins when it is served; what it sends begins it anew. */
    @ParameterizedTest
    @EnumSource
    void aSilentClientIsClosedATalkingOneIsNot(ServerKind kind) throws Exception {
        try (ServerKind.Running server =
                kind.start("--idle-timeout", "1s", "--max-connections", "2");
                TestClient silent = new TestClient(server.port());
                TestClient talking = new TestClient(server.port());
                TestClient waiting = new TestClient(server.port())) {
            long start = System.nanoTime();
            while (System.nanoTime() - start < 900_000_000L) {
                assertTrue(talking.echoes((byte) 1));
                assertTrue(silent.isSilentFor(10) || System.nanoTime() - start > 900_000_000L);
            }
            assertTrue(waiting.isSilentFor(1));
            silent.socket.setSoTimeout(3000);
            assertTrue(silent.isEnded());
            assertTrue(waiting.echoes((byte) 9));
            assertTrue(waiting.isEnded());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aSilentClientIsClosedNotEarlierAndNotMuchLater(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--idle-timeout", "600ms")) {
            Tries.three(() -> {
                try (TestClient client = new TestClient(server.port())) {
                    long start = System.nanoTime();
                    assertTrue(client.echoes((byte) 1)); // the server's clock starts after ours
                    assertTrue(client.isEnded());
                    long millis = (System.nanoTime() - start) / 1_000_000;
                    assertTrue(millis >= 598 && millis < 900, millis + " ms");
                }
            });
        }
    }

    @Test
    void theEventLoopClosesAClientThatTakesNothing() throws Exception {
        try (ServerKind.Running server =
                ServerKind.ASYNC.start("--idle-timeout", "500ms");
                TestClient client = new TestClient(server.port())) {
            Thread sender = new Thread(() -> assertThrows(IOException.class, () ->
                    client.send(new byte[100_000_000]))); // far more than all buffers hold
            sender.start();
            sender.join(10_000);
            assertFalse(sender.isAlive());
        }
    }

    @Test
    void aPollingThreadWorksWhileItWaitsAndRestsAfterIt() throws Exception {
        assertTrue(pollingMillis() < 60);
        Tries.three(() -> assertTrue(pollingMillis("--spin") > 150));
    }

    /** What the threads of clients work while 100 messages come, 3 ms apart; then nothing. */
    private static double pollingMillis(String... args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start(args);
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            long before = clientThreadNanos();
            for (int i = 0; i < 100; i++) {
                Thread.sleep(3);
                assertTrue(client.echoes((byte) 1));
            }
            long millis = (clientThreadNanos() - before) / 1_000_000;
            Thread.sleep(100);
            long quiet = clientThreadNanos();
            Thread.sleep(200);
            assertEquals(quiet, clientThreadNanos()); // a client that has gone quiet
            return millis;
        }
    }

    private static List<Thread> threads(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name)).collect(Collectors.toList());
    }

    private static long clientThreadNanos() {
        ThreadMXBean times = ManagementFactory.getThreadMXBean();
        return threads("client").stream()
                .mapToLong(thread -> times.getThreadCpuTime(thread.getId())).sum();
    }

    @Test
    void virtualThreadsAreVirtual() throws Exception {
        if (Runtime.version().feature() < 21) {
            Ran ran = ServerKind.THREADED.ran("--port", "0", "--virtual");
            assertEquals(2, ran.status);
            assertTrue(ran.err.contains("--virtual"), ran.err);
            return;
        }
        try (ServerKind.Running server = ServerKind.THREADED.start("--virtual");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(TestClient.bytes(100_000)));
            assertEquals(List.of(), threads("client"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "--loops 1", "--loops 3", "--loops=5"})
    void eachLoopIsAThreadAndListens(String options) throws Exception {
        int count = Math.max(1, CORES / 2);
        if (!options.isEmpty()) {
            count = Integer.parseInt(options.replaceAll("[^0-9]", ""));
        }
        try (ServerKind.Running server = ServerKind.ASYNC.start(ServerKind.words(options));
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            assertEquals(count, sockets(server.port(), "0A").size());
            assertEquals(count, threads("loop").size());
        }
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
}
