package io.distill.student;

import static java.util.Objects.requireNonNull;

import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.SavedModel;
import io.distill.provenance.spi.RecipePart;
import java.nio.file.Path;
import java.util.Optional;

/** A saved model that is trained further. */
record SavedStudent(Path directory) implements Student, RecipePart {

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

  /** The same model may stand elsewhere next time: what it is counts, not where. */
  @Override
  public Record description() {
    try (DeployableModel model = DeployableModel.load(directory)) {
      return new ModelInHand(model.fingerprint(), "saved", null);
    }
  }
}
