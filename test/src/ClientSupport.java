import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
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
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Assertions;

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
        private final String command;

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
        private final ServerSocket listener =
                new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        private final Queue<Socket> sockets = new ConcurrentLinkedQueue<>();
        private final Queue<FutureTask<Void>> connections = new ConcurrentLinkedQueue<>();

        TestServer(Behaviour behaviour) throws IOException {
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
