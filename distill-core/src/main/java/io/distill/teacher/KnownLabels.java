package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The labels of rows by their sample ids. */
final class KnownLabels {

  static final KnownLabels NONE = new KnownLabels(Map.of(), "none");

  private final Map<String, Integer> byId;
  private final String fingerprint;

  private KnownLabels(Map<String, Integer> byId, String fingerprint) {
    this.byId = byId;
    this.fingerprint = fingerprint;
  }

  /**
   * Reads the labels of a data set; rows of one id that differ in their labels have none.
   *
   * @param classNames what the labels must stand for; empty if unknown
   */
  static KnownLabels of(DistillationDataset labelled, List<String> classNames) {
    requireNonNull(labelled, "labelled");
    List<String> names = labelled.classNames();
    checkArgument(
        classNames.isEmpty() || names.isEmpty() || classNames.containsAll(names),
        "labelled must have classes that the members know but has %s where they know %s; train the"
            + " members on data sets with the same classes",
        names,
        classNames);
    Map<String, Integer> byId = new HashMap<>();
    for (int row = 0; row < labelled.size(); row++) {
      int label = labelled.label(row);
      if (label != DistillationDataset.NO_LABEL) {
        int own = classNames.isEmpty() ? label : classNames.indexOf(names.get(label));
        byId.merge(labelled.id(row), own, (a, b) -> a.equals(b) ? a : DistillationDataset.NO_LABEL);
      }
    }
    checkArgument(
        !byId.isEmpty(),
        "labelled must have labels but none of its %s rows has one; call byConfidence() without it",
        labelled.size());
    return new KnownLabels(byId, labelled.fingerprint());
  }

  boolean any() {
    return !byId.isEmpty();
  }

  /** Returns the label of each row, {@link DistillationDataset#NO_LABEL} where it is unknown. */
  long[] of(List<String> ids) {
    return ids.stream()
        .mapToLong(id -> byId.getOrDefault(id, DistillationDataset.NO_LABEL))
        .toArray();
  }

  String fingerprint() {
    return fingerprint;
  }
}
