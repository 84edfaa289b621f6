package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDManager;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.BlockModel;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.SignalModel;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.StudentFollower;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Checks everything that can be known before the first step and opens the student. All problems are
 * told in one message.
 */
final class PreFlight {

  private static final int PROBE_ROWS = 2;
  private static final int NAMED_ROWS = 5;

  private final Recipe recipe;
  private final DistillationDataset dataset;
  private final List<String> problems = new ArrayList<>();
  private final List<RuntimeException> causes = new ArrayList<>();
  private boolean classNamesDiffer;
  private boolean studentLogitsAreRows = true;

  private PreFlight(Recipe recipe, DistillationDataset dataset) {
    this.recipe = recipe;
    this.dataset = dataset;
  }

  /** What a run needs to know of its models. */
  record Cleared(
      DeployableModel student,
      BatchSource studentInputs,
      @Nullable BatchSource teacherInputs,
      @Nullable TokenLabels tokenLabels,
      boolean studentLogitsAreRows,
      LossParameters.Declared declared) {}

  static Cleared check(Recipe recipe, DistillationDataset dataset) {
    return new PreFlight(recipe, dataset).run();
  }

  private Cleared run() {
    if (dataset.size() == 0) {
      problems.add("data set must have at least one row but is empty; check the file it came from");
      throw failure();
    }
    Optional<StudentFollower> follower = recipe.teacher().follower();
    if (follower.isEmpty()) {
      return check(null);
    }
    // a teacher that follows the student can tell nothing before it has one
    DeployableModel student = open(SignalWidths.of(Signals.none()));
    if (student == null) {
      throw failure();
    }
    try {
      follower.get().start(student);
      return check(student);
    } catch (RuntimeException e) {
      student.close();
      throw e;
    }
  }

  private Cleared check(@Nullable DeployableModel opened) {
    checkSameObject();
    boolean teacherFits = checkTeacher();
    checkLabels();
    checkValidation();
    boolean needsTeacher = !recipe.requiresOfTeacher().isEmpty();
    BatchSource teacherInputs =
        needsTeacher
            ? attempt(() -> inputs("teacher", recipe.teacher().tokenizer().orElse(null)))
            : null;
    SignalWidths probed =
        teacherInputs == null || !teacherFits ? null : attempt(() -> probeTeacher(teacherInputs));
    SignalWidths teacherWidths = probed == null ? SignalWidths.of(Signals.none()) : probed;
    // a student that is opened for a wrong number of classes would only give problems that follow
    boolean classesKnown =
        probed != null || !needsTeacher || !dataset.classNames().isEmpty() || problems.isEmpty();
    DeployableModel student = opened != null ? opened : classesKnown ? open(teacherWidths) : null;
    if (student == null) {
      throw failure();
    }
    try {
      return checkStudent(student, teacherInputs, teacherWidths);
    } catch (RuntimeException e) {
      if (opened == null) {
        student.close();
      }
      throw e;
    }
  }

  private @Nullable DeployableModel open(SignalWidths teacherWidths) {
    int before = problems.size();
    StudentSetup setup =
        new StudentSetup(
            dataset,
            recipe.teacher(),
            classes(teacherWidths).orElse(0),
            classNames(),
            recipe.seed(),
            recipe.device(),
            recipe.computation());
    DeployableModel student = attempt(() -> recipe.student().open(setup));
    if (student == null && before > 0) {
      // most likely it follows from the problems before
      problems.subList(before, problems.size()).clear();
    }
    return student;
  }

  private Cleared checkStudent(
      DeployableModel student, @Nullable BatchSource teacherInputs, SignalWidths teacherWidths) {
    int before = problems.size();
    Set<SignalKind> missing = missing(recipe.requiresOfStudent(), student.model().provides());
    if (!missing.isEmpty()) {
      problems.add(
          "student must give "
              + missing
              + " for loss "
              + recipe.loss().name()
              + " but gives only "
              + student.model().provides()
              + "; use another student or another loss");
    }
    if (student.model().parameters().isEmpty()) {
      problems.add(
          "student must have trainable parameters but has none; load it with trainParam=true, or"
              + " unfreeze its parameters");
    }
    checkComputation(student.model());
    BatchSource studentInputs = attempt(() -> inputs("student", student.tokenizer().orElse(null)));
    if (studentInputs == null) {
      throw failure();
    }
    checkVocabulary("student", student);
    checkRows("student", studentInputs);
    if (teacherInputs != null && !sameTokenizer(student)) {
      checkRows("teacher", teacherInputs);
    }
    SignalWidths probed =
        problems.size() > before
            ? null
            : attempt(() -> probeStudent(student.model(), studentInputs));
    SignalWidths studentWidths = probed == null ? SignalWidths.of(Signals.none()) : probed;
    checkClasses(studentWidths, teacherWidths);
    TokenLabels tokenLabels =
        dataset.hasTokenLabels() ? attempt(() -> new TokenLabels(studentInputs)) : null;
    if (tokenLabels != null) {
      checkTokenLabels(tokenLabels, studentWidths);
    }
    checkEarlyStopping(student);
    if (!problems.isEmpty()) {
      throw failure();
    }
    LossParameters.Declared declared =
        LossParameters.declare(
            recipe.terms(),
            recipe.rowTemperature(),
            studentWidths,
            teacherWidths,
            recipe.layerMapping(),
            dataset.size(),
            recipe.seed());
    declared.problems().forEach((message, names) -> problems.add(term(names) + ": " + message));
    causes.addAll(declared.causes());
    if (!problems.isEmpty()) {
      throw failure();
    }
    MemoryCheck.of(recipe, dataset)
        .beforeTraining(
            student.model(),
            studentInputs,
            studentWidths,
            teacherWidths,
            studentLogitsAreRows,
            declared);
    return new Cleared(
        student, studentInputs, teacherInputs, tokenLabels, studentLogitsAreRows, declared);
  }

  private void checkComputation(SignalModel model) {
    Computation asked = recipe.computation();
    if (model.computation().training() != asked.training()) {
      problems.add(
          "precision must be "
              + model.computation().training()
              + " for a student that is no model of this library, as this one computes as it was"
              + " built, but was "
              + asked.training()
              + "; leave precision(...) out, or use Student.encoder(), bagOfEmbeddings(),"
              + " multilayerPerceptron() or load(...)");
    }
    if (asked.activationCheckpointing() && !model.computation().activationCheckpointing()) {
      problems.add(
          "activationCheckpointing must be false for a student that is no transformer of this"
              + " library, as only those run layer by layer, but was true; leave it out, or make"
              + " batches smaller and use gradientAccumulation(...) to save memory");
    }
  }

  private static String term(List<String> names) {
    return (names.size() == 1 ? "loss term '" : "loss terms '") + String.join("', '", names) + "'";
  }

  private boolean sameTokenizer(DeployableModel student) {
    Optional<Tokenizer> teachers = recipe.teacher().tokenizer();
    return teachers.isPresent() && teachers.equals(student.tokenizer());
  }

  private void checkSameObject() {
    if (recipe.student() instanceof Student.DjlStudent student
        && recipe.teacher().localModel().map(DeployableModel::model).orElse(null)
            instanceof BlockModel block
        && block.model() == student.model()) {
      problems.add(
          "student must be another model than the teacher but both are '"
              + student.model().getName()
              + "'; training would change the teacher; copy the model");
    }
  }

  private boolean checkTeacher() {
    int before = problems.size();
    Teacher teacher = recipe.teacher();
    Set<SignalKind> missing = missing(recipe.requiresOfTeacher(), teacher.provides());
    if (!missing.isEmpty()) {
      problems.add(
          "teacher must give "
              + missing
              + " for loss "
              + recipe.loss().name()
              + " but gives only "
              + teacher.provides()
              + (missing.contains(SignalKind.LOGITS)
                      && teacher.provides().contains(SignalKind.EMBEDDING)
                  ? "; give it a classifier with withClassifier(...), or use another loss"
                  : teacher instanceof EnsembleTeacher && !missing.contains(SignalKind.LOGITS)
                      ? "; call featuresFrom(member) on the ensemble, or use another loss"
                      : "; use another teacher or another loss"));
    }
    teacher.localModel().ifPresent(model -> checkVocabulary("teacher", model));
    if (missing.isEmpty() && !recipe.requiresOfTeacher().isEmpty()) {
      attempt(
          () -> {
            teacher.check(recipe.teacherSetup(dataset));
            return teacher;
          });
    }
    return problems.size() == before;
  }

  private void checkVocabulary(String who, DeployableModel model) {
    int rows = model.model().configuration().map(ModelConfiguration::vocabularySize).orElse(0);
    int pieces = model.tokenizer().map(Tokenizer::vocabularySize).orElse(0);
    if (rows > 0 && pieces > rows) {
      problems.add(
          who
              + "'s tokenizer must have at most as many word pieces as its model has embeddings, "
              + rows
              + ", but has "
              + pieces
              + "; use the tokenizer.json that belongs to the model");
    }
  }

  private void checkLabels() {
    DistillationLoss loss = recipe.loss();
    int classes = dataset.classNames().size();
    boolean ofTokens = dataset.hasTokenLabels();
    boolean any = ofTokens;
    for (int row = 0; row < dataset.size(); row++) {
      int label = dataset.label(row);
      any |= label != DistillationDataset.NO_LABEL;
      if (label < DistillationDataset.NO_LABEL || label >= classes) {
        problems.add(
            "labels must be from 0 to "
                + (classes - 1)
                + " (or "
                + DistillationDataset.NO_LABEL
                + " for none) but row "
                + row
                + " has "
                + label
                + "; correct the data set");
        return;
      }
    }
    if (loss.requiresLabels() && !any) {
      problems.add(
          "data set must have labels for loss "
              + loss.name()
              + " but none of its "
              + dataset.size()
              + " rows has one; label some rows, or leave out the terms that need labels");
    }
    if (loss.requiresLabels() && any && !ofTokens && classes < 2) {
      problems.add(
          "data set must have at least two classes but has only "
              + dataset.classNames()
              + "; a student of one class has nothing to learn");
    }
    List<String> teachers = recipe.teacher().classNames();
    if (!teachers.isEmpty() && classes > 0 && !teachers.equals(dataset.classNames())) {
      classNamesDiffer = true;
      problems.add(
          "teacher and data set must have the same classes in the same order but were "
              + teachers
              + " (teacher) and "
              + dataset.classNames()
              + " (data set); call dataset.classes(teacher.classNames())");
    }
  }

  private void checkTokenLabels(TokenLabels labels, SignalWidths student) {
    if (recipe.loss().requiresLabels() && !labels.any()) {
      problems.add(
          "data set must have token labels for loss "
              + recipe.loss().name()
              + " but none of its "
              + dataset.size()
              + " rows has one after the first token; label some tokens, or leave out the terms that"
              + " need labels");
    }
    if (student.classes().isPresent() && labels.largest() >= student.classes().getAsInt()) {
      problems.add(
          "token labels must be within the student's vocabulary, from 0 to "
              + (student.classes().getAsInt() - 1)
              + " (or negative for none), but row "
              + labels.rowOfLargest()
              + " has "
              + labels.largest()
              + "; make labels and student with the same tokenizer");
    }
  }

  private void checkValidation() {
    DistillationDataset validation = recipe.validation();
    if (validation == null) {
      return;
    }
    if (validation.size() == 0) {
      problems.add(
          "validation set must have at least one row but is empty; check the file it came from, or"
              + " leave it out");
      return;
    }
    if (validation.hasTokenLabels() != dataset.hasTokenLabels()) {
      problems.add(
          "validation set must have labels of "
              + (dataset.hasTokenLabels() ? "tokens" : "rows")
              + " as the data set has but has those of "
              + (validation.hasTokenLabels() ? "tokens" : "rows")
              + "; make both in the same way");
      return;
    }
    List<String> own = validation.classNames();
    List<String> students = classNames();
    boolean sameIndices =
        own.size() <= students.size() && own.equals(students.subList(0, own.size()));
    if (!students.isEmpty() && !sameIndices) {
      problems.add(
          "validation set must have the student's classes in the same order but were "
              + own
              + " (validation set) and "
              + students
              + " (student); call validation.classes(...) with the student's");
    }
  }

  private void checkEarlyStopping(DeployableModel student) {
    EarlyStopping rule = recipe.earlyStopping();
    if (rule == null || rule.metric().equals(EarlyStopping.TRAINING_LOSS)) {
      return;
    }
    boolean tried = ValidationSet.tries(recipe.validation(), student, studentLogitsAreRows);
    Set<String> reported = new LinkedHashSet<>(ValidationSet.metrics(recipe, tried));
    reported.add(EarlyStopping.TRAINING_LOSS);
    if (!reported.contains(rule.metric())) {
      problems.add(
          "earlyStopping must watch one of the metrics that this run reports, "
              + reported
              + ", but watches '"
              + rule.metric()
              + "'"
              + (recipe.validation() == null
                  ? "; set a validation set, or watch another metric"
                  : "; watch another metric"));
    }
  }

  private void checkRows(String who, BatchSource inputs) {
    List<Integer> empty = new ArrayList<>();
    for (int row = 0; row < inputs.size() && empty.size() < NAMED_ROWS; row++) {
      if (inputs.length(row) == 0) {
        empty.add(row);
      }
    }
    if (!empty.isEmpty()) {
      problems.add(
          "every row must have at least one token for the "
              + who
              + " but rows "
              + empty
              + " have none; remove them, or use a tokenizer that adds special tokens");
    }
  }

  private void checkClasses(SignalWidths student, SignalWidths teacher) {
    boolean compared =
        !classNamesDiffer
            && recipe.loss().requiresSameClasses()
            && recipe.requiresOfTeacher().contains(SignalKind.LOGITS)
            && recipe.requiresOfStudent().contains(SignalKind.LOGITS);
    if (compared
        && teacher.classes().isPresent()
        && student.classes().isPresent()
        && teacher.classes().getAsInt() != student.classes().getAsInt()) {
      problems.add(
          "teacher and student logits must have the same number of classes but were "
              + teacher.classes().getAsInt()
              + " (teacher) and "
              + student.classes().getAsInt()
              + " (student); select the shared classes or use a feature loss");
    }
    int labels = dataset.classNames().size();
    if (recipe.loss().requiresLabels()
        && student.classes().isPresent()
        && labels > student.classes().getAsInt()) {
      problems.add(
          "student must have a logit for each of the "
              + labels
              + " classes of the data set but has "
              + student.classes().getAsInt()
              + "; use a student with more outputs, or fewer classes");
    }
    int named = recipe.teacher().classNames().size();
    if (named > 0 && teacher.classes().isPresent() && teacher.classes().getAsInt() != named) {
      problems.add(
          "teacher must have one logit for each of its "
              + named
              + " class names but has "
              + teacher.classes().getAsInt()
              + "; correct its class names");
    }
  }

  private BatchSource inputs(String who, @Nullable Tokenizer tokenizer) {
    BatchSource source = dataset.inputs(tokenizer);
    if (source.size() != dataset.size()) {
      throw new DistillationException(
          "inputs of the "
              + who
              + " must be as many as the rows of the data set, "
              + dataset.size()
              + ", but were "
              + source.size());
    }
    return source;
  }

  private SignalWidths probeTeacher(BatchSource inputs) {
    try (NDManager manager = NativeEngine.newManager(recipe.teacher().device())) {
      Signals signals =
          recipe
              .teacher()
              .signals(inputs.batch(manager, probeRows(inputs)), recipe.requiresOfTeacher());
      requireKinds("teacher", recipe.requiresOfTeacher(), signals);
      return SignalWidths.of(signals);
    }
  }

  private SignalWidths probeStudent(SignalModel model, BatchSource inputs) {
    try (NDManager manager = NativeEngine.newManager(model.device())) {
      Signals signals =
          model.forward(
              inputs.batch(manager, probeRows(inputs)).inputs(), recipe.requiresOfStudent(), false);
      requireKinds("student", recipe.requiresOfStudent(), signals);
      studentLogitsAreRows =
          !signals.kinds().contains(SignalKind.LOGITS)
              || signals.logits().getShape().dimension() == 2;
      return SignalWidths.of(signals);
    }
  }

  private static void requireKinds(String who, Set<SignalKind> required, Signals signals) {
    Set<SignalKind> missing = missing(required, signals.kinds());
    if (!missing.isEmpty()) {
      throw new DistillationException(
          who
              + " must give "
              + missing
              + " but gave "
              + signals.kinds()
              + "; name its outputs with a SignalReader or BlockTaps, or use another loss");
    }
  }

  private static int[] probeRows(BatchSource inputs) {
    return inputs.size() < PROBE_ROWS ? new int[] {0} : new int[] {0, 1};
  }

  private OptionalInt classes(SignalWidths teacher) {
    int labels = dataset.classNames().size();
    return labels > 0 ? OptionalInt.of(labels) : teacher.classes();
  }

  private List<String> classNames() {
    return dataset.classNames().isEmpty() ? recipe.teacher().classNames() : dataset.classNames();
  }

  private static Set<SignalKind> missing(Set<SignalKind> required, Set<SignalKind> provided) {
    Set<SignalKind> missing = EnumSet.noneOf(SignalKind.class);
    missing.addAll(required);
    missing.removeAll(provided);
    return missing;
  }

  private <T> @Nullable T attempt(Supplier<T> action) {
    try {
      return action.get();
    } catch (DistillationException e) {
      problems.add(requireNonNull(e.getMessage()));
      causes.add(e);
      return null;
    } catch (RuntimeException e) {
      // the engine puts a native stack trace into its messages
      String what = e.toString().lines().findFirst().orElse("");
      problems.add("models must run on the first rows of the data set but failed: " + what);
      causes.add(e);
      return null;
    }
  }

  private DistillationException failure() {
    StringBuilder message = new StringBuilder();
    if (problems.size() == 1) {
      message.append(problems.get(0));
    } else {
      message.append("the run has ").append(problems.size()).append(" problems:");
      problems.forEach(problem -> message.append("\n- ").append(problem));
    }
    DistillationException failure = new DistillationException(message.toString());
    causes.forEach(failure::addSuppressed);
    return failure;
  }
}
