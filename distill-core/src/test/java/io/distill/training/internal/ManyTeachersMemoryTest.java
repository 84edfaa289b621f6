package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import io.distill.BornAgain;
import io.distill.Distiller;
import io.distill.MutualLearning;
import io.distill.TeacherAssistants;
import io.distill.data.TextDataset;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Between steps the number of open native arrays is constant, and afterwards it is 0. */
class ManyTeachersMemoryTest {

  private static final FloatRows DATA = FloatRows.random(20, 3, 1);

  private static void assertConstant(List<Integer> counts, int steps) {
    assertThat(counts).hasSize(steps);
    assertThat(counts.subList(2, steps)).containsOnly(counts.get(2));
    assertThat(counts.get(2)).isPositive();
  }

  private static Distiller.Builder recipe(Teacher teacher, Student student, int steps) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
        .batchSize(4)
        .steps(steps);
  }

  private static DeployableModel bag(TextDataset texts, long seed) {
    return Student.bagOfEmbeddings()
        .embeddingSize(4)
        .tokenizer(seed == 1 ? TinyRuns.tokenizer() : TinyRuns.tokenizer().trimmedTo(texts.texts()))
        .build()
        .open(new StudentSetup(texts, Teacher.none(), 2, texts.classNames(), seed, Device.cpu()));
  }

  @Test
  void ensemble_thatIsAskedInEveryStep() throws ReflectiveOperationException {
    TextDataset texts = TinyRuns.texts(20);
    NativeEngine.prepareThread();
    try (DeployableModel one = bag(texts, 1);
        DeployableModel other = bag(texts, 2)) {
      // with a moving average, whose answers cannot be remembered
      EnsembleTeacher ensemble =
          Teacher.ensemble(Teacher.of(one), Teacher.of(other), Teacher.movingAverage(0.9))
              .meanOfLogits()
              .byConfidence(texts);
      Student student =
          Student.encoder()
              .layers(1)
              .hiddenSize(8)
              .heads(2)
              .tokenizer(TinyRuns.tokenizer())
              .build();
      // what is compiled once stays for the life of the process
      recipe(ensemble, student, 2).fit(texts).close();
      List<Integer> counts = new ArrayList<>();
      try (OpenArrays open = new OpenArrays()) {
        recipe(ensemble, student, 40)
            .validation(texts)
            .listener(TinyRuns.onStep(step -> counts.add(open.count())))
            .fit(texts)
            .close();
        assertThat(open.count()).isZero();
      }
      assertConstant(counts, 40);
    }
  }

  @Test
  void movingAverage_ofBlocks() throws ReflectiveOperationException {
    try (Model student = Model.newInstance("blocks", Device.cpu(), NativeEngine.NAME)) {
      student.setBlock(
          new SequentialBlock()
              .add(Linear.builder().setUnits(4).build())
              .add(BatchNorm.builder().build())
              .add(Linear.builder().setUnits(3).build()));
      student.getBlock().initialize(student.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
      List<Integer> counts = new ArrayList<>();
      try (OpenArrays open = new OpenArrays()) {
        recipe(Teacher.movingAverage(0.9), Student.of(student), 40)
            .listener(TinyRuns.onStep(step -> counts.add(open.count())))
            .fit(DATA)
            .close();
        assertThat(open.count()).isZero();
      }
      assertConstant(counts, 40);
    }
  }

  @Test
  void runThatFails_closesItsAverage() throws ReflectiveOperationException {
    try (OpenArrays open = new OpenArrays()) {
      for (int steps = 0; steps < 2; steps++) {
        int last = steps;
        try {
          recipe(Teacher.movingAverage(0.9), TinyRuns.perceptron(), 40)
              .learningRateSchedule(
                  progress -> {
                    if (progress.step() == last) {
                      throw new IllegalStateException("enough");
                    }
                    return 1;
                  })
              .fit(DATA)
              .close();
        } catch (IllegalStateException e) {
          assertThat(e).hasMessage("enough");
        }
        assertThat(open.count()).isZero();
      }
    }
  }

  @Test
  void mutualLearning() throws ReflectiveOperationException {
    List<Integer> counts = new ArrayList<>();
    try (OpenArrays open = new OpenArrays()) {
      MutualLearning.of(
              peer -> recipe(peer, TinyRuns.perceptron(), 40),
              peer -> recipe(peer, TinyRuns.perceptron(), 40),
              peer ->
                  recipe(peer, TinyRuns.perceptron(), 40)
                      .validation(DATA)
                      .listener(TinyRuns.onStep(step -> counts.add(open.count()))))
          .fit(DATA)
          .close();
      assertThat(open.count()).isZero();
    }
    assertConstant(counts, 40);
  }

  @Test
  void chainsAndFamilies_leaveNothing() throws ReflectiveOperationException {
    TeacherAssistants chain =
        TeacherAssistants.from(RuleTeacher.echo())
            .denselyGuided()
            .then(t -> recipe(t, TinyRuns.perceptron(), 3))
            .then(t -> recipe(t, TinyRuns.perceptron(), 3));
    // what is compiled once stays for the life of the process
    chain.fit(DATA).close();
    try (OpenArrays open = new OpenArrays()) {
      chain.fit(DATA).close();
      assertThat(open.count()).isZero();
      BornAgain.from(RuleTeacher.echo())
          .generation(t -> recipe(t, TinyRuns.perceptron(), 3))
          .fit(DATA)
          .close();
      assertThat(open.count()).isZero();
    }
  }
}
