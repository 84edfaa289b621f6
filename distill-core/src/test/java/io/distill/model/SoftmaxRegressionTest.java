package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.Shape;
import com.google.gson.Gson;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The golden file is written by {@code softmax_regression_golden.py}. */
class SoftmaxRegressionTest {

  @SuppressWarnings("ArrayRecordComponent")
  record Case(double l2, double[][] weight, double[] bias) {}

  @SuppressWarnings("ArrayRecordComponent")
  record Golden(float[][] features, int[] labels, List<Case> cases) {}

  private static Golden golden() throws IOException {
    try (Reader reader =
        new InputStreamReader(
            requireNonNull(
                SoftmaxRegressionTest.class.getResourceAsStream("softmax-regression-golden.json")),
            StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, Golden.class);
    }
  }

  @Test
  void fit_equalsNewtonsMethod() throws IOException {
    Golden golden = golden();
    assertThat(golden.cases()).hasSize(2);
    for (Case each : golden.cases()) {
      SoftmaxRegression fitted =
          SoftmaxRegression.fit(golden.features(), golden.labels(), 3, each.l2());
      double[] weight = Arrays.stream(each.weight()).flatMapToDouble(Arrays::stream).toArray();
      assertThat(fitted.weight().shape()).isEqualTo(new Shape(3, 4));
      assertClose(fitted.weight().toFloatArray(), weight, 1e-3);
      assertClose(fitted.bias().toFloatArray(), each.bias(), 1e-3);
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void fit_atTheOptimum_hasNoGradient(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int classes = 5;
    double l2 = 1e-3;
    float[][] features = new float[60][7];
    int[] labels = new int[60];
    for (int row = 0; row < 60; row++) {
      labels[row] = random.nextInt(classes);
      for (int i = 0; i < 7; i++) {
        features[row][i] = (float) (random.nextDouble() - 0.5 + (i == labels[row] ? 0.5 : 0));
      }
    }
    SoftmaxRegression fitted = SoftmaxRegression.fit(features, labels, classes, l2);
    double[][] gradient = new double[classes][8];
    for (int row = 0; row < 60; row++) {
      float[] logits = fitted.logits(features[row]);
      double sum = 0;
      for (float logit : logits) {
        sum += Math.exp(logit);
      }
      for (int c = 0; c < classes; c++) {
        double error = Math.exp(logits[c]) / sum - (labels[row] == c ? 1 : 0);
        for (int i = 0; i < 8; i++) {
          gradient[c][i] += error * (i == 7 ? 1 : features[row][i]) / 60;
        }
      }
    }
    float[] weight = fitted.weight().toFloatArray();
    for (int c = 0; c < classes; c++) {
      for (int i = 0; i < 8; i++) {
        double penalty = i == 7 ? 0 : l2 * weight[c * 7 + i];
        assertThat(gradient[c][i] + penalty).isCloseTo(0, within(3e-6));
      }
    }
  }

  @Test
  void fit_ofSeparableRows_isRightAndFinite() {
    float[][] features = {{-2, 100}, {-1, 100}, {1, 100}, {2, 100}};
    int[] labels = {1, 1, 0, 0};
    SoftmaxRegression fitted = SoftmaxRegression.fit(features, labels, 2, 1e-8);
    assertThat(fitted.predict(features)).containsExactly(labels);
    assertThat(fitted.weight().toFloatArray()).doesNotContain(Float.NaN);
    assertThat(fitted.logits(features[3])[0] - fitted.logits(features[3])[1]).isGreaterThan(5f);
  }

  @Test
  void fit_ofAClassWithoutRows_givesItTheLowestScore() {
    SoftmaxRegression fitted =
        SoftmaxRegression.fit(new float[][] {{0}, {1}, {0}, {1}}, new int[] {0, 1, 0, 1}, 3, 1e-3);
    float[] logits = fitted.logits(new float[] {0.2f});
    assertThat(logits[2]).isLessThan(Math.min(logits[0], logits[1]));
    assertThat(fitted.predict(new float[][] {{0}, {1}})).containsExactly(0, 1);
  }

  @Test
  void fit_twice_isTheSame() {
    float[][] features = {{0.5f, 1}, {0.25f, -1}, {3, 0.125f}};
    int[] labels = {0, 1, 0};
    assertThat(SoftmaxRegression.fit(features, labels, 2, 0.1).weight().toFloatArray())
        .containsExactly(SoftmaxRegression.fit(features, labels, 2, 0.1).weight().toFloatArray());
  }

  @Test
  void fit_ofWrongArguments_isRefused() {
    float[][] one = {{1, 2}};
    int[] label = {0};
    refused(() -> SoftmaxRegression.fit(new float[0][], new int[0], 2, 1))
        .hasMessage("features must have at least one row but were empty");
    refused(() -> SoftmaxRegression.fit(one, new int[] {0, 1}, 2, 1))
        .hasMessage("labels must be as many as features, 1, but were 2");
    refused(() -> SoftmaxRegression.fit(one, label, 1, 1))
        .hasMessage("classes must be at least 2 but were 1");
    refused(() -> SoftmaxRegression.fit(one, label, 2, 0))
        .hasMessage("l2 must be greater than 0 but was 0.0");
    refused(() -> SoftmaxRegression.fit(one, label, 2, Double.NaN))
        .hasMessage("l2 must be greater than 0 but was NaN");
    refused(() -> SoftmaxRegression.fit(one, new int[] {2}, 2, 1))
        .hasMessage("labels must be from 0 to below 2 but row 0 has 2");
    refused(() -> SoftmaxRegression.fit(one, new int[] {-1}, 2, 1))
        .hasMessage("labels must be from 0 to below 2 but row 0 has -1");
    refused(() -> SoftmaxRegression.fit(new float[][] {{1, 2}, {1}}, new int[] {0, 1}, 2, 1))
        .hasMessage("features must be of one width, 2, but row 1 has 1");
    refused(
            () ->
                SoftmaxRegression.fit(
                    new float[][] {{1, 2}, {1, Float.NaN}}, new int[] {0, 1}, 2, 1))
        .hasMessage("features must be finite but row 1 has NaN");
  }

  private static org.assertj.core.api.AbstractThrowableAssert<?, ? extends Throwable> refused(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    return assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class);
  }

  private static void assertClose(float[] ours, double[] expected, double tolerance) {
    assertThat(ours).hasSameSizeAs(expected);
    for (int i = 0; i < ours.length; i++) {
      assertThat((double) ours[i]).isCloseTo(expected[i], within(tolerance));
    }
  }
}
