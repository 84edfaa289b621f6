package io.distill.torchscript;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import java.nio.ByteBuffer;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScriptModuleTest {

  private static final HostTensor TENSOR = HostTensor.of(new float[] {1, 2}, 2);

  private static ScriptModule module() {
    ScriptModule child = ScriptModule.builder("Child").parameter("weight", TENSOR).build();
    return ScriptModule.builder("Parent")
        .module("child", child)
        .buffer("offset", TENSOR)
        .parameter("bias", TENSOR)
        .method("def forward(self, x: Tensor) -> Tensor:\n  return x\n")
        .build();
  }

  @Test
  void parameters_ofAModule_areNamedByPathWithoutBuffers() {
    assertThat(module().parameters().keySet()).containsExactly("bias", "child.weight");
    assertThat(module().buffers().keySet()).containsExactly("offset");
    assertThat(module().parameterCount()).isEqualTo(4);
    assertThat(module()).hasToString("Parent[4 parameters]");
  }

  @Test
  void withTensors_replacesThoseNamed() {
    HostTensor other = HostTensor.of(new float[] {3, 4}, 2);
    ScriptModule replaced = module().withTensors(Map.of("child.weight", other));
    assertThat(replaced.parameters().get("child.weight")).isSameAs(other);
    assertThat(replaced.parameters().get("bias")).isSameAs(TENSOR);
    assertThatThrownBy(() -> module().withTensors(Map.of("child.bias", other)))
        .isInstanceOf(DistillationException.class)
        .hasMessage("tensor names must exist in module Parent but it has no child.bias");
    assertThatThrownBy(
            () -> module().withTensors(Map.of("child.weight", HostTensor.of(new float[] {3}, 1))))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("tensor child.weight must have type and shape");
  }

  @Test
  void builder_ofWrongNames_refuses() {
    assertThatThrownBy(() -> ScriptModule.builder("net work"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("typeName must be a class name such as TransformerEncoder but was net work");
    ScriptModule.Builder builder = ScriptModule.builder("Net").parameter("weight", TENSOR);
    assertThatThrownBy(() -> builder.buffer("weight", TENSOR))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("attribute weight was already added");
    assertThatThrownBy(() -> builder.constant("training", true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "attribute name must be letters, digits or underscores, and not 'training', but was"
                + " training");
    assertThatThrownBy(() -> builder.method("forward(self)"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("method must start with 'def name(self' but was forward(self)");
  }

  @Test
  void load_ofWrongSource_tellsWhatLibtorchSays() {
    ScriptModule wrong =
        ScriptModule.builder("Wrong")
            .method("def forward(self, x: Tensor) -> Tensor:\n  return torch.no_such_operator(x)\n")
            .build();
    assertThatThrownBy(() -> LoadedModule.load(wrong, Device.cpu(), false))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("libtorch refused it (")
        .hasMessageContaining("no_such_operator");
  }

  @Test
  void callWithoutGradients_givesWhatABackwardPassMayUse() {
    ScriptModule scale =
        ScriptModule.builder("Scale")
            .parameter("factor", HostTensor.of(new float[] {3}, 1))
            .method("def forward(self, input: Tensor) -> Tensor:\n  return input * self.factor\n")
            .build();
    NativeEngine.prepareThread();
    boolean mode = JniUtils.isGradMode();
    JniUtils.setGradMode(true);
    try (LoadedModule module = LoadedModule.load(scale, Device.cpu(), true);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray input = manager.create(new float[] {1, 2});
      NDArray fixed = module.call("forward", new NDList(input), false).head();
      NDArray student = manager.create(new float[] {5, 7});
      student.setRequiresGradient(true);
      NDArray product = student.mul(fixed).sum();
      JniUtils.backward(
          (PtNDArray) product,
          (PtNDArray) manager.ones(product.getShape(), DataType.FLOAT32),
          false,
          false);

      assertThat(student.getGradient().toFloatArray()).containsExactly(3, 6);
      assertThat(JniUtils.requiresGrad((PtNDArray) fixed)).isFalse();
      assertThat(JniUtils.isGradMode()).isTrue();
    } finally {
      JniUtils.setGradMode(mode);
    }
  }

  @Test
  void hostTensor_throughANativeArray_isTheSame() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray array = TENSOR.toArray(manager);
      assertThat(array.toFloatArray()).containsExactly(1, 2);
      HostTensor back = HostTensor.of(array.mul(2f));
      assertThat(back.toFloatArray()).containsExactly(2, 4);
      assertThat(back.shape()).isEqualTo(new Shape(2));
      HostTensor longs = HostTensor.of(new long[] {5, -6}, 1, 2);
      assertThat(longs.toArray(manager).toLongArray()).containsExactly(5, -6);
      assertThatThrownBy(longs::toFloatArray)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("tensor must be float32 but was int64");
    }
    assertThatThrownBy(() -> HostTensor.of(new float[] {1, 2, 3}, 2, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("bytes of a float32 tensor of shape (2, 2) must be 16 but were 12");
    assertThatThrownBy(() -> HostTensor.of(DataType.INT8, new Shape(2), ByteBuffer.allocate(3)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("bytes of a int8 tensor of shape (2) must be 2 but were 3");
  }
}
