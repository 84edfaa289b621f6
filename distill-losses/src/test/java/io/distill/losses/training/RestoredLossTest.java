package io.distill.losses.training;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.internal.StrictJson;
import io.distill.loss.DistillationLoss;
import io.distill.losses.training.Catalogue.Entry;
import io.distill.provenance.internal.PartCodec;
import io.distill.training.Optimizer;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A loss that was made from its description trains the very same weights. */
class RestoredLossTest {

  /** One of each kind: sums, projectors, attention, memory banks, chunks, relations. */
  private static final Set<String> SAMPLE =
      Set.of(
          "softTargetsAndHardLabels(0.5)",
          "standardized(softTargets(2))",
          "variationalInformation()",
          "miniLmV2()",
          "contrastiveRepresentation()",
          "chunked(softTargets())",
          "reviewKd()",
          "onPooledHiddenStates(relationalKd())");

  static List<Entry> entries() {
    return Catalogue.entries().stream().filter(entry -> SAMPLE.contains(entry.call())).toList();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("entries")
  void loss_trainsTheSameWeights(Entry entry) {
    PartCodec codec = new PartCodec(part -> Map.of());
    DistillationLoss loss = entry.objective().warmUp(2);
    String written = codec.encode(loss).toString();
    DistillationLoss made =
        codec.decode("loss", StrictJson.parse(written, "loss", 1 << 20), DistillationLoss.class);
    Map<String, int[]> weights = train(entry, loss);
    assertThat(weights).isNotEmpty();
    Map<String, int[]> again = train(entry, made);
    assertThat(again).containsOnlyKeys(weights.keySet());
    again.forEach((name, bits) -> assertThat(bits).as(name).isEqualTo(weights.get(name)));
  }

  private static Map<String, int[]> train(Entry entry, DistillationLoss loss) {
    Task task = entry.setting().task();
    try (DistillationResult result =
        Distiller.builder()
            .teacher(task.teacher())
            .student(task.student())
            .loss(loss)
            .optimizer(Optimizer.adamW().withLearningRate(entry.learningRate()))
            .batchSize(16)
            .steps(6)
            .seed(5)
            .gradientNorms(0)
            .fit(task.train())) {
      Map<String, int[]> bits = new TreeMap<>();
      result
          .student()
          .model()
          .parameters()
          .forEach((name, array) -> bits.put(name, bits(array.toFloatArray())));
      return bits;
    }
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }
}
