package io.distill.report;

import io.distill.evaluation.Calibration;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Everything that a report says, before it is written as HTML or JSON. */
record Findings(
    String title,
    Instant created,
    List<String> headline,
    List<String> notes,
    Optional<Test> test,
    List<OfModel> models,
    Optional<Specialisation> specialisation,
    List<Run> runs) {

  /** The test set. */
  record Test(int rows, int labelledRows, List<String> classes) {}

  /**
   * What is known of one model.
   *
   * @param accuracyBySeed empty if unknown
   * @param figures by the names that JSON has
   * @param classes the accuracy of each class that test rows have
   * @param confusion rows by actual and predicted class, summed over the seeds; empty if unknown
   * @param reliability the calibration of the rows of all seeds together
   */
  record OfModel(
      String name,
      Role role,
      int seeds,
      List<Double> accuracyBySeed,
      Map<String, Figure> figures,
      List<OfClass> classes,
      List<List<Integer>> confusion,
      Optional<Calibration> reliability) {

    Figure figure(String key) {
      return figures.getOrDefault(key, Figure.missing("not measured"));
    }
  }

  /** What became of the test rows of one class. */
  record OfClass(String name, int rows, Figure accuracy) {}

  /** What students know beyond their target. */
  record Specialisation(
      String target,
      String measuredBy,
      List<String> rareClasses,
      List<String> others,
      List<OfSpecialist> models) {}

  /** What one model knows of its target and of other sets. */
  record OfSpecialist(
      String name,
      Role role,
      Map<String, Figure> figures,
      Map<String, Map<String, Figure>> others) {

    Figure figure(String key) {
      return figures.getOrDefault(key, Figure.missing("not measured"));
    }
  }

  /** How a student was trained. */
  record Run(
      String model,
      int seed,
      long steps,
      double seconds,
      double teacherSeconds,
      List<TrainingListener.Epoch> epochs,
      List<GradientScales> gradientScales,
      RunRecord record) {}
}
