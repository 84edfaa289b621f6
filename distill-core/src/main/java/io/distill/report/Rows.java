package io.distill.report;

import java.util.List;
import java.util.function.DoubleFunction;

/**
 * A row of the tables: which figure, what it is called, how it is written.
 *
 * @param key the name of the figure in JSON
 * @param label what people call it
 * @param format how its number is written
 * @param help what it means; one sentence
 */
record Rows(String key, String label, DoubleFunction<String> format, String help) {

  /** A heading and the rows below it. */
  record Group(String title, List<Rows> rows) {}

  static final List<Group> COMPARISON =
      List.of(
          new Group(
              "The task",
              List.of(
                  new Rows(
                      "accuracy",
                      "Accuracy",
                      Format::percent,
                      "The share of labelled test rows that are recognised."),
                  new Rows(
                      "balancedAccuracy",
                      "Balanced accuracy",
                      Format::percent,
                      "The mean of the classes’ accuracies: a rare class counts as much as a common"
                          + " one."),
                  new Rows(
                      "macroF1",
                      "Macro F1",
                      Format::percent,
                      "The mean of the classes’ F1 scores, over the classes that occur or are"
                          + " predicted."),
                  new Rows(
                      "worstClassAccuracy",
                      "Worst class",
                      Format::percent,
                      "The accuracy of the class that is recognised worst, in the mean over the"
                          + " seeds."))),
          new Group(
              "Against the others",
              List.of(
                  new Rows(
                      "retention",
                      "Of the teacher’s accuracy",
                      Format::percent,
                      "The accuracy divided by the teacher’s."),
                  new Rows(
                      "gainOverPlain",
                      "Against the plain student",
                      Format::points,
                      "The accuracy minus that of the plainly trained student, in points of a"
                          + " hundred."),
                  new Rows(
                      "gapClosed",
                      "Gap closed",
                      Format::percent,
                      "(student − plain) / (teacher − plain), of accuracies: the part of the"
                          + " distance between plain student and teacher that is covered."))),
          new Group(
              "Fidelity to the teacher",
              List.of(
                  new Rows(
                      "agreement",
                      "Same answer",
                      Format::percent,
                      "The share of test rows on which student and teacher decide alike, right or"
                          + " wrong."),
                  new Rows(
                      "kl",
                      "KL divergence",
                      value -> Format.decimal(value) + " nats",
                      "The mean of KL(teacher ‖ student) of the class probabilities at temperature"
                          + " 1."),
                  new Rows(
                      "similarity",
                      "1 − √JSD",
                      Format::decimal,
                      "One minus the root of the Jensen-Shannon divergence in bits, a mean over the"
                          + " rows: 1 is the same distribution."),
                  new Rows(
                      "embeddingCosine",
                      "Cosine of embeddings",
                      Format::decimal,
                      "The mean cosine of the student’s and the teacher’s embeddings; for models"
                          + " without classes."))),
          new Group(
              "Calibration",
              List.of(
                  new Rows(
                      "calibrationError",
                      "Expected calibration error",
                      Format::percent,
                      "The mean distance between confidence and accuracy over 15 bins of equally"
                          + " many rows, a mean over the seeds."))),
          new Group(
              "Size and speed",
              List.of(
                  new Rows("parameters", "Parameters", Format::count, "All weights of the model."),
                  new Rows(
                      "timesFewerParameters",
                      "… fewer than the teacher",
                      Format::ratio,
                      "The teacher’s parameters divided by the model’s."),
                  new Rows(
                      "bytes", "Size on disk", Format::bytes, "Everything that is saved of it."),
                  new Rows(
                      "timesFewerBytes",
                      "… smaller than the teacher",
                      Format::ratio,
                      "The teacher’s bytes divided by the model’s."),
                  new Rows(
                      "p50Millis",
                      "Latency, median",
                      Format::millis,
                      "One text at a time on one thread, tokenising included."),
                  new Rows(
                      "p95Millis",
                      "Latency, 95 %",
                      Format::millis,
                      "95 % of the answers take no longer."),
                  new Rows(
                      "tokenizerP50Millis",
                      "… of it tokenising",
                      Format::millis,
                      "The median time from text to token ids."),
                  new Rows(
                      "modelP50Millis",
                      "… model alone, median",
                      Format::millis,
                      "The median time from token ids to the answer."),
                  new Rows(
                      "modelP95Millis",
                      "… model alone, 95 %",
                      Format::millis,
                      "95 % of the answers from token ids take no longer."),
                  new Rows(
                      "timesFaster",
                      "… faster than the teacher",
                      Format::ratio,
                      "The teacher’s median latency divided by the model’s, tokenising included."),
                  new Rows(
                      "timesFasterWithoutTokenising",
                      "… the same without tokenising",
                      Format::ratio,
                      "The teacher’s median latency from token ids divided by the model’s."),
                  new Rows(
                      "textsPerSecond",
                      "Texts a second, one at a time",
                      Format::count,
                      "From the total time of the latency measurement, tokenising included."),
                  new Rows(
                      "batchTextsPerSecond",
                      "Texts a second, in batches",
                      Format::count,
                      "Throughput on one thread in batches of 32 texts of similar length,"
                          + " tokenising included."),
                  new Rows(
                      "timesTheThroughput",
                      "… of the teacher’s",
                      Format::ratio,
                      "The model’s throughput divided by the teacher’s."),
                  new Rows(
                      "peakMemoryBytes",
                      "Peak memory",
                      Format::bytes,
                      "The peak resident memory of a fresh Java process that only answers with the"
                          + " model."),
                  new Rows(
                      "engineMemoryBytes",
                      "… of it without a model",
                      Format::bytes,
                      "The resident memory of that process before it loads the model: Java and"
                          + " libtorch."))),
          new Group(
              "Training",
              List.of(
                  new Rows("trainingSteps", "Optimizer steps", Format::count, "Steps of one seed."),
                  new Rows(
                      "trainingSeconds",
                      "Time",
                      Format::seconds,
                      "Wall time of one seed, a mean over the seeds."),
                  new Rows(
                      "teacherSeconds",
                      "… of it the teacher",
                      Format::seconds,
                      "The part of it in which the teacher answered."),
                  new Rows(
                      "teacherShare",
                      "Share of the teacher",
                      Format::percent,
                      "The teacher’s part of the time."),
                  new Rows(
                      "trainingJoules",
                      "Energy",
                      Format::joules,
                      "What the processor packages of the machine took meanwhile, whoever used"
                          + " it."))));

  static final List<Rows> SPECIALISATION =
      List.of(
          new Rows("targetScore", "Score on the target", Format::percent, "The accuracy."),
          new Rows(
              "targetRetention",
              "Retention on the target",
              Format::percent,
              "R_T: the score on the target divided by the teacher’s."),
          new Rows(
              "offTaskRetentionMean",
              "Retention elsewhere, mean",
              Format::percent,
              "The mean of R_j over the other sets: the score divided by the teacher’s, both of a"
                  + " linear probe on the frozen representation with the same budget."),
          new Rows(
              "offTaskRetentionWorst",
              "Retention elsewhere, worst",
              Format::percent,
              "The smallest R_j."),
          new Rows(
              "specialisationIndex",
              "Specialisation index",
              Format::decimal,
              "R_T minus the mean R_j: how much better the student kept its target than the rest."),
          new Rows(
              "transferabilityIndex",
              "Transferability index",
              Format::decimal,
              "100 times the mean change of R_j divided by the change of R_T, against the student"
                  + " before it was specialised."),
          new Rows(
              "rareClassAccuracy",
              "Rare classes",
              Format::percent,
              "The accuracy on target rows of rare classes: those whose number of labelled training"
                  + " rows is at most that of the lowest quarter of the classes."),
          new Rows(
              "targetAgreement",
              "Same answer as the teacher, on the target",
              Format::percent,
              "Top-1 agreement on all target rows."),
          new Rows(
              "offTaskAgreement",
              "Same answer as the teacher, elsewhere",
              Format::percent,
              "Top-1 agreement on the rows of the other sets, a mean over the sets; which class is"
                  + " right does not matter."),
          new Rows(
              "targetSimilarity", "1 − √JSD, on the target", Format::decimal, "As in the task."),
          new Rows(
              "offTaskSimilarity",
              "1 − √JSD, elsewhere",
              Format::decimal,
              "As in the task, a mean over the other sets."),
          new Rows(
              "targetCalibrationError",
              "Expected calibration error, on the target",
              Format::percent,
              "As in the task; elsewhere it is undefined, because the classes are not those of the"
                  + " student."),
          new Rows(
              "recoveredTargetRetention",
              "Retention on the target, recovered",
              Format::percent,
              "R_T of the student after general data were mixed in again."),
          new Rows(
              "recoveredOffTaskRetentionMean",
              "Retention elsewhere, recovered, mean",
              Format::percent,
              "The mean R_j of that student."),
          new Rows(
              "recoveredOffTaskRetentionWorst",
              "Retention elsewhere, recovered, worst",
              Format::percent,
              "The smallest R_j of that student."));

  static final List<Rows> OTHER_SET =
      List.of(
          new Rows("score", "score", Format::percent, "The accuracy of the probe."),
          new Rows("retention", "retention", Format::percent, "Divided by the teacher’s."),
          new Rows("agreement", "same answer", Format::percent, "Top-1 agreement."),
          new Rows("similarity", "1 − √JSD", Format::decimal, "As in the task."));
}
