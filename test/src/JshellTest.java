import static org.junit.jupiter.api.Assertions.*;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
        try (Program session = Program.start(builder)) {
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
            assertTrue(out.contains("\"Hello, echo!\" (12 bytes)"), out);
            assertTrue(out.contains("first 0") && out.contains("second 0"), out);
            assertTrue(out.contains("repeats: 50, msg_len: 1024 bytes"), out);
            assertTrue(out.contains("third 1"), out); // it failed, and the session goes on
            assertFalse(out.contains("Warning") || out.contains("Error:"), out);
        }
    }
}
