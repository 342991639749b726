import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.Field;
import java.util.*;
import java.util.concurrent.atomic.LongAccumulator;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** A warning comes where it should, and not one step before. */
@Timeout(60)
class EdgesTest {

    private static void warns(Made made, String fact) {
        List<String> warnings = made.warnings();
        assertEquals(1, warnings.size(), warnings.toString());
        assertTrue(warnings.get(0).contains(fact), warnings.toString());
    }

    private static void silent(Made made) {
        assertEquals(List.of(), made.warnings());
    }

    @Test
    void connectingThatTookASecond() throws Exception {
        for (long nanos : new long[] {Made.SECOND - 1, Made.SECOND}) {
            Made made = new Made().warm(2000).trips(1000, 20 * Made.US);
            Field slowest = EchoClient.Server.class.getDeclaredField("slowest");
            slowest.setAccessible(true);
            ((LongAccumulator) slowest.get(made.server)).accumulate(nanos);
            if (nanos < Made.SECOND) {
                silent(made);
            } else {
                warns(made, "1.00 s");
            }
        }
    }

    @Test
    void twiceAsMuchLoadAsCores() {
        Made made = new Made().warm(2000).trips(1000, 20 * Made.US);
        made.machine.load = 2 * made.machine.cores;
        silent(made);
        made.machine.load += 0.1;
        warns(made, "load");
        made.machine.load = -1; // Windows does not know it
        silent(made);
    }

    @Test
    void aSpreadOfMoreThanThreeTimes() throws Exception {
        silent(new Made().warm(2000).trips(500, 10_000).trips(500, 30_000));
        warns(new Made().warm(2000).trips(500, 10_000).trips(500, 30_100), "p90 30.10 us");
        // Between p10 and p90: fewer than one in ten are no second speed.
        silent(new Made().here().warm(2000).trips(910, 10_000).trips(90, 40_000));
        silent(new Made("--connect").here().warm(2000).trips(500, 10_000).trips(500, 40_000));
        silent(new Made().here().warm(2000).trips(510, Made.MS + 2048).trips(490, 4 * Made.MS));
    }

    /**
     * 495 messages of 20 ms and a stall of S in 9.9 s + S: on a schedule its p99 would be
     * S - (9.9 s + S) / 100, which is more than three times 20 ms if S is above 160.7 ms.
     */
    @ParameterizedTest
    @CsvSource({"159, false", "162, true"})
    void aStallThatWouldHaveBeenTheP99(long millis, boolean told) {
        Made made = new Made().warm(2000).trips(200, 20 * Made.MS).trips(1, millis * Made.MS)
                .trips(295, 20 * Made.MS);
        if (told) {
            warns(made, "at 4.00 s for 162.0 ms");
        } else {
            silent(made);
        }
        silent(new Made("--rate", "50").warm(2000) // which counts what would have been due
                .due(495, 20 * Made.MS, 0, false, 19 * Made.MS)
                .due(1, 20 * Made.MS, 0, false, millis * Made.MS));
    }

    @ParameterizedTest
    @CsvSource({"400, 0", "401, 9", "800, 16", "0.5, 0", "3276750, 65535"})
    void aRateBeforeTheStart(String rate, int needed) {
        // 20 ms on each connection: 50 a second, so 8 carry 400
        String said = beforeStart(rate, 20 * Made.MS);
        if (needed == 0) {
            assertNull(said);
        } else {
            assertTrue(said.endsWith("--rate " + rate + " needs --parallel " + needed), said);
        }
    }

    private static String beforeStart(String rate, long nanos) {
        Made made = new Made("--rate", rate, "--parallel", "8");
        made.warmup.record(0, nanos, 1, 0);
        return new EchoClient.Warnings(made.options, made.server, made.machine, made.warmup,
                made.measured, made.ending).rateBeforeStart();
    }

    @Test
    void aRateThatNoNumberOfConnectionsCarries() {
        String said = beforeStart("3276751", 20 * Made.MS);
        assertTrue(said.contains("65535") && !said.contains("--parallel"), said);
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
    void aRateThatWasNotKept() {
        silent(behind(500, 10_200)); // 98 %
        warns(behind(500, 10_210), "--parallel 2");
        warns(behind(100, 11_000), "--parallel 2");
        silent(behind(99, 11_000)); // fewer than one in ten were late
        Made lost = behind(500, 11_000);
        lost.ending.lost = 1;
        silent(lost);
    }

    @Test
    void wakingUpLateByAMillisecondAndATenthOfTheResponse() {
        warns(woken(1_010 * Made.US, 20 * Made.US), "client itself");
        silent(woken(999 * Made.US, 20 * Made.US));
        warns(woken(5 * Made.MS, 40 * Made.MS), "client itself");
        silent(woken(5 * Made.MS, 50 * Made.MS)); // 5 of 55 ms
        Made few = new Made("--rate", "10").warm(2000);
        silent(few.due(99, 100 * Made.MS, 5 * Made.MS, false, 20 * Made.US));
    }

    private static Made woken(long nanos, long rtt) {
        return new Made("--rate", "10").warm(2000).due(1000, 100 * Made.MS, nanos, false, rtt);
    }

    @Test
    void ourOwnStandstillComesFirstAndTheLoadIsSaidToo() {
        Made made = behind(500, 20_000);
        made.ending.stoodStillNanos = 2 * Made.SECOND;
        made.machine.load = 99.0 * made.machine.cores;
        List<String> warnings = made.warnings();
        assertEquals(2, warnings.size(), warnings.toString());
        assertTrue(warnings.get(0).contains("client itself"), warnings.toString());
        assertTrue(warnings.get(1).contains("load"), warnings.toString());
    }
}
