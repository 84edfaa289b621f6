package io.distill.training.internal;

import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import java.util.Optional;

/**
 * A student whose model was opened before its run, for others to learn from it.
 *
 * @param description the student that it was opened from, by which the recipe is described
 * @param model the model; the run's to close from when the run opens it
 */
public record OpenStudent(Student description, DeployableModel model) implements Student {

  /** Returns the student that a recipe is written down with. */
  static Student described(Student student) {
    return student instanceof OpenStudent open ? open.description() : student;
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    return model.model().configuration();
  }

  @Override
  public Footprint footprint(StudentSetup setup) {
    return Footprint.of(model.model());
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    return model;
  }
}
