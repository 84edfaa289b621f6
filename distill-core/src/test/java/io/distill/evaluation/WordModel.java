package io.distill.evaluation;

import ai.djl.Device;
import io.distill.data.Tokenizer;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A model whose answers are known: {@code mail} speaks for the first class, {@code refund} for the
 * second, {@code hello} for the third. Its embedding counts the three words (by share of tokens).
 */
public final class WordModel {

  public static final List<String> WORDS = List.of("mail", "refund", "hello");

  private WordModel() {}

  public static DeployableModel of(List<String> classNames) {
    return of(classNames, 3, tokenizer());
  }

  /** The same model without a classifier. */
  public static DeployableModel embeddingOnly() {
    return of(List.of(), 0, tokenizer());
  }

  public static DeployableModel of(List<String> classNames, int classes, Tokenizer tokenizer) {
    Tokenizer words = tokenizer();
    int size = words.vocabularySize();
    float[] embeddings = new float[size * 3];
    for (int i = 0; i < 3; i++) {
      embeddings[words.id(WORDS.get(i)).orElseThrow() * 3 + i] = 1;
    }
    HostTensor identity = HostTensor.of(new float[] {1, 0, 0, 0, 1, 0, 0, 0, 1}, 3, 3);
    HostTensor zeros = HostTensor.of(new float[3], 3);
    Map<String, HostTensor> weights = new HashMap<>();
    weights.put(BagOfEmbeddings.EMBEDDINGS, HostTensor.of(embeddings, size, 3));
    weights.put("hidden.weight", identity);
    weights.put("hidden.bias", zeros);
    if (classes > 0) {
      weights.put("classifier.weight", identity);
      weights.put("classifier.bias", zeros);
    }
    return new DeployableModel(
        ScriptedModel.open(
            new BagOfEmbeddings(size, 3, 3, Activation.RELU, 0, 0, classes),
            weights,
            Device.cpu(),
            false),
        tokenizer,
        classNames);
  }

  private static Tokenizer tokenizer() {
    try (InputStream json =
        WordModel.class.getResourceAsStream("/io/distill/data/small-tokenizer.json")) {
      return Tokenizer.parse(Objects.requireNonNull(json));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
