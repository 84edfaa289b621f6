package io.distill.huggingface.internal;

import io.distill.huggingface.internal.Arguments.Bound;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/** The methods of Python's texts and dicts; none changes a value, as in Jinja's sandbox. */
final class Methods {

  /** A method with the names of its parameters. */
  private record Method<T>(List<String> parameters, BiFunction<T, Bound, Object> body) {}

  private static final Map<String, Method<String>> TEXTS = new HashMap<>();
  private static final Map<String, Method<Map<Object, Object>>> DICTS = new HashMap<>();

  private Methods() {}

  /** Returns the method of a value; null if it has none of this name. */
  @SuppressWarnings("unchecked")
  static @Nullable Callable find(Object value, String name) {
    if (value instanceof String text) {
      return bound(text, TEXTS.get(name));
    }
    if (value instanceof Map<?, ?> map) {
      return bound((Map<Object, Object>) map, DICTS.get(name));
    }
    return null;
  }

  private static <T> @Nullable Callable bound(T value, @Nullable Method<T> method) {
    return method == null
        ? null
        : arguments -> method.body().apply(value, arguments.bind(method.parameters()));
  }

  private static void text(String name, String parameters, BiFunction<String, Bound, Object> body) {
    TEXTS.put(name, new Method<>(names(parameters), body));
  }

  static List<String> names(String parameters) {
    return parameters.isEmpty() ? List.of() : List.of(parameters.split(" ", -1));
  }

  private static boolean affixed(
      String text, Bound given, BiFunction<String, String, Boolean> test) {
    Object affix = given.get(0);
    String part = (given.has(1) || given.has(2)) ? part(text, given) : text;
    List<Object> any = affix instanceof Tuple tuple ? tuple : List.of(affix);
    return any.stream().anyMatch(each -> test.apply(part, Values.text(each)));
  }

  private static String part(String text, Bound given) {
    return Values.text(
        Values.slice(text, given.get(1, None.NONE), given.get(2, None.NONE), None.NONE));
  }

  /** Returns where a text is found, in code points; -1 if it is not. */
  private static long find(String text, Bound given, boolean last) {
    String wanted = Values.text(given.get(0));
    long begin = given.integer(1, 0);
    begin = begin < 0 ? Math.max(0, begin + Values.length(text)) : begin;
    if (begin > Values.length(text)) {
      return -1;
    }
    String part = part(text, given);
    int at = last ? part.lastIndexOf(wanted) : part.indexOf(wanted);
    return at < 0 ? -1 : begin + part.codePointCount(0, at);
  }

  static {
    text("upper", "", (text, given) -> text.toUpperCase(Locale.ROOT));
    text("lower", "", (text, given) -> text.toLowerCase(Locale.ROOT));
    text("title", "", (text, given) -> PythonText.title(text));
    text("capitalize", "", (text, given) -> PythonText.capitalize(text));
    text("strip", "chars", (text, given) -> PythonText.strip(text, given.text(0), true, true));
    text("lstrip", "chars", (text, given) -> PythonText.strip(text, given.text(0), true, false));
    text("rstrip", "chars", (text, given) -> PythonText.strip(text, given.text(0), false, true));
    text(
        "split",
        "sep maxsplit",
        (text, given) -> PythonText.split(text, given.text(0), given.integer(1, -1), false));
    text(
        "rsplit",
        "sep maxsplit",
        (text, given) -> PythonText.split(text, given.text(0), given.integer(1, -1), true));
    text("splitlines", "keepends", (text, given) -> PythonText.lines(text, given.truth(0)));
    text(
        "startswith",
        "prefix start end",
        (text, given) -> affixed(text, given, String::startsWith));
    text("endswith", "suffix start end", (text, given) -> affixed(text, given, String::endsWith));
    text(
        "removeprefix",
        "prefix",
        (text, given) -> {
          String prefix = Values.text(given.get(0));
          return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
        });
    text(
        "removesuffix",
        "suffix",
        (text, given) -> {
          String suffix = Values.text(given.get(0));
          return text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
        });
    text(
        "replace",
        "old new count",
        (text, given) ->
            PythonText.replace(
                text, Values.text(given.get(0)), Values.text(given.get(1)), given.integer(2, -1)));
    text("find", "sub start end", (text, given) -> find(text, given, false));
    text("rfind", "sub start end", (text, given) -> find(text, given, true));
    text(
        "join",
        "iterable",
        (text, given) ->
            PythonText.join(
                text, Values.iterate(given.get(0)).stream().map(Values::text).toList()));
    text(
        "isdigit",
        "",
        (text, given) -> !text.isEmpty() && text.codePoints().allMatch(Character::isDigit));
    DICTS.put(
        "items", new Method<>(List.of(), (dict, given) -> Items.view("dict_items", pairs(dict))));
    DICTS.put(
        "keys",
        new Method<>(
            List.of(), (dict, given) -> Items.view("dict_keys", new ArrayList<>(dict.keySet()))));
    DICTS.put(
        "values",
        new Method<>(
            List.of(), (dict, given) -> Items.view("dict_values", new ArrayList<>(dict.values()))));
    DICTS.put(
        "get",
        new Method<>(
            List.of("key", "default"),
            (dict, given) -> {
              Object value = dict.get(given.get(0));
              return value == null ? given.get(1, None.NONE) : value;
            }));
  }

  static List<Object> pairs(Map<?, ?> dict) {
    List<Object> pairs = new ArrayList<>();
    dict.forEach((key, value) -> pairs.add(new Tuple(List.of(key, value))));
    return pairs;
  }
}
