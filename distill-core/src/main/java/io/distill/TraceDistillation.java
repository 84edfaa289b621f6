package io.distill;

import com.google.gson.JsonObject;
import io.distill.conversation.ConversationReport;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.provenance.RunFacts;
import io.distill.trace.EvaluationResult;
import io.distill.trace.PromptOverlap;
import io.distill.trace.TraceResult;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link TraceDistiller} gave: the student, what it learned from, and how it did.
 *
 * <p>Closing this closes the student.
 */
public final class TraceDistillation implements AutoCloseable {

  private final TraceResult traces;
  private final Optional<ConversationReport> data;
  private final @Nullable DeployableModel student;
  private final Optional<PromptOverlap> overlap;
  private final Map<String, EvaluationResult> evaluations;

  TraceDistillation(
      TraceResult traces,
      Optional<ConversationReport> data,
      @Nullable DeployableModel student,
      Optional<PromptOverlap> overlap,
      Map<String, EvaluationResult> evaluations) {
    this.traces = traces;
    this.data = data;
    this.student = student;
    this.overlap = overlap;
    this.evaluations = Collections.unmodifiableMap(new LinkedHashMap<>(evaluations));
  }

  /**
   * Returns whether all stages are done.
   *
   * @return false if the thread was interrupted before; the same sentence goes on there
   */
  public boolean complete() {
    return student != null && evaluations.values().stream().allMatch(EvaluationResult::complete);
  }

  /**
   * Returns what the teacher answered and what was kept.
   *
   * @return counts and files
   */
  public TraceResult traces() {
    return traces;
  }

  /**
   * Returns what became of the traces on their way to rows of tokens: how many were truncated,
   * split or dropped, and why.
   *
   * @return the counts; empty if the run was ended before
   */
  public Optional<ConversationReport> data() {
    return data;
  }

  /**
   * Returns the trained student.
   *
   * @return the student, in inference mode; closed with this
   * @throws IllegalStateException if the run was ended before it was trained, see {@link #complete}
   */
  public DeployableModel student() {
    if (student == null) {
      throw new IllegalStateException(
          "student must be trained to be returned but the run was interrupted before; run it again:"
              + " it goes on where it ended");
    }
    return student;
  }

  /**
   * Returns where the student comes from: teacher, terms, digest of the traces, recipe, cost.
   *
   * @return what is saved beside the student
   * @throws IllegalStateException if the run was ended before it was trained
   */
  public Provenance provenance() {
    return student().provenance().orElseThrow();
  }

  /**
   * Returns how the student did on the held-out prompts.
   *
   * @return the scores; empty if there were none to be evaluated on, or the run was ended before
   */
  public Optional<EvaluationResult> evaluation() {
    return Optional.ofNullable(evaluations.get(TraceDistiller.STUDENT));
  }

  /**
   * Returns how everyone did on the held-out prompts.
   *
   * @return scores by name: {@code student}, {@code untrained} if that was asked for, and the names
   *     of other sources
   */
  public Map<String, EvaluationResult> evaluations() {
    return evaluations;
  }

  /**
   * Returns how many held-out prompts the student was trained on.
   *
   * @return the counts; empty without held-out prompts
   */
  public Optional<PromptOverlap> overlap() {
    return overlap;
  }

  /**
   * Returns all counts and figures by stage.
   *
   * @return a new object; of what it holds only {@code training.seconds} differs between two runs
   */
  public JsonObject json() {
    JsonObject json = new JsonObject();
    json.addProperty("complete", complete());
    json.add("traces", traces.report().json());
    data.ifPresent(counts -> json.add("data", json(counts)));
    if (student != null) {
      RunFacts run = provenance().run();
      JsonObject training = new JsonObject();
      training.addProperty("teacher", provenance().teacher().id());
      training.addProperty("parameters", student.parameterCount());
      training.addProperty("student", provenance().student().fingerprint());
      training.addProperty("steps", run.steps());
      training.addProperty("seconds", run.seconds());
      training.addProperty("end", run.endReason());
      json.add("training", training);
    }
    overlap.ifPresent(
        counts -> {
          JsonObject shared = new JsonObject();
          shared.addProperty("heldOut", counts.heldOut());
          shared.addProperty("shared", counts.shared());
          json.add("overlap", shared);
        });
    JsonObject scores = new JsonObject();
    evaluations.forEach((name, result) -> scores.add(name, result.json()));
    json.add("evaluation", scores);
    return json;
  }

  private static JsonObject json(ConversationReport counts) {
    JsonObject json = new JsonObject();
    json.addProperty("samples", counts.samples());
    json.addProperty("kept", counts.kept());
    JsonObject dropped = new JsonObject();
    counts.dropped().forEach(dropped::addProperty);
    json.add("dropped", dropped);
    json.addProperty("truncated", counts.truncated());
    json.addProperty("split", counts.split());
    json.addProperty("lastTurnOnly", counts.lastTurnOnly());
    json.addProperty("rows", counts.rows());
    json.addProperty("tokens", counts.tokens());
    json.addProperty("learnedTokens", counts.learnedTokens());
    return json;
  }

  /**
   * Returns a report for people: what each stage got, what it dropped and why, and what it cost.
   *
   * @return several lines
   */
  public String report() {
    StringBuilder text = new StringBuilder("Traces\n").append(traces.report());
    data.ifPresent(counts -> text.append("\nFine-tuning data\n").append(counts).append('\n'));
    if (student != null) {
      RunFacts run = provenance().run();
      text.append(
          String.format(
              Locale.ROOT,
              "\nTraining\n%d steps in %.1f s (%s), %d parameters\n",
              run.steps(),
              run.seconds(),
              run.endReason().toLowerCase(Locale.ROOT).replace('_', ' '),
              student.parameterCount()));
    }
    overlap.ifPresent(
        counts ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "\nExact match on %d held-out prompts, %% (95 %% interval); %d of them were"
                        + " trained on\n",
                    counts.heldOut(),
                    counts.shared())));
    evaluations.forEach(
        (name, result) -> text.append(String.format(Locale.ROOT, "%-22s %s\n", name, result)));
    if (!complete()) {
      text.append("\nNot complete; run it again to go on.\n");
    }
    return text.toString();
  }

  @Override
  public String toString() {
    return report();
  }

  @Override
  public void close() {
    if (student != null) {
      student.close();
    }
  }
}
