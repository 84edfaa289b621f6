package io.distill.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;

/** The tokenizers that tests share. */
final class Tokenizers {

  static final String MINILM_JSON = resource("/all-minilm-l6-v2-tokenizer.json");
  static final String SMALL_JSON = resource("/io/distill/data/small-tokenizer.json");

  private Tokenizers() {}

  static Tokenizer small() {
    return Tokenizer.parse(SMALL_JSON);
  }

  static JsonObject object(String json) {
    return JsonParser.parseString(json).getAsJsonObject();
  }

  /** The native tokenizer for a definition that has no padding and no truncation of its own. */
  static HuggingFaceTokenizer reference(String json) {
    JsonObject definition = object(json);
    definition.remove("truncation");
    definition.remove("padding");
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(definition.toString().getBytes(StandardCharsets.UTF_8)),
          Map.of("padding", "DO_NOT_PAD", "truncation", "DO_NOT_TRUNCATE"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String resource(String name) {
    try (InputStream stream = Tokenizers.class.getResourceAsStream(name)) {
      return new String(
          Objects.requireNonNull(stream, name).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
