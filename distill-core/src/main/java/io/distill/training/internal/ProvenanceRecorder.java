package io.distill.training.internal;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.JsonObject;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.LibraryVersion;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.provenance.DataOrigin;
import io.distill.provenance.Environment;
import io.distill.provenance.Provenance;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.RunFacts;
import io.distill.provenance.StudentOrigin;
import io.distill.provenance.TeacherOrigin;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDecision;
import io.distill.teacher.Teacher;
import io.distill.training.TrainingListener;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides at the start of a run whether it may be, and writes down at its end what it was. */
final class ProvenanceRecorder {

  private static final Logger LOGGER = LoggerFactory.getLogger(Provenance.class);

  private final Recipe recipe;
  private RecipeDescription description;
  private final DataOrigin data;
  private final TeacherOrigin teacher;
  private final List<TermsDecision> decisions;
  private final Environment environment;
  private final Instant started = Instant.now();

  private ProvenanceRecorder(
      Recipe recipe, RecipeDescription description, DistillationDataset dataset) {
    Declarations declared = recipe.declarations();
    this.recipe = recipe;
    this.description = description;
    this.environment = environment(recipe);
    this.data =
        new DataOrigin(
            Optional.ofNullable(declared.dataName()),
            fingerprint(description, "data").orElseThrow(),
            dataset.size(),
            Optional.ofNullable(declared.dataLicence()));
    Teacher source = recipe.teacher();
    this.teacher =
        new TeacherOrigin(source.id(), fingerprint(description, "teacher"), source.terms());
    this.decisions = decide(declared, source);
  }

  /** Digests of large weights and data are taken once. */
  private static Optional<String> fingerprint(RecipeDescription description, String member) {
    return description.json().get(member) instanceof JsonObject object && object.has("fingerprint")
        ? Optional.of(object.get("fingerprint").getAsString())
        : Optional.empty();
  }

  /**
   * Begins to record a run.
   *
   * @throws DistillationException if it shall repeat a recorded one and differs, or the terms of
   *     its teacher are refused
   */
  static ProvenanceRecorder begin(
      Recipe recipe, RecipeDescription description, DistillationDataset dataset) {
    ProvenanceRecorder recorder = new ProvenanceRecorder(recipe, description, dataset);
    recorder.checkRepeated(recipe.declarations());
    return recorder;
  }

  /** Takes the recipe from the checkpoint that the run goes on from: it knows the first weights. */
  void resumed(RecipeDescription recorded) {
    description = recorded;
  }

  private void checkRepeated(Declarations declared) {
    RecipeDescription recorded = declared.recorded();
    if (recorded == null) {
      return;
    }
    List<String> differences = recorded.differences(description, declared.mayDiffer());
    if (!differences.isEmpty()) {
      throw new DistillationException(
          "repeated run must have the recorded recipe, teacher and data but differs:\n- "
              + String.join("\n- ", differences)
              + "\nrestore them, or name what is meant to differ with allowDifferences(...), one of "
              + recorded.differingMembers(description));
    }
    if (declared.recordedOn() != null) {
      List<String> elsewhere = declared.recordedOn().differences(environment);
      if (!elsewhere.isEmpty()) {
        LOGGER.warn(
            "The recorded run ran elsewhere ({}); weights may differ in their last bits",
            String.join(", ", elsewhere));
      }
    }
  }

  /** A teacher that is a student is as free as its own teachers, and never freer. */
  private static List<TermsDecision> decide(Declarations declared, Teacher teacher) {
    List<TermsDecision> decisions = new ArrayList<>();
    if (teacher == Teacher.none()) {
      return decisions;
    }
    List<TermsDecision> inherited =
        teacher.origins().stream().flatMap(origin -> origin.terms().stream()).distinct().toList();
    Terms terms = effective(teacher.terms(), inherited);
    decisions.add(
        TermsDecision.decide(
            teacher.id(), terms, declared.policy(), Optional.ofNullable(declared.allowReason())));
    decisions.addAll(inherited);
    return decisions;
  }

  private static Terms effective(Terms own, List<TermsDecision> inherited) {
    return inherited.stream()
        .map(TermsDecision::terms)
        .reduce(Terms::stricter)
        .map(own::orInherited)
        .orElse(own);
  }

  private static Environment environment(Recipe recipe) {
    return new Environment(
        LibraryVersion.text(),
        Engine.getDjlVersion(),
        NativeEngine.engine().getVersion(),
        System.getProperty("java.vendor") + " " + System.getProperty("java.runtime.version"),
        System.getProperty("os.name") + " " + System.getProperty("os.arch"),
        RecipeDescriber.name(recipe.device()),
        JniUtils.getNumThreads(),
        Runtime.getRuntime().availableProcessors());
  }

  /** Returns the provenance of a trained student. */
  Provenance end(
      DeployableModel student, Map<String, Double> metrics, TrainingListener.RunEnd end) {
    List<Provenance> lineage = new ArrayList<>(recipe.teacher().origins());
    List<TermsDecision> terms = new ArrayList<>(decisions);
    // a saved student that was trained further comes from its own teachers too
    student
        .provenance()
        .ifPresent(
            before -> {
              lineage.add(before);
              terms.addAll(before.terms());
            });
    return new Provenance(
        description,
        teacher,
        data,
        new StudentOrigin(
            student.architecture(),
            student.parameterCount(),
            student.fingerprint(),
            student.classNames(),
            student.tokenizer().isPresent(),
            Optional.ofNullable(recipe.declarations().studentLicence())),
        environment,
        new RunFacts(
            started, end.seconds(), end.teacherSeconds(), end.steps(), end.reason().name()),
        metrics,
        terms,
        lineage,
        0);
  }
}
