import static org.junit.jupiter.api.Assertions.*;

import java.net.SocketException;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** Descriptors, threads, memory and clients that run out: the servers serve again after it. */
@Timeout(120)
class ServerCrowdTest {

    @ParameterizedTest
    @EnumSource
    void afterDescriptorsRanOutTheNextClientIsServed(ServerKind kind) throws Exception {
        try (Program server = kind.launchAfter("ulimit -n 60", "")) {
            List<TestClient> crowd = TestClient.crowd(server.port(), 80);
            server.awaitMessages(1);
            Thread.sleep(600); // in which it tries again once or twice
            assertTrue(server.err().lines().count() <= 3, server.err());
            assertEquals(0, crowd.get(0).receive(1)[0]);
            assertTrue(crowd.get(0).echoes((byte) 1)); // who was there before is still served
            TestClient.closeAll(crowd);
            assertServesAndEndsOnSignal(server);
        }
    }

    /** Each thread wants half a gigabyte of addresses, of which there are few; no slot is lost. */
    @Tag("slow")
    @Test
    void afterThreadsRanOutTheNextClientIsServed() throws Exception {
        try (Program server = Program.command("bash", "-c", "ulimit -v 10000000; exec \"$0\""
                + " -Xss500m -Xmx64m -XX:CICompilerCount=2 -XX:+UseSerialGC -cp \"$1\" EchoServer"
                + " --port 0 --bufsize 1k --max-connections 20", Program.JAVA, Program.CLASSES)) {
            List<TestClient> crowd = new ArrayList<>();
            int served = 0;
            int failed = 0;
            while (served + failed < 22) { // if the failed ones kept their slots, one would wait
                crowd.add(new TestClient(server.port()));
                try {
                    boolean echo = crowd.get(served + failed).echoes((byte) 1);
                    served += echo ? 1 : 0;
                    failed += echo ? 0 : 1;
                } catch (SocketException e) {
                    failed++; // it was reset
                }
            }
            server.awaitMessages(1);
            TestClient.closeAll(crowd);
            assertServesAndEndsOnSignal(server);
        }
    }

    /** A client that resets its connection, at any time, harms nobody. */
    @ParameterizedTest
    @EnumSource
    void resetsHarmNobody(ServerKind kind) throws Exception {
        try (ServerKind.Running server = kind.start("--max-connections 3");
                TestClient other = new TestClient(server.port())) {
            for (int i = 0; i < 150; i++) {
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
        try (Program server = ServerKind.ASYNC.launch(options,
                "--bufsize 32m --max-connections 2")) {
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
            server.awaitMessages(1);
            server.signal("TERM");
            assertEquals(143, server.end(5));
        }
    }

    /** All of them are served; and one more waits, which is said. */
    @Tag("slow")
    @ParameterizedTest
    @EnumSource
    void elevenHundredClients(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xss256k"), "--max-connections 1100")) {
            List<TestClient> crowd = TestClient.crowd(server.port(), 1100);
            for (TestClient client : crowd) {
                assertEquals(1, client.receive(1).length);
            }
            Check.lacks(server.err(), "--max-connections");
            try (TestClient more = new TestClient(server.port())) {
                server.await("--max-connections 1100");
                more.send((byte) 1);
                assertTrue(more.isSilentFor(100));
            }
            TestClient.closeAll(crowd);
        }
    }

    /** One byte each, so that memory runs out where it does not go into buffers, too. */
    @Tag("slow")
    @ParameterizedTest
    @CsvSource({"THREADED,16m,1", "THREADED,24m,16k", "THREADED,128m,16k", "ASYNC,16m,1",
        "ASYNC,24m,16k", "ASYNC,128m,16k"})
    void aCrowdOnASmallHeapLeavesAServerThatServes(ServerKind kind, String heap, String bufsize)
            throws Exception {
        try (Program server = kind.launch(List.of("-Xmx" + heap), "--bufsize " + bufsize)) {
            TestClient.closeAll(TestClient.crowd(server.port(), 9900));
            assertServesAndEndsOnSignal(server);
        }
    }

    @Tag("slow")
    @ParameterizedTest
    @EnumSource
    void tenThousandClientsAreServed(ServerKind kind) throws Exception {
        try (Program server = kind.launch(List.of("-Xmx600m", "-Xss256k"), "");
                BusyClients clients = new BusyClients(server.port(), 10_000)) {
            clients.awaitServed(10_000);
            assertEquals("", server.err());
            server.signal("TERM");
            assertEquals(143, server.end(20)); // within a second is promised for 3000
            Check.has(server.out(), "served 10000 connections, ");
        }
    }

    private static void assertServesAndEndsOnSignal(Program server) throws Exception {
        assertTrue(TestClient.isServed(server.port()));
        server.signal("TERM");
        assertEquals(143, server.end(5));
    }
}
