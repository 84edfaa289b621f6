package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.SignalModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BornAgainTest {

  private static final FloatRows DATA = FloatRows.random(40, 3, 1);

  private static Distiller.Builder recipe(Teacher teacher, Student student) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(8)
        .validation(DATA)
        .epochs(2);
  }

  /** Notes the seeds that it is opened with, and the models. */
  private record Noting(Student inside, List<Long> seeds, List<DeployableModel> models)
      implements Student {
    static Noting student() {
      return new Noting(TinyRuns.perceptron(), new ArrayList<>(), new ArrayList<>());
    }

    @Override
    public DeployableModel open(StudentSetup setup) {
      seeds.add(setup.seed());
      DeployableModel model = inside.open(setup);
      models.add(model);
      return model;
    }
  }

  @Test
  void generations_areTaughtByTheOneBefore_fromSeedsOfTheirOwn() {
    Noting student = Noting.student();
    List<Teacher> seen = new ArrayList<>();
    RuleTeacher first = RuleTeacher.echo();
    BornAgain family =
        BornAgain.from(first)
            .generation(
                t -> {
                  seen.add(t);
                  return recipe(t, student).seed(11);
                })
            .generations(4);
    try (DistillationResults results = family.fit(DATA)) {
      assertThat(results.all()).hasSize(4);
      assertThat(live(results.students())).isEqualTo(live(student.models()));
      assertThat(seen.get(0)).isSameAs(first);
      for (int i = 1; i < 4; i++) {
        assertThat(((ModelTeacher) seen.get(i)).model().model())
            .isSameAs(student.models().get(i - 1).model());
      }
      assertThat(student.seeds().get(0)).isEqualTo(11);
      assertThat(new HashSet<>(student.seeds())).hasSize(4);
      assertThat(results.ensemble().members()).hasSize(4);
      List<Map<String, float[]>> weights =
          results.students().stream().map(TinyRuns::weights).toList();
      try (DistillationResults again = family.fit(DATA)) {
        assertThat(again.students().stream().map(TinyRuns::weights).toList())
            .usingRecursiveComparison()
            .isEqualTo(weights);
      }
    }
    assertThat(student.models())
        .allMatch(
            model ->
                model.model().parameters().values().stream().allMatch(array -> array.isReleased()));
  }

  private static List<SignalModel> live(List<DeployableModel> students) {
    return students.stream().map(DeployableModel::model).toList();
  }

  @Test
  void seed_ofARecipeWithoutOne_isTheDefault() {
    Noting student = Noting.student();
    BornAgain.from(RuleTeacher.echo()).generation(t -> recipe(t, student)).fit(DATA).close();
    assertThat(student.seeds()).hasSize(BornAgain.DEFAULT_GENERATIONS);
    assertThat(student.seeds().get(0)).isEqualTo(Distiller.Builder.DEFAULT_SEED);
  }

  /** A recipe whose generations reach chosen accuracies: by the share of labels that are true. */
  private static DistillationResults familyReaching(
      Noting student, EarlyStopping rule, double... accuracies) {
    List<DistillationDataset> validations = new ArrayList<>();
    for (double accuracy : accuracies) {
      validations.add(labelledByItself(accuracy));
    }
    return BornAgain.from(RuleTeacher.echo())
        .generation(
            t ->
                Distiller.builder()
                    .teacher(t)
                    .student(student)
                    .loss(TinyRuns.divergence())
                    // the students stay as they are, and all of them say class 0
                    .optimizer(Optimizer.sgd(1e-9))
                    .validation(validations.remove(0))
                    .epochs(1))
        .generations(accuracies.length)
        .earlyStopping(rule)
        .fit(ALL_ONES);
  }

  private static final FloatRows ALL_ONES =
      FloatRows.of(new float[][] {{1, 1, 1}, {1, 1, 1}}, new int[] {0, 0}, "a", "b", "c");

  /** Returns ten rows, so many of which have the label that any model gives to all of them. */
  private static FloatRows labelledByItself(double accuracy) {
    float[][] rows = new float[10][];
    int[] labels = new int[10];
    for (int i = 0; i < 10; i++) {
      rows[i] = new float[] {1, 1, 1};
      labels[i] = i < Math.round(10 * accuracy) ? SAID : (SAID + 1) % 3;
    }
    return FloatRows.of(rows, labels, "a", "b", "c");
  }

  /** The class that an untrained perceptron says for a row of ones; the same bias in all. */
  private static final int SAID = 0;

  private static Noting biased() {
    Student perceptron = TinyRuns.perceptron();
    Student biased =
        setup -> {
          DeployableModel model = perceptron.open(setup);
          boolean gradients = ai.djl.pytorch.jni.JniUtils.isGradMode();
          ai.djl.pytorch.jni.JniUtils.setGradMode(false);
          model
              .model()
              .parameters()
              .forEach(
                  (name, array) -> {
                    if (array.getShape().dimension() == 1 && array.size() == 3) {
                      array.set(new float[] {100, 0, 0});
                    }
                  });
          ai.djl.pytorch.jni.JniUtils.setGradMode(gradients);
          return model;
        };
    return new Noting(biased, new ArrayList<>(), new ArrayList<>());
  }

  @Test
  void family_endsWhenGenerationsGetNoBetter_withTheBestOne() {
    Noting student = biased();
    try (DistillationResults results =
        familyReaching(
            student, EarlyStopping.maximising("accuracy").patience(1), 0.5, 0.7, 0.6, 0.9)) {
      assertThat(accuracies(results)).containsExactly(0.5, 0.7);
      assertThat(student.models()).hasSize(3);
      assertThat(closed(student.models().get(2))).isTrue();
      assertThat(closed(student.models().get(1))).isFalse();
    }
  }

  @Test
  void family_waitsAsLongAsItsPatience() {
    Noting student = biased();
    try (DistillationResults results =
        familyReaching(
            student, EarlyStopping.maximising("accuracy").patience(2), 0.5, 0.7, 0.6, 0.9, 0.8)) {
      assertThat(accuracies(results)).containsExactly(0.5, 0.7, 0.6, 0.9);
      assertThat(student.models()).hasSize(5);
    }
    try (DistillationResults results =
        familyReaching(
            biased(), EarlyStopping.minimising("accuracy").patience(1), 0.5, 0.4, 0.4, 0.1)) {
      assertThat(accuracies(results)).containsExactly(0.5, 0.4);
    }
  }

  private static List<Double> accuracies(DistillationResults results) {
    return results.all().stream()
        .map(each -> each.history().get(0).metrics().get("accuracy"))
        .toList();
  }

  private static boolean closed(DeployableModel model) {
    return model.model().parameters().values().stream().allMatch(array -> array.isReleased());
  }

  private static TrainingListener.Epoch epoch(double loss, Map<String, Double> metrics) {
    return new TrainingListener.Epoch(1, 9, loss, Map.of(), 0.1, 1, metrics, 1);
  }

  @Test
  void generationThatStoppedEarlyItself_countsWithItsBestStudent() {
    List<TrainingListener.Epoch> history =
        List.of(
            epoch(5, Map.of("accuracy", 0.5, "kl", 0.9)),
            epoch(4, Map.of("accuracy", 0.8, "kl", 0.7)),
            epoch(3, Map.of()),
            epoch(2, Map.of("accuracy", 0.6, "kl", 0.3)));
    assertThat(BornAgain.reached(history, null, "accuracy")).isEqualTo(0.6);
    assertThat(BornAgain.reached(history, EarlyStopping.maximising("accuracy"), "accuracy"))
        .isEqualTo(0.8);
    assertThat(BornAgain.reached(history, EarlyStopping.maximising("accuracy"), "kl"))
        .isEqualTo(0.7);
    assertThat(BornAgain.reached(history, EarlyStopping.minimising("kl"), "accuracy"))
        .isEqualTo(0.6);
    assertThat(BornAgain.reached(history, null, EarlyStopping.TRAINING_LOSS)).isEqualTo(2);
    assertThat(
            BornAgain.reached(
                history, EarlyStopping.minimising("accuracy"), EarlyStopping.TRAINING_LOSS))
        .isEqualTo(5);
  }

  @Test
  void metricThatNobodyReports_isRefused_andStudentsAreClosed() {
    Noting student = Noting.student();
    assertThatThrownBy(
            () ->
                BornAgain.from(RuleTeacher.echo())
                    .generation(
                        t ->
                            Distiller.builder()
                                .teacher(t)
                                .student(student)
                                .loss(TinyRuns.divergence())
                                .epochs(1))
                    .earlyStopping(EarlyStopping.maximising("accuracy"))
                    .fit(DATA))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "earlyStopping must watch a metric that each generation reports at the end of an epoch"
                + " but 'accuracy' is not reported; set a validation set in the recipe, or watch"
                + " another metric");
    assertThat(student.models()).hasSize(1).allMatch(BornAgainTest::closed);
  }

  @Test
  void badFamilies_areRefused() {
    BornAgain family = BornAgain.from(Teacher.none());
    assertThatThrownBy(() -> family.generations(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("generations must be at least 1 but was 0");
    assertThatThrownBy(() -> family.fit(DATA))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("family must have a recipe but has none; call generation(...)");
    assertThatThrownBy(() -> family.generation(null)).isInstanceOf(NullPointerException.class);
    assertThatThrownBy(() -> family.earlyStopping(null)).isInstanceOf(NullPointerException.class);
  }
}
