package io.distill.teacher;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.provenance.spi.RecipePart;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A teacher under a name and terms that the user declares. */
record DeclaredTeacher(Teacher inside, String id, Terms terms) implements Teacher, RecipePart {

  DeclaredTeacher {
    requireNonNull(inside, "inside");
    requireNonNull(id, "id");
    requireNonNull(terms, "terms");
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    return inside.signals(batch, kinds);
  }

  @Override
  public Set<SignalKind> provides() {
    return inside.provides();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return inside.tokenizer();
  }

  @Override
  public List<String> classNames() {
    return inside.classNames();
  }

  @Override
  public Device device() {
    return inside.device();
  }

  @Override
  public Optional<String> fingerprint() {
    return inside.fingerprint();
  }

  @Override
  public List<Provenance> origins() {
    return inside.origins();
  }

  @Override
  public Teacher declaring(String otherId, Terms otherTerms) {
    return inside.declaring(otherId, otherTerms);
  }

  @Override
  public Optional<DeployableModel> localModel() {
    return inside.localModel();
  }

  @Override
  public Footprint footprint() {
    return inside.footprint();
  }

  @Override
  public void check(TeacherSetup setup) {
    inside.check(setup);
  }

  @Override
  public void prepare(TeacherSetup setup) {
    inside.prepare(setup);
  }

  @Override
  public void finish() {
    inside.finish();
  }

  @Override
  public boolean changes() {
    return inside.changes();
  }

  @Override
  public Teacher forRun() {
    Teacher live = inside.forRun();
    return live == inside ? this : new DeclaredTeacher(live, id, terms);
  }

  @Override
  public Optional<StudentFollower> follower() {
    return inside.follower();
  }

  private record OfClass(String type) {}

  /** What it is called decides no weights. */
  @Override
  public Record description() {
    return inside instanceof RecipePart part
        ? part.description()
        : new OfClass(inside.getClass().getName());
  }

  @Override
  public void close() {
    inside.close();
  }
}
