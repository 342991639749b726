import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What a result warns of, from where on, and what it does not: with times that are made up. */
@Timeout(30)
class WarningsTest {

    /** That there is one warning, and it has this in it. */
    private static void only(Made made, String... facts) {
        List<String> warnings = made.warnings();
        assertEquals(1, warnings.size(), warnings.toString());
        for (String fact : facts) {
            assertTrue(warnings.get(0).contains(fact), fact + " in " + warnings);
        }
    }

    private static void none(Made made) {
        assertEquals(List.of(), made.warnings());
    }

    private static Made twoSpeeds(String option, long fast, long slow) {
        return new Made(option).warm(2000).trips(510, fast).trips(490, slow);
    }

    @Test
    void aGoodRunHasNone() throws Exception {
        none(new Made().warm(20_000).trips(10_000, 20 * Made.US));
        none(new Made().here().warm(20_000).trips(10_000, 20 * Made.US));
        none(new Made("--rate", "1000").warm(20_000)
                .due(2000, Made.MS, 60 * Made.US, false, 20 * Made.US));
    }

    @Test
    void ourOwnStandstillIsSaidFirstAndNobodyElseIsBlamed() {
        Made made = new Made("--rate", "100").warm(2000).due(200, 10 * Made.MS, 0, false, 900);
        made.due(100, 10 * Made.MS, 3 * Made.SECOND, true, 900 * Made.MS);
        made.ending.stoodStillNanos = 3 * Made.SECOND;
        only(made, "client itself", "3.00 s");
        Made closed = new Made().warm(2000).trips(500, Made.MS).trips(1, 3 * Made.SECOND);
        closed.ending.stoodStillNanos = 3 * Made.SECOND;
        only(closed, "client itself", "3.00 s");
        closed.machine.load = 99.0 * closed.machine.cores;
        List<String> warnings = closed.warnings();
        assertTrue(warnings.get(0).contains("client itself"), warnings.toString());
        assertTrue(warnings.size() == 2 && warnings.get(1).contains("load"), "" + warnings);
    }

    /** A short standstill of our own does not hide a long one of the server. */
    @ParameterizedTest
    @CsvSource({"1499, 2", "1501, 1"})
    void aStallFarLongerThanOurOwnIsSaid(long ownMillis, int warnings) {
        Made made = new Made().warm(2000).trips(500, Made.MS).trips(1, 3 * Made.SECOND);
        made.ending.stoodStillNanos = ownMillis * Made.MS;
        assertEquals(warnings, made.warnings().size(), made.warnings().toString());
        assertTrue(made.warnings().get(0).contains("client itself"), "" + made.warnings());
    }

    @Test
    void wakingUpLateByAMillisecondAndATenthOfTheResponseIsOurs() {
        only(woken(1000, 1_010 * Made.US, 20 * Made.US), "client itself", "1.01 ms");
        none(woken(1000, 999 * Made.US, 20 * Made.US));
        only(woken(1000, 5 * Made.MS, 40 * Made.MS), "client itself");
        none(woken(1000, 5 * Made.MS, 50 * Made.MS)); // 5 of 55 ms
        none(woken(99, 5 * Made.MS, 20 * Made.US)); // too few for a p99
    }

    private static Made woken(int messages, long nanos, long rtt) {
        return new Made("--rate", "10").warm(2000)
                .due(messages, 100 * Made.MS, nanos, false, rtt);
    }

    @Test
    void aLoadFarAboveTheCoresIsSaid() {
        Made made = new Made().warm(2000).trips(1000, 20 * Made.US);
        made.machine.load = 2 * made.machine.cores;
        none(made);
        made.machine.load += 0.1;
        only(made, String.format(Locale.ROOT, "load %.1f", made.machine.load));
        made.machine.load = -1; // Windows does not know it
        none(made);
    }

    @Test
    void aSpreadOfMoreThanThreeTimes() {
        none(twoSpeeds("--nagle", 10_000, 30_000));
        only(twoSpeeds("--nagle", 10_000, 30_100), "spread", "p10 10.0", "p90 30.10 us");
        none(new Made().warm(2000).trips(910, 10_000)
                .trips(90, 40_000)); // fewer than one in ten are no second speed
    }

    @Test
    void twoSpeedsAreThreadsThatMoveOnlyHere() throws Exception {
        Made here = twoSpeeds("--nagle", 10_000, 40_000).here();
        Assumptions.assumeTrue(here.machine.cores > 1);
        only(here, "p10 10.0", "p90 40.00 us", "pin");
        none(twoSpeeds("--spin", 10_000, 40_000).here());
        none(twoSpeeds("--connect", 10_000, 40_000).here());
        none(twoSpeeds("--parallel=9", 10_000, 40_000).here());
        only(twoSpeeds("--nagle", Made.MS - 1024, 4 * Made.MS).here(), "pin");
        none(twoSpeeds("--nagle", Made.MS + 2048, 4 * Made.MS).here());
        here.machine.load = 753;
        only(here, "load 753.0");
    }

    /**
     * 495 messages of 20 ms and a stall of S in 9.9 s + S: on a schedule its p99 would be
     * S - (9.9 s + S) / 100, which is more than three times 20 ms if S is above 160.7 ms.
     */
    @ParameterizedTest
    @CsvSource({"159, false", "162, true"})
    void aStallThatHidesInAClosedLoop(long millis, boolean told) {
        Made made = new Made().warm(2000).trips(200, 20 * Made.MS).trips(1, millis * Made.MS)
                .trips(295, 20 * Made.MS);
        if (told) {
            only(made, "at 4.00 s for 162.0 ms", "--rate");
        } else {
            none(made);
        }
        none(new Made("--rate", "50").warm(2000) // which counts what would have been due
                .due(495, 20 * Made.MS, 0, false, 19 * Made.MS)
                .due(1, 20 * Made.MS, 0, false, millis * Made.MS));
        only(new Made().warm(2000).trips(60, 20 * Made.MS).trips(1, 3 * Made.SECOND),
                "for 3.00 s"); // too few for a p99: three times the median
    }

    /** A stall of 2 s in 10 s of 50 connections. With 90, the p99 of the run itself shows it. */
    @ParameterizedTest
    @CsvSource({"1, false", "2, false", "3, true", "50, true", "90, false"})
    void aStallOfSomeOfManyConnections(int stalls, boolean told) {
        Made made = new Made("--parallel", "50").warm(2000);
        for (int i = 0; i < 5000; i++) {
            made.measured.record(i * 2 * Made.MS, i * 2 * Made.MS + 20 * Made.MS, 1, 0);
        }
        for (int i = 0; i < stalls; i++) {
            made.measured.record(Made.SECOND, 3 * Made.SECOND, 1, 0);
        }
        made.measured.end(10 * Made.SECOND);
        if (told) {
            only(made, "at 1.00 s for 2.00 s");
        } else {
            none(made);
        }
    }

    @ParameterizedTest
    @CsvSource({"400, 0", "401, 9", "800, 16", "0.5, 0", "3276750, 65535"})
    void aRateThatNeedsMoreConnectionsIsToldAfterTheWarmUp(String rate, int needed) {
        // 20 ms on each connection: 50 a second, so 8 carry 400
        String said = beforeStart("--rate", rate, "--parallel", "8");
        if (needed == 0) {
            assertNull(said);
        } else {
            assertTrue(said.contains("50.0/s"), said);
            assertTrue(said.endsWith("--rate " + rate + " needs --parallel " + needed), said);
        }
    }

    /** A warm-up whose least round trip, which waited for no other, took 20 ms. */
    private static String beforeStart(String... options) {
        Made made = new Made(options);
        made.warmup.record(0, 20 * Made.MS, 1, 0);
        made.warmup.record(0, 90 * Made.MS, 1, 0);
        return rateBeforeStart(made);
    }

    private static String rateBeforeStart(Made made) {
        return new EchoClient.Warnings(made.options, made.server, made.machine, made.warmup,
                made.measured, made.ending).rateBeforeStart();
    }

    @Test
    void aRateThatNoNumberOfConnectionsCarries() {
        String said = beforeStart("--rate", "3276751");
        assertTrue(said.contains("65535") && !said.contains("--parallel"), said);
        assertNull(beforeStart("--nagle")); // no schedule
        assertNull(rateBeforeStart(new Made("--rate", "1000"))); // no warm-up
    }

    /** 1,000 messages on a schedule of 100 a second, so many of them behind by 30 ms. */
    private static Made behind(int late, long elapsedMillis) {
        Made made = new Made("--rate", "100").warm(2000);
        made.due(1000 - late, Made.MS, 0, false, 12 * Made.MS);
        made.due(late, Made.MS, 30 * Made.MS, true, 12 * Made.MS);
        made.measured.end(elapsedMillis * Made.MS);
        return made;
    }

    @Test
    void aRateThatWasNotKeptIsJudgedByWhatWasMeasured() {
        none(behind(500, 10_200)); // 98 %
        only(behind(500, 10_210), "--parallel 2");
        only(behind(100, 11_000), "--parallel 2");
        none(behind(99, 11_000)); // fewer than one in ten were late
        Made lost = behind(500, 11_000);
        lost.ending.lost = 1;
        none(lost);
        Made full = new Made("--rate", "1000", "--parallel", "4").warm(2000);
        full.due(1, 2 * Made.MS, 0, false, 900 * Made.US);
        full.due(499, 2 * Made.MS, 100 * Made.MS, true, 8 * Made.MS);
        only(full, "all 4 together", "500/s");
        // What most round trips take would be enough: a stall put them behind.
        Made stall = new Made("--rate", "1000", "--parallel", "4").warm(2000);
        stall.due(500, 2 * Made.MS, 100 * Made.MS, true, 900 * Made.US);
        none(stall);
    }

    @Test
    void connectingThatTookASecond() {
        Made made = new Made().warm(2000).trips(1000, 20 * Made.US);
        made.server.noteConnecting(Made.SECOND - 1);
        none(made);
        made.server.noteConnecting(Made.SECOND);
        only(made, "1.00 s");
    }

    @Test
    void aShortWarmUpAndTooFewMessages() throws Exception {
        only(new Made().here().warm(999).trips(1000, 20 * Made.US), "999 messages");
        none(new Made().here().warm(1000).trips(1000, 20 * Made.US));
        none(new Made().warm(31).trips(1000, 20 * Made.US)); // elsewhere the path is longer
        none(new Made().here().trips(1000, 20 * Made.US)); // none was asked for
        only(new Made().warm(2000).trips(19, 20 * Made.US), "p95");
        none(new Made().warm(2000).trips(20, 20 * Made.US));
        only(new Made("--rate", "9").warm(2000).due(19, Made.SECOND / 9, 0, false, 900), "p95");
    }
}
