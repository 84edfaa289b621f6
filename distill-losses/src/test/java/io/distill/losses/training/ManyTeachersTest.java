package io.distill.losses.training;

import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hiddenStateMse;
import static io.distill.losses.Losses.softTargets;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.BornAgain;
import io.distill.DistillationResult;
import io.distill.DistillationResults;
import io.distill.Distiller;
import io.distill.MutualLearning;
import io.distill.TeacherAssistants;
import io.distill.data.DistillationDataset;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every way to learn from many teachers trains a student, judged on 2,000 rows that nobody learned
 * from. Where a way can add something that labels alone do not have, as an ensemble and a mean
 * teacher can here, it must; elsewhere the student must come close to one that has learned from
 * labels.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ManyTeachersTest {

  private static final int TEST_ROWS = 2000;
  private static final int POOL_ROWS = 600;
  private static final int EPOCHS = 20;

  /** How far a student may stay behind, and how far it has to be ahead of an untrained one. */
  private static final double CLOSE = 0.05;

  private static final double FAR = 0.3;

  private final List<DistillationResult> experts = new ArrayList<>();
  private NDManager manager;
  private NoisyTask task;
  private DistillationDataset test;
  private DistillationDataset pool;

  private static Student perceptron(int width) {
    return Student.multilayerPerceptron().hiddenSizes(width).build();
  }

  private static Distiller.Builder recipe(Teacher teacher, Student student, DistillationLoss loss) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(loss)
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .epochs(EPOCHS);
  }

  /** Five teachers that learned 120 rows with labels each, all of them different ones. */
  @BeforeAll
  void trainExperts() {
    manager = NativeEngine.newManager(Device.cpu());
    task = new NoisyTask(manager);
    test = task.clean(TEST_ROWS, 1);
    pool = task.noisy(POOL_ROWS, 0, 2);
    for (int i = 0; i < 5; i++) {
      experts.add(
          recipe(Teacher.none(), perceptron(32), hardLabels())
              .seed(i)
              .fit(task.noisy(120, 120, 10 + i)));
    }
  }

  @AfterAll
  void close() {
    experts.forEach(DistillationResult::close);
    manager.close();
  }

  private List<ModelTeacher> teachers() {
    return experts.stream().map(each -> Teacher.of(each.student())).toList();
  }

  private double accuracy(DeployableModel model) {
    return accuracy(model.predict(test));
  }

  private double accuracy(int[] predicted) {
    return IntStream.range(0, TEST_ROWS).filter(row -> predicted[row] == test.label(row)).count()
        / (double) TEST_ROWS;
  }

  private double meanExpert() {
    return experts.stream().mapToDouble(each -> accuracy(each.student())).average().orElseThrow();
  }

  private EnsembleTeacher ensemble(String how) {
    EnsembleTeacher plain = Teacher.ensemble(teachers());
    return switch (how) {
      case "meanOfProbabilities(2)" -> plain.meanOfProbabilities(2);
      case "meanOfLogits" -> plain.meanOfLogits();
      case "weighted" -> plain.weighted(0.3, 0.3, 0.2, 0.1, 0.1);
      case "byConfidence" -> plain.byConfidence();
      case "byConfidence(labels)" -> plain.byConfidence(task.noisy(POOL_ROWS, POOL_ROWS, 2));
      default -> plain;
    };
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "meanOfProbabilities",
        "meanOfProbabilities(2)",
        "meanOfLogits",
        "weighted",
        "byConfidence",
        "byConfidence(labels)"
      })
  void ensemble_teachesAStudentMoreThanItsMembersKnow(String how) {
    EnsembleTeacher teacher = ensemble(how);
    try (DistillationResult result =
        recipe(teacher, perceptron(32), softTargets()).temperature(2).fit(pool)) {
      // 72.8 % of the members on average; a student from 82.1 to 82.7 %
      assertThat(accuracy(result.student())).isGreaterThan(meanExpert() + CLOSE);
    }
  }

  @Test
  void ensemble_teachesHiddenStatesOfOneMember() {
    List<ModelTeacher> teachers = teachers();
    EnsembleTeacher teacher = Teacher.ensemble(teachers).featuresFrom(teachers.get(1));
    try (DistillationResult result =
        recipe(teacher, perceptron(16), softTargets().plus(hiddenStateMse().weighted(0.1)))
            .fit(pool)) {
      assertThat(result.history().get(EPOCHS - 1).terms().get("hiddenStateMse"))
          .isLessThan(0.5 * result.history().get(0).terms().get("hiddenStateMse"));
      assertThat(accuracy(result.student())).isGreaterThan(meanExpert());
    }
  }

  private DistillationDataset labelled() {
    return task.noisy(POOL_ROWS, POOL_ROWS, 3);
  }

  private double untrained(Student student) {
    try (DeployableModel model =
        student.open(
            new StudentSetup(
                pool,
                Teacher.none(),
                NoisyTask.CLASSES,
                test.classNames(),
                Distiller.Builder.DEFAULT_SEED,
                Device.cpu()))) {
      return accuracy(model);
    }
  }

  private double plain(int width, DistillationDataset rows) {
    try (DistillationResult plain =
        recipe(Teacher.none(), perceptron(width), hardLabels()).fit(rows)) {
      return accuracy(plain.student());
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void assistants_leadToASmallStudent(boolean dense) {
    DistillationDataset rows = labelled();
    try (DistillationResult large =
        recipe(Teacher.none(), perceptron(128), hardLabels()).fit(rows)) {
      TeacherAssistants chain =
          TeacherAssistants.from(Teacher.of(large.student()))
              .then(t -> recipe(t, perceptron(32), softTargets()).temperature(4))
              .then(t -> recipe(t, perceptron(6), softTargets()).temperature(4));
      try (DistillationResults results = (dense ? chain.denselyGuided() : chain).fit(pool)) {
        assertThat(accuracy(results.student()))
            .isGreaterThan(untrained(perceptron(6)) + FAR)
            .isGreaterThan(accuracy(large.student()) - CLOSE);
      }
    }
  }

  @Test
  void generations_learnWhatTheFirstKnew() {
    DistillationDataset rows = labelled();
    try (DistillationResult plain = recipe(Teacher.none(), perceptron(32), hardLabels()).fit(rows);
        DistillationResults family =
            BornAgain.from(Teacher.of(plain.student()))
                .generation(t -> recipe(t, perceptron(32), softTargets().plus(hardLabels())))
                .generations(3)
                .fit(rows)) {
      double before = accuracy(plain.student());
      assertThat(before).isGreaterThan(untrained(perceptron(32)) + FAR);
      for (DeployableModel each : family.students()) {
        assertThat(accuracy(each)).isGreaterThan(before - CLOSE);
      }
      assertThat(accuracy(family.ensemble().predict(test))).isGreaterThan(before - CLOSE);
    }
  }

  @Test
  void peers_learnAsMuchAsAlone() {
    DistillationDataset rows = labelled();
    double alone = plain(32, rows);
    try (DistillationResults peers =
        MutualLearning.of(2, peer -> recipe(peer, perceptron(32), softTargets().plus(hardLabels())))
            .fit(rows)) {
      for (DeployableModel each : peers.students()) {
        assertThat(accuracy(each))
            .isGreaterThan(untrained(perceptron(32)) + FAR)
            .isGreaterThan(alone - CLOSE);
      }
    }
  }

  @Test
  void movingAverage_teachesRowsWithoutLabels() {
    Student student = Student.multilayerPerceptron().hiddenSizes(64).dropout(0.5).build();
    double alone = 0;
    double taught = 0;
    for (long seed = 1; seed <= 3; seed++) {
      DistillationDataset rows = task.noisy(POOL_ROWS, 120, 100 + seed);
      try (DistillationResult plain =
              recipe(Teacher.none(), student, hardLabels()).seed(seed).fit(rows);
          DistillationResult result =
              recipe(Teacher.movingAverage(0.99), student, hardLabels().plus(softTargets()))
                  .seed(seed)
                  .fit(rows)) {
        alone += accuracy(plain.student()) / 3;
        taught += accuracy(result.student()) / 3;
      }
    }
    // 72.7 % alone, 74.4 % with the mean teacher
    assertThat(taught).isGreaterThan(alone + 0.01);
  }
}
