import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

/** Clients that send the next message as soon as the last one has come back. */
final class BusyClients implements AutoCloseable {
    private final Selector selector = Selector.open();
    private final List<SocketChannel> channels = new ArrayList<>();
    private final ByteBuffer message = ByteBuffer.allocate(1024);
    private final Set<SocketChannel> served = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;
    private final Thread thread = new Thread(this::goOn, "busy-clients");

    BusyClients(int port, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            SocketChannel channel =
                    SocketChannel.open(new InetSocketAddress("127.0.0.1", port));
            channels.add(channel);
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_READ);
            message.clear();
            channel.write(message);
        }
        thread.setDaemon(true);
        thread.start();
    }

    private void goOn() {
        try {
            while (!closed) {
                selector.select(100);
                for (SelectionKey key : selector.selectedKeys()) {
                    answer((SocketChannel) key.channel());
                }
                selector.selectedKeys().clear();
            }
            for (SocketChannel channel : channels) {
                channel.close();
            }
            selector.close();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(SocketChannel channel) throws IOException {
        try {
            message.clear();
            if (channel.read(message) >= 0) {
                message.flip();
                channel.write(message);
                served.add(channel);
                return;
            }
        } catch (IOException e) {
            // reset
        }
        channel.close();
    }

    /** Waits until so many of them have had an echo. */
    void awaitServed(int count) throws InterruptedException {
        Program.await(60, count + " clients served", () -> served.size() >= count);
    }

    @Override
    public void close() {
        closed = true;
        selector.wakeup();
    }
}
