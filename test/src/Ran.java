import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** A run of one of the programs in this process: its exit status and what it printed. */
final class Ran {
    final int status;
    final String out;
    final String err;

    private Ran(int status, ByteArrayOutputStream out, ByteArrayOutputStream err) {
        this.status = status;
        this.out = out.toString(StandardCharsets.UTF_8);
        this.err = err.toString(StandardCharsets.UTF_8);
    }

    interface Main {
        int run(PrintStream out, PrintStream err, String... arguments);
    }

    static Ran run(Main main, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = main.run(print(out), print(err), arguments);
        return new Ran(status, out, err);
    }

    static Ran client(String... arguments) {
        return run(EchoClient::run, arguments);
    }

    /** The client with --bench at this port. */
    static Ran bench(int port, String... arguments) {
        List<String> all = new ArrayList<>(List.of("--bench", "--port", "" + port));
        all.addAll(List.of(arguments));
        return client(all.toArray(new String[0]));
    }

    /** The JSON of a run with --json -; that is all of its standard output. */
    Json json() {
        return Json.of(out);
    }

    @Override
    public String toString() {
        return "exit " + status + "\n" + out + err;
    }

    private static PrintStream print(OutputStream to) {
        return new PrintStream(to, true, StandardCharsets.UTF_8);
    }
}
