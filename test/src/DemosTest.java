import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Runs every demo that run.sh lists. A class of its own, so that it runs beside the others. */
class DemosTest extends FreshCopy {
    @Test
    @Timeout(600)
    void everyDemoRuns() throws Exception {
        String printed = shell("./run.sh demo all");
        for (String demo : shell("./run.sh demo").split("\n")) {
            String name = demo.split(" ")[0];
            String time = demo.split(" +")[1];
            Assertions.assertTrue(printed.contains("\n== " + name + " (" + time + " s): "),
                    name + " and how long it takes, in\n" + printed);
        }
        // The table compares all with the first; what is said, each kind of server with itself.
        String said = printed.replaceAll("\\s+", " ");
        Assertions.assertTrue(said.contains("as many messages a second as loops 1;"), printed);
    }
}
