import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;

/** A server that behaves as a test wants: each connection is served by a script. */
final class Peer implements AutoCloseable {

    /** What is done with a connection; the first one has number 1. It is closed after it. */
    interface Script {
        void serve(Socket client, int number) throws Exception;
    }

    private final ServerSocket listener;
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    /** By System.nanoTime: when connections were accepted, and when note() was called. */
    final List<Long> connectedAt = Collections.synchronizedList(new ArrayList<>());
    final List<Long> notedAt = Collections.synchronizedList(new ArrayList<>());
    /** How connections ended: "end" of the stream, or the message of an exception. */
    final List<String> ends = Collections.synchronizedList(new ArrayList<>());

    private Peer(ServerSocket listener) {
        this.listener = listener;
    }

    static Peer start(Script script) throws IOException {
        Peer peer = new Peer(new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1")));
        Thread thread = new Thread(() -> peer.accept(script), "peer");
        thread.setDaemon(true);
        thread.start();
        return peer;
    }

    /** Echoes messages of this size, each of which is noted, after so many milliseconds. */
    static Peer echo(int size, int delayMillis) throws IOException {
        Peer[] peer = new Peer[1];
        peer[0] = start((client, number) -> {
            byte[] message = read(client, size);
            while (message.length == size) {
                peer[0].note();
                Thread.sleep(delayMillis);
                client.getOutputStream().write(message);
                message = read(client, size);
            }
            peer[0].ends.add("end");
        });
        return peer[0];
    }

    private void accept(Script script) {
        for (int number = 1; !listener.isClosed(); number++) {
            try {
                Socket client = listener.accept();
                client.setTcpNoDelay(true);
                connectedAt.add(System.nanoTime());
                clients.add(client);
                int one = number;
                Thread thread = new Thread(() -> serve(script, client, one), "peer-" + number);
                thread.setDaemon(true);
                thread.start();
            } catch (IOException e) {
                // closed
            }
        }
    }

    private void serve(Script script, Socket client, int number) {
        try (client) {
            script.serve(client, number);
        } catch (Exception e) {
            ends.add("" + e.getMessage());
        }
    }

    /** So many bytes, or fewer at the end of the stream. */
    static byte[] read(Socket client, int size) throws IOException {
        return client.getInputStream().readNBytes(size);
    }

    void note() {
        notedAt.add(System.nanoTime());
    }

    int port() {
        return listener.getLocalPort();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket client : clients) {
            client.close();
        }
    }
}
