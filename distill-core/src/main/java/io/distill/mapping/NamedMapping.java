package io.distill.mapping;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.exception.DistillationException;
import io.distill.schedule.Progress;
import java.util.List;

/** Pairs that are given by the names of layers. */
record NamedMapping(List<NamedLayerPair> names) implements LayerMapping {

  NamedMapping {
    names = List.copyOf(names);
    checkArgument(!names.isEmpty(), "pairs must not be empty");
  }

  @Override
  public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
    return candidates(LayerMapping.numbered(studentLayers), LayerMapping.numbered(teacherLayers));
  }

  @Override
  public List<LayerPair> pairs(
      List<String> studentLayers, List<String> teacherLayers, Progress progress) {
    return candidates(studentLayers, teacherLayers);
  }

  @Override
  public List<LayerPair> candidates(List<String> studentLayers, List<String> teacherLayers) {
    return names.stream()
        .map(
            pair ->
                new LayerPair(
                    index("student", pair.student(), studentLayers),
                    index("teacher", pair.teacher(), teacherLayers)))
        .toList();
  }

  private static int index(String who, String name, List<String> layers) {
    int index = layers.indexOf(name);
    if (index < 0) {
      throw new DistillationException(
          "layerMapping must name "
              + who
              + " layers that exist, "
              + CheckedPairs.layers(layers)
              + ", but named '"
              + name
              + "'; name one of them");
    }
    return index;
  }
}
