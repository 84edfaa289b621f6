package io.distill.onnx;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.Pooling;
import io.distill.model.TransformerEncoder;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The weights and the configuration of a BERT-family encoder, read out of an ONNX export.
 *
 * <pre>{@code
 * OnnxEncoderWeights weights = OnnxEncoderWeights.read(Path.of("model.onnx"));
 * weights.configuration().hiddenSize();                           // 384
 * weights.tensors().get("encoder.layer.0.output.dense.weight");   // float32, [384, 1536]
 * }</pre>
 *
 * <p>Exports keep the names of embeddings, biases and norms but store linear weights transposed
 * under names such as {@code onnx::MatMul_885}; those are found by the node that uses them (its
 * path, or the bias that is added to its result). Prefixes before {@code embeddings}, {@code
 * encoder} and {@code pooler} are ignored. Float16, bfloat16 and float64 tensors become float32.
 *
 * <p><b>Refused</b> with a {@link DistillationException}: files that are not ONNX, damaged or not
 * BERT encoders; quantized or fused graphs; encoders that count positions as RoBERTa does;
 * parameters inside a layer that BERT does not have; weights that are not finite.
 *
 * <p><b>Memory.</b> Float32 tensors that need no transposing share the bytes that were read; while
 * reading, at most about twice the size of the file is held. Immutable and safe to share.
 */
public final class OnnxEncoderWeights {

  /** Twice for float16, and as much for vectors that an exporter stored once as they were equal. */
  private static final long MOST_UNFOLDING = 4;

  private static final long ALWAYS_ALLOWED_BYTES = 1 << 20;

  private final Configuration configuration;
  private final Map<String, HostTensor> tensors;

  private OnnxEncoderWeights(Configuration configuration, Map<String, HostTensor> tensors) {
    this.configuration = configuration;
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /**
   * What an encoder looks like, as far as its graph tells.
   *
   * @param vocabularySize rows of the word embedding; at least 1
   * @param maxPositions longest input, in tokens; at least 1
   * @param typeVocabularySize number of segment kinds; at least 1
   * @param hiddenSize width of a hidden state; at least 1
   * @param layers number of transformer layers; at least 1
   * @param intermediateSize width of the feed-forward part; at least 1
   * @param heads number of attention heads; divides {@code hiddenSize}
   * @param layerNormEpsilon what every layer norm adds to the variance; usual value 1e-12
   * @param activation the function inside the feed-forward part
   */
  public record Configuration(
      int vocabularySize,
      int maxPositions,
      int typeVocabularySize,
      int hiddenSize,
      int layers,
      int intermediateSize,
      int heads,
      double layerNormEpsilon,
      Activation activation) {

    /**
     * Returns the library's architecture of this shape, without classifier and dropout.
     *
     * @param pooling how the embedding is made of the last hidden states; not part of most exports
     * @param normalized whether the embedding is divided by its L2 norm
     * @return the architecture
     */
    public TransformerEncoder encoder(Pooling pooling, boolean normalized) {
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
          0,
          pooling,
          normalized,
          0);
    }
  }

  /**
   * Reads an ONNX file, and the files beside it if it keeps tensors there.
   *
   * @param file the ONNX file
   * @return the weights
   * @throws DistillationException if the file is missing, damaged, or no BERT-family encoder
   */
  public static OnnxEncoderWeights read(Path file) {
    requireNonNull(file, "file");
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          "model file must exist but was '" + file + "'; check the path to the .onnx file");
    }
    Path directory = file.toAbsolutePath().getParent();
    try (InputStream input = Files.newInputStream(file)) {
      return read(input, file.toString(), new ExternalData(Optional.ofNullable(directory)));
    } catch (IOException e) {
      throw unreadable(file.toString(), e);
    }
  }

  /**
   * Reads an ONNX file from a stream, which is left open.
   *
   * @param input the bytes of the file, read to the end
   * @param name what messages call the model
   * @return the weights
   * @throws DistillationException if the bytes cannot be read, are damaged, keep tensors in another
   *     file, or are no BERT-family encoder
   */
  public static OnnxEncoderWeights read(InputStream input, String name) {
    requireNonNull(input, "input");
    requireNonNull(name, "name");
    try {
      return read(input, name, new ExternalData(Optional.empty()));
    } catch (IOException e) {
      throw unreadable(name, e);
    }
  }

  /**
   * Returns the configuration.
   *
   * @return what the graph tells about the encoder
   */
  public Configuration configuration() {
    return configuration;
  }

  /**
   * Returns the tensors by their Hugging Face BERT names, linear weights as {@code [out, in]}.
   *
   * @return float32 tensors in the order embeddings, layers, pooler (only if the file has one);
   *     unmodifiable
   */
  public Map<String, HostTensor> tensors() {
    return tensors;
  }

  /**
   * Counts the parameters.
   *
   * @return the number of elements of all tensors
   */
  public long parameterCount() {
    return tensors.values().stream().mapToLong(tensor -> tensor.shape().size()).sum();
  }

  @Override
  public String toString() {
    return "OnnxEncoderWeights[" + configuration + ", " + parameterCount() + " parameters]";
  }

  private static DistillationException unreadable(String name, IOException cause) {
    return new DistillationException(
        "model '"
            + name
            + "' must be readable but reading failed: "
            + cause.getMessage()
            + "; check the file and its permissions",
        cause);
  }

  private static OnnxEncoderWeights read(InputStream input, String name, ExternalData external)
      throws IOException {
    String model = "model '" + name + "'";
    OnnxGraph graph = OnnxGraph.parse(input, model);
    EncoderTensors located = EncoderTensors.locate(graph, model);
    Configuration configuration = EncoderConfiguration.infer(graph, located, model);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    Map<String, Shape> shapes = shapes(configuration, located.hasPooler());
    long stored =
        graph.bytes()
            + external.bytes(
                shapes.keySet().stream().map(each -> located.source(each).tensor()).toList(),
                model);
    long needed = 0;
    for (Map.Entry<String, Shape> entry : shapes.entrySet()) {
      EncoderTensors.Source source = located.source(entry.getKey());
      tensors.put(
          entry.getKey(),
          TensorData.read(source, entry.getKey(), entry.getValue(), model, external));
      needed += entry.getValue().size() * Float.BYTES;
      requireJustified(needed, stored, model);
    }
    return new OnnxEncoderWeights(configuration, tensors);
  }

  /** Many parameters may name one stored tensor; their copies must not fill the memory. */
  private static void requireJustified(long needed, long stored, String model) {
    if (needed > MOST_UNFOLDING * stored + ALWAYS_ALLOWED_BYTES) {
      throw new DistillationException(
          model
              + " must store each parameter but has only "
              + stored
              + " bytes for more than "
              + needed
              + " bytes of parameters, because layers share theirs; export an encoder whose layers"
              + " differ");
    }
  }

  private static Map<String, Shape> shapes(Configuration configuration, boolean pooler) {
    long hidden = configuration.hiddenSize();
    long intermediate = configuration.intermediateSize();
    Map<String, Shape> shapes = new LinkedHashMap<>();
    shapes.put(
        "embeddings.word_embeddings.weight", new Shape(configuration.vocabularySize(), hidden));
    shapes.put(
        "embeddings.position_embeddings.weight", new Shape(configuration.maxPositions(), hidden));
    shapes.put(
        "embeddings.token_type_embeddings.weight",
        new Shape(configuration.typeVocabularySize(), hidden));
    putAffine(shapes, "embeddings.LayerNorm", new Shape(hidden), hidden);
    for (int layer = 0; layer < configuration.layers(); layer++) {
      String prefix = "encoder.layer." + layer + ".";
      Shape square = new Shape(hidden, hidden);
      putAffine(shapes, prefix + "attention.self.query", square, hidden);
      putAffine(shapes, prefix + "attention.self.key", square, hidden);
      putAffine(shapes, prefix + "attention.self.value", square, hidden);
      putAffine(shapes, prefix + "attention.output.dense", square, hidden);
      putAffine(shapes, prefix + "attention.output.LayerNorm", new Shape(hidden), hidden);
      putAffine(
          shapes, prefix + "intermediate.dense", new Shape(intermediate, hidden), intermediate);
      putAffine(shapes, prefix + "output.dense", new Shape(hidden, intermediate), hidden);
      putAffine(shapes, prefix + "output.LayerNorm", new Shape(hidden), hidden);
    }
    if (pooler) {
      putAffine(shapes, "pooler.dense", new Shape(hidden, hidden), hidden);
    }
    return shapes;
  }

  private static void putAffine(
      Map<String, Shape> shapes, String prefix, Shape weight, long outputs) {
    shapes.put(prefix + ".weight", weight);
    shapes.put(prefix + ".bias", new Shape(outputs));
  }
}
