import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A result of times that a test has made up: no socket, no clock. */
final class Made {
    static final long US = 1_000;
    static final long MS = 1_000_000;
    static final long SECOND = 1_000_000_000;

    final EchoClient.Options options;
    final EchoClient.Phase warmup = new EchoClient.Phase(true);
    final EchoClient.Phase measured;
    final EchoClient.Machine machine = new EchoClient.Machine();
    final EchoClient.Ending ending = new EchoClient.Ending();
    EchoClient.Server server;
    String error;
    private long now;

    /** What is measured begins at 0. The server is on another machine, as far as is known. */
    Made(String line) {
        options = EchoClient.Options.parse(("--bench " + line).trim().split(" "));
        measured = new EchoClient.Phase(true, options.intervalNanos);
        server = new EchoClient.Server(options);
        warmup.begin(0);
        measured.begin(0);
    }

    /** The server is on this machine. */
    Made here() throws IOException {
        try (Peer peer = Peer.echoesAll()) {
            server = new EchoClient.Server(
                    EchoClient.Options.parse("--port", "" + peer.port()));
            server.close(server.find());
        }
        return this;
    }

    /** A warm-up of so many messages that took 20 us each. */
    Made warm(int messages) {
        for (int i = 0; i < messages; i++) {
            warmup.record(i * 20 * US, (i + 1) * 20 * US, 1, 0);
        }
        warmup.end(messages * 20 * US);
        return this;
    }

    /** So many round trips in a closed loop, each of which took so long. */
    Made trips(int messages, long nanos) {
        for (int i = 0; i < messages; i++) {
            measured.record(now, now + nanos, 1, 0);
            now += nanos;
        }
        return this;
    }

    /** On a schedule: due each period, sent and answered so much later. */
    Made due(int messages, long periodNanos, long sentAfter, boolean late, long rttNanos) {
        for (int i = 0; i < messages; i++) {
            long sent = now + sentAfter;
            measured.recordScheduled(now, late, sent, sent + rttNanos, 1, 0);
            now += periodNanos;
        }
        return this;
    }

    EchoClient.Result result() {
        warmup.end(0);
        measured.end(now);
        warmup.finish();
        measured.finish();
        return new EchoClient.Result(options, server, machine, warmup, measured, ending, error);
    }

    List<String> warnings() {
        return result().warnings;
    }

    static String text(EchoClient.Result result) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new EchoClient.TextReport(result,
                new PrintStream(out, true, StandardCharsets.UTF_8)).show();
        return out.toString(StandardCharsets.UTF_8);
    }

    static Json json(EchoClient.Result result) {
        return Json.of(new EchoClient.JsonReport(result).toString());
    }
}
