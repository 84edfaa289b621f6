package io.distill.examples;

import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.generalizedJsd;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hint;
import static io.distill.losses.Losses.reverseKl;
import static io.distill.losses.Losses.sequenceLevel;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.BornAgain;
import io.distill.DistillationResult;
import io.distill.DistillationResults;
import io.distill.DistillationRun;
import io.distill.Distiller;
import io.distill.MutualLearning;
import io.distill.TeacherAssistants;
import io.distill.TraceDistillation;
import io.distill.TraceDistiller;
import io.distill.conversation.ConversationDataset;
import io.distill.conversation.Conversations;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.generation.Generation;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.listener.ConsoleProgress;
import io.distill.listener.JsonLinesMetrics;
import io.distill.listener.TensorBoardEvents;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.Projector;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.Prompts;
import io.distill.trace.TraceFilter;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
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

  static void survive(
      Teacher teacher,
      Student small,
      DistillationLoss loss,
      TextDataset dataset,
      TextDataset test) {
    Path run = Path.of("run");
    try (DistillationResult result =
        Distiller.builder()
            .teacher(Teacher.cached(Path.of("teacher.cache"), teacher))
            .student(small)
            .loss(loss)
            .validation(test)
            .earlyStopping(EarlyStopping.maximising("accuracy").patience(5))
            .checkpoint(run, Every.epochs(1), Every.minutes(10))
            .resumeIfPresent(run)
            .listener(ConsoleProgress.create())
            .listener(JsonLinesMetrics.to(Path.of("metrics.jsonl")))
            .listener(TensorBoardEvents.to(Path.of("tensorboard")))
            .fit(dataset)) {
      result.student().save(Path.of("student"));
      result.report().teacher(teacher).testSet(test).writeHtml(Path.of("report.html"));
    }
  }

  static void stop(Distiller distiller, TextDataset dataset) {
    DistillationRun run = distiller.start(dataset);
    run.stop(); // from any thread: ends after the present step, with a last checkpoint
    DistillationResult result = run.result();
    result.close();
  }

  static void many(
      Teacher first, Teacher second, Teacher teacher, Distiller.Builder half, TextDataset dataset) {
    Teacher both = Teacher.ensemble(first, second).weighted(0.7, 0.3);
    Teacher average = Teacher.movingAverage(0.999); // of the student itself
    try (DistillationResults chain =
            TeacherAssistants.from(both)
                .then(master -> recipe(master, 6))
                .then(assistant -> recipe(assistant, 2))
                .fit(dataset);
        DistillationResults again =
            BornAgain.from(teacher).generation(before -> recipe(before, 2)).fit(dataset);
        DistillationResults peers = MutualLearning.of(2, peer -> recipe(peer, 2)).fit(dataset);
        DistillationResult steady = half.teacher(average).fit(dataset)) {
      chain.student().save(Path.of("student"));
      again.student().save(Path.of("again"));
      peers.students().get(0).save(Path.of("peer"));
      steady.student().save(Path.of("steady"));
    }
  }

  private static Distiller.Builder recipe(Teacher teacher, int layers) {
    return Distiller.builder()
        .teacher(teacher)
        .student(Student.encoder().layers(layers).build())
        .loss(softTargets().plus(hardLabels()));
  }

  static void again(Teacher teacher, TextDataset dataset) {
    try (DistillationResult again =
        Distiller.from(Provenance.read(Path.of("student/provenance.json")))
            .teacher(teacher.declaring("org/model", Terms.spdx("Apache-2.0")))
            .fit(dataset)) {
      again.student().save(Path.of("again"));
    }
  }

  static void write() {
    try (DeployableModel model = DeployableModel.load(Path.of("stories260k"))) {
      GenerationOptions options =
          GenerationOptions.builder().temperature(0.8).topP(0.95).maxNewTokens(200).build();
      Generation story =
          TextGenerator.of(model)
              .generate("Once upon a time", options, (row, piece) -> System.out.print(piece));
      System.out.println(" [" + story.end() + "]");
    }
  }

  static void whiteBox() {
    try (ModelTeacher teacher = Teacher.load(Path.of("Qwen2.5-1.5B"))) {
      ConversationDataset texts =
          ConversationDataset.builder()
              .conversations(Conversations.jsonLines(Path.of("answers.jsonl")).read())
              .model(teacher.model())
              .packed(true)
              .build();
      try (DistillationResult result =
          Distiller.builder()
              .teacher(teacher)
              .student(Student.decoder().teacherLayers(0, 4, 8, 12, 16, 20, 24, 27).build())
              .loss(chunked(generalizedJsd(0.5)).plus(chunked(hardLabels()).weighted(0.1)))
              .fit(texts)) {
        result.student().save(Path.of("student")); // config.json, model.safetensors, tokenizer.json
      }
    }
  }

  static void blackBox(
      DeployableModel teacher, GenerationOptions options, AnswerExtractor extractor) {
    try (TraceDistillation result =
        TraceDistiller.builder()
            .prompts(Prompts.jsonLines(Path.of("problems.jsonl")))
            .teacher(
                AnswerSource.of(TextGenerator.of(teacher), options)
                    .declaring(Terms.spdx("Apache-2.0")))
            .samples(4)
            .keep(TraceFilter.finished())
            .keep(TraceFilter.reasoning("think"))
            .keep(TraceFilter.exactAnswer(extractor))
            .keep(TraceFilter.nearDuplicates())
            .student(Student.load(Path.of("Qwen2.5-0.5B")))
            .loss(sequenceLevel())
            .dataset(data -> data.maxLength(1024).packed(true))
            .training(recipe -> recipe.epochs(2).batchSize(16).gradientClipping(1))
            .evaluate(Prompts.jsonLines(Path.of("held-out.jsonl")), extractor, options)
            .directory(Path.of("reasoner"))
            .fit()) {
      System.out.println(result.report());
    }
  }
}
