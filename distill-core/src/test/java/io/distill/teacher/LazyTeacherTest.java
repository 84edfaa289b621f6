package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.Pooling;
import io.distill.model.Precision;
import io.distill.model.SavedModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LazyTeacherTest {

  private static final List<String> CLASSES = List.of("even", "odd");

  private Path saved;

  @BeforeEach
  void save(@TempDir Path directory) {
    saved = directory.resolve("model");
    TransformerEncoder shape =
        new TransformerEncoder(
            TinyRuns.tokenizer().vocabularySize(),
            32,
            1,
            16,
            3,
            2,
            32,
            Activation.GELU,
            1e-12,
            0.1,
            Pooling.MEAN,
            false,
            2);
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(3), Device.cpu(), false),
            TinyRuns.tokenizer().withMaxLength(32),
            CLASSES)) {
      model.save(saved);
    }
  }

  @Test
  void whatIsSmall_isKnownWithoutTheModel() throws IOException {
    long bytes = Files.size(saved.resolve("model.pt"));
    try (ModelTeacher lazy = Teacher.lazy(saved);
        ModelTeacher eager = Teacher.load(saved)) {
      assertThat(lazy.classNames()).isEqualTo(CLASSES);
      assertThat(lazy.tokenizer().orElseThrow().fingerprint())
          .isEqualTo(eager.tokenizer().orElseThrow().fingerprint());
      assertThat(lazy.provides()).isEqualTo(eager.provides());
      assertThat(lazy.configuration()).isEqualTo(eager.configuration()).isPresent();
      assertThat(lazy.device()).isEqualTo(eager.device());
      assertThat(lazy.footprint()).isEqualTo(Footprint.pending(bytes));
      assertThat(eager.footprint()).isEqualTo(Footprint.loaded(4 * eager.model().parameterCount()));
      // the file is the weights and a little around them
      assertThat(bytes).isBetween(eager.footprint().bytes(), eager.footprint().bytes() + 60_000);
    }
  }

  @Test
  void answers_areThoseOfALoadedOne_fromTheFirstOn() {
    try (ModelTeacher lazy = Teacher.lazy(saved);
        ModelTeacher eager = Teacher.load(saved)) {
      assertThat(lazy.model().logits(TinyRuns.texts(6)))
          .isDeepEqualTo(eager.model().logits(TinyRuns.texts(6)));
      assertThat(lazy.model()).isSameAs(lazy.model());
      assertThat(lazy.footprint()).isEqualTo(eager.footprint());
      assertThat(lazy.fingerprint()).isEqualTo(eager.fingerprint());
      assertThat(lazy.tokenizer().orElseThrow()).isSameAs(lazy.model().tokenizer().orElseThrow());
    }
  }

  @Test
  void student_ofTheLayersOfALazyTeacher_isMade() {
    try (ModelTeacher lazy = Teacher.lazy(saved);
        DistillationResult result =
            Distiller.builder()
                .teacher(lazy)
                .student(Student.encoder().teacherLayers(0, 2).build())
                .loss(TinyRuns.logitDistance())
                .steps(2)
                .fit(TinyRuns.texts(8))) {
      assertThat(lazy.footprint().pendingBytes()).isZero();
      assertThat(result.student().classNames()).isEqualTo(CLASSES);
    }
  }

  @Test
  void close_beforeTheFirstQuestion_leavesTheModelUnloaded() {
    ModelTeacher lazy = Teacher.lazy(saved);
    lazy.close();
    assertThatThrownBy(lazy::model)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("teacher must be open to load its model but was closed");
    assertThat(lazy.footprint().loadedBytes()).isZero();
  }

  @Test
  void damagedModelFile_isNoticedWhenItIsNeeded() throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(saved.resolve("model.pt").toFile(), "rw")) {
      file.setLength(40L << 30);
    }
    try (ModelTeacher lazy = Teacher.lazy(saved)) {
      assertThat(lazy.footprint().bytes()).isEqualTo(40L << 30);
      assertThatExceptionOfType(DistillationException.class)
          .isThrownBy(lazy::provides)
          .withMessageContaining("must be an undamaged archive");
    }
  }

  @Test
  void missingParts_areRefusedAtOnce(@TempDir Path empty) throws IOException {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> Teacher.lazy(empty))
        .withMessageContaining("configuration file must exist but");
    Files.delete(saved.resolve("model.pt"));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> SavedModel.of(saved))
        .withMessage(
            "model directory must have a file model.pt but %s has none; give a directory that"
                + " DeployableModel.save wrote",
            saved);
  }

  @Test
  void footprints_addUp_andOnlyTheLargestCopyCounts() {
    Footprint sum = Footprint.loaded(5).plus(Footprint.pending(7)).plus(Footprint.pending(3));
    assertThat(sum).isEqualTo(new Footprint(5, 10, 7));
    assertThat(sum.bytes()).isEqualTo(15);
    assertThat(sum.plus(Footprint.none())).isEqualTo(sum);
    assertThat(Footprint.pending(Long.MAX_VALUE).plus(sum).bytes()).isEqualTo(Long.MAX_VALUE);
    assertThatThrownBy(() -> Footprint.loaded(-1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void otherPrecision_givesRoundedAnswersOfTheSameModel() {
    try (ModelTeacher exact = Teacher.load(saved);
        ModelTeacher mixed = exact.withPrecision(Precision.BFLOAT16);
        ModelTeacher same = mixed.withPrecision(Precision.FLOAT32)) {
      float[][] expected = exact.model().logits(TinyRuns.texts(6));
      float[][] given = mixed.model().logits(TinyRuns.texts(6));
      for (int row = 0; row < expected.length; row++) {
        assertThat(given[row])
            .isNotEqualTo(expected[row])
            .usingComparatorWithPrecision(0.02f)
            .containsExactly(expected[row]);
      }
      assertThat(mixed.fingerprint()).isNotEqualTo(exact.fingerprint());
      assertThat(mixed.classNames()).isEqualTo(CLASSES);
      assertThat(mixed.provides()).contains(SignalKind.LOGITS);
      assertThat(same.model().logits(TinyRuns.texts(6))).isDeepEqualTo(expected);
    }
  }
}
