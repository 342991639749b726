import static org.junit.jupiter.api.Assertions.*;

import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** README.md: its commands can be typed as they stand, and what it names exists. */
@Timeout(60)
class ReadmeTest {
    private static final List<String> PROGRAMS =
            List.of("EchoServer", "AsyncEchoServer", "EchoClient");

    private static String read(String name) throws Exception {
        return Files.readString(Program.ROOT.resolve(name), StandardCharsets.UTF_8);
    }

    /** Each command of README, and of the "Try it" in the sources. */
    static List<String> commands() throws Exception {
        List<String> commands = new ArrayList<>();
        Matcher block = Pattern.compile("(?s)```(sh|console)\n(.*?)```").matcher(read("README.md"));
        while (block.find()) {
            boolean session = block.group(1).equals("console");
            for (String line : block.group(2).split("\n")) {
                if (!session || line.startsWith("$ ")) {
                    commands.add(session ? line.substring(2) : line);
                }
            }
        }
        for (String program : PROGRAMS) {
            Matcher line = Pattern.compile("\n \\* +(java .*)").matcher(read(program + ".java"));
            while (line.find()) {
                commands.add(line.group(1));
            }
        }
        return commands;
    }

    /** bash and zsh take them alike: no comment behind it, no history expansion. */
    @ParameterizedTest
    @MethodSource("commands")
    void aCommandCanBeTypedIntoBashAndZsh(String command) {
        assertFalse(command.contains("#"), command);
        assertFalse(command.matches(".*\"[^\"]*![^\"]*\".*"), command);
        assertTrue(command.matches("(java|jshell|[.]/run[.]sh|taskset|rsvg-convert) ?.*"), command);
    }

    /** The client of each command accepts its options, up to where it would connect. */
    @ParameterizedTest
    @MethodSource("commands")
    void itsOptionsExist(String command) throws Exception {
        Matcher java = Pattern.compile("java (\\w+)[.]java(.*)").matcher(command);
        if (java.find()) {
            Matcher option = Pattern.compile(" (--[-a-z0-9]+)").matcher(java.group(2));
            String help = Ran.run((out, err, arguments) -> run(java.group(1), out, err),
                    "--help").out;
            while (option.find()) {
                assertTrue(help.contains("  " + option.group(1) + " "), command);
            }
        }
    }

    private static int run(String program, java.io.PrintStream out, java.io.PrintStream err) {
        switch (program) {
            case "EchoServer": return EchoServer.run(out, err, "--help");
            case "AsyncEchoServer": return AsyncEchoServer.run(out, err, "--help");
            default: return EchoClient.run(out, err, "--help");
        }
    }

    /** The members in its tables, and the files and pictures that it links. */
    @Test
    void whatItNamesExists() throws Exception {
        String readme = read("README.md");
        String sources = PROGRAMS.stream().map(name -> {
            try {
                return read(name + ".java");
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }).collect(Collectors.joining());
        for (String row : readme.split("\n")) {
            Matcher name = Pattern.compile("`([a-zA-Z]+)`").matcher(row);
            while (row.startsWith("|") && row.contains("Echo") && name.find()) {
                String member = name.group(1);
                assertTrue(sources.matches("(?s).*\\b" + member + "( \\{|\\(| implements).*")
                        || read("run.sh").contains("demo_" + member + "()"), member);
            }
        }
        Matcher link = Pattern.compile("\\]\\(([^)h][^)]*)\\)").matcher(readme);
        while (link.find()) {
            assertTrue(Files.exists(Program.ROOT.resolve(link.group(1))), link.group(1));
        }
        assertTrue(readme.lines().count() <= 200);
    }

    /** The exit codes, and the members of the lecture's demos. */
    @Test
    void itsDemosAreThoseOfRunSh() throws Exception {
        Matcher demo = Pattern.compile("\\| `([a-z]+)` \\| [0-9]+ \\|").matcher(read("README.md"));
        Set<String> named = new TreeSet<>();
        while (demo.find()) {
            named.add(demo.group(1));
        }
        Matcher made = Pattern.compile("\ndemo_([a-z]+)\\(\\)").matcher(read("run.sh"));
        Set<String> all = new TreeSet<>();
        while (made.find()) {
            all.add(made.group(1));
        }
        assertEquals(all, named);
    }
}
