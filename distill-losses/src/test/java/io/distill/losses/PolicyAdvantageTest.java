package io.distill.losses;

import static io.distill.losses.Losses.policyAdvantage;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: each token for itself, and with what follows it. */
class PolicyAdvantageTest {

  /** Means are taken with a float32 factor. */
  private static final double ROUNDED = 1e-7;

  private static final int TEMPERATURE = 2;

  @Nested
  class EachToken extends Contract {
    @Override
    DistillationLoss loss() {
      return policyAdvantage();
    }

    @Override
    double discount() {
      return 0;
    }

    @Override
    boolean lengthNormalized() {
      return false;
    }
  }

  @Nested
  class WithWhatFollows extends Contract {
    @Override
    DistillationLoss loss() {
      return policyAdvantage(discount(), lengthNormalized());
    }

    @Override
    double discount() {
      return 0.9;
    }

    @Override
    boolean lengthNormalized() {
      return true;
    }
  }

  abstract static class Contract extends DistillationLossContract {

    abstract double discount();

    abstract boolean lengthNormalized();

    @Override
    LossCase example() {
      return Sequences.logits(27).withLabels(Sequences.LABELS).atTemperature(TEMPERATURE);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "an estimate of a divergence can be negative, so 0 is not its minimum; see"
              + " whereStudentAgrees_valueAndGradientAreZero");
    }

    /** The gradient is that of an expectation and not of the value: advantages are constants. */
    @Override
    DistillationLoss differentiable(LossCase at) {
      double[] advantages = advantages(at, TEMPERATURE, discount(), lengthNormalized());
      return context -> {
        LossContext tokens = context.tokens();
        NDArray logits = tokens.student().logits().div(tokens.temperatures());
        NDArray logQ = logits.logSoftmax(-1).gather(tokens.labels().expandDims(1), 1).reshape(-1);
        NDArray fixed = context.manager().create(advantages);
        return tokens.meanOverRows(logQ.mul(fixed).mul(-TEMPERATURE * TEMPERATURE));
      };
    }

    @Override
    Line<Sliced> sliced() {
      LossCase masked =
          example()
              .withLabels(
                  Sequences.numbers(
                      5, 4, 0, 1, 5, -1, -1, 2, 0, -1, 1, 5, 2, -1, 2, 0, 4, -1, 0, 3, 3, -1));
      LossCase sliced =
          masked
              .mapStudent(values -> Sequences.tokens(values, 0, 3))
              .mapTeacher(values -> Sequences.tokens(values, 0, 3))
              .withLabels(Sequences.numbers(5, 3, 0, 1, 5, -1, 2, 0, 1, 5, 2, 2, 0, 4, 0, 3, 3));
      return Line.holds(new Sliced(masked, sliced));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withLabels(Sequences.filled(-1, 5, 4)));
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "labels must have shape (5, 4), one a token, but had (5); give one label a token,"
              + " negative where there is none",
          example().withLabels(0, 1, 2, 3, 4),
          "teacher and student logits must have the same number of classes but were 7 (teacher,"
              + " shape (9, 7)) and 6 (student, shape (9, 6)); select the shared classes or use a"
              + " feature loss",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 4, 7)));
    }

    @Test
    void whereStudentAgrees_valueAndGradientAreZero() {
      Outcome outcome = example().withTeacher(example().student()).evaluate(loss());
      assertThat(outcome.value()).isZero();
      assertThat(outcome.gradients().get(0).largest()).isZero();
    }
  }

  /** Log-softmax of one token's logits. */
  private static double[] logSoftmax(double[] logits, double temperature) {
    double log = Math.log(Arrays.stream(logits).map(z -> Math.exp(z / temperature)).sum());
    return Arrays.stream(logits).map(z -> z / temperature - log).toArray();
  }

  private static double[] logits(Values values, int row, int token) {
    int vocabulary = Math.toIntExact(values.shape()[2]);
    int start = (row * Math.toIntExact(values.shape()[1]) + token) * vocabulary;
    return Arrays.copyOfRange(values.doubles(), start, start + vocabulary);
  }

  /** What each drawn token is worth, row after row, written as the sum that defines it. */
  private static double[] advantages(
      LossCase given, double temperature, double discount, boolean normalized) {
    Values student = given.student().get(0);
    Values teacher = given.teacher().get(0);
    double[] labels = Sequences.LABELS.doubles();
    int length = Sequences.LENGTH;
    List<Double> all = new ArrayList<>();
    for (int row = 0; row < Sequences.ROWS; row++) {
      for (int t = 1; t < length; t++) {
        if (labels[row * length + t] < 0) {
          continue;
        }
        double sum = 0;
        int count = 0;
        for (int k = t; k < length; k++) {
          int label = (int) labels[row * length + k];
          if (label >= 0) {
            double log =
                logSoftmax(logits(teacher, row, k - 1), temperature)[label]
                    - logSoftmax(logits(student, row, k - 1), temperature)[label];
            sum += Math.pow(discount, k - t) * log;
            count++;
          }
        }
        all.add(normalized ? sum / count : sum);
      }
    }
    return all.stream().mapToDouble(Double::doubleValue).toArray();
  }

  @ParameterizedTest(name = "discount={0}")
  @ValueSource(doubles = {0, 0.5, 1})
  void value_isTheMeanOfTheAdvantages(double discount) {
    for (boolean normalized : new boolean[] {false, true}) {
      if (discount == 0 && normalized) {
        continue;
      }
      LossCase given = Sequences.logits(31).withLabels(Sequences.LABELS).atTemperature(TEMPERATURE);
      double[] advantages = advantages(given, TEMPERATURE, discount, normalized);
      Outcome outcome =
          given.evaluate(policyAdvantage(discount, normalized), null, 1, DataType.FLOAT64);
      assertThat(advantages).hasSize(9);
      assertThat(outcome.value())
          .isCloseTo(
              -TEMPERATURE * TEMPERATURE * Arrays.stream(advantages).average().orElseThrow(),
              within(ROUNDED));
    }
  }

  /** Over all texts of two tokens, each as likely as the student draws it. */
  @ParameterizedTest(name = "discount={0}")
  @ValueSource(doubles = {0, 1})
  void expectation_isTheReverseDivergenceAndItsGradient(double discount) {
    // whatever was drawn, the models say the same of the next token, so that all is enumerable
    double[] student = {0.3, -1, 2, 1, 0.5, -0.5, 0, 0, 0};
    double[] teacher = {1, 0.2, -0.7, -1, 0.3, 1.5, 0, 0, 0};
    LossCase pair =
        LossCase.of(SignalKind.LOGITS, new Values(student, 1, 3, 3), new Values(teacher, 1, 3, 3));
    List<double[]> q = new ArrayList<>();
    List<double[]> p = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      q.add(logSoftmax(Arrays.copyOfRange(student, 3 * t, 3 * t + 3), TEMPERATURE));
      p.add(logSoftmax(Arrays.copyOfRange(teacher, 3 * t, 3 * t + 3), TEMPERATURE));
    }
    double value = 0;
    double[] gradient = new double[9];
    for (int first = 0; first < 3; first++) {
      for (int second = 0; second < 3; second++) {
        Outcome outcome =
            pair.withLabels(Sequences.numbers(1, 3, -1, first, second))
                .atTemperature(TEMPERATURE)
                .evaluate(policyAdvantage(discount, false), null, 1, DataType.FLOAT64);
        double probability = Math.exp(q.get(0)[first] + q.get(1)[second]);
        value += probability * outcome.value();
        double[] numbers = outcome.gradients().get(0).doubles();
        for (int i = 0; i < 9; i++) {
          gradient[i] += probability * numbers[i];
        }
      }
    }
    double[] divergences = new double[2];
    for (int t = 0; t < 2; t++) {
      for (int c = 0; c < 3; c++) {
        divergences[t] += Math.exp(q.get(t)[c]) * (q.get(t)[c] - p.get(t)[c]);
      }
    }
    // T² times the mean over two tokens; the first token's advantage holds the second's too
    double expected =
        TEMPERATURE * TEMPERATURE * (divergences[0] + (1 + discount) * divergences[1]) / 2;
    assertThat(value).isCloseTo(expected, within(ROUNDED));
    for (int t = 0; t < 2; t++) {
      for (int c = 0; c < 3; c++) {
        double slope =
            TEMPERATURE
                / 2.0
                * Math.exp(q.get(t)[c])
                * (q.get(t)[c] - p.get(t)[c] - divergences[t]);
        assertThat(gradient[3 * t + c]).isCloseTo(slope, within(ROUNDED));
      }
    }
    assertThat(Arrays.copyOfRange(gradient, 6, 9)).containsOnly(0);
  }

  @Test
  void arguments_outOfRange_areRefused() {
    assertThatThrownBy(() -> policyAdvantage(1.1, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("discount must be between 0 and 1 but was 1.1");
    assertThatThrownBy(() -> policyAdvantage(Double.NaN, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("discount must be between 0 and 1 but was NaN");
    assertThatThrownBy(() -> policyAdvantage(0, true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("discount must be greater than 0 for lengthNormalized but was 0.0");
  }

  @Test
  void requirements_areLogitsOfBothAndLabels() {
    assertThat(policyAdvantage().requiresLabels()).isTrue();
    assertThat(policyAdvantage().name()).isEqualTo("policyAdvantage");
  }
}
