package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What Python does with values. A text is a String, a list a List, a dict a Map, a number a Long or
 * Double.
 */
final class Values {

  private static final int DEPTH = 100;
  static final int LONGEST_RANGE = 100_000;

  private Values() {}

  /** Copies JSON-like values. */
  static Object of(@Nullable Object value) {
    return of(value, 0);
  }

  private static Object of(@Nullable Object value, int depth) {
    if (depth > DEPTH) {
      throw new TemplateException("a value must not be nested deeper than " + DEPTH);
    }
    if (value == null) {
      return None.NONE;
    }
    if (value instanceof CharSequence || value instanceof Character) {
      return value.toString();
    }
    if (value instanceof Boolean) {
      return value;
    }
    if (value instanceof Number number) {
      boolean whole =
          value instanceof Long
              || value instanceof Integer
              || value instanceof Short
              || value instanceof Byte;
      return whole ? (Object) number.longValue() : number.doubleValue();
    }
    if (value instanceof Map<?, ?> map) {
      Map<Object, Object> copy = new LinkedHashMap<>();
      map.forEach((key, each) -> copy.put(of(key, depth + 1), of(each, depth + 1)));
      return Collections.unmodifiableMap(copy);
    }
    if (value instanceof Iterable<?> list) {
      List<Object> copy = new ArrayList<>();
      list.forEach(each -> copy.add(of(each, depth + 1)));
      return Collections.unmodifiableList(copy);
    }
    throw new TemplateException(
        "a value must be a text, number, boolean, null, map or list but was a "
            + value.getClass().getName());
  }

  static TemplateException typeError(String what, Object value) {
    return value instanceof Undefined undefined
        ? undefined.failure()
        : new TemplateException(what + " is not possible with a " + type(value));
  }

  static String type(Object value) {
    if (value instanceof String) {
      return "str";
    }
    if (value instanceof Boolean) {
      return "bool";
    }
    if (value instanceof Number) {
      return value instanceof Double ? "float" : "int";
    }
    if (value instanceof Map) {
      return "dict";
    }
    if (value instanceof Tuple) {
      return "tuple";
    }
    return value instanceof List ? "list" : value.getClass().getSimpleName();
  }

  static boolean isText(Object value) {
    return value instanceof String || value instanceof Markup;
  }

  static boolean truth(Object value) {
    if (value instanceof Boolean truth) {
      return truth;
    }
    if (value instanceof Number number) {
      return number.doubleValue() != 0;
    }
    if (value instanceof String text) {
      return !text.isEmpty();
    }
    if (value instanceof List<?> list) {
      return !list.isEmpty();
    }
    if (value instanceof Map<?, ?> map) {
      return !map.isEmpty();
    }
    if (value instanceof Markup markup) {
      return !markup.text().isEmpty();
    }
    if (value instanceof Items items) {
      return items.isGenerator() || !items.take().isEmpty();
    }
    return value != None.NONE && !(value instanceof Undefined);
  }

  /** Returns a number with booleans as 0 and 1; null if it is none. */
  static @Nullable Number number(Object value) {
    if (value instanceof Boolean truth) {
      return truth ? 1L : 0L;
    }
    return value instanceof Number number ? number : null;
  }

  static long integer(Object value) {
    if (number(value) instanceof Long integer) {
      return integer;
    }
    throw typeError("taking it as an integer", value);
  }

  static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw typeError("taking it as a text", value);
  }

  static boolean equal(Object left, Object right) {
    Budget.spend(1);
    Number leftNumber = number(left);
    Number rightNumber = number(right);
    if (leftNumber != null && rightNumber != null) {
      return (leftNumber instanceof Double || rightNumber instanceof Double)
          ? leftNumber.doubleValue() == rightNumber.doubleValue()
          : leftNumber.equals(rightNumber);
    }
    if (left instanceof List<?> a && right instanceof List<?> b) {
      if (a.size() != b.size() || (left instanceof Tuple) != (right instanceof Tuple)) {
        return false;
      }
      Iterator<?> others = b.iterator();
      return a.stream().allMatch(each -> equal(each, others.next()));
    }
    if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
      return a.size() == b.size()
          && a.entrySet().stream()
              .allMatch(
                  each ->
                      b.containsKey(each.getKey()) && equal(each.getValue(), b.get(each.getKey())));
    }
    if (left instanceof Undefined && right instanceof Undefined) {
      return true;
    }
    if (left instanceof Markup || right instanceof Markup) {
      return Printing.text(left).equals(Printing.text(right)) && isText(left) && isText(right);
    }
    return (left instanceof List || left instanceof Map) ? left == right : left.equals(right);
  }

  static int compare(Object left, Object right) {
    Budget.spend(1);
    Number leftNumber = number(left);
    Number rightNumber = number(right);
    if (leftNumber != null && rightNumber != null) {
      return (leftNumber instanceof Long a && rightNumber instanceof Long b)
          ? Long.compare(a, b)
          : Double.compare(leftNumber.doubleValue(), rightNumber.doubleValue());
    }
    if (left instanceof String a && right instanceof String b) {
      return a.compareTo(b);
    }
    throw typeError("comparing", left instanceof String || leftNumber != null ? right : left);
  }

  /** Returns what a loop goes through. */
  @SuppressWarnings("unchecked")
  static List<Object> iterate(Object value) {
    List<Object> items;
    if (value instanceof List<?> list) {
      items = (List<Object>) list;
    } else if (value instanceof Map<?, ?> map) {
      items = new ArrayList<>(map.keySet());
    } else if (value instanceof Items each) {
      items = each.take();
    } else if (value instanceof String text) {
      items = new ArrayList<>();
      text.codePoints().forEach(each -> items.add(Character.toString(each)));
    } else if (value instanceof Undefined) {
      items = List.of();
    } else {
      throw typeError("iterating", value);
    }
    Budget.spend(1 + items.size() / 4);
    return items;
  }

  static long length(Object value) {
    if (value instanceof String text) {
      return text.codePointCount(0, text.length());
    }
    if (value instanceof List<?> list) {
      return list.size();
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    if (value instanceof Items items && !items.isGenerator()) {
      return items.take().size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    throw typeError("length", value);
  }

  static boolean contains(Object container, Object item) {
    if (container instanceof String text) {
      return text.contains(text(item));
    }
    if (container instanceof Map<?, ?> map) {
      if (item instanceof Map || (item instanceof List && !(item instanceof Tuple))) {
        throw typeError("being a key", item);
      }
      return map.containsKey(item);
    }
    return iterate(container).stream().anyMatch(each -> equal(each, item));
  }

  /** Jinja's {@code value.name}: methods first, then members. */
  static Object attribute(Object value, String name) {
    if (value instanceof Undefined undefined) {
      throw undefined.failure();
    }
    Object found = name.startsWith("_") ? null : own(value, name);
    if (found == null && value instanceof Map<?, ?> map) {
      found = map.get(name);
    }
    return found == null ? new Undefined(name) : found;
  }

  private static @Nullable Object own(Object value, String name) {
    if (value instanceof Namespace namespace) {
      return namespace.values().get(name);
    }
    return value instanceof Loop loop ? loop.attribute(name) : Methods.find(value, name);
  }

  /** Jinja's {@code value[key]}: members first, then methods. */
  static Object item(Object value, Object key) {
    if (value instanceof Undefined || value instanceof Markup) {
      throw typeError("a member", value);
    }
    Object found = null;
    if (value instanceof Map<?, ?> map) {
      found = map.get(key);
    } else if (number(key) instanceof Long index) {
      if (value instanceof List<?> list) {
        long place = index < 0 ? index + list.size() : index;
        found = (place >= 0 && place < list.size()) ? list.get((int) place) : null;
      } else if (value instanceof String text) {
        long place = index < 0 ? index + length(text) : index;
        found =
            (place >= 0 && place < length(text)) ? PythonText.part(text, place, place + 1) : null;
      }
    }
    if (found == null && key instanceof String name && !name.startsWith("_")) {
      found = own(value, name);
    }
    return found == null ? new Undefined(Printing.text(key)) : found;
  }

  /** Python's {@code value[begin:end:step]}. */
  static Object slice(Object value, Object begin, Object end, Object step) {
    if (!(value instanceof String) && !(value instanceof List)) {
      throw typeError("a slice", value);
    }
    long by = step == None.NONE ? 1 : integer(step);
    if (by == 0) {
      throw new TemplateException("the step of a slice must not be 0");
    }
    long size = length(value);
    long from = bound(begin, by > 0 ? 0 : size - 1, size, by);
    long to = bound(end, by > 0 ? size : -1, size, by);
    if (value instanceof String text && by == 1) {
      return PythonText.part(text, from, Math.max(from, to));
    }
    List<Object> all = iterate(value);
    List<Object> picked = new ArrayList<>();
    for (long i = from; by > 0 ? i < to : i > to; i += by) {
      picked.add(all.get((int) i));
    }
    if (value instanceof String) {
      return String.join("", picked.stream().map(Values::text).toList());
    }
    return value instanceof Tuple ? new Tuple(picked) : picked;
  }

  private static long bound(Object bound, long otherwise, long size, long step) {
    if (bound == None.NONE) {
      return otherwise;
    }
    long place = integer(bound);
    if (place < 0) {
      place += size;
    }
    return Math.max(step > 0 ? 0 : -1, Math.min(place, step > 0 ? size : size - 1));
  }

  /** Python's {@code dict(...)}. */
  static Map<Object, Object> dict(Arguments arguments) {
    Map<Object, Object> dict = new LinkedHashMap<>();
    for (Object each : arguments.positional()) {
      if (each instanceof Map<?, ?> map) {
        dict.putAll(map);
      } else {
        for (Object pair : iterate(each)) {
          List<Object> both = iterate(pair);
          if (both.size() != 2) {
            throw new TemplateException("a dict must be made of pairs");
          }
          dict.put(both.get(0), both.get(1));
        }
      }
    }
    dict.putAll(arguments.named());
    return dict;
  }

  /** Python's {@code range(...)}, as long as Jinja's sandbox lets it be. */
  static Object range(Arguments arguments) {
    List<Object> given = arguments.positional();
    if (given.isEmpty() || given.size() > 3) {
      throw new TemplateException("range takes one to three numbers");
    }
    long begin = given.size() == 1 ? 0 : integer(given.get(0));
    long end = integer(given.get(given.size() == 1 ? 0 : 1));
    long step = given.size() == 3 ? integer(given.get(2)) : 1;
    if (step == 0) {
      throw new TemplateException("the step of range must not be 0");
    }
    List<Object> all = new ArrayList<>();
    for (long i = begin; step > 0 ? i < end : i > end; i = Math.addExact(i, step)) {
      if (all.size() == LONGEST_RANGE) {
        throw new TemplateException("range must have at most " + LONGEST_RANGE + " numbers");
      }
      all.add(i);
    }
    return all;
  }
}
