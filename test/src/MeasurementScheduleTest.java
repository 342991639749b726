import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is due counts, whenever the server stands still, and whatever the end of the run is. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MeasurementScheduleTest {
    private static final int SIZE = 64;
    private static final int STALL_MILLIS = 600;

    /** Stands still once, at that message. */
    private static ClientSupport.TestServer stallingAt(int stalled) throws IOException {
        return ClientSupport.TestServer.answering(SIZE, (message, number) -> {
            if (number == stalled) {
                TestSupport.pause(STALL_MILLIS);
            }
            return message;
        });
    }

    private static ClientJson json(int port, String args) {
        return ClientSupport.run(port, ClientSupport.with(args.split(" "), "--bench", "--json", "-",
                "--warmup", "0", "--size", "" + SIZE)).expect(0).json();
    }

    /** Two seconds of 1000 a second: what is due while it stands still is 600 of 2000. */
    @ParameterizedTest
    @ValueSource(ints = {700, 1380, 1700, 1990})
    void aStallCountsWhereverItIs(int stalled) throws Exception {
        try (ClientSupport.TestServer server = stallingAt(stalled)) {
            ClientJson json = json(server.port(), "--rate 1000 --duration 2s");
            assertEquals(2000, json.number("messages"), json.toString());
            assertEquals(0, json.number("unsent"), json.toString());
            assertTrue(json.number("response_us.max") >= STALL_MILLIS * 990, json.toString());
            // Of those that were due meanwhile before the end, each waited a millisecond less.
            double late = Math.min(STALL_MILLIS, 2000 - stalled);
            if (late > 200) {
                assertTrue(json.number("response_us.p99") >= (STALL_MILLIS - 25) * 1000,
                        json.toString());
                assertTrue(json.number("response_us.p90") >= (STALL_MILLIS - 205) * 1000,
                        json.toString());
            }
        }
    }

    /** But it does not go on for ever: at most for its own duration more, and then it says so. */
    @Test
    void whatIsNotSentInTwiceTheTimeIsCountedAndSaid() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    TestSupport.pause(20);
                    return message;
                })) {
            String args = "--bench --warmup 0 --size " + SIZE + " --rate 1000 --duration 1s";
            ClientJson json = json(server.port(), "--rate 1000 --duration 1s");
            assertTrue(json.number("elapsed_s") < 3, json.toString());
            assertTrue(json.number("unsent") > 800, json.toString());
            assertEquals(1000, json.number("messages") + json.number("unsent"), "" + json);
            assertTrue(json.number("response_us.p99") >= 1_000_000, "what waits counts: " + json);
            ClientSupport.Run text = ClientSupport.run(server.port(), args.split(" ")).expect(0);
            assertTrue(text.out.stream().anyMatch(line -> line.matches(
                    ".*[89][0-9]{2}\\b.*(due|unsent|not sent).*")), text.toString());
        }
    }

    /** With its last message it is not over: else it would be more a second than the schedule has. */
    @ParameterizedTest
    @ValueSource(strings = {"--rate 1 --duration 900ms", "--rate 2 --duration 1s --parallel 3",
        "--rate 20 --duration 300ms"})
    void aRunLastsAsLongAsWasAsked(String args) throws Exception {
        try (ClientSupport.TestServer server = stallingAt(0)) {
            ClientJson json = json(server.port(), args);
            double seconds = Double.parseDouble(args.replaceAll(".*duration |m?s.*", ""));
            seconds = seconds > 100 ? seconds / 1000 : seconds;
            double rate = Double.parseDouble(args.replaceAll("--rate | .*", ""));
            assertEquals(Math.ceil(seconds * rate), json.number("messages"), json.toString());
            assertTrue(json.number("elapsed_s") >= seconds, json.toString());
        }
    }

    /** What waits for an echo when the connection is lost is enough for p95: no maximum. */
    @Test
    void theWarningOfTooFewMessagesIsOfTheTimesThatAreShown() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.silentAfter(SIZE, 10)) {
            ClientJson json = ClientSupport.run(server.port(), "--bench", "--warmup", "0", "--size",
                    "" + SIZE, "--rate", "500", "--duration", "1h", "--timeout", "500ms", "--json",
                    "-").expect(1).json();
            assertTrue(json.number("messages") < 20, json.toString());
            assertTrue(json.number("response_us.p95") < json.number("response_us.max"), "" + json);
            assertFalse(json.toString().contains("too few messages"), json.toString());
        }
    }

    /** The three files and the text are of the same times, the response times. */
    @Test
    void theDistributionIsThatOfTheResponseTimes(@TempDir Path folder) throws Exception {
        AtomicBoolean stalled = new AtomicBoolean();
        Path hgrm = folder.resolve("run.hgrm");
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(SIZE,
                (message, number) -> {
                    if (number == 100 && !stalled.getAndSet(true)) {
                        TestSupport.pause(300);
                    }
                    return message;
                })) {
            ClientJson json = json(server.port(), "--rate 500 --repeat 1000 --hgrm " + hgrm);
            String text = Files.readString(hgrm);
            assertTrue(text.contains(String.format("#[Max     = %12.3f,",
                    json.number("response_us.max"))), text);
            assertTrue(text.contains(String.format("#[Mean    = %12.3f,",
                    json.number("response_us.mean"))), text);
            assertTrue(json.number("response_us.p90") > 5 * json.number("rtt_us.p90"), "" + json);
        }
    }
}
