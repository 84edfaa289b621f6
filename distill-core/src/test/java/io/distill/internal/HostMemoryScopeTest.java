package io.distill.internal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.Test;

class HostMemoryScopeTest {

  @Test
  void scope_keepsBuffersOfArraysFromJavaValues_andClosesNoArray() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray kept;
      try (HostMemoryScope scope = new HostMemoryScope()) {
        assertThat(scope.size()).isZero();
        kept = manager.create(new float[] {1, 2});
        int before = scope.size();
        assertThat(before).isPositive();
        NDArray product = kept.mul(3);
        assertThat(scope.size()).isGreaterThan(before);
        assertThat(product.toFloatArray()).containsExactly(3, 6);
      }
      assertThat(kept.toFloatArray()).containsExactly(1, 2);
    }
  }

  @Test
  void arrays_outsideOfAScope_areNotKept() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope outer = new HostMemoryScope()) {
      try (HostMemoryScope inner = new HostMemoryScope()) {
        manager.create(new float[] {1});
        assertThat(inner.size()).isPositive();
      }
      assertThat(outer.size()).isZero();
      manager.create(new float[] {1});
      assertThat(outer.size()).isPositive();
    }
  }
}
