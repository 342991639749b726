import java.io.IOException;
import java.net.*;
import java.util.*;

/** A client of a test: a socket whose reads give up after ten seconds. */
final class TestClient implements AutoCloseable {
    final Socket socket = new Socket();

    TestClient() { }

    TestClient(int port) throws IOException {
        connect(port);
    }

    void connect(int port) throws IOException {
        socket.connect(new InetSocketAddress("127.0.0.1", port), 5000);
        socket.setSoTimeout(10_000);
        socket.setTcpNoDelay(true);
    }

    void send(byte... bytes) throws IOException {
        socket.getOutputStream().write(bytes);
    }

    byte[] receive(int count) throws IOException {
        return socket.getInputStream().readNBytes(count);
    }

    /** Whether these bytes come back. */
    boolean echoes(byte... bytes) throws IOException {
        send(bytes);
        return Arrays.equals(bytes, receive(bytes.length));
    }

    /** Whether nothing comes for so long. */
    boolean isSilentFor(int millis) throws IOException {
        socket.setSoTimeout(millis);
        try {
            socket.getInputStream().read();
            return false;
        } catch (SocketTimeoutException e) {
            return true;
        } finally {
            socket.setSoTimeout(10_000);
        }
    }

    /** Whether the server ends or resets the connection; nothing may come before. */
    boolean isEnded() throws IOException {
        try {
            return socket.getInputStream().read() < 0;
        } catch (SocketTimeoutException e) {
            return false;
        } catch (SocketException e) {
            return true;
        }
    }

    /** Whether a new client of this port is served, within some seconds. */
    static boolean isServed(int port) throws InterruptedException {
        for (int i = 0; i < 10; i++) {
            try (TestClient client = new TestClient(port)) {
                client.socket.setSoTimeout(2000);
                if (client.echoes((byte) 7)) {
                    return true;
                }
            } catch (IOException e) {
                // the server may still be busy with those who left
            }
            Thread.sleep(100);
        }
        return false;
    }

    /** Pseudo-random bytes: where one is lost or doubled, the rest differs, too. */
    static byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        return bytes;
    }

    /** Clients that have sent one byte each; fewer if no more can connect. */
    static List<TestClient> crowd(int port, int count) throws IOException {
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

    static void closeAll(List<TestClient> clients) throws IOException {
        for (TestClient client : clients) {
            client.close();
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
