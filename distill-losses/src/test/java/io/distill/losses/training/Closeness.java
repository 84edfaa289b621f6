package io.distill.losses.training;

import io.distill.evaluation.Evaluation;
import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * How close a student is to its teacher on rows that neither learned from: larger is closer. One
 * measure for each family of losses, and none of them is the loss itself.
 */
enum Closeness {

  /**
   * For losses on logits: the share of rows, or of predicted tokens, for which both give the same
   * answer.
   */
  AGREEMENT(SignalKind.LOGITS, 0.2) {
    @Override
    double between(Observed student, Observed teacher) {
      return Evaluation.agreement(student.answers(), teacher.answers());
    }
  },

  /**
   * For losses on embeddings and hidden states, which leave the classifier untrained: whether rows
   * that are alike for the teacher are alike for the student. The correlation, over all pairs of
   * rows, of the student's cosines with the teacher's. It needs no common width and no projector,
   * so it sees what the student keeps when the run's helpers are gone.
   */
  GEOMETRY(SignalKind.EMBEDDING, 0.2) {
    @Override
    double between(Observed student, Observed teacher) {
      return correlation(cosines(student.embeddings()), cosines(teacher.embeddings()));
    }
  },

  /**
   * For losses on convolutional maps, of which the embedding is the mean: the same of the last map.
   */
  MAP_GEOMETRY(SignalKind.HIDDEN_STATES, 0.1) {
    @Override
    double between(Observed student, Observed teacher) {
      return GEOMETRY.between(student, teacher);
    }
  },

  /**
   * For losses on where maps are active: the share of activation energy that both put on the same
   * pixels of the last map.
   */
  ENERGY(SignalKind.HIDDEN_STATES, 0.05) {
    @Override
    double between(Observed student, Observed teacher) {
      double shared = 0;
      for (int i = 0; i < student.energy().length; i++) {
        for (int j = 0; j < student.energy()[i].length; j++) {
          shared += Math.min(student.energy()[i][j], teacher.energy()[i][j]);
        }
      }
      return shared / student.energy().length;
    }
  },

  /**
   * For losses on attention: the correlation, over all rows, heads, queries and keys of the last
   * layer, of how much more or less than evenly the student attends, with the teacher's.
   */
  ATTENTION(SignalKind.ATTENTION_SCORES, 0.2) {
    @Override
    double between(Observed student, Observed teacher) {
      return correlation(flat(student.attention()), flat(teacher.attention()));
    }
  },

  /**
   * For losses on relations of queries, keys and values: the same of how the values of the last
   * layer relate, which needs no common number of heads.
   */
  VALUES(SignalKind.VALUES, 0.2) {
    @Override
    double between(Observed student, Observed teacher) {
      return correlation(flat(student.attention()), flat(teacher.attention()));
    }
  };

  private final SignalKind kind;
  private final double rise;

  Closeness(SignalKind kind, double rise) {
    this.kind = kind;
    this.rise = rise;
  }

  /** Returns by how much a student must get closer at least: well above what chance gives. */
  double rise() {
    return rise;
  }

  /** Returns the measure that fits what a loss trains. */
  static Closeness fitting(DistillationLoss loss) {
    Set<SignalKind> trained = loss.requiresOfStudent();
    if (trained.contains(SignalKind.LOGITS) || trained.contains(SignalKind.LOGIT_FACTORS)) {
      return AGREEMENT;
    }
    if (trained.contains(SignalKind.ATTENTION_SCORES)) {
      return ATTENTION;
    }
    return trained.contains(SignalKind.VALUES) ? VALUES : GEOMETRY;
  }

  abstract double between(Observed student, Observed teacher);

  Set<SignalKind> kinds() {
    return Set.of(kind);
  }

  private static double[] flat(float[][] rows) {
    return Arrays.stream(rows)
        .flatMapToDouble(row -> IntStream.range(0, row.length).mapToDouble(i -> row[i]))
        .toArray();
  }

  private static double[] cosines(float[][] rows) {
    double[] cosines = new double[rows.length * (rows.length - 1) / 2];
    int next = 0;
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < i; j++) {
        cosines[next++] =
            dot(rows[i], rows[j])
                / Math.sqrt(Math.max(1e-12, dot(rows[i], rows[i]) * dot(rows[j], rows[j])));
      }
    }
    return cosines;
  }

  private static double dot(float[] first, float[] second) {
    double sum = 0;
    for (int i = 0; i < first.length; i++) {
      sum += (double) first[i] * second[i];
    }
    return sum;
  }

  private static double correlation(double[] first, double[] second) {
    double meanOfFirst = mean(first);
    double meanOfSecond = mean(second);
    double product = 0;
    double squareOfFirst = 0;
    double squareOfSecond = 0;
    for (int i = 0; i < first.length; i++) {
      double of = first[i] - meanOfFirst;
      double from = second[i] - meanOfSecond;
      product += of * from;
      squareOfFirst += of * of;
      squareOfSecond += from * from;
    }
    return product / Math.sqrt(Math.max(1e-24, squareOfFirst * squareOfSecond));
  }

  private static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / values.length;
  }
}
