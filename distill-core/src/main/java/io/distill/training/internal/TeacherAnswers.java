package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.internal.NativeEngine;
import io.distill.model.RowSignals;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.Teacher;
import io.distill.training.TrainingListener;
import java.util.Set;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** What the teacher says in a run: remembered where it can be, else asked for in each step. */
final class TeacherAnswers {

  /** Row signals of a teacher are remembered up to this size; larger ones are asked for again. */
  static final long MEMORY_BYTES = 1L << 30;

  private final Recipe recipe;
  private final @Nullable BatchSource inputs;
  private @Nullable RowSignals remembered;
  private @Nullable RowSignals ofValidation;
  private boolean validationAsked;
  private @Nullable BatchSource validationInputs;
  private long nanos;

  TeacherAnswers(Recipe recipe, @Nullable BatchSource inputs) {
    this.recipe = recipe;
    this.inputs = inputs;
  }

  /** Asks for everything that can be remembered, and tells how far it is. */
  void collect(int rows, Events events) {
    Set<SignalKind> kinds = recipe.requiresOfTeacher();
    if (inputs != null
        && !kinds.isEmpty()
        && !recipe.teacher().changes()
        && RowSignals.KINDS.containsAll(kinds)) {
      remembered =
          ask(
              inputs,
              kinds,
              done ->
                  events.tell(
                      listener ->
                          listener.onTeacherPass(new TrainingListener.TeacherPass(done, rows))));
    }
  }

  /** Returns the teacher's logits of the validation set, null if it gives none that can be kept. */
  @Nullable RowSignals ofValidation() {
    DistillationDataset validation = recipe.validation();
    if (validation == null || !recipe.teacher().provides().contains(SignalKind.LOGITS)) {
      return null;
    }
    if (!validationAsked || recipe.teacher().changes()) {
      validationAsked = true;
      ofValidation =
          ask(
              validation.inputs(recipe.teacher().tokenizer().orElse(null)),
              Set.of(SignalKind.LOGITS),
              done -> {});
    }
    return ofValidation;
  }

  /** Returns the teacher's logits of tokens of the validation set, null if it gives none. */
  @Nullable NDArray ofTokens(int[] rows, NDManager scratch) {
    Teacher teacher = recipe.teacher();
    DistillationDataset validation = recipe.validation();
    if (validation == null || !teacher.provides().contains(SignalKind.LOGITS)) {
      return null;
    }
    try (NDManager elsewhere = NativeEngine.newManager(teacher.device())) {
      // once, since data sets compare tokenizers by their digests
      if (validationInputs == null) {
        validationInputs = validation.inputs(teacher.tokenizer().orElse(null));
      }
      Batch batch = validationInputs.batch(elsewhere, rows);
      NDArray logits = timed(batch, Set.of(SignalKind.LOGITS)).logits();
      if (logits.getShape().dimension() != 3) {
        return null;
      }
      NDArray here = logits.toDevice(scratch.getDevice(), true);
      here.attach(scratch);
      return here;
    }
  }

  /** Returns what the teacher says of some rows, on the run's device. */
  Signals of(int[] rows, NDManager step) {
    if (remembered != null) {
      return remembered.signals(step, rows);
    }
    if (inputs == null) {
      return Signals.none();
    }
    Teacher teacher = recipe.teacher();
    if (teacher.device().equals(recipe.device())) {
      return timed(inputs.batch(step, rows), recipe.requiresOfTeacher());
    }
    try (NDManager elsewhere = NativeEngine.newManager(teacher.device())) {
      return timed(inputs.batch(elsewhere, rows), recipe.requiresOfTeacher())
          .map(
              array -> {
                NDArray moved = array.toDevice(recipe.device(), true);
                moved.attach(step);
                return moved;
              });
    }
  }

  /** Returns how long the teacher took so far. */
  long nanos() {
    return nanos;
  }

  private Signals timed(Batch batch, Set<SignalKind> kinds) {
    long start = System.nanoTime();
    Signals signals = recipe.teacher().signals(batch, kinds);
    nanos += System.nanoTime() - start;
    return signals;
  }

  /** Returns what the teacher says of each row, or null if that cannot be kept. */
  private @Nullable RowSignals ask(BatchSource source, Set<SignalKind> kinds, LongConsumer done) {
    try {
      return RowSignals.collect(
          source,
          recipe.teacher().device(),
          (batch, asked) -> keepable(timed(batch, asked), source.size()),
          kinds,
          done);
    } catch (NotKeepable e) {
      return null;
    }
  }

  /** A language model says something of each token, which would fill the memory. */
  private static Signals keepable(Signals signals, int rows) {
    long bytes = 0;
    for (SignalKind kind : RowSignals.KINDS) {
      if (signals.kinds().contains(kind)) {
        Shape shape =
            (kind == SignalKind.LOGITS ? signals.logits() : signals.embedding()).getShape();
        bytes += shape.size() / shape.get(0) * rows * Float.BYTES;
        if (shape.dimension() != 2) {
          throw new NotKeepable();
        }
      }
    }
    if (bytes > MEMORY_BYTES) {
      throw new NotKeepable();
    }
    return signals;
  }

  /** What a teacher says is asked for in each step instead. */
  private static final class NotKeepable extends RuntimeException {
    private static final long serialVersionUID = 1L;

    NotKeepable() {
      super(null, null, false, false);
    }
  }
}
