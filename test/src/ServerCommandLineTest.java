import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What the servers do with their command lines: above all with wrong ones, and taken ports. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServerCommandLineTest {

    /** Wrong command lines, and what the first line says of each. */
    private static final String[][] WRONG = {
        {"--prot 5050", "unknown option --prot"},
        {"--idle-timeuot=3s", "unknown option --idle-timeuot"},
        {"5050", "unknown option 5050"},
        {"-port 5050", "unknown option -port"},
        {"--port", "--port needs a value"},
        {"--port --verbose", "--port needs a value"},
        {"--port=", "--port needs a value"},
        {"--host=", "--host needs a value"},
        {"--host localhost:5050", "and --port the port, not localhost:5050"},
        {"--host [::1]:5050", "and --port the port, not [::1]:5050"},
        {"--host http://localhost", "and --port the port, not http://localhost"},
        {"--port 70000", "--port takes a number from 0 to 65535, not 70000"},
        {"--port -1", "--port takes a number from 0 to 65535, not -1"},
        {"--port 99999999999999999999", "--port takes a number from 0 to 65535"},
        {"--port 5O5O", "--port takes a number from 0 to 65535, not 5O5O"},
        {"--port 0.5", "--port takes a number from 0 to 65535, not 0.5"},
        {"--port 5050g", "--port takes a number from 0 to 65535, not 5050g"},
        {"--port 5k", "--port takes a number from 0 to 65535, not 5k"},
        {"--max-connections 10g", "--max-connections takes a number from 1 to 1000000, not 10g"},
        {"--bufsize 0", "--bufsize takes a size from 1 "},
        {"--bufsize 2g", "--bufsize takes a size from 1 "},
        {"--bufsize 16kb", "--bufsize takes a size from 1 "},
        {"--bufsize 0.0001k", "--bufsize takes a size from 1 "},
        {"--max-connections 0", "--max-connections takes a number from 1 "},
        {"--idle-timeout 0", "--idle-timeout takes a time from 1ms"},
        {"--idle-timeout 5", "--idle-timeout takes a time from 1ms"},
        {"--idle-timeout -5s", "--idle-timeout takes a time from 1ms"},
        {"--idle-timeout 5days", "--idle-timeout takes a time from 1ms"},
        {"--idle-timeout", "--idle-timeout needs a value"},
        {"--verbose=yes", "unknown option yes"},
        {"--nagle off", "unknown option off"},
        {"--help=me", "unknown option --help"},
    };

    static Stream<Arguments> aWrongCommandLineIsOneLineThatNamesTheFault() {
        return Arrays.stream(ServerKind.values()).flatMap(kind -> Arrays.stream(WRONG)
                .map(row -> Arguments.of(kind, row[0], row[1])));
    }

    @ParameterizedTest
    @MethodSource
    void aWrongCommandLineIsOneLineThatNamesTheFault(ServerKind kind, String commandLine,
            String complaint) {
        assertRefused(kind, complaint, commandLine.split(" "));
    }

    @ParameterizedTest
    @EnumSource
    void aWrongValueDoesNotBreakTheLine(ServerKind kind) {
        assertRefused(kind, "--port takes a number", "--port", "1\n2\r3\u001b[31m");
        assertRefused(kind, "unknown option", "\n\n\n\n");
        assertRefused(kind, "unknown option ;", "");
    }

    @Test
    void optionsOfTheOneServerAreUnknownToTheOther() {
        assertRefused(ServerKind.THREADED, "unknown option --loops", "--loops", "2");
        assertRefused(ServerKind.ASYNC, "unknown option --virtual", "--virtual");
        assertRefused(ServerKind.ASYNC, "unknown option --spin", "--spin");
        assertRefused(ServerKind.ASYNC, "--loops takes a number", "--loops", "0");
        assertRefused(ServerKind.ASYNC, "--loops takes a number from 1 to 1024, not 4g",
                "--loops", "4g");
    }

    @Test
    void virtualThreadsWhereThereAreNoneAreAClearError() {
        assumeTrue(Runtime.version().feature() < 21, "there are virtual threads here");
        assertRefused(ServerKind.THREADED, "--virtual needs JDK 21 or later", "--virtual");
    }

    @ParameterizedTest
    @EnumSource
    void asAProcessAWrongCommandLineExitsWith2(ServerKind kind) throws Exception {
        try (Program program = kind.launch("--bufsize", "lots")) {
            assertEquals(2, program.exitCode());
            assertEquals(List.of(), program.out());
            assertTrue(program.err().get(0).startsWith(kind.tag + " --bufsize takes a size"));
            assertEquals(1, program.err().size(), program.err().toString());
        }
    }

    @ParameterizedTest
    @EnumSource
    void helpNamesEveryOptionAndGoesToStandardOutput(ServerKind kind) {
        String own = kind == ServerKind.THREADED ? "--virtual --spin" : "--loops";
        String all = "--host --port --bufsize --nagle --max-connections --idle-timeout --verbose"
                + " --trace ";
        for (String flag : List.of("-h", "--help")) {
            Output out = new Output();
            Output err = new Output();
            assertEquals(0, kind.run(out.stream(), err.stream(), flag));
            assertEquals("", err.text());
            for (String option : (all + own).split(" ")) {
                // a further line of the same option begins with more blanks
                assertTrue(out.text().matches("(?s).*\n  " + option
                        + " [^\n]*(\n   [^\n]*)?\\[[^\n]+].*"),
                        option + " and its default in " + out.text());
            }
        }
    }

    /** A second server, of whichever kind, must fail, never share the port in silence. */
    @ParameterizedTest
    @EnumSource
    void aTakenPortIsOneLineWithTheAddress(ServerKind first) throws Exception {
        String[] more = first == ServerKind.ASYNC ? new String[] {"--loops", "2"} : new String[0];
        try (ServerKind.Running running = first.start(more)) {
            String port = "" + running.port();
            for (ServerKind second : ServerKind.values()) {
                IOException e = assertThrows(IOException.class, () -> second.start("--port", port));
                assertTrue(e.getMessage().contains("127.0.0.1:" + port), e.getMessage());
                assertCannotListen(second, "127.0.0.1:" + port + ": ", "--port", port);
            }
            assertCannotListen(ServerKind.ASYNC, "127.0.0.1:" + port, "--port", port,
                    "--loops", "2");
            TestSupport.assertServes(running.port());
        }
    }

    @ParameterizedTest
    @EnumSource
    void asProcessesTooATakenPortExitsWith1(ServerKind first) throws Exception {
        try (Program running = first.launch()) {
            String port = "" + running.port();
            try (Program threaded = ServerKind.THREADED.launch("--port", port);
                    Program async = ServerKind.ASYNC.launch("--port", port, "--loops", "2")) {
                for (Program second : List.of(threaded, async)) {
                    assertEquals(1, second.exitCode());
                    assertEquals(List.of(), second.out());
                    assertEquals(1, second.err().size(), second.err().toString());
                    assertTrue(second.err().get(0).contains("127.0.0.1:" + port + ": "));
                }
            }
            TestSupport.assertServes(running.port());
        }
    }

    /** Any other program that has the port counts as well. */
    @ParameterizedTest
    @EnumSource
    void aPortTakenByAnyOtherProgramIsTheSame(ServerKind kind) throws Exception {
        try (ServerSocket other = new ServerSocket()) {
            other.bind(new InetSocketAddress("127.0.0.1", 0));
            String port = "" + other.getLocalPort();
            assertCannotListen(kind, "127.0.0.1:" + port + ": ", "--port", port);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anAddressOfNobodyHereIsOneLine(ServerKind kind) {
        // 192.0.2.1 is for documentation (RFC 5737), and 1:2 is no address at all.
        assertCannotListen(kind, "; --host takes an address of this machine",
                "--host", "192.0.2.1");
        assertCannotListen(kind, "invalid IPv6 address", "--host", "1:2:3");
    }

    @ParameterizedTest
    @EnumSource
    void anUnknownScopeIsOneLineThatNamesIt(ServerKind kind) {
        assertCannotListen(kind, "no such interface nosuch", "--host", "fe80::1%nosuch");
    }

    @ParameterizedTest
    @EnumSource
    void ipv6InAJavaWithoutIsOneLine(ServerKind kind) throws Exception {
        List<String> option = List.of("-Djava.net.preferIPv4Stack=true");
        try (Program program = Program.launchWith(option, kind.program, "--host", "::1",
                "--port", "0")) {
            assertEquals(1, program.exitCode());
            assertEquals(1, program.err().size(), program.err().toString());
            assertTrue(program.err().get(0).matches("\\" + kind.tag + " cannot listen on \\[::1]:0:"
                    + " .*(family|address type).*"), program.err().toString());
        }
        try (Program program = Program.launchWith(option, kind.program, "--host", "0.0.0.0",
                "--port", "0")) {
            TestSupport.assertServes(program.port());
            program.terminate();
            program.exitCode();
        }
    }

    /** SO_REUSEPORT does not distribute the clients there. */
    @Test
    void severalLoopsAreForLinuxOnly() throws Exception {
        List<String> macos = List.of("-Dos.name=Mac OS X");
        try (Program program = Program.launchWith(macos, "AsyncEchoServer", "--loops", "2")) {
            assertEquals(2, program.exitCode());
            assertEquals(1, program.err().size(), program.err().toString());
            assertTrue(program.err().get(0).contains("--loops above 1 needs Linux"));
        }
        try (Program program = Program.launchWith(macos, "AsyncEchoServer", "--help")) {
            assertEquals(0, program.exitCode());
            assertTrue(program.out().toString().matches("(?s).*--loops .*Linux.*"),
                    program.out().toString());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aWrongHostDoesNotBreakTheLine(ServerKind kind) {
        assertCannotListen(kind, "[::....[31m:x]:0: ", "--host", "::\n\r\t\u001b[31m:x");
    }

    /** Thousands of command lines that nobody would think of: an answer to each, and no crash. */
    @ParameterizedTest
    @EnumSource
    void randomCommandLinesGetAnAnswerAndNoCrash(ServerKind kind) {
        Random random = new Random(20_240_607);
        int[] answers = new int[3];
        for (int i = 0; i < 2000; i++) {
            String[] args = randomArguments(random);
            String shown = i + " " + Arrays.toString(args);
            Output out = new Output();
            Output err = new Output();
            int status = runUntilItListens(kind, out, err, args);
            assertTrue(status >= 0 && status <= 2, status + " for " + shown);
            answers[status]++;
            assertTrue(err.lines().stream().allMatch(line -> line.startsWith(kind.tag + " ")),
                    shown + " printed " + err.text());
            assertEquals(status == 0 ? 0 : 1, err.lines().size(),
                    status + " for " + shown + " printed " + err.text());
            assertEquals(status == 0, !out.text().isEmpty(), shown + " printed " + out.text());
            assertEquals(status == 0, err.text().isEmpty(), shown + " printed " + err.text());
        }
        assertTrue(Arrays.stream(answers).min().getAsInt() > 20, Arrays.toString(answers));
        TestSupport.until("no thread is left of so many servers", () -> Thread.getAllStackTraces()
                .keySet().stream().noneMatch(t -> t.getName().matches("accept|loop-.*")));
    }

    /** The status of a run that is interrupted as soon as it listens. */
    private static int runUntilItListens(ServerKind kind, Output out, Output err, String... args) {
        PrintStream interrupting = new PrintStream(out.stream(), true) {
            @Override
            public void println(String line) {
                super.println(line);
                Thread.currentThread().interrupt();
            }
        };
        int status = kind.run(interrupting, err.stream(), args);
        Thread.interrupted();
        return status;
    }

    private static final String[] NAMES = {"--host", "--port", "--bufsize", "--max-connections",
        "--idle-timeout", "--loops", "--nagle", "--verbose", "--trace", "--virtual", "--spin"};
    private static final String[] HOSTS = {"127.0.0.1", "::1", "localhost", "192.0.2.1", ":",
        "[::1", "::\n::", "1:2:3", "::1%nowhere", "g::", ":\u0000", ""};
    private static final String[] GARBAGE = {"", " ", "-", "--", "---", "=", "--=", "--=1", "-h=",
        "--help=", "-H", "help", "\n", "\u0000", "a\tb\r\nc", "\u001b[2J", "\u0085", "\u2028",
        "%s%n", "*", "--PORT", "--port ", " --port", "--p\u00f6rt", "--host\n", "\ud83d",
        String.join("", Collections.nCopies(3000, "x"))};
    private static final String[] VALUES = {"", "0", "00", "1", "-1", "+1", "007", "1.0", "1.",
        ".5", "0.5k", "1.5k", "16k", "16K", "1m", "1g", "1t", "2g", "10s", "500ms", "1h", "500h",
        "501h", "0ms", "1us", "1e3", "0x10", "NaN", "off", "on", "65536", "2147483648",
        "9223372036854775808", "99999999999999999999999999999999999", "1 ", " 1", "1\n", "\u0661",
        "0.000000000000000000000000000001", "k", "ms", "--", "-", "null",
        String.join("", Collections.nCopies(2000, "9"))};
    /** Values that are right for the option of the same place in NAMES. */
    private static final String[][] RIGHT = {{"127.0.0.1", "localhost"}, {"0"}, {"1", "4k", "1g"},
        {"1", "1000000"}, {"1ms", "2.5s", "500h"}, {"1", "3"}};

    /** A port other than 0 is never right, for a test must not listen on a fixed one. */
    private static String[] randomArguments(Random random) {
        List<String> args = new ArrayList<>(List.of("--port", "0"));
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            int which = random.nextInt(NAMES.length);
            String name = NAMES[which];
            int dice = random.nextInt(20);
            if (dice == 0) {
                args.add(any(random, GARBAGE));
            } else if (dice == 1) {
                args.add(name + any(random, "x", "=", "=1", "-", "\n", "s"));
            } else if (which >= RIGHT.length) {
                args.add(name);
            } else {
                String value = dice < 12 ? any(random, RIGHT[which])
                        : name.equals("--host") ? any(random, HOSTS) : any(random, VALUES);
                boolean fixed = name.equals("--port") && value.matches("[0-9.]*[1-9][0-9.]*k?");
                value = fixed ? "70000" : value;
                args.addAll(random.nextBoolean()
                        ? List.of(name, value) : List.of(name + "=" + value));
            }
        }
        if (random.nextInt(50) == 0) {
            args.add(any(random, NAMES));
        }
        return args.toArray(new String[0]);
    }

    private static String any(Random random, String... choices) {
        return choices[random.nextInt(choices.length)];
    }

    private static void assertRefused(ServerKind kind, String complaint, String... args) {
        Output out = new Output();
        Output err = new Output();
        assertEquals(2, kind.run(out.stream(), err.stream(), args), err.text());
        assertEquals("", out.text());
        List<String> lines = err.lines();
        assertTrue(lines.get(0).startsWith(kind.tag + " ") && lines.get(0).contains(complaint),
                "about \"" + complaint + "\": " + lines);
        assertEquals(1, lines.size(), lines.toString());
    }

    private static void assertCannotListen(ServerKind kind, String complaint, String... args) {
        Output out = new Output();
        Output err = new Output();
        int status = kind.run(out.stream(), err.stream(), ServerKind.onFreePort(args));
        assertEquals(1, status, err.text());
        assertEquals("", out.text());
        assertEquals(1, err.lines().size(), err.text());
        String line = err.lines().get(0);
        assertTrue(line.startsWith(kind.tag + " cannot listen on "), line);
        assertTrue(line.contains(complaint), line);
    }
}
