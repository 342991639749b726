import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

/** What an error says and advises: by what was seen of that connection. */
@Timeout(30)
class AdviceTest {

    private static EchoClient.Trip trip(String sent, String received, long echoes) {
        return trip(sent.getBytes(StandardCharsets.UTF_8),
                received.getBytes(StandardCharsets.UTF_8), echoes);
    }

    private static EchoClient.Trip trip(byte[] sent, byte[] received, long echoes) {
        EchoClient.Trip trip = new EchoClient.Trip();
        trip.echoes = echoes;
        trip.number = 41;
        trip.begin(ByteBuffer.wrap(sent));
        trip.echo.put(received);
        trip.end();
        return trip;
    }

    private static EchoClient.Loss loss(EchoClient.Trip trip, boolean timedOut) {
        return new EchoClient.Loss(trip, timedOut, new IOException("Broken pipe"));
    }

    private static String why(Throwable failure, String... arguments) {
        EchoClient.Options options = EchoClient.Options.parse(arguments);
        return new EchoClient.Failures(options, new EchoClient.Server(options)).why(failure);
    }

    private static void says(String words, String... facts) {
        for (String fact : facts) {
            assertTrue(words.contains(fact), fact + " in: " + words);
        }
    }

    private static void not(String words, String... facts) {
        for (String fact : facts) {
            assertFalse(words.contains(fact), fact + " in: " + words);
        }
    }

    @Test
    void aSilenceNamesTheMessageTheBytesAndTheTime() {
        String words = why(loss(trip("hello", "", 0), true), "--timeout", "1500ms");
        says(words, "timed out", "1.50 s", "message 42", "0 of 5 bytes", "--line",
                "--max-connections");
        not(words, "--timeout");
    }

    @Test
    void afterEchoesItHasGoneSilent() {
        String words = why(loss(trip("hello", "", 20_000), true), "--bench");
        says(words, "20,000 messages", "--timeout");
        not(words, "echo server", "--max-connections", "--line");
        says(words, "on this connection");
        says(why(loss(trip("hello", "", 7), true), "--bench", "--connect"), "7 messages",
                "other connections");
        says(why(loss(trip("hello", "", 1), true)), "1 message ", "--line"); // one by one
    }

    /** Elsewhere, a message of more than 500 bytes can be too large for a packet. */
    @Test
    void aPacketThatIsTooLargeIsAskedFor() {
        says(why(loss(trip("x".repeat(501), "", 0), true)), "--size");
        not(why(loss(trip("x".repeat(500), "", 0), true)), "--size");
    }

    @Test
    void oneThatGotNothingWhileOthersDid() {
        EchoClient.Loss loss = loss(trip("hello", "", 0), true);
        loss.othersEchoes = 20_000;
        String words = why(loss, "--bench");
        says(words, "20,000 messages", "full", "one client at a time");
        not(words, "--timeout", "--line");
        EchoClient.Loss closed = loss(trip("hello", "", 0), false);
        closed.othersEchoes = 3;
        says(why(closed, "--bench"), "3 messages", "full", "Broken pipe");
    }

    @Test
    void anEchoThatEndedShort() {
        String dropped = why(loss(trip("hello world", "hello", 5), true), "--bench");
        says(dropped, "5 of 11 bytes", "writes all".replace("writes", "write"));
        not(dropped, "--timeout", "--line");
        says(why(loss(trip("ab\ncd", "ab\n", 0), true), "--bench"), "--line");
        says(why(loss(trip("hello\n", "hello", 0), true), "--bench", "--line"), "line end");
        says(why(loss(trip("hello world", "hello", 5), false), "--bench"), "5 of 11", "write");
    }

    @Test
    void aLostConnection() {
        says(why(loss(trip("hello", "", 0), false)), "echo server");
        String later = why(loss(trip("hello", "", 1000), false));
        says(later, "1,000 messages", "Broken pipe");
        not(later, "echo server?");
        for (String gone : List.of("Connection timed out", "Network is unreachable",
                "No route to host")) {
            String words = why(new EchoClient.Loss(trip("hello", "", 9), false,
                    new IOException(gone)));
            says(words, gone, "network");
            not(words, "the server may");
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0x48, 0x4a, Jello", "3, 0x6c, 0x21, Hel!o", "5, nothing more, 0x21, Hello!"})
    void aWrongByteHasItsPlace(int offset, String sent, String received, String echo) {
        EchoClient.Trip trip = trip("Hello", echo, 5);
        String words = assertThrows(EchoClient.WrongEcho.class, trip::compare).getMessage();
        says(words, "INVALID", "message 42", "offset " + offset, "sent " + sent,
                "received " + received, "echo server?");
    }

    @Test
    void aShortOrARightEchoIsNotWrong() throws Exception {
        trip("Hello", "Hel", 5).compare();
        trip("Hello", "Hello", 5).compare();
        assertThrows(EchoClient.WrongEcho.class, trip("Hello", "Hex", 5)::compare);
    }

    @Test
    void aWrongEchoNamesWhatWasSeen() {
        says(EchoClient.Failures.wrongEcho(trip("abc\n", "abc\r", 0), 3), "CRLF");
        byte[] text = {(byte) 0xef, (byte) 0xbf, (byte) 0xbd};
        says(EchoClient.Failures.wrongEcho(trip(new byte[] {(byte) 0x80, 1, 2}, text, 0), 0),
                "text", "0xef 0xbf 0xbd");
        not(EchoClient.Failures.wrongEcho(trip(new byte[] {(byte) 0x80}, new byte[] {
            (byte) 0xef}, 0), 0), "takes bytes for text");
        not(EchoClient.Failures.wrongEcho(trip("abc", "abd", 1000), 2), "is it an echo server");
        says(EchoClient.Failures.wrongEcho(trip("abc", "abd", 999), 2), "is it an echo server");
    }

    private static String connect(String host, String address, int before, IOException reason)
            throws Exception {
        InetAddress to = address == null ? null : InetAddress.getByName(address);
        return why(new EchoClient.ConnectFailure(to, before, reason), "--host", host, "--port",
                "7777", "--timeout", "3s");
    }

    @Test
    void refusedHere() throws Exception {
        IOException refused = new ConnectException("Connection refused");
        String words = connect("127.0.0.1", "127.0.0.1", 0, refused);
        says(words, "127.0.0.1:7777", "java EchoServer.java --port 7777");
        not(words, "--host");
        says(connect("::1", "::1", 0, refused), "[::1]:7777", "--port 7777 --host ::1");
        says(connect("127.0.0.2", "127.0.0.2", 0, refused), "--host 127.0.0.2");
        says(connect("localhost", "127.0.0.1", 0, refused), "localhost:7777 (127.0.0.1)");
    }

    /** Also an address of this machine that is no loopback, if it has one. */
    @Test
    void whatIsHereAndWhatIsNot() throws Exception {
        for (NetworkInterface network
                : Collections.list(NetworkInterface.getNetworkInterfaces())) {
            for (InetAddress address : Collections.list(network.getInetAddresses())) {
                assertTrue(EchoClient.Server.isHere(address), "" + address);
            }
        }
        assertTrue(EchoClient.Server.isHere(InetAddress.getByName("0.0.0.0")));
        assertFalse(EchoClient.Server.isHere(InetAddress.getByName("192.0.2.7")));
    }

    @Test
    void refusedElsewhereOrLater() throws Exception {
        IOException refused = new ConnectException("Connection refused");
        String far = connect("192.0.2.7", "192.0.2.7", 0, refused);
        says(far, "--host 0.0.0.0", "firewall");
        not(far, "java EchoServer");
        String later = connect("127.0.0.1", "127.0.0.1", 3, refused);
        says(later, "3 connections", "full");
        not(later, "java EchoServer");
    }

    @Test
    void otherReasons() throws Exception {
        String silent = connect("192.0.2.7", "192.0.2.7", 0, new SocketTimeoutException("x"));
        says(silent, "3.00 s", "firewall", "is the host up");
        String here = connect("127.0.0.1", "127.0.0.1", 0, new SocketTimeoutException("x"));
        says(here, "3.00 s", "firewall", "full");
        not(here, "is the host up");
        says(connect("127.0.0.1", "127.0.0.1", 9, new SocketTimeoutException("x")),
                "9 connections", "full");
        says(connect("192.0.2.7", "192.0.2.7", 0, new SocketException("Network is unreachable")),
                "network", "192.0.2.7:7777");
        says(connect("nowhere", null, 0, new UnknownHostException("nowhere")), "nowhere:7777",
                "--host");
        says(connect("nowhere", null, 0, new SocketTimeoutException("x")), "name server",
                "3.00 s");
        String ports = connect("127.0.0.1", "127.0.0.1", 28_000,
                new BindException("Cannot assign requested address"));
        says(ports, "TIME_WAIT");
        not(ports, "no address of this machine");
        says(connect("127.0.0.1", "127.0.0.1", 0, new BindException("Cannot assign")),
                "no address of this machine");
        File range = new File("/proc/sys/net/ipv4/ip_local_port_range");
        if (range.exists()) {
            try (Scanner ends = new Scanner(range)) {
                int many = 1 - ends.nextInt() + ends.nextInt();
                says(ports, String.format(Locale.ROOT, "%,d a second", many / 60));
            }
        }
        says(connect("127.0.0.1", "127.0.0.1", 5, new SocketException("Too many open files")),
                "ulimit -n", "--parallel");
    }

    @Test
    void whatIsNoConnection() {
        says(why(new OutOfMemoryError("Java heap space")), "--parallel", "--size", "-Xmx");
        says(why(new OutOfMemoryError("unable to create native thread")), "--parallel",
                "ulimit -u");
        says(why(new FileNotFoundException("/x/y (No such file)")), "/x/y");
    }
}
