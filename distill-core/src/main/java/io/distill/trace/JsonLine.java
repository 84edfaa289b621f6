package io.distill.trace;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.math.BigDecimal;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The object on a line of a file, whose members are read with an eye on what they are. */
record JsonLine(String where, JsonObject json) {

  /**
   * Reads a line.
   *
   * @throws DistillationException naming file and line, if it is no object
   */
  static JsonLine of(LineReader.Line line) {
    return new JsonLine(
        line.where(), StrictJson.object(line.text(), line.where(), LineReader.MAXIMUM_LINE_BYTES));
  }

  String string(String name) {
    return optionalString(name).orElseThrow(() -> wrong(name, "a string"));
  }

  Optional<String> optionalString(String name) {
    JsonElement element = json.get(name);
    if (element == null) {
      return Optional.empty();
    }
    if (element instanceof JsonPrimitive primitive && primitive.isString()) {
      return Optional.of(primitive.getAsString());
    }
    throw wrong(name, "a string");
  }

  boolean bool(String name) {
    if (json.get(name) instanceof JsonPrimitive primitive && primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    throw wrong(name, "true or false");
  }

  int integer(String name) {
    BigDecimal number = number(name);
    try {
      if (number != null && number.signum() >= 0) {
        return number.intValueExact();
      }
    } catch (ArithmeticException e) {
      // told below
    }
    throw wrong(name, "a whole number of 31 bits");
  }

  long longInteger(String name) {
    BigDecimal number = number(name);
    try {
      if (number != null) {
        return number.longValueExact();
      }
    } catch (ArithmeticException e) {
      // told below
    }
    throw wrong(name, "a whole number of 64 bits");
  }

  double real(String name) {
    BigDecimal number = number(name);
    if (number != null) {
      return number.doubleValue();
    }
    throw wrong(name, "a number");
  }

  boolean has(String name) {
    return json.has(name);
  }

  private @Nullable BigDecimal number(String name) {
    return json.get(name) instanceof JsonPrimitive primitive && primitive.isNumber()
        ? primitive.getAsBigDecimal()
        : null;
  }

  /** Returns an object of strings; an empty map if there is none. */
  Map<String, String> strings(String name) {
    Map<String, String> strings = new TreeMap<>();
    if (has(name)) {
      JsonLine object = object(name);
      object.json.keySet().forEach(key -> strings.put(key, object.string(key)));
    }
    return strings;
  }

  JsonLine object(String name) {
    if (json.get(name) instanceof JsonObject object) {
      return new JsonLine(where, object);
    }
    throw wrong(name, "an object");
  }

  private DistillationException wrong(String name, String what) {
    return new DistillationException(
        where
            + " must have '"
            + name
            + "' as "
            + what
            + " but has "
            + (json.has(name) ? "another value" : "none")
            + "; restore the file, or use another directory");
  }

  static JsonObject strings(Map<String, String> strings) {
    JsonObject object = new JsonObject();
    strings.forEach(object::addProperty);
    return object;
  }
}
