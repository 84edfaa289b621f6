package io.distill.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import com.google.common.base.Strings;
import io.distill.exception.DistillationException;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Tells which output of a foreign model is which signal; a lambda is one.
 *
 * <p>{@link #standard()} fits most models. Write your own where a model returns something else:
 *
 * <pre>{@code
 * SignalReader secondIsEmbedding = (outputs, inputs) ->
 *     Signals.builder().logits(outputs.get(0)).embedding(outputs.get(1)).build();
 * }</pre>
 */
@FunctionalInterface
public interface SignalReader {

  /**
   * Names the outputs of a model.
   *
   * @param outputs what the model returned, lists and dictionaries flattened
   * @param inputs what it was given
   * @return the signals
   */
  Signals read(NDList outputs, NDList inputs);

  /**
   * Reads the outputs by their names if they have any, else by their dimensions.
   *
   * <p>Names: {@code logits}, {@code embedding} or {@code pooler_output}, {@code hidden_states.N}
   * in order, and so {@code attention_scores.N}, {@code queries.N}, {@code keys.N} and {@code
   * values.N}; {@code logit_factors.states} and {@code logit_factors.weight}; {@code mask}, which
   * tokens count; {@code texts}, of which text of its row each token of a causal model is.
   * Dimensions: the first two-dimensional output is the logits and the second the embedding;
   * three-dimensional ones are hidden states, four-dimensional ones attention scores, in order. The
   * second input, if it is {@code [N, L]} of integers, is the token mask.
   *
   * @return the reader
   */
  static SignalReader standard() {
    return (outputs, inputs) -> {
      boolean named = outputs.stream().anyMatch(array -> !Strings.isNullOrEmpty(array.getName()));
      boolean masked = outputs.stream().anyMatch(array -> "mask".equals(array.getName()));
      Signals.Builder signals = named ? byName(outputs) : byDimension(outputs);
      if (!masked
          && inputs.size() > 1
          && inputs.get(1).getShape().dimension() == 2
          && inputs.get(1).getDataType() == DataType.INT64) {
        signals.mask(inputs.get(1));
      }
      return signals.build();
    };
  }

  private static Signals.Builder byName(NDList outputs) {
    Signals.Builder signals = Signals.builder();
    Map<SignalKind, List<NumberedArray>> layers = new EnumMap<>(SignalKind.class);
    NDArray states = null;
    NDArray weight = null;
    boolean found = false;
    for (NDArray array : outputs) {
      String name = Strings.nullToEmpty(array.getName());
      // a name with a dot would make DJL pass the array on as a part of a dictionary
      array.setName(null);
      if (name.equals("logits")) {
        signals.logits(array);
      } else if (name.equals("embedding") || name.equals("pooler_output")) {
        signals.embedding(array);
      } else if (name.equals("mask")) {
        signals.mask(array);
        continue;
      } else if (name.equals("texts")) {
        signals.texts(array);
        continue;
      } else if (name.equals("logit_factors.states")) {
        states = array;
      } else if (name.equals("logit_factors.weight")) {
        weight = array;
      } else {
        SignalKind kind = layered(name);
        if (kind == null) {
          continue;
        }
        layers.computeIfAbsent(kind, each -> new ArrayList<>()).add(NumberedArray.of(name, array));
      }
      found = true;
    }
    if (!found) {
      throw new DistillationException(
          "model outputs must be named logits, embedding, pooler_output, hidden_states.N,"
              + " attention_scores.N, queries.N, keys.N or values.N but none is; give a"
              + " SignalReader that names them");
    }
    layers.forEach((kind, arrays) -> signals.layers(kind, NumberedArray.inOrder(arrays)));
    if (states != null && weight != null) {
      signals.logitFactors(new LogitFactors(states, weight));
    }
    return signals;
  }

  private static @Nullable SignalKind layered(String name) {
    if (name.startsWith("hidden_states")) {
      return SignalKind.HIDDEN_STATES;
    }
    if (name.startsWith("attention_scores")) {
      return SignalKind.ATTENTION_SCORES;
    }
    // with the dot: "values" alone may be anything
    if (name.startsWith("queries.")) {
      return SignalKind.QUERIES;
    }
    if (name.startsWith("keys.")) {
      return SignalKind.KEYS;
    }
    return name.startsWith("values.") ? SignalKind.VALUES : null;
  }

  private static Signals.Builder byDimension(NDList outputs) {
    Signals.Builder signals = Signals.builder();
    List<NDArray> rows = new ArrayList<>();
    List<NDArray> hidden = new ArrayList<>();
    List<NDArray> attention = new ArrayList<>();
    for (NDArray array : outputs) {
      switch (array.getShape().dimension()) {
        case 2 -> rows.add(array);
        case 3 -> hidden.add(array);
        case 4 -> attention.add(array);
        default ->
            throw new DistillationException(
                "model outputs must have 2, 3 or 4 dimensions but one has shape "
                    + array.getShape()
                    + "; give a SignalReader that names them");
      }
    }
    if (!rows.isEmpty()) {
      signals.logits(rows.get(0));
    }
    if (rows.size() > 1) {
      signals.embedding(rows.get(1));
    }
    return signals.hiddenStates(hidden).attentionScores(attention);
  }
}
