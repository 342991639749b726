import static org.junit.jupiter.api.Assertions.*;

import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The three sources: what they share, that each stands alone, and that it is launched as it is. */
@Timeout(60)
class SourceTest {

    static String source(String name) throws Exception {
        return Files.readString(Program.ROOT.resolve(name + ".java"), StandardCharsets.UTF_8);
    }

    /** The text of a member, from its head to the brace that ends it; indentation is free. */
    private static String member(String name, String head) throws Exception {
        String source = source(name);
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
                .filter(line -> !line.startsWith("//"))
                .collect(Collectors.joining(" ")).replace(name, "EchoServer");
    }

    @ParameterizedTest
    @ValueSource(strings = {"void main(", "Thread startThread(", "void closeQuietly(",
        "String address(", "String nextOption(", "String value(", "long quantity(",
        "long amount(", "void checkHost(", "void fail("})
    void whatThreeFilesShareIsTheSameText(String head) throws Exception {
        assertEquals(member("EchoServer", head), member("EchoClient", head));
        assertEquals(member("EchoServer", head), member("AsyncEchoServer", head));
    }

    @ParameterizedTest
    @ValueSource(strings = {"void tellOfLimit(", "void pauseAfter(", "void tell(", "int run(",
        "void limitByHeap(", "String advice(", "int serve(PrintStream", "void announce(",
        "void removeHook(", "void endAndSumUp(", "boolean sumUp(", "boolean print(",
        "void runFor(", "void log(", "void logVerbose(", "String printable("})
    void whatTheServersShareIsTheSameText(String head) throws Exception {
        assertEquals(member("EchoServer", head), member("AsyncEchoServer", head));
    }

    /** Of warnings the compiler is silent, which the pom asks for. */
    @ParameterizedTest
    @ValueSource(strings = {"EchoServer", "AsyncEchoServer", "EchoClient"})
    void aCopyInAnEmptyFolderIsLaunched(String name, @TempDir Path folder) throws Exception {
        Files.copy(Program.ROOT.resolve(name + ".java"), folder.resolve(name + ".java"));
        ProcessBuilder help = new ProcessBuilder(Program.JAVA, "-XX:TieredStopAtLevel=1",
                name + ".java", "--help").directory(folder.toFile());
        help.environment().put("LC_ALL", "C");
        try (Program program = new Program(help)) {
            assertEquals(0, program.end(30));
            assertTrue(program.out().startsWith("usage: java " + name + ".java"));
            assertEquals("", program.err());
        }
        assertEquals(1, folder.toFile().list().length); // no class file beside it
        assertTrue(source(name).chars().allMatch(c -> c == '\n' || c >= ' ' && c <= '~'));
    }
}
