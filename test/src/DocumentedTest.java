import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import com.sun.source.tree.Tree;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** README.md tells the truth: what it shows runs, and so do the documented steps of run.sh. */
class DocumentedTest extends FreshCopy {
    private static final Pattern CONSOLE =
            Pattern.compile("^```console\n(.*?)^```", Pattern.DOTALL | Pattern.MULTILINE);

    /**
     * Stands in for the java of the README: a server goes to the background and is waited for, all
     * use free ports, and a measurement takes a second. A server takes the place of the one before
     * it on its port.
     */
    private static final String JAVA = String.join("\n",
            "java() {",
            "  local port=$A number=0",
            "  case $1 in Async*) port=$B number=1 ;; esac",
            "  set -- \"${@/5050/$A}\" && set -- \"${@/5051/$B}\"",
            "  set -- \"${@/#10s/1s}\" && set -- \"${@/#5s/1s}\"",
            "  case $* in *--port*) ;; *) set -- \"$@\" --port \"$port\" ;; esac",
            "  case $1 in",
            "    *EchoServer.java)",
            "      stop $number",
            "      \"$HOME_OF_JAVA/bin/java\" \"$@\" >server.$number 2>&1 </dev/null &",
            "      pid[number]=$!",
            "      until grep -q listening server.$number; do",
            "        kill -0 ${pid[number]} || return; sleep 0.1; done ;;",
            "    *) \"$HOME_OF_JAVA/bin/java\" \"$@\" 2>&1 ;;",
            "  esac",
            "}",
            "taskset() { shift 2; \"$@\"; }",
            "jshell() { \"$HOME_OF_JAVA/bin/jshell\" -J-XX:TieredStopAtLevel=1 \"$@\" 2>&1; }",
            "stop() {",
            "  if [ -n \"${pid[$1]:-}\" ]; then",
            "    kill ${pid[$1]}; wait ${pid[$1]}; cat server.$1; fi",
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
        StringBuilder running = new StringBuilder();
        for (String line : printed.split("\n")) {
            String shape = shape(line);
            missing.remove(shape);
            running.append(shape).append(' ');
            if (line.startsWith("jshell>")) {
                // Some jshells echo what is typed, whole or cut, before what comes of it.
                missing.removeIf(shape::endsWith);
            }
        }
        // A demo breaks its sentences into lines where the figures of this run let it.
        missing.removeIf(line -> !line.startsWith("[") && running.indexOf(line) >= 0);
        Assertions.assertTrue(shown.size() > 20, "README.md shows " + shown.size() + " lines");
        Assertions.assertEquals(Set.of(), missing,
                "lines of README.md that were not in\n" + printed);
    }

    /** A line without what differs from run to run and from machine to machine. */
    private static String shape(String line) {
        return line.replaceAll("^(\\[bench\\].*)JDK .*", "$1JDK")
                .replaceAll("^\\[bench\\] warning: .*", "") // where figures deserve one
                .replaceAll("^\\^C|^jshell> *", "")
                .replaceAll("\\b[0-9]+([.,][0-9]+)*", "N")
                .replaceAll("N (us|ms|s)\\b", "T").replaceAll("N (B|[KMG]iB)\\b", "S")
                .replaceAll("\\b(byte|connection|message|piece|read)s\\b", "$1")
                .replaceAll("#+", "#").replaceAll(" -(?= |$)", " T")
                .replaceAll(" +", " ").trim();
    }

    /** One idea of the lecture: where it stands, from the first to the last of some members. */
    private static final Pattern PLACE = Pattern.compile(
            "`(\\w+)[.]java` ([0-9]+-[0-9]+), (`(\\w+)`(?: to `(\\w+)`)?)");

    @Test
    void whatToShowNamesTheRightLinesAndDemos() throws Exception {
        List<String> demos = shell("./run.sh demo").lines().map(line -> line.split(" ")[0])
                .collect(Collectors.toList());
        List<String> shown = new ArrayList<>();
        List<String> right = new ArrayList<>();
        for (String[] row : whatToShow()) {
            Assertions.assertEquals(4, row.length, "columns of " + String.join(" | ", row));
            Assertions.assertFalse(row[0].isEmpty(), "no idea in the row of " + row[1]);
            Matcher place = PLACE.matcher(row[1]);
            Assertions.assertTrue(place.matches(), row[1] + " is not such as"
                    + " `EchoServer.java` 52-118, `acceptLoop` to `echo`");
            shown.add(row[1]);
            right.add("`" + place.group(1) + ".java` " + lines(place) + ", " + place.group(3));
            Assertions.assertTrue(row[2].equals("-")
                    || row[2].matches("`\\w+`") && demos.contains(row[2].replace("`", "")),
                    row[2] + " is no demo and not -; the demos are " + demos);
            Assertions.assertTrue(row[3].matches("[1-9][0-9]*"), row[3] + " minutes");
        }
        Assertions.assertTrue(right.equals(shown), "README.md, What to show, has\n"
                + String.join("\n", shown) + "\nand right is\n" + String.join("\n", right));
    }

    /** The cells of each row. */
    private static List<String[]> whatToShow() throws Exception {
        String readme = Files.readString(ROOT.resolve("README.md"));
        int start = readme.indexOf("\n## What to show\n");
        Assertions.assertTrue(start >= 0, "README.md has no section '## What to show'");
        String section = readme.substring(start + 1).split("\n## ")[0];
        List<String> table = section.lines().filter(line -> line.startsWith("|"))
                .collect(Collectors.toList());
        Assertions.assertTrue(table.size() >= 2 + 6, "few rows below 'What to show': " + table);
        Assertions.assertEquals("| idea | file and lines | demo | minutes |", table.get(0));
        return table.stream().skip(2)
                .map(line -> line.replaceAll("^[|] *| *[|] *$", "").split(" *[|] *", -1))
                .collect(Collectors.toList());
    }

    /** From the doc comment of the first member to the end of the last one, such as 52-118. */
    private static String lines(Matcher place) {
        SourceTest.Source source = SourceTest.Source.valueOf(place.group(1));
        String lastName = place.group(5) == null ? place.group(4) : place.group(5);
        Tree first = null;
        Tree last = null;
        for (Tree member : source.members()) { // of members with the same name, the first
            if (first == null && SourceTest.name(member).equals(place.group(4))) {
                first = member;
            }
            if (first != null && last == null && SourceTest.name(member).equals(lastName)) {
                last = member;
            }
        }
        Assertions.assertTrue(first != null && last != null, "not in this order in " + source
                + ".java: " + place.group(3));
        return source.firstLine(first) + "-" + source.lastLine(last);
    }

    @Test
    @Timeout(600)
    void documentedStepsRunAndLeaveTheirResults() throws Exception {
        String printed = shell("mkdir temporary; export TMPDIR=$PWD/temporary\n"
                + "./run.sh --port 0 --async-port 0; ls temporary | sed 's/^tmp/left behind: &/'");
        Assertions.assertFalse(printed.contains("left behind"), printed);
        // A warning is one line, however long, and comes where the figures deserve one.
        printed.lines().filter(line -> !line.matches("NOTE:.*|\\[bench\\] warning: .*"))
                .forEach(line -> Assertions.assertTrue(line.length() <= 80, line));
        for (String expected : List.of("repeats: 2000, msg_len: 1024", "msg_len: 16384 bytes",
                "\"hello-async\" (11 bytes)", "[2] results/async.json")) {
            Assertions.assertTrue(printed.contains(expected), expected + " in\n" + printed);
        }
        assertTable(printed.substring(printed.lastIndexOf("\n== ")));
        for (String name : List.of("threaded", "async")) {
            for (String kind : List.of("json", "hgrm", "svg")) {
                Path file = folder.resolve("results/" + name + "." + kind);
                Assertions.assertTrue(Files.size(file) > 200, file.toString());
            }
        }
    }

    /** This machine, a Python pair on it where there is a Python, and the published figures. */
    private void assertTable(String table) throws Exception {
        String python = shell("python3 -c '' >/dev/null 2>&1 && echo 'Python on it' || :").trim();
        String columns = ("this machine " + python).trim() + " published";
        Assertions.assertTrue(table.lines().map(line -> line.trim().replaceAll(" +", " "))
                .anyMatch(columns::equals), columns + " above\n" + table);
        for (String published : List.of("0.030 ms", "0.053 ms", "32.34 MiB/s", "0.089 ms",
                "0.122 ms", "172.61 MiB/s", "5.543 ms")) {
            String unit = published.replaceAll("[0-9.]", "");
            List<String> rows = table.lines().filter(line -> line.endsWith(" " + published))
                    .collect(Collectors.toList());
            Assertions.assertEquals(1, rows.size(), "rows with " + published + " in\n" + table);
            long figures = Pattern.compile(" [0-9]+[.][0-9]+" + unit + "(?= |$)")
                    .matcher(rows.get(0)).results().count();
            Assertions.assertEquals(python.isEmpty() ? 2 : 3, figures, rows.get(0));
        }
    }
}
