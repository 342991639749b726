import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Tests that type commands into a shell, in a fresh copy of the project. */
abstract class FreshCopy {
    static final Path ROOT = Path.of(System.getProperty("echo.root"));

    /** Generous: beside other work, all demos take several times as long as on an idle machine. */
    static final int LIMIT_SECONDS = 300;

    @TempDir
    Path folder;

    @BeforeEach
    void copyProject() throws IOException {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "needs bash");
        Files.createDirectories(folder.resolve("test/peers"));
        for (String name : List.of("EchoServer.java", "AsyncEchoServer.java", "EchoClient.java",
                "run.sh", ".gitattributes", "test/peers/python_pair.py")) {
            Files.copy(ROOT.resolve(name), folder.resolve(name),
                    StandardCopyOption.COPY_ATTRIBUTES);
        }
    }

    /** A bash that runs a script in the fresh copy; what it prints, also as errors, goes there. */
    Process start(String script, Path log) throws IOException {
        ProcessBuilder bash = new ProcessBuilder("bash", "-c", script).directory(folder.toFile())
                .redirectErrorStream(true).redirectOutput(log.toFile());
        bash.environment().put("JAVA_HOME", System.getProperty("java.home"));
        bash.environment().put("HOME_OF_JAVA", System.getProperty("java.home"));
        // Halves the time that compiling each source takes, which is most of what is done here.
        bash.environment().put("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1");
        Process process = bash.start();
        process.getOutputStream().close();
        return process;
    }

    /** Runs a script in the fresh copy; fails if it does, and returns what it prints. */
    String shell(String script) throws Exception {
        Path log = Files.createTempFile("documented", ".txt");
        try (ServerSocket a = new ServerSocket(0); ServerSocket b = new ServerSocket(0)) {
            script = "A=" + a.getLocalPort() + " B=" + b.getLocalPort() + "\n" + script;
        }
        Process process = start(script, log);
        try {
            boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            String printed = Files.readString(log);
            Assertions.assertTrue(ended,
                    "timed out after " + LIMIT_SECONDS + " s, having printed:\n" + printed);
            Assertions.assertEquals(0, process.exitValue(), "failed, having printed:\n" + printed);
            return printed;
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
            Files.delete(log);
        }
    }
}
