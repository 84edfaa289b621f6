package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.Device;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.MachineMemory;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.ScriptedModel;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

class MemoryCheckTest {

  private static final long GIB = 1L << 30;
  private static final TextDataset TEXTS = TinyRuns.texts(8);

  /** Saves a small model and makes its file as long as that of a large one; it takes no disk. */
  private static Path sparse(Path directory, long bytes) throws IOException {
    BagOfEmbeddings shape =
        new BagOfEmbeddings(
            TinyRuns.tokenizer().vocabularySize(), 4, 4, io.distill.model.Activation.RELU, 0, 0, 2);
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(1), Device.cpu(), false),
            TinyRuns.tokenizer(),
            List.of("even", "odd"))) {
      model.save(directory);
    }
    try (RandomAccessFile file =
        new RandomAccessFile(directory.resolve("model.pt").toFile(), "rw")) {
      file.setLength(bytes);
    }
    return directory;
  }

  /** Teachers of which nobody gets asked. */
  private record Both(Teacher first, Teacher second) implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      throw new AssertionError("asked");
    }

    @Override
    public Set<SignalKind> provides() {
      throw new AssertionError("asked");
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return first.tokenizer();
    }

    @Override
    public Footprint footprint() {
      return first.footprint().plus(second.footprint());
    }
  }

  /** A student of so many bytes that nobody may open. */
  private record Heavy(long bytes) implements Student {
    @Override
    public DeployableModel open(StudentSetup setup) {
      throw new AssertionError("opened");
    }

    @Override
    public Footprint footprint(StudentSetup setup) {
      return new Footprint(0, bytes, 0);
    }
  }

  private static Distiller.Builder recipe(Teacher teacher, Student student) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(TinyRuns.logitDistance())
        .device(Device.cpu())
        .steps(1);
  }

  private static String refusal(Distiller.Builder recipe) {
    try {
      recipe.fit(TEXTS).close();
    } catch (DistillationException e) {
      return String.valueOf(e.getMessage());
    }
    throw new AssertionError("the run was not refused");
  }

  @Test
  void twoTeachersAndAStudent_largerThanMemory_areRefusedBeforeAnythingIsLoaded(
      @TempDir Path directory) throws IOException, ReflectiveOperationException {
    try (Teacher first = Teacher.lazy(sparse(directory.resolve("first"), 40 * GIB));
        Teacher second = Teacher.lazy(sparse(directory.resolve("second"), 40 * GIB));
        OpenArrays open = new OpenArrays()) {
      assertThat(refusal(recipe(new Both(first, second), new Heavy(3 * GIB)).memoryLimit(64 * GIB)))
          .isEqualTo(
              """
              memory of the run must be at most what memoryLimit allows, 64.0 GiB, but weights, \
              gradients and optimizer state alone need 92.0 GiB; use smaller models, or cache the \
              answers of one teacher at a time, or set memoryLimit(...) if there is more:
                teacher weights, to be loaded                    80.0 GiB
                student weights, to be loaded                     3.0 GiB
                gradients                                         3.0 GiB
                optimizer state                                   6.0 GiB
                all                                              92.0 GiB""");
      assertThat(open.count()).isZero();
      assertThat(first.footprint().loadedBytes()).isZero();
      assertThat(second.footprint().loadedBytes()).isZero();
    }
  }

  @Test
  void teacher_largerThanThisMachine_isRefused(@TempDir Path directory) throws IOException {
    long bytes = 2 * MachineMemory.of(Device.cpu()).orElseThrow().totalBytes();
    try (Teacher teacher = Teacher.lazy(sparse(directory.resolve("large"), bytes))) {
      assertThat(refusal(recipe(teacher, new Heavy(1))))
          .startsWith("memory of the run must be at most what this machine has, ")
          .contains("  teacher weights, to be loaded ");
      // the check can be left out: then the file itself is looked at
      assertThat(refusal(recipe(teacher, new Heavy(1)).memoryLimit(Long.MAX_VALUE)))
          .contains("must be an undamaged archive written by this library");
    }
  }

  @Test
  void stateOfTheOptimizer_counts() {
    Distiller.Builder heavy = recipe(Teacher.none(), new Heavy(GIB)).memoryLimit(4 * GIB - 1);
    assertThat(refusal(heavy)).contains("alone need 4.0 GiB");
    Distiller.Builder light =
        recipe(Teacher.none(), new Heavy(GIB))
            .memoryLimit(3 * GIB - 1)
            .optimizer(Optimizer.sgd(0.1));
    assertThat(refusal(light)).contains("alone need 3.0 GiB");
    assertThatExceptionOfType(AssertionError.class)
        .isThrownBy(
            () -> recipe(Teacher.none(), new Heavy(GIB)).memoryLimit(4 * GIB).fit(TEXTS).close())
        .withMessage("opened");
  }

  @Test
  void studentOfThisLibrary_isKnownBeforeItIsMade() {
    // 2 layers of 4096 would take gigabytes and minutes to draw
    Student student =
        Student.encoder()
            .layers(2)
            .hiddenSize(4096)
            .heads(32)
            .tokenizer(TinyRuns.tokenizer())
            .build();
    long start = System.nanoTime();
    assertThat(refusal(recipe(Teacher.none(), student).memoryLimit(4 * GIB)))
        .contains("student weights, to be loaded                     1.5 GiB")
        .contains("alone need 6.0 GiB");
    assertThat((System.nanoTime() - start) / 1e9).isLessThan(10);
  }

  @Test
  void javaHeap_mustHoldACopy() {
    long heap = Runtime.getRuntime().maxMemory();
    Student student =
        new Student() {
          @Override
          public DeployableModel open(StudentSetup setup) {
            throw new AssertionError("opened");
          }

          @Override
          public Footprint footprint(StudentSetup setup) {
            return new Footprint(0, 1, heap + 1);
          }
        };
    assertThat(refusal(recipe(Teacher.none(), student)))
        .startsWith("Java heap must hold a copy of a model's weights while it is loaded, ")
        .endsWith(" only; start Java with a larger -Xmx");
  }

  @Test
  void checkpoints_mustFitOnTheirDisk(@TempDir Path directory) {
    // weights, two copies of them in the optimizer, four checkpoints for a moment
    assertThat(
            refusal(
                recipe(Teacher.none(), new Heavy(1L << 50))
                    .memoryLimit(1L << 60)
                    .checkpoint(directory.resolve("run"))))
        .startsWith(
            "checkpoint directory must be on a disk with at least 12.0 PiB free but the disk of ");
    assertThat(directory).isEmptyDirectory();
  }

  private static List<String> warnings(Runnable action) {
    Logger logger = (Logger) LoggerFactory.getLogger(MemoryEstimate.class);
    ListAppender<ILoggingEvent> appender = new ListAppender<>();
    appender.start();
    logger.addAppender(appender);
    try {
      action.run();
    } finally {
      logger.detachAppender(appender);
    }
    return appender.list.stream()
        .filter(event -> event.getLevel() == Level.WARN)
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  private static Student encoder() {
    return Student.encoder().layers(2).hiddenSize(64).tokenizer(TinyRuns.tokenizer()).build();
  }

  @Test
  void activations_beyondWhatIsFree_areWarnedOf() {
    Distiller.Builder recipe =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(encoder())
            .loss(TinyRuns.logitsToOne())
            .device(Device.cpu())
            .batchSize(8)
            .memoryLimit(3 << 20)
            .steps(1);
    assertThat(warnings(() -> recipe.fit(TEXTS).close()))
        .singleElement()
        .asString()
        .matches(
            "(?s)memory that the run still needs, about 3\\.\\d MiB, must be free but only 2\\.4 MiB of"
                + " the CPU is; make batches smaller and use gradientAccumulation\\(\\.\\.\\.\\), or set"
                + " activationCheckpointing\\(true\\):\n.*")
        .containsPattern("student weights \\(in memory already\\) +[0-9.]+ KiB")
        .containsPattern("activations of 8 rows of \\d+ +[0-9.]+ MiB");
  }

  @Test
  void runThatFits_isNotWarnedOf() {
    assertThat(
            warnings(
                () ->
                    Distiller.builder()
                        .teacher(Teacher.none())
                        .student(encoder())
                        .loss(TinyRuns.logitsToOne())
                        .steps(1)
                        .fit(TEXTS)
                        .close()))
        .isEmpty();
  }

  @Test
  void studentThatCannotTell_isChecked_asFarAsKnown() {
    Student lambda = setup -> TinyRuns.perceptron().open(setup);
    assertThatCode(
            () ->
                TinyRuns.recipe()
                    .steps(1)
                    .memoryLimit(10 << 20)
                    .fit(FloatRows.random(8, 3, 1))
                    .close())
        .doesNotThrowAnyException();
    assertThat(lambda.footprint(setup())).isEqualTo(Footprint.none());
    assertThat(lambda.configuration(setup())).isEmpty();
  }

  private static StudentSetup setup() {
    return new StudentSetup(
        FloatRows.random(8, 3, 1), Teacher.none(), 3, List.of(), 1, Device.cpu());
  }

  @Test
  void configuration_isThatOfTheModelItself() {
    StudentSetup setup =
        new StudentSetup(TEXTS, Teacher.none(), 2, List.of("even", "odd"), 1, Device.cpu());
    for (Student student :
        List.of(
            encoder(),
            Student.bagOfEmbeddings()
                .tokenizer(TinyRuns.tokenizer())
                .vocabularyFromData(false)
                .build())) {
      ModelConfiguration known = student.configuration(setup).orElseThrow();
      try (DeployableModel model = student.open(setup)) {
        assertThat(model.model().configuration()).contains(known);
        assertThat(student.footprint(setup))
            .isEqualTo(Footprint.pending(4 * model.parameterCount()));
      }
    }
    try (DeployableModel model = TinyRuns.perceptron().open(setup())) {
      assertThat(model.model().configuration())
          .isEqualTo(TinyRuns.perceptron().configuration(setup()));
    }
  }
}
