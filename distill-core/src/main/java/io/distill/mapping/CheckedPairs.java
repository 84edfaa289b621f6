package io.distill.mapping;

import io.distill.exception.DistillationException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Compares pairs with the layers that exist. */
final class CheckedPairs {

  private CheckedPairs() {}

  static List<LayerPair> check(
      @Nullable List<LayerPair> pairs, List<String> studentLayers, List<String> teacherLayers) {
    boolean valid =
        pairs != null
            && !pairs.isEmpty()
            && pairs.stream()
                .allMatch(
                    pair ->
                        pair.student() < studentLayers.size()
                            && pair.teacher() < teacherLayers.size());
    if (!valid || pairs == null) {
      throw new DistillationException(
          "layerMapping must pair student layers "
              + layers(studentLayers)
              + " with teacher layers "
              + layers(teacherLayers)
              + " but was "
              + pairs
              + "; count layers from 0");
    }
    return pairs;
  }

  /** Says which layers exist. */
  static String layers(List<String> names) {
    int last = names.size() - 1;
    boolean numbers = names.equals(LayerMapping.numbered(names.size()));
    return "0 to " + last + (numbers ? "" : " (" + String.join(", ", names) + ")");
  }
}
