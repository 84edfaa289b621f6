package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.Shape;
import com.google.common.collect.Sets;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.signal.SignalKind;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The BERT encoder: embeddings, layers of self-attention and feed-forward with layer norm after
 * each, pooling, and a head. RoBERTa and DistilBERT differ in where positions start, in token types
 * and in the head.
 *
 * <p>Hidden states are the outputs of the layers, {@code [N, L, D]} each; the embedding is the
 * pooled output of the last layer, after the dense layer if the head has one, and, if asked,
 * divided by its L2 norm. Parameter names are those of Hugging Face's {@code BertForPreTraining}
 * without {@code bert.}, plus {@code classifier}. Rows are padded on the right.
 *
 * @param vocabularySize the number of word pieces, at least 1
 * @param maxPositions the longest input in tokens, at least 1
 * @param typeVocabularySize the number of token types; inputs are of type 0; 0 for a model without
 *     types
 * @param hiddenSize the width {@code D}; a multiple of {@code heads}
 * @param layers the number of layers, at least 1
 * @param heads the number of attention heads, at least 1
 * @param intermediateSize the width of the feed-forward layer, at least 1
 * @param activation the activation of the feed-forward layer
 * @param layerNormEpsilon the epsilon of layer norm, greater than 0; BERT's is 1e-12
 * @param dropout the dropout probability in training, from 0 to below 1
 * @param pooling how the embedding is made
 * @param normalized whether the embedding is divided by its L2 norm
 * @param classes the number of classes; 0 for none
 * @param head what is made of the last layer; a masked language model has no classes
 * @param firstPosition the row of the position embeddings that the first token has, at least 0; 2
 *     in RoBERTa
 * @see <a href="https://arxiv.org/abs/1810.04805">Devlin et al., BERT, 2019</a>
 * @see <a href="https://arxiv.org/abs/1907.11692">Liu et al., RoBERTa, 2019</a>
 * @see <a href="https://arxiv.org/abs/1910.01108">Sanh et al., DistilBERT, 2019</a>
 */
public record TransformerEncoder(
    int vocabularySize,
    int maxPositions,
    int typeVocabularySize,
    int hiddenSize,
    int layers,
    int heads,
    int intermediateSize,
    Activation activation,
    double layerNormEpsilon,
    double dropout,
    Pooling pooling,
    boolean normalized,
    int classes,
    EncoderHead head,
    int firstPosition)
    implements ModelConfiguration {

  private static final String EMBEDDINGS = "embeddings.";

  /** How widely BERT's weights are drawn. */
  private static final double DEVIATION = 0.02;

  private static final String HEAD = "head";
  private static final String WORDS = EMBEDDINGS + "word_embeddings";
  private static final String POSITIONS = EMBEDDINGS + "position_embeddings";
  private static final String TYPES = EMBEDDINGS + "token_type_embeddings";
  private static final String POOLER = "pooler.dense";
  private static final String CLASSIFIER = "classifier";
  private static final String PREDICTIONS = "cls.predictions.";
  private static final String TRANSFORM = PREDICTIONS + "transform.";
  private static final Set<SignalKind> RELATIONS =
      Sets.immutableEnumSet(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);
  private static final Set<SignalKind> ATTENTION =
      Sets.immutableEnumSet(
          SignalKind.ATTENTION_SCORES, SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);

  /**
   * Checks the values.
   *
   * @param vocabularySize the number of word pieces, at least 1
   * @param maxPositions the longest input in tokens, at least 1
   * @param typeVocabularySize the number of token types; inputs are of type 0; 0 for a model
   *     without types
   * @param hiddenSize the width {@code D}; a multiple of {@code heads}
   * @param layers the number of layers, at least 1
   * @param heads the number of attention heads, at least 1
   * @param intermediateSize the width of the feed-forward layer, at least 1
   * @param activation the activation of the feed-forward layer
   * @param layerNormEpsilon the epsilon of layer norm, greater than 0; BERT's is 1e-12
   * @param dropout the dropout probability in training, from 0 to below 1
   * @param pooling how the embedding is made
   * @param normalized whether the embedding is divided by its L2 norm
   * @param classes the number of classes; 0 for none
   * @param head what is made of the last layer; a masked language model has no classes
   * @param firstPosition the row of the position embeddings that the first token has, at least 0; 2
   *     in RoBERTa
   * @throws IllegalArgumentException if a value is out of range
   */
  public TransformerEncoder {
    checkArgument(
        vocabularySize >= 1, "vocabularySize must be at least 1 but was %s", vocabularySize);
    checkArgument(maxPositions >= 1, "maxPositions must be at least 1 but was %s", maxPositions);
    checkArgument(
        typeVocabularySize >= 0,
        "typeVocabularySize must be at least 0 but was %s",
        typeVocabularySize);
    checkArgument(layers >= 1, "layers must be at least 1 but was %s", layers);
    checkArgument(heads >= 1, "heads must be at least 1 but was %s", heads);
    checkArgument(
        hiddenSize >= 1 && hiddenSize % heads == 0,
        "hiddenSize must be a multiple of heads %s but was %s",
        heads,
        hiddenSize);
    checkArgument(
        intermediateSize >= 1, "intermediateSize must be at least 1 but was %s", intermediateSize);
    requireNonNull(activation, "activation");
    checkArgument(
        layerNormEpsilon > 0,
        "layerNormEpsilon must be greater than 0 but was %s",
        layerNormEpsilon);
    BagOfEmbeddings.checkProbability("dropout", dropout);
    requireNonNull(pooling, "pooling");
    checkArgument(classes >= 0, "classes must be at least 0 but was %s", classes);
    requireNonNull(head, "head");
    checkArgument(
        classes == 0 || head != EncoderHead.MASKED_LANGUAGE_MODEL,
        "classes must be 0 for a masked language model but was %s",
        classes);
    checkArgument(firstPosition >= 0, "firstPosition must be at least 0 but was %s", firstPosition);
  }

  /**
   * Describes an encoder with a linear head whose positions start at 0.
   *
   * @param vocabularySize the number of word pieces, at least 1
   * @param maxPositions the longest input in tokens, at least 1
   * @param typeVocabularySize the number of token types, at least 0
   * @param hiddenSize the width {@code D}; a multiple of {@code heads}
   * @param layers the number of layers, at least 1
   * @param heads the number of attention heads, at least 1
   * @param intermediateSize the width of the feed-forward layer, at least 1
   * @param activation the activation of the feed-forward layer
   * @param layerNormEpsilon the epsilon of layer norm, greater than 0
   * @param dropout the dropout probability in training, from 0 to below 1
   * @param pooling how the embedding is made
   * @param normalized whether the embedding is divided by its L2 norm
   * @param classes the number of classes; 0 for none
   * @throws IllegalArgumentException if a value is out of range
   */
  public TransformerEncoder(
      int vocabularySize,
      int maxPositions,
      int typeVocabularySize,
      int hiddenSize,
      int layers,
      int heads,
      int intermediateSize,
      Activation activation,
      double layerNormEpsilon,
      double dropout,
      Pooling pooling,
      boolean normalized,
      int classes) {
    this(
        vocabularySize,
        maxPositions,
        typeVocabularySize,
        hiddenSize,
        layers,
        heads,
        intermediateSize,
        activation,
        layerNormEpsilon,
        dropout,
        pooling,
        normalized,
        classes,
        EncoderHead.LINEAR,
        0);
  }

  private boolean predictsWords() {
    return head == EncoderHead.MASKED_LANGUAGE_MODEL;
  }

  /**
   * Returns this configuration for another number of classes.
   *
   * @param classes the number of classes; 0 for none
   * @return a copy; a masked language model that gets classes becomes one with a linear head
   */
  @Override
  public TransformerEncoder withClasses(int classes) {
    return new TransformerEncoder(
        vocabularySize,
        maxPositions,
        typeVocabularySize,
        hiddenSize,
        layers,
        heads,
        intermediateSize,
        activation,
        layerNormEpsilon,
        dropout,
        pooling,
        normalized,
        classes,
        predictsWords() && classes > 0 ? EncoderHead.LINEAR : head,
        firstPosition);
  }

  /** Leaves out what is as in models from before there were heads: their digest stays. */
  @Override
  public JsonObject toJson() {
    JsonObject json = ModelConfiguration.super.toJson();
    JsonObject values = json.getAsJsonObject("configuration");
    if (head == EncoderHead.LINEAR) {
      values.remove(HEAD);
    }
    if (firstPosition == 0) {
      values.remove("firstPosition");
    }
    return json;
  }

  /** Adds what {@link #toJson} left out; 0 is what a number becomes anyway. */
  static @Nullable JsonElement withDefaults(@Nullable JsonElement values) {
    if (values == null || !values.isJsonObject() || values.getAsJsonObject().has(HEAD)) {
      return values;
    }
    JsonObject all = values.getAsJsonObject().deepCopy();
    all.addProperty(HEAD, EncoderHead.LINEAR.name());
    return all;
  }

  @Override
  public Set<SignalKind> provides() {
    Set<SignalKind> kinds = EnumSet.copyOf(ModelConfiguration.super.provides());
    kinds.addAll(ATTENTION);
    if (predictsWords()) {
      kinds.add(SignalKind.LOGITS);
    }
    return Sets.immutableEnumSet(kinds);
  }

  @Override
  public List<String> layerNames() {
    return IntStream.range(0, layers).mapToObj(i -> "encoder.layer." + i).toList();
  }

  @Override
  public int segments() {
    return layers;
  }

  @Override
  public String method(Set<SignalKind> kinds) {
    boolean relations = !Collections.disjoint(kinds, RELATIONS);
    if (kinds.contains(SignalKind.ATTENTION_SCORES)) {
      return relations ? "outputs_with_attention_and_relations" : "outputs_with_attention";
    }
    return relations ? "outputs_with_relations" : ModelConfiguration.super.method(kinds);
  }

  @Override
  public Map<String, HostTensor> initialWeights(long seed) {
    WeightInitializer initializer = new WeightInitializer(seed);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    shapes()
        .forEach(
            (name, shape) -> {
              HostTensor tensor =
                  name.endsWith("LayerNorm.weight")
                      ? initializer.constant(1, shape)
                      : name.endsWith("bias")
                          ? initializer.constant(0, shape)
                          : initializer.normal(name, DEVIATION, shape);
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
    shapes.put(WORDS + ".weight", new long[] {vocabularySize, hiddenSize});
    shapes.put(POSITIONS + ".weight", new long[] {positions(), hiddenSize});
    if (typeVocabularySize > 0) {
      shapes.put(TYPES + ".weight", new long[] {typeVocabularySize, hiddenSize});
    }
    layerNorm(shapes, EMBEDDINGS + "LayerNorm");
    for (int i = 0; i < layers; i++) {
      String layer = layer(i);
      for (String part : new String[] {"query", "key", "value"}) {
        product(shapes, layer + "attention.self." + part, hiddenSize, hiddenSize);
      }
      product(shapes, layer + "attention.output.dense", hiddenSize, hiddenSize);
      layerNorm(shapes, layer + "attention.output.LayerNorm");
      product(shapes, layer + "intermediate.dense", intermediateSize, hiddenSize);
      product(shapes, layer + "output.dense", hiddenSize, intermediateSize);
      layerNorm(shapes, layer + "output.LayerNorm");
    }
    if (head.dense() != null) {
      product(shapes, POOLER, hiddenSize, hiddenSize);
    }
    if (classes > 0) {
      product(shapes, CLASSIFIER, classes, hiddenSize);
    }
    if (predictsWords()) {
      product(shapes, TRANSFORM + "dense", hiddenSize, hiddenSize);
      layerNorm(shapes, TRANSFORM + "LayerNorm");
      shapes.put(PREDICTIONS + "bias", new long[] {vocabularySize});
    }
    return shapes;
  }

  private static void product(Map<String, long[]> shapes, String name, long out, long in) {
    shapes.put(name + ".weight", new long[] {out, in});
    shapes.put(name + ".bias", new long[] {out});
  }

  private void layerNorm(Map<String, long[]> shapes, String name) {
    shapes.put(name + ".weight", new long[] {hiddenSize});
    shapes.put(name + ".bias", new long[] {hiddenSize});
  }

  /** Returns the number of rows of the position embeddings. */
  private int positions() {
    return Math.addExact(maxPositions, firstPosition);
  }

  private static String layer(int index) {
    return "encoder.layer." + index + ".";
  }

  @Override
  public long parameterCount() {
    return shapes().values().stream().mapToLong(shape -> new Shape(shape).size()).sum();
  }

  /** Returns the number of weights and biases of a layer's products. */
  private long productWeights() {
    long d = hiddenSize;
    return 4 * d * (d + 1) + intermediateSize * (d + 1) + d * (intermediateSize + 1L);
  }

  /**
   * Adds up what libtorch's operators keep: of a layer, per token, what the three projections read,
   * queries, keys and values, the context, and around each of both residual sums a product, its
   * dropout and the sum; the two of the intermediate layer; and of each head, per pair of tokens,
   * the probabilities, their dropout and the product of both. Without dropout attention is fused
   * and keeps no pairs. Predicting words keeps, per token, the transformation's three vectors and
   * the scores.
   */
  @Override
  public long activationBytes(int rows, int tokens, Computation computation) {
    boolean reduced = computation.training() == Precision.BFLOAT16;
    boolean dropped = dropout > 0;
    long product = reduced ? 2 : Float.BYTES;
    long all = (long) rows * tokens;
    long pairs = dropped ? all * tokens * heads * Float.BYTES : 0;
    long attention = dropped ? 3L * Float.BYTES : 4 * product;
    long perToken = product + attention + product + product + 2L * Float.BYTES;
    perToken += dropped ? 4 * product : 0;
    long layer = all * (hiddenSize * perToken + 2 * product * intermediateSize) + 3 * pairs;
    layer += reduced ? 2 * productWeights() : 0;
    long state = all * hiddenSize * Float.BYTES;
    // on the way back: two gradients of the widest arrays
    long transients = 2 * Math.max(all * intermediateSize * product, pairs) + 4 * state;
    long ends = 4 * state + (long) vocabularySize * hiddenSize * Float.BYTES;
    if (predictsWords()) {
      long scores = all * vocabularySize * Float.BYTES;
      ends += 3 * state + scores;
      transients = Math.max(transients, 2 * scores);
    }
    return computation.activationCheckpointing()
        ? layers * state + layer + transients + ends
        : layers * layer + transients + ends;
  }

  @Override
  public ScriptModule module(Map<String, HostTensor> weights, Computation computation) {
    Layers parts = new Layers(weights, computation);
    ScriptModule.Builder stack = ScriptModule.builder("ModuleList");
    StringBuilder all = new StringBuilder();
    StringBuilder withRelations = new StringBuilder();
    StringBuilder withScores = new StringBuilder();
    for (int i = 0; i < layers; i++) {
      stack.module(Integer.toString(i), encoderLayer(parts, layer(i)));
      String each = "getattr(self.layer, \"" + i + "\")";
      all.append("  hidden = ").append(each).append(".forward(hidden, mask)\n");
      all.append("  states.append(hidden)\n");
      withRelations.append("  hidden = ").append(each);
      withRelations.append(".forward_with_relations(hidden, mask, relations)\n");
      withRelations.append("  states.append(hidden)\n");
      withScores.append("  hidden = ").append(each);
      withScores.append(".forward_with_scores(hidden, mask, relations, attention)\n");
      withScores.append("  states.append(hidden)\n");
    }
    ScriptModule encoder =
        ScriptModule.builder("Encoder")
            .module("layer", stack.build())
            .method(
                "def forward(self, hidden: Tensor, mask: Tensor, states: List[Tensor]) -> Tensor:\n"
                    + all
                    + "  return hidden\n")
            .method(
                "def forward_with_relations(self, hidden: Tensor, mask: Tensor, states:"
                    + " List[Tensor], relations: List[Tensor]) -> Tensor:\n"
                    + withRelations
                    + "  return hidden\n")
            .method(
                "def forward_with_scores(self, hidden: Tensor, mask: Tensor, states: List[Tensor],"
                    + " relations: List[Tensor], attention: List[Tensor]) -> Tensor:\n"
                    + withScores
                    + "  return hidden\n")
            .build();
    ScriptModule.Builder builder =
        ScriptModule.builder("TransformerEncoder")
            .module("embeddings", embeddings(parts))
            .module("encoder", encoder)
            .constant("dropout", dropout)
            .method(
                """
                def attention_bias(self, attention_mask: Tensor) -> Tensor:
                  return torch.unsqueeze(torch.unsqueeze(torch.ne(attention_mask, 0), 1), 1)
                """)
            .method(
                """
                def encode(self, input_ids: Tensor, attention_mask: Tensor, states: List[Tensor]) -> Tensor:
                  hidden = self.embeddings.forward(input_ids)
                  return self.encoder.forward(hidden, self.attention_bias(attention_mask), states)
                """);
    String scored = addHead(builder, parts);
    String logits = scored.isEmpty() ? "" : "\"logits\": " + scored + ", ";
    builder.method(
        """
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
          states = annotate(List[Tensor], [])
          hidden = self.encode(input_ids, attention_mask, states)
          embedding = self.pool(hidden, attention_mask)
          return %s
        """
            .formatted(scored.isEmpty() ? "embedding" : scored));
    String outputs =
        """
        def %s(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
          states = annotate(List[Tensor], [])
          hidden = self.encode(input_ids, attention_mask, states)
          embedding = self.pool(hidden, attention_mask)
          return {%s"embedding": embedding%s}
        """;
    builder
        .method(outputs.formatted("outputs", logits, ""))
        .method(
            outputs.formatted(
                "outputs_with_hidden_states", logits, entries("hidden_states", "states")))
        .method(
            """
            def outputs_with_relations(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              states = annotate(List[Tensor], [])
              relations = annotate(List[Tensor], [])
              hidden = self.embeddings.forward(input_ids)
              hidden = self.encoder.forward_with_relations(hidden, self.attention_bias(attention_mask), states, relations)
              embedding = self.pool(hidden, attention_mask)
              return {%s"embedding": embedding%s%s}
            """
                .formatted(logits, entries("hidden_states", "states"), relations()));
    String withAttention =
        """
        def %s(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
          states = annotate(List[Tensor], [])
          relations = annotate(List[Tensor], [])
          attention = annotate(List[Tensor], [])
          hidden = self.embeddings.forward(input_ids)
          hidden = self.encoder.forward_with_scores(hidden, self.attention_bias(attention_mask), states, relations, attention)
          embedding = self.pool(hidden, attention_mask)
          return {%s"embedding": embedding%s%s}
        """;
    String scores = entries("hidden_states", "states") + entries("attention_scores", "attention");
    builder
        .method(withAttention.formatted("outputs_with_attention", logits, scores, ""))
        .method(
            withAttention.formatted(
                "outputs_with_attention_and_relations", logits, scores, relations()));
    if (computation.activationCheckpointing()) {
      addSegments(builder, logits);
    }
    parts.requireAllUsed("TransformerEncoder");
    return builder.build();
  }

  /** Adds pooling and what gives logits; returns the source of that, empty if there is none. */
  private String addHead(ScriptModule.Builder builder, Layers parts) {
    if (head.dense() != null) {
      builder.module(
          "pooler",
          ScriptModule.builder("Pooler")
              .module("dense", parts.linear(POOLER, hiddenSize, hiddenSize))
              .build());
    }
    builder.method(poolingSource());
    if (predictsWords()) {
      builder.module("cls", predictions(parts));
      return "self.cls.predictions.forward(hidden, self.embeddings.word_embeddings.weight)";
    }
    if (classes == 0) {
      return "";
    }
    builder.module(CLASSIFIER, parts.linear(CLASSIFIER, classes, hiddenSize));
    return head.dense() == null
        ? "self.classifier.forward(embedding)"
        : "self.classifier.forward(torch.dropout(embedding, self.dropout, self.training))";
  }

  private ScriptModule predictions(Layers parts) {
    ScriptModule transform =
        ScriptModule.builder("Transform")
            .module("dense", parts.product(TRANSFORM + "dense", hiddenSize, hiddenSize))
            .module(
                "LayerNorm", parts.layerNorm(TRANSFORM + "LayerNorm", hiddenSize, layerNormEpsilon))
            .method(
                """
                def forward(self, hidden: Tensor) -> Tensor:
                  return self.LayerNorm.forward(%s)
                """
                    .formatted(parts.float32(activation.of("self.dense.forward(hidden)"))))
            .build();
    ScriptModule predictions =
        ScriptModule.builder("Predictions")
            .module("transform", transform)
            .parameter("bias", parts.take(PREDICTIONS + "bias", vocabularySize))
            .method(
                """
                def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
                  input = self.transform.forward(hidden)
                  return (%s) + self.bias
                """
                    .formatted(parts.tied("words", "input")))
            .build();
    return ScriptModule.builder("Heads").module("predictions", predictions).build();
  }

  private void addSegments(ScriptModule.Builder builder, String logits) {
    builder
        .method(
            """
            def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
              return self.embeddings.forward(input_ids)
            """)
        .method(
            """
            def finish(self, hidden: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              embedding = self.pool(hidden, attention_mask)
              return {%s"embedding": embedding}
            """
                .formatted(logits));
    String related =
        ", \"queries\": relations[0], \"keys\": relations[1], \"values\": relations[2]";
    String scored = ", \"attention_scores\": attention[0]";
    for (int i = 0; i < layers; i++) {
      segment(builder, i, "", "forward(hidden, mask)", "");
      segment(
          builder,
          i,
          "_with_relations",
          "forward_with_relations(hidden, mask, relations)",
          related);
      String both = "forward_with_scores(hidden, mask, relations, attention)";
      segment(builder, i, "_with_attention", both, scored);
      segment(builder, i, "_with_attention_and_relations", both, scored + related);
    }
  }

  private static void segment(
      ScriptModule.Builder builder, int index, String suffix, String call, String entries) {
    builder.method(
        """
        def segment_%d%s(self, hidden: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
          relations = annotate(List[Tensor], [])
          attention = annotate(List[Tensor], [])
          mask = self.attention_bias(attention_mask)
          output = getattr(self.encoder.layer, "%d").%s
          return {"hidden_states": output%s}
        """
            .formatted(index, suffix, index, call, entries));
  }

  private String entries(String key, String list) {
    return entries(key, list, 1, 0);
  }

  /** Queries, keys and values of a layer stand in one list, one after the other. */
  private String relations() {
    return entries("queries", "relations", 3, 0)
        + entries("keys", "relations", 3, 1)
        + entries("values", "relations", 3, 2);
  }

  private String entries(String key, String list, int stride, int offset) {
    StringBuilder entries = new StringBuilder();
    for (int i = 0; i < layers; i++) {
      entries.append(", \"").append(key).append('.').append(i).append("\": ");
      entries.append(list).append('[').append(i * stride + offset).append(']');
    }
    return entries.toString();
  }

  private String poolingSource() {
    String pooled =
        switch (pooling) {
          case FIRST -> "  pooled = torch.select(hidden, 1, 0)\n";
          case MEAN ->
              """
                weights = torch.unsqueeze(torch.to(attention_mask, 6), -1)
                pooled = torch.sum(hidden * weights, [1]) / torch.clamp_min(torch.sum(weights, [1]), 1.)
              """;
        };
    Activation dense = head.dense();
    if (dense != null) {
      pooled += "  pooled = " + dense.of("self.pooler.dense.forward(pooled)") + "\n";
    }
    String result =
        normalized
            ? "  return pooled / torch.clamp_min(torch.norm(pooled, 2, [-1], True), 1e-12)\n"
            : "  return pooled\n";
    return "def pool(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:\n" + pooled + result;
  }

  private ScriptModule embeddings(Layers parts) {
    ScriptModule.Builder builder =
        ScriptModule.builder("Embeddings")
            .module("word_embeddings", parts.embedding(WORDS, vocabularySize, hiddenSize))
            .module("position_embeddings", parts.embedding(POSITIONS, positions(), hiddenSize));
    String types = "";
    if (typeVocabularySize > 0) {
      builder.module(
          "token_type_embeddings", parts.embedding(TYPES, typeVocabularySize, hiddenSize));
      types = " + torch.select(self.token_type_embeddings.weight, 0, 0)";
    }
    return builder
        .module(
            "LayerNorm", parts.layerNorm(EMBEDDINGS + "LayerNorm", hiddenSize, layerNormEpsilon))
        .constant("dropout", dropout)
        .constant("first", firstPosition)
        .method(
            """
            def forward(self, input_ids: Tensor) -> Tensor:
              words = self.word_embeddings.forward(input_ids)
              positions = torch.slice(self.position_embeddings.weight, 0, self.first, self.first + torch.size(input_ids, 1))
              hidden = self.LayerNorm.forward(words%s + positions)
              return torch.dropout(hidden, self.dropout, self.training)
            """
                .formatted(types))
        .build();
  }

  private ScriptModule encoderLayer(Layers parts, String name) {
    String input = parts.operand("hidden");
    StringBuilder relations = new StringBuilder();
    for (String each : new String[] {"query", "key", "value"}) {
      relations.append("  relations.append(").append(parts.float32(each)).append(")\n");
    }
    ScriptModule self =
        ScriptModule.builder("SelfAttention")
            .module("query", parts.product(name + "attention.self.query", hiddenSize, hiddenSize))
            .module("key", parts.product(name + "attention.self.key", hiddenSize, hiddenSize))
            .module("value", parts.product(name + "attention.self.value", hiddenSize, hiddenSize))
            .constant("heads", heads)
            .constant("dropout", dropout)
            .method(
                """
                def split_heads(self, input: Tensor) -> Tensor:
                  shape = [torch.size(input, 0), torch.size(input, 1), self.heads, -1]
                  return torch.transpose(torch.reshape(input, shape), 1, 2)
                """)
            .method(
                """
                def merge_heads(self, input: Tensor) -> Tensor:
                  return torch.flatten(torch.transpose(input, 1, 2), 2)
                """)
            .method(
                """
                def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
                  input = %s
                  query = self.split_heads(self.query.forward(input))
                  key = self.split_heads(self.key.forward(input))
                  value = self.split_heads(self.value.forward(input))
                  dropout = self.dropout if self.training else 0.
                  return self.merge_heads(torch.scaled_dot_product_attention(query, key, value, mask, dropout))
                """
                    .formatted(input))
            .method(
                """
                def forward_with_relations(self, hidden: Tensor, mask: Tensor, relations: List[Tensor]) -> Tensor:
                  input = %s
                  query = self.split_heads(self.query.forward(input))
                  key = self.split_heads(self.key.forward(input))
                  value = self.split_heads(self.value.forward(input))
                %s  dropout = self.dropout if self.training else 0.
                  return self.merge_heads(torch.scaled_dot_product_attention(query, key, value, mask, dropout))
                """
                    .formatted(input, relations))
            .method(
                """
                def forward_with_scores(self, hidden: Tensor, mask: Tensor, relations: List[Tensor], attention: List[Tensor]) -> Tensor:
                  input = %s
                  query = self.split_heads(self.query.forward(input))
                  key = self.split_heads(self.key.forward(input))
                  value = self.split_heads(self.value.forward(input))
                %s  scores = %s / torch.sqrt(torch.size(query, -1))
                  probabilities = torch.softmax(torch.masked_fill(scores, torch.logical_not(mask), -inf), -1)
                  probabilities = torch.dropout(probabilities, self.dropout, self.training)
                  attention.append(scores)
                  return self.merge_heads(torch.matmul(torch.type_as(probabilities, value), value))
                """
                    .formatted(
                        input,
                        relations,
                        parts.float32("torch.matmul(query, torch.transpose(key, -2, -1))")))
            .build();
    ScriptModule attention =
        ScriptModule.builder("Attention")
            .module("self", self)
            .module("output", output(parts, name + "attention.output", hiddenSize))
            .build();
    ScriptModule intermediate =
        ScriptModule.builder("Intermediate")
            .module(
                "dense", parts.product(name + "intermediate.dense", intermediateSize, hiddenSize))
            .method(
                "def forward(self, hidden: Tensor) -> Tensor:\n  return "
                    + activation.of("self.dense.forward(hidden)")
                    + "\n")
            .build();
    return ScriptModule.builder("EncoderLayer")
        .module("attention", attention)
        .module("intermediate", intermediate)
        .module("output", output(parts, name + "output", intermediateSize))
        .method(
            """
            def feed_forward(self, hidden: Tensor, context: Tensor) -> Tensor:
              attended = self.attention.output.forward(context, hidden)
              return self.output.forward(self.intermediate.forward(attended), attended)
            """)
        .method(
            """
            def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
              context = getattr(self.attention, "self").forward(hidden, mask)
              return self.feed_forward(hidden, context)
            """)
        .method(
            """
            def forward_with_relations(self, hidden: Tensor, mask: Tensor, relations: List[Tensor]) -> Tensor:
              context = getattr(self.attention, "self").forward_with_relations(hidden, mask, relations)
              return self.feed_forward(hidden, context)
            """)
        .method(
            """
            def forward_with_scores(self, hidden: Tensor, mask: Tensor, relations: List[Tensor], attention: List[Tensor]) -> Tensor:
              context = getattr(self.attention, "self").forward_with_scores(hidden, mask, relations, attention)
              return self.feed_forward(hidden, context)
            """)
        .build();
  }

  private ScriptModule output(Layers parts, String name, int in) {
    return ScriptModule.builder("Output")
        .module("dense", parts.product(name + ".dense", hiddenSize, in))
        .module("LayerNorm", parts.layerNorm(name + ".LayerNorm", hiddenSize, layerNormEpsilon))
        .constant("dropout", dropout)
        .method(
            """
            def forward(self, input: Tensor, residual: Tensor) -> Tensor:
              projected = torch.dropout(self.dense.forward(input), self.dropout, self.training)
              return self.LayerNorm.forward(projected + residual)
            """)
        .build();
  }
}
