package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Change;
import io.distill.losses.LossCase.Outcome;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract for each way in which negatives are found, and the memory banks. */
class ContrastiveRepresentationTest {

  private static final int ROWS = 5;
  private static final int WIDTH = 4;
  private static final int STUDENT = 3;
  private static final int TEACHER = 6;
  private static final double TEMPERATURE = 0.25;

  private static DistillationLoss loss(int negatives, boolean otherClasses) {
    return Losses.contrastiveRepresentation(negatives, TEMPERATURE, 0.75, WIDTH, otherClasses);
  }

  /** Five rows of a training set of {@code known}. */
  private static LossCase drawn(long seed, int known) {
    Map<String, Values> heads = new LinkedHashMap<>();
    heads.put("student.weight", Values.drawn(seed + 1, 1, WIDTH, STUDENT));
    heads.put("student.bias", Values.drawn(seed + 2, 0.5, WIDTH));
    heads.put("teacher.weight", Values.drawn(seed + 3, 1, WIDTH, TEACHER));
    heads.put("teacher.bias", Values.drawn(seed + 4, 0.5, WIDTH));
    double[] classes = IntStream.range(0, known).mapToDouble(row -> row % 3 - 1).toArray();
    return LossCase.of(
            SignalKind.EMBEDDING,
            Values.drawn(seed + 5, 1, ROWS, STUDENT),
            Values.drawn(seed + 6, 1, ROWS, TEACHER))
        .withParameters(heads)
        .withBuffers(
            Map.of(
                "student.bank", Values.drawn(seed + 7, 0.5, known, WIDTH),
                "teacher.bank", Values.drawn(seed + 8, 0.5, known, WIDTH),
                "classes", new Values(classes, known)))
        .withLabels(0, 1, -1, 0, 1)
        .withIndices(new Values(new double[] {3, 0, 8, 5, 6}, ROWS))
        .withProgress(new Progress(1, 7, 10, 42));
  }

  private static Outcome precise(LossCase given, DistillationLoss loss) {
    return given.evaluate(loss, null, 1, DataType.FLOAT64);
  }

  abstract static class Contrast extends DistillationLossContract {

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("rows are told from others: noise-contrastive estimates have no 0");
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
    Map<String, LossCase> misfits() {
      return Map.of(
          "teacher and student embeddings must have the same number of rows but were 3 (teacher,"
              + " shape (3, 6)) and 5 (student, shape (5, 3)); give both models the same batch",
          example().mapTeacher(values -> Values.drawn(9, 1, 3, TEACHER)));
    }

    @ParameterizedTest(name = "rows {0}")
    @ValueSource(strings = {"01234", "20", "4"})
    void banks_areRenewedAfterTheStepAtTheRowsOfTheBatch(String picked) {
      LossCase given = example().rows(picked.chars().map(digit -> digit - '0').toArray());
      List<Change> changes = precise(given, loss()).changes();

      assertThat(changes.get(0).buffer()).isEqualTo("student.bank");
      assertThat(changes.get(1).buffer()).isEqualTo("teacher.bank");
      assertRenewed(changes.get(0), given, "student", given.student().get(0));
      assertRenewed(changes.get(1), given, "teacher", given.teacher().get(0));
    }

    /** In plain Java: unit(0.75 old + 0.25 unit(W x + b)), on rows kept divided by √3. */
    private static void assertRenewed(Change change, LossCase given, String side, Values input) {
      double[] weight = given.parameters().get(side + ".weight").doubles();
      double[] bias = given.parameters().get(side + ".bias").doubles();
      double[] bank = given.buffers().get(side + ".bank").doubles();
      int inputs = weight.length / WIDTH;
      assertThat(change.rows()).hasSize(given.size());
      for (int row = 0; row < given.size(); row++) {
        int at = (int) given.indices().longs()[row];
        assertThat(change.rows().get(row)).isEqualTo(at);
        double[] embedded = bias.clone();
        for (int i = 0; i < WIDTH * inputs; i++) {
          embedded[i / inputs] += weight[i] * input.doubles()[row * inputs + i % inputs];
        }
        embedded = unit(embedded);
        double[] renewed = new double[WIDTH];
        for (int i = 0; i < WIDTH; i++) {
          renewed[i] = 0.75 * Math.sqrt(3) * bank[at * WIDTH + i] + 0.25 * embedded[i];
        }
        renewed = unit(renewed);
        for (int i = 0; i < WIDTH; i++) {
          assertThat(change.value().doubles()[row * WIDTH + i])
              .isCloseTo(renewed[i] / Math.sqrt(3), within(1e-12));
        }
      }
    }

    private static double[] unit(double[] vector) {
      double norm = 0;
      for (double number : vector) {
        norm += number * number;
      }
      double[] unit = vector.clone();
      for (int i = 0; i < unit.length; i++) {
        unit[i] /= Math.sqrt(norm);
      }
      return unit;
    }

    @Test
    void oneRow_isFinite() {
      Outcome outcome = example().rows(2).evaluate(loss());
      assertThat(outcome.value()).isFinite().isPositive();
      assertThat(outcome.gradients().get(0).largest()).isFinite().isPositive();
    }

    @Test
    void batchAroundARow_doesNotMatter() {
      LossCase given = example();
      double sum = 0;
      for (int row = 0; row < ROWS; row++) {
        sum += precise(given.rows(row), loss()).value();
      }
      assertThat(precise(given, loss()).value()).isCloseTo(sum / ROWS, within(1e-6));
    }
  }

  /** A few of many rows: each drawn row is read from the bank. */
  @Nested
  class FewOfMany extends Contrast {
    @Override
    DistillationLoss loss() {
      return ContrastiveRepresentationTest.loss(4, false);
    }

    @Override
    LossCase example() {
      return drawn(11, 40);
    }

    @Test
    void stepAndSeed_changeTheNegatives() {
      double value = example().value(loss());
      assertThat(example().withProgress(new Progress(1, 7, 10, 42)).value(loss())).isEqualTo(value);
      assertThat(example().withProgress(new Progress(1, 8, 10, 42)).value(loss()))
          .isNotEqualTo(value);
      assertThat(example().withProgress(new Progress(1, 7, 10, 43)).value(loss()))
          .isNotEqualTo(value);
    }

    @Test
    void labels_areNotRead() {
      assertThat(example().withLabels((Values) null).value(loss()))
          .isEqualTo(example().value(loss()));
      assertThat(loss().requiresLabels()).isFalse();
    }
  }

  /** Many of some rows: all are scored, and those drawn count. */
  @Nested
  class ManyOfSome extends Contrast {
    @Override
    DistillationLoss loss() {
      return ContrastiveRepresentationTest.loss(8, false);
    }

    @Override
    LossCase example() {
      return drawn(12, 20);
    }
  }

  /** More than there are: every other row once. */
  @Nested
  class AllOthers extends Contrast {
    @Override
    DistillationLoss loss() {
      return ContrastiveRepresentationTest.loss(16384, false);
    }

    @Override
    LossCase example() {
      return drawn(13, 9);
    }

    @Test
    void value_isTheSumOverAllOtherRows() {
      LossCase given = example().rows(1);
      double[] bank = given.buffers().get("teacher.bank").doubles();
      double[] back = given.buffers().get("student.bank").doubles();
      // momentum 0 hands out the embeddings themselves
      List<Change> embedded =
          precise(given, Losses.contrastiveRepresentation(16384, TEMPERATURE, 0, WIDTH, false))
              .changes();
      double expected =
          told(embedded.get(0).value().doubles(), bank)
              + told(embedded.get(1).value().doubles(), back);
      assertThat(precise(given, loss()).value()).isCloseTo(expected, within(1e-6));
    }

    /** Row 0 against a bank of 9; 3 since both sides are kept divided by √3. */
    private double told(double[] anchor, double[] bank) {
      double sum = 0;
      for (int row = 0; row < 9; row++) {
        double dot = 0;
        for (int i = 0; i < WIDTH; i++) {
          dot += 3 * anchor[i] * bank[row * WIDTH + i];
        }
        double model = Math.exp(dot / TEMPERATURE);
        double noise = 8 * Math.exp(1 / (2 * WIDTH * TEMPERATURE * TEMPERATURE));
        sum -= Math.log((row == 0 ? model : noise) / (model + noise));
      }
      return sum;
    }

    @Test
    void step_doesNotMatter() {
      assertThat(example().withProgress(new Progress(0, 0, 1, 1)).value(loss()))
          .isEqualTo(example().value(loss()));
    }
  }

  /** Rows of the same known class do not count. */
  @Nested
  class OtherClassesOfMany extends Contrast {
    @Override
    DistillationLoss loss() {
      return ContrastiveRepresentationTest.loss(6, true);
    }

    @Override
    LossCase example() {
      return drawn(14, 60);
    }
  }

  @Nested
  class OtherClassesOfAll extends Contrast {
    @Override
    DistillationLoss loss() {
      return ContrastiveRepresentationTest.loss(50, true);
    }

    @Override
    LossCase example() {
      return drawn(15, 9);
    }

    @Test
    void rowsOfTheSameClass_doNotCountAndOthersCountTheMore() {
      // row 8 of the training set is unlabelled here: only its class in the bank is hidden
      LossCase given = example().rows(1);
      double value = precise(given, loss()).value();
      // classes are -1 0 1 by turns: 1, 4, 7 have class 0; the row is 0, of label 1: 2, 5, 8
      double[] bank = given.buffers().get("teacher.bank").doubles();
      for (int row : new int[] {2, 5, 8}) {
        for (int i = 0; i < WIDTH; i++) {
          bank[row * WIDTH + i] += 0.5;
        }
      }
      Map<String, Values> buffers = new LinkedHashMap<>(given.buffers());
      buffers.put("teacher.bank", new Values(bank, 9, WIDTH));
      assertThat(precise(given.withBuffers(buffers), loss()).value())
          .isCloseTo(value, within(1e-12));
      for (int i = 0; i < WIDTH; i++) {
        bank[4 * WIDTH + i] += 0.5;
      }
      buffers.put("teacher.bank", new Values(bank, 9, WIDTH));
      assertThat(Math.abs(precise(given.withBuffers(buffers), loss()).value() - value))
          .isGreaterThan(1e-3);
    }

    @Test
    void rowWithoutLabel_isToldFromAll() {
      LossCase given = example().rows(2);
      assertThat(precise(given, loss()).value())
          .isCloseTo(
              precise(given, ContrastiveRepresentationTest.loss(50, false)).value(), within(1e-12));
    }

    @Test
    void labels_areRememberedForTheRows() {
      List<Change> changes = example().evaluate(loss()).changes();
      assertThat(changes).hasSize(3);
      assertThat(changes.get(2).buffer()).isEqualTo("classes");
      assertThat(changes.get(2).rows()).containsExactly(3L, 0L, 8L, 5L, 6L);
      assertThat(changes.get(2).value().doubles()).containsExactly(0, 1, -1, 0, 1);
    }

    @Test
    void labels_areRequired() {
      assertThat(loss().requiresLabels()).isTrue();
    }
  }

  @Test
  void chunks_doNotMatter() {
    // five rows of a bank of 1.5 million go in chunks of two
    int known = 1_500_000;
    DistillationLoss loss = Losses.contrastiveRepresentation(200_000, 0.25, 0.5, 2, false);
    LossCase given =
        drawn(1, 9)
            .withParameters(
                Map.of(
                    "student.weight", Values.drawn(1, 1, 2, STUDENT),
                    "student.bias", Values.zeros(2),
                    "teacher.weight", Values.drawn(2, 1, 2, TEACHER),
                    "teacher.bias", Values.zeros(2)))
            .withBuffers(
                Map.of(
                    "student.bank", Values.drawn(3, 0.5, known, 2),
                    "teacher.bank", Values.drawn(4, 0.5, known, 2)));
    Outcome whole = precise(given, loss);
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
      Outcome alone = precise(given.rows(row), loss);
      sum += alone.value() / ROWS;
      for (int i = 0; i < STUDENT; i++) {
        assertThat(whole.gradients().get(0).doubles()[row * STUDENT + i])
            .isCloseTo(alone.gradients().get(0).doubles()[i] / ROWS, within(1e-6));
      }
    }
    assertThat(whole.value()).isCloseTo(sum, within(1e-6 * sum));
  }

  /** With the bank made to change as the run would change it, by gradient steps on embeddings. */
  @Test
  void descent_tellsRowsApart() {
    DistillationLoss loss = Losses.contrastiveRepresentation(100, 0.25, 0.5, WIDTH, false);
    LossCase given = drawn(21, 9);
    double start = given.value(loss);
    for (int step = 0; step < 60; step++) {
      Outcome outcome = given.evaluate(loss);
      Map<String, Values> learned = new LinkedHashMap<>();
      given
          .parameters()
          .forEach(
              (name, values) ->
                  learned.put(name, less(values, outcome.parameterGradients().get(name))));
      Values moved = less(given.student().get(0), outcome.gradients().get(0));
      Map<String, Values> buffers = new LinkedHashMap<>(given.buffers());
      for (Change change : outcome.changes()) {
        buffers.put(change.buffer(), written(buffers.get(change.buffer()), change));
      }
      given = given.withParameters(learned).withBuffers(buffers).withStudent(List.of(moved));
    }
    assertThat(given.value(loss)).isLessThan(0.6 * start);
  }

  private static Values less(Values values, Values gradient) {
    double[] numbers = values.doubles();
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] -= 0.2 * gradient.doubles()[i];
    }
    return new Values(numbers, values.shape());
  }

  private static Values written(Values bank, Change change) {
    double[] numbers = bank.doubles();
    for (int row = 0; row < change.rows().size(); row++) {
      System.arraycopy(
          change.value().doubles(),
          row * WIDTH,
          numbers,
          change.rows().get(row).intValue() * WIDTH,
          WIDTH);
    }
    return new Values(numbers, bank.shape());
  }

  @Test
  void preparation_declaresHeadsAndBanks() {
    RecordingSetup setup = RecordingSetup.ofEmbeddings(3, 6);
    Losses.contrastiveRepresentation().prepare(setup);
    assertThat(setup.declared())
        .containsOnly(
            Map.entry("student.weight", "(128, 3)"),
            Map.entry("student.bias", "(128) = 0.0"),
            Map.entry("teacher.weight", "(128, 6)"),
            Map.entry("teacher.bias", "(128) = 0.0"),
            Map.entry("buffer:student.bank", "(100, 128)"),
            Map.entry("buffer:teacher.bank", "(100, 128)"));
    RecordingSetup labelled = RecordingSetup.ofEmbeddings(3, 6);
    loss(1, true).prepare(labelled);
    assertThat(labelled.declared()).containsEntry("buffer:classes", "(100) = -1.0");
  }

  @Test
  void trainingSetOfOneRow_isRefused() {
    RecordingSetup some = RecordingSetup.ofEmbeddings(3, 6);
    RecordingSetup one =
        new RecordingSetup(
            some.student(), some.teacher(), LayerMapping.uniform(), 1, new LinkedHashMap<>());
    assertThatThrownBy(() -> Losses.contrastiveRepresentation().prepare(one))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "training set must have at least 2 rows for contrastiveRepresentation but had 1; a row"
                + " is told from other rows");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0.07, 0.5, 128, negatives must be at least 1 but was 0",
    "1, 0, 0.5, 128, temperature must be finite and greater than 0 but was 0.0",
    "1, NaN, 0.5, 128, temperature must be finite and greater than 0 but was NaN",
    "1, 0.07, 1, 128, momentum must be at least 0 and less than 1 but was 1.0",
    "1, 0.07, -0.1, 128, momentum must be at least 0 and less than 1 but was -0.1",
    "1, 0.07, 0.5, 0, width must be at least 1 but was 0",
  })
  void argumentOutOfRange_isRefused(
      int negatives, double temperature, double momentum, int width, String message) {
    assertThatThrownBy(
            () -> Losses.contrastiveRepresentation(negatives, temperature, momentum, width, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void defaults_areThePapers() {
    assertThat(Losses.contrastiveRepresentation())
        .isEqualTo(Losses.contrastiveRepresentation(16384, 0.07, 0.5, 128, false));
    assertThat(Losses.contrastiveRepresentation().name()).isEqualTo("contrastiveRepresentation");
    assertThat(Losses.contrastiveRepresentation().requiresOfTeacher())
        .isEqualTo(Set.of(SignalKind.EMBEDDING));
  }
}
