package io.distill.mapping;

import static java.util.Objects.requireNonNull;

import java.util.List;
import java.util.stream.IntStream;

/** Every student layer with every teacher layer. */
record AllPairs(LayerWeighting weighting) implements LayerMapping {

  AllPairs {
    requireNonNull(weighting, "weighting");
  }

  @Override
  public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
    return IntStream.range(0, studentLayers)
        .boxed()
        .flatMap(i -> IntStream.range(0, teacherLayers).mapToObj(j -> new LayerPair(i, j)))
        .toList();
  }
}
