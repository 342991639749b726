import static org.junit.jupiter.api.Assertions.*;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** The files in a real jshell, all in one session. */
@Tag("slow")
@Timeout(120)
class JshellTest {

    @Test
    void serversAndClientInOneSession(@TempDir Path home) throws Exception {
        String jshell = Path.of(Program.JAVA).resolveSibling("jshell").toString();
        ProcessBuilder builder = new ProcessBuilder(jshell, "-s", "-J-Duser.home=" + home,
                "-J-Djava.util.prefs.userRoot=" + home, "EchoServer.java",
                "AsyncEchoServer.java", "EchoClient.java").directory(Program.ROOT.toFile());
        try (Program session = new Program(builder)) {
            session.in().write(String.join("\n",
                    "var one = EchoServer.start(\"--port\", \"0\")",
                    "var two = AsyncEchoServer.start(\"--port\", \"0\")",
                    "System.out.println(one + \" and \" + two)",
                    "var status = EchoClient.run(\"--port\", \"\" + one.port())",
                    "System.out.println(\"first \" + status)",
                    "status = EchoClient.run(\"--bench\", \"--repeat\", \"50\", \"--port\","
                            + " \"\" + two.port())",
                    "System.out.println(\"second \" + status)",
                    "one.close(); two.close()",
                    "status = EchoClient.run(\"--port\", \"\" + one.port())",
                    "System.out.println(\"third \" + status)",
                    "/exit", "").getBytes(StandardCharsets.UTF_8));
            session.in().close();
            assertEquals(0, session.end(110));
            String out = session.out();
            assertTrue(out.matches("(?s).*EchoServer on 127.0.0.1:[0-9]+ and AsyncEchoServer on"
                    + " 127.0.0.1:[0-9]+\n.*"), out);
            Check.has(out, "\"Hello, echo!\" (12 bytes)", "first 0", "second 0",
                    "repeats: 50, msg_len: 1024 bytes", "third 1"); // it failed, and all goes on
            Check.lacks(out, "Warning", "Error:");
        }
    }

    /** Ctrl-C while a server runs: jshell throws an error into the thread that runs it. */
    @Test
    void ctrlCEndsAServer() throws Exception {
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        try (jdk.jshell.JShell shell = jdk.jshell.JShell.builder()
                .out(new java.io.PrintStream(out, true)).build()) {
            for (ServerKind kind : ServerKind.values()) {
                String rest = SourceTest.source(kind.program);
                while (!rest.isBlank()) {
                    jdk.jshell.SourceCodeAnalysis.CompletionInfo next =
                            shell.sourceCodeAnalysis().analyzeCompletion(rest);
                    shell.eval(next.source());
                    rest = next.remaining();
                }
                Thread run = new Thread(() -> shell.eval(kind.program
                        + ".run(System.out, System.err, \"--port\", \"0\")"));
                run.start();
                Check.await(30, "two lines", () -> out.toString().contains("0.0.0.0"));
                shell.stop();
                run.join(10_000);
                assertTrue(out.toString().endsWith("served 0 connections, 0 bytes echoed\n"),
                        out.toString());
                out.reset();
            }
        }
    }
}
