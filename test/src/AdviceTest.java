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

    private static EchoClient.Trip trip(byte[] sent, byte[] received, long echoes) {
        EchoClient.Trip trip = new EchoClient.Trip();
        trip.echoes = echoes;
        trip.number = 41;
        ByteBuffer window = ByteBuffer.allocate(3 + sent.length).position(3);
        trip.begin(window.put(sent).position(3));
        trip.echo.put(received);
        trip.end();
        return trip;
    }

    private static EchoClient.Trip trip(String sent, String received, long echoes) {
        return trip(sent.replace("|", "\n").getBytes(StandardCharsets.UTF_8),
                received.replace("|", "\n").getBytes(StandardCharsets.UTF_8), echoes);
    }

    private static String why(Throwable failure, String line) {
        EchoClient.Options options = EchoClient.Options.parse(line.split(" "));
        return new EchoClient.Failures(options, new EchoClient.Server(options)).why(failure);
    }

    /** What must be in the words, and what must not: behind a "not". */
    private static void says(String words, String facts) {
        String[] parts = facts.split(" not ");
        Check.has(words, parts[0].split(", "));
        if (parts.length > 1) {
            Check.lacks(words, parts[1].split(", "));
        }
    }

    /** A | is a line end; so many messages of this connection, and of others, had come back. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "timed out; hello;; 0; 0; --timeout 1500ms; 1.50 s, message 42, 0 of 5 bytes, --line,"
                + " --max-connections not --timeout, on this connection, --size",
        "timed out; hello|;; 0; 0; --line; --max-connections not --line",
        "timed out; hello;; 20000; 0; --bench; 20,000 messages, on this connection, --timeout"
                + " not echo server, --max-connections, --line",
        "timed out; hello;; 7; 0; --bench --connect; 7 messages, other connections not --line",
        "timed out; hello;; 1; 0; --nagle; 1 message , --line", // one message after the other
        "timed out; hello;; 0; 20000; --bench; 20,000 messages, --max-connections, at a time"
                + " not --timeout, --line",
        "closed; hello;; 0; 3; --bench; 3 messages, full, closed",
        "timed out; hello world; hello; 5; 0; --bench; 5 of 11 bytes, write"
                + " not --timeout, --line",
        "timed out; ab|cd; ab|; 0; 0; --bench; 3 of 5 bytes, --line",
        "timed out; hello|; hello; 0; 0; --bench --line; 5 of 6 bytes, line end",
        "timed out; ab|cd|; ab|; 0; 0; --bench --line; 3 of 6 bytes, write not --line",
        "closed; hello world; hello; 5; 0; --bench; 5 of 11 bytes, write not --line",
        "closed; hello;; 0; 0; --bench; echo server, closed",
        "closed; hello;; 1000; 0; --bench; 1,000 messages, closed not echo server",
        "Connection timed out; hello;; 9; 0; --bench; Connection timed out, network",
        "Network is unreachable; hello;; 9; 0; --bench; unreachable, network",
        "Connection reset; hello;; 9; 0; --bench; Connection reset, 9 messages not network",
        "No route to host; hello;; 9; 0; --bench; No route, network not close"})
    void aLoss(String reason, String sent, String received, long echoes, long others, String line,
            String facts) {
        EchoClient.Loss loss = new EchoClient.Loss(trip(sent, received == null ? "" : received,
                echoes), reason.equals("timed out"), new IOException(reason));
        loss.othersEchoes = others;
        says(why(loss, line), facts);
    }

    /** Elsewhere, a message of more than 500 bytes can be too large for a packet. */
    @ParameterizedTest
    @CsvSource({"501, --size", "500, message not --size"})
    void aPacketThatIsTooLargeIsAskedFor(int size, String facts) {
        says(why(new EchoClient.Loss(trip("x".repeat(size), "", 0), true, new IOException()),
                "--bench"), facts);
    }

    @ParameterizedTest
    @CsvSource({"0, 0x48, 0x4a, Jello", "3, 0x6c, 0x21, Hel!o", "5, '', 0x21, Hello!"})
    void aWrongByteHasItsPlace(int offset, String sent, String received, String echo) {
        EchoClient.Trip trip = trip("Hello", echo, 5);
        Check.has(assertThrows(EchoClient.WrongEcho.class, trip::compare).getMessage(),
                "INVALID", "message 42", "offset " + offset, sent, received, "echo server");
    }

    @Test
    void aShortOrARightEchoIsNotWrong() throws Exception {
        trip("Hello", "Hel", 5).compare();
        trip("Hello", "Hello", 5).compare();
        assertThrows(EchoClient.WrongEcho.class, trip("Hello", "Hex", 5)::compare);
    }

    @Test
    void aWrongEchoNamesWhatWasSeen() {
        byte[] text = {(byte) 0xef, (byte) 0xbf, (byte) 0xbd};
        byte[] sent = {(byte) 0x80, 1, 2};
        says(EchoClient.Failures.wrongEcho(trip("abc|", "abc\r", 0), 3), "CRLF");
        says(EchoClient.Failures.wrongEcho(trip(sent, text, 0), 0), "text, 0xef 0xbf 0xbd");
        says(EchoClient.Failures.wrongEcho(trip(sent, Arrays.copyOf(text, 2), 0), 0),
                "0xef not text");
        says(EchoClient.Failures.wrongEcho(trip("abc", "abd", 1000), 2), "0x64 not echo server");
        says(EchoClient.Failures.wrongEcho(trip("abc", "abd", 999), 2), "echo server");
    }

    /** After so many connections that were made; an empty address was not found. */
    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "127.0.0.1; 127.0.0.1; 0; Connection refused; 127.0.0.1:7777,"
                + " java EchoServer.java --port 7777 not --host",
        "::1; ::1; 0; Connection refused; [::1]:7777, --port 7777 --host ::1",
        "127.0.0.2; 127.0.0.2; 0; Connection refused; --host 127.0.0.2",
        "localhost; 127.0.0.1; 0; Connection refused; localhost:7777 (127.0.0.1) not --host",
        "0.0.0.0; 0.0.0.0; 0; Connection refused; java EchoServer.java not --host",
        "192.0.2.7; 192.0.2.7; 0; Connection refused; --host 0.0.0.0, firewall"
                + " not java EchoServer",
        "127.0.0.1; 127.0.0.1; 1; Connection refused; 1 connection , full not java EchoServer",
        "192.0.2.7; 192.0.2.7; 0; silence; 3.00 s, firewall, host up",
        "127.0.0.1; 127.0.0.1; 0; silence; 3.00 s, firewall, full not host up",
        "127.0.0.1; 127.0.0.1; 1; silence; 1 connection , full not firewall",
        "192.0.2.7; 192.0.2.7; 0; Connection timed out; firewall, host up",
        "192.0.2.7; 192.0.2.7; 0; Network is unreachable; network, 192.0.2.7:7777, unreachable",
        "nowhere;; 0; nowhere; nowhere:7777, --host not name server",
        "nowhere;; 0; nowhere: Temporary failure in name resolution; name server",
        "nowhere;; 0; silence; name server, 3.00 s",
        "fe80::1%no;; 0; x; interface, %",
        "fe80::1; fe80::1; 0; Invalid argument; fe80::1%",
        "::1; ::1; 0; unsupported address type; IPv6",
        "127.0.0.1; 127.0.0.1; 5; Too many open files; ulimit -n, --parallel",
        "127.0.0.1; 127.0.0.1; 28000; Cannot assign requested address; TIME_WAIT"
                + " not no address of this machine",
        "127.0.0.1; 127.0.0.1; 0; Cannot assign requested address; no address of this machine"})
    void aServerThatCannotBeReached(String host, String address, int before, String reason,
            String facts) throws Exception {
        InetAddress to = address == null ? null : InetAddress.getByName(address);
        IOException cause = new SocketException(reason);
        if (reason.equals("silence")) {
            cause = new SocketTimeoutException("x");
        }
        String words = why(new EchoClient.ConnectFailure(to, before, cause),
                "--host " + host + " --port 7777 --timeout 3s");
        says(words, facts);
        File range = new File("/proc/sys/net/ipv4/ip_local_port_range");
        if (before == 28_000 && range.exists()) {
            try (Scanner ends = new Scanner(range)) {
                int many = 1 - ends.nextInt() + ends.nextInt();
                Check.has(words, String.format(Locale.ROOT, "%,d a second", many / 60));
            }
        }
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
    void whatIsNoConnection() {
        says(why(new OutOfMemoryError("Java heap space"), "--bench"), "--parallel, --size, -Xmx");
        says(why(new OutOfMemoryError("unable to create native thread"), "--bench"),
                "--parallel, ulimit -u");
        says(why(new FileNotFoundException("/x/y (No such file)"), "--bench"), "/x/y");
    }
}
