package io.distill.report;

import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.RowSignals;
import io.distill.signal.SignalKind;
import io.distill.teacher.Teacher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a model says of the rows of a data set. */
final class Answers {

  private final float @Nullable [][] logits;
  private final float @Nullable [][] embeddings;
  private final List<String> classNames;
  private final String missing;

  private Answers(
      float @Nullable [][] logits,
      float @Nullable [][] embeddings,
      List<String> classNames,
      String missing) {
    this.logits = logits;
    this.embeddings = embeddings;
    this.classNames = classNames;
    this.missing = missing;
  }

  /** Returns the logits of each row; null if there are none. */
  float @Nullable [][] logits() {
    return logits;
  }

  /** Returns the embedding of each row; null if there are logits, or no embeddings. */
  float @Nullable [][] embeddings() {
    return embeddings;
  }

  /** Returns why there are no logits; empty if there are. */
  String missing() {
    return missing;
  }

  /** Asks a model. */
  static Answers of(Teacher model, DistillationDataset dataset) {
    try {
      float[][] logits = ask(model, dataset, SignalKind.LOGITS);
      int names = model.classNames().size();
      if (names > 0 && names != logits[0].length) {
        throw new DistillationException(
            "the model has " + names + " class names but " + logits[0].length + " logits");
      }
      return new Answers(logits, null, model.classNames(), "");
    } catch (DistillationException e) {
      return new Answers(
          null, embeddings(model, dataset), List.of(), "no logits: " + e.getMessage());
    }
  }

  private static float @Nullable [][] embeddings(Teacher model, DistillationDataset dataset) {
    try {
      return ask(model, dataset, SignalKind.EMBEDDING);
    } catch (DistillationException e) {
      return null;
    }
  }

  private static float[][] ask(Teacher model, DistillationDataset dataset, SignalKind kind) {
    if (!model.provides().contains(kind)) {
      throw new DistillationException(
          kind == SignalKind.LOGITS ? "the model does not classify" : "the model embeds nothing");
    }
    return RowSignals.collect(
            dataset.inputs(model.tokenizer().orElse(null)),
            model.device(),
            model::signals,
            Set.of(kind),
            rows -> {})
        .values(kind);
  }

  /** Returns the given classes, followed by those that only models know. */
  static List<String> allClasses(List<String> known, List<Answers> models) {
    Set<String> names = new LinkedHashSet<>(known);
    models.forEach(model -> names.addAll(model.classNames));
    int width = 0;
    for (Answers model : models) {
      if (model.logits != null && model.classNames.isEmpty()) {
        width = Math.max(width, model.logits[0].length);
      }
    }
    List<String> all = new ArrayList<>(names);
    for (int i = all.size(); i < width; i++) {
      all.add("class " + i);
    }
    return all;
  }

  /** Returns these answers with one logit for each of the classes, in their order. */
  Answers in(List<String> classes) {
    if (logits == null || classNames.equals(classes)) {
      return this;
    }
    int[] places = new int[logits[0].length];
    for (int i = 0; i < places.length; i++) {
      places[i] = classNames.isEmpty() ? i : classes.indexOf(classNames.get(i));
    }
    float[][] moved = new float[logits.length][classes.size()];
    for (int row = 0; row < moved.length; row++) {
      // a class that the model does not know has no probability
      Arrays.fill(moved[row], Float.NEGATIVE_INFINITY);
      for (int i = 0; i < places.length; i++) {
        moved[row][places[i]] = logits[row][i];
      }
    }
    return new Answers(moved, embeddings, classes, missing);
  }

  /** Returns the most probable class of each row; null if there are no logits. */
  int @Nullable [] predicted() {
    return logits == null
        ? null
        : Arrays.stream(logits).mapToInt(DeployableModel::indexOfMaximum).toArray();
  }
}
