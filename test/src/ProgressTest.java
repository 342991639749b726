import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** The line that shows how far a benchmark is: on a terminal, in any width, and gone at the end. */
@Timeout(60)
class ProgressTest {
    private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
    private final EchoClient.Phase phase = new EchoClient.Phase(false);

    private EchoClient.Progress progress(int columns, String... arguments) throws Exception {
        EchoClient.Progress progress = new EchoClient.Progress(
                EchoClient.Options.parse(arguments), new PrintStream(shown, true));
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
        String all = shown.toString(StandardCharsets.UTF_8);
        return all.substring(all.lastIndexOf('\r') + 1);
    }

    @Test
    void itSaysHowFarItIs() throws Exception {
        EchoClient.Progress time = progress(100, "--bench", "--duration", "40s");
        assertTrue(line(time, true).contains("no echo yet on 3 connections"), "" + shown);
        for (int i = 0; i < 500; i++) {
            phase.record(0, 20_000, 1, 0);
        }
        assertEquals("[bench] measured 10 of 40 s: 500 messages, mean 20.00 us",
                line(time, true));
        shown.reset();
        time.show(phase, true, 3); // the next one is due in a second
        assertEquals("", shown.toString());
        EchoClient.Progress many = progress(100, "--bench", "--repeat", "1000", "--parallel", "2",
                "--warmup", "2000");
        assertEquals("[bench] measured 500 of 2,000 messages, mean 20.00 us, about 30 s left",
                line(many, true));
        assertTrue(line(many, false).startsWith("[bench] warm-up 500 of 4,000 messages"));
        set(many, "movedNanos", System.nanoTime() - 5 * Made.SECOND);
        assertTrue(line(many, true).startsWith("[bench] nothing for 5 s on 3 connections"));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 40, 79, 80})
    void itFitsIntoTheTerminalAndIsTakenAway(int columns) throws Exception {
        EchoClient.Progress progress = progress(columns, "--bench", "--duration", "1h");
        phase.record(0, 123_456_789, 1, 0);
        String line = line(progress, true);
        assertTrue(line.startsWith("[bench] "), line);
        assertTrue(line.length() < columns && line.length() >= Math.min(columns - 1, 50), line);
        shown.reset();
        progress.erase();
        assertEquals("\r" + " ".repeat(columns - 1) + "\r", shown.toString());
        shown.reset();
        progress.erase(); // there is nothing left to erase
        assertEquals("", shown.toString());
    }

    @Test
    void withIntervalsOrWithoutATerminalThereIsNone() throws Exception {
        assertEquals("", line(progress(80, "--bench", "--interval", "1s"), true));
        assertEquals("", line(progress(0, "--bench"), true));
        assertEquals("", line(progress(-1, "--bench"), true)); // nobody has looked; it is none
    }

    /** In a real terminal of 50 columns, each second one line, and at the end none. */
    @Test
    void inATerminal() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/usr/bin/script"))
                && System.getProperty("os.name").equals("Linux"), "no script");
        try (Peer peer = Peer.echo(10, 1)) {
            String run = "stty cols 50; " + Program.JAVA + " -cp " + Program.CLASSES
                    + " EchoClient --bench --size 10 --warmup 0 --duration 2500ms --port "
                    + peer.port();
            try (Program terminal = Program.command("script", "-qec", run, "/dev/null")) {
                assertEquals(0, terminal.end(30), terminal.out());
                String[] lines = terminal.out().split("\r(?!\n)");
                List<String> progress = new ArrayList<>();
                for (String line : lines) {
                    if (line.contains("measured ")) {
                        progress.add(line);
                        assertTrue(line.length() < 50 && line.contains(" of 3 s: "), line);
                    }
                }
                assertEquals(2, progress.size(), terminal.out());
                assertTrue(lines[lines.length - 1].startsWith("[bench] repeats: "));
            }
        }
    }
}
