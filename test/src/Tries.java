/** For a promise that has a time: a busy machine may break it twice. */
final class Tries {
    interface Attempt {
        void make() throws Exception;
    }

    private Tries() {
    }

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
}
