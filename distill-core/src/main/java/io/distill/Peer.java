package io.distill;

import ai.djl.Device;
import com.google.common.collect.ImmutableSet;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.Teacher;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A student as its peers see it: a teacher whose weights change. It is one once it is opened. */
final class Peer implements Teacher {

  private static final Terms AMONG_STUDENTS =
      Terms.agreement("students that learn from each other", Terms.Permission.YES, "");

  private @Nullable DeployableModel student;
  private Terms terms = AMONG_STUDENTS;
  private List<Provenance> origins = List.of();

  void become(DeployableModel opened) {
    student = opened;
  }

  /** What one student learns from a teacher of its own, its peers learn through it. */
  void alsoLearnsFrom(Teacher teacher) {
    terms = teacher.terms().stricter(terms);
    origins = Stream.concat(origins.stream(), teacher.origins().stream()).distinct().toList();
  }

  void closeStudent() {
    if (student != null) {
      student.close();
    }
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    if (student == null) {
      throw new DistillationException(
          "peer must be a student of a run to answer but the run has not begun; give it to"
              + " Distiller.builder().teacher(...)");
    }
    return student.model().answer(batch.inputs(), kinds);
  }

  @Override
  public Set<SignalKind> provides() {
    return student == null ? ImmutableSet.copyOf(SignalKind.values()) : student.model().provides();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return student == null ? Optional.empty() : student.tokenizer();
  }

  @Override
  public List<String> classNames() {
    return student == null ? List.of() : student.classNames();
  }

  @Override
  public Device device() {
    return student == null ? NativeEngine.defaultDevice() : student.model().device();
  }

  @Override
  public boolean changes() {
    return true;
  }

  @Override
  public String id() {
    return "peer";
  }

  @Override
  public Terms terms() {
    return terms;
  }

  @Override
  public List<Provenance> origins() {
    return origins;
  }

  @Override
  public String toString() {
    return "peer";
  }
}
