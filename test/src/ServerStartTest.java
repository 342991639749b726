import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What the servers refuse, what they announce, and how they tell that they cannot start. */
@Timeout(60)
class ServerStartTest {

    private static void assertRefused(ServerKind kind, String named, String... args) {
        Ran ran = kind.ran(args);
        assertEquals(2, ran.status, String.join(" ", args));
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith(kind.tag) && ran.err.contains(named), ran.err);
        assertEquals(1, ran.err.lines().count(), ran.err);
    }

    @ParameterizedTest
    @CsvSource({"--prot 5050,--prot", "--port,--port", "--port --verbose,--port",
        "--port=,--port", "--host=,--host", "--host localhost:5050,--host",
        "--host [::1]:5050,--host", "--host http://localhost,--host", "--port 65536,--port",
        "--port -1,--port", "--port 99999999999999999999,--port", "--port 5O5O,--port",
        "--port 0.5,--port", "--port 5k,--port", "--bufsize 0,--bufsize",
        "--bufsize 1025m,--bufsize", "--bufsize 16kb,--bufsize", "--bufsize 0.0001k,--bufsize",
        "--max-connections 0,--max-connections", "--max-connections 1000001,--max-connections",
        "--max-connections 1k,--max-connections", "--idle-timeout 0,--idle-timeout",
        "--idle-timeout 999us,--idle-timeout", "--idle-timeout 501h,--idle-timeout",
        "--idle-timeout 5,--idle-timeout", "--verbose=yes,yes", "--nagle off,off",
        "--help=me,--help"})
    void aWrongCommandLineIsRefusedInOneLineThatNamesTheOption(String line, String named) {
        for (ServerKind kind : ServerKind.values()) {
            assertRefused(kind, named, line.split(" "));
        }
    }

    @Test
    void eachServerRefusesWhatOnlyTheOtherHas() {
        assertRefused(ServerKind.THREADED, "--loops", "--loops", "2");
        assertRefused(ServerKind.ASYNC, "--virtual", "--virtual");
        assertRefused(ServerKind.ASYNC, "--spin", "--spin");
        assertRefused(ServerKind.ASYNC, "--loops", "--loops", "1025");
        assertRefused(ServerKind.ASYNC, "--loops", "--loops", "0");
        assertRefused(ServerKind.THREADED, "--spin", "--virtual", "--spin");
        assertRefused(ServerKind.THREADED, "--virtual", "--spin", "--virtual");
    }

    @ParameterizedTest
    @EnumSource
    void whatSteersATerminalIsNotPrinted(ServerKind kind) {
        assertRefused(kind, "--port", "--port", "1\n2\r3\u001b[31m");
        assertFalse(kind.ran("--host", "::\u001b[31m:x").err.contains("\u001b"));
    }

    @ParameterizedTest
    @EnumSource
    void theBoundsThemselvesAreTaken(ServerKind kind) throws Exception {
        for (String options : List.of("--bufsize 1", "--bufsize 0.5K", "--bufsize=16777216",
                "--max-connections 1", "--max-connections 1000000", "--idle-timeout 1000us",
                "--idle-timeout 500h", "--host localhost")) {
            try (ServerKind.Running server = kind.start(options.split(" "))) {
                assertEquals(kind.program + " on 127.0.0.1:" + server.port(),
                        server.toString());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void helpHasEveryOptionWhateverElseIsOnTheLine(ServerKind kind) throws Exception {
        boolean threaded = kind == ServerKind.THREADED;
        String options = "--host --port --bufsize --nagle --max-connections --idle-timeout"
                + " --verbose --trace " + (threaded ? "--virtual --spin" : "--loops");
        for (String flag : List.of("-h", "--help")) {
            Ran ran = kind.ran("--port", "x", flag);
            assertEquals(0, ran.status);
            assertEquals("", ran.err);
            for (String option : options.split(" ")) {
                assertTrue(ran.out.contains("  " + option + " "), option);
            }
            for (String value : List.of("[127.0.0.1]", threaded ? "[5050]" : "[5051]", "65535",
                    "[16k]", "1g", "[10000", "1000000", "1ms", "500h")) {
                assertTrue(ran.out.contains(value), value);
            }
        }
        try (Program full = kind.launchAfter("exec > /dev/full", "--help")) {
            assertEquals(1, full.end(30));
        }
    }

    @ParameterizedTest
    @EnumSource
    void itAnnouncesTheAddressThatItIsBoundTo(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of(), "--host", "localhost")) {
            int port = server.port();
            server.awaitOut("--host 0.0.0.0");
            assertEquals(kind.tag + "listening on 127.0.0.1:" + port + "\n" + kind.tag
                    + "loopback only; for all interfaces use --host 0.0.0.0\n", server.out());
            assertEquals("", server.err());
        }
        try (Program server = kind.launch(List.of(), "--host", "::1")) {
            assertEquals(kind.tag + "listening on [::1]:" + server.port() + "\n", server.out());
        }
        try (Program server = kind.launch(List.of(), "--host", "0.0.0.0")) {
            assertTrue(TestClient.isServed(server.port()));
        }
    }

    /** Either it listens there, or it says that it can't, because another program does. */
    @ParameterizedTest
    @CsvSource({"THREADED,127.0.0.1:5050", "ASYNC,127.0.0.1:5051"})
    void thePortThatNobodyAskedFor(ServerKind kind, String address) throws Exception {
        try (Program server = Program.java(kind.program)) {
            Program.await(20, "a line", () -> (server.out() + server.err()).contains("\n"));
            assertTrue((server.out() + server.err()).contains(" " + address), server.err());
        }
    }

    /** One line, exit 1, and an exception for who calls start: the same cause in each. */
    private static String cannotStart(ServerKind kind, String... args) {
        Ran ran = kind.ran(args);
        assertEquals(1, ran.status, ran.toString());
        assertEquals("", ran.out);
        assertEquals(1, ran.err.lines().count(), ran.err);
        IOException e = assertThrows(IOException.class, () -> kind.start(args));
        String advice = e.getMessage().substring(e.getMessage().indexOf("; "));
        assertTrue(ran.err.endsWith(advice + "\n"), ran.err);
        return ran.err;
    }

    @ParameterizedTest
    @EnumSource
    void eachCauseHasItsOwnAdvice(ServerKind kind) throws Exception {
        String elsewhere = cannotStart(kind, "--port", "0", "--host", "192.0.2.1");
        assertTrue(elsewhere.contains("192.0.2.1:0"), elsewhere);
        assertTrue(elsewhere.contains("--host") && !elsewhere.contains("--port"), elsewhere);
        String unknown = cannotStart(kind, "--port", "0", "--host", "no-such.invalid");
        assertTrue(unknown.contains("--host") && !unknown.contains("--port"), unknown);
        for (String first : List.of("THREADED --verbose", "ASYNC --loops 1", "ASYNC --loops 2")) {
            String[] words = first.split(" ", 2);
            try (ServerKind.Running server =
                    ServerKind.valueOf(words[0]).start(words[1].split(" "))) {
                String[] args = {"--port", "" + server.port(), "--verbose"};
                String taken = cannotStart(kind, args);
                if (kind == ServerKind.ASYNC) { // loops share a port, but not with others
                    cannotStart(kind, "--port", "" + server.port(), "--loops", "2");
                }
                assertTrue(taken.contains("127.0.0.1:" + server.port()), taken);
                assertTrue(taken.contains("--port 0"), taken);
            }
        }
    }

    /** Below 1024 the system wants a privilege; another port would be no better advice. */
    @ParameterizedTest
    @EnumSource
    void aPortThatNeedsAPrivilege(ServerKind kind, @TempDir Path folder) throws Exception {
        Path limit = Path.of("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        Assumptions.assumeTrue(System.getProperty("user.name").equals("root")
                && Files.exists(Path.of("/usr/bin/setpriv")) && Files.exists(limit)
                && Integer.parseInt(Files.readString(limit).trim()) > 7, "only root can try");
        // Another user may not read the project's folder.
        for (File file : new File(Program.CLASSES).listFiles()) {
            Files.copy(file.toPath(), folder.resolve(file.getName()));
        }
        folder.toFile().setReadable(true, false);
        folder.toFile().setExecutable(true, false);
        try (Program server = Program.command("setpriv", "--reuid", "65534", "--clear-groups",
                Program.JAVA, "-cp", folder.toString(), kind.program, "--port", "7")) {
            assertEquals(1, server.end(20), server.err());
            assertEquals(1, server.err().lines().count(), server.err());
            assertTrue(server.err().contains("127.0.0.1:7"), server.err());
            assertTrue(server.err().contains("1024"), server.err());
            assertFalse(server.err().contains("--port"), server.err());
        }
    }

    /** Loops each need descriptors; what was opened before there were none left is closed. */
    @ParameterizedTest
    @ValueSource(ints = {30, 40, 60})
    void tooFewDescriptorsForTheLoopsEndInOneLine(int loops) throws Exception {
        try (Program server = ServerKind.ASYNC.launchAfter("ulimit -n 100",
                "--loops", "" + loops)) {
            assertEquals(1, server.end(20));
            assertTrue(server.err().contains("ulimit -n"), server.err());
            assertEquals(1, server.err().lines().count(), server.err());
            assertEquals("", server.out());
        }
    }

    @Test
    void loopsNeedLinux() throws Exception {
        try (Program server = ServerKind.ASYNC.launch(List.of("-Dos.name=Mac OS X"),
                "--loops", "2")) {
            assertEquals(2, server.end(20));
            assertTrue(server.err().contains("--loops"), server.err());
        }
    }

    /** Nothing is left of a start that failed: no thread, no descriptor, no port. */
    @ParameterizedTest
    @EnumSource
    void failedStartsLeaveNothing(ServerKind kind) throws Exception {
        String port;
        try (ServerSocket taken = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            port = "" + taken.getLocalPort();
            cannotStart(kind, "--port", port);
            int before = descriptors();
            for (int i = 0; i < 20; i++) {
                assertThrows(IOException.class, () -> kind.start("--port", port));
            }
            Program.await(10, "no thread", () -> Thread.getAllStackTraces().keySet().stream()
                    .map(Thread::getName).noneMatch(
                            List.of("accept", "loop", "client", "close")::contains));
            Program.await(10, "no descriptor", () -> descriptors() < before + 10);
        }
        try (ServerKind.Running server = kind.start("--port", port)) {
            assertTrue(TestClient.isServed(server.port()));
        }
    }

    private static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    /** Half of the heap holds at most so many buffers; one line says what would hold more. */
    @ParameterizedTest
    @EnumSource
    void theHeapLimitsTheClients(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx64m"), "--bufsize", "8m",
                "--max-connections", "10")) {
            int port = server.port();
            String line = server.awaitErr("\n");
            assertEquals(1, line.lines().count(), line);
            assertTrue(line.contains("--max-connections") && line.contains("-Xmx"), line);
            List<TestClient> clients = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                clients.add(new TestClient(port));
                assertTrue(clients.get(i).echoes((byte) i));
            }
            for (int i = 3; i < 5; i++) {
                clients.add(new TestClient(port));
                clients.get(i).send((byte) i);
            }
            assertTrue(clients.get(4).isSilentFor(300));
            TestClient.closeAll(clients);
            assertTrue(TestClient.isServed(port));
        }
        try (Program server = kind.launch(List.of("-Xmx16m"), "--bufsize", "1g")) {
            server.awaitErr("-Xmx");
            assertTrue(server.port() > 0);
        }
        try (Program server = kind.launch(List.of("-Xmx64m"), "--bufsize", "1")) {
            assertTrue(server.port() > 0 && server.awaitErr("\n").contains("-Xmx"));
        }
    }
}
