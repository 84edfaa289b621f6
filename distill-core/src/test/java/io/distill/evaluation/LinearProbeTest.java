package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class LinearProbeTest {

  private static final int CLASSES = 3;
  private static final int WIDTH = 6;

  /** Overlapping clouds around one corner a class, so that a probe is right only sometimes. */
  private static final class Clouds {
    final float[][] features;
    final int[] labels;

    Clouds(int rows, long seed) {
      Random random = new Random(seed);
      features = new float[rows][WIDTH];
      labels = new int[rows];
      for (int row = 0; row < rows; row++) {
        labels[row] = row % CLASSES;
        for (int i = 0; i < WIDTH; i++) {
          features[row][i] = (float) (random.nextGaussian() + (i == labels[row] ? 1.5 : 0));
        }
      }
    }

    float[][] map(UnaryOperator<float[]> change) {
      float[][] changed = new float[features.length][];
      for (int row = 0; row < features.length; row++) {
        changed[row] = change.apply(features[row]);
      }
      return changed;
    }
  }

  private static double accuracy(UnaryOperator<float[]> change) {
    Clouds train = new Clouds(90, 1);
    Clouds test = new Clouds(300, 2);
    return LinearProbe.accuracy(
        train.map(change), train.labels, test.map(change), test.labels, CLASSES);
  }

  @Test
  void accuracy_ofSeparableFeatures_isOne() {
    float[][] train = {{0, 1}, {0, 2}, {5, 1}, {5, 2}};
    float[][] test = {{-1, 1}, {6, 9}, {0, -3}};

    assertThat(LinearProbe.accuracy(train, new int[] {0, 0, 1, 1}, test, new int[] {0, 1, 0}, 2))
        .isEqualTo(1);
    assertThat(LinearProbe.accuracy(train, new int[] {0, 0, 1, 1}, test, new int[] {1, 1, 0}, 2))
        .isEqualTo(2 / 3d);
  }

  @Test
  void accuracy_ofFeaturesThatAreAllAlike_isThatOfTheMostFrequentClass() {
    float[][] train = {{2, 2}, {2, 2}, {2, 2}};
    float[][] test = {{2, 2}, {2, 2}, {2, 2}, {2, 2}};

    assertThat(LinearProbe.accuracy(train, new int[] {1, 0, 1}, test, new int[] {1, 0, 0, 0}, 2))
        .isEqualTo(0.25);
  }

  @Test
  void accuracy_ofNoise_isBetweenChanceAndPerfect() {
    assertThat(accuracy(row -> row)).isBetween(0.6, 0.95);
  }

  @Test
  void accuracy_doesNotDependOnScaleOrOffset() {
    double plain = accuracy(row -> row);

    assertThat(accuracy(row -> affine(row, 1024, 0))).isEqualTo(plain);
    assertThat(accuracy(row -> affine(row, 1 / 1024f, 0))).isEqualTo(plain);
    assertThat(accuracy(row -> affine(row, 1, 16))).isEqualTo(plain);
  }

  @Test
  void accuracy_doesNotDependOnRepeatedFeatures() {
    assertThat(
            accuracy(
                row -> {
                  float[] repeated = new float[4 * WIDTH];
                  for (int i = 0; i < repeated.length; i++) {
                    repeated[i] = row[i % WIDTH];
                  }
                  return repeated;
                }))
        .isEqualTo(accuracy(row -> row));
  }

  private static float[] affine(float[] row, float scale, float offset) {
    float[] changed = new float[row.length];
    for (int i = 0; i < row.length; i++) {
      changed[i] = row[i] * scale + offset;
    }
    return changed;
  }

  @Test
  void accuracy_ofRowsThatDoNotFit_isRefused() {
    float[][] two = {{1, 2}, {3, 4}};
    int[] labels = {0, 1};

    assertThatIllegalArgumentException()
        .isThrownBy(() -> LinearProbe.accuracy(new float[0][], new int[0], two, labels, 2))
        .withMessage("trainFeatures must have at least one row but were empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> LinearProbe.accuracy(two, labels, two, new int[1], 2))
        .withMessage("testLabels must be as many as testFeatures, 2, but were 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> LinearProbe.accuracy(two, labels, new float[][] {{1, 2}, {3}}, labels, 2))
        .withMessage(
            "testFeatures must have width 2, that of the first training row, but row 1 has 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> LinearProbe.accuracy(two, new int[] {0, 2}, two, labels, 2))
        .withMessage("labels must be from 0 to below 2 but row 1 has 2");
  }

  @Test
  void of_readsEmbeddingsOfLabelledRows() {
    TextDataset train =
        TextDataset.of(
            List.of(
                TextExample.labelled("the mail", "post"),
                TextExample.labelled("a mail", "post"),
                TextExample.unlabelled("hello"),
                TextExample.labelled("a refund", "money"),
                TextExample.labelled("the refund", "money")));
    TextDataset test =
        TextDataset.of(
            List.of(
                TextExample.labelled("refund refund", "money"),
                TextExample.labelled("mail in the mail", "post"),
                TextExample.unlabelled("mail"),
                TextExample.labelled("refund the refund", "post")));

    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThat(LinearProbe.of(model, train, test)).isEqualTo(2 / 3d);
    }
  }

  @Test
  void of_textsWithoutAQuestion_areRefused() {
    TextDataset good =
        TextDataset.of(
            List.of(TextExample.labelled("mail", "a"), TextExample.labelled("refund", "b")));
    TextDataset unlabelled = good.withoutLabels();
    TextDataset oneClass = TextDataset.of(List.of(TextExample.labelled("mail", "a")));

    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThatThrownBy(() -> LinearProbe.of(model, good, unlabelled))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "test must have at least one labelled row but none of its 2 rows has a label; name"
                  + " the label column");
      assertThatThrownBy(() -> LinearProbe.of(model, oneClass, good))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "train must have at least 2 classes but has only a; add rows of another class");
    }
  }

  @Test
  void recognised_tellsRowByRow() {
    TextDataset train =
        TextDataset.of(
            List.of(
                TextExample.labelled("mail", "a"),
                TextExample.labelled("mail mail", "a"),
                TextExample.labelled("refund", "b"),
                TextExample.unlabelled("hello")));
    TextDataset test =
        TextDataset.of(
            List.of(
                TextExample.labelled("refund refund", "b"),
                TextExample.unlabelled("mail"),
                TextExample.labelled("refund", "a"),
                TextExample.labelled("mail", "a")));
    try (DeployableModel model = WordModel.embeddingOnly()) {
      assertThat(LinearProbe.recognised(model, train, test)).containsExactly(true, false, true);
      assertThat(LinearProbe.of(model, train, test)).isEqualTo(2 / 3d);
    }
  }
}
