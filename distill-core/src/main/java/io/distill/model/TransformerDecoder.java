package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.Sets;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.signal.SignalKind;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The decoder of the Llama family and its relatives: a language model that says of each token what
 * the next one will be. One configuration covers Llama, Mistral, Qwen 2 and 3, Granite, Phi-3 and
 * GPT-2; they differ in positions, norms, biases and multipliers.
 *
 * <p>Inputs are token ids {@code [N, L]} and an attention mask {@code [N, L]}: 0 for padding on
 * either side, 1 for a token. A row may hold several texts one after the other; the mask then has
 * the number of the text, from 1 on, of each token, no token sees another text, and positions start
 * anew with each.
 *
 * <p>Logits are {@code [N, L, V]}, the scores of the token after each position. Hidden states are
 * the outputs of the layers, {@code [N, L, D]} each, before the last norm. Queries and keys are
 * taken after norm and rotation, {@code [N, H, L, D / H]}; keys and values have {@code
 * keyValueHeads} heads. Attention scores of tokens that must not be seen are -1e9, in every model.
 *
 * <p>Weight names are those of Hugging Face's {@code LlamaForCausalLM}; learned positions are
 * {@code model.embed_positions.weight}.
 *
 * @param vocabularySize the number of rows of the embedding table, at least 1; may be more than the
 *     tokenizer has ids
 * @param maxPositions the longest input in tokens that the model was made for, at least 1
 * @param hiddenSize the width {@code D} of the hidden states, at least 1
 * @param layers the number of layers, at least 1
 * @param heads the number of query heads, at least 1
 * @param keyValueHeads the number of key and value heads; divides {@code heads}
 * @param headSize the width of a head, at least 1; even with rotary positions
 * @param intermediateSize the width of the feed-forward layer, at least 1
 * @param activation the activation of the feed-forward layer
 * @param gated whether the activation gates a second product, {@code down(act(gate(x)) · up(x))},
 *     instead of {@code down(act(up(x)))}
 * @param normalization the kind of norm before attention, before feed-forward and at the end
 * @param normEpsilon the epsilon of the norms, greater than 0
 * @param rotary the rotary positions; null for learned positions as GPT-2 has
 * @param attentionBias whether queries, keys and values have biases
 * @param outputBias whether the output of attention has a bias
 * @param feedForwardBias whether the feed-forward products have biases
 * @param queryKeyNorm whether queries and keys are normed head by head, as in Qwen 3
 * @param tiedEmbeddings whether the output embedding is the input embedding
 * @param slidingWindow how many tokens back, itself included, a token sees in the sliding layers; 0
 *     for all
 * @param slidingLayers the layers that have the sliding window, counted from 0, ascending
 * @param embeddingMultiplier what embeddings are multiplied with; 1 for most
 * @param attentionMultiplier what scores are multiplied with; 0 for one over the square root of
 *     {@code headSize}
 * @param residualMultiplier what the output of each block is multiplied with before it is added; 1
 *     for most
 * @param logitsDivisor what logits are divided by; not 0; 1 for most
 * @param dropout the dropout probability in training, from 0 to below 1
 * @see <a href="https://arxiv.org/abs/2302.13971">Touvron et al., LLaMA, 2023</a>
 * @see <a href="https://arxiv.org/abs/2305.13245">Ainslie et al., GQA, 2023</a>
 */
public record TransformerDecoder(
    int vocabularySize,
    int maxPositions,
    int hiddenSize,
    int layers,
    int heads,
    int keyValueHeads,
    int headSize,
    int intermediateSize,
    Activation activation,
    boolean gated,
    Normalization normalization,
    double normEpsilon,
    @Nullable RotaryEmbedding rotary,
    boolean attentionBias,
    boolean outputBias,
    boolean feedForwardBias,
    boolean queryKeyNorm,
    boolean tiedEmbeddings,
    int slidingWindow,
    List<Integer> slidingLayers,
    double embeddingMultiplier,
    double attentionMultiplier,
    double residualMultiplier,
    double logitsDivisor,
    double dropout)
    implements ModelConfiguration {

  private static final Set<SignalKind> RELATIONS =
      Sets.immutableEnumSet(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);

  private static final double DEVIATION = 0.64;

  /**
   * Checks the values.
   *
   * @param vocabularySize the number of rows of the embedding table, at least 1; may be more than
   *     the tokenizer has ids
   * @param maxPositions the longest input in tokens that the model was made for, at least 1
   * @param hiddenSize the width {@code D} of the hidden states, at least 1
   * @param layers the number of layers, at least 1
   * @param heads the number of query heads, at least 1
   * @param keyValueHeads the number of key and value heads; divides {@code heads}
   * @param headSize the width of a head, at least 1; even with rotary positions
   * @param intermediateSize the width of the feed-forward layer, at least 1
   * @param activation the activation of the feed-forward layer
   * @param gated whether the activation gates a second product, {@code down(act(gate(x)) · up(x))},
   *     instead of {@code down(act(up(x)))}
   * @param normalization the kind of norm before attention, before feed-forward and at the end
   * @param normEpsilon the epsilon of the norms, greater than 0
   * @param rotary the rotary positions; null for learned positions as GPT-2 has
   * @param attentionBias whether queries, keys and values have biases
   * @param outputBias whether the output of attention has a bias
   * @param feedForwardBias whether the feed-forward products have biases
   * @param queryKeyNorm whether queries and keys are normed head by head, as in Qwen 3
   * @param tiedEmbeddings whether the output embedding is the input embedding
   * @param slidingWindow how many tokens back, itself included, a token sees in the sliding layers;
   *     0 for all
   * @param slidingLayers the layers that have the sliding window, counted from 0, ascending
   * @param embeddingMultiplier what embeddings are multiplied with; 1 for most
   * @param attentionMultiplier what scores are multiplied with; 0 for one over the square root of
   *     {@code headSize}
   * @param residualMultiplier what the output of each block is multiplied with before it is added;
   *     1 for most
   * @param logitsDivisor what logits are divided by; not 0; 1 for most
   * @param dropout the dropout probability in training, from 0 to below 1
   * @throws IllegalArgumentException if a value is out of range
   */
  public TransformerDecoder {
    atLeastOne("vocabularySize", vocabularySize);
    atLeastOne("maxPositions", maxPositions);
    atLeastOne("hiddenSize", hiddenSize);
    atLeastOne("layers", layers);
    atLeastOne("heads", heads);
    atLeastOne("headSize", headSize);
    atLeastOne("intermediateSize", intermediateSize);
    checkArgument(
        keyValueHeads >= 1 && heads % keyValueHeads == 0,
        "keyValueHeads must divide heads %s but was %s",
        heads,
        keyValueHeads);
    requireNonNull(activation, "activation");
    requireNonNull(normalization, "normalization");
    checkArgument(normEpsilon > 0, "normEpsilon must be greater than 0 but was %s", normEpsilon);
    checkArgument(
        rotary == null || headSize % 2 == 0,
        "headSize must be even with rotary positions but was %s",
        headSize);
    checkArgument(
        rotary == null || rotary.turned(headSize) >= 2,
        "share must leave at least 2 numbers of a head of %s to turn",
        headSize);
    checkArgument(slidingWindow >= 0, "slidingWindow must be at least 0 but was %s", slidingWindow);
    slidingLayers = List.copyOf(slidingLayers);
    for (int layer : slidingLayers) {
      checkArgument(
          layer >= 0 && layer < layers,
          "slidingLayers must be between 0 and %s but had %s",
          layers - 1,
          layer);
    }
    checkArgument(
        slidingWindow > 0 || slidingLayers.isEmpty(),
        "slidingWindow must be at least 1 with slidingLayers %s but was 0",
        slidingLayers);
    checkArgument(
        attentionMultiplier >= 0,
        "attentionMultiplier must be at least 0 but was %s",
        attentionMultiplier);
    checkArgument(
        Double.isFinite(logitsDivisor) && logitsDivisor != 0,
        "logitsDivisor must not be 0 but was %s",
        logitsDivisor);
    BagOfEmbeddings.checkProbability("dropout", dropout);
  }

  private static void atLeastOne(String name, int value) {
    checkArgument(value >= 1, "%s must be at least 1 but was %s", name, value);
  }

  /**
   * Starts a configuration of the Llama kind: rotary positions of base 10,000, root mean square
   * norms, gated SiLU, no biases, tied embeddings.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Returns a builder with these values.
   *
   * @return a builder
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.vocabularySize = vocabularySize;
    builder.maxPositions = maxPositions;
    builder.hiddenSize = hiddenSize;
    builder.layers = layers;
    builder.heads = heads;
    builder.keyValueHeads = keyValueHeads;
    builder.headSize = headSize;
    builder.intermediateSize = intermediateSize;
    builder.activation = activation;
    builder.gated = gated;
    builder.normalization = normalization;
    builder.normEpsilon = normEpsilon;
    builder.rotary = rotary;
    builder.attentionBias = attentionBias;
    builder.outputBias = outputBias;
    builder.feedForwardBias = feedForwardBias;
    builder.queryKeyNorm = queryKeyNorm;
    builder.tiedEmbeddings = tiedEmbeddings;
    builder.slidingWindow = slidingWindow;
    builder.slidingLayers = slidingLayers;
    builder.embeddingMultiplier = embeddingMultiplier;
    builder.attentionMultiplier = attentionMultiplier;
    builder.residualMultiplier = residualMultiplier;
    builder.logitsDivisor = logitsDivisor;
    builder.dropout = dropout;
    return builder;
  }

  /** Returns what scores are multiplied with. */
  double attentionScale() {
    return attentionMultiplier == 0 ? 1 / Math.sqrt(headSize) : attentionMultiplier;
  }

  @Override
  public Set<SignalKind> provides() {
    return Sets.immutableEnumSet(
        SignalKind.LOGITS,
        SignalKind.LOGIT_FACTORS,
        SignalKind.HIDDEN_STATES,
        SignalKind.ATTENTION_SCORES,
        SignalKind.QUERIES,
        SignalKind.KEYS,
        SignalKind.VALUES);
  }

  @Override
  public List<String> layerNames() {
    return IntStream.range(0, layers).mapToObj(i -> "model.layers." + i).toList();
  }

  @Override
  public int segments() {
    return layers;
  }

  @Override
  public String method(Set<SignalKind> kinds) {
    boolean relations = !Collections.disjoint(kinds, RELATIONS);
    String inner =
        kinds.contains(SignalKind.ATTENTION_SCORES)
            ? relations ? "_with_attention_and_relations" : "_with_attention"
            : relations
                ? "_with_relations"
                : kinds.contains(SignalKind.HIDDEN_STATES) ? "_with_hidden_states" : "";
    return "outputs" + inner + DecoderModule.ending(kinds);
  }

  /** Returns 0: the logits are of tokens. */
  @Override
  public int classes() {
    return 0;
  }

  @Override
  public TransformerDecoder withClasses(int classes) {
    checkArgument(classes == 0, "classes must be 0 for a language model but were %s", classes);
    return this;
  }

  /** Draws matrices with a standard deviation of {@code 0.64 / sqrt(hiddenSize)}. */
  @Override
  public Map<String, HostTensor> initialWeights(long seed) {
    WeightInitializer initializer = new WeightInitializer(seed);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    // 0.02 at a width of 1,024, as is usual, and more for narrow models, which 0.02 would silence
    double deviation = DEVIATION / Math.sqrt((double) hiddenSize);
    shapes()
        .forEach(
            (name, shape) -> {
              HostTensor tensor =
                  name.endsWith("norm.weight")
                      ? initializer.constant(1, shape)
                      : name.endsWith(".bias")
                          ? initializer.constant(0, shape)
                          : initializer.normal(name, deviation, shape);
              weights.put(name, tensor);
            });
    return weights;
  }

  /**
   * Returns the shape of each weight.
   *
   * @return shapes by name, in the order of the model
   */
  public Map<String, long[]> shapes() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("model.embed_tokens.weight", new long[] {vocabularySize, hiddenSize});
    if (rotary == null) {
      shapes.put("model.embed_positions.weight", new long[] {maxPositions, hiddenSize});
    }
    long queries = (long) heads * headSize;
    long keys = (long) keyValueHeads * headSize;
    for (int i = 0; i < layers; i++) {
      String layer = layer(i);
      norm(shapes, layer + "input_layernorm");
      product(shapes, layer + "self_attn.q_proj", queries, hiddenSize, attentionBias);
      product(shapes, layer + "self_attn.k_proj", keys, hiddenSize, attentionBias);
      product(shapes, layer + "self_attn.v_proj", keys, hiddenSize, attentionBias);
      product(shapes, layer + "self_attn.o_proj", hiddenSize, queries, outputBias);
      if (queryKeyNorm) {
        shapes.put(layer + "self_attn.q_norm.weight", new long[] {headSize});
        shapes.put(layer + "self_attn.k_norm.weight", new long[] {headSize});
      }
      norm(shapes, layer + "post_attention_layernorm");
      if (gated) {
        product(shapes, layer + "mlp.gate_proj", intermediateSize, hiddenSize, feedForwardBias);
      }
      product(shapes, layer + "mlp.up_proj", intermediateSize, hiddenSize, feedForwardBias);
      product(shapes, layer + "mlp.down_proj", hiddenSize, intermediateSize, feedForwardBias);
    }
    norm(shapes, "model.norm");
    if (!tiedEmbeddings) {
      shapes.put("lm_head.weight", new long[] {vocabularySize, hiddenSize});
    }
    return shapes;
  }

  private void norm(Map<String, long[]> shapes, String name) {
    shapes.put(name + ".weight", new long[] {hiddenSize});
    if (normalization == Normalization.LAYER_NORM) {
      shapes.put(name + ".bias", new long[] {hiddenSize});
    }
  }

  private static void product(
      Map<String, long[]> shapes, String name, long out, long in, boolean bias) {
    shapes.put(name + ".weight", new long[] {out, in});
    if (bias) {
      shapes.put(name + ".bias", new long[] {out});
    }
  }

  static String layer(int index) {
    return "model.layers." + index + ".";
  }

  @Override
  public long parameterCount() {
    long count = 0;
    for (long[] shape : shapes().values()) {
      count += shape.length == 1 ? shape[0] : shape[0] * shape[1];
    }
    return count;
  }

  /**
   * Adds up what libtorch's operators keep of a layer, per token: both norms' inputs and outputs,
   * queries, keys and values before and after rotation, the context, and of the feed-forward layer
   * its products and their activations; and the logits, their logarithms and their gradients.
   */
  @Override
  public long activationBytes(int rows, int tokens, Computation computation) {
    boolean reduced = computation.training() == Precision.BFLOAT16;
    long product = reduced ? 2 : Float.BYTES;
    long all = (long) rows * tokens;
    long queries = (long) heads * headSize;
    long pairs = dropout > 0 ? all * tokens * heads * Float.BYTES : 0;
    long attention = 3 * queries + 6L * keyValueHeads * headSize;
    long forward = (gated ? 4L : 2L) * intermediateSize;
    long layer =
        all * (6L * Float.BYTES * hiddenSize + product * (attention + forward)) + 3 * pairs;
    if (reduced) {
      layer += 2 * (parameterCount() / layers);
    }
    long state = all * hiddenSize * Float.BYTES;
    long logits = 3 * all * vocabularySize * Float.BYTES;
    long transients =
        2 * Math.max(all * intermediateSize * product, pairs)
            + 4 * state
            + (long) vocabularySize * hiddenSize * Float.BYTES;
    return (computation.activationCheckpointing() ? layers * state + layer : layers * layer)
        + transients
        + logits;
  }

  @Override
  public ScriptModule module(Map<String, HostTensor> weights, Computation computation) {
    return new DecoderModule(this, weights, computation).build();
  }

  /** Collects the values of a {@link TransformerDecoder}. */
  public static final class Builder {
    private int vocabularySize;
    private int maxPositions = 2048;
    private int hiddenSize;
    private int layers;
    private int heads;
    private int keyValueHeads;
    private int headSize;
    private int intermediateSize;
    private Activation activation = Activation.SILU;
    private boolean gated = true;
    private Normalization normalization = Normalization.ROOT_MEAN_SQUARE;
    private double normEpsilon = 1e-5;
    private @Nullable RotaryEmbedding rotary = RotaryEmbedding.of(10_000);
    private boolean attentionBias;
    private boolean outputBias;
    private boolean feedForwardBias;
    private boolean queryKeyNorm;
    private boolean tiedEmbeddings = true;
    private int slidingWindow;
    private List<Integer> slidingLayers = List.of();
    private double embeddingMultiplier = 1;
    private double attentionMultiplier;
    private double residualMultiplier = 1;
    private double logitsDivisor = 1;
    private double dropout;

    private Builder() {}

    /**
     * Sets the number of rows of the embedding table.
     *
     * @param vocabularySize the number of rows of the embedding table, at least 1; may be more than
     *     the tokenizer has ids; required
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder vocabularySize(int vocabularySize) {
      this.vocabularySize = vocabularySize;
      return this;
    }

    /**
     * Sets the longest input in tokens that the model was made for.
     *
     * @param maxPositions the longest input in tokens that the model was made for, at least 1;
     *     default 2048
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder maxPositions(int maxPositions) {
      this.maxPositions = maxPositions;
      return this;
    }

    /**
     * Sets the width {@code D} of the hidden states.
     *
     * @param hiddenSize the width {@code D} of the hidden states, at least 1; required
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder hiddenSize(int hiddenSize) {
      this.hiddenSize = hiddenSize;
      return this;
    }

    /**
     * Sets the number of layers.
     *
     * @param layers the number of layers, at least 1; required
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder layers(int layers) {
      this.layers = layers;
      return this;
    }

    /**
     * Sets the number of query heads.
     *
     * @param heads the number of query heads, at least 1; required
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder heads(int heads) {
      this.heads = heads;
      return this;
    }

    /**
     * Sets the number of key and value heads.
     *
     * @param keyValueHeads the number of key and value heads; divides {@code heads}; default {@code
     *     heads}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder keyValueHeads(int keyValueHeads) {
      this.keyValueHeads = keyValueHeads;
      return this;
    }

    /**
     * Sets the width of a head.
     *
     * @param headSize the width of a head, at least 1; even with rotary positions; default {@code
     *     hiddenSize / heads}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder headSize(int headSize) {
      this.headSize = headSize;
      return this;
    }

    /**
     * Sets the width of the feed-forward layer.
     *
     * @param intermediateSize the width of the feed-forward layer, at least 1; default four times
     *     {@code hiddenSize}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder intermediateSize(int intermediateSize) {
      this.intermediateSize = intermediateSize;
      return this;
    }

    /**
     * Sets the activation of the feed-forward layer.
     *
     * @param activation the activation of the feed-forward layer; default SiLU
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder activation(Activation activation) {
      this.activation = requireNonNull(activation, "activation");
      return this;
    }

    /**
     * Sets whether the activation gates a second product.
     *
     * @param gated whether the activation gates a second product, {@code down(act(gate(x)) ·
     *     up(x))}, instead of {@code down(act(up(x)))}; default true
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder gated(boolean gated) {
      this.gated = gated;
      return this;
    }

    /**
     * Sets the kind of norm before attention.
     *
     * @param normalization the kind of norm before attention, before feed-forward and at the end;
     *     default root mean square
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder normalization(Normalization normalization) {
      this.normalization = requireNonNull(normalization, "normalization");
      return this;
    }

    /**
     * Sets the epsilon of the norms.
     *
     * @param normEpsilon the epsilon of the norms, greater than 0; default 1e-5
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder normEpsilon(double normEpsilon) {
      this.normEpsilon = normEpsilon;
      return this;
    }

    /**
     * Sets the rotary positions.
     *
     * @param rotary the rotary positions; null for learned positions as GPT-2 has; default base
     *     10,000
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder rotary(@Nullable RotaryEmbedding rotary) {
      this.rotary = rotary;
      return this;
    }

    /**
     * Sets whether queries.
     *
     * @param attentionBias whether queries, keys and values have biases; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder attentionBias(boolean attentionBias) {
      this.attentionBias = attentionBias;
      return this;
    }

    /**
     * Sets whether the output of attention has a bias.
     *
     * @param outputBias whether the output of attention has a bias; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder outputBias(boolean outputBias) {
      this.outputBias = outputBias;
      return this;
    }

    /**
     * Sets whether the feed-forward products have biases.
     *
     * @param feedForwardBias whether the feed-forward products have biases; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder feedForwardBias(boolean feedForwardBias) {
      this.feedForwardBias = feedForwardBias;
      return this;
    }

    /**
     * Sets whether queries and keys are normed head by head.
     *
     * @param queryKeyNorm whether queries and keys are normed head by head, as in Qwen 3; default
     *     false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder queryKeyNorm(boolean queryKeyNorm) {
      this.queryKeyNorm = queryKeyNorm;
      return this;
    }

    /**
     * Sets whether the output embedding is the input embedding.
     *
     * @param tiedEmbeddings whether the output embedding is the input embedding; default true
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder tiedEmbeddings(boolean tiedEmbeddings) {
      this.tiedEmbeddings = tiedEmbeddings;
      return this;
    }

    /**
     * Sets how many tokens back.
     *
     * @param slidingWindow how many tokens back, itself included, a token sees in the sliding
     *     layers; 0 for all; default 0
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder slidingWindow(int slidingWindow) {
      this.slidingWindow = slidingWindow;
      return this;
    }

    /**
     * Sets the layers that have the sliding window.
     *
     * @param slidingLayers the layers that have the sliding window, counted from 0, ascending;
     *     default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder slidingLayers(List<Integer> slidingLayers) {
      this.slidingLayers = List.copyOf(slidingLayers);
      return this;
    }

    /**
     * Sets what embeddings are multiplied with.
     *
     * @param embeddingMultiplier what embeddings are multiplied with; 1 for most; default 1
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder embeddingMultiplier(double embeddingMultiplier) {
      this.embeddingMultiplier = embeddingMultiplier;
      return this;
    }

    /**
     * Sets what scores are multiplied with.
     *
     * @param attentionMultiplier what scores are multiplied with; 0 for one over the square root of
     *     {@code headSize}; default 0
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder attentionMultiplier(double attentionMultiplier) {
      this.attentionMultiplier = attentionMultiplier;
      return this;
    }

    /**
     * Sets what the output of each block is multiplied with before it is added.
     *
     * @param residualMultiplier what the output of each block is multiplied with before it is
     *     added; 1 for most; default 1
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder residualMultiplier(double residualMultiplier) {
      this.residualMultiplier = residualMultiplier;
      return this;
    }

    /**
     * Sets what logits are divided by.
     *
     * @param logitsDivisor what logits are divided by; not 0; 1 for most; default 1
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder logitsDivisor(double logitsDivisor) {
      this.logitsDivisor = logitsDivisor;
      return this;
    }

    /**
     * Sets the dropout probability in training.
     *
     * @param dropout the dropout probability in training, from 0 to below 1; default 0
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder dropout(double dropout) {
      this.dropout = dropout;
      return this;
    }

    /**
     * Builds the configuration.
     *
     * @return the configuration
     * @throws IllegalArgumentException if a value is missing or out of range
     */
    public TransformerDecoder build() {
      return new TransformerDecoder(
          vocabularySize,
          maxPositions,
          hiddenSize,
          layers,
          heads,
          keyValueHeads == 0 ? heads : keyValueHeads,
          headSize == 0 && heads > 0 ? hiddenSize / heads : headSize,
          intermediateSize == 0 ? 4 * hiddenSize : intermediateSize,
          activation,
          gated,
          normalization,
          normEpsilon,
          rotary,
          attentionBias,
          outputBias,
          feedForwardBias,
          queryKeyNorm,
          tiedEmbeddings,
          slidingWindow,
          slidingLayers,
          embeddingMultiplier,
          attentionMultiplier,
          residualMultiplier,
          logitsDivisor,
          dropout);
    }
  }
}
