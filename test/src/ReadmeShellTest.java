import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** README's commands of the programs, typed into a shell, beside servers on the usual ports. */
@Tag("slow")
@Timeout(180)
class ReadmeShellTest {

    @ParameterizedTest
    @ValueSource(strings = {"bash", "zsh"})
    void theClientsCommandsWorkInAnInteractiveShell(String shell, @TempDir Path folder)
            throws Exception {
        Assumptions.assumeTrue(isThere(shell), shell + " is not installed");
        List<String> commands = ReadmeTest.commands().stream()
                .filter(command -> command.startsWith("java EchoClient.java"))
                .filter(command -> !command.contains("server.example"))
                .distinct().collect(Collectors.toList());
        assertTrue(commands.size() >= 5, "" + commands);
        for (String program : List.of("EchoServer", "AsyncEchoServer", "EchoClient")) {
            Files.copy(Program.ROOT.resolve(program + ".java"),
                    folder.resolve(program + ".java"));
        }
        try (EchoServer first = EchoServer.start("--port", "0");
                AsyncEchoServer second = AsyncEchoServer.start("--port", "0")) {
            StringBuilder session = new StringBuilder();
            for (String command : commands) {
                boolean async = command.contains("5051");
                String here = command.replace(" --port 5051", "").replace(" --port 7000", "")
                        .replace("--duration 10s", "--duration 200ms");
                session.append(here.replace("EchoClient.java", "EchoClient.java --port "
                        + (async ? second.port() : first.port()))).append("\n");
                session.append("echo status=$?\n");
            }
            ProcessBuilder typed = new ProcessBuilder(shell, "-i").directory(folder.toFile());
            typed.environment().put("PATH", Path.of(Program.JAVA).getParent() + ":"
                    + System.getenv("PATH"));
            typed.environment().put("HOME", folder.toString());
            try (Program program = Program.start(typed)) {
                program.in().write(session.toString().getBytes(StandardCharsets.UTF_8));
                program.in().close();
                program.end(150);
                List<String> ends = program.out().lines()
                        .filter(line -> line.contains("status=") && !line.contains("$?"))
                        .map(line -> line.substring(line.indexOf("status=")))
                        .collect(Collectors.toList());
                assertEquals(Collections.nCopies(commands.size(), "status=0"), ends,
                        program.out() + program.err());
            }
        }
    }

    private static boolean isThere(String shell) {
        try (Program program = Program.command(shell, "-c", "exit 0")) {
            return program.end(10) == 0;
        } catch (IOException | InterruptedException e) {
            return false;
        }
    }
}
