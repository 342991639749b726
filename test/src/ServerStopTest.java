import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.Field;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** How the servers end: in time, with their sum, and nobody is served after it. */
@Timeout(120)
class ServerStopTest {

    @ParameterizedTest
    @CsvSource({"THREADED,TERM,143", "THREADED,INT,130", "ASYNC,TERM,143", "ASYNC,INT,130"})
    void aSignalEndsItWithItsSum(ServerKind kind, String signal, int status) throws Exception {
        try (Program server = kind.launch("");
                TestClient one = new TestClient(server.port());
                TestClient two = new TestClient(server.port())) {
            assertTrue(one.echoes(TestClient.bytes(50_000)) && two.echoes((byte) 1));
            server.signal(signal);
            assertEquals(status, server.end(20));
            assertTrue(server.out().endsWith(
                    kind.tag + "served 2 connections, 50001 bytes echoed\n"), server.out());
            assertTrue(one.isEnded() && two.isEnded());
            assertEquals("", server.err());
        }
    }

    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--spin", "ASYNC,''"})
    void aSignalEndsItWithinASecondBesideBusyClients(ServerKind kind, String option)
            throws Exception {
        assertEndsWithinASecond(kind, option, 100);
    }

    @Tag("slow")
    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--spin", "ASYNC,''"})
    void aSignalEndsItWithinASecondBesideACrowd(ServerKind kind, String option)
            throws Exception {
        assertEndsWithinASecond(kind, option, 20);
        assertEndsWithinASecond(kind, option, 1000);
        assertEndsWithinASecond(kind, option, 3000);
    }

    private static void assertEndsWithinASecond(ServerKind kind, String option, int count)
            throws Exception {
        Check.three(() -> {
            try (Program server = kind.launch(option);
                    BusyClients clients = new BusyClients(server.port(), count)) {
                clients.awaitServed(count);
                long millis = Check.millis(() -> {
                    server.signal("TERM");
                    assertEquals(143, server.end(20));
                });
                Check.has(server.out(), "served " + count + " connections, ");
                Check.between(0, 1000, millis);
            }
        });
    }

    /** Those who send, one who never reads, and one who is quiet; closed once more, it is closed. */
    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--spin", "ASYNC,''", "ASYNC,--loops 2"})
    void closeReturnsAndFreesAllThatItHad(ServerKind kind, String option) throws Exception {
        ServerKind.Running server = kind.start(option);
        int port = server.port();
        try (BusyClients clients = new BusyClients(port, 100);
                TestClient quiet = new TestClient(port); TestClient lazy = new TestClient(port)) {
            clients.awaitServed(100);
            assertTrue(quiet.echoes((byte) 1));
            Thread sender = new Thread(() -> assertThrows(IOException.class, () ->
                    lazy.send(new byte[20_000_000])));
            sender.start();
            sender.join(300);
            Check.between(0, 3000, Check.millis(server::close));
            Check.await(3, "no socket is kept", () -> EchoServersTest.sockets(port, "01")
                    .isEmpty() && EchoServersTest.sockets(port, "05").stream()
                    .allMatch(line -> line.split(" ")[9].equals("0")));
            assertTrue(quiet.isEnded());
            sender.join(5000);
            assertFalse(sender.isAlive());
            Check.await(3, "no thread", () -> List.of("accept", "loop", "close").stream()
                    .allMatch(name -> EchoServersTest.threads(name).isEmpty()));
            try (ServerSocket free = new ServerSocket()) {
                free.setReuseAddress(true);
                free.bind(new InetSocketAddress("127.0.0.1", port));
            }
        }
        server.close();
    }

    /** One client waits for its slot while the server closes. */
    @ParameterizedTest
    @EnumSource
    void nobodyIsServedAfterClose(ServerKind kind) throws Exception {
        for (int round = 0; round < 5; round++) {
            ServerKind.Running server = kind.start("--max-connections 20");
            try (BusyClients clients = new BusyClients(server.port(), 20)) {
                clients.awaitServed(20);
                try (TestClient waiting = new TestClient(server.port())) {
                    waiting.send((byte) 1);
                    server.close();
                    assertTrue(waiting.isEnded());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptEndsRunWithZeroAndLeavesNothing(ServerKind kind) throws Exception {
        int before = hooks();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertEquals(0, interrupted(kind, out, System.err, "", port -> { }));
        assertTrue(out.toString().endsWith("served 0 connections, 0 bytes echoed\n"), "" + out);
        assertEquals(before, hooks()); // nothing is said once more when this program ends
    }

    /** How many threads run when this program ends. */
    static int hooks() throws Exception {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks")
                .getDeclaredField("hooks");
        hooks.setAccessible(true);
        return ((Map<?, ?>) hooks.get(null)).size();
    }

    /** Nobody reads the pipe that it prints to, and the pipe is full when it sums up. */
    @ParameterizedTest
    @EnumSource
    void anInterruptEndsRunAlthoughNobodyReads(ServerKind kind) throws Exception {
        try (Pipe out = new Pipe("served")) {
            assertEquals(1, interrupted(kind, out, System.err, "", port -> { }));
        }
    }

    /** The same pipe for messages: the threads of clients are stuck in them; the sum comes. */
    @ParameterizedTest
    @EnumSource
    void messagesThatNobodyReadsDoNotHoldUpTheEnd(ServerKind kind) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (Pipe err = new Pipe("bytes"); TestClient client = new TestClient()) {
            assertEquals(0, interrupted(kind, out, new PrintStream(err, true), "--trace", port -> {
                client.connect(port);
                client.send((byte) 1);
                Check.await(20, "stuck", () -> err.isFull);
            }));
            assertTrue(out.toString().endsWith("served 1 connection, 0 bytes echoed\n"), "" + out);
        }
    }

    /** Takes what comes until this word; then a write waits, whatever interrupts it. */
    private static final class Pipe extends ByteArrayOutputStream {
        private final String last;
        private final CountDownLatch emptied = new CountDownLatch(1);
        volatile boolean isFull;

        Pipe(String last) {
            this.last = last;
        }

        @Override
        public void write(byte[] bytes, int from, int count) {
            isFull |= new String(bytes, from, count).contains(last);
            while (isFull && emptied.getCount() > 0) {
                try {
                    emptied.await();
                } catch (InterruptedException e) {
                    // as the write to a pipe goes on
                }
            }
            super.write(bytes, from, count);
        }

        @Override
        public void close() {
            emptied.countDown();
        }
    }

    private interface Meanwhile {
        void happens(int port) throws Exception;
    }

    /** Interrupts run after something has happened; its exit status, which comes in time. */
    private static int interrupted(ServerKind kind, ByteArrayOutputStream out, PrintStream err,
            String line, Meanwhile meanwhile) throws Exception {
        FutureTask<Integer> run = new FutureTask<>(
                () -> kind.run(new PrintStream(out, true), err, ServerKind.words(line)));
        Thread thread = new Thread(run, "run");
        thread.start();
        Check.await(20, "two lines", () -> out.toString().contains("0.0.0.0"));
        String address = out.toString().split("\n")[0];
        meanwhile.happens(Integer.parseInt(address.substring(address.lastIndexOf(':') + 1)));
        thread.interrupt();
        return run.get(3, TimeUnit.SECONDS);
    }

    /** Who read its standard output, and its messages, goes away; it serves on. */
    @ParameterizedTest
    @EnumSource
    void itGoesOnWithoutItsReader(ServerKind kind) throws Exception {
        withoutReader(kind, "--trace --verbose", server -> {
            int port = portOf(server);
            server.getInputStream().close();
            server.getErrorStream().close();
            for (int i = 0; i < 3; i++) {
                assertTrue(TestClient.isServed(port));
            }
        });
    }

    /** Nobody reads what --trace prints: that pipe is full, and the end comes in time. */
    @ParameterizedTest
    @EnumSource
    void itEndsInTimeAlthoughNobodyReadsItsMessages(ServerKind kind) throws Exception {
        withoutReader(kind, "--trace --bufsize 1", server -> {
            try (TestClient client = new TestClient(portOf(server))) {
                client.send(TestClient.bytes(20_000)); // of which each is told
                client.socket.setSoTimeout(500);
                assertThrows(SocketTimeoutException.class, () -> client.receive(20_000));
            }
        });
    }

    private interface Use {
        void of(Process server) throws Exception;
    }

    /** A server whose output nobody reads but who uses it; SIGTERM then ends it in time. */
    private static void withoutReader(ServerKind kind, String line, Use use) throws Exception {
        List<String> command = new ArrayList<>(List.of(Program.JAVA, "-cp", Program.CLASSES,
                kind.program));
        command.addAll(List.of(ServerKind.words(line)));
        Check.three(() -> {
            Process server = new ProcessBuilder(command).start();
            try {
                use.of(server);
                long millis = Check.millis(() -> {
                    server.destroy(); // SIGTERM
                    assertTrue(server.waitFor(10, TimeUnit.SECONDS));
                });
                assertEquals(143, server.exitValue());
                Check.between(0, 1000, millis);
            } finally {
                server.destroyForcibly();
            }
        });
    }

    private static int portOf(Process server) throws IOException {
        String line = new BufferedReader(new InputStreamReader(server.getInputStream()))
                .readLine();
        return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
    }
}
