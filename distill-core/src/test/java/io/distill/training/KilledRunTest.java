package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.DistillationResult;
import io.distill.huggingface.SafeTensors;
import io.distill.training.internal.CheckpointStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever ends the process of a run, the run that is started again ends in the same weights. */
class KilledRunTest {

  private static final int KILLS = 20;
  private static final int EPOCHS = 160;
  private static final long SEED = 20_231;

  @TempDir Path temporary;

  private static Map<String, float[]> uninterrupted() {
    try (DistillationResult result =
        ResumableRun.recipe(TinyRuns.texts(9), EPOCHS, 5).fit(TinyRuns.texts(24))) {
      return TinyRuns.weights(result.student());
    }
  }

  private void finish(Path directory, int everySteps, Path output) throws Exception {
    Process last =
        KilledRun.start(directory, everySteps, output, EPOCHS, temporary.resolve("log.txt"));
    assertThat(last.waitFor(180, TimeUnit.SECONDS)).isTrue();
    assertThat(last.exitValue()).as(Files.readString(temporary.resolve("log.txt"))).isZero();
  }

  private static void assertSame(Path output, Map<String, float[]> expected) {
    SafeTensors weights = SafeTensors.open(output);
    assertThat(weights.metadata()).containsEntry("reason", "COMPLETED");
    assertThat(weights.entries()).containsOnlyKeys(expected.keySet());
    expected.forEach(
        (name, values) ->
            assertThat(weights.tensor(name).toFloatArray()).as(name).containsExactly(values));
  }

  /** Every other kill comes while a checkpoint is being written. */
  @Test
  void killedTwentyTimes_endsInTheSameWeights() throws Exception {
    Path directory = temporary.resolve("checkpoints");
    Path output = temporary.resolve("weights.safetensors");
    Random random = new Random(SEED);
    int duringWrites = 0;
    long step = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      Process process = KilledRun.start(directory, 1, output, EPOCHS, temporary.resolve("log.txt"));
      if (kill % 2 == 0) {
        KilledRun.sleep(random.nextInt(250));
      } else {
        while (process.isAlive() && beingWritten(directory).isEmpty()) {
          Thread.onSpinWait();
        }
        long wait = random.nextInt(4_000_000);
        for (long end = System.nanoTime() + wait; System.nanoTime() < end; ) {
          Thread.onSpinWait();
        }
      }
      assertThat(process.isAlive()).as("kill %s must come before the end", kill).isTrue();
      process.destroyForcibly();
      process.waitFor();
      duringWrites += beingWritten(directory).isEmpty() ? 0 : 1;
      List<CheckpointStore.Found> found = CheckpointStore.list(directory);
      assertThat(found)
          .allSatisfy(each -> assertThat(CheckpointStore.damage(each.path())).isEmpty());
      if (!found.isEmpty()) {
        assertThat(found.get(0).step()).isGreaterThanOrEqualTo(step);
        step = found.get(0).step();
      }
      assertThat(output).doesNotExist();
    }
    assertThat(duringWrites).as("kills that left a half-written checkpoint").isPositive();
    assertThat(step).as("steps behind when the last kill came").isPositive();
    finish(directory, 100, output);
    assertSame(output, uninterrupted());
    assertThat(beingWritten(directory)).isEmpty();
  }

  private static List<Path> beingWritten(Path directory) {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> children = Files.list(directory)) {
      return children.filter(child -> child.toString().endsWith(".tmp")).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What Ctrl-C and a container's end do. */
  @Test
  void processThatIsAskedToEnd_writesALastCheckpoint() throws Exception {
    Path directory = temporary.resolve("checkpoints");
    Path output = temporary.resolve("weights.safetensors");
    Process process =
        KilledRun.start(directory, 1_000_000, output, EPOCHS, temporary.resolve("log.txt"));
    KilledRun.sleep(100);
    process.destroy();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as("the signal, not the end of the program").isEqualTo(143);
    assertThat(CheckpointStore.list(directory))
        .singleElement()
        .satisfies(
            found -> {
              assertThat(found.step()).isPositive();
              assertThat(CheckpointStore.damage(found.path())).isEmpty();
            });
    assertThat(beingWritten(directory)).isEmpty();
    finish(directory, 1_000_000, output);
    assertSame(output, uninterrupted());
  }
}
