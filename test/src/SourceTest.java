import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ImportTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The three sources themselves: each stands alone, reads everywhere, and runs as it is. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SourceTest {
    private static final int LONGEST_METHOD = 35;

    /** The three files. */
    enum Source {
        EchoServer, AsyncEchoServer, EchoClient;

        private String text;
        private CompilationUnitTree tree;
        private SourcePositions positions;

        Path path() {
            return ClientSupport.root().resolve(name() + ".java");
        }

        /** From the beginning of a tree's first line, with the doc comment above, to its end. */
        private String textOf(Tree part) {
            int start = (int) positions.getStartPosition(tree, part);
            int line = text.lastIndexOf('\n', start) + 1;
            String before = text.substring(0, line);
            if (before.endsWith("*/\n")) {
                line = before.lastIndexOf('\n', before.lastIndexOf("/**")) + 1;
            }
            return text.substring(line, (int) positions.getEndPosition(tree, part));
        }

        private ClassTree top() {
            return (ClassTree) tree.getTypeDecls().get(0);
        }

        /** How many lines a tree takes, without the doc comment above it. */
        private long linesOf(Tree part) {
            return tree.getLineMap().getLineNumber(positions.getEndPosition(tree, part))
                    - tree.getLineMap().getLineNumber(positions.getStartPosition(tree, part)) + 1;
        }

        /** The line on which a text stands first. */
        private int lineOf(String part) {
            int at = text.indexOf(part);
            assertTrue(at >= 0, part + " in " + path());
            return (int) text.substring(0, at).lines().count();
        }
    }

    @BeforeAll
    static void parse() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            for (Source source : Source.values()) {
                source.text = Files.readString(source.path());
                JavacTask task = (JavacTask) compiler.getTask(null, files, null, null, null,
                        files.getJavaFileObjects(source.path().toFile()));
                source.tree = task.parse().iterator().next();
                source.positions = Trees.instance(task).getSourcePositions();
            }
        }
    }

    /** In jshell two files' helpers of one name would replace each other, and 11 dislikes final. */
    @ParameterizedTest
    @EnumSource
    void oneTopLevelClassWithoutAPackage(Source source) {
        assertEquals(1, source.tree.getTypeDecls().size(), "top-level types");
        assertNull(source.tree.getPackage(), "package line");
        assertEquals(source.name(), source.top().getSimpleName().toString());
        assertEquals(Set.of(Modifier.PUBLIC), source.top().getModifiers().getFlags());
    }

    /** JDK 17 in the C locale reads anything else as "??". */
    @ParameterizedTest
    @EnumSource
    void asciiInLinesOfAtMost100Columns(Source source) {
        int number = 0;
        for (String line : source.text.split("\n", -1)) {
            number++;
            assertTrue(line.length() <= 100, "line " + number + " has " + line.length());
            assertTrue(line.chars().allMatch(c -> c >= ' ' && c <= '~'),
                    "line " + number + " is not ASCII, or has a tab: " + line);
            assertFalse(line.endsWith(" "), "line " + number + " ends with a space");
        }
        assertTrue(source.text.endsWith("}\n"), "the last line has an end");
    }

    @ParameterizedTest
    @EnumSource
    void importsAreOfTheJdkAndOneALine(Source source) {
        List<String> lines = new ArrayList<>();
        for (ImportTree each : source.tree.getImports()) {
            String name = each.getQualifiedIdentifier().toString();
            assertTrue(name.matches("javax?[.].*") && !name.endsWith("*"), name);
            assertFalse(each.isStatic(), name);
            lines.add("import " + name + ";");
        }
        assertEquals(source.text.lines().filter(line -> line.startsWith("import"))
                .collect(Collectors.toList()), lines);
        assertEquals(lines.stream().sorted().distinct().collect(Collectors.toList()), lines);
    }

    /** In jshell and in tests System.exit would end the wrong VM. */
    @ParameterizedTest
    @EnumSource
    void onlyMainExits(Source source) {
        List<String> exits = new ArrayList<>();
        new TreeScanner<Void, String>() {
            @Override
            public Void visitMethod(MethodTree method, String in) {
                return super.visitMethod(method, method.getName().toString());
            }

            @Override
            public Void visitMethodInvocation(MethodInvocationTree call, String in) {
                if (call.getMethodSelect().toString().matches(".*([.]|^)(exit|halt)")) {
                    exits.add(call.getMethodSelect() + " in " + in);
                }
                return super.visitMethodInvocation(call, in);
            }
        }.scan(source.tree, "a field");
        assertEquals(List.of("System.exit in main"), exits);
    }

    /** What stands three times, so that each file stands alone, is the same three times. */
    @Test
    void mainAndOptionsAreTheSameLetterForLetter() {
        for (String name : List.of("main", "Options")) {
            List<String> texts = new ArrayList<>();
            for (Source source : Source.values()) {
                for (Tree member : source.top().getMembers()) {
                    boolean same = member instanceof ClassTree
                            ? ((ClassTree) member).getSimpleName().contentEquals(name)
                            : member instanceof MethodTree
                                    && ((MethodTree) member).getName().contentEquals(name);
                    if (same) {
                        texts.add(source.textOf(member));
                    }
                }
            }
            assertEquals(3, texts.size(), "files with one " + name);
            assertEquals(texts.get(0), texts.get(1), name);
            assertEquals(texts.get(0), texts.get(2), name);
            assertTrue(texts.get(0).lines().count() > 4, texts.get(0));
        }
    }

    /** Small is a promise: what is longer is not read, and jshell takes its square of time. */
    @ParameterizedTest
    @CsvSource({"EchoServer.java, 430", "AsyncEchoServer.java, 445"})
    void sizesOfTheServers(String file, int most) throws IOException {
        assertSize(file, most);
    }

    @ParameterizedTest
    @CsvSource({"EchoClient.java, 1400", "run.sh, 500", "README.md, 280"})
    void sizesOfTheOthers(String file, int most) throws IOException {
        assertSize(file, most);
    }

    private static void assertSize(String file, int most) throws IOException {
        int lines = Files.readAllLines(ClientSupport.root().resolve(file)).size();
        assertTrue(lines <= most, file + " has " + lines + " lines, more than " + most);
    }

    /** What the lecture is about never stands below plumbing. */
    @ParameterizedTest
    @CsvSource({"EchoServer, channel.write(, 240", "AsyncEchoServer, channel.write(, 240",
        "EchoClient, void roundTrip(, 260"})
    void theEchoComesFirst(Source source, String part, int before) {
        assertTrue(source.lineOf(part) < before, part + " in line " + source.lineOf(part));
    }

    /** With its braces, without the comment above it. */
    @ParameterizedTest
    @EnumSource
    void noMethodIsLong(Source source) {
        List<String> tooLong = new ArrayList<>();
        new TreeScanner<Void, Void>() {
            @Override
            public Void visitMethod(MethodTree method, Void in) {
                if (source.linesOf(method) > LONGEST_METHOD) {
                    tooLong.add(method.getName() + " has " + source.linesOf(method));
                }
                return super.visitMethod(method, in);
            }
        }.scan(source.tree, null);
        assertEquals(List.of(), tooLong);
    }

    /** Small by better ideas, and not by fewer comments: the aim is one line in eight. */
    @ParameterizedTest
    @CsvSource({"EchoServer, 8", "AsyncEchoServer, 8", "EchoClient, 9"})
    void commentsHaveTheirShare(Source source, int each) {
        List<String> lines = source.text.lines().map(String::trim).collect(Collectors.toList());
        long comments = lines.stream().filter(line -> line.matches("(//|/[*]|[*]).*")).count();
        assertTrue(comments * each >= lines.size(), comments + " of " + lines.size());
    }

    /** Whoever knows one server knows the other: what both have stands in the same order. */
    @Test
    void theServersAreTwins() {
        List<String> threaded = members(Source.EchoServer);
        List<String> async = members(Source.AsyncEchoServer);
        List<String> both = new ArrayList<>(threaded);
        both.retainAll(async);
        async.retainAll(threaded);
        assertEquals(both, async);
        assertTrue(both.containsAll(List.of("OPTIONS", "main", "run", "start", "served", "port",
                "Connection", "listen", "close", "serve", "address", "Options")), both.toString());
    }

    /** The names at the top level of a class, in their order. */
    private static List<String> members(Source source) {
        List<String> names = new ArrayList<>();
        for (Tree member : source.top().getMembers()) {
            if (member instanceof VariableTree) {
                names.add(((VariableTree) member).getName().toString());
            } else if (member instanceof MethodTree) {
                names.add(((MethodTree) member).getName().toString());
            } else if (member instanceof ClassTree) {
                names.add(((ClassTree) member).getSimpleName().toString());
            }
        }
        return names;
    }

    /** Whoever opens the folder sees what it is about; dot-files keep house. */
    @Test
    void nothingElseIsAtTheTop() throws Exception {
        Path root = ClientSupport.root();
        Assumptions.assumeTrue(Files.exists(root.resolve(".git")), "not a clone");
        ClientSupport.Run run = ClientSupport.process(root, new byte[0], "git", "ls-files",
                "--cached", "--others", "--exclude-standard").expect(0);
        assertEquals(List.of("AsyncEchoServer.java", "EchoClient.java", "EchoServer.java",
                "README.md", "run.sh", "test"), run.out.stream()
                .map(file -> file.replaceAll("/.*", "")).filter(file -> !file.startsWith("."))
                .distinct().sorted().collect(Collectors.toList()));
        assertEquals(List.of("echo.c", "load.c", "measure", "ping.c"), run.out.stream()
                .filter(file -> file.startsWith("test/peers/"))
                .map(file -> file.replaceAll(".*/", "")).sorted().collect(Collectors.toList()));
    }

    /** Each by itself, as someone would who has only this file. */
    @ParameterizedTest
    @EnumSource
    void compilesSilentlyForJava11(Source source, @TempDir Path folder) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter said = new StringWriter();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            Iterable<? extends JavaFileObject> units =
                    files.getJavaFileObjects(source.path().toFile());
            boolean compiled = compiler.getTask(said, files, null, List.of("--release", "11",
                    "-Xlint:all", "-Werror", "-d", folder.toString(), "-cp", folder.toString()),
                    null, units).call();
            assertEquals("", said.toString());
            assertTrue(compiled);
        }
    }

    /**
     * The session that the contract promises, with the third file beside the two. Loading takes
     * jshell seconds of processor time: it compiles each import as a snippet of its own.
     */
    @Test
    void aSessionInJshell(@TempDir Path preferences) throws Exception {
        ClientSupport.Run run;
        try (ClientSupport.ClosedPort closed = new ClientSupport.ClosedPort()) {
            String input = "var server = EchoServer.start(\"--port\", \"0\")\n"
                    + "EchoClient.run(\"--port\", \"\" + server.port())\n"
                    + "EchoClient.run(\"--port\", \"\" + server.port(), \"--bench\", \"--repeat\","
                    + " \"50\", \"--warmup\", \"20\")\n"
                    + "var failed = EchoClient.run(\"--port\", \"" + closed.port() + "\")\n"
                    + "System.out.println(\"a client failed with \" + failed)\n"
                    + "EchoClient.run(\"--message\", \"still\", \"--port\", \"\" + server.port())\n"
                    + "server.close()\n"
                    + "var async = AsyncEchoServer.start(\"--port\", \"0\")\n"
                    + "EchoClient.run(\"--message\", \"again\", \"--port\", \"\" + async.port())\n"
                    + "async.close()\n"
                    + "System.out.println(\"the end\")\n"
                    + "/exit\n";
            run = ClientSupport.process(ClientSupport.root(),
                    input.getBytes(StandardCharsets.US_ASCII), ClientSupport.jdk("jshell"),
                    "-J-Djava.util.prefs.userRoot=" + preferences, "-J-XX:TieredStopAtLevel=1",
                    "EchoServer.java", "AsyncEchoServer.java", "EchoClient.java").expect(0);
        }
        String out = String.join("\n", run.out);
        assertTrue(out.contains("[client] received: \"Hello, echo!\" (12 bytes)"), out);
        assertTrue(out.contains("[client] received: \"again\" (5 bytes)"), out);
        assertTrue(out.contains("[bench] repeats: 50, msg_len: 1024 bytes"), out);
        // A failure must end neither the session nor the server that runs in it.
        assertTrue(out.contains("a client failed with 1"), out);
        assertTrue(out.contains("[client] received: \"still\" (5 bytes)"), out);
        assertTrue(out.contains("the end"), out);
        // What jshell dislikes it says on standard output, in lines that begin with a bar.
        List<String> remarks = run.out.stream().filter(line -> line.matches("([^ ]*> *)*[|].*"))
                .filter(line -> !line.matches(".*(Welcome|introduction|Goodbye).*"))
                .collect(Collectors.toList());
        assertEquals(List.of(), remarks, run.toString());
        // The JDK itself reports there that it has made a folder for jshell's preferences.
        List<String> err = run.err.stream().filter(line -> !line.matches(".*[Pp]ref.*"))
                .collect(Collectors.toList());
        assertEquals(1, err.size(), run.toString());
        assertTrue(err.get(0).startsWith("[client] cannot connect to 127.0.0.1:"), err.get(0));
    }

    @ParameterizedTest
    @CsvSource({"AsyncEchoServer", "EchoClient"})
    void copiedAloneItStarts(Source source, @TempDir Path folder) throws Exception {
        Files.copy(source.path(), folder.resolve(source + ".java"));
        ClientSupport.Run run = ClientSupport.process(folder, new byte[0],
                ClientSupport.jdk("java"), source + ".java", "--help").expect(0);
        assertEquals(List.of(), run.err);
        assertTrue(String.join("\n", run.out).contains("usage: java " + source + ".java"));
        assertEquals(List.of(source + ".java"), names(folder), "nothing else is left there");
    }

    /** Two machines, one file on each. */
    @Test
    void copiedAloneTheyTalk(@TempDir Path here, @TempDir Path there) throws Exception {
        Files.copy(Source.EchoServer.path(), here.resolve("EchoServer.java"));
        Files.copy(Source.EchoClient.path(), there.resolve("EchoClient.java"));
        Process server = new ProcessBuilder(ClientSupport.jdk("java"), "EchoServer.java", "--port",
                "0").directory(here.toFile()).redirectErrorStream(true).start();
        try (BufferedReader out = new BufferedReader(
                new InputStreamReader(server.getInputStream(), StandardCharsets.US_ASCII))) {
            String line = out.readLine();
            assertTrue(line.matches("\\[server\\] listening on 127.0.0.1:[0-9]+"), line);
            ClientSupport.Run run = ClientSupport.process(there, new byte[0],
                    ClientSupport.jdk("java"), "EchoClient.java", "--message", "from there",
                    "--port", line.replaceAll(".*:", "")).expect(0);
            assertEquals("[client] received: \"from there\" (10 bytes)", run.out.get(1));
            assertEquals(List.of(), run.err);
        } finally {
            server.destroyForcibly().waitFor();
        }
        assertEquals(List.of("EchoServer.java"), names(here));
        assertEquals(List.of("EchoClient.java"), names(there));
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toList());
        }
    }
}
