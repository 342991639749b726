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

    private static Json bench(Peer peer, String line) {
        return ClientRunTest.bench(peer, line);
    }

    /** Echoes messages of 10 bytes; before this one it stands still. */
    private static Peer stalls(int message, int millis) throws IOException {
        return Peer.answers(10, (bytes, n) -> {
            Thread.sleep(n == message ? millis : 0);
            return bytes;
        });
    }

    /** A time in microseconds that is that of the stall, or hardly longer. */
    private static void assertStall(Peer peer, int message, double micros) {
        double stall = (peer.answeredAt.get(message - 1) - peer.receivedAt.get(message - 1)) / 1e3;
        Check.between(stall, stall + 100_000, micros);
    }

    /** By the peer's clock each message comes when it is due; half of them are judged. */
    @ParameterizedTest
    @CsvSource({"--rate 100 --duration 1120ms, 112, 10, 1120", "--rate 2.5 --repeat 2, 2, 400, 400",
        "--rate 2.5 --duration 1s --timeout 300ms, 3, 400, 1000",
        "--rate 200 --parallel 5 --repeat 20, 100, 5, 495"})
    void aScheduleIsKept(String line, int messages, double periodMillis, double endMillis)
            throws Exception {
        Check.three(() -> {
            try (Peer peer = Peer.echoes(10, 0)) {
                Json json = bench(peer, line);
                assertEquals(messages, peer.receivedAt.size());
                assertEquals(messages + " 0 0", json.values("messages unsent unanswered"));
                Check.between(endMillis, endMillis + 150, json.number("elapsed_s") * 1000);
                List<Long> times = new ArrayList<>(peer.receivedAt);
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
        Check.three(() -> {
            try (Peer peer = stalls(20, 300)) {
                Json json = bench(peer, "--rate 100 --repeat 100");
                double most = json.number("response_us.max");
                Check.between(300_000, 500_000, most);
                Check.between(26, 50, json.number("behind_messages"));
                assertEquals(most - 10_000, json.number("behind_us_max"), 50_000);
                Check.between(150_000, most, json.number("response_us.p90"));
                Check.between(0, 150_000, json.number("response_us.p50"));
                Check.between(0, 150_000, json.number("rtt_us.p90"));
                assertEquals(0.19, json.number("max_at_s"), 0.001);
            }
        });
    }

    /** The end of a connection belongs to its message: what waits for it is behind. */
    @Test
    void anEndThatTakesLongPutsTheNextMessageBehind() throws Exception {
        Check.three(() -> {
            try (Peer peer = Peer.start((client, number) -> {
                client.getOutputStream().write(Peer.read(client, 10));
                Peer.read(client, 1); // the end
                Thread.sleep(30);
            })) {
                Json json = bench(peer, "--connect --rate 100 --repeat 20");
                Check.between(15, 19, json.number("behind_messages"));
                Check.between(0, 20_000, json.number("wakeup_us.max"));
            }
        });
    }

    @Test
    void allThatWasDueIsSentAfterAStallAcrossTheEnd() throws Exception {
        Check.three(() -> {
            try (Peer peer = stalls(21, 250)) { // from 200 to 450 ms
                Json json = bench(peer, "--rate 100 --duration 300ms");
                assertEquals("30 0 0", json.values("messages unsent unanswered"));
                Check.between(0.45, 0.6, json.number("elapsed_s"));
                assertStall(peer, 21, json.number("response_us.max"));
                assertStall(peer, 21, json.number("rtt_us.max"));
                assertEquals(9, json.number("behind_messages"), 4);
            }
        });
    }

    /** And its intervals are told until it ends. */
    @Test
    void itGoesOnForAsLongAgainAndSaysWhatWasNotSent() throws Exception {
        Check.three(() -> {
            try (Peer peer = stalls(11, 60_000)) {
                Json json = bench(peer, "--rate 100 --duration 400ms --interval 100ms");
                assertEquals(0.8, json.number("elapsed_s"), 0.25);
                assertEquals("10 1 29 30", json.values("messages waiting unsent unanswered"));
                double elapsed = json.number("elapsed_s") * 1e6;
                assertEquals(elapsed - 100_000, json.number("response_us.max"), 1000);
                assertEquals(elapsed - 100_000, json.number("waiting_us_max"), 1000);
                List<Json> intervals = json.objects("intervals");
                for (int i = 0; i < 6; i++) {
                    assertEquals((i + 1) / 10.0, intervals.get(i).number("end_s"), 1e-9);
                }
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"--rate 5 --duration 100ms, 1 message", "--rate 10 --duration 200ms, 2 messages"})
    void whenNothingComesBackItIsSaidHowManyWereDue(String line, String due) throws Exception {
        try (Peer peer = stalls(1, 60_000)) {
            Ran ran = Ran.bench(peer.port(), "--json - " + line);
            assertEquals("1 false", ran.status + " " + ran.json().values("valid"));
            Check.has(ran.json().values("error"), due);
        }
    }

    /** After its time a closed loop sends nothing more; what it has sent it waits for. */
    @Test
    void aClosedLoopWaitsForItsLastEcho() throws Exception {
        Check.three(() -> {
            try (Peer peer = stalls(10, 900)) {
                Json json = bench(peer, "--duration 300ms");
                assertEquals("10 0", json.values("messages waiting"));
                assertStall(peer, 10, json.number("rtt_us.max"));
                assertEquals(json.number("max_at_s") + json.number("rtt_us.max") / 1e6,
                        json.number("elapsed_s"), 0.05);
            }
        });
    }

    @Test
    void aStallInAClosedLoopHasItsTimeAndIsWarnedOf() throws Exception {
        Check.three(() -> {
            try (Peer peer = stalls(2000, 500)) {
                Json json = bench(peer, "--repeat 2500 --interval 100ms");
                double longest = json.number("rtt_us.max");
                assertStall(peer, 2000, longest);
                double stallAt = json.number("max_at_s");
                Check.between(0, json.number("elapsed_s") - 0.5, stallAt);
                String warnings = json.values("warnings");
                Check.has(warnings, "--rate");
                assertEquals(longest, ReportTest.timeAfter(warnings, "for"), 6_000);
                assertEquals(stallAt * 1e6, ReportTest.timeAfter(warnings, "at"),
                        stallAt * 1e4 + 6_000);
                int silent = 0;
                for (Json one : json.objects("intervals")) {
                    double end = one.number("end_s");
                    if (end - 0.1 > stallAt + 0.01 && end < stallAt + 0.49) {
                        silent++;
                        assertEquals("0 null null", one.values("messages mean_us max_us"));
                    }
                }
                assertTrue(silent >= 3, "" + json.get("intervals"));
            }
        });
    }

    @Test
    void aRateThatCannotBeKeptIsToldAtOnceAndAtTheEnd() throws Exception {
        try (Peer peer = Peer.echoes(10, 20)) {
            Ran ran = Ran.bench(peer.port(), "--warmup 5 --rate 1000 --repeat 20 --json -");
            for (String told : List.of(ran.err, ran.json().values("warnings"))) {
                Matcher needed = Pattern.compile("--rate 1000 .*--parallel ([0-9]+)")
                        .matcher(told);
                assertTrue(needed.find(), told);
                assertEquals(25, Integer.parseInt(needed.group(1)), 5);
            }
        }
    }

    @Test
    void connectionsAreAtWorkAtTheSameTime() throws Exception {
        Check.three(() -> {
            try (Peer peer = Peer.echoes(10, 50)) {
                Json json = bench(peer, "--parallel 8 --repeat 5");
                assertEquals("40 8", json.values("messages connections"));
                assertEquals(8, peer.connectedAt.size());
                double elapsed = json.number("elapsed_s");
                Check.between(0.25, 0.5, elapsed);
                assertEquals(40 / elapsed, json.number("messages_s"), 0.1);
                assertEquals(400 / elapsed / 1048576, json.number("throughput_mib_s"), 1e-4);
            }
        });
    }

    /** On a schedule p99 is that of the response times, which a stall makes slow. */
    @Test
    void aLimitForP99() throws Exception {
        try (Peer peer = Peer.echoes(10, 2)) {
            Ran above = Ran.bench(peer.port(), "--repeat 100 --max-p99 1500us");
            assertEquals(List.of(1, 1L), List.of(above.status, above.err.lines().count()));
            String p99 = String.format(Locale.ROOT, "%.2f",
                    ReportTest.row(above.out, "RTT").get("p99") / 1e3);
            Check.has(above.err, p99 + " ms", "--max-p99", "1.50 ms");
            bench(peer, "--repeat 100 --max-p99 10s");
            Ran few = Ran.bench(peer.port(), "--repeat 99 --max-p99 10s");
            assertEquals(1, few.status);
            Check.has(few.err, "--max-p99");
        }
        Check.three(() -> {
            try (Peer peer = stalls(20, 300)) {
                assertEquals(1, Ran.bench(peer.port(),
                        "--rate 200 --repeat 110 --max-p99 150ms").status);
            }
        });
    }
}
