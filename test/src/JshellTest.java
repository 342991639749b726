import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ctrl-C in jshell, which takes a terminal: tmux has one, and types into it. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class JshellTest {

    @TempDir
    Path folder;

    /** Also waits until jshell has ended, which writes into the folder until then. */
    @AfterEach
    void endTheTerminal() throws Exception {
        if (!hasTmux()) {
            return;
        }
        List<ProcessHandle> processes = new ArrayList<>();
        String pid = tmux("display", "-p", "#{pane_pid}").trim();
        if (pid.matches("[0-9]+")) { // and not an error, because it has ended by itself
            ProcessHandle.of(Long.parseLong(pid)).ifPresent(shell -> {
                processes.add(shell);
                shell.descendants().forEach(processes::add);
            });
        }
        tmux("kill-server");
        for (ProcessHandle process : processes) {
            process.onExit().get(30, TimeUnit.SECONDS);
        }
    }

    /** The port is free, no shutdown hook is left, and the session goes on. */
    @ParameterizedTest
    @EnumSource
    void ctrlCStopsTheServerAndNotTheSession(ServerKind kind) throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            port = free.getLocalPort();
        }
        startJshell(kind.program);
        type("System.out.println(\"session \" + ProcessHandle.current().pid())");
        await("\nsession [0-9]+");
        for (int round = 1; round <= 2; round++) { // on the same port
            type(kind.program + ".main(\"--port\", \"" + port + "\")");
            await("( listening on 127[.]0[.]0[.]1:" + port + ".*){" + round + "}");
            TestSupport.assertServes(port);
            tmux("send-keys", "C-c");
            await("( served 1 connection, .*){" + round + "}");
            tmux("send-keys", "Enter"); // for a new prompt: the last one may stand above that line
            assertThrows(IOException.class, () -> TestSupport.connect(port).close());
        }
        assertNoHookIsLeft();
    }

    /** What was measured is shown, no thread of the client is left, and the session goes on. */
    @Test
    void ctrlCStopsTheClientAndNotTheSession() throws Exception {
        startJshell("EchoClient");
        AtomicLong echoed = new AtomicLong();
        try (ClientSupport.TestServer server = ClientSupport.TestServer.answering(1024,
                (message, number) -> {
                    echoed.set(number);
                    return message;
                })) {
            type("EchoClient.run(\"--port\", \"" + server.port() + "\", \"--bench\","
                    + " \"--warmup\", \"10\", \"--duration\", \"200s\")");
            TestSupport.until("it measures", () -> echoed.get() > 100);
            tmux("send-keys", "C-c");
            await("INTERRUPTED after ");
            tmux("send-keys", "Enter");
            type("System.out.println(\"threads: \" + Thread.getAllStackTraces().keySet().stream()"
                    + ".filter(t -> t.getName().startsWith(\"client-\")).count())");
            await("\nthreads: 0\n");
            assertNoHookIsLeft();
        }
    }

    private void startJshell(String program) throws Exception {
        Assumptions.assumeTrue(hasTmux(), "needs tmux");
        Path jshell = Path.of(System.getProperty("java.home"), "bin", "jshell");
        tmux("new-session", "-d", "-x", "200", "-y", "100", jshell
                + " -R--add-opens=java.base/java.lang=ALL-UNNAMED"
                + " -J-Djava.util.prefs.userRoot=" + folder + " "
                + System.getProperty("echo.root") + "/" + program + ".java");
        await("jshell> *$");
    }

    private void assertNoHookIsLeft() throws Exception {
        type("var hooks = Class.forName(\"java.lang.ApplicationShutdownHooks\")"
                + ".getDeclaredField(\"hooks\")");
        type("hooks.setAccessible(true)");
        type("System.out.println(\"hooks: \" + ((Map) hooks.get(null)).size())");
        await("\nhooks: 0\n");
    }

    /** Types a line, when jshell waits for one. */
    private void type(String line) throws Exception {
        await("jshell> *$");
        tmux("send-keys", "-l", line);
        tmux("send-keys", "Enter");
    }

    private void await(String expected) throws Exception {
        String pattern = "(?s).*" + expected + ".*";
        boolean seen = TestSupport.within(TestSupport.PATIENCE_MILLIS,
                () -> screen().matches(pattern));
        if (!seen) {
            throw new AssertionError("not seen: " + expected + "\n" + screen());
        }
    }

    private String screen() {
        try {
            return tmux("capture-pane", "-p").replaceAll("\\s+$", "");
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static boolean hasTmux() {
        try {
            return new ProcessBuilder("tmux", "-V").start().waitFor() == 0;
        } catch (IOException | InterruptedException e) {
            return false;
        }
    }

    /** Runs a command of a tmux server of this test's own. */
    private String tmux(String... words) throws Exception {
        List<String> command = new ArrayList<>(List.of("tmux", "-S", folder + "/terminal"));
        command.addAll(List.of(words));
        Process tmux = new ProcessBuilder(command).redirectErrorStream(true).start();
        tmux.getOutputStream().close();
        String printed = new String(tmux.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        tmux.waitFor();
        return printed;
    }
}
