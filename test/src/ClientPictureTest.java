import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.geom.Point2D;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The pictures of --plot, as one who looks at them: what is written can be read, and is true. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientPictureTest {

    @TempDir
    Path folder;

    /** The picture of a run, with the message or size that the arguments give. */
    private ClientPicture draw(int port, String... args) throws Exception {
        Path file = folder.resolve("run.svg");
        ClientSupport.run(port, ClientSupport.with(args, "--bench", "--plot", file.toString()))
                .expect(0);
        return ClientPicture.read(file);
    }

    /** Every kind of run is a picture that one can read. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 1 --warmup 0", "--repeat 1 --warmup 1", "--repeat 2",
        "--repeat 5", "--repeat 5 --warmup 0", "--repeat 19 --warmup 3 --size 1m",
        "--repeat 300 --warmup 0", "--repeat 1000 --warmup 10", "--repeat 20000 --warmup 500",
        "--repeat 100000 --warmup 20000", "--repeat 3000 --parallel 4 --warmup 1",
        "--repeat 300 --parallel 4 --warmup 10", "--repeat 300 --parallel 50",
        "--duration 1s --size 1", "--duration 1s --size 1 --parallel 4 --warmup 200ms",
        "--repeat 500 --rate 500 --warmup 0", "--repeat 1 --rate 5 --warmup 0",
        "--repeat 3000 --rate 20000 --warmup 100",
        "--repeat 300 --parallel 50 --rate 3000 --warmup 3"})
    void aPictureThatCanBeRead(String args) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientPicture picture = draw(server.port(), args.split(" "));
            picture.assertReadable(args);
            assertEquals(!args.contains("--warmup 0"), picture.hasWarmUp(), picture.words());
            assertFalse(picture.words().matches("(?s).*(FAILED|INTERRUPTED).*"), picture.words());
        }
    }

    /** The marks have their labels where enough messages support them, and their lines. */
    @ParameterizedTest
    @CsvSource({"1, 0", "2, 1", "99, 1", "100, 2", "1000, 2", "20000, 2"})
    void eachMarkHasALabelAndALine(int repeat, int percentiles) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientPicture picture = draw(server.port(), "--repeat", "" + repeat, "--warmup", "9");
            String what = "" + repeat;
            picture.assertLabelled("max", what);
            List<String> names = List.of("p50", "p99");
            for (int i = 0; i < 2; i++) {
                assertEquals(i < percentiles, picture.hasLabel(names.get(i)), picture.words());
                if (i < percentiles) {
                    picture.assertLabelled(names.get(i), what);
                }
            }
        }
    }

    /** Times from microseconds to a second: the widest axes, and labels far from each other. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 300 --warmup 0", "--repeat 2000 --warmup 50",
        "--repeat 3 --warmup 0", "--repeat 20 --warmup 0", "--rate 300 --repeat 300 --warmup 0"})
    void labelsDoNotTouchWhenTimesAreFarApart(String args) throws Exception {
        for (int stall : new int[] {2, 30, 1200}) {
            try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                    (message, number) -> {
                        if (number % 200 == 3) {
                            TestSupport.pause(number < 5 ? stall : stall / 20);
                        }
                        return message;
                    })) {
                draw(server.port(), (args + " --size 64").split(" ")).assertReadable(args);
            }
        }
    }

    /** All round trips alike: the three lines are one, and their labels stand above each other. */
    @ParameterizedTest
    @ValueSource(strings = {"--repeat 120 --warmup 3", "--repeat 120 --rate 20 --warmup 0"})
    void labelsDoNotTouchWhenAllTimesAreAlike(String args) throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                (message, number) -> {
                    TestSupport.pause(20);
                    return message;
                })) {
            ClientPicture picture = draw(server.port(), (args + " --size 64").split(" "));
            picture.assertReadable(args);
            for (String name : List.of("p50", "p99", "max")) {
                picture.assertLabelled(name, args);
            }
        }
    }

    /** Each message at its time: where the server stood still for most of it, there is a gap. */
    @Test
    void eachMessageStandsAtItsTime() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                (message, number) -> {
                    TestSupport.pause(number == 51 ? 1500 : 1);
                    return message;
                })) {
            ClientPicture picture = draw(server.port(), "--repeat", "100", "--warmup", "0",
                    "--size", "64");
            List<Point2D> dots = picture.dots();
            double widest = 0;
            for (int i = 1; i < dots.size(); i++) {
                widest = Math.max(widest, dots.get(i).getX() - dots.get(i - 1).getX());
            }
            assertTrue(widest > 0.5 * picture.panel().getWidth(), widest + " in " + dots);
        }
    }

    /** With a schedule the time is when a message was due, and a stall is a slope of many dots. */
    @Test
    void withARateAStallIsASlope() throws Exception {
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(64,
                (message, number) -> {
                    TestSupport.pause(number == 50 ? 1000 : 0);
                    return message;
                })) {
            ClientPicture picture = draw(server.port(), "--rate", "100", "--repeat", "200",
                    "--warmup", "0", "--size", "64");
            picture.assertReadable("--rate 100");
            double tenth = picture.heightOf(100e6);
            long high = picture.dots().stream().filter(dot -> dot.getY() < tenth).count();
            assertTrue(high >= 80, high + " dots above 100 ms in " + picture.dots());
            assertTrue(picture.words().contains("response"), picture.words());
        }
    }

    /** What was only just due when the connection was lost has waited less than any round trip. */
    @Test
    void whatHasHardlyWaitedIsInThePanel() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            for (int i = 0; i < 20; i++) {
                byte[] message = in.readNBytes(64);
                TestSupport.pause(5);
                out.write(message);
            }
        })) {
            Path file = folder.resolve("run.svg");
            ClientSupport.run(server.port(), "--bench", "--plot", file.toString(), "--size", "64",
                    "--warmup", "0", "--duration", "1h", "--rate", "20000").expect(1);
            ClientPicture.read(file).assertReadable("a lost connection");
        }
    }

    /** No two places of the axis have one name, no width is 0, no median is that of one message. */
    @Test
    void aPictureOfOneMessageSaysNothingUntrue() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientPicture picture = draw(server.port(), "--repeat", "1", "--rate", "10",
                    "--warmup", "0");
            String words = picture.words();
            double below = picture.panel().getMaxY();
            List<String> times = picture.labels().stream()
                    .filter(label -> label.box.getMinY() > below)
                    .map(label -> label.words).filter(label -> label.matches("[0-9.]+ [mu]?s"))
                    .collect(Collectors.toList());
            assertEquals(times.size(), Set.copyOf(times).size(), times.toString());
            assertTrue(times.size() >= 4, words);
            assertFalse(words.contains("0.00 us"), words);
            assertTrue(words.contains("median -,"), words);
        }
    }

    @Test
    void theTitleSaysWhatWasMeasured() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientPicture picture = draw(server.port(), "--repeat", "50", "--size", "16k",
                    "--parallel", "3", "--warmup", "2");
            String words = picture.words();
            assertTrue(picture.title().matches(".*\\b16,384 bytes\\b.*\\b3 connections\\b.*"),
                    picture.title());
            assertTrue(words.contains("warm-up"), words);
            assertTrue(words.contains("dot:"), words);
            assertFalse(words.contains("response") || words.contains("service"), words);
            assertFalse(words.contains("percent"), words);
        }
    }

    /** However long the command is, and whatever is in it. */
    @ParameterizedTest
    @ValueSource(strings = {"<&>\"'", "</text><script>alert(1)</script>", "&amp;&lt;]]>",
        "\u0001\u001b[31m\u0000", "\ud83d\ude00\ud83d", "\u202e\u2028", "a very long one "})
    void theCommandIsEscapedAndFits(String message) throws Exception {
        String repeated = message.repeat(message.startsWith("a ") ? 40 : 1);
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            Path file = folder.resolve("run.svg");
            ClientSupport.run("--bench", "--message", repeated, "--repeat", "5", "--warmup", "0",
                    "--port", "" + server.port(), "--plot", file.toString()).expect(0);
            ClientPicture picture = ClientPicture.read(file);
            picture.assertReadable(message);
            assertEquals(0, picture.root.getElementsByTagName("script").getLength());
            String command = picture.words().replaceAll("(?s).*java EchoClient", "");
            assertTrue(command.contains("--bench"), command);
            if (message.matches("[ -~]+") && !message.startsWith("a ")) {
                assertTrue(picture.words().contains(message), picture.words());
            }
        }
    }
}
