package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.student.Student;
import io.distill.training.TinyRuns;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CachedTeacherTest {

  private static final TextDataset DATA = TinyRuns.texts(60);

  private static DistillationResult trained;

  @TempDir Path directory;

  private static Student encoder(int layers) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(16)
        .heads(2)
        .dropout(0.1)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  @BeforeAll
  static void train() {
    trained =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(encoder(2))
            .loss(TinyRuns.crossEntropy())
            .epochs(1)
            .seed(5)
            .fit(DATA);
  }

  @AfterAll
  static void close() {
    trained.close();
  }

  private Path file() {
    return directory.resolve("teacher.cache");
  }

  private static Map<String, float[]> run(Teacher teacher, DistillationLoss loss) {
    return TinyRuns.train(
        Distiller.builder().teacher(teacher).student(encoder(1)).loss(loss).epochs(3).batchSize(16),
        DATA);
  }

  private static void requireSame(Map<String, float[]> expected, Map<String, float[]> actual) {
    assertThat(actual.keySet()).isEqualTo(expected.keySet());
    expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).isEqualTo(values));
  }

  @Test
  void weights_areThoseOfARunWithoutACache() {
    Map<String, float[]> expected = run(Teacher.of(trained.student()), TinyRuns.logitDistance());
    try (CachedTeacher first = Teacher.cached(file(), Teacher.of(trained.student()))) {
      requireSame(expected, run(first, TinyRuns.logitDistance()));
    }
    try (CachedTeacher second = Teacher.cached(file(), Teacher.of(trained.student()))) {
      requireSame(expected, run(second, TinyRuns.logitDistance()));
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      requireSame(expected, run(alone, TinyRuns.logitDistance()));
    }
  }

  @Test
  void missingRows_withoutATeacher_areRefusedWithCounts() {
    try (CachedTeacher first = Teacher.cached(file(), Teacher.of(trained.student()))) {
      first.label(
          DATA.subset(new int[] {0, 1, 2, 3}),
          java.util.Set.of(io.distill.signal.SignalKind.LOGITS));
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      assertThatThrownBy(() -> run(alone, TinyRuns.logitDistance()))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("lacks {LOGITS=56} of 60 different rows");
    }
  }
}
