package io.distill.huggingface.internal;

import io.distill.huggingface.internal.Arguments.Bound;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Jinja's filters, and {@code tojson} as the transformers library has it. */
final class Filters {

  private static final Map<String, BiFunction<Object, Arguments, Object>> ALL = new HashMap<>();
  private static final Pattern WORD = Pattern.compile("[^-\\s({\\[<]+");
  private static final int INDENT = 4;

  private Filters() {}

  static Object apply(String name, Object value, Arguments arguments) {
    BiFunction<Object, Arguments, Object> filter = ALL.get(name);
    if (filter == null) {
      throw new TemplateException("there is no filter named '" + name + "'");
    }
    Budget.spend(1);
    return filter.apply(value, arguments);
  }

  private static void filter(
      String name, String parameters, BiFunction<Object, Bound, Object> body) {
    List<String> names = Methods.names(parameters);
    ALL.put(name, (value, arguments) -> body.apply(value, arguments.bind(names)));
  }

  private static void text(String name, Function<String, Object> body) {
    filter(name, "", (value, given) -> body.apply(Printing.text(value)));
  }

  /** Returns what follows a path such as {@code function.name}. */
  private static Function<Object, Object> getter(Object path) {
    if (!(path instanceof String text)) {
      return value -> Values.item(value, path);
    }
    return value -> {
      Object found = value;
      for (String part : text.split("\\.", -1)) {
        boolean place = !part.isEmpty() && part.chars().allMatch(c -> c >= '0' && c <= '9');
        found = Values.item(found, place ? (Object) Long.parseLong(part) : part);
      }
      return found;
    };
  }

  private static Function<Object, Object> key(Bound given, int sensitive, int attribute) {
    Function<Object, Object> getter =
        given.get(attribute, None.NONE) == None.NONE
            ? value -> value
            : getter(given.get(attribute));
    boolean exact = given.truth(sensitive);
    return value -> {
      Object key = getter.apply(value);
      return (!exact && key instanceof String text) ? text.toLowerCase(Locale.ROOT) : key;
    };
  }

  private static List<Object> sorted(
      List<Object> values, Function<Object, Object> key, boolean reverse) {
    Comparator<Object> order = (a, b) -> Values.compare(key.apply(a), key.apply(b));
    List<Object> sorted = new ArrayList<>(values);
    sorted.sort(reverse ? order.reversed() : order);
    return sorted;
  }

  private static void selecting(String name, boolean wanted, boolean byAttribute) {
    ALL.put(
        name,
        (value, arguments) -> {
          int rest = byAttribute ? 1 : 0;
          List<Object> given = arguments.positional();
          if (given.size() < rest) {
            throw new TemplateException("the filter " + name + " takes an attribute");
          }
          Function<Object, Object> getter = byAttribute ? getter(given.get(0)) : each -> each;
          Predicate<Object> test =
              given.size() == rest
                  ? Values::truth
                  : each ->
                      Tests.apply(Values.text(given.get(rest)), each, arguments.from(rest + 1));
          return Items.generator(
              given(value).stream()
                  .filter(each -> test.test(getter.apply(each)) == wanted)
                  .toList());
        });
  }

  /** Jinja takes any false value as an empty list here. */
  private static List<Object> given(Object value) {
    return Values.truth(value) ? Values.iterate(value) : List.of();
  }

  private static Object map(Object value, Arguments arguments) {
    Function<Object, Object> each;
    Object attribute = arguments.named().get("attribute");
    if (arguments.positional().isEmpty() && attribute != null) {
      Function<Object, Object> getter = getter(attribute);
      Object otherwise = arguments.named().get("default");
      each =
          item -> {
            Object found = getter.apply(item);
            return (found instanceof Undefined && otherwise != null) ? otherwise : found;
          };
    } else if (arguments.positional().isEmpty()) {
      throw new TemplateException("the filter map takes a filter or an attribute");
    } else {
      String name = Values.text(arguments.positional().get(0));
      each = item -> apply(name, item, arguments.from(1));
    }
    return Items.generator(given(value).stream().map(each).toList());
  }

  private static Object json(Object value, Bound given) {
    Object indent = given.get(1, None.NONE);
    boolean lines = indent != None.NONE;
    String unit =
        indent instanceof String text
            ? text
            : PythonText.repeat(" ", lines ? Values.integer(indent) : 0);
    String separator = lines ? "," : ", ";
    String colon = ": ";
    if (given.get(2, None.NONE) != None.NONE) {
      List<Object> both = Values.iterate(given.get(2));
      if (both.size() != 2) {
        throw new TemplateException("separators must be two");
      }
      separator = Values.text(both.get(0));
      colon = Values.text(both.get(1));
    }
    return Printing.json(
        value,
        new Printing.JsonStyle(unit, lines, separator, colon, given.truth(0), given.truth(3)));
  }

  private static Object reverse(Object value) {
    if (value instanceof String text) {
      return new StringBuilder(text).reverse().toString();
    }
    List<Object> reversed = new ArrayList<>(Values.iterate(value));
    Collections.reverse(reversed);
    return Items.generator(reversed);
  }

  private static Object integer(Object value, Object otherwise) {
    if (Values.number(value) instanceof Long whole) {
      return whole;
    }
    try {
      if (value instanceof String text) {
        String digits = text.strip().replace("_", "");
        return digits.matches("[+-]?\\d+")
            ? Long.parseLong(digits)
            : (long) Double.parseDouble(digits);
      }
    } catch (NumberFormatException e) {
      return otherwise;
    }
    if (value instanceof Undefined undefined) {
      throw undefined.failure();
    }
    return value instanceof Double real ? (Object) real.longValue() : otherwise;
  }

  private static Object real(Object value, Object otherwise) {
    Number number = Values.number(value);
    if (number != null) {
      return number.doubleValue();
    }
    try {
      if (value instanceof String text) {
        return Double.parseDouble(text.strip());
      }
    } catch (NumberFormatException e) {
      return otherwise;
    }
    if (value instanceof Undefined undefined) {
      throw undefined.failure();
    }
    return otherwise;
  }

  private static String title(String text) {
    Matcher words = WORD.matcher(text);
    StringBuilder titled = new StringBuilder();
    while (words.find()) {
      words.appendReplacement(
          titled, Matcher.quoteReplacement(PythonText.capitalize(words.group())));
    }
    return words.appendTail(titled).toString();
  }

  private static String indent(Object value, Bound given) {
    Object width = given.get(0, (long) INDENT);
    String unit =
        width instanceof String text ? text : PythonText.repeat(" ", Values.integer(width));
    List<Object> lines = PythonText.lines(Values.text(value) + "\n", false);
    List<String> indented = new ArrayList<>();
    for (Object each : lines) {
      boolean shift = indented.isEmpty() ? given.truth(1) : (!each.equals("") || given.truth(2));
      Budget.spendText(unit.length());
      indented.add((shift ? unit : "") + each);
    }
    return PythonText.join("\n", indented);
  }

  private static Object edge(List<Object> values, boolean first) {
    return values.isEmpty() ? new Undefined("item") : values.get(first ? 0 : values.size() - 1);
  }

  static {
    filter("tojson", "ensure_ascii indent separators sort_keys", Filters::json);
    text("string", text -> text);
    text("safe", Markup::new);
    text("upper", text -> text.toUpperCase(Locale.ROOT));
    text("lower", text -> text.toLowerCase(Locale.ROOT));
    text("capitalize", PythonText::capitalize);
    text("title", Filters::title);
    filter(
        "trim",
        "chars",
        (value, given) -> PythonText.strip(Printing.text(value), given.text(0), true, true));
    filter(
        "replace",
        "old new count",
        (value, given) ->
            PythonText.replace(
                Printing.text(value),
                Printing.text(given.get(0)),
                Printing.text(given.get(1)),
                given.integer(2, -1)));
    filter("indent", "width first blank", Filters::indent);
    filter(
        "join",
        "d attribute",
        (value, given) -> {
          Object attribute = given.get(1, None.NONE);
          Function<Object, Object> getter =
              attribute == None.NONE ? each -> each : getter(attribute);
          return PythonText.join(
              Printing.text(given.get(0, "")),
              Values.iterate(value).stream().map(getter).map(Printing::text).toList());
        });
    for (String name : List.of("length", "count")) {
      filter(name, "", (value, given) -> Values.length(value));
    }
    for (String name : List.of("default", "d")) {
      filter(
          name,
          "default_value boolean",
          (value, given) ->
              (value instanceof Undefined || (given.truth(1) && !Values.truth(value)))
                  ? given.get(0, "")
                  : value);
    }
    filter("list", "", (value, given) -> new ArrayList<>(Values.iterate(value)));
    filter("first", "", (value, given) -> edge(Values.iterate(value), true));
    filter(
        "last",
        "",
        (value, given) -> {
          Values.length(value);
          return edge(Values.iterate(value), false);
        });
    filter("reverse", "", (value, given) -> reverse(value));
    filter("int", "default base", (value, given) -> integer(value, given.get(0, 0L)));
    filter("float", "default", (value, given) -> real(value, given.get(0, 0.0)));
    filter(
        "abs",
        "",
        (value, given) ->
            Values.compare(value, 0L) < 0
                ? Arithmetic.negative(value)
                : Arithmetic.apply("+", value, 0L));
    filter(
        "items",
        "",
        (value, given) -> {
          if (!(value instanceof Map) && !(value instanceof Undefined)) {
            throw new TemplateException("Can only get item pairs from a mapping.");
          }
          return Items.generator(value instanceof Map<?, ?> map ? Methods.pairs(map) : List.of());
        });
    filter(
        "dictsort",
        "case_sensitive by reverse",
        (value, given) -> {
          if (!(value instanceof Map<?, ?> map)) {
            throw Values.typeError("dictsort", value);
          }
          long part = given.text(1, "key").equals("value") ? 1 : 0;
          Function<Object, Object> key =
              key(Arguments.of(given.truth(0), part).bind(List.of("exact", "part")), 0, 1);
          return sorted(Methods.pairs(map), key, given.truth(2));
        });
    filter(
        "sort",
        "reverse case_sensitive attribute",
        (value, given) -> sorted(Values.iterate(value), key(given, 1, 2), given.truth(0)));
    ALL.put("map", Filters::map);
    selecting("select", true, false);
    selecting("reject", false, false);
    selecting("selectattr", true, true);
    selecting("rejectattr", false, true);
  }
}
