package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * An answer that was kept, as a student is fine-tuned on it.
 *
 * <p>On a line of the traces file it is {@code {"messages": [..., {"role": "assistant", ...}]}} or
 * {@code {"prompt": ..., "completion": ...}}, as the prompt was, with the other components as
 * further members.
 *
 * @param prompt what was asked
 * @param index which answer to the prompt it is, from 0
 * @param seed the seed with which it was sampled
 * @param completion what the teacher answered
 * @param teacher the id of the teacher
 * @param sampling how the teacher samples, settings by name
 * @param verdicts what filters said of the answer besides that it may stay: details by filter
 */
public record Trace(
    Prompt prompt,
    int index,
    long seed,
    String completion,
    String teacher,
    Map<String, String> sampling,
    Map<String, Map<String, String>> verdicts) {

  private static final String ASSISTANT = "assistant";

  /**
   * Checks that all is there.
   *
   * @param prompt what was asked
   * @param index which answer to the prompt it is
   * @param seed the seed with which it was sampled
   * @param completion what the teacher answered
   * @param teacher the id of the teacher
   * @param sampling how the teacher samples
   * @param verdicts details by filter
   */
  public Trace {
    requireNonNull(prompt, "prompt");
    requireNonNull(completion, "completion");
    requireNonNull(teacher, "teacher");
    sampling = Collections.unmodifiableMap(new TreeMap<>(sampling));
    verdicts = Collections.unmodifiableMap(new TreeMap<>(verdicts));
  }

  /**
   * Reads a traces file, one trace after the other.
   *
   * @param file a file that a {@link TracePipeline} wrote
   * @return the traces; close the stream. Reading throws {@link DistillationException} that names
   *     file and line if one is wrong
   * @throws DistillationException if there is no such file
   */
  public static Stream<Trace> read(Path file) {
    return PromptFile.stream(LineReader.open("traces file", file), line -> of(JsonLine.of(line)));
  }

  /**
   * Returns the trace as the object of its line.
   *
   * @return a new object
   */
  public JsonObject json() {
    JsonObject json = new JsonObject();
    json.addProperty("id", prompt.id());
    if (prompt.text().isPresent()) {
      json.addProperty("prompt", prompt.text().get());
      json.addProperty("completion", completion);
    } else {
      JsonArray messages = Prompt.json(prompt.messages());
      messages.addAll(Prompt.json(List.of(new ChatMessage(ASSISTANT, completion))));
      json.add("messages", messages);
    }
    prompt.reference().ifPresent(reference -> json.addProperty("answer", reference));
    json.addProperty("index", index);
    json.addProperty("seed", seed);
    json.addProperty("teacher", teacher);
    json.add("sampling", JsonLine.strings(sampling));
    if (!verdicts.isEmpty()) {
      JsonObject details = new JsonObject();
      verdicts.forEach((filter, each) -> details.add(filter, JsonLine.strings(each)));
      json.add("verdicts", details);
    }
    if (prompt.hasMetadata()) {
      json.add("metadata", prompt.metadata());
    }
    return json;
  }

  private static Trace of(JsonLine line) {
    try {
      List<ChatMessage> messages = PromptFile.messages(line.json().get("messages"));
      Optional<String> text = line.optionalString("prompt");
      String completion =
          messages.isEmpty()
              ? line.string("completion")
              : messages.get(messages.size() - 1).content();
      Map<String, Map<String, String>> verdicts = new TreeMap<>();
      if (line.has("verdicts")) {
        JsonLine details = line.object("verdicts");
        details.json().keySet().forEach(name -> verdicts.put(name, details.strings(name)));
      }
      Prompt prompt =
          new Prompt(
              line.string("id"),
              text,
              messages.isEmpty() ? messages : messages.subList(0, messages.size() - 1),
              line.optionalString("answer"),
              line.has("metadata") ? line.object("metadata").json() : new JsonObject());
      return new Trace(
          prompt,
          line.integer("index"),
          line.longInteger("seed"),
          completion,
          line.string("teacher"),
          line.strings("sampling"),
          verdicts);
    } catch (IllegalArgumentException e) {
      throw new DistillationException(
          line.where() + " must be a trace but is not (" + e.getMessage() + ")", e);
    }
  }
}
