package io.distill.model;

import static java.util.Objects.checkIndex;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import com.google.common.primitives.ImmutableDoubleArray;
import com.google.common.primitives.Ints;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Adds up over batches what {@link DecoderModule} gives of one. Not thread-safe. */
final class ActivationMeter {

  private final ScriptedModel model;
  private final TransformerDecoder shape;
  private final List<double[]> totals = new ArrayList<>();
  private long tokens;

  ActivationMeter(ScriptedModel model, TransformerDecoder shape) {
    this.model = model;
    this.shape = shape;
  }

  void add(NDList inputs) {
    try (NDArray shown = inputs.get(1).neq(0);
        NDArray count = shown.sum();
        NDList sums = model.measure(inputs)) {
      tokens += count.toLongArray()[0];
      for (int i = 0; i < sums.size(); i++) {
        float[] values = sums.get(i).toFloatArray();
        if (totals.size() == i) {
          totals.add(new double[values.length]);
        }
        double[] total = totals.get(i);
        for (int j = 0; j < values.length; j++) {
          total[j] += values[j];
        }
      }
    }
  }

  long tokens() {
    return tokens;
  }

  Sums sums() {
    return new Sums(
        shape.layers(),
        shape.headSize(),
        totals.stream().map(ImmutableDoubleArray::copyOf).toList());
  }

  /** What was added up, in the order in which the model gives it. */
  record Sums(int layers, int headSize, List<ImmutableDoubleArray> all) {

    private static final int SQUARES_BEFORE_ATTENTION = 0;
    private static final int SIZES_BEFORE_ATTENTION = 1;
    private static final int CONTEXT = 2;
    private static final int SQUARES_BEFORE_FORWARD = 3;
    private static final int SIZES_BEFORE_FORWARD = 4;
    private static final int NEURONS = 5;
    private static final int TURNED = 6;
    private static final int OF_LAYER = 7;

    private ImmutableDoubleArray of(int layer, int part) {
      return all.get(OF_LAYER * layer + part);
    }

    double[] turned() {
      double[] turned = new double[layers];
      for (int i = 0; i < layers; i++) {
        turned[i] = of(i, TURNED).get(0);
      }
      return turned;
    }

    double[] heads(int layer) {
      checkIndex(layer, layers);
      ImmutableDoubleArray channels = of(layer, CONTEXT);
      double[] heads = new double[channels.length() / headSize];
      for (int i = 0; i < channels.length(); i++) {
        heads[i / headSize] += channels.get(i);
      }
      return roots(heads);
    }

    double[] neurons(int layer) {
      checkIndex(layer, layers);
      return roots(of(layer, NEURONS).toArray());
    }

    double[] channels() {
      double[] channels = roots(all.get(OF_LAYER * layers + SIZES_BEFORE_ATTENTION).toArray());
      for (int i = 0; i < layers; i++) {
        addTo(channels, roots(of(i, SIZES_BEFORE_ATTENTION).toArray()));
        addTo(channels, roots(of(i, SIZES_BEFORE_FORWARD).toArray()));
      }
      return channels;
    }

    double[] squares(int norm) {
      int part = norm % 2 == 0 ? SQUARES_BEFORE_ATTENTION : SQUARES_BEFORE_FORWARD;
      // the last norm stands where a further layer would begin
      return of(norm / 2, part).toArray();
    }

    Sums shuffled(Random random) {
      int[] ofChannels = permutation(of(0, SIZES_BEFORE_ATTENTION).length(), random);
      int[] ofLayers = permutation(layers, random);
      List<ImmutableDoubleArray> dealt = new ArrayList<>(all);
      for (int i = 0; i < layers; i++) {
        int from = OF_LAYER * i;
        int channels = of(i, CONTEXT).length();
        int[] ofHeads = permutation(channels / headSize, random);
        int[] ofContext = new int[channels];
        for (int j = 0; j < channels; j++) {
          ofContext[j] = ofHeads[j / headSize] * headSize + j % headSize;
        }
        int[] ofNeurons = permutation(of(i, NEURONS).length(), random);
        dealt.set(from + CONTEXT, permuted(of(i, CONTEXT), ofContext));
        dealt.set(from + NEURONS, permuted(of(i, NEURONS), ofNeurons));
        dealt.set(from + TURNED, of(ofLayers[i], TURNED));
        for (int part : new int[] {SIZES_BEFORE_ATTENTION, SIZES_BEFORE_FORWARD}) {
          dealt.set(from + part, permuted(of(i, part), ofChannels));
        }
      }
      int last = OF_LAYER * layers + SIZES_BEFORE_ATTENTION;
      dealt.set(last, permuted(all.get(last), ofChannels));
      return new Sums(layers, headSize, List.copyOf(dealt));
    }

    private static int[] permutation(int count, Random random) {
      List<Integer> places = new ArrayList<>(IntStream.range(0, count).boxed().toList());
      Collections.shuffle(places, random);
      return Ints.toArray(places);
    }

    private static ImmutableDoubleArray permuted(ImmutableDoubleArray values, int[] places) {
      return ImmutableDoubleArray.copyOf(Arrays.stream(places).mapToDouble(values::get));
    }

    private static double[] roots(double[] squares) {
      for (int i = 0; i < squares.length; i++) {
        squares[i] = Math.sqrt(squares[i]);
      }
      return squares;
    }

    private static void addTo(double[] sum, double[] values) {
      for (int i = 0; i < sum.length; i++) {
        sum[i] += values[i];
      }
    }
  }
}
