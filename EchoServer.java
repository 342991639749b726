import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
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

    private InetAddress local;
    private ServerSocket listener;
    private Thread acceptor;
    /** Starts a thread for each client. */
    private Executor threads;
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    /** One permit for each client that may still be served. */
    private Semaphore slots;
    private volatile boolean limitTold;
    private volatile boolean closed;
    private final LongAdder served = new LongAdder();
    private final LongAdder echoed = new LongAdder();
    private PrintStream err = System.err;

    /** Accepts clients until the server is closed; no other failure ends this loop. */
    private void acceptLoop() {
        while (!closed) {
            try {
                admit(listener.accept());
            } catch (IOException | OutOfMemoryError e) {
                pauseAfter(e);
            }
        }
    }

    /** Has a client served in a thread of its own, as soon as there is a slot for it. */
    private void admit(Socket client) {
        takeSlot();
        clients.add(client);
        try {
            if (closed) {
                release(client);
            } else {
                threads.execute(() -> serve(client));
            }
        } catch (OutOfMemoryError e) {
            release(client);
            throw e;
        }
    }

    /** Serves one client to its end. */
    private void serve(Socket client) {
        String peer = address(client.getInetAddress(), client.getPort());
        served.increment();
        logVerbose(peer, "connected");
        try {
            // Nagle's algorithm (RFC 896) would hold back the end of an echo until the client
            // has acknowledged its beginning, which the client delays by about 40 ms.
            client.setTcpNoDelay(!nagle);
            client.setKeepAlive(true); // so that a client that vanished is noticed at last
            client.setSoTimeout(idleMillis);
            echo(client.getInputStream(), client.getOutputStream());
            logVerbose(peer, "ended");
        } catch (IOException e) {
            logVerbose(peer, "lost: " + e.getMessage()); // "Read timed out": --idle-timeout
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
                log(count(n, "byte"));
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

    /** Closes a client's socket and makes room for the next client. */
    private void release(Socket client) {
        closeQuietly(client);
        clients.remove(client);
        slots.release();
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
        EchoServer server = new EchoServer();
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
    static EchoServer start(String... args) throws IOException {
        EchoServer server = new EchoServer();
        server.parse(args);
        server.listen();
        return server;
    }

    private void listen() throws IOException {
        slots = new Semaphore(maxConnections);
        threads = virtual ? virtualThreads() : task -> startThread("client", task);
        try {
            local = InetAddress.getByName(host);
            // Up to 4096 clients may wait to be accepted; many systems allow fewer.
            listener = new ServerSocket(port, 4096, local);
        } catch (IOException e) {
            throw new IOException("cannot listen on " + address(host, port) + ": " + advice(e));
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
        return "EchoServer on " + address(local, port());
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
        closeQuietly(listener);
        clients.forEach(EchoServer::closeQuietly);
        slots.release(); // an acceptor that waits at the limit goes on, and ends
        waitUntil(() -> clients.isEmpty() && !acceptor.isAlive(), 300_000_000);
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
    private boolean nagle;
    private int maxConnections = 10_000;
    private int idleMillis; // 0 is for ever
    private boolean verbose;
    private boolean trace;
    private boolean virtual;
    private boolean spin;
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
                case "--virtual": virtual = true; break;
                case "--spin": spin = true; break;
                case "-h": case "--help": help = true; break;
                default: throw new IllegalArgumentException("unknown option " + words.option);
            }
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
