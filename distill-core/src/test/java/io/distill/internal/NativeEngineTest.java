package io.distill.internal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.Test;

class NativeEngineTest {

  @Test
  void engine_isPyTorch_andNothingIsDownloaded() {
    assertThat(NativeEngine.engine().getEngineName()).isEqualTo(NativeEngine.NAME);
    assertThat(System.getProperty("ai.djl.offline")).isEqualTo("true");
    assertThat(NativeEngine.defaultDevice()).isEqualTo(NativeEngine.engine().defaultDevice());
  }

  @Test
  void managers_areIndependent() {
    try (NDManager one = NativeEngine.newManager(Device.cpu())) {
      NDManager other = NativeEngine.newManager(Device.cpu());
      other.close();
      assertThat(one.isOpen()).isTrue();
      assertThat(one.getDevice()).isEqualTo(Device.cpu());
    }
  }
}
