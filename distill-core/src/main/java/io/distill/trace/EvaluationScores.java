package io.distill.trace;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.trace.AnswerEvaluation.Score;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Counts right answers prompt by prompt. */
final class EvaluationScores {

  private final AnswerExtractor extractor;
  private final int samples;
  private final List<Mean> passAtK = new ArrayList<>();
  private final Map<String, Score> groups = new TreeMap<>();
  private Score overall = new Score(0, 0);
  private Score majority = new Score(0, 0);
  private long answers;
  private long cutOff;
  private long withoutAnswer;
  private long tokens;
  private boolean counted = true;

  /** A mean and its standard error, by Welford's method. */
  private static final class Mean {
    private final int k;
    private long count;
    private double mean;
    private double squares;

    Mean(int k) {
      this.k = k;
    }

    void add(double value) {
      count++;
      double before = value - mean;
      mean += before / count;
      squares += before * (value - mean);
    }

    EvaluationResult.PassAtK result() {
      return new EvaluationResult.PassAtK(
          k, mean, count < 2 ? Double.NaN : Math.sqrt(squares / (count - 1) / count));
    }
  }

  EvaluationScores(AnswerExtractor extractor, int samples) {
    this.extractor = extractor;
    this.samples = samples;
    if (samples > 1) {
      for (int k = 1; k < samples; k *= 2) {
        passAtK.add(new Mean(k));
      }
      passAtK.add(new Mean(samples));
    }
  }

  /** Counts the answers to one prompt, and returns what was found in them. */
  JsonObject add(Prompt prompt, String group, List<Answer> all) {
    String reference = prompt.reference().orElseThrow(() -> AnswerEvaluation.noReference(prompt));
    String right = AnswerExtractor.normalForm(reference);
    Map<String, Integer> votes = new LinkedHashMap<>();
    JsonArray extracted = new JsonArray();
    int correct = 0;
    boolean first = false;
    for (Answer answer : all) {
      count(answer);
      String found = extractor.extract(answer.text()).orElse(null);
      extracted.add(found == null ? JsonNull.INSTANCE : new JsonPrimitive(found));
      if (found == null) {
        withoutAnswer++;
      } else {
        String form = AnswerExtractor.normalForm(found);
        votes.merge(form, 1, Integer::sum);
        boolean hit = form.equals(right);
        correct += hit ? 1 : 0;
        first |= hit && extracted.size() == 1;
      }
    }
    overall = overall.plus(first);
    if (!group.isEmpty()) {
      groups.put(group, groups.getOrDefault(group, new Score(0, 0)).plus(first));
    }
    int c = correct;
    passAtK.forEach(each -> each.add(EvaluationResult.PassAtK.estimate(samples, c, each.k)));
    String elected = elected(votes);
    majority = majority.plus(right.equals(elected));
    return line(prompt, reference, extracted, correct, elected);
  }

  private void count(Answer answer) {
    answers++;
    cutOff += answer.finishReason() == FinishReason.LENGTH ? 1 : 0;
    counted &= answer.tokens().isPresent();
    tokens += answer.tokens().orElse(0);
  }

  /** Returns the answer of the most votes, of several the first; null if there is none. */
  private static @Nullable String elected(Map<String, Integer> votes) {
    String elected = null;
    int most = 0;
    for (Map.Entry<String, Integer> each : votes.entrySet()) {
      if (each.getValue() > most) {
        most = each.getValue();
        elected = each.getKey();
      }
    }
    return elected;
  }

  private JsonObject line(
      Prompt prompt, String reference, JsonArray extracted, int correct, @Nullable String elected) {
    JsonObject line = new JsonObject();
    line.addProperty("id", prompt.id());
    line.addProperty("answer", reference);
    line.add("extracted", extracted);
    line.addProperty("right", correct);
    if (samples > 1 && elected != null) {
      line.addProperty("majority", elected);
    }
    return line;
  }

  EvaluationResult result(boolean complete, Path scores) {
    return new EvaluationResult(
        overall,
        groups,
        samples,
        passAtK.stream().filter(each -> each.count > 0).map(Mean::result).toList(),
        samples > 1 ? Optional.of(majority) : Optional.empty(),
        answers,
        cutOff,
        withoutAnswer,
        counted && answers > 0 ? (double) tokens / answers : Double.NaN,
        complete,
        scores);
  }
}
