import static org.junit.jupiter.api.Assertions.*;

import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;

/** What a result warns of, and what it does not: with times that are made up. */
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
    }

    @Test
    void wakingUpLateIsOurs() {
        only(new Made("--rate", "100").warm(2000)
                .due(190, 10 * Made.MS, 60 * Made.US, false, 20 * Made.US)
                .due(10, 10 * Made.MS, 5 * Made.MS, false, 20 * Made.US),
                "client itself", "5.0");
        none(new Made("--rate", "100").warm(2000) // as late as an ordinary timer
                .due(190, 10 * Made.MS, 60 * Made.US, false, 20 * Made.US)
                .due(10, 10 * Made.MS, 900 * Made.US, false, 20 * Made.US));
    }

    @Test
    void aLoadFarAboveTheCoresIsSaid() {
        Made made = new Made().warm(2000).trips(1000, 20 * Made.US);
        made.machine.load = 2.0 * made.machine.cores + 0.5;
        only(made, "load " + made.machine.load);
        Made less = new Made().warm(2000).trips(1000, 20 * Made.US);
        less.machine.load = 2.0 * less.machine.cores - 0.5;
        none(less);
    }

    @Test
    void twoSpeedsAreThreadsThatMoveOnlyHere() throws Exception {
        Made here = new Made().here().warm(2000);
        here.trips(500, 10 * Made.US).trips(500, 40 * Made.US);
        if (here.machine.cores > 1) {
            only(here, "p10 10.0", "p90 40.0", "pin");
        } else {
            none(here);
        }
        only(new Made().warm(2000).trips(500, 10 * Made.US).trips(500, 40 * Made.US),
                "spread", "p10 10.0", "p90 40.0");
        none(new Made().here().warm(2000).trips(500, 10 * Made.US).trips(500, 29 * Made.US));
        none(new Made("--spin").here().warm(2000).trips(500, 10000).trips(500, 40000));
        none(new Made("--parallel", "9").here().warm(2000).trips(500, 10000)
                .trips(500, 40000));
        none(new Made().here().warm(2000).trips(500, 2 * Made.MS).trips(500, 8 * Made.MS));
        Made busy = new Made().here().warm(2000).trips(500, 10000).trips(500, 40000);
        busy.machine.load = 753;
        only(busy, "load 753.0");
    }

    @Test
    void aStallThatHidesInAClosedLoop() {
        // 10 s of a path of 20 ms, with one of 3 s: on a schedule, a quarter would wait
        only(new Made().warm(2000).trips(250, 20 * Made.MS).trips(1, 3 * Made.SECOND)
                .trips(100, 20 * Made.MS), "at 5.00 s for 3.00 s", "--rate");
        // 90 ms in 10 s are less than one in 100
        none(new Made().warm(2000).trips(500, 20 * Made.MS).trips(1, 90 * Made.MS));
        none(new Made().warm(2000).trips(10_000, 20 * Made.US).trips(1, Made.MS));
    }

    @Test
    void aStallOfOneOfManyConnections() {
        Made one = new Made("--parallel", "50").warm(2000);
        for (int i = 0; i < 5000; i++) {
            one.measured.record(i * 2 * Made.MS, i * 2 * Made.MS + 20 * Made.MS, 1, 0);
        }
        one.measured.record(Made.SECOND, 3 * Made.SECOND, 1, 0);
        one.measured.end(10 * Made.SECOND);
        none(one); // 2 s of 500 connection seconds
        Made all = new Made("--parallel", "50").warm(2000);
        for (int i = 0; i < 5000; i++) {
            all.measured.record(i * 2 * Made.MS, i * 2 * Made.MS + 20 * Made.MS, 1, 0);
        }
        for (int i = 0; i < 50; i++) {
            all.measured.record(Made.SECOND, 3 * Made.SECOND, 1, 0);
        }
        all.measured.end(10 * Made.SECOND);
        only(all, "at 1.00 s for 2.00 s");
    }

    private static double parallelNeeded(String warning) {
        Matcher number = Pattern.compile("--parallel ([0-9]+)").matcher("" + warning);
        assertTrue(number.find(), warning);
        return Double.parseDouble(number.group(1));
    }

    private static String beforeStart(Made made) {
        return new EchoClient.Warnings(made.options, made.server, made.machine, made.warmup,
                made.measured, made.ending).rateBeforeStart();
    }

    @Test
    void aRateThatNeedsMoreConnectionsIsToldAfterTheWarmUp() {
        Made made = new Made("--rate", "1000", "--parallel", "8").warm(0);
        made.warmup.record(0, 20 * Made.MS, 1, 0); // the unloaded one
        made.warmup.record(0, 90 * Made.MS, 1, 0);
        assertEquals(20, parallelNeeded(beforeStart(made)));
        assertTrue(beforeStart(made).contains("50.0/s"));
        assertNull(beforeStart(new Made("--rate", "1000", "--parallel", "1").warm(5)));
        Made enough = new Made("--rate", "1000", "--parallel", "20");
        enough.warmup.record(0, 20 * Made.MS, 1, 0);
        assertNull(beforeStart(enough));
        assertNull(beforeStart(new Made()));
        assertNull(beforeStart(new Made("--rate", "1000")));
    }

    @Test
    void aRateThatWasNotKeptIsJudgedByWhatWasMeasured() {
        Made few = new Made("--rate", "100", "--parallel", "1"); // --warmup 0
        few.due(200, 20 * Made.MS, 100 * Made.MS, true, 20 * Made.MS);
        List<String> warnings = few.warnings();
        assertEquals(2, parallelNeeded(warnings.get(0)), warnings.toString());
        Made full = new Made("--rate", "1000", "--parallel", "4");
        full.due(1, 2 * Made.MS, 0, false, 900 * Made.US);
        full.due(499, 2 * Made.MS, 100 * Made.MS, true, 8 * Made.MS);
        String said = full.warnings().get(0);
        assertTrue(said.contains("all 4 together") && said.contains("500/s"), said);
        none(new Made("--rate", "50").warm(2000)
                .due(200, 20 * Made.MS, 20 * Made.US, false, 19 * Made.MS));
    }

    @Test
    void aShortWarmUpAndTooFewMessages() throws Exception {
        only(new Made().here().warm(31).trips(1000, 20 * Made.US), "31 messages");
        none(new Made().here().warm(1000).trips(1000, 20 * Made.US));
        none(new Made().warm(31).trips(1000, 20 * Made.US)); // elsewhere the path is longer
        none(new Made().here().trips(1000, 20 * Made.US)); // none was asked for
        only(new Made().warm(2000).trips(19, 20 * Made.US), "p95");
        none(new Made().warm(2000).trips(20, 20 * Made.US));
    }
}
