package io.distill.training.internal;

import ai.djl.Device;
import com.google.common.collect.Sets;
import io.distill.data.DistillationDataset;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.model.Computation;
import io.distill.model.Precision;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.teacher.TeacherSetup;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Everything that defines a run besides its data; exactly one of epochs and steps is set.
 *
 * @param rowTemperature if present, the run's temperature instead of the schedule
 * @param precision that of the student's training
 * @param activationCheckpointing whether the student computes activations again
 * @param memoryLimit the bytes of the machine's memory that the run may take; empty for all there
 *     is, {@link Long#MAX_VALUE} to check nothing
 * @param gradientNormSteps each so many steps the gradients of the terms are compared; 0 never;
 *     empty for the first step of each epoch
 * @param evaluations when the student is tried on the validation set; epochs and steps only
 * @param earlyStopping when a run ends before its time, if it may
 * @param checkpoints where the run is kept, if it is
 * @param resume what the run goes on from, if it does
 * @param declarations what is said about the run and decides no weights
 */
public record Recipe(
    Teacher teacher,
    Student student,
    DistillationLoss loss,
    TemperatureSchedule temperature,
    @Nullable RowTemperature rowTemperature,
    LayerMapping layerMapping,
    OptionalInt epochs,
    OptionalLong steps,
    int batchSize,
    int gradientAccumulation,
    double gradientClipping,
    Optimizer optimizer,
    LearningRateSchedule learningRateSchedule,
    long seed,
    Device device,
    Precision precision,
    boolean activationCheckpointing,
    OptionalLong memoryLimit,
    OptionalInt gradientNormSteps,
    List<TrainingListener> listeners,
    @Nullable DistillationDataset validation,
    List<Every> evaluations,
    @Nullable EarlyStopping earlyStopping,
    @Nullable CheckpointPlan checkpoints,
    @Nullable ResumePlan resume,
    Declarations declarations) {

  /** Copies the lists. */
  public Recipe {
    listeners = List.copyOf(listeners);
    evaluations = List.copyOf(evaluations);
  }

  /** Returns this recipe with another teacher. */
  Recipe withTeacher(Teacher other) {
    return with(other, student, listeners, resume);
  }

  /** Returns this recipe with another student. */
  public Recipe withStudent(Student other) {
    return with(teacher, other, listeners, resume);
  }

  /** Returns this recipe with one more listener. */
  public Recipe withListener(TrainingListener listener) {
    List<TrainingListener> more = new ArrayList<>(listeners);
    more.add(listener);
    return with(teacher, student, more, resume);
  }

  /** Returns this recipe, which resumes, with a limit to what it resumes from. */
  Recipe resumedAtMost(OptionalLong step) {
    ResumePlan plan = Objects.requireNonNull(resume, "resume");
    return with(
        teacher, student, listeners, new ResumePlan(plan.directory(), plan.required(), step));
  }

  private Recipe with(
      Teacher otherTeacher,
      Student otherStudent,
      List<TrainingListener> otherListeners,
      @Nullable ResumePlan otherResume) {
    return new Recipe(
        otherTeacher,
        otherStudent,
        loss,
        temperature,
        rowTemperature,
        layerMapping,
        epochs,
        steps,
        batchSize,
        gradientAccumulation,
        gradientClipping,
        optimizer,
        learningRateSchedule,
        seed,
        device,
        precision,
        activationCheckpointing,
        memoryLimit,
        gradientNormSteps,
        otherListeners,
        validation,
        evaluations,
        earlyStopping,
        checkpoints,
        otherResume,
        declarations);
  }

  /** Returns how the student computes. */
  public Computation computation() {
    return Computation.standard()
        .withTraining(precision)
        .withActivationCheckpointing(activationCheckpointing);
  }

  /** Returns what the student must say for the loss and the run's temperature. */
  Set<SignalKind> requiresOfStudent() {
    return Sets.union(
            loss.requiresOfStudent(),
            rowTemperature == null ? Set.of() : rowTemperature.requiresOfStudent())
        .immutableCopy();
  }

  /** Returns what the teacher must say for the loss and the run's temperature. */
  Set<SignalKind> requiresOfTeacher() {
    return Sets.union(
            loss.requiresOfTeacher(),
            rowTemperature == null ? Set.of() : rowTemperature.requiresOfTeacher())
        .immutableCopy();
  }

  /** Returns what the teacher is told of a run. */
  TeacherSetup teacherSetup(DistillationDataset dataset) {
    return new TeacherSetup(
        dataset, requiresOfTeacher(), highestTemperature(RunLength.of(this, dataset.size())));
  }

  private double highestTemperature(RunLength length) {
    double ofRun = rowTemperature == null ? length.highest(temperature) : rowTemperature.highest();
    return loss.highestTemperature(ofRun, length::highest);
  }

  /** The steps of a run. */
  private record RunLength(long total, int perEpoch, long seed) {

    /** A schedule is looked at in so many steps at most. */
    private static final int MOST_STEPS = 10_000;

    static RunLength of(Recipe recipe, int rows) {
      int perEpoch = perEpoch(recipe, rows);
      long total = recipe.steps().orElse((long) perEpoch * recipe.epochs().orElse(1));
      return new RunLength(total, perEpoch, recipe.seed());
    }

    private static int perEpoch(Recipe recipe, int rows) {
      int batches = (rows - 1) / recipe.batchSize() + 1;
      return (batches - 1) / recipe.gradientAccumulation() + 1;
    }

    /** Returns infinity for a schedule that is wrong; the step that asks it will say how. */
    double highest(TemperatureSchedule schedule) {
      double highest = 0;
      long stride = Math.max(1, total / MOST_STEPS);
      try {
        for (long step = 0; step < total; step += stride) {
          highest = Math.max(highest, at(schedule, step));
        }
        highest = Math.max(highest, at(schedule, total - 1));
      } catch (RuntimeException e) {
        return Double.POSITIVE_INFINITY;
      }
      return highest > 0 ? highest : Double.POSITIVE_INFINITY;
    }

    private double at(TemperatureSchedule schedule, long step) {
      return schedule.at(new Progress(Math.toIntExact(step / perEpoch), step, total, seed));
    }
  }

  /** Returns the terms of the loss; a name that comes again gets a number. */
  List<LossTerm> terms() {
    Map<String, Integer> seen = new HashMap<>();
    List<LossTerm> distinct = new ArrayList<>();
    for (LossTerm term : loss.terms()) {
      int count = seen.merge(term.name(), 1, Integer::sum);
      distinct.add(
          count == 1 ? term : new LossTerm(term.name() + "#" + count, term.weight(), term.loss()));
    }
    return distinct;
  }
}
