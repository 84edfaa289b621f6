package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import java.io.Closeable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * All answers that ever arrived, one a line, each written as soon as it is there. What is in here
 * is never asked again.
 */
final class AnswerLog implements Closeable {

  private static final String WHAT = "answers file";
  private static final int UNKNOWN = -1;

  private final LineFile file;
  private final Map<String, Stored[]> byPrompt = new HashMap<>();
  private final int samples;
  private long answers;
  private long promptTokens;
  private long tokens;
  private long lastRead = -1;
  private boolean ordered = true;

  /** Where an answer stands. */
  private record Stored(LineFile.Place place, int tokens) {}

  private AnswerLog(LineFile file, int samples) {
    this.file = file;
    this.samples = samples;
  }

  static AnswerLog open(Path path, int samples) {
    LineFile file = LineFile.open(WHAT, path);
    AnswerLog log = new AnswerLog(file, samples);
    try (LineReader reader = file.reader()) {
      for (LineReader.Line line = reader.next(); line != null; line = reader.next()) {
        log.add(line);
      }
      return log;
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private void add(LineReader.Line line) {
    JsonLine json = JsonLine.of(line);
    int index = json.integer("index");
    if (index >= samples) {
      throw new DistillationException(
          line.where()
              + " must have an index below "
              + samples
              + " but has "
              + index
              + "; restore the file, or use another directory");
    }
    // must be there: it is compared when the answer is read
    String question = json.string("question");
    requireNonNull(question);
    Answer answer = answer(json);
    remember(
        json.string("id"), index, new LineFile.Place(line.offset(), line.bytes().length), answer);
  }

  private void remember(String id, int index, LineFile.Place place, Answer answer) {
    Stored[] stored = byPrompt.computeIfAbsent(id, key -> new Stored[samples]);
    if (stored[index] != null) {
      return;
    }
    stored[index] = new Stored(place, answer.tokens().orElse(UNKNOWN));
    answers++;
    promptTokens += answer.promptTokens().orElse(0);
    tokens += answer.tokens().orElse(0);
  }

  private static Answer answer(JsonLine json) {
    try {
      return new Answer(
          json.string("text"),
          FinishReason.valueOf(json.string("finish").toUpperCase(Locale.ROOT)),
          json.has("promptTokens")
              ? OptionalInt.of(json.integer("promptTokens"))
              : OptionalInt.empty(),
          json.has("tokens") ? OptionalInt.of(json.integer("tokens")) : OptionalInt.empty(),
          json.has("logProbability")
              ? OptionalDouble.of(json.real("logProbability"))
              : OptionalDouble.empty());
    } catch (IllegalArgumentException e) {
      throw new DistillationException(
          json.where() + " must be an answer but is not (" + e.getMessage() + ")", e);
    }
  }

  private @Nullable Stored stored(Prompt prompt, int index) {
    Stored[] stored = byPrompt.get(prompt.id());
    return stored == null ? null : stored[index];
  }

  synchronized boolean has(Prompt prompt, int index) {
    return stored(prompt, index) != null;
  }

  /** Returns how many tokens an answer has, 0 if that is not known. */
  synchronized int tokens(Prompt prompt, int index) {
    Stored stored = stored(prompt, index);
    return stored == null ? 0 : Math.max(0, stored.tokens);
  }

  /** Reads an answer that is there. */
  synchronized Answer read(Prompt prompt, int index) {
    JsonLine line = line(prompt, index);
    if (!line.string("question").equals(prompt.questionDigest())) {
      throw new DistillationException(
          line.where()
              + " must answer the question that prompt '"
              + prompt.id()
              + "' asks now but answers another; restore the prompts, or use another directory");
    }
    return answer(line);
  }

  private JsonLine line(Prompt prompt, int index) {
    Stored stored = stored(prompt, index);
    if (stored == null) {
      throw new IllegalStateException("no answer " + index + " to " + prompt.id());
    }
    byte[] bytes = file.read(stored.place.offset(), stored.place.length());
    return JsonLine.of(
        new LineReader.Line(
            WHAT + " " + file.path() + " at byte " + stored.place.offset(),
            stored.place.offset(),
            bytes,
            true));
  }

  /** Hears that an answer comes next in the order of prompts and answers. */
  synchronized void passed(Prompt prompt, int index) {
    Stored stored = stored(prompt, index);
    if (stored != null) {
      ordered &= stored.place.offset() > lastRead;
      lastRead = stored.place.offset();
    }
  }

  /** Writes an answer; when this returns, the operating system has it. */
  synchronized void append(Prompt prompt, Question question, Answer answer) {
    JsonObject json = new JsonObject();
    json.addProperty("id", prompt.id());
    json.addProperty("index", question.index());
    json.addProperty("question", prompt.questionDigest());
    json.addProperty("seed", question.seed());
    json.addProperty("text", answer.text());
    json.addProperty("finish", answer.finishReason().text());
    answer.promptTokens().ifPresent(count -> json.addProperty("promptTokens", count));
    answer.tokens().ifPresent(count -> json.addProperty("tokens", count));
    answer.logProbability().ifPresent(value -> json.addProperty("logProbability", value));
    remember(prompt.id(), question.index(), file.append(json), answer);
  }

  void syncNowAndThen() {
    file.syncNowAndThen();
  }

  void sync() {
    file.sync();
  }

  synchronized long answers() {
    return answers;
  }

  synchronized long promptTokens() {
    return promptTokens;
  }

  synchronized long tokens() {
    return tokens;
  }

  /** Closes the file, and puts all answers into the order of the prompts if they are not. */
  synchronized void closeInOrder(Prompts prompts) {
    if (!ordered) {
      AtomicFiles.write(
          file.path(),
          out -> {
            try (UniquePrompts unique = UniquePrompts.open(prompts, 0)) {
              while (unique.hasNext()) {
                Prompt prompt = unique.next();
                for (int i = 0; i < samples; i++) {
                  out.write((line(prompt, i).json() + "\n").getBytes(StandardCharsets.UTF_8));
                }
              }
            }
          });
    }
    file.close();
  }

  @Override
  public void close() {
    file.close();
  }
}
