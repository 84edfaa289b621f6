package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableSet;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.provenance.Terms;
import io.distill.provenance.spi.RecipePart;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Optional;
import java.util.Set;

/**
 * A teacher whose weights are the exponential moving average of the student's: the mean teacher.
 *
 * <pre>{@code
 * w' ← d_t w' + (1 − d_t) w,   d_t = min(decay, (1 + t) / (10 + t))      after optimizer step t ≥ 1
 * }</pre>
 *
 * <p>It starts as the student does. The warm-up lets the average forget the initial weights sooner
 * than a decay near 1 would: {@code d} is 0.18 after the first step, 0.92 after the 100th; {@link
 * #withoutWarmUp()} leaves it out. What is not trained, such as the statistics of batch
 * normalisation, is the student's own. In evaluation mode always: of a student with dropout the
 * teacher has none, so the two differ from the first step on.
 *
 * <p>This is a description: each run follows its own student, so a recipe may run many times, and
 * by several threads at once. The average is part of a checkpoint. An update is one native call; a
 * question costs a forward pass of the student and three copies of its weights, since the average
 * borrows the student's model to answer.
 *
 * @see <a href="https://arxiv.org/abs/1703.01780">Tarvainen and Valpola, Mean teachers are better
 *     role models, 2017</a>
 */
public final class MovingAverageTeacher implements Teacher, RecipePart {

  static final String ID = "moving average of the student";

  /** What a student says may teach the student. */
  static final Terms OWN = Terms.agreement("the student's own weights", Terms.Permission.YES, "");

  private final double decay;
  private final boolean warmUp;

  private MovingAverageTeacher(double decay, boolean warmUp) {
    this.decay = decay;
    this.warmUp = warmUp;
  }

  static MovingAverageTeacher of(double decay) {
    checkArgument(
        decay >= 0 && decay < 1, "decay must be at least 0 and less than 1 but was %s", decay);
    return new MovingAverageTeacher(decay, true);
  }

  /**
   * Returns a teacher whose decay is the same from the first step on.
   *
   * @return the teacher; this one is unchanged
   */
  public MovingAverageTeacher withoutWarmUp() {
    return new MovingAverageTeacher(decay, false);
  }

  /** A new average, which follows the student of one run. */
  @Override
  public Teacher forRun() {
    return new RunningAverage(decay, warmUp);
  }

  /**
   * Is not for asking: only the average of a run has weights.
   *
   * @param batch the rows
   * @param kinds what is asked for
   * @return never
   * @throws DistillationException always
   */
  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    throw notYet();
  }

  static DistillationException notYet() {
    return new DistillationException(
        "moving average must follow the student of a run to answer but follows none; give it to"
            + " Distiller.builder().teacher(...), alone or in an ensemble");
  }

  /** All kinds: what the student gives, whatever that is. */
  @Override
  public Set<SignalKind> provides() {
    return ImmutableSet.copyOf(SignalKind.values());
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return Optional.empty();
  }

  @Override
  public String id() {
    return ID;
  }

  /** Nobody else's: the average is made of the student. */
  @Override
  public Terms terms() {
    return OWN;
  }

  @Override
  public boolean changes() {
    return true;
  }

  @Override
  public Record description() {
    return new RunningAverage.Settings(decay, warmUp);
  }

  @Override
  public String toString() {
    return "movingAverage(" + decay + ")" + (warmUp ? "" : ".withoutWarmUp()");
  }
}
