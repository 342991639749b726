import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** README.md: its commands can be typed as they stand, and what it names exists. */
@Timeout(60)
class ReadmeTest {
    private static final Map<String, Ran.Main> PROGRAMS = Map.of("EchoServer", EchoServer::run,
            "AsyncEchoServer", AsyncEchoServer::run, "EchoClient", EchoClient::run);

    private static String read(String name) throws Exception {
        return Files.readString(Program.ROOT.resolve(name), StandardCharsets.UTF_8);
    }

    /** All that a pattern's group finds in a text. */
    private static List<String> all(String pattern, String text) {
        return Pattern.compile(pattern).matcher(text).results().map(found -> found.group(1))
                .collect(Collectors.toList());
    }

    /** Each command of README, and of the "Try it" in the sources. */
    static List<String> commands() throws Exception {
        List<String> commands = new ArrayList<>();
        for (String block : all("(?s)```sh\n(.*?)```", read("README.md"))) {
            commands.addAll(List.of(block.split("\n")));
        }
        commands.addAll(all("\n[$] (.*)", read("README.md")));
        for (String program : PROGRAMS.keySet()) {
            commands.addAll(all("\n \\* +(java .*)", SourceTest.source(program)));
        }
        assertTrue(commands.size() >= 20, commands.toString());
        return commands;
    }

    /** No comment behind it, no history expansion; and its program has the options. */
    @ParameterizedTest
    @MethodSource("commands")
    void aCommandCanBeTyped(String command) {
        Check.lacks(command, "#");
        assertFalse(command.matches(".*\"[^\"]*![^\"]*\".*"), command);
        assertTrue(command.matches("(java|jshell|[.]/run[.]sh|taskset|rsvg-convert) ?.*"), command);
        for (String program : all("java (\\w+)[.]java", command)) {
            String help = new Ran(PROGRAMS.get(program), "--help").out;
            for (String option : all(" (--[-a-z0-9]+)", command)) {
                Check.has(help, "  " + option + " ");
            }
        }
    }

    /** Typed into an interactive shell, java gets the words that a reader sees. */
    @ParameterizedTest
    @ValueSource(strings = {"bash", "zsh"})
    void bothShellsTakeTheCommandsAlike(String shell, @TempDir Path folder) throws Exception {
        Assumptions.assumeTrue(Stream.of("/bin/", "/usr/bin/").anyMatch(
                bin -> Files.exists(Path.of(bin + shell))), shell + " is not installed");
        StringBuilder session = new StringBuilder("java() { printf '<%s>' got \"$@\"; echo; }\n");
        List<String> expected = new ArrayList<>();
        for (String command : commands()) {
            if (command.startsWith("java ")) {
                session.append(command).append("\n");
                expected.add("<got><" + String.join("><", all("(\"[^\"]*\"|\\S+)",
                        command.substring(5))).replace("\"", "") + ">");
            }
        }
        ProcessBuilder typed = new ProcessBuilder(shell, "-i").directory(folder.toFile());
        typed.environment().put("HOME", folder.toString());
        try (Program program = new Program(typed)) {
            program.in().write(session.toString().getBytes(StandardCharsets.UTF_8));
            program.in().close();
            program.end(30);
            assertEquals(expected, all("(<got>.*)", program.out()), program.err());
        }
    }

    /** The members in its tables, its demos, and the files and pictures that it links. */
    @Test
    void whatItNamesExists() throws Exception {
        String readme = read("README.md");
        String sources = "";
        for (String program : PROGRAMS.keySet()) {
            sources += SourceTest.source(program);
        }
        List<String> demos = all("\ndemo_([a-z]+)\\(\\)", read("run.sh"));
        for (String row : all("\n([|].*Echo.*)", readme)) {
            for (String member : all("`([a-zA-Z]+)`", row)) {
                assertTrue(demos.contains(member) || sources.matches("(?s).*\\b" + member
                        + "( \\{|\\(| implements).*"), member);
            }
        }
        assertEquals(new TreeSet<>(demos),
                new TreeSet<>(all("[|] `([a-z]+)` [|] [0-9]+ [|]", readme)));
        for (String link : all("\\]\\(([^)h][^)]*)\\)", readme)) {
            assertTrue(Files.exists(Program.ROOT.resolve(link)), link);
        }
        assertTrue(readme.lines().count() <= 200);
    }
}
