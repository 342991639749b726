import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.*;
import java.util.regex.*;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** README's commands, typed into an interactive shell: java gets the words that a reader sees. */
@Timeout(60)
class ReadmeShellTest {

    @ParameterizedTest
    @ValueSource(strings = {"bash", "zsh"})
    void javaGetsTheWordsThatAReaderSees(String shell, @TempDir Path folder) throws Exception {
        Assumptions.assumeTrue(isThere(shell), shell + " is not installed");
        List<String> commands = ReadmeTest.commands().stream()
                .filter(command -> command.startsWith("java ")).collect(Collectors.toList());
        assertTrue(commands.size() >= 15, "" + commands);
        StringBuilder session = new StringBuilder("java() { printf '<%s>' got \"$@\"; echo; }\n");
        List<String> expected = new ArrayList<>();
        for (String command : commands) {
            session.append(command).append("\n");
            StringBuilder words = new StringBuilder("<got>");
            Matcher word = Pattern.compile("\"([^\"]*)\"|(\\S+)").matcher(command.substring(5));
            while (word.find()) {
                String plain = word.group(1) == null ? word.group(2) : word.group(1);
                words.append('<').append(plain).append('>');
            }
            expected.add(words.toString());
        }
        ProcessBuilder typed = new ProcessBuilder(shell, "-i").directory(folder.toFile());
        typed.environment().put("HOME", folder.toString());
        try (Program program = Program.start(typed)) {
            program.in().write(session.toString().getBytes(StandardCharsets.UTF_8));
            program.in().close();
            program.end(30);
            assertEquals(expected, program.out().lines().filter(line -> line.contains("<got>"))
                    .map(line -> line.substring(line.indexOf("<got>")))
                    .collect(Collectors.toList()), program.err());
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
