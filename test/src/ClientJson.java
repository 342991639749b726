import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A JSON object (RFC 8259), read strictly: what is not JSON, or names a key twice, is an error.
 * Only what a test looks at is kept, under names such as rtt_us.p50.
 */
final class ClientJson {
    private static final Pattern NUMBER =
            Pattern.compile("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?");
    private static final Pattern TEXT = Pattern.compile(
            "\"((?:[^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4})*)\"");

    private final Map<String, Object> values = new LinkedHashMap<>();
    private final String text;
    private int at;

    private ClientJson(String text) {
        this.text = text;
    }

    static ClientJson parse(String text) {
        ClientJson json = new ClientJson(text);
        json.skip();
        if (json.peek() != '{') {
            throw json.wrong("an object");
        }
        json.value("");
        json.skip();
        if (json.at < text.length()) {
            throw json.wrong("the end");
        }
        return json;
    }

    /** Text, Double, Boolean or null; for what has members, just that it does. */
    Object get(String name) {
        if (!values.containsKey(name)) {
            throw new AssertionError("no " + name + " in " + text);
        }
        return values.get(name);
    }

    double number(String name) {
        if (get(name) instanceof Double) {
            return (Double) get(name);
        }
        throw new AssertionError(name + " is " + get(name) + ", not a number, in " + text);
    }

    boolean has(String name) {
        return values.containsKey(name);
    }

    /** All names, those in objects as rtt_us.p50 and those in lists as warnings.0, in order. */
    Set<String> names() {
        return values.keySet();
    }

    @Override
    public String toString() {
        return text;
    }

    private void value(String name) {
        skip();
        boolean yes = word("true");
        if (yes || word("false")) {
            values.put(name, yes);
        } else if (peek() == '{') {
            if (!name.isEmpty()) {
                values.put(name, "an object");
            }
            members(name, '{', '}');
        } else if (peek() == '[') {
            values.put(name, "a list");
            members(name, '[', ']');
        } else if (peek() == '"') {
            values.put(name, string());
        } else if (word("null")) {
            values.put(name, null);
        } else {
            values.put(name, Double.valueOf(token(NUMBER, "a value").group()));
        }
    }

    private void members(String name, char open, char close) {
        String prefix = name.isEmpty() ? "" : name + ".";
        expect(open);
        skip();
        for (int i = 0; peek() != close; i++) {
            if (i > 0) {
                expect(',');
                skip();
            }
            String key = prefix + i;
            if (open == '{') {
                key = prefix + string();
                skip();
                expect(':');
            }
            if (values.containsKey(key)) {
                throw wrong("no second " + key);
            }
            value(key);
            skip();
        }
        expect(close);
    }

    private String string() {
        String raw = token(TEXT, "a text").group(1);
        Matcher escape = Pattern.compile("\\\\(u(....)|.)").matcher(raw);
        return escape.replaceAll(e -> Matcher.quoteReplacement(e.group(2) == null
                ? unescaped(e.group(1)) : "" + (char) Integer.parseInt(e.group(2), 16)));
    }

    private static String unescaped(String letter) {
        int index = "bfnrt".indexOf(letter);
        return index < 0 ? letter : "" + "\b\f\n\r\t".charAt(index);
    }

    private Matcher token(Pattern pattern, String what) {
        Matcher matcher = pattern.matcher(text).region(at, text.length());
        if (!matcher.lookingAt()) {
            throw wrong(what);
        }
        at = matcher.end();
        return matcher;
    }

    private boolean word(String word) {
        boolean here = text.startsWith(word, at);
        at += here ? word.length() : 0;
        return here;
    }

    private void expect(char c) {
        if (peek() != c) {
            throw wrong("" + c);
        }
        at++;
    }

    private char peek() {
        return at < text.length() ? text.charAt(at) : 0;
    }

    private void skip() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
            at++;
        }
    }

    private AssertionError wrong(String expected) {
        return new AssertionError("not JSON: " + expected + " expected at " + at + " of " + text);
    }
}
