package io.distill.losses.training;

import static io.distill.losses.Losses.attentionScoreMse;
import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hiddenStateMse;
import static io.distill.losses.Losses.miniLmV2;
import static io.distill.losses.Losses.reverseKl;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.common.hash.Hashing;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.huggingface.CheckpointFiles;
import io.distill.loss.DistillationLoss;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.training.Optimizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Decoders as teachers and students of the losses on tokens, layers and attention. */
class DecoderTrainingTest {

  private static final int VOCABULARY = 23;

  private static final TransformerDecoder TEACHER =
      TransformerDecoder.builder()
          .vocabularySize(VOCABULARY)
          .maxPositions(64)
          .hiddenSize(16)
          .layers(3)
          .heads(4)
          .keyValueHeads(2)
          .intermediateSize(24)
          .build();

  private static final TransformerDecoder STUDENT =
      TEACHER.toBuilder().layers(2).hiddenSize(8).intermediateSize(12).headSize(4).build();

  /** Rows of token ids; a mask that counts texts if a row holds several. */
  private record Rows(List<int[]> ids, List<int[]> masks, List<int[]> labels)
      implements DistillationDataset, BatchSource {

    static Rows of(List<int[]> ids) {
      List<int[]> masks = new ArrayList<>();
      List<int[]> labels = new ArrayList<>();
      for (int[] row : ids) {
        int[] mask = new int[row.length];
        Arrays.fill(mask, 1);
        masks.add(mask);
        int[] label = row.clone();
        label[0] = -1;
        labels.add(label);
      }
      return new Rows(ids, masks, labels);
    }

    /** Puts all rows into one. */
    Rows packed() {
      int length = ids.stream().mapToInt(row -> row.length).sum();
      int[] all = new int[length];
      int[] mask = new int[length];
      int[] label = new int[length];
      int at = 0;
      for (int i = 0; i < ids.size(); i++) {
        for (int j = 0; j < ids.get(i).length; j++) {
          all[at] = ids.get(i)[j];
          mask[at] = i + 1;
          label[at++] = labels.get(i)[j];
        }
      }
      return new Rows(List.of(all), List.of(mask), List.of(label));
    }

    @Override
    public int size() {
      return ids.size();
    }

    @Override
    public List<String> classNames() {
      return List.of();
    }

    @Override
    public int label(int row) {
      return NO_LABEL;
    }

    @Override
    public boolean hasTokenLabels() {
      return true;
    }

    @Override
    public String id(int row) {
      return Arrays.toString(ids.get(row));
    }

    @Override
    public BatchSource inputs(@Nullable Tokenizer tokenizer) {
      return this;
    }

    @Override
    public String fingerprint() {
      return Hashing.sha256()
          .hashString(ids.stream().map(Arrays::toString).toList() + "", StandardCharsets.UTF_8)
          .toString();
    }

    @Override
    public int length(int row) {
      return ids.get(row).length;
    }

    @Override
    public int[] tokenLabels(int row) {
      return labels.get(row);
    }

    @Override
    public Batch batch(NDManager manager, int[] rows) {
      int longest = Arrays.stream(rows).map(this::length).max().orElseThrow();
      long[] tokens = new long[rows.length * longest];
      long[] mask = new long[tokens.length];
      for (int i = 0; i < rows.length; i++) {
        for (int j = 0; j < length(rows[i]); j++) {
          tokens[i * longest + j] = ids.get(rows[i])[j];
          mask[i * longest + j] = masks.get(rows[i])[j];
        }
      }
      Shape shape = new Shape(rows.length, longest);
      return new Batch(
          new NDList(manager.create(tokens, shape), manager.create(mask, shape)),
          rows,
          Arrays.stream(rows).mapToObj(this::id).toList(),
          List.of());
    }
  }

  /** A rule with a little noise: the next token is the sum of the last two. */
  private static Rows texts(int count, int longest) {
    SplittableRandom random = new SplittableRandom(3);
    List<int[]> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] row = new int[3 + random.nextInt(longest - 2)];
      row[0] = 1 + random.nextInt(VOCABULARY - 1);
      row[1] = 1 + random.nextInt(VOCABULARY - 1);
      for (int j = 2; j < row.length; j++) {
        row[j] = 1 + (row[j - 1] + row[j - 2]) % (VOCABULARY - 1);
      }
      rows.add(row);
    }
    return Rows.of(rows);
  }

  private static Student student(TransformerDecoder shape, long seed) {
    return setup ->
        new DeployableModel(
                ScriptedModel.open(
                    shape, drawn(shape, seed), setup.device(), true, setup.computation()),
                null,
                List.of())
            .withWriter(CheckpointFiles.of("llama", shape));
  }

  /** Initial weights, but of a size that gives every token an opinion. */
  private static Map<String, HostTensor> drawn(TransformerDecoder shape, long seed) {
    Map<String, HostTensor> weights = shape.initialWeights(seed);
    weights.replaceAll(
        (name, tensor) -> {
          if (tensor.shape().dimension() == 1) {
            return tensor;
          }
          float[] values = tensor.toFloatArray();
          for (int i = 0; i < values.length; i++) {
            values[i] *= 2;
          }
          return HostTensor.of(values, tensor.shape().getShape());
        });
    return weights;
  }

  private static Teacher teacher() {
    return Teacher.of(
        new DeployableModel(
            ScriptedModel.open(
                TEACHER, drawn(TEACHER, 5), Device.cpu(), false, Computation.standard()),
            null,
            List.of()));
  }

  private static Distiller.Builder recipe(Teacher teacher, DistillationLoss loss) {
    return Distiller.builder().teacher(teacher).student(student(STUDENT, 9)).loss(loss).seed(4);
  }

  private static Distiller.Builder recipe(Teacher teacher, DistillationLoss loss, int epochs) {
    return recipe(teacher, loss)
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(8)
        .epochs(epochs);
  }

  private static Map<String, HostTensor> weights(DistillationResult result) {
    return ((ScriptedModel) result.student().model()).weights();
  }

  private static double worst(Map<String, HostTensor> one, Map<String, HostTensor> other) {
    assertThat(one).containsOnlyKeys(other.keySet());
    double worst = 0;
    for (Map.Entry<String, HostTensor> each : one.entrySet()) {
      float[] values = each.getValue().toFloatArray();
      float[] others = other.get(each.getKey()).toFloatArray();
      for (int i = 0; i < values.length; i++) {
        worst = Math.max(worst, Math.abs(values[i] - others[i]));
      }
    }
    return worst;
  }

  private static double lastLoss(DistillationResult result) {
    return result.history().get(result.history().size() - 1).loss();
  }

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
    Rows texts = texts(24, 12);
    try (Teacher teacher = teacher();
        DistillationResult whole = recipe(teacher, tokenLevel(reverseKl()), 1).fit(texts);
        DistillationResult parts = recipe(teacher, chunked(reverseKl()), 1).fit(texts)) {
      assertThat(lastLoss(parts)).isCloseTo(lastLoss(whole), within(1e-5));
      assertThat(worst(weights(parts), weights(whole))).isLessThan(1e-4);
    }
  }

  @Test
  void packedTexts_giveTheLossAndTheStepOfTextsAlone() {
    Rows texts = texts(7, 9);
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
    Rows texts = texts(16, 12);
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
    Rows texts = texts(32, 12);
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
    Rows texts = texts(24, 12);
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
    Rows texts = texts(16, 12);
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
