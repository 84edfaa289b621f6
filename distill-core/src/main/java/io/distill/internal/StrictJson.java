package io.distill.internal;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;

/**
 * JSON of files that may be damaged or hostile: strict syntax, nothing behind the value, no key
 * twice, nesting of at most 255 (Gson's limit, so no stack overflows), whole numbers exactly.
 */
public final class StrictJson {

  /** The largest file that is read: many times the largest tokenizer there is. */
  public static final long MAX_BYTES = 256L << 20;

  private StrictJson() {}

  /**
   * Reads a file as UTF-8 text. Devices and pipes, which may have no end, are no files.
   *
   * @throws IOException if it is missing, no regular file, too large, or no UTF-8 text
   */
  public static String read(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(file.toString());
    }
    if (!Files.isRegularFile(file)) {
      throw new IOException("it is no regular file");
    }
    try (FileChannel channel = FileChannel.open(file)) {
      long size = channel.size();
      if (size > MAX_BYTES) {
        throw new IOException("it has " + size + " bytes, more than " + MAX_BYTES);
      }
      ByteBuffer content = ByteBuffer.allocate((int) size);
      while (content.hasRemaining() && channel.read(content) >= 0) {
        // until the end of the file, or of what it was a moment ago
      }
      return StandardCharsets.UTF_8.newDecoder().decode(content.flip()).toString();
    }
  }

  /**
   * Parses an object.
   *
   * @throws JsonParseException if the text is anything but one JSON object, or has a key twice
   */
  public static JsonObject object(String text) {
    requireNoKeyTwice(text);
    try (JsonReader reader = reader(text)) {
      JsonElement element = JsonParser.parseReader(reader);
      if (reader.peek() != JsonToken.END_DOCUMENT) {
        throw new JsonParseException("text after the end of the document");
      }
      if (!element.isJsonObject()) {
        throw new JsonParseException("another value than an object");
      }
      return element.getAsJsonObject();
    } catch (IOException | IllegalStateException e) {
      throw new JsonParseException(e.getMessage(), e);
    }
  }

  /**
   * Returns a whole number that fits an int; {@code getAsInt} would cut off what does not.
   *
   * @throws NumberFormatException if it is another value
   */
  public static int integer(JsonElement element) {
    if (!(element instanceof JsonPrimitive primitive) || !primitive.isNumber()) {
      throw new NumberFormatException("a whole number was expected but was " + start(element));
    }
    String digits = primitive.getAsString();
    try {
      return Integer.parseInt(digits);
    } catch (NumberFormatException e) {
      try {
        // 1e3 and 7.0 are whole numbers too; limits keep 1e999999999 from being written out
        if (digits.length() <= 32 && Math.abs(primitive.getAsBigDecimal().scale()) <= 32) {
          return new BigDecimal(digits).intValueExact();
        }
      } catch (ArithmeticException | NumberFormatException f) {
        // told below
      }
      throw new NumberFormatException(
          "a whole number of 32 bits was expected but was " + start(element));
    }
  }

  private static String start(JsonElement element) {
    String text = element.isJsonPrimitive() ? element.toString() : "no number";
    return text.length() <= 40 ? text : text.substring(0, 40) + "...";
  }

  private static JsonReader reader(String text) {
    JsonReader reader = new JsonReader(new StringReader(text));
    reader.setStrictness(Strictness.STRICT);
    return reader;
  }

  private static void requireNoKeyTwice(String text) {
    Deque<Set<String>> open = new ArrayDeque<>();
    try (JsonReader reader = reader(text)) {
      while (true) {
        switch (reader.peek()) {
          case BEGIN_OBJECT -> {
            reader.beginObject();
            open.push(new HashSet<>());
          }
          case END_OBJECT -> {
            reader.endObject();
            open.pop();
          }
          case NAME -> {
            String name = reader.nextName();
            if (!open.getFirst().add(name)) {
              throw new JsonParseException("the key '" + name + "' twice, at " + reader.getPath());
            }
          }
          case BEGIN_ARRAY -> reader.beginArray();
          case END_ARRAY -> reader.endArray();
          case END_DOCUMENT -> {
            return;
          }
          default -> reader.skipValue();
        }
      }
    } catch (IOException | IllegalStateException e) {
      throw new JsonParseException(e.getMessage(), e);
    }
  }
}
