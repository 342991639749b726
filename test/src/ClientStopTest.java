import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Signals, and where standard output goes: the client as a process of its own. */
@Timeout(120)
class ClientStopTest {

    @TempDir
    Path folder;

    private Program client(int port, String... arguments) throws IOException {
        List<String> all = new ArrayList<>(List.of("--bench", "--port", "" + port, "--size",
                "10", "--warmup", "0"));
        for (String file : List.of("json", "hgrm", "plot")) {
            Files.writeString(folder.resolve(file), "old");
            all.addAll(List.of("--" + file, folder.resolve(file).toString()));
        }
        all.addAll(List.of(arguments));
        return Program.java("EchoClient", all.toArray(new String[0]));
    }

    private Json json() throws IOException {
        return Json.of(Files.readString(folder.resolve("json")));
    }

    @Test
    void ctrlCReportsWhatWasMeasured() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer.port(), "--duration", "1h", "--interval",
                        "100ms", "--parallel", "2")) {
            client.awaitErr("0.3 s: ");
            long began = System.nanoTime();
            client.signal("INT");
            assertEquals(130, client.end(20));
            assertTrue(System.nanoTime() - began < 5 * Made.SECOND);
            int came = peer.notedAt.size();
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
            assertEquals(came, json().number("messages"), 2);
            assertEquals(List.of(true, true),
                    List.of(json().get("valid"), json().get("interrupted")));
            assertTrue(client.out().startsWith(String.format("[bench] repeats: %.0f,",
                    json().number("messages"))), client.out());
            assertTrue(Files.readString(folder.resolve("hgrm")).contains("Total count"));
            assertTrue(Files.readString(folder.resolve("plot")).contains("INTERRUPTED"));
        }
    }

    @Test
    void sigtermWhileNothingComesBack() throws Exception {
        try (Peer peer = Peer.start((client, number) -> {
            client.getOutputStream().write(Peer.read(client, 10));
            Peer.read(client, 11);
        }); Program client = client(peer.port(), "--duration", "1h", "--interval", "250ms")) {
            client.awaitErr("0.5 s: no echo");
            client.signal("TERM");
            assertEquals(143, client.end(20));
            assertEquals(1, json().number("messages"));
            assertEquals(1, json().number("waiting"));
            assertTrue(json().number("waiting_us_max") >= 450_000);
            assertEquals(json().number("waiting_us_max"), json().number("rtt_us.max"), 1);
            assertEquals(json().number("elapsed_s") * 1e6, json().number("waiting_us_max"),
                    250_000);
            assertTrue(client.out().contains("1 message, waiting for"), client.out());
        }
    }

    @Test
    void beforeAnythingCameBackNothingOldStays() throws Exception {
        try (Peer peer = Peer.start((client, number) -> Peer.read(client, 20));
                Program client = client(peer.port())) {
            Program.await(20, "it has connected", () -> peer.connectedAt.size() == 1);
            client.signal("INT");
            assertEquals(130, client.end(20));
            assertEquals("", client.out());
            assertEquals(List.of(false, true),
                    List.of(json().get("valid"), json().get("interrupted")));
            assertEquals("", Files.readString(folder.resolve("hgrm"))
                    + Files.readString(folder.resolve("plot")));
        }
    }

    @Test
    void ourOwnStandstillIsSaidToBeOurs() throws Exception {
        try (Peer peer = Peer.echo(10, 0);
                Program client = client(peer.port(), "--rate", "100", "--duration", "2500ms",
                        "--interval", "100ms")) {
            client.awaitErr("0.3 s: ");
            client.signal("STOP");
            Thread.sleep(1000); // what it stands still for
            client.signal("CONT");
            assertEquals(0, client.end(20), client.err());
            List<?> warnings = json().list("warnings");
            assertTrue(("" + warnings.get(0)).contains("client itself stood still"),
                    warnings.toString());
            assertEquals(1_000_000, ReportTest.timeAfter("" + warnings.get(0), "for"),
                    300_000);
            assertFalse(warnings.toString().contains("--parallel"), warnings.toString());
        }
    }

    @Test
    void standardOutputIsNotCutWhenAFileIsThere() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Path file = Files.writeString(folder.resolve("all"), "before\n");
            List<String> command = List.of(Program.JAVA, "-cp", Program.CLASSES, "EchoClient",
                    "--bench", "--port", "" + server.port(), "--repeat", "20", "--warmup",
                    "0", "--json", "/dev/stdout");
            try (Program client = Program.start(new ProcessBuilder(command)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(file.toFile())))) {
                assertEquals(0, client.end(20));
            }
            List<String> lines = Files.readAllLines(file);
            assertEquals("before", lines.get(0));
            assertTrue(lines.stream().anyMatch(line -> line.startsWith("{")), "" + lines);
            assertTrue(lines.stream().anyMatch(line -> line.contains("repeats: 20,")));
        }
    }

    @Test
    void aFullOutputIsAnError() throws Exception {
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/full")), "only Linux has it");
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = Program.start(new ProcessBuilder(Program.JAVA, "-cp",
                        Program.CLASSES, "EchoClient", "--port", "" + server.port())
                        .redirectOutput(new File("/dev/full")))) {
            assertEquals(1, client.end(20));
            assertTrue(client.err().contains("standard output"), client.err());
        }
    }

    @Test
    @Tag("slow")
    void ctrlCWithMuchBehindScheduleLosesNothing() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0");
                Program client = client(server.port(), "--parallel", "500", "--rate",
                        "10000000", "--duration", "1h", "--interval", "1s")) {
            client.awaitErr("15 s: ");
            client.signal("TERM");
            assertEquals(143, client.end(30));
            assertTrue(client.out().contains("INTERRUPTED"));
            assertTrue(json().number("unsent") > 10_000_000);
            assertTrue(Files.size(folder.resolve("plot")) > 1000);
            assertTrue(Files.size(folder.resolve("hgrm")) > 1000);
        }
    }

    @Test
    @Tag("slow")
    void ctrlCAndSuspendedAtOnce() throws Exception {
        try (Peer peer = Peer.echo(10, 1);
                Program client = client(peer.port(), "--duration", "1h", "--interval",
                        "100ms")) {
            client.awaitErr("0.3 s: ");
            client.signal("INT");
            Thread.sleep(20);
            client.signal("STOP");
            Thread.sleep(6000); // longer than any time that it would wait for itself
            client.signal("CONT");
            assertEquals(130, client.end(20));
            assertEquals(true, json().get("interrupted"));
            assertTrue(client.out().contains("INTERRUPTED"), client.out());
        }
    }
}
