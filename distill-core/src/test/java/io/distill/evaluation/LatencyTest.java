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

class LatencyTest {

  private static final List<String> TEXTS = List.of("the mail", "a refund", "hello world");
  private static final Duration SHORT = Duration.ofMillis(100);

  private static void assertPlausible(Latency latency) {
    assertThat(latency.calls()).isPositive();
    assertThat(latency.p50Millis()).isPositive().isLessThanOrEqualTo(latency.p95Millis());
    assertThat(latency.modelP50Millis()).isPositive().isLessThanOrEqualTo(latency.modelP95Millis());
    assertThat(latency.tokenizerP50Millis()).isPositive().isLessThan(latency.p50Millis());
    assertThat(latency.sentencesPerSecond()).isPositive();
  }

  @Test
  void measure_timesAClassifier() {
    try (DeployableModel model = WordModel.of(WordModel.WORDS)) {
      assertPlausible(Latency.measure(model, TEXTS, SHORT));
    }
  }

  @Test
  void measure_timesAModelWithoutClasses() {
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertPlausible(Latency.measure(model, List.of("mail"), SHORT));
    }
  }

  @Test
  void measure_inNoTime_stillTimesOneCall() {
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThat(Latency.measure(model, TEXTS, Duration.ofNanos(1)).calls()).isEqualTo(1);
    }
  }

  @Test
  void measure_restoresTheNumberOfThreads() {
    DeployableModel closed = WordModel.of(WordModel.WORDS);
    closed.close();
    try (DeployableModel model = WordModel.embeddingOnly()) {
      int before = JniUtils.getNumThreads();
      JniUtils.setNumThreads(2);
      try {
        assertPlausible(Latency.measure(model, TEXTS, SHORT));
        assertThat(JniUtils.getNumThreads()).isEqualTo(2);
        assertThatThrownBy(() -> Latency.measure(closed, TEXTS, SHORT))
            .isInstanceOf(RuntimeException.class);
        assertThat(JniUtils.getNumThreads()).isEqualTo(2);
      } finally {
        JniUtils.setNumThreads(before);
      }
    }
  }

  @Test
  void measure_withoutTexts_isRefused() {
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Latency.measure(model, List.of()))
          .withMessage("texts must have at least one text but was empty");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Latency.measure(model, TEXTS, Duration.ZERO))
          .withMessage("time must be greater than 0 but was PT0S");
    }
  }

  @Test
  void measure_withoutTokenizer_isRefused() {
    try (DeployableModel model = WordModel.of(List.of(), 3, null)) {
      assertThatThrownBy(() -> Latency.measure(model, TEXTS))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "model must have a tokenizer to be timed on texts but has none; give it one when it"
                  + " is built");
    }
  }

  @Test
  void quantile_isTheNearestRankOfTheFirstValues() {
    long[] values = {50, 10, 40, 20, 30, 999};

    assertThat(Latency.quantile(values, 5, 0.5)).isEqualTo(30);
    assertThat(Latency.quantile(values, 5, 0.95)).isEqualTo(50);
    assertThat(Latency.quantile(values, 4, 0.5)).isEqualTo(20);
    assertThat(Latency.quantile(values, 1, 0.95)).isEqualTo(50);
  }

  @Test
  void oneText_isAnsweredAsInABatch() {
    try (DeployableModel model = WordModel.of(WordModel.WORDS)) {
      // [CLS] the mail mail [SEP]: two of five tokens
      assertThat(model.embedding("the mail mail")).containsExactly(0.4f, 0, 0);
      assertThat(model.logits("the mail mail")).containsExactly(0.4f, 0, 0);
    }
  }
}
