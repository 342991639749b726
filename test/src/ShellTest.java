import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The programs as a shell's user meets them: full disks, closed pipes, locales, limits. */
@EnabledOnOs(OS.LINUX)
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ShellTest {

    /** Where a script is run. */
    @TempDir
    Path folder;

    /** Runs a script in which $CLIENT and $PORT stand for a client and a server that echoes. */
    private ClientSupport.Run bash(String script) throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            String java = ClientSupport.jdk("java") + " -cp " + System.getProperty("echo.classes");
            return ClientSupport.process(folder, new byte[0], "bash", "-c", "set -o pipefail;"
                    + " JAVA='" + java + "'; CLIENT=\"$JAVA EchoClient --port " + server.port()
                    + "\"\n" + script);
        }
    }

    private static void assertOneLine(String expected, ClientSupport.Run run) {
        assertEquals(1, run.err.size(), run.toString());
        assertTrue(run.err.get(0).contains(expected), run.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"--bench --repeat 5 --warmup 0", "--json -", "--message hi", "--help",
        "--bench --repeat 5 --warmup 0 --json -"})
    void outputThatCannotBeWrittenIsAFailure(String arguments) throws Exception {
        for (String to : List.of(">/dev/full", ">&-")) {
            assertOneLine("[client] cannot write to standard output",
                    bash("$CLIENT " + arguments + " " + to).expect(1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theHelpOfAServerThatCannotBeWritten(ServerKind kind) throws Exception {
        bash("$JAVA " + kind.program + " --help >/dev/full").expect(1);
    }

    /** Who prints into a pipe that nobody reads any more must not go on for ever. */
    @Test
    void aClosedPipeEndsTheLines() throws Exception {
        ClientSupport.Run run = bash("yes | $CLIENT --message - | head -1 >/dev/null;"
                + " exit ${PIPESTATUS[1]}").expect(1);
        assertOneLine("cannot write to standard output", run);
    }

    /** The result is what took the time; a file that fails must not cost it. */
    @Test
    void aFileThatFailsAfterTheRunComesAfterTheText() throws Exception {
        ClientSupport.Run run = bash("$CLIENT --bench --repeat 5 --warmup 0 --hgrm /dev/full"
                + " --plot run.svg").expect(1);
        assertTrue(run.out.get(0).startsWith("[bench] repeats: 5,"), run.toString());
        assertOneLine("[client] cannot write /dev/full: ", run);
        assertFalse(run.err.get(0).endsWith("/dev/full"), "a reason: " + run);
        assertTrue(Files.readString(folder.resolve("run.svg")).endsWith("</svg>\n"));
    }

    @Test
    void aFileThatCannotBeWrittenIsNamedWithTheReasonBeforeTheRun() throws Exception {
        for (String file : List.of("/proc/x", "none/x", ".")) {
            ClientSupport.Run run = bash("$CLIENT --bench --json " + file).expect(1);
            assertOneLine("[client] cannot write " + file, run);
            assertTrue(run.err.get(0).matches(".*(No such|directory|denied).*"), run.toString());
            assertEquals(List.of(), run.out);
        }
    }

    @Test
    void textJsonDistributionAndPictureAreOfOneRun() throws Exception {
        ClientSupport.Run run = bash("$CLIENT --bench --repeat 1500 --json a.json --hgrm a.hgrm"
                + " --plot a.svg --message '<&> it'\\''s'").expect(0);
        String text = Files.readString(folder.resolve("a.json"));
        ClientJson json = ClientJson.parse(text);
        assertEquals(1, text.lines().count());
        assertEquals(String.format("[bench] avg RTT: %.3f ms",
                json.number("rtt_us.mean") / 1000), run.out.get(1).replaceAll(",.*", ""));
        assertTrue(Files.readString(folder.resolve("a.hgrm")).contains(String.format(
                "#[Max     = %12.3f,", json.number("rtt_us.max"))), text);
        assertTrue(((String) json.get("time")).matches("20..-..-..T..:..:..Z"), text);
        assertTrue(((String) json.get("command")).endsWith("--message <&> it's"), text);
        assertEquals("127.0.0.1", json.get("host"));
        assertTrue(json.number("port") > 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"EchoServer", "AsyncEchoServer", "EchoClient"})
    void anEmptyHostAndIpv6WhereThereIsNone(String program) throws Exception {
        assertOneLine("--host needs a value", bash("$JAVA " + program + " --host ''").expect(2));
        ClientSupport.Run run = bash("$JAVA -Djava.net.preferIPv4Stack=true " + program
                + " --host ::1 --port 1").expect(1);
        assertOneLine("[::1]:1: ", run);
        assertFalse(run.toString().contains("null"), run.toString());
    }

    /** What comes from standard input is bytes, whatever the locale. */
    @Test
    void aMessageThatTheLocaleCannotExpress() throws Exception {
        ClientSupport.Run run = bash("printf '\\xc3\\xbc' | LC_ALL=C $CLIENT --message -")
                .expect(0);
        assertTrue(run.out.get(1).contains("(2 bytes)"), run.toString());
    }

    @Test
    void heapExhaustedIsAJsonObjectToo() throws Exception {
        for (String arguments : List.of("--bench --size 30m", "--size 300m")) {
            ClientSupport.Run run = bash("${CLIENT/java /java -Xmx24m } " + arguments
                    + " --json -").expect(1);
            assertEquals(false, run.json().get("valid"));
            assertTrue(((String) run.json().get("error")).contains("memory"), run.toString());
            assertFalse(run.toString().contains("Exception"), run.toString());
        }
    }

    @Test
    void descriptorsExhaustedNamesTheLimit() throws Exception {
        ClientSupport.Run run = bash("ulimit -n 60; $CLIENT --bench --parallel 100").expect(1);
        assertOneLine("ulimit -n", run);
        assertTrue(run.err.get(0).startsWith("[client] cannot connect to 127.0.0.1:"),
                "what and where: " + run);
    }

    /** A server on the second address of a name is found. */
    @Test
    void everyAddressOfANameIsTried() throws Exception {
        Files.writeString(folder.resolve("hosts"), "127.0.0.1 twofold\n::1 twofold\n");
        ServerKind.Running started = null;
        try {
            started = ServerKind.THREADED.start("--host", "::1");
        } catch (IOException e) {
            Assumptions.abort("no IPv6 here: " + e);
        }
        try (ServerKind.Running server = started) {
            ClientSupport.Run run = bash("${CLIENT/java /java -Djdk.net.hosts.file=hosts }"
                    + " --host twofold --port " + server.port()).expect(0);
            assertEquals("[client] received: \"Hello, echo!\" (12 bytes)", run.out.get(1));
        }
    }

    /** Connections and look-ups are bounded by the same option, and each says what it was. */
    @Test
    void aLookUpThatTakesTooLongSaysSo() {
        ClientSupport.Run run = ClientSupport.run("--host", "nowhere.invalid", "--timeout", "1ms");
        assertOneLine("nowhere.invalid:5050: ", run.expect(1));
        assertTrue(run.err.get(0).matches(".*(not looked up within 1[.]00 ms|unknown host).*"),
                run.toString());
    }

    /** A terminal knows these, too, as the beginning of a command (ECMA-48, 8-bit CSI). */
    @Test
    void eightBitControlCharactersAreNotPrinted() throws Exception {
        ClientSupport.Run run = bash("printf 'a\\xc2\\x9b31mb'"
                + " | LC_ALL=C.UTF-8 $CLIENT --message -").expect(0);
        assertEquals("[client] received: \"a.31mb\" (7 bytes)", run.out.get(1));
    }

    @Test
    void sizesTakeEitherCaseAndParallelHasALimit() throws Exception {
        assertTrue(bash("$CLIENT --size 1K").expect(0).out.get(1).endsWith("(1024 bytes)"));
        assertOneLine("--parallel takes a number from 1 to 65535, not 70000",
                bash("$CLIENT --bench --parallel 70000").expect(2));
    }

    @Test
    void aSingleMessageAsJsonHasNoAdviceForBenchmarks() throws Exception {
        assertFalse(bash("$CLIENT --json -").expect(0).json().has("warnings.0"));
    }

    /** From standard input to a server that answers by lines. */
    @Test
    void aServerThatWaitsForALineEnd() throws Exception {
        try (ClientSupport.TestServer server = new ClientSupport.TestServer((in, out) -> {
            StringBuilder line = new StringBuilder();
            for (int b = in.read(); b >= 0; b = in.read()) {
                line.append((char) b);
                if (b == '\n') {
                    out.write(line.toString().getBytes(StandardCharsets.ISO_8859_1));
                    line.setLength(0);
                }
            }
        })) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--timeout", "1s");
            assertOneLine("a line end", run.expect(1));
            bash("printf 'one\\ntwo\\n' | $CLIENT --port " + server.port() + " --message -")
                    .expect(0);
        }
    }
}
