import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Each demo of run.sh by its effect. What one is about may not be seen on a busy machine. */
@Tag("slow")
@Timeout(400)
class DemosTest {
    @TempDir Path folder;
    private String out;

    interface Effect {
        boolean seen() throws Exception;
    }

    /** Runs a demo, three times at most, until its effect is there. */
    private void demo(String name, Effect effect) throws Exception {
        Path copy = RunShTest.copy(folder);
        for (int i = 0; i < 3; i++) {
            ProcessBuilder builder = new ProcessBuilder("bash", "./run.sh", "demo", name);
            builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
            try (Program demo = new Program(builder.directory(copy.toFile()))) {
                assertEquals(0, demo.end(120), () -> demo.out() + demo.err());
                assertEquals("", demo.err());
                out = demo.out();
            }
            if (effect.seen()) {
                return;
            }
        }
        throw new AssertionError("not seen in three runs\n" + out);
    }

    private String file(String name) throws Exception {
        return Files.readString(folder.resolve("copy/results").resolve(name));
    }

    private double figure(String result, String path) throws Exception {
        return Json.of(file(result + ".json")).number(path);
    }

    private List<Integer> numbers(String pattern) {
        return Pattern.compile("(?m)" + pattern).matcher(out).results()
                .map(found -> Integer.valueOf(found.group(1).replace(",", "")))
                .collect(Collectors.toList());
    }

    @Test
    void nagleDelaysWhatIsWrittenInPieces() throws Exception {
        demo("nagle", () -> figure("nagle-on", "rtt_us.mean") > 20_000
                && figure("nagle-on", "rtt_us.mean") > 5 * figure("nagle-off", "rtt_us.mean"));
        assertEquals(16384.0, figure("nagle-on", "message_bytes"));
    }

    @Test
    void streamHasManyReadsOfOneWrite() throws Exception {
        demo("stream", () -> figure("stream", "messages") == 1);
        List<Integer> reads = numbers("^\\[server\\] .*?([0-9,]+) bytes");
        assertEquals(16384, reads.stream().mapToInt(n -> n).sum(), out);
        assertTrue(reads.size() > 1, out);
    }

    @Test
    void warmupIsFasterAfterwards() throws Exception {
        demo("warmup", () -> figure("cold", "rtt_us.p90") > 1.5 * figure("warm", "rtt_us.p90"));
        assertEquals(0.0, figure("cold", "warmup.messages"));
        assertTrue(figure("warm", "warmup.messages") > 300);
        Check.has(file("warmup.svg"), "3,000 in all");
        Check.lacks(file("warmup.svg"), "warm-up, ");
    }

    @Test
    void wakeupCostsWhatPollingSaves() throws Exception {
        Assumptions.assumeTrue(Runtime.getRuntime().availableProcessors() > 1);
        demo("wakeup", () -> figure("blocking", "rtt_us.p50")
                > 1.1 * figure("polling", "rtt_us.p50"));
    }

    /** The name of a result says how many connections there were. */
    @Test
    void threadsTakeMoreMemoryThanLoops() throws Exception {
        demo("threads", () -> true);
        for (String name : folder.resolve("copy/results").toFile().list()) {
            if (name.endsWith(".json")) {
                assertEquals(Double.parseDouble(name.replaceAll("[^0-9]", "")),
                        figure(name.replace(".json", ""), "connections"));
                assertTrue(name.matches("(threads|loops|virtual)-[0-9]+[.]json"), name);
            }
        }
        List<Integer> kib = numbers("^memory_kib +([0-9]+)");
        Check.between(10, 500, kib.get(kib.size() - 1));
        assertFalse(out.matches("(?s).*memory_kib[^\n]* us.*"), out);
        assertTrue(out.matches("(?s).*was (un)?fair.*"), out);
    }

    @Test
    void connectCostsMoreThanAConnectionThatIsKept() throws Exception {
        demo("connect", () -> figure("connect-threads", "rtt_us.p50")
                > 1.5 * figure("connect-kept", "rtt_us.p50"));
        assertTrue(figure("connect-threads", "connect_us.p50") > 0);
        assertTrue(figure("connect-loops", "connect_us.p50") > 0);
        assertEquals(Runtime.version().feature() >= 21,
                Files.exists(folder.resolve("copy/results/connect-virtual.json")));
    }

    @Test
    void omissionIsWhatAClosedLoopMisses() throws Exception {
        demo("omission", () -> figure("closed", "rtt_us.max") > 400_000
                && figure("closed", "rtt_us.max") < 900_000
                && figure("open", "response_us.p99") > 100_000
                && figure("closed", "rtt_us.p99") < 100_000);
        Check.has(file("omission.svg"), "<svg");
    }

    @Test
    void sizeCostsLittleAtFirst() throws Exception {
        demo("size", () -> figure("size-16k", "rtt_us.p50")
                < 5 * figure("size-64", "rtt_us.p50")
                && figure("size-1m", "rtt_us.p50") > 8 * figure("size-16k", "rtt_us.p50"));
        assertEquals(64.0, figure("size-64", "message_bytes"));
        assertEquals(1048576.0, figure("size-1m", "message_bytes"));
    }

    @Test
    void deadlockIsWhereNobodyReads() throws Exception {
        demo("deadlock", () -> figure("deadlock", "messages") == 1);
        assertEquals(64.0 * 1024 * 1024, figure("deadlock", "message_bytes"));
        List<Integer> wrote = numbers("^wrote ([0-9]+) KiB");
        int last = wrote.get(wrote.size() - 1);
        assertTrue(wrote.size() > 1 && last > 0 && last < 65536, "wrote " + wrote);
        Check.has(out.replaceAll("\\s+", " "), "wrote " + last + " KiB of 65536 and hangs");
    }
}
