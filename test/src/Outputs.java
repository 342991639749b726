import java.io.IOException;
import java.nio.file.*;
import java.util.List;

/** A client with --bench and its three files, which hold "old" until it writes them. */
final class Outputs {
    private final Path folder;

    Outputs(Path folder) {
        this.folder = folder;
    }

    /** Messages of 10 bytes, no warm-up, the three files, and more: of two values the last counts. */
    private String line(int port, String more) throws IOException {
        String line = "--bench --port " + port + " --size 10 --warmup 0 ";
        for (String file : List.of("json", "hgrm", "plot")) {
            Files.writeString(folder.resolve(file), "old".repeat(30_000));
            line += "--" + file + " " + folder.resolve(file) + " ";
        }
        return (line + more).trim();
    }

    /** Runs it in this process. */
    Ran run(int port, String more) throws IOException {
        return Ran.client(line(port, more));
    }

    /** Starts it as a process of its own. */
    Program start(int port, String more) throws IOException {
        return Program.java(List.of(), "EchoClient", line(port, more).split(" "));
    }

    String text(String file) throws IOException {
        return Files.readString(folder.resolve(file));
    }

    Json json() throws IOException {
        return Json.of(text("json"));
    }

    /** How many messages the distribution has; what it says must be the whole file. */
    long total() throws IOException {
        String[] lines = text("hgrm").split("\n");
        return Long.parseLong(lines[lines.length - 2].replaceAll(".*Total count *= *(\\d+)]", "$1"));
    }
}
