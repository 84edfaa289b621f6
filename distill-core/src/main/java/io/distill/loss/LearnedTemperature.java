package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Set;

/**
 * A temperature that is learned against the student: its gradient is reversed, so that it makes the
 * loss harder while the student makes it small.
 *
 * @param hiddenSize the width of the perceptron that gives each row its own; 0 for one temperature
 */
record LearnedTemperature(double low, double high, int epochs, int hiddenSize)
    implements RowTemperature {

  private static final String THETA = "theta";
  private static final String HIDDEN_WEIGHT = "hidden.weight";
  private static final String HIDDEN_BIAS = "hidden.bias";
  private static final String OUTPUT_WEIGHT = "output.weight";
  private static final String OUTPUT_BIAS = "output.bias";

  /** The parameter starts at 1, as the authors' code has it. */
  private static final float START = 1;

  /** Adding the difference of a number and itself keeps the value bit for bit. */
  private static final String REVERSE =
      """
      def reverse(self, value: Tensor, strength: Tensor) -> Tensor:
        constant = value.detach()
        return constant + (constant - value) * strength
      """;

  private static final String BOUNDED =
      """
      def bounded(self, value: Tensor, settings: Tensor) -> Tensor:
        low = torch.select(settings, 0, 0)
        width = torch.select(settings, 0, 1)
        return low + width * torch.sigmoid(self.reverse(value, torch.select(settings, 0, 2)))
      """;

  private static final String ONE =
      """
      def one(self, theta: Tensor, settings: Tensor) -> Tensor:
        return self.bounded(torch.select(theta, 0, 0), settings)
      """;

  /** A class at -inf is ruled out; it must not make the perceptron's output infinite. */
  private static final String BY_ROW =
      """
      def by_row(self, teacher: Tensor, student: Tensor, hidden_weight: Tensor, hidden_bias: Tensor, output_weight: Tensor, output_bias: Tensor, settings: Tensor) -> Tensor:
        both = torch.cat([teacher.detach(), student.detach()], 1)
        both = torch.where(torch.isfinite(both), both, torch.zeros_like(both))
        hidden = torch.relu(torch.linear(both, hidden_weight, hidden_bias))
        return self.bounded(torch.linear(hidden, output_weight, output_bias), settings)
      """;

  LearnedTemperature {
    EntropyTemperature.check("low", low);
    EntropyTemperature.check("high", high);
    checkArgument(low < high, "low must be below high %s but was %s", high, low);
    checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
    checkArgument(hiddenSize >= 0, "hiddenSize must be at least 0 but was %s", hiddenSize);
  }

  /** Loaded when the first such temperature is used. */
  private static final class Script {
    static final LoadedModule MODULE =
        LoadedModule.load(
            ScriptModule.builder("LearnedTemperature")
                .method(REVERSE)
                .method(BOUNDED)
                .method(ONE)
                .method(BY_ROW)
                .build(),
            Device.cpu(),
            false);
  }

  private boolean byRow() {
    return hiddenSize > 0;
  }

  @Override
  public double highest() {
    return high;
  }

  @Override
  public Set<SignalKind> requiresOfStudent() {
    return byRow() ? Set.of(SignalKind.LOGITS) : Set.of();
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return requiresOfStudent();
  }

  @Override
  public void prepare(LossSetup setup) {
    if (byRow()) {
      int classes =
          setup.teacher().classes().orElseThrow() + setup.student().classes().orElseThrow();
      setup.parameter(HIDDEN_WEIGHT, new Shape(hiddenSize, classes));
      setup.parameter(HIDDEN_BIAS, new Shape(hiddenSize), 0f);
      setup.parameter(OUTPUT_WEIGHT, new Shape(1, hiddenSize));
      setup.parameter(OUTPUT_BIAS, new Shape(1), START);
    } else {
      setup.parameter(THETA, new Shape(1), START);
    }
  }

  /** Half a cosine wave from 0 to 1, one stair an epoch, epochs counted from 1. */
  double reversal(Progress progress) {
    double share = Math.min(1, (progress.epoch() + 1.0) / epochs);
    return (1 - StrictMath.cos(Math.PI * share)) / 2;
  }

  @Override
  public NDArray of(LossContext context) {
    float[] numbers = {
      (float) low, (float) (high - low), (float) reversal(context.progress()),
    };
    NDArray settings = context.manager().create(numbers);
    NDList arguments =
        byRow()
            ? new NDList(
                context.teacher().logits(),
                context.student().logits(),
                context.parameter(HIDDEN_WEIGHT),
                context.parameter(HIDDEN_BIAS),
                context.parameter(OUTPUT_WEIGHT),
                context.parameter(OUTPUT_BIAS),
                settings)
            : new NDList(context.parameter(THETA), settings);
    return Script.MODULE.call(byRow() ? "by_row" : "one", arguments, true).get(0);
  }
}
