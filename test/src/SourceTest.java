import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

import com.sun.source.tree.AssignmentTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.CompoundAssignmentTree;
import com.sun.source.tree.ConditionalExpressionTree;
import com.sun.source.tree.DoWhileLoopTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.ForLoopTree;
import com.sun.source.tree.IfTree;
import com.sun.source.tree.ImportTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.StatementTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.tree.WhileLoopTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The three sources themselves: each stands alone, reads everywhere, and runs as it is. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SourceTest {
    /** The three files, as text and as the compiler reads them. */
    enum Source {
        EchoServer, AsyncEchoServer, EchoClient;

        private final String text;
        private final CompilationUnitTree tree;
        private final SourcePositions positions;

        Source() {
            JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
            try (StandardJavaFileManager files =
                    compiler.getStandardFileManager(null, null, null)) {
                JavacTask task = (JavacTask) compiler.getTask(null, files, null, null, null,
                        files.getJavaFileObjects(path().toFile()));
                text = Files.readString(path());
                tree = task.parse().iterator().next();
                positions = Trees.instance(task).getSourcePositions();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        Path path() {
            return ClientSupport.root().resolve(name() + ".java");
        }

        private ClassTree top() {
            return (ClassTree) tree.getTypeDecls().get(0);
        }

        /** All members, in their order; those of a nested class follow it. */
        List<Tree> members() {
            List<Tree> all = new ArrayList<>();
            addMembers(top(), all);
            return all;
        }

        private static void addMembers(ClassTree of, List<Tree> all) {
            for (Tree member : of.getMembers()) {
                all.add(member);
                if (member instanceof ClassTree) {
                    addMembers((ClassTree) member, all);
                }
            }
        }

        /** Where the first line of a tree begins, with the doc comment above it. */
        private int start(Tree part) {
            int start = (int) positions.getStartPosition(tree, part);
            int line = text.lastIndexOf('\n', start) + 1;
            String before = text.substring(0, line);
            return before.endsWith("*/\n")
                    ? before.lastIndexOf('\n', before.lastIndexOf("/**")) + 1 : line;
        }

        private int end(Tree part) {
            return (int) positions.getEndPosition(tree, part);
        }

        /** From the beginning of a tree's first line, with the doc comment above it, to its end. */
        private String textOf(Tree part) {
            return text.substring(start(part), end(part));
        }

        /** The line on which a tree begins, or the doc comment above it. */
        int firstLine(Tree part) {
            return (int) tree.getLineMap().getLineNumber(start(part));
        }

        /** The line on which a tree begins, without the doc comment above it. */
        private int line(Tree part) {
            return (int) tree.getLineMap().getLineNumber(positions.getStartPosition(tree, part));
        }

        int lastLine(Tree part) {
            return (int) tree.getLineMap().getLineNumber(end(part));
        }
    }

    /** The simple name of a member. */
    static String name(Tree member) {
        if (member instanceof MethodTree) {
            return ((MethodTree) member).getName().toString();
        }
        if (member instanceof ClassTree) {
            return ((ClassTree) member).getSimpleName().toString();
        }
        return ((VariableTree) member).getName().toString();
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
    void asciiInLinesOfAtMost96Columns(Source source) {
        int number = 0;
        for (String line : source.text.split("\n", -1)) {
            number++;
            assertTrue(line.length() <= 96, "line " + number + " has " + line.length());
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

    /** Plain before clever: with two of them in it, a sentence is no longer read aloud. */
    @ParameterizedTest
    @EnumSource
    void noStatementHasTwoTernaries(Source source) {
        Set<Tree> with = new HashSet<>();
        List<String> wrong = new ArrayList<>();
        for (TreePath ternary : ternaries(source)) {
            if (!with.add(statement(ternary))) {
                wrong.add("a second one in line " + source.line(ternary.getLeaf()));
            }
        }
        assertEquals(List.of(), wrong);
    }

    @ParameterizedTest
    @CsvSource({"EchoServer, 6", "AsyncEchoServer, 6", "EchoClient, 30"})
    void ternariesAreFew(Source source, int most) {
        int count = ternaries(source).size();
        assertTrue(count <= most, count + " ternaries, more than " + most);
    }

    private static List<TreePath> ternaries(Source source) {
        List<TreePath> found = new ArrayList<>();
        new TreePathScanner<Void, Void>() {
            @Override
            public Void visitConditionalExpression(ConditionalExpressionTree ternary, Void in) {
                found.add(getCurrentPath());
                return super.visitConditionalExpression(ternary, in);
            }
        }.scan(new TreePath(source.tree), null);
        return found;
    }

    /** The innermost statement, or field, that an expression is a part of. */
    private static Tree statement(TreePath expression) {
        TreePath path = expression;
        while (!(path.getLeaf() instanceof StatementTree)) {
            path = path.getParentPath();
        }
        return path.getLeaf();
    }

    /** A condition asks, and changes nothing; all loops that read until the end look alike. */
    @ParameterizedTest
    @EnumSource
    void noConditionAssignsExceptInTheLoopThatReads(Source source) {
        List<String> wrong = new ArrayList<>();
        new TreePathScanner<Void, Void>() {
            @Override
            public Void visitAssignment(AssignmentTree assignment, Void in) {
                check(assignment, assignment.getExpression());
                return super.visitAssignment(assignment, in);
            }

            @Override
            public Void visitCompoundAssignment(CompoundAssignmentTree assignment, Void in) {
                check(assignment, assignment.getExpression());
                return super.visitCompoundAssignment(assignment, in);
            }

            private void check(Tree assignment, ExpressionTree assigned) {
                Tree in = statement(getCurrentPath());
                boolean reads = in instanceof WhileLoopTree
                        && assigned instanceof MethodInvocationTree
                        && Set.of("read", "readLine").contains(called(assigned));
                if (isCondition(in) && !reads || isInTernary(getCurrentPath())) {
                    wrong.add("line " + source.line(assignment) + ": " + assignment);
                }
            }
        }.scan(new TreePath(source.tree), null);
        assertEquals(List.of(), wrong);
    }

    /** Whether what belongs to this statement, and to none inside it, is its condition. */
    private static boolean isCondition(Tree statement) {
        return statement instanceof IfTree || statement instanceof WhileLoopTree
                || statement instanceof DoWhileLoopTree || statement instanceof ForLoopTree;
    }

    private static boolean isInTernary(TreePath expression) {
        Tree statement = statement(expression);
        for (TreePath path = expression; path.getLeaf() != statement; path = path.getParentPath()) {
            if (path.getLeaf() instanceof ConditionalExpressionTree) {
                return true;
            }
        }
        return false;
    }

    /** The simple name of the method that is called. */
    private static String called(ExpressionTree call) {
        return ((MethodInvocationTree) call).getMethodSelect().toString().replaceAll(".*[.]", "");
    }

    /** What the lecture is about never stands below plumbing: here bytes are written. */
    @ParameterizedTest
    @CsvSource({"EchoServer, 120", "AsyncEchoServer, 150", "EchoClient, 240"})
    void theEchoAndTheRoundTripComeFirst(Source source, int before) {
        List<Integer> writes = new ArrayList<>();
        new TreeScanner<Void, Void>() {
            @Override
            public Void visitMethodInvocation(MethodInvocationTree call, Void in) {
                boolean onAnObject = call.getMethodSelect() instanceof MemberSelectTree;
                if (onAnObject && called(call).equals("write")) {
                    writes.add(source.line(call));
                }
                return super.visitMethodInvocation(call, in);
            }
        }.scan(source.tree, null);
        assertFalse(writes.isEmpty(), "nothing is written");
        assertTrue(writes.get(0) <= before, "the first write is in line " + writes.get(0));
    }

    /** Between its braces: what fits on a projector. */
    @ParameterizedTest
    @EnumSource
    void noMethodHasMoreThan30Lines(Source source) {
        List<String> tooLong = new ArrayList<>();
        new TreeScanner<Void, Void>() {
            @Override
            public Void visitMethod(MethodTree method, Void in) {
                if (method.getBody() != null) {
                    int first = source.line(method.getBody());
                    int lines = source.lastLine(method) - first - 1;
                    if (lines > 30) {
                        tooLong.add(method.getName() + " in line " + first + " has " + lines);
                    }
                }
                return super.visitMethod(method, in);
            }
        }.scan(source.tree, null);
        assertEquals(List.of(), tooLong);
    }

    @ParameterizedTest
    @EnumSource
    void noNestedClassHasMoreThan240Lines(Source source) {
        List<String> tooLong = new ArrayList<>();
        for (ClassTree nested : nestedClasses(source)) {
            int lines = source.lastLine(nested) - source.line(nested) + 1;
            if (lines > 240) {
                tooLong.add(nested.getSimpleName() + " has " + lines);
            }
        }
        assertEquals(List.of(), tooLong);
    }

    @ParameterizedTest
    @EnumSource
    void everyClassHasACommentThatSaysWhatItIs(Source source) {
        List<ClassTree> classes = nestedClasses(source);
        classes.add(source.top());
        assertEquals(List.of(), classes.stream()
                .filter(each -> !source.textOf(each).trim().startsWith("/**"))
                .map(ClassTree::getSimpleName).collect(Collectors.toList()));
    }

    private static List<ClassTree> nestedClasses(Source source) {
        return source.members().stream().filter(member -> member instanceof ClassTree)
                .map(member -> (ClassTree) member).collect(Collectors.toList());
    }

    /** What both servers have, and yet not as the same text: how many lines differ, and why. */
    private static final Map<String, Integer> SERVERS_DIFFER = Map.of(
            "TAG", 1, // begins each line of one server
            "clients", 1, // sockets, or connections with their buffers
            "acceptLoop", 4, // one listener, or one for each event loop
            "admit", 9, // a client gets a thread, or comes to a loop
            "pauseAfter", 1, // asks the only listener, or the first, whether it is closed
            "listen", 4, // makes one listener, or the loops
            "port", 2, // another default; asks the only listener, or knows what all have
            "close", 4, // closes the connections, or has each closed by its loop
            "HELP", 3, // --virtual and --spin, or --loops; another default of --port
            "parse", 2); // --virtual and --spin, or --loops

    /** What the client has in common with a server, and yet not as the same text. */
    private static final Set<String> CLIENT_DIFFERS = Set.of(
            "Connection", // to a server, or from a client
            "threads", // those that run, or what starts them
            "err", // given to the constructor, or by run
            "run", // measures, or serves
            "port", // AsyncEchoServer has another default
            "HELP", "parse"); // other options

    /** Whoever knows one server knows the other. */
    @Test
    void theServersAreTwins() {
        assertEquals(new TreeMap<>(SERVERS_DIFFER),
                differing(Source.EchoServer, Source.AsyncEchoServer),
                "members that differ, and how many lines of EchoServer the other has not");
    }

    /** What stands three times, so that each file stands alone, is the same three times. */
    @Test
    void theClientHasWhatTheServersHaveLetterForLetter() {
        Set<String> different = new TreeSet<>();
        different.addAll(differing(Source.EchoServer, Source.EchoClient).keySet());
        different.addAll(differing(Source.AsyncEchoServer, Source.EchoClient).keySet());
        assertEquals(new TreeSet<>(CLIENT_DIFFERS), different, "members that differ");
        for (String name : List.of("main", "startThread", "closeQuietly", "address",
                "nextOption", "value", "number", "size", "nanos", "amount", "check")) {
            for (Source source : Source.values()) {
                assertEquals(1, named(source, name).size(), name + " in " + source);
            }
        }
    }

    /** Whoever has found something in one server finds it in the other. */
    @Test
    void theServersHaveTheSameOrder() {
        List<String> threaded = new ArrayList<>();
        Map<Integer, String> async = new TreeMap<>(); // by line
        for (Tree member : Source.EchoServer.top().getMembers()) {
            Tree twin = twin(Source.EchoServer, member, Source.AsyncEchoServer);
            if (twin != null) {
                threaded.add(name(member));
                async.merge(Source.AsyncEchoServer.end(twin), name(twin), String::concat);
            }
        }
        assertTrue(threaded.size() > 40, threaded.toString());
        assertEquals(threaded, new ArrayList<>(async.values()));
    }

    /** The members that two files have in common, and how many lines of a's are not in b's. */
    private static Map<String, Integer> differing(Source a, Source b) {
        Map<String, Integer> different = new TreeMap<>();
        for (Tree member : a.top().getMembers()) {
            Tree twin = twin(a, member, b);
            if (twin != null && !withoutClassName(a, member).equals(withoutClassName(b, twin))) {
                List<String> lines = withoutClassName(a, member).lines()
                        .collect(Collectors.toList());
                withoutClassName(b, twin).lines().forEach(lines::remove);
                different.merge(name(member), lines.size(), Integer::sum);
            }
        }
        return different;
    }

    /** The text of a member, with its comments; of several fields in one line, that of one. */
    private static String withoutClassName(Source source, Tree member) {
        String text = source.textOf(member);
        if (member instanceof VariableTree) {
            String field = member.toString().replace("\\n", "\n"); // each line of HELP is one
            text = text.substring(0, text.lastIndexOf("*/") + 1) + field;
        }
        return text.replaceAll("\\b" + source + "\\b", "ThisClass");
    }

    /** The member of b with this name and these parameter types, or else the only of its name. */
    private static Tree twin(Source a, Tree member, Source b) {
        List<Tree> ours = named(a, name(member));
        List<Tree> theirs = named(b, name(member));
        for (Tree each : theirs) {
            if (each.getKind() == member.getKind() && types(each).equals(types(member))) {
                return each;
            }
        }
        return ours.size() == 1 && theirs.size() == 1 ? theirs.get(0) : null;
    }

    private static List<Tree> named(Source source, String name) {
        return source.top().getMembers().stream().filter(member -> name(member).equals(name))
                .collect(Collectors.toList());
    }

    /** The types of a method's parameters; none for what is no method. */
    private static List<String> types(Tree member) {
        if (!(member instanceof MethodTree)) {
            return List.of();
        }
        return ((MethodTree) member).getParameters().stream()
                .map(parameter -> parameter.getType().toString()).collect(Collectors.toList());
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
        assertEquals(List.of("echo.c", "load.c", "measure", "ping.c", "python_pair.py"),
                run.out.stream().filter(file -> file.startsWith("test/peers/"))
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
