package io.distill;

import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.Teacher;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What several runs that belong together gave: the stages of a chain, the generations of a family,
 * the students that learned from each other.
 *
 * <p>Closing this closes all of them.
 */
public final class DistillationResults implements AutoCloseable {

  private final List<DistillationResult> all;

  DistillationResults(List<DistillationResult> all) {
    this.all = List.copyOf(all);
  }

  /**
   * Returns the results.
   *
   * @return one result a run, in their order; at least one; closed with this
   */
  public List<DistillationResult> all() {
    return all;
  }

  /**
   * Returns the last result: the end of a chain, the last generation.
   *
   * @return the result; closed with this
   */
  public DistillationResult last() {
    return all.get(all.size() - 1);
  }

  /**
   * Returns the student of the last result.
   *
   * @return the student, in inference mode; closed with this
   */
  public DeployableModel student() {
    return last().student();
  }

  /**
   * Returns the students of all results.
   *
   * @return the students, in their order, in inference mode; closed with this
   */
  public List<DeployableModel> students() {
    return all.stream().map(DistillationResult::student).toList();
  }

  /**
   * Lets all students answer as one, or teach the next: of the generations of a family this is the
   * ensemble that is known as BANE.
   *
   * @return the mean of the students' probabilities, unless the ensemble is told otherwise; it
   *     answers until this is closed
   * @throws DistillationException if there is only one student
   */
  public EnsembleTeacher ensemble() {
    if (all.size() == 1) {
      throw new DistillationException(
          "ensemble must have at least two students but there is one; call student()");
    }
    return Teacher.ensemble(students().stream().map(Teacher::of).toList());
  }

  @Override
  public void close() {
    close(all, null);
  }

  /**
   * Closes results, all of them whatever happens.
   *
   * @param cause what ends the runs, which problems are added to; null to throw the first one
   */
  static void close(List<DistillationResult> results, @Nullable Throwable cause) {
    Throwable first = cause;
    for (DistillationResult result : results) {
      try {
        result.close();
      } catch (RuntimeException e) {
        if (first == null) {
          first = e;
        } else {
          first.addSuppressed(e);
        }
      }
    }
    if (cause == null && first instanceof RuntimeException failure) {
      throw failure;
    }
  }
}
