import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What a result warns of, from where on, and what it does not: with times that are made up. */
@Timeout(30)
class WarningsTest {

    /** That there is one warning, and it has these facts; without facts, that there is none. */
    private static void warns(Made made, String... facts) {
        List<String> warnings = made.warnings();
        assertEquals(facts.length == 0 ? 0 : 1, warnings.size(), warnings.toString());
        Check.has("" + warnings, facts);
    }

    private static void warnsIf(boolean told, Made made, String... facts) {
        warns(made, told ? facts : new String[0]);
    }

    /** Half of a thousand messages are slow, after a warm-up that is long enough. */
    private static Made twoSpeeds(String options, long fast, long slow) {
        return new Made(options).warm(2000).trips(510, fast).trips(490, slow);
    }

    private static Made steady(String options) {
        return new Made(options).warm(2000).trips(1000, 20 * Made.US);
    }

    @Test
    void aGoodRunHasNone() throws Exception {
        warns(steady(""));
        warns(steady("").here());
        warns(new Made("--rate 1000").warm(20_000)
                .due(2000, Made.MS, 60 * Made.US, false, 20 * Made.US));
    }

    @Test
    void ourOwnStandstillIsSaidFirstAndNobodyElseIsBlamed() {
        Made made = new Made("--rate 100").warm(2000).due(200, 10 * Made.MS, 0, false, 900);
        made.due(100, 10 * Made.MS, 3 * Made.SECOND, true, 900 * Made.MS);
        made.ending.stoodStillNanos = 3 * Made.SECOND;
        warns(made, "client", "3.00 s");
        made.machine.load = 99.0 * made.machine.cores;
        List<String> warnings = made.warnings();
        Check.has(warnings.get(0), "client");
        assertEquals(2, warnings.size(), warnings.toString());
    }

    /** A short standstill of our own does not hide a long one of the server. */
    @ParameterizedTest
    @CsvSource({"1499, 2", "1501, 1", "3000, 1"})
    void aStallFarLongerThanOurOwnIsSaid(long ownMillis, int warnings) {
        Made made = new Made("").warm(2000).trips(500, Made.MS).trips(1, 3 * Made.SECOND);
        made.ending.stoodStillNanos = ownMillis * Made.MS;
        assertEquals(warnings, made.warnings().size(), made.warnings().toString());
        Check.has(made.warnings().get(0), "client");
    }

    /** By more than a millisecond, and a tenth of the response's p99, in 100 messages or more. */
    @ParameterizedTest
    @CsvSource({"1000, 1010, 20, true", "1000, 999, 20, false", "1000, 5000, 40000, true",
        "1000, 5000, 50000, false", "99, 5000, 20, false"})
    void wakingUpLateIsOurs(int messages, long lateMicros, long rttMicros, boolean told) {
        Made made = new Made("--rate 10").warm(2000).due(messages, 100 * Made.MS,
                lateMicros * Made.US, false, rttMicros * Made.US);
        warnsIf(told, made, "client", String.format(Locale.ROOT, "%.2f ms", lateMicros / 1e3));
    }

    @Test
    void aLoadFarAboveTheCoresIsSaid() {
        Made made = steady("");
        made.machine.load = 2 * made.machine.cores;
        warns(made);
        made.machine.load += 0.1;
        warns(made, String.format(Locale.ROOT, "load %.1f", made.machine.load));
        made.machine.load = -1; // Windows does not know it
        warns(made);
    }

    @Test
    void aSpreadOfMoreThanThreeTimesIsSaidAndItsCauseOnlyHere() throws Exception {
        warns(twoSpeeds("", 10_000, 30_000));
        warns(twoSpeeds("", 10_000, 30_100), "p10 10.0", "p90 30.10 us");
        Check.lacks("" + twoSpeeds("", 10_000, 30_100).warnings(), "taskset");
        warns(new Made("").warm(2000).trips(910, 10_000).trips(90, 40_000)); // not one in ten
        Made here = twoSpeeds("", 10_000, 40_000).here();
        Assumptions.assumeTrue(here.machine.cores > 1);
        warns(here, "p10 10.0", "p90 40.00 us", "taskset");
        for (String option : List.of("--spin", "--connect", "--parallel 9")) {
            warns(twoSpeeds(option, 10_000, 40_000).here());
        }
        warns(twoSpeeds("", Made.MS - 1024, 4 * Made.MS).here(), "taskset");
        warns(twoSpeeds("", Made.MS + 2048, 4 * Made.MS).here());
        java.lang.reflect.Field cores = EchoClient.Machine.class.getDeclaredField("cores");
        cores.setAccessible(true);
        cores.set(here.machine, 1);
        warns(here);
        here.machine.load = 753;
        warns(here, "load 753.0");
    }

    /**
     * 495 messages of 20 ms and a stall of S in 9.9 s + S: on a schedule its p99 would be
     * S - (9.9 s + S) / 100, which is more than three times 20 ms if S is above 160.7 ms.
     */
    @ParameterizedTest
    @CsvSource({"159, false", "162, true"})
    void aStallThatHidesInAClosedLoop(long millis, boolean told) {
        Made made = new Made("").warm(2000).trips(200, 20 * Made.MS).trips(1, millis * Made.MS)
                .trips(295, 20 * Made.MS);
        warnsIf(told, made, "at 4.00 s for 162.0 ms", "--rate");
        warns(new Made("--rate 50").warm(2000) // which counts what would have been due
                .due(495, 20 * Made.MS, 0, false, 19 * Made.MS)
                .due(1, 20 * Made.MS, 0, false, millis * Made.MS));
        warns(new Made("").warm(2000).trips(60, 20 * Made.MS).trips(1, 3 * Made.SECOND),
                "for 3.00 s"); // too few for a p99: three times the median
    }

    /** A stall of 2 s in 10 s of 50 connections. With 90, the p99 of the run itself shows it. */
    @ParameterizedTest
    @CsvSource({"1, false", "2, false", "3, true", "50, true", "90, false"})
    void aStallOfSomeOfManyConnections(int stalls, boolean told) {
        Made made = new Made("--parallel 50").warm(2000);
        for (int i = 0; i < 5000; i++) {
            made.measured.record(i * 2 * Made.MS, i * 2 * Made.MS + 20 * Made.MS, 1, 0);
        }
        for (int i = 0; i < stalls; i++) {
            made.measured.record(Made.SECOND, 3 * Made.SECOND, 1, 0);
        }
        made.measured.end(10 * Made.SECOND);
        warnsIf(told, made, "at 1.00 s for 2.00 s");
    }

    /** After a warm-up whose least round trip took 20 ms: 50 a second on each of 8. */
    @ParameterizedTest
    @CsvSource({"400, 0, ''", "401, 9, ''", "800, 16, ''", "0.5, 0, ''", "3276750, 65535, ''",
        "3276751, -1, 65535"})
    void aRateThatNeedsMoreConnectionsIsToldAfterTheWarmUp(String rate, int needed, String fact) {
        Made made = new Made("--parallel 8 --rate " + rate);
        assertNull(beforeStart(made)); // no warm-up, no evidence
        made.warmup.record(0, 20 * Made.MS, 1, 0);
        made.warmup.record(0, 90 * Made.MS, 1, 0);
        String said = beforeStart(made);
        if (needed == 0) {
            assertNull(said);
        } else if (needed < 0) { // no number of connections carries it
            Check.has(said, fact);
            Check.lacks(said, "--parallel");
        } else {
            Check.has(said, "50.0/s", "--rate " + rate, "--parallel " + needed);
        }
        assertNull(beforeStart(steady("")));
    }

    private static String beforeStart(Made made) {
        return new EchoClient.Warnings(made.options, made.server, made.machine, made.warmup,
                made.measured, made.ending).rateBeforeStart();
    }

    /** 1,000 messages on a schedule of 100 a second, so many of them behind by 30 ms. */
    private static Made behind(int late, long elapsedMillis) {
        Made made = new Made("--rate 100").warm(2000);
        made.due(1000 - late, Made.MS, 0, false, 12 * Made.MS);
        made.due(late, Made.MS, 30 * Made.MS, true, 12 * Made.MS);
        made.measured.end(elapsedMillis * Made.MS);
        return made;
    }

    @Test
    void aRateThatWasNotKeptIsJudgedByWhatWasMeasured() {
        warns(behind(500, 10_200)); // 98 %
        warns(behind(500, 10_210), "--parallel 2");
        warns(behind(100, 11_000), "--parallel 2");
        warns(behind(99, 11_000)); // fewer than one in ten were late
        Made lost = behind(500, 11_000);
        lost.ending.lost = 1;
        warns(lost);
        Made full = new Made("--rate 1000 --parallel 4").warm(2000);
        full.due(1, 2 * Made.MS, 0, false, 900 * Made.US);
        full.due(499, 2 * Made.MS, 100 * Made.MS, true, 8 * Made.MS);
        warns(full, "all 4 together", "500/s");
        // What most round trips take would be enough: a stall put them behind.
        warns(new Made("--rate 1000 --parallel 4").warm(2000)
                .due(500, 2 * Made.MS, 100 * Made.MS, true, 3 * Made.MS));
    }

    @Test
    void connectingThatTookASecond() {
        Made made = steady("");
        made.server.noteConnecting(Made.SECOND - 1);
        warns(made);
        made.server.noteConnecting(Made.SECOND);
        warns(made, "1.00 s");
    }

    @Test
    void aShortWarmUpAndTooFewMessages() throws Exception {
        warns(new Made("").here().warm(999).trips(1000, 20 * Made.US), "999 messages");
        warns(new Made("").here().warm(1000).trips(1000, 20 * Made.US));
        warns(new Made("").warm(31).trips(1000, 20 * Made.US)); // elsewhere the path is longer
        warns(new Made("").here().trips(1000, 20 * Made.US)); // none was asked for
        warns(new Made("").warm(2000).trips(19, 20 * Made.US), "p95");
        warns(new Made("").warm(2000).trips(20, 20 * Made.US));
        warns(new Made("--rate 9").warm(2000).due(19, Made.SECOND / 9, 0, false, 900), "p95");
    }
}
