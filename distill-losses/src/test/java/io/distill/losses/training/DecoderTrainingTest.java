package io.distill.losses.training;

import static io.distill.losses.Losses.attentionScoreMse;
import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hiddenStateMse;
import static io.distill.losses.Losses.miniLmV2;
import static io.distill.losses.Losses.reverseKl;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;
import static io.distill.losses.training.DecoderTask.STUDENT;
import static io.distill.losses.training.DecoderTask.lastLoss;
import static io.distill.losses.training.DecoderTask.recipe;
import static io.distill.losses.training.DecoderTask.student;
import static io.distill.losses.training.DecoderTask.teacher;
import static io.distill.losses.training.DecoderTask.texts;
import static io.distill.losses.training.DecoderTask.weights;
import static io.distill.losses.training.DecoderTask.worst;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.huggingface.CheckpointFiles;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.model.TransformerDecoder;
import io.distill.signal.SignalKind;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.training.Optimizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Decoders as teachers and students of the losses on tokens, layers and attention. */
class DecoderTrainingTest {

  @Test
  void divergencesAndLayers_areLearned() {
    try (Teacher teacher = teacher();
        DistillationResult result =
            recipe(
                    teacher,
                    tokenLevel(softTargets().weighted(0.5).plus(hardLabels().weighted(0.5)))
                        .plus(hiddenStateMse())
                        .plus(attentionScoreMse().weighted(0.1))
                        .plus(miniLmV2(2)),
                    6)
                .fit(texts(64, 12))) {
      assertThat(lastLoss(result)).isLessThan(0.9 * result.history().get(0).loss());
    }
  }

  @Test
  void chunked_isTokenLevel() {
    DecoderTask.Rows texts = texts(24, 12);
    try (Teacher teacher = teacher();
        DistillationResult whole = recipe(teacher, tokenLevel(reverseKl()), 1).fit(texts);
        DistillationResult parts = recipe(teacher, chunked(reverseKl()), 1).fit(texts)) {
      assertThat(lastLoss(parts)).isCloseTo(lastLoss(whole), within(1e-5));
      assertThat(worst(weights(parts), weights(whole))).isLessThan(1e-4);
    }
  }

  @Test
  void packedTexts_giveTheLossAndTheStepOfTextsAlone() {
    DecoderTask.Rows texts = texts(7, 9);
    DistillationLoss loss = tokenLevel(softTargets().plus(hardLabels()));
    Optimizer plain = Optimizer.sgd(0.5);
    try (Teacher teacher = teacher();
        DistillationResult alone =
            recipe(teacher, loss).optimizer(plain).batchSize(7).epochs(1).fit(texts);
        DistillationResult packed =
            recipe(teacher, loss).optimizer(plain).batchSize(7).epochs(1).fit(texts.packed())) {
      assertThat(lastLoss(packed)).isCloseTo(lastLoss(alone), within(1e-5));
      assertThat(worst(weights(packed), weights(alone))).isLessThan(1e-5);
    }
  }

  @Test
  void activationCheckpointing_givesTheSameStep() {
    DecoderTask.Rows texts = texts(16, 12);
    DistillationLoss loss =
        tokenLevel(hardLabels()).plus(hiddenStateMse()).plus(attentionScoreMse());
    try (Teacher teacher = teacher();
        DistillationResult kept = recipe(teacher, loss, 2).fit(texts);
        DistillationResult again =
            recipe(teacher, loss, 2).activationCheckpointing(true).fit(texts);
        DistillationResult factored =
            recipe(teacher, chunked(softTargets()), 2).activationCheckpointing(true).fit(texts);
        DistillationResult plain = recipe(teacher, chunked(softTargets()), 2).fit(texts)) {
      assertThat(worst(weights(again), weights(kept))).isLessThan(1e-5);
      assertThat(worst(weights(factored), weights(plain))).isLessThan(1e-5);
    }
  }

  @Test
  void bfloat16_isNearFloat32() {
    DecoderTask.Rows texts = texts(32, 12);
    try (Teacher teacher = teacher();
        DistillationResult exact = recipe(teacher, tokenLevel(hardLabels()), 3).fit(texts);
        DistillationResult rounded =
            recipe(teacher, tokenLevel(hardLabels()), 3).precision(Precision.BFLOAT16).fit(texts)) {
      assertThat(lastLoss(rounded)).isCloseTo(lastLoss(exact), within(0.05));
      assertThat(worst(weights(rounded), weights(exact))).isPositive();
    }
  }

  @Test
  void cachedTeacher_isAskedOnce(@TempDir Path directory) {
    DecoderTask.Rows texts = texts(24, 12);
    Path file = directory.resolve("teacher.cache");
    DistillationLoss loss = tokenLevel(softTargets());
    Map<String, HostTensor> written;
    try (Teacher teacher = teacher();
        DistillationResult live = recipe(teacher, loss, 2).fit(texts);
        CachedTeacher cached = Teacher.cached(file, teacher);
        DistillationResult first = recipe(cached, loss, 2).fit(texts)) {
      // a live teacher answers in other batches, which rounds otherwise
      written = weights(first);
      assertThat(worst(written, weights(live))).isLessThan(1e-5);
    }
    try (CachedTeacher alone = Teacher.cached(file);
        DistillationResult again = recipe(alone, loss, 2).fit(texts)) {
      assertThat(worst(weights(again), written)).isZero();
    }
  }

  @Test
  void trainedStudent_isSavedAsACheckpoint(@TempDir Path directory) {
    try (DistillationResult result =
        recipe(Teacher.none(), tokenLevel(hardLabels()), 1).fit(texts(16, 12))) {
      Path saved = directory.resolve("student");
      result.student().save(saved);
      try (DeployableModel again = DeployableModel.load(saved)) {
        assertThat(again.model().fingerprint()).isEqualTo(result.student().model().fingerprint());
        assertThat(again.provenance()).isPresent();
        assertThat(CheckpointFiles.of(again).orElseThrow().modelType()).isEqualTo("llama");
      }
      assertThat(saved).isDirectoryContaining("glob:**model.safetensors");
    }
  }

  @Test
  void dropout_actsInTrainingAlone() {
    DecoderTask.Rows texts = texts(16, 12);
    TransformerDecoder dropping = STUDENT.toBuilder().dropout(0.3).build();
    try (DistillationResult with =
            Distiller.builder()
                .teacher(Teacher.none())
                .student(student(dropping, 9))
                .loss(tokenLevel(hardLabels()))
                .optimizer(Optimizer.adamW().withLearningRate(0.01))
                .batchSize(8)
                .epochs(1)
                .seed(4)
                .fit(texts);
        DistillationResult without =
            recipe(Teacher.none(), tokenLevel(hardLabels()), 1).fit(texts)) {
      assertThat(worst(weights(with), weights(without))).isPositive();
      assertThat(logits(with)).isEqualTo(logits(with));
    }
  }

  private static List<Float> logits(DistillationResult result) {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Batch batch = texts(2, 9).batch(manager, new int[] {0, 1});
      float[] values =
          result
              .student()
              .model()
              .forward(batch.inputs(), Set.of(SignalKind.LOGITS), false)
              .logits()
              .toFloatArray();
      List<Float> list = new ArrayList<>();
      for (float value : values) {
        list.add(value);
      }
      return list;
    }
  }
}
