package io.distill.torchscript;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchScriptArchiveTest {

  @TempDir Path directory;

  private static ScriptModule linear(float... weight) {
    return ScriptModule.builder("Linear")
        .parameter("weight", HostTensor.of(weight, weight.length / 2, 2))
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.linear(input, self.weight)
            """)
        .build();
  }

  private static ScriptModule network() {
    return ScriptModule.builder("Network")
        .constant("scale", 2.0)
        .constant("count", 3L)
        .constant("flag", true)
        .buffer("offset", HostTensor.of(new long[] {5}, 1))
        .module(
            "layer",
            ScriptModule.builder("ModuleList")
                .module("0", linear(1, 2, 3, 4))
                .module("1", linear(1, 0, 0, 1))
                .build())
        .method(
            """
            def forward(self, input: Tensor) -> Dict[str, Tensor]:
              first = getattr(self.layer, "0").forward(input)
              second = getattr(self.layer, "1").forward(first) * self.scale
              if self.training:
                second = second + 100
              return {"first": first, "second": second + self.offset}
            """)
        .method(
            """
            def total(self, values: List[Tensor]) -> Tensor:
              sum = torch.zeros([])
              for value in values:
                sum = sum + torch.sum(value)
              return sum
            """)
        .build();
  }

  @Test
  void archive_readBack_isTheSameModule() {
    Path file = directory.resolve("network.pt");
    new TorchScriptArchive(network(), Map.of("config.json", "{\"ü\":1}")).write(file);

    TorchScriptArchive read = TorchScriptArchive.read(file);

    assertThat(read.extras()).containsExactly(Map.entry("config.json", "{\"ü\":1}"));
    assertThat(ArchiveWriter.source(read.module())).isEqualTo(ArchiveWriter.source(network()));
    assertThat(read.module().parameters().keySet())
        .containsExactly("layer.0.weight", "layer.1.weight");
    assertThat(read.module().parameters().get("layer.0.weight").toFloatArray())
        .containsExactly(1, 2, 3, 4);
    assertThat(read.module().buffers().keySet()).containsExactly("offset");
    assertThat(read.module().attributes().get("scale"))
        .isEqualTo(new ScriptModule.ConstantAttribute(2.0));
    assertThat(read.module().attributes().get("flag"))
        .isEqualTo(new ScriptModule.ConstantAttribute(true));
  }

  @Test
  void archive_writtenTwice_hasTheSameBytes() throws Exception {
    new TorchScriptArchive(network()).write(directory.resolve("a.pt"));
    new TorchScriptArchive(network()).write(directory.resolve("b.pt"));
    assertThat(Files.mismatch(directory.resolve("a.pt"), directory.resolve("b.pt"))).isEqualTo(-1);
  }

  @Test
  void module_loaded_computesItsMethods() {
    try (LoadedModule module = LoadedModule.load(network(), Device.cpu(), true);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray input = manager.create(new float[] {1, 1}, new ai.djl.ndarray.types.Shape(1, 2));
      NDList output = module.call("forward", new NDList(input), true);
      assertThat(output.get(0).getName()).isEqualTo("first");
      assertThat(output.get("first").toFloatArray()).containsExactly(3, 7);
      assertThat(output.get("second").toFloatArray()).containsExactly(11, 19);

      module.training(true);
      assertThat(module.call("forward", new NDList(input), true).get("second").toFloatArray())
          .containsExactly(111, 119);

      NDArray a = manager.create(1f);
      a.setName("values[]");
      NDArray b = manager.create(2f);
      b.setName("values[]");
      assertThat(module.call("total", new NDList(a, b), false).get(0).getFloat()).isEqualTo(3f);
      assertThat(module.parameters().keySet()).contains("layer.0.weight", "layer.1.weight");
    }
  }

  @Test
  void module_isWrittenInInferenceMode() throws Exception {
    Path file = directory.resolve("network.pt");
    new TorchScriptArchive(network()).write(file);
    try (ZipFile zip = new ZipFile(file.toFile())) {
      String pickle =
          new String(
              zip.getInputStream(zip.getEntry("archive/data.pkl")).readAllBytes(),
              StandardCharsets.ISO_8859_1);
      // false of the pickle format after the attribute's name, for each of the four modules
      assertThat(pickle.split("training\\u0089", -1)).hasSize(5);
      assertThat(pickle).doesNotContain("training\u0088");
    }
  }

  @Test
  void archive_damaged_isRefused() throws Exception {
    Path file = directory.resolve("network.pt");
    new TorchScriptArchive(network()).write(file);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, java.util.Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(() -> TorchScriptArchive.read(file))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must be an undamaged archive");
    assertThatThrownBy(() -> LoadedModule.loadTrusted(file, Device.cpu(), false))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("is damaged or unsafe");
  }

  @Test
  void archive_everyFlippedByte_neverEscapesAsAnotherError() throws Exception {
    Path file = directory.resolve("network.pt");
    new TorchScriptArchive(network()).write(file);
    byte[] whole = Files.readAllBytes(file);
    int refused = 0;
    for (int i = 0; i < whole.length; i++) {
      byte[] damaged = whole.clone();
      damaged[i] ^= 0x41;
      Files.write(file, damaged);
      try {
        TorchScriptArchive.read(file);
      } catch (DistillationException e) {
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(whole.length / 2);
  }
}
