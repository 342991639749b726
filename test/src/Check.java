import java.util.function.BooleanSupplier;

/** What a test checks beside equality: facts in a text, and promises that have a time. */
final class Check {
    interface Attempt {
        void make() throws Exception;
    }

    private Check() {
    }

    /** That a text has these facts in it. */
    static void has(String text, String... facts) {
        for (String fact : facts) {
            if (!text.contains(fact)) {
                throw new AssertionError("no \"" + fact + "\" in: " + text);
            }
        }
    }

    static void lacks(String text, String... facts) {
        for (String fact : facts) {
            if (text.contains(fact)) {
                throw new AssertionError("\"" + fact + "\" in: " + text);
            }
        }
    }

    static void between(double least, double most, double value) {
        if (!(value >= least && value <= most)) {
            throw new AssertionError(value + " is not from " + least + " to " + most);
        }
    }

    /** How many milliseconds something takes. */
    static long millis(Attempt attempt) throws Exception {
        long start = System.nanoTime();
        attempt.make();
        return (System.nanoTime() - start) / 1_000_000;
    }

    /** A promise that has a time, which a busy machine may break twice. */
    static void three(Attempt attempt) throws Exception {
        for (int i = 1; i < 3; i++) {
            try {
                attempt.make();
                return;
            } catch (AssertionError e) {
                System.err.println("once more: " + e.getMessage());
            }
        }
        attempt.make();
    }

    /** Waits until something is so; fails after so many seconds. */
    static void await(int seconds, String what, BooleanSupplier so) throws InterruptedException {
        long end = System.nanoTime() + seconds * Made.SECOND;
        while (!so.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + seconds + " s: " + what);
            }
            Thread.sleep(2);
        }
    }
}
