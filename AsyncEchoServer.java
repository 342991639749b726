import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousChannelGroup;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.Channel;
import java.nio.channels.CompletionHandler;
import java.nio.channels.InterruptedByTimeoutException;
import java.nio.channels.UnsupportedAddressTypeException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/**
 * A TCP echo server (RFC 862) on asynchronous channels: what a client sends comes back unchanged,
 * until the client ends its side. Try it, in two terminals:
 * <pre>
 *     java AsyncEchoServer.java --port 5051
 *     java EchoClient.java --bench --port 5051
 * </pre>
 * or in jshell, where a server is an object with a life:
 * <pre>
 *     var server = AsyncEchoServer.start("--port", "0");
 *     server.port();
 *     server.close();
 * </pre>
 * No thread waits for a connected client. A few event loops, of one thread each, are told when a
 * read has brought bytes and when a write has taken some; each time a handler starts the next step
 * and returns. The steps are those of EchoServer: read, write all that was read, read again. So
 * one buffer is all that a connection ever holds here: a peer that sends and never reads stops
 * being read, and fills its socket's buffers, some MiB, and nothing else.
 */
public class AsyncEchoServer implements AutoCloseable {

    private static final String[][] OPTIONS = {
        {"--host", "ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 for all"},
        {"--port", "0..65535", "5051", "port to listen on; 0 takes any free one"},
        {"--bufsize", "1..1g", "16k", "bytes taken by one read, on each connection"},
        {"--nagle", "", "off", "leave Nagle's algorithm on (no TCP_NODELAY)"},
        {"--max-connections", "1..1000000", "10000", "further clients wait until one leaves"},
        {"--idle-timeout", "1ms..1000h", "off", "close idle ones; slow readers need longer"},
        {"--verbose", "", "off", "a line as each connection opens and closes"},
        {"--loops", "1..1024", "half the cores", "event loops, one thread each"},
        {"--help", "", "off", "this text"},
    };

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

    /** Serves until Ctrl-C, SIGTERM or an interrupt; returns the exit status: 0, 1 or 2. */
    static int run(PrintStream out, PrintStream err, String... args) {
        try {
            Options options = new Options(OPTIONS, args);
            if (options.given("--help")) {
                options.print(out, "usage: java AsyncEchoServer.java [OPTION...]");
            } else {
                new AsyncEchoServer(options, err).serve(out);
            }
            if (out.checkError()) {
                throw new IOException("cannot write to standard output");
            }
            return 0;
        } catch (IOException | IllegalArgumentException | OutOfMemoryError e) {
            err.println("[server-async] " + reason(e).replaceAll("\\p{Cc}", "?"));
            return e instanceof IllegalArgumentException ? 2 : 1;
        }
    }

    /** Starts a server, with the arguments of the command line; it accepts when this returns. */
    static AsyncEchoServer start(String... args) throws IOException {
        return new AsyncEchoServer(new Options(OPTIONS, args), System.err);
    }

    private final Options options;
    /** Where failures are reported and, with --verbose, connections. */
    private final PrintStream log;
    /** An event loop each: a group of one thread, which runs the handlers of its connections. */
    private final List<AsynchronousChannelGroup> loops = new ArrayList<>();
    private final List<AsynchronousServerSocketChannel> listeners = new ArrayList<>();
    private final int port;
    private final List<Thread> acceptors = new ArrayList<>();
    /** How long a read or a write may take; 0 is for ever. */
    private final long idleNanos;
    /** One permit for each connection that may still be served. */
    private final Semaphore slots;
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    /** Left behind, with what is in them: only the garbage collector frees direct memory. */
    private final Queue<ByteBuffer> spareBuffers = new ConcurrentLinkedQueue<>();
    private final LongAdder served = new LongAdder();
    private final LongAdder echoed = new LongAdder();
    private final long startedNanos = System.nanoTime();
    private long quietUntilNanos = startedNanos;

    /** Accepts until the listener is closed; no other failure ends this loop. */
    private void acceptLoop(AsynchronousServerSocketChannel listener) {
        // A thread waits here, and not a handler: the JDK would run one accepting handler for each
        // time round the loop, so that in a crowd the last to come would wait for seconds.
        while (listener.isOpen()) {
            try {
                Connection connection = new Connection(listener.accept().get());
                // At the limit this client waits here, and the next ones in the backlog.
                slots.acquireUninterruptibly();
                connections.add(connection);
                connection.start();
            } catch (ExecutionException | InterruptedException | OutOfMemoryError e) {
                // No descriptor is left. Those connected are still served, and without a pause the
                // same failure would come back 80,000 times a second.
                if (listener.isOpen()) {
                    report("cannot take a connection", e.getCause() == null ? e : e.getCause());
                    LockSupport.parkNanos(100_000_000);
                }
            }
        }
    }

    /** What has just been done, when a handler is called. */
    private enum Step { READ, WRITE }

    /** One client, from accept to close. One read or one write is under way at any time. */
    private final class Connection implements CompletionHandler<Integer, Step> {
        private final AsynchronousSocketChannel channel;
        private String peer = "a client";
        private ByteBuffer buffer;
        private long echoedHere;

        Connection(AsynchronousSocketChannel channel) {
            this.channel = channel;
        }

        /** Starts the first read. */
        void start() {
            served.increment();
            try {
                peer = channel.getRemoteAddress().toString().substring(1);
                verbose(peer + " connected, " + connections.size() + " open");
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the peer
                // has acknowledged its beginning, which the peer delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !options.given("--nagle"));
                buffer = spareBuffers.poll();
                if (buffer == null) {
                    buffer = ByteBuffer.allocateDirect((int) options.number("--bufsize"));
                }
                channel.read(buffer.clear(), idleNanos, TimeUnit.NANOSECONDS, Step.READ, this);
            } catch (IOException e) {
                failed(e, Step.READ);
            } catch (OutOfMemoryError e) {
                report("no buffer for " + peer, e);
                end();
            }
        }

        /** The echo itself, a step at a time: read, write all of it, and read again. */
        @Override
        public void completed(Integer n, Step step) {
            if (n < 0) {
                // -1: the client has ended its side; all it sent is echoed by now
                verbose(peer + " ended, " + bytes(echoedHere) + " echoed");
                end();
                return;
            }
            if (step == Step.READ) {
                buffer.flip();
            } else {
                echoedHere += n;
            }
            if (buffer.hasRemaining()) { // a write may take a part only
                channel.write(buffer, idleNanos, TimeUnit.NANOSECONDS, Step.WRITE, this);
            } else {
                channel.read(buffer.clear(), idleNanos, TimeUnit.NANOSECONDS, Step.READ, this);
            }
        }

        @Override
        public void failed(Throwable e, Step step) {
            if (e instanceof InterruptedByTimeoutException) {
                buffer = null; // the JDK leaves open what may still be done to it
            }
            verbose(peer + " lost after " + bytes(echoedHere) + " echoed: " + reason(e));
            end();
        }

        /** Closes the connection and makes room for the next. */
        private void end() {
            close(channel);
            if (buffer != null) {
                spareBuffers.add(buffer);
            }
            echoed.add(echoedHere);
            connections.remove(this);
            slots.release();
        }
    }

    // That was the echo. The rest keeps house: starting, stopping, reporting, the command line.

    private AsyncEchoServer(Options options, PrintStream log) throws IOException {
        this.options = options;
        this.log = log;
        slots = new Semaphore((int) options.number("--max-connections"));
        idleNanos = options.given("--idle-timeout") ? options.number("--idle-timeout") : 0;
        int half = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
        port = listen(options.text("--host"), (int) options.number("--port"),
                options.given("--loops") ? (int) options.number("--loops") : half);
        for (AsynchronousServerSocketChannel listener : listeners) {
            acceptors.add(thread("accept", () -> acceptLoop(listener)));
        }
        acceptors.forEach(Thread::start);
    }

    /** Listens in each loop, and tells the port; a failure says where, and what to do about it. */
    private int listen(String host, int port, int count) throws IOException {
        try {
            InetSocketAddress local = new InetSocketAddress(InetAddress.getByName(host), port);
            do {
                // With one thread in the group, a connection's events never change threads.
                loops.add(AsynchronousChannelGroup.withFixedThreadPool(1,
                        task -> thread("loop-" + loops.size(), task)));
                listeners.add(AsynchronousServerSocketChannel.open(loops.get(loops.size() - 1)));
                // The first listener binds alone, which fails if anyone else has the port. Only
                // then does it let the others in, and the system shares the clients out.
                for (int i = 0; i < listeners.size() && listeners.size() > 1; i++) {
                    listeners.get(i).setOption(StandardSocketOptions.SO_REUSEPORT, true);
                }
                // So many clients may wait to be accepted; the kernel cuts this to its own limit.
                listeners.get(loops.size() - 1).bind(local, 4096);
                local = (InetSocketAddress) listeners.get(0).getLocalAddress();
            } while (loops.size() < count && listeners.get(0).supportedOptions()
                    .contains(StandardSocketOptions.SO_REUSEPORT));
            return local.getPort();
        } catch (IOException | UnsupportedAddressTypeException e) {
            close();
            throw new IOException("cannot listen on " + address(host, port) + ": " + reason(e)
                    + "; choose another --port (0 takes any free one) or --host", e);
        }
    }

    /** The port it listens on, also when 0 was asked for. */
    int port() {
        return port;
    }

    @Override
    public String toString() {
        return "AsyncEchoServer on " + address(options.text("--host"), port);
    }

    /** Closes the listener and every connection, and returns when all of them have ended. */
    @Override
    public void close() {
        listeners.forEach(AsyncEchoServer::close);
        while (acceptors.stream().anyMatch(Thread::isAlive) || !connections.isEmpty()) {
            connections.forEach(connection -> close(connection.channel));
            LockSupport.parkNanos(1_000_000);
        }
        loops.forEach(AsynchronousChannelGroup::shutdown);
    }

    /** Announces the server, waits until a signal or an interrupt stops it, and sums up. */
    private void serve(PrintStream out) {
        Runnable stop = () -> {
            close(); // so that no thread in a native call holds up the exit
            out.println(String.format(Locale.ROOT, "[server-async] served %d connection%s,"
                    + " %s echoed, in %.1f s", served.sum(), served.sum() == 1 ? "" : "s",
                    bytes(echoed.sum()), (System.nanoTime() - startedNanos) / 1e9));
            out.flush();
        };
        Thread hook = new Thread(stop, "stop");
        Runtime.getRuntime().addShutdownHook(hook);
        out.println("[server-async] listening on " + address(options.text("--host"), port));
        if (options.given("--loops") && loops.size() < options.number("--loops")) {
            out.println("[server-async] one event loop: no port can be shared on this system");
        }
        if (!options.given("--host")) {
            out.println("[server-async] loopback only; for all interfaces use --host 0.0.0.0");
        }
        while (!out.checkError() && !Thread.interrupted()) {
            LockSupport.park(); // a signal does not end this wait: its hook does the rest
        }
        Runtime.getRuntime().removeShutdownHook(hook);
        stop.run();
    }

    /** Closes a channel; whoever is reading or writing there learns of it at once. */
    private static void close(Channel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            // it is as closed as it can be
        }
    }

    /** A thread that does not keep the program alive, and whose failure is one line. */
    private Thread thread(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.setUncaughtExceptionHandler((t, e) -> report(t.getName() + " failed", e));
        return thread;
    }

    private void verbose(String what) {
        if (options.given("--verbose")) {
            log.println("[server-async] " + what);
        }
    }

    /** Reports a failure, at most one in five seconds: what fails once may fail all the time. */
    private synchronized void report(String what, Throwable e) {
        if (System.nanoTime() - quietUntilNanos >= 0) {
            quietUntilNanos = System.nanoTime() + 5_000_000_000L;
            log.println("[server-async] " + what + ", " + connections.size() + " open: "
                    + reason(e));
        }
    }

    /** Why something failed; a channel that was closed on this side says nothing of itself. */
    private static String reason(Throwable e) {
        return e instanceof UnknownHostException ? "unknown host"
                : e instanceof UnsupportedAddressTypeException ? "this Java runs without IPv6"
                : e.getMessage() != null ? e.getMessage() : "closed here, idle or stopping";
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050. */
    private static String address(String host, int port) {
        return (host.matches("[^\\[].*:.*") ? "[" + host + "]" : host) + ":" + port;
    }

    /** Such as 512 B, 1.5 KiB or 6.1 MiB. */
    private static String bytes(long n) {
        int unit = (63 - Long.numberOfLeadingZeros(n | 1)) / 10; // each is 2^10 times the last
        return unit == 0 ? n + " B" : String.format(Locale.ROOT, "%.1f %ciB",
                n / Math.pow(1024, unit), "KMGTPE".charAt(unit - 1));
    }

    /**
     * The command line, read against a table: option, value (none for a flag; a range for numbers,
     * sizes in bytes and durations), default, meaning. A wrong one is an IllegalArgumentException.
     */
    private static class Options {
        /** Units of numbers, of sizes (up to g) and of durations (up to h), after that letter. */
        private static final Map<String, Double> UNITS = Map.of("", 1.0, "g", 1.0, "gk", 0x1p10,
                "gm", 0x1p20, "gg", 0x1p30, "hus", 1e3, "hms", 1e6, "hs", 1e9, "hm", 6e10,
                "hh", 3.6e12);

        private final Map<String, String[]> rows = new LinkedHashMap<>();
        /** The last value given to each option; "on" for a flag. */
        private final Map<String, String> given = new HashMap<>();

        Options(String[][] table, String... args) {
            List.of(table).forEach(row -> rows.put(row[0], row));
            for (Iterator<String> rest = List.of(args).iterator(); rest.hasNext(); ) {
                String[] pair = rest.next().split("=", 2);
                String[] row = rows.get(pair[0].equals("-h") ? "--help" : pair[0]);
                check(row != null, "unknown option " + pair[0]);
                boolean joined = pair.length == 2;
                boolean flag = row[1].isEmpty();
                String value = joined ? pair[1] : flag ? "on" : rest.hasNext() ? rest.next() : "--";
                check(!joined || !flag, row[0] + " takes no value, not " + value);
                check((joined || !value.startsWith("--"))
                        && (!value.isEmpty() || row[1].matches("TEXT|[0-9].*")),
                        row[0] + " needs a value: " + row[1]);
                given.put(row[0], value);
                if (row[1].matches("[0-9].*")) {
                    number(row[0]); // so that every error is told before anything is done
                }
            }
        }

        boolean given(String name) {
            return given.containsKey(name);
        }

        /** What was given, or the default. */
        String text(String name) {
            return given.getOrDefault(name, rows.get(name)[2]);
        }

        /** A number in the range of the table; a size in bytes, a duration in nanoseconds. */
        long number(String name) {
            String text = text(name).toLowerCase(Locale.ROOT);
            // Where a number or a duration will do, they stand in this order, with a | between.
            String[] ranges = rows.get(name)[1].split("[|]");
            String[] ends = ranges[text.matches(".*[a-z]") ? ranges.length - 1 : 0].split("[.]{2}");
            String unit = ends[1].replaceAll("[0-9]", "");
            double value = parse(text, unit);
            check(value >= parse(ends[0], unit) && value <= parse(ends[1], unit),
                    name + " takes a " + (unit.isEmpty() ? "number" : unit.equals("g") ? "size"
                    : "duration") + " from " + ends[0] + " to " + ends[1] + ", not " + text(name));
            return (long) value;
        }

        /** The number in a text, a fraction only before a unit; NaN for any other text. */
        static double parse(String text, String largestUnit) {
            String digits = text.replaceAll("[a-z]*$", "");
            Double unit = UNITS.get(largestUnit + text.substring(digits.length()));
            return unit != null && text.matches("[0-9]+([.][0-9]+[a-z]+|[a-z]*)")
                    ? Double.parseDouble(digits) * unit : Double.NaN;
        }

        static void check(boolean rule, String message) {
            if (!rule) {
                throw new IllegalArgumentException(message + "; see --help");
            }
        }

        void print(PrintStream out, String usage) {
            out.println(usage);
            rows.forEach((name, row) -> out.printf("  %-28s %s%s%n", name + " " + row[1], row[3],
                    row[2].isEmpty() ? "" : " [" + row[2] + "]"));
        }
    }
}
