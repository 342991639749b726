import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A sign of life for whoever waits at a terminal: a line that is written again each second, and is
 * gone when the result comes. Where standard error is no terminal, there is nothing of it.
 */
@EnabledOnOs(OS.LINUX)
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientTerminalTest {
    private static final int SIZE = 64;

    @TempDir
    Path folder;

    @BeforeEach
    void scriptMakesATerminal() {
        Assumptions.assumeTrue(ClientSupport.works("script", "-qec", "test -t 2", "/dev/null"),
                "needs script, of util-linux");
    }

    /** Answers each message so much later. */
    private static ClientSupport.TestServer slow(int millis) throws IOException {
        return ClientSupport.TestServer.answering(SIZE, (message, number) -> {
            TestSupport.pause(millis);
            return message;
        });
    }

    /** All that a terminal got while a shell ran $CLIENT on it. */
    private String terminal(ClientSupport.TestServer server, String script) throws Exception {
        Path typescript = folder.resolve("typescript");
        String client = ClientSupport.programs() + "CLIENT=\"$CLIENT --bench --size " + SIZE
                + " --port " + server.port() + "\"\n";
        Path file = Files.writeString(folder.resolve("commands"), client + script);
        ClientSupport.process(folder, new byte[0], "script", "-qec", "bash " + file,
                typescript.toString()).expect(0);
        return Files.readString(typescript).replaceFirst("Script started.*\n", "")
                .replaceFirst("\n?Script done.*\n?$", "");
    }

    /** What stays on the lines of a terminal: a carriage return goes back to the first column. */
    private static List<String> shown(String bytes) {
        List<String> lines = new ArrayList<>();
        for (String line : bytes.split("\n", -1)) {
            StringBuilder shown = new StringBuilder();
            for (String part : line.split("\r")) {
                shown.replace(0, Math.min(part.length(), shown.length()), part);
            }
            lines.add(shown.toString().stripTrailing());
        }
        return lines;
    }

    private static List<String> progress(String bytes) {
        List<String> lines = new ArrayList<>();
        for (String part : bytes.split("[\r\n]")) {
            if (part.matches("\\[bench\\] (warm-up|measured|connecting).* (of|left) .*|"
                    + "\\[bench\\] (warm-up|measured) .*left")) {
                lines.add(part);
            }
        }
        return lines;
    }

    /** Of what is done, how long it will take: at 30 ms each, 100 of 300 have 6 s to go. */
    @Test
    void progressShowsMessagesDoneAndTimeLeft() throws Exception {
        try (ClientSupport.TestServer server = slow(30)) {
            String bytes = terminal(server, "$CLIENT --repeat 120 --warmup 50 2>&1");
            List<String> lines = progress(bytes);
            assertTrue(lines.size() >= 2 && lines.size() <= 100, lines + " of " + bytes);
            Pattern form = Pattern.compile("\\[bench\\] (warm-up|measured) ([0-9]+) of (50|120)"
                    + " messages, (mean ([0-9.]+) ms, about (-?[0-9]+) s left|.*)");
            boolean timed = false;
            for (String line : lines) {
                Matcher matcher = form.matcher(line);
                assertTrue(matcher.matches(), line + " of " + bytes);
                int all = Integer.parseInt(matcher.group(3));
                assertEquals(all == 50 ? "warm-up" : "measured", matcher.group(1), line);
                int done = Integer.parseInt(matcher.group(2));
                assertTrue(done <= all, line);
                if (matcher.group(6) != null) {
                    double mean = Double.parseDouble(matcher.group(5));
                    assertTrue(mean >= 30, line);
                    // On a busy machine there is time between two messages, too.
                    double left = Double.parseDouble(matcher.group(6));
                    double least = (all - done) * mean / 1000;
                    assertTrue(left >= 0.9 * least - 1 && left <= 3 * least + 3, line);
                    timed = true;
                }
            }
            assertTrue(timed, "the time that is left in " + lines);
            assertTrue(lines.get(lines.size() - 1).startsWith("[bench] measured "), "" + lines);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " --rate 20", " --parallel 3"})
    void progressOfADurationShowsSeconds(String more) throws Exception {
        try (ClientSupport.TestServer server = slow(10)) {
            String bytes = terminal(server, "$CLIENT --duration 3s --warmup 1200ms 2>&1" + more);
            List<String> lines = progress(bytes);
            assertTrue(lines.stream().anyMatch(line -> line.matches("\\[bench\\] measured"
                    + " [0-3](\\.[0-9])? of 3(\\.[0-9])? s.*messages.*")), lines + " of " + bytes);
        }
    }

    /** Also where standard output goes into a file; on the terminal nothing is left. */
    @Test
    void progressIsGoneWhenTheResultComes() throws Exception {
        try (ClientSupport.TestServer server = slow(20)) {
            String bytes = terminal(server, "$CLIENT --repeat 120 --warmup 0 >result\necho next");
            assertFalse(progress(bytes).isEmpty(), bytes);
            assertEquals("next", String.join("", shown(bytes)), bytes);
            String result = Files.readString(folder.resolve("result"));
            assertTrue(result.startsWith("[bench] repeats: 120,"), result);
            assertFalse(result.contains("\r"), result);
            List<String> both = shown(terminal(server, "$CLIENT --repeat 120 --warmup 0"));
            assertTrue(both.get(0).startsWith("[bench] repeats: 120, msg_len: 64 bytes"),
                    both.toString());
            assertFalse(both.get(0).contains("left"), both.toString());
        }
    }

    /** Nobody reads it there: neither on a terminal for the output alone, nor without one. */
    @Test
    void noProgressInAFileOrAPipe() throws Exception {
        try (ClientSupport.TestServer server = slow(20)) {
            String bytes = terminal(server, "$CLIENT --repeat 120 --warmup 0 2>errors\n"
                    + "$CLIENT --repeat 120 --warmup 0 2>&1 >/dev/tty | cat >piped");
            assertEquals("", Files.readString(folder.resolve("errors")));
            assertEquals("", Files.readString(folder.resolve("piped")));
            assertEquals(List.of(), progress(bytes), bytes);
            ClientSupport.Run none = ClientSupport.process(folder, new byte[0], "bash", "-c",
                    ClientSupport.programs() + "$CLIENT --bench --repeat 120 --warmup 0 --size "
                    + SIZE + " --port " + server.port()).expect(0);
            assertEquals(List.of(), none.err);
            assertFalse(none.toString().contains("left"), none.toString());
        }
    }

    /** What takes less than a second has no need of it. */
    @Test
    void aShortRunShowsNoProgress() throws Exception {
        try (ClientSupport.TestServer server = slow(0)) {
            List<String> lines = progress(terminal(server, "$CLIENT --repeat 20 --warmup 0"));
            assertTrue(lines.size() <= 1, lines.toString()); // one, on a machine that is busy
        }
    }

    /** A line that wraps would not go away. */
    @Test
    void itFitsIntoALine() throws Exception {
        try (ClientSupport.TestServer server = slow(400)) {
            String bytes = terminal(server, "timeout --foreground 6 $CLIENT --parallel 20"
                    + " --repeat 1000000 --warmup 1 --json -; exit 0");
            boolean seen = false;
            for (String part : bytes.split("[\r\n]")) {
                if (part.startsWith("[bench] ")) {
                    assertTrue(part.length() < 80, part.length() + " columns: " + part);
                    seen = true;
                }
            }
            assertTrue(seen, bytes);
        }
    }
}
