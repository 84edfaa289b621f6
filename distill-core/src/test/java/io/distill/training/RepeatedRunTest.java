package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.provenance.ListedLoss;
import io.distill.provenance.Provenance;
import io.distill.provenance.TeacherOrigin;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a saved student has beside it is enough to train it again. */
class RepeatedRunTest {

  private static final TextDataset TEXTS = TinyRuns.texts(24);

  @TempDir private Path directory;

  private static DistillationLoss loss() {
    return new ListedLoss(2)
        .weighted(0.8)
        .plus(new ListedLoss(1).named("edges").weighted(WeightSchedule.linear(0, 0.3)));
  }

  /** Trains and saves a small text classifier that others learn from. */
  private ModelTeacher teacher() {
    Path saved = directory.resolve("teacher");
    if (!Files.exists(saved)) {
      try (DistillationResult result =
          Distiller.builder()
              .teacher(Teacher.none())
              .student(
                  Student.bagOfEmbeddings()
                      .tokenizer(TinyRuns.tokenizer())
                      .vocabularyFromData(false)
                      .embeddingSize(6)
                      .hiddenSize(5)
                      .build())
              .loss(TinyRuns.crossEntropy())
              .epochs(1)
              .device(Device.cpu())
              .fit(TEXTS)) {
        result.student().save(saved);
      }
    }
    return Teacher.load(saved);
  }

  private static Distiller.Builder recipe(Teacher teacher) {
    return Distiller.builder()
        .teacher(teacher)
        .student(Student.bagOfEmbeddings().embeddingSize(4).hiddenSize(3).dropout(0.2).build())
        .loss(loss())
        .temperature(TemperatureSchedule.cosine(4, 1))
        .learningRateSchedule(LearningRateSchedule.cosine(0.1).withWarmUp(2))
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .gradientAccumulation(2)
        .gradientClipping(0.7)
        .epochs(3)
        .batchSize(4)
        .seed(7)
        .device(Device.cpu());
  }

  private static Map<String, int[]> bits(DeployableModel model) {
    Map<String, int[]> bits = new TreeMap<>();
    TinyRuns.weights(model)
        .forEach(
            (name, values) -> {
              int[] raw = new int[values.length];
              Arrays.setAll(raw, i -> Float.floatToRawIntBits(values[i]));
              bits.put(name, raw);
            });
    return bits;
  }

  private static void assertSame(Map<String, int[]> actual, Map<String, int[]> expected) {
    assertThat(actual).containsOnlyKeys(expected.keySet());
    actual.forEach((name, raw) -> assertThat(raw).as(name).isEqualTo(expected.get(name)));
  }

  @Test
  void savedStudent_isTrainedAgainBitForBit() {
    Path saved = directory.resolve("student");
    Map<String, int[]> weights;
    try (Teacher teacher = teacher();
        DistillationResult result = recipe(teacher).fit(TEXTS)) {
      weights = bits(result.student());
      result.student().save(saved);
    }
    Provenance read = Provenance.read(saved);
    Distiller.Builder again = Distiller.from(read);
    assertThat(again.missing()).containsOnlyKeys("teacher");
    try (Teacher teacher = teacher();
        DistillationResult result = again.teacher(teacher).fit(TinyRuns.texts(24))) {
      assertSame(bits(result.student()), weights);
      assertThat(result.provenance().student().fingerprint())
          .isEqualTo(read.student().fingerprint());
      assertThat(result.provenance().recipe()).isEqualTo(read.recipe());
    }
    try (DeployableModel model = DeployableModel.load(saved)) {
      assertThat(model.provenance()).contains(read);
      assertThat(model.fingerprint()).isEqualTo(read.student().fingerprint());
      assertThat(saved.resolve("README.md")).content().isEqualTo(read.modelCard());
    }
  }

  @Test
  void provenance_saysWhatWasRun() {
    Instant before = Instant.now();
    try (Teacher teacher = teacher();
        DistillationResult result =
            recipe(teacher)
                .validation(TEXTS)
                .dataName("small mails")
                .dataLicence("CC-BY-4.0")
                .studentLicence("MIT")
                .fit(TEXTS)) {
      Provenance provenance = result.provenance();
      assertThat(provenance.teacher())
          .isEqualTo(new TeacherOrigin("teacher", teacher.fingerprint(), teacher.terms()));
      assertThat(provenance.data().name()).contains("small mails");
      assertThat(provenance.data().licence()).contains("CC-BY-4.0");
      assertThat(provenance.data().fingerprint()).isEqualTo(TEXTS.fingerprint());
      assertThat(provenance.data().rows()).isEqualTo(24);
      assertThat(provenance.student().licence()).contains("MIT");
      assertThat(provenance.student().architecture()).isEqualTo("BagOfEmbeddings");
      assertThat(provenance.student().classNames()).containsExactly("even", "odd");
      assertThat(provenance.student().readsText()).isTrue();
      assertThat(provenance.student().fingerprint()).isEqualTo(result.student().fingerprint());
      assertThat(provenance.student().parameters()).isEqualTo(result.student().parameterCount());
      assertThat(provenance.run().started()).isBetween(before, Instant.now());
      assertThat(provenance.run().seconds()).isEqualTo(result.seconds());
      assertThat(provenance.run().teacherSeconds()).isEqualTo(result.teacherSeconds());
      assertThat(provenance.run().steps()).isEqualTo(result.steps()).isPositive();
      assertThat(provenance.run().endReason()).isEqualTo("COMPLETED");
      assertThat(provenance.metrics())
          .isEqualTo(result.history().get(2).metrics())
          .containsKeys("accuracy", "agreement");
      assertThat(provenance.environment().libtorch()).startsWith("2.");
      assertThat(provenance.environment().djl()).startsWith("0.");
      assertThat(provenance.environment().library()).matches("\\d+\\.\\d+\\.\\d+.*");
      assertThat(provenance.environment().device()).isEqualTo("cpu");
      assertThat(provenance.environment().threads()).isPositive();
    }
  }

  @Test
  void lambdas_areAskedForAgain() {
    TemperatureSchedule temperature = progress -> 2 - progress.fraction();
    DistillationLoss loss = loss().plus(TinyRuns.logitDistance());
    Provenance provenance;
    Map<String, int[]> weights;
    try (DistillationResult result =
        TinyRuns.recipe(loss).temperature(temperature).epochs(2).fit(rows())) {
      weights = bits(result.student());
      provenance = Provenance.parse(result.provenance().toJson());
    }
    assertThat(Distiller.from(provenance).missing())
        .containsOnlyKeys("teacher", "loss.terms[2].loss", "temperature")
        .containsEntry("loss.terms[2].loss", TinyRuns.class.getName() + "$$Lambda");
    assertThatThrownBy(() -> Distiller.from(provenance).teacher(RuleTeacher.echo()).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "recipe must have all required parts but lacks [loss.terms[2].loss ("
                + TinyRuns.class.getName()
                + "$$Lambda), temperature ("
                + RepeatedRunTest.class.getName()
                + "$$Lambda)]");
    Distiller.Builder again =
        Distiller.from(provenance)
            .teacher(RuleTeacher.echo())
            .loss(loss().plus(TinyRuns.logitDistance()))
            .temperature(progress -> 2 - progress.fraction());
    assertThat(again.missing()).isEmpty();
    try (DistillationResult result = again.fit(rows())) {
      assertSame(bits(result.student()), weights);
    }
    Distiller changed =
        Distiller.from(provenance)
            .teacher(RuleTeacher.echo())
            .loss(loss().plus(TinyRuns.logitDistance()))
            .temperature(progress -> 3 - progress.fraction())
            .build();
    assertThatThrownBy(() -> changed.fit(rows()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("temperature.samples was [2");
  }

  private static DistillationDataset rows() {
    return FloatRows.random(20, 3, 4);
  }

  private static Provenance recorded() {
    try (DistillationResult result = TinyRuns.recipe(loss()).epochs(2).seed(42).fit(rows())) {
      return result.provenance();
    }
  }

  @Test
  void anythingElseThanRecorded_isRefusedInWords() {
    Provenance provenance = recorded();
    Distiller other =
        Distiller.from(provenance)
            .teacher(RuleTeacher.of(row -> row))
            .seed(7)
            .optimizer(Optimizer.adamW().withLearningRate(0.002))
            .steps(9)
            .build();
    assertThatThrownBy(() -> other.fit(FloatRows.random(21, 3, 4)))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "repeated run must have the recorded recipe, teacher and data but differs:\n"
                + "- data.fingerprint was ")
        .hasMessageContaining("\n- data.rows was 20 and is 21\n")
        .hasMessageContaining("\n- seed was 42 and is 7\n")
        .hasMessageContaining("\n- optimizer.learningRate was 0.001 and is 0.002\n")
        .hasMessageContaining("\n- epochs was 2 and is missing\n")
        .hasMessageContaining("\n- steps was missing and is 9\n")
        .hasMessageEndingWith(
            "name what is meant to differ with allowDifferences(...), one of [data, epochs,"
                + " optimizer, seed, steps]");
  }

  @Test
  void meantDifferences_areAllowed() {
    Provenance provenance = recorded();
    try (DistillationResult result =
        Distiller.from(provenance)
            .teacher(RuleTeacher.echo())
            .seed(7)
            .allowDifferences("data", "seed")
            .fit(FloatRows.random(21, 3, 4))) {
      assertThat(result.provenance().recipe().differingMembers(provenance.recipe()))
          .containsExactly("data", "seed");
    }
    Distiller.Builder fresh = Distiller.builder();
    assertThatThrownBy(() -> fresh.allowDifferences("data"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Distiller.from(provenance)");
  }

  @Test
  void anotherTeacher_isRefused() {
    Provenance provenance;
    try (Teacher teacher = teacher();
        DistillationResult result = recipe(teacher).fit(TEXTS)) {
      provenance = result.provenance();
    }
    Distiller other = Distiller.from(provenance).teacher(RuleTeacher.echo()).build();
    assertThatThrownBy(() -> other.fit(TEXTS))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(
            "- teacher was (fingerprint=" + provenance.teacher().fingerprint().get())
        .hasMessageContaining(" and is io.distill.training.RuleTeacher\n");
  }

  @Test
  void partsOfARecording_areSetOnlyOnceMore() {
    Distiller.Builder builder = Distiller.from(recorded()).seed(1);
    assertThatThrownBy(() -> builder.seed(2))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("seed must be set only once but was already set");
  }

  @Test
  void studentWithoutTeacher_needsNothingSet() {
    Provenance provenance;
    Map<String, int[]> weights;
    try (DistillationResult result =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(TinyRuns.perceptron())
            .loss(new LabelLoss())
            .epochs(1)
            .device(Device.cpu())
            .fit(rows())) {
      provenance = result.provenance();
      weights = bits(result.student());
    }
    assertThat(provenance.terms()).isEmpty();
    assertThat(Distiller.from(provenance).missing()).containsOnlyKeys("loss");
    try (DistillationResult result = Distiller.from(provenance).loss(new LabelLoss()).fit(rows())) {
      assertSame(bits(result.student()), weights);
    }
  }

  /** A record that no module lists: compared by its components, and set again. */
  record LabelLoss() implements DistillationLoss {
    @Override
    public ai.djl.ndarray.NDArray compute(io.distill.loss.LossContext context) {
      return TinyRuns.crossEntropy().compute(context);
    }

    @Override
    public java.util.Set<io.distill.signal.SignalKind> requiresOfTeacher() {
      return java.util.Set.of();
    }

    @Override
    public boolean requiresLabels() {
      return true;
    }
  }

  @Test
  void earlyStopping_isRepeatedWithItsValidationData() {
    EarlyStopping rule = EarlyStopping.minimising("kl").patience(2);
    Provenance provenance;
    Map<String, int[]> weights;
    try (DistillationResult result =
        TinyRuns.recipe(loss())
            .epochs(6)
            .validation(rows())
            .evaluateEvery(Every.steps(2))
            .earlyStopping(rule)
            .fit(rows())) {
      provenance = result.provenance();
      weights = bits(result.student());
    }
    assertThat(provenance.metrics()).containsOnlyKeys("kl");
    Distiller.Builder again = Distiller.from(provenance).teacher(RuleTeacher.echo());
    assertThat(again.missing()).containsOnlyKeys("validation");
    try (DistillationResult result = again.validation(rows()).fit(rows())) {
      assertSame(bits(result.student()), weights);
      assertThat(result.provenance().metrics()).isEqualTo(provenance.metrics());
    }
  }

  @Test
  void studentsOfStudents_carryTheirLineage() {
    try (ModelTeacher first = teacher();
        DistillationResult second = recipe(first).fit(TEXTS);
        ModelTeacher assistant = Teacher.of(second.student());
        DistillationResult third = recipe(assistant).fit(TEXTS)) {
      Provenance provenance = Provenance.parse(third.provenance().toJson());
      assertThat(provenance.lineage()).containsExactly(second.provenance());
      assertThat(provenance.lineage().get(0).lineage()).containsExactlyElementsOf(first.origins());
      assertThat(provenance.teacher().fingerprint()).contains(second.student().fingerprint());
    }
  }

  @Test
  void savedStudentThatIsTrainedFurther_carriesWhereItStarted() {
    Path saved = directory.resolve("start");
    try (Teacher teacher = teacher();
        DistillationResult result = recipe(teacher).fit(TEXTS)) {
      result.student().save(saved);
    }
    Provenance start = Provenance.read(saved);
    Path checkpoints = directory.resolve("checkpoints");
    try (Teacher teacher = teacher();
        DistillationResult further =
            Distiller.builder()
                .teacher(teacher)
                .student(Student.load(saved))
                .loss(loss())
                .epochs(1)
                .checkpoint(checkpoints)
                .device(Device.cpu())
                .fit(TEXTS)) {
      assertThat(further.provenance().lineage()).contains(start);
      Provenance provenance = further.provenance();
      assertThat(Distiller.from(provenance).missing()).containsOnlyKeys("teacher", "student");
      assertThat(provenance.recipe().json().getAsJsonObject("student").toString())
          .contains(start.student().fingerprint())
          .doesNotContain(directory.toString());
    }
    assertThat(checkpoints)
        .isDirectoryRecursivelyContaining("glob:**/student/config.json")
        .isDirectoryNotContaining("glob:**/student/provenance.json");
  }
}
