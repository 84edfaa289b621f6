package io.distill.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LossContextTest {

  private final NDManager manager = NativeEngine.newManager(Device.cpu());

  @AfterEach
  void closeManager() {
    manager.close();
  }

  private NDArray array(float... values) {
    return manager.create(values);
  }

  private Signals logits(int rows) {
    return Signals.builder().logits(manager.ones(new Shape(rows, 2))).build();
  }

  private Signals tokens() {
    return Signals.builder()
        .hiddenStates(List.of(manager.ones(new Shape(2, 3, 4))))
        .mask(manager.create(new long[] {1, 1, 0, 1, 0, 0}, new Shape(2, 3)))
        .build();
  }

  private LossContext.Builder context(int rows) {
    return LossContext.builder(logits(rows), Signals.none());
  }

  @Test
  void defaults_areTheOnlyStepOfAPlainRun() {
    Signals student = logits(2);
    LossContext context = LossContext.builder(student, Signals.none()).build();
    assertThat(context.student()).isSameAs(student);
    assertThat(context.teacher().kinds()).isEmpty();
    assertThat(context.temperature()).isEqualTo(1);
    assertThat(context.progress()).isEqualTo(new Progress(0, 0, 1, 0));
    assertThat(context.sampleIds()).isEmpty();
    assertThat(context.hasParameter("w")).isFalse();
    assertThat(context.manager()).isSameAs(student.logits().getManager());
  }

  @Test
  void givenParts_areReturned() {
    NDArray weight = array(3);
    Progress progress = new Progress(1, 5, 10, 7);
    LossContext context =
        context(2)
            .sampleIds(List.of("a", "b"))
            .temperature(at -> at.step())
            .progress(progress)
            .parameters(Map.of("w", weight))
            .build();
    assertThat(context.sampleIds()).containsExactly("a", "b");
    assertThat(context.temperature()).isEqualTo(5);
    assertThat(context.progress()).isEqualTo(progress);
    assertThat(context.hasParameter("w")).isTrue();
    assertThat(context.parameter("w")).isSameAs(weight);
    assertThat(context.withState(LossState.none()).hasParameter("w")).isFalse();
    assertThat(context.withState(LossState.none()).sampleIds()).containsExactly("a", "b");
  }

  @Test
  void teacher_hasNoGradient() {
    NDArray teacher = manager.ones(new Shape(1, 2));
    teacher.setRequiresGradient(true);
    LossContext context =
        LossContext.builder(logits(1), Signals.builder().logits(teacher).build()).build();
    assertThat(context.teacher().logits().hasGradient()).isFalse();
    assertThat(context.teacher().logits().toFloatArray()).containsExactly(1, 1);
  }

  @Test
  void parameter_notDeclared_isNamed() {
    LossContext context = context(1).parameters(Map.of("w", array(3))).build();
    assertThatThrownBy(() -> context.parameter("v"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("parameter v must be declared in prepare(LossSetup) but only [w] are");
  }

  @Test
  void temperature_outOfRange_namesTheStep() {
    LossContext context =
        context(1).temperature(at -> -2).progress(new Progress(0, 6, 9, 0)).build();
    assertThatThrownBy(context::temperature)
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "temperature must be finite and greater than 0 but was -2.0 at step 7; correct the"
                + " temperature schedule");
    assertThatThrownBy(() -> context(1).temperature(at -> Double.NaN).build().temperature())
        .isInstanceOf(DistillationException.class);
  }

  @Test
  void labels_absent_tellWhatToDo() {
    LossContext context = context(2).build();
    String message =
        "labels must be present but the data set has none; a loss that reads labels must return"
            + " true from requiresLabels()";
    assertThatThrownBy(context::labels)
        .isInstanceOf(DistillationException.class)
        .hasMessage(message);
    assertThatThrownBy(context::labelled).hasMessage(message);
    assertThatThrownBy(() -> context.meanOverLabelledRows(array(1, 2))).hasMessage(message);
  }

  @Test
  void labelled_marksRowsWithALabel() {
    LossContext context = context(3).labels(manager.create(new long[] {-1, 0, 4})).build();
    assertThat(context.labels().toLongArray()).containsExactly(-1, 0, 4);
    assertThat(context.labelled().getDataType()).isEqualTo(DataType.FLOAT32);
    assertThat(context.labelled().toFloatArray()).containsExactly(0, 1, 1);
  }

  @Test
  void labelled_ofTokens_marksRowsInWhichOneIsPredicted() {
    NDArray labels = manager.create(new long[] {7, -1, -1, -1, -1, 0, 2, 3, 4}, new Shape(3, 3));
    LossContext context = context(3).labels(labels).build();
    assertThat(context.labelled().toFloatArray()).containsExactly(0, 1, 1);
  }

  @Test
  void meanOverRows_dividesByRows() {
    NDArray mean = context(4).build().meanOverRows(array(1, 2, 3, 6));
    assertThat(mean.getDataType()).isEqualTo(DataType.FLOAT32);
    assertThat(mean.getShape().dimension()).isZero();
    assertThat(mean.getFloat()).isEqualTo(3);
  }

  @Test
  void meanOverLabelledRows_leavesOthersOut() {
    LossContext context = context(3).labels(manager.create(new long[] {1, -1, 0})).build();
    assertThat(context.meanOverLabelledRows(array(1, 99, 5)).getFloat()).isEqualTo(3);
    LossContext none = context(2).labels(manager.create(new long[] {-1, -1})).build();
    assertThat(none.meanOverLabelledRows(array(1, 99)).getFloat()).isZero();
  }

  @Test
  void meanOverTokens_leavesPaddingOut() {
    LossContext context = LossContext.builder(tokens(), Signals.none()).build();
    NDArray perToken = array(1, 2, 99, 6, 99, 99).reshape(2, 3);
    assertThat(context.meanOverTokens(perToken).getFloat()).isEqualTo(3);
  }

  @Test
  void meanOverTokens_thatNobodyCounted_countsTheBatch() {
    for (LossContext.StepCounts step :
        List.of(
            // a whole step of arrays without a mask, and a part of one
            new LossContext.StepCounts(2, 0, 2, 0), new LossContext.StepCounts(8, 0, 8, 0))) {
      LossContext context = LossContext.builder(tokens(), Signals.none()).step(step).build();
      NDArray perToken = array(1, 2, 99, 6, 99, 99).reshape(2, 3);
      assertThat(context.meanOverTokens(perToken).getFloat()).isEqualTo(3);
    }
  }

  @Test
  void partsOfAStep_weightedByRows_addUpToItsMeans() {
    // 3 rows, 2 of them labelled, and 5 tokens in the step; this batch has 2 rows, 1 label, 3
    // tokens
    LossContext.StepCounts step = new LossContext.StepCounts(3, 2, 5, 0);
    LossContext rows = context(2).labels(manager.create(new long[] {-1, 1})).step(step).build();
    LossContext tokens = LossContext.builder(tokens(), Signals.none()).step(step).build();
    float share = 2f / 3;
    assertThat(share * rows.meanOverRows(array(1, 2)).getFloat())
        .isCloseTo((1 + 2) / 3f, within(1e-6f));
    assertThat(share * rows.meanOverLabelledRows(array(99, 7)).getFloat())
        .isCloseTo(7 / 2f, within(1e-6f));
    NDArray perToken = array(1, 2, 99, 6, 99, 99).reshape(2, 3);
    assertThat(share * tokens.meanOverTokens(perToken).getFloat())
        .isCloseTo((1 + 2 + 6) / 5f, within(1e-6f));
  }

  @Test
  void shares_makeSumsTheMeans_andAreMadeOnceForABatch() {
    LossContext.StepCounts step = new LossContext.StepCounts(3, 2, 5, 0);
    LossContext rows = context(2).labels(manager.create(new long[] {-1, 1})).step(step).build();
    LossContext tokens = LossContext.builder(tokens(), Signals.none()).step(step).build();
    assertThat(rows.rowShare().getFloat()).isEqualTo(1 / 2f);
    assertThat(rows.labelledRowShare().getFloat()).isEqualTo(3 / 2f / 2);
    assertThat(tokens.tokenShare().getFloat()).isEqualTo((float) (3 / 2.0 / 5));
    assertThat(rows.rowShare().getShape().dimension()).isZero();
    LossContext scoped = rows.scoped(TemperatureSchedule.constant(7), null);
    assertThat(scoped.rowShare()).isSameAs(rows.rowShare());
    assertThat(scoped.labelledRowShare()).isSameAs(rows.labelledRowShare());
    assertThat(scoped.labelled()).isSameAs(rows.labelled());
    Signals unmasked = Signals.builder().logits(manager.ones(new Shape(2, 3))).build();
    LossContext without = LossContext.builder(unmasked, Signals.none()).build();
    assertThatThrownBy(without::tokenShare).isInstanceOf(DistillationException.class);
  }

  @Test
  void shares_ofOtherTokens_areTheirOwn() {
    LossContext all = LossContext.builder(tokens(), Signals.none()).build();
    Signals fewer =
        tokens().toBuilder()
            .mask(manager.create(new long[] {1, 0, 0, 0, 0, 0}, new Shape(2, 3)))
            .build();
    assertThat(all.tokenShare().getFloat()).isEqualTo(1 / 3f);
    assertThat(all.withSignals(fewer, Signals.none()).tokenShare().getFloat()).isEqualTo(1);
  }

  @Test
  void stepWithoutLabelsOrTokens_isZero() {
    LossContext.StepCounts step = new LossContext.StepCounts(2, 0, 0, 0);
    LossContext rows = context(2).labels(manager.create(new long[] {-1, -1})).step(step).build();
    assertThat(rows.meanOverLabelledRows(array(1, 2)).getFloat()).isZero();
  }

  @Test
  void means_ofOtherShapes_nameBoth() {
    LossContext rows = context(2).labels(manager.create(new long[] {1, 1})).build();
    String message = "perRow must have shape (2) but had (2, 2); reduce the other dimensions first";
    NDArray square = manager.ones(new Shape(2, 2));
    assertThatThrownBy(() -> rows.meanOverRows(square))
        .isInstanceOf(DistillationException.class)
        .hasMessage(message);
    assertThatThrownBy(() -> rows.meanOverLabelledRows(square)).hasMessage(message);
    LossContext tokens = LossContext.builder(tokens(), Signals.none()).build();
    assertThatThrownBy(() -> tokens.meanOverTokens(square))
        .hasMessage(
            "perToken must have shape (2, 3) but had (2, 2); reduce the other dimensions first");
    assertThatThrownBy(() -> rows.meanOverTokens(square))
        .hasMessage(
            "student must give a token mask to average over tokens but gave none; use"
                + " meanOverRows");
  }

  @Test
  void rows_areKnownFromAnyKindOfSignal() {
    NDArray perRow = array(1, 3);
    for (SignalKind kind : SignalKind.values()) {
      NDArray two = manager.ones(new Shape(2, 4));
      Signals.Builder student = Signals.builder();
      switch (kind) {
        case LOGITS -> student.logits(two);
        case EMBEDDING -> student.embedding(two);
        case LOGIT_FACTORS -> student.logitFactors(new LogitFactors(two, two));
        default -> student.layers(kind, List.of(two));
      }
      LossContext context = LossContext.builder(student.build(), Signals.none()).build();
      assertThat(context.meanOverRows(perRow).getFloat()).as(kind.name()).isEqualTo(2);
    }
  }

  @Test
  void tokens_areTheOnesThatFollowAndCount() {
    NDArray logits = manager.arange(24f).reshape(2, 3, 4);
    NDArray labels = manager.create(new long[] {9, 7, -1, 9, 5, 6}, new Shape(2, 3));
    Signals signals = Signals.builder().logits(logits).build();
    LossContext tokens = LossContext.builder(signals, signals).labels(labels).build().tokens();
    assertThat(tokens.labels().toLongArray()).containsExactly(7, 5, 6);
    assertThat(tokens.student().logits())
        .isEqualTo(logits.reshape(6, 4).get(manager.create(new long[] {0, 3, 4})));
    assertThat(tokens.teacher().logits()).isEqualTo(tokens.student().logits());
    assertThat(tokens.meanOverRows(array(1, 2, 6)).getFloat()).isEqualTo(3);
    assertThat(tokens.meanOverLabelledRows(array(1, 2, 6)).getFloat()).isEqualTo(3);
  }

  @Test
  void tokens_leaveTheNamesOfTheModelsArrays() {
    NDArray logits = manager.ones(new Shape(1, 3, 4));
    logits.setName("logits");
    Signals signals = Signals.builder().logits(logits).build();
    NDArray labels = manager.create(new long[] {0, 1, 2}, new Shape(1, 3));
    LossContext context = LossContext.builder(signals, signals).labels(labels).build();
    assertThat(context.tokens().student().logits().getName()).isNull();
    assertThat(logits.getName()).isEqualTo("logits");
    assertThat(context.teacher().logits().getName()).isNull();
  }

  @Test
  void tokens_withoutLabels_areThoseOfTheMask() {
    NDArray states = manager.arange(24f).reshape(2, 3, 4);
    NDArray mask = manager.create(new long[] {1, 1, 0, 1, 1, 1}, new Shape(2, 3));
    NDArray weight = manager.ones(new Shape(5, 4));
    Signals signals =
        Signals.builder().logitFactors(new LogitFactors(states, weight)).mask(mask).build();
    LossContext tokens = LossContext.builder(signals, Signals.none()).build().tokens();
    assertThat(tokens.student().logitFactors().states())
        .isEqualTo(states.reshape(6, 4).get(manager.create(new long[] {0, 3, 4})));
    assertThat(tokens.student().logitFactors().weight().getShape()).isEqualTo(new Shape(5, 4));
    assertThat(tokens.hasLabels()).isFalse();
  }

  @Test
  void tokensOfAStepWhoseTokensNobodyCounted_areThoseOfTheBatch() {
    NDArray logits = manager.ones(new Shape(2, 3, 4));
    NDArray labels = manager.create(new long[] {0, 1, -1, 0, 1, 1}, new Shape(2, 3));
    Signals signals = Signals.builder().logits(logits).build();
    for (LossContext.StepCounts step :
        List.of(
            // a whole step of arrays, whose lengths are unknown, and a part of one
            new LossContext.StepCounts(2, 0, 2, 0), new LossContext.StepCounts(8, 0, 8, 0))) {
      LossContext tokens =
          LossContext.builder(signals, signals).labels(labels).step(step).build().tokens();
      assertThat(tokens.meanOverRows(array(1, 2, 6)).getFloat()).isEqualTo(3);
    }
    // a whole step in which labels leave tokens out
    LossContext tokens =
        LossContext.builder(signals, signals)
            .labels(labels)
            .step(new LossContext.StepCounts(2, 0, 6, 4))
            .build()
            .tokens();
    assertThat(tokens.meanOverRows(array(1, 2, 6)).getFloat()).isEqualTo(3);
  }

  @Test
  void tokensOfAPartOfAStep_addUpToTheMeanOverTheStep() {
    NDArray logits = manager.ones(new Shape(2, 3, 4));
    NDArray labels = manager.create(new long[] {0, 1, -1, 0, 1, 1}, new Shape(2, 3));
    Signals signals = Signals.builder().logits(logits).build();
    LossContext tokens =
        LossContext.builder(signals, signals)
            .labels(labels)
            .step(new LossContext.StepCounts(8, 0, 0, 10))
            .build()
            .tokens();
    // the loop weights this batch by 2 of 8 rows
    assertThat(tokens.meanOverRows(array(10, 20, 30)).getFloat() * 2 / 8).isEqualTo(6);
    assertThat(tokens.meanOverLabelledRows(array(10, 20, 30)).getFloat() * 2 / 8).isEqualTo(6);
  }

  @Test
  void tokensOfWhichNoneCounts_areNoRows() {
    Signals signals = Signals.builder().logits(manager.ones(new Shape(1, 2, 4))).build();
    LossContext tokens =
        LossContext.builder(signals, signals)
            .labels(manager.create(new long[] {3, -1}, new Shape(1, 2)))
            .build()
            .tokens();
    assertThat(tokens.student().logits().getShape()).isEqualTo(new Shape(0, 4));
    assertThat(tokens.meanOverRows(tokens.student().logits().sum(new int[] {1})).getFloat())
        .isZero();
  }

  @Test
  void tokens_ofWrongShapes_areRefused() {
    Signals rows = logits(2);
    assertThatThrownBy(() -> LossContext.builder(rows, rows).build().tokens())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "student logits must have shape (rows, tokens, vocabulary) but had (2, ");
    Signals student = Signals.builder().logits(manager.ones(new Shape(1, 2, 4))).build();
    Signals teacher = Signals.builder().logits(manager.ones(new Shape(1, 3, 4))).build();
    LossContext.Builder builder = LossContext.builder(student, teacher);
    assertThatThrownBy(() -> builder.build().tokens())
        .hasMessage(
            "labels or the student's token mask must say which tokens count but there is neither;"
                + " give token labels, or a model with a mask");
    builder.labels(manager.create(new long[] {1, 1}));
    assertThatThrownBy(() -> builder.build().tokens())
        .hasMessage(
            "labels must have shape (1, 2), one a token, but had (2); give one label a token,"
                + " negative where there is none");
    builder.labels(manager.create(new long[] {1, 1}, new Shape(1, 2)));
    assertThatThrownBy(() -> builder.build().tokens())
        .hasMessage(
            "teacher and student logits must have the same rows and tokens but were (1, 3, 4)"
                + " (teacher) and (1, 2, 4) (student); give both models the same tokenizer, or use"
                + " a loss across tokenizers");
  }

  @Test
  void temperatures_areTheScheduleOrOneARow() {
    LossContext context = context(2).temperature(at -> 3).build();
    assertThat(context.temperatures().getShape()).isEqualTo(new Shape());
    assertThat(context.temperatures().getFloat()).isEqualTo(3);
    NDArray one = manager.create(new float[] {1, 2}, new Shape(2, 1));
    AtomicInteger asked = new AtomicInteger();
    LossContext byRow =
        context(2)
            .temperature(
                new RowRule(
                    batch -> {
                      asked.incrementAndGet();
                      return one;
                    }),
                LossState.none())
            .build();
    assertThat(byRow.meanOverRows(array(1, 3)).getFloat()).isEqualTo(2);
    assertThat(asked).as("nobody has read it").hasValue(0);
    assertThat(byRow.withState(LossState.none()).temperatures()).isSameAs(one);
    assertThat(byRow.temperatures()).isSameAs(one);
    assertThat(asked).as("shared by all terms of the batch").hasValue(1);
    assertThat(byRow.temperatures().toFloatArray()).containsExactly(1, 2);
    assertThatThrownBy(byRow::temperature)
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "temperature must be one number for this loss but differs row by row or is learned;"
                + " read temperatures() in the loss, or give it a temperature schedule");
    assertThat(byRow.scoped(at -> 5, null).temperature()).isEqualTo(5);
    LossContext wrong =
        context(2).temperature(new RowRule(batch -> array(1, 2)), LossState.none()).build();
    assertThatThrownBy(wrong::temperatures)
        .hasMessage(
            "temperatures must have shape () or (2, 1) but had (2); give one temperature for all"
                + " rows or one a row");
  }

  @Test
  void temperatureRule_looksAtEachTokenAsAtARow() {
    NDArray labels = manager.create(new long[] {0, 1, -1, 0, 5, 6}, new Shape(2, 3));
    Signals signals = Signals.builder().logits(manager.ones(new Shape(2, 3, 4))).build();
    RowTemperature byLabel =
        new RowRule(batch -> batch.labels().toType(DataType.FLOAT32, true).reshape(-1, 1));
    LossContext tokens =
        LossContext.builder(signals, signals)
            .labels(labels)
            .temperature(byLabel, LossState.none())
            .build()
            .tokens();
    assertThat(tokens.temperatures().getShape()).isEqualTo(new Shape(3, 1));
    assertThat(tokens.temperatures().toFloatArray()).containsExactly(1, 5, 6);
    RowTemperature one = new RowRule(batch -> manager.create(3f));
    assertThat(
            LossContext.builder(signals, signals)
                .labels(labels)
                .temperature(one, LossState.none())
                .build()
                .tokens()
                .temperatures()
                .getFloat())
        .isEqualTo(3);
  }

  @Test
  void buffers_areReadNowAndChangedLater() {
    NDArray bank = manager.zeros(new Shape(3, 2));
    LossState state = new LossState(Map.of(), Map.of("0.bank", bank));
    LossContext context =
        context(2).state(state).rowIndices(manager.create(new long[] {2, 0})).build().nested("0.");
    assertThat(context.buffer("bank")).isSameAs(bank);
    context.updateRows("bank", context.rowIndices(), manager.ones(new Shape(2, 2)));
    context.update("bank", manager.ones(new Shape(3, 2)));
    assertThat(bank.sum().getFloat()).isZero();
    assertThat(state.updates()).extracting(LossState.Update::buffer).containsOnly("0.bank");
    assertThat(state.updates().get(0).rows().toLongArray()).containsExactly(2, 0);
    assertThat(state.updates().get(1).rows()).isNull();
    assertThatThrownBy(() -> context.update("bank", manager.ones(new Shape(2, 2))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("update of buffer bank must have shape (3, 2) but had (2, 2)");
    assertThatThrownBy(() -> context.buffer("other"))
        .hasMessage("buffer other must be declared in prepare(LossSetup) but only [bank] are");
    assertThatThrownBy(() -> context(1).build().rowIndices())
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "row indices must be known but this context has none; give them to its builder");
  }

  @Test
  void build_withoutStudentSignals_isRefused() {
    assertThatThrownBy(() -> LossContext.builder(Signals.none(), Signals.none()).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("student must give at least one kind of signal");
  }

  @Test
  void layerPairs_areThoseOfTheMapping() {
    Signals student = layers(2);
    Signals teacher = layers(4);
    assertThat(LossContext.builder(student, teacher).build().layerPairs())
        .containsExactly(new LayerPair(0, 1), new LayerPair(1, 3));
    assertThat(
            LossContext.builder(student, teacher)
                .layerMapping(LayerMapping.last())
                .build()
                .layerPairs())
        .containsExactly(new LayerPair(1, 3));
    LossContext wrong =
        LossContext.builder(student, teacher)
            .layerMapping(LayerMapping.of(new LayerPair(2, 0)))
            .build();
    assertThatThrownBy(wrong::layerPairs)
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must pair student layers 0 to 1 with teacher layers 0 to 3 but was"
                + " [2 <- 0]; count layers from 0");
  }

  @Test
  void layerPairs_ofAttentionScoresAlone_countTheirLayers() {
    LossContext context =
        LossContext.builder(attention(1), attention(3)).layerMapping(LayerMapping.last()).build();
    assertThat(context.layerPairs()).containsExactly(new LayerPair(0, 2));
  }

  private Signals attention(int count) {
    return Signals.builder()
        .attentionScores(
            IntStream.range(0, count).mapToObj(i -> manager.ones(new Shape(1, 2, 3, 3))).toList())
        .build();
  }

  private Signals layers(int count) {
    return Signals.builder()
        .hiddenStates(
            IntStream.range(0, count).mapToObj(i -> manager.ones(new Shape(1, 2))).toList())
        .build();
  }

  @Test
  void nullParts_areNamed() {
    LossContext.Builder builder = context(1);
    assertNamed("student", () -> LossContext.builder(null, Signals.none()));
    assertNamed("teacher", () -> LossContext.builder(Signals.none(), null));
    assertNamed("labels", () -> builder.labels(null));
    assertNamed("sampleIds", () -> builder.sampleIds(null));
    assertNamed("temperature", () -> builder.temperature((TemperatureSchedule) null));
    assertNamed("layerMapping", () -> builder.layerMapping(null));
    assertNamed("progress", () -> builder.progress(null));
    assertNamed("parameters", () -> builder.parameters(null));
    assertNamed("step", () -> builder.step(null));
  }

  private static void assertNamed(String name, ThrowingCallable call) {
    assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
  }
}
