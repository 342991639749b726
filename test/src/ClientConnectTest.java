import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where the client connects to, and what it says if it can't: one true line that helps. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClientConnectTest {

    @TempDir
    Path folder;

    /** Fails unless a run failed with one line, of which this is a part. */
    private static void assertOneLine(ClientSupport.Run run, String... parts) {
        run.expect(1);
        assertEquals(1, run.err.size(), run.toString());
        for (String part : parts) {
            assertTrue(run.err.get(0).contains(part), "not \"" + part + "\" in " + run);
        }
    }

    /** It would be a perfect echo: TCP can connect a socket with itself (simultaneous open). */
    @Test
    @EnabledOnOs(OS.LINUX)
    void whereNobodyListensItDoesNotTalkToItself() throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder, "echo 40000 40001"
                + " >/proc/sys/net/ipv4/ip_local_port_range\n"
                + "for i in 1 2 3 4 5 6; do $CLIENT --port 40000 --json - && exit 9;"
                + " $PEER bind 40000 || exit 8; done\n$CLIENT --port 40000 --bench");
        run.expect(1);
        assertEquals(7, run.err.size(), run.toString());
        for (String line : run.err) {
            assertTrue(line.matches("\\[client\\] cannot connect to 127[.]0[.]0[.]1:40000: "
                    + "(nobody listens there|Connection refused); .*start it with: java"
                    + " EchoServer.java --port 40000"), run.toString());
        }
        assertTrue(run.err.toString().contains("nobody listens there"), run.toString());
        for (String line : run.out.subList(0, 6)) {
            assertEquals(false, ClientJson.parse(line).get("valid"), run.toString());
        }
    }

    /** Names of addresses that the JVM takes from a file, in the order of its lines. */
    private String hosts(String... lines) throws IOException {
        Path hosts = folder.resolve("hosts");
        Files.write(hosts, List.of(lines));
        return "-Djdk.net.hosts.file=" + hosts;
    }

    /** The client as a process; args say all, the options of the JVM included. */
    private ClientSupport.Run java(String... args) throws Exception {
        return ClientSupport.process(folder, new byte[0], ClientSupport.with(args,
                ClientSupport.jdk("java"), "-cp", System.getProperty("echo.classes")));
    }

    private static ServerSocket listenAt(String address, int port, int backlog)
            throws IOException {
        try {
            return new ServerSocket(port, backlog, InetAddress.getByName(address));
        } catch (BindException e) {
            Assumptions.abort(address + " is not an address here: " + e);
            throw e;
        }
    }

    private static void echo(InputStream in, OutputStream out) throws IOException {
        for (int b = in.read(); b >= 0; b = in.read()) {
            out.write(b);
        }
    }

    /**
     * Two hosts in one distribution would be of no use: once the second address has answered, no
     * connection goes to the first, though a server comes up there.
     */
    @Test
    void allConnectionsGoToTheAddressThatAnsweredFirst() throws Exception {
        AtomicInteger second = new AtomicInteger();
        AtomicInteger first = new AtomicInteger();
        AtomicReference<ClientSupport.TestServer> late = new AtomicReference<>();
        ServerSocket listener = listenAt("127.0.0.2", 0, 50);
        int port = listener.getLocalPort();
        try (ClientSupport.TestServer server = new ClientSupport.TestServer(listener,
                (in, out) -> {
                    if (second.incrementAndGet() == 1) {
                        late.set(new ClientSupport.TestServer(listenAt("127.0.0.1", port, 50),
                                (in1, out1) -> {
                                    first.incrementAndGet();
                                    echo(in1, out1);
                                }));
                    }
                    echo(in, out);
                })) {
            ClientSupport.Run run = java(hosts("127.0.0.1 twofold", "127.0.0.2 twofold"),
                    "EchoClient", "--host", "twofold", "--port", "" + server.port(), "--bench",
                    "--parallel", "150", "--repeat", "2", "--warmup", "0", "--message", "x");
            late.get().close();
            run.expect(0);
            assertEquals(150, second.get(), "connections, beside " + first.get() + " elsewhere");
            assertTrue(run.out.toString().contains("server: twofold:" + port + " (127.0.0.2)"),
                    run.toString());
        }
    }

    @Test
    void theAddressThatAnsweredStandsInTextAndJson() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--host", "localhost",
                    "--bench", "--repeat", "5", "--warmup", "0").expect(0);
            assertTrue(run.out.stream().anyMatch(line -> line.startsWith("[bench] server:"
                    + " localhost:" + server.port() + " (127.0.0.1)")), run.toString());
            ClientJson json = ClientSupport.run(server.port(), "--host", "localhost", "--json",
                    "-").expect(0).json();
            assertEquals("localhost", json.get("host"));
            assertEquals("127.0.0.1", json.get("address"));
        }
    }

    /** Makes a listener whose queue is full: it answers no more than a host that is down. */
    private static void fill(ServerSocket full, List<Socket> waiting) throws IOException {
        for (int i = 0; i < 10; i++) { // the queue holds one, and the system lets in some more
            Socket socket = new Socket();
            waiting.add(socket);
            try {
                socket.connect(full.getLocalSocketAddress(), 200);
            } catch (SocketTimeoutException e) {
                return;
            }
        }
    }

    /** The time-out is for all addresses together: whoever waits does not know how many. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void theTimeoutIsForAllAddressesTogether() throws Exception {
        List<Socket> waiting = new ArrayList<>();
        try (ServerSocket one = listenAt("127.0.0.1", 0, 1);
                ServerSocket two = listenAt("127.0.0.2", one.getLocalPort(), 1);
                ServerSocket three = listenAt("127.0.0.3", one.getLocalPort(), 1)) {
            fill(one, waiting);
            fill(two, waiting);
            fill(three, waiting);
            ClientSupport.Run run = java(hosts("127.0.0.1 dead", "127.0.0.2 dead",
                    "127.0.0.3 dead"), "EchoClient", "--host", "dead", "--port",
                    "" + one.getLocalPort(), "--timeout", "3s");
            assertOneLine(run, "cannot connect to dead:", "no answer within 3.00 s");
            assertTrue(run.millis < 7000, "3 s in all, not for each of three: " + run);
        } finally {
            for (Socket socket : waiting) {
                socket.close();
            }
        }
    }

    /** What is refused elsewhere may run there, on loopback only: that is its default. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void refusedElsewhereSpeaksOfLoopbackAndFirewalls() throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder, "ip route add local"
                + " 10.9.0.0/16 dev lo; $CLIENT --host 10.9.0.1");
        assertOneLine(run, "cannot connect to 10.9.0.1:5050: Connection refused; ",
                "--host 0.0.0.0", "firewall");
        assertFalse(run.err.get(0).contains("java EchoServer.java --port"), run.toString());
        assertOneLine(ClientSupport.inOwnNetwork(folder, "$CLIENT --host localhost"),
                "Connection refused; is the server running? start it with: java EchoServer.java"
                + " --port 5050");
    }

    /** Where the system's own words do not say what is to be done. */
    @ParameterizedTest
    @CsvSource({"10.8.0.1, No route to host; , network", "10.7.0.1, Network is unreachable; , network",
        "fe80::1, Invalid argument; , fe80::1%", "fe80::1%nosuch, interface, %"})
    @EnabledOnOs(OS.LINUX)
    void aHintForEachWayInWhichTheNetworkFails(String host, String reason, String hint)
            throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder, "ip route add unreachable"
                + " 10.8.0.1; $CLIENT --host " + host);
        assertOneLine(run, "[client] cannot connect to ", reason);
        String after = run.err.get(0).substring(run.err.get(0).indexOf(reason) + reason.length());
        assertTrue(after.contains(hint), "a hint after the reason: " + run);
    }

    /** Without a network no name server answers, which says nothing about the name. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aSilentNameServerIsNotAnUnknownHost() throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder,
                "getent ahostsv4 www.example.com; echo $? >status; $CLIENT --host www.example.com");
        Assumptions.assumeFalse(Files.readString(folder.resolve("status")).startsWith("0"),
                "the name is known without a network");
        assertOneLine(run, "cannot connect to www.example.com:5050: ", "name server");
        assertFalse(run.err.get(0).contains("unknown host"), run.toString());
    }

    /** No such name is in any domain (RFC 6761). */
    @Test
    void anUnknownHostIsToBeChecked() throws Exception {
        assertOneLine(java(hosts("127.0.0.1 known"), "EchoClient", "--host", "nowhere.invalid"),
                "[client] cannot connect to nowhere.invalid:5050: unknown host; check --host");
    }

    /** What belongs into another option is said before any name is looked up. */
    @ParameterizedTest
    @ValueSource(strings = {"localhost:5050", "127.0.0.1:80", "[::1]:5050", "http://localhost",
        "http://localhost:5050/"})
    void aHostWithAPortIsSaidToBeOne(String host) {
        ClientSupport.Run run = ClientSupport.run("--host", host).expect(2);
        assertEquals(List.of(), run.out);
        assertTrue(run.err.get(0).startsWith("[client] --host "), run.toString());
        assertTrue(run.err.get(0).contains("--port"), run.toString());
    }

    /** One wording on every JDK, which names the JVM's option or the system. */
    @Test
    void aJavaWithoutIpv6SaysSo() throws Exception {
        for (String host : List.of("::1", "fe80::1")) {
            assertOneLine(java("-Djava.net.preferIPv4Stack=true", "EchoClient", "--host", host),
                    "cannot connect to [" + host + "]:5050: ", "IPv6", "preferIPv4Stack");
        }
    }

    /** "Cannot assign requested address" alone would send one to look at --host. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void outOfLocalPortsIsSaid() throws Exception {
        ClientSupport.Run run = ClientSupport.inOwnNetwork(folder, "echo 40000 40003"
                + " >/proc/sys/net/ipv4/ip_local_port_range\n$SERVER --port 5050 >listening &\n"
                + "until [ -s listening ]; do sleep 0.05; done\n"
                + "$CLIENT --bench --parallel 20 --warmup 0; status=$?; kill $!; exit $status");
        assertOneLine(run, "[client] cannot connect to 127.0.0.1:5050: ", "local port",
                "--parallel");
    }

    /** At its limit the server takes nobody on, and nothing comes back. */
    @Test
    void aFullServerIsOneOfTheReasonsForSilence() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start("--max-connections", "1");
                Socket first = TestSupport.connect(server.port())) {
            TestSupport.assertServed(first);
            ClientSupport.Run run = ClientSupport.run(server.port(), "--timeout", "1s");
            assertOneLine(run, "timed out: nothing moved for 1.00 s in message 1, after 0 of 12"
                    + " bytes of the echo; ", "full", "--max-connections", "line end");
        }
    }

    /** What --parallel needs is threads, of which a container allows few; heap is not the point. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aLimitOnThreadsIsNotTakenForALackOfHeap() throws Exception {
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.Run run = ClientSupport.process(folder, new byte[0], "bash", "-c",
                    "ulimit -v 3000000; '" + ClientSupport.jdk("java") + "' -Xmx32m -Xss16m"
                    + " -XX:CompressedClassSpaceSize=32m -XX:ReservedCodeCacheSize=32m"
                    + " -XX:+UseSerialGC -cp " + System.getProperty("echo.classes") + " EchoClient"
                    + " --bench --parallel 500 --warmup 0 --port " + server.port()
                    + " | cat; exit ${PIPESTATUS[0]}");
            List<String> own = new ArrayList<>(run.err);
            own.removeIf(line -> line.contains("[warning]")); // of the JVM: pthread_create failed
            assertEquals(1, own.size(), run.toString());
            run.expect(1);
            assertTrue(own.get(0).contains("thread") && own.get(0).contains("ulimit -u")
                    && own.get(0).contains("--parallel"), run.toString());
            assertFalse(own.get(0).contains("-Xmx"), run.toString());
            assertFalse(run.toString().contains("Exception"), run.toString());
        }
    }

    /** What a server sends must not steer the terminal: not even with characters of no width. */
    @Test
    void formatCharactersOfAnEchoAreDots() throws Exception {
        String text = "a\u202eb\u200fc\u2066d\u2028e\ufefff";
        int length = text.getBytes(StandardCharsets.UTF_8).length;
        try (ServerKind.Running server = ServerKind.THREADED.start()) {
            ClientSupport.Run run = ClientSupport.run(server.port(), "--message", text).expect(0);
            assertEquals("[client] received: \"a.b.c.d.e.f\" (" + length + " bytes)",
                    run.out.get(1));
        }
    }
}
