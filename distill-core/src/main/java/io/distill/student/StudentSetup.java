package io.distill.student;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.ScriptedModel;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a student learns about a run when it is opened for it.
 *
 * @param dataset the training data
 * @param teacher the teacher; a student may take its tokenizer and some of its weights
 * @param classes the number of classes; 0 if neither data nor teacher has any
 * @param classNames the names of the classes; empty if unknown
 * @param seed the run's seed
 * @param device where the student shall live
 * @param computation how it shall compute; a student that cannot is refused before the run
 */
public record StudentSetup(
    DistillationDataset dataset,
    Teacher teacher,
    int classes,
    List<String> classNames,
    long seed,
    Device device,
    Computation computation) {

  /**
   * Copies the list.
   *
   * @param dataset the training data
   * @param teacher the teacher; a student may take its tokenizer and some of its weights
   * @param classes the number of classes; 0 if neither data nor teacher has any
   * @param classNames the names of the classes; empty if unknown
   * @param seed the run's seed
   * @param device where the student shall live
   * @param computation how it shall compute
   */
  public StudentSetup {
    requireNonNull(dataset, "dataset");
    requireNonNull(teacher, "teacher");
    checkArgument(classes >= 0, "classes must be at least 0 but was %s", classes);
    classNames = List.copyOf(classNames);
    requireNonNull(device, "device");
    requireNonNull(computation, "computation");
  }

  /**
   * Describes a run that computes in float32 and keeps all activations.
   *
   * @param dataset the training data
   * @param teacher the teacher; a student may take its tokenizer and some of its weights
   * @param classes the number of classes; 0 if neither data nor teacher has any
   * @param classNames the names of the classes; empty if unknown
   * @param seed the run's seed
   * @param device where the student shall live
   */
  public StudentSetup(
      DistillationDataset dataset,
      Teacher teacher,
      int classes,
      List<String> classNames,
      long seed,
      Device device) {
    this(dataset, teacher, classes, classNames, seed, device, Computation.standard());
  }

  /** Returns the student's tokenizer: its own, else the teacher's; trimmed to the data if asked. */
  Tokenizer tokenizer(@Nullable Tokenizer own, boolean trimmed) {
    Tokenizer tokenizer = own != null ? own : teacher.tokenizer().orElse(null);
    if (tokenizer == null) {
      throw new DistillationException(
          "student must have a tokenizer but neither it nor the teacher has one; call tokenizer(...)"
              + " on the student's builder");
    }
    if (!trimmed) {
      return tokenizer;
    }
    if (dataset instanceof TextDataset text) {
      return tokenizer.trimmedTo(text.texts());
    }
    throw new DistillationException(
        "data set must be a TextDataset to trim a vocabulary to it but was "
            + dataset.getClass().getSimpleName()
            + "; call vocabularyFromData(false)");
  }

  /** Returns the shape of the teacher's model if it is of this library, without loading it. */
  <C extends ModelConfiguration> Optional<C> teacherConfiguration(Class<C> type) {
    return teacher instanceof ModelTeacher local
        ? local.configuration().filter(type::isInstance).map(type::cast)
        : Optional.empty();
  }

  /** Returns the teacher's model if it is of this library and has such a configuration. */
  <C extends ModelConfiguration> Optional<TeacherModel<C>> teacherModel(Class<C> type) {
    if (teacher.localModel().map(DeployableModel::model).orElse(null) instanceof ScriptedModel model
        && type.isInstance(model.configuration().orElseThrow())) {
      return Optional.of(
          new TeacherModel<>(
              model, type.cast(model.configuration().orElseThrow()), teacher.tokenizer()));
    }
    return Optional.empty();
  }

  /** A teacher whose weights can be copied. */
  record TeacherModel<C extends ModelConfiguration>(
      ScriptedModel model, C configuration, Optional<Tokenizer> tokenizer) {}
}
