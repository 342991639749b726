import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntSupplier;

/** The two servers, which promise the same, so that one test can hold both to it. */
enum ServerKind {
    THREADED("EchoServer", "[server]"),
    ASYNC("AsyncEchoServer", "[server-async]");

    /** Its class, and what its lines begin with. */
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

    /** Starts the server in this process, on any free port unless a port is given. */
    Running start(String... args) throws IOException {
        if (this == THREADED) {
            EchoServer server = EchoServer.start(onFreePort(args));
            return new Running(server::port, server);
        }
        AsyncEchoServer server = AsyncEchoServer.start(onFreePort(args));
        return new Running(server::port, server);
    }

    /** Starts the server as a process of its own, on any free port unless a port is given. */
    Program launch(String... args) throws IOException {
        return Program.launch(program, onFreePort(args));
    }

    /** Of several values the last counts, so that a port in the arguments wins over this one. */
    static String[] onFreePort(String... args) {
        List<String> all = new ArrayList<>(List.of("--port", "0"));
        all.addAll(Arrays.asList(args));
        return all.toArray(new String[0]);
    }

    /** A server in this process, whichever it is. */
    static final class Running implements AutoCloseable {
        private final IntSupplier port;
        private final AutoCloseable server;

        private Running(IntSupplier port, AutoCloseable server) {
            this.port = port;
            this.server = server;
        }

        int port() {
            return port.getAsInt();
        }

        @Override
        public void close() {
            try {
                server.close();
            } catch (Exception e) {
                throw new AssertionError("a server failed to close", e);
            }
        }
    }
}
