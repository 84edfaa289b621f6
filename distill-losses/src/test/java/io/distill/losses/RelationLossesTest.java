package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossTerm;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract for each relation of rows, and what the theory of each says. */
class RelationLossesTest {

  private static final int ROWS = 5;
  private static final int NARROW = 4;
  private static final int WIDE = 6;

  private static LossCase drawn(long seed, int rows, int student, int teacher) {
    return LossCase.of(
        SignalKind.EMBEDDING,
        Values.drawn(seed, 1, rows, student),
        Values.drawn(seed + 100, 1, rows, teacher));
  }

  private static Values times(Values values, double factor) {
    double[] scaled = values.doubles();
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] *= factor;
    }
    return new Values(scaled, values.shape());
  }

  private static Values timesRow(Values values, int row, double factor) {
    double[] scaled = values.doubles();
    int width = scaled.length / values.rows();
    for (int i = row * width; i < (row + 1) * width; i++) {
      scaled[i] *= factor;
    }
    return new Values(scaled, values.shape());
  }

  /** Adds the same vector to all rows. */
  private static Values moved(Values values) {
    double[] sums = values.doubles();
    int width = sums.length / values.rows();
    for (int i = 0; i < sums.length; i++) {
      sums[i] += 0.5 * (i % width) - 1;
    }
    return new Values(sums, values.shape());
  }

  /** Turns all rows alike, in each plane of two neighbouring axes. */
  private static Values turned(Values values) {
    double[] turned = values.doubles();
    int width = turned.length / values.rows();
    for (int axis = 0; axis + 1 < width; axis++) {
      double cos = Math.cos(0.7 + axis);
      double sin = Math.sin(0.7 + axis);
      for (int at = axis; at < turned.length; at += width) {
        double x = turned[at];
        double y = turned[at + 1];
        turned[at] = cos * x - sin * y;
        turned[at + 1] = sin * x + cos * y;
      }
    }
    return new Values(turned, values.shape());
  }

  private static void assertUnchanged(DistillationLoss loss, LossCase given, LossCase changed) {
    assertThat(precise(changed, loss).value())
        .isCloseTo(precise(given, loss).value(), within(1e-12));
  }

  private static LossCase.Outcome precise(LossCase given, DistillationLoss loss) {
    return given.evaluate(loss, null, 1, DataType.FLOAT64);
  }

  abstract static class Relation extends DistillationLossContract {

    @Override
    LossCase example() {
      return drawn(1, ROWS, NARROW, WIDE);
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      return Line.holds(example.withTeacher(example.student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Line<LossCase> accumulated() {
      return Line.doesNotApply("rows are compared with rows of the same micro-batch alone");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "teacher and student embeddings must have the same number of rows but were 3 (teacher,"
              + " shape (3, 6)) and 5 (student, shape (5, 4)); give both models the same batch",
          example().mapTeacher(values -> Values.drawn(9, 1, 3, WIDE)),
          "teacher and student embeddings must have shape (rows, width) but were (5, 2, 3)"
              + " (teacher) and (5, 4) (student); pool tokens first",
          example().mapTeacher(values -> Values.drawn(9, 1, ROWS, 2, 3)));
    }

    @Test
    void oneRow_isZeroAndAttached() {
      LossCase.Outcome outcome = drawn(1, 1, NARROW, WIDE).evaluate(loss());
      assertThat(outcome.value()).isCloseTo(0, within(1e-6));
      assertThat(outcome.gradients().get(0).largest()).isLessThan(1e-6f);
    }

    @Test
    void twoRows_areFinite() {
      LossCase.Outcome outcome = drawn(1, 2, NARROW, WIDE).evaluate(loss());
      assertThat(outcome.value()).isFinite();
      assertSane(outcome);
    }

    @ParameterizedTest(name = "rows {0}")
    @ValueSource(strings = {"00000", "00234", "01123", "00022"})
    void equalRows_haveModestGradients(String picked) {
      int[] rows = picked.chars().map(digit -> digit - '0').toArray();
      LossCase given = example();
      // equal in the student's eyes, not in the teacher's, and the other way around
      LossCase.Outcome student = given.mapStudent(values -> values.rows(rows)).evaluate(loss());
      assertThat(student.value()).isFinite();
      assertSane(student);
      LossCase.Outcome teacher = given.mapTeacher(values -> values.rows(rows)).evaluate(loss());
      assertThat(teacher.value()).isFinite();
      assertSane(teacher);
    }

    private static void assertSane(LossCase.Outcome outcome) {
      assertThat(outcome.gradients().get(0).largest()).isFinite().isLessThan(100);
    }

    @ParameterizedTest(name = "factor={0}")
    @ValueSource(doubles = {1e-15, 1e-3, 7, 1e15})
    void scale_doesNotMatter(double factor) {
      LossCase given = example();
      assertUnchanged(loss(), given, given.mapStudent(values -> times(values, factor)));
      assertUnchanged(loss(), given, given.mapTeacher(values -> times(values, factor)));
      assertThat(given.mapStudent(values -> times(values, factor)).value(loss()))
          .isCloseTo(given.value(loss()), within(1e-6));
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3})
    void rotation_doesNotMatter(long seed) {
      LossCase given = drawn(seed, 7, NARROW, WIDE);
      assertThat(turned(given.student().get(0)).doubles())
          .isNotEqualTo(given.student().get(0).doubles());
      assertUnchanged(loss(), given, given.mapStudent(RelationLossesTest::turned));
      assertUnchanged(loss(), given, given.mapTeacher(RelationLossesTest::turned));
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3})
    void turnedAndScaledTeacher_isAgreedWith(long seed) {
      Values student = Values.drawn(seed, 1, 7, NARROW);
      LossCase given = LossCase.of(SignalKind.EMBEDDING, student, times(turned(student), 0.125));
      assertThat(precise(given, loss()).value()).isCloseTo(0, within(1e-13));
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void value_isNeverNegative(long seed) {
      assertThat(precise(drawn(seed, 6, NARROW, WIDE), loss()).value()).isPositive();
    }

    @Test
    void descent_bringsTheRelationsTogether() {
      LossCase given = drawn(3, 8, WIDE, NARROW);
      double start = given.value(loss());
      double best = start;
      double step = 0.5;
      for (int i = 0; i < 300; i++) {
        LossCase.Outcome outcome = given.evaluate(loss());
        double norm = 0;
        for (double slope : outcome.gradients().get(0).doubles()) {
          norm += slope * slope;
        }
        double factor = -step / Math.sqrt(norm);
        Values move = times(outcome.gradients().get(0), factor);
        LossCase next = given.mapStudent(values -> values.plus(move));
        if (next.value(loss()) < best) {
          given = next;
          best = next.value(loss());
        } else {
          step /= 2;
        }
      }
      assertThat(best).isLessThan(0.1 * start);
    }

    @Test
    void requirements_areEmbeddingsOfBoth() {
      assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.EMBEDDING));
      assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.EMBEDDING));
      assertThat(loss().requiresLabels()).isFalse();
    }
  }

  /** Relations of differences: where the origin is does not matter. */
  abstract static class MovableRelation extends Relation {
    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3})
    void origin_doesNotMatter(long seed) {
      LossCase given = drawn(seed, 7, NARROW, WIDE);
      assertUnchanged(loss(), given, given.mapStudent(RelationLossesTest::moved));
      assertUnchanged(loss(), given, given.mapTeacher(RelationLossesTest::moved));
    }
  }

  /** Relations of directions: how long each row is does not matter. */
  abstract static class DirectionRelation extends Relation {
    @ParameterizedTest(name = "row {0}")
    @ValueSource(ints = {0, 1, 2, 3, 4})
    void lengthOfARow_doesNotMatter(int row) {
      LossCase given = example();
      assertUnchanged(loss(), given, given.mapStudent(values -> timesRow(values, row, 3)));
      assertUnchanged(loss(), given, given.mapTeacher(values -> timesRow(values, row, 0.01)));
    }
  }

  @Nested
  class RelationalDistance extends MovableRelation {
    @Override
    DistillationLoss loss() {
      return Losses.relationalDistance();
    }

    @Test
    void threeRowsOnALine_areAsTheFormulaSays() {
      // distances 1, 3, 2 with mean 2 against 1, 1, 2 with mean 4/3
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {0, 1, 3}, 3, 1),
              new Values(new double[] {0, 0, 1, 0, 2, 0}, 3, 2));
      // pairs (0, 1), (0, 2), (1, 2)
      double expected = 2.0 / 9 * (square(0.5 - 0.75) + square(1.5 - 1.5) + square(1 - 0.75)) / 2;
      assertThat(given.value(loss())).isCloseTo(expected, within(1e-7));
    }

    private double square(double x) {
      return x * x;
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("relationalDistance");
    }
  }

  @Nested
  class RelationalAngle extends MovableRelation {
    @Override
    DistillationLoss loss() {
      return Losses.relationalAngle();
    }

    @Test
    void twoRows_haveNoAngle() {
      assertThat(drawn(1, 2, NARROW, WIDE).value(loss())).isCloseTo(0, within(1e-12));
    }

    /** The law of cosines subtracts squares that are nearly equal where two rows are close. */
    @ParameterizedTest(name = "distance={0}")
    @ValueSource(doubles = {1e-1, 1e-2, 1e-3, 1e-4})
    void closeRows_areNearlyAsPreciseAsOthers(double distance) {
      double[] student = Values.drawn(1, 1, ROWS, NARROW).doubles();
      for (int i = 0; i < NARROW; i++) {
        // exact in float32, so that the two precisions see the same rows
        student[i] = (float) student[i];
        student[NARROW + i] = (float) (student[i] + distance * (i - 1.5));
      }
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(student, ROWS, NARROW),
              Values.drawn(101, 1, ROWS, WIDE));
      double exact = precise(given, loss()).value();
      assertThat(given.value(loss())).isCloseTo(exact, within(5e-6));
    }

    @Test
    void straightAndRightAngle_areAsTheFormulaSays() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              // at 0, between 1 and 2: straight; at 1 and 2: none
              new Values(new double[] {0, 1, -1}, 3, 1),
              new Values(new double[] {0, 0, 1, 0, 0, 1}, 3, 2));
      double acute = Math.cos(Math.PI / 4);
      double expected = 2.0 / 27 * (0.5 + 2 * (1 - acute) * (1 - acute) / 2);
      assertThat(given.value(loss())).isCloseTo(expected, within(1e-7));
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("relationalAngle");
    }
  }

  @Nested
  class RelationalKd {
    @Test
    void terms_areDistanceAndAngleWithThePapersWeights() {
      Progress progress = new Progress(0, 0, 1, 0);
      assertThat(Losses.relationalKd().terms())
          .extracting(LossTerm::name)
          .containsExactly("relationalDistance", "relationalAngle");
      assertThat(Losses.relationalKd().terms())
          .extracting(term -> term.weightAt(progress))
          .containsExactly(1.0, 2.0);
      assertThat(Losses.relationalKd(25, 50).terms())
          .extracting(term -> term.weightAt(progress))
          .containsExactly(25.0, 50.0);
    }

    @Test
    void value_isTheWeightedSum() {
      LossCase given = drawn(1, ROWS, NARROW, WIDE);
      assertThat(given.value(Losses.relationalKd(3, 5)))
          .isCloseTo(
              3 * given.value(Losses.relationalDistance())
                  + 5 * given.value(Losses.relationalAngle()),
              within(1e-6));
    }

    @Test
    void weightOutOfRange_isRefused() {
      assertThatThrownBy(() -> Losses.relationalKd(1, -1))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Nested
  class SimilarityPreserving extends Relation {
    @Override
    DistillationLoss loss() {
      return Losses.similarityPreserving();
    }

    @Override
    Line<LossCase> duplicated() {
      return Line.doesNotApply("a squared norm of N unit rows over N² is halved; tested below");
    }

    @Test
    void duplicatedBatch_isHalf() {
      LossCase given = example();
      double value = precise(given, loss()).value();
      assertThat(precise(given.rows(0, 1, 2, 3, 4, 0, 1, 2, 3, 4), loss()).value())
          .isCloseTo(value / 2, within(1e-12));
    }

    @Test
    void orthogonalAgainstEqualRows_isAsTheFormulaSays() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {2, 0, 0, 3}, 2, 2),
              new Values(new double[] {5, 5}, 2, 1));
      double same = Math.sqrt(0.5);
      double expected = 2 * ((1 - same) * (1 - same) + same * same) / 4;
      assertThat(given.value(loss())).isCloseTo(expected, within(1e-7));
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("similarityPreserving");
    }
  }

  @Nested
  class CorrelationCongruence extends DirectionRelation {
    @Override
    DistillationLoss loss() {
      return Losses.correlationCongruence();
    }

    @Test
    void defaults_areThePapers() {
      assertThat(loss()).isEqualTo(Losses.correlationCongruence(0.4, 2));
    }

    @Test
    void highOrder_isTheGaussianKernel() {
      // unit rows at right angles against equal ones
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {2, 0, 0, 3}, 2, 2),
              new Values(new double[] {5, 5}, 2, 1));
      double gap = 1 - Math.exp(-0.7 * 2);
      assertThat(given.value(Losses.correlationCongruence(0.7, 20)))
          .isCloseTo(2 * gap * gap / 4, within(1e-6));
    }

    @Test
    void orderOne_isTheBilinearKernelScaled() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {2, 0, 0, 3}, 2, 2),
              new Values(new double[] {5, 5}, 2, 1));
      double factor = Math.exp(-1) * 1;
      assertThat(given.value(Losses.correlationCongruence(0.5, 1)))
          .isCloseTo(2 * factor * factor / 4, within(1e-7));
    }

    @ParameterizedTest(name = "gamma={0}")
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
    void gammaOutOfRange_isRefused(double gamma) {
      assertThatThrownBy(() -> Losses.correlationCongruence(gamma, 2))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("gamma must be finite and greater than 0 but was " + gamma);
    }

    @Test
    void orderOutOfRange_isRefused() {
      assertThatThrownBy(() -> Losses.correlationCongruence(0.4, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("order must be at least 1 but was 0");
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("correlationCongruence");
    }
  }

  @Nested
  class ProbabilisticTransfer extends DirectionRelation {
    @Override
    DistillationLoss loss() {
      return Losses.probabilisticTransfer();
    }

    @Test
    void orthogonalAgainstEqualRows_isAsTheFormulaSays() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {2, 0, 0, 3}, 2, 2),
              new Values(new double[] {5, 5}, 2, 1));
      // the teacher picks evenly, the student 2/3 to 1/3
      double expected = 0.5 * Math.log(0.5 / (2.0 / 3)) + 0.5 * Math.log(0.5 / (1.0 / 3));
      assertThat(given.value(loss())).isCloseTo(expected, within(1e-7));
    }

    @Test
    void oppositeRows_haveFiniteGradients() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {1, 0.5, -1, -0.5}, 2, 2),
              new Values(new double[] {5, 5}, 2, 1));
      LossCase.Outcome outcome = given.evaluate(loss());
      assertThat(outcome.value()).isBetween(5.0, 10.0);
      assertThat(outcome.gradients().get(0).largest()).isFinite();
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("probabilisticTransfer");
    }
  }

  @Nested
  class Cka extends MovableRelation {
    @Override
    DistillationLoss loss() {
      return Losses.cka();
    }

    @ParameterizedTest(name = "rows={0}")
    @ValueSource(ints = {2, 3, 7, 8, 9, 10, 11, 30})
    void formOfProducts_doesNotMatter(int rows) {
      // appended zeros change widths, so the cheaper form, and not the value
      LossCase given = drawn(5, rows, NARROW, WIDE);
      LossCase wide = given.mapStudent(values -> padded(values, 40));
      assertUnchanged(loss(), given, wide);
      for (int i = 0; i < rows * NARROW; i++) {
        double slope = precise(given, loss()).gradients().get(0).doubles()[i];
        int at = i / NARROW * 40 + i % NARROW;
        assertThat(precise(wide, loss()).gradients().get(0).doubles()[at])
            .isCloseTo(slope, within(1e-12));
        if (i > 8) {
          break;
        }
      }
    }

    private Values padded(Values values, int width) {
      double[] from = values.doubles();
      int narrow = from.length / values.rows();
      double[] wide = new double[values.rows() * width];
      for (int i = 0; i < from.length; i++) {
        wide[i / narrow * width + i % narrow] = from[i];
      }
      return new Values(wide, values.rows(), width);
    }

    @Test
    void uncorrelatedColumns_areOne() {
      LossCase given =
          LossCase.of(
              SignalKind.EMBEDDING,
              new Values(new double[] {1, 1, -1, -1}, 4, 1),
              new Values(new double[] {1, -1, 1, -1}, 4, 1));
      assertThat(given.value(loss())).isEqualTo(1);
    }

    @Test
    void studentThatTellsNoRowsApart_isOne() {
      assertThat(example().mapStudent(values -> values.rows(1, 1, 1, 1, 1)).value(loss()))
          .isEqualTo(1);
    }

    @Test
    void teacherThatTellsNoRowsApart_isZero() {
      assertThat(example().mapTeacher(values -> values.rows(1, 1, 1, 1, 1)).value(loss())).isZero();
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3})
    void value_isAtMostOne(long seed) {
      assertThat(precise(drawn(seed, 30, NARROW, WIDE), loss()).value()).isBetween(0.5, 1.0);
    }

    @Test
    void name_isTheFactorys() {
      assertThat(loss().name()).isEqualTo("cka");
    }
  }

  @ParameterizedTest(name = "distance={0}")
  @ValueSource(doubles = {1e-2, 1e-4, 1e-6})
  void relationalAngle_ofRowsThatNearlyCoincide_hasTheGradientOfFloat64(double distance) {
    Values student = Values.drawn(61, 1, 8, 16);
    float[] rows = student.numbers();
    for (int i = 0; i < 16; i++) {
      rows[16 + i] = (float) (rows[i] + distance * rows[32 + i]);
    }
    double[] near = new double[rows.length];
    for (int i = 0; i < rows.length; i++) {
      near[i] = rows[i];
    }
    LossCase given =
        LossCase.of(
            SignalKind.EMBEDDING, new Values(near, student.shape()), Values.drawn(62, 1, 8, 16));

    LossCase.Outcome single = given.evaluate(Losses.relationalAngle());
    LossCase.Outcome exact = given.evaluate(Losses.relationalAngle(), null, 1, DataType.FLOAT64);

    assertThat(single.value()).isCloseTo(exact.value(), within(1e-6));
    double[] expected = exact.gradients().get(0).doubles();
    double[] actual = single.gradients().get(0).doubles();
    double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
    for (int i = 0; i < expected.length; i++) {
      assertThat(actual[i]).isCloseTo(expected[i], within(1e-5 * largest));
    }
  }
}
