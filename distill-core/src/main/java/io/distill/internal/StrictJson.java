package io.distill.internal;

import com.google.common.hash.Hashing;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * JSON as RFC 8259 has it, from files that may be hostile: bounded in size, depth and length of
 * numbers, without repeated names and without anything after the value.
 */
public final class StrictJson {

  /** How deep objects and arrays may nest. */
  public static final int MAXIMUM_DEPTH = 64;

  /** How many characters a number may have: more than any double or long is written with. */
  private static final int MAXIMUM_NUMBER = 32;

  /** How far from 1 a number may be: as an int, 1e999999999 would fill the memory. */
  private static final int MAXIMUM_SCALE = 400;

  private StrictJson() {}

  /**
   * Reads a text that must be an object.
   *
   * @param what what the text is, as messages call it
   * @param limit the number of characters that it may have
   * @throws DistillationException if it is too long, no such JSON, or another value
   */
  public static JsonObject object(String text, String what, int limit) {
    JsonElement element = parse(text, what, limit);
    if (element instanceof JsonObject object) {
      return object;
    }
    throw new DistillationException(
        what + " must be a JSON object but is another value; use a file that is whole");
  }

  /**
   * Returns a whole number of 32 bits; {@code getAsInt} would cut off what does not fit.
   *
   * @throws NumberFormatException if it is another value
   */
  public static int integer(JsonElement element) {
    if (element instanceof JsonPrimitive primitive && primitive.isNumber()) {
      try {
        return primitive.getAsBigDecimal().intValueExact();
      } catch (ArithmeticException e) {
        // told below
      }
    }
    String text = String.valueOf(element);
    throw new NumberFormatException(
        "must be a whole number of 32 bits but was "
            + (text.length() <= 40 ? text : text.substring(0, 40) + "..."));
  }

  /**
   * Reads a file.
   *
   * @param what what the file is, as messages call it
   * @param limit the number of bytes that it may have
   * @throws DistillationException if it is missing, too large, or no such JSON
   */
  public static JsonElement read(Path file, String what, int limit) {
    return parse(text(file, what, limit), what + " " + file, limit);
  }

  /**
   * Reads a file as UTF-8 text. Devices and pipes, which may have no end, are no files.
   *
   * @param what what the file is, as messages call it
   * @param limit the number of bytes that it may have
   * @throws DistillationException if it is missing, too large, or no UTF-8
   */
  public static String text(Path file, String what, int limit) {
    byte[] bytes;
    try {
      if (!Files.isRegularFile(file)) {
        throw new DistillationException(
            what + " must be a file but " + file + " is none; check the path");
      }
      long size = Files.size(file);
      if (size > limit) {
        throw new DistillationException(
            what + " " + file + " must have at most " + limit + " bytes but has " + size);
      }
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new DistillationException(
          what + " " + file + " must be readable but was not (" + e + "); check the file", e);
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new DistillationException(
          what + " " + file + " must be UTF-8 but is not; use a file that is whole", e);
    }
  }

  /**
   * Reads a text.
   *
   * @param what what the text is, as messages call it
   * @param limit the number of characters that it may have
   * @throws DistillationException if it is too long, or no such JSON
   */
  public static JsonElement parse(String text, String what, int limit) {
    if (text.length() > limit) {
      throw new DistillationException(
          what + " must have at most " + limit + " characters but has " + text.length());
    }
    try (JsonReader reader = new JsonReader(new StringReader(text))) {
      reader.setStrictness(Strictness.STRICT);
      reader.setNestingLimit(MAXIMUM_DEPTH);
      JsonElement element = element(reader, what);
      if (reader.peek() != JsonToken.END_DOCUMENT) {
        throw new IOException("more follows the value at " + reader.getPath());
      }
      return element;
    } catch (IOException | IllegalStateException | NumberFormatException e) {
      throw new DistillationException(
          what + " must be JSON but is not (" + firstLine(e) + "); use a file that is whole", e);
    }
  }

  private static String firstLine(Exception e) {
    String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    String line = message.lines().findFirst().orElse("");
    // the parser advises to read malformed files leniently
    int place = line.indexOf(" at line ");
    return line.contains("setStrictness") && place >= 0
        ? "malformed" + line.substring(place)
        : line;
  }

  private static JsonElement element(JsonReader reader, String what) throws IOException {
    return switch (reader.peek()) {
      case BEGIN_OBJECT -> object(reader, what);
      case BEGIN_ARRAY -> {
        JsonArray array = new JsonArray();
        reader.beginArray();
        while (reader.hasNext()) {
          array.add(element(reader, what));
        }
        reader.endArray();
        yield array;
      }
      case NUMBER -> {
        String path = reader.getPath();
        String digits = reader.nextString();
        if (digits.length() > MAXIMUM_NUMBER) {
          throw new DistillationException(
              what
                  + " must have numbers of at most "
                  + MAXIMUM_NUMBER
                  + " characters but "
                  + path
                  + " has "
                  + digits.length());
        }
        BigDecimal number = new BigDecimal(digits);
        if (Math.abs((long) number.scale()) > MAXIMUM_SCALE) {
          throw new DistillationException(
              what + " must have numbers that a double can hold but " + path + " is " + digits);
        }
        yield new JsonPrimitive(number);
      }
      case STRING -> new JsonPrimitive(reader.nextString());
      case BOOLEAN -> new JsonPrimitive(reader.nextBoolean());
      case NULL -> {
        reader.nextNull();
        yield JsonNull.INSTANCE;
      }
      default -> throw new IOException("no value at " + reader.getPath());
    };
  }

  private static JsonObject object(JsonReader reader, String what) throws IOException {
    JsonObject object = new JsonObject();
    reader.beginObject();
    while (reader.hasNext()) {
      String name = reader.nextName();
      if (object.has(name)) {
        throw new DistillationException(
            what + " must name each value once but has two at " + reader.getPath());
      }
      object.add(name, element(reader, what));
    }
    reader.endObject();
    return object;
  }

  /**
   * Writes JSON in one form only: names sorted, no spaces, numbers without trailing zeros. Equal
   * values have equal texts, however they were written before.
   */
  public static String canonical(JsonElement element) {
    StringBuilder text = new StringBuilder();
    write(element, text);
    return text.toString();
  }

  /** Returns the SHA-256 digest of the canonical form, in hexadecimal. */
  public static String digest(JsonElement element) {
    return Hashing.sha256().hashString(canonical(element), StandardCharsets.UTF_8).toString();
  }

  private static void write(JsonElement element, StringBuilder text) {
    if (element instanceof JsonObject object) {
      String separator = "{";
      for (Map.Entry<String, JsonElement> entry : new TreeMap<>(object.asMap()).entrySet()) {
        text.append(separator).append(new JsonPrimitive(entry.getKey())).append(':');
        write(entry.getValue(), text);
        separator = ",";
      }
      text.append(object.isEmpty() ? "{}" : "}");
    } else if (element instanceof JsonArray array) {
      String separator = "[";
      for (JsonElement each : array) {
        text.append(separator);
        write(each, text);
        separator = ",";
      }
      text.append(array.isEmpty() ? "[]" : "]");
    } else if (element instanceof JsonPrimitive primitive && primitive.isNumber()) {
      text.append(number(primitive));
    } else {
      text.append(element);
    }
  }

  /** Returns a number in its one form, so that 1, 1.0 and 1e0 are the same. */
  public static String number(JsonPrimitive number) {
    return new BigDecimal(number.getAsString()).stripTrailingZeros().toString();
  }
}
