import java.io.*;
import java.math.BigDecimal;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.time.LocalTime;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;

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
 * it starts the next step and returns. The steps are the same: read, write back all that was
 * read, read again. So a client that never reads holds one buffer, and harms nobody else.
 *
 * <p>Left out: TLS and UDP, because they are other protocols.
 */
public class AsyncEchoServer implements AutoCloseable {

    /** Only Linux distributes the clients that come to a port over several listeners. */
    private static final boolean LINUX = System.getProperty("os.name").equals("Linux");
    private static final int CORES = Runtime.getRuntime().availableProcessors();

    // What can be asked for, with the defaults; see HELP at the end.
    private String host = "127.0.0.1";
    private int port = 5051; // 0 is any free one
    private int bufferSize = 16 * 1024; // bytes taken by one read
    private int limit = 10_000; // clients at the same time
    private long idleNanos; // after so long a silence a client is closed; 0 is never
    private boolean nagle;
    private boolean verbose;
    private boolean trace;
    private int loopCount = LINUX ? Math.max(1, CORES / 2) : 1;

    /** For each event loop: its one thread, its listener, and the thread that accepts there. */
    private final List<AsynchronousChannelGroup> loops = new ArrayList<>();
    private final List<AsynchronousServerSocketChannel> listeners = new ArrayList<>();
    private final List<Thread> acceptors = new ArrayList<>();
    private final Set<Connection> clients = ConcurrentHashMap.newKeySet();
    private Semaphore slots; // one permit for each client that may still be served
    private final AtomicBoolean limitIsTold = new AtomicBoolean();
    private final LongAdder served = new LongAdder(); // clients
    private final LongAdder echoed = new LongAdder(); // bytes
    private volatile boolean stopping; // nobody else is accepted
    private volatile boolean closed; // nobody is served any more

    /** Accepts clients until the server is closed; no failure ends this loop. */
    private void acceptLoop(AsynchronousServerSocketChannel listener) {
        // A thread waits here, and not a handler: the JDK runs an accepting handler once in
        // each turn of the loop. While 4000 clients were busy, 1000 others waited for 30 s.
        while (!stopping) {
            try {
                admit(listener.accept().get());
            } catch (ExecutionException e) {
                pauseAfter(e.getCause());
            } catch (Throwable e) { // out of descriptors or memory: some clients will leave
                pauseAfter(e);
            }
        }
    }

    /** Has its loop serve a client; at the limit, as soon as another client leaves. */
    private void admit(AsynchronousSocketChannel channel) {
        tellOfLimit();
        slots.acquireUninterruptibly();
        Connection connection;
        try {
            connection = new Connection(channel);
            clients.add(connection);
        } catch (OutOfMemoryError e) {
            closeQuietly(channel);
            slots.release();
            throw e;
        }
        connection.begin();
    }

    /** One client. Either a read or a write is under way; the end of one starts the other. */
    private final class Connection {
        private final AsynchronousSocketChannel channel;
        private final ByteBuffer buffer = ByteBuffer.allocate(bufferSize);
        private String peer = "a client";

        Connection(AsynchronousSocketChannel channel) {
            this.channel = channel;
        }

        void begin() {
            served.increment();
            try {
                peer = channel.getRemoteAddress().toString().substring(1);
                logVerbose(peer, "connected");
                // Nagle's algorithm (RFC 896) would hold back the end of an echo until the
                // client has acknowledged its beginning, which it delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
                if (closed) { // while this client waited
                    end();
                } else {
                    read();
                }
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
                lose(e);
            }
        }

        /** Asks for bytes and returns at once; when some have come, afterRead is called. */
        private void read() {
            buffer.clear();
            channel.read(buffer, idleNanos, TimeUnit.NANOSECONDS, this, AFTER_READ);
        }

        private void afterRead(int n) {
            if (n < 0 || closed) {
                end(); // the client has ended its side; all that it sent is echoed
                return;
            }
            if (trace) {
                log(n + " bytes");
            }
            buffer.flip();
            write();
        }

        /** Offers what was read and returns at once; afterWrite is told how much was taken. */
        private void write() {
            channel.write(buffer, idleNanos, TimeUnit.NANOSECONDS, this, AFTER_WRITE);
        }

        private void afterWrite(int n) {
            echoed.add(n);
            if (buffer.hasRemaining()) {
                write(); // the system took a part only
            } else {
                read();
            }
        }

        /** A step has failed: the client is lost, or too slow; or it was for lack of memory. */
        private void lose(Throwable e) {
            if (!leave()) {
                return;
            }
            if (e instanceof OutOfMemoryError) {
                tell(e);
            }
            if (e instanceof InterruptedByTimeoutException) {
                logVerbose(peer, "lost: idle for " + idleNanos / 1e9 + " s");
            } else {
                logVerbose(peer, closed ? "closed" : "lost: " + e.getMessage());
            }
        }

        private void end() {
            if (leave()) {
                logVerbose(peer, closed ? "closed" : "ended");
            }
        }

        /** Closes the connection and makes room for the next client; true the first time. */
        private boolean leave() {
            if (!clients.remove(this)) {
                return false; // when the system fails, the JDK calls a handler twice
            }
            try {
                closeQuietly(channel);
            } finally { // also if there is no memory to close it
                slots.release();
            }
            return true;
        }

        /** Ends the current read or write; what follows then closes the connection. */
        private void stop() {
            try {
                channel.shutdownInput();
                channel.shutdownOutput();
            } catch (IOException e) {
                // the client has done so
            }
        }
    }

    private static final Then AFTER_READ = new Then(Connection::afterRead);
    private static final Then AFTER_WRITE = new Then(Connection::afterWrite);

    /** What a loop calls when a step has ended. The connection knows what comes next. */
    private static final class Then implements CompletionHandler<Integer, Connection> {
        private final BiConsumer<Connection, Integer> step;

        Then(BiConsumer<Connection, Integer> step) {
            this.step = step;
        }

        @Override
        public void completed(Integer n, Connection connection) {
            try {
                step.accept(connection, n);
            } catch (OutOfMemoryError e) { // it would end the thread of the loop
                failed(e, connection);
            }
        }

        @Override
        public void failed(Throwable e, Connection connection) {
            try {
                connection.lose(e);
            } catch (OutOfMemoryError noMemory) {
                // not even to tell of it
            }
        }
    }

    /** Without a pause the same failure would come back 80,000 times a second. */
    private void pauseAfter(Throwable e) {
        if (!stopping) {
            tell(e);
            LockSupport.parkNanos(500_000_000); // meanwhile some clients will leave
        }
    }

    private void tell(Throwable e) {
        try {
            log("cannot serve a client, " + clients.size() + " open: " + e.getMessage());
        } catch (OutOfMemoryError noMemory) {
            // not even for this line
        }
    }

    private void tellOfLimit() {
        if (slots.availablePermits() == 0 && limitIsTold.compareAndSet(false, true)) {
            try {
                log("--max-connections " + limit + " reached: further clients wait");
            } catch (OutOfMemoryError noMemory) {
                // not even for this line
            }
        }
    }

    // That was the echo. The rest is housekeeping: start and stop, messages, the command line.

    private static final String TAG = "[server-async] ";
    private InetAddress local; // the address of the listeners
    private PrintStream err = System.err;

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Serves until Ctrl-C, SIGTERM or an interrupt; returns the exit status: 0, 1 or 2. */
    static int run(PrintStream out, PrintStream err, String... args) {
        if (List.of(args).contains("--help") || List.of(args).contains("-h")) {
            out.print(HELP);
            return out.checkError() ? 1 : 0;
        }
        AsyncEchoServer server = new AsyncEchoServer();
        server.err = err;
        try {
            server.open(args);
        } catch (IllegalArgumentException e) {
            server.log(printable(e.getMessage()));
            return 2;
        } catch (IOException | OutOfMemoryError e) {
            server.log(printable(e.getMessage()));
            return 1;
        }
        return server.serve(out);
    }

    /**
     * Starts a server with the arguments of a command line; it accepts when this returns.
     *
     * @throws IllegalArgumentException if the arguments are wrong
     * @throws IOException if it cannot listen there
     */
    static AsyncEchoServer start(String... args) throws IOException {
        AsyncEchoServer server = new AsyncEchoServer();
        server.open(args);
        return server;
    }

    private void open(String... args) throws IOException {
        parse(args);
        limitByHeap();
        slots = new Semaphore(limit);
        // Without this the JDK tries each read at once and finds nothing: a system call more.
        System.setProperty("sun.nio.ch.disableSynchronousRead", "true");
        try {
            local = InetAddress.getByName(host);
            // The JDK's SocketDispatcher needs a descriptor when something is closed for the
            // first time. Later there may be none left.
            SocketChannel.open().close();
            while (loops.size() < loopCount) {
                addLoop();
            }
            for (AsynchronousServerSocketChannel listener : listeners) {
                acceptors.add(startThread("accept", () -> acceptLoop(listener)));
            }
        } catch (IOException | OutOfMemoryError e) {
            close(); // whatever was opened
            throw new IOException("cannot listen on " + address(host, port) + ": "
                    + e.getMessage() + advice(e), e);
        }
    }

    private void addLoop() throws IOException {
        loops.add(AsynchronousChannelGroup.withFixedThreadPool(1, this::loopThread));
        AsynchronousServerSocketChannel listener =
                AsynchronousServerSocketChannel.open(loops.get(loops.size() - 1));
        listeners.add(listener);
        if (listeners.size() > 1) {
            // The first listener was bound without this, and so failed if another program had
            // the port. From the second one on they share it.
            listeners.get(0).setOption(StandardSocketOptions.SO_REUSEPORT, true);
            listener.setOption(StandardSocketOptions.SO_REUSEPORT, true);
        }
        listener.bind(new InetSocketAddress(local, port), 4096); // so many clients may wait
        port = ((InetSocketAddress) listener.getLocalAddress()).getPort();
    }

    /** If the JDK's own code runs out of memory there, it starts the thread anew. */
    private Thread loopThread(Runnable task) {
        Thread thread = new Thread(task, "loop");
        thread.setDaemon(true);
        thread.setUncaughtExceptionHandler((t, e) -> tell(e));
        return thread;
    }

    /** No more clients than half of the heap has buffers for; the rest needs some, too. */
    private void limitByHeap() {
        long share = Math.max(bufferSize, 4096); // a client takes more than a small buffer
        long most = Math.max(1, Runtime.getRuntime().maxMemory() / 2 / share);
        if (most < limit) {
            // Java may use all of -Xmx but for what its garbage collector keeps, up to a ninth.
            long megabytes = 1 + 2L * limit * share / 8 * 9 / (1 << 20);
            log("--max-connections " + most + ", not " + limit + ": more buffers would take"
                    + " over half of the memory that Java may use; java -Xmx" + megabytes
                    + "m allows them");
            limit = (int) most;
        }
    }

    /** What can be done about a failed start: each cause has its own advice. */
    private static String advice(Throwable e) {
        String cause = String.valueOf(e.getMessage());
        if (e instanceof UnknownHostException) {
            return "; --host takes an address or a name of this machine";
        } else if (cause.contains("Permission denied")) {
            return "; the system wants a privilege for a port below 1024";
        } else if (cause.contains("in use")) {
            return "; another program has this port: --port 0 takes any free one";
        } else if (cause.contains("assign requested")) {
            return "; --host takes an address of this machine";
        } else if (cause.contains("open files")) {
            return "; allow more open files (ulimit -n)";
        } else if (cause.contains("native thread")) {
            return "; allow more processes (ulimit -u, or the limit of a container)";
        }
        return "";
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
    private int serve(PrintStream out) {
        Thread hook = new Thread(() -> endAndSumUp(out), "stop");
        boolean told;
        try {
            Runtime.getRuntime().addShutdownHook(hook); // Ctrl-C and SIGTERM run it
            announce(out);
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException | IllegalStateException e) {
            // told to stop; or already while it started, then there can't be a hook any more
        } finally { // jshell's Ctrl-C throws an error into this thread
            removeHook(hook);
            close();
            told = sumUp(out);
        }
        return told ? 0 : 1;
    }

    private void announce(PrintStream out) {
        print(out, "listening on ", address(local.getHostAddress(), port()));
        if (local.getHostAddress().equals("127.0.0.1")) {
            print(out, "loopback only; for all interfaces use --host 0.0.0.0");
        } else if (local.isAnyLocalAddress()) {
            print(out, "all interfaces, IPv4, and IPv6 where Java uses it");
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // it is running
        }
    }

    /**
     * What Ctrl-C and SIGTERM do. The system closes the connections of a program that ends;
     * many threads that end one after the other would take more than a second.
     */
    private void endAndSumUp(PrintStream out) {
        stopListening();
        sumUp(out);
    }

    private boolean sumUp(PrintStream out) {
        String connections = served.sum() == 1 ? " connection, " : " connections, ";
        return print(out, "served ", served, connections, echoed, " bytes echoed");
    }

    /**
     * Prints a line, and returns whether it could within 0.8 s. In a thread of its own, because
     * println waits while nobody reads the pipe that it prints to. Joined by append, because to
     * prepare the first use of a + takes long beside 3000 busy clients.
     */
    private static boolean print(PrintStream out, Object... words) {
        StringBuilder line = new StringBuilder(TAG);
        for (Object word : words) {
            line.append(word);
        }
        AtomicBoolean printed = new AtomicBoolean();
        runFor(800, "print", () -> {
            out.println(line);
            printed.set(!out.checkError());
        });
        return printed.get();
    }

    /**
     * Closes the listeners and every connection, and waits for them, for 0.3 s at most.
     * Nobody is served after it.
     */
    @Override
    public void close() {
        closed = true;
        stopListening();
        runFor(300, "close", this::closeClients);
        loops.forEach(AsynchronousChannelGroup::shutdown);
    }

    private void stopListening() {
        stopping = true;
        for (AsynchronousServerSocketChannel listener : listeners) {
            closeQuietly(listener);
        }
    }

    /**
     * The connections close themselves, each in its own loop. Closed from here, they could stop
     * a busy loop for good: the JDK's EPollPort can lose the token with which it polls.
     */
    private void closeClients() {
        for (int i = 0; i < 500 && isBusy(); i++) {
            clients.forEach(Connection::stop);
            LockSupport.parkNanos(1_000_000);
        }
    }

    private boolean isBusy() {
        return !clients.isEmpty() || acceptors.stream().anyMatch(Thread::isAlive);
    }

    /** Runs a task in a thread of its own, and waits for it so many milliseconds at most. */
    private static void runFor(int millis, String name, Runnable task) {
        try {
            startThread(name, task).join(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (OutOfMemoryError e) {
            task.run(); // there is no thread left
        }
    }

    /** Starts a thread that does not keep the program alive. */
    private static Thread startThread(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
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

    /** The text with a dot for each character that would steer a terminal. */
    private static String printable(String text) {
        return String.valueOf(text).replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", ".");
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050, which Java would write as 0:0:0:0:0:0:0:1. */
    private static String address(String host, int port) {
        if (!host.contains(":") || host.startsWith("[")) {
            return host + ":" + port;
        }
        String padded = ":" + host + ":"; // so each of its numbers is between two colons
        int start = padded.indexOf(":0:0:");
        if (start < 0 || host.contains("::")) { // it is short already
            return "[" + host + "]:" + port;
        }
        int end = start;
        while (padded.startsWith(":0:", end)) {
            end += 2;
        }
        String left = host.substring(0, Math.max(0, start - 1));
        String right = host.substring(Math.min(end, host.length()));
        return "[" + left + "::" + right + "]:" + port;
    }

    // The command line. From here on the three files are the same, but for the options.

    private static final String HELP = "usage: java AsyncEchoServer.java [OPTION...]\n"
            + "  --host ADDRESS       address to listen on; 0.0.0.0 for all [127.0.0.1]\n"
            + "  --port N             0 to 65535; 0 takes any free port [5051]\n"
            + "  --bufsize SIZE       bytes taken by one read, 1 to 1g [16k]\n"
            + "  --nagle              leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --max-connections N  1 to 1000000; further clients wait [10000, or fewer if\n"
            + "                       their buffers would take half of the heap]\n"
            + "  --idle-timeout TIME  1ms to 500h; close a client silent for so long [off]\n"
            + "  --verbose            a line as each connection opens and closes [off]\n"
            + "  --trace              a line for each read: how many bytes it brought [off]\n"
            + "  --loops N            1 to 1024 event loops; few clients can all fall on one;\n"
            + "                       1 where the system is not Linux [half the cores]\n";

    private void parse(String... args) {
        Deque<String> words = new ArrayDeque<>(List.of(args));
        while (!words.isEmpty()) {
            String option = nextOption(words);
            switch (option) {
                case "--host": host = value(option, words); break;
                case "--port":
                    port = (int) quantity(option, words, NUMBERS, "0", "65535");
                    break;
                case "--bufsize":
                    bufferSize = (int) quantity(option, words, SIZES, "1", "1g");
                    break;
                case "--nagle": nagle = true; break;
                case "--max-connections":
                    limit = (int) quantity(option, words, NUMBERS, "1", "1000000");
                    break;
                case "--idle-timeout":
                    idleNanos = quantity(option, words, TIMES, "1ms", "500h");
                    break;
                case "--verbose": verbose = true; break;
                case "--trace": trace = true; break;
                case "--loops":
                    loopCount = (int) quantity(option, words, NUMBERS, "1", "1024");
                    break;
                default: fail("unknown option " + option);
            }
        }
        checkHost(host);
        if (loopCount > 1 && !LINUX) {
            fail("--loops above 1 needs Linux");
        }
    }

    private static final Map<String, Long> NUMBERS = Map.of("", 1L);
    private static final Map<String, Long> SIZES =
            Map.of("", 1L, "k", 1L << 10, "m", 1L << 20, "g", 1L << 30); // in bytes
    private static final Map<String, Long> TIMES = Map.of("us", 1_000L, "ms", 1_000_000L,
            "s", 1_000_000_000L, "m", 60_000_000_000L, "h", 3_600_000_000_000L); // in ns

    /** The next option; --port=5050 counts as two words. */
    private static String nextOption(Deque<String> words) {
        String[] pair = words.remove().split("=", 2);
        if (pair.length == 2) {
            words.push(pair[1]);
        }
        return pair[0];
    }

    private static String value(String option, Deque<String> words) {
        if (words.isEmpty() || words.peek().isEmpty() || words.peek().startsWith("--")) {
            fail(option + " needs a value");
        }
        return words.remove();
    }

    /** An amount with its unit, such as 5050, 16k or 2.5s, from least to most. */
    private static long quantity(String option, Deque<String> words, Map<String, Long> units,
            String least, String most) {
        String text = value(option, words);
        long amount = amount(text, units);
        if (amount < amount(least, units) || amount > amount(most, units)) {
            fail(option + " takes a value from " + least + " to " + most + ", not " + text);
        }
        return amount;
    }

    /** How much a text says, in the smallest unit; -1 if it is not a whole number of these. */
    private static long amount(String text, Map<String, Long> units) {
        int end = text.length();
        while (end > 0 && Character.isLetter(text.charAt(end - 1))) {
            end--;
        }
        Long unit = units.get(text.substring(end).toLowerCase(Locale.ROOT));
        String number = text.substring(0, end);
        if (unit == null || !number.matches("[0-9]{1,10}([.][0-9]{1,10})?")) {
            return -1;
        }
        try {
            return new BigDecimal(number).multiply(new BigDecimal(unit)).longValueExact();
        } catch (ArithmeticException e) {
            return -1; // 5050.5 is no port
        }
    }

    /** An IPv6 address has more than one colon; a port does not belong here. */
    private static void checkHost(String host) {
        boolean oneColon = host.contains(":") && host.indexOf(':') == host.lastIndexOf(':');
        boolean afterBracket = host.contains("]")
                && host.lastIndexOf(':') > host.indexOf(']');
        if (oneColon || afterBracket || host.contains("/")) {
            fail("--host takes a name or an address, and --port the port, not " + host);
        }
    }

    private static void fail(String message) {
        throw new IllegalArgumentException(message + "; see --help");
    }
}
