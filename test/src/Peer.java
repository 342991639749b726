import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;

/** A server that behaves as a test wants. Its times are those of System.nanoTime. */
final class Peer implements AutoCloseable {

    /** What is done with a connection; the first one has number 1. It is closed after it. */
    interface Script {
        void serve(Socket client, int number) throws Exception;
    }

    /** What is answered to message n of a connection; null closes that. */
    interface Echo {
        byte[] of(byte[] message, int n) throws Exception;
    }

    private final ServerSocket listener;
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    final List<Long> connectedAt = Collections.synchronizedList(new ArrayList<>());
    final List<Long> receivedAt = Collections.synchronizedList(new ArrayList<>());
    final List<Long> answeredAt = Collections.synchronizedList(new ArrayList<>());
    /** How connections ended: "end" of the stream, or the message of an exception. */
    final List<String> ends = Collections.synchronizedList(new ArrayList<>());

    private Peer() throws IOException {
        listener = new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1"));
    }

    static Peer start(Script script) throws IOException {
        return new Peer().with(script);
    }

    /** Answers messages of so many bytes; the second connection as the second echo says. */
    static Peer answers(int size, Echo... echoes) throws IOException {
        Peer peer = new Peer();
        return peer.with((client, number) -> {
            Echo echo = echoes[Math.min(number, echoes.length) - 1];
            byte[] message = read(client, size);
            for (int n = 1; message.length == size; n++) {
                peer.receivedAt.add(System.nanoTime());
                byte[] answer = echo.of(message, n);
                if (answer == null) {
                    return;
                }
                peer.answeredAt.add(System.nanoTime());
                client.getOutputStream().write(answer);
                message = read(client, size);
            }
            peer.ends.add("end");
        });
    }

    /** Echoes messages of so many bytes after so many milliseconds. */
    static Peer echoes(int size, int delayMillis) throws IOException {
        return answers(size, (message, n) -> {
            Thread.sleep(delayMillis);
            return message;
        });
    }

    /** Echoes all that comes, until the end of the stream. */
    static Peer echoesAll() throws IOException {
        return start((client, number) -> client.getInputStream()
                .transferTo(client.getOutputStream()));
    }

    private Peer with(Script script) {
        startThread(() -> accept(script));
        return this;
    }

    private void accept(Script script) {
        for (int number = 1; !listener.isClosed(); number++) {
            try {
                Socket client = listener.accept();
                client.setTcpNoDelay(true);
                connectedAt.add(System.nanoTime());
                clients.add(client);
                int one = number;
                startThread(() -> serve(script, client, one));
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

    private static void startThread(Runnable task) {
        Thread thread = new Thread(task, "peer");
        thread.setDaemon(true);
        thread.start();
    }

    /** So many bytes, or fewer at the end of the stream. */
    static byte[] read(Socket client, int size) throws IOException {
        return client.getInputStream().readNBytes(size);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** From now on a connection is refused. */
    void stopListening() throws IOException {
        listener.close();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket client : clients) {
            client.close();
        }
    }
}
