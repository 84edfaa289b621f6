package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AttentionLossTest {

  /** Mean squared error of the attention scores of mapped layers; rows are of one length here. */
  private record AttentionDistance() implements DistillationLoss {
    @Override
    public NDArray compute(LossContext context) {
      NDArray sum = null;
      for (LayerPair pair : context.layerPairs()) {
        NDArray value =
            context
                .student()
                .attentionScores()
                .get(pair.student())
                .sub(context.teacher().attentionScores().get(pair.teacher()))
                .square()
                .flatten(1, 3)
                .mean(new int[] {1});
        sum = sum == null ? value : sum.add(value);
      }
      return context.meanOverRows(sum);
    }

    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.ATTENTION_SCORES);
    }
  }

  private static Student encoder(int layers) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(16)
        .heads(2)
        .dropout(0)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  @Test
  void attentionScores_ofMappedLayers_areLearned() {
    TextDataset data = TinyRuns.texts(12);
    try (DistillationResult large =
            Distiller.builder()
                .teacher(Teacher.none())
                .student(encoder(3))
                .loss(TinyRuns.crossEntropy())
                .epochs(1)
                .seed(5)
                .fit(data);
        DistillationResult small =
            Distiller.builder()
                .teacher(Teacher.of(large.student()))
                .student(encoder(1))
                .loss(new AttentionDistance())
                .layerMapping(LayerMapping.last())
                .optimizer(Optimizer.adamW().withLearningRate(0.01))
                .batchSize(1)
                .epochs(15)
                .fit(data)) {
      List<TrainingListener.Epoch> history = small.history();
      assertThat(history.get(14).loss()).isLessThan(0.5 * history.get(0).loss());
    }
  }
}
