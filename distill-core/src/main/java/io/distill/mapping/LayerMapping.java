package io.distill.mapping;

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
    return new MappingShapes.Uniform();
  }

  /**
   * Pairs the student's last layer with the teacher's last layer.
   *
   * @return the mapping, one pair
   */
  static LayerMapping last() {
    return new MappingShapes.Last();
  }

  /**
   * Pairs the first layers in order, as many as both have.
   *
   * @return the mapping {@code 0 <- 0, 1 <- 1, …}
   */
  static LayerMapping first() {
    return new MappingShapes.First();
  }

  /**
   * Names the pairs.
   *
   * @param pairs the pairs, at least one
   * @return the mapping
   * @throws IllegalArgumentException if there is no pair
   */
  static LayerMapping of(LayerPair... pairs) {
    return new MappingShapes.Pairs(Arrays.asList(requireNonNull(pairs, "pairs")));
  }

  /**
   * Names the pairs by the names of layers.
   *
   * <p>A layer may be named more than once. Models without names of their own have numbers for
   * names, counted from 0.
   *
   * @param pairs the names, at least one pair
   * @return the mapping; a name that does not exist is told before the first step, with those that
   *     do
   * @throws IllegalArgumentException if there is no pair
   */
  static LayerMapping byName(NamedLayerPair... pairs) {
    return new NamedMapping(Arrays.asList(requireNonNull(pairs, "pairs")));
  }

  /**
   * Cuts the teacher into as many blocks of neighbouring layers as the student has layers; each
   * student layer learns from all layers of its block.
   *
   * <pre>{@code student i <- teacher floor(i · M / N) to floor((i + 1) · M / N) - 1}</pre>
   *
   * <p>The blocks are those that BERT-of-Theseus replaces by one layer each; here a layer learns
   * from its block instead of standing in for it. All pairs count the same, so a student layer
   * whose block is one layer larger counts more. A student that is deeper than its teacher gets the
   * pairs of {@link #uniform()}.
   *
   * @return the mapping: 3 on 12 layers gives 0 to 3, 4 to 7 and 8 to 11
   * @see <a href="https://arxiv.org/abs/2002.02925">Xu et al., BERT-of-Theseus, 2020</a>
   */
  static LayerMapping manyToOne() {
    return new MappingShapes.ManyToOne();
  }

  /**
   * Draws, anew at each step, as many different teacher layers as the student has layers, and pairs
   * them in order. Over a run all teacher layers are seen, at the price of one pair a student
   * layer.
   *
   * <p>The draw depends on the run's seed and the step alone: a resumed run draws the same layers,
   * and all losses of a step the same pairs. A student that is deeper than its teacher has the
   * roles swapped: each teacher layer teaches one drawn student layer.
   *
   * @return the mapping; it may give every pair {@code i <- j} that leaves enough layers before and
   *     after for the others
   * @see <a href="https://arxiv.org/abs/2109.10164">Haidar et al., RAIL-KD: Random Intermediate
   *     Layer Mapping for Knowledge Distillation, 2022</a>, which draws once an epoch: {@link
   *     #randomEachEpoch()}
   */
  static LayerMapping random() {
    return new RandomMapping(false);
  }

  /**
   * Draws as {@link #random()} does, but anew at each epoch, as the paper does.
   *
   * @return the mapping
   * @see <a href="https://arxiv.org/abs/2109.10164">Haidar et al., RAIL-KD: Random Intermediate
   *     Layer Mapping for Knowledge Distillation, 2022</a>
   */
  static LayerMapping randomEachEpoch() {
    return new RandomMapping(true);
  }

  /**
   * Pairs every student layer with every teacher layer and learns, with the student, how much each
   * teacher layer counts.
   *
   * <pre>{@code
   * mean_i Σ_j a_ij · distance(i, j),  a_i = softmax_j(w_i)
   * }</pre>
   *
   * <p>The weights {@code w} start at 0, which is the mean over all pairs, and each loss learns its
   * own. In ALP-KD and in Show, Attend and Distill the shares come from comparing features; here
   * they are free parameters, the same for all rows, which needs no projections and works for every
   * loss on layers. Nothing holds the shares apart: gradients move them to the teacher layers that
   * the student matches most easily, which need not be those that teach most. Where that happens,
   * use {@link #earthMovers()}, which must serve every teacher layer, or {@link #manyToOne()}.
   *
   * <p>Costs a distance for each pair, and a projector for each where widths differ.
   *
   * @return the mapping
   * @see <a href="https://arxiv.org/abs/2012.14022">Passban et al., ALP-KD: Attention-Based Layer
   *     Projection for Knowledge Distillation, 2021</a>
   * @see <a href="https://arxiv.org/abs/2102.02973">Ji et al., Show, Attend and Distill: Knowledge
   *     Distillation via Attention-based Feature Matching, 2021</a>
   */
  static LayerMapping learned() {
    return new AllPairs(LayerWeighting.LEARNED);
  }

  /**
   * Pairs every student layer with every teacher layer and weights the pairs by the flow of the
   * earth mover's distance, solved exactly at each step.
   *
   * <pre>{@code
   * Σ_ij f_ij · distance(i, j),
   * f = argmin Σ_ij f_ij · distance(i, j)  with  Σ_j f_ij = 1/N,  Σ_i f_ij = 1/M,  f >= 0
   * }</pre>
   *
   * <p>The flow is a constant for the gradient. Every layer of both models takes part with the same
   * mass; the paper also shifts mass towards layers of low cost from step to step, which is left
   * out: a layer of no cost would lose its mass for good, and the value of a batch would depend on
   * the batches before it. When a step is accumulated from several batches each has a flow of its
   * own, so the sum is not the value of one large batch.
   *
   * <p>Costs a distance for each pair, a projector for each where widths differ, and one transfer
   * of the distances to the host a batch.
   *
   * @return the mapping
   * @see <a href="https://arxiv.org/abs/2010.06133">Li et al., BERT-EMD: Many-to-Many Layer Mapping
   *     for BERT Compression with Earth Mover's Distance, 2020</a>
   */
  static LayerMapping earthMovers() {
    return new AllPairs(LayerWeighting.EARTH_MOVERS_DISTANCE);
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
