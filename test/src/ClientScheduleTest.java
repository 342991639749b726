import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** How many messages are sent, when, and what a server costs that stands still. */
@Timeout(60)
class ClientScheduleTest {

    /** A good run with messages of 10 bytes and no warm-up. */
    private static Json bench(Peer peer, String arguments) {
        Ran ran = Ran.bench(peer.port(),
                ("--size 10 --warmup 0 --json - " + arguments).split(" "));
        assertEquals(0, ran.status, ran.toString());
        return ran.json();
    }

    /** Echoes messages of 10 bytes; before this one it stands still, and notes it twice. */
    private static Peer stalls(int message, int millis) throws IOException {
        Peer[] peer = new Peer[1];
        peer[0] = Peer.start((client, number) -> {
            byte[] bytes = Peer.read(client, 10);
            for (int i = 1; bytes.length == 10; i++) {
                if (i == message) {
                    peer[0].note();
                    Thread.sleep(millis);
                    peer[0].note();
                }
                client.getOutputStream().write(bytes);
                bytes = Peer.read(client, 10);
            }
        });
        return peer[0];
    }

    /** A time in microseconds that is that of the stall, or hardly longer. */
    private static void assertStall(Peer peer, double micros) {
        double stall = (peer.notedAt.get(1) - peer.notedAt.get(0)) / 1e3;
        assertTrue(micros >= stall && micros < stall + 100_000, micros + " and " + stall);
    }

    /** By the peer's clock each message comes when it is due; half of them are judged. */
    @ParameterizedTest
    @CsvSource({"--rate 100 --duration 1120ms, 112, 10", "--rate 2.5 --repeat 2, 2, 400",
        "--rate 200 --parallel 5 --repeat 20, 100, 5"})
    void aScheduleIsKept(String arguments, int messages, double periodMillis) throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.echo(10, 0)) {
                Json json = bench(peer, arguments);
                assertEquals(messages, peer.notedAt.size());
                assertEquals(messages, json.number("messages"));
                assertEquals(0, json.number("unsent") + json.number("unanswered"));
                assertEquals(messages * periodMillis / 1000, json.number("elapsed_s"), 0.45);
                List<Long> times = new ArrayList<>(peer.notedAt);
                Collections.sort(times);
                double[] late = new double[messages];
                for (int i = 0; i < messages; i++) {
                    late[i] = (times.get(i) - times.get(0)) / 1e6 - i * periodMillis;
                }
                Arrays.sort(late);
                assertTrue(late[messages * 3 / 4] - late[messages / 4]
                        < Math.max(4, periodMillis / 5), Arrays.toString(late));
            }
        });
    }

    @Test
    void aStallMakesAllMessagesSlowThatWereDueMeanwhile() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(20, 300)) {
                Json json = bench(peer, "--rate 100 --repeat 100");
                double most = json.number("response_us.max");
                double behind = json.number("behind_messages");
                assertTrue(most >= 300_000 && most < 500_000, "" + most);
                assertTrue(behind >= 26 && behind < 50, "" + behind);
                assertEquals(most - 10_000, json.number("behind_us_max"), 50_000);
                assertTrue(json.number("response_us.p90") > 150_000);
                assertTrue(json.number("response_us.p50") < 150_000);
                assertTrue(json.number("rtt_us.p90") < 150_000);
                assertEquals(0.19, json.number("max_at_s"), 0.001);
            }
        });
    }

    @Test
    void allThatWasDueIsSentAfterAStallAcrossTheEnd() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(21, 250)) { // from 200 to 450 ms
                Json json = bench(peer, "--rate 100 --duration 300ms");
                assertEquals(30, json.number("messages"));
                assertEquals(0, json.number("unsent") + json.number("unanswered"));
                double elapsed = json.number("elapsed_s");
                assertTrue(elapsed >= 0.45 && elapsed < 0.6, "" + elapsed);
                assertStall(peer, json.number("response_us.max"));
                assertStall(peer, json.number("rtt_us.max"));
                assertEquals(9, json.number("behind_messages"), 4);
            }
        });
    }

    @Test
    void itGoesOnForAsLongAgainAndSaysWhatWasNotSent() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(11, 60_000)) {
                Json json = bench(peer, "--rate 100 --duration 300ms");
                assertEquals(0.6, json.number("elapsed_s"), 0.25);
                assertEquals(List.of(10.0, 1.0, 19.0, 20.0), List.of(json.number("messages"),
                        json.number("waiting"), json.number("unsent"),
                        json.number("unanswered")));
                double elapsed = json.number("elapsed_s") * 1e6;
                assertEquals(elapsed - 100_000, json.number("response_us.max"), 1000);
                assertEquals(elapsed - 100_000, json.number("waiting_us_max"), 1000);
            }
        });
    }

    /** After its time a closed loop sends nothing more; what it has sent it waits for. */
    @Test
    void aClosedLoopWaitsForItsLastEcho() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(10, 900)) {
                Json json = bench(peer, "--duration 300ms");
                assertEquals(10, json.number("messages"));
                assertEquals(0, json.number("waiting"));
                assertStall(peer, json.number("rtt_us.max"));
                assertEquals(json.number("max_at_s") + json.number("rtt_us.max") / 1e6,
                        json.number("elapsed_s"), 0.05);
            }
        });
    }

    @Test
    void aStallInAClosedLoopHasItsTimeAndIsWarnedOf() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(2000, 500)) {
                Json json = bench(peer, "--repeat 2500 --interval 100ms");
                assertStall(peer, json.number("rtt_us.max"));
                double stallAt = json.number("max_at_s");
                assertTrue(stallAt > 0 && stallAt < json.number("elapsed_s") - 0.5);
                String warning = json.list("warnings").stream().map(Object::toString)
                        .filter(words -> words.contains("--rate")).findFirst().orElseThrow(
                                () -> new AssertionError(json.list("warnings")));
                assertEquals(json.number("rtt_us.max"), ReportTest.timeAfter(warning, "for"),
                        6_000);
                assertEquals(stallAt * 1e6, ReportTest.timeAfter(warning, "at"),
                        stallAt * 1e4 + 6_000);
                int silent = 0;
                for (Json one : json.objects("intervals")) {
                    double end = one.number("end_s");
                    if (end - 0.1 > stallAt + 0.01 && end < stallAt + 0.49) {
                        silent++;
                        assertEquals(0, one.number("messages"));
                        assertNull(one.get("mean_us"));
                        assertNull(one.get("max_us"));
                    }
                }
                assertTrue(silent >= 3, "" + json.list("intervals"));
            }
        });
    }

    @Test
    void aRateThatCannotBeKeptIsToldAtOnceAndAtTheEnd() throws Exception {
        try (Peer peer = Peer.echo(10, 20)) {
            Ran ran = Ran.bench(peer.port(), "--size", "10", "--warmup", "5", "--rate", "1000",
                    "--repeat", "20", "--json", "-");
            Matcher needed = Pattern.compile("--rate 1000 needs --parallel ([0-9]+)")
                    .matcher(ran.err);
            assertTrue(needed.find(), ran.err);
            assertEquals(25, Integer.parseInt(needed.group(1)), 5);
            assertTrue(ran.json().list("warnings").toString().contains("needs --parallel"));
        }
    }

    @Test
    void connectionsAreAtWorkAtTheSameTime() throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.echo(10, 50)) {
                Json json = bench(peer, "--parallel 8 --repeat 5");
                assertEquals(40, json.number("messages"));
                assertEquals(8, peer.connectedAt.size());
                double elapsed = json.number("elapsed_s");
                assertTrue(elapsed >= 0.25 && elapsed < 0.5, "" + elapsed);
                assertEquals(40 / elapsed, json.number("messages_s"), 0.1);
                assertEquals(400 / elapsed / 1048576, json.number("throughput_mib_s"), 1e-4);
            }
        });
    }

    /** On a schedule p99 is that of the response times, which a stall makes slow. */
    @Test
    void aLimitForP99() throws Exception {
        try (Peer peer = Peer.echo(10, 2)) {
            Ran above = Ran.bench(peer.port(), "--size", "10", "--warmup", "0", "--repeat",
                    "100", "--max-p99", "1500us");
            assertEquals(List.of(1, 1L), List.of(above.status, above.err.lines().count()));
            double p99 = ReportTest.row(above.out, "RTT")[4];
            assertEquals(p99, ReportTest.timeAfter(above.err, "p99 is"));
            assertEquals(1500, ReportTest.timeAfter(above.err, "--max-p99"));
            bench(peer, "--repeat 100 --max-p99 10s");
            Ran few = Ran.bench(peer.port(), "--size", "10", "--repeat", "99", "--warmup", "0",
                    "--max-p99", "10s");
            assertEquals(1, few.status);
            assertTrue(few.err.contains("--max-p99"), few.err);
        }
        Tries.three(() -> {
            try (Peer peer = stalls(20, 300)) {
                assertEquals(1, Ran.bench(peer.port(), "--size", "10", "--warmup", "0",
                        "--rate", "200", "--repeat", "110", "--max-p99", "150ms").status);
            }
        });
    }
}
