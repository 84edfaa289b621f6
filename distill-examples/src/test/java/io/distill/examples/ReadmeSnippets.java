package io.distill.examples;

import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.generalizedJsd;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hint;
import static io.distill.losses.Losses.reverseKl;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.Projector;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.model.DeployableModel;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.nio.file.Path;
import java.util.List;

/** The Java of the README; {@link ReadmeTest} holds the two against each other. */
final class ReadmeSnippets {

  private ReadmeSnippets() {}

  static void oneSentence() {
    TextDataset dataset = TextDataset.csv(Path.of("mails.csv")).read();
    try (ModelTeacher encoder =
            Teacher.onnxSentenceEncoder(
                Path.of("minilm/model.onnx"), Tokenizer.load(Path.of("minilm")));
        ModelTeacher teacher = encoder.withClassifier(dataset);
        DistillationResult result =
            Distiller.builder()
                .teacher(teacher)
                .student(Student.encoder().layers(2).hiddenSize(128).build())
                .loss(softTargets().weighted(0.9).plus(hardLabels().weighted(0.1)))
                .temperature(TemperatureSchedule.cosine(6, 1))
                .layerMapping(LayerMapping.uniform())
                .epochs(10)
                .batchSize(32)
                .seed(42)
                .fit(dataset)) {
      result.student().save(Path.of("student"));
    }
  }

  static void use() {
    try (DeployableModel student = DeployableModel.load(Path.of("student"))) {
      System.out.println(student.classify("Where is my parcel?").label());
    }
  }

  static DistillationLoss lambda() {
    DistillationLoss logitDistance =
        context ->
            context.meanOverRows(
                context
                    .student()
                    .logits()
                    .sub(context.teacher().logits())
                    .square()
                    .sum(new int[] {1}));
    return logitDistance.named("logitDistance").plus(hardLabels().weighted(0.1));
  }

  static DistillationLoss recipe() {
    DistillationLoss recipe =
        softTargets()
            .atTemperature(TemperatureSchedule.linear(8, 2))
            .weighted(0.9)
            .plus(hardLabels().weighted(0.1))
            .plus(
                hint(Projector.LINEAR)
                    .onLayers(LayerMapping.of(new LayerPair(0, 2), new LayerPair(1, 5)))
                    .weighted(WeightSchedule.cosine(1, 0))
                    .warmUp(2)
                    .named("features"));
    return recipe;
  }

  static List<DistillationLoss> nextTokens() {
    DistillationLoss nextTokens =
        chunked(
            reverseKl().weighted(0.7).plus(hardLabels().weighted(0.3)).atTemperature(progress -> 2),
            256);
    DistillationLoss plain = tokenLevel(generalizedJsd()).named("nextTokens");
    return List.of(nextTokens, plain);
  }

  record ScaledLogits() implements DistillationLoss {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("scale", new Shape(1), 1f); // learned with the student, never saved with it
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray scaled = context.student().logits().mul(context.parameter("scale"));
      NDArray difference = scaled.sub(context.teacher().logits());
      return context.meanOverRows(difference.square().mean(new int[] {1}));
    }
  }
}
