package io.distill.data;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.internal.StrictJson;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Looks at a definition before the native tokenizer may.
 *
 * <p>The native tokenizer is sound for definitions that its own library wrote, but a few parts it
 * believes unseen, and then ends the whole process: a table of characters that points outside of
 * itself, a template that names a token that there is not, pieces of length 0, an expression whose
 * search goes on and on.
 */
final class NativeTokenizerCheck {

  private static final int LONGEST_EXPRESSION = 4096;
  private static final int DEEPEST_GROUP = 32;
  private static final int MOST_REPEATS = 1000;
  private static final int LABEL = 0x800000ff;

  private NativeTokenizerCheck() {}

  /**
   * Refuses a definition.
   *
   * @throws IllegalStateException if a part of it would end the process
   */
  static void require(JsonObject definition) {
    Deque<JsonElement> open = new ArrayDeque<>();
    for (Map.Entry<String, JsonElement> part : definition.entrySet()) {
      if (!part.getKey().equals("model")) {
        open.add(part.getValue());
      }
    }
    while (!open.isEmpty()) {
      JsonElement element = open.remove();
      if (element instanceof JsonArray array) {
        array.forEach(open::add);
      } else if (element instanceof JsonObject object) {
        object.entrySet().forEach(entry -> open.add(entry.getValue()));
        requirePart(object);
      }
    }
  }

  private static void requirePart(JsonObject part) {
    if (part.get("Regex") instanceof JsonPrimitive expression) {
      requireExpression(expression.getAsString());
    }
    String type = part.get("type") instanceof JsonPrimitive name ? name.getAsString() : "";
    // without a type, the native reader takes a part for what its fields fit
    if (type.equals("Precompiled") || part.has("precompiled_charsmap")) {
      requireCharacters(text(part, "precompiled_charsmap"));
    }
    if (type.equals("FixedLength") || (type.isEmpty() && part.has("length"))) {
      if (part.has("length") && StrictJson.integer(part.get("length")) < 1) {
        throw refused("pieces must have a length of at least 1 but it is " + part.get("length"));
      }
    }
    if (type.equals("TemplateProcessing") || part.has("special_tokens")) {
      requireTemplate(part);
    }
  }

  private static String text(JsonObject part, String key) {
    if (part.get(key) instanceof JsonPrimitive value && value.isString()) {
      return value.getAsString();
    }
    throw refused("'" + key + "' must be a text but is not");
  }

  private static IllegalStateException refused(String detail) {
    return new IllegalStateException(detail);
  }

  // ---- templates ----------------------------------------------------------------------------

  private static void requireTemplate(JsonObject template) {
    JsonObject tokens =
        template.get("special_tokens") instanceof JsonObject object ? object : new JsonObject();
    for (Map.Entry<String, JsonElement> token : tokens.entrySet()) {
      if (!(token.getValue() instanceof JsonObject value)
          || !(value.get("ids") instanceof JsonArray ids)
          || !(value.get("tokens") instanceof JsonArray names)
          || ids.size() != names.size()) {
        throw refused(
            "special token '" + token.getKey() + "' must have as many ids as tokens but has not");
      }
      ids.forEach(StrictJson::integer);
    }
    requireItems(template.get("single"), tokens, Set.of("A"));
    requireItems(template.get("pair"), tokens, Set.of("A", "B"));
  }

  private static void requireItems(
      @Nullable JsonElement items, JsonObject tokens, Set<String> sequences) {
    if (items == null || items.isJsonNull()) {
      return;
    }
    if (!(items instanceof JsonArray array)) {
      // the short form, "[CLS] $A [SEP]"
      for (String word : items.getAsString().split(" ", -1)) {
        String sequence = word.startsWith("$") ? word.substring(1).replaceAll(":.*", "") : null;
        boolean known =
            sequence == null
                ? tokens.has(word.replaceAll(":\\d+$", ""))
                : sequence.isEmpty()
                    || sequence.matches("\\d+")
                    || sequences.contains(sequence.toUpperCase(Locale.ROOT));
        if (!known) {
          throw refused("the template names '" + word + "', which there is not");
        }
      }
      return;
    }
    for (JsonElement item : array) {
      if (!(item instanceof JsonObject object) || object.size() != 1) {
        throw refused("a template must be a list of tokens and sequences but is not");
      }
      if (object.get("SpecialToken") instanceof JsonObject token) {
        if (!tokens.has(text(token, "id"))) {
          throw refused("the template names '" + text(token, "id") + "', which there is not");
        }
      } else if (!(object.get("Sequence") instanceof JsonObject sequence)
          || !sequences.contains(text(sequence, "id"))) {
        throw refused("the template names a sequence that there is not");
      }
    }
  }

  // ---- tables of characters -----------------------------------------------------------------

  /** A double-array trie over bytes, and the texts that its leaves point to. */
  private static void requireCharacters(String encoded) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(encoded);
    } catch (IllegalArgumentException e) {
      throw refused("the table of characters is no Base64");
    }
    ByteBuffer table = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    long trieBytes = table.remaining() < Integer.BYTES ? -1 : table.getInt() & 0xffffffffL;
    if (trieBytes < Integer.BYTES
        || trieBytes % Integer.BYTES != 0
        || trieBytes > table.remaining()) {
      throw refused("the table of characters is cut off");
    }
    IntBuffer units =
        table.slice().limit((int) trieBytes).slice().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
    byte[] texts = new byte[table.remaining() - (int) trieBytes];
    table.position(table.position() + (int) trieBytes).get(texts);
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(texts));
    } catch (CharacterCodingException e) {
      throw refused("the table of characters has a text that is no UTF-8");
    }
    requireInside(units, texts);
  }

  /** Walks all ways through the trie that a text could take. */
  private static void requireInside(IntBuffer units, byte[] texts) {
    BitSet seen = new BitSet(units.limit());
    Deque<Integer> open = new ArrayDeque<>(List.of(offset(units.get(0))));
    while (!open.isEmpty()) {
      int node = open.remove();
      for (int label = 1; label < 256; label++) {
        int next = node ^ label;
        if (next < 0 || next >= units.limit()) {
          throw refused("the table of characters points outside of itself");
        }
        int unit = units.get(next);
        if ((unit & LABEL) != label || seen.get(next)) {
          continue;
        }
        seen.set(next);
        int child = next ^ offset(unit);
        if ((unit >>> 8 & 1) == 1) {
          int start = child < 0 || child >= units.limit() ? -1 : units.get(child) & 0x7fffffff;
          // a text starts at a character, not within one
          if (start < 0
              || start > texts.length
              || (start < texts.length && (texts[start] & 0xc0) == 0x80)) {
            throw refused("the table of characters points outside of its texts");
          }
        }
        open.add(child);
      }
    }
  }

  private static int offset(int unit) {
    return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  }

  // ---- expressions --------------------------------------------------------------------------

  /** What the group around a position has in it. */
  private static final class Group {
    boolean repeats;
    boolean choices;
  }

  /**
   * Refuses expressions that look back into themselves: a repeated group that repeats or chooses
   * inside has so many ways to match that the search is broken off, and the process with it.
   */
  private static void requireExpression(String expression) {
    if (expression.length() > LONGEST_EXPRESSION) {
      throw refused("an expression must have at most " + LONGEST_EXPRESSION + " characters");
    }
    Deque<Group> groups = new ArrayDeque<>(List.of(new Group()));
    Group closed = null;
    int classes = 0;
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      Group before = closed;
      closed = null;
      if (c == '\\') {
        i++;
        char escaped = i < expression.length() ? expression.charAt(i) : '\\';
        if ((escaped >= '1' && escaped <= '9') || escaped == 'k' || escaped == 'g') {
          throw refused("an expression refers to its own groups: " + start(expression));
        }
        if (expression.startsWith("{", i + 1) && "pPxuo".indexOf(escaped) >= 0) {
          // the name of a kind of characters, no count
          i = Math.max(i, expression.indexOf('}', i));
        }
      } else if (c == '[') {
        classes++;
      } else if (c == ']' && classes > 0) {
        classes--;
      } else if (classes == 0 && c == '(') {
        groups.push(new Group());
        if (groups.size() > DEEPEST_GROUP || expression.startsWith("(?~", i)) {
          throw refused("an expression has groups that are too deep: " + start(expression));
        }
        // the sign of the kind of a group is no repeat
        i += i + 1 < expression.length() && expression.charAt(i + 1) == '?' ? 1 : 0;
      } else if (classes == 0 && c == ')') {
        if (groups.size() < 2) {
          throw refused("an expression closes a group that is not open: " + start(expression));
        }
        closed = groups.pop();
        requireNonNull(groups.peek()).repeats |= closed.repeats;
      } else if (classes == 0 && c == '|') {
        requireNonNull(groups.peek()).choices = true;
      } else if (classes == 0 && (c == '*' || c == '+' || c == '{')) {
        if (c == '{') {
          requireFew(expression, i);
        }
        if (before != null && (before.repeats || before.choices)) {
          throw refused("an expression repeats what repeats or chooses: " + start(expression));
        }
        requireNonNull(groups.peek()).repeats = true;
      }
    }
    if (groups.size() != 1) {
      throw refused("an expression has a group that is not closed: " + start(expression));
    }
  }

  private static void requireFew(String expression, int at) {
    int end = expression.indexOf('}', at);
    String counts = end < 0 ? "" : expression.substring(at + 1, end);
    for (String count : counts.split(",", -1)) {
      if (count.matches("\\d+") && (count.length() > 4 || Integer.parseInt(count) > MOST_REPEATS)) {
        throw refused("an expression repeats more than " + MOST_REPEATS + " times");
      }
    }
  }

  private static String start(String text) {
    return text.length() <= 80 ? text : text.substring(0, 80) + "...";
  }
}
