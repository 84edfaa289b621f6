package io.distill.student;

import static java.util.Objects.requireNonNull;

import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.SavedModel;
import java.nio.file.Path;
import java.util.Optional;

/** A saved model that is trained further. */
record SavedStudent(Path directory) implements Student {

  SavedStudent {
    requireNonNull(directory, "directory");
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    return SavedModel.of(directory).configuration();
  }

  @Override
  public Footprint footprint(StudentSetup setup) {
    return SavedModel.of(directory).footprint();
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    return DeployableModel.load(directory, setup.device(), true, setup.computation());
  }
}
