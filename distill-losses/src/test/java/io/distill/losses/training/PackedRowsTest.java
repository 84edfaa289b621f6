package io.distill.losses.training;

import static io.distill.losses.training.DecoderTask.STUDENT;
import static io.distill.losses.training.DecoderTask.lastLoss;
import static io.distill.losses.training.DecoderTask.recipe;
import static io.distill.losses.training.DecoderTask.teacher;
import static io.distill.losses.training.DecoderTask.texts;
import static io.distill.losses.training.DecoderTask.weights;
import static io.distill.losses.training.DecoderTask.worst;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.losses.Losses;
import io.distill.losses.training.DecoderTask.Rows;
import io.distill.mapping.LayerMapping;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Several texts in a row teach layers and attention as each text alone does; what sees a row as a
 * whole refuses them.
 */
class PackedRowsTest {

  /** A thousandth of a percent. */
  private static final double RELATIVE = 1e-3;

  private static Stream<Named<DistillationLoss>> onPositions() {
    return named(
        Losses.hiddenStateMse(),
        Losses.hiddenStateCosine(),
        Losses.hint(),
        Losses.variationalInformation(),
        Losses.activationBoundary(),
        Losses.overhaul(),
        Losses.attentionScoreMse(),
        Losses.miniLm(),
        Losses.miniLmV2(2),
        Losses.miniLmV2(4).onLayers(LayerMapping.uniform()));
  }

  private static Stream<Named<DistillationLoss>> onRows() {
    return named(
        Losses.attentionTransfer(),
        Losses.neuronSelectivity(),
        Losses.fsp(),
        Losses.patientKd(),
        Losses.factorTransfer(),
        Losses.maskedGeneration(),
        Losses.hierarchicalContext(),
        Losses.reviewKd(),
        Losses.onFlattenedHiddenStates(Losses.similarityPreserving()),
        Losses.onPooledHiddenStates(Losses.relationalDistance()));
  }

  private static Stream<Named<DistillationLoss>> named(DistillationLoss... losses) {
    return Stream.of(losses).map(loss -> Named.of(loss.name(), loss));
  }

  private static DistillationResult step(Teacher teacher, DistillationLoss loss, Rows rows) {
    return oneStep(teacher, loss).batchSize(rows.size()).fit(rows);
  }

  private static Distiller.Builder oneStep(Teacher teacher, DistillationLoss loss) {
    return recipe(teacher, loss).optimizer(Optimizer.sgd(0.1)).epochs(1);
  }

  private static void requireSame(DistillationResult packed, DistillationResult alone) {
    assertThat(lastLoss(packed)).isCloseTo(lastLoss(alone), withinPercentage(RELATIVE));
    assertThat(worst(weights(packed), weights(alone))).isLessThan(1e-5);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("onPositions")
  void packedTexts_giveTheLossAndTheStepOfTextsAlone(DistillationLoss loss) {
    Rows texts = texts(7, 9);
    try (Teacher teacher = teacher();
        DistillationResult alone = step(teacher, loss, texts);
        DistillationResult inOneRow = step(teacher, loss, texts.packed());
        DistillationResult inThree = step(teacher, loss, texts.packed(3))) {
      requireSame(inOneRow, alone);
      requireSame(inThree, alone);
    }
  }

  @Test
  void accumulatedAndRecomputedSteps_areThoseOfTextsAlone() {
    Rows texts = texts(8, 9);
    DistillationLoss loss = Losses.attentionScoreMse().plus(Losses.miniLm());
    try (Teacher teacher = teacher();
        DistillationResult alone = step(teacher, loss, texts);
        DistillationResult packed =
            oneStep(teacher, loss)
                .batchSize(1)
                .gradientAccumulation(3)
                .activationCheckpointing(true)
                .fit(texts.packed(3))) {
      requireSame(packed, alone);
    }
  }

  @Test
  void cachedTeacher_givesTheStepOfALiveOne(@TempDir Path directory) {
    Rows packed = texts(7, 9).packed(3);
    Path file = directory.resolve("teacher.cache");
    DistillationLoss loss =
        Losses.tokenLevel(Losses.softTargets())
            .plus(Losses.hiddenStateMse())
            .plus(Losses.attentionScoreMse())
            .plus(Losses.miniLm());
    try (Teacher teacher = teacher();
        DistillationResult live = step(teacher, loss, packed)) {
      try (CachedTeacher cached = Teacher.cached(file, teacher);
          DistillationResult first = step(cached, loss, packed)) {
        requireSame(first, live);
      }
      try (CachedTeacher alone = Teacher.cached(file);
          DistillationResult again = step(alone, loss, packed)) {
        requireSame(again, live);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("onRows")
  void lossesThatSeeARowAsAWhole_refuseSeveralTexts(DistillationLoss loss) {
    Rows texts = texts(6, 9);
    // as wide as the student, for fsp
    try (Teacher teacher = teacher(STUDENT.toBuilder().layers(3).build());
        DistillationResult alone = step(teacher, loss, texts)) {
      assertThat(lastLoss(alone)).isFinite();
      assertThatThrownBy(() -> step(teacher, loss, texts.packed(2)).close())
          .isInstanceOf(DistillationException.class)
          .hasStackTraceContaining(
              "rows must hold one text each for "
                  + loss.name()
                  + ", which compares the tokens of a row with each other, but one holds 3; make the"
                  + " data set without packed(true), or use a loss on single tokens such as"
                  + " hiddenStateMse()");
    }
  }
}
