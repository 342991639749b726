import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Each demo of run.sh by its effect. What one is about may not be seen on a busy machine. */
@Tag("slow")
@Timeout(400)
class DemosTest {
    @TempDir Path folder;

    interface Effect {
        boolean seen() throws Exception;
    }

    /** Runs a demo, three times at most, until its effect is there; returns what it printed. */
    private String demo(String name, Effect effect) throws Exception {
        for (String file : List.of("run.sh", "EchoServer.java", "AsyncEchoServer.java",
                "EchoClient.java")) {
            Files.copy(Program.ROOT.resolve(file), folder.resolve(file));
        }
        String out = "";
        for (int i = 0; i < 3; i++) {
            ProcessBuilder builder = new ProcessBuilder("bash", "./run.sh", "demo", name);
            builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
            try (Program demo = Program.start(builder.directory(folder.toFile()))) {
                assertEquals(0, demo.end(120), () -> demo.out() + demo.err());
                assertEquals("", demo.err());
                out = demo.out();
            }
            if (effect.seen()) {
                return out;
            }
        }
        throw new AssertionError("not seen in three runs\n" + out);
    }

    private double figure(String result, String path) throws Exception {
        return Json.of(Files.readString(folder.resolve("results/" + result + ".json")))
                .number(path);
    }

    private boolean isThere(String picture) throws Exception {
        return Files.readString(folder.resolve("results/" + picture)).contains("<svg");
    }

    @Test
    void nagleDelaysWhatIsWrittenInPieces() throws Exception {
        demo("nagle", () -> figure("nagle-on", "rtt_us.mean") > 20_000
                && figure("nagle-on", "rtt_us.mean") > 5 * figure("nagle-off", "rtt_us.mean"));
        assertEquals(16384.0, figure("nagle-on", "message_bytes"));
    }

    @Test
    void streamHasManyReadsOfOneWrite() throws Exception {
        String out = demo("stream", () -> figure("stream", "messages") == 1);
        Matcher reads = Pattern.compile("(?m)^\\[server\\] .*?([0-9,]+) bytes").matcher(out);
        int sum = 0;
        int count = 0;
        for (; reads.find(); count++) {
            sum += Integer.parseInt(reads.group(1).replace(",", ""));
        }
        assertEquals(16384, sum, out);
        assertTrue(count > 1, out);
    }

    @Test
    void warmupIsFasterAfterwards() throws Exception {
        demo("warmup", () -> figure("cold", "rtt_us.p90") > 1.5 * figure("warm", "rtt_us.p90"));
        assertEquals(0.0, figure("cold", "warmup.messages"));
        assertTrue(figure("warm", "warmup.messages") > 300);
    }

    @Test
    void wakeupCostsWhatPollingSaves() throws Exception {
        Assumptions.assumeTrue(Runtime.getRuntime().availableProcessors() > 1);
        demo("wakeup", () -> figure("blocking", "rtt_us.p50")
                > 1.1 * figure("polling", "rtt_us.p50"));
    }

    @Test
    void threadsTakeMoreMemoryThanLoops() throws Exception {
        String out = demo("threads", () -> true);
        for (String kind : List.of("threads", "loops")) {
            List<String> results;
            try (java.util.stream.Stream<Path> files = Files.list(folder.resolve("results"))) {
                results = files.map(file -> file.getFileName().toString())
                        .filter(file -> file.matches(kind + "-[0-9]+[.]json"))
                        .map(file -> file.replace(".json", ""))
                        .collect(java.util.stream.Collectors.toList());
            }
            assertEquals(2, results.size(), kind);
            for (String result : results) { // the name says how many connections there were
                assertEquals(Double.parseDouble(result.replaceAll(".*-", "")),
                        figure(result, "connections"));
            }
        }
        String row = out.lines().filter(line -> line.startsWith("memory_kib")).reduce("",
                (first, last) -> last);
        double threads = Double.parseDouble(row.split(" +")[1]);
        assertTrue(threads > 10 && threads < 2000, "KiB for a connection: " + threads);
        assertTrue(out.matches("(?s).*was (un)?fair.*"), out);
    }

    @Test
    void connectCostsMoreThanAConnectionThatIsKept() throws Exception {
        demo("connect", () -> figure("connect-threads", "rtt_us.p50")
                > 1.5 * figure("connect-kept", "rtt_us.p50"));
        for (String kind : List.of("threads", "loops")) {
            assertTrue(figure("connect-" + kind, "connect_us.p50") > 0, kind);
        }
        assertEquals(Runtime.version().feature() >= 21,
                Files.exists(folder.resolve("results/connect-virtual.json")));
    }

    @Test
    void omissionIsWhatAClosedLoopMisses() throws Exception {
        demo("omission", () -> figure("closed", "rtt_us.max") > 400_000
                && figure("open", "response_us.p99") > 100_000
                && figure("closed", "rtt_us.p99") < 100_000);
        assertTrue(isThere("omission.svg"));
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
        String out = demo("deadlock", () -> figure("deadlock", "messages") == 1);
        assertEquals(64.0 * 1024 * 1024, figure("deadlock", "message_bytes"));
        Matcher wrote = Pattern.compile("(?m)^wrote ([0-9]+) KiB").matcher(out);
        int last = 0;
        while (wrote.find()) {
            last = Integer.parseInt(wrote.group(1));
        }
        assertTrue(last > 0 && last < 65536, "wrote " + last);
    }
}
