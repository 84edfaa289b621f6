package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.util.Pair;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalModel;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kind of teacher with every kind of student, on rows of four numbers and three classes. The
 * {@code torch-*.pt} files are written by {@code torchscript_models.py}.
 */
class ModelKindsTest {

  private static final int ROWS = 48;

  private static final DistillationLoss LOGIT_DISTANCE =
      context ->
          context.meanOverRows(
              context
                  .student()
                  .logits()
                  .sub(context.teacher().logits())
                  .square()
                  .sum(new int[] {1}));

  enum TeacherKind {
    LIBRARY,
    OWN_TORCHSCRIPT,
    PYTORCH_TUPLE,
    PYTORCH_DICTIONARY,
    BLOCKS,
    BLOCKS_DIRECTLY
  }

  enum StudentKind {
    LIBRARY,
    OWN_TORCHSCRIPT,
    PYTORCH_DICTIONARY,
    BLOCKS,
    BLOCKS_DIRECTLY,
    TORCHSCRIPT_OF_DJL
  }

  @TempDir Path directory;
  private NDManager manager;
  private DistillationDataset dataset;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void makeRows() {
    NativeEngine.engine().setRandomSeed(11);
    manager = NativeEngine.newManager(Device.cpu());
    SplittableRandom random = new SplittableRandom(3);
    float[] values = new float[ROWS * 4];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    dataset =
        DistillationDataset.of(
            new ArrayDataset.Builder()
                .setData(manager.create(values, new Shape(ROWS, 4)))
                .setSampling(8, false)
                .build());
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable each : open) {
      each.close();
    }
    manager.close();
  }

  static List<Arguments> combinations() {
    List<Arguments> all = new ArrayList<>();
    for (TeacherKind teacher : TeacherKind.values()) {
      for (StudentKind student : StudentKind.values()) {
        all.add(Arguments.of(teacher, student));
      }
    }
    return all;
  }

  @ParameterizedTest(name = "{0} teaches {1}")
  @MethodSource("combinations")
  void fit_ofTheseKinds_teaches(TeacherKind teacherKind, StudentKind studentKind) throws Exception {
    Distiller.Builder builder =
        Distiller.builder()
            .loss(LOGIT_DISTANCE)
            .optimizer(Optimizer.adamW().withLearningRate(0.02))
            .batchSize(8)
            .epochs(6)
            .device(Device.cpu());
    ModelTeacher teacher = addTeacher(builder, teacherKind);
    Map<String, float[]> studentBefore = new LinkedHashMap<>();
    addStudent(builder, studentKind, studentBefore);
    Map<String, float[]> teacherBefore = weights(teacher.model().model(), "before");
    float[][] answersBefore = teacher.model().logits(dataset);

    try (DistillationResult result = builder.fit(dataset)) {
      List<Double> losses = result.history().stream().map(TrainingListener.Epoch::loss).toList();
      assertThat(losses).hasSize(6);
      assertThat(losses.get(5)).isLessThan(0.7 * losses.get(0));
      Map<String, NDArray> trained = result.student().model().parameters();
      assertThat(trained.keySet()).containsExactlyInAnyOrderElementsOf(studentBefore.keySet());
      trained.forEach(
          (name, array) ->
              assertThat(array.toFloatArray()).as(name).isNotEqualTo(studentBefore.get(name)));
      assertThat(result.student().logits(dataset)).hasDimensions(ROWS, 3);
    }
    Map<String, float[]> teacherAfter = weights(teacher.model().model(), "after");
    assertThat(teacherAfter.keySet()).isNotEmpty().isEqualTo(teacherBefore.keySet());
    teacherAfter.forEach(
        (name, values) -> assertThat(values).as(name).containsExactly(teacherBefore.get(name)));
    assertThat(teacher.model().logits(dataset)).isDeepEqualTo(answersBefore);
    assertThat(teacher.model().model().parameters())
        .satisfiesAnyOf(
            parameters -> assertThat(parameters).isEmpty(),
            parameters -> assertThat(parameters.values()).noneMatch(NDArray::hasGradient));
  }

  @ParameterizedTest
  @EnumSource(StudentKind.class)
  void student_savedAndReloaded_answersTheSame(StudentKind kind) throws Exception {
    Path saved = directory.resolve("saved");
    float[][] expected;
    Distiller.Builder builder =
        Distiller.builder()
            .loss(LOGIT_DISTANCE)
            .optimizer(Optimizer.adamW().withLearningRate(0.02))
            .epochs(2)
            .device(Device.cpu());
    addTeacher(builder, TeacherKind.LIBRARY);
    addStudent(builder, kind, new LinkedHashMap<>());
    try (DistillationResult result = builder.fit(dataset)) {
      expected = result.student().logits(dataset);
      result.student().save(saved);
      assertThat(result.student().logits(dataset)).isDeepEqualTo(expected);
    }
    try (DeployableModel reloaded = reload(kind, saved)) {
      assertThat(reloaded.logits(dataset)).isDeepEqualTo(expected);
    }
  }

  /** The student starts anew each time, as it does in a new process. */
  @ParameterizedTest
  @EnumSource(StudentKind.class)
  void student_resumed_endsInTheSameWeights(StudentKind kind) throws Exception {
    Map<String, float[]> whole = train(kind, builder -> builder);
    Path checkpoints = directory.resolve("checkpoints");
    // 6 steps an epoch; stopped in the second
    Map<String, float[]> stopped =
        train(
            kind,
            builder -> {
              Thread trainer = Thread.currentThread();
              return builder
                  .checkpoint(checkpoints)
                  .listener(
                      new TrainingListener() {
                        @Override
                        public void onStep(Step event) {
                          if (event.progress().step() == 8) {
                            trainer.interrupt();
                          }
                        }
                      });
            });
    assertThat(Thread.interrupted()).isTrue();
    assertThat(stopped).usingRecursiveComparison().isNotEqualTo(whole);
    Map<String, float[]> resumed = train(kind, builder -> builder.resumeFrom(checkpoints));
    assertThat(resumed).containsOnlyKeys(whole.keySet());
    whole.forEach((name, values) -> assertThat(resumed.get(name)).as(name).containsExactly(values));
  }

  private Map<String, float[]> train(StudentKind kind, UnaryOperator<Distiller.Builder> more)
      throws Exception {
    NativeEngine.engine().setRandomSeed(11);
    Distiller.Builder builder =
        Distiller.builder()
            .loss(LOGIT_DISTANCE)
            .optimizer(Optimizer.adamW().withLearningRate(0.02))
            .batchSize(8)
            .epochs(3)
            .device(Device.cpu());
    addTeacher(builder, TeacherKind.LIBRARY);
    addStudent(builder, kind, new LinkedHashMap<>());
    try (DistillationResult result = more.apply(builder).fit(dataset)) {
      return weights(result.student().model(), "student" + System.nanoTime());
    }
  }

  @ParameterizedTest
  @EnumSource(StudentKind.class)
  void fingerprint_tellsWeightsApart(StudentKind kind) throws Exception {
    Path saved = directory.resolve("saved");
    Distiller.Builder builder =
        Distiller.builder()
            .loss(LOGIT_DISTANCE)
            .optimizer(Optimizer.sgd(0.1))
            .steps(1)
            .device(Device.cpu());
    addTeacher(builder, TeacherKind.LIBRARY);
    addStudent(builder, kind, new LinkedHashMap<>());
    try (DistillationResult result = builder.fit(dataset)) {
      String fingerprint = result.student().fingerprint();
      assertThat(fingerprint).matches("[0-9a-f]{64}").isEqualTo(result.student().fingerprint());
      result.student().save(saved);
      try (DeployableModel reloaded = reload(kind, saved)) {
        assertThat(reloaded.fingerprint()).isEqualTo(fingerprint);
      }
      result.student().model().parameters().values().iterator().next().stopGradient().addi(0.5f);
      assertThat(result.student().fingerprint()).isNotEqualTo(fingerprint);
    }
  }

  private DeployableModel reload(StudentKind kind, Path saved)
      throws IOException, MalformedModelException {
    return switch (kind) {
      case LIBRARY, OWN_TORCHSCRIPT, PYTORCH_DICTIONARY, TORCHSCRIPT_OF_DJL ->
          DeployableModel.loadTrusted(saved);
      case BLOCKS, BLOCKS_DIRECTLY -> {
        Model model = blocks("student", 6);
        model.load(saved, "student");
        yield Teacher.of(model).model();
      }
    };
  }

  @Test
  void torchScriptStudent_ofPyTorch_keepsWhatIsFrozenAndItsBuffers() throws Exception {
    Path file = resource("torch-dictionary.pt");
    Map<String, float[]> before = weights(file);
    assertThat(before.keySet()).contains("scale", "norm.weight");
    Distiller.Builder builder =
        Distiller.builder()
            .student(Student.trustedTorchScript(file))
            .loss(LOGIT_DISTANCE)
            .optimizer(Optimizer.adamW().withLearningRate(0.02))
            .epochs(2)
            .device(Device.cpu());
    addTeacher(builder, TeacherKind.LIBRARY);
    try (DistillationResult result = builder.fit(dataset)) {
      assertThat(result.student().model().parameters().keySet())
          .containsExactlyInAnyOrder(
              "first.weight",
              "first.bias",
              "norm.weight",
              "norm.bias",
              "second.weight",
              "second.bias",
              "head.weight",
              "head.bias");
      assertThat(result.student().parameterCount()).isEqualTo(24 + 6 + 12 + 30 + 5 + 15 + 3 + 3);
      result.student().save(directory.resolve("saved"));
    }
    Map<String, float[]> after = weights(directory.resolve("saved/model.pt"));
    assertThat(after.get("scale")).containsExactly(before.get("scale"));
    assertThat(after.get("norm.weight")).isNotEqualTo(before.get("norm.weight"));
  }

  @Test
  void teacher_equalToStudent_isRefused() {
    Model model = blocks("same", 5);
    assertThatThrownBy(
            () ->
                Distiller.builder().teacher(model).student(model).loss(LOGIT_DISTANCE).fit(dataset))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "student must be another model than the teacher but both are 'same'; training would"
                + " change the teacher; copy the model");
  }

  @Test
  void torchScript_withNaN_namesTheWeight(@TempDir Path other) {
    Path file = other.resolve("nan.pt");
    new TorchScriptArchive(
            ScriptModule.builder("Scale")
                .parameter("scale", HostTensor.of(new float[] {1, Float.NaN}, 2))
                .buffer("mask", HostTensor.of(new float[] {0, Float.NEGATIVE_INFINITY}, 2))
                .method(
                    "def forward(self, input: Tensor) -> Tensor:\n  return input * self.scale\n")
                .build())
        .write(file);
    assertThatThrownBy(() -> Teacher.trustedTorchScript(file))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "weight scale of TorchScript file "
                + file
                + " must have no NaN but has some; use a model from before the training diverged");
  }

  @Test
  void djlModel_withNaN_namesTheWeight() {
    try (Model model = blocks("broken", 1)) {
      NDArray weight = model.getBlock().getParameters().get(0).getValue().getArray();
      weight.setRequiresGradient(false);
      weight.set(new NDIndex(0), Float.NaN);
      String name = model.getBlock().getParameters().get(0).getKey();
      assertThatThrownBy(() -> Teacher.of(model))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "weight "
                  + name
                  + " of DJL model 'broken' must have no NaN but has some; use a model from before"
                  + " the training diverged");
    }
  }

  @Test
  void torchScript_missingOrDamaged_isRefused() throws IOException {
    Path missing = directory.resolve("missing.pt");
    assertThatThrownBy(() -> Teacher.trustedTorchScript(missing))
        .isInstanceOf(DistillationException.class)
        .hasMessage("TorchScript file must exist but " + missing + " does not; check the path");
    Path damaged = directory.resolve("damaged.pt");
    byte[] whole = Files.readAllBytes(resource("torch-tuple.pt"));
    Files.write(damaged, java.util.Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(() -> Teacher.trustedTorchScript(damaged))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "TorchScript file "
                + damaged
                + " must be a module saved with torch.jit.save or by this library but is"
                + " damaged or unsafe (")
        .hasMessageEndingWith("); save it again");
  }

  // ---- teachers -----------------------------------------------------------------------------

  @CanIgnoreReturnValue
  private ModelTeacher addTeacher(Distiller.Builder builder, TeacherKind kind) throws IOException {
    if (kind == TeacherKind.BLOCKS_DIRECTLY) {
      Model model = blocks("teacher", 5);
      builder.teacher(model);
      return Teacher.of(model);
    }
    ModelTeacher teacher =
        switch (kind) {
          case LIBRARY -> {
            MultilayerPerceptron shape =
                new MultilayerPerceptron(
                    4, List.of(6, 5), io.distill.model.Activation.TANH, 0.1, 3);
            Map<String, HostTensor> weights = shape.initialWeights(5);
            DeployableModel model =
                new DeployableModel(
                    ScriptedModel.open(shape, weights, Device.cpu(), false), null, List.of());
            open.add(model);
            yield Teacher.of(model);
          }
          case OWN_TORCHSCRIPT -> Teacher.trustedTorchScript(ownFile("teacher.pt", 1));
          case PYTORCH_TUPLE -> Teacher.trustedTorchScript(resource("torch-tuple.pt"));
          case PYTORCH_DICTIONARY -> Teacher.trustedTorchScript(resource("torch-dictionary.pt"));
          default -> Teacher.of(blocks("teacher", 5));
        };
    open.add(teacher);
    builder.teacher(teacher);
    return teacher;
  }

  // ---- students -----------------------------------------------------------------------------

  private void addStudent(Distiller.Builder builder, StudentKind kind, Map<String, float[]> before)
      throws Exception {
    switch (kind) {
      case LIBRARY ->
          builder.student(watched(Student.multilayerPerceptron().hiddenSizes(16).build(), before));
      case OWN_TORCHSCRIPT ->
          builder.student(watched(Student.trustedTorchScript(ownFile("student.pt", 2)), before));
      case PYTORCH_DICTIONARY ->
          builder.student(
              watched(Student.trustedTorchScript(resource("torch-dictionary.pt")), before));
      case BLOCKS -> builder.student(watched(Student.of(blocks("student", 6)), before));
      case BLOCKS_DIRECTLY -> {
        Model model = blocks("student", 6);
        before.putAll(weights(model));
        builder.student(model);
      }
      case TORCHSCRIPT_OF_DJL -> {
        Path file = ownFile("djl.pt", 2);
        Model model = NativeEngine.engine().newModel("djl", Device.cpu());
        open.add(model);
        model.load(file, null, Map.of("trainParam", "true"));
        before.putAll(weights(model));
        builder.student(model);
      }
    }
  }

  private static Student watched(Student student, Map<String, float[]> before) {
    return setup -> {
      DeployableModel model = student.open(setup);
      model.model().parameters().forEach((name, array) -> before.put(name, array.toFloatArray()));
      return model;
    };
  }

  private Path ownFile(String name, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    ScriptModule module =
        ScriptModule.builder("Network")
            .module("first", linear(random, 8, 4))
            .module("second", linear(random, 3, 8))
            .method(
                """
                def forward(self, input: Tensor) -> Tensor:
                  return self.second.forward(torch.tanh(self.first.forward(input)))
                """)
            .build();
    Path file = directory.resolve(name);
    new TorchScriptArchive(module).write(file);
    return file;
  }

  private static ScriptModule linear(SplittableRandom random, int out, int in) {
    float[] weight = new float[out * in];
    for (int i = 0; i < weight.length; i++) {
      weight[i] = (float) (2 * random.nextDouble() - 1);
    }
    return ScriptModule.builder("Linear")
        .parameter("weight", HostTensor.of(weight, out, in))
        .parameter("bias", HostTensor.of(new float[out], out))
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.linear(input, self.weight, self.bias)
            """)
        .build();
  }

  private Model blocks(String name, int hidden) {
    SequentialBlock block =
        new SequentialBlock()
            .add(Linear.builder().setUnits(hidden).build())
            .add(Activation.tanhBlock())
            .add(Linear.builder().setUnits(3).build());
    Model model = Model.newInstance(name, Device.cpu(), "PyTorch");
    model.setBlock(block);
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 4));
    open.add(model);
    return model;
  }

  private Path resource(String name) throws IOException {
    Path file = directory.resolve(name);
    try (InputStream stream =
        Objects.requireNonNull(SignalModel.class.getResourceAsStream(name), name)) {
      Files.write(file, stream.readAllBytes());
    }
    return file;
  }

  // ---- weights ------------------------------------------------------------------------------

  private Map<String, float[]> weights(SignalModel model, String name) throws Exception {
    if (model instanceof io.distill.model.BlockModel block) {
      return weights(block.model());
    }
    Path folder = Files.createDirectory(directory.resolve(name));
    model.writeTo(folder);
    return weights(folder.resolve("model.pt"));
  }

  private static Map<String, float[]> weights(Path file) {
    Map<String, float[]> weights = new LinkedHashMap<>();
    try (LoadedModule module = LoadedModule.loadTrusted(file, Device.cpu(), false)) {
      module.parameters().forEach((key, array) -> weights.put(key, array.toFloatArray()));
    }
    return weights;
  }

  private static Map<String, float[]> weights(Model model) {
    Map<String, float[]> weights = new LinkedHashMap<>();
    for (Pair<String, Parameter> parameter : model.getBlock().getParameters()) {
      weights.put(parameter.getKey(), parameter.getValue().getArray().toFloatArray());
    }
    return weights;
  }
}
