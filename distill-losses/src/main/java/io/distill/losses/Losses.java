package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.contrastive.ContrastiveRepresentation;
import io.distill.losses.feature.EmbeddingCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.relation.CentredKernelAlignment;
import io.distill.losses.relation.CorrelationCongruence;
import io.distill.losses.relation.LayerRelation;
import io.distill.losses.relation.ProbabilisticTransfer;
import io.distill.losses.relation.RelationalAngle;
import io.distill.losses.relation.RelationalDistance;
import io.distill.losses.relation.SimilarityPreserving;
import io.distill.schedule.TemperatureSchedule;

/**
 * The losses of knowledge distillation; import them statically.
 *
 * <pre>{@code
 * import static io.distill.losses.Losses.hardLabels;
 * import static io.distill.losses.Losses.softTargets;
 *
 * DistillationLoss loss = softTargets().weighted(0.9).plus(hardLabels().weighted(0.1));
 * }</pre>
 *
 * <p>One policy for all: sums over classes, means over valid rows or tokens of the whole optimizer
 * step, {@code T²} on tempered losses. Every loss is immutable and safe to share.
 */
public final class Losses {

  private Losses() {}

  // ---------------------------------------------------------------- logit: soft targets and
  // divergences

  /**
   * Matches the student's tempered class distribution to the teacher's, at the run's temperature.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_c p_c (log p_c − log q_c),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A true Kullback-Leibler divergence: 0 when both agree. {@code T²} keeps gradients comparable
   * across temperatures.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax; no probability is ever logged. Reported as {@code softTargets}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1503.02531">Hinton et al., Distilling the Knowledge in a
   *     Neural Network, 2015</a>
   */
  public static DistillationLoss softTargets() {
    return new SoftTargets();
  }

  /**
   * Matches the student's tempered class distribution to the teacher's, at a temperature of its
   * own.
   *
   * @param temperature softmax temperature T; unitless, finite, greater than 0; usual range 1 to 10
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code temperature} is not finite or not greater than 0
   * @see #softTargets()
   */
  public static DistillationLoss softTargets(double temperature) {
    return softTargets().atTemperature(TemperatureSchedule.constant(temperature));
  }

  /**
   * Compares the student with the labels: cross-entropy over the rows that have one.
   *
   * <pre>{@code
   * L = mean_labelled −log softmax(student)_y
   * }</pre>
   *
   * <p>Rows without a label do not count; 0 if a step has none. The temperature does not matter.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]}, labels {@code [N]}; result scalar. <b>Numerics.</b>
   * float32 log-softmax. Reported as {@code hardLabels}.
   *
   * @return an immutable loss, safe to share
   */
  public static DistillationLoss hardLabels() {
    return new HardLabels();
  }

  // ---------------------------------------------------------------- logit: decoupled, ranked,
  // corrected

  // ---------------------------------------------------------------- feature

  /**
   * Draws the student's hidden states to the teacher's on the layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_tokens mean_d (W_pair student − teacher)²_d
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student. The models must see the same tokens.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, D]};
   * result scalar. <b>Numerics.</b> float32. Reported as {@code hiddenStateMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1412.6550">Romero et al., FitNets, 2015</a>
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT, 2020</a>
   */
  public static DistillationLoss hiddenStateMse() {
    return new HiddenStateMse();
  }

  // ---------------------------------------------------------------- attention

  // ---------------------------------------------------------------- relation

  /**
   * Matches the pairwise distances of rows, in units of their mean (RKD-D).
   *
   * <pre>{@code
   * L = 1/N² Σ_ij huber(|s_i − s_j| / μ_s − |t_i − t_j| / μ_t),  μ = mean of the distances above 0
   * }</pre>
   *
   * <p>The widths of student and teacher need not agree and nothing is learned: only how the rows
   * of a batch lie to each other counts, so turning, moving or scaling all embeddings changes
   * nothing. The rows of other batches are never seen; give batches of enough rows, since a step
   * accumulated from small batches compares only rows of the same batch. The paper adds up over
   * pairs; this is the mean over {@code N²} ordered pairs, as the authors' program takes it.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; distances are taken from differences, so equal rows are at exactly 0
   * and get no gradient. Time {@code N² D}, memory {@code N²}. Reported as {@code
   * relationalDistance}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalDistance() {
    return new RelationalDistance();
  }

  /**
   * Matches the angles that triples of rows span (RKD-A).
   *
   * <pre>{@code
   * L = 1/N³ Σ_ijk huber(cos ∠ s_j s_i s_k − cos ∠ t_j t_i t_k)
   * }</pre>
   *
   * <p>Invariant as {@link #relationalDistance()} is, and stricter on high-order structure. The
   * paper adds up over triples; this is the mean over {@code N³} ordered triples, as the authors'
   * program takes it.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for fewer than
   * three rows. <b>Numerics.</b> float32, by the law of cosines from distances that are taken from
   * differences; an angle at which two rows coincide counts 0 and gets no gradient. Time {@code N²
   * D + N³}; memory several arrays of {@code N³}: 8 MB each for 128 rows, 512 MB for 512. Reported
   * as {@code relationalAngle}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalAngle() {
    return new RelationalAngle();
  }

  /**
   * Adds the relations of distances and angles with the paper's weights (RKD-DA).
   *
   * <p>Defaults: distance 1, angle 2.
   *
   * @return {@code relationalKd(1, 2)}
   * @see #relationalKd(double, double)
   */
  public static DistillationLoss relationalKd() {
    return relationalKd(1, 2);
  }

  /**
   * Adds the relations of distances and angles (RKD-DA).
   *
   * <p>The paper weights them 1 and 2 where they stand alone, as for embeddings of metric learning,
   * and 25 and 50 beside the loss of a classifier.
   *
   * @param distance the weight of {@link #relationalDistance()}; finite and at least 0
   * @param angle the weight of {@link #relationalAngle()}; finite and at least 0
   * @return {@code relationalDistance().weighted(distance).plus(relationalAngle().weighted(angle))}
   * @throws IllegalArgumentException if a weight is out of range
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalKd(double distance, double angle) {
    return relationalDistance().weighted(distance).plus(relationalAngle().weighted(angle));
  }

  /**
   * Matches which rows activate the network alike (SP).
   *
   * <pre>{@code
   * L = 1/N² |Ĝ_s − Ĝ_t|²,  G = X Xᵀ,  Ĝ = G with rows of length 1
   * }</pre>
   *
   * <p>The paper takes the activations of a layer: {@code
   * onFlattenedHiddenStates(similarityPreserving())}, with weight 3000. Turning or scaling all
   * embeddings changes nothing. A squared norm over {@code N²} of rows of length 1 shrinks as
   * {@code 1/N}: the weight belongs to a batch size.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; embeddings are scaled before products, so that these do not overflow.
   * Reported as {@code similarityPreserving}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1907.09682">Tung and Mori, Similarity-Preserving Knowledge
   *     Distillation, 2019</a>
   */
  public static DistillationLoss similarityPreserving() {
    return new SimilarityPreserving();
  }

  /**
   * Matches the Gaussian kernel of pairs of rows, as a Taylor series (CC).
   *
   * <p>Defaults: gamma 0.4, order 2.
   *
   * @return {@code correlationCongruence(0.4, 2)}
   * @see #correlationCongruence(double, int)
   */
  public static DistillationLoss correlationCongruence() {
    return correlationCongruence(0.4, 2);
  }

  /**
   * Matches the Gaussian kernel of pairs of rows, as a Taylor series (CC).
   *
   * <pre>{@code
   * L = 1/N² |K_s − K_t|²,  K_ij = e^(−2γ) Σ_{p=0..P} (2γ)^p / p! · cos(x_i, x_j)^p
   * }</pre>
   *
   * <p>The series of {@code exp(−γ |x − y|²)} on embeddings of length 1. Order 1 is the paper's
   * bilinear kernel, scaled. This is the paper's congruence of all pairs; some programs of that
   * name compare neighbouring rows alone, and weights such as 0.02 belong to those.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; an embedding of zeros has cosine 0 with all and gets no gradient.
   * Reported as {@code correlationCongruence}.
   *
   * @param gamma the sharpness γ of the kernel; unitless, finite, greater than 0; the paper's 0.4
   * @param order the last power P of the series; at least 1; the paper's 2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/1904.01802">Peng et al., Correlation Congruence for
   *     Knowledge Distillation, 2019</a>
   */
  public static DistillationLoss correlationCongruence(double gamma, int order) {
    return new CorrelationCongruence(gamma, order);
  }

  /**
   * Matches the probabilities with which a row picks each row as its neighbour (PKT).
   *
   * <pre>{@code
   * L = mean_i Σ_j p_ij (log p_ij − log q_ij),  p_ij = k_ij / Σ_j k_ij of the teacher, q of the student
   * k_ij = (1 + cos(x_i, x_j)) / 2
   * }</pre>
   *
   * <p>A mean over rows of true Kullback-Leibler divergences. Published programs average over the
   * {@code N²} pairs and make up for it with weights such as 30000; this loss is {@code N} times
   * theirs, so that such a weight is divided by the batch size: 30000 at 64 rows is 469 here. A row
   * is among its own neighbours, as in the author's program; the paper's equation leaves it out.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; similarities are at least 1e-7 before the logarithm. Reported as
   * {@code probabilisticTransfer}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1803.10837">Passalis and Tefas, Learning Deep
   *     Representations with Probabilistic Knowledge Transfer, 2018</a>
   */
  public static DistillationLoss probabilisticTransfer() {
    return new ProbabilisticTransfer();
  }

  /**
   * Aligns the centred linear kernels of student and teacher (CKA).
   *
   * <pre>{@code
   * L = 1 − |YᵀX|² / (|XᵀX| |YᵀY|),  X, Y = student and teacher less their means over the rows
   * }</pre>
   *
   * <p>Between 0 and 1, and 0 where the student is the teacher turned, scaled and moved. Compares
   * whole layers of any widths: {@code onPooledHiddenStates(cka())}. Of a batch with far fewer rows
   * than widths it is biased towards 0, as alignment of few points is easy.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar; 0 where the
   * teacher's rows are all equal, as a single row is, and 1 where only the student's are.
   * <b>Numerics.</b> float32; computed from {@code [N, N]} or {@code [D, E]} products, whichever
   * cost less. Reported as {@code cka}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1905.00414">Kornblith et al., Similarity of Neural Network
   *     Representations Revisited, 2019</a>
   */
  public static DistillationLoss cka() {
    return new CentredKernelAlignment();
  }

  /**
   * Compares relations of rows on whole hidden states instead of embeddings.
   *
   * <p>The hidden states of a row, on the layers of the layer mapping, become one vector: all
   * channels of all positions beside each other, padding as zeros. So {@link
   * #similarityPreserving()} compares layers in its paper. The models' shapes need not agree. The
   * value is the mean over pairs of layers. Long texts have longer vectors than short ones: for
   * text {@link #onPooledHiddenStates} is often the better choice.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, D]}, {@code [N, L, D]} or {@code [N, C, H, W]};
   * result scalar. Reported under the relation's name.
   *
   * @param relation one of the losses of this section, or a weighted sum of some
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a term is another kind of loss
   */
  public static DistillationLoss onFlattenedHiddenStates(DistillationLoss relation) {
    return LayerRelation.of(relation, LayerRelation.Rows.FLATTENED);
  }

  /**
   * Compares relations of rows on averaged hidden states instead of embeddings.
   *
   * <p>The hidden states of a row, on the layers of the layer mapping, become one vector: the mean
   * over its real tokens or its pixels. The models' shapes need not agree, and a teacher may split
   * a text into other tokens. The value is the mean over pairs of layers.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, D]}, {@code [N, L, D]} or {@code [N, C, H, W]};
   * result scalar. Reported under the relation's name.
   *
   * @param relation one of the losses of this section, or a weighted sum of some
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a term is another kind of loss
   */
  public static DistillationLoss onPooledHiddenStates(DistillationLoss relation) {
    return LayerRelation.of(relation, LayerRelation.Rows.POOLED);
  }

  // ---------------------------------------------------------------- contrastive

  /**
   * Turns the student's embedding into the direction of the teacher's.
   *
   * <pre>{@code
   * L = mean_rows (1 − cos(W student, teacher))
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32; norms are
   * at least 1e-6. Reported as {@code embeddingCosine}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2301.12005">Kim et al., EmbedDistill, 2023</a>
   */
  public static DistillationLoss embeddingCosine() {
    return new EmbeddingCosine();
  }

  /**
   * Tells the teacher's embedding of a row from those of other rows, with memory banks (CRD).
   *
   * <p>Defaults: 16384 negatives, temperature 0.07, momentum 0.5, width 128, negatives of any
   * class.
   *
   * @return {@code contrastiveRepresentation(16384, 0.07, 0.5, 128, false)}
   * @see #contrastiveRepresentation(int, double, double, int, boolean)
   */
  public static DistillationLoss contrastiveRepresentation() {
    return contrastiveRepresentation(16384, 0.07, 0.5, 128, false);
  }

  /**
   * Tells the teacher's embedding of a row from those of other rows, with memory banks (CRD).
   *
   * <pre>{@code
   * L = mean_rows of both directions −log h(x, m⁺) − Σ_{k=1..K} log(1 − h(x, m_k))
   * h(x, m) = e^(x·m/τ) / (e^(x·m/τ) + K Z),  x = unit(W s + b), m of the teacher's bank, and back
   * }</pre>
   *
   * <p>Both models get a learned linear head; heads and banks belong to the run and never reach the
   * saved student. A bank holds an embedding of each row of the training set, partners as well as
   * negatives are read from it, and after a step the rows of the step are renewed: {@code m ← unit(
   * momentum · m + (1 − momentum) · x)}. All of it stands in memory, {@code 2 · rows · width}
   * numbers (51 MB for 50,000 rows of 128). Published results give it the weight 0.8.
   *
   * <p>The authors' program draws negatives at random and takes {@code Z} from the first batch.
   * Here negatives are a fixed function of the run's seed, the step and the row, drawn evenly with
   * replacement from all other rows, so that accumulated batches add up to the whole one and a
   * resumed run goes on exactly; and {@code Z} is what that batch's mean is expected to be before
   * training, {@code e^(1 / (2 · width · τ²))}. With at least as many negatives as other rows, each
   * of these is a negative once, and K is their number.
   *
   * <p>The paper draws negatives from other classes where there are labels: {@code otherClasses}.
   * The labels of rows become known as the run comes to see them; drawn rows of the row's own class
   * do not count, and the others count the more.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}, labels {@code [N]}; result
   * scalar. Needs the training set's row indices. <b>Numerics.</b> float32; probabilities stay in
   * log space. Extra memory is {@code N · rows} or {@code N · K} numbers at most, in chunks of 4
   * million, never the {@code N · K · width} of drawn rows. Reported as {@code
   * contrastiveRepresentation}.
   *
   * @param negatives the number K of negatives a row and direction; at least 1; the paper's 16384
   * @param temperature what scores are divided by, τ, not the run's temperature; finite, greater
   *     than 0; the paper's 0.07
   * @param momentum the share of the old row when a bank is renewed; at least 0 and less than 1;
   *     the paper's 0.5
   * @param width the width of the common space; at least 1; the paper's 128
   * @param otherClasses whether rows of the same label are no negatives; needs labels
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/1910.10699">Tian et al., Contrastive Representation
   *     Distillation, 2020</a>
   */
  public static DistillationLoss contrastiveRepresentation(
      int negatives, double temperature, double momentum, int width, boolean otherClasses) {
    return new ContrastiveRepresentation(negatives, temperature, momentum, width, otherClasses);
  }

  // ---------------------------------------------------------------- sequence

  // ---------------------------------------------------------------- composition

  /**
   * Adds soft targets and hard labels with the usual weights.
   *
   * @param alpha the weight of the soft targets; between 0 and 1; hard labels get {@code 1 - alpha}
   * @return {@code softTargets().weighted(alpha).plus(hardLabels().weighted(1 - alpha))}
   * @throws IllegalArgumentException if {@code alpha} is out of range
   */
  public static DistillationLoss softTargetsAndHardLabels(double alpha) {
    checkArgument(alpha >= 0 && alpha <= 1, "alpha must be between 0 and 1 but was %s", alpha);
    return softTargets().weighted(alpha).plus(hardLabels().weighted(1 - alpha));
  }
}
