package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.feature.ActivationBoundary;
import io.distill.losses.feature.EmbeddingCosine;
import io.distill.losses.feature.FactorTransfer;
import io.distill.losses.feature.HiddenStateCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.feature.HierarchicalContext;
import io.distill.losses.feature.Hint;
import io.distill.losses.feature.MaskedGeneration;
import io.distill.losses.feature.Overhaul;
import io.distill.losses.feature.PatientKd;
import io.distill.losses.feature.ReviewKd;
import io.distill.losses.feature.SimKd;
import io.distill.losses.feature.VariationalInformation;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.SoftTargets;
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
   * L = mean_pairs mean_positions mean_d (W_pair student − teacher)²_d
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student. Models of text must see the same
   * tokens. The mean over the width makes the value independent of it; {@link #hint()} sums.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hiddenStateMse}.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT: Distilling BERT for
   *     Natural Language Understanding, 2020</a>
   */
  public static DistillationLoss hiddenStateMse() {
    return hiddenStateMse(Projector.LINEAR);
  }

  /**
   * Draws the student's hidden states to the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hiddenStateMse()
   */
  public static DistillationLoss hiddenStateMse(Projector projector) {
    return new HiddenStateMse(Projector.projection(projector));
  }

  /**
   * Guides layers of the student by hints of the teacher: half the squared distance of features.
   *
   * <pre>{@code
   * L = mean_pairs mean_positions ½ ‖r(student) − teacher‖²
   * }</pre>
   *
   * <p>{@code r} is the regressor of the paper, where the widths differ. The norm is the paper's:
   * {@code D/2} times {@link #hiddenStateMse()} with the same projector. The paper also sums over
   * the pixels of a map; here positions are averaged, so that the value depends neither on
   * resolution nor on length. Its regressor ends in the non-linearity of the hint's layer: for
   * hints that come out of a ReLU give {@link Projector#LINEAR_RELU}. The paper trains with hints
   * first and with soft targets afterwards; weight the terms by progress to do so.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hint}.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}, an affine map at each position.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1412.6550">Romero et al., FitNets: Hints for Thin Deep
   *     Nets, 2015</a>
   */
  public static DistillationLoss hint() {
    return hint(Projector.CONVOLUTION_1X1);
  }

  /**
   * Guides layers of the student by hints of the teacher, through a regressor.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hint()
   */
  public static DistillationLoss hint(Projector projector) {
    return new Hint(Projector.projection(projector));
  }

  /**
   * Turns the student's hidden states into the directions of the teacher's, position by position.
   *
   * <pre>{@code
   * L = mean_pairs mean_positions (1 − cos(W_pair student, teacher))
   * }</pre>
   *
   * <p>Lengths do not matter. {@code W} is a learned matrix where the widths differ, and absent
   * where they are equal, as in the paper.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported as {@code
   * hiddenStateCosine}.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1910.01108">Sanh et al., DistilBERT, a distilled version of
   *     BERT, 2019</a>
   */
  public static DistillationLoss hiddenStateCosine() {
    return hiddenStateCosine(Projector.LINEAR);
  }

  /**
   * Turns the student's hidden states into the directions of the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hiddenStateCosine()
   */
  public static DistillationLoss hiddenStateCosine(Projector projector) {
    return new HiddenStateCosine(Projector.projection(projector));
  }

  /**
   * Compares the directions of the first token's hidden states, layer by layer (PKD).
   *
   * <pre>{@code
   * L = mean_pairs mean_rows ‖s/‖s‖ − t/‖t‖‖²,  s = W_pair student[CLS],  t = teacher[CLS]
   * }</pre>
   *
   * <p>Between 0 and 4, and twice {@code 1 − cos}. The paper adds up the layers, here they are
   * averaged; published code also divides by the width. The first token is the first that the mask
   * has, so that padding on the left does no harm; a row of padding alone counts 0. {@code
   * LayerMapping.uniform()} is the paper's PKD-skip, {@code LayerMapping.last()} its PKD-last. The
   * paper's models have equal widths; {@code W} is a learned matrix where they differ.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]}, or {@code [N, D]}, which are compared as
   * they are; no maps; result scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported
   * as {@code patientKd}.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1908.09355">Sun et al., Patient Knowledge Distillation for
   *     BERT Model Compression, 2019</a>
   */
  public static DistillationLoss patientKd() {
    return patientKd(Projector.LINEAR);
  }

  /**
   * Compares the directions of the first token's hidden states, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #patientKd()
   */
  public static DistillationLoss patientKd(Projector projector) {
    return new PatientKd(Projector.projection(projector));
  }

  /**
   * Raises the information that the student's features hold about the teacher's (VID).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions mean_d ½ [(μ_d(student) − teacher_d)² / σ²_d + log σ²_d]
   * σ² = softplus(α) + 1e-5
   * }</pre>
   *
   * <p>The negative log-likelihood of the teacher's features, without its constant, under a
   * Gaussian whose mean is a learned function of the student's and whose variance is learned, one a
   * channel: a lower bound of the mutual information. It is <em>not</em> a distance: it can be
   * negative, and is not 0 where student and teacher agree but {@code ½ log σ²}. {@code μ} is the
   * projector, created between equal widths too. The paper's has three 1x1 convolutions.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; softplus does not overflow. Reported as {@code
   * variationalInformation}.
   *
   * <p>Defaults: {@link Projector#MLP}, variance 5.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05835">Ahn et al., Variational Information
   *     Distillation for Knowledge Transfer, 2019</a>
   */
  public static DistillationLoss variationalInformation() {
    return variationalInformation(Projector.MLP, 5);
  }

  /**
   * Raises the information that the student's features hold about the teacher's, through a network
   * and from a variance.
   *
   * @param projector the network of the mean; always there
   * @param variance σ² at the start; finite and greater than 1e-5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code variance} is out of range
   * @see #variationalInformation()
   */
  public static DistillationLoss variationalInformation(Projector projector, double variance) {
    return new VariationalInformation(Projector.projection(projector), variance);
  }

  /**
   * Compares factors: a paraphrase of the teacher's features and its translation from the
   * student's.
   *
   * <pre>{@code
   * L = mean_pairs [mean_rows ‖F_s/‖F_s‖ − F_t/‖F_t‖‖_1 + mean_positions mean_d (decode(F_t) − teacher)²_d]
   * F_t = encode(teacher),  F_s = translate(student),  both of k · D channels
   * }</pre>
   *
   * <p>Factors are normalised over all positions and channels of a row. The paper trains the
   * paraphraser (encoder and decoder) before the student and freezes it. Here it is trained along
   * with the student by its reconstruction error, the second part; no gradient passes between the
   * parts. So the factors still move in early steps, and the value is not 0 where student and
   * teacher agree. Encoder, decoder and translator are two layers at each position with a leaky
   * ReLU of slope 0.1 in between; the paper's are three 3x3 convolutions with batch normalisation.
   * Published code divides the norm by the number of elements and weights it by hundreds.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported as {@code factorTransfer}.
   *
   * <p>Defaults: rate k 0.5, norm 1.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1802.04977">Kim et al., Paraphrasing Complex Network:
   *     Network Compression via Factor Transfer, 2018</a>
   */
  public static DistillationLoss factorTransfer() {
    return factorTransfer(0.5, 1);
  }

  /**
   * Compares factors of a size in a norm.
   *
   * @param rate k, the width of the factors over that of the teacher; finite and greater than 0;
   *     usual range 0.5 to 4
   * @param norm 1 for the sum of absolute differences, 2 for the sum of squares
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see #factorTransfer()
   */
  public static DistillationLoss factorTransfer(double rate, int norm) {
    return new FactorTransfer(rate, norm);
  }

  /**
   * Draws each neuron of the student to the side of 0 on which the teacher's is (AB).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions Σ_d h_d²,  h = relu(m − r(student)) where teacher > 0,  else relu(m + r(student))
   * }</pre>
   *
   * <p>Only signs are learned, with a margin {@code m}: it is 0 once each neuron is beyond the
   * margin on its side, also where student and teacher differ, and not 0 where both agree within
   * the margin. For hidden states <em>before</em> their activation; after a ReLU, 0 counts as
   * inactive. {@code r} is the paper's connector without batch normalisation, there where the
   * widths differ. The paper uses this loss to initialise the student, before training with labels;
   * published code weights it by 3/1000.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code activationBoundary}.
   *
   * <p>Defaults: {@link Projector#CONVOLUTION_1X1}, margin 1.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1811.03233">Heo et al., Knowledge Transfer via Distillation
   *     of Activation Boundaries Formed by Hidden Neurons, 2019</a>
   */
  public static DistillationLoss activationBoundary() {
    return activationBoundary(Projector.CONVOLUTION_1X1, 1);
  }

  /**
   * Draws each neuron of the student beyond a margin on the teacher's side of 0.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @param margin m; finite and greater than 0
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code margin} is out of range
   * @see #activationBoundary()
   */
  public static DistillationLoss activationBoundary(Projector projector, double margin) {
    return new ActivationBoundary(Projector.projection(projector), margin);
  }

  /**
   * Compares features before the ReLU where the teacher's matter behind it (overhaul, OFD).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions Σ_d [0 if s_d ≤ t_d ≤ 0, else (s_d − t_d)²]
   * s = r(student),  t = max(teacher, m),  m_d = mean of teacher_d where it is negative
   * }</pre>
   *
   * <p>Negative features that the teacher's ReLU will cut need only be as low as the margin {@code
   * m}. The paper computes the margin from the teacher's batch normalisation; here it is measured,
   * channel by channel, on the teacher's features: the mean of the negative ones over about the
   * last hundred batches, 0 at the first step. It is kept with the run, so a resumed run continues
   * exactly; where an optimizer step accumulates several batches, the last one is measured. {@code
   * r} is the paper's 1x1 convolution without batch normalisation, there where the widths differ.
   * Published code weights it by 1/1000.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code overhaul}.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.01866">Heo et al., A Comprehensive Overhaul of Feature
   *     Distillation, 2019</a>
   */
  public static DistillationLoss overhaul() {
    return overhaul(Projector.CONVOLUTION_1X1);
  }

  /**
   * Compares features before the ReLU, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #overhaul()
   */
  public static DistillationLoss overhaul(Projector projector) {
    return new Overhaul(Projector.projection(projector));
  }

  /**
   * Generates the teacher's features from what a random mask leaves of the student's (MGD).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions mean_d (G(mask · W_pair student) − teacher)²_d
   * G(x) = conv3x3(relu(conv3x3(x)))
   * }</pre>
   *
   * <p>Each pixel is masked with probability λ in all channels. Tokens are a map of height 1, so
   * that a masked token is generated from its neighbours; of {@code [N, D]} single channels are
   * masked, as the paper does for classification. The mask is a function of the run's seed, the
   * step, the pair of layers and the row, so that resumed and accumulated steps draw the same. The
   * generator is always there and holds {@code 18 D²} numbers a pair for a teacher of width {@code
   * D}, so that the value is not 0 where student and teacher agree. The paper sums where this
   * averages.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code maskedGeneration}.
   *
   * <p>Defaults: {@link Projector#CONVOLUTION_1X1}, ratio λ 0.65.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2205.01529">Yang et al., Masked Generative Distillation,
   *     2022</a>
   */
  public static DistillationLoss maskedGeneration() {
    return maskedGeneration(Projector.CONVOLUTION_1X1, 0.65);
  }

  /**
   * Generates the teacher's features from what a mask of a ratio leaves of the student's.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @param ratio λ, the share of positions that is masked; at least 0 and below 1; usual range 0.15
   *     to 0.75
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code ratio} is out of range
   * @see #maskedGeneration()
   */
  public static DistillationLoss maskedGeneration(Projector projector, double ratio) {
    return new MaskedGeneration(Projector.projection(projector), ratio);
  }

  /**
   * Compares features at full resolution and averaged over 4, 2 and 1 regions a side (HCL).
   *
   * <pre>{@code
   * L = mean_pairs mean_rows Σ_l w_l mean (pool_l(W_pair student) − pool_l(teacher))² / Σ_l w_l
   * w = 1, ½, ¼, ⅛ for l = full, 4, 2, 1
   * }</pre>
   *
   * <p>The distance of ReviewKD without its fusion of layers, which {@link #reviewKd()} adds. A
   * level counts where a map is larger than it. Tokens are averaged over 4, 2 and 1 stretches of
   * each row's real tokens; vectors have the full level alone.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hierarchicalContext}.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2104.09044">Chen et al., Distilling Knowledge via Knowledge
   *     Review, 2021</a>
   */
  public static DistillationLoss hierarchicalContext() {
    return hierarchicalContext(Projector.CONVOLUTION_1X1);
  }

  /**
   * Compares features at several resolutions, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hierarchicalContext()
   */
  public static DistillationLoss hierarchicalContext(Projector projector) {
    return new HierarchicalContext(Projector.projection(projector));
  }

  /**
   * Lets deeper layers of the student review shallower ones: fuses them, then compares as HCL does.
   *
   * <pre>{@code
   * L = mean_pairs HCL(conv3x3_pair(F_s), teacher)
   * F_deepest = A_deepest student,  F_s = a ⊙ A_s student + b ⊙ F_next deeper,  (a, b) = σ(attention_s[both])
   * }</pre>
   *
   * <p>{@code A} is a 1x1 convolution to the common width, the deeper map is enlarged to the
   * shallower, and attention gives two weights a pixel (ABF in the paper). {@code HCL} is {@link
   * #hierarchicalContext()}. So a shallow layer of the teacher also teaches deep layers of the
   * student. Student layers are those of the layer mapping. The networks always exist, so the value
   * is not 0 where student and teacher agree; they have no batch normalisation. The paper adds up
   * the layers, here they are averaged, and warms the loss up over 20 epochs.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code reviewKd}.
   *
   * <p>Default: largest width 512.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2104.09044">Chen et al., Distilling Knowledge via Knowledge
   *     Review, 2021</a>
   */
  public static DistillationLoss reviewKd() {
    return reviewKd(512);
  }

  /**
   * Lets deeper layers of the student review shallower ones, in a width.
   *
   * @param largestWidth the most channels in which layers are fused; at least 1; the width of the
   *     deepest student layer if that is smaller
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code largestWidth} is out of range
   * @see #reviewKd()
   */
  public static DistillationLoss reviewKd(int largestWidth) {
    return new ReviewKd(largestWidth);
  }

  /**
   * Draws the student's embedding to the teacher's, so that the teacher's classifier can read it.
   *
   * <pre>{@code
   * L = mean_rows ‖P(student) − teacher‖²
   * }</pre>
   *
   * <p>The paper's student has no classifier of its own: at the end the teacher's is put on it. For
   * that give the student the teacher's embedding width and copy the weights of the teacher's
   * output layer. Where the widths differ, a projector is learned, but as it never reaches the
   * saved student, the student then needs a classifier trained by another term, as {@code
   * hardLabels()}; the paper deploys the projector too. The paper's projector has three
   * convolutions, {@link Projector#MLP} is the nearest.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32. Reported
   * as {@code simKd}.
   *
   * <p>Default: {@link Projector#MLP}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2203.14001">Chen et al., Knowledge Distillation with the
   *     Reused Teacher Classifier, 2022</a>
   */
  public static DistillationLoss simKd() {
    return simKd(Projector.MLP);
  }

  /**
   * Draws the student's embedding to the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #simKd()
   */
  public static DistillationLoss simKd(Projector projector) {
    return new SimKd(Projector.projection(projector));
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
