import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;

/** A result whose times are known: as text, as JSON, and that both say the same. */
@Timeout(30)
class ReportTest {

    /** 1,000 round trips of 0.1, 0.2, ... 100 ms: in all 50.05 s. */
    private static Made thousand(String... arguments) {
        Made made = new Made(arguments);
        for (int i = 1; i <= 1000; i++) {
            made.trips(1, i * 100_000L);
        }
        return made.warm(1500);
    }

    private static void near(double expected, double found) {
        assertEquals(expected, found, expected / 900);
    }

    /** Each word of a line of the table, in microseconds; NaN where there is none. */
    static double[] row(String text, String name) {
        Matcher line = Pattern.compile("\\[bench] " + name + " +(.*)").matcher(text);
        assertTrue(line.find(), "no row " + name + ": " + text);
        Matcher word = Pattern.compile("([0-9.]+) (us|ms|s)|-").matcher(line.group(1));
        double[] values = new double[7];
        for (int i = 0; i < 7; i++) {
            assertTrue(word.find(), line.group());
            values[i] = word.group(1) == null ? Double.NaN : micros(word.group());
        }
        return values;
    }

    /** Such as 1.25 ms: 1250. */
    static double micros(String time) {
        String[] words = time.split(" ");
        return Double.parseDouble(words[0]) * Map.of("us", 1, "ms", 1000, "s", 1_000_000)
                .get(words[1]);
    }

    /** The time behind these words. */
    static double timeAfter(String text, String words) {
        Matcher time = Pattern.compile(Pattern.quote(words) + "\\s*([0-9.]+ (us|ms|s))")
                .matcher(text);
        assertTrue(time.find(), "no time after \"" + words + "\": " + text);
        return micros(time.group(1));
    }

    /** That a row shows what the JSON has. */
    static void agrees(String text, String row, Json json, String key) {
        double[] shown = row(text, row);
        String[] names = {"min", "p50", "p90", "p95", "p99", "p99_9", "max"};
        for (int i = 0; i < 7; i++) {
            Object exact = json.get(key + "." + names[i]);
            if (exact == null) {
                assertTrue(Double.isNaN(shown[i]), row + " " + names[i]);
            } else {
                assertEquals((Double) exact, shown[i], (Double) exact / 100 + 0.006, names[i]);
            }
        }
    }

    @Test
    void theThreeLinesForScripts() {
        String[] lines = Made.text(thousand("--size", "10k").result()).split("\n");
        assertEquals("[bench] repeats: 1000, msg_len: 10240 bytes", lines[0]);
        assertTrue(lines[1].matches(
                "\\[bench] avg RTT: 50[.]050 ms, p95 RTT: 95[.]0[0-9]{2} ms"), lines[1]);
        // 1,000 times 10,240 bytes in 50.05 s
        assertEquals("[bench] throughput: 0.195 MiB/s (0.205 MB/s)", lines[2]);
    }

    @Test
    void everyFigureOfTheJson() {
        EchoClient.Result result = thousand("--size", "10k", "--parallel", "2").result();
        Json json = Made.json(result);
        assertEquals(10240, json.number("message_bytes"));
        assertEquals(2, json.number("connections"));
        assertEquals(1000, json.number("messages"));
        assertEquals(50.05, json.number("elapsed_s"), 1e-6);
        assertEquals(1000 / 50.05, json.number("messages_s"), 1e-6);
        assertEquals(10_240_000 / 50.05 / 1048576, json.number("throughput_mib_s"), 1e-6);
        assertEquals(1, json.number("reads_mean"));
        assertEquals(100, json.number("rtt_us.min"));
        assertEquals(50_050, json.number("rtt_us.mean"));
        assertEquals(28_867.5, json.number("rtt_us.stddev"), 20);
        near(50_000, json.number("rtt_us.p50"));
        near(90_000, json.number("rtt_us.p90"));
        near(95_000, json.number("rtt_us.p95"));
        near(99_000, json.number("rtt_us.p99"));
        near(99_900, json.number("rtt_us.p99_9"));
        assertEquals(100_000, json.number("rtt_us.max"));
        assertEquals(49.95, json.number("max_at_s"), 1e-6); // when it was sent
        assertEquals(1500, json.number("warmup.messages"));
        assertEquals(20, json.number("warmup.first_us"));
        assertEquals(20, json.number("warmup.mean_us"));
        for (String none : List.of("waiting", "unanswered", "waiting_us_max",
                "connections_lost", "connect_us_max")) {
            assertEquals(0, json.number(none), none);
        }
        assertEquals(List.of(true, false),
                List.of(json.get("valid"), json.get("interrupted")));
        assertEquals("127.0.0.1", json.string("host"));
        assertEquals(5050, json.number("port"));
        for (String absent : List.of("response_us", "unsent", "connect_us", "intervals",
                "error", "rate_messages_s")) {
            assertFalse(json.has(absent), absent);
        }
        assertEquals(System.getProperty("java.version"), json.string("environment.java"));
        assertEquals(System.getProperty("os.arch"), json.string("environment.arch"));
        assertEquals(Runtime.getRuntime().availableProcessors(),
                json.number("environment.cores"));
        assertEquals(result.machine.collections, json.number("environment.gc_count"));
        assertEquals(result.warnings, json.list("warnings"));
    }

    @Test
    void theTextSaysWhatTheJsonSays() {
        EchoClient.Result result = thousand("--size", "10k", "--parallel", "2").result();
        result.machine.load = 1.25;
        String text = Made.text(result);
        agrees(text, "RTT", Made.json(result), "rtt_us");
        assertEquals(50_050, timeAfter(text, "mean"), 51);
        assertEquals(28_867, timeAfter(text, "deviation"), 51);
        assertTrue(text.contains("20.0 messages/s for 50.05 s"), text);
        assertTrue(text.contains("warm-up: 1,500 messages"), text);
        assertEquals(20, timeAfter(text, "not counted; first"));
        assertTrue(text.contains("2 connections"), text);
        assertTrue(text.contains("warm-up: 1,500 messages, at full speed on each"), text);
        assertTrue(text.contains("us at most\n"), text); // the slowest one connected
        assertTrue(text.contains(System.getProperty("java.version")), text);
        assertTrue(text.contains("load 1.25"), text);
        assertEquals(1.25, Made.json(result).number("environment.load_average"));
        for (String warning : result.warnings) {
            assertTrue(text.contains(warning), warning);
        }
    }

    @Test
    void whatTooFewMessagesSupportIsNull() {
        EchoClient.Result result = new Made().trips(5, 70 * Made.US).result();
        Json json = Made.json(result);
        assertNull(json.get("rtt_us.p90"));
        assertNull(json.get("rtt_us.p99_9"));
        assertNull(json.get("warmup.mean_us"));
        assertNull(json.get("warmup.first_us"));
        assertNull(json.get("address"));
        agrees(Made.text(result), "RTT", json, "rtt_us");
        assertFalse(Made.text(result).contains("at most"), Made.text(result));
        assertEquals(70, timeAfter(Made.text(result), "first message took"));
    }

    @Test
    void withARateTheResponseTimeComesFirst() {
        Made made = new Made("--rate", "12.5");
        made.due(1000, Made.MS, 200 * Made.US, false, 300 * Made.US);
        made.due(9, Made.MS, 40 * Made.MS, true, 300 * Made.US);
        made.measured.end(1_020_000_000L);
        made.measured.recordUnsent(1_010_000_000L, 1, true);
        made.measured.recordUnsent(1_018_000_000L, 1, true);
        made.measured.recordUnsent(1_015_000_000L, 300, false);
        EchoClient.Result result = made.result();
        Json json = Made.json(result);
        String text = Made.text(result);
        assertEquals(12.5, json.number("rate_messages_s"));
        assertEquals(1009, json.number("messages"));
        assertEquals(302, json.number("unanswered"));
        assertEquals(300, json.number("unsent"));
        assertEquals(2, json.number("waiting"));
        assertEquals(10_000, json.number("waiting_us_max"));
        assertEquals(500, json.number("response_us.min"));
        assertEquals(40_300, json.number("response_us.max"));
        assertEquals(300, json.number("rtt_us.max"));
        assertEquals(200, json.number("wakeup_us.max"));
        assertEquals(309, json.number("behind_messages"));
        assertEquals(40_000, json.number("behind_us_max"));
        assertEquals(1, json.number("max_at_s"));
        agrees(text, "response", json, "response_us");
        agrees(text, "RTT", json, "rtt_us");
        agrees(text, "wake-up", json, "wakeup_us");
        double mean = json.number("response_us.mean") / 1e3;
        assertEquals(String.format(Locale.ROOT, "[bench] avg response: %.3f ms, p95 response:"
                + " %.3f ms", mean, json.number("response_us.p95") / 1e3),
                text.split("\n")[1]);
        assertTrue(text.contains("behind schedule: 23.6 %"), text);
        assertEquals(40_000, timeAfter(text, "of the messages, by"));
        assertTrue(text.contains("2 messages, waiting for 10.00 ms at most"), text);
        assertTrue(text.contains("not sent: 300 messages"), text);
        assertTrue(result.latency.toHgrm().contains("Total count    =         1311"));
    }

    @Test
    void connectingHasARowAndAKey() {
        Made made = new Made("--connect");
        for (int i = 0; i < 200; i++) {
            made.measured.record(i * 1000_000, i * 1000_000 + 700_000, 2, 400_000);
        }
        made.trips(0, 0).measured.end(200_000_000);
        EchoClient.Result result = made.result();
        assertEquals(400, Made.json(result).number("connect_us.p99"), 0.5);
        assertEquals(2, Made.json(result).number("reads_mean"));
        agrees(Made.text(result), "connect", Made.json(result), "connect_us");
        agrees(Made.text(result), "RTT", Made.json(result), "rtt_us");
        assertTrue(Made.text(result).contains("2.00 pieces"));
        assertTrue(Made.text(result).contains("at most; a new one for each message"));
    }

    @Test
    void intervalsStandInTheJson() {
        Made made = new Made("--interval", "100ms");
        made.trips(2, 40 * Made.MS);
        made.measured.intervals.next();
        made.measured.intervals.next();
        List<?> list = Made.json(made.result()).list("intervals");
        Map<String, Object> first = new HashMap<>(Map.of("end_s", 0.1, "messages", 2,
                "mean_us", 40_000.0, "max_us", 40_000.0));
        Map<String, Object> second = new HashMap<>(Map.of("end_s", 0.2, "messages", 0));
        second.put("mean_us", null);
        second.put("max_us", null);
        assertEquals(List.of(first, second), list);
    }

    @Test
    void afterAFailureItSaysWhenAndWhy() {
        Made made = new Made("--parallel", "3").trips(100, Made.MS).warm(5);
        made.ending.failure = new java.io.IOException("x");
        made.ending.failedAfterNanos = 2_500_000_000L;
        made.ending.lost = 2;
        made.error = "<gone> & \"away\"";
        EchoClient.Result result = made.result();
        Json json = Made.json(result);
        assertEquals(false, json.get("valid"));
        assertEquals("<gone> & \"away\"", json.string("error"));
        assertEquals(2, json.number("connections_lost"));
        assertEquals(1000, json.number("rtt_us.p50"), 1);
        String text = Made.text(result);
        assertTrue(text.contains("FAILED after 2.50 s: <gone>"), text);
        assertTrue(new EchoClient.Picture(result).draw()
                .contains("FAILED after 2.50 s: &lt;gone&gt; &amp;"));
    }

    @Test
    void anInterruptIsNoFailure() {
        Made made = new Made().trips(100, 12 * Made.MS);
        made.ending.interrupted = true;
        EchoClient.Result result = made.result();
        assertEquals(List.of(true, true), List.of(Made.json(result).get("valid"),
                Made.json(result).get("interrupted")));
        assertEquals(1_200_000, timeAfter(Made.text(result), "INTERRUPTED after"));
    }

    @Test
    void timeIsWhenTheMeasurementBegan() throws Exception {
        Made made = new Made();
        Thread.sleep(1100); // JSON has whole seconds
        made.measured.begin(0);
        made.trips(5, 5);
        assertEquals(made.measured.beganAt().getEpochSecond(), java.time.Instant.parse(
                Made.json(made.result()).string("time")).getEpochSecond());
    }

    @Test
    void withJsonOnStandardOutputThereIsNoText() {
        assertEquals("", Made.text(new Made("--json", "-").trips(5, 5).result()));
        assertTrue(Made.text(new Made("--json", "x").trips(5, 5).result()).contains("RTT"));
    }

    @Test
    void aFailureWithoutFiguresIsJsonToo() {
        Json json = Json.of(EchoClient.JsonReport.failed("a \"b\" \\ \u00e9\n", true));
        assertEquals("a \"b\" \\ \u00e9\n", json.string("error"));
        assertEquals(List.of(false, true),
                List.of(json.get("valid"), json.get("interrupted")));
        assertEquals("{\"a\": null, \"b\": [1, \"x\"], \"c\": null}", new EchoClient.Json()
                .add("a", Double.NaN).add("b", List.of(1, "x")).add("c", null).toString());
    }
}
