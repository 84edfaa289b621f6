package io.distill.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Says in plain words what the numbers of a report mean. */
final class Headline {

  private Headline() {}

  static List<String> of(Findings findings) {
    Optional<Findings.OfModel> student = subject(findings);
    List<String> sentences = new ArrayList<>();
    if (student.isPresent()) {
      quality(findings, student.get()).ifPresent(sentences::add);
      againstPlain(findings, student.get()).ifPresent(sentences::add);
      beyondTarget(findings, student.get()).ifPresent(sentences::add);
      if (sentences.isEmpty()) {
        sentences.add(run(findings, student.get()));
      }
    }
    return sentences;
  }

  /** Returns the student that the report is about. */
  static Optional<Findings.OfModel> subject(Findings findings) {
    return findings.models().stream()
        .filter(each -> each.role() == Role.DISTILLED)
        .findFirst()
        .or(
            () ->
                findings.models().stream()
                    .filter(each -> each.role() != Role.TEACHER)
                    .reduce((first, second) -> second));
  }

  private static Optional<String> quality(Findings findings, Findings.OfModel student) {
    Figure retention = student.figure("retention");
    Figure accuracy = student.figure("accuracy");
    Figure agreement = student.figure("agreement");
    String size = size(student);
    if (retention.isPresent()) {
      Optional<Figure> teacher =
          findings.models().stream()
              .filter(each -> each.role() == Role.TEACHER)
              .map(each -> each.figure("accuracy"))
              .findFirst();
      return Optional.of(
          "The student keeps "
              + Format.percent(retention.get())
              + " of the teacher’s accuracy ("
              + Format.percent(accuracy.get())
              + teacher.map(figure -> " against " + Format.percent(figure.get())).orElse("")
              + ")"
              + size
              + ".");
    }
    if (agreement.isPresent()) {
      return Optional.of(
          "The student agrees with the teacher on "
              + Format.percent(agreement.get())
              + " of the test rows"
              + size
              + ".");
    }
    if (accuracy.isPresent()) {
      return Optional.of(
          "The student recognises " + Format.percent(accuracy.get()) + " of the test rows.");
    }
    Figure cosine = student.figure("embeddingCosine");
    return cosine.isPresent()
        ? Optional.of(
            "The student’s embeddings have a mean cosine of "
                + Format.decimal(cosine.get())
                + " with the teacher’s"
                + size
                + ".")
        : Optional.empty();
  }

  private static String size(Findings.OfModel student) {
    Figure smaller = student.figure("timesFewerParameters");
    Figure faster = student.figure("timesFaster");
    String text = "";
    if (smaller.isPresent()) {
      text +=
          smaller.get() >= 1
              ? " with 1/" + Format.times(smaller.get()) + " of its parameters"
              : " with " + Format.times(1 / smaller.get()) + " times its parameters";
    }
    if (faster.isPresent()) {
      text += text.isEmpty() ? " and answers " : ", and answers ";
      text +=
          faster.get() >= 1
              ? Format.times(faster.get()) + " times as fast"
              : "in " + Format.times(1 / faster.get()) + " times its time";
    }
    return text;
  }

  private static Optional<String> againstPlain(Findings findings, Findings.OfModel student) {
    Figure gain = student.figure("gainOverPlain");
    if (!gain.isPresent()) {
      return Optional.empty();
    }
    String plain =
        findings.models().stream()
            .filter(each -> each.role() == Role.PLAIN)
            .map(Findings.OfModel::name)
            .findFirst()
            .orElse("plain");
    String points = String.format(Locale.ROOT, "%.1f", Math.abs(100 * gain.get()));
    String sentence =
        "Against the same student trained without a teacher (“"
            + plain
            + "”) it "
            + (gain.get() >= 0 ? "gains " : "loses ")
            + points
            + " points";
    boolean unclear =
        gain.interval().isPresent()
            && gain.interval().get().low() <= 0
            && gain.interval().get().high() >= 0;
    if (unclear) {
      sentence += ", which may be chance";
    }
    Figure closed = student.figure("gapClosed");
    if (closed.isPresent() && closed.get() > 0) {
      sentence += ": " + Format.percent(closed.get()) + " of the way to the teacher";
    } else if (!closed.isPresent()) {
      sentence += "; the share of the gap closed is " + closed.missing();
    }
    return Optional.of(sentence + ".");
  }

  private static Optional<String> beyondTarget(Findings findings, Findings.OfModel student) {
    return findings
        .specialisation()
        .flatMap(
            found ->
                found.models().stream()
                    .filter(each -> each.name().equals(student.name()))
                    .filter(each -> each.figure("offTaskRetentionMean").isPresent())
                    .map(each -> beyondTarget(found.target(), each))
                    .findFirst());
  }

  private static String beyondTarget(String target, Findings.OfSpecialist student) {
    double mean = student.figure("offTaskRetentionMean").get();
    double worst = student.figure("offTaskRetentionWorst").get();
    String worstName =
        student.others().entrySet().stream()
            .filter(each -> retention(each) == worst)
            .map(Map.Entry::getKey)
            .findFirst()
            .orElse("");
    double lost = student.figure("specialisationIndex").get();
    return "Beyond "
        + target
        + " it keeps "
        + Format.percent(mean)
        + " of what the teacher’s representation knows"
        + (student.others().size() > 1
            ? ", least of " + worstName + " (" + Format.percent(worst) + ")"
            : " (" + worstName + ")")
        + (lost > 0 ? ": a specialist." : ".");
  }

  private static double retention(Map.Entry<String, Map<String, Figure>> other) {
    Figure figure = other.getValue().get("retention");
    return figure == null || !figure.isPresent() ? Double.NaN : figure.get();
  }

  private static String run(Findings findings, Findings.OfModel student) {
    Optional<Findings.Run> run =
        findings.runs().stream().filter(each -> each.model().equals(student.name())).findFirst();
    Figure parameters = student.figure("parameters");
    String size =
        parameters.isPresent()
            ? "A student of " + Format.count(parameters.get()) + " parameters"
            : "A student";
    return run.map(
            each ->
                size
                    + " was trained for "
                    + Format.count(each.steps())
                    + (each.steps() == 1 ? " step in " : " steps in ")
                    + Format.seconds(each.seconds())
                    + lastLoss(each)
                    + ". Give the report a test set and a teacher to compare it.")
        .orElse(size + ". Give the report a test set and a teacher to compare it.");
  }

  private static String lastLoss(Findings.Run run) {
    if (run.epochs().size() < 2) {
      return "";
    }
    double first = run.epochs().get(0).loss();
    double last = run.epochs().get(run.epochs().size() - 1).loss();
    return "; its mean loss went from "
        + Format.decimal(first)
        + " in the first epoch to "
        + Format.decimal(last)
        + " in the last";
  }
}
