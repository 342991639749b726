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
import java.time.LocalTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
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
 * was read, read again. So a client that never reads holds one buffer, and harms nobody else.
 */
public class AsyncEchoServer implements AutoCloseable {

    private static final String TAG = "[server-async] ";
    private InetAddress local; // the address of the listeners
    private final List<AsynchronousServerSocketChannel> listeners = new ArrayList<>();
    private final List<Thread> acceptors = new ArrayList<>();
    private final List<AsynchronousChannelGroup> loops = new ArrayList<>();
    private final Set<Connection> clients = ConcurrentHashMap.newKeySet();
    private Semaphore slots; // one permit for each client that may still be served
    private final AtomicBoolean limitTold = new AtomicBoolean();
    private final LongAdder served = new LongAdder();
    private final LongAdder echoed = new LongAdder();
    private PrintStream err = System.err;

    /** Accepts clients until the server is closed; no other failure ends this loop. */
    private void acceptLoop(AsynchronousServerSocketChannel listener) {
        // A thread waits here, and not a handler: the JDK runs an accepting handler once in
        // each turn of the loop. While 4000 clients were busy, 1000 others waited for 30 s.
        while (listener.isOpen()) {
            try {
                admit(listener.accept().get());
            } catch (ExecutionException e) {
                pauseAfter(e.getCause());
            } catch (InterruptedException | OutOfMemoryError e) {
                pauseAfter(e);
            }
        }
    }

    /** Has a client served by its loop; at the limit, as soon as another leaves. */
    private void admit(AsynchronousSocketChannel channel) {
        if (slots.availablePermits() == 0 && limitTold.compareAndSet(false, true)) {
            log("--max-connections " + limit + " reached: further clients wait");
        }
        slots.acquireUninterruptibly();
        new Connection().serve(channel);
    }

    /** One client. A read or a write is under way; the handler of one starts the other. */
    private final class Connection {
        private AsynchronousSocketChannel channel;
        private ByteBuffer buffer;
        private String peer = "a client";

        void serve(AsynchronousSocketChannel accepted) {
            channel = accepted;
            clients.add(this);
            served.increment();
            try {
                buffer = ByteBuffer.allocate(bufferSize);
                peer = channel.getRemoteAddress().toString().substring(1);
                logVerbose(peer, "connected");
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the
                // client has acknowledged its beginning, which it delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
                read();
            } catch (IOException e) {
                end("lost: " + e.getMessage());
            } catch (OutOfMemoryError e) {
                end("lost: " + e.getMessage());
                pauseAfter(e);
            }
        }

        /** Asks for bytes and returns at once; when some have come, whenRead is called. */
        private void read() {
            buffer.clear();
            channel.read(buffer, idleNanos, TimeUnit.NANOSECONDS, null, whenRead);
        }

        private final Handler whenRead = new Handler() {
            @Override
            public void completed(Integer n, Void none) {
                if (n < 0) {
                    end("ended"); // the client has ended its side; all that it sent is echoed
                    return;
                }
                if (trace) {
                    log(n + " bytes");
                }
                buffer.flip();
                write();
            }
        };

        private void write() {
            channel.write(buffer, idleNanos, TimeUnit.NANOSECONDS, null, whenWritten);
        }

        private final Handler whenWritten = new Handler() {
            @Override
            public void completed(Integer n, Void none) {
                echoed.add(n);
                if (buffer.hasRemaining()) {
                    write(); // the system took a part only
                } else {
                    read();
                }
            }
        };

        /** What both handlers do when their step fails: the client is lost, or too slow. */
        private abstract class Handler implements CompletionHandler<Integer, Void> {
            @Override
            public void failed(Throwable e, Void none) {
                String idle = "idle for " + idleNanos / 1e9 + " s"; // a timeout has no message
                end("lost: " + Objects.toString(e.getMessage(), idle));
            }
        }

        /** Closes the connection and makes room for the next client. */
        private void end(String how) {
            if (clients.remove(this)) { // when the system fails, the JDK calls a handler twice
                logVerbose(peer, listeners.get(0).isOpen() ? how : "closed");
                closeQuietly(channel);
                slots.release();
            }
        }

        /** Ends the current read or write; its handler then closes the connection. */
        private void stop() {
            closeQuietly(channel::shutdownInput);
            closeQuietly(channel::shutdownOutput);
        }
    }

    /** Without a pause the same failure would come back 80,000 times a second. */
    private void pauseAfter(Throwable e) {
        if (listeners.get(0).isOpen()) {
            log("cannot serve a client, " + clients.size() + " open: " + e.getMessage());
            LockSupport.parkNanos(500_000_000); // meanwhile some of those will leave
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
        try {
            if (List.of(args).contains("--help") || List.of(args).contains("-h")) {
                out.print(HELP);
            } else {
                AsyncEchoServer server = start(args);
                server.err = err;
                server.serve(out);
            }
            return out.checkError() ? 1 : 0;
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            err.println(TAG + ("" + e.getMessage()).replaceAll("\\p{Cc}", "."));
            return e instanceof IllegalArgumentException ? 2 : 1;
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
        // Else the JDK would try each read at once, and find nothing: a wasted system call.
        System.setProperty("sun.nio.ch.disableSynchronousRead", "true");
        slots = new Semaphore(limit);
        try {
            local = InetAddress.getByName(host);
            while (loops.size() < loopCount) {
                addLoop();
            }
        } catch (IOException e) {
            close();
            throw new IOException("cannot listen on " + address(host, port) + ": "
                    + e.getMessage() + "; --host takes an address of this machine, --port a"
                    + " free port (0 finds one)");
        }
    }

    private void addLoop() throws IOException {
        AsynchronousChannelGroup loop = AsynchronousChannelGroup.withFixedThreadPool(1,
                task -> new Thread(task, "loop-" + loops.size()));
        loops.add(loop);
        AsynchronousServerSocketChannel listener = AsynchronousServerSocketChannel.open(loop);
        listeners.add(listener);
        if (listeners.size() > 1) {
            // The first was alone, which fails if another program has the port. Now they share.
            listeners.get(0).setOption(StandardSocketOptions.SO_REUSEPORT, true);
            listener.setOption(StandardSocketOptions.SO_REUSEPORT, true);
        }
        listener.bind(new InetSocketAddress(local, port), 4096); // so many clients may wait
        port = ((InetSocketAddress) listener.getLocalAddress()).getPort();
        acceptors.add(startThread("accept", () -> acceptLoop(listener)));
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
        return "AsyncEchoServer on " + address(local.getHostAddress(), port());
    }

    /** Announces the server, waits until it is told to stop, and sums up. */
    private void serve(PrintStream out) {
        Thread hook = new Thread(() -> closeAndSumUp(out), "stop");
        Runtime.getRuntime().addShutdownHook(hook); // Ctrl-C and SIGTERM run it
        try {
            out.println(TAG + "listening on " + address(local.getHostAddress(), port()));
            if (local.getHostAddress().equals("127.0.0.1")) {
                out.println(TAG + "loopback only; for all interfaces use --host 0.0.0.0");
            } else if (local.isAnyLocalAddress()) {
                out.println(TAG + "all interfaces, IPv4 and IPv6 (unless Java runs without)");
            }
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            // told to stop
        } finally { // Ctrl-C in jshell comes here, too
            Runtime.getRuntime().removeShutdownHook(hook);
            closeAndSumUp(out);
        }
    }

    /** Takes less than a second, even if nobody reads what the server prints. */
    private void closeAndSumUp(PrintStream out) {
        close();
        String connections = served.sum() == 1 ? " connection, " : " connections, ";
        Thread summary = startThread("summary", () -> out.println(TAG + "served " + served
                + connections + echoed + " bytes echoed"));
        waitUntil(() -> !summary.isAlive());
    }

    /** Closes the listeners and every connection, and waits for them; 0.25 s at most. */
    @Override
    public void close() {
        listeners.forEach(AsyncEchoServer::closeQuietly);
        // The connections close themselves, each in its own loop. Closed from here, they could
        // stop a busy loop for good: the queue of the JDK's EPollPort overflows.
        waitUntil(() -> {
            clients.forEach(Connection::stop);
            boolean ended = slots.availablePermits() == limit;
            return ended && acceptors.stream().noneMatch(Thread::isAlive);
        });
        loops.forEach(AsynchronousChannelGroup::shutdown);
    }

    private static void waitUntil(BooleanSupplier done) {
        long start = System.nanoTime();
        while (!done.getAsBoolean() && System.nanoTime() - start < 250_000_000) {
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
            log(LocalTime.now() + " " + peer + " " + what);
        }
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050, which Java would write as 0:0:0:0:0:0:0:1. */
    private static String address(String host, int port) {
        boolean bare = host.contains(":") && !host.startsWith("[");
        String name = bare ? "[" + host.replaceFirst("(^|:)0(:0)+(:|$)", "::") + "]" : host;
        return name + ":" + port;
    }

    // The command line.

    /** Only Linux distributes the clients that come to a port over several listeners. */
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final int CORES = Runtime.getRuntime().availableProcessors();

    private static final String HELP = "usage: java AsyncEchoServer.java [OPTION...]\n"
            + "  --host ADDRESS       address to listen on; 0.0.0.0 for all [127.0.0.1]\n"
            + "  --port N             0 to 65535; 0 takes any free port [5051]\n"
            + "  --bufsize SIZE       bytes taken by one read, 1 to 1g [16k]\n"
            + "  --nagle              leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --max-connections N  1 to 1000000; further clients wait [10000]\n"
            + "  --idle-timeout TIME  1ms to 500h; close a client silent so long [off]\n"
            + "  --verbose            a line as each connection opens and closes [off]\n"
            + "  --trace              a line for each read: how many bytes it brought [off]\n"
            + "  --loops N            1 to 1024 event loops; few clients can all fall on one;\n"
            + "                       1 where the system is not Linux [half the cores]\n";

    private String host = "127.0.0.1";
    private int port = 5051;
    private int bufferSize = 16 * 1024;
    private int limit = 10_000; // of --max-connections
    private long idleNanos; // 0 is for ever
    private boolean nagle, verbose, trace;
    private int loopCount = LINUX ? Math.max(1, CORES / 2) : 1;

    private void parse(String... args) {
        Deque<String> words = new ArrayDeque<>(List.of(args));
        while (!words.isEmpty()) {
            String option = nextOption(words);
            switch (option) {
                case "--host": host = value(option, words); break;
                case "--port": port = number(option, words, 0, 65_535); break;
                case "--bufsize": bufferSize = size(option, words, 1); break;
                case "--nagle": nagle = true; break;
                case "--max-connections": limit = number(option, words, 1, 1_000_000); break;
                case "--idle-timeout": idleNanos = nanos(option, words); break;
                case "--verbose": verbose = true; break;
                case "--trace": trace = true; break;
                case "--loops": loopCount = number(option, words, 1, 1024); break;
                default: check(false, "unknown option " + option);
            }
        }
        check(LINUX || loopCount == 1, "--loops above 1 needs Linux");
        check(!host.matches("[^:]*:[^:]*|.*]:.*|.*/.*"), // one colon: IPv6 has more
                "--host takes a name or an address, and --port the port, not " + host);
    }

    /** The next option; --port=5050 counts as two words. */
    private static String nextOption(Deque<String> words) {
        String[] pair = words.remove().split("=", 2);
        if (pair.length == 2) {
            words.push(pair[1]);
        }
        return pair[0];
    }

    private static String value(String option, Deque<String> words) {
        check(!words.isEmpty() && !words.peek().isEmpty() && !words.peek().startsWith("--"),
                option + " needs a value");
        return words.remove();
    }

    private static int number(String option, Deque<String> words, int least, int most) {
        String text = value(option, words);
        double number = amount(text, Map.of("", 1.0));
        check(number >= least && number <= most,
                option + " takes a number from " + least + " to " + most + ", not " + text);
        return (int) number;
    }

    private static int size(String option, Deque<String> words, int least) {
        String text = value(option, words);
        double bytes = amount(text, Map.of("", 1.0, "k", 0x1p10, "m", 0x1p20, "g", 0x1p30));
        check(bytes >= least && bytes <= 0x1p30,
                option + " takes a size from " + least + " to 1g, such as 16k, not " + text);
        return (int) bytes;
    }

    private static long nanos(String option, Deque<String> words) {
        String text = value(option, words);
        double nanos = amount(text,
                Map.of("us", 1e3, "ms", 1e6, "s", 1e9, "m", 60e9, "h", 3600e9));
        check(nanos >= 1e6 && nanos <= 500 * 3600e9,
                option + " takes a time from 1ms to 500h, such as 2.5s, not " + text);
        return (long) nanos;
    }

    /** The number in a text, times its unit, without which it is whole; -1 if it is none. */
    private static double amount(String text, Map<String, Double> units) {
        String digits = text.replaceAll("[a-zA-Z]*$", "");
        Double unit = units.get(text.substring(digits.length()).toLowerCase(Locale.ROOT));
        if (unit == null || !text.matches("[0-9]{1,10}([.][0-9]+[a-zA-Z]+|[a-zA-Z]*)")) {
            return -1;
        }
        return Double.parseDouble(digits) * unit;
    }

    private static void check(boolean rule, String message) {
        if (!rule) {
            throw new IllegalArgumentException(message + "; see --help");
        }
    }
}
