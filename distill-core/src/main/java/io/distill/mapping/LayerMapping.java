package io.distill.mapping;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import io.distill.schedule.Progress;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which student layer learns from which teacher layer; a lambda is one.
 *
 * <p>Layers are counted from 0 and are the entries of a model's hidden states, embeddings not
 * included.
 */
@FunctionalInterface
public interface LayerMapping {

  /**
   * Returns the pairs of layers.
   *
   * @param studentLayers the number of student layers, at least 1
   * @param teacherLayers the number of teacher layers, at least 1
   * @return the pairs; indices within the two counts
   */
  List<LayerPair> pairs(int studentLayers, int teacherLayers);

  /**
   * Returns the pairs at a point of the run; by default those of {@link #pairs(int, int)}.
   *
   * @param studentLayers the names of the student's layers, first to last
   * @param teacherLayers the names of the teacher's layers, first to last
   * @param progress where the run stands
   * @return the pairs, each one of the {@link #candidates}
   */
  default List<LayerPair> pairs(
      List<String> studentLayers, List<String> teacherLayers, Progress progress) {
    return pairs(studentLayers.size(), teacherLayers.size());
  }

  /**
   * Returns all pairs that may come up in a run, for which losses declare their projectors; by
   * default those of {@link #pairs(int, int)}.
   *
   * @param studentLayers the names of the student's layers, first to last
   * @param teacherLayers the names of the teacher's layers, first to last
   * @return the pairs
   */
  default List<LayerPair> candidates(List<String> studentLayers, List<String> teacherLayers) {
    return pairs(studentLayers.size(), teacherLayers.size());
  }

  /**
   * Returns how the distances of the pairs are averaged.
   *
   * @return the weighting; equal by default
   */
  default LayerWeighting weighting() {
    return LayerWeighting.EQUAL;
  }

  /**
   * Spreads the student's layers evenly over the teacher's, last on last.
   *
   * <pre>{@code student i <- teacher (i + 1) · M / N - 1, rounded down}</pre>
   *
   * @return the mapping, also called "skip": 3 on 12 layers gives 3, 7, 11
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT, 2020</a>
   */
  static LayerMapping uniform() {
    return (students, teachers) ->
        IntStream.range(0, students)
            .mapToObj(
                i -> new LayerPair(i, Math.max(0, (int) ((i + 1L) * teachers / students) - 1)))
            .toList();
  }

  /**
   * Pairs the student's last layer with the teacher's last layer.
   *
   * @return the mapping, one pair
   */
  static LayerMapping last() {
    return (students, teachers) -> List.of(new LayerPair(students - 1, teachers - 1));
  }

  /**
   * Pairs the first layers in order, as many as both have.
   *
   * @return the mapping {@code 0 <- 0, 1 <- 1, …}
   */
  static LayerMapping first() {
    return (students, teachers) ->
        IntStream.range(0, Math.min(students, teachers))
            .mapToObj(i -> new LayerPair(i, i))
            .toList();
  }

  /**
   * Names the pairs.
   *
   * @param pairs the pairs, at least one
   * @return the mapping
   * @throws IllegalArgumentException if there is no pair
   */
  static LayerMapping of(LayerPair... pairs) {
    checkArgument(requireNonNull(pairs, "pairs").length > 0, "pairs must not be empty");
    List<LayerPair> copy = List.copyOf(Arrays.asList(pairs));
    return (students, teachers) -> copy;
  }

  /**
   * Names layers that have no names of their own.
   *
   * @param layers the number of layers; at least 0
   * @return {@code "0"}, {@code "1"} and so on
   */
  static List<String> numbered(int layers) {
    return IntStream.range(0, layers).mapToObj(Integer::toString).toList();
  }

  /**
   * Returns the pairs at a point of the run, checked against the layers that exist.
   *
   * @param studentLayers the names of the student's layers
   * @param teacherLayers the names of the teacher's layers
   * @param progress where the run stands
   * @return the pairs
   * @throws DistillationException if there is no pair, or a layer does not exist
   */
  default List<LayerPair> checkedPairs(
      List<String> studentLayers, List<String> teacherLayers, Progress progress) {
    return CheckedPairs.check(
        pairs(studentLayers, teacherLayers, progress), studentLayers, teacherLayers);
  }

  /**
   * Returns all pairs that may come up, checked against the layers that exist.
   *
   * @param studentLayers the names of the student's layers
   * @param teacherLayers the names of the teacher's layers
   * @return the pairs
   * @throws DistillationException if there is no pair, or a layer does not exist
   */
  default List<LayerPair> checkedCandidates(
      List<String> studentLayers, List<String> teacherLayers) {
    return CheckedPairs.check(
        candidates(studentLayers, teacherLayers), studentLayers, teacherLayers);
  }
}
