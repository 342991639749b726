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
        Ran ran = new Ran(kind::run, args);
        assertEquals(2, ran.status, String.join(" ", args));
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith(kind.tag), ran.err);
        Check.has(ran.err, named);
        assertEquals(1, ran.err.lines().count(), ran.err);
        assertTrue(ran.err.chars().noneMatch(c -> c != '\n' && Character.isISOControl(c)));
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
        "--help=me,--help", "--host --verbose,--host"})
    void aWrongCommandLineIsRefusedInOneLineThatNamesTheOption(String line, String named) {
        for (ServerKind kind : ServerKind.values()) {
            assertRefused(kind, named, line.split(" "));
        }
    }

    @ParameterizedTest
    @CsvSource({"THREADED,--loops 2", "ASYNC,--virtual", "ASYNC,--spin", "ASYNC,--loops 1025",
        "ASYNC,--loops 0", "THREADED,--spin --virtual", "THREADED,--virtual --spin"})
    void whatOnlyTheOtherHasAndWhatExcludesEachOther(ServerKind kind, String line) {
        for (String option : line.replaceAll(" [0-9]+", "").split(" ")) {
            assertRefused(kind, option, line.split(" "));
        }
    }

    /** A line end, an escape, what turns a line around, and the control characters above 127. */
    @ParameterizedTest
    @EnumSource
    void whatSteersATerminalIsNotPrinted(ServerKind kind) {
        assertRefused(kind, "--port", "--port", "1\n2\r3\u001b[31m\u0085\u009b");
        assertRefused(kind, "a:.[31m..", "--host", "a:\u001b[31m\u202e\u2028");
    }

    /** As the client's, which has the same code for it; here by the server's own field. */
    @ParameterizedTest
    @CsvSource({"--bufsize 1,bufferSize,1", "--bufsize 0.5K,bufferSize,512", "--nagle,nagle,true",
        "--bufsize=16777216,bufferSize,16777216", "--bufsize 16M,bufferSize,16777216",
        "--max-connections 1,limit,1", "--max-connections 9999,limit,9999",
        "--idle-timeout 1000us,idleNanos,1000000", "--idle-timeout 2.5S,idleNanos,2500000000",
        "--idle-timeout 500h,idleNanos,1800000000000000", "--trace,trace,true"})
    void valuesAndTheirBounds(String line, String name, String value) throws Exception {
        for (ServerKind kind : ServerKind.values()) {
            try (ServerKind.Running server = kind.start(line)) {
                java.lang.reflect.Field field = server.server.getClass().getDeclaredField(name);
                field.setAccessible(true);
                assertEquals(value, "" + field.get(server.server));
            }
            kind.start("--max-connections 1000000").close(); // more than the heap has room for
            try {
                kind.start("--port 65535").close();
            } catch (IOException e) {
                // another program has it
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
            Ran ran = new Ran(kind::run, "--port", "x", flag);
            assertEquals(0, ran.status);
            assertEquals("", ran.err);
            for (String option : options.split(" ")) {
                Check.has(ran.out, "  " + option + " ");
            }
            Check.has(ran.out, "[127.0.0.1]", threaded ? "[5050]" : "[5051]", "65535", "[16k]",
                    "1g", "[10000", "1000000", "1ms", "500h");
        }
        try (Program full = kind.launchAfter("exec > /dev/full", "--help")) {
            assertEquals(1, full.end(30));
        }
    }

    /** Each as JDK and system name it; the second line stands only where it must. */
    @ParameterizedTest
    @CsvSource({"localhost,127.0.0.1,2", "127.0.0.2,127.0.0.2,1", "::1,[::1],1",
        "0.0.0.0,0.0.0.0,2", "::,[::],2"})
    void itAnnouncesTheAddressThatItIsBoundTo(String host, String shown, int lines)
            throws Exception {
        for (ServerKind kind : ServerKind.values()) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Thread thread = new Thread(() -> kind.run(new PrintStream(out, true), System.err,
                    "--host", host, "--port", "0"));
            thread.start();
            Check.await(10, "lines", () -> out.toString().lines().count() >= lines);
            String first = kind.tag + "listening on " + shown + ":";
            assertTrue(out.toString().startsWith(first), out.toString());
            if (host.equals("0.0.0.0")) {
                assertTrue(TestClient.isServed(Integer.parseInt(out.toString()
                        .substring(first.length()).split("\n")[0])));
            }
            assertEquals(host.equals("localhost"), out.toString().contains("\n" + kind.tag
                    + "loopback only; for all interfaces use --host 0.0.0.0\n"));
            thread.interrupt();
            thread.join(5000);
            assertEquals(lines + 1, out.toString().lines().count(), out.toString());
        }
    }

    @ParameterizedTest
    @EnumSource
    void anObjectShowsWhereItListens(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--host localhost")) {
            assertEquals(kind.program + " on 127.0.0.1:" + server.port(), "" + server.server);
        }
    }

    /** Either it listens there, or it says that it can't, because another program does. */
    @ParameterizedTest
    @CsvSource({"THREADED,127.0.0.1:5050", "ASYNC,127.0.0.1:5051"})
    void thePortThatNobodyAskedFor(ServerKind kind, String address) throws Exception {
        try (Program server = Program.java(List.of(), kind.program)) {
            Check.has(server.await("\n"), " " + address);
        }
    }

    /** One line, exit 1, and an exception for who calls start: the same cause in each. */
    private static String cannotStart(ServerKind kind, String line) {
        Ran ran = new Ran(kind::run, line.split(" "));
        assertEquals(1, ran.status, ran.toString());
        assertEquals("", ran.out);
        assertEquals(1, ran.err.lines().count(), ran.err);
        IOException e = assertThrows(IOException.class, () -> kind.start(line));
        String advice = e.getMessage().substring(e.getMessage().indexOf("; "));
        assertTrue(ran.err.endsWith(advice + "\n"), ran.err);
        return ran.err;
    }

    @ParameterizedTest
    @EnumSource
    void eachCauseHasItsOwnAdvice(ServerKind kind) throws Exception {
        String elsewhere = cannotStart(kind, "--port 0 --host 192.0.2.1");
        Check.has(elsewhere, "192.0.2.1:0", "--host");
        String unknown = cannotStart(kind, "--port 0 --host no-such.invalid");
        Check.has(unknown, "--host");
        Check.lacks(elsewhere + unknown, "--port");
        for (String first : List.of("THREADED --verbose", "ASYNC --loops 1", "ASYNC --loops 2")) {
            String[] words = first.split(" ", 2);
            try (ServerKind.Running server = ServerKind.valueOf(words[0]).start(words[1])) {
                String port = "--port " + server.port();
                if (kind == ServerKind.ASYNC) { // loops share a port, but not with others
                    cannotStart(kind, port + " --loops 2");
                }
                Check.has(cannotStart(kind, port + " --verbose"), "127.0.0.1:" + server.port(),
                        "--port 0");
            }
        }
    }

    /** Below 1024 the system wants a privilege; another port would be no better advice. */
    @ParameterizedTest
    @EnumSource
    void aPortThatNeedsAPrivilege(ServerKind kind, @TempDir Path folder) throws Exception {
        File limit = new File("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        Assumptions.assumeTrue(System.getProperty("user.name").equals("root")
                && Files.exists(Path.of("/usr/bin/setpriv")) && limit.exists(), "only root can");
        try (Scanner first = new Scanner(limit)) {
            Assumptions.assumeTrue(first.nextInt() > 7, "any port is free");
        }
        // Another user may not read the project's folder.
        for (File file : new File(Program.CLASSES).listFiles()) {
            Files.copy(file.toPath(), folder.resolve(file.getName()));
        }
        assertTrue(folder.toFile().setReadable(true, false)
                && folder.toFile().setExecutable(true, false));
        try (Program server = Program.command("setpriv", "--reuid", "65534", "--clear-groups",
                Program.JAVA, "-cp", folder.toString(), kind.program, "--port", "7")) {
            assertEquals(1, server.end(20), server.err());
            assertEquals(1, server.err().lines().count(), server.err());
            Check.has(server.err(), "127.0.0.1:7", "1024");
            Check.lacks(server.err(), "--port");
        }
    }

    /** Loops each need descriptors; what was opened before there were none left is closed. */
    @ParameterizedTest
    @ValueSource(ints = {30, 40, 60})
    void tooFewDescriptorsForTheLoopsEndInOneLine(int loops) throws Exception {
        try (Program server = ServerKind.ASYNC.launchAfter("ulimit -n 100", "--loops " + loops)) {
            assertEquals(1, server.end(20));
            Check.has(server.err(), "ulimit -n");
            assertEquals(1, server.err().lines().count(), server.err());
            assertEquals("", server.out());
        }
    }

    @Test
    void loopsNeedLinux() throws Exception {
        try (Program server = ServerKind.ASYNC.launch(List.of("-Dos.name=Mac OS X"),
                "--loops 2")) {
            assertEquals(2, server.end(20));
            Check.has(server.err(), "--loops");
        }
    }

    /** Nothing is left of a start that failed: no thread, no descriptor, no port. */
    @ParameterizedTest
    @EnumSource
    void failedStartsLeaveNothing(ServerKind kind) throws Exception {
        String port;
        try (ServerSocket taken = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            port = "--port " + taken.getLocalPort();
            cannotStart(kind, port);
            int before = descriptors();
            for (int i = 0; i < 20; i++) {
                assertThrows(IOException.class, () -> kind.start(port));
            }
            Check.await(10, "no thread", () -> Thread.getAllStackTraces().keySet().stream()
                    .map(Thread::getName).noneMatch(
                            List.of("accept", "loop", "client", "close")::contains));
            Check.await(10, "no descriptor", () -> descriptors() < before + 10);
        }
        try (ServerKind.Running server = kind.start(port)) {
            assertTrue(TestClient.isServed(server.port()));
        }
    }

    private static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    /** Half of the heap holds at most so many buffers; one line says what would hold more. */
    @ParameterizedTest
    @CsvSource({"THREADED,''", "THREADED,--virtual", "ASYNC,''"})
    void theHeapLimitsTheClients(ServerKind kind, String option) throws Exception {
        Assumptions.assumeTrue(option.isEmpty() || Runtime.version().feature() >= 21);
        try (Program server = kind.launch(List.of("-Xmx64m"),
                "--bufsize 8m --max-connections 10 " + option)) {
            int port = server.port();
            Check.has(server.await("-Xmx"), "--max-connections");
            assertEquals(1, server.err().lines().count(), server.err());
            List<TestClient> clients = TestClient.crowd(port, 5); // at most four fit
            for (int i = 0; i < 3; i++) {
                assertArrayEquals(new byte[] {(byte) i}, clients.get(i).receive(1));
            }
            assertTrue(clients.get(4).isSilentFor(300));
            TestClient.closeAll(clients);
            assertTrue(TestClient.isServed(port));
        }
    }

    /** What it advises is enough with each collector, and not much more than that. */
    @Tag("slow")
    @ParameterizedTest
    @CsvSource({"THREADED,-XX:+UseSerialGC", "ASYNC,-XX:+UseParallelGC", "THREADED,-XX:+UseG1GC"})
    void theAdvisedHeapIsEnough(ServerKind kind, String collector) throws Exception {
        String line = "--bufsize 64k --max-connections 1000";
        String advised;
        try (Program server = kind.launch(List.of("-Xmx64m", collector), line)) {
            advised = server.await("-Xmx").replaceAll("(?s).*(-Xmx[0-9]+m).*", "$1");
        }
        Check.between(125, 160, Integer.parseInt(advised.replaceAll("[^0-9]", "")));
        try (Program server = kind.launch(List.of(advised, collector), line)) {
            assertTrue(server.port() > 0);
            assertEquals("", server.err());
        }
    }

    /** A client takes 4 KiB at least; a buffer that has no room is told, and closes the client. */
    @ParameterizedTest
    @EnumSource
    void buffersOfOneByteAndOfAGigabyte(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx64m"), "--bufsize 1")) {
            String line = server.await("--max-connections");
            Check.between(7000, 8192, Integer.parseInt(line.replaceAll(
                    "(?s).*--max-connections ([0-9]+).*", "$1")));
        }
        try (Program server = kind.launch(List.of("-Xmx64m"), "--bufsize 1g")) {
            for (int i = 0; i < 2; i++) {
                try (TestClient client = new TestClient(server.port())) {
                    client.send((byte) 1);
                    assertTrue(client.isEnded());
                }
            }
            server.awaitMessages(2); // of the heap, and of a client that cannot be served
        }
    }
}
