package io.distill.teacher;

import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Optional;
import java.util.Set;

/** A teacher that says nothing. */
enum SilentTeacher implements Teacher {
  INSTANCE;

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    return Signals.none();
  }

  @Override
  public String id() {
    return "none";
  }

  @Override
  public Set<SignalKind> provides() {
    return Set.of();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return Optional.empty();
  }
}
