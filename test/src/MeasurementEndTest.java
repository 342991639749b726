import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.FutureTask;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Closing a connection costs both ends time, which must not be taken from those who measure. */
class MeasurementEndTest {
    private static final int SIZE = 16;

    @Test
    @Timeout(120)
    void nobodyClosesWhileOthersStillMeasure() throws Exception {
        try (ServerSocket listener = new ServerSocket(0, 2, InetAddress.getLoopbackAddress())) {
            FutureTask<long[]> quick = TestSupport.inBackground(() -> echo(listener, 0));
            FutureTask<long[]> slow = TestSupport.inBackground(() -> echo(listener, 10));
            Output out = new Output();
            int status = EchoClient.run(out.stream(), out.stream(), "--bench", "--parallel", "2",
                    "--port", "" + listener.getLocalPort(), "--size", "" + SIZE, "--warmup", "0",
                    "--repeat", "20");
            assertEquals(0, status, out.text());
            assertTrue(quick.get()[1] - slow.get()[0] > 0, "closed after all had their last echo");
        }
    }

    /** Echoes to one client, each message so late; returns when the last came, and the end. */
    private static long[] echo(ServerSocket listener, long delayMillis) throws IOException {
        long[] times = new long[2];
        try (Socket client = listener.accept()) {
            byte[] message = client.getInputStream().readNBytes(SIZE);
            while (message.length == SIZE) {
                times[0] = System.nanoTime();
                TestSupport.pause(delayMillis);
                client.getOutputStream().write(message);
                message = client.getInputStream().readNBytes(SIZE);
            }
            times[1] = System.nanoTime();
        }
        return times;
    }
}
