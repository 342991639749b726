import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousChannelGroup;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.CompletionHandler;
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
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A TCP echo server (RFC 862) on asynchronous channels: what a client sends comes back unchanged,
 * until the client ends its side.
 *
 * <p>Try it, in two terminals:
 * <pre>
 *     java AsyncEchoServer.java --port 5051
 *     java EchoClient.java --bench --port 5051
 * </pre>
 *
 * <p>or in jshell, where a server is an object with a life:
 * <pre>
 *     var server = AsyncEchoServer.start("--port", "0");
 *     server.port();
 *     server.close();
 * </pre>
 *
 * <p>No thread waits for a connected client. A few event loops, of one thread each, are told when
 * a read has brought bytes and when a write has taken some; each time a handler starts the next
 * step and returns. The steps are those of EchoServer: read, write all that was read, read again.
 * So one buffer is all a connection ever holds: a peer that sends and never reads stops being read,
 * and costs no more than an idle one.
 */
public class AsyncEchoServer implements AutoCloseable {

    private static final String[][] OPTIONS = {
        {"--host", "ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 for all"},
        {"--port", "NUMBER", "5051", "port to listen on; 0 takes any free one"},
        {"--bufsize", "SIZE", "16k", "bytes taken by one read, on each connection"},
        {"--nagle", "", "off", "leave Nagle's algorithm on (no TCP_NODELAY)"},
        {"--max-connections", "NUMBER", "10000", "further clients wait until one leaves"},
        {"--idle-timeout", "DURATION", "off", "close a connection that is idle for so long"},
        {"--verbose", "", "off", "a line as each connection opens and closes"},
        {"--loops", "NUMBER", "half the cores", "event loops, one thread each"},
    };

    /** Clients that may wait to be accepted; the kernel cuts this to its own limit. */
    private static final int BACKLOG = 4096;

    static {
        // After an echo, the next read would first try and find nothing, since the client is only
        // just receiving. Without that attempt an echo takes four system calls instead of five,
        // and a client that always has more to read can't keep the loop to itself.
        System.setProperty("sun.nio.ch.disableSynchronousRead", "true");
    }

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
                out.print(options.usage("AsyncEchoServer", "Echoes TCP, in a few event loops."));
                return 0;
            }
            return new AsyncEchoServer(options, err).serve(out, !options.given("--host"));
        } catch (IllegalArgumentException e) {
            err.println("[server-async] " + e.getMessage());
            err.println("[server-async] all options: java AsyncEchoServer.java --help");
            return 2;
        } catch (IOException | OutOfMemoryError e) {
            err.println("[server-async] " + e.getMessage());
            return 1;
        }
    }

    /**
     * Starts a server that is bound and accepting when this returns.
     *
     * @throws IllegalArgumentException if the arguments are not those of the command line
     * @throws IOException if the address cannot be listened on
     */
    static AsyncEchoServer start(String... args) throws IOException {
        return new AsyncEchoServer(new Options(OPTIONS, args), System.err);
    }

    /** An event loop each: a group of one thread, which runs the handlers of its connections. */
    private final List<AsynchronousChannelGroup> loops = new ArrayList<>();
    private final List<AsynchronousServerSocketChannel> listeners = new ArrayList<>();
    /** The port it listens on, and the whole address as a person would write it. */
    private final int port;
    private final String address;
    /** Where connections and failures are reported. */
    private final PrintStream log;
    private final boolean verbose;
    private final boolean nagle;
    private final int bufferSize;
    /** One permit for each connection that may still be served. */
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

    private AsyncEchoServer(Options options, PrintStream log) throws IOException {
        this.log = log;
        verbose = options.given("--verbose");
        nagle = options.given("--nagle");
        bufferSize = (int) options.size("--bufsize", 1, 1 << 30);
        slots = new Semaphore((int) options.number("--max-connections", 1, 1_000_000));
        int cores = Runtime.getRuntime().availableProcessors();
        int count = options.given("--loops")
                ? (int) options.number("--loops", 1, 1024) : Math.max(1, cores / 2);
        long idleNanos = options.given("--idle-timeout") ? options.nanos("--idle-timeout") : 0;
        InetSocketAddress local = new InetSocketAddress(
                options.text("--host"), (int) options.number("--port", 0, 65535));
        port = bind(local, options.text("--host"), count);
        address = hostAndPort(local, options.text("--host"), port);
        for (AsynchronousServerSocketChannel listener : listeners) {
            named("accept", () -> acceptLoop(listener)).start();
        }
        if (idleNanos > 0) {
            named("sweep", () -> sweepLoop(idleNanos)).start();
        }
    }

    /** Binds a listener for each loop and tells the port; a failure says what to do about it. */
    private int bind(InetSocketAddress local, String host, int count) throws IOException {
        try {
            if (local.isUnresolved()) {
                throw new UnknownHostException("unknown host");
            }
            // The first listener binds alone, which fails if anyone else has the port. Only then
            // does it let the others in; Linux shares the clients out among them (SO_REUSEPORT).
            // Elsewhere one listener would get them all, so there one loop has to do.
            AsynchronousServerSocketChannel first = addLoop().bind(local, BACKLOG);
            InetSocketAddress bound = (InetSocketAddress) first.getLocalAddress();
            if (count > 1 && System.getProperty("os.name").equals("Linux")) {
                first.setOption(StandardSocketOptions.SO_REUSEPORT, true);
                while (loops.size() < count) {
                    addLoop().setOption(StandardSocketOptions.SO_REUSEPORT, true)
                            .bind(bound, BACKLOG);
                }
            }
            return bound.getPort();
        } catch (IOException e) {
            close();
            throw new IOException("cannot listen on " + hostAndPort(local, host, local.getPort())
                    + ": " + e.getMessage() + "; choose another --port (0 takes any free one)"
                    + " or --host", e);
        }
    }

    /** Adds an event loop and returns its listener, which is not bound yet. */
    private AsynchronousServerSocketChannel addLoop() throws IOException {
        String name = "loop-" + loops.size();
        // With one thread in the group, a connection's events never change threads.
        AsynchronousChannelGroup loop =
                AsynchronousChannelGroup.withFixedThreadPool(1, task -> named(name, task));
        loops.add(loop);
        listeners.add(AsynchronousServerSocketChannel.open(loop));
        return listeners.get(listeners.size() - 1);
    }

    /** The port it listens on, also when 0 was asked for. */
    int port() {
        return port;
    }

    /** Closes the listeners and every connection; does nothing when closed already. */
    @Override
    public void close() throws IOException {
        for (AsynchronousChannelGroup loop : loops) {
            loop.shutdownNow();
        }
        awaitEnd();
        closed.countDown();
    }

    /** Waits, for a second at most, until every connection has ended and is counted. */
    private void awaitEnd() {
        for (int i = 0; i < 1000 && !connections.isEmpty(); i++) {
            pause(1);
        }
    }

    /** Announces the server and waits until it is closed, by a signal or by an interrupt. */
    private int serve(PrintStream out, boolean loopbackOnly) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(out), "stop"));
        out.println("[server-async] listening on " + address);
        if (loopbackOnly) {
            out.println("[server-async] loopback only; for all interfaces use --host 0.0.0.0");
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
                "[server-async] served %d connections, %s echoed, in %.1f s",
                served.sum(), bytes(bytes), (System.nanoTime() - startedNanos) / 1e9));
        out.flush();
    }

    /** Accepts for one loop until its listener is closed; no other failure ends this. */
    private void acceptLoop(AsynchronousServerSocketChannel listener) {
        // A thread waits here, and not a handler: the JDK would run one accepting handler for each
        // time round the loop, so that in a crowd the last to come would wait for seconds.
        while (true) {
            try {
                AsynchronousSocketChannel channel = listener.accept().get();
                // At the limit this client waits, and the next ones in the backlog, unanswered but
                // not refused.
                slots.acquireUninterruptibly();
                new Connection(channel).open();
            } catch (ExecutionException | InterruptedException | OutOfMemoryError e) {
                if (!listener.isOpen()) {
                    return;
                }
                // No descriptor is left. Those connected are still served, and without a pause the
                // same failure would come back 80,000 times a second.
                report("cannot take a connection", e.getCause() == null ? e : e.getCause());
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

    /** One client, from accept to close. One read or one write is under way at any time. */
    private final class Connection {
        private final AsynchronousSocketChannel channel;
        private String peer = "a client";
        private ByteBuffer buffer;
        /** Bytes read and bytes written so far, each changed by this connection's loop only. */
        private volatile long read;
        private volatile long echoed;
        /** What the sweep saw last, and since when it has seen nothing else. */
        private long seen = -1;
        private long seenNanos;

        Connection(AsynchronousSocketChannel channel) {
            this.channel = channel;
        }

        /** Starts the first read. */
        void open() {
            connections.add(this);
            served.increment();
            try {
                InetSocketAddress remote = (InetSocketAddress) channel.getRemoteAddress();
                peer = hostAndPort(remote, remote.getHostString(), remote.getPort());
                verbose(peer + " connected, " + connections.size() + " open");
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the peer
                // has acknowledged its beginning, which the peer delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
                buffer = takeBuffer();
                channel.read(buffer, this, whenRead);
            } catch (IOException e) {
                whenRead.failed(e, this);
            } catch (OutOfMemoryError e) {
                report("no buffer for " + peer, e);
                end();
            }
        }

        /** Nanoseconds for which the sweep has seen no byte move. */
        private long idleNanos(long now) {
            if (seen != read + echoed) {
                seen = read + echoed;
                seenNanos = now;
            }
            return now - seenNanos;
        }

        /** Ends the connection from outside: the read or write under way fails at once. */
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
            if (buffer != null) {
                spareBuffers.add(buffer);
            }
            slots.release();
        }
    }

    private final WhenRead whenRead = new WhenRead();
    private final WhenWritten whenWritten = new WhenWritten();

    /** The first half of the echo: what was read is to be written. */
    private final class WhenRead implements CompletionHandler<Integer, Connection> {
        @Override
        public void completed(Integer n, Connection connection) {
            if (n < 0) {
                // -1: the client has ended its side; all it sent is echoed by now
                verbose(connection.peer + " ended, " + bytes(connection.echoed) + " echoed");
                connection.end();
                return;
            }
            connection.read += n;
            connection.buffer.flip();
            connection.channel.write(connection.buffer, connection, whenWritten);
        }

        @Override
        public void failed(Throwable e, Connection connection) {
            verbose(connection.peer + " lost after " + bytes(connection.echoed) + " echoed: "
                    + reason(e));
            connection.end();
        }
    }

    /** The second half: write what is left, for a write may take a part only, then read again. */
    private final class WhenWritten implements CompletionHandler<Integer, Connection> {
        @Override
        public void completed(Integer n, Connection connection) {
            connection.echoed += n;
            if (connection.buffer.hasRemaining()) {
                connection.channel.write(connection.buffer, connection, this);
            } else {
                connection.buffer.clear();
                connection.channel.read(connection.buffer, connection, whenRead);
            }
        }

        @Override
        public void failed(Throwable e, Connection connection) {
            whenRead.failed(e, connection);
        }
    }

    private ByteBuffer takeBuffer() {
        ByteBuffer buffer = spareBuffers.poll();
        // Cleared here, for a connection that was cut off may have left unsent bytes in it.
        return buffer != null ? buffer.clear() : ByteBuffer.allocateDirect(bufferSize);
    }

    private void verbose(String what) {
        if (verbose) {
            log.println("[server-async] " + what);
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
        log.println("[server-async] " + what + ", " + connections.size() + " open: "
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
