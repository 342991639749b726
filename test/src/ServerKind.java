import java.io.*;
import java.util.*;
import java.util.function.IntSupplier;

/** The two servers, which promise the same, so that one test holds both to it. */
enum ServerKind {
    THREADED("EchoServer", "[server] "), ASYNC("AsyncEchoServer", "[server-async] ");

    final String program;
    final String tag;

    ServerKind(String program, String tag) {
        this.program = program;
        this.tag = tag;
    }

    /** Runs the whole program in this thread. */
    int run(PrintStream out, PrintStream err, String... args) {
        return this == THREADED
                ? EchoServer.run(out, err, args) : AsyncEchoServer.run(out, err, args);
    }

    /** The words of a command line; none, if it is empty. */
    static String[] words(String line) {
        return line.isEmpty() ? new String[0] : line.split(" ");
    }

    /** Runs it with arguments that it must refuse, or with --help. */
    Ran ran(String... args) {
        return Ran.run(this::run, args);
    }

    /** Starts it in this process, on a free port. */
    Running start(String... args) throws IOException {
        if (this == THREADED) {
            EchoServer server = EchoServer.start(onFreePort(args));
            return new Running(server::port, server);
        }
        AsyncEchoServer server = AsyncEchoServer.start(onFreePort(args));
        return new Running(server::port, server);
    }

    /** Starts it as a process of its own, on a free port. */
    Program launch(List<String> jvmOptions, String... args) throws IOException {
        return Program.java(jvmOptions, program, onFreePort(args));
    }

    /** Starts it from a shell that has first done something, such as "ulimit -n 100". */
    Program launchAfter(String shell, String... args) throws IOException {
        List<String> words = new ArrayList<>(List.of("bash", "-c", shell + "; exec \"$@\"", "-",
                Program.JAVA, "-cp", Program.CLASSES, program));
        words.addAll(List.of(onFreePort(args)));
        return Program.command(words.toArray(new String[0]));
    }

    private static String[] onFreePort(String... args) {
        List<String> all = new ArrayList<>(List.of("--port", "0"));
        all.addAll(List.of(args)); // of two values the last one counts
        return all.toArray(new String[0]);
    }

    static final class Running implements AutoCloseable {
        private final IntSupplier port;
        private final AutoCloseable server;

        Running(IntSupplier port, AutoCloseable server) {
            this.port = port;
            this.server = server;
        }

        int port() {
            return port.getAsInt();
        }

        @Override
        public String toString() {
            return server.toString();
        }

        @Override
        public void close() {
            try {
                server.close();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }
    }
}
