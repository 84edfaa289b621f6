package io.distill.loss;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import io.distill.exception.DistillationException;
import io.distill.mapping.LayerPair;
import io.distill.mapping.LayerWeighting;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Arrays;
import java.util.List;

/** Averages the distances of layer pairs as a layer mapping weights them. */
final class LayerAverage {

  /**
   * The softmax of each row of the weights over those columns that have a pair. Places without one
   * get a very low number instead of -inf, whose gradient would be NaN in rows without any pair.
   */
  private static final String LEARNED =
      """
      def learned(self, distances: Tensor, weights: Tensor, places: Tensor) -> Tensor:
        columns = torch.size(weights, 1)
        absent = torch.index_fill(torch.reshape(torch.full_like(weights, -1e30), [-1]), 0, places, 0.)
        shares = torch.softmax(weights + torch.reshape(absent, torch.size(weights)), 1)
        rows = torch.index_fill(torch.zeros([torch.size(weights, 0)]), 0, torch.floor_divide(places, columns).cpu(), 1.)
        own = torch.index_select(torch.reshape(shares, [-1]), 0, places)
        return torch.sum(own * distances) / float(torch.sum(rows))
      """;

  private LayerAverage() {}

  /** Loaded when the first learned mapping is used. */
  private static final class Script {
    static final LoadedModule MODULE =
        LoadedModule.load(
            ScriptModule.builder("LayerAverage").method(LEARNED).build(), Device.cpu(), false);
  }

  static NDArray of(
      LossContext context,
      LayerWeighting weighting,
      List<LayerPair> pairs,
      List<NDArray> distances) {
    if (pairs.size() == 1) {
      return distances.get(0);
    }
    NDArray all = NDArrays.stack(new NDList(distances));
    return switch (weighting) {
      case EQUAL -> all.mean();
      case LEARNED -> learned(context, pairs, all);
      case EARTH_MOVERS_DISTANCE -> all.mul(flow(pairs, all)).sum();
    };
  }

  private static NDArray learned(LossContext context, List<LayerPair> pairs, NDArray distances) {
    NDArray weights = context.parameter(LossSetup.LAYER_WEIGHTS);
    long columns = weights.getShape().get(1);
    long[] places =
        pairs.stream().mapToLong(pair -> pair.student() * columns + pair.teacher()).toArray();
    return Script.MODULE
        .call(
            "learned", new NDList(distances, weights, distances.getManager().create(places)), true)
        .get(0);
  }

  /** Returns the flow between all layers that occur, as constants in the order of the pairs. */
  private static NDArray flow(List<LayerPair> pairs, NDArray distances) {
    double[] values =
        distances.getDataType() == DataType.FLOAT64
            ? distances.toDoubleArray()
            : doubles(distances.toFloatArray());
    int[] students = pairs.stream().mapToInt(LayerPair::student).distinct().sorted().toArray();
    int[] teachers = pairs.stream().mapToInt(LayerPair::teacher).distinct().sorted().toArray();
    double[][] cost = new double[students.length][teachers.length];
    Arrays.stream(cost).forEach(row -> Arrays.fill(row, Double.POSITIVE_INFINITY));
    double[] shares = new double[values.length];
    if (Arrays.stream(values).allMatch(Double::isFinite)) {
      for (int i = 0; i < values.length; i++) {
        LayerPair pair = pairs.get(i);
        cost[Arrays.binarySearch(students, pair.student())][
                Arrays.binarySearch(teachers, pair.teacher())] =
            values[i];
      }
      double[][] flow = solve(cost, pairs);
      for (int i = 0; i < values.length; i++) {
        LayerPair pair = pairs.get(i);
        shares[i] =
            flow[Arrays.binarySearch(students, pair.student())][
                Arrays.binarySearch(teachers, pair.teacher())];
      }
    } else {
      // whoever runs the loss tells that it is not finite
      Arrays.fill(shares, 1.0 / values.length);
    }
    return distances.getManager().create(shares).toType(distances.getDataType(), false);
  }

  private static double[][] solve(double[][] cost, List<LayerPair> pairs) {
    try {
      return Transport.solve(cost);
    } catch (IllegalArgumentException e) {
      throw new DistillationException(
          "layerMapping with weighting EARTH_MOVERS_DISTANCE must let all layers move their mass but"
              + " gave only "
              + pairs
              + "; give more pairs, or use LayerMapping.earthMovers()",
          e);
    }
  }

  private static double[] doubles(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }
}
