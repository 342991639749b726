import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Runs what README.md shows and the documented steps of run.sh. */
class DocumentedTest extends FreshCopy {
    private static final Pattern CONSOLE =
            Pattern.compile("^```console\n(.*?)^```", Pattern.DOTALL | Pattern.MULTILINE);

    /**
     * Stands in for the java of the README: a server goes to the background and is waited for, and
     * all use free ports. A server takes the place of the one before it on its port.
     */
    private static final String JAVA = String.join("\n",
            "java() {",
            "  local port=$A number=0",
            "  case $1 in Async*) port=$B number=1 ;; esac",
            "  set -- \"${@/5050/$A}\" && set -- \"${@/5051/$B}\"",
            "  case $* in *--port*) ;; *) set -- \"$@\" --port \"$port\" ;; esac",
            "  case $1 in",
            "    *EchoServer.java)",
            "      stop $number",
            "      \"$HOME_OF_JAVA/bin/java\" \"$@\" >server.$number 2>&1 </dev/null & pid[number]=$!",
            "      until grep -q listening server.$number; do",
            "        kill -0 ${pid[number]} || return; sleep 0.1; done ;;",
            "    *) \"$HOME_OF_JAVA/bin/java\" \"$@\" 2>&1 ;;",
            "  esac",
            "}",
            "jshell() { \"$HOME_OF_JAVA/bin/jshell\" -J-XX:TieredStopAtLevel=1 \"$@\" 2>&1; }",
            "stop() {",
            "  if [ -n \"${pid[$1]:-}\" ]; then kill ${pid[$1]}; wait ${pid[$1]}; cat server.$1; fi",
            "  pid[$1]=",
            "}",
            "trap 'stop 0; stop 1' EXIT",
            "");

    @Test
    @Timeout(600)
    void commandsInReadmePrintTheLinesThatItShows() throws Exception {
        StringBuilder script = new StringBuilder(JAVA);
        List<String> shown = new ArrayList<>();
        Matcher blocks = CONSOLE.matcher(Files.readString(ROOT.resolve("README.md")));
        while (blocks.find()) {
            String block = blocks.group(1);
            for (String line : block.split("\n")) {
                if (line.startsWith("$ ")) {
                    script.append(line.substring(2));
                    script.append(line.startsWith("$ jshell") ? " <<'END'\n" : "\n");
                } else if (line.startsWith("jshell> ")) {
                    script.append(line.substring(8)).append('\n');
                    script.append(line.contains("/exit") ? "END\n" : "");
                } else {
                    shown.add(shape(line));
                }
            }
        }
        String printed = shell(script.toString());
        Set<String> missing = new TreeSet<>(shown);
        for (String line : printed.split("\n")) {
            String shape = shape(line);
            missing.remove(shape);
            if (line.startsWith("jshell>")) {
                // Some jshells echo what is typed, whole or cut, before what comes of it.
                missing.removeIf(shape::endsWith);
            }
        }
        Assertions.assertTrue(shown.size() > 20, "README.md shows " + shown.size() + " lines");
        Assertions.assertEquals(Set.of(), missing, "lines of README.md that were not in\n" + printed);
    }

    /** A line without what differs from run to run and from machine to machine. */
    private static String shape(String line) {
        return line.replaceAll("JDK .*", "JDK")
                .replaceAll("^jshell> *", "")
                .replaceAll("\\b[0-9]+([.][0-9]+)*", "N")
                .replaceAll("N (us|ms|s)\\b", "T").replaceAll("N (B|[KMG]iB)\\b", "S")
                .replaceAll("#+", "#").replaceAll("pieces?", "piece").replaceAll(" -(?= |$)", " T")
                .replaceAll(" +", " ").trim();
    }

    @Test
    @Timeout(600)
    void documentedStepsRunAndLeaveTheirResults() throws Exception {
        String printed = shell("mkdir temporary; export TMPDIR=$PWD/temporary\n"
                + "./run.sh --port 0 --async-port 0; ls temporary | sed 's/^tmp/left behind: &/'");
        Assertions.assertFalse(printed.contains("left behind"), printed);
        printed.lines().filter(line -> !line.startsWith("NOTE:")).forEach(line ->
                Assertions.assertTrue(line.length() <= 80, line));
        for (String expected : List.of("repeats: 2000, msg_len: 1024", "msg_len: 16384 bytes",
                "\"hello-async\" (11 bytes)", "[2] results/async.json", "0.030", "172.61",
                "5.543")) {
            Assertions.assertTrue(printed.contains(expected), expected + " in\n" + printed);
        }
        for (String name : List.of("threaded", "async")) {
            for (String kind : List.of("json", "hgrm", "svg")) {
                Path file = folder.resolve("results/" + name + "." + kind);
                Assertions.assertTrue(Files.size(file) > 200, file.toString());
            }
        }
    }
}
