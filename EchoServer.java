import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.LocalTime;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

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
 */
public class EchoServer implements AutoCloseable {

    private static final String TAG = "[server] ";
    private InetAddress local; // the address of the listener
    private ServerSocket listener;
    private Thread acceptor;
    private Executor threads; // starts a thread for each client
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    private Semaphore slots; // one permit for each client that may still be served
    private final AtomicBoolean limitTold = new AtomicBoolean();
    private final LongAdder served = new LongAdder();
    private final LongAdder echoed = new LongAdder();
    private PrintStream err = System.err;

    /** Accepts clients until the server is closed; no other failure ends this loop. */
    private void acceptLoop() {
        while (!listener.isClosed()) {
            try {
                admit(listener.accept());
            } catch (IOException | OutOfMemoryError e) {
                pauseAfter(e);
            }
        }
    }

    /** Has a client served in a thread of its own; at the limit, as soon as another leaves. */
    private void admit(Socket client) {
        if (slots.availablePermits() == 0 && limitTold.compareAndSet(false, true)) {
            log("--max-connections " + limit + " reached: further clients wait");
        }
        slots.acquireUninterruptibly();
        clients.add(client);
        try {
            threads.execute(() -> serve(client));
        } catch (OutOfMemoryError e) {
            release(client);
            throw e;
        }
    }

    private void serve(Socket client) {
        String peer = client.getRemoteSocketAddress().toString().substring(1);
        served.increment();
        logVerbose(peer, "connected");
        try {
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
            logVerbose(peer, listener.isClosed() ? "closed" : "lost: " + e.getMessage());
        } catch (OutOfMemoryError e) {
            pauseAfter(e);
        } finally {
            release(client);
        }
    }

    /** The echo itself: all that comes in goes out, until the client ends its side. */
    private void echo(InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[bufferSize];
        int n;
        while ((n = read(in, buffer)) >= 0) { // -1 is the end
            if (trace) {
                log(n + " bytes");
            }
            out.write(buffer, 0, n); // waits until there is room for all of them
            echoed.add(n);
        }
    }

    /** Waits for bytes. With --spin it polls for 5 ms before it sleeps. */
    private int read(InputStream in, byte[] buffer) throws IOException {
        if (spin) {
            long start = System.nanoTime();
            while (in.available() == 0 && System.nanoTime() - start < 5_000_000) {
                Thread.onSpinWait();
            }
        }
        return in.read(buffer);
    }

    /** Closes a client's socket and makes room for the next client. */
    private void release(Socket client) {
        closeQuietly(client);
        clients.remove(client);
        slots.release();
    }

    /** Without a pause the same failure would come back 80,000 times a second. */
    private void pauseAfter(Throwable e) {
        if (!listener.isClosed()) {
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
                EchoServer server = start(args);
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
    static EchoServer start(String... args) throws IOException {
        EchoServer server = new EchoServer();
        server.parse(args);
        server.listen();
        return server;
    }

    private void listen() throws IOException {
        slots = new Semaphore(limit);
        threads = virtual ? virtualThreads() : task -> startThread("client", task);
        try {
            local = InetAddress.getByName(host);
            // Up to 4096 clients may wait to be accepted; many systems allow fewer.
            listener = new ServerSocket(port, 4096, local);
        } catch (IOException e) {
            throw new IOException("cannot listen on " + address(host, port) + ": "
                    + e.getMessage() + "; --host takes an address of this machine, --port a"
                    + " free port (0 finds one)");
        }
        acceptor = startThread("accept", this::acceptLoop);
    }

    /** A virtual thread for each task (JEP 444), by reflection, because Java 11 has none. */
    private static Executor virtualThreads() {
        try {
            return (Executor) Executors.class.getMethod("newVirtualThreadPerTaskExecutor")
                    .invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("--virtual needs JDK 21 or later", e);
        }
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
        return listener.getLocalPort();
    }

    @Override
    public String toString() {
        return "EchoServer on " + address(local.getHostAddress(), port());
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

    /** Closes the listener and every connection, waits for their threads; 0.25 s at most. */
    @Override
    public void close() {
        closeQuietly(listener);
        waitUntil(() -> {
            clients.forEach(EchoServer::closeQuietly);
            return clients.isEmpty() && !acceptor.isAlive();
        });
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

    private static final String HELP = "usage: java EchoServer.java [OPTION...]\n"
            + "  --host ADDRESS       address to listen on; 0.0.0.0 for all [127.0.0.1]\n"
            + "  --port N             0 to 65535; 0 takes any free port [5050]\n"
            + "  --bufsize SIZE       bytes taken by one read, 1 to 1g [16k]\n"
            + "  --nagle              leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --max-connections N  1 to 1000000; further clients wait [10000]\n"
            + "  --idle-timeout TIME  1ms to 500h; close a client silent so long [off]\n"
            + "  --verbose            a line as each connection opens and closes [off]\n"
            + "  --trace              a line for each read: how many bytes it brought [off]\n"
            + "  --virtual            virtual threads (JDK 21 and later) [off]\n"
            + "  --spin               poll for 5 ms before blocking in read [off]\n";

    private String host = "127.0.0.1";
    private int port = 5050;
    private int bufferSize = 16 * 1024;
    private int limit = 10_000; // of --max-connections
    private long idleNanos; // 0 is for ever
    private boolean nagle, verbose, trace, virtual, spin;

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
                case "--virtual": virtual = true; break;
                case "--spin": spin = true; break;
                default: check(false, "unknown option " + option);
            }
        }
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
