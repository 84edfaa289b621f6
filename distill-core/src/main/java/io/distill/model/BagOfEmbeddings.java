package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The mean of the word-piece embeddings and a small classifier on it: the fastest text model.
 *
 * <pre>{@code
 * pooled = mean over tokens of E[token];  hidden = activation(W₁ pooled + b₁);  logits = W₂ hidden + b₂
 * }</pre>
 *
 * <p>In training each token is left out with probability {@code wordDropout}. Hidden states are
 * {@code pooled} and {@code hidden}, {@code [N, D]} each; the embedding is {@code hidden}.
 *
 * @param vocabularySize the number of word pieces, at least 1
 * @param embeddingSize the width of the embeddings, at least 1
 * @param hiddenSize the width of the hidden layer, at least 1
 * @param activation the activation of the hidden layer
 * @param wordDropout the probability of leaving a token out in training, from 0 to below 1
 * @param dropout the dropout probability after the hidden layer, from 0 to below 1
 * @param classes the number of classes; 0 for none
 * @see <a href="https://arxiv.org/abs/1607.01759">Joulin et al., Bag of Tricks for Efficient Text
 *     Classification, 2017</a>
 * @see <a href="https://aclanthology.org/P15-1162/">Iyyer et al., Deep Unordered Composition Rivals
 *     Syntactic Methods, 2015</a>
 */
public record BagOfEmbeddings(
    int vocabularySize,
    int embeddingSize,
    int hiddenSize,
    Activation activation,
    double wordDropout,
    double dropout,
    int classes)
    implements ModelConfiguration {

  /** The name of the embedding matrix among the weights. */
  public static final String EMBEDDINGS = "embeddings.weight";

  /**
   * Checks the values.
   *
   * @param vocabularySize the number of word pieces, at least 1
   * @param embeddingSize the width of the embeddings, at least 1
   * @param hiddenSize the width of the hidden layer, at least 1
   * @param activation the activation of the hidden layer
   * @param wordDropout the probability of leaving a token out in training, from 0 to below 1
   * @param dropout the dropout probability after the hidden layer, from 0 to below 1
   * @param classes the number of classes; 0 for none
   * @throws IllegalArgumentException if a value is out of range
   */
  public BagOfEmbeddings {
    checkArgument(
        vocabularySize >= 1, "vocabularySize must be at least 1 but was %s", vocabularySize);
    checkArgument(embeddingSize >= 1, "embeddingSize must be at least 1 but was %s", embeddingSize);
    checkArgument(hiddenSize >= 1, "hiddenSize must be at least 1 but was %s", hiddenSize);
    requireNonNull(activation, "activation");
    checkProbability("wordDropout", wordDropout);
    checkProbability("dropout", dropout);
    checkArgument(classes >= 0, "classes must be at least 0 but was %s", classes);
  }

  static void checkProbability(String name, double value) {
    checkArgument(value >= 0 && value < 1, "%s must be from 0 to below 1 but was %s", name, value);
  }

  @Override
  public BagOfEmbeddings withClasses(int classes) {
    return new BagOfEmbeddings(
        vocabularySize, embeddingSize, hiddenSize, activation, wordDropout, dropout, classes);
  }

  @Override
  public List<String> layerNames() {
    return List.of("embeddings", "hidden");
  }

  @Override
  public Map<String, HostTensor> initialWeights(long seed) {
    WeightInitializer initializer = new WeightInitializer(seed);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    weights.put(EMBEDDINGS, initializer.normal(EMBEDDINGS, 0.1, vocabularySize, embeddingSize));
    Initial.linear(weights, initializer, "hidden", hiddenSize, embeddingSize);
    if (classes > 0) {
      Initial.linear(weights, initializer, "classifier", classes, hiddenSize);
    }
    return weights;
  }

  @Override
  public long parameterCount() {
    return (long) vocabularySize * embeddingSize
        + (long) hiddenSize * (embeddingSize + 1)
        + (long) classes * (hiddenSize + 1);
  }

  @Override
  public long activationBytes(int rows, int tokens, Computation computation) {
    // embeddings and their product with the weights of the tokens, once more each on the way back;
    // pooled, hidden, its dropout; the gradient of all embeddings before it is added
    return Float.BYTES
        * ((long) rows * tokens * embeddingSize * 3
            + (long) rows * (embeddingSize + 5L * hiddenSize)
            + (long) vocabularySize * embeddingSize);
  }

  @Override
  public ScriptModule module(Map<String, HostTensor> weights, Computation computation) {
    Layers layers = new Layers(weights, computation);
    ScriptModule.Builder builder =
        ScriptModule.builder("BagOfEmbeddings")
            .module("embeddings", layers.embedding("embeddings", vocabularySize, embeddingSize))
            .module("hidden", layers.product("hidden", hiddenSize, embeddingSize))
            .constant("word_dropout", wordDropout)
            .constant("dropout", dropout)
            .method(
                """
                def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
                  words = self.embeddings.forward(input_ids)
                  weights = torch.to(attention_mask, 6)
                  if self.training:
                    weights = weights * torch.to(torch.rand_like(weights) >= self.word_dropout, 6)
                  weights = torch.unsqueeze(weights, -1)
                  return torch.sum(words * weights, [1]) / torch.clamp_min(torch.sum(weights, [1]), 1.)
                """)
            .method(
                """
                def encode(self, pooled: Tensor) -> Tensor:
                  return %s
                """
                    .formatted(layers.float32(activation.of("self.hidden.forward(pooled)"))));
    if (classes > 0) {
      builder
          .module("classifier", layers.linear("classifier", classes, hiddenSize))
          .method(
              """
              def classify(self, hidden: Tensor) -> Tensor:
                return self.classifier.forward(torch.dropout(hidden, self.dropout, self.training))
              """)
          .method(
              """
              def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
                return self.classify(self.encode(self.pool(input_ids, attention_mask)))
              """);
    } else {
      builder.method(
          """
          def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            return self.encode(self.pool(input_ids, attention_mask))
          """);
    }
    String logits = classes > 0 ? "\"logits\": self.classify(hidden), " : "";
    builder
        .method(
            """
            def outputs(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              hidden = self.encode(self.pool(input_ids, attention_mask))
              return {%s"embedding": hidden}
            """
                .formatted(logits))
        .method(
            """
            def outputs_with_hidden_states(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              pooled = self.pool(input_ids, attention_mask)
              hidden = self.encode(pooled)
              return {%s"embedding": hidden, "hidden_states.0": pooled, "hidden_states.1": hidden}
            """
                .formatted(logits));
    layers.requireAllUsed("BagOfEmbeddings");
    return builder.build();
  }
}
