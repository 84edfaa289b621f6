package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.distill.signal.SignalKind;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Set;

/** A temperature that falls with the entropy of the teacher's classes. */
record EntropyTemperature(double low, double high) implements RowTemperature {

  /** The entropy as a share of what is possible; classes at -inf are ruled out and do not count. */
  private static final String ENTROPY =
      """
      def normalised_entropy(self, logits: Tensor) -> Tensor:
        possible = torch.gt(logits, -inf)
        log_p = torch.log_softmax(logits, -1)
        terms = torch.exp(log_p) * torch.where(possible, log_p, torch.zeros_like(log_p))
        classes = torch.sum(possible, [-1], True)
        entropy = -torch.sum(terms, [-1], True) / torch.log(torch.clamp(classes, 2))
        return torch.clamp(entropy, 0., 1.)
      """;

  EntropyTemperature {
    check("low", low);
    check("high", high);
    checkArgument(low <= high, "low must be at most high %s but was %s", high, low);
  }

  static void check(String name, double temperature) {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "%s must be finite and greater than 0 but was %s",
        name,
        temperature);
  }

  /** Loaded when the first such temperature is used. */
  private static final class Script {
    static final LoadedModule MODULE =
        LoadedModule.load(
            ScriptModule.builder("EntropyTemperature").method(ENTROPY).build(),
            Device.cpu(),
            false);
  }

  @Override
  public double highest() {
    return high;
  }

  @Override
  public void prepare(LossSetup setup) {}

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return Set.of(SignalKind.LOGITS);
  }

  @Override
  public NDArray of(LossContext context) {
    return Script.MODULE
        .call("normalised_entropy", new NDList(context.teacher().logits()), false)
        .get(0)
        .mul((float) (low - high))
        .add((float) high);
  }
}
