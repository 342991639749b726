import java.io.*;
import java.math.BigDecimal;
import java.net.*;
import java.time.LocalTime;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;

/**
 * A TCP echo server (RFC 862) with a thread for each client: what a client sends comes back
 * unchanged, until the client ends its side. Try it, in two terminals:
 * <pre>
 *     java EchoServer.java --port 5050
 *     java EchoClient.java --bench
 * </pre>
 * or in jshell:
 * <pre>
 *     var server = EchoServer.start("--port", "0");
 *     server.port();
 *     server.close();
 * </pre>
 * One thread accepts clients. Each client then has a thread of its own, which reads, writes
 * back all that it has read, and only then reads again. So a client that sends and never reads
 * stops its own thread, holds one buffer, and harms nobody else.
 *
 * <p>Left out: TLS and UDP, because they are other protocols; several clients in one thread,
 * because that is another program: AsyncEchoServer.
 */
public class EchoServer implements AutoCloseable {

    // What can be asked for, with the defaults; see HELP at the end.
    private String host = "127.0.0.1";
    private int port = 5050; // 0 is any free one
    private int bufferSize = 16 * 1024; // bytes taken by one read
    private int limit = 10_000; // clients at the same time
    private long idleNanos; // after so long a silence a client is closed; 0 is never
    private boolean nagle;
    private boolean verbose;
    private boolean trace;
    private boolean virtual;
    private boolean spin;

    private ServerSocket listener;
    private Thread acceptor;
    private ExecutorService threads; // one for each client
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    private Semaphore slots; // one permit for each client that may still be served
    private final AtomicBoolean limitIsTold = new AtomicBoolean();
    private final LongAdder served = new LongAdder(); // clients
    private final LongAdder echoed = new LongAdder(); // bytes
    private volatile boolean stopping; // nobody else is accepted
    private volatile boolean closed; // nobody is served any more
    /** With --spin, a permit for each thread that may poll. */
    private final Semaphore polls = new Semaphore(Runtime.getRuntime().availableProcessors());

    /** Accepts clients until the server is closed; no failure ends this loop. */
    private void acceptLoop() {
        while (!stopping) {
            try {
                admit(listener.accept());
            } catch (Throwable e) { // out of descriptors, threads or memory: some will leave
                pauseAfter(e);
            }
        }
    }

    /** What the thread of a client does. */
    private void serve(Socket client) {
        String peer = "a client";
        try {
            served.increment();
            peer = client.getRemoteSocketAddress().toString().substring(1);
            logVerbose(peer, "connected");
            // Nagle's algorithm (RFC 896) would hold back the end of an echo until the client
            // has acknowledged its beginning, which the client delays by about 40 ms.
            client.setTcpNoDelay(!nagle);
            client.setKeepAlive(true); // so that a client that vanished is noticed at last
            client.setSoTimeout((int) (idleNanos / 1_000_000));
            echo(client.getInputStream(), client.getOutputStream());
            logVerbose(peer, "ended");
        } catch (SocketTimeoutException e) {
            logVerbose(peer, "lost: idle for " + idleNanos / 1e9 + " s");
        } catch (IOException e) {
            logVerbose(peer, closed ? "closed" : "lost: " + e.getMessage());
        } catch (OutOfMemoryError e) {
            tell(e);
        } finally {
            release(client);
        }
    }

    /** The echo itself: all that comes in goes out, until the client ends its side. */
    private void echo(InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[bufferSize];
        while (!closed) {
            if (spin) {
                poll(in);
            }
            int n = in.read(buffer); // waits until there are some bytes
            if (n < 0) {
                return; // the client has ended its side
            }
            if (trace) {
                log(n + " bytes");
            }
            out.write(buffer, 0, n); // waits until there is room for all of them
            echoed.add(n);
        }
    }

    /** Gives a client a thread of its own; at the limit, as soon as another client leaves. */
    private void admit(Socket client) {
        tellOfLimit();
        slots.acquireUninterruptibly();
        try {
            clients.add(client);
            if (!closed) {
                threads.execute(() -> serve(client));
                return;
            }
        } catch (Throwable e) { // there is no memory for it, or no thread
            release(client);
            endIdleThreads();
            throw e;
        }
        release(client); // the server was closed while this client waited
    }

    /** From now on a thread ends with its client, because SIGTERM needs one to run on, too. */
    private void endIdleThreads() {
        if (threads instanceof ThreadPoolExecutor) {
            ((ThreadPoolExecutor) threads).setKeepAliveTime(0, TimeUnit.SECONDS);
        }
    }

    /** Asks for 5 ms, again and again, whether bytes have come: nobody has to be woken then. */
    private void poll(InputStream in) throws IOException {
        if (!polls.tryAcquire()) {
            return; // one for each core is enough: more would keep the cores from each other
        }
        try {
            long start = System.nanoTime();
            // Each available() takes the lock of the socket, for which close() waits, too.
            while (!closed && in.available() == 0 && System.nanoTime() - start < 5_000_000) {
                Thread.onSpinWait();
            }
        } finally {
            polls.release();
        }
    }

    /** Closes a client's socket and makes room for the next client. */
    private void release(Socket client) {
        try {
            closeQuietly(client);
        } finally { // also if there is no memory to close it
            clients.remove(client);
            slots.release();
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

    private static final String TAG = "[server] ";
    private InetAddress local; // the address of the listener
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
        EchoServer server = new EchoServer();
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
    static EchoServer start(String... args) throws IOException {
        EchoServer server = new EchoServer();
        server.open(args);
        return server;
    }

    private void open(String... args) throws IOException {
        parse(args);
        limitByHeap();
        slots = new Semaphore(limit);
        if (virtual) {
            threads = virtualThreads();
        } else { // a thread whose client has left waits a minute for the next one
            threads = Executors.newCachedThreadPool(this::clientThread);
        }
        try {
            local = InetAddress.getByName(host);
            // Up to 4096 clients may wait to be accepted; many systems allow fewer.
            listener = new ServerSocket(port, 4096, local);
            acceptor = startThread("accept", this::acceptLoop);
        } catch (IOException | OutOfMemoryError e) {
            close(); // whatever was opened
            throw new IOException("cannot listen on " + address(host, port) + ": "
                    + e.getMessage() + advice(e), e);
        }
    }

    /** If the JDK's own code runs out of memory there, the next client gets a new one. */
    private Thread clientThread(Runnable task) {
        Thread thread = new Thread(task, "client");
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

    /** A virtual thread for each task (JEP 444), by reflection, because Java 11 has none. */
    private static ExecutorService virtualThreads() {
        try {
            return (ExecutorService) Executors.class
                    .getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("--virtual needs JDK 21 or later", e);
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
        return listener.getLocalPort();
    }

    @Override
    public String toString() {
        return "EchoServer on " + address(local.getHostAddress(), port());
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
     * Closes the listener and every connection, and waits for their threads, for 0.3 s
     * at most. Nobody is served after it.
     */
    @Override
    public void close() {
        closed = true;
        stopListening();
        // In a thread of its own, because a busy client can hold the lock of its socket.
        runFor(300, "close", this::closeClients);
        threads.shutdown();
    }

    private void stopListening() {
        stopping = true;
        if (listener != null) {
            closeQuietly(listener);
        }
    }

    private void closeClients() {
        for (int i = 0; i < 500 && isBusy(); i++) {
            clients.forEach(EchoServer::closeQuietly);
            LockSupport.parkNanos(1_000_000);
        }
    }

    private boolean isBusy() {
        return !clients.isEmpty() || acceptor != null && acceptor.isAlive();
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

    private static final String HELP = "usage: java EchoServer.java [OPTION...]\n"
            + "  --host ADDRESS       address to listen on; 0.0.0.0 for all [127.0.0.1]\n"
            + "  --port N             0 to 65535; 0 takes any free port [5050]\n"
            + "  --bufsize SIZE       bytes taken by one read, 1 to 1g; Java takes at\n"
            + "                       most 128k [16k]\n"
            + "  --nagle              leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --max-connections N  1 to 1000000; further clients wait [10000, or fewer if\n"
            + "                       their buffers would take half of the heap]\n"
            + "  --idle-timeout TIME  1ms to 500h; close a client silent for so long [off]\n"
            + "  --verbose            a line as each connection opens and closes [off]\n"
            + "  --trace              a line for each read: how many bytes it brought [off]\n"
            + "  --virtual            virtual threads (JDK 21 and later) [off]\n"
            + "  --spin               poll for 5 ms before blocking in read [off]\n";

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
                case "--virtual": virtual = true; break;
                case "--spin": spin = true; break;
                default: fail("unknown option " + option);
            }
        }
        checkHost(host);
        if (virtual && spin) { // one that polls lets no other run
            fail("--virtual and --spin exclude each other");
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
