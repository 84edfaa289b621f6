package io.distill.losses.training;

import ai.djl.Device;
import io.distill.data.Tokenizer;
import io.distill.model.DeployableModel;
import io.distill.model.SignalReader;
import io.distill.model.TorchScriptModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A TorchScript file as a student that gives more signals than the standard reader names. */
record ScriptedStudent(ScriptModule module, SignalReader reader, @Nullable Tokenizer tokenizer)
    implements Student {

  @Override
  public DeployableModel open(StudentSetup setup) {
    try {
      Path file = Files.createTempFile("student", ".pt");
      try {
        new TorchScriptArchive(module).write(file);
        return new DeployableModel(
            TorchScriptModel.openTrusted(file, reader, Device.cpu(), true),
            tokenizer,
            setup.classNames());
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
