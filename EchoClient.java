import java.io.*;
import java.lang.management.*;
import java.math.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * A TCP echo client: it sends one message and shows what comes back, or it measures how long
 * that takes. Try it, while {@code java EchoServer.java} runs in another terminal:
 * <pre>
 *     java EchoClient.java --message "Hello, echo"
 *     java EchoClient.java --bench
 *     java EchoClient.java --bench --size 16k --duration 10s --plot run.svg
 * </pre>
 * A round trip runs from just before the first byte is sent to just after the last echoed byte
 * is read. Then, with the clock stopped, every echoed byte is compared with the one that was
 * sent. One wrong byte makes the whole run invalid.
 *
 * <p>The rooms of this house, in the order in which the story is told:
 * <pre>
 *     Trip, Connection         one round trip
 *     Payload                  what is sent
 *     Talk                     one message, shown with its echo
 *     Sender, Schedule         many messages: a closed loop, or an open loop
 *     Benchmark                many senders: warm-up, then the measurement
 *     Phase, Histogram,        what their times come to
 *     Series, Intervals
 *     Server, Run, Standstill, how a run begins and ends: addresses, threads, Ctrl-C
 *     Report, Progress
 *     Machine, Result          the figures
 *     Failures, Warnings       why it failed, and what to doubt
 *     TextReport, JsonReport,  how they are shown
 *     Picture
 *     OutputFiles, Options     files, and the command line
 * </pre>
 * Left out: several messages in flight on one connection, because then a time is that of a
 * queue; TLS and UDP, because they would measure something else than TCP's round trip.
 */
public class EchoClient {

    private static final long SECOND = 1_000_000_000; // in nanoseconds, as all times here
    private static final long ENDLESS = Long.MAX_VALUE; // messages or nanoseconds

    // One round trip.

    /** A message and its echo. Each thread has one, and uses it again for its next message. */
    static final class Trip {
        String kind = "message"; // or "warm-up message"
        long number; // of the message, from 1
        long echoes; // how many messages of this thread have come back
        ByteBuffer message;
        /** What comes back. With room for one byte too many, so that a surplus byte is seen. */
        ByteBuffer echo = ByteBuffer.allocateDirect(0);
        long startNanos; // just before its first byte was sent; with --connect, before that
        long endNanos; // just after the last byte of its echo was read
        long connectNanos; // with --connect: what connecting took; otherwise 0
        int reads; // how many reads the echo took: in how many pieces it came

        /** The next message is about to be sent. */
        void begin(ByteBuffer next) {
            message = next.mark();
            if (echo.capacity() <= message.remaining()) {
                echo = ByteBuffer.allocateDirect(message.remaining() + 1);
            }
            echo.clear();
            number++;
            reads = 0;
            connectNanos = 0;
        }

        /** Its first byte is sent now. With --connect it began when connecting did. */
        void sendAt(long nanos) {
            startNanos = nanos - connectNanos;
            endNanos = nanos; // so it stays for a message of no bytes
        }

        /** From now on both can be read from their first byte. */
        void end() {
            message.reset();
            echo.flip();
        }

        /** Compares the echo, as far as it came, with the message. */
        void compare() throws WrongEcho {
            int at = message.mismatch(echo); // the shorter length if one begins the other
            if (at >= 0 && at < echo.limit()) {
                throw new WrongEcho(Failures.wrongEcho(this, at));
            }
        }
    }

    /** What came back is not what was sent. Then no figure can be trusted. */
    static final class WrongEcho extends IOException {
        private static final long serialVersionUID = 1;

        WrongEcho(String message) {
            super(message);
        }
    }

    /** A connection that is lost or silent, and what is known of the message in flight. */
    static final class Loss extends IOException {
        private static final long serialVersionUID = 1;
        final String kind;
        final long number;
        final long echoes; // of this thread, before
        final int size; // of the message
        final byte[] received; // the echo, as far as it came; at most its first 64 KiB
        final int receivedBytes; // how many bytes of the echo came
        final int lastByte; // of those that came; -1 if none did
        final boolean lineSent; // the message ends with a line end
        final boolean timedOut;
        boolean endMissing; // the echo came; but the server did not end its side after it
        long othersEchoes; // how many messages of other threads had come back

        Loss(Trip trip, boolean timedOut, Exception cause) {
            super(cause.getMessage(), cause);
            kind = trip.kind;
            number = trip.number;
            echoes = trip.echoes;
            size = trip.message.remaining();
            receivedBytes = trip.echo.limit();
            received = new byte[Math.min(receivedBytes, 65_536)];
            trip.echo.duplicate().get(received);
            lastByte = receivedBytes == 0 ? -1 : trip.echo.get(receivedBytes - 1);
            lineSent = size > 0 && trip.message.get(trip.message.limit() - 1) == '\n';
            this.timedOut = timedOut;
        }
    }

    /** A connection to the server. One thread uses it; any thread may close it. */
    static final class Connection implements AutoCloseable {
        private final Options options;
        private final SocketChannel channel;
        private int safeSize; // a message of so many bytes fits into the kernel's buffers
        private volatile Selector selector; // null while the channel blocks
        private SelectionKey key;
        private long connectNanos; // what connecting took
        private volatile long limitNanos; // how long it may wait while nothing moves
        private volatile boolean waiting; // for a byte, or to be accepted
        private volatile boolean timedOut;
        private volatile long moves; // counts each time when a byte has moved
        /** Of the thread that looks whether something moves: */
        private long movesSeen;
        private long quietNanos; // nothing has moved for so long

        Connection(Options options) throws IOException {
            this.options = options;
            channel = SocketChannel.open();
        }

        /**
         * Sends a message and waits until as many bytes have come back. Afterwards the message
         * is as it was, and the trip's echo holds what came.
         *
         * @throws Loss if the connection is lost, or if nothing moves for the time of --timeout
         * @throws WrongEcho if what came until then is not what was sent
         */
        void roundTrip(Trip trip) throws IOException {
            Exception loss = null;
            int size = trip.message.remaining();
            waiting = true;
            try {
                stopBlocking(size);
                if (selector == null) {
                    writeThenRead(trip, size);
                } else {
                    readWhileWriting(trip, size);
                }
            } catch (IOException | ClosedSelectorException | CancelledKeyException e) {
                loss = e;
            }
            waiting = false;
            trip.end();
            if (loss != null) {
                trip.compare(); // a wrong byte explains more than a missing one
                throw new Loss(trip, timedOut, loss);
            }
        }

        /** For a large message, or to poll: from then on it reads while it writes. */
        private void stopBlocking(int size) throws IOException {
            if (selector == null && (options.spin || size > safeSize)) {
                channel.configureBlocking(false);
                selector = Selector.open();
                key = channel.register(selector, SelectionKey.OP_READ);
            }
        }

        /** The round trip of a message that fits into the buffers of the kernel. */
        private void writeThenRead(Trip trip, int size) throws IOException {
            trip.sendAt(noteMove());
            while (trip.message.hasRemaining()) {
                channel.write(trip.message);
            }
            while (trip.echo.position() < size) {
                noteRead(trip, channel.read(trip.echo));
            }
        }

        /**
         * The round trip of a larger message. If all of it were written first, both sides could
         * wait for ever: the server waits until we read, and we wait until it reads.
         */
        private void readWhileWriting(Trip trip, int size) throws IOException {
            trip.sendAt(noteMove());
            while (trip.echo.position() < size) {
                int written = channel.write(trip.message); // 0 if there is no room, or no more
                int read = channel.read(trip.echo);
                noteRead(trip, read);
                if (written > 0) {
                    noteMove();
                } else if (read == 0) {
                    awaitReady(trip.message.hasRemaining());
                }
            }
        }

        private void noteRead(Trip trip, int n) throws IOException {
            if (n < 0) {
                throw new EOFException("the server closed it");
            }
            if (n > 0) {
                trip.endNanos = noteMove();
                trip.reads++;
            }
        }

        /** Waits until there is something to read or, if that is wanted, room to write. */
        private void awaitReady(boolean toWrite) throws IOException {
            if (options.spin) {
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
            moves = moves + 1; // only the thread that uses the connection does this
            return System.nanoTime();
        }

        /**
         * Connects, in a time of which none counts in which this program stood still.
         *
         * @throws IOException if nobody answers within the limit, or nobody listens there
         */
        void connect(InetSocketAddress address, long limit) throws IOException {
            // Nagle's algorithm (RFC 896) would hold back the end of a message until the server
            // has acknowledged its beginning, which the server delays by about 40 ms.
            channel.setOption(StandardSocketOptions.TCP_NODELAY, !options.nagle);
            limitNanos = limit;
            waiting = true;
            long beganNanos = System.nanoTime();
            try {
                channel.connect(address);
                connectNanos = System.nanoTime() - beganNanos;
            } catch (ClosedChannelException e) {
                throw timedOut ? new SocketTimeoutException("timed out") : e;
            } catch (UnsupportedAddressTypeException e) {
                throw new SocketException("unsupported address type");
            } finally {
                waiting = false;
            }
            if (channel.getLocalAddress().equals(channel.getRemoteAddress())) {
                // TCP lets a socket connect to itself, if its own port happens to be the one
                // that it connects to (simultaneous open). It would even echo.
                channel.setOption(StandardSocketOptions.SO_LINGER, 0); // frees the port at once
                throw new ConnectException("Connection refused (nobody listens there)");
            }
            limitNanos = options.timeoutNanos;
            // If our receive buffer holds the whole echo, the server never waits for us. Only a
            // quarter of it is trusted: the kernel counts its own bookkeeping, too.
            safeSize = channel.getOption(StandardSocketOptions.SO_RCVBUF) / 4;
        }

        /**
         * Ends the connection as a client should, after an echo: it ends its own side, waits
         * until the server ends the other, and closes. A surplus byte is found on the way.
         */
        void end(Trip trip) throws IOException {
            int size = trip.echo.limit();
            trip.echo.limit(size + 1).position(size);
            waiting = true;
            try {
                channel.shutdownOutput();
                int read = channel.read(trip.echo);
                while (read == 0) { // it does not block
                    awaitReady(false);
                    read = channel.read(trip.echo);
                }
            } catch (IOException | ClosedSelectorException | CancelledKeyException e) {
                // The server has closed it; or it was closed here.
                if (timedOut) {
                    trip.echo.flip();
                    Loss loss = new Loss(trip, true, e);
                    loss.endMissing = true;
                    throw loss;
                }
            }
            waiting = false;
            trip.echo.flip();
            trip.compare();
        }

        /**
         * Closes the connection when no byte has moved for too long.
         *
         * @param awakeNanos how long this program has been at work since the last look. Not
         *        more: after it was suspended (Ctrl-Z, the lid of a laptop), the echo may have
         *        come, and only wait to be read.
         */
        void look(long awakeNanos) {
            long seen = moves;
            if (!waiting || seen != movesSeen) {
                movesSeen = seen;
                quietNanos = 0;
                return;
            }
            quietNanos += awakeNanos;
            if (quietNanos >= limitNanos) {
                timedOut = true;
                close();
            }
        }

        /** Closes it. A round trip that is under way in another thread fails at once. */
        @Override
        public void close() {
            closeQuietly(channel);
            if (selector != null) {
                closeQuietly(selector);
            }
        }
    }

    // What is sent.

    /** The bytes of all messages. Each message is a part of them. */
    static final class Payload {
        private static final int MESSAGES = 1000; // so many differ; then they come again
        private final ByteBuffer bytes;
        private final int size; // of a message
        private int messages = 1; // that differ
        private int step; // from the first byte of a message to that of the next

        /**
         * A text; or, with --size, random bytes, because some paths would compress others; or
         * random letters, if messages are lines.
         *
         * @throws OutOfMemoryError if there is not so much memory
         */
        Payload(Options options) {
            byte[] source = text(options);
            if (options.size < 0) {
                size = source.length;
            } else if (options.line) {
                size = options.size;
                messages = 2 * Math.max(1, Math.min(MESSAGES, 0x2000000 / size) / 2);
                step = size;
                source = lines();
            } else {
                size = options.size;
                messages = MESSAGES;
                step = 1;
                source = randomBytes();
            }
            bytes = ByteBuffer.allocateDirect(size + (messages - 1) * step);
            while (bytes.hasRemaining()) { // the source again and again
                bytes.put(source, 0, Math.min(source.length, bytes.remaining()));
            }
        }

        private static byte[] text(Options options) {
            String end = options.line ? "\n" : "";
            return (options.message + end).getBytes(StandardCharsets.UTF_8);
        }

        /**
         * Their lowest bits are 0 and 1 in turn. So messages, each of which begins one byte
         * later than the last, differ in every byte: an old echo can't pass for a new one.
         */
        private static byte[] randomBytes() {
            byte[] random = new byte[999_998]; // not a length at which buffers are cut
            new Random(862).nextBytes(random);
            for (int i = 0; i < random.length; i++) {
                random[i] = (byte) (random[i] / 2 * 2 + i % 2);
            }
            return random;
        }

        /** Where one line has a letter up to m, the next has one from n. */
        private byte[] lines() {
            byte[] letters = new byte[size * messages];
            Random random = new Random(862);
            for (int i = 0; i < letters.length; i++) {
                int half = (i / size + i % size) % 2;
                letters[i] = (byte) ('a' + 13 * half + random.nextInt(13));
                if (i % size == size - 1) {
                    letters[i] = '\n';
                }
            }
            return letters;
        }

        int size() {
            return size;
        }

        /** A view of the bytes, which one thread moves from message to message. */
        ByteBuffer window() {
            return bytes.duplicate();
        }

        /** Moves a window to the message of this number. */
        ByteBuffer message(ByteBuffer window, long number) {
            int from = (int) (number % messages) * step;
            window.limit(from + size).position(from);
            return window;
        }
    }

    // One message.

    /** Sends one message, or each line of standard input, and shows what comes back. */
    static final class Talk {
        private final Options options;
        private final PrintStream out;
        private final Phase times;
        private final Trip trip = new Trip();

        Talk(Options options, PrintStream out, Phase times) {
            this.options = options;
            this.out = out;
            this.times = times;
        }

        /** Returns when the last message has come back. */
        void sendAll(Connection connection, Payload payload) throws IOException {
            if (options.size >= 0 || !options.message.equals("-")) {
                send(connection, payload.message(payload.window(), 0));
                return;
            }
            byte[] line = readLine();
            while (line.length > 0 && !out.checkError()) {
                send(connection, ByteBuffer.wrap(line));
                line = readLine();
            }
        }

        private void send(Connection connection, ByteBuffer message) throws IOException {
            say("sent    : " + quoted(message));
            times.begin(System.nanoTime());
            trip.begin(message);
            connection.roundTrip(trip);
            say("received: " + quoted(trip.echo));
            trip.compare();
            trip.echoes++;
            times.record(trip.startNanos, trip.endNanos, trip.reads, 0);
            double millis = (trip.endNanos - trip.startNanos) / 1e6;
            say("RTT     : " + format("%.3f ms", millis));
        }

        private void say(String what) {
            if (!options.jsonToOut()) {
                out.println("[client] " + what);
            }
        }

        /** A line of input with its end, which the last may lack; empty after the last one. */
        private byte[] readLine() throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            int b = 0;
            while (b >= 0 && b != '\n') {
                b = System.in.read();
                if (b >= 0) {
                    line.write(b);
                }
            }
            if (b < 0 && line.size() > 0 && options.line) {
                line.write('\n');
            }
            return line.toByteArray();
        }
    }

    // Many messages.

    /** When a phase ends: after so many messages on each connection, or after so long. */
    static final class Limit {
        final long messages;
        final long nanos;

        Limit(long messages, long nanos) {
            this.messages = messages;
            this.nanos = nanos;
        }
    }

    /**
     * When the messages of one thread are due: --rate messages a second over all threads. The
     * threads take turns: of 10 places on the schedule, 0, 2, 4, 6 and 8 can belong to one, the
     * others to another.
     */
    static final class Schedule {
        private final Options options;
        private final int index; // of the thread: its first place on the schedule
        private final long beganNanos;

        Schedule(Options options, int index, long beganNanos) {
            this.options = options;
            this.index = index;
            this.beganNanos = beganNanos;
        }

        /** How many messages of this thread are due in so long a time. */
        long dueWithin(long nanos) {
            // Exact, because a double would make 113 of 100 a second for 1.12 seconds.
            BigInteger thousandths = BigInteger.valueOf(nanos)
                    .multiply(BigInteger.valueOf(options.rate));
            BigInteger ofAll = thousandths.add(BigInteger.valueOf(1000 * SECOND - 1))
                    .divide(BigInteger.valueOf(1000 * SECOND)); // rounded up
            long mostOfAll = ofAll.min(BigInteger.valueOf(ENDLESS / 2)).longValue();
            return Math.max(0, mostOfAll - index + options.parallel - 1) / options.parallel;
        }

        /** When a message of this thread is due; its first one has number 0. */
        long dueNanos(long number) {
            double place = index + (double) number * options.parallel;
            return beganNanos + (long) (place * SECOND / options.ratePerSecond());
        }

        /**
         * Waits for a point in time; false if the phase ended before. A parked thread wakes up
         * late, so at last the clock is polled; without onSpinWait, which on a virtual machine
         * can take microseconds.
         */
        boolean await(long nanos, Phase phase) {
            long pollNanos = 200_000;
            if (options.parallel > 1) {
                // A thread that polls takes a core from those that have something to do. So all
                // together get a tenth of one.
                double share = SECOND / 10 / options.ratePerSecond();
                pollNanos = (long) Math.min(pollNanos, share);
            }
            long left = nanos - System.nanoTime();
            while (left > 0 && !phase.isOver()) {
                if (left > pollNanos) {
                    LockSupport.parkNanos(left - pollNanos);
                }
                left = nanos - System.nanoTime();
            }
            return !phase.isOver();
        }
    }

    /** One thread of a benchmark: it sends messages on its connection, one after the other. */
    static final class Sender {
        private final Benchmark benchmark;
        private final Options options;
        private final int index;
        private final ByteBuffer window;
        private final Trip trip = new Trip();
        private Connection connection; // null: the next message needs a new one
        private long next; // the number of the next message in the payload
        private boolean lost;
        /** With --rate: */
        private Schedule schedule;
        private long total; // how many messages are due until the end
        private long answered; // how many of those have come back

        Sender(Benchmark benchmark, int index, Connection connection) {
            this.benchmark = benchmark;
            this.options = benchmark.options;
            this.index = index;
            this.connection = connection;
            window = benchmark.payload.window();
            next = 101L * index; // each thread begins at another one
        }

        /** A closed loop: the next message is sent when the last one has come back. */
        void closedLoop(Phase phase, Limit limit) throws WrongEcho {
            long now = phase.beganNanos();
            trip.number = 0;
            while (trip.number < limit.messages && now - phase.beganNanos() < limit.nanos
                    && !lost && !phase.isOver()) {
                if (sendNext(phase)) {
                    now = trip.endNanos;
                    phase.record(trip.startNanos, now, trip.reads, trip.connectNanos);
                    closeIfUsed(phase);
                } else {
                    phase.recordWaiting(trip.startNanos, phase.endOr(System.nanoTime()));
                }
            }
        }

        /**
         * An open loop: a message is sent when it is due, on a schedule of --rate messages a
         * second over all connections. If an echo is still under way, it is sent right after
         * that, and its response time counts from when it was due. So a server that stands
         * still makes all messages slow that were due meanwhile, as it would for clients that
         * know nothing of each other. A closed loop would show one slow message (coordinated
         * omission).
         */
        void openLoop(Phase phase) throws WrongEcho {
            Limit limit = options.limit;
            schedule = new Schedule(options, index, phase.beganNanos());
            total = Math.min(limit.messages, schedule.dueWithin(limit.nanos));
            trip.number = 0;
            long freeNanos = phase.beganNanos(); // the echo of the last message had come
            while (answered < total && !lost) {
                long dueNanos = schedule.dueNanos(answered);
                boolean late = freeNanos > dueNanos;
                if (!schedule.await(dueNanos, phase) || !sendNext(phase)) {
                    return;
                }
                answered++;
                phase.recordScheduled(dueNanos, late, trip.startNanos, trip.endNanos,
                        trip.reads, trip.connectNanos);
                freeNanos = trip.endNanos;
                if (options.connect) {
                    closeIfUsed(phase);
                    freeNanos = System.nanoTime();
                }
            }
            if (limit.nanos < ENDLESS) { // it lasts as long as was asked for
                schedule.await(phase.beganNanos() + limit.nanos, phase);
            }
        }

        /** Sends a message and waits for its echo; false if there is none, and no other. */
        private boolean sendNext(Phase phase) throws WrongEcho {
            trip.begin(benchmark.payload.message(window, next++));
            trip.startNanos = System.nanoTime();
            try {
                if (connection == null) {
                    connection = benchmark.server.open();
                    trip.connectNanos = System.nanoTime() - trip.startNanos;
                    benchmark.server.noteConnecting(trip.connectNanos);
                } else if (options.connect) { // the first one, which has found the server
                    trip.connectNanos = connection.connectNanos;
                }
                connection.roundTrip(trip);
                trip.compare();
                trip.echoes++;
                return true;
            } catch (IOException e) {
                lose(e, phase);
                return false;
            }
        }

        /** With --connect a connection is for one message. */
        private void closeIfUsed(Phase phase) throws WrongEcho {
            if (options.connect) {
                try {
                    connection.end(trip);
                    benchmark.server.close(connection);
                    connection = null;
                } catch (IOException e) {
                    lose(e, phase);
                }
            }
        }

        /** The connection is lost, and ends alone; unless it was closed at the end of a run. */
        private void lose(IOException reason, Phase phase) throws WrongEcho {
            lost = true;
            if (reason instanceof WrongEcho) {
                throw (WrongEcho) reason;
            }
            if (connection != null) {
                benchmark.server.close(connection);
            }
            if (!phase.isOver()) {
                benchmark.lose(reason, trip);
            }
        }

        /**
         * With --rate, what is due by the end of a phase and has no echo counts, too: as far as
         * it has waited. Beyond 100,000 messages of all threads they are counted in groups, as
         * if all of a group had been due in its middle.
         */
        void countUnsent(Phase phase) {
            if (schedule == null) {
                return;
            }
            long due = Math.min(total, schedule.dueWithin(phase.elapsedNanos()));
            long first = answered;
            if (trip.number > answered) { // the first one was sent
                phase.recordUnsent(schedule.dueNanos(first), 1, true);
                first++;
            }
            long group = 1 + Math.max(0, due - first) / Math.max(1, 100_000 / options.parallel);
            for (long number = first; number < due; number += group) {
                long many = Math.min(group, due - number);
                phase.recordUnsent(schedule.dueNanos(number + many / 2), many, false);
            }
        }
    }

    /** Senders at the same time, which wait for each other before each phase. */
    static final class Benchmark {
        private static final int NEW_CONNECTIONS = 1000; // of a warm-up with --connect
        private final Run run;
        private final Options options;
        private final Server server;
        private final Payload payload;
        private final Queue<Sender> senders = new ConcurrentLinkedQueue<>();
        private final CyclicBarrier connected;
        private final CyclicBarrier warm;
        private final CyclicBarrier done;

        Benchmark(Run run, Options options, Server server, Payload payload) {
            this.run = run;
            this.options = options;
            this.server = server;
            this.payload = payload;
            int all = options.parallel;
            connected = new CyclicBarrier(all, () -> run.warmup.begin(System.nanoTime()));
            warm = new CyclicBarrier(all, run::beginMeasurement);
            done = new CyclicBarrier(all, () -> run.measured.end(System.nanoTime()));
        }

        /** What each thread does. One whose connection is lost waits for the others, too. */
        void send(Connection connection, int index)
                throws WrongEcho, InterruptedException, BrokenBarrierException {
            Sender sender = new Sender(this, index, connection);
            senders.add(sender);
            connected.await();
            sender.trip.kind = "warm-up message";
            sender.closedLoop(run.warmup, warmupLimit(index));
            warm.await();
            sender.trip.kind = "message";
            if (options.openLoop()) {
                sender.openLoop(run.measured);
            } else {
                sender.closedLoop(run.measured, options.limit);
            }
            done.await(); // nobody closes earlier: that would take time from the others
        }

        /** With --connect all warm-ups together leave no more than 1000 ports in TIME_WAIT. */
        private Limit warmupLimit(int index) {
            if (!options.connect) {
                return options.warmup;
            }
            int share = NEW_CONNECTIONS / options.parallel;
            if (index < NEW_CONNECTIONS % options.parallel) {
                share++;
            }
            return new Limit(Math.min(share, options.warmup.messages), options.warmup.nanos);
        }

        private void lose(IOException reason, Trip trip) {
            if (reason instanceof Loss) {
                long all = run.warmup.messages() + run.measured.messages();
                ((Loss) reason).othersEchoes = Math.max(0, all - trip.echoes);
            }
            run.lose(reason);
        }

        /** Counts what is due and has no echo, once all threads have ended. */
        void countUnsent() {
            if (run.measured.hasBegun()) {
                senders.forEach(sender -> sender.countUnsent(run.measured));
            }
        }
    }

    // What the times come to.

    /** The warm-up, or what is measured: the times of all messages, on all connections. */
    static final class Phase {
        private final boolean drawn;
        private volatile Instant beganAt;
        private volatile long beganNanos;
        private volatile long endedNanos;
        private volatile boolean over;
        private final LongAdder reads = new LongAdder();
        private final AtomicLong firstNanos = new AtomicLong(); // of the echo that came first
        private volatile long slowestNanos = -1;
        private long slowestAtNanos;
        private final Queue<long[]> waitingTimes = new ConcurrentLinkedQueue<>();
        private long waiting; // sent, no echo at the end
        private long waitingMaxNanos;
        private long waitingCounted; // as if they had come back then
        private long unsent; // due, and not sent by the end
        final Histogram rtt = new Histogram(); // from when a message was sent
        final Histogram connect = new Histogram(); // with --connect
        /** With --rate: from when a message was due, and by how much it was sent late, */
        final Histogram response = new Histogram();
        final Histogram wakeup = new Histogram(); // because this program woke up late
        final Histogram behind = new Histogram(); // or because an echo was under way
        final Series series = new Series(); // each message at its time, for a picture
        final Intervals intervals;

        Phase(boolean drawn) {
            this(drawn, 0);
        }

        /** @param intervalNanos the time of --interval; 0 if it was not asked for */
        Phase(boolean drawn, long intervalNanos) {
            this.drawn = drawn;
            intervals = new Intervals(intervalNanos);
        }

        void begin(long nanos) {
            beganNanos = nanos;
            beganAt = Instant.now(); // at last: hasBegun asks for it
        }

        /** Ends it, unless it has ended before. */
        synchronized void end(long nanos) {
            if (!over) {
                endedNanos = nanos;
                over = true;
            }
        }

        boolean hasBegun() {
            return beganAt != null;
        }

        boolean isOver() {
            return over;
        }

        /** When it ended, or the other time if it has not. */
        long endOr(long nanos) {
            return over ? endedNanos : nanos;
        }

        void record(long startNanos, long endNanos, int pieces, long connectNanos) {
            long nanos = endNanos - startNanos;
            recordTrip(nanos, pieces, connectNanos);
            recordAt(startNanos, nanos);
            intervals.record(nanos);
        }

        /** Late: the message before it had no echo yet when it was due. */
        void recordScheduled(long dueNanos, boolean late, long startNanos, long endNanos,
                int pieces, long connectNanos) {
            Histogram lateness = late ? behind : wakeup;
            lateness.record(Math.max(0, startNanos - dueNanos));
            response.record(endNanos - dueNanos);
            recordTrip(endNanos - startNanos, pieces, connectNanos);
            recordAt(dueNanos, endNanos - dueNanos);
            intervals.record(endNanos - dueNanos);
        }

        private void recordTrip(long nanos, int pieces, long connectNanos) {
            rtt.record(nanos);
            reads.add(pieces);
            if (firstNanos.get() == 0) {
                firstNanos.compareAndSet(0, nanos);
            }
            if (connectNanos > 0) {
                connect.record(connectNanos);
            }
        }

        private void recordAt(long atNanos, long nanos) {
            if (nanos > slowestNanos) { // so hardly ever is there a lock
                noteSlowest(atNanos, nanos);
            }
            if (drawn) {
                series.add(atNanos - beganNanos, nanos);
            }
        }

        private synchronized void noteSlowest(long atNanos, long nanos) {
            if (nanos > slowestNanos) {
                slowestNanos = nanos;
                slowestAtNanos = atNanos - beganNanos;
            }
        }

        /** A message of a closed loop has no echo: from when, until when it waited. */
        void recordWaiting(long startNanos, long untilNanos) {
            waitingTimes.add(new long[] {startNanos, Math.max(0, untilNanos - startNanos)});
        }

        /** Messages on a schedule that were due then, and have no echo. */
        void recordUnsent(long dueNanos, long many, boolean sent) {
            long waited = Math.max(0, endedNanos - dueNanos);
            response.record(waited, many);
            recordAt(dueNanos, waited);
            if (sent) {
                waiting++;
                waitingMaxNanos = Math.max(waitingMaxNanos, waited);
            } else {
                unsent += many;
                behind.record(waited, many);
            }
        }

        /**
         * Called once, when all is recorded. Of a closed loop, a message that waited longer
         * than the median counts with the time that it has waited; others would only show when
         * the run was ended.
         */
        void finish() {
            long median = rtt.percentile(50);
            for (long[] one : waitingTimes) {
                waiting++;
                waitingMaxNanos = Math.max(waitingMaxNanos, one[1]);
                if (one[1] > median) {
                    rtt.record(one[1]);
                    waitingCounted++;
                    recordAt(one[0], one[1]);
                }
            }
            series.finish();
        }

        /** How many messages have come back. */
        long messages() {
            return rtt.count() - waitingCounted;
        }

        /** How many were sent and had no echo at the end. */
        long waiting() {
            return waiting;
        }

        long waitingMaxNanos() {
            return waitingMaxNanos;
        }

        /** How many were due and not sent. */
        long unsent() {
            return unsent;
        }

        long firstNanos() {
            return firstNanos.get();
        }

        /** In how many pieces an echo came, on average. */
        double readsMean() {
            return (double) reads.sum() / messages();
        }

        /** When the slowest message was sent, or due, since the phase began. */
        long maxAtNanos() {
            return slowestAtNanos;
        }

        Instant beganAt() {
            return beganAt;
        }

        long beganNanos() {
            return beganNanos;
        }

        long elapsedNanos() {
            return endOr(System.nanoTime()) - beganNanos;
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
            buckets.getAndAdd(bucket(nanos), times);
            count.add(times);
            sum.add((double) nanos * times);
            sumOfSquares.add((double) nanos * nanos * times);
            min.accumulate(nanos);
            max.accumulate(nanos);
        }

        private static int bucket(long nanos) {
            int bits = 64 - Long.numberOfLeadingZeros(nanos); // 13 for 5000
            int halvings = Math.max(0, bits - 11); // until it is below 2048: 2
            long halved = nanos >>> halvings; // 1250
            return halvings * HALF + (int) halved;
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

        /** How many are at least so long; to the width of a bucket. */
        long countFrom(long nanos) {
            long found = 0;
            for (int bucket = bucket(nanos); bucket < buckets.length(); bucket++) {
                found += buckets.get(bucket);
            }
            return found;
        }

        /** 0 if there is none, as all of these but the mean. */
        long min() {
            return count() == 0 ? 0 : min.get();
        }

        long max() {
            return max.get();
        }

        /** NaN if there is none. */
        double mean() {
            return sum.sum() / count();
        }

        /** Not exact if it is below a millionth of the mean: rounding takes the digits. */
        double stddev() {
            double variance = sumOfSquares.sum() / count() - mean() * mean();
            return Math.sqrt(Math.max(0, variance));
        }

        /** By nearest rank: the least value that this many percent don't exceed; 0 if none. */
        long percentile(double percent) {
            if (count() == 0) {
                return 0;
            }
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

        /** The percentile; NaN if too few values support it. */
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
    static final class Series {
        private static final int MOST = 1000;

        /** Some times of one thread. A lock for each of them would change what is measured. */
        private static final class Batch {
            private final long[] at = new long[64];
            private final long[] nanos = new long[64];
            private int count;
        }

        /** What is told of a point: its time since the phase began, and its values. */
        interface Visitor {
            void visit(long atNanos, double min, double mean, double max);
        }

        /** By the time since the phase began, divided by the width of a point. */
        private Map<Long, LongSummaryStatistics> points = new HashMap<>();
        private final Queue<Batch> batches = new ConcurrentLinkedQueue<>();
        private final ThreadLocal<Batch> mine = ThreadLocal.withInitial(this::newBatch);
        private long width = 1;
        private long last;

        private Batch newBatch() {
            Batch batch = new Batch();
            batches.add(batch);
            return batch;
        }

        void add(long atNanos, long nanos) {
            Batch batch = mine.get();
            batch.at[batch.count] = atNanos;
            batch.nanos[batch.count] = nanos;
            batch.count++;
            if (batch.count == batch.at.length) {
                take(batch);
            }
        }

        private synchronized void take(Batch batch) {
            for (int i = 0; i < batch.count; i++) {
                last = Math.max(last, batch.at[i]);
                point(batch.at[i] / width).accept(batch.nanos[i]);
            }
            batch.count = 0;
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

        /** Takes what the threads still have; called when these have ended. */
        void finish() {
            batches.forEach(this::take);
        }

        /** Whether each point is one message. */
        boolean single() {
            return width == 1;
        }

        /** How much time a point stands for, in nanoseconds. */
        long width() {
            return width;
        }

        /** The time of the last message. */
        long last() {
            return last;
        }

        void forEach(Visitor visitor) {
            points.forEach((place, point) -> visitor.visit(place * width, point.getMin(),
                    point.getAverage(), point.getMax()));
        }
    }

    /** What came back in each interval of --interval. */
    static final class Intervals {

        /** One of them: until when, and its messages. */
        static final class Interval {
            final long endNanos; // since the measurement began
            final long messages;
            final double meanNanos; // NaN if there was none
            final long maxNanos;

            Interval(long endNanos, long messages, double meanNanos, long maxNanos) {
                this.endNanos = endNanos;
                this.messages = messages;
                this.meanNanos = meanNanos;
                this.maxNanos = maxNanos;
            }

            /** Such as "3 s: 66,123 messages, mean 15.01 us, max 1.20 ms". */
            @Override
            public String toString() {
                BigDecimal seconds = new BigDecimal(format("%.3f", endNanos / 1e9));
                String until = seconds.stripTrailingZeros().toPlainString() + " s: ";
                if (messages == 0) {
                    return until + "no echo";
                }
                return until + count(messages, "message") + ", mean " + time(meanNanos)
                        + ", max " + time(maxNanos);
            }
        }

        private final long widthNanos; // 0 if none were asked for
        private final LongAdder messages = new LongAdder();
        private final LongAdder sum = new LongAdder();
        private final LongAccumulator max = new LongAccumulator(Math::max, 0);
        /** Of the one thread that asks for them: */
        private final List<Interval> all = new ArrayList<>();
        private long messagesBefore;
        private long sumBefore;

        Intervals(long widthNanos) {
            this.widthNanos = widthNanos;
        }

        void record(long nanos) {
            if (widthNanos > 0) {
                max.accumulate(nanos);
                sum.add(nanos);
                messages.increment();
            }
        }

        /** When the next interval ends, since the measurement began. */
        long nextNanos() {
            return widthNanos == 0 ? ENDLESS : (all.size() + 1) * widthNanos;
        }

        /**
         * The next interval, with what came back since the one before. If it is asked for late,
         * because this program stood still, the next ones have nothing, as it was.
         */
        Interval next() {
            return add(nextNanos());
        }

        /** What came back since the last whole interval; null if there is nothing to say. */
        Interval rest(long elapsedNanos) {
            boolean any = messages.sum() > messagesBefore;
            if (widthNanos == 0 || !any && elapsedNanos < nextNanos() - widthNanos / 2) {
                return null;
            }
            return add(elapsedNanos);
        }

        private Interval add(long endNanos) {
            long messagesNow = messages.sum();
            long sumNow = sum.sum();
            long many = messagesNow - messagesBefore;
            Interval interval = new Interval(endNanos, many,
                    (double) (sumNow - sumBefore) / many, max.getThenReset());
            messagesBefore = messagesNow;
            sumBefore = sumNow;
            all.add(interval);
            return interval;
        }

        List<Interval> all() {
            return all;
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
        int status = 0;
        Options options;
        try {
            options = Options.parse(args);
        } catch (IllegalArgumentException e) {
            err.println("[client] " + printable(e.getMessage()));
            return 2;
        }
        if (options.help) {
            out.print(Options.HELP);
        } else {
            status = new Run(options, out, err).toTheEnd();
        }
        if (out.checkError() && status == 0) {
            err.println("[client] cannot write to standard output");
            return 1;
        }
        return status;
    }

    /** The server could not be reached: at which address, and why. */
    static final class ConnectFailure extends IOException {
        private static final long serialVersionUID = 1;
        final transient InetAddress address; // null if the look-up of the name failed
        final int connectedBefore; // how many connections of this run had been accepted
        final IOException reason;

        ConnectFailure(InetAddress address, int connectedBefore, IOException reason) {
            super(reason.getMessage(), reason);
            this.address = address;
            this.connectedBefore = connectedBefore;
            this.reason = reason;
        }
    }

    /** The server: where it is, and which connections are open to it. */
    static final class Server {
        private final Options options;
        private volatile InetAddress address; // that answered; all connections go there
        private volatile boolean closed; // the run is over
        private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
        private final AtomicInteger connected = new AtomicInteger();
        private final LongAccumulator slowest = new LongAccumulator(Math::max, 0);

        Server(Options options) {
            this.options = options;
        }

        /**
         * Tries all addresses of the server's name in turn, in the time of --timeout for all
         * together and the look-up of the name. All later connections go where this one goes.
         *
         * @throws ConnectFailure with what the first address said, which was meant
         */
        Connection find() throws IOException {
            long beganNanos = System.nanoTime();
            InetAddress[] addresses = lookUp();
            long left = options.timeoutNanos - (System.nanoTime() - beganNanos);
            ConnectFailure first = null;
            for (int i = 0; i < addresses.length; i++) {
                long limit = Math.max(1_000_000, left / (addresses.length - i));
                long triedNanos = System.nanoTime();
                try {
                    Connection connection = connect(addresses[i], limit);
                    address = addresses[i];
                    return connection;
                } catch (ConnectFailure e) {
                    if (first == null) {
                        first = e;
                    }
                }
                left -= Math.min(limit, System.nanoTime() - triedNanos);
            }
            throw first;
        }

        /** In a thread of its own, because nothing can end a look-up. */
        private InetAddress[] lookUp() throws IOException {
            FutureTask<InetAddress[]> lookUp =
                    new FutureTask<>(() -> InetAddress.getAllByName(options.host));
            startThread("look-up", lookUp);
            waitFor(() -> lookUp.isDone() || closed, options.timeoutNanos);
            try {
                if (lookUp.isDone()) {
                    return lookUp.get();
                }
                throw new ConnectFailure(null, 0, new SocketTimeoutException("timed out"));
            } catch (ExecutionException e) {
                UnknownHostException reason = new UnknownHostException(options.host);
                if (e.getCause() instanceof UnknownHostException) {
                    reason = (UnknownHostException) e.getCause();
                }
                throw new ConnectFailure(null, 0, reason);
            } catch (InterruptedException e) {
                throw new ConnectFailure(null, 0, new InterruptedIOException());
            }
        }

        /** Connects to the address that has been found. */
        Connection open() throws IOException {
            return connect(address, options.timeoutNanos);
        }

        private Connection connect(InetAddress to, long limitNanos) throws IOException {
            Connection connection = null;
            try {
                connection = new Connection(options);
                connections.add(connection);
                if (closed) {
                    throw new ClosedChannelException();
                }
                connection.connect(new InetSocketAddress(to, options.port), limitNanos);
            } catch (IOException e) {
                if (connection != null) {
                    close(connection);
                }
                throw new ConnectFailure(to, connected.get(), e);
            }
            noteConnecting(connection.connectNanos);
            connected.incrementAndGet();
            return connection;
        }

        void noteConnecting(long nanos) {
            slowest.accumulate(nanos);
        }

        void close(Connection connection) {
            connections.remove(connection);
            connection.close();
        }

        /** Closes all connections; from now on there is no other. */
        void closeAll() {
            closed = true;
            connections.forEach(Connection::close);
        }

        /** Closes those on which nothing has moved for too long. */
        void look(long awakeNanos) {
            connections.forEach(connection -> connection.look(awakeNanos));
        }

        /** The address that answered; null before. */
        InetAddress address() {
            return address;
        }

        /** How many connections were made. */
        int connected() {
            return connected.get();
        }

        /** How many are open. */
        int connections() {
            return connections.size();
        }

        /** What the slowest connection took to be made. */
        long connectNanosMax() {
            return slowest.get();
        }

        /** Whether the server is on this machine. */
        boolean isHere() {
            return address != null && isHere(address);
        }

        static boolean isHere(InetAddress address) {
            try {
                return address.isLoopbackAddress() || address.isAnyLocalAddress()
                        || NetworkInterface.getByInetAddress(address) != null;
            } catch (IOException e) {
                return false;
            }
        }
    }

    /** How a run ended. */
    static final class Ending {
        Throwable failure; // the first one, but a wrong echo counts before all; null: none
        boolean interrupted; // the user has stopped it (Ctrl-C)
        int lost; // connections
        long failedAfterNanos; // since the measurement began; negative: before that
        long stoodStillNanos; // the longest time in which this program itself stood still
    }

    /** One run: its threads, its limits, Ctrl-C, and at the end its report. */
    static final class Run {
        private final Options options;
        private final PrintStream out;
        private final PrintStream err;
        private final Server server;
        private final Machine machine = new Machine();
        private final Phase warmup;
        private final Phase measured;
        private final Ending ending = new Ending();
        private final Set<Thread> threads = ConcurrentHashMap.newKeySet(); // at work
        private final CountDownLatch over = new CountDownLatch(1); // opens when it is stopped
        private final Progress progress;
        private final Standstill standstill;
        private Payload payload;
        private Benchmark benchmark;
        private OutputFiles files;
        private volatile boolean stopped;
        private volatile boolean written; // the files are
        private volatile boolean reported; // all is

        Run(Options options, PrintStream out, PrintStream err) {
            this.options = options;
            this.out = out;
            this.err = err;
            server = new Server(options);
            warmup = new Phase(options.plot != null);
            measured = new Phase(options.plot != null, options.intervalNanos);
            progress = new Progress(options, err);
            standstill = new Standstill(options, measured);
        }

        /** Returns the exit status. */
        int toTheEnd() {
            int status = 1;
            Thread hook = new Thread(this::stopBySignal, "signal");
            try {
                Runtime.getRuntime().addShutdownHook(hook);
                prepare();
                startThread("client-0", () -> work(0));
                watch();
            } catch (IOException | IllegalStateException | OutOfMemoryError e) {
                stop(e, false);
            } catch (InterruptedException e) {
                // the user wants to stop
            } finally { // jshell's Ctrl-C throws an error into this thread
                stop(null, true); // if the run is over, this does nothing
                waitFor(threads::isEmpty, 5 * SECOND);
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
        private void prepare() throws IOException {
            files = new OutputFiles(options, err);
            if (options.hasResult()) { // for one message alone these 50 ms would be too long
                machine.noteLoad();
                machine.noteCollections();
            }
            payload = new Payload(options);
            benchmark = new Benchmark(this, options, server, payload);
        }

        /** The life of a thread. */
        private void work(int index) {
            threads.add(Thread.currentThread());
            Connection connection = null;
            try {
                if (stopped) {
                    return;
                }
                if (index == 0) {
                    connection = server.find();
                    startOthers();
                } else if (!options.connect) {
                    connection = server.open();
                }
                if (options.bench) {
                    benchmark.send(connection, index);
                } else {
                    new Talk(options, out, measured).sendAll(connection, payload);
                }
                stop(null, false);
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
                stop(e, false);
            } catch (InterruptedException | BrokenBarrierException e) {
                // another thread has failed, or it was Ctrl-C: stop was called already
            } finally {
                if (connection != null) {
                    server.close(connection);
                }
                threads.remove(Thread.currentThread());
            }
        }

        /** By the first thread, which has found the server. */
        private void startOthers() {
            for (int i = 1; i < options.parallel && !stopped; i++) {
                int index = i;
                startThread("client-" + i, () -> work(index));
            }
        }

        /** Run by the last thread that has ended its warm-up, while the others wait. */
        private void beginMeasurement() {
            warmup.end(System.nanoTime());
            String doubt = new Warnings(options, server, machine, warmup, measured, ending)
                    .rateBeforeStart();
            if (doubt != null) { // worth knowing at once
                progress.erase();
                err.println("[bench] warning: " + doubt);
            }
            machine.noteCollections();
            measured.begin(System.nanoTime());
        }

        /** A connection is lost. The others go on; the last one ends the run. */
        private synchronized void lose(IOException reason) {
            ending.lost++;
            noteFailure(reason);
            if (ending.lost == options.parallel) {
                stop(reason, false);
            }
        }

        private void noteFailure(Throwable failure) {
            if (ending.failure == null) {
                ending.failedAfterNanos = measured.hasBegun() ? measured.elapsedNanos() : -1;
                ending.failure = failure;
            } else if (failure instanceof WrongEcho) {
                ending.failure = failure;
            }
        }

        /**
         * Waits until the run is over. Meanwhile it finds connections on which nothing moves,
         * notes when this program itself stands still, and shows how far it is.
         */
        private void watch() throws InterruptedException {
            long lookNanos = Math.min(options.timeoutNanos / 10, SECOND / 10);
            long awakeNanos = 0; // since the measurement began
            long beforeNanos = System.nanoTime();
            boolean ended = false;
            while (!ended) {
                ended = over.await(Math.min(lookNanos, nextIntervalIn()), TimeUnit.NANOSECONDS);
                long gap = System.nanoTime() - beforeNanos;
                beforeNanos += gap;
                long awake = Math.min(gap, lookNanos);
                server.look(awake);
                if (measured.hasBegun() && options.bench) {
                    awakeNanos += awake;
                    ending.stoodStillNanos = standstill.look(gap, gap - lookNanos);
                    tellIntervals();
                }
                if (options.openLoop() && awakeNanos / 2 > options.limit.nanos) {
                    stop(null, false); // it has gone on for as long again
                }
                if (!ended) {
                    progress.show(measured.hasBegun() ? measured : warmup,
                            measured.hasBegun(), server.connections());
                }
            }
            progress.erase();
        }

        private long nextIntervalIn() {
            long next = measured.intervals.nextNanos();
            if (next == ENDLESS || !measured.hasBegun()) {
                return ENDLESS;
            }
            long left = next - measured.elapsedNanos();
            return left > 0 ? left : SECOND / 10; // the last one is told at the end
        }

        private void tellIntervals() {
            Intervals intervals = measured.intervals;
            long elapsed = measured.elapsedNanos();
            while (!stopped && elapsed >= tellAt(intervals.nextNanos())) {
                err.println("[bench] " + intervals.next());
            }
        }

        /** The last interval of a run waits for the last echo, unless the run goes on. */
        private long tellAt(long intervalEnds) {
            if (intervalEnds == options.limit.nanos && intervalEnds < ENDLESS) {
                return intervalEnds + SECOND / 20;
            }
            return intervalEnds;
        }

        /** Makes all threads end at once. The first call counts; null if nothing has failed. */
        private synchronized void stop(Throwable reason, boolean byUser) {
            if (reason != null && (!stopped || reason instanceof WrongEcho)) {
                noteFailure(reason);
            }
            if (!stopped) {
                long now = System.nanoTime();
                warmup.end(now);
                measured.end(now);
                ending.interrupted = byUser;
                stopped = true;
                threads.forEach(Thread::interrupt); // those that wait for others, or to send
                server.closeAll(); // those that wait for an echo
                over.countDown();
            }
        }

        /** On Ctrl-C: keeps the program alive until what was measured so far is reported. */
        private void stopBySignal() {
            stop(null, true);
            if (options.hasResult()) {
                waitFor(() -> written, 60 * SECOND);
                waitFor(() -> reported, 3 * SECOND); // longer only if nobody reads the text
            }
        }

        /** Reports what was measured, or what failed, or both; returns the exit status. */
        private int report() {
            machine.fix();
            if (benchmark != null) {
                benchmark.countUnsent();
            }
            warmup.finish();
            measured.finish();
            Report report = new Report(this);
            report.write();
            written = true; // first the files, because nobody may be reading the text
            return report.show();
        }
    }

    /** Whether this program itself stood still: it was suspended, or no core was free. */
    static final class Standstill {
        private final Options options;
        private final Phase measured;
        private long messagesBefore; // at the last look
        private long longestNanos;

        Standstill(Options options, Phase measured) {
            this.options = options;
            this.measured = measured;
        }

        /**
         * A look that is a tenth of a second late is not by chance. In a closed loop it counts
         * only if hardly any echo came meanwhile: there, the threads that send take the cores
         * from the one that looks.
         *
         * @param gapNanos how long ago the last look was
         * @param lateNanos by how much this one is late
         * @return the longest standstill until now
         */
        long look(long gapNanos, long lateNanos) {
            long before = messagesBefore;
            messagesBefore = measured.messages();
            long came = messagesBefore - before;
            double usual = (double) before * gapNanos / (measured.elapsedNanos() - gapNanos);
            if (lateNanos > SECOND / 10 && (options.openLoop() || came < usual / 3)) {
                longestNanos = Math.max(longestNanos, lateNanos);
            }
            return longestNanos;
        }
    }

    /** What a run shows at its end: files, the error, the text; and the exit status. */
    static final class Report {
        private final Options options;
        private final PrintStream out;
        private final PrintStream err;
        private final OutputFiles files; // null if they could not be opened
        private final Phase measured;
        private final Ending ending;
        private final String error; // in one line; null if nothing went wrong
        private final Result result; // null if there are no figures, or none that are true
        private boolean good; // all could be written, and was as it was asked for

        Report(Run run) {
            options = run.options;
            out = run.out;
            err = run.err;
            files = run.files;
            measured = run.measured;
            ending = run.ending;
            tellRestOfIntervals();
            error = error(run.server);
            good = error == null;
            if (measured.messages() > 0 && !(ending.failure instanceof WrongEcho)) {
                result = new Result(options, run.server, run.machine, run.warmup, measured,
                        ending, error);
            } else {
                result = null;
            }
        }

        private void tellRestOfIntervals() {
            if (measured.hasBegun()) {
                Intervals.Interval rest = measured.intervals.rest(measured.elapsedNanos());
                if (rest != null) {
                    err.println("[bench] " + rest);
                }
            }
        }

        private String error(Server server) {
            boolean nothing = measured.messages() == 0;
            if (ending.failure == null && (!nothing || !options.hasResult())) {
                return null;
            }
            String words = "no message came back in time";
            if (ending.failure != null) {
                words = new Failures(options, server).why(ending.failure);
                if (ending.lost > 0 && options.parallel > 1
                        && !(ending.failure instanceof WrongEcho)) {
                    words = format("%,d of %s lost; the first: %s", ending.lost,
                            count(options.parallel, "connection"), words);
                }
            } else if (ending.interrupted) {
                words = "interrupted before anything was measured";
            }
            long due = measured.waiting() + measured.unsent();
            if (nothing && due > 0) {
                words += "; none of " + count(due, "message") + " that were due came back";
            }
            return words;
        }

        /** Writes the files. So nothing of an earlier run stays beside a failure. */
        void write() {
            if (!options.hasResult()) {
                return;
            }
            String json = JsonReport.failed(error, ending.interrupted);
            String hgrm = "";
            String picture = "";
            if (result != null) {
                json = new JsonReport(result).toString();
                hgrm = options.hgrm == null ? "" : result.latency.toHgrm();
                picture = options.plot == null ? "" : new Picture(result).draw();
            }
            good &= files != null && files.write(json + "\n", hgrm, picture, err);
            if (options.jsonToOut()) {
                out.println(json);
            }
        }

        /** Shows the text; returns the exit status. */
        int show() {
            if (error != null) {
                err.println("[client] " + printable(error));
            }
            if (result != null && options.bench) {
                new TextReport(result, out).show();
                checkP99();
            }
            if (ending.interrupted) {
                return 130;
            }
            return good ? 0 : 1;
        }

        /** Whether p99 is within --max-p99. If it isn't, or can't be told, that is an error. */
        private void checkP99() {
            long most = options.maxP99Nanos;
            Histogram times = result.latency;
            if (most > 0 && !times.supports(99)) {
                good = false;
                err.println("[client] p99 can't be told from " + count(times.count(), "message")
                        + ", it needs 100: it may be above --max-p99 " + time(most));
            } else if (most > 0 && times.percentile(99) > most) {
                good = false;
                err.println("[client] p99 is " + time(times.percentile(99))
                        + ", above --max-p99 " + time(most));
            }
        }
    }

    /** A line on a terminal that shows, once a second, how far a benchmark is. */
    static final class Progress {
        private final Options options;
        private final PrintStream err;
        private int columns = -1; // of the terminal; 0 if there is none, -1 if not yet known
        private boolean shown;
        private long nextNanos = System.nanoTime() + SECOND;
        private long done; // messages, when it was shown last
        private long movedNanos; // when there were more messages than before

        Progress(Options options, PrintStream err) {
            this.options = options;
            this.err = err;
        }

        /** Shows how far this phase is, if a second has gone by. */
        void show(Phase phase, boolean warm, int connections) {
            long now = System.nanoTime();
            if (now < nextNanos || !options.bench || options.intervalNanos > 0) {
                return;
            }
            nextNanos = now + SECOND;
            if (columns < 0) {
                columns = err == System.err ? columnsOfTerminal() : 0;
            }
            if (columns > 0) {
                String line = "[bench] " + line(phase, warm, connections, now);
                erase();
                err.print(line.substring(0, Math.min(line.length(), columns - 1)));
                err.flush();
                shown = true;
            }
        }

        /** Takes the line away. */
        void erase() {
            if (shown) {
                err.print("\r" + " ".repeat(columns - 1) + "\r");
                err.flush();
                shown = false;
            }
        }

        /** 0 if standard error is no terminal; only another program can tell. */
        private static int columnsOfTerminal() {
            try {
                Process stty = new ProcessBuilder("sh", "-c", "stty size <&2 2>/dev/null")
                        .redirectError(ProcessBuilder.Redirect.INHERIT).start();
                Scanner size = new Scanner(stty.getInputStream(), StandardCharsets.US_ASCII);
                if (!size.hasNextInt()) {
                    return 0;
                }
                size.nextInt(); // rows
                int wide = size.nextInt();
                return wide > 1 ? wide : 80; // 0 if nobody has told the terminal
            } catch (IOException e) {
                return 0;
            }
        }

        /** What is done of what, in at most 70 characters; the most telling first. */
        private String line(Phase phase, boolean warm, int connections, long now) {
            String name = warm ? "measured" : "warm-up";
            Limit limit = warm ? options.limit : options.warmup;
            long messages = phase.messages();
            if (messages != done || movedNanos == 0) {
                done = messages;
                movedNanos = now;
            }
            if (now - movedNanos > 3 * SECOND / 2) {
                return format("nothing for %.0f s on %s, %s %,d messages",
                        (now - movedNanos) / 1e9, count(connections, "connection"), name,
                        messages);
            }
            if (messages == 0) {
                return "no echo yet on " + count(connections, "connection");
            }
            double seconds = phase.elapsedNanos() / 1e9;
            String mean = time(phase.rtt.mean());
            if (limit.nanos < ENDLESS) {
                return format("%s %.0f of %.0f s: %,d messages, mean %s", name, seconds,
                        limit.nanos / 1e9, messages, mean);
            }
            long all = limit.messages * options.parallel;
            if (options.connect && !warm) {
                all = Math.min(all, Benchmark.NEW_CONNECTIONS);
            }
            double left = seconds / messages * (all - messages);
            String about = left < 100 ? format("%.0f s", left) : format("%.0f min", left / 60);
            return format("%s %,d of %,d messages, mean %s, about %s left", name, messages, all,
                    mean, about);
        }
    }

    // Words that several of the rooms use.

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

    /**
     * Waits until something is so, and returns whether it is. Time in which this program stood
     * still (Ctrl-Z, the lid of a laptop) does not count for the limit.
     */
    private static boolean waitFor(BooleanSupplier condition, long limitNanos) {
        long waited = 0;
        long before = System.nanoTime();
        while (!condition.getAsBoolean() && waited < limitNanos) {
            LockSupport.parkNanos(1_000_000);
            long now = System.nanoTime();
            waited += Math.min(now - before, 10_000_000);
            before = now;
        }
        return condition.getAsBoolean();
    }

    private static String format(String form, Object... values) {
        return String.format(Locale.ROOT, form, values);
    }

    /** Such as 18.04 us, 1.25 ms or 10.00 s: below 10,000 s eight characters; - for NaN. */
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

    /** To a whole number; below 100 to three significant digits. */
    private static String number(double value) {
        return value < 99.95 ? format("%.3g", value) : format("%.0f", value);
    }

    /** To two decimals; below 1 to three significant digits. */
    private static String megas(double value) {
        if (!(value > 0) || value >= 1) {
            return format("%.2f", value);
        }
        int zeros = (int) -Math.floor(Math.log10(value)); // 0.05 has one more than 0.5
        return format("%." + (2 + zeros) + "f", value);
    }

    private static String count(long n, String what) {
        return format("%,d %s%s", n, what, n == 1 ? "" : "s");
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

    /**
     * The text with a dot for each character that would steer a terminal and not be shown. What
     * belongs to the text stays: so do the joiners within an emoji, and the tags of a flag.
     */
    private static String printable(String text) {
        StringBuilder shown = new StringBuilder();
        text.codePoints().forEach(c -> shown.appendCodePoint(isShown(c) ? c : '.'));
        return shown.toString();
    }

    private static boolean isShown(int c) {
        switch (Character.getType(c)) {
            case Character.CONTROL:
            case Character.LINE_SEPARATOR:
            case Character.PARAGRAPH_SEPARATOR:
            case Character.SURROGATE: // half of a character
                return false;
            case Character.FORMAT:
                return c == 0x200c || c == 0x200d || c >= 0xe0020 && c <= 0xe007f;
            default: // U+FFFD stands for bytes that are no text, U+FFFE and U+FFFF for nothing
                return c != 0xfffd && (c & 0xfffe) != 0xfffe;
        }
    }

    /** The bytes as a text, shortened to 60 characters, and how many bytes they are. */
    private static String quoted(ByteBuffer bytes) {
        byte[] head = new byte[Math.min(bytes.remaining(), 6000)]; // 100 for each character
        bytes.duplicate().get(head);
        String text = new String(head, StandardCharsets.UTF_8);
        String shown = beginning(text, 60);
        if (shown.length() < text.length() || head.length < bytes.remaining()) {
            shown += "...";
        }
        shown = printable(shown.replace("\n", "\\n").replace("\r", "\\r"));
        return "\"" + shown + "\" (" + count(bytes.remaining(), "byte").replace(",", "") + ")";
    }

    /** The first characters, as a reader sees them: an emoji of seven code points is one. */
    private static String beginning(String text, int most) {
        // \X is such a character. But to JDK 11 one ends behind a joiner, and before the colour
        // of a skin or the tags of a flag.
        String within = "(?:(?<=\\x{200d})|(?=[\\x{1f3fb}-\\x{1f3ff}\\x{e0020}-\\x{e007f}]))";
        String character = "\\X(?:" + within + "\\X)*+";
        return text.replaceFirst("(?s)^((?:" + character + "){" + most + "}).*", "$1");
    }

    /** A word as it can be pasted into a shell. */
    private static String forShell(String word) {
        boolean plain = !word.isEmpty() && !word.startsWith("=");
        for (char c : word.toCharArray()) {
            boolean letter = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z';
            boolean digit = c >= '0' && c <= '9';
            plain &= letter || digit || "-_=./:,+@%".indexOf(c) >= 0;
        }
        return plain ? word : "'" + word.replace("'", "'\\''") + "'";
    }

    // The result.

    /** What else a result depends on. */
    static final class Machine {
        final String java = System.getProperty("java.version");
        final String system = System.getProperty("os.name");
        final String systemVersion = System.getProperty("os.version");
        final String architecture = System.getProperty("os.arch");
        final int cores = Runtime.getRuntime().availableProcessors();
        double load = -1; // how many programs were at work before; negative if it is not known
        long collections; // garbage collections of this program during the measurement
        private long collectionsBefore;

        /** Called before the warm-up, which is a load, too. */
        void noteLoad() {
            load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
        }

        /** Called when the measurement begins. */
        void noteCollections() {
            collectionsBefore = allCollections();
        }

        /** Called when it has ended. So all reports tell the same number. */
        void fix() {
            collections = allCollections() - collectionsBefore;
        }

        private static long allCollections() {
            return ManagementFactory.getGarbageCollectorMXBeans().stream()
                    .mapToLong(GarbageCollectorMXBean::getCollectionCount).sum();
        }

        /** Whether the load is far above what the cores can do. */
        boolean isBusy() {
            return load > 2 * cores;
        }

        @Override
        public String toString() {
            return format("JDK %s, %s %s, %s, load %s, %s", java, system, architecture,
                    count(cores, "core"), load < 0 ? "unknown" : format("%.2f", load),
                    count(collections, "garbage collection"));
        }
    }

    /** The figures of a run, fixed once. The text and the files are made from it. */
    static final class Result {
        final Options options;
        final Server server;
        final Machine machine;
        final Phase warmup;
        final Phase measured;
        final Ending ending;
        final String error; // null if the run did not fail
        final List<String> warnings;
        /** The times that count: response times with --rate, otherwise round trips. */
        final Histogram latency;
        final long messages; // that came back
        final long waiting; // sent, no echo at the end
        final long unsent; // due, and not sent by the end
        final double seconds;
        final double messagesPerSecond;
        final double bytesPerSecond;

        Result(Options options, Server server, Machine machine, Phase warmup, Phase measured,
                Ending ending, String error) {
            this.options = options;
            this.server = server;
            this.machine = machine;
            this.warmup = warmup;
            this.measured = measured;
            this.ending = ending;
            this.error = error;
            warnings = new Warnings(options, server, machine, warmup, measured, ending).all();
            latency = options.openLoop() ? measured.response : measured.rtt;
            messages = measured.messages();
            waiting = measured.waiting();
            unsent = measured.unsent();
            seconds = measured.elapsedNanos() / 1e9;
            messagesPerSecond = messages / seconds;
            bytesPerSecond = messagesPerSecond * options.messageBytes();
        }

        /** Such as "FAILED after 2.50 s: ..."; empty if the run went to its end. */
        String end() {
            if (error == null && !ending.interrupted) {
                return "";
            }
            if (error == null) {
                return "INTERRUPTED after " + time(seconds * SECOND)
                        + ": this is what was measured until then";
            }
            if (ending.failure == null) {
                return "FAILED: " + error;
            }
            if (ending.failedAfterNanos < 0) {
                return "FAILED before the measurement: " + error;
            }
            return "FAILED after " + time(ending.failedAfterNanos) + ": " + error;
        }

        /** Such as "1 message, waiting for 5.00 s"; empty if there is none. */
        String waitingAtEnd() {
            if (waiting == 0) {
                return "";
            }
            return count(waiting, "message") + ", waiting for "
                    + time(measured.waitingMaxNanos()) + (waiting > 1 ? " at most" : "");
        }

        /** The least of some times; NaN if there are none. */
        static double least(Histogram times) {
            return times.count() == 0 ? Double.NaN : times.min();
        }

        static double greatest(Histogram times) {
            return times.count() == 0 ? Double.NaN : times.max();
        }

        /** The address of the server, as a text; null if it is not known. */
        String serverAddress() {
            return server.address() == null ? null : server.address().getHostAddress();
        }
    }

    // What went wrong, what to doubt, and what to do about it.

    /** Why a run failed, and what to do about it. An advice is given only on what was seen. */
    static final class Failures {
        private final Options options;
        private final Server server;

        Failures(Options options, Server server) {
            this.options = options;
            this.server = server;
        }

        String why(Throwable failure) {
            String message = "" + failure.getMessage();
            if (failure instanceof Loss) {
                return whyLost((Loss) failure);
            } else if (failure instanceof ConnectFailure) {
                return new ConnectAdvice(options).why((ConnectFailure) failure);
            } else if (failure instanceof FileNotFoundException) {
                return "cannot write " + message;
            } else if (message.contains("native thread")) {
                return "cannot start so many threads: use less --parallel, or allow more"
                        + " processes (ulimit -u, or the limit of a container)";
            } else if (failure instanceof OutOfMemoryError) {
                return "out of memory: use a smaller --parallel or --size, or java -Xmx4g";
            }
            return failure instanceof IOException ? message : failure.toString();
        }

        private String whyLost(Loss loss) {
            String place = format(" in %s %d, after %d of %d bytes of the echo; ", loss.kind,
                    loss.number, loss.receivedBytes, loss.size);
            if (loss.endMissing) {
                return "timed out: nothing moved for " + time(options.timeoutNanos) + " after "
                        + loss.kind + " " + loss.number + " had come back; does the server"
                        + " close a connection when the client has ended its side?";
            }
            if (loss.timedOut) {
                return "timed out: nothing moved for " + time(options.timeoutNanos) + place
                        + adviceForSilence(loss);
            }
            String what = loss.getMessage() == null ? "it was closed" : loss.getMessage();
            return "connection lost: " + what + place + adviceForLoss(loss, what);
        }

        private String adviceForSilence(Loss loss) {
            if (loss.receivedBytes > 0) {
                return adviceForPart(loss);
            }
            if (loss.echoes > 0) {
                String advice = before(loss) + "the path or the server has gone silent;"
                        + " --timeout allows more";
                if (!options.bench && !loss.lineSent) {
                    advice += "; does it wait for a line end, which --line sends?";
                }
                return advice;
            }
            if (loss.othersEchoes > 0) {
                return count(loss.othersEchoes, "message") + " came back on other connections,"
                        + " none on this: is the server full (--max-connections), or does it"
                        + " serve one client at a time?";
            }
            String advice = "is it an echo server, is it full (--max-connections)";
            if (!loss.lineSent) {
                advice += ", does it wait for a line end, which --line sends";
            }
            if (loss.size > 500 && !server.isHere()) {
                advice += ", are packets of this size lost (does a small --size work)";
            }
            return advice + "?";
        }

        /** The echo has begun, and has not ended. */
        private String adviceForPart(Loss loss) {
            if (loss.lineSent && loss.receivedBytes == loss.size - 1) {
                return "only the line end is missing: does the server write it, too?";
            }
            if (loss.lastByte == '\n' && !options.line) {
                return "it ended at a line end: does the server read lines? --line sends them";
            }
            return "does the server write all that it reads?";
        }

        private String adviceForLoss(Loss loss, String what) {
            if (isOfNetwork(what)) {
                return "the way to the server is gone: is the network up, is its machine?";
            }
            if (loss.receivedBytes > 0 && loss.receivedBytes < loss.size) {
                return "does the server write all that it reads before it closes?";
            }
            if (loss.echoes == 0 && loss.othersEchoes > 0) {
                return count(loss.othersEchoes, "message") + " came back on other connections,"
                        + " none on this: is the server full?";
            }
            if (loss.echoes == 0) {
                return "is it an echo server? it may say why it closed";
            }
            return before(loss) + "the server may say why it closed";
        }

        private String before(Loss loss) {
            String where = options.connect ? "other connections" : "this connection";
            return count(loss.echoes, "message") + " came back on " + where + " before: ";
        }

        /** Whether the system says that nothing gets through, not that the server closed. */
        private static boolean isOfNetwork(String message) {
            return message.contains("timed out") || message.contains("unreachable")
                    || message.contains("No route") || message.contains("is down");
        }

        /** What came back is not what was sent, at this offset of the message. */
        static String wrongEcho(Trip trip, int offset) {
            ByteBuffer echo = trip.echo;
            String sent = "nothing more";
            boolean lineEnd = false;
            if (offset < trip.message.remaining()) {
                byte right = trip.message.get(trip.message.position() + offset);
                sent = format("0x%02x", right);
                lineEnd = right == '\n';
            }
            String advice = "the server, or something on the path, has changed it";
            if (lineEnd && echo.get(offset) == '\r') {
                advice = "the server ends lines with CRLF, as println does on Windows";
            } else if (isNoText(echo, offset)) {
                advice = "the server takes bytes for text: 0xef 0xbf 0xbd stands for a byte"
                        + " that is no text";
            } else if (trip.echoes < 1000) {
                advice = "is it an echo server?";
            }
            return format("INVALID: %s %d, offset %d: sent %s, received 0x%02x; %s", trip.kind,
                    trip.number, offset, sent, echo.get(offset), advice);
        }

        /** Whether U+FFFD stands there, which a decoder writes in place of what is no text. */
        private static boolean isNoText(ByteBuffer echo, int offset) {
            return offset + 2 < echo.limit() && echo.get(offset) == (byte) 0xef
                    && echo.get(offset + 1) == (byte) 0xbf
                    && echo.get(offset + 2) == (byte) 0xbd;
        }
    }

    /** Why the server could not be reached, and what to do about it. */
    static final class ConnectAdvice {
        private final Options options;

        ConnectAdvice(Options options) {
            this.options = options;
        }

        String why(ConnectFailure failure) {
            String where = "cannot connect to " + address(options.host, options.port);
            if (failure.address == null) {
                return where + ": " + whyNotFound(failure.reason);
            }
            String ip = failure.address.getHostAddress();
            if (!options.host.equals(ip) && !options.host.contains(":")) {
                where += " (" + ip + ")"; // a name can have several
            }
            return where + ": " + whatAndAdvice(failure);
        }

        private String whatAndAdvice(ConnectFailure failure) {
            IOException reason = failure.reason;
            String what = reason.getMessage() + "; ";
            if (reason instanceof BindException || what.contains("assign requested")) {
                what += adviceForPorts(failure.connectedBefore);
            } else if (what.contains("refused")) {
                what += adviceForRefusal(failure);
            } else if (reason instanceof SocketTimeoutException) {
                what = "no answer within " + time(options.timeoutNanos) + "; "
                        + adviceForNoAnswer(failure);
            } else if (what.contains("timed out")) {
                what += adviceForNoAnswer(failure);
            } else if (what.contains("address type") || what.contains("Protocol family")) {
                what += "this Java runs without IPv6 (preferIPv4Stack, or the system has none)";
            } else if (what.contains("Invalid argument")) {
                what += "an address like fe80::1 needs its interface: fe80::1%eth0";
            } else if (what.contains("open files")) {
                what += "raise ulimit -n, or use less --parallel";
            } else {
                what += "is the network up, is the address right?";
            }
            return what;
        }

        private String whyNotFound(IOException reason) {
            if (options.host.contains("%")) {
                return "unknown network interface; check what follows the % in --host";
            } else if (reason instanceof SocketTimeoutException) {
                return "no name server answers within " + time(options.timeoutNanos)
                        + "; check the network, or give an address";
            } else if (("" + reason.getMessage()).contains("Temporary failure")) {
                return "no name server answers; check the network, or give an address";
            }
            return "unknown host; check --host";
        }

        private String adviceForRefusal(ConnectFailure failure) {
            if (failure.connectedBefore > 0) {
                return count(failure.connectedBefore, "connection") + " of this run had been"
                        + " accepted before: has the server ended, or is it full?";
            }
            if (!Server.isHere(failure.address)) {
                return "does the server run there, and with --host 0.0.0.0 (else it is on"
                        + " loopback only)? a firewall can refuse, too";
            }
            String start = "java EchoServer.java --port " + options.port;
            String ip = failure.address.getHostAddress();
            if (options.host.contains(":")) {
                start += " --host " + options.host; // shorter than Java writes it
            } else if (!ip.equals("127.0.0.1") && !failure.address.isAnyLocalAddress()) {
                start += " --host " + ip;
            }
            return "is the server running? start it with: " + start;
        }

        private String adviceForNoAnswer(ConnectFailure failure) {
            if (failure.connectedBefore > 0) {
                return count(failure.connectedBefore, "connection") + " of this run had been"
                        + " accepted before: is the server full, or too slow to accept?";
            }
            if (Server.isHere(failure.address)) {
                return "does a firewall drop this port, is the server full?";
            }
            return "is the host up, does a firewall drop this port, is the server full?";
        }

        /** Each connection that was ended here keeps its port for a minute (TIME_WAIT). */
        private String adviceForPorts(int connectedBefore) {
            String advice = "no local port is left, as each connection keeps its own for a"
                    + " minute (TIME_WAIT)";
            long ports = localPorts();
            if (ports > 0) {
                advice += format(": %,d a second can be kept up (%,d ports in 60 s)",
                        ports / 60, ports);
            }
            if (connectedBefore == 0) {
                advice += "; or no address of this machine reaches the host";
            }
            return advice;
        }

        /** How many ports the system gives to clients; 0 if it does not say. */
        private static long localPorts() {
            Path range = Path.of("/proc/sys/net/ipv4/ip_local_port_range");
            try (Scanner numbers = new Scanner(range)) {
                int first = numbers.nextInt();
                return numbers.nextInt() - first + 1;
            } catch (IOException | NoSuchElementException e) {
                return 0;
            }
        }
    }

    /**
     * What makes the times mean less than it seems. Whose fault it was is looked for at home
     * first: if this program itself was late, nobody else is blamed. A cause is named only if
     * it was seen.
     */
    static final class Warnings {
        private final Options options;
        private final Server server;
        private final Machine machine;
        private final Phase warmup;
        private final Phase measured;
        private final Ending ending;
        private final Histogram rtt;
        private final List<String> all = new ArrayList<>();

        Warnings(Options options, Server server, Machine machine, Phase warmup, Phase measured,
                Ending ending) {
            this.options = options;
            this.server = server;
            this.machine = machine;
            this.warmup = warmup;
            this.measured = measured;
            this.ending = ending;
            rtt = measured.rtt;
        }

        /** What is told with the result. */
        List<String> all() {
            all.clear();
            boolean own = warnOfOurselves();
            if (machine.isBusy()) {
                all.add(format("load %.1f on %s: other programs have a part in these times",
                        machine.load, count(machine.cores, "core")));
            }
            if (rtt.count() > 0) {
                if (!own) {
                    warnOfRate();
                    warnOfSpread();
                }
                warnOfStall();
            }
            warnOfConnecting();
            warnOfFew();
            return all;
        }

        /** Returns whether this program itself stood still, or woke up late. */
        private boolean warnOfOurselves() {
            if (ending.stoodStillNanos > 0) {
                all.add("the client itself stood still for " + time(ending.stoodStillNanos)
                        + ", suspended or without a free core: that is in these times");
                return true;
            }
            Histogram wakeup = measured.wakeup;
            if (wakeup.supports(99)
                    && wakeup.percentile(99) > SECOND / 1000
                    && wakeup.percentile(99) > measured.response.percentile(99) / 10) {
                all.add("the client itself woke up late, p99 " + time(wakeup.percentile(99))
                        + ", which is in the response times: it needs a free core");
                return true;
            }
            return false;
        }

        /** What is told after the warm-up; null if there is nothing. */
        String rateBeforeStart() {
            return whyRateNeedsMore(warmup.rtt);
        }

        /**
         * Whether --rate needs more connections, as the least of some round trips tells: that
         * one waited for no other. Null if there are enough.
         */
        private String whyRateNeedsMore(Histogram trips) {
            if (!options.openLoop() || trips.count() == 0) {
                return null;
            }
            double carried = (double) SECOND / Math.max(1, trips.min());
            double needed = Math.ceil(options.ratePerSecond() / carried);
            if (needed <= options.parallel) {
                return null;
            }
            String most = format("one connection carries at most %s/s; --rate %s ",
                    number(carried), options.rateText());
            if (needed > Options.MOST_CONNECTIONS) {
                return most + "is more than " + Options.MOST_CONNECTIONS + " can carry";
            }
            return most + format("needs --parallel %.0f", needed);
        }

        /** Of a schedule that was not kept, although no connection was lost. */
        private void warnOfRate() {
            double carried = measured.messages() * (double) SECOND / measured.elapsedNanos();
            boolean kept = carried >= 0.98 * options.ratePerSecond();
            boolean behind = measured.behind.count() >= 0.1 * measured.response.count();
            if (!options.openLoop() || kept || !behind || ending.lost > 0) {
                return;
            }
            String more = whyRateNeedsMore(rtt);
            // What they carry while each round trip takes as long as most do. If that is
            // enough, it was a stall that put them behind.
            double usual = options.parallel * (double) SECOND / rtt.percentile(50);
            if (more != null) {
                all.add(more);
            } else if (usual < options.ratePerSecond()) {
                String who = "the connection";
                if (options.parallel > 1) {
                    who = "all " + options.parallel + " together";
                }
                all.add(who + " carried " + number(carried)
                        + "/s: the path or the server carries no more");
            }
        }

        /**
         * A closed loop sends nothing while it waits, so it shows one slow message where a
         * schedule would show many. A stall of S nanoseconds on k of N connections, in a run of
         * T, would on a schedule make one in 100 messages wait for S - T * N / (100 * k).
         */
        private void warnOfStall() {
            long stall = rtt.max();
            boolean ours = stall < 2 * ending.stoodStillNanos;
            if (options.openLoop() || ours) {
                return;
            }
            double stalled = Math.min(options.parallel, rtt.countFrom(stall / 2));
            double p99 = stall - measured.elapsedNanos() * options.parallel / (100 * stalled);
            if (p99 > 3.0 * rtt.percentile(rtt.supports(99) ? 99 : 50)) {
                all.add("a stall hides here, at " + time(measured.maxAtNanos()) + " for "
                        + time(stall) + ": nothing was sent meanwhile; --rate counts what"
                        + " would have been due");
            }
        }

        private void warnOfSpread() {
            if (!rtt.supports(95) || rtt.percentile(90) <= 3 * rtt.percentile(10)) {
                return;
            }
            String spread = "p10 " + time(rtt.percentile(10)) + ", p90 "
                    + time(rtt.percentile(90));
            if (!server.isHere()) {
                all.add("round trips spread widely: " + spread);
            } else if (!machine.isBusy() && machine.cores > 1 && options.parallel == 1
                    && !options.spin && !options.connect
                    && rtt.percentile(50) < SECOND / 1000) {
                all.add("two speeds (" + spread + "), as when threads move between cores: to"
                        + " compare runs, pin both ends to one core (taskset -c 1)");
            }
        }

        private void warnOfConnecting() {
            long most = server.connectNanosMax();
            boolean ours = most < 2 * ending.stoodStillNanos;
            if (most >= SECOND && !ours) { // TCP waits so long for its first answer
                all.add("connecting took " + time(most) + ": a first packet may have been lost"
                        + " and sent again, or the server was slow to accept");
            }
        }

        private void warnOfFew() {
            long warm = warmup.messages();
            if (server.isHere() && warm > 0 && warm < 1000) {
                all.add("a warm-up of " + count(warm, "message") + " is short: the code was"
                        + " hardly compiled");
            }
            Histogram times = options.openLoop() ? measured.response : rtt;
            if (!times.supports(95)) {
                all.add("too few messages for p95, which here is the maximum");
            }
        }
    }

    // How it is shown: as text.

    /** The result as text: three lines for scripts, then what else is worth knowing. */
    static final class TextReport {
        private final Result result;
        private final Options options;
        private final Phase measured;
        private final PrintStream out;

        TextReport(Result result, PrintStream out) {
            this.result = result;
            options = result.options;
            measured = result.measured;
            this.out = out;
        }

        void show() {
            if (!options.jsonToOut()) { // then standard output is for the JSON alone
                showFirstLines();
                showServer();
                showTable();
                showEnd();
                showConditions();
                result.warnings.forEach(warning -> print("warning: %s", warning));
            }
        }

        /** These three lines stay as they are, because scripts read them. */
        private void showFirstLines() {
            String name = options.openLoop() ? "response" : "RTT";
            print("repeats: %d, msg_len: %d bytes", result.messages, options.messageBytes());
            print("avg %s: %.3f ms, p95 %s: %.3f ms", name, result.latency.mean() / 1e6, name,
                    result.latency.percentile(95) / 1e6);
            print("throughput: %s MiB/s (%s MB/s)", megas(result.bytesPerSecond / 0x1p20),
                    megas(result.bytesPerSecond / 1e6));
            if (!result.end().isEmpty()) {
                print("%s", result.end());
            }
        }

        private void showServer() {
            String connected = ", connected in " + time(result.server.connectNanosMax());
            if (options.connect || options.parallel > 1) {
                connected += " at most";
            }
            if (options.connect) {
                connected += "; a new one for each message";
            }
            print("server: %s (%s), %s%s", address(options.host, options.port),
                    result.serverAddress(), count(options.parallel, "connection"), connected);
        }

        private void showTable() {
            print("              min      p50      p90      p95      p99    p99.9      max");
            if (options.openLoop()) {
                showTimes("response", measured.response);
            }
            showTimes("RTT", measured.rtt);
            if (options.connect) {
                showTimes("connect", measured.connect);
            }
            if (options.openLoop()) {
                showTimes("wake-up", measured.wakeup);
                print("response: since a message was due; RTT: since it was sent;");
                print("wake-up: by how much the client itself was late to send it");
                showSchedule();
            } else if (options.connect) {
                print("RTT: since connecting began; connect: until it was connected");
            }
        }

        private void showTimes(String name, Histogram times) {
            print("%-8s %8s %8s %8s %8s %8s %8s %8s", name, time(Result.least(times)),
                    time(times.supported(50)), time(times.supported(90)),
                    time(times.supported(95)), time(times.supported(99)),
                    time(times.supported(99.9)), time(Result.greatest(times)));
        }

        private void showSchedule() {
            long behind = measured.behind.count();
            if (behind == 0) {
                print("behind schedule: none");
            } else {
                print("behind schedule: %.1f %% of the messages, by %s at most",
                        100.0 * behind / measured.response.count(),
                        time(measured.behind.max()));
            }
        }

        private void showEnd() {
            if (result.waiting > 0) {
                print("without an echo at the end: %s", result.waitingAtEnd());
            }
            if (result.unsent > 0) {
                print("due and not sent: %s", count(result.unsent, "message"));
            }
        }

        private void showConditions() {
            print("mean %s, standard deviation %s; %s messages/s for %.2f s",
                    time(result.latency.mean()), time(result.latency.stddev()),
                    number(result.messagesPerSecond), result.seconds);
            Phase warmup = result.warmup;
            if (warmup.messages() == 0) {
                print("warm-up: none, the first message took %s", time(measured.firstNanos()));
            } else {
                print("warm-up: %s, at full speed%s, not counted; first %s, mean %s",
                        count(warmup.messages(), "message"),
                        options.parallel > 1 && !options.connect ? " on each connection" : "",
                        time(warmup.firstNanos()), time(warmup.rtt.mean()));
            }
            print("an echo came in %.2f pieces; %s", measured.readsMean(), result.machine);
        }

        private void print(String form, Object... values) {
            out.println("[bench] " + printable(format(form, values)));
        }
    }

    // How it is shown: as JSON.

    /** The result as a JSON object on one line. The keys carry their units. */
    static final class JsonReport {
        private final Result result;
        private final Options options;
        private final Phase measured;

        JsonReport(Result result) {
            this.result = result;
            options = result.options;
            measured = result.measured;
        }

        /** What is told when there is no result. */
        static String failed(String error, boolean interrupted) {
            return new Json().add("valid", false).add("interrupted", interrupted)
                    .add("error", error).toString();
        }

        @Override
        public String toString() {
            Json json = new Json();
            addRun(json);
            addFigures(json);
            addTimes(json);
            json.add("environment", environment());
            json.add("warnings", result.warnings);
            json.add("interrupted", result.ending.interrupted);
            if (result.error != null) {
                json.add("error", result.error);
            }
            return json.add("valid", result.error == null).toString();
        }

        /** What was asked for. */
        private void addRun(Json json) {
            long second = measured.beganAt().getEpochSecond();
            json.add("time", Instant.ofEpochSecond(second).toString());
            json.add("command", options.command);
            json.add("host", options.host).add("port", options.port);
            json.add("address", result.serverAddress());
            json.add("message_bytes", options.messageBytes());
            json.add("connections", options.parallel);
            if (options.openLoop()) {
                json.add("rate_messages_s", new BigDecimal(options.rateText()));
            }
        }

        private void addFigures(Json json) {
            json.add("messages", result.messages);
            json.add("unanswered", result.waiting + result.unsent);
            json.add("waiting", result.waiting);
            json.add("waiting_us_max", us(measured.waitingMaxNanos()));
            json.add("elapsed_s", result.seconds);
            json.add("messages_s", result.messagesPerSecond);
            json.add("throughput_mib_s", result.bytesPerSecond / 0x1p20);
            json.add("reads_mean", measured.readsMean());
            json.add("connections_lost", result.ending.lost);
            json.add("connect_us_max", us(result.server.connectNanosMax()));
            json.add("max_at_s", measured.maxAtNanos() / 1e9);
        }

        private void addTimes(Json json) {
            json.add("rtt_us", micros(measured.rtt));
            if (options.connect) {
                json.add("connect_us", micros(measured.connect));
            }
            if (options.openLoop()) {
                json.add("response_us", micros(measured.response));
                json.add("wakeup_us", micros(measured.wakeup));
                json.add("behind_messages", measured.behind.count());
                json.add("behind_us_max", us(measured.behind.max()));
                json.add("unsent", result.unsent);
            }
            if (options.intervalNanos > 0) {
                json.add("intervals", intervals());
            }
            Phase warmup = result.warmup;
            json.add("warmup", new Json().add("messages", warmup.messages())
                    .add("first_us", warmup.messages() == 0 ? null : us(warmup.firstNanos()))
                    .add("mean_us", us(warmup.rtt.mean())));
        }

        private List<Json> intervals() {
            List<Json> list = new ArrayList<>();
            for (Intervals.Interval interval : measured.intervals.all()) {
                list.add(new Json().add("end_s", interval.endNanos / 1e9)
                        .add("messages", interval.messages)
                        .add("mean_us", us(interval.meanNanos))
                        .add("max_us", interval.messages == 0 ? null : us(interval.maxNanos)));
            }
            return list;
        }

        private Json environment() {
            Machine machine = result.machine;
            return new Json().add("java", machine.java)
                    .add("os", machine.system + " " + machine.systemVersion)
                    .add("arch", machine.architecture).add("cores", machine.cores)
                    .add("gc_count", machine.collections)
                    .add("load_average", machine.load < 0 ? null : machine.load);
        }

        private Json micros(Histogram times) {
            return new Json().add("min", us(Result.least(times))).add("mean", us(times.mean()))
                    .add("stddev", us(times.stddev()))
                    .add("p50", us(times.supported(50))).add("p90", us(times.supported(90)))
                    .add("p95", us(times.supported(95))).add("p99", us(times.supported(99)))
                    .add("p99_9", us(times.supported(99.9)))
                    .add("max", us(Result.greatest(times)));
        }

        /** Microseconds, exact to the nanosecond. */
        private static double us(double nanos) {
            return Math.rint(nanos) / 1e3;
        }
    }

    /** A JSON object (RFC 8259) on one line. */
    static final class Json {
        private final List<String> members = new ArrayList<>();

        /** Adds a text, a number, true or false, null, another object, or a list of these. */
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
    static final class Picture {
        private static final String STYLE = "<style>.back{fill:#fff}"
                + "svg{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
                + "text{fill:#222;font-size:18px}.title{font-size:28px;font-weight:600}"
                + ".small{font-size:17px;fill:#555}.why{fill:#b3261e}path{fill:none}"
                + ".grid{stroke:#ddd}.frame{fill:none;stroke:#888}.warm{fill:#f6eeda}"
                + ".time{stroke:#0065a8}.bar{stroke-width:2;opacity:.25}"
                + ".dot{stroke-width:4;stroke-linecap:round}.few{stroke-width:8}"
                + ".mark{stroke:#c84a00}@media(prefers-color-scheme:dark){.back{fill:#14171c}"
                + "text{fill:#eee}.small{fill:#aaa}.why{fill:#ff8a80}.grid{stroke:#333a44}"
                + ".frame{stroke:#778}.warm{fill:#2b2719}.time{stroke:#5db7f5}"
                + ".mark{stroke:#ff9a5c}}</style>";
        /** The edges of the panel, and in its middle the end of the warm-up. */
        private static final int LEFT = 110;
        private static final int RIGHT = 1120;
        private static final int TOP = 160;
        private static final int BOTTOM = 590;
        private static final int WIDE = 120; // so many characters fit, also of a wide font
        private final int middle;
        private final Axis axis;
        private final Result result;
        private final Options options;
        private final Phase warmup;
        private final Phase measured;
        private final StringBuilder svg = new StringBuilder();

        Picture(Result result) {
            this.result = result;
            options = result.options;
            warmup = result.warmup;
            measured = result.measured;
            double least = result.latency.min();
            double greatest = result.latency.max();
            if (warmup.messages() == 0) {
                middle = LEFT;
            } else {
                middle = LEFT + 200;
                least = Math.min(least, warmup.rtt.min());
                greatest = Math.max(greatest, warmup.rtt.max());
            }
            axis = new Axis(least, greatest);
        }

        String draw() {
            add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1280 720\">" + STYLE);
            add("<rect class=\"back\" width=\"1280\" height=\"720\"/>");
            drawTitle();
            drawPanel();
            drawLines();
            if (middle > LEFT) {
                drawWarmup();
            }
            drawSeries(measured, middle, RIGHT);
            drawRectangle("frame", LEFT, RIGHT);
            drawTimeAxis();
            label(30, 680, "small", "start", "" + result.machine);
            if (result.latency.supports(50)) {
                label(1250, 680, "small", "end", "p50 and p99: of messages, not of time");
            }
            label(30, 706, "small", "start", shortened(options.command, WIDE));
            return svg + "</svg>\n";
        }

        private void drawTitle() {
            label(30, 48, "title", "start", format("TCP echo round trips, %s, %s",
                    count(options.messageBytes(), "byte"),
                    count(options.parallel, "connection")));
            String waiting = "";
            if (result.waiting > 0) {
                waiting = "; at the end " + result.waitingAtEnd();
            }
            label(30, 82, "", "start", format("mean %s, median %s, %s messages/s, %,d in all%s",
                    time(result.latency.mean()), time(result.latency.supported(50)),
                    number(result.messagesPerSecond), result.messages, waiting));
            if (!result.end().isEmpty()) {
                label(30, 112, "why", "start", shortened(result.end(), WIDE));
            }
        }

        private double y(double nanos) {
            return BOTTOM - 25 - axis.share(nanos) * (BOTTOM - TOP - 85); // room for words
        }

        /** The lines across it, and what the dots and bars are. */
        private void drawPanel() {
            drawRectangle("warm", LEFT, middle);
            for (double value : axis.values()) {
                add("<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y(value), RIGHT);
                label(LEFT - 8, y(value) + 6, "small", "end", shortTime(value));
            }
            String when = "RTT, when it was sent";
            if (options.openLoop()) {
                when = "response, when it was due";
            }
            label(LEFT, TOP - 12, "", "start", "each message: " + when);
            label(RIGHT, TOP - 12, "small", "end", "dot: " + dot(measured.series));
        }

        private static String dot(Series series) {
            if (series.single()) {
                return "a message";
            }
            return "mean of " + time(series.width()) + ", bar: least to greatest";
        }

        private void drawRectangle(String style, int left, int right) {
            add("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", style,
                    left, TOP, right - left, BOTTOM - TOP);
        }

        private void drawWarmup() {
            drawSeries(warmup, LEFT, middle);
            int center = (LEFT + middle) / 2;
            label(center, TOP + 28, "small", "middle", "warm-up, not counted");
            if (warmup.series.single() != measured.series.single()) {
                String dot = dot(warmup.series).split(",")[0]; // there is no room for the bar
                label(center, TOP + 52, "small", "middle", "dot: " + dot);
            }
            label(center, BOTTOM + 28, "small", "middle",
                    "took " + shortTime(warmup.elapsedNanos()));
        }

        /** How far the time axis goes; its labels have no nanoseconds. */
        private static double end(Phase phase) {
            return Math.max(1000, Math.max(phase.series.last(), phase.elapsedNanos()));
        }

        private static double x(Phase phase, double at, int left, int right) {
            return left + 6 + at / end(phase) * (right - left - 12);
        }

        /** A dot for each point at its mean, on a bar from its least to its greatest. */
        private void drawSeries(Phase phase, int left, int right) {
            StringBuilder bars = new StringBuilder();
            StringBuilder dots = new StringBuilder();
            Series series = phase.series;
            double half = series.single() ? 0 : series.width() / 2.0;
            series.forEach((atNanos, min, mean, max) -> {
                double x = x(phase, Math.min(end(phase), atNanos + half), left, right);
                bars.append(format("M%.1f %.1fV%.1f", x, y(min), y(max)));
                dots.append(format("M%.1f %.1fh.1", x, y(mean)));
            });
            if (!series.single()) {
                add("<path class=\"time bar\" d=\"%s\"/>", bars);
            }
            String few = phase.messages() <= 100 ? " few" : ""; // they can be larger
            add("<path class=\"time dot%s\" d=\"%s\"/>", few, dots);
        }

        /** Below the panel: the time since the measurement began, at 4 to 10 round numbers. */
        private void drawTimeAxis() {
            double end = end(measured);
            double step = Math.pow(10, Math.floor(Math.log10(end)));
            if (end < 2 * step) {
                step /= 5;
            } else if (end < 5 * step) {
                step /= 2;
            }
            for (int i = 0; i * step <= end; i++) {
                double x = x(measured, i * step, middle, RIGHT);
                add("<path class=\"frame\" d=\"M%.1f %dv6\"/>", x, BOTTOM);
                label(x, BOTTOM + 28, "small", "middle", i == 0 ? "0" : shortTime(i * step));
            }
            label((middle + RIGHT) / 2, BOTTOM + 58, "", "middle", "time of the measurement");
        }

        private void drawLines() {
            double height = drawLine("p50", 50, BOTTOM);
            height = drawLine("p99", 99, height);
            drawLine("max", 100, height);
        }

        /** A thin line, its label on the right, above the one before; returns its height. */
        private double drawLine(String name, double percent, double below) {
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

        /** To three digits, without a 0 at the end: 561 ms, 2.5 s. */
        private static String shortTime(double nanos) {
            String[] words = time(nanos).split(" ");
            BigDecimal value = new BigDecimal(words[0]).round(new MathContext(3));
            return value.stripTrailingZeros().toPlainString() + " " + words[1];
        }

        private static String shortened(String text, int most) {
            String shown = beginning(text, most);
            return shown.length() < text.length() ? shown + "..." : shown;
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

    /** The times on the left of the picture: logarithmic, from one round number to another. */
    static final class Axis {
        /** Step 9 is 1000 ns, 10 is 2 us, 11 is 5 us, 12 is 10 us, and so on. */
        private final int lowest;
        private final int highest;

        /** From so many nanoseconds to so many, at least. */
        Axis(double least, double greatest) {
            int step = 3; // 10 ns
            while (valueAt(step + 1) <= least) {
                step++;
            }
            lowest = step;
            step += 2;
            while (valueAt(step) < greatest) {
                step++;
            }
            highest = step;
        }

        private static double valueAt(int step) {
            int[] digits = {1, 2, 5};
            return digits[step % 3] * Math.pow(10, step / 3);
        }

        /** How far up a time is, from 0 to 1. */
        double share(double nanos) {
            double low = Math.log10(valueAt(lowest));
            double high = Math.log10(valueAt(highest));
            return Math.max(0, (Math.log10(Math.max(1, nanos)) - low) / (high - low));
        }

        /** The times that get a line: all steps; if these are many, 1, 10, 100 and so on. */
        List<Double> values() {
            List<Double> values = new ArrayList<>();
            for (int step = lowest; step <= highest; step++) {
                if (highest - lowest <= 9 || step % 3 == 0) {
                    values.add(valueAt(step));
                }
            }
            return values;
        }
    }

    // The files.

    /** The files that were asked for: opened before the run, written at its end. */
    static final class OutputFiles {

        /** One of them. Its old content stays until there is a new one. */
        private static final class OutputFile {
            private final String name; // null if it was not asked for
            /** Standard output or error, if it is that file; null if it is another. */
            private final FileDescriptor standard;
            /** This process had it open before: so it holds more than ours. */
            private final boolean shared;
            private FileOutputStream file;

            OutputFile(String name) {
                this.name = name;
                if (isOpenAs("1")) {
                    standard = FileDescriptor.out;
                } else {
                    standard = isOpenAs("2") ? FileDescriptor.err : null;
                }
                String[] numbers = new File("/dev/fd").list(); // null where there is none
                shared = numbers != null && List.of(numbers).stream().anyMatch(this::isOpenAs);
            }

            private boolean isOpenAs(String number) {
                try {
                    return name != null
                            && Files.isSameFile(Path.of(name), Path.of("/dev/fd", number));
                } catch (IOException | InvalidPathException e) {
                    return false; // it does not exist yet, or the number is not in use
                }
            }

            void open() throws IOException {
                if (standard != null) {
                    file = new FileOutputStream(standard); // goes on where others have written
                } else if (name != null) {
                    file = new FileOutputStream(name, true); // to append
                }
            }

            /** In place: a link stays a link, and permissions stay, too. */
            boolean write(String content, PrintStream err) {
                if (file == null) {
                    return true;
                }
                try {
                    if (!shared && file.getChannel().size() > 0) {
                        file.getChannel().truncate(0);
                    }
                    file.write(content.getBytes(StandardCharsets.UTF_8));
                    if (standard == null) {
                        file.close();
                    }
                    return true;
                } catch (IOException e) {
                    err.println("[client] cannot write " + printable(name + ": "
                            + e.getMessage()));
                    return false;
                }
            }
        }

        private final OutputFile json;
        private final OutputFile hgrm;
        private final OutputFile plot;

        /** The same file twice would hold only what is written last. */
        static void check(Options options) {
            Set<File> used = new HashSet<>();
            String json = options.jsonToOut() ? "/dev/stdout" : options.json;
            for (String name : Arrays.asList(json, options.hgrm, options.plot)) {
                if (name != null && !name.equals("/dev/null") && !used.add(place(name))) {
                    fail("--json, --hgrm and --plot need a file each, not twice " + name);
                }
            }
        }

        /** Where a file is, or will be, however its name is written. */
        private static File place(String name) {
            try {
                Path path = Path.of(name);
                for (int i = 0; i < 40 && Files.isSymbolicLink(path); i++) { // as Linux does
                    path = path.resolveSibling(Files.readSymbolicLink(path));
                }
                return path.toFile().getCanonicalFile();
            } catch (IOException | InvalidPathException e) {
                return new File(name).getAbsoluteFile();
            }
        }

        /** Opens all. If one can't be opened, nothing of an earlier run stays in the others. */
        OutputFiles(Options options, PrintStream err) throws IOException {
            json = new OutputFile(options.jsonToOut() ? null : options.json);
            hgrm = new OutputFile(options.hgrm);
            plot = new OutputFile(options.plot);
            IOException failure = null;
            for (OutputFile file : List.of(json, hgrm, plot)) {
                try {
                    file.open();
                } catch (IOException e) {
                    failure = failure == null ? e : failure;
                }
            }
            if (failure != null) {
                String error = "cannot write " + failure.getMessage();
                write(JsonReport.failed(error, false) + "\n", "", "", err);
                throw failure;
            }
        }

        /** Replaces what they hold; returns whether all could be written. */
        boolean write(String jsonText, String hgrmText, String svg, PrintStream err) {
            boolean all = json.write(jsonText, err);
            all &= hgrm.write(hgrmText, err);
            all &= plot.write(svg, err);
            return all;
        }
    }

    // The command line.

    /** What can be asked for, with the defaults. */
    static final class Options {
        static final int MOST_CONNECTIONS = 65_535; // an address has no more ports

        String host = "127.0.0.1";
        int port = 5050;
        String message = "Hello, echo!";
        int size = -1; // how many bytes to send instead; -1 is none
        boolean bench;
        boolean spin;
        boolean nagle;
        boolean connect;
        boolean line;
        boolean help;
        Limit limit = new Limit(2000, ENDLESS);
        Limit warmup = new Limit(20_000, SECOND);
        int parallel = 1;
        long rate; // in thousandths of a message a second; 0: no schedule, but a closed loop
        long intervalNanos; // 0: off
        long maxP99Nanos; // 0: any
        long timeoutNanos = 10 * SECOND;
        String json;
        String hgrm;
        String plot;
        String command; // all of it, as a shell takes it

        static final String HELP = "usage: java EchoClient.java [OPTION...]\n"
                + "  --host ADDRESS   the server's address or name [127.0.0.1]\n"
                + "  --port N         the server's port, 1 to 65535 [5050]\n"
                + "  --message TEXT   what to send; - sends each line of input [Hello, echo!]\n"
                + "  --size SIZE      send that many bytes instead, 0 to 1g [1k with --bench]\n"
                + "  --line           send lines of text: letters and a line end [off]\n"
                + "  --bench          measure [off]\n"
                + "  --repeat N       measured messages of each connection, 1 to 1000000000\n"
                + "                   [2000]\n"
                + "  --duration TIME  measure for this long instead, 1ms to 500h [off]\n"
                + "  --warmup WHAT    what each connection sends before, at full speed, not\n"
                + "                   counted: 0 to 1000000000 messages, or 1ms to 500h\n"
                + "                   [1s, at most 20000 messages]\n"
                + "  --parallel N     connections, one thread each, 1 to 65535 [1]\n"
                + "  --rate N         messages a second over all connections, on a fixed\n"
                + "                   schedule, 0.001 to 10000000 [as fast as echoes return]\n"
                + "  --connect        a new connection for each message; the warm-up is then\n"
                + "                   at most 1000 messages in all [off]\n"
                + "  --interval TIME  a line for each such time, 100ms to 500h [off]\n"
                + "  --max-p99 TIME   exit 1 if p99 is above, 1us to 500h [off]\n"
                + "  --spin           poll the socket instead of blocking [off]\n"
                + "  --nagle          leave Nagle's algorithm on (no TCP_NODELAY) [off]\n"
                + "  --timeout TIME   give up when nothing moves for this long, 1ms to 500h\n"
                + "                   [10s]\n"
                + "  --json FILE      the result as JSON; - is standard output [off]\n"
                + "  --hgrm FILE      the distribution in HdrHistogram's form, in us [off]\n"
                + "  --plot FILE      a picture of the run (SVG) [off]\n"
                + "  -h, --help       show this\n"
                + "Sizes are such as 512, 16k, 1m; times 300us, 20ms, 2.5s, 1m, 1h.\n";

        /** Whether more is shown than a message and its echo. */
        boolean hasResult() {
            return bench || json != null;
        }

        /** Then it is for the JSON alone. */
        boolean jsonToOut() {
            return "-".equals(json);
        }

        boolean openLoop() {
            return rate > 0;
        }

        double ratePerSecond() {
            return rate / 1e3;
        }

        /** As it is written: 100, or 0.5. */
        String rateText() {
            return BigDecimal.valueOf(rate, 3).stripTrailingZeros().toPlainString();
        }

        /** How long a message is. */
        int messageBytes() {
            if (size >= 0) {
                return size;
            }
            return message.getBytes(StandardCharsets.UTF_8).length + (line ? 1 : 0);
        }

        /** What a command line says; an IllegalArgumentException if it is wrong. */
        static Options parse(String... args) {
            Options options = new Options();
            Set<String> given = new HashSet<>();
            Deque<String> words = new ArrayDeque<>(List.of(args));
            if (words.contains("-h") || words.contains("--help")) {
                options.help = true;
                return options;
            }
            options.command = "java EchoClient.java";
            for (String word : args) {
                options.command += " " + forShell(word);
            }
            while (!words.isEmpty()) {
                String option = nextOption(words);
                given.add(option);
                options.parse(option, words);
            }
            if (options.bench && !given.contains("--message") && options.size < 0) {
                options.size = 1024;
            }
            checkHost(options.host);
            options.checkPairs(given);
            options.checkMessage();
            OutputFiles.check(options);
            return options;
        }

        private void parse(String option, Deque<String> words) {
            switch (option) {
                case "--host": host = value(option, words); break;
                case "--port": port = (int) number(option, words, "1", "65535"); break;
                case "--message": // takes any text, also an empty one, or one like an option
                    if (words.isEmpty()) {
                        fail(option + " needs a value");
                    }
                    message = words.remove();
                    break;
                case "--size": size = (int) quantity(option, words, SIZES, "0", "1g"); break;
                case "--line": line = true; break;
                case "--bench": bench = true; break;
                case "--repeat":
                    limit = new Limit(number(option, words, "1", "1000000000"), ENDLESS);
                    break;
                case "--duration": limit = new Limit(ENDLESS, nanos(option, words)); break;
                case "--warmup": warmup = warmup(option, words); break;
                case "--parallel":
                    parallel = (int) number(option, words, "1", "" + MOST_CONNECTIONS);
                    break;
                case "--rate":
                    rate = quantity(option, words, Map.of("", 1000L), "0.001", "10000000");
                    break;
                case "--connect": connect = true; break;
                case "--interval":
                    intervalNanos = quantity(option, words, TIMES, "100ms", "500h");
                    break;
                case "--max-p99":
                    maxP99Nanos = quantity(option, words, TIMES, "1us", "500h");
                    break;
                case "--spin": spin = true; break;
                case "--nagle": nagle = true; break;
                case "--timeout": timeoutNanos = nanos(option, words); break;
                case "--json": json = value(option, words); break;
                case "--hgrm": hgrm = value(option, words); break;
                case "--plot": plot = value(option, words); break;
                default: fail("unknown option " + option);
            }
        }

        private static long number(String option, Deque<String> words, String least,
                String most) {
            return quantity(option, words, NUMBERS, least, most);
        }

        private static long nanos(String option, Deque<String> words) {
            return quantity(option, words, TIMES, "1ms", "500h");
        }

        /** Either a number of messages or a time. */
        private static Limit warmup(String option, Deque<String> words) {
            if (!words.isEmpty() && amount(words.peek(), NUMBERS) >= 0) {
                return new Limit(number(option, words, "0", "1000000000"), ENDLESS);
            }
            return new Limit(ENDLESS, nanos(option, words));
        }

        /** Checks which options go together. */
        private void checkPairs(Set<String> given) {
            if (given.containsAll(List.of("--message", "--size"))) {
                fail("--message and --size exclude each other");
            }
            if (given.containsAll(List.of("--repeat", "--duration"))) {
                fail("--repeat and --duration exclude each other");
            }
            for (String option : List.of("--repeat", "--duration", "--warmup", "--parallel",
                    "--rate", "--connect", "--interval", "--max-p99", "--hgrm", "--plot")) {
                if (!bench && given.contains(option)) {
                    fail(option + " needs --bench");
                }
            }
            if (connect && given.contains("--warmup") && warmup.nanos == ENDLESS
                    && warmup.messages > 1000) {
                fail("--warmup takes at most 1000 messages with --connect, not "
                        + warmup.messages);
            }
        }

        private void checkMessage() {
            if (message.equals("-") && size < 0 && hasResult()) {
                fail("--message - sends each line of input: not with --bench or --json");
            }
            if (bench && messageBytes() == 0) {
                fail("--bench needs at least one byte a message: a larger --size or --message");
            }
            if (line && size == 0) {
                fail("--line needs a --size of at least 1, for the line end");
            }
            if (line && size > 16 << 20) {
                fail("--line takes a --size of at most 16m");
            }
        }
    }

    // From here on the three files are the same: how a word of the command line is read.

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
