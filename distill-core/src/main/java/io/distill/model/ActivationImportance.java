package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.checkIndex;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDManager;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.primitives.ImmutableDoubleArray;
import com.google.errorprone.annotations.CheckReturnValue;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * How strongly the layers, heads, neurons and channels of a language model act on a calibration
 * set: what a smaller student had better keep.
 *
 * <pre>{@code
 * ActivationImportance importance = ActivationImportance.measure(model, calibration);
 * Student student = Student.decoder().prunedBy(importance).layers(6).hiddenSize(512).build();
 * }</pre>
 *
 * <p>With {@code a[n,t,i]} the activation of channel {@code i} at token {@code t} of row {@code n},
 * the importance of a channel is {@code sqrt(sum_n (mean_t |a[n,t,i]|)^2)}: the mean of sizes over
 * a row, and the L2 norm over rows, as Minitron found best. Activations are
 *
 * <ul>
 *   <li>of a <b>neuron</b> of a feed-forward layer what enters its last product,
 *   <li>of a <b>head</b> what attention gives before the output product; the importance is the L2
 *       norm of those of its {@code D / H} channels,
 *   <li>of a <b>channel</b> of the hidden states the outputs of the norms; importances are added
 *       over the norms of all layers and the last one.
 * </ul>
 *
 * <p>The importance of a <b>layer</b> is its block influence, {@code 1 - mean_{n,t} cos(x, y)} of
 * its input {@code x} and output {@code y}: 0 for a layer that turns nothing, at most 2.
 *
 * <p>A few hundred rows are usually enough; one pass without logits measures all at once. Immutable
 * and thread-safe.
 *
 * @see <a href="https://arxiv.org/abs/2407.14679">Muralidharan et al., Compact Language Models via
 *     Pruning and Knowledge Distillation (Minitron), 2024</a>
 * @see <a href="https://arxiv.org/abs/2403.03853">Men et al., ShortGPT: Layers in Large Language
 *     Models are More Redundant Than You Expect, 2024</a>
 */
@CheckReturnValue
public final class ActivationImportance {

  private static final int BATCH_SIZE = 8;
  private static final int SHOWN = 3;

  private final String model;
  private final long rows;
  private final long tokens;
  private final ActivationMeter.Sums sums;

  private ActivationImportance(String model, long rows, long tokens, ActivationMeter.Sums sums) {
    this.model = model;
    this.rows = rows;
    this.tokens = tokens;
    this.sums = sums;
  }

  /**
   * Measures a model, 8 rows at a time.
   *
   * @param model a language model of this library, such as a checkpoint
   * @param calibration texts like those that the student will see; a row of several packed texts
   *     counts as one
   * @return the importances
   * @throws DistillationException if the model is no {@link TransformerDecoder}, or the data are of
   *     another tokenizer
   */
  public static ActivationImportance measure(
      DeployableModel model, DistillationDataset calibration) {
    return measure(model, calibration, BATCH_SIZE);
  }

  /**
   * Measures a model.
   *
   * @param model a language model of this library, such as a checkpoint
   * @param calibration texts like those that the student will see; a row of several packed texts
   *     counts as one
   * @param batchSize how many rows are read at once; at least 1; results differ by rounding alone
   * @return the importances
   * @throws IllegalArgumentException if {@code batchSize} is out of range
   * @throws DistillationException if the model is no {@link TransformerDecoder}, or the data are of
   *     another tokenizer
   */
  public static ActivationImportance measure(
      DeployableModel model, DistillationDataset calibration, int batchSize) {
    checkArgument(batchSize >= 1, "batchSize must be at least 1 but was %s", batchSize);
    requireNonNull(calibration, "calibration");
    if (!(model.model() instanceof ScriptedModel scripted
        && scripted.configuration().orElseThrow() instanceof TransformerDecoder shape)) {
      throw new DistillationException(
          "model must be a TransformerDecoder to measure what it can do without but was "
              + model.model().configuration().map(Object::getClass).orElse(null)
              + "; load a language model from its checkpoint");
    }
    BatchSource inputs = calibration.inputs(model.tokenizer().orElse(null));
    ActivationMeter meter = new ActivationMeter(scripted, shape);
    NativeEngine.prepareThread();
    for (int from = 0; from < inputs.size(); from += batchSize) {
      int[] chosen = IntStream.range(from, Math.min(inputs.size(), from + batchSize)).toArray();
      try (NDManager scratch = NativeEngine.newManager(scripted.device())) {
        meter.add(inputs.batch(scratch, chosen).inputs());
      }
    }
    return new ActivationImportance(
        scripted.fingerprint(), inputs.size(), meter.tokens(), meter.sums());
  }

  /**
   * Deals the importances out anew at random, among layers, among the heads and the neurons of each
   * layer and among channels: what a choice by importance has to be better than.
   *
   * @param seed the seed of the draw
   * @return a copy; {@link #squares}, which decide nothing, stay
   */
  public ActivationImportance shuffled(long seed) {
    return new ActivationImportance(model, rows, tokens, sums.shuffled(new Random(seed)));
  }

  /**
   * Returns which model was measured.
   *
   * @return its {@linkplain SignalModel#fingerprint() fingerprint}
   */
  public String model() {
    return model;
  }

  /**
   * Returns the size of the calibration set.
   *
   * @return the number of rows
   */
  public long rows() {
    return rows;
  }

  /**
   * Returns the size of the calibration set.
   *
   * @return the number of tokens, padding not counted
   */
  public long tokens() {
    return tokens;
  }

  /**
   * Returns the block influence of each layer.
   *
   * @return {@code [layers]}, from 0 to 2
   */
  public ImmutableDoubleArray layers() {
    double[] influence = sums.turned();
    for (int i = 0; i < influence.length; i++) {
      influence[i] /= Math.max(1, tokens);
    }
    return ImmutableDoubleArray.copyOf(influence);
  }

  /**
   * Returns the importance of each query head of a layer.
   *
   * @param layer the layer, counted from 0
   * @return {@code [H]}, at least 0
   * @throws IndexOutOfBoundsException if there is no such layer
   */
  public ImmutableDoubleArray heads(int layer) {
    return ImmutableDoubleArray.copyOf(sums.heads(layer));
  }

  /**
   * Returns the importance of each neuron of a layer's feed-forward part.
   *
   * @param layer the layer, counted from 0
   * @return {@code [intermediate size]}, at least 0
   * @throws IndexOutOfBoundsException if there is no such layer
   */
  public ImmutableDoubleArray neurons(int layer) {
    return ImmutableDoubleArray.copyOf(sums.neurons(layer));
  }

  /**
   * Returns the importance of each channel of the hidden states.
   *
   * @return {@code [D]}, at least 0
   */
  public ImmutableDoubleArray channels() {
    return ImmutableDoubleArray.copyOf(sums.channels());
  }

  /**
   * Returns what a norm divides by, channel by channel.
   *
   * @param norm the norm: two of each layer, before attention and before feed-forward, and the last
   *     one; from 0 to twice the number of layers
   * @return the sum over tokens of the squares of its input, around their mean in a layer norm,
   *     {@code [D]}
   * @throws IndexOutOfBoundsException if there is no such norm
   */
  public ImmutableDoubleArray squares(int norm) {
    checkIndex(norm, 2 * sums.layers() + 1);
    return ImmutableDoubleArray.copyOf(sums.squares(norm));
  }

  /**
   * Returns a digest of model and importances.
   *
   * @return a SHA-256 digest in hexadecimal
   */
  public String fingerprint() {
    Hasher hasher = Hashing.sha256().newHasher().putString(model, StandardCharsets.UTF_8);
    hasher.putLong(rows).putLong(tokens);
    sums.all().forEach(values -> values.forEach(hasher::putDouble));
    return hasher.hash().toString();
  }

  /** Returns a table of the layers, with their weakest and strongest parts. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append("Importance on %d rows, %d tokens%n".formatted(rows, tokens));
    text.append("layer  influence  heads weakest first          neurons below a tenth of the mean");
    for (int i = 0; i < sums.layers(); i++) {
      double[] heads = sums.heads(i);
      List<Integer> order =
          IntStream.range(0, heads.length)
              .boxed()
              .sorted((a, b) -> Double.compare(heads[a], heads[b]))
              .toList();
      double[] neurons = sums.neurons(i);
      double bound = Arrays.stream(neurons).average().orElse(0) / 10;
      long weak = Arrays.stream(neurons).filter(each -> each < bound).count();
      text.append(
          String.format(
              Locale.ROOT,
              "%n%5d  %9.4f  %-27s  %d of %d",
              i,
              layers().get(i),
              order.subList(0, Math.min(SHOWN, order.size()))
                  + (order.size() > SHOWN ? " of " + order.size() : ""),
              weak,
              neurons.length));
    }
    return text.toString();
  }
}
