import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The client's command line: defaults, what values are, what is refused, and the help. */
@Timeout(60)
class OptionsTest {

    private static EchoClient.Options parse(String line) {
        return EchoClient.Options.parse(line.split(" "));
    }

    @Test
    void defaults() {
        EchoClient.Options options = EchoClient.Options.parse();
        assertEquals(List.of("127.0.0.1", 5050, "Hello, echo!", 12),
                List.of(options.host, options.port, options.message, options.messageBytes()));
        assertFalse(options.bench || options.spin || options.nagle || options.connect
                || options.line || options.help || options.openLoop() || options.hasResult());
        assertEquals(List.of(2000L, Long.MAX_VALUE, 20_000L, Made.SECOND, 10 * Made.SECOND, 0L,
                0L), List.of(options.limit.messages, options.limit.nanos,
                options.warmup.messages, options.warmup.nanos, options.timeoutNanos,
                options.intervalNanos, options.maxP99Nanos));
        assertEquals(1, options.parallel);
        assertTrue(options.json == null && options.hgrm == null && options.plot == null);
        assertEquals(1024, parse("--bench").messageBytes());
        assertEquals(2, parse("--bench --message ab").messageBytes());
        assertEquals(3, parse("--bench --message ab --line").messageBytes());
        assertEquals(12, parse("--json -").messageBytes());
    }

    @Test
    void values() {
        EchoClient.Options options = parse("--bench --host=::1 --port 7 --size 16K"
                + " --duration=2.5s --warmup 300ms --parallel 9"
                + " --rate 0.5 --connect --interval 100ms --max-p99 250us --spin --nagle"
                + " --timeout 1.5m --line --json a --hgrm b --plot c");
        assertEquals(List.of("::1", 7, 16384, 9),
                List.of(options.host, options.port, options.size, options.parallel));
        assertEquals(List.of(2_500 * Made.MS, 300 * Made.MS, 100 * Made.MS, 250 * Made.US,
                90 * Made.SECOND), List.of(options.limit.nanos, options.warmup.nanos,
                options.intervalNanos, options.maxP99Nanos, options.timeoutNanos));
        assertEquals(Long.MAX_VALUE, options.limit.messages);
        assertEquals(Long.MAX_VALUE, options.warmup.messages);
        assertEquals(0.5, options.ratePerSecond());
        assertEquals(List.of("0.5", "a", "b", "c"),
                List.of(options.rateText(), options.json, options.hgrm, options.plot));
        assertTrue(options.connect && options.spin && options.nagle && options.line
                && options.openLoop() && options.hasResult());
        assertEquals(7, parse("--bench --warmup 7").warmup.messages);
        assertEquals(Long.MAX_VALUE, parse("--bench --warmup 7").warmup.nanos);
        assertEquals(55, parse("--bench --repeat 55").limit.messages);
        assertEquals(3600 * Made.SECOND, parse("--bench --duration 1H").limit.nanos);
        assertEquals(1 << 30, parse("--size 1g").size);
        assertEquals(3 << 20, parse("--size 3m").size);
        assertEquals("--x", parse("--message --x").message);
        assertEquals(0, EchoClient.Options.parse("--message", "").messageBytes());
    }

    /** What the help says of an option, on one line. */
    private static String help(String option) {
        String all = EchoClient.Options.HELP.replaceAll("\n {8,}", " ");
        Matcher line = Pattern.compile("(?m)^  " + option + " +(.*)$").matcher(all);
        assertTrue(line.find(), option);
        return line.group(1);
    }

    /** Both ends are taken, and nothing beyond them; and that is what the help says. */
    @ParameterizedTest
    @CsvSource({"--port, 1, 65535, 0, 65536", "--size, 0, 1g, -1, 1025m",
        "--repeat, 1, 1000000000, 0, 1000000001", "--duration, 1ms, 500h, 999us, 500.01h",
        "--warmup, 0, 1000000000, -1, 1000000001", "--warmup, 1ms, 500h, 999us, 500.01h",
        "--parallel, 1, 65535, 0, 65536", "--rate, 0.001, 10000000, 0.0009, 10000001",
        "--interval, 100ms, 500h, 99.9ms, 500.01h", "--max-p99, 1us, 500h, 0.99us, 500.01h",
        "--timeout, 1ms, 500h, 999us, 500.01h"})
    void bounds(String option, String least, String most, String below, String above) {
        parse((option.equals("--size") ? "--json x " : "--bench ") + option + " " + least);
        parse("--bench " + option + " " + most);
        assertRefused(option, "--bench " + option + " " + below);
        assertRefused(option, "--bench " + option + " " + above);
        assertTrue(help(option).replace(" messages", "").contains(least + " to " + most),
                help(option));
    }

    @ParameterizedTest
    @CsvSource({"--host, 127.0.0.1", "--port, 5050", "--message, 'Hello, echo!'",
        "--size, 1k with --bench", "--line, off", "--bench, off", "--repeat, 2000",
        "--duration, off", "--warmup, '1s, at most 20000 messages'", "--parallel, 1",
        "--rate, as fast as echoes return", "--connect, off", "--interval, off",
        "--max-p99, off", "--spin, off", "--nagle, off", "--timeout, 10s", "--json, off",
        "--hgrm, off", "--plot, off"})
    void theHelpHasEachOptionAndItsDefault(String option, String value) {
        assertTrue(help(option).endsWith("[" + value + "]"), help(option));
        assertEquals(20, EchoClient.Options.HELP.split("\n  --").length - 1);
    }

    private static void assertRefused(String names, String line) {
        Ran ran = Ran.client(line.split(" "));
        assertEquals(2, ran.status, line + ": " + ran);
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith("[client] ") && ran.err.contains(names), ran.err);
        assertEquals(1, ran.err.lines().count(), ran.err);
    }

    @ParameterizedTest
    @CsvSource({"--bogus, --bogus", "--port, --port", "--port, --port=", "--port, --port x",
        "--port, --port 5050.5", "--host, --host=", "--host, --host a:5",
        "--host, --host [::1]:5", "--host, --host http://a", "--message, --message",
        "--message, --message - --bench", "--message, --message x --size 1",
        "--message, --message - --json x", "--size, --message x --size 1",
        "--size, --size 1x", "--repeat, --bench --repeat 5 --duration 1s",
        "--duration, --bench --repeat 5 --duration 1s", "--duration, --bench --duration 5",
        "--warmup, --bench --warmup 2x", "--rate, --bench --rate x",
        "--warmup, --bench --connect --warmup 1001", "--repeat, --repeat 5",
        "--rate, --rate 5", "--parallel, --parallel 2", "--connect, --connect",
        "--duration, --duration 1s", "--hgrm, --hgrm x", "--plot, --plot x",
        "--interval, --interval 1s", "--max-p99, --max-p99 1s", "--warmup, --warmup 5",
        "--size, --bench --size 0", "--size, --line --size 0", "--line, --line --size 17m",
        "--json, --json", "--json, --json --bench", "--json, --bench --json same --hgrm same",
        "--plot, --bench --plot ./same --hgrm same", "-x, -x", "x, x"})
    void refused(String names, String line) {
        assertRefused(names, line);
    }

    @Test
    void whatGoesTogether() {
        parse("--bench --connect --warmup 1000");
        parse("--bench --connect --warmup 5s");
        parse("--bench --json - --hgrm a --plot b");
        parse("--bench --hgrm /dev/null --plot /dev/null");
        parse("--bench --line --size 16m");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h", "--bogus --help", "--bench --port 0 -h"})
    void helpIsToldWhateverElseIsThere(String line) {
        Ran ran = Ran.client(line.split(" "));
        assertEquals(List.of(0, EchoClient.Options.HELP, ""),
                List.of(ran.status, ran.out, ran.err));
    }

    /** Whatever stands in it; and what is plain stays as it is. */
    @Test
    void theCommandCanBePasted() throws Exception {
        String plain = "azAZ09-_=./:,+@%";
        List<String> words = new ArrayList<>(List.of("--message", "it's $HOME", "--message",
                plain, "--json", "=x"));
        for (char c = ' '; c <= '~'; c++) {
            words.addAll(List.of("--message", "a" + c));
        }
        String command = EchoClient.Options.parse(words.toArray(new String[0])).command;
        assertTrue(command.startsWith("java EchoClient.java --message "), command);
        for (char c : plain.toCharArray()) {
            assertTrue(command.contains(" a" + c), "quoted: " + c);
        }
        String list = command.replace("java EchoClient.java", "printf '%s\\n'");
        try (Program shell = Program.command("sh", "-c", list)) {
            assertEquals(0, shell.end(10));
            assertEquals(String.join("\n", words) + "\n", shell.out());
        }
    }

    /** A link is the file that it names, also while there is none. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aLinkIsTheSameFile(boolean there, @TempDir Path folder) throws Exception {
        Path file = folder.resolve("file");
        if (there) {
            Files.createFile(file);
        }
        Files.createSymbolicLink(folder.resolve("link"), Path.of("file"));
        Files.createSymbolicLink(folder.resolve("again"), folder.resolve("link"));
        for (String link : List.of("link", "again")) {
            assertRefused("--hgrm", "--bench --json " + file + " --hgrm " + folder.resolve(link));
        }
    }
}
