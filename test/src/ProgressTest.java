import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.Field;
import java.nio.file.*;
import java.util.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The line that shows how far a benchmark is: on a terminal, in any width, and gone at the end. */
@Timeout(60)
class ProgressTest {
    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
    private final EchoClient.Phase phase = new EchoClient.Phase(false);

    /** Of a phase that began ten seconds ago, on a terminal of so many columns. */
    private EchoClient.Progress progress(int columns, String line) throws Exception {
        EchoClient.Progress progress = new EchoClient.Progress(
                EchoClient.Options.parse(line.split(" ")), new PrintStream(shown, true));
        set(progress, "columns", columns);
        phase.begin(System.nanoTime() - 10 * Made.SECOND);
        return progress;
    }

    private static void set(Object object, String name, Object value) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        field.set(object, value);
    }

    /** The line that is shown when a second has gone by. */
    private String line(EchoClient.Progress progress, boolean warm) throws Exception {
        shown.reset();
        set(progress, "nextNanos", System.nanoTime());
        progress.show(phase, warm, 3);
        return shown.toString().substring(shown.toString().lastIndexOf('\r') + 1);
    }

    /** After 500 messages, in the warm-up or not; the next line is due in a second. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "--duration 40s; true; 10 of 40 s|500 messages|20.00 us",
        "--duration 40s --warmup 20s; false; 10 of 20 s|500 messages|20.00 us",
        "--repeat 1000 --parallel 2; true; 500 of 2,000|20.00 us|30 s",
        "--repeat 1000000; true; 500 of 1,000,000|333 min",
        "--warmup 2000 --parallel 2; false; 500 of 4,000|70 s",
        "--warmup 1000 --parallel 4 --connect; false; 500 of 1,000|10 s"})
    void itSaysHowFarItIs(String options, boolean warm, String facts) throws Exception {
        EchoClient.Progress progress = progress(100, "--bench " + options);
        Check.has(line(progress, warm), "3 connections"); // on which there is no echo yet
        for (int i = 0; i < 500; i++) {
            phase.record(0, 20_000, 1, 0);
        }
        Check.has(line(progress, warm), facts.split("[|]"));
        shown.reset();
        progress.show(phase, warm, 3);
        assertEquals("", shown.toString());
        set(progress, "movedNanos", System.nanoTime() - 5 * Made.SECOND);
        Check.has(line(progress, warm), "5 s", "3 connections");
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 40, 79, 80})
    void itFitsIntoTheTerminalAndIsTakenAway(int columns) throws Exception {
        EchoClient.Progress progress = progress(columns, "--bench --duration 1h");
        phase.record(0, 123_456_789, 1, 0);
        String line = line(progress, true);
        assertTrue(line.startsWith("[bench] "), line);
        Check.between(Math.min(columns - 1, 50), columns - 1, line.length());
        shown.reset();
        progress.erase();
        assertEquals("\r" + " ".repeat(columns - 1) + "\r", shown.toString());
        shown.reset();
        progress.erase(); // there is nothing left to erase
        assertEquals("", shown.toString());
    }

    @Test
    void withIntervalsOrWithoutATerminalThereIsNone() throws Exception {
        assertEquals("", line(progress(80, "--bench --interval 1s"), true));
        assertEquals("", line(progress(80, "--nagle"), true)); // no benchmark
        assertEquals("", line(progress(0, "--bench"), true));
        assertEquals("", line(progress(-1, "--bench"), true)); // nobody has looked; it is none
    }

    /** In a real terminal, of 50 columns or of a width that it does not tell. */
    @ParameterizedTest
    @CsvSource({"50, 2200, 2", "0, 1100, 1"})
    void inATerminal(int columns, int millis, int seconds) throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/usr/bin/script"))
                && System.getProperty("os.name").equals("Linux"), "no script");
        try (Peer peer = Peer.echoes(10, 1);
                Program terminal = Program.command("script", "-qec", "stty cols " + columns
                        + "; " + Program.JAVA + " -cp " + Program.CLASSES + " EchoClient --bench"
                        + " --size 10 --warmup 0 --duration " + millis + "ms --port " + peer.port(),
                        "/dev/null")) {
            assertEquals(0, terminal.end(30), terminal.out());
            String[] lines = terminal.out().split("\r(?!\n)");
            List<String> progress = Arrays.stream(lines).filter(line -> line.contains(" of " + seconds + " s"))
                    .collect(Collectors.toList());
            assertEquals(seconds, progress.size(), terminal.out());
            progress.forEach(line -> assertTrue(line.length() < 80 - 30 * columns / 50, line));
            assertTrue(lines[lines.length - 1].startsWith("[bench] repeats: "));
        }
    }
}
