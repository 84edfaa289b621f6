package io.distill.internal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import io.distill.loss.DistillationLoss;
import io.distill.training.FloatRows;
import io.distill.training.TinyRuns;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class HostMemoryScopeTest {

  private static final int STEPS = 10;

  private static final FloatRows DATA = FloatRows.random(16, 3, 1);

  @Test
  void scope_keepsTheBuffersOfConstants_untilItIsClosed() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray x = manager.create(new float[] {1, 2, 3});
      HostMemoryScope scope = new HostMemoryScope();
      assertThat(scope.size()).isZero();
      NDArray doubled = x.mul(2);
      assertThat(scope.size()).isEqualTo(1);
      NDArray own = manager.create(new float[] {4, 5, 6});
      assertThat(scope.size()).isEqualTo(2);
      NDArray sum = doubled.add(own);
      // results are native: there is no buffer of Java to keep
      assertThat(scope.size()).isEqualTo(2);
      scope.close();
      assertThat(scope.size()).isZero();
      // unlike a scope of DJL it closes no array
      assertThat(sum.toFloatArray()).containsExactly(6, 9, 12);
      assertThat(own.toFloatArray()).containsExactly(4, 5, 6);
      assertThat(doubled.isReleased()).isFalse();
    }
  }

  @Test
  void scope_nests_andLeavesOtherScopesAlone() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope outer = new HostMemoryScope()) {
      manager.create(1f);
      NDArray kept;
      try (HostMemoryScope inner = new HostMemoryScope()) {
        kept = manager.create(2f);
        assertThat(inner.size()).isEqualTo(1);
      }
      NDArray closed;
      try (NDScope scope = new NDScope()) {
        scope.suppressNotUsedWarning();
        closed = manager.create(3f);
      }
      assertThat(closed.isReleased()).isTrue();
      assertThat(kept.isReleased()).isFalse();
      assertThat(outer.size()).isEqualTo(1);
    }
  }

  @Test
  void scope_ofAnotherThread_isNotTold() throws InterruptedException {
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope scope = new HostMemoryScope()) {
      Thread other = new Thread(() -> manager.create(1f));
      other.start();
      other.join();
      assertThat(scope.size()).isZero();
    }
  }

  /** Written with Java numbers, as users write: each makes an array of DJL's for a moment. */
  private static DistillationLoss withJavaNumbers() {
    return context -> {
      NDArray distance = context.student().logits().sub(context.teacher().logits());
      NDArray scaled = distance.mul(0.5).pow(2);
      // a long way between forward and backward, for the collector to come by
      for (int i = 0; i < 25; i++) {
        scaled = scaled.mul(0.5).div(0.25).mul(3).div(6);
      }
      return context.meanOverRows(scaled.sum(new int[] {1}));
    };
  }

  private static Map<String, float[]> train() {
    return TinyRuns.train(TinyRuns.recipe(withJavaNumbers()).batchSize(4).steps(STEPS), DATA);
  }

  @Test
  void training_underPressureOfTheGarbageCollector_givesTheSameWeights()
      throws InterruptedException {
    Map<String, float[]> calm = train();
    AtomicBoolean running = new AtomicBoolean(true);
    Thread collector =
        new Thread(
            () -> {
              while (running.get()) {
                System.gc();
              }
            });
    collector.start();
    try {
      Map<String, float[]> pressed = train();
      assertThat(pressed).containsOnlyKeys(calm.keySet());
      calm.forEach((name, values) -> assertThat(pressed.get(name)).as(name).isEqualTo(values));
    } finally {
      running.set(false);
      collector.join();
    }
  }
}
