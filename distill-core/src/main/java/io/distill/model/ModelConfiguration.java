package io.distill.model;

import com.google.common.collect.Sets;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonDeserializer;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.signal.SignalKind;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The shape of one of the library's own models: everything but the weights. */
public sealed interface ModelConfiguration
    permits BagOfEmbeddings, MultilayerPerceptron, TransformerDecoder, TransformerEncoder {

  /**
   * Draws weights.
   *
   * @param seed the seed; the same seed gives the same weights everywhere
   * @return initial weights by parameter name
   */
  Map<String, HostTensor> initialWeights(long seed);

  /**
   * Counts the parameters without making any.
   *
   * @return the number of elements of all weights
   */
  long parameterCount();

  /**
   * Estimates what a training step keeps between forward and backward pass, besides parameters and
   * their gradients.
   *
   * @param rows the number of rows of a batch
   * @param tokens the number of positions of each row; 1 for rows of numbers
   * @param computation the precision, and whether activations are kept
   * @return bytes, right to about a third
   */
  long activationBytes(int rows, int tokens, Computation computation);

  /**
   * Builds the module that is saved: it computes in float32.
   *
   * @param weights a tensor for each parameter name of {@link #initialWeights}
   * @return the module
   * @throws DistillationException if a weight is missing, superfluous, or has another shape
   */
  default ScriptModule module(Map<String, HostTensor> weights) {
    return module(weights, Computation.standard());
  }

  /**
   * Builds a module with the same parameters that computes as it is told.
   *
   * @param weights a tensor for each parameter name of {@link #initialWeights}
   * @param computation the precision, and whether activations are kept; whatever it is, all inputs
   *     and outputs of the methods are float32
   * @return the module
   * @throws DistillationException if a weight is missing, superfluous, or has another shape
   */
  ScriptModule module(Map<String, HostTensor> weights, Computation computation);

  /**
   * Returns what the model can say.
   *
   * @return embedding and hidden states, and logits if there are classes, unless said otherwise
   */
  default Set<SignalKind> provides() {
    return classes() == 0
        ? Sets.immutableEnumSet(SignalKind.EMBEDDING, SignalKind.HIDDEN_STATES)
        : Sets.immutableEnumSet(SignalKind.LOGITS, SignalKind.EMBEDDING, SignalKind.HIDDEN_STATES);
  }

  /**
   * Returns the names of the layers that give hidden states.
   *
   * @return the paths of the layers among the modules, first to last
   */
  List<String> layerNames();

  /**
   * Returns which method of the module gives signals at the least cost.
   *
   * @param kinds what is asked for, among {@link #provides()}
   * @return the name of the method, which may give more
   */
  default String method(Set<SignalKind> kinds) {
    return kinds.contains(SignalKind.HIDDEN_STATES) ? "outputs_with_hidden_states" : "outputs";
  }

  /**
   * Returns how many parts of the model can run one by one, so that each can run again in the
   * backward pass. A module whose computation has activation checkpointing has the methods {@code
   * embed}, {@code segment_0} and so on, and {@code finish}.
   *
   * @return the number of layers; 0 if the model is too small for that, which is the default
   */
  default int segments() {
    return 0;
  }

  /**
   * Returns the number of rows of the table of embeddings.
   *
   * @return one more than the largest token id; 0 if inputs are no tokens, which is the default
   */
  default int vocabularySize() {
    return 0;
  }

  /**
   * Returns the number of classes.
   *
   * @return the number of classes; 0 if the model has no classifier
   */
  int classes();

  /**
   * Returns this configuration for another number of classes.
   *
   * @param classes the number of classes; 0 for none
   * @return a copy
   */
  ModelConfiguration withClasses(int classes);

  /**
   * Writes this configuration as JSON.
   *
   * @return an object with the architecture's name and its values
   */
  default JsonObject toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("architecture", getClass().getSimpleName());
    json.add("configuration", gson().toJsonTree(this));
    return json;
  }

  /**
   * Reads what {@link #toJson} wrote.
   *
   * @param json the object
   * @return the configuration
   * @throws DistillationException if the architecture is unknown or a value is wrong
   */
  static ModelConfiguration fromJson(JsonObject json) {
    JsonElement name = json.get("architecture");
    try {
      Class<? extends ModelConfiguration> type =
          switch (name == null ? "" : name.getAsString()) {
            case "BagOfEmbeddings" -> BagOfEmbeddings.class;
            case "MultilayerPerceptron" -> MultilayerPerceptron.class;
            case "TransformerDecoder" -> TransformerDecoder.class;
            case "TransformerEncoder" -> TransformerEncoder.class;
            default ->
                throw new DistillationException(
                    "architecture must be one of BagOfEmbeddings, MultilayerPerceptron,"
                        + " TransformerDecoder, TransformerEncoder but was "
                        + name
                        + "; the file may come from a newer version");
          };
      JsonElement values = json.get("configuration");
      if (type == TransformerEncoder.class) {
        values = TransformerEncoder.withDefaults(values);
      }
      ModelConfiguration configuration = gson().fromJson(values, type);
      if (configuration == null) {
        throw new DistillationException(
            "configuration of " + name + " must be present but is missing; save the model again");
      }
      return configuration;
    } catch (JsonParseException | IllegalStateException | UnsupportedOperationException e) {
      throw new DistillationException(
          "configuration of " + name + " must be readable but was not (" + e.getMessage() + ")", e);
    } catch (RuntimeException e) {
      if (e instanceof DistillationException) {
        throw e;
      }
      // a record's own check, wrapped by Gson
      throw new DistillationException(
          "configuration of "
              + name
              + " must have values in range but was refused ("
              + (e.getCause() == null ? e : e.getCause()).getMessage()
              + ")",
          e);
    }
  }

  private static Gson gson() {
    // Gson's own adapter cuts off digits that do not fit
    JsonDeserializer<Integer> exact = (json, type, context) -> StrictJson.integer(json);
    return new GsonBuilder()
        .serializeSpecialFloatingPointValues()
        .registerTypeAdapter(int.class, exact)
        .registerTypeAdapter(Integer.class, exact)
        .create();
  }
}
