import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Field;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** What the tests of the client need: runs of it, and servers that behave as a test wants. */
final class ClientSupport {
    private ClientSupport() {
    }

    /** What a run came to. */
    static final class Run {
        final int status;
        final List<String> out;
        final List<String> err;
        final long millis;
        final String command;

        Run(int status, List<String> out, List<String> err, long millis, String command) {
            this.status = status;
            this.out = out;
            this.err = err;
            this.millis = millis;
            this.command = command;
        }

        /** Fails unless it ended with this status. */
        Run expect(int expected) {
            Assertions.assertEquals(expected, status, toString());
            return this;
        }

        /** The one line on standard output, read as a JSON object. */
        ClientJson json() {
            Assertions.assertEquals(1, out.size(), "lines on standard output of " + this);
            return ClientJson.parse(out.get(0));
        }

        @Override
        public String toString() {
            return command + "\nstatus " + status + " after " + millis + " ms\nstdout: "
                    + String.join("\n  ", out) + "\nstderr: " + String.join("\n  ", err);
        }
    }

    /** A run of the client in this process that goes on meanwhile, as it would in jshell. */
    static final class Background {
        private final Output out = new Output();
        private final Output err = new Output();
        private final String command;
        private final long start = System.nanoTime();
        private final FutureTask<Integer> task;
        private final Thread thread;

        Background(int port, String... args) {
            String[] all = with(args, "--port", "" + port);
            command = Arrays.toString(all);
            task = new FutureTask<>(() -> EchoClient.run(out.stream(), err.stream(), all));
            thread = new Thread(task, "test-run");
            thread.setDaemon(true);
            thread.start();
        }

        /** Interrupts the thread that has called run. */
        void interrupt() {
            thread.interrupt();
        }

        /** Waits until it is over, and fails if that takes a minute. */
        Run await() throws Exception {
            TestSupport.until("it is over: " + command, task::isDone);
            return new Run(task.get(), out.lines(), err.lines(),
                    (System.nanoTime() - start) / 1_000_000, command);
        }
    }

    /** Fails unless all threads of the client end: what nobody waits for must not go on. */
    static void assertNoClientThreads() {
        TestSupport.until("no thread of the client is left", () -> clientThreads().isEmpty());
    }

    /** How many hooks the VM would run at its end; needs --add-opens java.base/java.lang. */
    static int shutdownHooks() throws Exception {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        return ((Map<?, ?>) hooks.get(null)).size();
    }

    private static List<String> clientThreads() {
        List<String> names = new ArrayList<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().startsWith("client-") && thread.isAlive()) {
                names.add(thread.getName());
            }
        }
        return names;
    }

    /** Sends a signal, such as STOP; the shell's own kill is on every Unix. */
    static void kill(String signal, long pid) throws Exception {
        int status = new ProcessBuilder("bash", "-c", "kill -" + signal + " " + pid).start()
                .waitFor();
        Assertions.assertEquals(0, status, "kill -" + signal + " " + pid);
    }

    /** Whether a command succeeds here. */
    static boolean works(String... command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0;
        } catch (IOException | InterruptedException e) {
            return false;
        }
    }

    /**
     * Runs a script in a network of its own, in which there is only loopback; in the script $CLIENT
     * is the client, $SERVER the server, and $PEER the main of ClientPeer. The test is skipped
     * where a user may not make such a network.
     */
    static Run inOwnNetwork(Path folder, String script) throws Exception {
        Assumptions.assumeTrue(works("unshare", "-rn", "ip", "link", "set", "lo", "up"),
                "needs unshare -rn and ip");
        return process(folder, new byte[0], "unshare", "-rn", "bash", "-c", "ip link set lo up\n"
                + programs() + script);
    }

    /** Shell variables: $JAVA, $CLIENT, $SERVER and $PEER. */
    static String programs() throws Exception {
        Path tests = Path.of(ClientSupport.class.getProtectionDomain().getCodeSource()
                .getLocation().toURI());
        return "JAVA='" + jdk("java") + " -XX:TieredStopAtLevel=1 -cp "
                + System.getProperty("echo.classes") + ":" + tests
                + "'\nCLIENT=\"$JAVA EchoClient\" SERVER=\"$JAVA EchoServer\""
                + " PEER=\"$JAVA ClientPeer\"\n";
    }

    /** Runs the client in this process. */
    static Run run(String... args) {
        Output out = new Output();
        Output err = new Output();
        long start = System.nanoTime();
        int status = EchoClient.run(out.stream(), err.stream(), args);
        return new Run(status, out.lines(), err.lines(),
                (System.nanoTime() - start) / 1_000_000, Arrays.toString(args));
    }

    /** Runs the client in this process against a port; what args say counts more than that. */
    static Run run(int port, String... args) {
        return run(with(args, "--port", "" + port));
    }

    /** These first, then args. */
    static String[] with(String[] args, String... first) {
        List<String> all = new ArrayList<>(Arrays.asList(first));
        all.addAll(Arrays.asList(args));
        return all.toArray(new String[0]);
    }

    /** A program of the JDK that runs the tests. */
    static String jdk(String program) {
        return Path.of(System.getProperty("java.home"), "bin", program).toString();
    }

    static Path root() {
        return Path.of(System.getProperty("echo.root")).normalize();
    }

    /** Runs a process to its end, at most 200 s, with bytes as its standard input. */
    static Run process(Path folder, byte[] input, String... command) throws Exception {
        Path in = Files.createTempFile("client-test", ".in");
        Path out = Files.createTempFile("client-test", ".out");
        Path err = Files.createTempFile("client-test", ".err");
        long start = System.nanoTime();
        Process process = null;
        try {
            Files.write(in, input);
            process = new ProcessBuilder(command).directory(folder.toFile())
                    .redirectInput(in.toFile()).redirectOutput(out.toFile())
                    .redirectError(err.toFile()).start();
            Assertions.assertTrue(process.waitFor(200, TimeUnit.SECONDS),
                    String.join(" ", command) + " has not ended within 200 s, and printed "
                            + Files.readString(out) + Files.readString(err));
            return new Run(process.exitValue(), Files.readAllLines(out, StandardCharsets.UTF_8),
                    Files.readAllLines(err, StandardCharsets.UTF_8),
                    (System.nanoTime() - start) / 1_000_000, String.join(" ", command));
        } finally {
            if (process != null) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly().waitFor();
            }
            for (Path file : List.of(in, out, err)) {
                Files.delete(file);
            }
        }
    }

    /** A port on which nobody listens, and which nobody else gets before this is closed. */
    static final class ClosedPort implements AutoCloseable {
        private final Socket bound = new Socket();

        ClosedPort() throws IOException {
            bound.bind(new InetSocketAddress("127.0.0.1", 0));
        }

        int port() {
            return bound.getLocalPort();
        }

        @Override
        public void close() throws IOException {
            bound.close();
        }
    }

    /** How a server made for a test treats a client; when it returns, the connection is closed. */
    interface Behaviour {
        void serve(InputStream in, OutputStream out) throws Exception;
    }

    /** What a server made for a test answers to a message; number counts from 1. */
    interface Answer {
        byte[] to(byte[] message, int number) throws Exception;
    }

    /** A server that behaves as a test wants it to, with a thread for each connection. */
    static final class TestServer implements AutoCloseable {
        private final ServerSocket listener;
        private final Queue<Socket> sockets = new ConcurrentLinkedQueue<>();
        private final Queue<FutureTask<Void>> connections = new ConcurrentLinkedQueue<>();

        TestServer(Behaviour behaviour) throws IOException {
            this(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), behaviour);
        }

        TestServer(ServerSocket listener, Behaviour behaviour) {
            this.listener = listener;
            TestSupport.inBackground(() -> {
                while (true) {
                    Socket socket = listener.accept();
                    sockets.add(socket);
                    connections.add(TestSupport.inBackground(() -> {
                        serve(socket, behaviour);
                        return null;
                    }));
                }
            });
        }

        /** Echoes so many messages of that size, and then neither answers nor closes. */
        static TestServer silentAfter(int size, int count) throws IOException {
            return new TestServer((in, out) -> {
                for (int i = 0; i < count; i++) {
                    byte[] message = in.readNBytes(size);
                    if (message.length < size) {
                        return;
                    }
                    out.write(message);
                }
                while (in.read() >= 0) {
                    continue; // as one that has hung itself up, but whose system still receives
                }
            });
        }

        /** Answers each message of that size, one after the other, until the client ends. */
        static TestServer answering(int size, Answer answer) throws IOException {
            return new TestServer((in, out) -> {
                int number = 1;
                for (byte[] message = in.readNBytes(size); message.length == size && size > 0;
                        message = in.readNBytes(size)) {
                    out.write(answer.to(message, number++));
                }
            });
        }

        private static void serve(Socket socket, Behaviour behaviour) throws Exception {
            try (socket) {
                socket.setTcpNoDelay(true);
                behaviour.serve(socket.getInputStream(), socket.getOutputStream());
            } catch (IOException e) {
                // the client is gone, or this server is closed
            }
        }

        int port() {
            return listener.getLocalPort();
        }

        /** Closes all, and fails if a behaviour has failed by more than a lost connection. */
        @Override
        public void close() {
            try {
                listener.close();
                for (Socket socket : sockets) {
                    socket.close();
                }
                for (FutureTask<Void> connection : connections) {
                    connection.get(TestSupport.PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
                }
            } catch (Exception e) {
                throw new AssertionError("a server made for the test has failed", e);
            }
        }
    }
}
