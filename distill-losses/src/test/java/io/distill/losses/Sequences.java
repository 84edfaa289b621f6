package io.distill.losses;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.LossCase.Part;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Arrays;
import java.util.List;

/** What the tests of losses on language models share. */
final class Sequences {

  static final int ROWS = 5;
  static final int LENGTH = 4;
  static final int VOCABULARY = 6;

  /** Padding behind, padding before, a hole, and rows of one token, which predict nothing. */
  static final Values MASK =
      numbers(ROWS, LENGTH, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0);

  /** Token ids; the first column is never predicted. */
  static final Values LABELS =
      numbers(ROWS, LENGTH, 3, 1, 0, -1, -1, -1, 5, 2, 0, -1, 4, 4, 1, 2, 3, 5, 4, -1, -1, -1);

  private Sequences() {}

  static Values numbers(int rows, int columns, double... numbers) {
    return new Values(numbers, rows, columns);
  }

  static LossCase logits(long seed) {
    return LossCase.of(
        SignalKind.LOGITS,
        Values.drawn(seed, 2, ROWS, LENGTH, VOCABULARY),
        Values.drawn(seed + 100, 2, ROWS, LENGTH, VOCABULARY));
  }

  /** Both models' logits as factors, of width 3 and 2. */
  static LossCase factors(long seed) {
    return LossCase.of(
        List.of(
            Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(seed, 1, ROWS, LENGTH, 3)),
            new Part(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 1, 2, VOCABULARY, 3), false)),
        List.of(
            Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 2, 1, ROWS, LENGTH, 2)),
            new Part(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 3, 2, VOCABULARY, 2), false)));
  }

  /** Keeps some tokens of arrays {@code [N, L]} or {@code [N, L, V]}. */
  static Values tokens(Values values, int from, int to) {
    long[] shape = values.shape();
    int length = Math.toIntExact(shape[1]);
    int width = shape.length == 2 ? 1 : Math.toIntExact(shape[2]);
    double[] numbers = values.doubles();
    double[] cut = new double[values.rows() * (to - from) * width];
    for (int row = 0; row < values.rows(); row++) {
      System.arraycopy(
          numbers,
          (row * length + from) * width,
          cut,
          row * (to - from) * width,
          (to - from) * width);
    }
    shape[1] = (long) to - from;
    return new Values(cut, shape);
  }

  /** Keeps the first entries of the last dimension. */
  static Values narrow(Values values, int size) {
    long[] shape = values.shape();
    int width = Math.toIntExact(shape[shape.length - 1]);
    double[] numbers = values.doubles();
    double[] cut = new double[numbers.length / width * size];
    for (int i = 0; i < cut.length; i++) {
      cut[i] = numbers[i / size * width + i % size];
    }
    shape[shape.length - 1] = size;
    return new Values(cut, shape);
  }

  /** Joins the last dimension of two arrays. */
  static Values widened(Values values, Values more) {
    long[] shape = values.shape();
    int width = Math.toIntExact(shape[shape.length - 1]);
    int added = Math.toIntExact(more.shape()[shape.length - 1]);
    double[] joined = new double[values.doubles().length / width * (width + added)];
    for (int i = 0; i < joined.length; i++) {
      int column = i % (width + added);
      int row = i / (width + added);
      joined[i] =
          column < width
              ? values.doubles()[row * width + column]
              : more.doubles()[row * added + column - width];
    }
    shape[shape.length - 1] = (long) width + added;
    return new Values(joined, shape);
  }

  static Values filled(double number, long... shape) {
    double[] numbers = Values.zeros(shape).doubles();
    Arrays.fill(numbers, number);
    return new Values(numbers, shape);
  }

  /** Multiplies the factors out and gives the logits to a loss: what chunks must equal. */
  static DistillationLoss multipliedOut(DistillationLoss loss) {
    return new DistillationLoss() {
      @Override
      public NDArray compute(LossContext context) {
        return loss.compute(
            context.withSignals(logits(context.student()), logits(context.teacher())));
      }

      private Signals logits(Signals signals) {
        if (signals.kinds().isEmpty()) {
          return signals;
        }
        LogitFactors factors = signals.logitFactors();
        Signals.Builder logits =
            Signals.builder().logits(factors.states().matMul(factors.weight().transpose()));
        signals.mask().ifPresent(logits::mask);
        return logits.build();
      }
    };
  }
}
