package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.pytorch.jni.JniUtils;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class ThroughputTest {

  private static final List<String> TEXTS = List.of("the mail", "a refund for the mail", "hello");
  private static final Duration SHORT = Duration.ofMillis(50);

  @Test
  void measure_countsTheTextsOfBatches() {
    try (DeployableModel model = WordModel.of(WordModel.WORDS)) {
      int before = JniUtils.getNumThreads();

      Throughput throughput = Throughput.measure(model, TEXTS, SHORT);

      assertThat(throughput.batches()).isPositive();
      // no more than fits into the time
      assertThat(throughput.textsPerSecond())
          .isPositive()
          .isGreaterThan(throughput.batches() * Throughput.BATCH_SIZE / 10.0);
      assertThat(JniUtils.getNumThreads()).isEqualTo(before);
    }
  }

  @Test
  void measure_inNoTime_stillTimesOneBatch() {
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThat(Throughput.measure(model, TEXTS, Duration.ofNanos(1)).batches()).isEqualTo(1);
    }
  }

  @Test
  void measure_ofWhatCannotBeMeasured_isRefused() {
    try (DeployableModel model = WordModel.embeddingOnly();
        DeployableModel textless = WordModel.of(List.of(), 3, null)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Throughput.measure(model, List.of()))
          .withMessage("texts must have at least one text but was empty");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Throughput.measure(model, TEXTS, Duration.ZERO))
          .withMessage("time must be greater than 0 but was PT0S");
      assertThatThrownBy(() -> Throughput.measure(textless, TEXTS))
          .isInstanceOf(DistillationException.class)
          .hasMessageStartingWith("model must have a tokenizer to be timed on texts");
    }
  }
}
