package io.distill.training.internal;

import io.distill.exception.DistillationException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.TreeSet;

/**
 * Where runs that take turns go on together. Killed between two of them, their newest checkpoints
 * are not of one step; each may have learned from what the others no longer are.
 */
final class CommonCheckpoint {

  private CommonCheckpoint() {}

  /**
   * The checkpoints of one run.
   *
   * @param steps the steps of those that are whole
   * @param over whether no step is left after the newest
   */
  private record Kept(Path directory, TreeSet<Long> steps, boolean over) {

    static Kept in(Path directory) {
      TreeSet<Long> steps = new TreeSet<>();
      boolean over = false;
      for (CheckpointStore.Found found : CheckpointStore.list(directory)) {
        if (CheckpointStore.damage(found.path()).isEmpty()) {
          if (steps.isEmpty()) {
            RunState state = RunState.read(found.path().resolve(CheckpointStore.MANIFEST)).state();
            over = state.earlyStopped() || state.step() == state.totalSteps();
          }
          steps.add(found.step());
        }
      }
      return new Kept(directory, steps, over);
    }

    /** Returns whether there is what this run was when runs that were not over had taken steps. */
    boolean at(long step) {
      return steps.contains(step) || (over && steps.last() < step);
    }
  }

  /**
   * Returns the recipes with a limit to what they resume from.
   *
   * @throws DistillationException if some resume and others cannot, or no step is common
   */
  static List<Recipe> resumed(List<Recipe> recipes) {
    List<Kept> all = new ArrayList<>();
    for (Recipe recipe : recipes) {
      ResumePlan plan = recipe.resume();
      if (plan != null) {
        all.add(Kept.in(plan.directory()));
      }
    }
    if (all.stream().allMatch(each -> CheckpointStore.list(each.directory()).isEmpty())) {
      // none of them resumes, or each tells itself what it lacks
      return recipes;
    }
    if (all.size() < recipes.size()) {
      throw new DistillationException(
          "students that learn from each other must all resume or none but "
              + all.size()
              + " of "
              + recipes.size()
              + " do; call resumeFrom(...) in each recipe");
    }
    TreeSet<Long> steps = new TreeSet<>();
    all.forEach(each -> steps.addAll(each.steps()));
    for (long step : steps.descendingSet()) {
      if (all.stream().allMatch(each -> each.at(step))) {
        return recipes.stream().map(recipe -> recipe.resumedAtMost(OptionalLong.of(step))).toList();
      }
    }
    throw new DistillationException(
        "students that learn from each other must have been kept at one step but were at "
            + all.stream().map(each -> each.directory() + ": " + each.steps()).toList()
            + "; restore the checkpoints that are missing, or start anew in other directories");
  }
}
