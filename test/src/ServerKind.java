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

    /** A command line on a free port, if it names no other. */
    static String[] words(String line) {
        return ("--port 0 " + line).trim().split(" +"); // of two values the last one counts
    }

    /** Starts it in this process. */
    Running start(String line) throws IOException {
        if (this == THREADED) {
            EchoServer server = EchoServer.start(words(line));
            return new Running(server, server::port);
        }
        AsyncEchoServer server = AsyncEchoServer.start(words(line));
        return new Running(server, server::port);
    }

    /** Starts it as a process of its own, with options for the JVM. */
    Program launch(List<String> options, String line) throws IOException {
        return Program.java(options, program, words(line));
    }

    Program launch(String line) throws IOException {
        return launch(List.of(), line);
    }

    /** Starts it from a shell that has first done something, such as "ulimit -n 100". */
    Program launchAfter(String shell, String line) throws IOException {
        return Program.command("bash", "-c", shell + "; exec \"$0\" -cp \"$1\" " + program
                + " --port 0 " + line, Program.JAVA, Program.CLASSES);
    }

    static final class Running implements AutoCloseable {
        final AutoCloseable server;
        private final IntSupplier port;

        Running(AutoCloseable server, IntSupplier port) {
            this.server = server;
            this.port = port;
        }

        int port() {
            return port.getAsInt();
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
