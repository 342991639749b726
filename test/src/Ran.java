import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** A run of one of the programs in this process: its exit status and what it printed. */
final class Ran {
    final int status;
    final String out;
    final String err;

    interface Main {
        int run(PrintStream out, PrintStream err, String... arguments);
    }

    Ran(Main main, String... arguments) {
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        status = main.run(new PrintStream(outBytes, true, StandardCharsets.UTF_8),
                new PrintStream(errBytes, true, StandardCharsets.UTF_8), arguments);
        out = outBytes.toString(StandardCharsets.UTF_8);
        err = errBytes.toString(StandardCharsets.UTF_8);
    }

    /** The client with this command line. */
    static Ran client(String line) {
        return new Ran(EchoClient::run, line.split(" "));
    }

    /** The client with --bench at this port: messages of 10 bytes, no warm-up. */
    static Ran bench(int port, String line) {
        return client("--bench --port " + port + " --size 10 --warmup 0 " + line);
    }

    /** The JSON of a run with --json -; that is all of its standard output. */
    Json json() {
        return Json.of(out);
    }

    @Override
    public String toString() {
        return "exit " + status + "\n" + out + err;
    }
}
