package io.distill.student;

import static java.util.Objects.requireNonNull;

import com.google.common.primitives.ImmutableDoubleArray;
import io.distill.exception.DistillationException;
import io.distill.model.ActivationImportance;
import io.distill.model.TransformerDecoder;
import io.distill.torchscript.HostTensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The layers, heads, neurons and channels of a teacher that a student keeps. */
final class TeacherParts {

  private static final String PREFIX = "model.layers.";

  private final TransformerDecoder teacher;
  private final TransformerDecoder student;
  private final List<Integer> layers;
  private final @Nullable ActivationImportance importance;
  private final int @Nullable [] channels;

  /**
   * Chooses the parts.
   *
   * @param teacher the shape of the teacher
   * @param student the shape of the student: not larger in any way, heads as wide
   * @param layers the teacher's layers that are kept
   * @param importance what decides; null if all widths are the same
   */
  TeacherParts(
      TransformerDecoder teacher,
      TransformerDecoder student,
      List<Integer> layers,
      @Nullable ActivationImportance importance) {
    this.teacher = teacher;
    this.student = student;
    this.layers = layers;
    this.importance = importance;
    this.channels =
        student.hiddenSize() == teacher.hiddenSize()
            ? null
            : strongest(measured().channels(), student.hiddenSize());
  }

  /** Returns the places of the largest values, in ascending order; of equal ones the first. */
  static int[] strongest(ImmutableDoubleArray values, int count) {
    return IntStream.range(0, values.length())
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> -values.get(i)))
        .limit(count)
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }

  private ActivationImportance measured() {
    return requireNonNull(importance);
  }

  /**
   * Cuts the weights out.
   *
   * @param source the teacher's weights
   * @param tokens the teacher's ids of the student's tokens; null for all
   * @return the student's weights
   */
  Map<String, HostTensor> weights(Map<String, HostTensor> source, int @Nullable [] tokens) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> each : student.shapes().entrySet()) {
      String name = each.getKey();
      if (!name.startsWith(PREFIX)) {
        HostTensor weight = weight(source, name);
        boolean ofTokens = name.startsWith("model.embed_tokens") || name.startsWith("lm_head");
        weights.put(
            name,
            name.startsWith("model.norm")
                ? norm(weight, 2 * teacher.layers())
                : cut(weight, ofTokens ? tokens : null, channels));
      }
    }
    for (int i = 0; i < layers.size(); i++) {
      cutLayer(source, i, weights);
    }
    return weights;
  }

  private static HostTensor weight(Map<String, HostTensor> source, String name) {
    return requireNonNull(source.get(name), name);
  }

  private void cutLayer(Map<String, HostTensor> source, int index, Map<String, HostTensor> to) {
    int layer = layers.get(index);
    int[] groups = groups(layer);
    int[] queries = channelsOf(heads(layer, groups), teacher.heads());
    int[] keys = channelsOf(groups, teacher.keyValueHeads());
    int[] neurons =
        student.intermediateSize() == teacher.intermediateSize()
            ? null
            : strongest(measured().neurons(layer), student.intermediateSize());
    String prefix = PREFIX + index + ".";
    for (String name : student.shapes().keySet()) {
      if (name.startsWith(prefix)) {
        String part = name.substring(prefix.length());
        HostTensor weight = weight(source, PREFIX + layer + "." + part);
        boolean bias = part.endsWith(".bias");
        to.put(
            name,
            switch (part.substring(0, part.lastIndexOf('.'))) {
              case "input_layernorm" -> norm(weight, 2 * layer);
              case "post_attention_layernorm" -> norm(weight, 2 * layer + 1);
              case "self_attn.q_proj" -> cut(weight, queries, bias ? null : channels);
              case "self_attn.k_proj", "self_attn.v_proj" ->
                  cut(weight, keys, bias ? null : channels);
              case "self_attn.o_proj" -> cut(weight, channels, bias ? null : queries);
              case "mlp.gate_proj", "mlp.up_proj" -> cut(weight, neurons, bias ? null : channels);
              case "mlp.down_proj" -> cut(weight, channels, bias ? null : neurons);
              default -> weight;
            });
      }
    }
  }

  /** Returns the kept groups of query heads that share a key head, with their strongest heads. */
  private int[] groups(int layer) {
    if (student.keyValueHeads() == teacher.keyValueHeads()) {
      return IntStream.range(0, teacher.keyValueHeads()).toArray();
    }
    ImmutableDoubleArray heads = measured().heads(layer);
    ImmutableDoubleArray.Builder sums = ImmutableDoubleArray.builder();
    for (int group = 0; group < teacher.keyValueHeads(); group++) {
      sums.add(Arrays.stream(strongestOf(heads, group)).mapToDouble(heads::get).sum());
    }
    return strongest(sums.build(), student.keyValueHeads());
  }

  private int[] heads(int layer, int[] groups) {
    if (student.heads() == teacher.heads()) {
      return IntStream.range(0, teacher.heads()).toArray();
    }
    ImmutableDoubleArray heads = measured().heads(layer);
    return Arrays.stream(groups)
        .flatMap(group -> Arrays.stream(strongestOf(heads, group)))
        .toArray();
  }

  /** Returns as many heads of a group of the teacher as a group of the student has. */
  private int[] strongestOf(ImmutableDoubleArray heads, int group) {
    int size = teacher.heads() / teacher.keyValueHeads();
    int first = group * size;
    return Arrays.stream(
            strongest(
                heads.subArray(first, first + size), student.heads() / student.keyValueHeads()))
        .map(head -> first + head)
        .toArray();
  }

  private int @Nullable [] channelsOf(int[] heads, int all) {
    if (heads.length == all) {
      return null;
    }
    int width = teacher.headSize();
    return Arrays.stream(heads)
        .flatMap(head -> IntStream.range(head * width, (head + 1) * width))
        .toArray();
  }

  /**
   * Cuts a norm. It divides by the root of a mean over channels, which is another one over those
   * that are kept; so that these keep their size, the scale makes up for what changes on average.
   */
  private HostTensor norm(HostTensor weight, int norm) {
    int[] kept = channels;
    if (kept == null) {
      return weight;
    }
    ImmutableDoubleArray squares = measured().squares(norm);
    double added = teacher.normEpsilon() * measured().tokens();
    double all = added + squares.stream().average().orElseThrow();
    double left = added + Arrays.stream(kept).mapToDouble(squares::get).average().orElseThrow();
    float ratio = (float) Math.sqrt(left / all);
    float[] values = weight.toFloatArray();
    float[] scaled = new float[kept.length];
    for (int i = 0; i < kept.length; i++) {
      scaled[i] = values[kept[i]] * ratio;
    }
    return HostTensor.of(scaled, kept.length);
  }

  private static HostTensor cut(
      HostTensor weight, int @Nullable [] rows, int @Nullable [] columns) {
    if (rows == null && columns == null) {
      return weight;
    }
    long[] shape = weight.shape().getShape();
    boolean matrix = shape.length == 2;
    int width = matrix ? Math.toIntExact(shape[1]) : 1;
    int[] keptRows = rows == null ? all(Math.toIntExact(shape[0])) : rows;
    int[] keptColumns = columns == null ? all(width) : columns;
    float[] source = weight.toFloatArray();
    float[] values = new float[Math.multiplyExact(keptRows.length, keptColumns.length)];
    int at = 0;
    for (int row : keptRows) {
      for (int column : keptColumns) {
        values[at++] = source[row * width + column];
      }
    }
    return matrix
        ? HostTensor.of(values, keptRows.length, keptColumns.length)
        : HostTensor.of(values, keptRows.length);
  }

  private static int[] all(int count) {
    return IntStream.range(0, count).toArray();
  }

  /** Refuses a student that is larger than its teacher, or whose heads do not go into groups. */
  static void requireWithin(TransformerDecoder teacher, TransformerDecoder student) {
    requireAtMost("layers", student.layers(), teacher.layers());
    requireAtMost("hiddenSize", student.hiddenSize(), teacher.hiddenSize());
    requireAtMost("intermediateSize", student.intermediateSize(), teacher.intermediateSize());
    requireAtMost("keyValueHeads", student.keyValueHeads(), teacher.keyValueHeads());
    int most = teacher.heads() / teacher.keyValueHeads();
    if (student.heads() > most * student.keyValueHeads()) {
      throw new DistillationException(
          "heads must be at most the teacher's "
              + most
              + " to a key head but were "
              + student.heads()
              + " to "
              + student.keyValueHeads()
              + " keyValueHeads; keep more keyValueHeads, or fewer heads");
    }
  }

  private static void requireAtMost(String name, int value, int most) {
    if (value > most) {
      throw new DistillationException(
          name
              + " must be at most the teacher's "
              + most
              + " but was "
              + value
              + "; pruning only makes smaller: for a larger student leave out prunedBy(...)");
    }
  }
}
