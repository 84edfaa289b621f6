package io.distill.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScriptedModelTest {

  /**
   * A file of an earlier version has weights and configuration but methods of its own time: the
   * source inside is for serving, and reading makes it anew.
   */
  @Test
  void file_whoseSourceLacksNewerMethods_isReadWithAllSignals(@TempDir Path directory) {
    TransformerEncoder encoder = ModelConfigurationTest.ENCODER;
    Map<String, HostTensor> weights = encoder.initialWeights(7);
    Path file = directory.resolve("old.pt");
    new TorchScriptArchive(
            withoutMethods("Holder", weights), Map.of("distill.json", encoder.toJson().toString()))
        .write(file);
    try (ScriptedModel read = ScriptedModel.read(file, Device.cpu(), false);
        ScriptedModel fresh = ScriptedModel.open(encoder, weights, Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs =
          new NDList(
              manager.create(new long[] {1, 2, 3, 4}, new Shape(1, 4)),
              manager.create(new long[] {1, 1, 1, 0}, new Shape(1, 4)));
      Signals old = read.forward(inputs, encoder.provides(), false);
      Signals now = fresh.forward(inputs, encoder.provides(), false);
      assertThat(old.kinds()).isEqualTo(encoder.provides());
      assertThat(old.logits().toFloatArray()).containsExactly(now.logits().toFloatArray());
      for (SignalKind kind : Signals.LAYERED) {
        assertThat(old.layers(kind).get(1).toFloatArray())
            .containsExactly(now.layers(kind).get(1).toFloatArray());
      }
    }
  }

  /** Makes a tree of modules that hold parameters of dotted names and can do nothing. */
  private static ScriptModule withoutMethods(String path, Map<String, HostTensor> parameters) {
    ScriptModule.Builder module = ScriptModule.builder(path);
    Map<String, Map<String, HostTensor>> children = new LinkedHashMap<>();
    parameters.forEach(
        (name, tensor) -> {
          int dot = name.indexOf('.');
          if (dot < 0) {
            module.parameter(name, tensor);
          } else {
            children
                .computeIfAbsent(name.substring(0, dot), each -> new LinkedHashMap<>())
                .put(name.substring(dot + 1), tensor);
          }
        });
    children.forEach((name, own) -> module.module(name, withoutMethods(path + "_" + name, own)));
    return module.build();
  }
}
