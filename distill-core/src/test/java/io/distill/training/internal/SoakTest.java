package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.listener.ConsoleProgress;
import io.distill.listener.JsonLinesMetrics;
import io.distill.listener.MicrometerMeters;
import io.distill.listener.TensorBoardEvents;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run with everything on: all listeners, a teacher cache that is read in each step, checkpoints,
 * a validation set. {@code -Dsoak.steps=20000} makes it long.
 */
class SoakTest {

  private static final int USUAL_STEPS = 300;
  private static final int STEPS = Integer.getInteger("soak.steps", USUAL_STEPS);
  private static final Logger LOGGER = LoggerFactory.getLogger(SoakTest.class);
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final TextDataset TEXTS = TinyRuns.texts(24);

  /** Hidden states are not remembered in memory, so the cache is read in each step. */
  private static DistillationLoss hiddenDistance() {
    return new DistillationLoss() {
      @Override
      public ai.djl.ndarray.NDArray compute(LossContext context) {
        return context.meanOverTokens(
            context
                .student()
                .hiddenStates()
                .get(0)
                .sub(context.teacher().hiddenStates().get(0))
                .square()
                .mean(new int[] {2}));
      }

      @Override
      public Set<SignalKind> requires() {
        return Set.of(SignalKind.HIDDEN_STATES);
      }

      @Override
      public String name() {
        return "hiddenDistance";
      }
    };
  }

  private static Student student() {
    return Student.encoder()
        .layers(1)
        .hiddenSize(8)
        .heads(2)
        .dropout(0.1)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  @Test
  void everythingOn_holdsAConstantNumberOfArrays_andFlatMemory(@TempDir Path directory)
      throws ReflectiveOperationException {
    List<Integer> open = new ArrayList<>();
    List<Long> resident = new ArrayList<>();
    int interval = Math.max(1, STEPS / 10);
    try (OpenArrays arrays = new OpenArrays()) {
      run(directory, interval, arrays, open, resident);
      assertThat(arrays.count()).as("after everything is closed").isZero();
    }
    if (STEPS > USUAL_STEPS) {
      LOGGER.warn("{} steps, open arrays {}, resident kB {}", STEPS, open, resident);
    }
    // the first step may still make what is kept for the run, such as the names of methods
    assertThat(open.subList(1, open.size())).containsOnly(open.get(1));
    // the first half fills caches of the allocator; a leak of one array a step would be seen
    long middle = resident.get(resident.size() / 2);
    assertThat(resident.get(resident.size() - 1)).isLessThan(middle + 65_536);
  }

  private static void run(
      Path directory, int interval, OpenArrays arrays, List<Integer> open, List<Long> resident) {
    try (DistillationResult first =
            Distiller.builder()
                .teacher(Teacher.none())
                .student(student())
                .loss(TinyRuns.crossEntropy())
                .steps(3)
                .fit(TEXTS);
        ModelTeacher teacher = Teacher.of(first.student())) {
      Distiller.builder()
          .teacher(Teacher.cached(directory.resolve("cache"), teacher))
          .student(student())
          .loss(hiddenDistance().plus(TinyRuns.crossEntropy().weighted(0.5)))
          .optimizer(Optimizer.adamW())
          .batchSize(6)
          .steps(STEPS)
          .validation(TinyRuns.texts(9))
          .evaluateEvery(Every.steps(interval))
          .checkpoint(directory.resolve("checkpoints"), Every.steps(interval))
          .listener(ConsoleProgress.to(new StringBuilder()))
          .listener(JsonLinesMetrics.to(directory.resolve("metrics.jsonl")))
          .listener(TensorBoardEvents.to(directory.resolve("tensorboard")))
          .listener(MicrometerMeters.in(new SimpleMeterRegistry()).removedAtEnd())
          .listener(
              new TrainingListener() {
                @Override
                public void onStep(Step event) {
                  long step = event.progress().step() + 1;
                  if (step % interval == 0) {
                    open.add(arrays.count());
                    resident.add(residentKilobytes());
                  }
                }
              })
          .fit(TEXTS)
          .close();
    }
  }

  private static long residentKilobytes() {
    if (!Files.isReadable(STATUS)) {
      return 0;
    }
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D+", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
