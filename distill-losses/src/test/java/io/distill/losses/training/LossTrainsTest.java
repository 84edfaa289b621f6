package io.distill.losses.training;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.losses.training.Catalogue.Entry;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every loss trains: under it, a small student gets closer to its teacher on rows that neither of
 * them learned from, measured by something else than the loss ({@link Closeness}).
 */
class LossTrainsTest {

  private static final int SEED = 3;
  private static final int LEAST_BLOCK_EPOCHS = 4;

  /** The share of its first value that a loss must lose at least, from first epoch to last. */
  private static final double FALL = 0.2;

  private static final double FALL_IN_BLOCKS = 0.05;

  static List<Entry> entries() {
    return Catalogue.entries();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("entries")
  void loss_drawsASmallStudentToItsTeacher(Entry entry) {
    Task task = entry.setting().task();
    Closeness closeness = entry.closeness();
    Observed teacher = task.observe(task.teacher().model(), closeness.kinds());
    double before;
    try (DeployableModel untrained = task.student().open(setup(task))) {
      before = closeness.between(task.observe(untrained, closeness.kinds()), teacher);
    }
    try (DistillationResult result =
        recipe(entry, task.student(), entry.epochs()).fit(task.train())) {
      List<Double> losses = losses(entry, result.history());
      double after = closeness.between(task.observe(result.student(), closeness.kinds()), teacher);

      assertFalls(losses, FALL);
      assertThat(after)
          .as("%s, from %s", closeness, before)
          .isGreaterThan(before + closeness.rise());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("entries")
  void loss_trainsAStudentOfDjlBlocks(Entry entry) {
    Task task = entry.setting().task();
    try (BlockStudent blocks = task.blocks();
        DistillationResult result =
            recipe(entry, blocks, Math.max(LEAST_BLOCK_EPOCHS, entry.epochs() / 2))
                .fit(task.train())) {
      List<Double> losses = losses(entry, result.history());

      assertFalls(losses, FALL_IN_BLOCKS);
    }
  }

  private static void assertFalls(List<Double> losses, double fall) {
    double first = losses.get(0);
    assertThat(losses.get(losses.size() - 1))
        .as("loss, from %s", first)
        .isLessThan(first - fall * Math.abs(first));
  }

  private static Distiller.Builder recipe(Entry entry, Student student, int epochs) {
    return Distiller.builder()
        .teacher(entry.setting().task().teacher())
        .student(student)
        .loss(entry.objective())
        .optimizer(Optimizer.adamW().withLearningRate(entry.learningRate()))
        .batchSize(16)
        .epochs(epochs)
        .seed(SEED);
  }

  /** The student as a run with the same seed starts with it. */
  private static StudentSetup setup(Task task) {
    return new StudentSetup(
        task.train(),
        task.teacher(),
        task.train().classNames().size(),
        task.train().classNames(),
        SEED,
        Device.cpu());
  }

  private static List<Double> losses(Entry entry, List<TrainingListener.Epoch> history) {
    return history.stream()
        .map(
            epoch ->
                entry.loss().terms().stream()
                    .mapToDouble(term -> epoch.terms().get(term.name()))
                    .sum())
        .toList();
  }
}
