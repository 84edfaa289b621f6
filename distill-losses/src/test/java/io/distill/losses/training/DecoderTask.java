package io.distill.losses.training;

import static org.assertj.core.api.Assertions.assertThat;

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
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.training.Optimizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Decoders that teach and learn a rule of tokens, and what they learn it from. */
final class DecoderTask {

  static final int VOCABULARY = 23;

  static final TransformerDecoder TEACHER =
      TransformerDecoder.builder()
          .vocabularySize(VOCABULARY)
          .maxPositions(64)
          .hiddenSize(16)
          .layers(3)
          .heads(4)
          .keyValueHeads(2)
          .intermediateSize(24)
          .build();

  static final TransformerDecoder STUDENT =
      TEACHER.toBuilder().layers(2).hiddenSize(8).intermediateSize(12).headSize(4).build();

  private DecoderTask() {}

  /** Rows of token ids; a mask that counts texts if a row holds several. */
  record Rows(List<int[]> ids, List<int[]> masks, List<int[]> labels)
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
      return packed(1);
    }

    /** Puts the rows, which hold one text each, into fewer, one after the other. */
    Rows packed(int count) {
      List<int[]> all = new ArrayList<>();
      List<int[]> marks = new ArrayList<>();
      List<int[]> targets = new ArrayList<>();
      for (int row = 0; row < count; row++) {
        int first = row * ids.size() / count;
        int end = (row + 1) * ids.size() / count;
        all.add(joined(ids.subList(first, end)));
        targets.add(joined(labels.subList(first, end)));
        marks.add(numbers(ids.subList(first, end)));
      }
      return new Rows(all, marks, targets);
    }

    private static int[] joined(List<int[]> rows) {
      return rows.stream().flatMapToInt(Arrays::stream).toArray();
    }

    private static int[] numbers(List<int[]> rows) {
      return IntStream.range(0, rows.size())
          .flatMap(i -> Arrays.stream(rows.get(i)).map(token -> i + 1))
          .toArray();
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
  static Rows texts(int count, int longest) {
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

  static Student student(TransformerDecoder shape, long seed) {
    return setup ->
        new DeployableModel(
                ScriptedModel.open(
                    shape, drawn(shape, seed), setup.device(), true, setup.computation()),
                null,
                List.of())
            .withWriter(CheckpointFiles.of("llama", shape));
  }

  /** Initial weights, but of a size that gives every token an opinion. */
  static Map<String, HostTensor> drawn(TransformerDecoder shape, long seed) {
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

  static Teacher teacher() {
    return teacher(TEACHER);
  }

  static Teacher teacher(TransformerDecoder shape) {
    return Teacher.of(
        new DeployableModel(
            ScriptedModel.open(shape, drawn(shape, 5), Device.cpu(), false, Computation.standard()),
            null,
            List.of()));
  }

  static Distiller.Builder recipe(Teacher teacher, DistillationLoss loss) {
    return Distiller.builder().teacher(teacher).student(student(STUDENT, 9)).loss(loss).seed(4);
  }

  static Distiller.Builder recipe(Teacher teacher, DistillationLoss loss, int epochs) {
    return recipe(teacher, loss)
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(8)
        .epochs(epochs);
  }

  static Map<String, HostTensor> weights(DistillationResult result) {
    return ((ScriptedModel) result.student().model()).weights();
  }

  static double worst(Map<String, HostTensor> one, Map<String, HostTensor> other) {
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

  static double lastLoss(DistillationResult result) {
    return result.history().get(result.history().size() - 1).loss();
  }
}
