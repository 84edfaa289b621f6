package io.distill.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;

/** Turns the tokens that a language model predicts into rows. */
final class TokenRows {

  private TokenRows() {}

  static LossContext of(LossContext context) {
    NDArray sequence = sequence("student", context.student());
    NDArray targets = context.hasLabels() ? targets(context.labels(), sequence) : null;
    NDArray counted = targets == null ? realTokens(context.student(), sequence) : targets.gte(0);
    NDArray index = index(counted);
    double weight = context.tokenWeight(index.size());
    LossContext.Builder rows =
        context.onRows(
            rows("student", context.student(), sequence, index),
            context.teacher().kinds().isEmpty()
                ? Signals.none()
                : rows("teacher", context.teacher(), sequence, index),
            weight);
    if (targets != null) {
      rows.labels(context.labels().reshape(-1).get(index.add(1)));
    }
    return rows.build();
  }

  /** Returns where the predictions of the tokens that count stand among all {@code N * L}. */
  private static NDArray index(NDArray counted) {
    NDArray numbers = counted.toType(DataType.INT32, false);
    // the last position predicts nothing
    NDArray last =
        numbers.getManager().zeros(new Shape(numbers.getShape().get(0), 1), DataType.INT32);
    return numbers.concat(last, 1).reshape(-1).nonzero().reshape(-1);
  }

  private static NDArray sequence(String who, Signals signals) {
    NDArray array =
        signals.kinds().contains(SignalKind.LOGIT_FACTORS)
            ? signals.logitFactors().states()
            : signals.logits();
    if (array.getShape().dimension() != 3) {
      throw new DistillationException(
          who
              + " logits must have shape (rows, tokens, vocabulary) but had "
              + array.getShape()
              + "; use a language model, or a loss on rows");
    }
    return array;
  }

  private static NDArray targets(NDArray labels, NDArray sequence) {
    requireTokens("labels", labels, sequence);
    return labels.get(":, 1:");
  }

  private static NDArray realTokens(Signals student, NDArray sequence) {
    NDArray mask =
        student
            .mask()
            .orElseThrow(
                () ->
                    new DistillationException(
                        "labels or the student's token mask must say which tokens count but there"
                            + " is neither; give token labels, or a model with a mask"));
    requireTokens("student mask", mask, sequence);
    return mask.get(":, 1:").gt(0);
  }

  private static void requireTokens(String what, NDArray array, NDArray sequence) {
    Shape tokens = sequence.getShape().slice(0, 2);
    if (!array.getShape().equals(tokens)) {
      throw new DistillationException(
          what
              + " must have shape "
              + tokens
              + ", one a token, but had "
              + array.getShape()
              + "; give one label a token, negative where there is none");
    }
  }

  private static Signals rows(String who, Signals signals, NDArray sequence, NDArray index) {
    Signals.Builder rows = Signals.builder();
    NDArray own = sequence(who, signals);
    Shape tokens = sequence.getShape().slice(0, 2);
    if (!own.getShape().slice(0, 2).equals(tokens)) {
      throw new DistillationException(
          "teacher and student logits must have the same rows and tokens but were "
              + own.getShape()
              + " (teacher) and "
              + sequence.getShape()
              + " (student); give both models the same tokenizer, or use a loss across tokenizers");
    }
    if (signals.kinds().contains(SignalKind.LOGITS)) {
      rows.logits(take(signals.logits(), index));
    }
    if (signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
      LogitFactors factors = signals.logitFactors();
      rows.logitFactors(new LogitFactors(take(factors.states(), index), factors.weight()));
    }
    return rows.build();
  }

  private static NDArray take(NDArray sequence, NDArray index) {
    return sequence.reshape(-1, sequence.getShape().get(2)).get(index);
  }
}
