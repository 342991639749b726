import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.management.*;
import java.util.*;
import java.util.regex.Pattern;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What clients get from the servers, and what each option changes. */
@Timeout(60)
class EchoServersTest {

    @ParameterizedTest
    @CsvSource({"THREADED,", "THREADED,--bufsize 1", "THREADED,--bufsize=7",
        "THREADED,--spin", "THREADED,--nagle", "ASYNC,",
        "ASYNC,--bufsize 1", "ASYNC,--bufsize=7",
        "ASYNC,--idle-timeout 20s", "ASYNC,--loops 2"})
    void everyByteComesBackAlsoAfterTheEndOfTheStream(ServerKind kind, String options)
            throws Exception {
        byte[] sent = TestClient.bytes(200_000);
        try (ServerKind.Running server = kind.start(words(options));
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

    @ParameterizedTest
    @EnumSource
    void aReadTakesNoMoreThanTheBufferAndTraceTellsHowMuch(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--bufsize", "1k", "--trace");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes(TestClient.bytes(3000)));
            Program.await(10, "all bytes are told", () -> traced(server) >= 3000);
            assertEquals(3000, traced(server));
            for (String line : server.err().split("\n")) {
                assertTrue(line.startsWith(kind.tag), line);
                assertTrue(Integer.parseInt(line.replaceAll("[^0-9]", "")) <= 1024, line);
            }
        }
    }

    /** How many bytes the whole lines of a trace tell of. */
    private static int traced(Program server) {
        String lines = server.err();
        int sum = 0;
        for (String line : lines.substring(0, lines.lastIndexOf('\n') + 1).split("\n")) {
            String digits = line.replaceAll("[^0-9]", "");
            sum += digits.isEmpty() ? 0 : Integer.parseInt(digits);
        }
        return sum;
    }

    @ParameterizedTest
    @EnumSource
    void verboseTellsWhoComesAndGoes(ServerKind kind) throws Exception {
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
        }
    }

    /** With Nagle's algorithm the rest of an echo waits for a delayed acknowledgement. */
    @ParameterizedTest
    @EnumSource
    void nagleHoldsBackTheRestOfAnEcho(ServerKind kind) throws Exception {
        assertTrue(medianMillis(kind, "--bufsize", "512", "--nagle") > 30);
        for (int trial = 1; medianMillis(kind, "--bufsize", "512") > 20; trial++) {
            assertTrue(trial < 3, "slow without --nagle");
        }
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
                try (TestClient three = new TestClient(port);
                        TestClient four = new TestClient(port)) {
                    three.send((byte) 3);
                    assertTrue(three.isSilentFor(200));
                    one.socket.close();
                    assertArrayEquals(new byte[] {3}, three.receive(1));
                    two.socket.close();
                    assertTrue(four.echoes((byte) 4));
                }
            }
            assertEquals(2, server.err().split(Pattern.quote("--max-connections")).length);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aSilentClientIsClosedATalkingOneIsNot(ServerKind kind) throws Exception {
        try (ServerKind.Running server =
                kind.start("--idle-timeout", "1s", "--max-connections", "2");
                TestClient silent = new TestClient(server.port());
                TestClient talking = new TestClient(server.port())) {
            long start = System.nanoTime();
            assertTrue(talking.echoes((byte) 1));
            TestClient waiting = new TestClient(server.port()); // its time has not begun
            while (System.nanoTime() - start < 900_000_000L) {
                assertTrue(talking.echoes((byte) 1));
                assertTrue(silent.isSilentFor(10) || System.nanoTime() - start > 900_000_000L);
            }
            while (!waiting.isSilentFor(1) || waiting.socket.getInputStream().available() > 0) {
                fail("it was served early, or closed");
            }
            silent.socket.setSoTimeout(3000);
            assertTrue(silent.isEnded());
            assertTrue(waiting.echoes((byte) 9));
            assertTrue(waiting.isEnded());
            waiting.close();
        }
    }

    @Test
    void theEventLoopClosesAClientThatTakesNothing() throws Exception {
        try (ServerKind.Running server =
                ServerKind.ASYNC.start("--idle-timeout", "500ms");
                TestClient client = new TestClient(server.port())) {
            assertThrows(IOException.class, () -> {
                for (int i = 0; i < 100; i++) { // far more than all buffers hold
                    client.send(new byte[1_000_000]);
                }
            });
        }
    }

    @Test
    void aPollingThreadWorksWhileItWaitsAndRestsAfterIt() throws Exception {
        assertTrue(pollingMillis() < 60);
        for (int trial = 1; pollingMillis("--spin") < 150; trial++) {
            assertTrue(trial < 3, "it does not poll");
        }
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

    private static long clientThreadNanos() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("client"))
                .mapToLong(thread -> threads.getThreadCpuTime(thread.getId())).sum();
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
            assertTrue(Thread.getAllStackTraces().keySet().stream()
                    .noneMatch(thread -> thread.getName().equals("client")));
        }
    }

    @Test
    void eachLoopIsAThread() throws Exception {
        try (ServerKind.Running server = ServerKind.ASYNC.start("--loops", "3");
                TestClient client = new TestClient(server.port())) {
            assertTrue(client.echoes((byte) 1));
            assertEquals(3, Thread.getAllStackTraces().keySet().stream()
                    .filter(thread -> thread.getName().equals("loop")).count());
        }
    }

    private static String[] words(String options) {
        return options == null ? new String[0] : options.split(" ");
    }
}
