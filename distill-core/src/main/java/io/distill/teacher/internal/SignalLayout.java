package io.distill.teacher.internal;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.distill.signal.SignalKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The shape and coding of one kind of signals in a cache.
 *
 * @param kind the kind
 * @param coding how numbers are kept
 * @param topK how many logits of each row or token are kept; 0 for all
 * @param shapes the shape of each array without the row axis; {@link #TOKENS} where it grows with
 *     the row
 * @param layerNames the names of the layers of a kind that has them
 * @param masked whether the teacher gave a mask
 * @param aligned whether its tokens are those of the input, so that a batch is padded as its input
 *     is
 */
public record SignalLayout(
    SignalKind kind,
    Coding coding,
    int topK,
    List<List<Integer>> shapes,
    List<String> layerNames,
    boolean masked,
    boolean aligned) {

  /** An axis as long as the row has tokens. */
  static final int TOKENS = -1;

  private static final int MOST_ARRAYS = 4096;
  private static final int MOST_AXES = 8;

  /** How a number is kept. */
  public enum Coding {
    /** Four bytes, as the teacher gave it. */
    FLOAT32(Float.BYTES),
    /** Two bytes, rounded to the nearest. */
    FLOAT16(Short.BYTES),
    /** The likeliest of many logits, and the mass of the others. */
    TOP_K(0);

    private final int bytes;

    Coding(int bytes) {
      this.bytes = bytes;
    }

    /** Returns the number of bytes of a number, 0 where that varies. */
    int bytes() {
      return bytes;
    }
  }

  /** Copies the lists and checks that they can be. */
  public SignalLayout {
    shapes = shapes.stream().map(List::copyOf).toList();
    layerNames = List.copyOf(layerNames);
    require(!shapes.isEmpty() && shapes.size() <= MOST_ARRAYS, "number of arrays");
    for (List<Integer> shape : shapes) {
      require(shape.size() <= MOST_AXES, "number of axes");
      long elements = 1;
      for (int length : shape) {
        require(length == TOKENS || length >= 1, "shape");
        elements *= Math.max(length, 1);
        require(elements <= Integer.MAX_VALUE, "shape");
      }
    }
    if (coding == Coding.TOP_K) {
      require(kind == SignalKind.LOGITS && shapes.size() == 1, "coding");
      List<Integer> shape = shapes.get(0);
      require(shape.size() == 1 || (shape.size() == 2 && shape.get(0) == TOKENS), "shape");
      require(topK >= 1 && topK < shape.get(shape.size() - 1), "topK");
    } else {
      require(topK == 0, "topK");
    }
  }

  private static void require(boolean condition, String what) {
    if (!condition) {
      throw new IllegalArgumentException("the " + what + " of a layout cannot be");
    }
  }

  /** Returns this layout with all values in four bytes. */
  SignalLayout exact() {
    return new SignalLayout(kind, Coding.FLOAT32, 0, shapes, layerNames, masked, aligned);
  }

  /** Returns whether records grow with the tokens of a row. */
  boolean ragged() {
    return shapes.stream().anyMatch(shape -> shape.contains(TOKENS));
  }

  /** Returns the number of classes or of vocabulary entries, if these are logits. */
  int width() {
    List<Integer> shape = shapes.get(0);
    return shape.isEmpty() ? 1 : shape.get(shape.size() - 1);
  }

  /** Returns how the values are kept, in words. */
  public String codingText() {
    return coding == Coding.TOP_K ? "top " + topK : coding.name().toLowerCase(Locale.ROOT);
  }

  /** Returns the number of elements of an array of a row. */
  static long elements(List<Integer> shape, int tokens) {
    long elements = 1;
    for (int length : shape) {
      elements = Math.multiplyExact(elements, length == TOKENS ? tokens : length);
    }
    return elements;
  }

  String toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("kind", kind.name());
    json.addProperty("coding", coding.name());
    json.addProperty("topK", topK);
    JsonArray arrays = new JsonArray();
    for (List<Integer> shape : shapes) {
      JsonArray lengths = new JsonArray();
      shape.forEach(lengths::add);
      arrays.add(lengths);
    }
    json.add("shapes", arrays);
    JsonArray names = new JsonArray();
    layerNames.forEach(names::add);
    json.add("layerNames", names);
    json.addProperty("masked", masked);
    json.addProperty("aligned", aligned);
    return json.toString();
  }

  /**
   * Reads what {@link #toJson} wrote.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static SignalLayout parse(String text) {
    try {
      JsonObject json = JsonParser.parseString(text).getAsJsonObject();
      List<List<Integer>> shapes = new ArrayList<>();
      for (JsonElement array : json.getAsJsonArray("shapes")) {
        List<Integer> shape = new ArrayList<>();
        array.getAsJsonArray().forEach(length -> shape.add(length.getAsInt()));
        shapes.add(shape);
      }
      List<String> names = new ArrayList<>();
      json.getAsJsonArray("layerNames").forEach(name -> names.add(name.getAsString()));
      return new SignalLayout(
          SignalKind.valueOf(json.get("kind").getAsString()),
          Coding.valueOf(json.get("coding").getAsString()),
          json.get("topK").getAsInt(),
          shapes,
          names,
          json.get("masked").getAsBoolean(),
          json.get("aligned").getAsBoolean());
    } catch (JsonParseException
        | IllegalStateException
        | ClassCastException
        | NullPointerException
        | UnsupportedOperationException e) {
      throw new IllegalArgumentException("a layout must be JSON with all its parts: " + e, e);
    }
  }
}
