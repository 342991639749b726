import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.locks.LockSupport;

/**
 * A program for tests whose client runs in a network of its own, where a server in the process of
 * the tests can't be reached.
 */
final class ClientPeer {
    private ClientPeer() {
    }

    /**
     * Either "slow PORT SIZE EVERY MICROS": an echo server that answers every so many messages late
     * by so much. Or "bind PORT": fails unless the port is free, also of what is left of closed
     * connections.
     */
    public static void main(String... args) throws Exception {
        ServerSocket listener = new ServerSocket();
        int port = Integer.parseInt(args[1]);
        if (args[0].equals("bind")) {
            listener.setReuseAddress(false);
            listener.bind(new InetSocketAddress("127.0.0.1", port));
            return;
        }
        listener.bind(new InetSocketAddress("0.0.0.0", port));
        System.out.println("listening on 0.0.0.0:" + listener.getLocalPort());
        while (true) {
            Socket socket = listener.accept();
            new Thread(() -> echo(socket, Integer.parseInt(args[2]), Integer.parseInt(args[3]),
                    Long.parseLong(args[4]))).start();
        }
    }

    private static void echo(Socket socket, int size, int every, long micros) {
        try (socket) {
            socket.setTcpNoDelay(true);
            InputStream in = socket.getInputStream();
            OutputStream out = socket.getOutputStream();
            byte[] message = in.readNBytes(size);
            for (int number = 1; message.length == size; number++) {
                if (number % every == 0) {
                    LockSupport.parkNanos(micros * 1000);
                }
                out.write(message);
                message = in.readNBytes(size);
            }
        } catch (IOException e) {
            // the client is gone
        }
    }
}
