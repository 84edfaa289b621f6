package io.distill.examples;

import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.softTargets;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.model.DeployableModel;
import io.distill.schedule.TemperatureSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.nio.file.Path;

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
