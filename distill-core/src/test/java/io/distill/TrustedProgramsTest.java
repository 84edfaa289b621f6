package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.huggingface.Checkpoint;
import io.distill.internal.NativeEngine;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.SavedModel;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalModel;
import io.distill.model.SignalReader;
import io.distill.model.TorchScriptModel;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** No program is loaded unless the call vouches for it. */
class TrustedProgramsTest {

  private static final String PLAIN = "input * self.scale";

  @TempDir Path directory;
  private Path foreign;
  private Path file;

  @BeforeEach
  void saveAForeignModel() {
    foreign = directory.resolve("foreign");
    file = write("program.pt", PLAIN, 2);
    try (DeployableModel model =
        new DeployableModel(
            TorchScriptModel.openTrusted(file, SignalReader.standard(), Device.cpu(), false),
            null,
            List.of("a", "b"))) {
      model.save(foreign);
    }
  }

  private Path write(String name, String formula, float scale) {
    Path target = directory.resolve(name);
    new TorchScriptArchive(
            ScriptModule.builder("Scale")
                .parameter("scale", HostTensor.of(new float[] {scale, scale}, 2))
                .method("def forward(self, input: Tensor) -> Tensor:\n  return " + formula + "\n")
                .build())
        .write(target);
    return target;
  }

  @Test
  void everyOtherWayOfLoading_refusesAProgram() {
    Map<String, ThrowingCallable> ways = new LinkedHashMap<>();
    ways.put("DeployableModel.load", () -> DeployableModel.load(foreign).close());
    ways.put("load on a device", () -> DeployableModel.load(foreign, Device.cpu()).close());
    ways.put("load to train", () -> DeployableModel.load(foreign, Device.cpu(), true).close());
    ways.put(
        "load to compute",
        () -> DeployableModel.load(foreign, Device.cpu(), false, Computation.standard()).close());
    ways.put("SavedModel.of", () -> SavedModel.of(foreign));
    ways.put("Teacher.load", () -> Teacher.load(foreign).close());
    ways.put("Teacher.lazy", () -> Teacher.lazy(foreign).close());
    ways.put(
        "Student.load",
        () -> {
          try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
            Distiller.builder()
                .teacher(Teacher.none())
                .student(Student.load(foreign))
                .loss(context -> context.student().logits().sum())
                .steps(1)
                .device(Device.cpu())
                .fit(rows(manager))
                .close();
          }
        });
    ways.forEach(
        (name, way) ->
            assertThatThrownBy(way)
                .as(name)
                .isInstanceOf(DistillationException.class)
                .hasMessage(
                    "model directory must hold a model of which only weights are read, as this"
                        + " library and safetensors files have them, but "
                        + foreign.resolve("model.pt")
                        + " is a TorchScript program of another origin, which would run; if you"
                        + " trust it as you would a library, read it with"
                        + " DeployableModel.loadTrusted(directory, ...), or the file with"
                        + " Teacher.trustedTorchScript(...) or Student.trustedTorchScript(...)"));
    Map<String, ThrowingCallable> others = new LinkedHashMap<>();
    others.put("Checkpoint.of", () -> Checkpoint.of(foreign));
    others.put("ScriptedModel.read", () -> ScriptedModel.read(file, Device.cpu(), false).close());
    others.put(
        "a configuration that claims to be of this library",
        () -> {
          Files.writeString(foreign.resolve("config.json"), "{\"distill\": {}}");
          DeployableModel.load(foreign).close();
        });
    others.forEach(
        (name, way) -> assertThatThrownBy(way).as(name).isInstanceOf(DistillationException.class));
  }

  private static DistillationDataset rows(NDManager manager) {
    NDArray inputs = manager.create(new float[] {1, 2, 3, 4}, new ai.djl.ndarray.types.Shape(2, 2));
    return DistillationDataset.of(
        new ArrayDataset.Builder().setData(inputs).setSampling(2, false).build());
  }

  @Test
  void loadTrusted_readsAProgram_andWhateverLoadReads() {
    try (DeployableModel model = DeployableModel.loadTrusted(foreign)) {
      assertThat(model.model()).isInstanceOf(TorchScriptModel.class);
      assertThat(model.classNames()).containsExactly("a", "b");
      assertThat(scale(model.model(), false)).isEqualTo(2);
    }
    Path empty = directory.resolve("nothing");
    assertThatThrownBy(() -> DeployableModel.loadTrusted(empty))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must exist");
  }

  /** Doubles a row of ones. */
  private static float scale(SignalModel model, boolean training) {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray ones = manager.ones(new ai.djl.ndarray.types.Shape(1, 2));
      return model
          .forward(
              new ai.djl.ndarray.NDList(ones),
              java.util.Set.of(io.distill.signal.SignalKind.LOGITS),
              training)
          .logits()
          .getFloat(0, 0);
    }
  }

  @Test
  void readFrom_takesTheStateOfTheSameProgram_andNoOther() throws Exception {
    Path state = Files.createDirectories(directory.resolve("state"));
    try (TorchScriptModel model =
            TorchScriptModel.openTrusted(file, SignalReader.standard(), Device.cpu(), true);
        TorchScriptModel later =
            TorchScriptModel.openTrusted(
                write("later.pt", PLAIN, 5), SignalReader.standard(), Device.cpu(), true);
        TorchScriptModel other =
            TorchScriptModel.openTrusted(
                write("other.pt", "input - self.scale", 7),
                SignalReader.standard(),
                Device.cpu(),
                true)) {
      later.writeTo(state);
      model.readFrom(state);
      assertThat(scale(model, false)).isEqualTo(5);
      // what was read can be written and read again
      model.writeTo(state);
      model.readFrom(state);
      assertThat(scale(model, false)).isEqualTo(5);
      other.writeTo(state);
      assertRefused(() -> model.readFrom(state), state);
      assertThat(scale(model, false)).isEqualTo(5);
    }
  }

  @Test
  void blockOfDjl_takesTheStateOfTheSameProgram_andNoOther() throws Exception {
    Path state = Files.createDirectories(directory.resolve("state"));
    try (Model djl = NativeEngine.engine().newModel("djl", Device.cpu())) {
      djl.load(file);
      BlockModel model = BlockModel.open(djl, BlockTaps.none(), SignalReader.standard(), false);
      model.writeTo(state);
      model.readFrom(state);
      assertThat(scale(model, false)).isEqualTo(2);
      Files.copy(
          write("other.pt", "input - self.scale", 7),
          state.resolve("model.pt"),
          java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      assertRefused(() -> model.readFrom(state), state);
      assertThat(scale(model, false)).isEqualTo(2);
    }
  }

  /** libtorch cannot compile this program, and would say so had it seen it. */
  @Test
  void checkpoint_withAnotherProgram_isRefusedBeforeLibtorchSeesIt() throws Exception {
    Path state = Files.createDirectories(directory.resolve("state"));
    Files.move(write("broken.pt", "torch.no_such_operator(input)", 1), state.resolve("model.pt"));
    try (TorchScriptModel model =
        TorchScriptModel.openTrusted(file, SignalReader.standard(), Device.cpu(), true)) {
      assertRefused(() -> model.readFrom(state), state);
    }
  }

  private static void assertRefused(ThrowingCallable reading, Path state) {
    assertThatThrownBy(reading)
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "TorchScript file "
                + state.resolve("model.pt")
                + " must hold the program of the model that it is read into but is another one (")
        .hasMessageContaining("code/__torch__.py")
        .hasMessageEndingWith("); nothing of it was run; read a file that this model wrote");
  }
}
