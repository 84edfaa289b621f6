package io.distill.examples.email;

import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.softTargetsAndHardLabels;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.evaluation.Evaluation;
import io.distill.model.Precision;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.training.Optimizer;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The mails of the example for a student that is all matrix products: an encoder of 2 layers, 128
 * wide, distilled in float32 and in bfloat16 for each of some seeds. The example's own student is a
 * bag of embeddings, which has one product only.
 */
public final class PrecisionComparison {

  private static final int EPOCHS = 20;
  private static final int SEEDS = 3;

  private PrecisionComparison() {}

  /**
   * Runs the comparison.
   *
   * @param arguments the number of seeds, 3 if there is none; then that of epochs, else 20
   * @throws IOException if the encoder cannot be read
   */
  public static void main(String[] arguments) throws IOException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    int seeds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : SEEDS;
    int epochs = arguments.length > 1 ? Integer.parseInt(arguments[1]) : EPOCHS;
    Scenario scenario = Scenario.emails(OptionalInt.empty());
    Map<Precision, Double> means = new EnumMap<>(Precision.class);
    try (ModelTeacher encoder = EmailExample.encoder()) {
      for (int seed = 1; seed <= seeds; seed++) {
        TextDataset training = scenario.training(seed);
        try (ModelTeacher teacher = encoder.withClassifier(training)) {
          for (Precision precision : Precision.values()) {
            double accuracy = run(scenario, training, teacher, precision, seed, epochs, out);
            means.merge(precision, accuracy / seeds, Double::sum);
          }
        }
      }
    }
    means.forEach(
        (precision, mean) ->
            out.printf(Locale.ROOT, "mean    %-8s  accuracy %.2f %%%n", precision, 100 * mean));
  }

  private static double run(
      Scenario scenario,
      TextDataset training,
      ModelTeacher teacher,
      Precision precision,
      int seed,
      int epochs,
      PrintStream out) {
    Tokenizer vocabulary = teacher.tokenizer().orElseThrow().trimmedTo(training.texts());
    try (DistillationResult result =
        Distiller.builder()
            .teacher(teacher)
            .student(Student.encoder().layers(2).hiddenSize(128).tokenizer(vocabulary).build())
            .loss(softTargetsAndHardLabels(0.9).plus(embeddingCosine().weighted(5)))
            .temperature(0.5)
            .optimizer(Optimizer.adamW().withLearningRate(1e-3))
            .learningRateSchedule(LearningRateSchedule.cosine(0))
            .epochs(epochs)
            .precision(precision)
            .seed(seed)
            .fit(training)) {
      double accuracy =
          Evaluation.of(result.student().predict(scenario.test()), scenario.test()).accuracy();
      out.printf(
          Locale.ROOT,
          "seed %d  %-8s  accuracy %.2f %%  %.1f s without the teacher%n",
          seed,
          precision,
          100 * accuracy,
          result.seconds() - result.teacherSeconds());
      return accuracy;
    }
  }
}
