package io.distill.examples.arithmetic;

import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.model.DeployableModel;
import io.distill.trace.AnswerEvaluation;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.Prompt;
import io.distill.trace.Prompts;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Tests models on held-out problems and prints how they did side by side. */
final class Exam {

  private static final int BATCH_SIZE = 128;

  private final PrintStream out;
  private final List<Prompt> questions;
  private final AnswerExtractor extractor;
  private final List<String> lines = new ArrayList<>();

  Exam(PrintStream out, List<Prompt> questions, AnswerExtractor extractor) {
    this.out = out;
    this.questions = List.copyOf(questions);
    this.extractor = extractor;
  }

  /** Lets a model answer all problems greedily. */
  void take(String name, DeployableModel model) {
    AnswerEvaluation result = score(model, Prompts.of(questions), Vocabulary.MAX_TOKENS);
    StringBuilder line = new StringBuilder();
    line.append(
        String.format(
            Locale.ROOT,
            "%-26s %10d %10d %6.1f (%4.1f-%4.1f)",
            name,
            model.parameterCount(),
            Float.BYTES * model.parameterCount(),
            100 * result.overall().accuracy(),
            100 * result.overall().lower(),
            100 * result.overall().upper()));
    for (int digits = 1; digits <= Problems.MOST_DIGITS; digits++) {
      AnswerEvaluation.Score score = result.groups().get(Integer.toString(digits));
      line.append(
          String.format(
              Locale.ROOT, " %6.1f", score == null ? Double.NaN : 100 * score.accuracy()));
    }
    line.append(String.format(Locale.ROOT, " %9.0f", result.tokensPerSecond()));
    lines.add(line.toString());
    out.println(line);
  }

  AnswerEvaluation score(DeployableModel model, Prompts prompts, int maxNewTokens) {
    GenerationOptions greedy =
        GenerationOptions.builder().maxNewTokens(maxNewTokens).batchSize(BATCH_SIZE).build();
    return AnswerEvaluation.of(
        AnswerSource.of(TextGenerator.of(model), greedy),
        prompts,
        extractor,
        prompt -> prompt.metadata("digits").orElse(""));
  }

  void print() {
    out.printf(
        "%nExact match on %d held-out problems, %% (95 %% interval), and by digits:%n",
        questions.size());
    out.printf(
        "%-26s %10s %10s %6s %12s %6s %6s %6s %6s %9s%n",
        "", "parameters", "bytes", "all", "", "1", "2", "3", "4", "tokens/s");
    lines.forEach(out::println);
  }
}
