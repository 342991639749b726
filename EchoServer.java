import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A TCP echo server (RFC 862) with a thread for each connection: what a client sends comes back
 * unchanged, until the client ends its side.
 *
 * <p>Try it, in two terminals:
 * <pre>
 *     java EchoServer.java --port 5050
 *     java EchoClient.java --bench
 * </pre>
 *
 * <p>or in jshell, where a server is an object with a life:
 * <pre>
 *     var server = EchoServer.start("--port", "0");
 *     server.port();
 *     server.close();
 * </pre>
 *
 * <p>One thread accepts, and starts another for each connection, which reads, writes back all that
 * it read, and reads again. So one buffer is all a connection ever holds: a peer that sends and
 * never reads stops being read, and costs no more than an idle one.
 */
public class EchoServer implements AutoCloseable {

    private static final String[][] OPTIONS = {
        {"--host", "ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 for all"},
        {"--port", "NUMBER", "5050", "port to listen on; 0 takes any free one"},
        {"--bufsize", "SIZE", "16k", "bytes taken by one read, on each connection"},
        {"--nagle", "", "off", "leave Nagle's algorithm on (no TCP_NODELAY)"},
        {"--max-connections", "NUMBER", "10000", "further clients wait until one leaves"},
        {"--idle-timeout", "DURATION", "off", "close a connection that is idle for so long"},
        {"--verbose", "", "off", "a line as each connection opens and closes"},
        {"--virtual", "", "off", "virtual threads (JDK 21 and later)"},
        {"--spin", "", "off", "poll the socket instead of blocking in read"},
    };

    /** Clients that may wait to be accepted; the kernel cuts this to its own limit. */
    private static final int BACKLOG = 4096;

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /**
     * Serves until Ctrl-C, SIGTERM or an interrupt of this thread.
     *
     * @return the exit status: 0 stopped, 1 cannot listen, 2 wrong command line
     */
    static int run(PrintStream out, PrintStream err, String... args) {
        try {
            Options options = new Options(OPTIONS, args);
            if (options.given("--help")) {
                out.print(options.usage("EchoServer", "Echoes TCP, one thread a connection."));
                return 0;
            }
            return new EchoServer(options, err).serve(out, !options.given("--host"));
        } catch (IllegalArgumentException e) {
            err.println("[server] " + e.getMessage());
            err.println("[server] all options: java EchoServer.java --help");
            return 2;
        } catch (IOException | OutOfMemoryError e) {
            err.println("[server] " + e.getMessage());
            return 1;
        }
    }

    /**
     * Starts a server that is bound and accepting when this returns.
     *
     * @throws IllegalArgumentException if the arguments are not those of the command line
     * @throws IOException if the address cannot be listened on
     */
    static EchoServer start(String... args) throws IOException {
        return new EchoServer(new Options(OPTIONS, args), System.err);
    }

    private final ServerSocketChannel listener;
    /** Where it listens, as a person would write it. */
    private final String address;
    /** Where connections and failures are reported. */
    private final PrintStream log;
    private final boolean verbose;
    private final boolean nagle;
    private final boolean spin;
    private final int bufferSize;
    private final ThreadFactory threads;
    private final Thread acceptor;
    /** One permit for each connection that may still be accepted. */
    private final Semaphore slots;
    /** The open connections. */
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    /** Buffers that connections left behind: only the garbage collector frees direct memory. */
    private final Queue<ByteBuffer> spareBuffers = new ConcurrentLinkedQueue<>();
    private final LongAdder served = new LongAdder();
    private final LongAdder echoedBefore = new LongAdder();
    private final CountDownLatch closed = new CountDownLatch(1);
    private final long startedNanos = System.nanoTime();
    private long reportedNanos;
    private int unreported;

    private EchoServer(Options options, PrintStream log) throws IOException {
        options.exclude("--spin", "--virtual");
        this.log = log;
        verbose = options.given("--verbose");
        nagle = options.given("--nagle");
        spin = options.given("--spin");
        bufferSize = (int) options.size("--bufsize", 1, 1 << 30);
        slots = new Semaphore((int) options.number("--max-connections", 1, 1_000_000));
        long idleNanos = options.given("--idle-timeout") ? options.nanos("--idle-timeout") : 0;
        InetSocketAddress local = new InetSocketAddress(
                options.text("--host"), (int) options.number("--port", 0, 65535));
        threads = options.given("--virtual") ? virtualThreads() : task -> named("echo", task);
        listener = ServerSocketChannel.open();
        address = bind(local, options.text("--host"));
        acceptor = named("accept", this::acceptLoop);
        acceptor.start();
        if (idleNanos > 0) {
            named("sweep", () -> sweepLoop(idleNanos)).start();
        }
    }

    /** Binds the listener and tells where; a failure says what to do about it. */
    private String bind(InetSocketAddress local, String host) throws IOException {
        try {
            if (local.isUnresolved()) {
                throw new UnknownHostException("unknown host");
            }
            listener.bind(local, BACKLOG);
            return hostAndPort(local, host, port());
        } catch (IOException e) {
            listener.close();
            throw new IOException("cannot listen on " + hostAndPort(local, host, local.getPort())
                    + ": " + e.getMessage() + "; choose another --port (0 takes any free one)"
                    + " or --host", e);
        }
    }

    /** The port it listens on, also when 0 was asked for. */
    int port() {
        return listener.socket().getLocalPort();
    }

    /** Closes the listener and every connection; does nothing when closed already. */
    @Override
    public void close() throws IOException {
        listener.close();
        for (Connection connection : connections) {
            connection.close();
        }
        awaitEnd();
        closed.countDown();
    }

    /** Waits, for a second at most, until the port is free and every thread has counted. */
    private void awaitEnd() {
        for (int i = 0; i < 1000 && (acceptor.isAlive() || !connections.isEmpty()); i++) {
            pause(1);
        }
    }

    @Override
    public String toString() {
        return "EchoServer on " + address;
    }

    /** Announces the server and waits until it is closed, by a signal or by an interrupt. */
    private int serve(PrintStream out, boolean loopbackOnly) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(out), "stop"));
        out.println("[server] listening on " + address);
        if (loopbackOnly) {
            out.println("[server] loopback only; for all interfaces use --host 0.0.0.0");
        }
        out.flush();
        try {
            closed.await();
        } catch (InterruptedException e) {
            stop(out);
        }
        return 0;
    }

    /** Closes everything, so that no thread in a native call holds up the exit, and sums up. */
    private synchronized void stop(PrintStream out) {
        if (closed.getCount() == 0) {
            return;
        }
        try {
            close();
        } catch (IOException e) {
            report("closing", e);
        }
        long bytes = echoedBefore.sum();
        for (Connection connection : connections) {
            bytes += connection.echoed;
        }
        out.println(String.format(Locale.ROOT,
                "[server] served %d connections, %s echoed, in %.1f s",
                served.sum(), bytes(bytes), (System.nanoTime() - startedNanos) / 1e9));
        out.flush();
    }

    /** Accepts until the listener is closed; no other failure ends this loop. */
    private void acceptLoop() {
        while (true) {
            // At the limit the next client waits in the backlog, unanswered but not refused.
            slots.acquireUninterruptibly();
            Connection connection = null;
            try {
                connection = new Connection(listener.accept());
                connection.open();
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException | OutOfMemoryError e) {
                // No descriptor or no thread is left. Those connected are still served, and
                // without a pause the same failure would come back 80,000 times a second.
                report("cannot take a connection", e);
                if (connection == null) {
                    slots.release();
                } else {
                    connection.end();
                }
                pause(100);
            }
        }
    }

    /** Closes the connections on which nothing has moved for idleNanos. */
    private void sweepLoop(long idleNanos) {
        // Looking from outside, now and then, costs the echo path no timer and no system call.
        while (closed.getCount() > 0) {
            pause(Math.max(1, Math.min(1000, idleNanos / 10_000_000)));
            for (Connection connection : connections) {
                if (connection.idleNanos(System.nanoTime()) >= idleNanos) {
                    connection.close();
                }
            }
        }
    }

    /** One client, from accept to close. */
    private final class Connection implements Runnable {
        private final SocketChannel channel;
        private final String peer;
        private final String name;
        /** Bytes read and bytes written so far, each changed by this connection's thread only. */
        private volatile long read;
        private volatile long echoed;
        /** What the sweep saw last, and since when it has seen nothing else. */
        private long seen = -1;
        private long seenNanos;

        Connection(SocketChannel channel) throws IOException {
            this.channel = channel;
            InetSocketAddress remote = (InetSocketAddress) channel.getRemoteAddress();
            this.peer = hostAndPort(remote, remote.getHostString(), remote.getPort());
            this.name = "echo-" + remote.getPort();
        }

        /** Starts the thread that serves this connection. */
        void open() {
            connections.add(this);
            threads.newThread(this).start();
            if (!listener.isOpen()) {
                close();
            }
        }

        @Override
        public void run() {
            Thread.currentThread().setName(name);
            served.increment();
            verbose(peer + " connected, " + connections.size() + " open");
            ByteBuffer buffer = null;
            try {
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the peer
                // has acknowledged its beginning, which the peer delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
                channel.configureBlocking(!spin);
                buffer = takeBuffer();
                while (echo(buffer)) {
                    // read again only when all is written: so one buffer is enough
                }
                verbose(peer + " ended, " + bytes(echoed) + " echoed");
            } catch (IOException e) {
                verbose(peer + " lost after " + bytes(echoed) + " echoed: " + reason(e));
            } catch (OutOfMemoryError e) {
                report("no buffer for " + peer, e);
            } finally {
                end();
                if (buffer != null) {
                    spareBuffers.add(buffer);
                }
            }
        }

        /**
         * The echo itself: reads what is there and writes all of it; false when that was the end.
         * This is not a loop, because a method is compiled once, after some thousand calls, for
         * all connections, but a loop is interpreted anew for each.
         */
        private boolean echo(ByteBuffer buffer) throws IOException {
            buffer.clear();
            int n = channel.read(buffer);
            if (n < 0) {
                return false; // -1: the client has ended its side; all it sent is echoed by now
            }
            if (n == 0) {
                Thread.onSpinWait(); // a blocking read never returns 0: this is --spin
                return true;
            }
            read += n;
            buffer.flip();
            while (buffer.hasRemaining()) {
                echoed += channel.write(buffer);
            }
            return true;
        }

        /** Nanoseconds for which the sweep has seen no byte move. */
        private long idleNanos(long now) {
            if (seen != read + echoed) {
                seen = read + echoed;
                seenNanos = now;
            }
            return now - seenNanos;
        }

        /** Ends the connection from outside: its thread's read or write fails at once. */
        void close() {
            try {
                channel.close();
            } catch (IOException e) {
                report("closing " + peer, e);
            }
        }

        /** Closes the connection and makes room for the next. */
        private void end() {
            close();
            echoedBefore.add(echoed);
            connections.remove(this);
            slots.release();
        }
    }

    private ByteBuffer takeBuffer() {
        ByteBuffer buffer = spareBuffers.poll();
        // Cleared here, for a connection that was cut off may have left unsent bytes in it.
        return buffer != null ? buffer.clear() : ByteBuffer.allocateDirect(bufferSize);
    }

    private void verbose(String what) {
        if (verbose) {
            log.println("[server] " + what);
        }
    }

    /** Why a connection was lost; a channel closed on this side says nothing of itself. */
    private static String reason(Throwable e) {
        return e.getMessage() != null ? e.getMessage() : "closed here, idle or stopping";
    }

    /** Reports a failure, at most one every five seconds: what fails once may fail all the time. */
    private synchronized void report(String what, Throwable e) {
        long now = System.nanoTime();
        if (reportedNanos != 0 && now - reportedNanos < 5_000_000_000L) {
            unreported++;
            return;
        }
        log.println("[server] " + what + ", " + connections.size() + " open: "
                + e.getMessage()
                + (unreported == 0 ? "" : " (and " + unreported + " more since the last report)"));
        reportedNanos = now;
        unreported = 0;
    }

    /** A thread that does not keep the program alive, and whose failure is one line. */
    private Thread named(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.setUncaughtExceptionHandler((t, e) -> report(t.getName() + " failed", e));
        return thread;
    }

    /** Virtual threads (JEP 444), by reflection because Java 11 does not know them. */
    private static ThreadFactory virtualThreads() {
        try {
            Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
            return (ThreadFactory) Class.forName("java.lang.Thread$Builder")
                    .getMethod("factory").invoke(builder);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("--virtual needs JDK 21 or later, this is "
                    + System.getProperty("java.version"), e);
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050. */
    private static String hostAndPort(InetSocketAddress address, String host, int port) {
        String shown = address.isUnresolved() || host.contains(":")
                ? host.replaceAll("[\\[\\]]", "").replaceAll("\\p{Cntrl}", "?")
                : address.getAddress().getHostAddress();
        return (shown.contains(":") ? "[" + shown + "]" : shown) + ":" + port;
    }

    /** Such as 512 B, 1.5 KiB or 6.1 MiB. */
    private static String bytes(long n) {
        double scaled = n;
        int unit = 0;
        while (scaled >= 1024 && unit < 4) {
            scaled /= 1024;
            unit++;
        }
        String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
        return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", scaled, units[unit]);
    }

    /**
     * The command line, read against a table: option, value (empty for a flag), default, meaning.
     * Every error is an IllegalArgumentException that names option, rule and what was given.
     */
    private static class Options {
        private static final String[] HELP = {"--help", "", "off", "this text"};
        private static final Map<String, Long> SIZES =
                Map.of("", 1L, "k", 1L << 10, "m", 1L << 20, "g", 1L << 30);
        private static final Map<String, Long> NANOS = Map.of("us", 1_000L, "ms", 1_000_000L,
                "s", 1_000_000_000L, "m", 60_000_000_000L, "h", 3_600_000_000_000L);

        private final List<String[]> table = new ArrayList<>();
        private final Map<String, List<String>> given = new HashMap<>();

        Options(String[][] rows, String... args) {
            table.addAll(List.of(rows));
            table.add(HELP);
            for (int i = 0; i < args.length; i++) {
                String[] pair = args[i].split("=", 2);
                String[] row = row(pair[0].equals("-h") ? "--help" : pair[0]);
                List<String> values = given.computeIfAbsent(row[0], name -> new ArrayList<>());
                if (row[1].isEmpty() && pair.length == 2) {
                    throw wrong(row[0] + " takes no value, not " + pair[1]);
                } else if (pair.length == 2) {
                    values.add(pair[1]);
                } else if (!row[1].isEmpty()) {
                    do {
                        if (i + 1 == args.length || args[i + 1].startsWith("--")) {
                            throw wrong(row[0] + " needs a value: " + row[0] + " " + row[1]);
                        }
                        values.add(args[++i]);
                    } while (row[1].endsWith("...") && i + 1 < args.length
                            && !args[i + 1].startsWith("--"));
                }
            }
        }

        /** The row of an option; an unknown one is an error that names the nearest known. */
        private String[] row(String name) {
            String[] nearest = HELP;
            for (String[] row : table) {
                if (row[0].equals(name)) {
                    return row;
                }
                if (distance(name, row[0]) < distance(name, nearest[0])) {
                    nearest = row;
                }
            }
            throw wrong("unknown option " + name + "; the nearest is " + nearest[0]);
        }

        /** How many letters to insert, delete or change to get from a to b (Levenshtein). */
        private static int distance(String a, String b) {
            int[] costs = new int[b.length() + 1];
            for (int j = 0; j <= b.length(); j++) {
                costs[j] = j;
            }
            for (int i = 1; i <= a.length(); i++) {
                int diagonal = costs[0];
                costs[0] = i;
                for (int j = 1; j <= b.length(); j++) {
                    int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                    diagonal = costs[j];
                    costs[j] = Math.min(change, 1 + Math.min(costs[j], costs[j - 1]));
                }
            }
            return costs[b.length()];
        }

        /** Whether it was given; for a flag, whether it is on. */
        boolean given(String name) {
            return given.containsKey(name);
        }

        /** What was given, the last where there are several, or the default. */
        String text(String name) {
            return given(name) ? given.get(name).get(given.get(name).size() - 1) : row(name)[2];
        }

        long number(String name, long least, long most) {
            return quantity(name, "a number from " + least + " to " + most,
                    Map.of("", 1L), least, most);
        }

        /** A number of bytes; 16k is 16384. */
        long size(String name, long least, long most) {
            return quantity(name, "a size from " + least + " to " + most + " bytes, such as 16k",
                    SIZES, least, most);
        }

        /** A duration in nanoseconds, at least a millisecond. */
        long nanos(String name) {
            return quantity(name, "a duration from 1ms to 1000h, such as 500ms, 10s, 5m or 1h",
                    NANOS, 1_000_000, 3_600_000_000_000_000L);
        }

        private long quantity(String name, String rule, Map<String, Long> units,
                long least, long most) {
            Matcher parts = Pattern.compile("([0-9]+(?:[.][0-9]+)?)([a-z]*)").matcher(text(name));
            if (parts.matches() && units.containsKey(parts.group(2))) {
                double value = Double.parseDouble(parts.group(1)) * units.get(parts.group(2));
                if (value >= least && value <= most && value == Math.rint(value)) {
                    return (long) value;
                }
            }
            throw wrong(name + " takes " + rule + ", not " + text(name));
        }

        /** Fails when more than one of these is given. */
        void exclude(String... names) {
            String first = null;
            for (String name : names) {
                if (given(name) && first != null) {
                    throw wrong(first + " and " + name + " exclude each other: give one of them");
                }
                first = given(name) ? name : first;
            }
        }

        /** An error in one line, whatever was typed. */
        static IllegalArgumentException wrong(String message) {
            return new IllegalArgumentException(message.replaceAll("\\p{Cntrl}", "?"));
        }

        /** The text of --help. */
        String usage(String program, String summary) {
            StringBuilder text = new StringBuilder(summary + "\n\nusage: java " + program
                    + ".java [options]\n\n");
            for (String[] row : table) {
                text.append(String.format("  %-25s %s%n", row[0] + " " + row[1],
                        row[3] + (row[2].isEmpty() ? "" : " [" + row[2] + "]")));
            }
            return text.toString();
        }
    }
}
