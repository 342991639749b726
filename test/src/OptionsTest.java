import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The client's command line: defaults, what values are, and what is refused. */
@Timeout(30)
class OptionsTest {

    private static EchoClient.Options parse(String line) {
        return EchoClient.Options.parse(line.split(" "));
    }

    @Test
    void defaults() {
        EchoClient.Options options = EchoClient.Options.parse();
        assertEquals(List.of("127.0.0.1", 5050, "Hello, echo!", -1, 12),
                List.of(options.host, options.port, options.message, options.size,
                        options.messageBytes()));
        assertFalse(options.bench || options.spin || options.nagle || options.connect
                || options.line || options.help || options.openLoop() || options.hasResult());
        assertEquals(List.of(2000L, 20_000L, Made.SECOND, 10 * Made.SECOND, 0L, 0L),
                List.of(options.limit.messages, options.warmup.messages, options.warmup.nanos,
                        options.timeoutNanos, options.intervalNanos, options.maxP99Nanos));
        assertEquals(Long.MAX_VALUE, options.limit.nanos);
        assertEquals(1, options.parallel);
        assertNull(options.json);
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
                + " --timeout 1.5m --line");
        assertEquals(List.of("::1", 7, 16384, 9),
                List.of(options.host, options.port, options.size, options.parallel));
        assertEquals(List.of(2_500 * Made.MS, 300 * Made.MS, 100 * Made.MS, 250 * Made.US,
                90 * Made.SECOND), List.of(options.limit.nanos, options.warmup.nanos,
                options.intervalNanos, options.maxP99Nanos, options.timeoutNanos));
        assertEquals(Long.MAX_VALUE, options.limit.messages);
        assertEquals(Long.MAX_VALUE, options.warmup.messages);
        assertEquals(0.5, options.ratePerSecond());
        assertTrue(options.connect && options.spin && options.nagle && options.line
                && options.openLoop() && options.hasResult());
        assertEquals(7, parse("--bench --warmup 7").warmup.messages);
        assertEquals(0, parse("--bench --warmup 0").warmup.messages);
        assertEquals(3600 * Made.SECOND, parse("--bench --duration 1H").limit.nanos);
        assertEquals(1 << 30, parse("--size 1g").size);
        assertEquals(3 << 20, parse("--size 3m").size);
        assertEquals("--x", parse("--message --x").message);
        assertEquals(0, EchoClient.Options.parse("--message", "").messageBytes());
        assertEquals(0.001, parse("--bench --rate 0.001").ratePerSecond());
    }

    @ParameterizedTest
    @CsvSource({"--port, 1, 65535", "--size, 0, 1g", "--repeat, 1, 1000000000",
        "--duration, 1ms, 500h", "--warmup, 0, 1000000000", "--parallel, 1, 65535",
        "--rate, 0.001, 10000000", "--interval, 100ms, 500h", "--max-p99, 1us, 500h",
        "--timeout, 1ms, 500h"})
    void bounds(String option, String least, String most) {
        parse((option.equals("--size") ? "--json x " : "--bench ") + option + " " + least);
        parse("--bench " + option + " " + most);
        String below = least.startsWith("1") ? least.replaceFirst("1", "0") : "-1";
        String above = most.replaceFirst("([0-9])(\\D*)$", "$1.5$2");
        assertRefused(option, "--bench " + option + " " + below);
        assertRefused(option, "--bench " + option + " " + above);
    }

    private static void assertRefused(String names, String line) {
        Ran ran = Ran.client(line.split(" "));
        assertEquals(2, ran.status, line + ": " + ran);
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith("[client] ") && ran.err.contains(names), ran.err);
        assertEquals(1, ran.err.lines().count(), ran.err);
    }

    @ParameterizedTest
    @CsvSource({"--bogus, --bogus", "--port, --port", "--port, --port=",
        "--port, --port x", "--port, --port 5050.5", "--port, --port 70000",
        "--host, --host=", "--host, --host a:5", "--host, --host [::1]:5",
        "--host, --host http://a", "--message, --message", "--message, --message - --bench",
        "--message, --message x --size 1", "--size, --message x --size 1", "--size, --size 1x",
        "--repeat, --bench --repeat 5 --duration 1s",
        "--duration, --bench --repeat 5 --duration 1s", "--duration, --bench --duration 5",
        "--warmup, --bench --warmup 2x", "--rate, --bench --rate 0", "--rate, --bench --rate x",
        "--warmup, --bench --connect --warmup 1001", "--repeat, --repeat 5",
        "--rate, --rate 5", "--parallel, --parallel 2", "--connect, --connect",
        "--hgrm, --hgrm x", "--plot, --plot x", "--interval, --interval 1s",
        "--max-p99, --max-p99 1s", "--warmup, --warmup 5", "--size, --bench --size 0",
        "--size, --line --size 0", "--line, --line --size 17m", "--json, --json",
        "--json, --json --bench", "--json, --bench --json same --hgrm same",
        "--plot, --bench --plot ./same --hgrm same", "-x, -x", "x, x"})
    void refused(String names, String line) {
        assertRefused(names, line);
    }

    @Test
    void whatGoesTogether() {
        parse("--bench --connect --warmup 1000");
        parse("--bench --connect --warmup 5s");
        parse("--bench --json - --hgrm a --plot b");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h", "--bogus --help", "--bench --port 0 -h"})
    void helpIsToldWhateverElseIsThere(String line) {
        Ran ran = Ran.client(line.split(" "));
        assertEquals(0, ran.status);
        assertEquals("", ran.err);
        for (String fact : List.of("--host", "127.0.0.1", "5050", "[2000]", "10s", "20000",
                "--max-p99", "--interval", "--connect", "--line", "0.001 to 10000000")) {
            assertTrue(ran.out.contains(fact), fact);
        }
    }

    @Test
    void theCommandCanBePasted() throws Exception {
        String[] words = {"--message", "it's $HOME \"x\" !", "--port=7", "--json", "a b"};
        String command = EchoClient.Options.parse(words).command;
        assertTrue(command.startsWith("java EchoClient.java "), command);
        String list = command.replace("java EchoClient.java", "printf '%s\\n'");
        try (Program shell = Program.command("sh", "-c", list)) {
            assertEquals(0, shell.end(10));
            assertEquals(String.join("\n", words) + "\n", shell.out());
        }
    }

    @Test
    void aLinkIsTheSameFile(@TempDir Path folder) throws Exception {
        Files.createFile(folder.resolve("file"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("file"));
        assertRefused("--hgrm", "--bench --json " + folder.resolve("file") + " --hgrm " + link);
    }
}
