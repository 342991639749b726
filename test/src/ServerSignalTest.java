import static org.junit.jupiter.api.Assertions.*;

import java.util.List;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** SIGTERM with every option, and while a server starts. */
@Timeout(120)
@Tag("slow")
class ServerSignalTest {

    @ParameterizedTest
    @CsvSource({"THREADED,--bufsize 1", "THREADED,--nagle", "THREADED,--idle-timeout 500h",
        "THREADED,--verbose", "THREADED,--trace", "THREADED,--virtual",
        "THREADED,--max-connections 20", "THREADED,--host ::ffff:127.0.0.1 --spin",
        "THREADED,--spin --trace --verbose --idle-timeout 1s --nagle --bufsize 7",
        "ASYNC,--bufsize 1", "ASYNC,--nagle", "ASYNC,--idle-timeout 500h", "ASYNC,--verbose",
        "ASYNC,--trace", "ASYNC,--loops 8", "ASYNC,--max-connections 20",
        "ASYNC,--trace --verbose --idle-timeout 1s --nagle --bufsize 7 --loops 3"})
    void withinASecondWithEachOption(ServerKind kind, String options) throws Exception {
        Assumptions.assumeTrue(!options.equals("--virtual")
                || Runtime.version().feature() >= 21, "--virtual needs JDK 21");
        Tries.three(() -> {
            try (Program server = kind.launch(List.of(), options.split(" "));
                    BusyClients clients = new BusyClients(server.port(), 20)) {
                clients.awaitServed(20);
                long start = System.nanoTime();
                server.signal("TERM");
                assertEquals(143, server.end(20));
                long millis = (System.nanoTime() - start) / 1_000_000;
                assertTrue(server.out().contains("served 20 connections, "), server.out());
                assertTrue(millis <= 1000, millis + " ms");
            }
        });
    }

    /** At any moment of its start it ends as told, and says nothing of its inside. */
    @ParameterizedTest
    @EnumSource
    void whileItStarts(ServerKind kind) throws Exception {
        int started = 0;
        for (int i = 0; started < 5 && i < 150; i++) { // until it was there before the signal
            try (Program server = kind.launch(List.of())) {
                Thread.sleep(i * 20);
                server.signal("TERM");
                assertEquals(143, server.end(10), server.out() + server.err());
                assertEquals("", server.err());
                started += server.out().contains("served 0 connections") ? 1 : 0;
            }
        }
        assertEquals(5, started, "too slow for this test");
    }
}
