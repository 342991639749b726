import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.math.BigDecimal;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A TCP echo client: sends one message and shows what comes back, or measures how long that takes.
 * Try it, while {@code java EchoServer.java} runs in another terminal:
 * <pre>
 *     java EchoClient.java --message "Hello, echo!"
 *     java EchoClient.java --bench
 *     java EchoClient.java --bench --size 16k --duration 10s --plot run.svg
 * </pre>
 * A round trip runs from just before the first byte is written to just after the last echoed byte
 * is read, on System.nanoTime. Each echoed byte is compared with the one sent, outside that
 * interval, and one wrong byte makes the whole run invalid.
 *
 * <p>The story is told in this order: one round trip; one message; a benchmark, which is many round
 * trips; what their times mean; and how that is shown as text, JSON, a distribution and a picture.
 */
public class EchoClient {

    private static final String[][] OPTIONS = {
        {"--host", "ADDRESS", "127.0.0.1", "the server's address or name"},
        {"--port", "1..65535", "5050", "the server's port"},
        {"--message", "TEXT", "Hello, echo!", "what to send; - sends each input line"},
        {"--size", "0..1g", "1k with --bench", "send that many bytes instead"},
        {"--bench", "", "off", "measure"},
        {"--repeat", "1..1000000000", "2000", "measured messages on each connection"},
        {"--duration", "1ms..1000h", "", "measure for so long instead"},
        {"--warmup", "0..9999999|1ms..24h", "1s, at most 20000", "messages or time, not counted"},
        {"--parallel", "1..65535", "1", "connections, one thread each"},
        {"--rate", "1..10000000", "", "messages a second, on a fixed schedule"},
        {"--spin", "", "off", "poll the socket instead of blocking"},
        {"--nagle", "", "off", "leave Nagle's algorithm on (no TCP_NODELAY)"},
        {"--timeout", "1ms..500h", "10s", "give up when nothing moves for so long"},
        {"--json", "FILE", "", "the result as JSON; - is standard output"},
        {"--hgrm", "FILE", "", "the distribution as HdrHistogram has it, in us"},
        {"--plot", "FILE", "", "a picture of the run (SVG)"},
        {"--fail-if", "CONDITION,...", "", "exit 3 when one holds: p99>2ms,throughput<50"},
        {"--help", "", "off", "this text"},
    };

    private static final long SECOND = 1_000_000_000;

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Does all that main does, and returns the exit status: in jshell the session goes on. */
    static int run(String... args) {
        return run(System.out, System.err, args);
    }

    /**
     * Does what the command line says; returns the exit status: 0 it worked, 1 it failed, 2 wrong
     * command line, 3 --fail-if was met, 130 stopped by Ctrl-C.
     */
    static int run(PrintStream out, PrintStream err, String... args) {
        try {
            int status = 0;
            Options options = new Options(OPTIONS, args);
            if (options.given("--help")) {
                options.print(out, "usage: java EchoClient.java [OPTION...]\nmetrics of --fail-if: "
                        + "min mean stddev p50 p90 p95 p99 p99.9 max (us, ms, s),\n"
                        + "throughput (MiB/s), messages (a second); with > or <");
            } else {
                status = new EchoClient(options, out, err, args).start();
            }
            if (out.checkError()) {
                throw new IOException("cannot write to standard output");
            }
            return status;
        } catch (IOException | IllegalArgumentException e) {
            err.println("[client] " + printable(e.getMessage()));
            return e instanceof IllegalArgumentException ? 2 : 1;
        }
    }

    private final Options options;
    private String command = "java EchoClient.java";
    /** Where the text goes: nowhere with --json -, for then the JSON has the stream alone. */
    private final PrintStream out;
    private final PrintStream err;
    private final boolean bench;
    private final boolean spin;
    private final long timeoutNanos;
    private final int parallel;
    /** Messages a second over all connections, on a fixed schedule; 0 is a closed loop. */
    private final long rate;

    /** A connection to the server, and the round trip on it. */
    private final class Connection implements AutoCloseable {
        private final SocketChannel channel = SocketChannel.open();
        /** What came back; with room for one byte too many, so that a surplus byte is seen. */
        private ByteBuffer echo = ByteBuffer.allocateDirect(1).flip();
        /** To wait until a non-blocking channel is ready; null while the channel is blocking. */
        private SelectionKey key;
        /** Of the last round trip: before its first byte, after the last write, after the end. */
        private long startNanos;
        private long writtenNanos;
        private long endNanos;
        /** How many reads the last echo took: in how many pieces it arrived. */
        private int reads;
        /** When a byte last moved, for the timeout; 0 while no message is under way. */
        private volatile long movedNanos;
        private volatile boolean timedOut;
        private final int index;
        /** The next message: connections begin far apart, so that none sends another's. */
        private final ByteBuffer message = bytes.duplicate();
        private long next;
        /** What is under way, for error messages. */
        private String kind = "message";
        private long number;

        /** Connects, in the time of --timeout. */
        Connection(int index, InetAddress address) throws IOException {
            this.index = index;
            next = index * 7919L;
            connections.add(this);
            try {
                // Nagle's algorithm (RFC 896) would hold back the end of a message until the server
                // has acknowledged its beginning, which it delays by about 40 ms.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, !options.given("--nagle"));
                int port = (int) options.number("--port");
                int timeoutMillis = (int) (timeoutNanos / 1_000_000);
                channel.socket().connect(new InetSocketAddress(address, port), timeoutMillis);
            } catch (IOException e) {
                close();
                throw e;
            }
        }

        /**
         * Sends a message and waits until as many bytes have come back.
         *
         * @throws IOException if the connection is lost, nothing moves for the time of --timeout,
         *         or what came back until then is not what was sent
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
            } catch (IOException | IllegalStateException e) {
                check(message, size); // a wrong byte explains more than a missing one
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
                if (large && !spin && key == null) {
                    key = channel.register(Selector.open(), SelectionKey.OP_READ);
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
                key.interestOps(SelectionKey.OP_READ | (toWrite ? SelectionKey.OP_WRITE : 0));
                key.selector().select();
                key.selector().selectedKeys().clear();
            }
        }

        /** Compares what came back with the message, byte by byte; a difference is an error. */
        void check(ByteBuffer message, int size) throws IOException {
            message.position(message.limit() - size);
            echo.flip();
            int at = message.mismatch(echo);
            if (at >= 0 && at < echo.limit()) {
                throw invalid(at, at == size ? "nothing more"
                        : format("0x%02x", message.get(message.position() + at)));
            }
        }

        /** Ends our side after the last message and makes sure that no surplus byte follows. */
        void finish() throws IOException {
            int size = echo.limit();
            echo.limit(size + 1).position(size);
            try {
                channel.shutdownOutput();
                channel.configureBlocking(false);
                // Most servers close at once; one that does not gets 100 ms to show a surplus byte.
                for (int i = 0; i < 100 && channel.read(echo) == 0; i++) {
                    LockSupport.parkNanos(SECOND / 1000);
                }
            } catch (IOException e) {
                return; // the server has cut the connection, after all that it owed us
            }
            if (echo.position() > size) {
                throw invalid(size, "nothing more");
            }
        }

        private IOException invalid(int offset, String sent) {
            return new IOException(format("INVALID: %s %d, offset %d: sent %s, received 0x%02x%s;"
                    + " is it an echo server?", kind, number, offset, sent, echo.get(offset),
                    sent.startsWith("0x") ? "" : ", a surplus byte"));
        }

        private IOException lost(Exception e, int size) {
            String where = format(" in %s %d, after %d of %d bytes of the echo; ", kind, number,
                    echo.limit(), size);
            return new IOException(!timedOut
                    ? "connection lost: " + e.getMessage() + "," + where
                            + "see what the server says"
                    : "timed out: nothing moved for " + time(timeoutNanos) + where
                    + "is this an echo server? " + (echo.limit() > 0 ? "--timeout allows more"
                    : "one that waits for a line end gets it from --message -"), e);
        }

        /** Closes it; a round trip that is under way in another thread fails at once. */
        @Override
        public void close() {
            connections.remove(this);
            try {
                channel.close();
                if (key != null) {
                    key.selector().close();
                }
            } catch (IOException e) {
                // it is as closed as it can be
            }
        }
    }

    /** Connects to the first of the server's addresses that answers. */
    private Connection connect(int index) throws IOException {
        IOException failure = null;
        for (InetAddress address : resolve()) {
            try {
                return new Connection(index, address);
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        throw cannotConnect(failure instanceof SocketTimeoutException ? "no answer within "
                + time(timeoutNanos) + "; is the host up, and the port open in its firewall?"
                : failure.getMessage() + (failure instanceof ConnectException
                ? "; is the server running? start it with: java EchoServer.java --port "
                        + options.text("--port") : ""));
    }

    private InetAddress[] resolve() throws IOException {
        try {
            return InetAddress.getAllByName(options.text("--host"));
        } catch (UnknownHostException e) {
            throw cannotConnect("unknown host; check --host");
        } finally {
            resolved = true;
        }
    }

    private IOException cannotConnect(String why) {
        String host = options.text("--host").replaceAll("^[^\\[].*:.*", "[$0]");
        String to = host + ":" + options.text("--port");
        return new IOException("cannot connect to " + to + ": " + why);
    }

    /** What is sent: message n is as many bytes as its size, from n on, modulo the period. */
    private ByteBuffer bytes;
    private int size;
    private int period = 1;

    /**
     * Takes the given text as the only message, or makes bytes. Then message after message is a
     * window that moves by one byte over pseudo-random bytes, of which every other is odd. So each
     * message differs from the one before it in every byte, a stale echo can't pass, and nothing
     * need be filled in between messages.
     */
    private void makeMessages() {
        byte[] block = options.text("--message").getBytes(StandardCharsets.UTF_8);
        size = block.length;
        if (options.given("--size") || bench && !options.given("--message")) {
            size = options.given("--size") ? (int) options.number("--size") : 1024;
            period = 1_000_002; // even, and no multiple of any buffer's size
            block = new byte[period];
            new Random(862).nextBytes(block);
            for (int i = 0; i < period; i++) {
                block[i] = (byte) (block[i] & ~1 | i & 1);
            }
        }
        bytes = ByteBuffer.allocateDirect(size + period - 1);
        while (bytes.hasRemaining()) {
            bytes.put(block, 0, Math.min(block.length, bytes.remaining()));
        }
    }

    /** Sets a buffer over the bytes to message number n. */
    private ByteBuffer select(ByteBuffer buffer, long n) {
        int start = (int) (n % period);
        return buffer.limit(start + size).position(start);
    }

    /** Sends one message, or each line of standard input, and shows what comes back. */
    private void send(Connection connection) throws IOException {
        boolean lines = options.text("--message").equals("-");
        InputStream in = new BufferedInputStream(System.in);
        ByteBuffer message = lines ? readLine(in) : select(bytes.duplicate(), 0);
        while (message != null && !out.checkError()) {
            int length = message.remaining();
            out.println("[client] sent    : " + shown(message));
            connection.roundTrip(message);
            out.println("[client] received: " + shown(connection.echo.duplicate().flip()));
            connection.check(message, length);
            if (!lines) {
                connection.finish(); // a surplus byte would belie the time
            }
            measured.record(connection, connection.startNanos, false);
            long micros = Math.round((connection.endNanos - connection.startNanos) / 1e3);
            out.println("[client] RTT     : " + BigDecimal.valueOf(micros, 3) + " ms");
            message = lines ? readLine(in) : null;
        }
        if (lines) {
            connection.finish();
        }
    }

    /** The text in quotes, shortened, with a dot for what can't be printed, and its length. */
    private static String shown(ByteBuffer bytes) {
        byte[] head = new byte[Math.min(bytes.remaining(), 244)]; // 61 characters at least
        bytes.duplicate().get(head);
        String text = new String(head, StandardCharsets.UTF_8);
        return "\"" + printable(text.substring(0, Math.min(text.length(), 60)))
                + (text.length() <= 60 ? "\"" : "...\"") + " (" + bytes.remaining() + " bytes)";
    }

    /** A line of input with its line end, if it has one; null at the end of the input. */
    private static ByteBuffer readLine(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int b = in.read(); b >= 0; b = b == '\n' ? -1 : in.read()) {
            line.write(b);
        }
        return line.size() == 0 ? null
                : ByteBuffer.allocateDirect(line.size()).put(line.toByteArray()).flip();
    }

    private EchoClient(Options options, PrintStream out, PrintStream err, String... args) {
        this.options = options;
        this.err = err;
        boolean alone = options.text("--json").equals("-");
        this.out = alone ? new PrintStream(OutputStream.nullOutputStream()) : out;
        if (alone) {
            files.put("--json", out);
        }
        for (String arg : args) {
            command += " " + quoted(arg);
        }
        bench = options.given("--bench");
        spin = options.given("--spin");
        timeoutNanos = options.number("--timeout");
        parallel = (int) options.number("--parallel");
        rate = options.given("--rate") ? options.number("--rate") : 0;
        checkOptions(options.text("--message"));
        if (options.given("--fail-if")) {
            for (String condition : options.text("--fail-if").split(",", -1)) {
                limits.add(limit(condition));
            }
        }
    }

    private void checkOptions(String message) {
        for (String[] two : new String[][] {{"--message", "--size"}, {"--repeat", "--duration"}}) {
            Options.check(!options.given(two[0]) || !options.given(two[1]),
                    two[0] + " and " + two[1] + " exclude each other");
        }
        for (String name : List.of("--repeat", "--duration", "--warmup", "--parallel", "--rate",
                "--hgrm", "--plot", "--fail-if")) {
            Options.check(bench || !options.given(name), name + " needs --bench");
        }
        Options.check(!message.equals("-") || !bench && !options.given("--json"),
                "--message - sends each input line: not with --bench, --json");
        Options.check(!bench || !message.isEmpty() && !options.text("--size").matches("0+.?"),
                "--message, --size: --bench needs at least one byte");
        // What the command line had, but the platform's charset has not, arrives as U+FFFD.
        String charset = System.getProperty("sun.jnu.encoding", "UTF-8");
        Options.check(!message.contains("\ufffd")
                || Charset.forName(charset).newEncoder().canEncode('\ufffd'), "--message has"
                + " characters that " + charset + " lacks: set LC_ALL=C.UTF-8, or use --message -");
    }

    // A benchmark. Each connection has a thread, and all meet three times: when they are connected,
    // when they are warm, and when they have measured. What they measure they record together.
    /** The open connections, which are closed when nothing moves on them. */
    private final ConcurrentLinkedQueue<Connection> connections = new ConcurrentLinkedQueue<>();
    private volatile boolean resolved;
    private final ConcurrentLinkedQueue<Thread> threads = new ConcurrentLinkedQueue<>();
    private final Phaser together = new Phaser() {
        @Override
        protected boolean onAdvance(int phase, int parties) {
            collectionsBefore = phase < 2 ? collections() : collectionsBefore;
            startNanos = phase < 2 ? System.nanoTime() : startNanos;
            endNanos = System.nanoTime();
            return false;
        }
    };
    private final Tally warmup = new Tally();
    private final Tally measured = new Tally();
    private final Histogram rtt = measured.rtt;
    private volatile long startNanos;
    private volatile long endNanos;
    private volatile long[] collectionsBefore;
    /** The first failure, and whether that, or Ctrl-C, has stopped everyone. */
    private volatile Throwable failure;
    private volatile boolean stopped;
    private volatile boolean interrupted;
    private volatile boolean reported;

    /** Does what was asked for; returns the exit status. A failure stands in the JSON, too. */
    private int start() throws IOException {
        Thread hook = new Thread(this::interrupt, "interrupted");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            openFiles();
            if (bench || !files.isEmpty()) { // one message alone has no use for these 50 ms
                load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
                collectionsBefore = collections();
            }
            makeMessages();
            startThreads();
            awaitThreads();
            return bench || !files.isEmpty() ? report() : 0;
        } catch (IOException | OutOfMemoryError e) {
            stop(e);
            Throwable cause = failure != null ? failure : e;
            String error = cause.getMessage() + (cause instanceof OutOfMemoryError
                    ? ": out of memory; use a smaller --parallel or --size, or java -Xmx4g"
                    : ("" + cause.getMessage()).contains("open files") ? "; raise ulimit -n" : "");
            write("--json", () -> toJson(map("valid", false, "error", error)) + "\n");
            throw new IOException(error, e);
        } finally {
            reported = true;
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // it is running: this is the end by Ctrl-C
            }
        }
    }

    /** Daemons, so that one that looks up a name for ever does not keep the program. */
    private void startThreads() {
        together.bulkRegister(parallel);
        startNanos = System.nanoTime();
        for (int i = 0; i < parallel && !stopped; i++) {
            int index = i;
            Thread thread = new Thread(() -> work(index), "client-" + index);
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
    }

    /** Connects, warms up, measures. */
    private void work(int index) {
        boolean timed = options.text("--warmup").matches("[0-9.]+[a-zA-Z]+");
        long limit = options.given("--warmup") ? options.number("--warmup") : 20_000;
        long limitNanos = timed ? limit : options.given("--warmup") ? Long.MAX_VALUE : SECOND;
        boolean endless = options.given("--duration");
        try (Connection connection = connect(index)) {
            if (!bench) {
                send(connection);
                return;
            }
            together.arriveAndAwaitAdvance();
            connection.kind = "warm-up message";
            exchange(connection, warmup, timed ? Long.MAX_VALUE : limit, limitNanos, 0);
            together.arriveAndAwaitAdvance();
            connection.kind = "message";
            connection.number = 0;
            exchange(connection, measured, endless ? Long.MAX_VALUE : options.number("--repeat"),
                    endless ? options.number("--duration") : Long.MAX_VALUE, rate);
            // Nobody leaves earlier, for closing would take time from those who measure.
            together.arriveAndAwaitAdvance();
            if (!stopped) {
                connection.finish();
            }
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            stop(e);
        }
    }

    /** Message after message: each when the last is back or, with a rate, when it is due. */
    private void exchange(Connection connection, Tally tally, long count, long nanos, long rate)
            throws IOException {
        connection.endNanos = startNanos;
        for (long i = 0; i < count && !stopped; i++) {
            // This connection takes every parallel-th place of the schedule. The whole product is
            // divided, so that no rounded interval makes the schedule drift.
            long due = rate == 0 ? 0
                    : (long) ((connection.index + i * (double) parallel) * SECOND / rate);
            if (Math.max(due, connection.endNanos - startNanos) >= nanos) {
                return;
            }
            one(connection, tally, startNanos + due, rate > 0);
        }
    }

    /** One message. A method of its own, so that after the warm-up it is compiled code. */
    private void one(Connection connection, Tally tally, long dueNanos, boolean scheduled)
            throws IOException {
        select(connection.message, connection.next++);
        boolean late = scheduled && connection.endNanos > dueNanos; // an echo was under way
        if (scheduled && !late) {
            await(dueNanos);
        }
        connection.roundTrip(connection.message);
        connection.check(connection.message, size);
        tally.record(connection, scheduled ? dueNanos : connection.startNanos, late);
    }

    /** Waits until a message is due: parks, then polls the clock, for a park ends late. */
    private void await(long dueNanos) {
        // Many connections that poll take the cores from those that have something to do, so
        // together they get a tenth of one.
        long poll = parallel == 1 ? 200_000 : Math.min(200_000, SECOND / 10 / rate);
        for (long left = 1; left > 0 && !stopped; left = dueNanos - System.nanoTime()) {
            if (dueNanos - System.nanoTime() > poll) {
                LockSupport.parkNanos(dueNanos - System.nanoTime() - poll);
            } else {
                Thread.onSpinWait();
            }
        }
    }

    /** Looks after the threads until all have ended. */
    private void awaitThreads() throws IOException {
        for (Thread thread : threads) {
            while (thread.isAlive() && failure == null) {
                closeSilent();
                try {
                    thread.join(Math.max(1, Math.min(500, timeoutNanos / 10_000_000)));
                } catch (InterruptedException e) {
                    stop(new IOException("interrupted"));
                }
            }
        }
        if (failure != null) {
            throw new IOException(failure); // see start
        } else if (rtt.count() == 0 && bench) {
            throw new IOException("nothing was measured: " + (interrupted ? "interrupted"
                    : "--duration is shorter than a round trip"));
        }
        seconds = (bench ? endNanos - startNanos : rtt.mean()) / 1e9;
    }

    /** Closes what does not move. Looking from outside costs the round trip no timer. */
    private void closeSilent() {
        for (Connection connection : connections) {
            long moved = connection.movedNanos;
            if (moved != 0 && System.nanoTime() - moved >= timeoutNanos) {
                connection.timedOut = true;
                connection.close();
            }
        }
        if (!resolved && System.nanoTime() - startNanos > timeoutNanos) {
            stop(cannotConnect("its name was not looked up within " + time(timeoutNanos)
                    + "; --timeout allows more"));
        }
    }

    /** Stops everyone, whether reading, waiting for a message to be due, or for the others. */
    private synchronized void stop(Throwable reason) {
        if (!stopped) {
            stopped = true;
            failure = reason;
            endNanos = together.getPhase() < 3 ? System.nanoTime() : endNanos;
            together.forceTermination();
            threads.forEach(Thread::interrupt);
        }
    }

    /** On Ctrl-C: what was measured until now is reported before the program ends. */
    private void interrupt() {
        interrupted = true;
        stop(null);
        for (int i = 0; i < 2000 && !reported; i++) {
            LockSupport.parkNanos(SECOND / 1000);
        }
    }

    /** What the messages came to, of all connections together. */
    private final class Tally {
        /** Round trips as they count: from when a message was due, which without --rate is sent. */
        private final Histogram rtt = new Histogram();
        /** With --rate: from when it was sent, and how late we ourselves woke up to send it. */
        private final Histogram service = new Histogram();
        private final Histogram wakeup = new Histogram();
        /** By how much those were late that could not be sent when due: an echo was under way. */
        private final Histogram behind = new Histogram();
        /** The round trips in their order, if they are to be drawn. */
        private final Series series = new Series();
        /** The first round trip; of several connections, the longest. */
        private long firstNanos;
        private final LongAdder writeNanos = new LongAdder();
        private final LongAdder waitNanos = new LongAdder();
        private final LongAdder reads = new LongAdder();

        void record(Connection trip, long dueNanos, boolean late) {
            long nanos = trip.endNanos - dueNanos;
            rtt.record(nanos);
            if (rate > 0) {
                service.record(trip.endNanos - trip.startNanos);
                wakeup.record(late ? 0 : trip.startNanos - dueNanos);
            }
            if (late) {
                behind.record(trip.startNanos - dueNanos);
            }
            writeNanos.add(trip.writtenNanos - trip.startNanos);
            waitNanos.add(trip.endNanos - trip.writtenNanos);
            reads.add(trip.reads);
            if (trip.number == 1 || options.given("--plot")) {
                synchronized (this) {
                    firstNanos = trip.number == 1 ? Math.max(firstNanos, nanos) : firstNanos;
                    series.add(trip.number - 1, nanos);
                }
            }
        }
    }

    /**
     * Counts durations in nanoseconds, in buckets that are exact up to 2047 and then 1/1024 of
     * their power of two wide (log-linear, as in HdrHistogram), so that each keeps three
     * significant digits. Count, sum, minimum and maximum are exact. Many threads may record at
     * once, without a lock: one that loses its core in the middle must not make others wait.
     */
    static final class Histogram {
        private static final int HALF = 1024;

        private final AtomicLongArray buckets = new AtomicLongArray(55 * HALF);
        private final LongAdder count = new LongAdder();
        private final DoubleAdder sum = new DoubleAdder();
        private final DoubleAdder sumOfSquares = new DoubleAdder();
        volatile long min = Long.MAX_VALUE;
        volatile long max;

        void record(long nanos) {
            int shift = Math.max(0, 53 - Long.numberOfLeadingZeros(nanos));
            buckets.getAndIncrement(shift * HALF + (int) (nanos >>> shift));
            count.increment();
            sum.add(nanos);
            sumOfSquares.add((double) nanos * nanos);
            if (nanos < min || nanos > max) { // seldom
                synchronized (this) {
                    min = Math.min(min, nanos);
                    max = Math.max(max, nanos);
                }
            }
        }

        long count() {
            return count.sum();
        }

        double mean() {
            return sum.sum() / count();
        }

        /** The standard deviation of all that was recorded, not an estimate from a sample. */
        double stddev() {
            return Math.sqrt(Math.max(0, sumOfSquares.sum() / count() - mean() * mean()));
        }

        /** The highest value that a bucket counts, but no more than the maximum. */
        private long value(int index) {
            int shift = Math.max(0, index / HALF - 1);
            return Math.min(max, ((index - (long) shift * HALF + 1) << shift) - 1);
        }

        /** By nearest rank: the smallest value that at least so many percent do not exceed. */
        long percentile(double percent) {
            int index = -1;
            for (long left = rank(percent); left > 0; left -= buckets.get(index)) {
                index++;
            }
            return value(index);
        }

        /** The rank of a percentile; the tiny amount keeps 99.9 % of 1000 at 999 when rounding. */
        private long rank(double percent) {
            return Math.max(1, (long) Math.ceil(count() * percent / 100 - 1e-6));
        }

        /** Whether there are samples beyond a percentile to place it by: p99.9 needs 1000. */
        boolean supports(double percent) {
            return count() * (100 - percent) >= 100 - 1e-6;
        }

        /**
         * The distribution in the form of HdrHistogram's outputPercentileDistribution, with values
         * in microseconds and five ticks in each half of what is left to 100 %.
         */
        String toHgrm() {
            StringBuilder text = new StringBuilder(format("%12s %14s %10s %14s\n\n",
                    "Value", "Percentile", "TotalCount", "1/(1-Percentile)"));
            long seen = 0;
            double level = 0;
            for (int i = 0; seen < count(); i++) {
                seen += buckets.get(i);
                for (boolean more = true; more && rank(level) <= seen; more = seen < count()) {
                    text.append(format("%12.3f %2.12f %10d %14.2f\n", value(i) / 1e3,
                            level / 100, seen, 100 / (100 - level)));
                    long halvings = (long) (Math.log(100 / (100 - level)) / Math.log(2)) + 1;
                    level += 100 / (5 * Math.pow(2, halvings));
                }
            }
            return text + format("%12.3f %2.12f %10d\n"
                    + "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
                    + "#[Max     = %12.3f, Total count    = %12d]\n"
                    + "#[Buckets = %12d, SubBuckets     = %12d]\n", max / 1e3, 1.0, count(),
                    mean() / 1e3, stddev() / 1e3, max / 1e3, count(), 54, 2 * HALF);
        }
    }

    /**
     * Round trips in their order, in fixed memory: when the bins are full, each two become one. A
     * bin keeps the least, the greatest, the sum and the count, so that no extreme gets lost.
     */
    private static final class Series {
        private static final int BINS = 512;

        private double[][] bins = new double[BINS][];
        /** How many messages of a connection go into a bin, and how many there are. */
        private long width = 1;
        private long length;

        /** Adds message number i, from 0, of a connection. */
        void add(long i, double nanos) {
            for (; i >= width * BINS; width *= 2) {
                double[][] old = bins;
                bins = new double[BINS][];
                for (int bin = 0; bin < BINS; bin++) {
                    merge(bin / 2, old[bin]);
                }
            }
            merge((int) (i / width), nanos, nanos, nanos, 1);
            length = Math.max(length, i + 1);
        }

        /** Puts what one bin has, or a single message, into another; null has nothing. */
        private void merge(int i, double... more) {
            double[] bin = bins[i];
            bins[i] = bin == null ? more : more == null ? bin : new double[] {
                Math.min(bin[0], more[0]), Math.max(bin[1], more[1]), bin[2] + more[2],
                bin[3] + more[3]};
        }
    }

    // What is known of the run: under the names of the JSON, from which the text is made, too.
    private Map<String, Object> figures;
    private Map<String, Object> environment;
    private double load;
    private double seconds;

    private Map<String, Object> figures() {
        boolean cold = warmup.rtt.count() == 0;
        double count = rtt.count();
        Map<String, Object> figures = map(
                "time", "" + Instant.ofEpochSecond(System.currentTimeMillis() / 1000),
                "command", command, "host", options.text("--host"),
                "port", options.number("--port"), "message_bytes", size, "connections", parallel,
                "messages", rtt.count(), "elapsed_s", seconds, "messages_s", count / seconds,
                "throughput_mib_s", count / seconds * size / 0x1p20, "rtt_us", micros(rtt));
        if (rate > 0) {
            figures.putAll(map("service_us", micros(measured.service),
                    "wakeup_us", micros(measured.wakeup), "rate_messages_s", rate,
                    "behind_messages", measured.behind.count(),
                    "behind_us_max", us(measured.behind.max)));
        }
        figures.putAll(map("warmup", map("messages", warmup.rtt.count(),
                        "first_us", cold ? null : us(warmup.firstNanos),
                        "mean_us", cold ? null : us(warmup.rtt.mean())),
                "write_us_mean", us(measured.writeNanos.sum() / count),
                "wait_us_mean", us(measured.waitNanos.sum() / count),
                "reads_mean", measured.reads.sum() / count, "environment", environment,
                "warnings", bench ? warnings() : List.of(), "interrupted", interrupted,
                "valid", true));
        return figures;
    }

    /** Null stands for a percentile that too few samples support. */
    private Map<String, Object> micros(Histogram histogram) {
        Map<String, Object> micros = map("min", us(histogram.min), "mean", us(histogram.mean()),
                "stddev", us(histogram.stddev()));
        for (String name : List.of("50", "90", "95", "99", "99.9")) {
            double percent = Double.parseDouble(name);
            micros.put("p" + name.replace('.', '_'), histogram.supports(percent)
                    ? us(histogram.percentile(percent)) : null);
        }
        micros.put("max", us(histogram.max));
        return micros;
    }

    /** The conditions under which it ran, which stand beside every result. */
    private Map<String, Object> environment() {
        long[] after = collections();
        return map("java", System.getProperty("java.version"),
                "os", System.getProperty("os.name") + " " + System.getProperty("os.version"),
                "arch", System.getProperty("os.arch"),
                "cores", Runtime.getRuntime().availableProcessors(),
                "load_average", load < 0 ? null : load,
                "gc_count", after[0] - collectionsBefore[0],
                "gc_ms", after[1] - collectionsBefore[1]);
    }

    /** Garbage collections so far, and the milliseconds they took. */
    private static long[] collections() {
        long[] sum = new long[2];
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            sum[0] += bean.getCollectionCount();
            sum[1] += bean.getCollectionTime();
        }
        return sum;
    }

    /** What a reader should know before believing the figures, and what to do about it. */
    private List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        Histogram trips = rate > 0 ? measured.service : rtt;
        if (!rtt.supports(99.9)) {
            warnings.add("too few samples for p99.9, which needs 1000"
                    + (rtt.supports(95) ? "" : ", and for p95, which here is the maximum")
                    + ": raise " + (options.given("--duration") ? "--duration" : "--repeat"));
        }
        if (parallel == 1 && !spin && trips.supports(95)
                && trips.percentile(90) > 3 * trips.percentile(10)) {
            warnings.add("round trips ran at two speeds, as when threads move between cores or"
                    + " share one: to compare runs, pin both ends to one idle core (taskset -c 1)");
        }
        if (rate == 0 && rtt.supports(99.9) && rtt.max > 100 * rtt.percentile(99.9)) {
            warnings.add("a stall of " + time(rtt.max) + " hides here, since nothing more was"
                    + " sent until it was over: --rate counts what was due meanwhile, too");
        }
        if (measured.behind.count() > rtt.count() / 2 && rtt.count() / seconds < 0.99 * rate) {
            warnings.add("behind schedule: use more --parallel or a lower --rate");
        }
        if (rate == 0 && (spin ? 2 : 1) * parallel > (int) environment.get("cores")) {
            warnings.add("more threads than cores, and waiting for one counts: use a smaller"
                    + " --parallel");
        }
        return warnings;
    }

    /** Prints the result and writes what was asked for; returns the exit status. */
    private int report() {
        environment = environment();
        figures = figures();
        if (bench) {
            printFigures();
            printConditions();
        }
        int status = interrupted ? 130 : 0;
        for (Matcher limit : limits) {
            status = Math.max(status, judge(limit));
        }
        boolean written = write("--json", () -> toJson(figures) + "\n")
                & write("--hgrm", rtt::toHgrm) & write("--plot", () -> new Picture().draw());
        return written ? status : 1;
    }

    /** Three lines that stay as they always were, then all else that is worth knowing. */
    private void printFigures() {
        double bytesPerSecond = rtt.count() / seconds * size;
        print("repeats: %d, msg_len: %d bytes", rtt.count(), size);
        print("avg RTT: %.3f ms, p95 RTT: %.3f ms", rtt.mean() / 1e6, rtt.percentile(95) / 1e6);
        print("throughput: %.2f MiB/s (%.2f MB/s)", bytesPerSecond / 0x1p20, bytesPerSecond / 1e6);
        if (interrupted) {
            print("INTERRUPTED: this is what was measured until then");
        }
        print("              min      p50      p90      p95      p99    p99.9      max");
        if (rate == 0) {
            printRow("RTT", "rtt_us");
        } else {
            printRow("response", "rtt_us");
            printRow("service", "service_us");
            printRow("wake-up", "wakeup_us");
            print("response is from when a message was due, service from when it was sent");
            print("wake-up is by how much the client itself was late to send it");
            print("behind schedule: %.1f %% of the messages, by %s at most",
                    100.0 * measured.behind.count() / rtt.count(), time(measured.behind.max));
        }
    }

    private void printRow(String name, String key) {
        String row = format("%-8s", name);
        for (String figure : List.of("min", "p50", "p90", "p95", "p99", "p99_9", "max")) {
            Object value = ((Map<?, ?>) figures.get(key)).get(figure);
            row += format(" %8s", value == null ? "-" : time((double) value * 1e3));
        }
        print("%s", row);
    }

    /** How the figures came about: the warm-up, where the time went, the machine, warnings. */
    private void printConditions() {
        double count = rtt.count();
        print("mean %s, standard deviation %s; %.0f messages/s for %.2f s", time(rtt.mean()),
                time(rtt.stddev()), count / seconds, seconds);
        if (warmup.rtt.count() == 0) {
            print("warm-up: none, the first message took %s", time(measured.firstNanos));
        } else {
            print("warm-up: %s not counted; first %s, mean %s", count(warmup.rtt.count(),
                    "message"), time(warmup.firstNanos), time(warmup.rtt.mean()));
        }
        print("mean write %s, mean wait %s; an echo in %.2f pieces",
                time(measured.writeNanos.sum() / count), time(measured.waitNanos.sum() / count),
                measured.reads.sum() / count);
        print("%s", conditions());
        for (Object warning : (List<?>) figures.get("warnings")) {
            // No wider than 80 columns: later lines begin with two blanks more.
            print("%s", ("warning: " + warning).replaceAll("(.{1,70})(?: |$)", "\n[bench]   $1")
                    .substring("\n[bench]   ".length()));
        }
    }

    private String conditions() {
        return format("JDK %s, %s %s, %s, load %s, %s (%s ms)", environment.get("java"),
                System.getProperty("os.name"), environment.get("arch"),
                count((int) environment.get("cores"), "core"),
                load < 0 ? "unknown" : format("%.2f", load),
                count((long) environment.get("gc_count"), "collection"),
                environment.get("gc_ms"));
    }

    private void print(String form, Object... values) {
        out.println("[bench] " + format(form, values));
    }

    /** A condition of --fail-if: metric, sign, number and, where it is a time, unit. */
    private static final Pattern LIMIT = Pattern.compile("(min|mean|stddev|max|p50|p90|p95|p99"
            + "|p99[.]9|throughput|messages)([<>])([0-9]+(?:[.][0-9]+)?)(us|ms|s)?");
    private final List<Matcher> limits = new ArrayList<>();

    private Matcher limit(String condition) {
        Matcher limit = LIMIT.matcher(condition.replace(" ", ""));
        Options.check(limit.matches()
                && (limit.group(4) == null) == limit.group(1).matches("throughput|messages"),
                "--fail-if takes a condition such as p99>2ms, mean>100us, throughput<50 (MiB/s) or"
                + " messages<1000 (a second), not " + condition);
        if (limit.group(1).startsWith("p") && !options.given("--duration")) {
            double percent = Double.parseDouble(limit.group(1).substring(1));
            double needed = Math.rint(100 / (100 - percent));
            double count = (double) options.number("--repeat") * parallel;
            Options.check(count >= needed, format("--fail-if %s needs %.0f messages, not %.0f:"
                    + " raise --repeat", limit.group(1), needed, count));
        }
        return limit;
    }

    /** Says so when a condition of --fail-if holds, and by how much; returns the status. */
    private int judge(Matcher limit) {
        String metric = limit.group(1);
        String unit = limit.group(4) != null ? "us"
                : metric.equals("messages") ? "messages/s" : "MiB/s";
        Object value = unit.equals("us") ? micros(rtt).get(metric.replace('.', '_'))
                : figures.get(metric.equals("messages") ? "messages_s" : "throughput_mib_s");
        if (value == null) {
            err.println("[bench] cannot judge --fail-if " + limit.group() + ": too few messages, "
                    + rtt.count() + "; measure for longer");
            return 1;
        }
        double threshold = unit.equals("us")
                ? Options.parse(limit.group(3) + limit.group(4), "h") / 1e3
                : Double.parseDouble(limit.group(3));
        double excess = (double) value - threshold;
        if (limit.group(2).equals(">") ? excess <= 0 : excess >= 0) {
            return 0;
        }
        err.println(format("[bench] failed: %s is %.3f %s, %.3f %s %s the %.3f %s of --fail-if %s",
                metric, value, unit, Math.abs(excess), unit, excess > 0 ? "above" : "below",
                threshold, unit, limit.group()));
        return 3;
    }

    private static String format(String form, Object... values) {
        return String.format(Locale.ROOT, form, values);
    }

    /** A duration in at most eight characters, such as 18.04 us, 1.25 ms or 10.00 s. */
    private static String time(double nanos) {
        int thousands = nanos < 999_950 ? 1 : nanos < 999_950_000 ? 2 : 3;
        double value = nanos / Math.pow(1000, thousands);
        return format(value < 99.995 ? "%.2f %s" : "%.1f %s", value,
                List.of("us", "ms", "s").get(thousands - 1));
    }

    /** Such as 1 message or 20 messages. */
    private static String count(long n, String what) {
        return n + " " + what + (n == 1 ? "" : "s");
    }

    /** Microseconds with three decimals. */
    private static double us(double nanos) {
        return Math.round(nanos) / 1e3;
    }

    /** With a dot for all that would drive a terminal rather than be shown. */
    private static String printable(String text) {
        return text.replaceAll("[\\p{Cc}\\ufffd]", ".");
    }

    /** As one would type it to a shell. */
    private static String quoted(String argument) {
        return argument.matches("[\\w@%+=:,./-]+") ? argument
                : "'" + argument.replace("'", "'\\''") + "'";
    }

    /** A value as JSON (RFC 8259): a map, a list, a number, a boolean, null or a text. */
    private static String toJson(Object value) {
        List<String> parts = new ArrayList<>();
        if (value instanceof Map) {
            ((Map<?, ?>) value).forEach((k, v) -> parts.add(toJson(k) + ": " + toJson(v)));
            return "{" + String.join(", ", parts) + "}";
        }
        if (value instanceof List) {
            ((List<?>) value).forEach(element -> parts.add(toJson(element)));
            return "[" + String.join(", ", parts) + "]";
        }
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return "" + value;
        }
        for (char c : value.toString().toCharArray()) {
            parts.add(c == '"' || c == '\\' ? "\\" + c
                    : c < ' ' || c > '~' ? format("\\u%04x", (int) c) : "" + c);
        }
        return "\"" + String.join("", parts) + "\"";
    }

    /** A map of names and values in turn, in this order. */
    private static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put((String) pairs[i], pairs[i + 1]);
        }
        return map;
    }

    /** Where the JSON, the distribution and the picture go, by option, until they are written. */
    private final Map<String, OutputStream> files = new LinkedHashMap<>();

    /** Opens what the result is to be written to: what can't be written is known at once. */
    private void openFiles() throws IOException {
        for (String option : List.of("--json", "--hgrm", "--plot")) {
            Path file = Path.of(options.text(option));
            try {
                if (options.given(option) && !files.containsKey(option)) {
                    files.put(option, new FileOutputStream(file.toFile(), true));
                }
            } catch (IOException e) {
                throw new IOException("cannot write " + e.getMessage(), e);
            }
            for (String other : files.keySet()) {
                Options.check(other.equals(option) || !options.given(option)
                        || options.text(other).equals("-")
                        || !Files.isSameFile(file, Path.of(options.text(other))),
                        other + " and " + option + " name the same file");
            }
        }
    }

    /** Writes in place, so that links, permissions and devices are left as they are. */
    private boolean write(String option, Supplier<String> content) {
        OutputStream to = files.remove(option);
        try (FileOutputStream file = to instanceof PrintStream ? null : (FileOutputStream) to) {
            // What is a device, or stands for our own output, has no old content to go.
            if (file != null && !options.text(option).startsWith("/dev/")
                    && file.getChannel().size() > 0) {
                file.getChannel().truncate(0);
            }
            if (to != null) {
                to.write(content.get().getBytes(StandardCharsets.UTF_8));
            }
            return true;
        } catch (IOException e) {
            err.println("[client] cannot write " + options.text(option) + ": " + e.getMessage());
            return false;
        }
    }

    /** The run as SVG, readable on light and on dark: two panels with one axis of time. */
    private final class Picture {
        private static final int TOP = 130;
        private static final int BOTTOM = 540;
        /** Above and below the data is room for words. */
        private static final int HIGH = 220;
        private static final int LOW = 505;
        private static final String STYLE = "<style>.back{fill:#fff}"
                + "svg{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
                + "text{fill:#222;font-size:18px}.title{font-size:28px;font-weight:600}"
                + ".small{font-size:17px;fill:#555}path{fill:none}.grid{stroke:#ddd}"
                + ".frame{fill:none;stroke:#888}.warm{fill:#f6eeda}.c0{stroke:#0065a8}"
                + ".c1{stroke:#c84a00;stroke-dasharray:9 4}circle.c0{fill:#0065a8}"
                + ".bar{stroke-width:2;opacity:.25}.dot{stroke-width:4;stroke-linecap:round}"
                + ".curve{stroke-width:3}@media(prefers-color-scheme:dark){.back{fill:#14171c}"
                + "text{fill:#eee}.small{fill:#aaa}.grid{stroke:#333a44}.frame{stroke:#778}"
                + ".warm{fill:#2b2719}.c0{stroke:#5db7f5}.c1{stroke:#ff9a5c}"
                + "circle.c0{fill:#5db7f5}}</style>";

        private final StringBuilder svg = new StringBuilder();
        /** The first and the last line of the axis of time. */
        private int low;
        private int high = 1;
        private final int nines = Math.max(2, (int) Math.ceil(Math.log10(rtt.count())));

        /** Draws all of it. */
        String draw() {
            double least = Math.min(Math.min(rtt.min, warmup.rtt.min), measured.service.min);
            while (tick(low + 1) <= least / 1.3) {
                low++;
            }
            while (tick(high) < 1.2 * Math.max(rtt.max, warmup.rtt.max) || high == low) {
                high++;
            }
            String title = ("TCP echo round trips, " + count(size, "byte") + ", "
                    + count(parallel, "connection")).replaceAll("(\\d)(?=(\\d{3})+ )", "$1,");
            add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1280 690\" role=\"img\">");
            add("<title>" + title + "</title>" + STYLE);
            add("<rect class=\"back\" width=\"1280\" height=\"690\"/>");
            text(30, 48, "title", "start", title);
            text(30, 82, "", "start", format("mean %s, median %s, %,.0f messages/s, %,d in all%s",
                    time(rtt.mean()), time(rtt.percentile(50)), rtt.count() / seconds, rtt.count(),
                    interrupted ? ", INTERRUPTED" : ""));
            inOrder(110, warmup.rtt.count() == 0 ? 110 : 310, 640);
            byPercentile();
            text(30, 650, "small", "start", conditions());
            text(30, 676, "small", "start", command.replaceAll("(.{115}).{4,}", "$1..."));
            return svg + "</svg>\n";
        }

        /** Line number i of the axis, in nanoseconds: 1, 2 and 5 times the powers of ten. */
        private double tick(int i) {
            return Math.pow(10, i / 3) * List.of(1, 2, 5).get(i % 3);
        }

        /** The height at which a time is drawn. */
        private double y(double nanos) {
            double share = Math.log(nanos / tick(low)) / Math.log(tick(high) / tick(low));
            return LOW - Math.max(0, share) * (LOW - HIGH);
        }

        /** The frame of a panel, its lines across, and what it is about. */
        private void panel(double left, double right, String title, String below) {
            for (int i = low; i <= high; i++) {
                if (high - low < 12 || i % 3 == 0) {
                    add("<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", left, y(tick(i)), right);
                    text(left - 8, y(tick(i)) + 6, "small", "end",
                            left > 110 ? "" : time(tick(i)).replaceAll("[.]?0* ", " "));
                }
            }
            add("<rect class=\"frame\" x=\"%.0f\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>",
                    left, TOP, right - left, BOTTOM - TOP);
            text(left, TOP - 12, "", "start", title);
            text((left + right) / 2, BOTTOM + 58, "", "middle", below);
        }

        /** Round trips in their order: warm-up first, then what counts. */
        private void inOrder(double left, double middle, double right) {
            add("<rect class=\"warm\" x=\"%.0f\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>",
                    left, TOP, middle - left, BOTTOM - TOP);
            panel(left, right, (rate > 0 ? "response times" : "round trips") + " in their order",
                    "messages" + (parallel > 1 ? " on each connection" : ""));
            if (middle > left) {
                stretch(warmup.series, left, middle);
                text((left + middle) / 2, TOP + 30, "small", "middle", "warm-up, not counted");
            }
            stretch(measured.series, middle, right);
            long each = measured.series.width * parallel;
            text((middle + right) / 2, TOP + 30, "small", "middle",
                    each == 1 ? "dot: one message" : format("dot: mean of %,d messages", each));
            text((middle + right) / 2, TOP + 52, "small", "middle",
                    each == 1 ? "" : "bar: from least to greatest");
        }

        /** A dot for each bin at its mean, on a bar from its least to its greatest. */
        private void stretch(Series series, double from, double to) {
            StringBuilder bars = new StringBuilder();
            StringBuilder dots = new StringBuilder();
            for (int i = 0; i < Series.BINS && series.bins[i] != null; i++) {
                double x = from + Math.min(0.995, (i + 0.5) * series.width / series.length)
                        * (to - from);
                double[] bin = series.bins[i];
                if (bin[1] > bin[0]) {
                    bars.append(format("M%.1f %.1fV%.1f", x, y(bin[0]), y(bin[1])));
                }
                dots.append(format("M%.1f %.1fh.1", x, y(bin[2] / bin[3])));
            }
            add("<path class=\"bar c0\" d=\"%s\"/>", bars);
            add("<path class=\"dot c0\" d=\"%s\"/>", dots);
            text((from + to) / 2, BOTTOM + 28, "small", "middle", format("%,d", series.length));
        }

        /** Percentile curves, on which each further nine takes the same room. */
        private void byPercentile() {
            panel(700, 1220, rate > 0 ? "response times by percentile; dashed: service times"
                    : "round trips by percentile", "percent of all messages");
            for (int i = 0; i <= nines; i += nines > 5 && i > 2 ? 2 : 1) {
                double x = 700 + 520.0 * i / nines;
                add("<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, TOP, BOTTOM);
                text(x, BOTTOM + 28, "small", "middle",
                        new BigDecimal(100).subtract(BigDecimal.ONE.movePointLeft(i - 2)) + " %");
            }
            if (rate > 0) {
                curve(measured.service, "c1");
            }
            curve(rtt, "c0");
            // Labels stand above the curve, which only rises, each above the one before it.
            double above = BOTTOM;
            for (String name : List.of("p50", "p95", "p99", "p99.9", "max")) {
                double percent = name.equals("max") ? 100 : Double.parseDouble(name.substring(1));
                if (rtt.supports(percent) || percent == 100) {
                    double x = x(percent);
                    double y = y(rtt.percentile(percent));
                    above = Math.min(y - 12, above - 20);
                    boolean first = percent == 50 || x < 810; // clear of the frame
                    text(first ? x + 4 : x - 6, percent == 50 ? y + 26 : above, "small",
                            first ? "start" : "end", name + " " + time(rtt.percentile(percent)));
                    add("<circle class=\"c0\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>", x, y);
                }
            }
        }

        /** Where a percentile is drawn; the maximum is as far out as there are messages. */
        private double x(double percent) {
            return 700 + 520 * Math.log10(Math.min(rtt.count(), 100 / (100 - percent))) / nines;
        }

        private void curve(Histogram histogram, String colour) {
            StringBuilder path = new StringBuilder();
            for (int i = 0; i <= 100 * nines; i++) {
                double percent = i == 100 * nines ? 100 : 100 - 100 / Math.pow(10, i / 100.0);
                path.append(format("%s%.1f %.1f", i == 0 ? "M" : "L", x(percent),
                        y(histogram.percentile(percent))));
            }
            add("<path class=\"curve %s\" d=\"%s\"/>", colour, path);
        }

        private void text(double x, double y, String style, String anchor, String text) {
            add("<text class=\"%s\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>", style, x,
                    y, anchor, printable(text).replace("&", "&amp;").replace("<", "&lt;")
                    .replace(">", "&gt;"));
        }

        private void add(String form, Object... values) {
            svg.append(values.length == 0 ? form : format(form, values)).append('\n');
        }
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
