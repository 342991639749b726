import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A TCP echo client: sends one message and shows what comes back, or measures how long that takes.
 *
 * <p>Try it, while {@code java EchoServer.java} runs in another terminal:
 * <pre>
 *     java EchoClient.java --message "Hello, echo!"
 *     java EchoClient.java --bench
 *     java EchoClient.java --bench --size 16k --duration 10s --plot run.svg
 * </pre>
 *
 * <p>The story is told in this order: one round trip; one message; a benchmark, which is many round
 * trips; what their times mean; how that is shown as text, JSON, a file and a picture; and last,
 * comparing runs and reading the command line.
 *
 * <p>A round trip runs from just before the first byte is written to just after the last echoed
 * byte is read, on System.nanoTime. Each echoed byte is compared with the one sent, outside that
 * interval, and one wrong byte makes the whole run invalid.
 */
public class EchoClient {

    private static final String[][] OPTIONS = {
        {"--host", "ADDRESS", "127.0.0.1", "the server's address or name"},
        {"--port", "NUMBER", "5050", "the server's port"},
        {"--message", "TEXT", "Hello, echo!", "what to send; - sends each input line"},
        {"--size", "SIZE", "1k with --bench", "send that many bytes instead"},
        {"--bench", "", "off", "measure"},
        {"--repeat", "NUMBER", "2000", "measured messages on each connection"},
        {"--duration", "DURATION", "", "measure for so long instead"},
        {"--warmup", "NUMBER|DURATION", "1s, at most 20000", "not counted; 0 is none"},
        {"--parallel", "NUMBER", "1", "connections, one thread each"},
        {"--rate", "NUMBER", "", "messages a second, on a fixed schedule"},
        {"--spin", "", "off", "poll the socket instead of blocking"},
        {"--nagle", "", "off", "leave Nagle's algorithm on (no TCP_NODELAY)"},
        {"--timeout", "DURATION", "10s", "give up when nothing moves for so long"},
        {"--json", "", "off", "the result as one JSON object on one line"},
        {"--hgrm", "FILE", "", "write the distribution, as HdrHistogram does"},
        {"--plot", "FILE.svg", "", "draw the run, or what is compared"},
        {"--compare", "FILE...", "", "no run: .hgrm files side by side"},
        {"--fail-if", "CONDITION", "", "such as p99>2ms or throughput<50: exit 3"},
    };

    private static final long SECOND = 1_000_000_000;
    /** The most messages that can be asked for. */
    private static final long MOST = 1_000_000_000_000L;
    private static final String NOTHING = "nothing more";
    /** How much of a message is shown. */
    private static final int SHOWN_LENGTH = 60;
    private static final String NUMBER = "[0-9]{1,15}(?:[.][0-9]*)?";

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /**
     * Does what the command line says.
     *
     * @return the exit status: 0 it worked, 1 it failed, 2 wrong command line, 3 --fail-if was met,
     *         130 stopped by Ctrl-C
     */
    static int run(PrintStream out, PrintStream err, String... args) {
        try {
            Options options = new Options(OPTIONS, args);
            if (options.given("--help")) {
                out.print(options.usage("EchoClient", "Sends to a TCP echo server, and measures."));
                return 0;
            }
            checkCombination(options);
            if (options.given("--compare")) {
                return compare(options, out);
            }
            EchoClient client = new EchoClient(options, out, err);
            return options.given("--bench") || options.given("--json")
                    ? client.new Bench(options, args).run() : client.send();
        } catch (IllegalArgumentException e) {
            err.println("[client] " + printable(e.getMessage()));
            err.println("[client] all options: java EchoClient.java --help");
            return 2;
        } catch (IOException e) {
            err.println("[client] " + printable(e.getMessage()));
            return 1;
        } catch (OutOfMemoryError e) {
            err.println("[client] out of memory: " + e.getMessage() + "; try java -Xmx4g");
            return 1;
        }
    }

    private final PrintStream out;
    private final PrintStream err;
    private final String host;
    private final int port;
    private final boolean spin;
    private final boolean nagle;
    private final long timeoutNanos;
    /** Whether each line of standard input is a message. */
    private final boolean lines;
    private final Messages messages;
    /** The open connections, which the watch closes when nothing moves on them. */
    private final Queue<Connection> connections = new ConcurrentLinkedQueue<>();

    private EchoClient(Options options, PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
        host = options.text("--host");
        port = (int) options.number("--port", 1, 65535);
        spin = options.given("--spin");
        nagle = options.given("--nagle");
        timeoutNanos = options.nanos("--timeout");
        boolean bench = options.given("--bench");
        lines = options.text("--message").equals("-") && !options.given("--size");
        if (options.given("--size")) {
            messages = new Messages((int) options.size("--size", bench ? 1 : 0, 1 << 30));
        } else if (bench && !options.given("--message")) {
            messages = new Messages(1024);
        } else {
            messages = new Messages(options.text("--message").getBytes(StandardCharsets.UTF_8));
        }
        if (messages.size == 0 && bench) {
            throw Options.wrong("--message needs at least one byte with --bench");
        }
    }

    /** Options that exclude or need each other. */
    private static void checkCombination(Options options) {
        options.exclude("--message", "--size");
        options.exclude("--repeat", "--duration");
        options.exclude("--compare", "--bench");
        options.exclude("--compare", "--json");
        boolean bench = options.given("--bench");
        if (options.given("--plot") && !bench && !options.given("--compare")) {
            throw Options.wrong("--plot needs --bench or --compare");
        }
        for (String name : List.of("--repeat", "--duration", "--warmup", "--parallel", "--rate",
                "--hgrm", "--fail-if")) {
            if (options.given(name) && !bench) {
                throw Options.wrong(name + " needs --bench");
            }
        }
        if (options.text("--message").equals("-") && (bench || options.given("--json"))) {
            throw Options.wrong("--message - sends each input line: not with --bench, --json");
        }
    }

    /** A connection to the server, and the round trip on it. */
    private final class Connection implements AutoCloseable {
        private final SocketChannel channel;
        /** What came back; with room for one byte too many, so that a surplus byte is seen. */
        private ByteBuffer echo = ByteBuffer.allocateDirect(0);
        /** Waits until a non-blocking channel is ready; null while the channel is blocking. */
        private Selector selector;
        /** Of the last round trip: before its first byte, after the last write, after the end. */
        private long startNanos;
        private long writtenNanos;
        private long endNanos;
        /** How many reads the last echo took: in how many pieces it arrived. */
        private int reads;
        /** When a byte last moved, for the watch; 0 while no message is under way. */
        private volatile long movedNanos;
        private volatile boolean timedOut;
        /** What is under way, for error messages. */
        private String kind = "message";
        private long number;

        Connection(SocketChannel channel) {
            this.channel = channel;
            connections.add(this);
        }

        /**
         * Sends a message and waits until as many bytes have come back.
         *
         * @throws IOException if the connection is lost or nothing moves for the time of --timeout
         */
        void roundTrip(ByteBuffer message) throws IOException {
            int size = message.remaining();
            prepare(size);
            startNanos = writtenNanos = endNanos = movedNanos = System.nanoTime();
            try {
                // Read while something is still to be written: were all of a large message written
                // first, both sides would wait for ever, each for the other to read.
                while (echo.position() < size) {
                    boolean wrote = message.hasRemaining() && channel.write(message) > 0;
                    if (wrote) {
                        writtenNanos = movedNanos = System.nanoTime();
                    }
                    int n = channel.read(echo);
                    if (n > 0) {
                        endNanos = movedNanos = System.nanoTime();
                        reads++;
                    } else if (n < 0) {
                        throw new IOException("the server closed it");
                    } else if (!wrote) {
                        awaitReady(message.hasRemaining());
                    }
                }
            } catch (IOException | CancelledKeyException e) {
                throw lost(e, size);
            }
            movedNanos = 0;
        }

        /**
         * Gets ready for an echo of that size. A message that our own receive buffer could not hold
         * must not be written in one blocking call, for the server may not be able to answer then.
         */
        private void prepare(int size) throws IOException {
            if (echo.capacity() <= size) {
                echo = ByteBuffer.allocateDirect(size + 1);
                boolean large = size > channel.getOption(StandardSocketOptions.SO_RCVBUF) / 4;
                if ((spin || large) && channel.isBlocking()) {
                    channel.configureBlocking(false);
                }
                if (large && !spin && selector == null) {
                    selector = Selector.open();
                    channel.register(selector, SelectionKey.OP_READ);
                }
            }
            echo.clear().limit(size + 1);
            number++;
            reads = 0;
        }

        /** Waits until there is something to read or, when that is wanted, room to write. */
        private void awaitReady(boolean toWrite) throws IOException {
            if (spin) {
                Thread.onSpinWait();
            } else {
                channel.keyFor(selector).interestOps(
                        SelectionKey.OP_READ | (toWrite ? SelectionKey.OP_WRITE : 0));
                selector.select();
                selector.selectedKeys().clear();
            }
        }

        /** Says what is sent from now on, and counts it from 1. */
        void count(String kind) {
            this.kind = kind;
            number = 0;
        }

        /** Compares the echo with the message, byte by byte; a difference is an IOException. */
        void check(ByteBuffer message, int size) throws IOException {
            message.position(message.limit() - size);
            echo.flip();
            int at = message.mismatch(echo);
            if (at >= 0) {
                throw invalid(at, at < size ? hex(message.get(message.position() + at)) : NOTHING,
                        hex(echo.get(at)));
            }
        }

        /** Ends our side after the last message and makes sure that no surplus byte follows. */
        void finish() throws IOException {
            int size = echo.limit();
            int n = 0;
            try {
                channel.shutdownOutput();
                channel.configureBlocking(false);
                // Most servers close at once; one that does not gets 100 ms to show a surplus byte.
                long end = System.nanoTime() + 100_000_000;
                echo.clear();
                while ((n = channel.read(echo)) == 0 && System.nanoTime() < end) {
                    LockSupport.parkNanos(1_000_000);
                }
            } catch (IOException e) {
                return; // the server has cut the connection, after all that it owed us
            }
            if (n > 0) {
                throw invalid(size, NOTHING, hex(echo.get(0)));
            }
        }

        private IOException invalid(int offset, String sent, String received) {
            return new IOException("INVALID: " + kind + " " + number + ", offset " + offset
                    + ": sent " + sent + ", received " + received
                    + (sent.equals(NOTHING) ? ", a surplus byte" : "") + "; is it an echo server?");
        }

        private IOException lost(Exception e, int size) {
            String where = kind + " " + number + ", after " + echo.position() + " of " + size
                    + " bytes of the echo";
            return new IOException(timedOut
                    ? "timed out: nothing moved for " + time(timeoutNanos) + " in " + where
                            + "; is this an echo server? --timeout allows more"
                    : "connection lost: " + e.getMessage() + ", in " + where
                            + "; see what the server says", e);
        }

        /** Ends a round trip on which nothing moves any more, from the watch's thread. */
        void timeOut() {
            timedOut = true;
            try {
                channel.close();
            } catch (IOException e) {
                // then its read fails all the same
            }
            if (selector != null) {
                selector.wakeup();
            }
        }

        @Override
        public void close() throws IOException {
            connections.remove(this);
            channel.close();
            if (selector != null) {
                selector.close();
            }
        }
    }

    private static String hex(byte b) {
        return String.format("0x%02x", b);
    }

    /** Connects, in at most the time of --timeout. */
    private Connection connect(InetAddress address) throws IOException {
        SocketChannel channel = SocketChannel.open();
        try {
            // Nagle's algorithm (RFC 896) would hold back the end of a message until the server
            // has acknowledged its beginning, which it delays by about 40 ms.
            channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
            channel.socket().connect(new InetSocketAddress(address, port),
                    (int) Math.min(Integer.MAX_VALUE, Math.max(1, timeoutNanos / 1_000_000)));
            return new Connection(channel);
        } catch (IOException e) {
            channel.close();
            throw cannotConnect(e instanceof SocketTimeoutException
                    ? "no answer within " + time(timeoutNanos)
                            + "; is the host up, and the port open in its firewall?"
                    : e instanceof ConnectException
                    ? e.getMessage() + "; is the server running? start it with:"
                            + " java EchoServer.java --port " + port
                    : e.getMessage() + "; check --host and --port", e);
        }
    }

    private IOException cannotConnect(String why, Exception cause) {
        String shown = host.contains(":") ? "[" + host.replaceAll("[\\[\\]]", "") + "]" : host;
        return new IOException("cannot connect to " + shown + ":" + port + ": " + why, cause);
    }

    /** The server's address; looking a name up may take at most the time of --timeout. */
    private InetAddress resolve() throws IOException {
        FutureTask<InetAddress> lookup = new FutureTask<>(() -> InetAddress.getByName(host));
        daemon("resolve", lookup);
        try {
            return lookup.get(timeoutNanos, TimeUnit.NANOSECONDS);
        } catch (ExecutionException | TimeoutException | InterruptedException e) {
            throw cannotConnect("unknown host; check --host", e);
        }
    }

    /** Looks after all connections, so that no round trip needs a timer or a timed read. */
    private void watchLoop() {
        while (!Thread.currentThread().isInterrupted()) {
            long now = System.nanoTime();
            long sleepNanos = timeoutNanos;
            for (Connection connection : connections) {
                long moved = connection.movedNanos;
                long left = moved == 0 ? timeoutNanos : moved + timeoutNanos - now;
                if (left <= 0) {
                    connection.timeOut();
                } else {
                    sleepNanos = Math.min(sleepNanos, left);
                }
            }
            LockSupport.parkNanos(sleepNanos);
        }
    }

    private static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** What is sent: one given text, or as many bytes as wanted, different in every message. */
    private static final class Messages {
        /** A prime, so that no buffer's size divides it and a misplaced echo would be seen. */
        private static final int PERIOD = 1_000_003;

        private final int size;
        private final ByteBuffer bytes;
        private final boolean changing;

        Messages(byte[] text) {
            size = text.length;
            bytes = ByteBuffer.allocateDirect(size).put(text);
            changing = false;
        }

        /**
         * Message after message is a window that moves by one byte over pseudo-random bytes of
         * which no two neighbours are equal. So each message differs from the one before it in
         * every byte, a stale echo can't pass, and nothing need be filled in between messages.
         */
        Messages(int size) {
            this.size = size;
            changing = true;
            byte[] block = new byte[PERIOD];
            new Random(862).nextBytes(block);
            for (int i = 0; i < PERIOD; i++) {
                while (block[i] == block[(i + PERIOD - 1) % PERIOD]
                        || block[i] == block[(i + 1) % PERIOD]) {
                    block[i]++;
                }
            }
            bytes = ByteBuffer.allocateDirect(size + PERIOD);
            while (bytes.hasRemaining()) {
                bytes.put(block, 0, Math.min(PERIOD, bytes.remaining()));
            }
        }

        /** A buffer of one's own over the same bytes. */
        ByteBuffer buffer() {
            return bytes.duplicate();
        }

        /** Sets the buffer to message number n. */
        void select(ByteBuffer buffer, long n) {
            int start = changing ? (int) (n % PERIOD) : 0;
            buffer.limit(start + size).position(start);
        }
    }

    /** Sends one message, or each line of standard input, and shows what comes back. */
    private int send() throws IOException {
        Thread watch = daemon("watch", this::watchLoop);
        try (Connection connection = connect(resolve())) {
            if (lines) {
                InputStream in = new BufferedInputStream(System.in);
                for (byte[] line = readLine(in); line != null; line = readLine(in)) {
                    ByteBuffer message = ByteBuffer.allocateDirect(line.length).put(line).flip();
                    send(connection, message, false);
                }
                connection.finish();
            } else {
                ByteBuffer message = messages.buffer();
                messages.select(message, 0);
                send(connection, message, true);
            }
            return 0;
        } finally {
            watch.interrupt();
        }
    }

    private void send(Connection connection, ByteBuffer message, boolean last)
            throws IOException {
        int size = message.remaining();
        out.println("[client] sent    : " + shown(message));
        connection.roundTrip(message);
        out.println("[client] received: " + shown(connection.echo.duplicate().flip()));
        connection.check(message, size);
        if (last) {
            connection.finish();
        }
        out.println(String.format(Locale.ROOT, "[client] RTT     : %.3f ms",
                (connection.endNanos - connection.startNanos) / 1e6));
    }

    /** The text in quotes, shortened, with a dot for what can't be printed, and its length. */
    private static String shown(ByteBuffer bytes) {
        byte[] head = new byte[Math.min(bytes.remaining(), 4 * SHOWN_LENGTH)];
        bytes.duplicate().get(head);
        String text = new String(head, StandardCharsets.UTF_8);
        boolean whole = head.length == bytes.remaining() && text.length() <= SHOWN_LENGTH;
        return "\"" + printable(text.substring(0, Math.min(text.length(), SHOWN_LENGTH)))
                + (whole ? "\"" : "...\"") + " (" + bytes.remaining() + " bytes)";
    }

    private static String printable(String text) {
        return text.replaceAll("[\\p{Cntrl}\\ufffd]", ".");
    }

    /** A line of input without its line end, or null at the end of the input. */
    private static byte[] readLine(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int b = in.read();
        if (b < 0) {
            return null;
        }
        for (; b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
        }
        return line.toByteArray();
    }

    /** A benchmark: connect, warm up, measure, report. */
    private final class Bench {
        private final String command;
        private final boolean json;
        private final Path hgrm;
        private final Path plot;
        private FileOutputStream hgrmFile;
        private FileOutputStream plotFile;
        /** Where each connection stops: after so many messages or so many nanoseconds. */
        private final long warmupMessages;
        private final long warmupNanos;
        private final long repeat;
        private final long durationNanos;
        /** Messages a second over all connections, on a fixed schedule; 0 is a closed loop. */
        private final long rate;
        /** How long before a message is due its connection polls the clock. */
        private final long pollNanos;
        private final List<Limit> limits = new ArrayList<>();
        private final List<Worker> workers = new ArrayList<>();
        /** Where the workers meet: when all are connected, all are warm, all have measured. */
        private final Phaser together = new Phaser() {
            @Override
            protected boolean onAdvance(int phase, int parties) {
                if (phase < 2) {
                    collectionsBefore = collections();
                    startNanos = System.nanoTime();
                }
                return false;
            }
        };
        private final CountDownLatch running;
        private final CountDownLatch reported = new CountDownLatch(1);
        private volatile boolean stopped;
        private volatile boolean interrupted;
        private volatile IOException failure;
        private volatile long startNanos;
        private volatile long[] collectionsBefore = collections();

        Bench(Options options, String... args) {
            command = "java EchoClient.java " + String.join(" ", args);
            json = options.given("--json");
            hgrm = options.given("--hgrm") ? Path.of(options.text("--hgrm")) : null;
            plot = options.given("--plot") ? Path.of(options.text("--plot")) : null;
            boolean many = options.given("--bench");
            boolean asked = options.given("--warmup");
            boolean timed = asked && options.text("--warmup").matches(".*[a-z]");
            warmupMessages = !many ? 0 : !asked ? 20_000
                    : timed ? Long.MAX_VALUE : options.number("--warmup", 0, MOST);
            warmupNanos = !asked ? SECOND : timed ? options.nanos("--warmup") : Long.MAX_VALUE;
            boolean endless = options.given("--duration");
            repeat = endless ? Long.MAX_VALUE : many ? options.number("--repeat", 1, MOST) : 1;
            durationNanos = endless ? options.nanos("--duration") : Long.MAX_VALUE;
            rate = options.given("--rate") ? options.number("--rate", 1, 10_000_000) : 0;
            for (String condition : options.given.getOrDefault("--fail-if", List.of())) {
                limits.add(new Limit(condition));
            }
            int parallel = (int) options.number("--parallel", 1, 100_000);
            // Many connections that poll take the cores from those that have something to do, so
            // together they get a tenth of one.
            pollNanos = parallel == 1 || rate == 0 ? 200_000
                    : Math.min(200_000, SECOND / 10 / rate);
            running = new CountDownLatch(parallel);
            for (int i = 0; i < parallel; i++) {
                workers.add(new Worker(i));
            }
        }

        /** Runs it all and reports; returns the exit status. */
        int run() throws IOException {
            Thread hook = new Thread(this::interrupt, "interrupted");
            Runtime.getRuntime().addShutdownHook(hook);
            Thread watch = daemon("watch", EchoClient.this::watchLoop);
            try {
                hgrmFile = open(hgrm);
                plotFile = open(plot);
                double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
                measure(resolve());
                if (failure != null) {
                    throw failure;
                }
                return new Result(this, load).report(out, err);
            } catch (IOException e) {
                if (json) {
                    out.println(toJson(Map.of("valid", false, "error", e.getMessage())));
                }
                throw e;
            } finally {
                watch.interrupt();
                reported.countDown();
                try {
                    Runtime.getRuntime().removeShutdownHook(hook);
                } catch (IllegalStateException e) {
                    // it is running: this is the end by Ctrl-C
                }
            }
        }

        /** Starts the workers and waits for them, showing how far they are. */
        private void measure(InetAddress address) {
            together.bulkRegister(workers.size());
            Progress progress = new Progress(this);
            try {
                for (Worker worker : workers) {
                    worker.thread = new Thread(() -> worker.run(address));
                    worker.thread.setName("client-" + worker.number);
                    worker.thread.setDaemon(true);
                    worker.thread.start();
                }
                while (!running.await(500, TimeUnit.MILLISECONDS)) {
                    progress.show(err);
                }
            } catch (InterruptedException e) {
                interrupted = true;
                stop();
            } catch (OutOfMemoryError e) {
                fail(new IOException("cannot start a thread for each of " + workers.size()
                        + " connections: " + e.getMessage() + "; use a smaller --parallel", e));
            } finally {
                progress.clear(err);
            }
        }

        /** Stops every worker, whether it is reading, waiting for its turn, or for the others. */
        private void stop() {
            stopped = true;
            together.forceTermination();
            for (Worker worker : workers) {
                if (worker.thread != null) {
                    worker.thread.interrupt();
                }
            }
        }

        /** On Ctrl-C: what was measured until now is reported before the program ends. */
        private void interrupt() {
            interrupted = true;
            stop();
            try {
                reported.await(2, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        /** The first failure is the one to tell; it ends the run for everyone. */
        private synchronized void fail(IOException e) {
            if (!stopped) {
                failure = e;
                stop();
            }
        }

        /** One connection and its thread. */
        private final class Worker {
            private final int number;
            private final Tally warmup = new Tally(plot != null, false);
            private final Tally measured = new Tally(plot != null, rate > 0);
            private final ByteBuffer message = messages.buffer();
            private volatile Thread thread;
            /** The next message; connections begin far apart, so that none sends another's. */
            private long next;
            private volatile long finishedNanos;

            Worker(int number) {
                this.number = number;
                next = number * 7919L;
            }

            void run(InetAddress address) {
                try (Connection connection = connect(address)) {
                    if (together.arriveAndAwaitAdvance() >= 0) {
                        connection.count("warm-up message");
                        exchange(connection, warmup, warmupMessages, warmupNanos, 0);
                    }
                    measured.prepare(warmup);
                    if (together.arriveAndAwaitAdvance() >= 0) {
                        connection.count("message");
                        exchange(connection, measured, repeat, durationNanos, rate);
                    }
                    finishedNanos = System.nanoTime();
                    // Nobody leaves earlier, for closing would take time from those who measure.
                    together.arriveAndAwaitAdvance();
                    if (!stopped) {
                        connection.finish();
                    }
                } catch (IOException e) {
                    finishedNanos = System.nanoTime();
                    fail(e);
                } catch (OutOfMemoryError e) {
                    fail(new IOException("out of memory: " + e.getMessage()
                            + "; give java more with -Xmx", e));
                } finally {
                    running.countDown();
                }
            }

            /** Message after message: each when the last is back or, with a rate, when due. */
            private void exchange(Connection connection, Tally tally, long count, long nanos,
                    long rate) throws IOException {
                long start = startNanos;
                connection.endNanos = start;
                for (long i = 0; i < count && !stopped; i++) {
                    // This connection takes every parallel-th place of the schedule. The whole
                    // product is divided, so that no rounded interval makes the schedule drift.
                    long due = rate == 0 ? 0
                            : (long) ((number + i * (double) workers.size()) * SECOND / rate);
                    if (Math.max(due, connection.endNanos - start) >= nanos) {
                        return;
                    }
                    one(connection, tally, start + due, rate > 0);
                    if (i == 0) {
                        tally.firstNanos = tally.rtt.max;
                    }
                }
            }

            /** One message. A method of its own, so that after the warm-up it is compiled code. */
            private void one(Connection connection, Tally tally, long dueNanos, boolean scheduled)
                    throws IOException {
                messages.select(message, next++);
                boolean late = scheduled && !await(dueNanos);
                connection.roundTrip(message);
                connection.check(message, messages.size);
                tally.record(connection, scheduled ? dueNanos : connection.startNanos, late);
            }

            /**
             * Waits until a message is due, and never less: parks, then polls the clock for the
             * last stretch, because a park ends late, by 50 us and more.
             *
             * @return false if it was due before this was called
             */
            private boolean await(long dueNanos) {
                long left = dueNanos - System.nanoTime();
                boolean inTime = left >= 0;
                while (left > 0 && !stopped) {
                    if (left > pollNanos) {
                        LockSupport.parkNanos(left - pollNanos);
                    } else {
                        Thread.onSpinWait();
                    }
                    left = dueNanos - System.nanoTime();
                }
                return inTime;
            }
        }
    }

    /** What the messages of one connection, or of several together, came to. */
    private static final class Tally {
        /** Round trips as they count: from when a message was due, which without --rate is sent. */
        private final Histogram rtt = new Histogram();
        /** Round trips from when each message was in fact sent; null without --rate. */
        private final Histogram service;
        /** The round trips in their order; null unless they are to be drawn. */
        private final Series series;
        private long firstNanos;
        private long writeNanos;
        private long waitNanos;
        private long reads;
        /** Messages that were due before they could be sent, and by how much at most. */
        private long late;
        private long latestNanos;

        Tally(boolean inOrder, boolean scheduled) {
            series = inOrder ? new Series() : null;
            service = scheduled ? new Histogram() : null;
        }

        /** Makes room for what is like the other, so that none need be made while measuring. */
        void prepare(Tally other) {
            rtt.prepare(other.rtt);
            if (service != null) {
                service.prepare(other.rtt);
            }
        }

        void record(Connection trip, long dueNanos, boolean behind) {
            long nanos = trip.endNanos - dueNanos;
            rtt.record(nanos);
            if (service != null) {
                service.record(trip.endNanos - trip.startNanos);
            }
            if (series != null) {
                series.add(nanos);
            }
            writeNanos += trip.writtenNanos - trip.startNanos;
            waitNanos += trip.endNanos - trip.writtenNanos;
            reads += trip.reads;
            if (behind) {
                late++;
                latestNanos = Math.max(latestNanos, trip.startNanos - dueNanos);
            }
        }

        void add(Tally other) {
            firstNanos = Math.max(firstNanos, other.firstNanos);
            rtt.add(other.rtt);
            if (service != null) {
                service.add(other.service);
            }
            writeNanos += other.writeNanos;
            waitNanos += other.waitNanos;
            reads += other.reads;
            late += other.late;
            latestNanos = Math.max(latestNanos, other.latestNanos);
            if (series != null) {
                series.add(other.series);
            }
        }
    }

    /**
     * Counts durations in nanoseconds, in buckets that are exact up to 2047 and then 1/1024 of
     * their power of two wide (log-linear, as in HdrHistogram), so that each keeps three
     * significant digits. Count, sum, minimum and maximum are exact. A row of 8 KiB is made for
     * each power of two that occurs, at most 54, however long the run.
     */
    static final class Histogram {
        private static final int SUB_BUCKETS = 2048;
        private static final int HALF = SUB_BUCKETS / 2;

        private final long[][] rows = new long[55][];
        long count;
        long min = Long.MAX_VALUE;
        long max;
        private double sum;
        private double sumOfSquares;

        void record(long nanos) {
            int shift = Math.max(0, 53 - Long.numberOfLeadingZeros(nanos));
            int index = shift * HALF + (int) (nanos >>> shift);
            row(index)[index % HALF]++;
            count++;
            sum += nanos;
            sumOfSquares += (double) nanos * nanos;
            min = Math.min(min, nanos);
            max = Math.max(max, nanos);
        }

        /** Makes the rows that the other one has. */
        void prepare(Histogram other) {
            for (int i = 0; i < rows.length; i++) {
                rows[i] = other.rows[i] == null ? rows[i] : new long[HALF];
            }
        }

        private long[] row(int index) {
            long[] row = rows[index / HALF];
            return row != null ? row : (rows[index / HALF] = new long[HALF]);
        }

        void add(Histogram other) {
            for (int index = other.after(-1); index >= 0; index = other.after(index)) {
                row(index)[index % HALF] += other.at(index);
                count += other.at(index);
            }
            sum += other.sum;
            sumOfSquares += other.sumOfSquares;
            min = Math.min(min, other.min);
            max = Math.max(max, other.max);
        }

        /** The first bucket after this one that is not empty, or -1. */
        private int after(int index) {
            for (int i = index + 1; i < rows.length * HALF; i++) {
                if (rows[i / HALF] == null) {
                    i += HALF - 1 - i % HALF;
                } else if (rows[i / HALF][i % HALF] > 0) {
                    return i;
                }
            }
            return -1;
        }

        private long at(int index) {
            return rows[index / HALF][index % HALF];
        }

        /** The highest value that a bucket counts, but no more than the maximum. */
        private long value(int index) {
            int shift = Math.max(0, index / HALF - 1);
            return Math.min(max, ((index - (long) shift * HALF + 1) << shift) - 1);
        }

        double mean() {
            return sum / count;
        }

        /** The standard deviation of all that was recorded, not an estimate from a sample. */
        double stddev() {
            return Math.sqrt(Math.max(0, sumOfSquares / count - mean() * mean()));
        }

        /** By nearest rank: the smallest value that at least so many percent do not exceed. */
        long percentile(double percent) {
            // The tiny amount keeps 99.9 % of 1000 at rank 999, whatever the rounding.
            long rank = Math.max(1, (long) Math.ceil(count * percent / 100 - 1e-6));
            int index = -1;
            for (long seen = 0; seen < rank; seen += at(index)) {
                index = after(index);
            }
            return value(index);
        }

        /** How many of the values recorded were at most this, up to the width of a bucket. */
        long countUpTo(long nanos) {
            long seen = 0;
            for (int i = after(-1); i >= 0 && value(i) <= nanos; i = after(i)) {
                seen += at(i);
            }
            return seen;
        }

        /** Whether there are samples beyond a percentile to place it by: p99.9 needs 1000. */
        boolean supports(double percent) {
            return count * (100 - percent) >= 100 - 1e-6;
        }
    }

    /**
     * Round trips in their order, in fixed memory: when the bins are full, each two become one. A
     * bin keeps the least, the greatest and the sum, so that no extreme gets lost.
     */
    private static final class Series {
        private static final int BINS = 512;

        private final long[] least = new long[BINS];
        private final long[] greatest = new long[BINS];
        private final double[] sums = new double[BINS];
        private final long[] counts = new long[BINS];
        /** How many messages of a connection go into a bin. */
        private long width = 1;
        private long length;

        void add(long nanos) {
            if (length == width * BINS) {
                widen();
            }
            merge((int) (length++ / width), nanos, nanos, nanos, 1);
        }

        /** Adds another connection's, message number by message number. */
        void add(Series other) {
            while (width < other.width) {
                widen();
            }
            for (int i = 0; i < BINS && other.counts[i] > 0; i++) {
                merge((int) (i * other.width / width), other.least[i], other.greatest[i],
                        other.sums[i], other.counts[i]);
            }
            length = Math.max(length, other.length);
        }

        private void merge(int bin, long low, long high, double sum, long count) {
            least[bin] = counts[bin] == 0 ? low : Math.min(least[bin], low);
            greatest[bin] = Math.max(greatest[bin], high);
            sums[bin] += sum;
            counts[bin] += count;
        }

        private void widen() {
            width *= 2;
            for (int i = 0; i < BINS; i++) {
                long[] bin = {least[i], greatest[i], counts[i]};
                double sum = sums[i];
                least[i] = greatest[i] = counts[i] = 0;
                sums[i] = 0;
                if (bin[2] > 0) {
                    merge(i / 2, bin[0], bin[1], sum, bin[2]);
                }
            }
        }
    }

    /** Collections so far, and the milliseconds they took. */
    private static long[] collections() {
        long[] sum = new long[2];
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            sum[0] += Math.max(0, bean.getCollectionCount());
            sum[1] += Math.max(0, bean.getCollectionTime());
        }
        return sum;
    }

    /** A finished benchmark: what was measured, under which conditions, and what to think of it. */
    private final class Result {
        private final Bench bench;
        private final Tally warmup;
        private final Tally measured;
        private final Histogram rtt;
        private final double seconds;
        private final double bytes;
        private final Map<String, Object> environment = new LinkedHashMap<>();
        private final List<String> warnings = new ArrayList<>();

        Result(Bench bench, double load) {
            this.bench = bench;
            long[] collections = collections();
            warmup = new Tally(bench.plot != null, false);
            measured = new Tally(bench.plot != null, bench.rate > 0);
            long finished = bench.startNanos;
            for (Bench.Worker worker : bench.workers) {
                warmup.add(worker.warmup);
                measured.add(worker.measured);
                finished = Math.max(finished, worker.finishedNanos);
            }
            rtt = measured.rtt;
            seconds = (finished - bench.startNanos) / 1e9;
            bytes = (double) rtt.count * messages.size;
            environment.put("java", System.getProperty("java.version"));
            environment.put("vm", System.getProperty("java.vm.name"));
            environment.put("os", System.getProperty("os.name") + " "
                    + System.getProperty("os.version"));
            environment.put("arch", System.getProperty("os.arch"));
            environment.put("cores", Runtime.getRuntime().availableProcessors());
            environment.put("load_average", load < 0 ? null : load);
            environment.put("gc_count", collections[0] - bench.collectionsBefore[0]);
            environment.put("gc_ms", collections[1] - bench.collectionsBefore[1]);
            warn();
        }

        /** What a reader should know before believing the figures. */
        private void warn() {
            int cores = (int) environment.get("cores");
            int busy = spin ? 2 * bench.workers.size() : bench.workers.size();
            Double load = (Double) environment.get("load_average");
            if (!rtt.supports(99.9)) {
                warnings.add("too few samples for p99.9, which needs 1000: raise --repeat");
            }
            if ((long) environment.get("gc_count") > 0) {
                warnings.add(format("%d garbage collections took %d ms of the run: try java -Xmx4g",
                        environment.get("gc_count"), environment.get("gc_ms")));
            }
            if (rtt.count > 1 && rtt.mean() > 2 * rtt.percentile(50)) {
                warnings.add("mean far above median, a few were very slow: judge by percentiles");
            }
            if (measured.late > rtt.count / 100) {
                warnings.add("behind schedule: use more --parallel or a lower --rate");
            }
            if (load != null && load >= cores) {
                warnings.add("the machine was busy before the run: stop other programs");
            }
            if (busy > cores && bench.rate == 0) {
                warnings.add(format("%d busy threads share %d cores: use a smaller --parallel",
                        busy, cores));
            }
        }

        /** Prints the result and writes what was asked for; returns the exit status. */
        int report(PrintStream out, PrintStream err) throws IOException {
            if (rtt.count == 0) {
                throw new IOException(bench.interrupted ? "interrupted before anything was measured"
                        : "nothing was measured: --duration is shorter than a round trip");
            }
            Map<String, Object> json = asJson();
            if (bench.json) {
                out.println(toJson(json));
            } else {
                print(out);
            }
            out.flush();
            List<Curve> curves = curves();
            if (bench.hgrm != null) {
                write(bench.hgrm, bench.hgrmFile, curves.get(0).toHgrm());
            }
            if (bench.plot != null) {
                write(bench.plot, bench.plotFile, new Picture().run(this, curves));
            }
            int status = bench.interrupted ? 130 : 0;
            for (Limit limit : bench.limits) {
                status = Math.max(status, limit.judge(json, err));
            }
            return status;
        }

        /** The distributions: of the round trips and, with a rate, also of the service times. */
        private List<Curve> curves() {
            List<Curve> curves = new ArrayList<>();
            curves.add(new Curve(bench.rate > 0 ? "response" : "RTT", rtt));
            if (bench.rate > 0) {
                curves.add(new Curve("service", measured.service));
            }
            return curves;
        }

        /** Three lines that stay as they always were, then all else that is worth knowing. */
        private void print(PrintStream out) {
            List<String> lines = new ArrayList<>();
            lines.add(format("repeats: %d, msg_len: %d bytes", rtt.count, messages.size));
            lines.add(format("avg RTT: %.3f ms, p95 RTT: %.3f ms", rtt.mean() / 1e6,
                    rtt.percentile(95) / 1e6));
            lines.add(format("throughput: %.2f MiB/s (%.2f MB/s)", bytes / seconds / 1048576,
                    bytes / seconds / 1e6));
            if (bench.interrupted) {
                lines.add("INTERRUPTED: this is what was measured until then");
            }
            lines.add(format("%-8s %8s %8s %8s %8s %8s %8s %8s", "", "min", "p50", "p90", "p95",
                    "p99", "p99.9", "max"));
            lines.add(row(bench.rate > 0 ? "response" : "RTT", rtt));
            if (bench.rate > 0) {
                lines.add(row("service", measured.service));
                lines.add(format("response is from when a message was due, service from when it was"
                        + " sent"));
                lines.add(format("behind schedule: %.1f %% of the messages, by %s at most",
                        100.0 * measured.late / rtt.count, time(measured.latestNanos)));
            }
            lines.add(format("mean %s, standard deviation %s; %.0f messages/s for %.2f s",
                    time(rtt.mean()), time(rtt.stddev()), rtt.count / seconds, seconds));
            lines.add(warmup.rtt.count == 0 ? "warm-up: none, the first message took "
                    + time(measured.firstNanos)
                    : format("warm-up: %d messages not counted; first %s, mean %s",
                            warmup.rtt.count, time(warmup.firstNanos), time(warmup.rtt.mean())));
            lines.add(format("mean write %s, mean wait %s; an echo arrived in %s",
                    time((double) measured.writeNanos / rtt.count),
                    time((double) measured.waitNanos / rtt.count), pieces()));
            addBars(lines);
            lines.add(conditions());
            for (String warning : warnings) {
                lines.add("warning: " + warning);
            }
            for (String line : lines) {
                out.println("[bench] " + line);
            }
        }

        /** Under which conditions it ran, in a line. */
        String conditions() {
            Object load = environment.get("load_average");
            return format("JDK %s, %s %s, %s cores, load %s, %s collections (%s ms)",
                    environment.get("java"), System.getProperty("os.name"),
                    environment.get("arch"), environment.get("cores"),
                    load == null ? "unknown" : format("%.2f", load),
                    environment.get("gc_count"), environment.get("gc_ms"));
        }

        String title() {
            return format("TCP echo round trips, %d bytes, %d connection%s", messages.size,
                    bench.workers.size(), bench.workers.size() == 1 ? "" : "s");
        }

        String subtitle() {
            return format("mean %s, median %s, %.0f messages/s, %d messages%s", time(rtt.mean()),
                    time(rtt.percentile(50)), rtt.count / seconds, rtt.count,
                    bench.interrupted ? ", INTERRUPTED" : "");
        }

        private String pieces() {
            double pieces = (double) measured.reads / rtt.count;
            return pieces == 1 ? "1 piece" : format(pieces == Math.rint(pieces)
                    ? "%.0f pieces" : "%.2f pieces", pieces);
        }

        private String row(String name, Histogram histogram) {
            StringBuilder line = new StringBuilder(format("%-8s %8s", name, time(histogram.min)));
            for (double percent : PERCENTS) {
                line.append(format(" %8s", histogram.supports(percent)
                        ? time(histogram.percentile(percent)) : "-"));
            }
            return line.append(format(" %8s", time(histogram.max))).toString();
        }

        /** A small histogram: equal steps on a logarithmic scale up to p99, then the rest. */
        private void addBars(List<String> lines) {
            int last = 6;
            double low = Math.log(Math.max(1, rtt.min));
            double step = (Math.log(Math.max(1, rtt.percentile(99))) - low) / last + 1e-9;
            long[] counts = new long[last + 1];
            for (int i = rtt.after(-1); i >= 0; i = rtt.after(i)) {
                int bar = (int) ((Math.log(Math.max(1, rtt.value(i))) - low - 1e-9) / step);
                counts[Math.max(0, Math.min(last, bar))] += rtt.at(i);
            }
            long most = 1;
            for (long count : counts) {
                most = Math.max(most, count);
            }
            for (int i = 0; i <= last; i++) {
                double top = i == last ? rtt.max : Math.exp(low + (i + 1) * step);
                lines.add(format("%8s to %8s %-40s %d", time(Math.exp(low + i * step)), time(top),
                        "#".repeat((int) Math.ceil(40.0 * counts[i] / most)), counts[i]));
            }
        }

        private Map<String, Object> asJson() {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("message_bytes", messages.size);
            json.put("connections", bench.workers.size());
            json.put("messages", rtt.count);
            json.put("elapsed_s", seconds);
            json.put("messages_s", rtt.count / seconds);
            json.put("throughput_mib_s", bytes / seconds / 1048576);
            json.put("rtt_us", micros(rtt));
            if (bench.rate > 0) {
                json.put("service_us", micros(measured.service));
                json.put("rate_messages_s", bench.rate);
                json.put("behind_messages", measured.late);
                json.put("behind_us_max", round(measured.latestNanos / 1e3));
            }
            Map<String, Object> warm = new LinkedHashMap<>();
            warm.put("messages", warmup.rtt.count);
            warm.put("first_us", warmup.rtt.count == 0 ? null : round(warmup.firstNanos / 1e3));
            warm.put("mean_us", warmup.rtt.count == 0 ? null : round(warmup.rtt.mean() / 1e3));
            json.put("warmup", warm);
            json.put("write_us_mean", round(measured.writeNanos / 1e3 / rtt.count));
            json.put("wait_us_mean", round(measured.waitNanos / 1e3 / rtt.count));
            json.put("reads_mean", round((double) measured.reads / rtt.count));
            json.put("environment", environment);
            json.put("warnings", warnings);
            json.put("interrupted", bench.interrupted);
            json.put("valid", true);
            return json;
        }

        private Map<String, Object> micros(Histogram histogram) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("min", round(histogram.min / 1e3));
            json.put("mean", round(histogram.mean() / 1e3));
            json.put("stddev", round(histogram.stddev() / 1e3));
            for (double percent : PERCENTS) {
                json.put("p" + percentName(percent).replace('.', '_'), histogram.supports(percent)
                        ? round(histogram.percentile(percent) / 1e3) : null);
            }
            json.put("max", round(histogram.max / 1e3));
            return json;
        }
    }

    /** A condition of --fail-if, such as p99>2ms or throughput<50. */
    private static final class Limit {
        private static final Pattern FORM = Pattern.compile("(min|mean|stddev|max|p50|p90|p95"
                + "|p99|p99[.]9|throughput|messages)([<>])([0-9]+(?:[.][0-9]+)?)(us|ms|s)?");

        private final String condition;
        private final String metric;
        private final boolean above;
        private final String unit;
        /** Microseconds, MiB a second or messages a second. */
        private final double threshold;

        Limit(String condition) {
            Matcher parts = FORM.matcher(condition.replace(" ", ""));
            boolean wellFormed = parts.matches();
            boolean isTime = wellFormed && parts.group(4) != null;
            if (!wellFormed || isTime == parts.group(1).matches("throughput|messages")) {
                throw Options.wrong("--fail-if takes a condition such as p99>2ms, mean>100us,"
                        + " throughput<50 (MiB/s) or messages<1000 (a second), not " + condition);
            }
            this.condition = condition;
            metric = parts.group(1);
            above = parts.group(2).equals(">");
            unit = isTime ? " us" : metric.equals("throughput") ? " MiB/s" : " messages/s";
            threshold = Double.parseDouble(parts.group(3))
                    * (isTime ? Options.NANOS.get(parts.group(4)) / 1e3 : 1);
        }

        /** Says so when the condition holds, and by how much; returns the exit status. */
        int judge(Map<String, Object> json, PrintStream err) {
            Object value = metric.equals("throughput") ? json.get("throughput_mib_s")
                    : metric.equals("messages") ? json.get("messages_s")
                    : ((Map<?, ?>) json.get("rtt_us")).get(metric.replace('.', '_'));
            if (value == null) {
                err.println("[bench] cannot judge --fail-if " + condition + ": "
                        + json.get("messages") + " messages are too few; use a larger --repeat");
                return 1;
            }
            double excess = above ? (double) value - threshold : threshold - (double) value;
            if (excess <= 0) {
                return 0;
            }
            err.println(format("[bench] failed: %s is %.3f%s, %.3f%s %s the %.3f%s of --fail-if %s",
                    metric, value, unit, excess, unit, above ? "above" : "below", threshold, unit,
                    condition));
            return 3;
        }
    }

    /** The percentiles that are shown, where there are samples enough. */
    private static final double[] PERCENTS = {50, 90, 95, 99, 99.9};

    private static String percentName(double percent) {
        return percent == Math.rint(percent) ? format("%.0f", percent) : "" + percent;
    }

    private static String format(String form, Object... values) {
        return String.format(Locale.ROOT, form, values);
    }

    private static final String[] UNITS = {"us", "ms", "s"};

    /** A duration in at most eight characters, such as 18.04 us, 1.25 ms or 10.00 s. */
    private static String time(double nanos) {
        int thousands = nanos < 999_950 ? 0 : nanos < 999_950_000 ? 1 : 2;
        double value = nanos / (thousands == 0 ? 1e3 : thousands == 1 ? 1e6 : 1e9);
        return format(value < 99.995 ? "%.2f %s" : "%.1f %s", value, UNITS[thousands]);
    }

    /** With three decimals: nanoseconds, of a value in microseconds. */
    private static double round(double value) {
        return Math.round(value * 1000) / 1000.0;
    }

    /** A value as JSON (RFC 8259): a map, a list, a number, a boolean, null or a text. */
    private static String toJson(Object value) {
        List<String> parts = new ArrayList<>();
        if (value instanceof Map) {
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                parts.add(toJson(entry.getKey()) + ": " + toJson(entry.getValue()));
            }
            return "{" + String.join(", ", parts) + "}";
        }
        if (value instanceof List) {
            for (Object element : (List<?>) value) {
                parts.add(toJson(element));
            }
            return "[" + String.join(", ", parts) + "]";
        }
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return "" + value;
        }
        StringBuilder text = new StringBuilder("\"");
        for (char c : value.toString().toCharArray()) {
            text.append(c == '"' || c == '\\' ? "\\" + c
                    : c < ' ' || c > '~' ? format("\\u%04x", (int) c) : "" + c);
        }
        return text.append('"').toString();
    }

    /** How far a run is, on a terminal only, in a line that goes when the run is done. */
    private static final class Progress {
        private final Bench bench;
        private final long beganNanos = System.nanoTime();
        private final boolean terminal = isTerminal();
        private boolean shown;

        Progress(Bench bench) {
            this.bench = bench;
        }

        void show(PrintStream err) {
            if (!terminal || System.nanoTime() - beganNanos < SECOND) {
                return;
            }
            Histogram soFar = new Histogram();
            for (Bench.Worker worker : bench.workers) {
                soFar.add(worker.measured.rtt);
            }
            String line = "[bench] connecting, warming up";
            if (soFar.count > 0) {
                double nanos = System.nanoTime() - bench.startNanos;
                double share = Math.min(1, Math.max(nanos / bench.durationNanos,
                        soFar.count / ((double) bench.repeat * bench.workers.size())));
                line = format("[bench] %.0f %% done, %.0f s left, %.0f messages/s, p50 %s",
                        100 * share, nanos / share * (1 - share) / 1e9,
                        soFar.count / nanos * 1e9, time(soFar.percentile(50)));
            }
            err.print(format("\r%-72s", line)); // with room for a ^C
            err.flush();
            shown = true;
        }

        void clear(PrintStream err) {
            if (shown) {
                err.print(format("\r%79s\r", ""));
                err.flush();
            }
        }

        /** Whether standard error is a terminal; where that can't be told, whether the rest is. */
        private static boolean isTerminal() {
            Path descriptor = Path.of("/proc/self/fd/2");
            try {
                return Files.isSymbolicLink(descriptor)
                        ? Files.readSymbolicLink(descriptor).toString().matches("/dev/(pts/|tty).*")
                        : System.console() != null;
            } catch (IOException e) {
                return false;
            }
        }
    }

    /**
     * A file for the result, which stays what it was, content included, until there is one. What
     * can't be written is an IOException here, before anything is measured.
     */
    private static FileOutputStream open(Path file) throws IOException {
        try {
            return file == null ? null : new FileOutputStream(file.toFile(), true);
        } catch (IOException e) {
            throw new IOException("cannot write " + e.getMessage(), e);
        }
    }

    /** Writes in place, so that links, permissions and devices are left as they are. */
    private static void write(Path file, FileOutputStream to, String text) throws IOException {
        try (to) {
            // What is a device, or stands for our own output, has no old content to go.
            if (!file.startsWith("/dev") && to.getChannel().size() > 0) {
                to.getChannel().truncate(0);
            }
            to.write(text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new IOException("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    /**
     * A distribution as a .hgrm file has it: the value at each of a row of percentiles. The form
     * is that of HdrHistogram's outputPercentileDistribution, with values in milliseconds.
     */
    private static final class Curve {
        private static final Pattern FOOTER = Pattern.compile("(Mean|StdDeviation|Max|Total count)"
                + " *= *(" + NUMBER + ")");

        private final String name;
        /** What it was made of; null when it was read from a file. */
        private final Histogram histogram;
        /** Percentile from 0 to 1, value, and how many are at most that value. */
        private final List<double[]> points = new ArrayList<>();
        /** What the footer says under Mean, StdDeviation, Max and Total count. */
        private final Map<String, Double> footer = new HashMap<>();

        Curve(String name, Histogram histogram) {
            this.name = name;
            this.histogram = histogram;
            footer.put("Mean", histogram.mean() / 1e6);
            footer.put("StdDeviation", histogram.stddev() / 1e6);
            footer.put("Max", histogram.max / 1e6);
            footer.put("Total count", (double) histogram.count);
            double level = 0;
            long reached = 0;
            while (reached < histogram.count) {
                long value = histogram.percentile(level);
                reached = histogram.countUpTo(value);
                points.add(new double[] {level / 100, value / 1e6, reached});
                // Five ticks in each half of what is left to 100 %.
                long halvings = (long) (Math.log(100 / (100 - level)) / Math.log(2)) + 1;
                level += 100 / (5 * Math.pow(2, halvings));
            }
            points.add(new double[] {1, histogram.max / 1e6, histogram.count});
        }

        /** Reads a .hgrm file, also of HdrHistogram or wrk2; says which line is malformed. */
        Curve(Path file) throws IOException {
            name = String.valueOf(file.getFileName());
            histogram = null;
            List<String> lines;
            try {
                lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
            } catch (IOException e) {
                throw new IOException("cannot read " + file + ": " + (Files.exists(file)
                        ? e.getMessage() : "no such file"), e);
            }
            for (int i = 0; i < lines.size(); i++) {
                String problem = parse(lines.get(i).trim());
                if (problem != null) {
                    throw new IOException(file + ", line " + (i + 1) + ": " + problem);
                }
            }
            if (points.isEmpty() || points.get(points.size() - 1)[0] < 1) {
                throw new IOException(file + ", line " + lines.size()
                        + ": the file ends before the 100 % row");
            }
        }

        /** Takes in a line; returns what is wrong with it, or null. */
        private String parse(String line) {
            if (line.startsWith("#")) {
                Matcher matcher = FOOTER.matcher(line);
                while (matcher.find()) {
                    footer.put(matcher.group(1), Double.valueOf(matcher.group(2)));
                }
                return null;
            }
            if (line.isEmpty() || line.contains("Value") && points.isEmpty()) {
                return null;
            }
            String[] fields = line.split("[\\s,]+");
            double[] point = new double[3];
            for (int i = 0; i < 3; i++) {
                if (fields.length < 3 || fields.length > 4 || !fields[i].matches(NUMBER)) {
                    return "not a row of value, percentile and count: " + line;
                }
                point[i] = Double.parseDouble(fields[new int[] {1, 0, 2}[i]]);
            }
            double[] before = points.isEmpty() ? new double[3] : points.get(points.size() - 1);
            if (point[0] > 1 || point[0] < before[0] || point[1] < before[1]
                    || point[2] < before[2]) {
                return "the rows must rise, and end at percentile 1: " + line;
            }
            points.add(point);
            return null;
        }

        /** The value at a percentile, or NaN where that has too few samples. */
        double at(double percent) {
            double count = count();
            if (count * (100 - percent) < 100 - 1e-6) {
                return Double.NaN;
            }
            if (histogram != null) {
                return histogram.percentile(percent) / 1e6;
            }
            for (double[] point : points) {
                if (point[2] >= count * percent / 100 - 1e-6) {
                    return point[1];
                }
            }
            return max();
        }

        double count() {
            return points.get(points.size() - 1)[2];
        }

        /** What a comparison shows. */
        double[] summary() {
            return new double[] {footer.getOrDefault("Mean", Double.NaN), at(50), at(99), at(99.9),
                max()};
        }

        double max() {
            return points.get(points.size() - 1)[1];
        }

        String toHgrm() {
            StringBuilder text = new StringBuilder(format("%12s %14s %10s %14s\n\n",
                    "Value", "Percentile", "TotalCount", "1/(1-Percentile)"));
            for (double[] point : points) {
                text.append(format("%12.3f %2.12f %10d", point[1], point[0], (long) point[2]));
                text.append(point[0] < 1 ? format(" %14.2f\n", 1 / (1 - point[0])) : "\n");
            }
            return text + format("#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
                    + "#[Max     = %12.3f, Total count    = %12d]\n"
                    + "#[Buckets = %12d, SubBuckets     = %12d]\n",
                    footer.get("Mean"), footer.get("StdDeviation"), max(),
                    (long) count(), 54, Histogram.SUB_BUCKETS);
        }
    }

    /** Shows distributions from .hgrm files side by side; returns the exit status. */
    private static int compare(Options options, PrintStream out) throws IOException {
        List<Curve> curves = new ArrayList<>();
        for (String file : options.given.get("--compare")) {
            curves.add(new Curve(Path.of(file)));
        }
        out.println("Values as in the files (ours: milliseconds); x is the ratio to the first.");
        out.println(format("%-20s %9s %8s %8s %8s %8s %8s", "", "count", "mean", "p50", "p99",
                "p99.9", "max"));
        for (Curve curve : curves) {
            StringBuilder values = new StringBuilder(format("%-20.20s %9.0f", curve.name,
                    curve.count()));
            StringBuilder ratios = new StringBuilder(format("%30s", ""));
            for (int i = 0; i < curve.summary().length; i++) {
                double value = curve.summary()[i];
                double ratio = value / curves.get(0).summary()[i];
                values.append(Double.isNaN(value) ? "        -" : format(" %8.3f", value));
                ratios.append(Double.isNaN(ratio) ? "        -" : format(" %7.2fx", ratio));
            }
            out.println(values);
            if (curve != curves.get(0)) {
                out.println(ratios);
            }
        }
        if (options.given("--plot")) {
            Path file = Path.of(options.text("--plot"));
            write(file, open(file), new Picture().comparison(curves));
        }
        return 0;
    }

    /** A logarithmic axis, from values to places in the picture. */
    private static final class Axis {
        private final double low;
        private final double high;
        private final double from;
        private final double to;

        /** Covers all from least to most, widened to the next 1, 2 or 5 at both ends. */
        Axis(double least, double most, double from, double to) {
            this.low = step(least, false);
            this.high = step(Math.max(most, low * 1.01), true);
            this.from = from;
            this.to = to;
        }

        double at(double value) {
            double share = Math.log(Math.max(low, value) / low) / Math.log(high / low);
            return from + Math.min(1, share) * (to - from);
        }

        /** The nearest 1, 2 or 5 times a power of ten, upwards or downwards. */
        private static double step(double value, boolean up) {
            double power = Math.pow(10, Math.floor(Math.log10(value)));
            double digit = value / power;
            double rounded = up ? (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10)
                    : (digit >= 5 ? 5 : digit >= 2 ? 2 : 1);
            return rounded * power;
        }

        /** Where to draw lines: at 1, 2 and 5, or over many decades only at 1. */
        List<Double> ticks() {
            List<Double> ticks = new ArrayList<>();
            boolean many = high / low > 2000;
            for (double tick = low; tick <= high * 1.001; tick = step(tick * 1.5, true)) {
                double digit = tick / Math.pow(10, Math.floor(Math.log10(tick * 1.001)));
                if (!many || digit < 1.5) {
                    ticks.add(tick);
                }
            }
            return ticks;
        }
    }

    /** Draws a run or a comparison as SVG, readable on light and on dark. */
    private static final class Picture {
        private static final int TOP = 130;
        private static final int BOTTOM = 530;
        private static final String STYLE = "<style>"
                + ".back{fill:#fff}svg{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
                + "text{fill:#222;font-size:18px}.title{font-size:28px;font-weight:600}"
                + ".small{font-size:15px;fill:#555}.grid{stroke:#ddd}.frame{stroke:#888;fill:none}"
                + ".warm{fill:#f2e6c8}.range{stroke:#9cc3e0;fill:none;stroke-width:2}"
                + ".c0{--c:#0065a8}.c1{--c:#c84a00}.c2{--c:#00795a}.c3{--c:#a8417c}"
                + ".c4{--c:#8a6500}.c5{--c:#5b4bc4}"
                + ".curve{stroke:var(--c);fill:none;stroke-width:3;stroke-linejoin:round}"
                + ".dots{stroke:var(--c);fill:none;stroke-width:4;stroke-linecap:round}"
                + ".mark{fill:var(--c)}"
                + "@media(prefers-color-scheme:dark){.back{fill:#14171c}text{fill:#eee}"
                + ".small{fill:#aaa}.grid{stroke:#333a44}.frame{stroke:#778}.warm{fill:#3a3320}"
                + ".range{stroke:#2f5f86}.c0{--c:#5db7f5}.c1{--c:#ff9a5c}.c2{--c:#3fd0a4}"
                + ".c3{--c:#f29cc7}.c4{--c:#e6c34a}.c5{--c:#b3a6ff}}</style>";

        private final StringBuilder svg = new StringBuilder();

        /** A run: its round trips in their order on the left, their percentiles on the right. */
        String run(Result result, List<Curve> curves) {
            open(result.title(), result.subtitle());
            series(result.warmup, result.measured);
            percentiles(curves, 760, 1240);
            text(30, 646, "small", "start", result.conditions());
            text(30, 672, "small", "start", result.bench.command);
            return svg.append("</svg>\n").toString();
        }

        /** The percentile curves of several files. */
        String comparison(List<Curve> curves) {
            open("Round-trip times compared", "values as in the files (ours: milliseconds)");
            percentiles(curves, 110, 1240);
            return svg.append("</svg>\n").toString();
        }

        private void open(String title, String subtitle) {
            add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1280 690\" role=\"img\">");
            add("<title>" + escaped(title) + "</title>" + STYLE);
            add("<rect class=\"back\" width=\"1280\" height=\"690\"/>");
            text(30, 48, "title", "start", title);
            text(30, 80, "", "start", subtitle);
        }

        /** Every message, or the range of a few neighbours: warm-up first, then what counts. */
        private void series(Tally warmup, Tally measured) {
            double least = Math.max(1, Math.min(warmup.rtt.min, measured.rtt.min));
            Axis y = new Axis(least / 1e3, Math.max(warmup.rtt.max, measured.rtt.max) / 1e3,
                    BOTTOM, TOP);
            double middle = warmup.rtt.count == 0 ? 110 : 310;
            add("<rect class=\"warm\" x=\"110\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>",
                    TOP, middle - 110, BOTTOM - TOP);
            verticalAxis(y, 110, 640);
            text(110, TOP - 12, "", "start", "round-trip time by message number");
            if (warmup.rtt.count > 0) {
                text((110 + middle) / 2, TOP + 24, "small", "middle", "warm-up, not counted");
                messages(warmup.series, y, 110, middle, "c1");
            }
            messages(measured.series, y, middle, 640, "c0");
            text(375, BOTTOM + 56, "", "middle", "message number, on each connection");
        }

        /** One stretch of messages: a line from least to greatest, and a dot at the mean. */
        private void messages(Series series, Axis y, double from, double to, String colour) {
            StringBuilder ranges = new StringBuilder();
            StringBuilder dots = new StringBuilder();
            double step = (to - from) * series.width / series.length;
            for (int i = 0; i < Series.BINS && series.counts[i] > 0; i++) {
                double x = from + Math.min(to - from - 1, (i + 0.5) * step);
                double low = y.at(series.least[i] / 1e3);
                double high = y.at(series.greatest[i] / 1e3);
                if (low - high >= 1) {
                    ranges.append(format("M%.1f %.1fV%.1f", x, low, high));
                }
                double mean = series.sums[i] / series.counts[i];
                dots.append(format("M%.1f %.1fh.1", x, y.at(mean / 1e3)));
            }
            add("<path class=\"range\" d=\"%s\"/>", ranges);
            add("<path class=\"dots %s\" d=\"%s\"/>", colour, dots);
            text(from + 4, BOTTOM + 26, "small", "start", "1");
            text(to - 4, BOTTOM + 26, "small", "end", "" + series.length);
        }

        /** Percentile curves, with the distance to 100 % on a logarithmic axis. */
        private void percentiles(List<Curve> curves, double left, double right) {
            double least = Double.MAX_VALUE;
            double most = 0;
            double tail = 1000;
            for (Curve curve : curves) {
                least = Math.min(least, Math.max(1e-3, curve.points.get(0)[1]));
                most = Math.max(most, curve.max());
                tail = Math.max(tail, curve.count());
            }
            Axis y = new Axis(least * 1e3, most * 1e3, BOTTOM, TOP);
            Axis x = new Axis(1, tail, left, right - 60);
            verticalAxis(y, left, right);
            text(left, TOP - 12, "", "start", "round-trip time by percentile");
            text((left + right) / 2, BOTTOM + 56, "", "middle", "percent of all messages");
            for (double beyond = 1; beyond <= tail * 1.001; beyond *= 10) {
                add("<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x.at(beyond), TOP, BOTTOM);
                text(x.at(beyond), BOTTOM + 26, "small", "middle",
                        percentName(beyond == 1 ? 0 : 100 - 100 / beyond) + " %");
            }
            for (int i = 0; i < curves.size(); i++) {
                curve(curves.get(i), "c" + i % 6, x, y, curves.size() == 1);
                if (curves.size() > 1) {
                    add("<rect class=\"mark c%d\" x=\"%.0f\" y=\"%d\" width=\"26\" height=\"6\"/>",
                            i % 6, left + 20, TOP + 20 + 26 * i);
                    text(left + 54, TOP + 28 + 26 * i, "", "start", curves.get(i).name);
                }
            }
        }

        private void curve(Curve curve, String colour, Axis x, Axis y, boolean labels) {
            StringBuilder path = new StringBuilder();
            for (double[] point : curve.points) {
                double beyond = Math.min(curve.count(), 1 / (1 - point[0]));
                path.append(format("%s%.1f %.1f", path.length() == 0 ? "M" : "L",
                        x.at(beyond), y.at(point[1] * 1e3)));
            }
            add("<path class=\"curve %s\" d=\"%s\"/>", colour, path);
            for (double percent : new double[] {50, 95, 99, 99.9}) {
                double value = curve.at(percent);
                if (!Double.isNaN(value)) {
                    double across = x.at(100 / (100 - percent));
                    double up = y.at(value * 1e3);
                    add("<circle class=\"mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>",
                            colour, across, up);
                    if (labels) {
                        String anchor = percent == 50 ? "start" : "middle"; // clear of the axis
                        text(across - 4, up - 34, "", anchor, "p" + percentName(percent));
                        text(across - 4, up - 14, "small", anchor, time(value * 1e6));
                    }
                }
            }
        }

        private void verticalAxis(Axis y, double left, double right) {
            for (double tick : y.ticks()) {
                add("<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", left, y.at(tick), right);
                text(left - 8, y.at(tick) + 5, "small", "end", axisTime(tick));
            }
            add("<rect class=\"frame\" x=\"%.0f\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>",
                    left, TOP, right - left, BOTTOM - TOP);
        }

        /** A round number of microseconds, such as 20 us, 5 ms or 1 s. */
        private static String axisTime(double micros) {
            return time(micros * 1e3).replaceAll("[.]?0* ", " ");
        }

        private void text(double x, double y, String style, String anchor, String text) {
            add("<text class=\"%s\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>",
                    style, x, y, anchor, escaped(text));
        }

        private void add(String form, Object... values) {
            svg.append(values.length == 0 ? form : format(form, values)).append('\n');
        }

        private static String escaped(String text) {
            return printable(text).replace("&", "&amp;").replace("<", "&lt;")
                    .replace(">", "&gt;");
        }
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
