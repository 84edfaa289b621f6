package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.contrastive.EmbeddingCosine;
import io.distill.losses.contrastive.EmbeddingL2;
import io.distill.losses.contrastive.InfoNce;
import io.distill.losses.contrastive.ListwiseKl;
import io.distill.losses.contrastive.MarginMse;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.logit.CorrectedTeacher;
import io.distill.losses.logit.DecoupledKd;
import io.distill.losses.logit.Dist;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.HingeRank;
import io.distill.losses.logit.LogisticRank;
import io.distill.losses.logit.MultiLabel;
import io.distill.losses.logit.NormalizedKd;
import io.distill.losses.logit.Regression;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.logit.Standardized;
import io.distill.schedule.TemperatureSchedule;
import java.util.OptionalDouble;

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

  /**
   * Distils the label and the other classes apart, so that a confident teacher's order of the other
   * classes is not lost (DKD).
   *
   * <p>Defaults: alpha 1, beta 8.
   *
   * @return {@code decoupledKd(1, 8)}
   * @see #decoupledKd(double, double)
   */
  public static DistillationLoss decoupledKd() {
    return decoupledKd(1, 8);
  }

  /**
   * Distils the label and the other classes apart, with weights of their own (DKD).
   *
   * <pre>{@code
   * L = T² · mean_labelled (α TCKD + β NCKD)
   * TCKD = KL((p_y, 1 − p_y) ‖ (q_y, 1 − q_y)),  NCKD = KL(p̂ ‖ q̂)
   * p = softmax(teacher/T),  q = softmax(student/T),  p̂, q̂ = softmax over the classes other than y
   * }</pre>
   *
   * <p>Soft targets are {@code TCKD + (1 − p_y) NCKD}: there a confident teacher mutes what it
   * knows of the other classes, here it does not. 0 when both agree. With two classes NCKD is 0
   * always. Rows without a label do not count. The paper runs at T 4, adds the cross-entropy of
   * {@link #hardLabels()} and lets this loss grow over the first 20 epochs, for which {@link
   * DistillationLoss#weighted(java.util.function.ToDoubleFunction) weighted(schedule)} is there.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> In log space throughout: {@code log(1 − q_y)} is a log-sum-exp over the other
   * classes. Classes that the teacher rules out ({@code -inf}) count 0; a row in which it rules out
   * all but the label has no NCKD. Reported as {@code decoupledKd}.
   *
   * @param alpha the weight of the label's part; finite, at least 0; default 1
   * @param beta the weight of the other classes' part; finite, at least 0; default 8, usual range 1
   *     to 8
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a weight is negative or not finite
   * @see <a href="https://arxiv.org/abs/2203.08679">Zhao et al., Decoupled Knowledge Distillation,
   *     2022</a>
   */
  public static DistillationLoss decoupledKd(double alpha, double beta) {
    return new DecoupledKd(alpha, beta);
  }

  /**
   * Trains the label as much as the teacher trusts it, and the other classes among themselves
   * (NKD).
   *
   * <p>Default: gamma 1.5. The paper's temperature is 1.
   *
   * @return {@code normalizedKd(1.5)}
   * @see #normalizedKd(double)
   */
  public static DistillationLoss normalizedKd() {
    return normalizedKd(1.5);
  }

  /**
   * Trains the label as much as the teacher trusts it, and the other classes among themselves, with
   * a weight (NKD).
   *
   * <pre>{@code
   * L = mean_labelled (−p_y log q_y − γ T² Σ_{c≠y} p̂_c log q̂_c)
   * p = softmax(teacher),  q = softmax(student)                     at temperature 1
   * p̂, q̂ = softmax(teacher/T), softmax(student/T)      over the classes other than y
   * }</pre>
   *
   * <p>Two cross-entropies: not 0 when both agree. The temperature acts on the other classes alone.
   * The paper adds the plain cross-entropy with the label, which is not part of this loss: add
   * {@link #hardLabels()} with weight 1. Rows without a label do not count.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> float32 log-softmax. Classes that the teacher rules out ({@code -inf}) count
   * 0; a row in which it rules out all but the label has no second part. Reported as {@code
   * normalizedKd}.
   *
   * @param gamma the weight of the other classes' part; finite, at least 0; default 1.5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code gamma} is negative or not finite
   * @see <a href="https://arxiv.org/abs/2303.13005">Yang et al., From Knowledge Distillation to
   *     Self-Knowledge Distillation: A Unified Approach with Normalized Loss and Customized Soft
   *     Labels, 2023</a>
   */
  public static DistillationLoss normalizedKd(double gamma) {
    return new NormalizedKd(gamma);
  }

  /**
   * Gives a tempered loss logits of mean 0 and standard deviation 1 on both sides, so that the
   * student need not match the teacher's scale.
   *
   * <pre>{@code
   * z ← (z − mean_c z) / (std_c z + 1e-7)   of each row, student and teacher;  then the loss
   * }</pre>
   *
   * <p>The inner loss then acts at its own temperature or the run's (the paper's is 2, with the
   * loss weighted 9). The result does not change when a row of logits is shifted or scaled by a
   * positive factor. The standard deviation is the sample's (divided by {@code C − 1}), as in the
   * authors' code; their paper writes the population's. A sum is wrapped term by term, and its
   * terms stay reported apart under their own names; wrap only the tempered terms, since {@link
   * #hardLabels()} wants logits as they are:
   *
   * <pre>{@code
   * standardized(softTargets(2)).weighted(9).plus(hardLabels())
   * }</pre>
   *
   * <p><b>Shapes.</b> Logits whose last dimension is the classes, at least 2. <b>Numerics.</b>
   * float32; classes at {@code -inf} have no part in mean and deviation and stay {@code -inf}; rows
   * of equal logits become 0. Reported under the inner loss's name.
   *
   * @param loss the loss that sees the standardised logits
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2403.01427">Sun et al., Logit Standardization in Knowledge
   *     Distillation, 2024</a>
   */
  public static DistillationLoss standardized(DistillationLoss loss) {
    return new Standardized(loss);
  }

  /**
   * Correlates the student's probabilities with the teacher's, along rows and along classes (DIST).
   *
   * <p>Defaults: beta 1, gamma 1.
   *
   * @return {@code dist(1, 1)}
   * @see #dist(double, double)
   */
  public static DistillationLoss dist() {
    return dist(1, 1);
  }

  /**
   * Correlates the student's probabilities with the teacher's, along rows and along classes, with
   * weights (DIST).
   *
   * <pre>{@code
   * L = T² · (β (1 − mean_rows ρ(q_row, p_row)) + γ (1 − mean_classes ρ(q_class, p_class)))
   * p = softmax(teacher/T),  q = softmax(student/T),  ρ = Pearson's correlation
   * }</pre>
   *
   * <p>Asks for the teacher's relations and not its probabilities: 0 when both agree, and also when
   * the student's probabilities are the teacher's mixed with a uniform share. The authors' code
   * multiplies by {@code T²} and so does this loss; their formula does not. The term along classes
   * compares the rows of a batch: where a step accumulates several batches it is their mean, and
   * differs from that of one large batch. A batch of one row has no relation along classes; the
   * term is then constant.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32;
   * a row or class whose probabilities are all equal has correlation 0; classes that the teacher
   * rules out ({@code -inf}) do not count. Reported as {@code dist}.
   *
   * @param beta the weight of the relations of classes within a row; finite, at least 0; default 1
   * @param gamma the weight of the relations of rows within a class; finite, at least 0; default 1
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a weight is negative or not finite
   * @see <a href="https://arxiv.org/abs/2205.10536">Huang et al., Knowledge Distillation from A
   *     Stronger Teacher, 2022</a>
   */
  public static DistillationLoss dist(double beta, double gamma) {
    return new Dist(beta, gamma);
  }

  /**
   * Pulls classes as far apart as the teacher does, pair by pair (hinge).
   *
   * <pre>{@code
   * L = T² · mean_rows mean_{p_k > p_l} max(0, (p_k − p_l) − (q_k − q_l))
   * p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>0 as soon as every gap is at least the teacher's, hence also when both agree. Classes of
   * equal teacher probability make no pair, nor do classes that the teacher rules out ({@code
   * -inf}); a row without pairs is 0.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * softmax. Memory grows with the pairs, {@code N · C²}: some 12 MB a row of 1000 classes.
   * Reported as {@code hingeRank}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://github.com/arcee-ai/DistillKit">Arcee AI, DistillKit, 2025</a>
   */
  public static DistillationLoss hingeRank() {
    return new HingeRank(OptionalDouble.empty());
  }

  /**
   * Ranks classes as the teacher does, with a margin between each pair (hinge).
   *
   * <pre>{@code
   * L = T² · mean_rows mean_{p_k > p_l} max(0, margin − (q_k − q_l))
   * }</pre>
   *
   * <p>0 as soon as every pair that the teacher ranks is that far apart; the teacher's own gaps do
   * not matter. All else is as in {@link #hingeRank()}.
   *
   * @param margin the gap of probabilities that each pair must have; 0 to 1; 0 asks for the order
   *     alone
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code margin} is out of range
   * @see #hingeRank()
   */
  public static DistillationLoss hingeRank(double margin) {
    return new HingeRank(OptionalDouble.of(margin));
  }

  /**
   * Ranks classes as the teacher does, pair by pair (logistic).
   *
   * <pre>{@code
   * L = mean_rows mean_{t_k > t_l} log(1 + exp(−(s_k − s_l)))      s, t: logits of student, teacher
   * }</pre>
   *
   * <p>Reads the order of the teacher's classes and nothing else: the temperature does not matter,
   * and the value falls towards 0 as the student's gaps in that order grow; it is not 0 when both
   * agree. Classes of equal teacher logits make no pair, nor do classes that the teacher rules out
   * ({@code -inf}); a row without pairs is 0.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-sigmoid. Memory grows with the pairs, {@code N · C²}: some 16 MB a row of 1000 classes.
   * Reported as {@code logisticRank}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://doi.org/10.1145/1102351.1102363">Burges et al., Learning to Rank using
   *     Gradient Descent, 2005</a>
   * @see <a href="https://github.com/arcee-ai/DistillKit">Arcee AI, DistillKit, 2025</a>
   */
  public static DistillationLoss logisticRank() {
    return new LogisticRank();
  }

  /**
   * Matches the student to a teacher whose mistakes are corrected first (minifinetuning).
   *
   * <p>Default: tau 0.2.
   *
   * @return {@code correctedTeacher(0.2)}
   * @see #correctedTeacher(double)
   */
  public static DistillationLoss correctedTeacher() {
    return correctedTeacher(0.2);
  }

  /**
   * Matches the student to a teacher whose mistakes are corrected first, by a given lead
   * (minifinetuning).
   *
   * <pre>{@code
   * L = T² · mean_labelled KL(p′ ‖ q),  p′ = (1 − a) p + a onehot(y)
   * a = (p_max − p_y + τ) / (1 + p_max − p_y)  where p_max > p_y,  else 0
   * p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>Where the teacher prefers another class to the label, as much of the label is mixed in as
   * makes it lead that class by τ; the other classes keep their proportions. Rows in which the
   * teacher is right stay as they are. (NVIDIA's Model Optimizer also raises the label's
   * probability by τ where the teacher is right.) Rows without a label do not count. 0 when the
   * student gives the corrected probabilities, so {@link #hardLabels()} is not needed.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> float32 log-softmax of the student; classes of corrected probability 0 count
   * 0. Reported as {@code correctedTeacher}.
   *
   * @param tau the lead of a corrected label, a difference of probabilities; 0 to 1; default 0.2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code tau} is out of range
   * @see <a href="https://arxiv.org/abs/2506.15702">Belcak et al., Minifinetuning: Low-Data
   *     Generation Domain Adaptation through Corrective Self-Distillation, 2025</a>
   */
  public static DistillationLoss correctedTeacher(double tau) {
    return new CorrectedTeacher(tau);
  }

  /**
   * Matches each class on its own as present or absent, for data whose rows have several labels.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_c (p_c log(p_c/q_c) + (1 − p_c) log((1 − p_c)/(1 − q_c)))
   * p = sigmoid(teacher/T),  q = sigmoid(student/T)
   * }</pre>
   *
   * <p>A true Kullback-Leibler divergence of each class: 0 when both agree. Each is that of {@link
   * #softTargets()} on the two logits {@code (z_c, 0)}.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-sigmoid; no probability is ever logged. A class that both rule out ({@code -inf}) counts 0.
   * Reported as {@code multiLabel}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2308.06453">Yang et al., Multi-Label Knowledge
   *     Distillation, 2023</a>
   */
  public static DistillationLoss multiLabel() {
    return new MultiLabel();
  }

  /**
   * Draws the numbers that the student predicts to the teacher's: squared error, for regression.
   *
   * <pre>{@code
   * L = mean_rows Σ_d (student_d − teacher_d)²
   * }</pre>
   *
   * <p>The outputs stand where a classifier's logits stand. The temperature does not matter. Labels
   * are classes here and not numbers, so losses that bound the teacher by the true value are not
   * offered.
   *
   * <p><b>Shapes.</b> Outputs {@code [N, D]} on both sides; result scalar. <b>Numerics.</b>
   * float32; the outputs must be finite. Reported as {@code regression}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1312.6184">Ba and Caruana, Do Deep Nets Really Need to be
   *     Deep?, 2014</a>
   */
  public static DistillationLoss regression() {
    return new Regression(OptionalDouble.empty());
  }

  /**
   * Draws the numbers that the student predicts to the teacher's, with large errors counted
   * linearly (Huber).
   *
   * <pre>{@code
   * L = mean_rows Σ_d h(student_d − teacher_d)
   * h(e) = e²/2 where |e| ≤ δ,  δ (|e| − δ/2) elsewhere
   * }</pre>
   *
   * <p>For a teacher that is wrong by far now and then. Below δ it is half of {@link
   * #regression()}. All else is as there.
   *
   * @param delta the error from which on the loss is linear, in units of the outputs; finite,
   *     greater than 0
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code delta} is not finite or not greater than 0
   * @see <a href="https://doi.org/10.1214/aoms/1177703732">Huber, Robust Estimation of a Location
   *     Parameter, 1964</a>
   * @see #regression()
   */
  public static DistillationLoss regression(double delta) {
    return new Regression(OptionalDouble.of(delta));
  }

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
   * Draws the student's embedding to the teacher's: squared distance.
   *
   * <pre>{@code
   * L = mean_rows Σ_d (W student − teacher)²_d
   * }</pre>
   *
   * <p>Unlike {@link #embeddingCosine()} it also matches the length, which matters where scores are
   * dot products. Summed over the width, not averaged: for unit vectors it is twice the cosine
   * loss. {@code W} is a learned matrix where the widths differ, and absent where they are equal;
   * it belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32. Reported
   * as {@code embeddingL2}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2301.12005">Kim et al., EmbedDistill, 2023</a>
   */
  public static DistillationLoss embeddingL2() {
    return new EmbeddingL2();
  }

  /**
   * Makes the student's embedding of a row find the teacher's embedding of that row among those of
   * the batch (InfoNCE).
   *
   * <p>Default: temperature 0.07.
   *
   * @return {@code infoNce(0.07)}
   * @see #infoNce(double)
   */
  public static DistillationLoss infoNce() {
    return infoNce(0.07);
  }

  /**
   * Makes the student's embedding of a row find the teacher's embedding of that row among those of
   * the batch, at a temperature (InfoNCE).
   *
   * <pre>{@code
   * L = mean_i −log( exp(cos(W s_i, t_i)/τ) / Σ_j exp(cos(W s_i, t_j)/τ) )
   * }</pre>
   *
   * <p>A cross-entropy over the batch: not 0 when both agree, about {@code log N} at the start, and
   * 0 for a batch of one row. One direction, as in the paper: the student's embedding is the
   * question and the teacher's are the answers. The other rows of the batch are the negatives, so
   * where a step accumulates several batches a row meets only those of its own; prefer large
   * batches, and data without duplicates. {@code τ} belongs to this loss: the run's temperature
   * does not matter. {@code W} is a learned matrix where the widths differ, and absent where they
   * are equal; it belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32
   * log-softmax; norms are at least 1e-6. Reported as {@code infoNce}.
   *
   * @param temperature what cosines are divided by; finite, greater than 0; default 0.07, usual
   *     range 0.02 to 0.2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code temperature} is not finite or not greater than 0
   * @see <a href="https://arxiv.org/abs/1807.03748">van den Oord et al., Representation Learning
   *     with Contrastive Predictive Coding, 2018</a>
   * @see <a href="https://arxiv.org/abs/2307.12732">Yang et al., CLIP-KD: An Empirical Study of
   *     CLIP Model Distillation, 2023</a>
   */
  public static DistillationLoss infoNce(double temperature) {
    return new InfoNce(temperature);
  }

  /**
   * Matches how far each query's positive candidate leads its negatives, for rankers.
   *
   * <pre>{@code
   * L = mean_rows mean_{j ≥ 1} ((s_0 − s_j) − (t_0 − t_j))²
   * }</pre>
   *
   * <p>A row is a query, its logits are the scores of its candidates; candidate 0 is the positive.
   * Only margins count, so the models may score on different levels: 0 when both agree up to a
   * constant a row. Candidates whose teacher score is {@code -inf} do not exist; a row without a
   * positive or without negatives is 0. The temperature does not matter.
   *
   * <p><b>Shapes.</b> Scores {@code [N, K]} as logits on both sides, at least 2 candidates; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code marginMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2010.02666">Hofstätter et al., Improving Efficient Neural
   *     Ranking Models with Cross-Architecture Knowledge Distillation, 2020</a>
   */
  public static DistillationLoss marginMse() {
    return new MarginMse();
  }

  /**
   * Matches the student's distribution over a query's candidates to the teacher's, for rankers.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_k p_k (log p_k − log q_k),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A row is a query, its logits are the scores of its candidates. Candidates whose teacher
   * score is {@code -inf} do not exist: unlike in {@link #softTargets()} the student spends no
   * probability on them, so queries may have different numbers of candidates. 0 when both agree; a
   * row without candidates is 0. At the run's temperature, usually 1 for rankers.
   *
   * <p><b>Shapes.</b> Scores {@code [N, K]} as logits on both sides; result scalar.
   * <b>Numerics.</b> float32 log-softmax; no probability is ever logged. Reported as {@code
   * listwiseKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2010.11386">Lin et al., Distilling Dense Representations
   *     for Ranking using Tightly-Coupled Teachers, 2020</a>
   */
  public static DistillationLoss listwiseKl() {
    return new ListwiseKl();
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
