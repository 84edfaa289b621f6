package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.distill.model.DeployableModel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class PeakMemoryTest {

  private static final long MEBIBYTE = 1 << 20;

  @Test
  @EnabledOnOs(OS.LINUX)
  void measure_readsTheMemoryOfAProcessOfItsOwn() {
    try (DeployableModel model = WordModel.of(WordModel.WORDS)) {
      PeakMemory memory = PeakMemory.measure(model, List.of("the mail", "a refund"));

      assertThat(memory.engineBytes()).isGreaterThan(50 * MEBIBYTE);
      assertThat(memory.bytes()).isBetween(memory.engineBytes(), 2000 * MEBIBYTE);
    }
  }

  @Test
  void measure_withoutTexts_isRefused() {
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> PeakMemory.measure(model, List.of()))
          .withMessage("texts must have at least one text but was empty");
    }
  }
}
