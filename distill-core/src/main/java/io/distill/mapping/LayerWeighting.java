package io.distill.mapping;

/** How the distances of layer pairs are averaged. */
public enum LayerWeighting {
  /** All pairs count the same. */
  EQUAL,
  /**
   * Each student layer spreads one unit over its teacher layers, by a softmax over weights that are
   * learned with the student.
   */
  LEARNED,
  /**
   * The flow of the earth mover's distance between the layers, with the distances of the pairs as
   * cost, found anew for each batch. All layers that occur in a pair have the same mass.
   *
   * @see <a href="https://arxiv.org/abs/2010.06133">Li et al., BERT-EMD, 2020</a>
   */
  EARTH_MOVERS_DISTANCE
}
