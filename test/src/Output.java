import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Keeps what a program that runs in this process prints, and which threads printed it. */
final class Output {
    private final Set<String> threads = ConcurrentHashMap.newKeySet();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream() {
        @Override
        public synchronized void write(byte[] source, int offset, int length) {
            threads.add(Thread.currentThread().getName());
            super.write(source, offset, length);
        }
    };
    private final PrintStream stream = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    /** Where the program is to print. */
    PrintStream stream() {
        return stream;
    }

    String text() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    List<String> lines() {
        return text().isEmpty() ? List.of() : Arrays.asList(text().split("\r\n|[\r\n]"));
    }

    Set<String> threads() {
        return threads;
    }
}
