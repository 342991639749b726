import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Benchmarks against servers with known behaviour: the numbers must show just that. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MeasurementTest {
    private static final int SIZE = 64;
    private final AtomicLong received = new AtomicLong();

    /** An echo server that does something before each answer, and counts what it receives. */
    private ClientSupport.TestServer server(BeforeEcho before) throws Exception {
        return ClientSupport.TestServer.answering(SIZE, (message, number) -> {
            received.incrementAndGet();
            before.message(number);
            return message;
        });
    }

    private interface BeforeEcho {
        void message(int number) throws Exception;
    }

    private ClientSupport.TestServer server() throws Exception {
        return server(number -> { });
    }

    /** A run that must succeed, with messages of the size that the servers here expect. */
    private static ClientJson json(ClientSupport.TestServer server, String... args) {
        return ClientSupport.run(server.port(), ClientSupport.with(args, "--bench", "--json", "-",
                "--size", "" + SIZE)).expect(0).json();
    }

    /** At least as long as that, never less. */
    private static void delay(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    /**
     * What the server saw of one connection. A round trip takes longer than the server had the
     * message, and shorter than from the echo before it to the message after it: bounds which hold
     * on the busiest machine, and lie close together on an idle one.
     */
    private static final class Witness {
        private final List<Long> received = new ArrayList<>();
        private final List<Long> answered = new ArrayList<>(List.of(System.nanoTime()));

        /** An echo server that does something before each answer, and one connection long looks. */
        ClientSupport.TestServer server(BeforeEcho before) throws Exception {
            return new ClientSupport.TestServer((in, out) -> {
                byte[] message = in.readNBytes(SIZE);
                while (message.length == SIZE) {
                    received.add(System.nanoTime());
                    before.message(received.size());
                    answered.add(System.nanoTime());
                    out.write(message);
                    message = in.readNBytes(SIZE);
                }
                received.add(System.nanoTime());
            });
        }

        /** In microseconds, of the messages from that number on, in rising order. */
        double[] least(int from) {
            return IntStream.range(from, answered.size()).mapToDouble(i ->
                    (answered.get(i) - received.get(i - 1)) / 1e3).sorted().toArray();
        }

        double[] most(int from) {
            return IntStream.range(from, answered.size()).mapToDouble(i ->
                    (received.get(i) - answered.get(i - 1)) / 1e3).sorted().toArray();
        }

        /** From the answer to one message to the end, in seconds. */
        double secondsAfter(int number) {
            return (received.get(received.size() - 1) - answered.get(number)) / 1e9;
        }
    }

    /** 55 % take 1 ms, 37 % 10 ms and 8 % 30 ms, in a random order. */
    @Test
    void knownDelaysGiveTheirPercentiles() throws Exception {
        List<Integer> delays = new ArrayList<>(Collections.nCopies(55, 1));
        delays.addAll(Collections.nCopies(37, 10));
        delays.addAll(Collections.nCopies(8, 30));
        Collections.shuffle(delays, new Random(4));
        Witness witness = new Witness();
        ClientJson json;
        try (ClientSupport.TestServer server =
                witness.server(number -> delay(delays.get(number % 100)))) {
            json = json(server, "--repeat", "200", "--warmup", "0");
        }
        double[] least = witness.least(1);
        double[] most = witness.most(1);
        assertEquals(200, least.length);
        String[] names = {"min", "p50", "p90", "p95", "p99", "max"};
        int[] ranks = {1, 100, 180, 190, 198, 200};
        int[] millis = {1, 1, 10, 30, 30, 30};
        for (int i = 0; i < names.length; i++) {
            double value = json.number("rtt_us." + names[i]);
            assertTrue(value >= millis[i] * 1000, names[i] + " in " + json);
            // A bucket of the histogram is 1/1024 wide, and shown by its upper end.
            assertBetween(least[ranks[i] - 1], value, 1.001 * most[ranks[i] - 1], names[i], json);
        }
        double mean = json.number("rtt_us.mean");
        assertBetween(mean(least), mean, mean(most), "mean", json);
        double meanOfSquares = Math.pow(json.number("rtt_us.stddev"), 2) + mean * mean;
        assertBetween(mean(squares(least)), meanOfSquares, mean(squares(most)), "stddev", json);
        assertTrue(json.number("wait_us_mean") >= 1000, json.toString());
        assertBetween(json.number("rtt_us.mean") * 200 / 1e6, json.number("elapsed_s"),
                witness.secondsAfter(0), "elapsed_s", json);
    }

    /** The last digit is rounded. */
    private static void assertBetween(double least, double value, double most, String name,
            ClientJson json) {
        assertTrue(value >= least * 0.999_999 - 0.001 && value <= most * 1.000_001 + 0.001,
                name + " is " + value + ", not from " + least + " to " + most + " in " + json);
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().getAsDouble();
    }

    private static double[] squares(double[] values) {
        return Arrays.stream(values).map(value -> value * value).toArray();
    }

    /**
     * The server stops for 400 ms. At 1000 messages a second that makes 400 of them late, which a
     * closed loop, or the time from the actual send, would show as a single slow message.
     */
    @Test
    void aStallShowsInTheResponseTimesAndInOneRoundTrip() throws Exception {
        AtomicBoolean stalled = new AtomicBoolean();
        try (ClientSupport.TestServer server = server(number -> {
            if (number == 1500 && !stalled.getAndSet(true)) {
                delay(400);
            }
        })) {
            ClientJson json = json(server, "--rate", "1000", "--repeat", "4000", "--warmup", "100");
            assertEquals(4000, json.number("messages"));
            assertTrue(json.number("response_us.max") >= 400_000, json.toString());
            assertTrue(json.number("response_us.p99") > 200_000, json.toString());
            assertTrue(json.number("response_us.p95") > 80_000, json.toString());
            assertTrue(json.number("rtt_us.max") >= 400_000, json.toString());
            // These 40 messages were sent one after the other, however slow the machine is.
            assertTrue(json.number("rtt_us.p99") * 40 / 1e6 < json.number("elapsed_s"),
                    json.toString());
            assertTrue(json.number("behind_messages") >= 300, json.toString());
            assertTrue(json.number("behind_messages") <= 4000, json.toString());
            assertTrue(json.number("behind_us_max") >= 350_000, json.toString());
            assertEquals(1000, json.number("rate_messages_s"));
            assertNeverEarly(json);
        }
    }

    /**
     * Who sends no message before it is due has no response time below its round trip, and so none
     * of the percentiles either.
     */
    private static void assertNeverEarly(ClientJson json) {
        for (String name : List.of("min", "p50", "p90", "p95", "p99", "max", "mean")) {
            assertTrue(json.get("response_us." + name) == null
                    || json.number("response_us." + name) >= json.number("rtt_us." + name),
                    name + " in " + json);
        }
    }

    /** As the server sees it: two connections take turns, each message at its own time. */
    @Test
    void aRateIsAScheduleAndNotABurst() throws Exception {
        String seen = "";
        int regular = 0;
        // On a busy machine many are late; that all of them are is not the machine's doing.
        for (int attempt = 0; attempt < 10 && regular <= 35; attempt++) {
            long[] times = arrivalsAtARateOf100();
            regular = 0;
            for (int i = 1; i < times.length; i++) {
                long gap = times[i] - times[i - 1];
                regular += gap > 5_000_000 && gap < 15_000_000 ? 1 : 0;
            }
            seen = regular + " of 59 gaps are near 10 ms: " + Arrays.toString(times);
        }
        assertTrue(regular > 35, seen);
    }

    /** When 60 messages came, after the run was begun: none of them before it was due. */
    private long[] arrivalsAtARateOf100() throws Exception {
        Queue<Long> arrivals = new ConcurrentLinkedQueue<>();
        long begun = System.nanoTime();
        try (ClientSupport.TestServer server = server(number -> arrivals.add(System.nanoTime()))) {
            ClientJson json = json(server, "--rate", "100", "--repeat", "30", "--parallel", "2",
                    "--warmup", "0");
            assertNeverEarly(json);
            assertEquals(60, json.number("messages"));
            assertTrue(json.number("elapsed_s") >= 0.59, "59 intervals of 10 ms: " + json);
        }
        long[] times = arrivals.stream().mapToLong(time -> time - begun).sorted().toArray();
        assertEquals(60, times.length);
        for (int i = 0; i < times.length; i++) {
            assertTrue(times[i] >= i * 10_000_000L, i + " is early: " + Arrays.toString(times));
        }
        return times;
    }

    /** All that is due before the end counts, whether or not it was sent in time. */
    @ParameterizedTest
    @CsvSource({"500, 800, 1, 400", "10, 1000, 2, 10", "1, 1, 1, 1", "7, 1000, 4, 7"})
    void aRateAndADurationGiveTheirProduct(int rate, int millis, int parallel, int product)
            throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = json(server, "--rate", "" + rate, "--duration", millis + "ms",
                    "--parallel", "" + parallel, "--warmup", "0");
            assertEquals(product, json.number("messages") + json.number("unsent"), "" + json);
            assertTrue(json.number("messages") > product / 2, json.toString());
        }
    }

    @Test
    void withoutARateThereIsOnlyTheRoundTrip() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = json(server, "--repeat", "10", "--warmup", "0");
            for (String name : List.of("response_us", "wakeup_us", "behind_messages", "unsent",
                    "rate_messages_s", "service_us")) {
                assertFalse(json.has(name), name + " in " + json);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "10, 1", "250, 3", "1, 20"})
    void messagesAreRepeatTimesParallel(int repeat, int parallel) throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = json(server, "--repeat", "" + repeat, "--parallel", "" + parallel,
                    "--warmup", "7");
            assertEquals(repeat * parallel, json.number("messages"));
            assertEquals(parallel, json.number("connections"));
            assertEquals(SIZE, json.number("message_bytes"));
            assertEquals(7 * parallel, json.number("warmup.messages"));
            assertEquals((repeat + 7) * parallel, received.get(), "as the server counts");
        }
    }

    /** The server answers when each of four connections has sent: none waits for another. */
    @Test
    void parallelConnectionsDoNotWaitForEachOther() throws Exception {
        CyclicBarrier all = new CyclicBarrier(4);
        try (ClientSupport.TestServer server = server(number -> {
            all.await(60, TimeUnit.SECONDS);
            delay(20);
        })) {
            ClientJson json = json(server, "--repeat", "5", "--parallel", "4", "--warmup", "0");
            assertEquals(20, json.number("messages"));
            assertTrue(json.number("elapsed_s") >= 0.1, json.toString());
            assertTrue(json.number("rtt_us.min") >= 20_000, json.toString());
            assertTrue(json.number("rtt_us.mean") * 20 / 1e6 <= 4 * json.number("elapsed_s"),
                    json.toString());
        }
    }

    @Test
    void aDurationIsKept() throws Exception {
        try (ClientSupport.TestServer server = server(number -> delay(2))) {
            ClientJson json = json(server, "--duration", "700ms", "--warmup", "0", "--parallel=2");
            double seconds = json.number("elapsed_s");
            assertTrue(seconds >= 0.7 && seconds < 60, json.toString());
            assertEquals(received.get(), json.number("messages"));
            assertTrue(json.number("messages") >= 2 && json.number("messages") <= 702, "" + json);
        }
    }

    /** The first twenty messages are slow: warm-up takes them out, and shows what they were. */
    @Test
    void warmUpIsShownAndNotCounted() throws Exception {
        Witness witness = new Witness();
        ClientJson warm;
        try (ClientSupport.TestServer server =
                witness.server(number -> delay(number <= 20 ? 20 : 0))) {
            warm = json(server, "--repeat", "30", "--warmup", "20");
        }
        assertEquals(20, warm.number("warmup.messages"));
        assertTrue(warm.number("warmup.first_us") >= 20_000, warm.toString());
        assertTrue(warm.number("warmup.mean_us") >= 20_000, warm.toString());
        assertEquals(30, warm.number("messages"));
        double[] most = witness.most(21);
        assertEquals(30, most.length);
        assertBetween(0, warm.number("rtt_us.max"), most[29], "max", warm);
        assertBetween(0, warm.number("rtt_us.mean"), mean(most), "mean", warm);
        assertBetween(0, warm.number("elapsed_s"), witness.secondsAfter(20), "elapsed_s", warm);
        try (ClientSupport.TestServer server =
                new Witness().server(number -> delay(number <= 20 ? 20 : 0))) {
            ClientJson cold = json(server, "--repeat", "30", "--warmup", "0");
            assertEquals(0, cold.number("warmup.messages"));
            assertNull(cold.get("warmup.first_us"));
            assertNull(cold.get("warmup.mean_us"));
            assertTrue(cold.number("rtt_us.p50") >= 20_000, cold.toString());
            assertTrue(cold.number("elapsed_s") >= 0.4, cold.toString());
        }
    }

    @Test
    void warmUpByTimeAndByDefault() throws Exception {
        try (ClientSupport.TestServer server = server(number -> delay(5))) {
            double timed = json(server, "--repeat", "10", "--warmup", "200ms")
                    .number("warmup.messages");
            assertTrue(timed >= 1 && timed <= 40, timed + " messages of 5 ms in 200 ms");
            double byDefault = json(server, "--repeat", "10").number("warmup.messages");
            assertTrue(byDefault >= 1 && byDefault <= 200, byDefault + " of 5 ms in 1 s");
        }
    }

    @Test
    void textAndJsonAgreeOnTheWarmUp() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            List<String> cold = text(server, "--warmup", "0");
            assertTrue(cold.toString().contains("warm-up: none"), cold.toString());
            List<String> warm = text(server, "--warmup", "12");
            assertTrue(warm.toString().matches(".*warm-up: 12 messages not counted.* first"
                    + " [0-9.]+ [um]s.* mean [0-9.]+ [um]s.*"), warm.toString());
        }
    }

    private static List<String> text(ClientSupport.TestServer server, String... args) {
        return ClientSupport.run(server.port(), ClientSupport.with(args, "--bench", "--repeat",
                "20", "--size", "" + SIZE)).expect(0).out;
    }

    /** A percentile that too few samples support is null. */
    @ParameterizedTest
    @CsvSource({"1, p50", "2, p90", "9, p90", "10, p95", "99, p99", "100, p99_9", "999, p99_9",
        "1000, max"})
    void aPercentileNeedsSamples(int repeat, String firstNull) throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = json(server, "--repeat", "" + repeat, "--warmup", "0");
            boolean missing = false;
            for (String name : List.of("p50", "p90", "p95", "p99", "p99_9", "max")) {
                missing |= name.equals(firstNull) && !name.equals("max");
                assertEquals(missing && !name.equals("max"), json.get("rtt_us." + name) == null,
                        name + " of " + json);
            }
        }
    }

    @Test
    void aPercentileThatIsNotSupportedIsADashInText() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            assertTrue(text(server, "--warmup", "0").stream().anyMatch(line -> line.matches(
                    "\\[bench\\] RTT( +[0-9.]+ (us|ms)){4} +- +- +[0-9.]+ (us|ms)")));
        }
    }

    /** Nagle's algorithm gives itself away by an echo in pieces. */
    @Test
    void anEchoInPiecesIsCounted() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            byte[] message = in.readNBytes(SIZE);
            while (message.length == SIZE) {
                for (int piece = 0; piece < 4; piece++) {
                    delay(piece == 0 ? 0 : 10);
                    out.write(message, piece * SIZE / 4, SIZE / 4);
                }
                message = in.readNBytes(SIZE);
            }
        })) {
            ClientJson json = json(server, "--repeat", "10", "--warmup", "0");
            double reads = json.number("reads_mean");
            assertTrue(reads > 1 && reads <= 4, json.toString());
            assertTrue(json.number("wait_us_mean") >= 30_000, json.toString());
            assertTrue(text(server, "--warmup", "0").toString().contains("an echo in "));
        }
    }

    private static final List<String> KEYS = List.of("message_bytes", "connections", "messages",
            "elapsed_s", "messages_s", "throughput_mib_s", "rtt_us", "warmup", "warmup.messages",
            "warmup.first_us", "warmup.mean_us", "write_us_mean", "wait_us_mean", "environment",
            "environment.java", "environment.os", "environment.cores", "environment.load_average",
            "environment.gc_count", "environment.arch", "warnings", "interrupted", "valid", "time",
            "command", "host", "port", "address", "reads_mean");
    private static final List<String> FIGURES =
            List.of("min", "mean", "stddev", "p50", "p90", "p95", "p99", "p99_9", "max");

    /** Scripts rely on the keys; whoever doubts a figure can check it against the others. */
    @ParameterizedTest
    @ValueSource(strings = {"--nagle", "--spin", "--rate=5000", "--parallel=3"})
    void theFiguresAgreeWithEachOther(String more) throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--json", "-",
                    "--size", "" + SIZE, "--warmup", "50", "--repeat", "1000", more).expect(0);
            assertEquals(List.of(), run.err);
            ClientJson json = run.json();
            assertTrue(json.names().containsAll(KEYS), json.names().toString());
            assertConsistent(json);
            if (more.contains("rate")) {
                assertAscending(json, "response_us");
                assertTrue(json.number("wakeup_us.min") >= 0, json.toString());
            }
            assertEquals(json.number("rtt_us.mean"),
                    json.number("write_us_mean") + json.number("wait_us_mean"), 0.01);
            assertFalse(json.has("environment.gc_ms"), json.toString());
            assertEquals(System.getProperty("java.version"), json.get("environment.java"));
            assertEquals(Runtime.getRuntime().availableProcessors(),
                    json.number("environment.cores"));
            assertEquals(false, json.get("interrupted"));
        }
    }

    static void assertConsistent(ClientJson json) {
        assertEquals(true, json.get("valid"));
        double seconds = json.number("elapsed_s");
        double rate = json.number("messages") / seconds;
        assertEquals(rate, json.number("messages_s"), 0.001 * rate + 0.1);
        double throughput = json.number("message_bytes") * rate / 1048576;
        assertEquals(throughput, json.number("throughput_mib_s"), 0.001 * throughput + 0.001);
        assertAscending(json, "rtt_us");
        // A connection has one message under way at any time.
        double busy = json.number("rtt_us.mean") / 1e6 * json.number("messages");
        assertTrue(busy <= seconds * json.number("connections"), json.toString());
    }

    private static void assertAscending(ClientJson json, String kind) {
        double before = 0;
        for (String name : FIGURES) {
            if (name.matches("min|max|p.*")) {
                assertTrue(json.number(kind + "." + name) >= before, name + " in " + json);
                before = json.number(kind + "." + name);
            }
        }
        double mean = json.number(kind + ".mean");
        assertTrue(mean >= json.number(kind + ".min") && mean <= before, json.toString());
        assertTrue(json.number(kind + ".stddev") <= before, json.toString());
    }

    /** One message as JSON, which is for scripts that only want to know whether it works. */
    @Test
    void jsonOfOneMessageHasItsFigures() throws Exception {
        try (ClientSupport.TestServer server = server()) {
            ClientJson json = ClientSupport.run(server.port(), "--json", "-", "--message",
                    "x".repeat(SIZE)).expect(0).json();
            assertEquals(1, json.number("messages"));
            assertEquals(0, json.number("warmup.messages"));
            assertEquals(true, json.get("valid"));
            assertEquals(1, received.get());
        }
    }
}
