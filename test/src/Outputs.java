import java.io.IOException;
import java.nio.file.*;
import java.util.*;

/** A client with --bench and its three files, which hold "old" until it writes them. */
final class Outputs {
    private final Path folder;

    Outputs(Path folder) {
        this.folder = folder;
    }

    /** Its arguments: messages of 10 bytes, no warm-up, the files, and these. */
    private String[] arguments(int port, String... more) throws IOException {
        List<String> all = new ArrayList<>(List.of("--bench", "--port", "" + port, "--size",
                "10", "--warmup", "0"));
        for (String file : List.of("json", "hgrm", "plot")) {
            Files.writeString(folder.resolve(file), "old".repeat(30_000));
            all.addAll(List.of("--" + file, folder.resolve(file).toString()));
        }
        all.addAll(List.of(more)); // of two values the last one counts
        return all.toArray(new String[0]);
    }

    /** Runs it in this process. */
    Ran run(int port, String... more) throws IOException {
        return Ran.client(arguments(port, more));
    }

    /** Starts it as a process of its own. */
    Program start(int port, String... more) throws IOException {
        return Program.java("EchoClient", arguments(port, more));
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
