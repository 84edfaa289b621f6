package io.distill.mapping;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.List;
import java.util.stream.IntStream;

/** Layer mappings without state; values, so that a recipe can be written down. */
final class MappingShapes {

  private MappingShapes() {}

  record Uniform() implements LayerMapping {
    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return IntStream.range(0, studentLayers)
          .mapToObj(
              i ->
                  new LayerPair(
                      i, Math.max(0, (int) ((i + 1L) * teacherLayers / studentLayers) - 1)))
          .toList();
    }
  }

  record Last() implements LayerMapping {
    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return List.of(new LayerPair(studentLayers - 1, teacherLayers - 1));
    }
  }

  record First() implements LayerMapping {
    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return IntStream.range(0, Math.min(studentLayers, teacherLayers))
          .mapToObj(i -> new LayerPair(i, i))
          .toList();
    }
  }

  record Pairs(List<LayerPair> pairs) implements LayerMapping {
    Pairs {
      pairs = List.copyOf(pairs);
      checkArgument(!pairs.isEmpty(), "pairs must not be empty");
    }

    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return pairs;
    }
  }

  record ManyToOne() implements LayerMapping {
    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return studentLayers > teacherLayers
          ? new Uniform().pairs(studentLayers, teacherLayers)
          : IntStream.range(0, studentLayers)
              .boxed()
              .flatMap(
                  i ->
                      IntStream.range(
                              (int) ((long) i * teacherLayers / studentLayers),
                              (int) ((i + 1L) * teacherLayers / studentLayers))
                          .mapToObj(j -> new LayerPair(i, j)))
              .toList();
    }
  }
}
