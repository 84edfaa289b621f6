package io.distill.losses.sequence;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * A loss on the rows of logits, taken over the tokens of a language model, some tokens at a time.
 *
 * @param loss the loss on rows
 * @param chunkSize the number of tokens whose logits exist at once; {@link #AUTOMATIC} to choose
 * @param vocabulary the number of token ids that exist; {@link TokenLevel#ALL} for all logits
 */
public record Chunked(RowLoss loss, int chunkSize, int vocabulary) implements DistillationLoss {

  /**
   * The chunk size where the user names none: few tokens at once, which also stay in the caches;
   * but a small batch without a teacher in one piece, where each chunk would cost a pass over the
   * gradient of the output embedding and save little else.
   */
  static final int AUTOMATIC = 0;

  private static final int CHUNK = 64;
  private static final int WHOLE = 256;

  /*
   * One call gives the values of all tokens and, where a gradient is wanted, the gradients of
   * their sum: each chunk is differentiated at once, up to its logits by libtorch and from there
   * by two matrix products, and its logits are let go. Then the values are tied to states, weight
   * and temperature by terms whose value is 0 and whose gradients are those; the weight's and the
   * temperature's are shared out evenly, as every token counts alike in a mean over tokens.
   */
  private static final String IN_CHUNKS =
      """
      def in_chunks(self, states: Tensor, weight: Tensor, teacher_states: Tensor, teacher_weight: Tensor, temperature: Tensor, labels: Tensor, share_of_row: Tensor) -> Tensor:
        h = torch.detach(states)
        w = torch.detach(weight)
        t = torch.detach(temperature)
        per_token = torch.dim(t) > 0
        learned = ops.prim.requires_grad(temperature)
        trained = ops.prim.requires_grad(weight)
        rows = torch.size(h, 0)
        values = torch.empty_like(torch.select(h, 1, 0))
        dh = torch.empty_like(h)
        dw = w if rows > 0 else torch.zeros_like(w)
        dt = torch.zeros_like(t)
        chunk = self.chunk_size
        if chunk == 0:
          chunk = self.whole if rows <= self.whole and not self.taught else self.chunk
        start = 0
        while start < rows:
          length = min(chunk, rows - start)
          states_now = torch.narrow(h, 0, start, length)
          z = torch.requires_grad_(torch.mm(states_now, torch.t(w)))
          teacher = z
          if self.taught:
            teacher = torch.mm(torch.narrow(teacher_states, 0, start, length), torch.t(teacher_weight))
          t_now = torch.narrow(t, 0, start, length) if per_token else t
          now = labels
          if self.labelled:
            now = torch.narrow(labels, 0, start, length)
          inputs = [z]
          if learned:
            t_now = torch.requires_grad_(torch.clone(t_now))
            inputs = [z, t_now]
          value = (self).per_row(z, teacher, t_now, now)
          gradients = torch.autograd.grad([torch.sum(value)], inputs)
          dz = unchecked_cast(Tensor, gradients[0])
          torch.copy_(torch.narrow(values, 0, start, length), torch.detach(value))
          torch.copy_(torch.narrow(dh, 0, start, length), torch.mm(dz, w))
          if trained and start == 0:
            dw = torch.mm(torch.t(dz), states_now)
          elif trained:
            torch.addmm_(dw, torch.t(dz), states_now)
          if learned:
            dt_now = unchecked_cast(Tensor, gradients[1])
            if per_token:
              torch.copy_(torch.narrow(dt, 0, start, length), dt_now)
            else:
              torch.add_(dt, dt_now)
          start = start + length
        tied = torch.sum(states * dh, [-1])
        share = 1. / max(rows, 1)
        if trained:
          tied = tied + torch.dot(torch.flatten(weight), torch.flatten(dw)) * share
        if learned:
          tied = tied + torch.sum(temperature * dt) * share
        return torch.sum(values + (tied - torch.detach(tied))) * share_of_row
      """;

  /** Checks the parts. */
  public Chunked {
    requireNonNull(loss, "loss");
    checkArgument(
        chunkSize >= 1 || chunkSize == AUTOMATIC,
        "chunkSize must be at least 1 but was %s",
        chunkSize);
  }

  /**
   * Makes a loss on rows, or a composition of such, work in chunks of a size that fits.
   *
   * @param loss losses on rows, weighted, added, named or at temperatures of their own
   * @throws IllegalArgumentException if one of them is no loss on rows of its own
   */
  public static DistillationLoss of(DistillationLoss loss) {
    return inChunks(loss, AUTOMATIC, TokenLevel.ALL);
  }

  /**
   * Makes a loss on rows, or a composition of such, work in chunks.
   *
   * @param loss losses on rows, weighted, added, named or at temperatures of their own
   * @throws IllegalArgumentException if one of them is no loss on rows of its own
   */
  public static DistillationLoss of(DistillationLoss loss, int chunkSize, int vocabulary) {
    checkArgument(chunkSize >= 1, "chunkSize must be at least 1 but was %s", chunkSize);
    return inChunks(loss, chunkSize, vocabulary);
  }

  private static DistillationLoss inChunks(DistillationLoss loss, int chunkSize, int vocabulary) {
    return requireNonNull(loss, "loss")
        .mapInnermost(each -> innermost(each, chunkSize, vocabulary));
  }

  private static DistillationLoss innermost(DistillationLoss loss, int chunkSize, int vocabulary) {
    if (loss instanceof TokenLevel level) {
      return inChunks(
          level.loss(), chunkSize, vocabulary == TokenLevel.ALL ? level.vocabulary() : vocabulary);
    }
    checkArgument(
        loss instanceof RowLoss,
        "loss must compare each row of logits on its own to be computed in chunks but %s does not;"
            + " use tokenLevel(...) for it",
        loss.name());
    return new Chunked((RowLoss) loss, chunkSize, vocabulary);
  }

  private Formula formula() {
    return loss.formula()
        .with("chunk_size", (long) chunkSize)
        .with("chunk", (long) CHUNK)
        .with("whole", (long) WHOLE)
        .with("taught", !requiresOfTeacher().isEmpty())
        .with("labelled", requiresLabels())
        .extended("InChunks", IN_CHUNKS);
  }

  @Override
  public NDArray compute(LossContext context) {
    LossContext tokens = Vocabulary.cut(context, vocabulary).tokens();
    LogitFactors of = checked("student", tokens.student().logitFactors());
    LogitFactors from = of;
    if (!requiresOfTeacher().isEmpty()) {
      from = checked("teacher", tokens.teacher().logitFactors());
      requireSameVocabulary(of.weight().getShape(), from.weight().getShape());
    }
    NDArray temperature = tokens.temperatures();
    return formula()
        .call(
            "in_chunks",
            of.states(),
            of.weight(),
            from.states(),
            from.weight(),
            temperature,
            requiresLabels() ? tokens.labels() : temperature,
            tokens.rowShare());
  }

  private static LogitFactors checked(String who, LogitFactors factors) {
    Shape states = factors.states().getShape();
    Shape weight = factors.weight().getShape();
    if (weight.dimension() != 2 || weight.get(1) != states.get(1)) {
      throw new DistillationException(
          who
              + "'s last hidden states and output embedding must have shapes (tokens, width) and"
              + " (vocabulary, width) but were "
              + states
              + " and "
              + weight
              + "; correct its LogitFactors");
    }
    return factors;
  }

  private static void requireSameVocabulary(Shape student, Shape teacher) {
    if (student.get(0) != teacher.get(0)) {
      throw new DistillationException(
          "teacher and student must have the same vocabulary but were "
              + teacher.get(0)
              + " (teacher, output embedding "
              + teacher
              + ") and "
              + student.get(0)
              + " (student, output embedding "
              + student
              + "); give the number of token ids that both know as vocabularySize");
    }
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.LOGIT_FACTORS);
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return loss.requiresOfTeacher().isEmpty() ? Set.of() : requires();
  }

  @Override
  public boolean requiresLabels() {
    return loss.requiresLabels();
  }

  @Override
  public void prepare(LossSetup setup) {
    loss.prepare(setup);
  }

  @Override
  public String name() {
    return loss.name();
  }
}
