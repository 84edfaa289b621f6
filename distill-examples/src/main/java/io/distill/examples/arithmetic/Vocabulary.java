package io.distill.examples.arithmetic;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.distill.data.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/**
 * The tokenizer of the example: every word, with the space before it, is one token, and so is every
 * digit and every sign.
 */
final class Vocabulary {

  static final String PADDING = "<pad>";
  static final String START = "<s>";
  static final String END = "</s>";
  static final String UNKNOWN = "<unk>";

  /** No question with its solution is longer. */
  static final int MAX_TOKENS = 96;

  private static final List<String> SPECIAL = List.of(PADDING, START, END, UNKNOWN);

  private static final String PIECES = "</?think>|#### | ?[A-Za-z]+|[0-9]|[\\s\\S]";

  private Vocabulary() {}

  /** Returns the tokenizer; it puts {@link #START} before a text and decodes to the very text. */
  static Tokenizer tokenizer() {
    return Tokenizer.parse(json()).withMaxLength(MAX_TOKENS);
  }

  /** Returns the text of its {@code tokenizer.json}. */
  static String json() {
    List<String> pieces = pieces();
    JsonObject ids = new JsonObject();
    for (int i = 0; i < pieces.size(); i++) {
      ids.addProperty(pieces.get(i), i);
    }
    JsonArray added = new JsonArray();
    for (String special : SPECIAL) {
      JsonObject token = new JsonObject();
      token.addProperty("id", pieces.indexOf(special));
      token.addProperty("content", special);
      for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        token.addProperty(flag, false);
      }
      token.addProperty("special", true);
      added.add(token);
    }
    JsonObject pattern = new JsonObject();
    pattern.addProperty("Regex", PIECES);
    JsonObject splitting = typed("Split");
    splitting.add("pattern", pattern);
    splitting.addProperty("behavior", "Isolated");
    splitting.addProperty("invert", false);
    JsonObject model = typed("WordLevel");
    model.add("vocab", ids);
    model.addProperty("unk_token", UNKNOWN);
    JsonObject root = new JsonObject();
    root.addProperty("version", "1.0");
    root.add("added_tokens", added);
    root.add("pre_tokenizer", splitting);
    root.add("post_processor", startingWith(START, pieces.indexOf(START)));
    root.add("decoder", typed("Fuse"));
    root.add("model", model);
    return new Gson().toJson(root);
  }

  private static List<String> pieces() {
    List<String> pieces = new ArrayList<>(SPECIAL);
    pieces.add(Solution.BEFORE_REASONING);
    pieces.add(Solution.AFTER_REASONING);
    pieces.add(Solution.BEFORE_ANSWER);
    pieces.addAll(List.of(" ", "\n", "+", "-", "=", ".", ",", "?"));
    for (int digit = 0; digit < 10; digit++) {
      pieces.add(Integer.toString(digit));
    }
    for (String word : Problems.words()) {
      pieces.add(" " + word);
      if (Character.isUpperCase(word.charAt(0))) {
        // may begin a text
        pieces.add(word);
      }
    }
    return pieces;
  }

  private static JsonObject startingWith(String token, int id) {
    JsonArray ids = new JsonArray();
    ids.add(id);
    JsonArray tokens = new JsonArray();
    tokens.add(token);
    JsonObject special = new JsonObject();
    special.addProperty("id", token);
    special.add("ids", ids);
    special.add("tokens", tokens);
    JsonObject specials = new JsonObject();
    specials.add(token, special);
    JsonObject processor = typed("TemplateProcessing");
    processor.add("single", sequence(token, "A"));
    processor.add("pair", sequence(token, "A", "B"));
    processor.add("special_tokens", specials);
    return processor;
  }

  private static JsonArray sequence(String special, String... texts) {
    JsonArray sequence = new JsonArray();
    sequence.add(part("SpecialToken", special, 0));
    for (int i = 0; i < texts.length; i++) {
      sequence.add(part("Sequence", texts[i], i));
    }
    return sequence;
  }

  private static JsonObject part(String kind, String id, int type) {
    JsonObject inner = new JsonObject();
    inner.addProperty("id", id);
    inner.addProperty("type_id", type);
    JsonObject part = new JsonObject();
    part.add(kind, inner);
    return part;
  }

  private static JsonObject typed(String type) {
    JsonObject object = new JsonObject();
    object.addProperty("type", type);
    return object;
  }
}
