import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

/** Clients that send the next message as soon as the last one has come back. */
final class BusyClients implements AutoCloseable {
    private final Selector selector = Selector.open();
    private final ByteBuffer message = ByteBuffer.allocate(1024);
    private final Set<SelectionKey> served = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    BusyClients(int port, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            SocketChannel channel =
                    SocketChannel.open(new InetSocketAddress("127.0.0.1", port));
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_READ);
            message.clear();
            channel.write(message);
        }
        Thread thread = new Thread(this::goOn, "busy-clients");
        thread.setDaemon(true);
        thread.start();
    }

    private void goOn() {
        try {
            while (!closed) {
                selector.select(100);
                for (SelectionKey key : selector.selectedKeys()) {
                    answer(key);
                }
                selector.selectedKeys().clear();
            }
            for (SelectionKey key : selector.keys()) {
                key.channel().close();
            }
            selector.close();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        try {
            message.clear();
            if (channel.read(message) >= 0) {
                message.flip();
                channel.write(message);
                served.add(key);
                return;
            }
        } catch (IOException e) {
            // reset
        }
        channel.close();
    }

    /** Waits until so many of them have had an echo. */
    void awaitServed(int count) throws InterruptedException {
        Check.await(60, count + " clients served", () -> served.size() >= count);
    }

    @Override
    public void close() {
        closed = true;
        selector.wakeup();
    }
}
