import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.net.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What the servers refuse, and how they tell that they cannot start. */
@Timeout(60)
class ServerCommandLineTest {

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
        assertRefused(ServerKind.THREADED, "--spin", "--virtual", "--spin");
        assertRefused(ServerKind.THREADED, "--virtual", "--spin", "--virtual");
    }

    private static void assertRefused(ServerKind kind, String named, String... args) {
        Ran ran = kind.ran(args);
        assertEquals(2, ran.status, String.join(" ", args));
        assertEquals("", ran.out);
        assertTrue(ran.err.startsWith(kind.tag) && ran.err.contains(named), ran.err);
        assertEquals(1, ran.err.lines().count(), ran.err);
    }

    @ParameterizedTest
    @EnumSource
    void theBoundsThemselvesAreTaken(ServerKind kind) throws Exception {
        String[][] all = {{"--bufsize", "1"}, {"--bufsize", "0.5K"}, {"--bufsize=16777216"},
            {"--max-connections", "1"}, {"--max-connections", "1000000"},
            {"--idle-timeout", "1000us"}, {"--idle-timeout", "500h"}, {"--host", "localhost"}};
        for (String[] args : all) {
            try (ServerKind.Running server = kind.start(args)) {
                assertEquals(kind.program + " on 127.0.0.1:" + server.port(),
                        server.toString());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void helpHasEveryOptionWhateverElseIsOnTheLine(ServerKind kind) {
        String port = kind == ServerKind.THREADED ? "5050" : "5051";
        String options = "--host --port --bufsize --nagle --max-connections --idle-timeout"
                + " --verbose --trace "
                + (kind == ServerKind.THREADED ? "--virtual --spin" : "--loops");
        for (String flag : List.of("-h", "--help")) {
            Ran ran = kind.ran("--port", "x", flag);
            assertEquals(0, ran.status);
            assertEquals("", ran.err);
            for (String option : options.split(" ")) {
                assertTrue(ran.out.contains("  " + option + " "), option);
            }
            for (String value : List.of("127.0.0.1", port, "65535", "16k", "1g", "10000",
                    "1000000", "1ms", "500h")) {
                assertTrue(ran.out.contains(value), value);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatSteersATerminalIsNotPrinted(ServerKind kind) {
        assertRefused(kind, "--port", "--port", "1\n2\r3\u001b[31m");
        assertFalse(kind.ran("--host", "::\u001b[31m:x").err.contains("\u001b"));
    }

    @ParameterizedTest
    @EnumSource
    void aPortThatIsTakenIsToldWithItsAdvice(ServerKind first) throws Exception {
        try (ServerKind.Running server = first.start()) {
            for (ServerKind second : ServerKind.values()) {
                String port = "" + server.port();
                String err = assertCannotStart(second, "--port", port);
                assertTrue(err.contains("127.0.0.1:" + port), err);
                assertTrue(err.contains("--port 0"), err);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void eachCauseHasItsOwnAdvice(ServerKind kind) throws Exception {
        String elsewhere = assertCannotStart(kind, "--port", "0", "--host", "192.0.2.1");
        assertTrue(elsewhere.contains("192.0.2.1:0"), elsewhere);
        assertTrue(elsewhere.contains("--host"), elsewhere);
        assertFalse(elsewhere.contains("--port"), elsewhere);
        String unknown = assertCannotStart(kind, "--port", "0", "--host", "no-such.invalid");
        assertTrue(unknown.contains("--host") && !unknown.contains("--port"), unknown);
    }

    private static String assertCannotStart(ServerKind kind, String... args) {
        Ran ran = kind.ran(args);
        assertEquals(1, ran.status, ran.toString());
        assertEquals("", ran.out);
        assertEquals(1, ran.err.lines().count(), ran.err);
        assertThrows(IOException.class, () -> kind.start(args));
        return ran.err;
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

    @ParameterizedTest
    @EnumSource
    void aFullDiskEndsTheHelpWithOne(ServerKind kind) throws Exception {
        try (Program help = kind.launchAfter("exec > /dev/full", "--help")) {
            assertEquals(1, help.end(30));
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

    /** Half of the heap holds at most so many buffers; one line says what would hold more. */
    @ParameterizedTest
    @EnumSource
    void theHeapLimitsTheClients(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx64m"), "--bufsize", "8m",
                "--max-connections", "10")) {
            int port = server.port();
            String line = server.awaitErr("\n");
            assertEquals(1, line.lines().count(), line);
            assertTrue(line.contains("--max-connections") && line.contains("-Xmx161m"), line);
            List<TestClient> clients = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                clients.add(new TestClient(port));
                assertTrue(clients.get(i).echoes((byte) i));
            }
            server.awaitOut("listening");
            for (int i = 3; i < 5; i++) {
                clients.add(new TestClient(port));
                clients.get(i).send((byte) i);
            }
            assertTrue(clients.get(4).isSilentFor(300));
            for (TestClient client : clients) {
                client.close();
            }
            assertTrue(TestClient.isServed(port));
        }
        try (Program server = kind.launch(List.of("-Xmx16m"), "--bufsize", "1g")) {
            server.awaitErr("-Xmx");
            assertTrue(server.port() > 0);
        }
    }
}
