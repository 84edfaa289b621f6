package io.distill.trace;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators.AbstractSpliterator;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/** Reads prompts from JSON Lines. */
final class PromptFile {

  private static final String ID = "id";
  private static final String PROMPT = "prompt";
  private static final String MESSAGES = "messages";
  private static final String ANSWER = "answer";

  private PromptFile() {}

  static Stream<Prompt> open(Path file) {
    return stream(LineReader.open("prompts file", file), PromptFile::prompt);
  }

  /** Returns what lines stand for, one after the other; blank lines are passed over. */
  static <T> Stream<T> stream(LineReader reader, Function<LineReader.Line, T> read) {
    return StreamSupport.stream(
            new AbstractSpliterator<T>(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL) {
              @Override
              public boolean tryAdvance(Consumer<? super T> action) {
                LineReader.Line line = reader.next();
                while (line != null && isBlank(line)) {
                  line = reader.next();
                }
                if (line == null) {
                  return false;
                }
                action.accept(read.apply(line));
                return true;
              }
            },
            false)
        .onClose(reader::close);
  }

  private static boolean isBlank(LineReader.Line line) {
    for (byte each : line.bytes()) {
      if (each != ' ' && each != '\t' && each != '\r') {
        return false;
      }
    }
    return true;
  }

  private static LineReader.Line withoutMark(LineReader.Line line) {
    byte[] bytes = line.bytes();
    boolean marked =
        line.offset() == 0
            && bytes.length >= 3
            && bytes[0] == (byte) 0xEF
            && bytes[1] == (byte) 0xBB
            && bytes[2] == (byte) 0xBF;
    return marked
        ? new LineReader.Line(
            line.where(), 0, Arrays.copyOfRange(bytes, 3, bytes.length), line.ended())
        : line;
  }

  private static Prompt prompt(LineReader.Line line) {
    JsonObject json = JsonLine.of(withoutMark(line)).json();
    try {
      Optional<String> text = Optional.ofNullable(json.remove(PROMPT)).map(PromptFile::string);
      List<ChatMessage> messages = messages(json.remove(MESSAGES));
      Optional<String> reference = scalar(ANSWER, json.remove(ANSWER));
      Optional<String> id = scalar(ID, json.remove(ID));
      Prompt prompt = new Prompt(id.orElse("-"), text, messages, reference, json);
      return id.isPresent() ? prompt : prompt.withId(prompt.questionDigest());
    } catch (IllegalArgumentException e) {
      throw new DistillationException(
          line.where()
              + " must be a prompt but is not ("
              + e.getMessage()
              + "); write such as {\"prompt\": \"...\", \"answer\": \"...\"}",
          e);
    }
  }

  private static String string(JsonElement element) {
    if (element instanceof JsonPrimitive primitive && primitive.isString()) {
      return primitive.getAsString();
    }
    throw new IllegalArgumentException(PROMPT + " must be a string but is " + kind(element));
  }

  /** Returns a string or a number as text. */
  private static Optional<String> scalar(String name, @Nullable JsonElement element) {
    if (element == null || element.isJsonNull()) {
      return Optional.empty();
    }
    if (element instanceof JsonPrimitive primitive && !primitive.isBoolean()) {
      return Optional.of(primitive.getAsString());
    }
    throw new IllegalArgumentException(
        name + " must be a string or a number but is " + kind(element));
  }

  /** Reads a list of messages; an empty list if there is none. */
  static List<ChatMessage> messages(@Nullable JsonElement element) {
    List<ChatMessage> messages = new ArrayList<>();
    if (element == null) {
      return messages;
    }
    if (!(element instanceof JsonArray array) || array.isEmpty()) {
      throw new IllegalArgumentException(
          MESSAGES + " must be a list of at least one message but is " + kind(element));
    }
    for (JsonElement each : array) {
      try {
        messages.add(ChatMessage.fromJson(each.getAsJsonObject()));
      } catch (IllegalArgumentException | IllegalStateException e) {
        throw new IllegalArgumentException(
            MESSAGES
                + " must each have a role and a content but message "
                + messages.size()
                + " has not ("
                + e.getMessage()
                + ")",
            e);
      }
    }
    return messages;
  }

  private static String kind(JsonElement element) {
    if (element instanceof JsonArray array) {
      return "a list of " + array.size();
    }
    if (element instanceof JsonPrimitive primitive) {
      return primitive.isBoolean() ? "a boolean" : primitive.isNumber() ? "a number" : "a string";
    }
    return element.isJsonObject() ? "an object" : "null";
  }
}
