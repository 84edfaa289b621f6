package io.distill.losses.sequence;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.signal.Signals;

/** Distance of sorted probabilities: compares models whose vocabularies have nothing in common. */
public record UniversalLogit() implements DistillationLoss {

  /*
   * Token k of a row of the student meets token k of the teacher's row, as long as both have one.
   * marks [N, L] are the labels or the mask that say which are the student's tokens, whose rows of
   * logits come row after row.
   */
  private static final Formula FORMULA =
      Formula.of(
          "UniversalLogit",
          """
          def over_tokens(self, student: Tensor, marks: Tensor, teacher: Tensor, teacher_mask: Tensor, temperature: Tensor, share: Tensor) -> Tensor:
            following = torch.slice(marks, 1, 1)
            if self.labelled:
              counts = torch.sum(following >= 0, [1])
            else:
              counts = torch.sum(following > 0, [1])
            counted = torch.gt(torch.slice(teacher_mask, 1, 1), 0)
            position = torch.cumsum(counted, 1)
            pairs = torch.minimum(counts, torch.sum(counted, [1]))
            met = torch.logical_and(counted, position <= torch.unsqueeze(pairs, 1))
            ends = torch.cumsum(counts, 0)
            of_row = torch.repeat_interleave(counts)
            rank = torch.arange(torch.size(student, 0), device=ops.prim.device(student)) - torch.index_select(ends - counts, 0, of_row)
            paired = rank < torch.index_select(pairs, 0, of_row)
            own = torch.reshape(torch.nonzero(paired), [-1])
            others = torch.reshape(torch.nonzero(torch.reshape(torch.constant_pad_nd(met, [0, 1]), [-1])), [-1])
            t = temperature
            if torch.dim(temperature) > 0:
              t = torch.index_select(temperature, 0, own)
            q = torch.softmax(torch.index_select(student, 0, own) / t, -1)
            p = torch.softmax(torch.index_select(torch.flatten(teacher, 0, 1), 0, others) / t, -1)
            q = (torch.sort(q, -1, True))[0]
            p = (torch.sort(p, -1, True))[0]
            difference = torch.size(q, -1) - torch.size(p, -1)
            if difference > 0:
              p = torch.constant_pad_nd(p, [0, difference])
            if difference < 0:
              q = torch.constant_pad_nd(q, [0, -difference])
            distances = torch.sum(torch.abs(p - q), [-1]) * torch.reshape(t * t, [-1])
            return torch.sum(distances) * share
          """);

  @Override
  public NDArray compute(LossContext context) {
    Signals teacher = context.teacher();
    NDArray mask =
        teacher
            .mask()
            .orElseThrow(
                () ->
                    new DistillationException(
                        "teacher must give a token mask to be compared across tokenizers but gave"
                            + " none; give a SignalReader that sets it"));
    Shape logits = teacher.logits().getShape();
    long rows = context.student().logits().getShape().get(0);
    if (logits.dimension() != 3
        || logits.get(0) != rows
        || !mask.getShape().equals(logits.slice(0, 2))) {
      throw new DistillationException(
          "teacher logits and mask must have shapes ("
              + rows
              + ", tokens, vocabulary) and ("
              + rows
              + ", tokens) but were "
              + logits
              + " and "
              + mask.getShape()
              + "; give both models the same rows");
    }
    LossContext tokens = context.withSignals(context.student(), Signals.none()).tokens();
    boolean labelled = context.hasLabels();
    return FORMULA
        .with("labelled", labelled)
        .call(
            "over_tokens",
            tokens.student().logits(),
            labelled ? context.labels() : context.student().mask().orElseThrow(),
            teacher.logits(),
            mask,
            tokens.temperatures(),
            tokens.rowShare());
  }

  @Override
  public boolean requiresSameClasses() {
    return false;
  }

  @Override
  public String name() {
    return "universalLogit";
  }
}
