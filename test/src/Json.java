import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.*;
import java.util.stream.*;

/** JSON (RFC 8259), read strictly: nothing behind it, no name twice. */
final class Json {
    private static final JsonMapper STRICT = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
    private final Map<?, ?> members;

    private Json(Map<?, ?> members) {
        this.members = members;
    }

    static Json of(String text) {
        try {
            return new Json(STRICT.readValue(text, Map.class));
        } catch (IOException e) {
            throw new AssertionError(text, e);
        }
    }

    /** What stands at a path such as "rtt_us.p50": a Number, Boolean, String, List, Map, null. */
    Object get(String path) {
        Object found = members;
        for (String name : path.split("[.]")) {
            if (!((Map<?, ?>) found).containsKey(name)) {
                throw new AssertionError("no " + path + " in " + members);
            }
            found = ((Map<?, ?>) found).get(name);
        }
        return found;
    }

    boolean has(String name) {
        return members.containsKey(name);
    }

    double number(String path) {
        return ((Number) get(path)).doubleValue();
    }

    /** What stands at these paths, such as "10 null true": a whole number without a point. */
    String values(String paths) {
        return Stream.of(paths.split(" ")).map(path -> get(path) instanceof Number
                ? ("" + number(path)).replaceAll("[.]0$", "") : "" + get(path))
                .collect(Collectors.joining(" "));
    }

    /** A list of objects. */
    List<Json> objects(String path) {
        return ((List<?>) get(path)).stream().map(one -> new Json((Map<?, ?>) one))
                .collect(Collectors.toList());
    }
}
