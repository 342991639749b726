import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.util.*;
import org.junit.jupiter.api.*;

/** How many messages are sent, when, and what counts as one that was due. */
@Timeout(60)
class ClientScheduleTest {

    private static Json bench(Peer peer, String... arguments) {
        List<String> all = new ArrayList<>(List.of("--size", "10", "--warmup", "0", "--json",
                "-"));
        all.addAll(List.of(arguments));
        Ran ran = Ran.bench(peer.port(), all.toArray(new String[0]));
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

    @Test
    void aDurationHasAsManyMessagesAsAreDueInIt() throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.echo(10, 0)) {
                Json json = bench(peer, "--rate", "100", "--duration", "1120ms");
                assertEquals(112, peer.notedAt.size());
                assertEquals(112, json.number("messages"));
                assertEquals(0, json.number("unsent") + json.number("unanswered"));
                assertTrue(json.number("elapsed_s") > 1.11, "" + json.number("elapsed_s"));
                double seconds = (peer.notedAt.get(111) - peer.notedAt.get(0)) / 1e9;
                assertEquals(1.11, seconds, 0.1);
            }
        });
    }

    @Test
    void theMessagesOfAllConnectionsAreOneSchedule() throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.echo(10, 0)) {
                Json json = bench(peer, "--rate", "200", "--parallel", "5", "--repeat", "20");
                assertEquals(100, json.number("messages"));
                assertEquals(5, peer.connectedAt.size());
                List<Long> times = new ArrayList<>(peer.notedAt);
                Collections.sort(times);
                assertEquals(0.495, (times.get(99) - times.get(0)) / 1e9, 0.1);
            }
        });
    }

    @Test
    void allThatWasDueIsSentAfterAStallAcrossTheEnd() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(21, 250)) { // from 200 to 450 ms
                Json json = bench(peer, "--rate", "100", "--duration", "300ms");
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
    void connectionsAreAtWorkAtTheSameTime() throws Exception {
        Tries.three(() -> {
            try (Peer peer = Peer.echo(10, 50)) {
                Json json = bench(peer, "--parallel", "8", "--repeat", "5");
                assertEquals(40, json.number("messages"));
                double elapsed = json.number("elapsed_s");
                assertTrue(elapsed >= 0.25 && elapsed < 0.5, "" + elapsed);
                assertEquals(40 / elapsed, json.number("messages_s"), 0.1);
                assertEquals(400 / elapsed / 1048576,
                        json.number("throughput_mib_s"), 1e-4);
            }
        });
    }

    /** After its time a closed loop sends nothing more; what it has sent it waits for. */
    @Test
    void aClosedLoopWaitsForItsLastEcho() throws Exception {
        Tries.three(() -> {
            try (Peer peer = stalls(10, 900)) {
                Json json = bench(peer, "--duration", "300ms");
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
                Json json = bench(peer, "--repeat", "2500", "--interval", "100ms");
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
                for (Object interval : json.list("intervals")) {
                    Map<?, ?> one = (Map<?, ?>) interval;
                    double end = (Double) one.get("end_s");
                    if (end - 0.1 > stallAt + 0.01 && end < stallAt + 0.49) {
                        silent++;
                        assertEquals(0.0, one.get("messages"), "" + one);
                        assertNull(one.get("mean_us"));
                        assertNull(one.get("max_us"));
                    }
                }
                assertTrue(silent >= 3, "" + json.list("intervals"));
            }
        });
    }
}
