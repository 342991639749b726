import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** A program that runs as a process of its own. What it prints is collected. */
final class Program implements AutoCloseable {
    static final Path ROOT = Path.of(System.getProperty("echo.root")).toAbsolutePath().normalize();
    static final String CLASSES = System.getProperty("echo.classes");
    static final String JAVA = Path.of(System.getProperty("java.home"), "bin", "java").toString();

    private final Process process;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final List<Thread> readers = new ArrayList<>();

    Program(ProcessBuilder builder) throws IOException {
        process = builder.start();
        collect(process.getInputStream(), out);
        collect(process.getErrorStream(), err);
    }

    private void collect(InputStream in, ByteArrayOutputStream bytes) {
        Thread reader = new Thread(() -> {
            try {
                in.transferTo(bytes);
            } catch (IOException e) {
                // the process was killed
            }
        });
        reader.setDaemon(true);
        reader.start();
        readers.add(reader);
    }

    /** Any command, in the folder of the project. */
    static Program command(String... command) throws IOException {
        return new Program(new ProcessBuilder(command).directory(ROOT.toFile()));
    }

    /** One of the three programs, compiled, on the JDK of the tests, with options for the JVM. */
    static Program java(List<String> options, String name, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(JAVA));
        command.addAll(options);
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", CLASSES, name));
        command.addAll(List.of(arguments));
        return command(command.toArray(new String[0]));
    }

    /** Waits for its end; returns its exit status. */
    int end(int seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError("still runs after " + seconds + " s\n" + out() + err());
        }
        for (Thread reader : readers) {
            reader.join(2000); // what it started may still have its output
        }
        return process.exitValue();
    }

    String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    /** Waits until one of its outputs has this in it; returns all of both. */
    String await(String text) throws InterruptedException {
        Check.await(30, "\"" + text + "\"", () -> (out() + err()).contains(text)
                || !process.isAlive() && !readers.get(0).isAlive() && !readers.get(1).isAlive());
        Check.has(out() + err(), text);
        return out() + err();
    }

    /** Waits for so many lines on its standard error, whatever they say. */
    void awaitMessages(int lines) throws InterruptedException {
        Check.await(30, lines + " lines", () -> err().chars().filter(c -> c == '\n').count()
                >= lines);
    }

    /** The port that a server says it listens on. */
    int port() throws InterruptedException {
        await("listening on");
        Check.await(10, "a whole line", () -> out().contains("\n"));
        String line = out().split("\n")[0];
        return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
    }

    long pid() {
        return process.pid();
    }

    OutputStream in() {
        return process.getOutputStream();
    }

    /** Such as TERM, INT, STOP, CONT. What a shell starts in the background may ignore INT. */
    void signal(String name) throws Exception {
        Path status = Path.of("/proc/" + pid() + "/status");
        if (name.equals("INT") && Files.exists(status)) {
            String ignored = Files.readString(status).replaceAll("(?s).*SigIgn:\\s*(\\w+).*", "$1");
            Assumptions.assumeTrue((Long.parseUnsignedLong(ignored, 16) & 2) == 0, "INT is ignored");
        }
        new ProcessBuilder("kill", "-" + name, "" + pid()).inheritIO().start().waitFor();
    }

    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }
}
