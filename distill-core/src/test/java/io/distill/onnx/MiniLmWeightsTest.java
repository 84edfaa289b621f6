package io.distill.onnx;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.Shape;
import io.distill.model.Activation;
import io.distill.onnx.OnnxEncoderWeights.Configuration;
import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The real all-MiniLM-L6-v2, from the test class path. */
class MiniLmWeightsTest {

  private static OnnxEncoderWeights weights;

  @BeforeAll
  static void read() throws IOException {
    try (InputStream input =
        requireNonNull(
            MiniLmWeightsTest.class.getResourceAsStream("/all-minilm-l6-v2.onnx"), "model")) {
      weights = OnnxEncoderWeights.read(input, "all-minilm-l6-v2.onnx");
    }
  }

  @Test
  void configuration_ofMiniLm_isThePublishedOne() {
    assertThat(weights.configuration())
        .isEqualTo(new Configuration(30522, 512, 2, 384, 6, 1536, 12, 1e-12, Activation.GELU));
  }

  @Test
  void tensors_ofMiniLm_areAllThere() {
    assertThat(weights.parameterCount()).isEqualTo(22_713_216L);
    assertThat(weights.tensors()).hasSize(5 + 6 * 16 + 2);
    assertThat(weights.tensors().keySet())
        .startsWith("embeddings.word_embeddings.weight")
        .endsWith("pooler.dense.weight", "pooler.dense.bias");
    assertThat(weights.tensors().get("encoder.layer.5.intermediate.dense.weight"))
        .extracting(tensor -> tensor.shape())
        .isEqualTo(new Shape(1536, 384));
  }
}
