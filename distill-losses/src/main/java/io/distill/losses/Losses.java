package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.attention.AttentionScoreMse;
import io.distill.losses.attention.AttentionTransfer;
import io.distill.losses.attention.MiniLm;
import io.distill.losses.attention.MiniLmV2;
import io.distill.losses.feature.EmbeddingCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.relation.Fsp;
import io.distill.losses.relation.NeuronSelectivity;
import io.distill.schedule.TemperatureSchedule;
import java.util.OptionalInt;

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

  /**
   * Makes the student's layers look where the teacher's look: maps of activation energy, on the
   * layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_rows Σ_p (â_student − â_teacher)²_p,  a_p = mean_c f²_pc,  â = a / ‖a‖₂
   * }</pre>
   *
   * <p>A position is a token or a pixel. The value lies between 0 and 2 whatever the number of
   * positions, widths may differ, and factors on a model's hidden states do not matter. The paper
   * writes the distance without the square, which has no gradient where the maps agree; its
   * authors' code squares, averages over positions and sums over pairs, so that a factor β of
   * theirs is β · pairs / positions here. Pixel maps of different sizes are averaged down to the
   * smaller height and width.
   *
   * <p>Meant for convolutional maps. After a layer norm, as in BERT, all tokens have nearly the
   * same energy and there is little to learn.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; norms are at least 1e-12. Reported as {@code
   * attentionTransfer}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1612.03928">Zagoruyko and Komodakis, Paying More Attention
   *     to Attention, 2017</a>
   */
  public static DistillationLoss attentionTransfer() {
    return new AttentionTransfer();
  }

  /**
   * Matches the student's attention scores to the teacher's before the softmax, on the layers of
   * the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_queries mean_heads mean_keys (student − teacher)²,  score = q·k / √d
   * }</pre>
   *
   * <p>Both models must have the same number of heads. Only pairs of real tokens count: TinyBERT's
   * own code sets the scores of padding to 0 and then averages over them as well. Models of this
   * library compute scores outside the fused attention, which costs a little time and {@code [N, H,
   * L, L]} of memory a layer.
   *
   * <p><b>Shapes.</b> Attention scores {@code [N, H, L, L]}; result scalar. <b>Numerics.</b>
   * float32; scores of padding may be {@code -inf}. Reported as {@code attentionScoreMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT, 2020</a>
   */
  public static DistillationLoss attentionScoreMse() {
    return new AttentionScoreMse();
  }

  /**
   * Matches the attention distributions of the last layers, and how their values relate.
   *
   * <pre>{@code
   * L = mean_queries mean_heads [KL(A_teacher ‖ A_student) + KL(R_teacher ‖ R_student)]
   * A = softmax(Q·Kᵀ / √d),  R = softmax(V·Vᵀ / √d)
   * }</pre>
   *
   * <p>Compares the last layers whatever the run's layer mapping is; {@code onLayers(...)} chooses
   * others, one pair or several. Both models must have the same number of heads, of any width.
   * Biases that a model adds to its scores, such as those of relative positions, do not enter.
   *
   * <p><b>Shapes.</b> Queries, keys and values {@code [N, H, L, d]}; padding is neither query nor
   * key; result scalar. <b>Numerics.</b> float32 log-softmax; no probability is ever logged.
   * Reported as {@code miniLm}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2002.10957">Wang et al., MiniLM, 2020</a>
   */
  public static DistillationLoss miniLm() {
    return new MiniLm(false);
  }

  /**
   * Matches how queries, keys and values each relate among themselves in the last layers, whatever
   * the numbers of heads.
   *
   * <pre>{@code
   * L = mean_queries mean_heads Σ_{X in Q, K, V} KL(R_teacher ‖ R_student),  R = softmax(X·Xᵀ / √d)
   * }</pre>
   *
   * <p>The vectors of all attention heads are joined and split anew into relation heads, as many
   * for the student as for the teacher. By default they are the largest common divisor of both
   * widths that leaves the teacher's relation heads at least 16 wide, which gives the paper's 48
   * for BERT-base teachers and 64 for BERT-large ones. The three relations have weight 1 each.
   *
   * <p>Compares the last layers whatever the run's layer mapping is; {@code onLayers(...)} chooses
   * others. (The paper takes the last layer of a base-size teacher and an upper middle one of a
   * large one.)
   *
   * <p><b>Shapes.</b> Queries, keys and values {@code [N, H, L, d]}; padding is neither query nor
   * key; result scalar. <b>Numerics.</b> float32 log-softmax; no probability is ever logged.
   * Reported as {@code miniLmV2}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2012.15828">Wang et al., MiniLMv2, 2021</a>
   */
  public static DistillationLoss miniLmV2() {
    return new MiniLmV2(OptionalInt.empty(), false);
  }

  /**
   * Matches how queries, keys and values each relate among themselves in the last layers, over a
   * number of relation heads.
   *
   * @param relationHeads the number of relation heads; at least 1; must divide heads times head
   *     width of both models; the paper's are 48 and 64
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code relationHeads} is below 1
   * @see #miniLmV2()
   */
  public static DistillationLoss miniLmV2(int relationHeads) {
    return new MiniLmV2(OptionalInt.of(relationHeads), false);
  }

  // ---------------------------------------------------------------- relation

  /**
   * Matches how the student gets from one layer to the next: the products of the channels of
   * consecutive layers of the layer mapping (flow of the solution procedure).
   *
   * <pre>{@code
   * L = mean_flows mean_rows mean_ij (G_student − G_teacher)²_ij,  G = f_firstᵀ · f_second / P
   * }</pre>
   *
   * <p>A flow goes from each pair of the layer mapping to the next one in its order, so the mapping
   * must have at least two pairs; {@code P} is the number of positions, tokens or pixels. Student
   * and teacher must have the same channels on mapped layers. The paper sums over the elements of G
   * where this takes their mean, so that the weight need not follow the number of channels. Pixel
   * maps of different sizes are averaged down to the smaller height and width.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; fourth order in the hidden states, so large
   * activations need a small weight. Reported as {@code fsp}.
   *
   * @return an immutable loss, safe to share
   * @see <a
   *     href="https://openaccess.thecvf.com/content_cvpr_2017/html/Yim_A_Gift_From_CVPR_2017_paper.html">Yim
   *     et al., A Gift from Knowledge Distillation, 2017</a>
   */
  public static DistillationLoss fsp() {
    return new Fsp();
  }

  /**
   * Matches the distribution of the channels' activation patterns (neuron selectivity transfer), on
   * the layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_rows [mean_ij k(s_i, s_j) + mean_ij k(t_i, t_j) − 2 mean_ij k(s_i, t_j)]
   * k(x, y) = (xᵀy)²
   * }</pre>
   *
   * <p>The squared maximum mean discrepancy of channels, each a vector over positions of L2 norm 1;
   * with the teacher's own term, constant in training, so that it is 0 at agreement. Widths may
   * differ; factors on a channel and the order of channels do not matter. Pixel maps of different
   * sizes are averaged down to the smaller height and width.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; norms are at least 1e-12. Computed over positions
   * or over channels, whichever takes fewer products; in the second form a value near 0 may come
   * out as small as −1e-7. Reported as {@code neuronSelectivity}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1707.01219">Huang and Wang, Like What You Like: Knowledge
   *     Distill via Neuron Selectivity Transfer, 2017</a>
   */
  public static DistillationLoss neuronSelectivity() {
    return new NeuronSelectivity();
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
