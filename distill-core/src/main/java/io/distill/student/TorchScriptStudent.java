package io.distill.student;

import static java.util.Objects.requireNonNull;

import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.SignalReader;
import io.distill.model.TorchScriptModel;
import io.distill.provenance.spi.RecipePart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A TorchScript file that is trained further. */
record TorchScriptStudent(Path file, SignalReader reader, @Nullable Tokenizer tokenizer)
    implements Student, RecipePart {

  TorchScriptStudent {
    requireNonNull(file, "file");
    requireNonNull(reader, "reader");
  }

  @Override
  public Footprint footprint(StudentSetup setup) {
    try {
      return new Footprint(0, Files.size(file), 0);
    } catch (IOException e) {
      throw new DistillationException(
          "TorchScript file must exist but " + file + " does not; check the path", e);
    }
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    return new DeployableModel(
        TorchScriptModel.openTrusted(file, reader, setup.device(), true),
        tokenizer,
        setup.classNames());
  }

  @Override
  public Record description() {
    TorchScriptModel model =
        TorchScriptModel.openTrusted(file, reader, NativeEngine.defaultDevice(), false);
    try {
      return new ModelInHand(
          model.fingerprint(), reader, tokenizer == null ? null : tokenizer.fingerprint());
    } finally {
      model.close();
    }
  }
}
