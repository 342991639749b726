import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.*;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.*;

/** What the client's help says is what its command line does. */
@Timeout(60)
class HelpTest {

    /** What the help says of each option, on one line. */
    private static Map<String, String> entries() {
        Map<String, String> entries = new LinkedHashMap<>();
        String all = EchoClient.Options.HELP.replaceAll("\n {8,}", " ");
        Matcher line = Pattern.compile("(?m)^  (--[a-z0-9-]+) +(.*)$").matcher(all);
        while (line.find()) {
            entries.put(line.group(1), line.group(2));
        }
        return entries;
    }

    private static EchoClient.Options parse(String option, String value) {
        return option.matches("--(size|timeout|port)")
                ? EchoClient.Options.parse(option, value, "--json", "x")
                : EchoClient.Options.parse("--bench", option, value);
    }

    /** All figures of the options, but the command itself. */
    private static Map<String, Object> figures(EchoClient.Options options) throws Exception {
        Map<String, Object> figures = new TreeMap<>();
        for (Field field : EchoClient.Options.class.getDeclaredFields()) {
            field.setAccessible(true);
            Object value = field.get(options);
            if (value instanceof EchoClient.Limit) {
                EchoClient.Limit limit = (EchoClient.Limit) value;
                value = limit.messages + " " + limit.nanos;
            }
            if (!field.getName().equals("command")) {
                figures.put(field.getName(), value);
            }
        }
        return figures;
    }

    @Test
    void everyOptionOfTheHelpIsKnownAndHasADefault() {
        Map<String, String> entries = entries();
        assertEquals(Set.of("--host", "--port", "--message", "--size", "--line", "--bench",
                "--repeat", "--duration", "--warmup", "--parallel", "--rate", "--connect",
                "--interval", "--max-p99", "--spin", "--nagle", "--timeout", "--json",
                "--hgrm", "--plot"), entries.keySet());
        entries.forEach((option, text) ->
                assertTrue(text.matches(".*\\[[^\\]]+\\]"), option + " has no default"));
    }

    @Test
    void aDefaultIsWhatOneGetsByWritingIt() throws Exception {
        Map<String, Object> bare = figures(EchoClient.Options.parse("--bench"));
        Matcher text = Pattern.compile("\\[([^\\]]+)\\]").matcher("");
        for (String option : List.of("--host", "--port", "--size", "--repeat", "--parallel",
                "--timeout", "--message")) {
            assertTrue(text.reset(entries().get(option)).find());
            String value = text.group(1).replace(" with --bench", "");
            Map<String, Object> given =
                    figures(EchoClient.Options.parse("--bench", option, value));
            if (option.equals("--message")) { // which takes the place of --size
                given.put("size", 1024);
            }
            assertEquals(bare, given, option + " " + value);
        }
        assertTrue(entries().get("--warmup").contains("[1s, at most 20000 messages]"));
    }

    @Test
    void aRangeIsKeptToItsEndsAndNoFurther() {
        String amount = "([0-9.]+)(us|ms|s|m|h|g|k)?";
        Matcher range = Pattern.compile(amount + " to " + amount).matcher("");
        Set<String> seen = new TreeSet<>();
        entries().forEach((option, text) -> {
            range.reset(text.replace(" messages", ""));
            while (range.find()) {
                seen.add(option);
                String unit = range.group(2) == null ? "" : range.group(2);
                String most = range.group(4) == null ? "" : range.group(4);
                accepts(option, range.group(1) + unit, true);
                accepts(option, range.group(3) + most, true);
                String below = range.group(1).equals("0") ? "-1" : "0." + "9".repeat(4) + unit;
                if (range.group(1).equals("100")) {
                    below = "99.999" + unit;
                } else if (range.group(1).startsWith("0.")) {
                    below = "0.0009";
                }
                boolean amountOfAWhole = unit.isEmpty() && below.startsWith("0.9999");
                accepts(option, amountOfAWhole ? "0" : below, option.equals("--warmup")
                        && amountOfAWhole);
                accepts(option, Long.parseLong(range.group(3)) + 1 + most, false);
            }
        });
        assertEquals(Set.of("--port", "--size", "--repeat", "--duration", "--warmup",
                "--parallel", "--rate", "--interval", "--max-p99", "--timeout"), seen);
    }

    private static void accepts(String option, String value, boolean so) {
        try {
            parse(option, value);
            assertTrue(so, option + " " + value + " was taken");
        } catch (IllegalArgumentException e) {
            assertFalse(so, e.getMessage());
            assertTrue(e.getMessage().contains(option), e.getMessage());
        }
    }
}
