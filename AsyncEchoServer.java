import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousChannelGroup;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.CompletionHandler;
import java.nio.channels.InterruptedByTimeoutException;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * A TCP echo server (RFC 862) on asynchronous channels: what a client sends comes back
 * unchanged, until the client ends its side. Try it, in two terminals:
 * <pre>
 *     java AsyncEchoServer.java --port 5051
 *     java EchoClient.java --bench --port 5051
 * </pre>
 * or in jshell:
 * <pre>
 *     var server = AsyncEchoServer.start("--port", "0");
 *     server.port();
 *     server.close();
 * </pre>
 * What is new against EchoServer: no thread waits for a connected client. The thread of an
 * event loop is told when a read has brought bytes, and when a write has taken some. Each time
 * a handler starts the next step and returns. The steps are the same: read, write back all that
 * was read, read again. So a client that sends and never reads holds one buffer, and harms
 * nobody else.
 */
public class AsyncEchoServer implements AutoCloseable {

    private static final String TAG = "[server-async] ";

    private InetAddress local;
    /** The event loops: each has one thread, which runs the handlers of its connections. */
    private final List<AsynchronousChannelGroup> loops = new ArrayList<>();
    /** One for each loop, as its acceptor; all have the same port. */
    private final List<AsynchronousServerSocketChannel> listeners = new ArrayList<>();
    private final List<Thread> acceptors = new ArrayList<>();
    private final Set<Connection> clients = ConcurrentHashMap.newKeySet();
    /** One permit for each client that may still be served. */
    private Semaphore slots;
    private volatile boolean limitTold;
    private volatile boolean closed;
    private final LongAdder served = new LongAdder();
    private final LongAdder echoed = new LongAdder();
    private PrintStream err = System.err;

    /** Accepts clients until the server is closed; no other failure ends this loop. */
    private void acceptLoop(AsynchronousServerSocketChannel listener) {
        // A thread waits here, and not a handler: the JDK runs an accepting handler once in
        // each turn of the loop. While 4000 clients were busy, 1000 others waited for 30 s.
        while (!closed) {
            try {
                admit(listener.accept().get());
            } catch (ExecutionException e) {
                pauseAfter(e.getCause());
            } catch (InterruptedException | OutOfMemoryError e) {
                pauseAfter(e);
            }
        }
    }

    /** Has a client served by its loop, as soon as there is a slot for it. */
    private void admit(AsynchronousSocketChannel channel) {
        takeSlot();
        try {
            new Connection(channel).start();
        } catch (OutOfMemoryError e) {
            closeQuietly(channel);
            slots.release();
            throw e;
        }
    }

    /** One client. A read or a write is under way; the handler of one starts the other. */
    private final class Connection {
        private final AsynchronousSocketChannel channel;
        private final ByteBuffer buffer = ByteBuffer.allocate(bufferSize);
        private String peer = "a client";
        private boolean ended;

        Connection(AsynchronousSocketChannel channel) {
            this.channel = channel;
        }

        void start() {
            clients.add(this);
            try {
                served.increment();
                InetSocketAddress from = (InetSocketAddress) channel.getRemoteAddress();
                peer = address(from.getAddress(), from.getPort());
                logVerbose(peer, "connected");
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the
                // client has acknowledged its beginning, which it delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
                // So that a client that vanished is noticed at last.
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
                read();
                if (closed) {
                    stop();
                }
            } catch (IOException | OutOfMemoryError e) {
                end("lost: " + e.getMessage());
            }
        }

        /** Asks for bytes and returns at once; when some have come, whenRead is called. */
        private void read() {
            buffer.clear();
            channel.read(buffer, idleMillis, TimeUnit.MILLISECONDS, null, whenRead);
        }

        private final Handler whenRead = new Handler() {
            @Override
            void next(int n) {
                if (n < 0) {
                    end("ended"); // the client has ended its side; all that it sent is echoed
                    return;
                }
                if (trace) {
                    log(count(n, "byte"));
                }
                buffer.flip();
                write();
            }
        };

        private void write() {
            channel.write(buffer, idleMillis, TimeUnit.MILLISECONDS, null, whenWritten);
        }

        private final Handler whenWritten = new Handler() {
            @Override
            void next(int n) {
                echoed.add(n);
                if (buffer.hasRemaining()) {
                    write(); // the system took a part only
                } else {
                    read();
                }
            }
        };

        /** What the system calls in the thread of the loop, when a read or a write is done. */
        private abstract class Handler implements CompletionHandler<Integer, Void> {
            /** Goes on after a read or a write of n bytes. */
            abstract void next(int n);

            @Override
            public void completed(Integer n, Void none) {
                try {
                    next(n);
                } catch (OutOfMemoryError e) {
                    failed(e, none);
                }
            }

            @Override
            public void failed(Throwable e, Void none) {
                if (e instanceof InterruptedByTimeoutException) { // it has no message
                    end("lost: idle for too long");
                } else {
                    end("lost: " + e.getMessage());
                }
            }
        }

        /** Closes the connection and makes room for the next client. */
        private void end(String how) {
            if (!ended) { // when the system fails, the JDK can call a handler twice
                ended = true;
                logVerbose(peer, how);
                closeQuietly(channel);
                clients.remove(this);
                slots.release();
            }
        }

        /** Ends the current read or write; its handler then closes the connection. */
        private void stop() {
            try {
                channel.shutdownInput();
                channel.shutdownOutput();
            } catch (IOException e) {
                // the client has closed it already
            }
        }
    }

    /** At the limit of --max-connections it waits until a client leaves. */
    private void takeSlot() {
        if (!slots.tryAcquire()) {
            if (!limitTold) {
                limitTold = true;
                log("--max-connections " + maxConnections + " reached: further clients wait");
            }
            slots.acquireUninterruptibly();
        }
    }

    /** Reports why a client cannot be served. For example, no file descriptors are left. */
    private void pauseAfter(Throwable e) {
        try {
            if (!closed) {
                log("cannot serve a client, " + clients.size() + " open: " + e.getMessage());
                // The others are still served, and some will leave. Without a pause the same
                // failure would come back 80,000 times a second.
                LockSupport.parkNanos(500_000_000);
            }
        } catch (OutOfMemoryError again) {
            // not even memory for that line
        }
    }

    // That was the echo. The rest is housekeeping: start and stop, messages, the command line.

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Serves until Ctrl-C, SIGTERM or an interrupt; returns the exit status: 0, 1 or 2. */
    static int run(PrintStream out, PrintStream err, String... args) {
        AsyncEchoServer server = new AsyncEchoServer();
        server.err = err;
        try {
            server.parse(args);
            if (server.help) {
                out.print(HELP);
                if (out.checkError()) {
                    throw new IOException("cannot write to standard output");
                }
            } else {
                server.listen();
                server.serve(out);
            }
            return 0;
        } catch (IOException | OutOfMemoryError e) {
            server.log(printable(e.getMessage()));
            return 1;
        } catch (IllegalArgumentException e) {
            server.log(printable(e.getMessage()) + "; see --help");
            return 2;
        }
    }

    /** Starts a server with the arguments of a command line; it accepts when this returns. */
    static AsyncEchoServer start(String... args) throws IOException {
        AsyncEchoServer server = new AsyncEchoServer();
        server.parse(args);
        server.listen();
        return server;
    }

    private void listen() throws IOException {
        // By default the JDK tries each read at once. Here nothing has come yet, so that system
        // call would be wasted.
        System.setProperty("sun.nio.ch.disableSynchronousRead", "true");
        slots = new Semaphore(maxConnections);
        try {
            local = InetAddress.getByName(host);
            while (loops.size() < loopCount) {
                addLoop();
            }
        } catch (IOException e) {
            close();
            throw new IOException("cannot listen on " + address(host, port) + ": " + advice(e));
        }
        for (AsynchronousServerSocketChannel listener : listeners) {
            acceptors.add(startThread("accept", () -> acceptLoop(listener)));
        }
    }

    /** Adds an event loop, and its listener. */
    private void addLoop() throws IOException {
        String name = "loop-" + loops.size();
        AsynchronousChannelGroup loop =
                AsynchronousChannelGroup.withFixedThreadPool(1, task -> daemon(name, task));
        loops.add(loop);
        AsynchronousServerSocketChannel listener = AsynchronousServerSocketChannel.open(loop);
        listeners.add(listener);
        if (listeners.size() > 1) {
            // The first has bound its port alone, which fails if another program has it. Now
            // all of them share it, and Linux distributes the clients over them.
            for (AsynchronousServerSocketChannel each : listeners) {
                each.setOption(StandardSocketOptions.SO_REUSEPORT, true);
            }
        }
        // Up to 4096 clients may wait to be accepted; many systems allow fewer.
        listener.bind(new InetSocketAddress(local, port), 4096);
        port = ((InetSocketAddress) listener.getLocalAddress()).getPort();
    }

    private static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    /** Starts a thread that does not keep the program alive. */
    private static Thread startThread(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** The port it listens on, also when 0 was asked for. */
    int port() {
        return port;
    }

    @Override
    public String toString() {
        return "AsyncEchoServer on " + address(local, port());
    }

    /** Announces the server, waits until it is told to stop, and sums up. */
    private void serve(PrintStream out) {
        Thread hook = new Thread(() -> closeAndSumUp(out), "stop");
        Runtime.getRuntime().addShutdownHook(hook); // Ctrl-C and SIGTERM run it
        try {
            out.println(TAG + "listening on " + address(local, port()));
            if (local.getHostAddress().equals("127.0.0.1")) {
                out.println(TAG + "loopback only; for all interfaces use --host 0.0.0.0");
            }
            if (local.isAnyLocalAddress() && !Boolean.getBoolean("java.net.preferIPv4Stack")) {
                out.println(TAG + "all interfaces, for IPv4 and IPv6");
            }
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            // told to stop
        } finally { // Ctrl-C in jshell comes here, too
            Runtime.getRuntime().removeShutdownHook(hook);
            closeAndSumUp(out);
        }
    }

    /** Takes a second at most, even if nobody reads what the server prints. */
    private void closeAndSumUp(PrintStream out) {
        close();
        String summary = TAG + "served " + count(served.sum(), "connection") + ", "
                + count(echoed.sum(), "byte") + " echoed";
        Thread printing = startThread("summary", () -> out.println(summary));
        waitUntil(() -> !printing.isAlive(), 250_000_000);
    }

    /** Closes the listener and every connection; waits for their threads, 0.3 s at most. */
    @Override
    public void close() {
        closed = true;
        listeners.forEach(AsyncEchoServer::closeQuietly);
        // The connections close themselves, each in its own loop. Closed from here, they could
        // stop a busy loop for good: the queue of the JDK's EPollPort overflows.
        clients.forEach(Connection::stop);
        slots.release(loopCount); // acceptors that wait at the limit go on, and end
        waitUntil(() -> clients.isEmpty() && acceptors.stream().noneMatch(Thread::isAlive),
                300_000_000);
        loops.forEach(AsynchronousChannelGroup::shutdown);
    }

    private static void waitUntil(BooleanSupplier done, long limitNanos) {
        long start = System.nanoTime();
        while (!done.getAsBoolean() && System.nanoTime() - start < limitNanos) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private static void closeQuietly(AutoCloseable socket) {
        try {
            socket.close();
        } catch (Exception e) {
            // nothing more can be done
        }
    }

    private void log(String what) {
        err.println(TAG + what);
    }

    private void logVerbose(String peer, String what) {
        if (verbose) {
            log(LocalTime.now().truncatedTo(ChronoUnit.MILLIS) + " " + peer + " " + what);
        }
    }

    /** Why it cannot listen, and what to do about it. */
    private static String advice(IOException e) {
        String why = e.getMessage();
        if (why.contains("in use") || why.contains("denied")) {
            return why + "; choose another --port (0 takes any free one)";
        }
        if (why.contains("family unavailable")) {
            return "this Java runs without IPv6";
        }
        return why + "; --host takes an address of this machine";
    }

    /** Such as "1 byte" or "2 bytes". */
    private static String count(long n, String what) {
        return n + " " + what + (n == 1 ? "" : "s");
    }

    private static String address(InetAddress at, int port) {
        String host = at.getHostAddress(); // which is 0:0:0:0:0:0:0:1 for ::1
        return address(host.replaceFirst("(^|:)0(:0)+(:|$)", "::"), port);
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050. */
    private static String address(String host, int port) {
        boolean bare = host.contains(":") && !host.startsWith("[");
        return (bare ? "[" + host + "]" : host) + ":" + port;
    }

    /** The text with a dot for each character that would steer a terminal, not be shown. */
    private static String printable(String text) {
        return text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}\ufffd]", ".");
    }

    // The command line.

    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    /** The default of --loops. Other systems don't distribute the clients over the loops. */
    private static final int LOOPS =
            LINUX ? Math.max(1, Runtime.getRuntime().availableProcessors() / 2) : 1;

    private static final String HELP = "usage: java AsyncEchoServer.java [OPTION...]\n"
            + "  --host ADDRESS       address to listen on; 0.0.0.0 for all [127.0.0.1]\n"
            + "  --port N             0 to 65535; 0 takes any free port [5051]\n"
            + "  --bufsize SIZE       bytes taken by one read, 1 to 1g [16k]\n"
            + "  --nagle              leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --max-connections N  1 to 1000000; further clients wait [10000]\n"
            + "  --idle-timeout TIME  1ms to 500h; close a client silent so long [off]\n"
            + "  --verbose            a line as each connection opens and closes [off]\n"
            + "  --trace              a line for each read: how many bytes it brought [off]\n"
            + "  --loops N            1 to 1024 event loops; above 1 on Linux only, where few\n"
            + "                       clients may come to one of them [" + LOOPS + "]\n";

    private String host = "127.0.0.1";
    private int port = 5051;
    private int bufferSize = 16 * 1024;
    private boolean nagle;
    private int maxConnections = 10_000;
    private int idleMillis; // 0 is for ever
    private boolean verbose;
    private boolean trace;
    private int loopCount = LOOPS;
    private boolean help;

    private void parse(String... args) {
        Words words = new Words(args);
        while (words.nextOption()) {
            switch (words.option) {
                case "--host": host = words.host(); break;
                case "--port": port = words.number(0, 65_535); break;
                case "--bufsize": bufferSize = words.size(1); break;
                case "--nagle": nagle = true; break;
                case "--max-connections": maxConnections = words.number(1, 1_000_000); break;
                case "--idle-timeout": idleMillis = (int) (words.duration() / 1_000_000); break;
                case "--verbose": verbose = true; break;
                case "--trace": trace = true; break;
                case "--loops": loopCount = words.number(1, 1024); break;
                case "-h": case "--help": help = true; break;
                default: throw new IllegalArgumentException("unknown option " + words.option);
            }
        }
        if (loopCount > 1 && !LINUX) {
            throw new IllegalArgumentException("--loops above 1 needs Linux");
        }
    }

    /** The words of a command line: options, each with its value behind it or after a "=". */
    private static final class Words {
        private final Iterator<String> rest;
        /** The option that is read now, and its value; null as long as none was seen. */
        private String option;
        private String value;
        private boolean valueUsed;

        Words(String... args) {
            rest = List.of(args).iterator();
        }

        /** Goes on to the next option; false if there is none. */
        boolean nextOption() {
            check(value == null || valueUsed, "no value"); // as in --verbose=yes
            if (!rest.hasNext()) {
                return false;
            }
            String[] pair = rest.next().split("=", 2);
            option = pair[0];
            value = pair.length == 2 ? pair[1] : null;
            valueUsed = false;
            return true;
        }

        /** The value of the option, as it was given. */
        String value() {
            valueUsed = true;
            if (value == null) {
                value = rest.hasNext() ? rest.next() : "--";
                if (value.startsWith("--")) { // the next option
                    throw new IllegalArgumentException(option + " needs a value");
                }
            }
            return value;
        }

        String host() {
            String host = value();
            boolean oneColon = host.matches("[^:]*:[^:]*"); // an IPv6 address has more
            boolean portOrUrl = oneColon || host.contains("]:") || host.contains("/");
            check(!host.isEmpty() && !portOrUrl,
                    "a name or an address, and --port takes the port");
            return host;
        }

        int number(int least, int most) {
            double number = amount(Map.of("", 1.0));
            check(number >= least && number <= most, "a number from " + least + " to " + most);
            return (int) number;
        }

        /** A size in bytes, such as 512, 16k or 1m. */
        int size(int least) {
            double bytes = amount(Map.of("", 1.0, "k", 0x1p10, "m", 0x1p20, "g", 0x1p30));
            check(bytes >= least && bytes <= 0x1p30,
                    "a size from " + least + " to 1g, as in 16k");
            return (int) bytes;
        }

        /** A time such as 300ms, 2.5s or 1m, in nanoseconds. */
        long duration() {
            double nanos = amount(
                    Map.of("us", 1e3, "ms", 1e6, "s", 1e9, "m", 60e9, "h", 3600e9));
            check(nanos >= 1e6 && nanos <= 500 * 3600e9, "a time from 1ms to 500h, as in 2.5s");
            return (long) nanos;
        }

        /** The number in the value, times its unit; -1 if it is not one of these units. */
        private double amount(Map<String, Double> units) {
            String digits = value().replaceAll("[a-zA-Z]*$", "");
            Double unit = units.get(value.substring(digits.length()).toLowerCase(Locale.ROOT));
            boolean whole = digits.matches("[0-9]{1,10}");
            boolean fraction = digits.matches("[0-9]{1,10}[.][0-9]{1,10}");
            if (unit == null || !whole && !(fraction && unit > 1)) {
                return -1;
            }
            return Double.parseDouble(digits) * unit;
        }

        private void check(boolean rule, String wanted) {
            if (!rule) {
                String given = value.isEmpty() ? "an empty text" : value;
                throw new IllegalArgumentException(
                        option + " takes " + wanted + ", not " + given);
            }
        }
    }
}
