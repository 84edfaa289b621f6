package io.distill.teacher;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The logits of several teachers as one, in float32; each formula is one native call. Results are
 * attached to the manager of the first member's logits.
 *
 * <p>{@code members} are M arrays of one shape {@code [..., C]}; {@code weights} are {@code [M,
 * ..., 1]} or broadcast to that.
 */
final class LogitMixture {

  /** What DJL calls an input that goes into a list. */
  private static final String LIST = "members[]";

  private static final String STACKED =
      """
      def stacked(self, members: List[Tensor]) -> Tensor:
        return torch.to(torch.stack(members), 6)
      """;

  private static final String PROBABILITIES =
      """
      def probabilities(self, members: List[Tensor], weights: Tensor, temperature: Tensor) -> Tensor:
        logs = torch.log_softmax(self.stacked(members) / temperature, -1)
        return temperature * torch.logsumexp(logs + torch.log(weights), [0])
      """;

  /** A class that is ruled out by a member without weight is not ruled out: 0 times infinity. */
  private static final String LOGITS =
      """
      def logits(self, members: List[Tensor], weights: Tensor) -> Tensor:
        weighted = weights * self.stacked(members)
        return torch.sum(torch.where(weights > 0, weighted, torch.zeros_like(weighted)), [0])
      """;

  /** Surprises are cut off where a weight is 0 anyway, so that infinite ones can be compared. */
  private static final String CONFIDENCE =
      """
      def confidence(self, members: List[Tensor], labels: Tensor) -> Tensor:
        logs = torch.log_softmax(self.stacked(members), -1)
        p = torch.exp(logs)
        unsure = -torch.sum(torch.xlogy(p, p), [-1], True)
        if torch.numel(labels) > 0:
          known = torch.reshape(labels, [1, -1, 1])
          index = torch.expand(torch.clamp(known, 0), [torch.size(logs, 0), -1, -1])
          wrong = torch.clamp(-torch.gather(logs, -1, index), 0., 10000.)
          unsure = torch.where(known >= 0, wrong, unsure)
        return (1. - torch.softmax(unsure, 0)) / (torch.size(logs, 0) - 1)
      """;

  private static final String IN_ORDER =
      """
      def in_order(self, logits: Tensor, order: Tensor) -> Tensor:
        return torch.index_select(logits, -1, order)
      """;

  /** Loaded for the first ensemble, for the life of the process. */
  private static final class Script {
    static final LoadedModule MODULE =
        LoadedModule.load(
            ScriptModule.builder("LogitMixture")
                .method(STACKED)
                .method(PROBABILITIES)
                .method(LOGITS)
                .method(CONFIDENCE)
                .method(IN_ORDER)
                .build(),
            Device.cpu(),
            false);
  }

  private LogitMixture() {}

  /** Returns {@code T log sum_m w_m softmax(z_m / T)}. */
  static NDArray ofProbabilities(List<NDArray> members, NDArray weights, double temperature) {
    NDArray degrees = weights.getManager().create((float) temperature);
    return call("probabilities", members, weights, degrees);
  }

  /** Returns {@code sum_m w_m z_m}. */
  static NDArray ofLogits(List<NDArray> members, NDArray weights) {
    return call("logits", members, weights);
  }

  /** Returns fixed weights in the shape of the logits. */
  static NDArray weights(List<NDArray> members, double[] weights) {
    NDArray first = members.get(0);
    long[] shape = new long[first.getShape().dimension() + 1];
    Arrays.fill(shape, 1);
    shape[0] = weights.length;
    float[] values = new float[weights.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) weights[i];
    }
    return on(first).create(values, new Shape(shape));
  }

  /**
   * Returns weights by how sure, or right, each member is.
   *
   * @param labels one a row, negative where unknown
   */
  static NDArray confidence(List<NDArray> members, long[] labels) {
    boolean any = Arrays.stream(labels).anyMatch(label -> label >= 0);
    long[] known = any ? labels : new long[0];
    return call("confidence", members, on(members.get(0)).create(known, new Shape(known.length)));
  }

  /** Returns logits whose class {@code j} was class {@code order[j]}. */
  static NDArray inOrder(NDArray logits, long[] order) {
    NDArray index = on(logits).create(order, new Shape(order.length));
    return Script.MODULE.call("in_order", new NDList(logits, index), false).get(0);
  }

  private static NDManager on(NDArray array) {
    return array.getManager();
  }

  private static NDArray call(String method, List<NDArray> members, NDArray... others) {
    List<@Nullable String> names = new ArrayList<>();
    NDList inputs = new NDList();
    for (NDArray array : members) {
      names.add(array.getName());
      array.setName(LIST);
      inputs.add(array);
    }
    inputs.addAll(List.of(others));
    try {
      return Script.MODULE.call(method, inputs, false).get(0);
    } finally {
      for (int i = 0; i < names.size(); i++) {
        members.get(i).setName(names.get(i));
      }
    }
  }
}
