package io.distill.loss;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Turns the tokens that a language model predicts into rows. */
final class TokenRows {

  /** What DJL calls an input that goes into a list. */
  private static final String LIST = "sequences[]";

  /** Takes the tokens that count out of all {@code N * L}; the last position predicts nothing. */
  private static final String TAKEN =
      """
      def taken(self, sequences: List[Tensor], counted: Tensor, labels: List[Tensor]) -> List[Tensor]:
        places = torch.constant_pad_nd(counted, [0, 1])
        index = torch.reshape(torch.nonzero(torch.reshape(places, [-1])), [-1])
        rows = labels
        for sequence in sequences:
          rows.append(torch.index_select(torch.flatten(sequence, 0, 1), 0, index))
        return rows
      """;

  private static final String LABELLED =
      """
      def labelled(self, sequences: List[Tensor], labels: Tensor) -> List[Tensor]:
        targets = torch.narrow(labels, 1, 1, torch.size(labels, 1) - 1)
        counted = targets >= 0
        return self.taken(sequences, counted, [torch.masked_select(targets, counted)])
      """;

  private static final String MASKED =
      """
      def masked(self, sequences: List[Tensor], mask: Tensor) -> List[Tensor]:
        counted = torch.narrow(mask, 1, 1, torch.size(mask, 1) - 1) > 0
        return self.taken(sequences, counted, annotate(List[Tensor], []))
      """;

  /** Loaded when the first language model is compared. */
  private static final class Script {
    static final LoadedModule MODULE =
        LoadedModule.load(
            ScriptModule.builder("TokenRows").method(TAKEN).method(LABELLED).method(MASKED).build(),
            Device.cpu(),
            false);
  }

  private TokenRows() {}

  static LossContext of(LossContext context) {
    Signals student = context.student();
    Signals teacher = context.teacher();
    NDArray sequence = sequence("student", student);
    boolean labelled = context.hasLabels();
    NDArray marks = labelled ? context.labels() : mask(student);
    requireTokens(labelled ? "labels" : "student mask", marks, sequence);
    NDList inputs = new NDList();
    add(inputs, student);
    if (!teacher.kinds().isEmpty()) {
      requireSameTokens(sequence("teacher", teacher), sequence);
      add(inputs, teacher);
    }
    Iterator<NDArray> rows = call(labelled ? "labelled" : "masked", inputs, marks).iterator();
    NDArray targets = labelled ? rows.next() : null;
    Signals changedStudent = rows(student, rows);
    Signals changedTeacher = rows(teacher, rows);
    long tokens =
        (changedStudent.kinds().contains(SignalKind.LOGITS)
                ? changedStudent.logits()
                : changedStudent.logitFactors().states())
            .getShape()
            .get(0);
    LossContext.Builder builder =
        context.onRows(changedStudent, changedTeacher, context.tokenWeight(tokens));
    if (targets != null) {
      builder.labels(targets);
    }
    return builder.build();
  }

  private static NDList call(String method, NDList sequences, NDArray marks) {
    List<@Nullable String> names = new ArrayList<>();
    NDList inputs = new NDList();
    for (NDArray array : sequences) {
      names.add(array.getName());
      array.setName(LIST);
      inputs.add(array);
    }
    inputs.add(marks);
    try {
      return Script.MODULE.call(method, inputs, true);
    } finally {
      // the arrays are the models' own and go to other losses too
      for (int i = 0; i < names.size(); i++) {
        sequences.get(i).setName(names.get(i));
      }
    }
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

  private static NDArray mask(Signals student) {
    return student
        .mask()
        .orElseThrow(
            () ->
                new DistillationException(
                    "labels or the student's token mask must say which tokens count but there is"
                        + " neither; give token labels, or a model with a mask"));
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

  private static void requireSameTokens(NDArray teacher, NDArray student) {
    if (!teacher.getShape().slice(0, 2).equals(student.getShape().slice(0, 2))) {
      throw new DistillationException(
          "teacher and student logits must have the same rows and tokens but were "
              + teacher.getShape()
              + " (teacher) and "
              + student.getShape()
              + " (student); give both models the same tokenizer, or use a loss across tokenizers");
    }
  }

  private static void add(NDList inputs, Signals signals) {
    if (signals.kinds().contains(SignalKind.LOGITS)) {
      inputs.add(signals.logits());
    }
    if (signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
      inputs.add(signals.logitFactors().states());
    }
  }

  /** Returns signals of rows, which come in the order in which they were added. */
  private static Signals rows(Signals signals, Iterator<NDArray> taken) {
    Signals.Builder rows = Signals.builder();
    if (signals.kinds().contains(SignalKind.LOGITS)) {
      rows.logits(taken.next());
    }
    if (signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
      rows.logitFactors(new LogitFactors(taken.next(), signals.logitFactors().weight()));
    }
    return rows.build();
  }
}
