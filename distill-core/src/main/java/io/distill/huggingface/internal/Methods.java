package io.distill.huggingface.internal;

import io.distill.huggingface.internal.Arguments.Bound;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's texts, dicts and lists; what changes a value is not among them. */
final class Methods {

  /** A method with the names of its parameters. */
  private record Method<T>(List<String> parameters, BiFunction<T, Bound, Object> body) {}

  private static final Map<String, Method<String>> TEXTS = new HashMap<>();
  private static final Map<String, Method<Map<Object, Object>>> DICTS = new HashMap<>();
  private static final Map<String, Method<List<Object>>> LISTS = new HashMap<>();

  private Methods() {}

  /** Returns the method of a value; null if it has none of this name. */
  @SuppressWarnings("unchecked")
  static @Nullable Callable find(Object value, String name) {
    if (value instanceof String text) {
      if (name.equals("format")) {
        return arguments -> Formats.braces(text, arguments);
      }
      return bound(text, TEXTS.get(name));
    }
    if (value instanceof Map<?, ?> map) {
      return bound((Map<Object, Object>) map, DICTS.get(name));
    }
    return value instanceof List<?> list ? bound((List<Object>) list, LISTS.get(name)) : null;
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

  private static void is(String name, IntPredicate test) {
    text(name, "", (text, given) -> !text.isEmpty() && text.codePoints().allMatch(test));
  }

  private static void isCase(String name, IntPredicate wanted, IntPredicate other) {
    text(
        name,
        "",
        (text, given) ->
            text.codePoints().anyMatch(wanted) && text.codePoints().noneMatch(other));
  }

  private static boolean affixed(String text, Bound given, BiFunction<String, String, Boolean> test) {
    Object affix = given.get(0);
    String part = given.has(1) || given.has(2) ? part(text, given) : text;
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

  private static long found(long place) {
    if (place < 0) {
      throw new TemplateException("substring not found");
    }
    return place;
  }

  private static long count(String text, String wanted) {
    if (wanted.isEmpty()) {
      return Values.length(text) + 1;
    }
    long count = 0;
    for (int at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length())) {
      count++;
    }
    return count;
  }

  private static Object partition(String text, String separator, boolean last) {
    int at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
    if (at < 0) {
      return new Tuple(last ? List.of("", "", text) : List.of(text, "", ""));
    }
    return new Tuple(
        List.of(text.substring(0, at), separator, text.substring(at + separator.length())));
  }

  static String pad(String text, Bound given, boolean left, boolean right) {
    long missing = Math.max(0, given.integer(0, 80) - Values.length(text));
    String fill = given.text(1, " ");
    // Python's way to share an odd number
    long before = left && right ? missing / 2 + (missing & given.integer(0, 80) & 1) : missing;
    return (left ? PythonText.repeat(fill, before) : "")
        + text
        + (right ? PythonText.repeat(fill, left ? missing - before : missing) : "");
  }

  static {
    text("upper", "", (text, given) -> text.toUpperCase(Locale.ROOT));
    text("lower", "", (text, given) -> text.toLowerCase(Locale.ROOT));
    text("casefold", "", (text, given) -> text.toLowerCase(Locale.ROOT));
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
    text("startswith", "prefix start end", (text, given) -> affixed(text, given, String::startsWith));
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
    text("index", "sub start end", (text, given) -> found(find(text, given, false)));
    text("rindex", "sub start end", (text, given) -> found(find(text, given, true)));
    text("count", "sub", (text, given) -> count(text, Values.text(given.get(0))));
    text(
        "join",
        "iterable",
        (text, given) ->
            PythonText.join(
                text, Values.iterate(given.get(0)).stream().map(Values::text).toList()));
    text("partition", "sep", (text, given) -> partition(text, Values.text(given.get(0)), false));
    text("rpartition", "sep", (text, given) -> partition(text, Values.text(given.get(0)), true));
    text("ljust", "width fillchar", (text, given) -> pad(text, given, false, true));
    text("rjust", "width fillchar", (text, given) -> pad(text, given, true, false));
    text("center", "width fillchar", (text, given) -> pad(text, given, true, true));
    is("isdigit", Character::isDigit);
    is("isdecimal", Character::isDigit);
    is("isnumeric", Character::isDigit);
    is("isalpha", Character::isLetter);
    is("isalnum", Character::isLetterOrDigit);
    is("isspace", PythonText::isSpace);
    isCase("isupper", Character::isUpperCase, Character::isLowerCase);
    isCase("islower", Character::isLowerCase, Character::isUpperCase);

    DICTS.put("items", new Method<>(List.of(), (dict, given) -> Items.view("dict_items", pairs(dict))));
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
    DICTS.put("copy", new Method<>(List.of(), (dict, given) -> dict));
    for (String name : List.of("pop", "popitem", "update", "setdefault", "clear")) {
      DICTS.put(name, new Method<>(List.of(), (dict, given) -> immutable()));
    }
    LISTS.put("copy", new Method<>(List.of(), (list, given) -> list));
    LISTS.put(
        "index",
        new Method<>(
            List.of("value"),
            (list, given) -> {
              for (int i = 0; i < list.size(); i++) {
                if (Values.equal(list.get(i), given.get(0))) {
                  return (long) i;
                }
              }
              throw new TemplateException("the value is not in the list");
            }));
    LISTS.put(
        "count",
        new Method<>(
            List.of("value"),
            (list, given) ->
                list.stream().filter(each -> Values.equal(each, given.get(0))).count()));
    for (String name :
        List.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")) {
      LISTS.put(name, new Method<>(List.of("x", "y"), (list, given) -> immutable()));
    }
  }

  static List<Object> pairs(Map<?, ?> dict) {
    List<Object> pairs = new ArrayList<>();
    dict.forEach((key, value) -> pairs.add(new Tuple(List.of(key, value))));
    return pairs;
  }

  private static Object immutable() {
    throw new TemplateException("a list or dict must not be changed by a template");
  }
}
