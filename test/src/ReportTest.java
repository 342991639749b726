import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** A result whose times are known: as text, as JSON, and that both say the same. */
@Timeout(30)
class ReportTest {

    /** 1,000 round trips of 0.1, 0.2, ... 100 ms: in all 50.05 s. */
    private static Made thousand(String options) {
        Made made = new Made(options);
        for (int i = 1; i <= 1000; i++) {
            made.trips(1, i * 100_000L);
        }
        return made.warm(1500);
    }

    /** The figures of a row, in microseconds, by the names of the columns; NaN where there is -. */
    static Map<String, Double> row(String text, String name) {
        Matcher head = Pattern.compile("\\[bench] +(min .*)").matcher(text);
        Matcher line = Pattern.compile("\\[bench] " + name + " +(.*)").matcher(text);
        assertTrue(head.find() && line.find(), "no row " + name + ": " + text);
        String[] names = head.group(1).split(" +");
        Map<String, Double> row = new HashMap<>();
        Pattern.compile("[0-9.]+ (us|ms|s)|-").matcher(line.group(1)).results()
                .forEach(word -> row.put(names[row.size()], micros(word.group())));
        assertEquals(names.length, row.size(), line.group());
        return row;
    }

    /** Such as 1.25 ms: 1250. */
    static double micros(String time) {
        String[] words = time.split(" ");
        if (time.equals("-")) {
            return Double.NaN;
        }
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
        for (String name : List.of("min", "p50", "p90", "p95", "p99", "p99.9", "max")) {
            double shown = row(text, row).get(name);
            Double exact = (Double) json.get(key + "." + name.replace("9.9", "9_9"));
            if (exact == null) {
                assertTrue(Double.isNaN(shown), row + " " + name);
            } else {
                assertEquals(exact, shown, exact / 100 + 0.006, row + " " + name);
            }
        }
    }

    /** The first three lines, which scripts read; bytes are those of UTF-8. */
    @ParameterizedTest
    @CsvSource({"--size 10k, 10240, 0.195, 0.205", "--message h\u00e9llo, 6, 0.000114, 0.000120",
        "--message hello --line, 6, 0.000114, 0.000120", "--size 8m, 8388608, 159.84, 167.60"})
    void theThreeLinesForScripts(String options, int bytes, String mib, String mb) {
        EchoClient.Result result = thousand(options).result(); // so many bytes a thousand times
        String[] lines = Made.text(result).split("\n");
        assertEquals("[bench] repeats: 1000, msg_len: " + bytes + " bytes", lines[0]);
        assertTrue(lines[1].matches(
                "\\[bench] avg RTT: 50[.]050 ms, p95 RTT: 95[.]0[0-9]{2} ms"), lines[1]);
        assertEquals("[bench] throughput: " + mib + " MiB/s (" + mb + " MB/s)", lines[2]);
        assertEquals(bytes, Made.json(result).number("message_bytes"));
    }

    @Test
    void everyFigureOfTheJson() {
        EchoClient.Result result = thousand("--size 10k --parallel 2 --json a&b").result();
        Json json = Made.json(result);
        assertEquals("10240 2 1000 1 100 50050 100000 1500 20 20 0 0 0 0 0 true false",
                json.values("message_bytes connections messages reads_mean rtt_us.min rtt_us.mean"
                        + " rtt_us.max warmup.messages warmup.first_us warmup.mean_us waiting"
                        + " unanswered waiting_us_max connections_lost connect_us_max valid"
                        + " interrupted"));
        assertEquals("127.0.0.1 5050 null", json.values("host port address"));
        assertEquals("java EchoClient.java --bench --size 10k --parallel 2 --json 'a&b'",
                json.get("command"));
        Map<String, Double> figures = Map.of("elapsed_s", 50.05, "messages_s", 1000 / 50.05,
                "throughput_mib_s", 10_240_000 / 50.05 / 1048576, "max_at_s", 49.95);
        figures.forEach((key, value) -> assertEquals(value, json.number(key), 1e-6, key));
        Map<String, Integer> micros = Map.of("p50", 50_000, "p90", 90_000, "p95", 95_000, "p99",
                99_000, "p99_9", 99_900, "stddev", 28_868);
        micros.forEach((key, value) -> assertEquals(value, json.number("rtt_us." + key),
                value / 900.0, key));
        for (String absent : List.of("response_us", "unsent", "connect_us", "intervals",
                "error", "rate_messages_s")) {
            assertFalse(json.has(absent), absent);
        }
        assertEquals(System.getProperty("java.version") + " " + System.getProperty("os.arch"),
                json.values("environment.java environment.arch"));
        assertEquals(Runtime.getRuntime().availableProcessors(),
                json.number("environment.cores"));
        assertEquals(result.machine.collections, json.number("environment.gc_count"));
        assertEquals(result.warnings, json.get("warnings"));
    }

    /** To a nanosecond. */
    @Test
    void timesOfTheJsonHaveThreeDecimals() {
        assertEquals("12.345 12.345 0", Made.json(new Made("").trips(1000, 12_345).result())
                .values("rtt_us.min rtt_us.max rtt_us.stddev"));
    }

    @Test
    void theTextSaysWhatTheJsonSays() throws Exception {
        Made made = thousand("--host localhost --size 10k --parallel 2").here();
        made.machine.load = 1.25;
        made.server.noteConnecting(77 * Made.MS);
        EchoClient.Result result = made.result();
        String text = Made.text(result);
        Json json = Made.json(result);
        agrees(text, "RTT", json, "rtt_us");
        Check.has(text, "50.05 ms", "28.87 ms", "20.0 messages/s", "50.05 s", "1,500 messages", "2 connections",
                "localhost:5050 (127.0.0.1)", "77.00 ms", System.getProperty("java.version"),
                "1.25");
        String warmup = text.lines().filter(line -> line.contains("1,500")).findFirst().get();
        assertEquals(2, warmup.split("20.00 us", -1).length - 1, warmup); // the first, the mean
        assertEquals("1.25 77000 127.0.0.1",
                json.values("environment.load_average connect_us_max address"));
        Check.has(text, result.warnings.toArray(new String[0]));
    }

    @Test
    void whatTooFewMessagesSupportIsNull() {
        EchoClient.Result result = new Made("").trips(5, 70 * Made.US).result();
        Json json = Made.json(result);
        assertEquals("null null null null", json.values(
                "rtt_us.p90 rtt_us.p99_9 warmup.mean_us warmup.first_us"));
        agrees(Made.text(result), "RTT", json, "rtt_us");
        assertTrue(Made.text(result).lines().anyMatch(line -> // how long the first one took
                !line.contains("RTT") && !line.contains("mean") && line.contains("70.00 us")));
        EchoClient.Result more = thousand("").trips(999, Made.US).result();
        agrees(Made.text(more), "RTT", Made.json(more), "rtt_us");
    }

    @Test
    void withARateTheResponseTimeComesFirst() {
        Made made = new Made("--rate 12.5");
        made.due(1000, Made.MS, 200 * Made.US, false, 300 * Made.US);
        made.due(9, Made.MS, 40 * Made.MS, true, 300 * Made.US);
        made.measured.end(1_020_000_000L);
        made.measured.recordUnsent(1_010_000_000L, 1, true);
        made.measured.recordUnsent(1_018_000_000L, 1, true);
        made.measured.recordUnsent(1_015_000_000L, 300, false);
        EchoClient.Result result = made.result();
        Json json = Made.json(result);
        String text = Made.text(result);
        assertEquals("12.5 1009 302 300 2 10000 500 40300 300 200 309 40000 1 1.02", json.values(
                "rate_messages_s messages unanswered unsent waiting waiting_us_max"
                        + " response_us.min response_us.max rtt_us.max wakeup_us.max"
                        + " behind_messages behind_us_max max_at_s elapsed_s"));
        assertEquals(1009 / 1.02, json.number("messages_s"), 1e-6);
        agrees(text, "response", json, "response_us");
        agrees(text, "RTT", json, "rtt_us");
        agrees(text, "wake-up", json, "wakeup_us");
        double mean = json.number("response_us.mean") / 1e3;
        assertEquals(String.format(Locale.ROOT, "[bench] avg response: %.3f ms, p95 response:"
                + " %.3f ms", mean, json.number("response_us.p95") / 1e3),
                text.split("\n")[1]);
        String deviation = String.format(Locale.ROOT, "%.2f ms",
                json.number("response_us.stddev") / 1e3);
        Check.has(text, String.format(Locale.ROOT, "%.2f ms", mean), deviation, "23.6",
                "40.00 ms", "2 messages, waiting for 10.00 ms", "300 messages");
        Check.has(result.latency.toHgrm(), "Total count    =         1311");
    }

    @Test
    void connectingHasARowAndAKey() {
        Made made = new Made("--connect --parallel 2").warm(50);
        for (int i = 0; i < 200; i++) {
            made.measured.record(i * 1000_000, i * 1000_000 + 700_000, 2, 400_000);
        }
        made.measured.end(200_000_000);
        EchoClient.Result result = made.result();
        Json json = Made.json(result);
        assertEquals(400, json.number("connect_us.p99"), 0.5);
        assertEquals("2 2", json.values("reads_mean connections"));
        String text = Made.text(result);
        agrees(text, "connect", json, "connect_us");
        agrees(text, "RTT", json, "rtt_us");
        Check.has(text, "2.00");
        Check.lacks(text, "on each connection");
    }

    @Test
    void intervalsStandInTheJson() {
        Made made = new Made("--interval 100ms").trips(2, 40 * Made.MS).trips(1, 60 * Made.MS);
        made.measured.intervals.next();
        made.measured.intervals.next();
        List<Json> all = Made.json(made.result()).objects("intervals");
        String keys = "end_s messages mean_us max_us";
        assertEquals("0.1 3 46666.667 60000", all.get(0).values(keys));
        assertEquals("0.2 0 null null", all.get(1).values(keys));
        assertEquals(2, all.size());
    }

    /** Also when nothing was measured yet. */
    @ParameterizedTest
    @CsvSource({"2500000000, 2.50 s", "-1, ''"})
    void afterAFailureItSaysWhenAndWhy(long failedAfter, String when) {
        Made made = new Made("--parallel 3").trips(100, Made.MS).warm(5);
        made.ending.failure = new java.io.IOException("x");
        made.ending.failedAfterNanos = failedAfter;
        made.ending.lost = 2;
        made.error = "<gone> & \"away\"";
        EchoClient.Result result = made.result();
        Json json = Made.json(result);
        assertEquals("false <gone> & \"away\" 2 100", json.values(
                "valid error connections_lost messages"));
        Check.has(Made.text(result), "FAILED", when, "<gone>");
        Check.lacks(Made.text(result), "-1", "-0");
        Check.has(new EchoClient.Picture(result).draw(), "FAILED", when, "&lt;gone&gt; &amp;");
    }

    @Test
    void anInterruptIsNoFailure() {
        Made made = new Made("").trips(100, 12 * Made.MS);
        made.ending.interrupted = true;
        EchoClient.Result result = made.result();
        assertEquals("true true", Made.json(result).values("valid interrupted"));
        assertEquals(1_200_000, timeAfter(Made.text(result), "INTERRUPTED after"));
        Check.has(new EchoClient.Picture(result).draw(), "INTERRUPTED after 1.20 s");
    }

    @Test
    void timeIsWhenTheMeasurementBegan() throws Exception {
        Made made = new Made("");
        Thread.sleep(1100); // JSON has whole seconds
        made.measured.begin(0);
        long began = made.measured.beganAt().getEpochSecond();
        made.trips(5, 5);
        Thread.sleep(1100);
        assertEquals(began, java.time.Instant.parse(
                Made.json(made.result()).values("time")).getEpochSecond());
    }

    @Test
    void withJsonOnStandardOutputThereIsNoText() {
        assertEquals("", Made.text(new Made("--json -").trips(5, 5).result()));
        Check.has(Made.text(new Made("--json x").trips(5, 5).result()), "RTT");
    }

    @Test
    void aFailureWithoutFiguresIsJsonToo() {
        Json json = Json.of(EchoClient.JsonReport.failed("a \"b\" \\ \u00e9\n", true));
        assertEquals("a \"b\" \\ \u00e9\n false true", json.values("error valid interrupted"));
        assertEquals("{\"a\": null, \"b\": [1, \"x\"], \"c\": null}", new EchoClient.Json()
                .add("a", Double.NaN).add("b", List.of(1, "x")).add("c", null).toString());
    }
}
