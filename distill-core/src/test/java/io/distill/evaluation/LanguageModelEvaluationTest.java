package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.conversation.Conversation;
import io.distill.conversation.ConversationDataset;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.data.WordTokenizers;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TokenMeter;
import io.distill.model.TransformerDecoder;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class LanguageModelEvaluationTest {

  private static final Tokenizer WORDS = WordTokenizers.numbered(20);

  private static DeployableModel model(int vocabulary, long seed) {
    TransformerDecoder shape =
        TransformerDecoder.builder()
            .vocabularySize(vocabulary)
            .maxPositions(32)
            .hiddenSize(8)
            .layers(1)
            .heads(2)
            .build();
    return new DeployableModel(
        ScriptedModel.open(shape, shape.initialWeights(seed), Device.cpu(), false),
        WORDS,
        List.of());
  }

  /** Prompts, of which nothing counts, with completions of unequal lengths. */
  private static ConversationDataset texts() {
    return ConversationDataset.builder()
        .conversations(
            List.of(
                Conversation.of("w1 w2 w3", " w4 w5 w6 w7 w8"),
                Conversation.of("w9", " w10 w11"),
                Conversation.of("w3 w1 w12 w13", " w2 w2 w14")))
        .tokenizer(WORDS)
        .endId(19)
        .build();
  }

  private static double[] logSoftmax(float[] all, int from, int count) {
    double largest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, all[from + i]);
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += Math.exp(all[from + i] - largest);
    }
    double[] result = new double[count];
    for (int i = 0; i < count; i++) {
      result[i] = all[from + i] - largest - Math.log(sum);
    }
    return result;
  }

  private static int largest(double[] values) {
    return IntStream.range(0, values.length)
        .reduce((a, b) -> values[b] > values[a] ? b : a)
        .getAsInt();
  }

  @Test
  void figures_areThoseTakenRowByRowAndTokenByToken() {
    ConversationDataset texts = texts();
    try (DeployableModel student = model(20, 3);
        DeployableModel teacher = model(20, 4);
        NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      BatchSource source = texts.inputs(WORDS);
      double surprise = 0;
      double divergence = 0;
      int right = 0;
      int same = 0;
      int tokens = 0;
      for (int row = 0; row < texts.size(); row++) {
        Batch batch = source.batch(manager, new int[] {row});
        float[] ours = logits(student, batch.inputs());
        float[] theirs = logits(teacher, batch.inputs());
        int[] labels = source.tokenLabels(row);
        for (int i = 1; i < labels.length; i++) {
          if (labels[i] >= 0) {
            double[] p = logSoftmax(ours, 20 * (i - 1), 20);
            double[] q = logSoftmax(theirs, 20 * (i - 1), 20);
            tokens++;
            surprise -= p[labels[i]];
            right += largest(p) == labels[i] ? 1 : 0;
            same += largest(p) == largest(q) ? 1 : 0;
            for (int v = 0; v < 20; v++) {
              divergence += Math.exp(q[v]) * (q[v] - p[v]);
            }
          }
        }
      }
      // the completions and their ends
      assertThat(tokens).isEqualTo(5 + 2 + 3 + 3);
      LanguageModelEvaluation alone = LanguageModelEvaluation.of(student, texts);
      assertThat(alone.tokens()).isEqualTo(tokens);
      assertThat(alone.rows()).isEqualTo(3);
      assertThat(alone.crossEntropy()).isCloseTo(surprise / tokens, within(1e-6));
      assertThat(alone.perplexity()).isCloseTo(Math.exp(surprise / tokens), within(1e-5));
      assertThat(alone.accuracy()).isEqualTo((double) right / tokens);
      assertThat(alone.agreement()).isEmpty();
      assertThat(alone.kl()).isEmpty();
      LanguageModelEvaluation compared = LanguageModelEvaluation.of(student, teacher, texts);
      assertThat(compared.agreement().orElseThrow()).isEqualTo((double) same / tokens);
      assertThat(compared.kl().orElseThrow()).isCloseTo(divergence / tokens, within(1e-6));
      assertThat(compared.toString())
          .contains("perplexity")
          .contains("on 13 tokens")
          .contains("KL");
      LanguageModelEvaluation self = LanguageModelEvaluation.of(student, student, texts);
      assertThat(self.agreement()).hasValue(1);
      assertThat(self.kl().orElseThrow()).isZero();
    }
  }

  private static float[] logits(DeployableModel model, NDList inputs) {
    return model.model().forward(inputs, Set.of(SignalKind.LOGITS), false).logits().toFloatArray();
  }

  @Test
  void teacherOfAnotherVocabulary_hasNoDivergence_andOneThatRulesOutTokensHas() {
    ConversationDataset texts = texts();
    try (DeployableModel student = model(20, 3);
        DeployableModel wider = model(24, 4)) {
      LanguageModelEvaluation compared = LanguageModelEvaluation.of(student, wider, texts);
      assertThat(compared.agreement()).isPresent();
      assertThat(compared.kl()).isEmpty();
    }
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      float never = Float.NEGATIVE_INFINITY;
      NDArray ours = manager.create(new float[] {0, 0, 0, 9, 9, 9}, new Shape(1, 2, 3));
      NDArray theirs = manager.create(new float[] {0, 0, never, 9, 9, 9}, new Shape(1, 2, 3));
      TokenMeter meter = new TokenMeter();
      meter.add(ours, theirs, new int[][] {{-1, 1}});
      // 2 halves against 3 thirds
      assertThat(meter.kl()).isCloseTo(Math.log(3) - Math.log(2), within(1e-6));
      assertThatThrownBy(() -> meter.add(ours, theirs, new int[][] {{-1, 3}}))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("from 0 to 2, but one is 3");
    }
  }

  @Test
  void validation_ofALanguageModel_isReportedAndStopsARun() {
    ConversationDataset texts = texts();
    try (DeployableModel whole = model(20, 4);
        Teacher teacher = Teacher.of(whole)) {
      Distiller.Builder recipe =
          Distiller.builder()
              .teacher(teacher)
              .student(
                  Student.decoder().hiddenSize(8).heads(2).layers(1).intermediateSize(8).build())
              .loss(
                  context ->
                      context.student().logits().sub(context.teacher().logits()).square().mean())
              .epochs(3)
              .batchSize(2)
              .validation(texts)
              .earlyStopping(EarlyStopping.minimising("perplexity"));
      try (DistillationResult result = recipe.fit(texts)) {
        Map<String, Double> metrics = result.history().get(2).metrics();
        assertThat(metrics.keySet())
            .containsExactlyInAnyOrder("accuracy", "crossEntropy", "perplexity", "agreement", "kl");
        LanguageModelEvaluation last = LanguageModelEvaluation.of(result.student(), whole, texts);
        double best =
            result.history().stream()
                .mapToDouble(epoch -> epoch.metrics().get("perplexity"))
                .min()
                .orElseThrow();
        assertThat(last.perplexity()).isCloseTo(best, within(1e-9 * best));
      }
    }
  }

  @Test
  void dataOfAnotherKind_areRefused() {
    TextDataset plain = TextDataset.of(Stream.of(TextExample.unlabelled("w1 w2")));
    try (DeployableModel whole = model(20, 4);
        Teacher teacher = Teacher.of(whole)) {
      assertThatThrownBy(() -> LanguageModelEvaluation.of(whole, plain))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("test must have at least one token with a label");
      assertThatThrownBy(
              () ->
                  Distiller.builder()
                      .teacher(teacher)
                      .student(Student.decoder().hiddenSize(8).heads(2).build())
                      .loss(context -> context.student().logits().mean())
                      .validation(plain)
                      .fit(texts()))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("validation set must have labels of tokens as the data set has");
    }
  }
}
