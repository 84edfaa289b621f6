package io.distill;

import com.google.common.hash.Hashing;
import io.distill.conversation.ConversationDataset;
import io.distill.conversation.ConversationReport;
import io.distill.conversation.ConversationTemplate;
import io.distill.conversation.Conversations;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.exception.DistillationException;
import io.distill.generation.TextGenerator;
import io.distill.internal.AtomicFiles;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.provenance.DataOrigin;
import io.distill.provenance.Provenance;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.TeacherOrigin;
import io.distill.provenance.TermsDecision;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.trace.TraceReport;
import io.distill.trace.TraceResult;
import io.distill.training.Every;
import io.distill.training.TrainingListener.EndReason;
import io.distill.training.internal.Recipe;
import io.distill.training.internal.RecipeDescriber;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The stage in which the student learns from traces. Its checkpoints stand in a directory that is
 * named by recipe and data, so that other settings begin afresh and the old ones could go on; the
 * student takes the place of an older one when it is trained, not before.
 */
final class FineTuning {

  private static final Logger LOGGER = LoggerFactory.getLogger(TraceDistiller.class);
  private static final int NAME_LENGTH = 12;
  private static final String NAME = "[0-9a-f]{" + NAME_LENGTH + "}";

  /** Another machine may go on with what is trained. */
  private static final Set<String> IRRELEVANT = Set.of("device");

  private final Student student;
  private final DistillationLoss loss;
  private final Consumer<? super Distiller.Builder> training;
  private final Consumer<? super ConversationDataset.Builder> data;
  private final @Nullable ConversationTemplate template;
  private final Every[] checkpoints;
  private final Path trainingDirectory;
  private final Path studentDirectory;

  FineTuning(
      Student student,
      DistillationLoss loss,
      Consumer<? super Distiller.Builder> training,
      Consumer<? super ConversationDataset.Builder> data,
      @Nullable ConversationTemplate template,
      List<Every> checkpoints,
      Path directory) {
    this.student = student;
    this.loss = loss;
    this.training = training;
    this.data = data;
    this.template = template;
    this.checkpoints = checkpoints.toArray(Every[]::new);
    this.trainingDirectory = directory.resolve(TraceDistiller.TRAINING_DIRECTORY);
    this.studentDirectory = directory.resolve(TraceDistiller.STUDENT_DIRECTORY);
  }

  /** What came out; no student was saved if someone stopped the run. */
  record Outcome(ConversationReport data, boolean complete) {}

  /** Returns the recipe with its parts and what the user sets. */
  private Distiller.Builder recipe(Path directory) {
    Distiller.Builder builder =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(student)
            .loss(loss)
            .checkpoint(directory, checkpoints)
            .resumeIfPresent(directory);
    training.accept(builder);
    return builder;
  }

  /** Builds the recipe, so that wrong settings are told at once. */
  Recipe recipe() {
    return recipe(trainingDirectory).build().recipe();
  }

  /** Opens the student as it is before it learns. */
  DeployableModel untrained() {
    Recipe recipe = recipe();
    return student.open(
        new StudentSetup(
            // a language model takes nothing of the data
            TextDataset.of(List.of(TextExample.unlabelled("-"))),
            Teacher.none(),
            0,
            List.of(),
            recipe.seed(),
            recipe.device(),
            recipe.computation()));
  }

  /** Refuses, before anyone is asked, what would fail after. */
  void check() {
    DeployableModel.checkSavable(studentDirectory);
    if (Files.exists(studentDirectory) && saved() == null) {
      throw new DistillationException(
          "student directory must be new or hold a student of this pipeline but "
              + studentDirectory
              + " has no "
              + Provenance.FILE
              + "; use another directory");
    }
    try (DeployableModel model = untrained()) {
      if (TextGenerator.of(model).tokenizer().isEmpty()) {
        throw new DistillationException(
            "student must have a tokenizer to learn from answers but has none; call tokenizer(...)"
                + " on the student's builder, or add a tokenizer.json to the checkpoint");
      }
    }
  }

  private @Nullable Provenance saved() {
    return Files.isRegularFile(studentDirectory.resolve(Provenance.FILE))
        ? Provenance.read(studentDirectory)
        : null;
  }

  /** Trains the student, or goes on where that ended; nothing is done if it is trained. */
  Outcome run(TraceResult traces, TeacherOrigin teacher, TermsDecision decision) {
    requireTraces(traces.report());
    ConversationDataset dataset = dataset(traces.file());
    String digest = digest(traces.file());
    RecipeDescription wanted = RecipeDescriber.describe(recipe(), dataset);
    Provenance before = saved();
    List<String> differences =
        before == null ? List.of() : before.recipe().differences(wanted, IRRELEVANT);
    if (before != null && differences.isEmpty()) {
      Provenance now = withOrigins(before, teacher, decision, digest);
      if (!now.equals(before)) {
        try (DeployableModel model = DeployableModel.load(studentDirectory)) {
          model.withProvenance(now).save(studentDirectory);
        }
      }
      return new Outcome(dataset.report(), true);
    }
    if (before != null) {
      LOGGER.warn(
          "Student is trained anew and takes the place of the one in {}: {}",
          studentDirectory,
          String.join("; ", differences));
    }
    String name = wanted.fingerprint().substring(0, NAME_LENGTH);
    try (DistillationResult result = recipe(trainingDirectory.resolve(name)).fit(dataset)) {
      if (result.endReason() == EndReason.STOPPED) {
        return new Outcome(dataset.report(), false);
      }
      DeployableModel trained = result.student();
      trained
          .withProvenance(withOrigins(result.provenance(), teacher, decision, digest))
          .save(studentDirectory);
    }
    deleteOthers(trainingDirectory, NAME, name);
    return new Outcome(dataset.report(), true);
  }

  private static void requireTraces(TraceReport report) {
    if (report.kept() == 0) {
      throw new DistillationException(
          "traces must be at least one to learn from but all "
              + report.judged()
              + " answers were dropped: "
              + report.dropped()
              + "; look at the answers, and change filters or prompts: answers are not asked again");
    }
  }

  private ConversationDataset dataset(Path traces) {
    ConversationDataset.Builder builder =
        ConversationDataset.builder().conversations(Conversations.jsonLines(traces).read());
    if (template != null) {
      builder.template(template);
    }
    data.accept(builder);
    try (DeployableModel model = untrained()) {
      return builder.model(model).build();
    }
  }

  private static String digest(Path file) {
    try {
      return com.google.common.io.Files.asByteSource(file.toFile())
          .hash(Hashing.sha256())
          .toString();
    } catch (IOException e) {
      throw new DistillationException(
          "traces file " + file + " must be readable but was not (" + e + "); check the file", e);
    }
  }

  /** A run without a teacher does not know who wrote its data. */
  private static Provenance withOrigins(
      Provenance run, TeacherOrigin teacher, TermsDecision decision, String tracesDigest) {
    DataOrigin data = run.data();
    List<TermsDecision> terms = new ArrayList<>(List.of(decision));
    terms.addAll(run.terms());
    return new Provenance(
        run.recipe(),
        teacher,
        new DataOrigin(
            data.name().or(() -> Optional.of("answers of " + teacher.id())),
            data.fingerprint(),
            data.rows(),
            data.licence(),
            Optional.of(tracesDigest)),
        run.student(),
        run.environment(),
        run.run(),
        run.metrics(),
        terms,
        run.lineage(),
        run.omittedAncestors());
  }

  /** Deletes directories of a kind but for one. */
  static void deleteOthers(Path parent, String pattern, String kept) {
    try (Stream<Path> children = Files.list(parent)) {
      children
          .filter(
              child -> {
                String name = String.valueOf(child.getFileName());
                return name.matches(pattern) && !name.equals(kept);
              })
          .toList()
          .forEach(AtomicFiles::deleteQuietly);
    } catch (IOException e) {
      LOGGER.warn("Directories in {} that are not needed any more could not be deleted", parent, e);
    }
  }
}
