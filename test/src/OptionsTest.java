import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.Collectors;
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

    /** All fields that are not as they are without a command line; times in microseconds. */
    private static String changed(EchoClient.Options options) throws Exception {
        List<String> changed = new ArrayList<>();
        EchoClient.Options plain = EchoClient.Options.parse();
        for (java.lang.reflect.Field field : EchoClient.Options.class.getDeclaredFields()) {
            String value = shown(field.get(options));
            if (!value.equals(shown(field.get(plain))) && !field.getName().equals("command")) {
                changed.add(field.getName() + "=" + value);
            }
        }
        return String.join(" ", changed);
    }

    private static String shown(Object value) {
        if (value instanceof EchoClient.Limit) {
            EchoClient.Limit limit = (EchoClient.Limit) value;
            return (limit.messages + "/" + limit.nanos).replace("" + Long.MAX_VALUE, "endless");
        }
        return "" + value;
    }

    @Test
    void defaults() {
        EchoClient.Options options = EchoClient.Options.parse();
        assertEquals("127.0.0.1 5050 Hello, echo! 12 false false false false false false"
                + " 2000/endless 20000/1000000000 1 0 0 0 10000000000 null null null",
                List.of(options.host, options.port, options.message, options.messageBytes(),
                        options.bench, options.spin, options.nagle, options.connect,
                        options.line, options.help, options.limit, options.warmup,
                        options.parallel, options.rate, options.intervalNanos,
                        options.maxP99Nanos, options.timeoutNanos, "" + options.json,
                        "" + options.hgrm, "" + options.plot).stream().map(OptionsTest::shown)
                        .collect(Collectors.joining(" ")));
        assertEquals(1024, parse("--bench").messageBytes());
        assertEquals(12, parse("--json -").messageBytes());
    }

    /** Each option changes its field, and no other. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"--host=::1 --port 7; host=::1 port=7",
        "--host [::1]; host=[::1]", "--port=65535; port=65535", "--message --x; message=--x",
        "--message=a=b; message=a=b", "--message=; message=", "--size 16K; size=16384",
        "--size 1g; size=1073741824", "--size 3m; size=3145728", "--size 0.5k; size=512",
        "--line; line=true", "--nagle; nagle=true", "--spin; spin=true", "--json a; json=a",
        "--timeout 1.5m; timeoutNanos=90000000000", "--timeout 2500us; timeoutNanos=2500000",
        "--bench; size=1024 bench=true", "--bench --message ab; message=ab bench=true",
        "--bench --size 7 --connect; size=7 bench=true connect=true",
        "--bench --size 7 --repeat 55; size=7 bench=true limit=55/endless",
        "--bench --size 7 --duration 1H; size=7 bench=true limit=endless/3600000000000",
        "--bench --size 7 --duration=2.5s; size=7 bench=true limit=endless/2500000000",
        "--bench --size 7 --warmup 300ms; size=7 bench=true warmup=endless/300000000",
        "--bench --size 7 --warmup 9; size=7 bench=true warmup=9/endless",
        "--bench --size 7 --parallel 9; size=7 bench=true parallel=9",
        "--bench --size 7 --rate 0.5; size=7 bench=true rate=500",
        "--bench --size 7 --interval 2S; size=7 bench=true intervalNanos=2000000000",
        "--bench --size 7 --max-p99 250us; size=7 bench=true maxP99Nanos=250000",
        "--bench --size 7 --hgrm b --plot c; size=7 bench=true hgrm=b plot=c",
        "--bench --connect --size 7 --warmup 1000;"
                + " size=7 bench=true connect=true warmup=1000/endless",
        "--bench --connect --size 7 --warmup 5s;"
                + " size=7 bench=true connect=true warmup=endless/5000000000",
        "--bench --json - --hgrm a --plot b; size=1024 bench=true json=- hgrm=a plot=b",
        "--bench --hgrm /dev/null --plot /dev/null;"
                + " size=1024 bench=true hgrm=/dev/null plot=/dev/null",
        "--bench --line --size 16m; size=16777216 bench=true line=true"})
    void values(String line, String expected) throws Exception {
        assertEquals(expected, changed(parse(line)));
    }

    @ParameterizedTest
    @CsvSource({"0.5, 0.5", "100, 100", "10000000, 10000000", "12.50, 12.5", "0.001, 0.001"})
    void aRateIsShownAsItIsWritten(String rate, String shown) {
        assertEquals(shown, parse("--bench --rate " + rate).rateText());
        assertEquals(Double.parseDouble(rate), parse("--bench --rate " + rate).ratePerSecond());
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
        Check.has(help(option).replace(" messages", ""), least + " to " + most);
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
        Ran ran = Ran.client(line);
        assertEquals(2, ran.status, line + ": " + ran);
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith("[client] "), ran.err);
        Check.has(ran.err, names);
        assertEquals(1, ran.err.lines().count(), ran.err);
    }

    @ParameterizedTest
    @CsvSource({"--bogus, --bogus", "--port, --port", "--port, --port=", "--port, --port x",
        "--port, --port 5050.5", "--host, --host=", "--host, --host a:5", "--host, --host --line",
        "--host, --host [::1]:5", "--host, --host http://a", "--message, --message",
        "--message, --message - --bench", "--message, --message x --size 1",
        "--message, --message - --json x", "--size, --message x --size 1",
        "--size, --size 1x", "--repeat, --bench --repeat 5 --duration 1s",
        "--repeat, --bench --repeat 1.5", "--host, --host a/5",
        "--duration, --bench --duration 5", "--warmup, --bench --warmup 2x",
        "--rate, --bench --rate x", "--warmup, --bench --connect --warmup 1001",
        "--repeat, --repeat 5", "--rate, --rate 5", "--parallel, --parallel 2",
        "--connect, --connect", "--duration, --duration 1s", "--hgrm, --hgrm x",
        "--plot, --plot x", "--interval, --interval 1s", "--max-p99, --max-p99 1s",
        "--warmup, --warmup 5", "--size, --bench --size 0", "--size, --line --size 0",
        "--line, --line --size 17m", "--json, --json", "--json, --json --bench",
        "--json, --bench --json same --hgrm same", "--plot, --bench --plot ./same --hgrm same",
        "--json, --bench --json - --plot /dev/stdout", "-x, -x", "x, x", "off, --nagle off",
        "off, --nagle=off"})
    void refused(String names, String line) {
        assertRefused(names, line);
    }

    @Test
    void whatSteersATerminalIsNotPrinted() {
        assertRefused("--x.[31m.", "--x\u001b[31m\u009b");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h", "--bogus --help", "--bench --port 0 -h"})
    void helpIsToldWhateverElseIsThere(String line) {
        Ran ran = Ran.client(line);
        assertEquals(List.of(0, EchoClient.Options.HELP, ""),
                List.of(ran.status, ran.out, ran.err));
    }

    /** Whatever stands in it; and what is plain stays as it is. */
    @Test
    void theCommandCanBePasted() throws Exception {
        String plain = "azAZ09-_=./:,+@%";
        List<String> words = new ArrayList<>(List.of("--message", "it's $HOME", "--message",
                plain, "--message", "", "--json", "=x"));
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
