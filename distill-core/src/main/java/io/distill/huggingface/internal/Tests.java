package io.distill.huggingface.internal;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.Predicate;

/** Jinja's tests, which follow {@code is}. */
final class Tests {

  private static final Map<String, BiPredicate<Object, List<Object>>> ALL = new HashMap<>();

  private Tests() {}

  static boolean apply(String name, Object value, Arguments arguments) {
    BiPredicate<Object, List<Object>> test = ALL.get(name);
    if (test == null) {
      throw new TemplateException("there is no test named '" + name + "'");
    }
    Budget.spend(1);
    return test.test(value, arguments.positional());
  }

  private static void plain(String name, Predicate<Object> test) {
    ALL.put(
        name,
        (value, given) -> {
          if (!given.isEmpty()) {
            throw new TemplateException("the test " + name + " takes no argument");
          }
          return test.test(value);
        });
  }

  private static void compared(BiPredicate<Object, Object> test, String... names) {
    for (String name : names) {
      ALL.put(
          name,
          (value, given) -> {
            if (given.size() != 1) {
              throw new TemplateException("the test " + name + " takes one argument");
            }
            return test.test(value, given.get(0));
          });
    }
  }

  private static boolean isWhole(Object value) {
    return value instanceof Number && !(value instanceof Double);
  }

  static {
    plain("defined", value -> !(value instanceof Undefined));
    plain("undefined", value -> value instanceof Undefined);
    plain("none", value -> value == None.NONE);
    plain("boolean", value -> value instanceof Boolean);
    plain("true", value -> value.equals(true));
    plain("false", value -> value.equals(false));
    plain("integer", Tests::isWhole);
    plain("float", value -> value instanceof Double);
    plain("number", value -> Values.number(value) != null);
    plain("string", Values::isText);
    plain("mapping", value -> value instanceof Map);
    plain("callable", value -> value instanceof Callable);
    plain(
        "sequence",
        value ->
            value instanceof List
                || value instanceof String
                || value instanceof Map
                || value instanceof Undefined);
    plain(
        "iterable",
        value ->
            value instanceof List
                || value instanceof String
                || value instanceof Map
                || value instanceof Items
                || value instanceof Undefined);
    plain("odd", value -> Arithmetic.apply("%", value, 2L).equals(1L));
    plain("even", value -> Arithmetic.apply("%", value, 2L).equals(0L));
    compared(Values::equal, "==", "eq", "equalto");
    compared((a, b) -> !Values.equal(a, b), "!=", "ne");
    compared((a, b) -> Values.compare(a, b) < 0, "<", "lt", "lessthan");
    compared((a, b) -> Values.compare(a, b) <= 0, "<=", "le");
    compared((a, b) -> Values.compare(a, b) > 0, ">", "gt", "greaterthan");
    compared((a, b) -> Values.compare(a, b) >= 0, ">=", "ge");
    compared((a, b) -> Values.contains(b, a), "in");
    compared((a, b) -> Arithmetic.apply("%", a, b).equals(0L), "divisibleby");
  }
}
