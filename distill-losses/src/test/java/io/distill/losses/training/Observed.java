package io.distill.losses.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Set;

/** What a model says about the rows that are held out, in host memory. */
final class Observed {

  private final int[] answers;
  private final float[][] embeddings;
  private final float[][] energy;
  private final float[][] attention;

  private Observed(int[] answers, float[][] embeddings, float[][] energy, float[][] attention) {
    this.answers = answers;
    this.embeddings = embeddings;
    this.energy = energy;
    this.attention = attention;
  }

  /** The class of the largest logit, of each row, or of each real token but the last. */
  int[] answers() {
    return answers;
  }

  /**
   * One vector a row: the embedding, or the last hidden state averaged over real tokens or pixels.
   */
  float[][] embeddings() {
    return embeddings;
  }

  /** The shares of the pixels of the last map in its squared activations, of each row. */
  float[][] energy() {
    return energy;
  }

  /**
   * How much more than evenly the last layer attends, or its values relate, to each real token: one
   * row for each row, head and real token.
   */
  float[][] attention() {
    return attention;
  }

  private static final float OUT_OF_REACH = -1e9f;

  static Observed of(Signals signals, Set<SignalKind> kinds) {
    float[][] none = new float[0][];
    return new Observed(
        kinds.contains(SignalKind.LOGITS) ? answers(signals) : new int[0],
        kinds.contains(SignalKind.EMBEDDING) || kinds.contains(SignalKind.HIDDEN_STATES)
            ? embeddings(signals)
            : none,
        kinds.contains(SignalKind.HIDDEN_STATES) ? energy(signals) : none,
        kinds.contains(SignalKind.ATTENTION_SCORES)
            ? attention(signals, last(signals, SignalKind.ATTENTION_SCORES))
            : kinds.contains(SignalKind.VALUES) ? attention(signals, relations(signals)) : none);
  }

  private static NDArray last(Signals signals, SignalKind kind) {
    return signals.layers(kind).get(signals.layers(kind).size() - 1);
  }

  /** Returns how the values of each two tokens relate, all heads joined, {@code [N, 1, L, L]}. */
  private static NDArray relations(Signals signals) {
    NDArray values = last(signals, SignalKind.VALUES).transpose(0, 2, 1, 3);
    long[] shape = values.getShape().getShape();
    NDArray joined = values.reshape(shape[0], 1, shape[1], shape[2] * shape[3]);
    return joined.matMul(joined.transpose(0, 1, 3, 2)).div(Math.sqrt((double) shape[2] * shape[3]));
  }

  private static float[][] energy(Signals signals) {
    NDArray last = last(signals, SignalKind.HIDDEN_STATES);
    NDArray squares = last.square().mean(new int[] {1}).flatten(1, -1);
    return table(squares.div(squares.sum(new int[] {1}, true)));
  }

  private static int[] answers(Signals signals) {
    NDArray best = signals.logits().argMax(-1);
    if (best.getShape().dimension() == 2) {
      NDArray predicted = signals.mask().orElseThrow().get(":, 1:").gt(0);
      best = best.get(":, :-1").get(predicted);
    }
    long[] classes = best.toType(DataType.INT64, false).toLongArray();
    int[] answers = new int[classes.length];
    for (int i = 0; i < answers.length; i++) {
      answers[i] = Math.toIntExact(classes[i]);
    }
    return answers;
  }

  private static float[][] embeddings(Signals signals) {
    NDArray rows;
    if (signals.kinds().contains(SignalKind.EMBEDDING)) {
      rows = signals.embedding();
    } else {
      NDArray last = last(signals, SignalKind.HIDDEN_STATES);
      rows =
          switch (last.getShape().dimension()) {
            case 2 -> last;
            case 3 -> {
              NDArray mask = signals.mask().orElseThrow().toType(DataType.FLOAT32, false);
              yield last.mul(mask.expandDims(2))
                  .sum(new int[] {1})
                  .div(mask.sum(new int[] {1}, true));
            }
            default -> last.mean(new int[] {2, 3});
          };
    }
    return table(rows);
  }

  private static float[][] attention(Signals signals, NDArray scores) {
    long rows = scores.getShape().get(0);
    long heads = scores.getShape().get(1);
    long tokens = scores.getShape().get(2);
    NDArray mask = signals.mask().orElseThrow().toType(DataType.FLOAT32, false);
    NDArray keys = mask.reshape(rows, 1, 1, tokens);
    NDArray probabilities = scores.add(keys.sub(1).mul(-OUT_OF_REACH)).softmax(-1);
    NDArray real = mask.expandDims(1).broadcast(rows, heads, tokens).reshape(-1).gt(0);
    NDArray even = keys.div(keys.sum(new int[] {3}, true));
    return table(probabilities.sub(even).reshape(rows * heads * tokens, tokens).get(real));
  }

  private static float[][] table(NDArray rows) {
    int count = Math.toIntExact(rows.getShape().get(0));
    int width = Math.toIntExact(rows.getShape().get(1));
    float[] flat = rows.toFloatArray();
    float[][] table = new float[count][width];
    for (int i = 0; i < count; i++) {
      System.arraycopy(flat, i * width, table[i], 0, width);
    }
    return table;
  }
}
