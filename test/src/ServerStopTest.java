import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Nothing that clients or readers do or leave undone keeps a server from ending, or ends it. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServerStopTest {

    /** A server promises three seconds; beside other tests, on a busy machine, it may take more. */
    private static final long CLOSE_MILLIS = 15_000;

    /** Some closes, and not many: a loop that hangs only now and then takes a longer test. */
    @ParameterizedTest
    @CsvSource({"THREADED, --nagle", "ASYNC, --loops=1", "ASYNC, --loops=2"})
    void closeBeside1500BusyClients(ServerKind kind, String option) throws Exception {
        TestSupport.assumeDescriptors(5000);
        for (int round = 0; round < 4; round++) {
            ServerKind.Running server = kind.start(option);
            int port = server.port();
            try (BusyClients clients = new BusyClients(port, 1500)) {
                clients.awaitEchoes(15_000);
                assertClosesSoon(server::close);
                assertPortIsFree(port);
                TestSupport.until("every client is closed", clients::allClosed);
            }
        }
    }

    /** Whoever prints into a pipe that nobody reads stands still, and must not hold up others. */
    @ParameterizedTest
    @EnumSource
    void aStuckLogDoesNotKeepAnInterruptedRunFromReturning(ServerKind kind) throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        PrintStream stuck = new PrintStream(new OutputStream() {
            @Override
            public void write(int b) {
                boolean interrupted = false;
                while (never.getCount() > 0) {
                    try {
                        never.await();
                    } catch (InterruptedException e) {
                        interrupted = true; // a write to a pipe is not interrupted either
                    }
                }
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }, true);
        Output out = new Output();
        FutureTask<Integer> run = new FutureTask<>(() -> kind.run(out.stream(), stuck,
                ServerKind.onFreePort("--verbose")));
        Thread thread = new Thread(run, "serving");
        thread.setDaemon(true);
        thread.start();
        TestSupport.until("the server listens", () -> out.lines().size() >= 2);
        int port = Integer.parseInt(out.lines().get(0).replaceAll(".*:", ""));
        try (Socket one = TestSupport.connect(port); Socket two = TestSupport.connect(port)) {
            one.getOutputStream().write(1);
            two.getOutputStream().write(1);
            TestSupport.pause(200); // until they print, which nothing tells
            assertClosesSoon(() -> {
                thread.interrupt();
                assertEquals(0, run.get());
            });
            assertPortIsFree(port);
            assertTrue(out.lines().get(2).contains(" served "), out.text());
        } finally {
            never.countDown();
        }
    }

    /** The same for a process, with errors on a pipe of their own, or on that of the results. */
    @ParameterizedTest
    @CsvSource({"THREADED, false", "THREADED, true", "ASYNC, false", "ASYNC, true"})
    @DisabledOnOs(OS.WINDOWS)
    void sigtermEndsAServerWhoseLogNobodyReads(ServerKind kind, boolean onePipe)
            throws Exception {
        Process server = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("echo.classes"), kind.program, "--port", "0", "--verbose")
                .redirectErrorStream(onePipe).start();
        try (BufferedReader out = new BufferedReader(
                new InputStreamReader(server.getInputStream()))) {
            int port = Integer.parseInt(out.readLine().replaceAll(".*:", ""));
            out.readLine();
            boolean stuck = false;
            for (int i = 0; i < 5000 && !stuck; i++) { // two lines each, in a pipe of 64 KiB
                stuck = !isServedWithin(port, i < 300 ? TestSupport.PATIENCE_MILLIS : 300);
            }
            long start = System.nanoTime();
            server.toHandle().destroy();
            assertTrue(server.waitFor(CLOSE_MILLIS, TimeUnit.MILLISECONDS), "still running");
            assertEquals(143, server.exitValue());
            long millis = (System.nanoTime() - start) / 1_000_000;
            System.out.println(kind.program + " ended within " + millis + " ms");
            if (!onePipe) {
                assertTrue(out.readLine().contains(" served "), "the last line");
            }
        } finally {
            server.destroyForcibly();
        }
    }

    /** As in java EchoServer.java | head -1. */
    @ParameterizedTest
    @EnumSource
    void aReaderOfItsOutputWhoGoesAwayDoesNotEndTheServer(ServerKind kind) throws Exception {
        Output out = new Output();
        PrintStream closing = new PrintStream(new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                if (out.text().endsWith("\n")) {
                    throw new IOException("Broken pipe");
                }
                out.stream().write(bytes, offset, length);
            }
        }, true);
        Output err = new Output();
        FutureTask<Integer> run = new FutureTask<>(() -> kind.run(closing, err.stream(),
                ServerKind.onFreePort()));
        Thread thread = new Thread(run, "serving");
        thread.start();
        TestSupport.until("the server listens", () -> out.text().endsWith("\n"));
        boolean ended = TestSupport.within(500, run::isDone);
        assertFalse(ended, "ended: " + err.text());
        TestSupport.assertServes(Integer.parseInt(out.lines().get(0).replaceAll(".*:", "")));
        thread.interrupt();
        run.get();
    }

    /** The same for a process whose output was closed before it began. */
    @ParameterizedTest
    @EnumSource
    @EnabledOnOs(OS.LINUX)
    void aServerWithoutAReaderServes(ServerKind kind) throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            port = free.getLocalPort();
        }
        Process server = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("echo.classes"), kind.program, "--port", "" + port).start();
        try {
            server.getInputStream().close();
            TestSupport.until("it serves", () -> isServedWithin(port, 1000));
            assertFalse(TestSupport.within(300, () -> !server.isAlive()), "it has ended");
            TestSupport.assertServes(port);
        } finally {
            server.destroyForcibly();
        }
    }

    private static boolean isServedWithin(int port, int millis) {
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(millis);
            socket.connect(new InetSocketAddress("127.0.0.1", port), millis);
            TestSupport.assertServed(socket);
            return true;
        } catch (IOException | AssertionError e) {
            return false;
        }
    }

    private interface Action {
        void run() throws Exception;
    }

    private static void assertClosesSoon(Action close) throws Exception {
        FutureTask<Void> closing = TestSupport.inBackground(() -> {
            close.run();
            return null;
        });
        try {
            closing.get(CLOSE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new AssertionError("close hangs", e);
        }
    }

    private static void assertPortIsFree(int port) throws IOException {
        assertThrows(IOException.class, () -> TestSupport.connect(port).close());
        ServerSocket again = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.1"));
        again.close();
    }
}
