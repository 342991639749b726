import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** One of the three programs, running as a process under the java that runs the tests. */
final class Program implements AutoCloseable {
    private static final Pattern LISTENING = Pattern.compile("listening on .*:([0-9]+)");

    private final Process process;
    private final List<String> out = new CopyOnWriteArrayList<>();
    private final List<String> err = new CopyOnWriteArrayList<>();
    private final Thread outReader;
    private final Thread errReader;

    private Program(List<String> command) throws IOException {
        process = new ProcessBuilder(command).start();
        process.getOutputStream().close();
        outReader = collect(process.getInputStream(), out);
        errReader = collect(process.getErrorStream(), err);
        // A test JVM that is itself stopped must not leave servers behind.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    static Program launch(String mainClass, String... args) throws IOException {
        return new Program(command(List.of(), mainClass, args));
    }

    /** With options for the JVM itself. */
    static Program launchWith(List<String> jvmOptions, String mainClass, String... args)
            throws IOException {
        return new Program(command(jvmOptions, mainClass, args));
    }

    /** Under a limit that the shell sets first, such as "ulimit -n 120". */
    static Program launchUnder(String limit, String mainClass, String... args) throws IOException {
        List<String> command = new ArrayList<>(List.of("bash", "-c", limit + "; exec \"$@\"", "-"));
        command.addAll(command(List.of(), mainClass, args));
        return new Program(command);
    }

    private static List<String> command(List<String> jvmOptions, String mainClass, String... args) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-cp", System.getProperty("echo.classes"), mainClass));
        command.addAll(Arrays.asList(args));
        return command;
    }

    private static Thread collect(InputStream stream, List<String> lines) {
        Thread reader = new Thread(() -> {
            try (BufferedReader text = new BufferedReader(
                    new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                for (String line = text.readLine(); line != null; line = text.readLine()) {
                    lines.add(line);
                }
            } catch (IOException e) {
                lines.add("(cannot read what the program prints: " + e + ")");
            }
        });
        reader.setDaemon(true);
        reader.start();
        return reader;
    }

    /** Waits for the line that tells the port. */
    int port() {
        TestSupport.until("the program listens", () -> !out.isEmpty() || !process.isAlive());
        Matcher listening = LISTENING.matcher(out.isEmpty() ? "" : out.get(0));
        if (!listening.find()) {
            throw new AssertionError("not a listening line: " + out + ", on stderr: " + err);
        }
        return Integer.parseInt(listening.group(1));
    }

    /** The lines on standard output so far. */
    List<String> out() {
        return out;
    }

    /** The lines on standard error so far. */
    List<String> err() {
        return err;
    }

    long pid() {
        return process.pid();
    }

    /** Sends it SIGTERM; the Process itself would also close the streams that are still read. */
    void terminate() {
        process.toHandle().destroy();
    }

    /** Sends it SIGINT, as Ctrl-C does; the shell's own kill is on every Unix. */
    void interrupt() throws IOException, InterruptedException {
        new ProcessBuilder("bash", "-c", "kill -INT " + pid()).start().waitFor();
    }

    /** Waits until it has ended and all that it printed is here. */
    int exitCode() throws InterruptedException {
        if (!process.waitFor(TestSupport.PATIENCE_MILLIS, TimeUnit.MILLISECONDS)) {
            throw new AssertionError("still running; stdout: " + out + ", stderr: " + err);
        }
        outReader.join(TestSupport.PATIENCE_MILLIS);
        errReader.join(TestSupport.PATIENCE_MILLIS);
        return process.exitValue();
    }

    /** Processor time it has used. */
    long cpuMillis() {
        return process.info().totalCpuDuration().orElseThrow().toMillis();
    }

    /** Open descriptors; needs Linux, as all that follow. */
    long descriptors() {
        try (Stream<Path> files = Files.list(Path.of("/proc/" + pid() + "/fd"))) {
            return files.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long threads() {
        return status("Threads");
    }

    /** Memory that is in RAM, in KiB. */
    long residentKib() {
        return status("VmRSS");
    }

    /** Address space, in KiB. */
    long addressSpaceKib() {
        return status("VmSize");
    }

    /** Lets it have no more address space than this, from now on. */
    void limitAddressSpace(long kib) throws IOException, InterruptedException {
        int status = new ProcessBuilder("prlimit", "--pid", "" + pid(), "--as=" + kib * 1024)
                .start().waitFor();
        if (status != 0) {
            throw new AssertionError("prlimit failed: " + status);
        }
    }

    private long status(String name) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + pid() + "/status"))) {
                if (line.startsWith(name + ":")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", ""));
                }
            }
            throw new AssertionError("no " + name + " in the status of the process");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends it at once, if it has not ended by itself. */
    @Override
    public void close() {
        process.destroyForcibly();
        try {
            exitCode();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
