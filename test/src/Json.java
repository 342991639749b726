import java.util.*;

/** JSON (RFC 8259), read strictly. */
final class Json {
    private final String text;
    private int at;
    private Object value;

    private Json(String text) {
        this.text = text;
    }

    static Json of(String text) {
        Json json = new Json(text);
        json.value = json.read();
        json.space();
        if (json.at != text.length()) {
            throw json.wrong();
        }
        return json;
    }

    /** What stands at a path such as "rtt_us.p50"; a Double, Boolean, String, List, Map, null. */
    Object get(String path) {
        Object found = value;
        for (String name : path.split("[.]")) {
            Map<?, ?> map = (Map<?, ?>) found;
            if (!map.containsKey(name)) {
                throw new AssertionError("no " + path + " in " + text);
            }
            found = map.get(name);
        }
        return found;
    }

    boolean has(String name) {
        return ((Map<?, ?>) value).containsKey(name);
    }

    double number(String path) {
        return (Double) get(path);
    }

    List<?> list(String path) {
        return (List<?>) get(path);
    }

    String string(String path) {
        return (String) get(path);
    }

    private Object read() {
        space();
        switch (text.charAt(at)) {
            case '{': {
                Map<String, Object> map = new LinkedHashMap<>();
                for (at++; !next('}'); next(',')) {
                    space();
                    String name = string();
                    if (!next(':') || map.containsKey(name)) {
                        throw wrong();
                    }
                    map.put(name, read());
                }
                return map;
            }
            case '[': {
                List<Object> list = new ArrayList<>();
                for (at++; !next(']'); next(',')) {
                    list.add(read());
                }
                return list;
            }
            case '"':
                return string();
            default:
                int from = at;
                while (at < text.length() && ",]} \n".indexOf(text.charAt(at)) < 0) {
                    at++;
                }
                return word(text.substring(from, at));
        }
    }

    private Object word(String word) {
        switch (word) {
            case "true": return true;
            case "false": return false;
            case "null": return null;
            default:
                if (!word.matches("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?")) {
                    throw wrong();
                }
                return Double.valueOf(word);
        }
    }

    private String string() {
        StringBuilder string = new StringBuilder();
        for (at++; text.charAt(at) != '"'; at++) {
            char c = text.charAt(at);
            if (c < ' ') {
                throw wrong();
            }
            if (c == '\\') {
                at++;
                c = text.charAt(at);
                if (c == 'u') {
                    c = (char) Integer.parseInt(text.substring(at + 1, at + 5), 16);
                    at += 4;
                } else {
                    c = "\"\\/\b\f\n\r\t".charAt("\"\\/bfnrt".indexOf(c));
                }
            }
            string.append(c);
        }
        at++;
        return string.toString();
    }

    private boolean next(char sign) {
        space();
        boolean there = at < text.length() && text.charAt(at) == sign;
        if (there) {
            at++;
        }
        return there;
    }

    private void space() {
        while (at < text.length() && " \n\r\t".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private AssertionError wrong() {
        return new AssertionError("no JSON at " + at + ": " + text);
    }
}
