package io.distill.provenance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.internal.StrictJson;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Says in words what differs between two pieces of JSON. */
final class JsonDifferences {

  /** Longer values are cut in messages. */
  private static final int SHOWN = 120;

  /**
   * One difference.
   *
   * @param member the name of the outermost member that it is in
   * @param sentence what was and what is
   */
  record Difference(String member, String sentence) {}

  private final List<Difference> found = new ArrayList<>();
  private String member = "";

  private JsonDifferences() {}

  static List<Difference> between(JsonObject before, JsonObject after) {
    JsonDifferences differences = new JsonDifferences();
    for (String name : names(before, after)) {
      differences.member = name;
      differences.compare(name, before.get(name), after.get(name));
    }
    return differences.found;
  }

  private static Set<String> names(JsonObject before, JsonObject after) {
    Set<String> names = new LinkedHashSet<>(before.keySet());
    names.addAll(after.keySet());
    return names;
  }

  private void compare(String path, @Nullable JsonElement before, @Nullable JsonElement after) {
    if (before != null && after != null) {
      if (StrictJson.canonical(before).equals(StrictJson.canonical(after))) {
        return;
      }
      if (before instanceof JsonObject was && after instanceof JsonObject is && sameKind(was, is)) {
        names(was, is).forEach(name -> compare(path + "." + name, was.get(name), is.get(name)));
        return;
      }
      if (before instanceof JsonArray was && after instanceof JsonArray is) {
        compareLists(path, was, is);
        return;
      }
    }
    add(path + " was " + shown(before) + " and is " + shown(after));
  }

  private void compareLists(String path, JsonArray was, JsonArray is) {
    boolean plain = was.asList().stream().allMatch(JsonElement::isJsonPrimitive);
    if (plain) {
      add(path + " was " + shown(was) + " and is " + shown(is));
      return;
    }
    for (int i = 0; i < Math.max(was.size(), is.size()); i++) {
      compare(
          path + "[" + i + "]",
          i < was.size() ? was.get(i) : null,
          i < is.size() ? is.get(i) : null);
    }
  }

  /** Whether two objects are the same thing at different settings. */
  private static boolean sameKind(JsonObject was, JsonObject is) {
    return same(was, is, "type") && same(was, is, "opaque");
  }

  private static boolean same(JsonObject was, JsonObject is, String name) {
    return was.has(name) ? was.get(name).equals(is.get(name)) : !is.has(name);
  }

  private void add(String sentence) {
    found.add(new Difference(member, sentence));
  }

  private static String shown(@Nullable JsonElement element) {
    if (element == null) {
      return "missing";
    }
    String text = text(element);
    return text.length() <= SHOWN ? text : text.substring(0, SHOWN - 3) + "...";
  }

  private static String text(JsonElement element) {
    if (element instanceof JsonPrimitive primitive) {
      return primitive.isString() ? primitive.getAsString() : primitive.toString();
    }
    if (element instanceof JsonObject object) {
      String name =
          object.has("type")
              ? text(object.get("type"))
              : object.has("opaque") ? text(object.get("opaque")) : "";
      List<String> settings = new ArrayList<>();
      object
          .asMap()
          .forEach(
              (key, value) -> {
                if (!key.equals("type") && !key.equals("opaque")) {
                  settings.add(key + "=" + text(value));
                }
              });
      return settings.isEmpty() && !name.isEmpty()
          ? name
          : name + "(" + String.join(", ", settings) + ")";
    }
    return element.toString();
  }
}
