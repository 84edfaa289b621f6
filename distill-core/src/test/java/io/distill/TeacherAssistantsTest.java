package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TeacherAssistantsTest {

  private static final FloatRows DATA = FloatRows.random(40, 3, 1);

  private static Distiller.Builder recipe(Teacher teacher, int width) {
    return Distiller.builder()
        .teacher(teacher)
        .student(Student.multilayerPerceptron().hiddenSizes(width).build())
        .loss(TinyRuns.divergence())
        .batchSize(8)
        .epochs(2);
  }

  @Test
  void stages_teachOneAnother() {
    RuleTeacher teacher = RuleTeacher.echo();
    List<Teacher> seen = new ArrayList<>();
    TeacherAssistants chain =
        TeacherAssistants.from(teacher)
            .then(t -> recipe(see(seen, t), 8))
            .then(t -> recipe(see(seen, t), 6))
            .then(t -> recipe(see(seen, t), 4));
    DistillationResults results = chain.fit(DATA);
    assertThat(seen).hasSize(3);
    assertThat(seen.get(0)).isSameAs(teacher);
    for (int stage = 1; stage < 3; stage++) {
      assertThat(((ModelTeacher) seen.get(stage)).model())
          .isSameAs(results.students().get(stage - 1));
    }
    assertThat(results.all()).hasSize(3);
    assertThat(results.last()).isSameAs(results.all().get(2));
    assertThat(results.student()).isSameAs(results.students().get(2));
    assertThat(results.students())
        .extracting(DeployableModel::parameterCount)
        .containsExactly(3L * 8 + 8 + 8 * 3 + 3, 3L * 6 + 6 + 6 * 3 + 3, 3L * 4 + 4 + 4 * 3 + 3);
    assertThat(results.ensemble().predict(DATA)).hasSize(40);
    results.close();
    assertThat(results.students()).allMatch(TeacherAssistantsTest::closed);
    // a chain holds nothing of a run
    seen.clear();
    chain.fit(DATA).close();
    assertThat(seen).hasSize(3);
  }

  private static Teacher see(List<Teacher> seen, Teacher teacher) {
    seen.add(teacher);
    return teacher;
  }

  private static boolean closed(DeployableModel model) {
    return model.model().parameters().values().stream().allMatch(array -> array.isReleased());
  }

  @Test
  void denselyGuidedStages_learnFromAllBefore() {
    RuleTeacher teacher = RuleTeacher.echo();
    List<Teacher> seen = new ArrayList<>();
    try (DistillationResults results =
        TeacherAssistants.from(teacher)
            .denselyGuided()
            .then(t -> recipe(see(seen, t), 8))
            .then(t -> recipe(see(seen, t), 6))
            .then(t -> recipe(see(seen, t), 4))
            .fit(DATA)) {
      assertThat(seen.get(0)).isSameAs(teacher);
      EnsembleTeacher last = (EnsembleTeacher) seen.get(2);
      assertThat(last.members()).hasSize(3);
      assertThat(last.members().get(0)).isSameAs(teacher);
      assertThat(last.provides()).isEqualTo(results.students().get(1).model().provides());
    }
  }

  @Test
  void stageThatFails_closesTheStudentsBefore() {
    List<TinyRuns.Watched> students = new ArrayList<>();
    TeacherAssistants chain =
        TeacherAssistants.from(RuleTeacher.echo())
            .then(t -> watched(students, t))
            .then(t -> watched(students, t))
            .then(
                t -> {
                  throw new IllegalStateException("no third stage");
                });
    assertThatThrownBy(() -> chain.fit(DATA))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("no third stage");
    assertThat(students).hasSize(2).allMatch(TinyRuns.Watched::closed);
  }

  private static Distiller.Builder watched(List<TinyRuns.Watched> students, Teacher teacher) {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    students.add(student);
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(TinyRuns.divergence())
        .epochs(1);
  }

  @Test
  void interrupt_endsTheChainWithItsStage() {
    Thread trainer = Thread.currentThread();
    try (DistillationResults results =
        TeacherAssistants.from(RuleTeacher.echo())
            .then(t -> recipe(t, 8))
            .then(t -> recipe(t, 6).listener(TinyRuns.onStep(step -> trainer.interrupt())))
            .then(t -> recipe(t, 4))
            .fit(DATA)) {
      assertThat(Thread.interrupted()).isTrue();
      assertThat(results.all()).hasSize(2);
      assertThat(results.last().steps()).isEqualTo(1);
    }
  }

  @Test
  void chainOfOneStage_isAPlainRun() {
    try (DistillationResults results =
        TeacherAssistants.from(RuleTeacher.echo()).then(t -> recipe(t, 8)).fit(DATA)) {
      assertThat(results.all()).hasSize(1);
      assertThatThrownBy(results::ensemble)
          .isInstanceOf(DistillationException.class)
          .hasMessage("ensemble must have at least two students but there is one; call student()");
    }
    assertThatThrownBy(() -> TeacherAssistants.from(RuleTeacher.echo()).fit(DATA))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("chain must have at least one stage but has none; call then(...)");
    assertThatThrownBy(() -> TeacherAssistants.from(null)).isInstanceOf(NullPointerException.class);
    assertThatThrownBy(() -> TeacherAssistants.from(Teacher.none()).then(null))
        .isInstanceOf(NullPointerException.class);
  }
}
