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
    private final Output out;
    private final Output err;

    private Program(Process process) {
        this.process = process;
        out = new Output(process.getInputStream());
        err = new Output(process.getErrorStream());
    }

    /** One of the three programs, compiled, on the JDK of the tests. */
    static Program java(String name, String... arguments) throws IOException {
        return java(List.of(), name, arguments);
    }

    /** The same, with options for the JVM. */
    static Program java(List<String> options, String name, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(JAVA));
        command.addAll(options);
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", CLASSES, name));
        command.addAll(List.of(arguments));
        return command(command.toArray(new String[0]));
    }

    /** Any command, in the folder of the project. */
    static Program command(String... command) throws IOException {
        return start(new ProcessBuilder(command).directory(ROOT.toFile()));
    }

    static Program start(ProcessBuilder builder) throws IOException {
        return new Program(builder.start());
    }

    /** Waits for its end; returns its exit status. */
    int end(int seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError("still runs after " + seconds + " s\n" + out() + err());
        }
        out.end();
        err.end();
        return process.exitValue();
    }

    String out() {
        return out.text();
    }

    String err() {
        return err.text();
    }

    /** Waits until its standard output has this in it; returns all of that. */
    String awaitOut(String text) throws InterruptedException {
        return out.await(text, process);
    }

    String awaitErr(String text) throws InterruptedException {
        return err.await(text, process);
    }

    /** The port that a server says it listens on. */
    int port() throws InterruptedException {
        awaitOut("listening on");
        while (!out().contains("\n")) {
            Thread.sleep(5);
        }
        String line = out().split("\n")[0].trim();
        return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
    }

    long pid() {
        return process.pid();
    }

    boolean runs() {
        return process.isAlive();
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

    /** Waits until something is so; fails after so many seconds. */
    static void await(int seconds, String what, java.util.function.BooleanSupplier so)
            throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (!so.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + seconds + " s: " + what);
            }
            Thread.sleep(2);
        }
    }

    private static final class Output {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final Thread reader;

        Output(InputStream in) {
            reader = new Thread(() -> {
                try {
                    in.transferTo(bytes);
                } catch (IOException e) {
                    // the process was killed
                }
            });
            reader.setDaemon(true);
            reader.start();
        }

        String text() {
            return bytes.toString(StandardCharsets.UTF_8);
        }

        void end() throws InterruptedException {
            reader.join(2000);
        }

        String await(String text, Process process) throws InterruptedException {
            Program.await(30, "\"" + text + "\" in: " + text(),
                    () -> text().contains(text) || !process.isAlive() && !reader.isAlive());
            if (!text().contains(text)) {
                throw new AssertionError("ended without \"" + text + "\": " + text());
            }
            return text();
        }
    }
}
