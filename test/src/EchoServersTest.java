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
        "THREADED,--bufsize 200k", "THREADED,--spin", "THREADED,--nagle", "ASYNC,''",
        "ASYNC,--bufsize 1", "ASYNC,--bufsize=7", "ASYNC,--bufsize 200k",
        "ASYNC,--idle-timeout 20s", "ASYNC,--loops 2"})
    void everyByteComesBackAlsoAfterTheEndOfTheStream(ServerKind kind, String options)
            throws Exception {
        byte[] sent = TestClient.bytes(options.contains("k") ? 1_000_000 : 10_000);
        try (ServerKind.Running server = kind.start(options);
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(sent));
            client.send(sent);
            client.socket.shutdownOutput();
            assertArrayEquals(sent, client.socket.getInputStream().readAllBytes());
        }
    }

    /** Its own bytes wait in both sockets; all are counted as they leave. */
    @ParameterizedTest
    @EnumSource
    void whoNeverReadsHoldsUpNobodyAndLosesNothing(ServerKind kind) throws Exception {
        byte[] much = TestClient.bytes(20_000_000);
        try (Program server = kind.launch("--bufsize 5000");
                TestClient lazy = new TestClient(server.port());
                TestClient other = new TestClient(server.port())) {
            Thread sender = new Thread(() -> assertDoesNotThrow(() -> lazy.send(much)));
            sender.start();
            sender.join(500);
            assertTrue(sender.isAlive()); // the buffers of both sockets are full
            assertTrue(other.echoes(TestClient.bytes(100_000)));
            assertArrayEquals(much, lazy.receive(much.length));
            sender.join();
            server.signal("TERM");
            server.await(" 20100000 bytes echoed\n");
        }
    }

    /** Each has bytes of its own, and buffers far smaller than these. */
    @ParameterizedTest
    @CsvSource({"THREADED,100", "THREADED,16k", "ASYNC,100", "ASYNC,16k"})
    void nobodyGetsWhatAnotherSent(ServerKind kind, String bufsize) throws Exception {
        ExecutorService pool = Executors.newCachedThreadPool();
        try (ServerKind.Running server = kind.start("--bufsize " + bufsize)) {
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 30; i++) {
                byte[] own = TestClient.bytes(10_000 + i);
                boolean leaves = i % 3 == 0; // before it has taken anything
                all.add(pool.submit(() -> {
                    try (TestClient client = new TestClient(server.port())) {
                        client.send(own);
                        return leaves || Arrays.equals(own, client.receive(own.length))
                                && client.echoes(own) && client.echoes(own);
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
                .filter(line -> !line.contains("127.0.0.1:") && !line.contains("--"))
                .map(line -> Integer.valueOf(line.replaceAll("[^0-9]", "")))
                .collect(Collectors.toList());
    }

    @ParameterizedTest
    @EnumSource
    void aReadTakesNoMoreThanTheBufferAndTraceTellsHowMuch(ServerKind kind) throws Exception {
        try (Program server = kind.launch("--bufsize 1k --trace --verbose");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(TestClient.bytes(3000)));
            Check.await(10, "all bytes are told", () ->
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
            Check.has(server.await("--max-connections"), "10000");
            int largest = 0;
            for (int trial = 1; trial <= 20 && largest < 16384; trial++) {
                assertTrue(client.echoes(TestClient.bytes(1_000_000)));
                largest = Collections.max(traced(server));
            }
            assertEquals(16384, largest);
        }
    }

    /** By the ports of the clients, and the time of day where the server is. */
    @ParameterizedTest
    @EnumSource
    void verboseTellsWhoComesAndGoesAndWhen(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Duser.timezone=GMT+9"),
                "--verbose --idle-timeout 1500ms");
                TestClient idle = new TestClient(server.port());
                TestClient resets = new TestClient(server.port());
                TestClient ends = new TestClient(server.port())) {
            List<String> names = new ArrayList<>();
            for (TestClient client : List.of(idle, resets, ends)) {
                assertTrue(client.echoes((byte) 1));
                names.add(" 127.0.0.1:" + client.socket.getLocalPort());
                server.await(names.get(names.size() - 1) + " ");
            }
            ends.socket.close();
            resets.socket.setSoLinger(true, 0);
            resets.socket.close();
            server.awaitMessages(6);
            for (String name : names) {
                assertEquals(3, server.err().split(name + " ", -1).length, server.err());
            }
            Check.has(server.err(), "1.5 s");
            assertEquals(6, server.err().lines().count(), server.err());
            LocalTime told = LocalTime.parse(server.err().substring(kind.tag.length(),
                    kind.tag.length() + 8));
            long ago = Duration.between(told, LocalTime.now(ZoneId.of("GMT+9"))).toSeconds();
            Check.between(0, 30, Math.floorMod(ago, 86_400));
        }
    }

    /** With Nagle's algorithm the rest of an echo waits for a delayed acknowledgement. */
    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--spin", "ASYNC,''"})
    void nagleHoldsBackTheRestOfAnEcho(ServerKind kind, String option) throws Exception {
        String line = "--bufsize 512 " + option;
        assertTrue(medianMillis(kind, line + " --nagle") > 30);
        Check.three(() -> assertTrue(medianMillis(kind, line) < 20));
    }

    private static long medianMillis(ServerKind kind, String line) throws Exception {
        long[] millis = new long[9];
        try (ServerKind.Running server = kind.start(line);
                TestClient client = new TestClient(server.port())) {
            for (int i = 0; i < millis.length; i++) {
                millis[i] = Check.millis(() -> client.echoes(TestClient.bytes(1000)));
            }
        }
        Arrays.sort(millis);
        return millis[millis.length / 2];
    }

    /** Each time that it is reached; that is said once. */
    @ParameterizedTest
    @CsvSource({"THREADED,1", "THREADED,2", "ASYNC,1", "ASYNC,2"})
    void atTheLimitTheNextClientWaitsUntilOneLeaves(ServerKind kind, int limit)
            throws Exception {
        try (Program server = kind.launch("--max-connections " + limit)) {
            int port = server.port();
            List<TestClient> served = new ArrayList<>();
            for (int i = 0; i < limit; i++) {
                served.add(new TestClient(port));
                assertTrue(served.get(i).echoes((byte) 1));
            }
            assertEquals("", server.err());
            for (int round = 0; round < 2; round++) {
                try (TestClient waiting = new TestClient(port)) {
                    List<TestClient> others = TestClient.crowd(port, 60); // nobody is refused
                    assertEquals(60, others.size());
                    TestClient.closeAll(others);
                    waiting.send((byte) 3);
                    assertTrue(waiting.isSilentFor(100));
                    served.remove(0).close();
                    assertArrayEquals(new byte[] {3}, waiting.receive(1));
                }
                served.add(new TestClient(port));
                assertTrue(served.get(limit - 1).echoes((byte) 4));
            }
            assertEquals(1, server.err().lines().count(), server.err());
            Check.has(server.err(), "--max-connections " + limit);
            TestClient.closeAll(served);
        }
    }

    /** A client's time begins when it is served; what it sends begins it anew. */
    @ParameterizedTest
    @EnumSource
    void aSilentClientIsClosedATalkingOneIsNot(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--idle-timeout 1s --max-connections 2");
                TestClient silent = new TestClient(server.port());
                TestClient talking = new TestClient(server.port());
                TestClient waiting = new TestClient(server.port())) {
            long start = System.nanoTime();
            while (System.nanoTime() - start < 900 * Made.MS) {
                assertTrue(talking.echoes((byte) 1));
                assertTrue(silent.isSilentFor(10) || System.nanoTime() - start > 900 * Made.MS);
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
        try (ServerKind.Running server = kind.start("--idle-timeout 600ms")) {
            Check.three(() -> Check.between(598, 900, Check.millis(() -> {
                try (TestClient client = new TestClient(server.port())) {
                    assertTrue(client.echoes((byte) 1)); // the server's clock starts after ours
                    assertTrue(client.isEnded());
                }
            })));
        }
    }

    @Test
    void theEventLoopClosesAClientThatTakesNothing() throws Exception {
        try (ServerKind.Running server = ServerKind.ASYNC.start("--idle-timeout 500ms");
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
        assertTrue(pollingMillis("") < 60);
        Check.three(() -> assertTrue(pollingMillis("--spin") > 150));
    }

    /** What the threads of clients work while 100 messages come, 3 ms apart; then nothing. */
    private static long pollingMillis(String line) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start(line);
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

    static List<Thread> threads(String name) {
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
            Ran ran = new Ran(ServerKind.THREADED::run, "--port", "0", "--virtual");
            assertEquals(2, ran.status);
            Check.has(ran.err, "--virtual");
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
    void eachLoopIsAThreadAndListensAndServes(String options) throws Exception {
        int count = Math.max(1, CORES / 2);
        if (!options.isEmpty()) {
            count = Integer.parseInt(options.replaceAll("[^0-9]", ""));
        }
        try (ServerKind.Running server = ServerKind.ASYNC.start(options)) {
            for (int i = 0; i < 30; i++) {
                assertTrue(TestClient.isServed(server.port()));
            }
            List<String> listeners = sockets(server.port(), "0A");
            assertEquals(count, listeners.size());
            listeners.forEach(one -> Check.has(one, "0100007F:")); // 127.0.0.1, as IPv6, too
            assertEquals(count, threads("loop").size());
        }
    }

    @ParameterizedTest
    @CsvSource({"THREADED,--nagle", "THREADED,--spin", "ASYNC,--nagle", "ASYNC,--loops 2",
        "ASYNC,--idle-timeout 1h"})
    void theSystemAsksNowAndThenWhetherAQuietClientIsThere(ServerKind kind, String option)
            throws Exception {
        try (ServerKind.Running server = kind.start(option);
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            Check.await(10, "a timer of SO_KEEPALIVE", () -> sockets(server.port(), "01")
                    .stream().anyMatch(line -> line.split(" ")[5].startsWith("02:")));
        }
    }

    /** The lines of the system's table for this port, of sockets in this state. */
    static List<String> sockets(int port, String state) {
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

    /** More than a connection's, or an int's, worth of bytes. */
    @Tag("slow")
    @ParameterizedTest
    @EnumSource
    void moreThanFourGigabytesAreCounted(ServerKind kind) throws Exception {
        try (Program server = kind.launch("--bufsize 1m")) {
            Ran ran = Ran.bench(server.port(), "--size 64m --repeat 65");
            assertEquals(0, ran.status, ran.toString());
            server.signal("TERM");
            server.await("served 1 connection, " + 65L * 64 * 1024 * 1024 + " bytes echoed");
        }
    }
}
