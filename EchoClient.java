import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * A TCP echo client: it sends one message and shows what comes back, or it measures how long
 * that takes. Try it, while {@code java EchoServer.java} runs in another terminal:
 * <pre>
 *     java EchoClient.java --message "Hello, echo!"
 *     java EchoClient.java --bench
 *     java EchoClient.java --bench --size 16k --duration 10s --plot run.svg
 * </pre>
 * A round trip runs from just before the first byte is sent to just after the last echoed byte
 * is read. Then, with the clock stopped, every echoed byte is compared with the one that was
 * sent. One wrong byte makes the whole run invalid.
 *
 * <p>The story is told in this order: one round trip; one message; a benchmark, which is many
 * round trips; how a run begins and ends; what the times mean; how that is shown; and last the
 * files and the command line.
 */
public class EchoClient {

    private static final long SECOND = 1_000_000_000; // in nanoseconds, as all times here
    private static final long ENDLESS = Long.MAX_VALUE; // messages or nanoseconds

    private final PrintStream out;
    private final PrintStream err;
    private PrintStream text; // with --json -, out is for the JSON alone
    private boolean hasResult; // whether more is shown than a message and its echo

    private ByteBuffer payload; // the bytes of all messages; each is a part of them
    private int messageSize;
    private int differentMessages = 1;
    private volatile InetAddress server; // that answered first; all connections go there
    private final Set<Thread> threads = ConcurrentHashMap.newKeySet(); // that run
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    private CyclicBarrier allConnected; // where all threads meet before the warm-up,
    private CyclicBarrier allWarm; // after the warm-up,
    private CyclicBarrier allDone; // and at the end

    private final Tally warmup = new Tally();
    private final Tally measured = new Tally();
    private volatile Tally phase = warmup; // the one of these two that is under way
    private volatile long beganNanos; // when that began
    private volatile long endedNanos; // when the run ended
    private double load; // of the machine before the run; negative if it is not known
    private long collectionsBefore; // garbage collections before the measurement
    private long cpuNanosBefore; // CPU time of this program before the measurement
    private final List<String> warnings = new ArrayList<>();
    private volatile boolean stopped; // all threads have to end
    private volatile boolean interrupted; // the user wanted that (Ctrl-C)
    private volatile String wrongByte; // where one came back: then no figure can be trusted
    private volatile Throwable failure; // the first one; null if there is none
    private final CountDownLatch over = new CountDownLatch(1); // opens when it is stopped
    private volatile boolean reported; // the result is out
    private volatile String erase = ""; // clears the line of the progress, if there is one
    /** Where the result goes, besides the text; null if it was not asked for. */
    private FileOutputStream jsonFile;
    private FileOutputStream hgrmFile;
    private FileOutputStream plotFile;

    // One round trip.

    /** What is known of a round trip. The times are of System.nanoTime. */
    private static final class Trip {
        private final String kind; // "message" or "warm-up message"
        private long number; // from 1
        private long startNanos; // just before the first byte was sent
        private long writtenNanos; // just after the last byte was sent
        private long endNanos; // just after the last echoed byte was read
        private int reads; // how many reads the echo took: in how many pieces it came

        Trip(String kind) {
            this.kind = kind;
        }
    }

    /** A connection to the server. One thread uses it; any thread may close it. */
    private final class Connection implements AutoCloseable {
        private final int index;
        private final SocketChannel channel = SocketChannel.open();
        private volatile Selector selector; // waits for a channel that does not block
        private SelectionKey key;
        /** What comes back. With room for one byte too many, so that a surplus byte is seen. */
        private ByteBuffer echo = ByteBuffer.allocateDirect(0);
        private final ByteBuffer window = payload.duplicate(); // shows the next message
        private long next; // its number
        private volatile long movedNanos; // when a byte last moved; 0 while no message is sent
        private long seenNanos; // the movedNanos that the watch last saw,
        private long sameLooks; // and how often it saw the same
        private volatile boolean timedOut;

        Connection(int index) throws IOException {
            this.index = index;
        }

        /**
         * Sends a message and waits until as many bytes have come back. Afterwards the message
         * is as it was, and echo holds what came.
         *
         * @throws IOException if the connection is lost, if nothing moves for the time of
         *         --timeout, or if what came until then is not what was sent
         */
        void roundTrip(ByteBuffer message, Trip trip) throws IOException {
            Exception loss = null;
            trip.number++;
            trip.reads = 0;
            message.mark();
            try {
                prepare(message.remaining());
                if (channel.isBlocking()) {
                    writeThenRead(message, trip);
                } else {
                    readWhileWriting(message, trip);
                }
            } catch (IOException | IllegalStateException e) { // a closed selector: the latter
                loss = e;
            }
            movedNanos = 0;
            message.reset(); // both can now be read from their first byte on
            echo.flip();
            if (loss != null) {
                compare(message, trip); // a wrong byte explains more than a missing one
                phase.lost.increment();
                throw new IOException(whyLost(loss, trip, message.remaining()), loss);
            }
        }

        /** The round trip of a message that fits into the buffers of the kernel. */
        private void writeThenRead(ByteBuffer message, Trip trip) throws IOException {
            int size = message.remaining();
            trip.startNanos = noteMove();
            while (message.hasRemaining()) {
                channel.write(message);
            }
            trip.writtenNanos = noteMove();
            trip.endNanos = trip.writtenNanos; // so it stays for a message of no bytes
            while (echo.position() < size) {
                if (channel.read(echo) < 0) {
                    throw new IOException("the server closed it");
                }
                trip.endNanos = noteMove();
                trip.reads++;
            }
        }

        /**
         * The round trip of a larger message. If all of it were written first, both sides could
         * wait for ever: the server for us to read the echo, we for it to read the rest.
         */
        private void readWhileWriting(ByteBuffer message, Trip trip) throws IOException {
            int size = message.remaining();
            trip.startNanos = noteMove();
            trip.writtenNanos = trip.startNanos;
            trip.endNanos = trip.startNanos;
            while (echo.position() < size) {
                int written = channel.write(message); // 0 if all has been written
                if (written > 0) {
                    trip.writtenNanos = noteMove();
                }
                int read = channel.read(echo);
                if (read < 0) {
                    throw new IOException("the server closed it");
                }
                if (read > 0) {
                    trip.endNanos = noteMove();
                    trip.reads++;
                }
                if (written == 0 && read == 0) {
                    awaitReady(message.hasRemaining());
                }
            }
        }

        /** Waits until there is something to read or, if that is wanted, room to write. */
        private void awaitReady(boolean toWrite) throws IOException {
            if (spin) {
                Thread.onSpinWait();
            } else {
                int write = toWrite ? SelectionKey.OP_WRITE : 0;
                key.interestOps(SelectionKey.OP_READ | write);
                selector.select();
                selector.selectedKeys().clear();
            }
        }

        /** The time, which is noted: a byte has moved. */
        private long noteMove() {
            long now = System.nanoTime();
            movedNanos = now;
            return now;
        }

        /** Makes room for an echo of this size, and chooses one of the two ways above. */
        private void prepare(int size) throws IOException {
            if (echo.capacity() <= size) {
                echo = ByteBuffer.allocateDirect(size + 1);
                // If our receive buffer holds the whole echo, the server never waits for us.
                // Only a quarter of it is trusted: the kernel counts its bookkeeping, too.
                int room = channel.getOption(StandardSocketOptions.SO_RCVBUF) / 4;
                if (channel.isBlocking() && (spin || size > room)) {
                    channel.configureBlocking(false);
                    selector = Selector.open();
                    key = channel.register(selector, SelectionKey.OP_READ);
                }
            }
            echo.clear();
        }

        /** Compares what came back with the message; the first difference is an error. */
        void compare(ByteBuffer message, Trip trip) throws IOException {
            int at = message.mismatch(echo);
            if (at < 0 || at == echo.limit()) {
                return; // equal, or equal as far as the echo came
            }
            String sent = "nothing more";
            if (at < message.remaining()) {
                sent = format("0x%02x", message.get(message.position() + at));
            }
            String where = format("INVALID: %s %d, offset %d: sent %s, received 0x%02x; ",
                    trip.kind, trip.number, at, sent, echo.get(at));
            if (echoesBefore() > 0) {
                wrongByte = where + "the server, or something on the path, has changed it";
            } else {
                wrongByte = where + "is it an echo server?";
            }
            throw new IOException(wrongByte);
        }

        /** Why a round trip was not finished, and what to do about it. */
        private String whyLost(Exception loss, Trip trip, int size) {
            String where = format(" in %s %d, after %d of %d bytes of the echo; ", trip.kind,
                    trip.number, echo.limit(), size);
            if (!timedOut) {
                return "connection lost: " + loss.getMessage() + where + "look at the server";
            }
            where = "timed out: nothing moved for " + time(timeoutNanos) + where;
            if (echoesBefore() > 0) {
                where += count(echoesBefore(), "message") + " came back before: the path or the"
                        + " server has gone silent; ";
            }
            if (echoesBefore() > 0 || echo.limit() > 0) {
                return where + "--timeout allows more";
            }
            if (size > 500) {
                where += "are packets of this size lost (does a small --size work)? ";
            }
            return where + "is it an echo server, is it full (--max-connections), or does it"
                    + " wait for a line end, which --message - sends without --bench?";
        }

        private long echoesBefore() {
            return warmup.rtt.count() + measured.rtt.count();
        }

        /** The next message of a benchmark: its round trip, and the comparison. */
        void sendNext(Trip trip) throws IOException {
            ByteBuffer message = nextMessage();
            roundTrip(message, trip);
            compare(message, trip);
        }

        /** Moves the window. Each connection begins at another message. */
        ByteBuffer nextMessage() {
            int from = (int) ((next + 101L * index) % differentMessages);
            next++;
            return window.limit(from + messageSize).position(from);
        }

        void open(InetAddress address, long limitNanos) throws IOException {
            if (stopped) {
                throw new IOException("stopped");
            }
            // Nagle's algorithm (RFC 896) would hold back the end of a message until the server
            // has acknowledged its beginning, which the server delays by about 40 ms.
            channel.setOption(StandardSocketOptions.TCP_NODELAY, !nagle);
            int millis = (int) Math.max(1, limitNanos / 1_000_000);
            channel.socket().connect(new InetSocketAddress(address, port), millis);
            if (channel.getLocalAddress().equals(channel.getRemoteAddress())) {
                // TCP lets a socket connect to itself, if its own port happens to be the one
                // that it connects to (simultaneous open). It would even echo.
                channel.setOption(StandardSocketOptions.SO_LINGER, 0); // frees the port at once
                throw new ConnectException("nobody listens there");
            }
        }

        /**
         * Closes the connection if so many looks in a row saw no byte move. Looks are counted,
         * not time: after this program was suspended (Ctrl-Z, the lid of a laptop), the echo
         * may have come, and only wait to be read.
         */
        void look(long mostLooks) {
            long moved = movedNanos;
            sameLooks++;
            if (moved == 0 || moved != seenNanos) {
                seenNanos = moved;
                sameLooks = 0;
            }
            if (sameLooks >= mostLooks) {
                timedOut = true;
                close();
            }
        }

        /** Closes it. A round trip that is under way in another thread fails at once. */
        @Override
        public void close() {
            connections.remove(this);
            closeQuietly(channel);
            if (selector != null) {
                closeQuietly(selector);
            }
        }
    }

    /**
     * Connects. The first connection tries all addresses of the server's name, in the time of
     * --timeout for all together. The other connections go where that one has gone.
     */
    private Connection connect(int index) throws IOException {
        IOException reason = null; // that of the first address, which is the one that was meant
        try {
            InetAddress[] addresses = {server};
            if (index == 0) {
                addresses = InetAddress.getAllByName(host);
            }
            long deadline = System.nanoTime() + timeoutNanos;
            for (int i = 0; i < addresses.length; i++) {
                server = addresses[i];
                Connection connection = new Connection(index);
                connections.add(connection);
                try {
                    long left = deadline - System.nanoTime();
                    connection.open(server, left / (addresses.length - i));
                    return connection;
                } catch (IOException e) {
                    connection.close();
                    if (reason == null) {
                        reason = e;
                    }
                }
            }
        } catch (IOException e) { // no address, or no socket
            reason = e;
        }
        throw new IOException("cannot connect to " + address(host, port) + ": "
                + whyNotConnected(reason), reason);
    }

    /** What is wrong, and what to do about it. */
    private String whyNotConnected(IOException e) {
        String what = "" + e.getMessage();
        if (host.contains("%") && e instanceof UnknownHostException) {
            return "unknown network interface; check what follows the % in --host";
        } else if (what.contains("Temporary failure")) {
            return "no name server answers; check the network, or give an address";
        } else if (e instanceof UnknownHostException) {
            return "unknown host; check --host";
        } else if (e instanceof SocketTimeoutException || what.contains("timed out")) {
            return "no answer within " + time(timeoutNanos)
                    + "; is the host up, does a firewall drop this port, is the server full?";
        } else if (e instanceof BindException) {
            return what + "; no local port is left (use less --parallel, or wait a minute), or"
                    + " no address of this machine reaches the host";
        } else if (e instanceof ConnectException && isHere(server)) {
            return what + "; is the server running? start it with: java EchoServer.java --port "
                    + port;
        } else if (e instanceof ConnectException) {
            return what + "; does the server run there, and with --host 0.0.0.0 (else it is on"
                    + " loopback only)? a firewall can refuse, too";
        } else if (what.contains("address type") || what.contains("Protocol family")) {
            return "this Java runs without IPv6 (preferIPv4Stack, or the system has none)";
        } else if (what.contains("Invalid argument")) {
            return what + "; an address like fe80::1 needs its interface: fe80::1%eth0";
        } else if (what.contains("files")) {
            return what + "; raise ulimit -n, or use less --parallel";
        }
        return what + "; is the network up, is the address right?";
    }

    /** Whether an address is one of this machine. */
    private static boolean isHere(InetAddress address) {
        try {
            return address.isLoopbackAddress() || address.isAnyLocalAddress()
                    || NetworkInterface.getByInetAddress(address) != null;
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Makes what is sent: a given text; or random bytes (some paths would compress others), of
     * which the next message begins one byte later than the last. Their lowest bits are 0 and 1
     * in turn: so messages differ in every byte, and an old echo can't pass for a new one.
     */
    private void makePayload() {
        byte[] bytes = messageText.getBytes(StandardCharsets.UTF_8);
        messageSize = bytes.length;
        if (randomBytes >= 0) {
            messageSize = randomBytes;
            differentMessages = 1000;
            bytes = new byte[999_998]; // not a length at which buffers are cut
            new Random(862).nextBytes(bytes);
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) (bytes[i] & ~1 | i & 1);
            }
        }
        payload = ByteBuffer.allocateDirect(messageSize + differentMessages - 1);
        while (payload.hasRemaining()) { // the bytes again and again
            payload.put(bytes, 0, Math.min(bytes.length, payload.remaining()));
        }
    }

    // One message.

    /** Sends one message, or each line of standard input, and shows what comes back. */
    private void sendMessages(Connection connection) throws IOException {
        Trip trip = new Trip("message");
        if (!messageText.equals("-")) {
            send(connection, connection.nextMessage(), trip);
            return;
        }
        byte[] line = readLine();
        while (line.length > 0 && !out.checkError()) {
            send(connection, ByteBuffer.wrap(line), trip);
            line = readLine();
        }
    }

    private void send(Connection connection, ByteBuffer message, Trip trip) throws IOException {
        text.println("[client] sent    : " + quoted(message));
        beganNanos = System.nanoTime();
        connection.roundTrip(message, trip);
        text.println("[client] received: " + quoted(connection.echo));
        connection.compare(message, trip);
        double millis = (trip.endNanos - trip.startNanos) / 1e6;
        text.println("[client] RTT     : " + format("%.3f ms", millis));
        measured.record(trip);
    }

    /** The bytes as a text, shortened to 60 characters, and how many bytes they are. */
    private static String quoted(ByteBuffer bytes) {
        byte[] head = new byte[Math.min(bytes.remaining(), 244)]; // 61 characters at least
        bytes.duplicate().get(head);
        String shown = printable(new String(head, StandardCharsets.UTF_8));
        if (shown.length() > 60) {
            shown = shown.substring(0, 60) + "...";
        }
        return "\"" + shown + "\" (" + bytes.remaining() + " bytes)";
    }

    /** A line of input with its end, which the last may lack; empty after the last one. */
    private static byte[] readLine() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int b = 0;
        while (b >= 0 && b != '\n') {
            b = System.in.read();
            if (b >= 0) {
                line.write(b);
            }
        }
        return line.toByteArray();
    }

    // A benchmark: many round trips, on one or more connections at the same time.

    /** When a phase ends: after so many messages on each connection, or after so long. */
    private static final class Limit {
        private final long messages;
        private final long nanos;

        Limit(long messages, long nanos) {
            this.messages = messages;
            this.nanos = nanos;
        }
    }

    /** What each thread does in a benchmark. They wait for each other before each phase. */
    private void benchmark(Connection connection)
            throws IOException, InterruptedException, BrokenBarrierException {
        allConnected.await();
        closedLoop(connection, new Trip("warm-up message"), warmup, warmupLimit);
        allWarm.await();
        if (rate > 0) {
            openLoop(connection, new Trip("message"), measureLimit);
        } else {
            closedLoop(connection, new Trip("message"), measured, measureLimit);
        }
        allDone.await(); // nobody closes earlier: that would take time from the others
    }

    /** Run by the last thread that arrives at the barrier, while the others wait. */
    private void beginMeasurement() {
        if (rate > 0 && warmup.rtt.supports(80)) {
            // The median, because the first messages are slow.
            double carried = (double) SECOND / warmup.rtt.percentile(50);
            double needed = Math.ceil(rate / carried);
            if (needed > parallel) { // worth knowing at once
                warnings.add(format("one connection carries %s/s; --rate %d needs --parallel"
                        + " %.0f", rounded(carried), rate, needed));
                err.println(erase + "[bench] warning: " + warnings.get(0));
            }
        }
        phase = measured;
        collectionsBefore = collections();
        cpuNanosBefore = cpuNanos();
        beganNanos = System.nanoTime();
    }

    /** A closed loop: the next message is sent when the last one has come back. */
    private void closedLoop(Connection connection, Trip trip, Tally tally, Limit limit)
            throws IOException {
        trip.endNanos = beganNanos;
        while (trip.number < limit.messages && trip.endNanos - beganNanos < limit.nanos
                && !stopped) {
            connection.sendNext(trip);
            tally.record(trip);
        }
    }

    /**
     * An open loop: a message is sent when it is due, on a schedule of --rate messages a second
     * over all connections. If an echo is still under way, it is sent right after that, and
     * its response time counts from when it was due. So a server that stands still makes all
     * messages slow that were due meanwhile, as it would for clients that know nothing of each
     * other. A closed loop would show one slow message (coordinated omission).
     */
    private void openLoop(Connection connection, Trip trip, Limit limit) throws IOException {
        long total = dueHere(connection, limit);
        long number = 0;
        trip.endNanos = beganNanos;
        try {
            // What was due before the end is sent after it, too, for as long again at most.
            // (2 * limit.nanos would overflow.)
            while (number < total && trip.endNanos - beganNanos - limit.nanos <= limit.nanos) {
                long due = dueNanos(connection, number);
                boolean late = trip.endNanos > due; // an echo was still under way
                awaitDue(due);
                if (stopped) {
                    return;
                }
                connection.sendNext(trip);
                measured.recordScheduled(trip, due, late);
                number++;
            }
            if (limit.nanos < ENDLESS) { // it lasts as long as was asked for
                awaitDue(beganNanos + limit.nanos);
            }
        } finally {
            if (number < total) {
                endNow();
                countWaiting(connection, number, trip.number > number, total);
            }
        }
    }

    /**
     * What is due by now and has no echo counts, too: as far as it has waited. Only the first
     * may have been sent. If there are very many, neighbours are counted together, as if all
     * had waited as long as the first.
     */
    private void countWaiting(Connection connection, long first, boolean sent, long total) {
        long due = dueHere(connection, new Limit(total, endedNanos - beganNanos));
        long together = 1 + (due - first) / 100_000;
        for (long number = first; number < due; number += together) {
            measured.recordWaiting(dueNanos(connection, number),
                    Math.min(together, due - number), sent && number == first);
        }
    }

    /**
     * How many messages of this connection are due before the end. The connections take turns:
     * of 10 places on the schedule, 0, 2, 4, 6 and 8 can belong to one, the others to another.
     */
    private long dueHere(Connection connection, Limit limit) {
        double dueInAll = (double) limit.nanos / SECOND * rate;
        double dueHere = Math.ceil((dueInAll - connection.index) / parallel);
        return (long) Math.min(limit.messages, Math.max(0, dueHere));
    }

    /** When a message of this connection is due; its first one has number 0. */
    private long dueNanos(Connection connection, long number) {
        double place = connection.index + number * (double) parallel;
        return beganNanos + (long) (place * SECOND / rate);
    }

    /**
     * Waits for a point in time. A parked thread wakes up late, so at last the clock is polled;
     * without onSpinWait, which on a virtual machine can take microseconds.
     */
    private void awaitDue(long dueNanos) {
        long pollNanos = 200_000;
        if (parallel > 1) {
            // A thread that polls takes a core from those that have something to do. So all
            // together get a tenth of one.
            pollNanos = Math.min(pollNanos, SECOND / 10 / rate);
        }
        long left = dueNanos - System.nanoTime();
        while (left > 0 && !stopped) {
            if (left > pollNanos) {
                LockSupport.parkNanos(left - pollNanos);
            }
            left = dueNanos - System.nanoTime();
        }
    }

    // How a run begins and ends.

    public static void main(String... args) {
        int status = run(System.out, System.err, args);
        if (status != 0) {
            System.exit(status);
        }
    }

    /** Does what main does, but returns the exit status: in jshell the session goes on. */
    static int run(String... args) {
        return run(System.out, System.err, args);
    }

    /** Returns 0 if it worked, 1 if it failed, 2 for a wrong command line, 130 on Ctrl-C. */
    static int run(PrintStream out, PrintStream err, String... args) {
        EchoClient client = new EchoClient(out, err);
        try {
            client.parse(args);
        } catch (IllegalArgumentException e) {
            err.println("[client] " + printable(e.getMessage()));
            return 2;
        }
        int status = 0;
        if (client.help) {
            out.print(HELP);
        } else {
            status = client.measureAndReport();
        }
        if (out.checkError()) {
            err.println("[client] cannot write to standard output");
            return 1;
        }
        return status;
    }

    private EchoClient(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    private int measureAndReport() {
        int status = 1;
        Thread hook = new Thread(this::stopBySignal, "signal");
        try {
            Runtime.getRuntime().addShutdownHook(hook);
            prepareRun();
            startThread("client-0", () -> work(0));
            watch();
        } catch (IOException | IllegalStateException | OutOfMemoryError e) {
            stop(e, false);
        } catch (InterruptedException e) {
            // the user wants to stop
        } finally { // jshell's Ctrl-C throws an error into this thread
            stop(null, true); // if the run is over, this does nothing
            waitFor(threads::isEmpty);
            status = report();
            reported = true;
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // the hook is running: it was Ctrl-C
            }
        }
        return status;
    }

    /** Opens what is written at the end, too: so an error is told before the run. */
    private void prepareRun() throws IOException {
        hasResult = bench || jsonName != null;
        boolean toOut = "-".equals(jsonName);
        text = toOut ? new PrintStream(OutputStream.nullOutputStream()) : out;
        jsonFile = toOut ? null : open(jsonName);
        hgrmFile = open(hgrmName);
        plotFile = open(plotName);
        makePayload();
        allConnected = new CyclicBarrier(parallel, () -> beganNanos = System.nanoTime());
        allWarm = new CyclicBarrier(parallel, this::beginMeasurement);
        allDone = new CyclicBarrier(parallel);
        if (hasResult) { // for one message alone these 50 ms would be too long
            load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
            collectionsBefore = collections();
        }
    }

    /** The life of a thread. The first one finds the server; then it starts the others. */
    private void work(int index) {
        threads.add(Thread.currentThread());
        try (Connection connection = connect(index)) {
            if (index == 0) {
                for (int i = 1; i < parallel && !stopped; i++) {
                    int other = i;
                    startThread("client-" + i, () -> work(other));
                }
            }
            if (bench) {
                benchmark(connection);
            } else {
                sendMessages(connection);
            }
            stop(null, false);
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            stop(e, false);
        } catch (InterruptedException | BrokenBarrierException e) {
            // another thread has failed, or it was Ctrl-C: stop was called already
        } finally {
            threads.remove(Thread.currentThread());
        }
    }

    /** Waits until the run is over; meanwhile looks for time-outs, and shows the progress. */
    private void watch() throws InterruptedException {
        boolean show = bench && err == System.err && errorIsTerminal();
        long lookNanos = Math.min(timeoutNanos / 10, SECOND / 2);
        long nextNanos = System.nanoTime() + SECOND;
        while (!over.await(lookNanos, TimeUnit.NANOSECONDS)) {
            connections.forEach(c -> c.look(timeoutNanos / lookNanos));
            if (show && System.nanoTime() > nextNanos) {
                erase = "\r" + " ".repeat(79) + "\r";
                err.print(erase + "[bench] " + progress());
                err.flush();
                nextNanos += SECOND;
            }
        }
        err.print(erase);
        err.flush();
    }

    /** Only another program can tell whether standard error is a terminal. */
    private static boolean errorIsTerminal() throws InterruptedException {
        try {
            return new ProcessBuilder("test", "-t", "2").inheritIO().start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** What is done of what, in at most 70 characters. */
    private String progress() {
        Tally tally = phase;
        long done = tally.rtt.count();
        if (done == 0) {
            return "no echo yet on " + count(connections.size(), "connection");
        }
        String name = tally == warmup ? "warm-up" : "measured";
        Limit limit = tally == warmup ? warmupLimit : measureLimit;
        double seconds = (System.nanoTime() - beganNanos) / 1e9;
        String mean = time(tally.rtt.mean());
        if (limit.nanos < ENDLESS) {
            return format("%s %.0f of %.0f s: %,d messages, mean %s", name, seconds,
                    limit.nanos / 1e9, done, mean);
        }
        long all = limit.messages * parallel;
        double left = seconds / done * (all - done);
        String about = left < 100 ? format("%.0f s", left) : format("%.0f min", left / 60);
        return format("%s %,d of %,d messages, mean %s, about %s left", name, done, all, mean,
                about);
    }

    /** Makes all threads end at once. The first call counts; null if nothing has failed. */
    private synchronized void stop(Throwable reason, boolean byUser) {
        if (!stopped) {
            endNow();
            failure = reason;
            interrupted = byUser;
            stopped = true;
            threads.forEach(Thread::interrupt); // those that wait for others, or to send
            connections.forEach(Connection::close); // those that wait for an echo
            over.countDown();
        }
    }

    /** The run ends, unless it has ended before. */
    private synchronized void endNow() {
        if (endedNanos == 0) {
            endedNanos = System.nanoTime();
        }
    }

    /** On Ctrl-C: keeps the program alive until what was measured so far is reported. */
    private void stopBySignal() {
        stop(null, true);
        waitFor(() -> reported || !hasResult);
    }

    private static void waitFor(BooleanSupplier condition) {
        long deadline = System.nanoTime() + 5 * SECOND;
        while (!condition.getAsBoolean() && System.nanoTime() < deadline) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    /** Reports the result or the failure, or both; returns the exit status. */
    private int report() {
        String error = wrongByte;
        if (error == null && failure != null) {
            error = whyFailed(failure);
        }
        if (error == null && hasResult && measured.rtt.count() == 0) {
            error = "interrupted before anything was measured";
        }
        if (measured.rtt.count() == 0 && measured.response.count() > 0) {
            error += format("; %,d were due, none came back", measured.response.count());
        }
        if (error != null) {
            err.println("[client] " + printable(error));
        }
        boolean written = !hasResult || writeResult(error);
        if (interrupted) {
            return 130;
        }
        return (error == null && written) ? 0 : 1;
    }

    private boolean writeResult(String error) {
        if (wrongByte != null || measured.rtt.count() == 0) {
            return writeFiles(new Json().add("valid", false).add("interrupted", interrupted)
                    .add("error", error).toString(), "", "");
        }
        Result result = new Result(error);
        if (bench) {
            result.warn();
            show(result);
        }
        String hgrm = hgrmFile == null ? "" : result.latency.toHgrm();
        String picture = plotFile == null ? "" : new Picture(result).draw();
        return writeFiles(toJson(result), hgrm, picture);
    }

    private static String whyFailed(Throwable e) {
        String message = "" + e.getMessage();
        if (e instanceof FileNotFoundException) {
            return "cannot write " + message;
        }
        if (message.contains("native thread")) {
            return "cannot start so many threads: use less --parallel, or allow more processes"
                    + " (ulimit -u, or the limit of a container)";
        }
        if (e instanceof OutOfMemoryError) {
            return "out of memory: use a smaller --parallel or --size, or java -Xmx4g";
        }
        return e instanceof IOException ? message : e.toString();
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

    // What the times mean.

    /** The messages of the warm-up, or those measured, on all connections together. */
    private final class Tally {
        private final Histogram rtt = new Histogram(); // from when a message was sent
        private final Histogram response = new Histogram(); // --rate: from when it was due
        private final Histogram wakeup = new Histogram(); // --rate: sent late by our own fault
        private final Histogram behind = new Histogram(); // --rate: late after a late echo
        private final LongAdder unsent = new LongAdder(); // --rate: due, and not sent
        private final LongAdder lost = new LongAdder(); // sent, no echo at the end
        private final Histogram first = new Histogram(); // the first of each connection
        private final LongAdder writeNanos = new LongAdder(); // where the time went: writing,
        private final LongAdder waitNanos = new LongAdder(); // and waiting after that
        private final LongAdder reads = new LongAdder();
        private final Series series = new Series(); // only recorded for a picture

        void record(Trip trip) {
            recordTrip(trip);
            recordPoint(trip.startNanos, trip.endNanos - trip.startNanos);
        }

        /** Late: the one before it had no echo yet when it was due. */
        void recordScheduled(Trip trip, long dueNanos, boolean late) {
            Histogram lateness = late ? behind : wakeup;
            lateness.record(trip.startNanos - dueNanos);
            response.record(trip.endNanos - dueNanos);
            recordTrip(trip);
            recordPoint(dueNanos, trip.endNanos - dueNanos);
        }

        /** Records messages that were due then, and have no echo. */
        void recordWaiting(long dueNanos, long messages, boolean sent) {
            long waited = Math.max(0, endedNanos - dueNanos);
            response.record(waited, messages);
            recordPoint(dueNanos, waited);
            if (!sent) {
                unsent.add(messages);
                behind.record(waited, messages);
            }
        }

        private void recordTrip(Trip trip) {
            rtt.record(trip.endNanos - trip.startNanos);
            writeNanos.add(trip.writtenNanos - trip.startNanos);
            waitNanos.add(trip.endNanos - trip.writtenNanos);
            reads.add(trip.reads);
            if (trip.number == 1) {
                first.record(trip.endNanos - trip.startNanos);
            }
        }

        private void recordPoint(long atNanos, long nanos) {
            if (plotName != null) {
                series.add(atNanos - beganNanos, nanos);
            }
        }
    }

    /**
     * Counts durations in nanoseconds, in buckets that are 1 ns wide up to 2047 ns, and beyond
     * that 1/1024 of the next lower power of two: so three significant digits are kept, as in
     * HdrHistogram. For example 5000, halved twice, is 1250, so it is counted in bucket
     * 2 * 1024 + 1250, with 5001 to 5003. There is no lock, with which a thread that is
     * suspended would make all others wait.
     */
    static final class Histogram {
        private static final int HALF = 1024;

        private final AtomicLongArray buckets = new AtomicLongArray(55 * HALF);
        private final LongAdder count = new LongAdder();
        private final DoubleAdder sum = new DoubleAdder();
        private final DoubleAdder sumOfSquares = new DoubleAdder();
        private final LongAccumulator min = new LongAccumulator(Math::min, Long.MAX_VALUE);
        private final LongAccumulator max = new LongAccumulator(Math::max, 0);

        void record(long nanos) {
            record(nanos, 1);
        }

        void record(long nanos, long times) {
            int bits = 64 - Long.numberOfLeadingZeros(nanos); // 13 for 5000
            int halvings = Math.max(0, bits - 11); // until it is below 2048: 2
            long halved = nanos >>> halvings; // 1250
            buckets.getAndAdd(halvings * HALF + (int) halved, times);
            count.add(times);
            sum.add((double) nanos * times);
            sumOfSquares.add((double) nanos * nanos * times);
            min.accumulate(nanos);
            max.accumulate(nanos);
        }

        /** The highest value that a bucket counts: 5003 for 3298; but not above the maximum. */
        private long highest(int bucket) {
            int halvings = Math.max(0, bucket / HALF - 1); // 2
            long halved = bucket - (long) halvings * HALF; // 1250
            long next = (halved + 1) << halvings; // 5004
            return Math.min(max.get(), next - 1);
        }

        long count() {
            return count.sum();
        }

        double mean() {
            return sum.sum() / count();
        }

        double least() {
            return count() == 0 ? Double.NaN : min.get();
        }

        /** Not exact if it is below a millionth of the mean: rounding takes the digits. */
        double stddev() {
            double variance = sumOfSquares.sum() / count() - mean() * mean();
            return Math.sqrt(Math.max(0, variance));
        }

        /** By nearest rank: the smallest value that this many percent of all don't exceed. */
        long percentile(double percent) {
            long rank = rank(percent);
            int bucket = 0;
            long seen = buckets.get(0);
            while (seen < rank) {
                bucket++;
                seen += buckets.get(bucket);
            }
            return highest(bucket);
        }

        /** 99.9 % of 1000 is rank 999, even if it comes to 999.0000000001 in floating point. */
        private long rank(double percent) {
            return Math.max(1, (long) Math.ceil(count() * percent / 100 - 1e-6));
        }

        /** Whether at least one value lies beyond a percentile: p99.9 needs 1000 values. */
        boolean supports(double percent) {
            return count() * (100 - percent) >= 100 - 1e-6;
        }

        double supported(double percent) {
            return supports(percent) ? percentile(percent) : Double.NaN;
        }

        /**
         * The whole distribution in the form of HdrHistogram's outputPercentileDistribution, in
         * microseconds: five lines from 0 to 50 %, five to 75 %, five to 87.5 %, and so on.
         */
        String toHgrm() {
            StringBuilder lines = new StringBuilder(format("%12s %14s %10s %14s\n\n",
                    "Value", "Percentile", "TotalCount", "1/(1-Percentile)"));
            double percent = 0;
            long seen = 0;
            for (int bucket = 0; seen < count(); bucket++) {
                seen += buckets.get(bucket);
                while (percent < 100 && rank(percent) <= seen) {
                    double left = 100 - percent;
                    lines.append(format("%12.3f %2.12f %10d %14.2f\n", highest(bucket) / 1e3,
                            percent / 100, seen, 100 / left));
                    double level = Math.floor(Math.log(100 / left) / Math.log(2)); // 1 at 50 %
                    percent += 50 / Math.pow(2, level) / 5;
                    if (seen == count()) {
                        percent = 100;
                    }
                }
            }
            double most = max.get() / 1e3;
            lines.append(format("%12.3f %2.12f %10d\n", most, 1.0, count()));
            return lines + format("#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
                    + "#[Max     = %12.3f, Total count    = %12d]\n"
                    + "#[Buckets = %12d, SubBuckets     = %12d]\n",
                    mean() / 1e3, stddev() / 1e3, most, count(), 54, 2 * HALF);
        }
    }

    /** The times of a phase, each at its time; if there are many, neighbours are merged. */
    private static final class Series {
        private static final int MOST = 1000;

        /** By the time since the phase began, divided by the width of a point. */
        private Map<Long, LongSummaryStatistics> points = new HashMap<>();
        private long width = 1;
        private long last;

        synchronized void add(long at, long nanos) {
            last = Math.max(last, at);
            point(at / width).accept(nanos);
            while (points.size() > MOST) {
                Map<Long, LongSummaryStatistics> all = points;
                points = new HashMap<>();
                width *= 2;
                all.forEach((place, point) -> point(place / 2).combine(point));
            }
        }

        private LongSummaryStatistics point(long place) {
            return points.computeIfAbsent(place, p -> new LongSummaryStatistics());
        }
    }

    /** The figures of a run. The text and the files are made from it. */
    private final class Result {
        private final String error; // null if the run did not fail
        /** The times that count: response times with --rate, otherwise round trips. */
        private final Histogram latency = rate > 0 ? measured.response : measured.rtt;
        private final long messages = measured.rtt.count();
        private final long unsent = measured.unsent.sum();
        private final long unanswered = measured.lost.sum() + unsent;
        private final double seconds = (endedNanos - beganNanos) / 1e9;
        private final double messagesPerSecond = messages / seconds;
        private final double bytesPerSecond = messagesPerSecond * messageSize;
        private final double writeNanos = (double) measured.writeNanos.sum() / messages;
        private final double waitNanos = (double) measured.waitNanos.sum() / messages;
        private final double reads = (double) measured.reads.sum() / messages;
        private final int cores = Runtime.getRuntime().availableProcessors();
        private final long collections = collections() - collectionsBefore;
        private final double cpuSeconds = (cpuNanos() - cpuNanosBefore) / 1e9;

        Result(String error) {
            this.error = error;
        }

        /** Such as "FAILED after 2.50 s: "; empty if the run went to its end. */
        String ending() {
            String after = " after " + time(seconds * SECOND) + ": ";
            if (error != null) {
                return "FAILED" + after;
            }
            return interrupted ? "INTERRUPTED" + after : "";
        }

        /** Warns of what makes these times mean less than it seems. */
        void warn() {
            Histogram rtt = measured.rtt;
            boolean here = isHere(server);
            boolean spread = rtt.supports(95) && rtt.percentile(90) > 3 * rtt.percentile(10);
            if (!latency.supports(95)) {
                warnings.add("too few messages for p95, which here is the maximum");
            }
            boolean resent = rtt.max.get() >= rtt.percentile(50) + SECOND / 5;
            if (here && spread && parallel == 1 && !spin
                    && rtt.percentile(50) < SECOND / 1000) {
                warnings.add("two speeds, as when threads move between cores or share one: to"
                        + " compare runs, pin both ends to one core (taskset -c 1)");
            }
            if (!here && (spread || resent)) {
                warnings.add("round trips spread widely: jitter or loss on the path");
            }
            if (!here && resent) { // TCP waits at least so long
                warnings.add("some took 200 ms more: as when a packet is lost and sent again");
            }
            if (rate == 0 && rtt.supports(99.9) && rtt.max.get() > 100 * rtt.percentile(99.9)) {
                warnings.add("a stall of " + time(rtt.max.get()) + " hides here: nothing was"
                        + " sent until it was over; --rate counts what was due meanwhile");
            }
            // A server on this machine takes about half of the time of all cores.
            double most = here ? 0.3 : 0.8;
            int needed = spin ? 2 * parallel : parallel; // both ends
            if (rate == 0 && needed > cores && cpuSeconds > most * cores * seconds) {
                warnings.add("more threads than cores, so they wait: use less --parallel");
            }
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount).sum();
    }

    private static long cpuNanos() {
        return ProcessHandle.current().info().totalCpuDuration()
                .map(Duration::toNanos).orElse(0L);
    }

    // How it is shown: as text.

    private void show(Result result) {
        // These three lines stay as they are, because scripts read them.
        print("repeats: %d, msg_len: %d bytes", result.messages, messageSize);
        String name = rate > 0 ? "response" : "RTT";
        print("avg %s: %.3f ms, p95 %s: %.3f ms", name, result.latency.mean() / 1e6, name,
                result.latency.percentile(95) / 1e6);
        print("throughput: %s MiB/s (%s MB/s)", megas(result.bytesPerSecond / 0x1p20),
                megas(result.bytesPerSecond / 1e6));
        if (result.error != null || interrupted) {
            print("%s%s", result.ending(), result.error != null ? result.error
                    : "this is what was measured until then");
        }
        print("server: %s (%s), %s", address(host, port), server.getHostAddress(),
                count(parallel, "connection"));
        print("              min      p50      p90      p95      p99    p99.9      max");
        if (rate > 0) {
            showSchedule(result);
        } else {
            showTimes("RTT", measured.rtt);
        }
        if (result.unanswered > 0) {
            print("without an echo at the end: %s", count(result.unanswered, "message"));
        }
        showConditions(result);
        warnings.forEach(warning -> print("warning: %s", warning));
    }

    private static String megas(double value) {
        int digits = 2 - Math.min(0, (int) Math.floor(Math.log10(value))); // 3 below 1
        return format("%." + digits + "f", value);
    }

    /** To a whole number; below 100 to three significant digits. */
    private static String rounded(double value) {
        return value < 99.95 ? format("%.3g", value) : format("%.0f", value);
    }

    private void showSchedule(Result result) {
        showTimes("response", measured.response);
        showTimes("RTT", measured.rtt);
        showTimes("wake-up", measured.wakeup);
        print("response: since a message was due; RTT: since it was sent;");
        print("wake-up: by how much the client itself was late to send it");
        double percent = 100.0 * measured.behind.count() / (result.messages + result.unsent);
        print("behind schedule: %.1f %% of the messages, by %s at most", percent,
                time(measured.behind.max.get()));
        if (result.unsent > 0) {
            print("%,d messages were due and not sent", result.unsent);
        }
    }

    private void showTimes(String name, Histogram times) {
        print("%-8s %8s %8s %8s %8s %8s %8s %8s", name, time(times.least()),
                time(times.supported(50)), time(times.supported(90)), time(times.supported(95)),
                time(times.supported(99)), time(times.supported(99.9)), time(times.max.get()));
    }

    private void showConditions(Result result) {
        print("mean %s, standard deviation %s; %s messages/s for %.2f s",
                time(result.latency.mean()), time(result.latency.stddev()),
                rounded(result.messagesPerSecond), result.seconds);
        long warmups = warmup.rtt.count();
        if (warmups == 0) {
            print("warm-up: none, the first message took %s", time(measured.first.mean()));
        } else {
            print("warm-up: %s not counted; first %s, mean %s", count(warmups, "message"),
                    time(warmup.first.mean()), time(warmup.rtt.mean()));
        }
        print("mean write %s, mean wait %s; an echo in %.2f pieces", time(result.writeNanos),
                time(result.waitNanos), result.reads);
        print("%s", machine(result));
    }

    private String machine(Result result) {
        return format("JDK %s, %s %s, %s, load %s, %s",
                System.getProperty("java.version"), System.getProperty("os.name"),
                System.getProperty("os.arch"), count(result.cores, "core"),
                load < 0 ? "unknown" : format("%.2f", load),
                count(result.collections, "garbage collection"));
    }

    private void print(String form, Object... values) {
        text.println("[bench] " + printable(format(form, values)));
    }

    private static String format(String form, Object... values) {
        return String.format(Locale.ROOT, form, values);
    }

    /** In at most eight characters, such as 18.04 us, 1.25 ms or 10.00 s; - if it is NaN. */
    private static String time(double nanos) {
        if (Double.isNaN(nanos)) {
            return "-";
        }
        if (nanos < 999_950) {
            return digits(nanos / 1e3) + " us";
        }
        if (nanos < 999_950_000) {
            return digits(nanos / 1e6) + " ms";
        }
        return digits(nanos / 1e9) + " s";
    }

    private static String digits(double value) {
        return format(value < 99.995 ? "%.2f" : "%.1f", value);
    }

    private static String count(long n, String what) {
        return format("%,d %s%s", n, what, n == 1 ? "" : "s");
    }

    /** Such as 127.0.0.1:5050 or [::1]:5050, which Java would write as 0:0:0:0:0:0:0:1. */
    private static String address(String host, int port) {
        boolean bare = host.contains(":") && !host.startsWith("[");
        String name = bare ? "[" + host.replaceFirst("(^|:)0(:0)+(:|$)", "::") + "]" : host;
        return name + ":" + port;
    }

    /** The text with a dot for each character that would steer a terminal, not be shown. */
    private static String printable(String text) {
        return text.replaceAll("[\\p{C}\\p{Zl}\\p{Zp}\ufffd]", ".");
    }

    // How it is shown: as JSON.

    private String toJson(Result result) {
        Json json = new Json();
        json.add("time", Instant.ofEpochSecond(Instant.now().getEpochSecond()).toString());
        json.add("command", command);
        json.add("host", host).add("port", port).add("address", server.getHostAddress());
        json.add("message_bytes", messageSize).add("connections", parallel);
        json.add("messages", result.messages).add("unanswered", result.unanswered);
        json.add("elapsed_s", result.seconds);
        json.add("messages_s", result.messagesPerSecond);
        json.add("throughput_mib_s", result.bytesPerSecond / 0x1p20);
        json.add("rtt_us", micros(measured.rtt));
        if (rate > 0) {
            addSchedule(json, result);
        }
        json.add("warmup", new Json().add("messages", warmup.rtt.count())
                .add("first_us", us(warmup.first.mean()))
                .add("mean_us", us(warmup.rtt.mean())));
        json.add("write_us_mean", us(result.writeNanos));
        json.add("wait_us_mean", us(result.waitNanos));
        json.add("reads_mean", result.reads);
        String os = System.getProperty("os.name") + " " + System.getProperty("os.version");
        json.add("environment", new Json().add("java", System.getProperty("java.version"))
                .add("os", os).add("arch", System.getProperty("os.arch"))
                .add("cores", result.cores).add("gc_count", result.collections)
                .add("load_average", load < 0 ? null : load));
        json.add("warnings", warnings).add("interrupted", interrupted);
        if (result.error != null) {
            json.add("error", result.error);
        }
        return json.add("valid", result.error == null).toString();
    }

    private void addSchedule(Json json, Result result) {
        json.add("response_us", micros(measured.response));
        json.add("wakeup_us", micros(measured.wakeup));
        json.add("rate_messages_s", rate);
        json.add("behind_messages", measured.behind.count());
        json.add("behind_us_max", us(measured.behind.max.get()));
        json.add("unsent", result.unsent);
    }

    private static Json micros(Histogram times) {
        Json json = new Json();
        json.add("min", us(times.least()));
        json.add("mean", us(times.mean()));
        json.add("stddev", us(times.stddev()));
        json.add("p50", us(times.supported(50)));
        json.add("p90", us(times.supported(90)));
        json.add("p95", us(times.supported(95)));
        json.add("p99", us(times.supported(99)));
        json.add("p99_9", us(times.supported(99.9)));
        json.add("max", us(times.max.get()));
        return json;
    }

    /** Microseconds, exact to the nanosecond. */
    private static double us(double nanos) {
        return Math.rint(nanos) / 1e3;
    }

    /** A JSON object (RFC 8259) on one line. */
    private static final class Json {
        private final List<String> members = new ArrayList<>();

        /** Adds a text, a number, true or false, another object, or a list of texts. */
        Json add(String name, Object value) {
            members.add(quote(name) + ": " + toText(value));
            return this;
        }

        private static String toText(Object value) {
            if (value instanceof String) {
                return quote((String) value);
            }
            if (value instanceof List) {
                List<String> elements = new ArrayList<>();
                ((List<?>) value).forEach(element -> elements.add(toText(element)));
                return "[" + String.join(", ", elements) + "]";
            }
            if (value instanceof Double && !Double.isFinite((double) value)) {
                return "null"; // unknown, or divided by 0: JSON has no NaN and no Infinity
            }
            return "" + value;
        }

        private static String quote(String text) {
            StringBuilder quoted = new StringBuilder("\"");
            for (char c : text.toCharArray()) {
                boolean plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
                quoted.append(plain ? c : format("\\u%04x", (int) c));
            }
            return quoted.append('"').toString();
        }

        @Override
        public String toString() {
            return "{" + String.join(", ", members) + "}";
        }
    }

    // How it is shown: as a picture.

    /** A picture of the run (SVG): each message at its time, and lines at p50, p99 and max. */
    private final class Picture {
        private static final String STYLE = "<style>.back{fill:#fff}"
                + "svg{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
                + "text{fill:#222;font-size:18px}.title{font-size:28px;font-weight:600}"
                + ".small{font-size:17px;fill:#555}path{fill:none}.grid{stroke:#ddd}"
                + ".frame{fill:none;stroke:#888}.warm{fill:#f6eeda}.time{stroke:#0065a8}"
                + ".bar{stroke-width:2;opacity:.25}.dot{stroke-width:4;stroke-linecap:round}"
                + ".mark{stroke:#c84a00}@media(prefers-color-scheme:dark){.back{fill:#14171c}"
                + "text{fill:#eee}.small{fill:#aaa}.grid{stroke:#333a44}.frame{stroke:#778}"
                + ".warm{fill:#2b2719}.time{stroke:#5db7f5}.mark{stroke:#ff9a5c}}</style>";
        /** The edges of the panel, and in its middle the end of the warm-up. */
        private static final int LEFT = 110;
        private static final int RIGHT = 1120;
        private static final int TOP = 130;
        private static final int BOTTOM = 560;
        private final int middle = warmup.rtt.count() == 0 ? LEFT : LEFT + 200;
        /** The axis goes from one power of ten to another: 3 is 1000 ns, 6 is 1 ms. */
        private final int lowest;
        private final int highest;

        private final Result result;
        private final StringBuilder svg = new StringBuilder();

        Picture(Result result) {
            this.result = result;
            long least = Math.min(result.latency.min.get(), warmup.rtt.min.get());
            long greatest = Math.max(result.latency.max.get(), warmup.rtt.max.get());
            lowest = (int) Math.log10(Math.max(10, least));
            highest = Math.max(lowest + 1, (int) Math.ceil(Math.log10(greatest)));
        }

        String draw() {
            add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1280 690\">" + STYLE);
            add("<rect class=\"back\" width=\"1280\" height=\"690\"/>");
            label(30, 48, "title", "start", "TCP echo round trips, "
                    + count(messageSize, "byte") + ", " + count(parallel, "connection"));
            label(30, 82, "", "start", format("%smean %s, median %s, %s messages/s, %,d in all",
                    result.ending(), time(result.latency.mean()),
                    time(result.latency.supported(50)), rounded(result.messagesPerSecond),
                    result.messages));
            drawPanel();
            if (middle > LEFT) {
                drawSeries(warmup.series, LEFT, middle);
                label(LEFT + 100, TOP + 28, "small", "middle", "warm-up, not counted");
                label(LEFT + 100, BOTTOM + 28, "small", "middle", time(warmup.series.last));
            }
            drawSeries(measured.series, middle, RIGHT);
            drawTimeAxis();
            double height = drawMark("p50", 50, BOTTOM);
            height = drawMark("p99", 99, height);
            drawMark("max", 100, height);
            label(30, 650, "small", "start", machine(result));
            label(30, 676, "small", "start", format("%.118s", command));
            return svg + "</svg>\n";
        }

        private double y(double nanos) {
            double share = (Math.log10(Math.max(10, nanos)) - lowest) / (highest - lowest);
            return BOTTOM - 25 - share * (BOTTOM - TOP - 85); // room for words above and below
        }

        /** The frame, the lines across it, and what the dots and bars are. */
        private void drawPanel() {
            drawRectangle("warm", LEFT, middle);
            for (int i = lowest; i <= highest; i++) {
                double y = y(Math.pow(10, i));
                add("<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, RIGHT);
                label(LEFT - 8, y + 6, "small", "end", shortTime(Math.pow(10, i)));
            }
            drawRectangle("frame", LEFT, RIGHT);
            String when = rate > 0 ? "response, when it was due" : "RTT, when it was sent";
            label(LEFT, TOP - 12, "", "start", "each message: " + when);
            label(RIGHT, TOP - 12, "small", "end", "dot: mean of "
                    + time(Math.max(10, measured.series.width)) + ", bar: least to greatest");
        }

        private void drawRectangle(String style, int left, int right) {
            add("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", style,
                    left, TOP, right - left, BOTTOM - TOP);
        }

        private double x(Series series, double at, int left, int right) {
            return left + 4 + at / Math.max(1000, series.last) * (right - left - 8);
        }

        /** A dot for each point at its mean, on a bar from its least to its greatest. */
        private void drawSeries(Series series, int left, int right) {
            StringBuilder bars = new StringBuilder();
            StringBuilder dots = new StringBuilder();
            series.points.forEach((place, point) -> {
                double x = x(series, place * series.width, left, right);
                bars.append(format("M%.1f %.1fV%.1f", x, y(point.getMin()), y(point.getMax())));
                dots.append(format("M%.1f %.1fh.1", x, y(point.getAverage())));
            });
            add("<path class=\"time bar\" d=\"%s\"/>", bars);
            add("<path class=\"time dot\" d=\"%s\"/>", dots);
        }

        /** Below the panel: the time since the measurement began, at 4 to 10 round numbers. */
        private void drawTimeAxis() {
            double end = Math.max(1000, measured.series.last); // labels have no ns
            double step = Math.pow(10, Math.floor(Math.log10(end)));
            if (end < 2 * step) {
                step /= 5;
            } else if (end < 5 * step) {
                step /= 2;
            }
            for (int i = 0; i * step <= end; i++) {
                double x = x(measured.series, i * step, middle, RIGHT);
                add("<path class=\"frame\" d=\"M%.1f %dv6\"/>", x, BOTTOM);
                label(x, BOTTOM + 28, "small", "middle", shortTime(i * step));
            }
            label((middle + RIGHT) / 2, BOTTOM + 58, "", "middle", "time of the measurement");
        }

        /** A thin line, its label on the right, above the one before; returns its height. */
        private double drawMark(String name, double percent, double below) {
            Histogram times = result.latency;
            if (percent < 100 && !times.supports(percent)) {
                return below;
            }
            double y = y(times.percentile(percent));
            double height = Math.min(y + 6, below - 22);
            add("<path class=\"mark\" d=\"M%d %.1fH%d\"/>", middle, y, RIGHT);
            String words = name + " " + time(times.percentile(percent));
            label(RIGHT + 8, height, "small", "start", words);
            return height;
        }

        private String shortTime(double nanos) {
            return time(nanos).replaceAll("[.]?0* ", " ");
        }

        private void label(double x, double y, String style, String anchor, String words) {
            String escaped = printable(words).replace("&", "&amp;").replace("<", "&lt;")
                    .replace(">", "&gt;");
            add("<text class=\"%s\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>", style,
                    x, y, anchor, escaped);
        }

        private void add(String form, Object... values) {
            svg.append(format(form, values)).append('\n');
        }
    }

    // The files.

    /** Opens a file to append, so its old content stays until there is a new one. */
    private static FileOutputStream open(String name) throws IOException {
        return name == null ? null : new FileOutputStream(name, true);
    }

    /** Writes what was asked for; returns whether all of it could be written. */
    private boolean writeFiles(String json, String hgrm, String picture) {
        if ("-".equals(jsonName)) {
            out.println(json);
        }
        boolean jsonWritten = write(jsonFile, jsonName, json + "\n");
        boolean hgrmWritten = write(hgrmFile, hgrmName, hgrm);
        boolean pictureWritten = write(plotFile, plotName, picture);
        return jsonWritten && hgrmWritten && pictureWritten;
    }

    /** Replaces what a file holds. In place: a link stays a link, and permissions stay, too. */
    private boolean write(FileOutputStream to, String name, String content) {
        if (to == null) {
            return true;
        }
        try (FileOutputStream file = to) {
            // /dev/stdout and /dev/fd/3 can be files that hold more than ours.
            if (!name.matches("/dev/(std|fd/).*") && file.getChannel().size() > 0) {
                file.getChannel().truncate(0);
            }
            file.write(content.getBytes(StandardCharsets.UTF_8));
            return true;
        } catch (IOException e) {
            err.println("[client] cannot write " + printable(name) + ": " + e.getMessage());
            return false;
        }
    }

    // The command line.

    private static final String HELP = "usage: java EchoClient.java [OPTION...]\n"
            + "  --host ADDRESS   the server's address or name [127.0.0.1]\n"
            + "  --port N         the server's port, 1 to 65535 [5050]\n"
            + "  --message TEXT   what to send; - sends each line of input [Hello, echo!]\n"
            + "  --size SIZE      send that many bytes instead, 0 to 1g [1k with --bench]\n"
            + "  --bench          measure [off]\n"
            + "  --repeat N       measured messages of each connection, 1 to 10^9 [2000]\n"
            + "  --duration TIME  measure for this long instead of --repeat\n"
            + "  --warmup WHAT    not counted: 0 to 10^9 messages, or a time\n"
            + "                   [1s, at most 20000 messages]\n"
            + "  --parallel N     connections, one thread each, 1 to 65535 [1]\n"
            + "  --rate N         messages a second, on a fixed schedule, 1 to 10^7 [off]\n"
            + "  --spin           poll the socket instead of blocking [off]\n"
            + "  --nagle          leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
            + "  --timeout TIME   give up when nothing moves for this long [10s]\n"
            + "  --json FILE      the result as JSON; - is standard output\n"
            + "  --hgrm FILE      the distribution in HdrHistogram's form, in us\n"
            + "  --plot FILE      a picture of the run (SVG)\n"
            + "Sizes are such as 512, 16k, 1m; times 2.5s, 20ms, 1m; 1ms to 500h.\n";

    private String host = "127.0.0.1";
    private int port = 5050;
    private String messageText = "Hello, echo!";
    private int randomBytes = -1; // how many to send instead; -1 is none
    private boolean bench, spin, nagle, help;
    private Limit measureLimit = new Limit(2000, ENDLESS);
    private Limit warmupLimit = new Limit(20_000, SECOND);
    private int parallel = 1;
    private int rate; // 0: no schedule, but a closed loop
    private long timeoutNanos = 10 * SECOND;
    private String jsonName;
    private String hgrmName;
    private String plotName;
    private String command; // all of it

    /** Takes over what the command line says; an IllegalArgumentException if it is wrong. */
    private void parse(String... args) {
        command = "java EchoClient.java " + String.join(" ", args);
        Set<String> given = new HashSet<>();
        Deque<String> words = new ArrayDeque<>(List.of(args));
        while (!words.isEmpty()) {
            String option = nextOption(words);
            given.add(option);
            parseOption(option, words);
        }
        if (bench && !given.contains("--message") && randomBytes < 0) {
            randomBytes = 1024;
        }
        check(!host.matches("[^:]*:[^:]*|.*]:.*|.*/.*"), // one colon: IPv6 has more
                "--host takes a name or an address, and --port the port, not " + host);
        check(!given.containsAll(List.of("--message", "--size")),
                "--message and --size exclude each other");
        check(!given.containsAll(List.of("--repeat", "--duration")),
                "--repeat and --duration exclude each other");
        for (String option : List.of("--repeat", "--duration", "--warmup", "--parallel",
                "--rate", "--hgrm", "--plot")) {
            check(bench || !given.contains(option), option + " needs --bench");
        }
        check(!messageText.equals("-") || !bench && jsonName == null,
                "--message - sends each line of input: not with --bench or --json");
        check(!bench || randomBytes > 0 || randomBytes < 0 && !messageText.isEmpty(),
                "--bench needs at least one byte a message");
    }

    private void parseOption(String option, Deque<String> words) {
        switch (option) {
            case "--host": host = value(option, words); break;
            case "--port": port = number(option, words, 1, 65_535); break;
            case "--message": // takes any text, also an empty one, or one like an option
                check(!words.isEmpty(), option + " needs a value");
                messageText = words.remove();
                break;
            case "--size": randomBytes = size(option, words, 0); break;
            case "--bench": bench = true; break;
            case "--repeat":
                measureLimit = new Limit(number(option, words, 1, 1_000_000_000), ENDLESS);
                break;
            case "--duration": measureLimit = new Limit(ENDLESS, nanos(option, words)); break;
            case "--warmup": warmupLimit = warmupLimit(option, words); break;
            case "--parallel": parallel = number(option, words, 1, 65_535); break;
            case "--rate": rate = number(option, words, 1, 10_000_000); break;
            case "--spin": spin = true; break;
            case "--nagle": nagle = true; break;
            case "--timeout": timeoutNanos = nanos(option, words); break;
            case "--json": jsonName = value(option, words); break;
            case "--hgrm": hgrmName = value(option, words); break;
            case "--plot": plotName = value(option, words); break;
            case "-h": case "--help": help = true; break;
            default: check(false, "unknown option " + option);
        }
    }

    /** Either a number of messages or a time. */
    private static Limit warmupLimit(String option, Deque<String> words) {
        if (!words.isEmpty() && words.peek().matches("[0-9]+")) {
            return new Limit(number(option, words, 0, 1_000_000_000), ENDLESS);
        }
        return new Limit(ENDLESS, nanos(option, words));
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
