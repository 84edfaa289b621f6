package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.data.Batch;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalModel;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import io.distill.training.FloatRows;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RunningAverageTest {

  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);
  private static final FloatRows ROWS = FloatRows.random(4, 3, 5);
  private static final MultilayerPerceptron SHAPE =
      new MultilayerPerceptron(3, List.of(4), Activation.TANH, 0.5, 3);

  private DeployableModel student;

  @BeforeEach
  void open() {
    NativeEngine.prepareThread();
    student = model(SHAPE.initialWeights(1), true);
  }

  @AfterEach
  void close() {
    student.close();
  }

  private static DeployableModel model(Map<String, HostTensor> weights, boolean trainable) {
    return new DeployableModel(
        ScriptedModel.open(SHAPE, weights, Device.cpu(), trainable), null, List.of("a", "b", "c"));
  }

  /** Moves all weights of the student, as an optimizer step would. */
  private void move(float by) {
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      student.model().parameters().values().forEach(array -> array.addi(by));
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  private Map<String, float[]> weights() {
    return values(student.model().parameters());
  }

  private static Map<String, float[]> values(Map<String, NDArray> arrays) {
    Map<String, float[]> values = new LinkedHashMap<>();
    arrays.forEach((name, array) -> values.put(name, array.toFloatArray()));
    return values;
  }

  private static Teacher started(MovingAverageTeacher description, DeployableModel student) {
    Teacher teacher = description.forRun();
    teacher.follower().orElseThrow().start(student);
    return teacher;
  }

  private static void assertAverages(Teacher teacher, Map<String, double[]> expected) {
    Map<String, float[]> averages = values(teacher.follower().orElseThrow().state());
    assertThat(averages).containsOnlyKeys(expected.keySet());
    expected.forEach(
        (name, values) -> {
          for (int i = 0; i < values.length; i++) {
            assertThat((double) averages.get(name)[i]).as(name).isCloseTo(values[i], within(1e-6));
          }
        });
  }

  private Map<String, double[]> asDoubles() {
    Map<String, double[]> doubles = new LinkedHashMap<>();
    weights()
        .forEach(
            (name, values) -> {
              double[] own = new double[values.length];
              for (int i = 0; i < own.length; i++) {
                own[i] = values[i];
              }
              doubles.put(name, own);
            });
    return doubles;
  }

  private void follow(Map<String, double[]> averages, double decay) {
    weights()
        .forEach(
            (name, values) -> {
              for (int i = 0; i < values.length; i++) {
                averages.get(name)[i] = decay * averages.get(name)[i] + (1 - decay) * values[i];
              }
            });
  }

  @Test
  void average_followsTheFormula_withWarmUp() {
    try (Teacher teacher = started(Teacher.movingAverage(0.3), student)) {
      Map<String, double[]> expected = asDoubles();
      assertAverages(teacher, expected);
      // (1 + t) / (10 + t) passes 0.3 between the second and the third step
      double[] decays = {2 / 11.0, 3 / 12.0, 0.3, 0.3};
      for (int step = 1; step <= decays.length; step++) {
        move(0.5f * step);
        teacher.follower().orElseThrow().afterStep(step);
        follow(expected, decays[step - 1]);
        assertAverages(teacher, expected);
      }
    }
  }

  @Test
  void average_withoutWarmUp_decaysTheSameAlways() {
    try (Teacher teacher = started(Teacher.movingAverage(0.9).withoutWarmUp(), student)) {
      Map<String, double[]> expected = asDoubles();
      for (int step = 1; step <= 3; step++) {
        move(1);
        teacher.follower().orElseThrow().afterStep(step);
        follow(expected, 0.9);
      }
      assertAverages(teacher, expected);
    }
  }

  @Test
  void answers_areThoseOfAModelWithTheAverages_andTheStudentKeepsItsWeights() {
    try (Teacher teacher = started(Teacher.movingAverage(0.9), student);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      move(1);
      teacher.follower().orElseThrow().afterStep(100);
      Map<String, float[]> before = weights();
      Map<String, HostTensor> averages = new LinkedHashMap<>();
      teacher
          .follower()
          .orElseThrow()
          .state()
          .forEach((name, array) -> averages.put(name, HostTensor.of(array)));
      Batch batch = ROWS.batch(manager, new int[] {0, 1, 2, 3});
      JniUtils.setGradMode(true);
      Signals signals = teacher.signals(batch, LOGITS);
      assertThat(JniUtils.isGradMode()).isTrue();
      assertThat(signals.logits().getManager()).isSameAs(manager);
      assertThat(signals.logits().hasGradient()).isFalse();
      assertThat(weights()).usingRecursiveComparison().isEqualTo(before);
      try (DeployableModel averaged = model(averages, false)) {
        assertThat(signals.logits().toFloatArray())
            .isEqualTo(
                averaged.model().forward(batch.inputs(), LOGITS, false).logits().toFloatArray())
            .isNotEqualTo(
                student.model().forward(batch.inputs(), LOGITS, false).logits().toFloatArray());
      }
      student
          .model()
          .parameters()
          .values()
          .forEach(each -> assertThat(each.hasGradient()).isTrue());
    }
  }

  @Test
  void studentThatFails_getsItsWeightsBack() {
    try (Teacher teacher = started(Teacher.movingAverage(0.9), student);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      move(1);
      Map<String, float[]> before = weights();
      Batch wrong = FloatRows.random(2, 5, 1).batch(manager, new int[] {0, 1});
      assertThatThrownBy(() -> teacher.signals(wrong, LOGITS)).isInstanceOf(RuntimeException.class);
      assertThat(weights()).usingRecursiveComparison().isEqualTo(before);
    }
  }

  /** A model whose output embedding is a parameter, as those of language models are. */
  private record Factored(SignalModel inside) implements SignalModel {
    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.LOGIT_FACTORS);
    }

    @Override
    public Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training) {
      return Signals.builder()
          .logitFactors(
              new LogitFactors(
                  inputs.head().expandDims(1), parameters().values().iterator().next()))
          .build();
    }

    @Override
    public Map<String, NDArray> parameters() {
      return inside.parameters();
    }

    @Override
    public long parameterCount() {
      return inside.parameterCount();
    }

    @Override
    public Device device() {
      return inside.device();
    }

    @Override
    public void writeTo(Path directory) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void readFrom(Path directory) {
      throw new UnsupportedOperationException();
    }

    @Override
    public String fingerprint() {
      return "";
    }

    @Override
    public void close() {
      inside.close();
    }
  }

  @Test
  void outputEmbedding_isTheAverages_andNoParameterOfTheStudent() {
    DeployableModel language = new DeployableModel(new Factored(student.model()), null, List.of());
    try (Teacher teacher = started(Teacher.movingAverage(0.5).withoutWarmUp(), language);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      float[] before = weights().values().iterator().next();
      move(2);
      teacher.follower().orElseThrow().afterStep(1);
      Batch batch = ROWS.batch(manager, new int[] {0});
      NDArray weight =
          teacher.signals(batch, Set.of(SignalKind.LOGIT_FACTORS)).logitFactors().weight();
      assertThat(weight.getManager()).isSameAs(manager);
      assertThat(weight.hasGradient()).isFalse();
      float[] seen = weight.toFloatArray();
      for (int i = 0; i < seen.length; i++) {
        assertThat(seen[i]).isCloseTo(before[i] + 1, within(1e-6f));
      }
      // a peer's is its live weight, but no way to it
      NDArray live =
          language
              .model()
              .answer(batch.inputs(), Set.of(SignalKind.LOGIT_FACTORS))
              .logitFactors()
              .weight();
      assertThat(live.hasGradient()).isFalse();
      assertThat(live.toFloatArray()).isEqualTo(weights().values().iterator().next());
    }
  }

  @Test
  void start_again_takesTheStudentAsItIsThen() {
    try (Teacher teacher = started(Teacher.movingAverage(0.9), student)) {
      move(1);
      teacher.follower().orElseThrow().start(student);
      assertAverages(teacher, asDoubles());
      assertThat(teacher.classNames()).containsExactly("a", "b", "c");
      assertThat(teacher.provides()).isEqualTo(student.model().provides());
      assertThat(teacher.device()).isEqualTo(Device.cpu());
      assertThat(teacher.changes()).isTrue();
      assertThat(teacher.footprint().loadedBytes()).isEqualTo(2 * 4 * student.parameterCount());
    }
  }

  @Test
  void average_withoutAStudent_saysSo() {
    MovingAverageTeacher description = Teacher.movingAverage(0.9);
    assertThat(description.changes()).isTrue();
    assertThat(description.fingerprint()).isEmpty();
    assertThat(description).hasToString("movingAverage(0.9)");
    assertThat(description.withoutWarmUp()).hasToString("movingAverage(0.9).withoutWarmUp()");
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        Teacher run = description.forRun()) {
      assertThat(run).isNotSameAs(description.forRun());
      Batch batch = ROWS.batch(manager, new int[] {0});
      for (Teacher each : List.of(description, run)) {
        assertThatThrownBy(() -> each.signals(batch, LOGITS))
            .isInstanceOf(DistillationException.class)
            .hasMessage(
                "moving average must follow the student of a run to answer but follows none; give"
                    + " it to Distiller.builder().teacher(...), alone or in an ensemble");
      }
    }
  }

  @Test
  void decay_outOfRange_isRefused() {
    for (double bad : new double[] {-0.1, 1, 2, Double.NaN}) {
      assertThatThrownBy(() -> Teacher.movingAverage(bad))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("decay must be at least 0 and less than 1 but was " + bad);
    }
  }

  @Test
  void ensemble_ofAverages_followsWithAllOfThem() {
    EnsembleTeacher description =
        Teacher.ensemble(Teacher.movingAverage(0.5), Teacher.movingAverage(0.9));
    try (Teacher ensemble = description.forRun();
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      assertThat(ensemble).isNotSameAs(description);
      StudentFollower follower = ensemble.follower().orElseThrow();
      follower.start(student);
      move(1);
      follower.afterStep(1000);
      assertThat(follower.state().keySet())
          .hasSize(2 * student.model().parameters().size())
          .allMatch(name -> name.startsWith("member.1.") || name.startsWith("member.2."));
      String name = student.model().parameters().keySet().iterator().next();
      float now = weights().get(name)[0];
      assertThat(follower.state().get("member.1." + name).toFloatArray()[0])
          .isCloseTo(now - 0.5f, within(1e-6f));
      assertThat(follower.state().get("member.2." + name).toFloatArray()[0])
          .isCloseTo(now - 0.9f, within(1e-6f));
      assertThat(ensemble.signals(ROWS.batch(manager, new int[] {0}), LOGITS).kinds())
          .isEqualTo(LOGITS);
    }
    EnsembleTeacher fixed = Teacher.ensemble(Teacher.of(student), Teacher.none());
    assertThat(fixed.forRun()).isSameAs(fixed);
    assertThat(fixed.follower()).isEmpty();
  }
}
