package io.distill;

import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import ai.djl.training.dataset.RandomAccessDataset;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.teacher.Teacher;
import io.distill.training.TrainingListener.EndReason;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A chain of teacher assistants: the student of each stage teaches the next, so that a very small
 * student need not learn from a very large teacher directly.
 *
 * <pre>{@code
 * try (DistillationResults chain = TeacherAssistants.from(teacher)
 *     .then(t -> Distiller.builder().teacher(t).student(medium).loss(softTargets()))
 *     .then(t -> Distiller.builder().teacher(t).student(small).loss(softTargets()))
 *     .fit(dataset)) {
 *   chain.student().save(directory);
 * }
 * }</pre>
 *
 * <p>Immutable; a chain holds no state of a run.
 *
 * @see <a href="https://arxiv.org/abs/1902.03393">Mirzadeh et al., Improved Knowledge Distillation
 *     via Teacher Assistant, 2020</a>
 */
public final class TeacherAssistants {

  private final Teacher teacher;
  private final List<Function<? super Teacher, Distiller.Builder>> stages;
  private final boolean denselyGuided;

  private TeacherAssistants(
      Teacher teacher,
      List<Function<? super Teacher, Distiller.Builder>> stages,
      boolean denselyGuided) {
    this.teacher = teacher;
    this.stages = stages;
    this.denselyGuided = denselyGuided;
  }

  /**
   * Starts a chain.
   *
   * @param teacher who teaches the first stage; it stays the caller's to close
   * @return a chain without stages
   */
  public static TeacherAssistants from(Teacher teacher) {
    return new TeacherAssistants(requireNonNull(teacher, "teacher"), List.of(), false);
  }

  /**
   * Returns a chain with one more stage.
   *
   * @param stage the recipe of the stage, for the teacher that it is given: that of the chain for
   *     the first stage, the student of the stage before for later ones
   * @return the chain; this one is unchanged
   */
  public TeacherAssistants then(Function<? super Teacher, Distiller.Builder> stage) {
    List<Function<? super Teacher, Distiller.Builder>> longer = new ArrayList<>(stages);
    longer.add(requireNonNull(stage, "stage"));
    return new TeacherAssistants(teacher, List.copyOf(longer), denselyGuided);
  }

  /**
   * Returns a chain in which each stage learns from everyone before it: the teacher and all
   * assistants, by the mean of their probabilities, which is what adding up one divergence for each
   * comes to. Hidden states and embeddings are those of the assistant just before.
   *
   * <p>The paper also leaves out some of them at random for each batch; here all of them teach.
   *
   * @return the chain; this one is unchanged
   * @see <a href="https://arxiv.org/abs/2009.08825">Son et al., Densely Guided Knowledge
   *     Distillation using Multiple Teacher Assistants, 2021</a>
   */
  public TeacherAssistants denselyGuided() {
    return new TeacherAssistants(teacher, stages, true);
  }

  /**
   * Trains one stage after the other, on this thread. A stage that is stopped by an interrupt ends
   * the chain with it.
   *
   * @param dataset the rows to learn from, the same for all stages
   * @return the results of all stages that ran, the last one the student of the chain; close them
   * @throws IllegalStateException if the chain has no stage
   * @throws DistillationException as {@link Distiller#fit(DistillationDataset)}; the students of
   *     the stages before are closed
   */
  public DistillationResults fit(DistillationDataset dataset) {
    requireNonNull(dataset, "dataset");
    checkState(
        !stages.isEmpty(), "chain must have at least one stage but has none; call then(...)");
    List<Teacher> teachers = new ArrayList<>(List.of(teacher));
    List<DistillationResult> results = new ArrayList<>();
    try {
      for (Function<? super Teacher, Distiller.Builder> stage : stages) {
        DistillationResult result = stage.apply(teacherOf(teachers)).fit(dataset);
        results.add(result);
        if (result.endReason() == EndReason.STOPPED) {
          break;
        }
        teachers.add(Teacher.of(result.student()));
      }
      return new DistillationResults(results);
    } catch (RuntimeException | Error e) {
      DistillationResults.close(results, e);
      throw e;
    }
  }

  private Teacher teacherOf(List<Teacher> before) {
    Teacher latest = before.get(before.size() - 1);
    return denselyGuided && before.size() > 1
        ? Teacher.ensemble(before).featuresFrom(latest)
        : latest;
  }

  /**
   * Trains one stage after the other on a DJL data set.
   *
   * @param dataset the rows to learn from
   * @return the results of all stages that ran; close them
   * @see #fit(DistillationDataset)
   */
  public DistillationResults fit(RandomAccessDataset dataset) {
    return fit(DistillationDataset.of(dataset));
  }
}
