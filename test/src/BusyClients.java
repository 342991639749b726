import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/** Clients that send the next message as soon as the last has come back. */
final class BusyClients implements AutoCloseable {
    private final Selector selector = Selector.open();
    private final List<SocketChannel> channels = new ArrayList<>();
    private final ByteBuffer message = ByteBuffer.allocate(1024);
    private volatile long echoes;
    private volatile boolean closed;
    private volatile int open;
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
        open = count;
        thread.setDaemon(true);
        thread.start();
    }

    private void goOn() {
        try {
            while (!closed && open > 0) {
                selector.select(100);
                for (SelectionKey key : selector.selectedKeys()) {
                    answer(key);
                }
                selector.selectedKeys().clear();
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(SelectionKey key) throws IOException {
        try {
            message.clear();
            if (((SocketChannel) key.channel()).read(message) >= 0) {
                message.flip();
                ((SocketChannel) key.channel()).write(message);
                echoes++;
                return;
            }
        } catch (IOException e) {
            // reset
        }
        key.channel().close();
        open--;
    }

    void awaitEchoes(long count) {
        TestSupport.until(count + " echoes", () -> echoes >= count);
    }

    boolean allClosed() {
        return open == 0;
    }

    @Override
    public void close() throws IOException {
        closed = true;
        TestSupport.until("the clients have stopped", () -> !thread.isAlive());
        for (SocketChannel channel : channels) {
            channel.close();
        }
        selector.close();
    }
}
