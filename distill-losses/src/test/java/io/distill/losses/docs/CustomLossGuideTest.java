package io.distill.losses.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossState;
import io.distill.losses.docs.CustomLossGuide.CentredSoftTargets;
import io.distill.losses.docs.CustomLossGuide.ProjectedStates;
import io.distill.losses.training.SmallRun;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CustomLossGuideTest {

  @Test
  void lambda_trains() {
    assertTrains(SmallRun.onSentences(CustomLossGuide.lambda()));
  }

  @Test
  void projectedStates_train() {
    assertTrains(SmallRun.onSentences(new ProjectedStates()));
  }

  @Test
  void centredSoftTargets_train() {
    assertTrains(SmallRun.onSentences(new CentredSoftTargets(0.9)));
  }

  @Test
  void nextToken_trains() {
    assertTrains(SmallRun.onNextWords(CustomLossGuide.onTokens()));
  }

  private static void assertTrains(List<Double> losses) {
    assertThat(losses.get(losses.size() - 1)).isLessThan(0.7 * losses.get(0));
  }

  @Test
  void centre_movesAfterTheStep() {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      NDArray student = manager.zeros(new Shape(2, 2));
      student.setRequiresGradient(true);
      NDArray teacher = manager.create(new float[] {1, 2, 3, 6}, new Shape(2, 2));
      LossState state =
          new LossState(
              Map.of(), Map.of("centre", manager.create(new float[] {1, 2}, new Shape(1, 2))));
      DistillationLoss loss = new CentredSoftTargets(0.5);
      NDArray value =
          loss.compute(
              LossContext.builder(
                      Signals.builder().logits(student).build(),
                      Signals.builder().logits(teacher).build())
                  .state(state)
                  .build());

      // centred teacher logits are (0, 0) and (2, 4)
      double p = 1 / (1 + Math.exp(2));
      double expected = (Math.log(2) + p * Math.log(p) + (1 - p) * Math.log(1 - p)) / 2;
      assertThat((double) value.getFloat()).isCloseTo(expected, offset(1e-6));
      assertThat(state.updates())
          .singleElement()
          .satisfies(
              update ->
                  assertThat(update.value().toFloatArray())
                      .containsExactly(0.5f * 1 + 0.5f * 2, 0.5f * 2 + 0.5f * 4));
    }
  }

  @Test
  void valueByHand_isTheFormula() {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      assertThat(
              CustomLossGuide.byHand(
                  manager.create(new float[] {1, 2, 3, 4}, new Shape(2, 2)),
                  manager.create(new float[] {1, 4, 3, 3}, new Shape(2, 2))))
          .isEqualTo(2.5);
    }
  }
}
