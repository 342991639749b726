import static org.junit.jupiter.api.Assertions.*;

import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import javax.tools.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The three sources: what they share, that each stands alone, and that it is launched as it is. */
@Timeout(60)
class SourceTest {

    private static String source(String name) throws Exception {
        return Files.readString(Program.ROOT.resolve(name + ".java"), StandardCharsets.UTF_8);
    }

    /** The text of a member, from its head to the brace that ends it, without indentation. */
    private static String member(String source, String head) {
        int from = source.indexOf(head);
        assertTrue(from >= 0, "no " + head);
        int end = from;
        int depth = 0;
        do {
            char c = source.charAt(end);
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            end++;
        } while (depth > 0 || source.substring(from, end).indexOf('{') < 0);
        return source.substring(from, end).lines().map(String::strip)
                .collect(Collectors.joining(" "));
    }

    @ParameterizedTest
    @ValueSource(strings = {"void main(", "Thread startThread(", "void closeQuietly(",
        "String address(", "String nextOption(", "String value(", "long quantity(",
        "long amount(", "void checkHost(", "void fail("})
    void whatThreeFilesShareIsTheSameText(String head) throws Exception {
        String first = member(source("EchoServer"), head);
        assertEquals(first, member(source("AsyncEchoServer"), head));
        assertEquals(first, member(source("EchoClient"), head));
    }

    @ParameterizedTest
    @ValueSource(strings = {"void tellOfLimit(", "void pauseAfter(", "void tell(", "int run(",
        "void limitByHeap(", "String advice(", "int serve(PrintStream", "void announce(",
        "void removeHook(", "void endAndSumUp(", "boolean sumUp(", "boolean print(",
        "void runFor(", "void log(",
        "void logVerbose(", "String printable("})
    void whatTheServersShareIsTheSameText(String head) throws Exception {
        assertEquals(member(source("EchoServer"), head),
                member(source("AsyncEchoServer"), head).replace("AsyncEchoServer", "EchoServer"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"EchoServer", "AsyncEchoServer", "EchoClient"})
    void eachCompilesAloneForJava11WithoutAWarning(String name, @TempDir Path folder)
            throws Exception {
        Path alone = Files.copy(Program.ROOT.resolve(name + ".java"),
                folder.resolve(name + ".java"));
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter words = new StringWriter();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            boolean silent = compiler.getTask(words, files, null,
                    List.of("--release", "11", "-Xlint:all", "-Werror", "-d", folder.toString()),
                    null, files.getJavaFileObjects(alone)).call();
            assertTrue(silent && words.toString().isEmpty(), words.toString());
        }
        assertTrue(source(name).chars().allMatch(c -> c == '\n' || c >= ' ' && c <= '~'));
    }

    @ParameterizedTest
    @ValueSource(strings = {"EchoServer", "AsyncEchoServer", "EchoClient"})
    void aCopyInAnEmptyFolderIsLaunched(String name, @TempDir Path folder) throws Exception {
        Files.copy(Program.ROOT.resolve(name + ".java"), folder.resolve(name + ".java"));
        ProcessBuilder help = new ProcessBuilder(Program.JAVA, name + ".java", "--help")
                .directory(folder.toFile());
        help.environment().put("LC_ALL", "C");
        try (Program program = Program.start(help)) {
            assertEquals(0, program.end(30));
            assertTrue(program.out().startsWith("usage: java " + name + ".java"));
            assertEquals("", program.err());
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count()); // no class file beside it
        }
    }
}
