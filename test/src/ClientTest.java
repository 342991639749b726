import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the client prints and how it exits: messages, benchmarks, and wrong command lines. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientTest {

    @ParameterizedTest
    @EnumSource
    void oneMessageIsThreeLines(ServerKind kind) throws Exception {
        ClientSupport.Run run = send(kind, "--message", "hello-async");
        assertEquals(List.of("[client] sent    : \"hello-async\" (11 bytes)",
                "[client] received: \"hello-async\" (11 bytes)"), run.out.subList(0, 2));
        assertRoundTripTime(run.out.get(2));
        assertEquals(3, run.out.size(), run.toString());
    }

    @Test
    void withoutAMessageItGreets() throws Exception {
        assertEquals("[client] sent    : \"Hello, echo!\" (12 bytes)",
                send(ServerKind.THREADED).out.get(0));
    }

    /** The length is in bytes of UTF-8, not in chars. */
    @ParameterizedTest
    @ValueSource(strings = {"gr\u00fc\u00df dich", "\u4e16\u754c", "\ud83d\ude00 and \ud83d\ude80",
        "--message", "a=b", " ", "%s%n\\"})
    void lengthsAreInBytesOfUtf8(String text) throws Exception {
        ClientSupport.Run run = send(ServerKind.THREADED, "--message=" + text);
        int length = text.getBytes(StandardCharsets.UTF_8).length;
        assertEquals("[client] received: \"" + text + "\" (" + length + " bytes)", run.out.get(1));
    }

    @ParameterizedTest
    @MethodSource
    void nothingAtAllIsAMessageToo(List<String> args) throws Exception {
        ClientSupport.Run run = send(ServerKind.THREADED, args.toArray(new String[0]));
        assertEquals("[client] sent    : \"\" (0 bytes)", run.out.get(0));
        assertEquals("[client] received: \"\" (0 bytes)", run.out.get(1));
        assertRoundTripTime(run.out.get(2));
    }

    static Stream<List<String>> nothingAtAllIsAMessageToo() {
        return Stream.of(List.of("--message", ""), List.of("--message="), List.of("--size", "0"));
    }

    /** A terminal must not be driven, nor a line broken, by what a server sends. */
    @Test
    void controlCharactersAreNotPrinted() throws Exception {
        ClientSupport.Run run = send(ServerKind.THREADED, "--message", "a\r\nb\u001b[31m\u0000c");
        assertEquals(3, run.out.size(), run.toString());
        assertEquals("[client] received: \"a..b.[31m.c\" (11 bytes)", run.out.get(1));
    }

    /** Beyond all socket buffers: whoever writes all of it before reading waits for ever. */
    @ParameterizedTest
    @EnumSource
    @Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aHugeMessageDoesNotDeadlock(ServerKind kind) throws Exception {
        String size = kind == ServerKind.THREADED ? "256m" : "64m";
        ClientSupport.Run run = send(kind, "--size", size);
        String bytes = kind == ServerKind.THREADED ? "268435456" : "67108864";
        for (String line : run.out.subList(0, 2)) {
            assertTrue(line.endsWith("...\" (" + bytes + " bytes)"), line);
            assertTrue(line.length() < 120, "shortened, not " + line.length() + ": " + line);
        }
        assertEquals(run.out.get(0).substring(19), run.out.get(1).substring(19));
    }

    /** Every way of waiting, on either side of the size from which it reads while it writes. */
    @ParameterizedTest
    @ValueSource(strings = {"1", "16k", "100k", "1m", "8m"})
    void everySizeInBothWaysOfWaiting(String size) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            for (String spin : List.of("--bench", "--spin")) {
                ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--repeat",
                        "5", "--warmup", "2", "--size", size, spin).expect(0);
                assertTrue(run.out.get(0).startsWith("[bench] repeats: 5, "), run.toString());
            }
        }
    }

    /** As a person would: echo or cat, a pipe, and the client as a program of its own. */
    @Test
    void eachLineOfStandardInputIsAMessage() throws Exception {
        try (ServerKind.Running server = ServerKind.ASYNC.start()) {
            ClientSupport.Run run = ClientSupport.process(ClientSupport.root(),
                    "first\n\nlast, without an end".getBytes(StandardCharsets.US_ASCII),
                    ClientSupport.jdk("java"), "-cp", System.getProperty("echo.classes"),
                    "EchoClient", "--port", "" + server.port(), "--message", "-").expect(0);
            List<String> lines = new ArrayList<>();
            for (String text : List.of("\"first.\" (6 bytes)", "\".\" (1 bytes)",
                    "\"last, without an end\" (20 bytes)")) {
                lines.add("[client] sent    : " + text);
                lines.add("[client] received: " + text);
                lines.add("[client] RTT     : 0 ms");
            }
            run.out.replaceAll(line -> line.replaceAll("[0-9]+[.][0-9]{3} ms$", "0 ms"));
            assertEquals(lines, run.out);
            assertEquals(List.of(), run.err);
        }
    }

    @Test
    void lineEndsAndBytesOfStandardInput() throws Exception {
        assertEquals(List.of(), lengths(""));
        assertEquals(List.of("1"), lengths("\n"));
        assertEquals(List.of("2"), lengths("a\n"));
        assertEquals(List.of("2", "4", "1", "3"), lengths("a\nbb\r\n\nccc"));
        assertEquals(List.of("3"), lengths("\u00ff\u0000\u0080"));
        String longer = String.join("", Collections.nCopies(700_000, "x"));
        assertEquals(List.of("2", "700001", "2", "700000"),
                lengths("a\n" + longer + "\na\n" + longer));
    }

    /** The lengths of what came back for these Latin-1 bytes as standard input. */
    private static List<String> lengths(String input) throws Exception {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.ISO_8859_1)));
        try {
            List<String> lengths = new ArrayList<>();
            for (String line : send(ServerKind.THREADED, "--message", "-").out) {
                if (line.startsWith("[client] received: ")) {
                    lengths.add(line.replaceAll(".*[(]([0-9]+) bytes[)]", "$1"));
                }
            }
            return lengths;
        } finally {
            System.setIn(before);
        }
    }

    private static final Pattern CLASSIC = Pattern.compile(
            "\\[bench\\] repeats: ([0-9]+), msg_len: ([0-9]+) bytes\n"
            + "\\[bench\\] avg RTT: ([0-9]+[.][0-9]{3}) ms, p95 RTT: ([0-9]+[.][0-9]{3}) ms\n"
            + "\\[bench\\] throughput: ([0-9]+[.][0-9]{2,}) MiB/s"
            + " [(]([0-9]+[.][0-9]{2,}) MB/s[)]\n");

    /** Old scripts read these three lines, which come first and stay as they are. */
    @ParameterizedTest
    @EnumSource
    void theClassicLinesComeFirst(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench").expect(0);
            Matcher classic = assertClassic(run);
            assertEquals("2000", classic.group(1));
            assertEquals("1024", classic.group(2));
            double mebibytes = Double.parseDouble(classic.group(5));
            assertEquals(mebibytes * 1.048576, Double.parseDouble(classic.group(6)), 0.02);
            assertTrue(mebibytes > 0, run.toString());
            assertTrue(run.out.size() <= 30, "one screen: " + run);
            Matcher warmUp = Pattern.compile("warm-up: ([0-9,]+) messages not counted")
                    .matcher(run.toString());
            assertTrue(warmUp.find(), run.toString());
            int messages = Integer.parseInt(warmUp.group(1).replace(",", ""));
            assertTrue(messages >= 1 && messages <= 20_000, "by default: " + messages);
            assertEquals(List.of(), run.err);
        }
    }

    @Test
    void aBenchmarkOfATextCountsItsBytes() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--bench", "--message",
                    "\u4e16\u754c!", "--repeat=10", "--warmup=0").expect(0);
            assertEquals("[bench] repeats: 10, msg_len: 7 bytes", run.out.get(0));
            assertClassic(run);
        }
    }

    private static Matcher assertClassic(ClientSupport.Run run) {
        Matcher classic = CLASSIC.matcher(String.join("\n", run.out.subList(0, 3)) + "\n");
        assertTrue(classic.matches(), run.toString());
        return classic;
    }

    @Test
    void refusedIsOneLineThatSaysWhatToDo() throws Exception {
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            for (String mode : List.of("--nagle", "--bench")) {
                ClientSupport.Run run = ClientSupport.run(closed.port(), mode).expect(1);
                assertEquals(List.of(), run.out);
                assertEquals(1, run.err.size(), run.toString());
                String line = run.err.get(0);
                assertTrue(line.startsWith("[client] cannot connect to 127.0.0.1:"
                        + closed.port() + ": "), line);
                assertTrue(line.endsWith("is the server running? start it with:"
                        + " java EchoServer.java --port " + closed.port()), line);
            }
        }
    }

    @Test
    void asAProcessItExitsWithTheStatus() throws Exception {
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort();
                Program refused = Program.launch("EchoClient", "--port", "" + closed.port());
                Program wrong = Program.launch("EchoClient", "--size=much")) {
            assertEquals(1, refused.exitCode());
            assertEquals(2, wrong.exitCode());
            assertEquals(List.of(), refused.out());
            assertEquals(List.of(), wrong.out());
        }
    }

    /** Each option with its default, on standard output. */
    @ParameterizedTest
    @ValueSource(strings = {"-h", "--help", "--bench --help"})
    void helpNamesEachOptionWithItsDefault(String args) {
        ClientSupport.Run run = ClientSupport.run(args.split(" ")).expect(0);
        assertEquals(List.of(), run.err);
        String text = String.join("\n", run.out) + "\n";
        String[][] defaults = {{"--host", "127.0.0.1"}, {"--port", "5050"},
            {"--message", "Hello, echo!"}, {"--size", "1k with --bench"}, {"--bench", "off"},
            {"--repeat", "2000"}, {"--warmup", "1s, at most 20000 messages"}, {"--parallel", "1"},
            {"--spin", "off"}, {"--nagle", "off"}, {"--timeout", "10s"}, {"--parallel", "1"}};
        for (String[] row : defaults) {
            assertTrue(text.matches("(?s).*\n  " + row[0] + " [^\n]*(\n {9,}[^\n]*)?\\["
                    + row[1] + "\\]\n.*"),
                    row[0] + " and its default in " + text);
        }
        for (String name : List.of("--duration", "--rate", "--hgrm", "--plot", "--json")) {
            assertTrue(text.contains("\n  " + name + " "), name + " in " + text);
        }
        assertFalse(text.contains("fail-if"), text);
    }

    /** Wrong command lines, and what the first line says of each. */
    private static final String[][] WRONG = {
        {"--porrt 5050", "unknown option --porrt"},
        {"--benhc", "unknown option --benhc"},
        {"--massage=hi", "unknown option --massage"},
        {"-bench", "unknown option -bench"},
        {"hello", "unknown option hello"},
        {"--port", "--port needs a value"},
        {"--port --bench", "--port needs a value"},
        {"--port=", "--port needs a value"},
        {"--port 5050g", "--port takes a number from 1 to 65535, not 5050g"},
        {"--port 5k", "--port takes a number from 1 to 65535, not 5k"},
        {"--port 0", "--port takes a number from 1 to 65535, not 0"},
        {"--port 70000", "--port takes a number from 1 to 65535, not 70000"},
        {"--port -1", "--port takes a number from 1 to 65535, not -1"},
        {"--port 5O5O", "not 5O5O"},
        {"--size 2g", "--size takes a size from 0 "},
        {"--size 16kb", "--size takes a size from 0 "},
        {"--size=-1", "--size takes a size from 0 "},
        {"--bench --size 0", "--bench needs at least one byte"},
        {"--bench --size 0.0k", ""},
        {"--bench --size 0.0001k", ""},
        {"--bench --size 0k", "--bench needs at least one byte"},
        {"--bench --message=", "--bench needs at least one byte"},
        {"--bench --repeat 0", "--repeat takes a number from 1 "},
        {"--bench --repeat 1.5", "--repeat takes a number from 1 "},
        {"--bench --repeat many", "not many"},
        {"--bench --repeat 2g", "--repeat takes a number from 1 to "},
        {"--bench --repeat 2k", "not 2k"},
        {"--bench --repeat 20ms", "not 20ms"},
        {"--bench --duration 0", "--duration takes a time"},
        {"--bench --duration 5", "--duration takes a time"},
        {"--bench --duration 5days", "not 5days"},
        {"--bench --warmup -1", "--warmup takes "},
        {"--bench --warmup 5g", "--warmup takes "},
        {"--bench --warmup 5w", "--warmup takes "},
        {"--bench --warmup=", "--warmup needs a value"},
        {"--bench --parallel 0", "--parallel takes a number from 1 "},
        {"--bench --parallel 2m", "not 2m"},
        {"--bench --parallel 70000", "--parallel takes a number from 1 to 65535, not 70000"},
        {"--bench --rate 0", "--rate takes a number from 1 "},
        {"--bench --rate 1k", "not 1k"},
        {"--bench --rate 1g", "--rate takes a number from 1 "},
        {"--timeout 0", "--timeout takes a time"},
        {"--timeout 10", "--timeout takes a time"},
        {"--timeout", "--timeout needs a value"},
        {"--bench=yes", "unknown option yes"},
        {"--bench yes", "unknown option yes"},
        {"--help=me", "unknown option me"},
        {"--compare", "unknown option --compare"},
        {"--hgrm a.hgrm", "--hgrm needs --bench"},
        {"--plot a.svg", "--plot needs --bench"},
        {"--repeat 5", "--repeat needs --bench"},
        {"--rate 5 --json a", "--rate needs --bench"},
        {"--bench --fail-if p99>1s", "unknown option --fail-if"},
        {"--bench --json=", "--json"},
        {"--host=", "--host "},
        {"--message hi --size 5", "--message and --size exclude each other"},
        {"--bench --repeat 5 --duration 5s", "--repeat and --duration exclude each other"},
        {"--message - --bench", "--message - "},
        {"--message - --json -", "--message - "},
    };

    static Stream<Arguments> aWrongCommandLineIsOneLineThatNamesTheFault() {
        return Arrays.stream(WRONG).map(row -> Arguments.of(row[0], row[1]));
    }

    @ParameterizedTest
    @MethodSource
    void aWrongCommandLineIsOneLineThatNamesTheFault(String commandLine, String complaint) {
        assertRefused(complaint, commandLine.split(" "));
    }

    @Test
    void aWrongValueDoesNotBreakTheLine() {
        assertRefused("--port takes a number", "--port", "1\n2\r3\u001b[31m");
        assertRefused("unknown option", "\n\n\n\n");
        assertRefused("unknown option ", "");
        assertRefused("--rate takes", "--bench", "--rate", "p99\n>\n2ms");
    }

    private static void assertRefused(String complaint, String... args) {
        ClientSupport.Run run = ClientSupport.run(args).expect(2);
        assertEquals(List.of(), run.out, run.toString());
        assertTrue(run.err.get(0).startsWith("[client] "), run.toString());
        assertTrue(run.err.get(0).contains(complaint), "about " + complaint + ": " + run);
        assertNoMoreThan(3, run);
    }

    @Test
    void whatCannotBeWrittenIsSaidBeforeAnythingIsMeasured(@TempDir Path folder)
            throws Exception {
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            for (String option : List.of("--hgrm", "--plot")) {
                for (Path file : List.of(folder, folder.resolve("none/a"), Path.of("/"))) {
                    ClientSupport.Run run = ClientSupport.run(closed.port(), "--bench", option,
                            file.toString()).expect(1);
                    assertEquals(1, run.err.size(), run.toString());
                    assertTrue(run.err.get(0).startsWith("[client] cannot write " + file), run.err
                            .toString());
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"a\nb", "x\r\ny\u001b[31m", "1:2\n:3:4"})
    void aWrongHostDoesNotBreakTheLine(String host) {
        ClientSupport.Run run = ClientSupport.run("--timeout", "60s", "--host", host).expect(1);
        assertEquals(1, run.err.size(), run.toString());
        assertTrue(run.err.get(0).startsWith("[client] cannot connect to "), run.toString());
        assertFalse(run.err.get(0).contains("\u001b"), run.toString());
    }

    private static void assertNoMoreThan(int lines, ClientSupport.Run run) {
        assertTrue(run.err.size() <= lines, run.toString());
        assertFalse(run.toString().contains("\tat "), run.toString());
        assertFalse(run.toString().contains("java.lang."), run.toString());
    }

    /** Thousands of command lines that nobody would think of: an answer to each, and no crash. */
    @Test
    void randomCommandLinesGetAnAnswerAndNoCrash(@TempDir Path folder) throws Exception {
        Random random = new Random(20_240_608);
        int[] answers = new int[3];
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            for (int i = 0; i < 3000; i++) {
                String[] args = randomArguments(random, folder);
                String shown = i + " " + Arrays.toString(args);
                ClientSupport.Run run;
                try {
                    run = ClientSupport.run(ClientSupport.with(args, "--port",
                            "" + closed.port(), "--timeout", "500ms"));
                } catch (RuntimeException | Error e) {
                    throw new AssertionError("thrown for " + shown, e);
                }
                assertTrue(run.status >= 0 && run.status <= 2, shown + run);
                answers[run.status]++;
                assertNoMoreThan(new int[] {0, 1, 3}[run.status], run);
                List<String> list = Arrays.asList(args);
                boolean json = list.contains("--json=-");
                assertEquals(run.status == 0 || run.status == 1 && json, !run.out.isEmpty(),
                        shown + run);
            }
        }
        assertTrue(answers[0] > 20 && answers[1] > 100 && answers[2] > 100,
                Arrays.toString(answers));
    }

    private static final String[] FLAGS = {"--bench", "--bench", "--bench", "--spin", "--nagle",
        "--json=-", "--help"};
    private static final String[][] RIGHT = {{"--host", "127.0.0.1", "localhost", "::1"},
        {"--message", "hi", "\u4e16", ""}, {"--size", "1", "0", "16k", "0.5k"},
        {"--repeat", "1", "100"}, {"--duration", "1ms", "0.01s"}, {"--warmup", "0", "10", "5ms"},
        {"--parallel", "1", "3"}, {"--rate", "1000", "10000000"}, {"--timeout", "1s", "200ms"},
        {"--hgrm", "FOLDER/run.hgrm"}, {"--plot", "FOLDER/run.svg"}};
    private static final String[] GARBAGE = {"", " ", "-", "--", "---", "=", "--=", "--=1", "-h=",
        "--help=", "-H", "help", "\n", "\u0000", "a\tb\r\nc", "\u001b[2J", "\u0085", "\u2028",
        "%s%n", "*", "--PORT", "--port ", " --port", "--p\u00f6rt", "--host\n", "\ud83d",
        "\\", "\"", "\n\u0000/\n", String.join("", Collections.nCopies(3000, "x"))};
    private static final String[] VALUES = {"0", "00", "-1", "+1", "1.", ".5", "0.5k", "16K",
        "2g", "1t", "1001h", "0ms", "1e3", "0x10", "NaN", "off", "65536", "2147483648",
        "9223372036854775808", "1 ", "1\n", "\u0661", "0.000000000000000000000000000001", "k",
        String.join("", Collections.nCopies(2000, "9"))};

    /** Options right and wrong, of which the valid ones end quickly on a closed port. */
    private static String[] randomArguments(Random random, Path folder) {
        List<String> args = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            String[] right = RIGHT[random.nextInt(RIGHT.length)];
            String value = right[1 + random.nextInt(right.length - 1)];
            int dice = random.nextInt(40);
            if (dice == 0) {
                value = any(random, GARBAGE);
            } else if (dice < 4) {
                value = any(random, VALUES);
            }
            value = value.replace("FOLDER", folder.toString());
            if (dice == 4) {
                args.add(any(random, GARBAGE));
            } else if (dice == 5) {
                args.add(right[0] + any(random, "x", "=", "=" + folder + "/1", "-", "\n", "s"));
            } else if (dice < 18) {
                args.add(any(random, FLAGS));
            } else if (dice < 30) {
                args.addAll(List.of(right[0], value));
            } else {
                args.add(right[0] + "=" + value);
            }
        }
        if (random.nextInt(50) == 0) {
            args.add(any(random, RIGHT)[0]);
        }
        if (random.nextInt(4) > 0 && !args.toString().contains("--size")) {
            args.addAll(0, List.of("--message", "hi")); // quicker than bytes that are made up
        }
        return args.toArray(new String[0]);
    }

    @SafeVarargs
    private static <T> T any(Random random, T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    /** A run that must succeed, against a server of its own. */
    private static ClientSupport.Run send(ServerKind kind, String... args) throws Exception {
        try (ServerKind.Running server = kind.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), args).expect(0);
            assertEquals(List.of(), run.err, run.toString());
            return run;
        }
    }

    private static void assertRoundTripTime(String line) {
        assertTrue(line.matches("\\[client\\] RTT     : [0-9]+[.][0-9]{3} ms"), line);
    }
}
