import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** Descriptors, memory and clients that run out: the servers serve again after it. */
@Timeout(120)
class ServerCrowdTest {

    @ParameterizedTest
    @EnumSource
    void afterDescriptorsRanOutTheNextClientIsServed(ServerKind kind) throws Exception {
        try (Program server = kind.launchAfter("ulimit -n 60")) {
            int port = server.port();
            List<TestClient> crowd = crowd(port, 80);
            server.awaitErr("cannot serve a client");
            Thread.sleep(700); // in which it tries again once or twice
            assertTrue(server.err().lines().count() <= 3, server.err());
            assertEquals(0, crowd.get(0).receive(1)[0]);
            assertTrue(crowd.get(0).echoes((byte) 1)); // who was there before is still served
            TestClient.closeAll(crowd);
            assertTrue(TestClient.isServed(port));
            assertEndsOnSignal(server);
        }
    }

    /** A client that resets its connection, at any time, harms nobody. */
    @ParameterizedTest
    @EnumSource
    void resetsHarmNobody(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--max-connections", "3");
                TestClient other = new TestClient(server.port())) {
            for (int i = 0; i < 300; i++) {
                try (TestClient client = new TestClient(server.port())) {
                    client.socket.setSoLinger(true, 0); // close then resets
                    if (i % 3 > 0) {
                        client.send(new byte[i % 3 * 100_000]);
                    }
                }
            }
            assertTrue(other.echoes((byte) 1));
            assertTrue(TestClient.isServed(server.port())); // no slot was lost
        }
    }

    /** Reads on the event loop copy by way of direct memory, which has a limit of its own. */
    @Test
    void aReadWithoutDirectMemoryIsTold() throws Exception {
        List<String> options = List.of("-XX:MaxDirectMemorySize=8m", "-Xmx256m",
                "-Djdk.nio.maxCachedBufferSize=1000");
        try (Program server = ServerKind.ASYNC.launch(options, "--bufsize", "32m",
                "--max-connections", "2")) {
            int port = server.port();
            for (int i = 0; i < 3; i++) { // more clients than slots
                try (TestClient client = new TestClient(port)) {
                    client.send((byte) 1);
                    if (Runtime.version().feature() > 17) { // later ones can copy in parts
                        Assumptions.assumeTrue(client.isEnded(), "served all the same");
                    }
                    assertTrue(client.isEnded());
                }
            }
            server.awaitErr("cannot serve a client");
            assertEndsOnSignal(server);
        }
    }

    /** One byte each, so that memory runs out where it does not go into buffers, too. */
    @Tag("slow")
    @ParameterizedTest
    @CsvSource({"THREADED,16m,1", "THREADED,24m,16k", "THREADED,128m,16k", "ASYNC,16m,1",
        "ASYNC,24m,16k", "ASYNC,128m,16k"})
    void aCrowdOnASmallHeapLeavesAServerThatServes(ServerKind kind, String heap, String bufsize)
            throws Exception {
        try (Program server = kind.launch(List.of("-Xmx" + heap), "--bufsize", bufsize)) {
            int port = server.port();
            TestClient.closeAll(crowd(port, 9900));
            assertTrue(TestClient.isServed(port));
            assertEndsOnSignal(server);
        }
    }

    @Tag("slow")
    @ParameterizedTest
    @EnumSource
    void tenThousandClientsAreServed(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx600m", "-Xss256k"));
                BusyClients clients = new BusyClients(server.port(), 10_000)) {
            clients.awaitServed(10_000);
            assertEquals("", server.err());
            server.signal("TERM");
            assertEquals(143, server.end(20)); // within a second is promised for 3000
            assertTrue(server.out().contains("served 10000 connections, "), server.out());
        }
    }

    /** Clients that have sent one byte each; fewer if no more can connect. */
    private static List<TestClient> crowd(int port, int count) throws IOException {
        List<TestClient> crowd = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            TestClient client = new TestClient();
            crowd.add(client);
            try {
                client.connect(port);
                client.send((byte) i);
            } catch (IOException e) {
                break; // the limit is reached and the backlog is full
            }
        }
        return crowd;
    }

    private static void assertEndsOnSignal(Program server) throws Exception {
        server.signal("TERM");
        assertEquals(143, server.end(5));
    }
}
