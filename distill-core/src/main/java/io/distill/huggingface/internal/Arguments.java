package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a function was called with. */
record Arguments(List<Object> positional, Map<String, Object> named) {

  /** Arguments in the order of the parameters. */
  record Bound(List<String> names, Map<String, Object> values) {
    boolean has(int index) {
      return values.containsKey(names.get(index));
    }

    Object get(int index) {
      Object value = values.get(names.get(index));
      if (value == null) {
        throw new TemplateException("the argument " + names.get(index) + " is missing");
      }
      return value;
    }

    Object get(int index, Object otherwise) {
      return has(index) ? get(index) : otherwise;
    }

    /** Returns a text; null if it is not given or None. */
    @Nullable String text(int index) {
      Object value = get(index, None.NONE);
      if (value instanceof String text) {
        return text;
      }
      if (value == None.NONE) {
        return null;
      }
      throw Values.typeError(names.get(index), value);
    }

    String text(int index, String otherwise) {
      String text = text(index);
      return text == null ? otherwise : text;
    }

    boolean truth(int index) {
      return has(index) && Values.truth(get(index));
    }

    long integer(int index, long otherwise) {
      Object value = get(index, otherwise);
      return value == None.NONE ? otherwise : Values.integer(value);
    }
  }

  static Arguments of(Object... values) {
    return new Arguments(List.of(values), Map.of());
  }

  /** Binds to parameters by their names, as Python does. */
  Bound bind(List<String> names) {
    Map<String, Object> values = new LinkedHashMap<>();
    if (positional.size() > names.size()) {
      throw new TemplateException(
          "at most " + names.size() + " arguments are taken but " + positional.size() + " given");
    }
    for (int i = 0; i < positional.size(); i++) {
      values.put(names.get(i), positional.get(i));
    }
    named.forEach(
        (name, value) -> {
          if (!names.contains(name) || values.put(name, value) != null) {
            throw new TemplateException("the argument " + name + " is not taken, or taken twice");
          }
        });
    return new Bound(names, values);
  }

  /** Returns the arguments that follow the first ones. */
  Arguments from(int index) {
    return new Arguments(
        positional.subList(Math.min(index, positional.size()), positional.size()), named);
  }

  Arguments with(String name, Object value) {
    Map<String, Object> more = new LinkedHashMap<>(named);
    more.put(name, value);
    return new Arguments(new ArrayList<>(positional), more);
  }
}
