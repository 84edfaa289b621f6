package io.distill;

import io.distill.data.DistillationDataset;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.report.Report;
import io.distill.report.RunRecord;
import io.distill.report.RunRecorder;
import io.distill.report.TrainedStudent;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import io.distill.training.internal.FinishedRun;
import io.distill.training.internal.Recipe;
import io.distill.training.internal.StopSignal;
import io.distill.training.internal.TrainingLoop;
import java.util.ArrayList;
import java.util.List;

/**
 * What a run gave: the trained student, how the losses went, and what it cost. The teacher is not
 * part of it.
 *
 * <p>Closing the result closes the student.
 */
public final class DistillationResult implements TrainedStudent, AutoCloseable {

  private final FinishedRun run;
  private final RunRecord record;

  private DistillationResult(FinishedRun run, RunRecord record) {
    this.run = run;
    this.record = record;
  }

  /** Runs a recipe and keeps its curves. */
  static DistillationResult of(Recipe recipe, DistillationDataset dataset, StopSignal stop) {
    RunRecorder recorder = new RunRecorder();
    FinishedRun run = TrainingLoop.run(recipe.withListener(recorder), dataset, stop);
    return new DistillationResult(run, recorder.record());
  }

  /** Runs recipes that take turns, and keeps the curves of each. */
  static List<DistillationResult> together(List<Recipe> recipes, DistillationDataset dataset) {
    List<RunRecorder> recorders = new ArrayList<>();
    List<Recipe> recorded = new ArrayList<>();
    for (Recipe recipe : recipes) {
      RunRecorder recorder = new RunRecorder();
      recorders.add(recorder);
      recorded.add(recipe.withListener(recorder));
    }
    List<FinishedRun> runs = TrainingLoop.runTogether(recorded, dataset, new StopSignal());
    List<DistillationResult> results = new ArrayList<>();
    for (int i = 0; i < runs.size(); i++) {
      results.add(new DistillationResult(runs.get(i), recorders.get(i).record()));
    }
    return results;
  }

  /**
   * Returns the trained student: ask it, save it, or make it the next teacher.
   *
   * @return the student, in inference mode; closed with this result
   */
  @Override
  public DeployableModel student() {
    return run.student();
  }

  /**
   * Returns where the student comes from: recipe, teacher, data, terms, versions, cost.
   *
   * @return what {@code student().save(...)} writes as {@code provenance.json}
   * @see Distiller#from
   */
  public Provenance provenance() {
    return run.student().provenance().orElseThrow();
  }

  /**
   * Returns how the run went.
   *
   * @return one entry an epoch, first to last
   */
  @Override
  public List<TrainingListener.Epoch> history() {
    return run.history();
  }

  /**
   * Returns how strongly each term of the loss pulled at the student.
   *
   * @return the first comparison of each epoch in which there was one, first to last; empty if the
   *     loss has one term only, or comparisons were switched off
   */
  @Override
  public List<GradientScales> gradientScales() {
    return run.gradientScales();
  }

  /**
   * Returns why the run ended.
   *
   * @return whether all steps were taken, early stopping ended it, or someone stopped it
   */
  public TrainingListener.EndReason endReason() {
    return run.end().reason();
  }

  /**
   * Returns the number of optimizer steps.
   *
   * @return the steps taken
   */
  @Override
  public long steps() {
    return run.end().steps();
  }

  /**
   * Returns how long the run took.
   *
   * @return the time in seconds, from the first check to the last step
   */
  @Override
  public double seconds() {
    return run.end().seconds();
  }

  /**
   * Returns how long the teacher took.
   *
   * @return the part of {@link #seconds()} in which the teacher answered
   */
  @Override
  public double teacherSeconds() {
    return run.end().teacherSeconds();
  }

  @Override
  public RunRecord runRecord() {
    return record;
  }

  /**
   * Starts a report on this run. Written as it is, it tells what the run alone knows; give it a
   * teacher, a test set and a plainly trained student to compare with:
   *
   * <pre>{@code
   * result.report().teacher(teacher).plain("labels only", plain).testSet(test).writeHtml(path);
   * }</pre>
   *
   * @return a builder in which the student of this run is called {@code student}; it must be open
   *     until the report is built
   */
  public Report.Builder report() {
    return Report.builder().student("student", this);
  }

  @Override
  public void close() {
    run.student().close();
  }
}
