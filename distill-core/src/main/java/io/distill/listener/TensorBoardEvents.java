package io.distill.listener;

import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes event files that TensorBoard shows, as {@code tensorboard --logdir <directory>}.
 *
 * <p><b>Tags.</b> All are scalars (float32, as TensorBoard keeps them) over the number of optimizer
 * steps taken.
 *
 * <ul>
 *   <li>at each step {@code train/loss} (weighted), {@code train/terms/<term>} (before weighting),
 *       {@code train/weights/<term>}, {@code train/learningRate}, {@code train/temperature} (where
 *       a term reads one), {@code train/gradientNorm}, {@code train/gradientNorms/<term>} (where
 *       measured), {@code train/rowsPerSecond} (of this step)
 *   <li>at each evaluation {@code validation/<metric>}, such as {@code validation/accuracy}
 *   <li>at each epoch {@code epoch/loss}, {@code epoch/terms/<term>}, and the validation metrics if
 *       no evaluation told them at this step
 *   <li>at each checkpoint {@code checkpoint/bytes}, {@code checkpoint/seconds}
 *   <li>at the end {@code run/seconds}, {@code run/teacherSeconds}
 * </ul>
 *
 * <p><b>Directories.</b> TensorBoard takes a directory for a run, so give each run its own; two at
 * the same time are refused. Each start of a run writes a new file. By TensorBoard's own rule a
 * {@code SessionLog} of status {@code START} hides what earlier files of the directory hold from
 * its step on: after a checkpoint the steps that come again, from the start everything. No file is
 * ever changed or deleted.
 *
 * <p>Each record is handed to the operating system at once and may be watched while the run goes
 * on. The file is open during a run and closed at its end; several runs may follow one another. A
 * full disk is logged once and does not stop the run.
 *
 * @see <a
 *     href="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto">The
 *     format of events</a>
 */
public final class TensorBoardEvents implements TrainingListener, AutoCloseable {

  private static final String NAME_START = "events.out.tfevents.";
  private static final double MILLIS = 1e3;

  /** How far a name may run ahead of the clock, in seconds. */
  private static final long MAXIMUM_SHIFT = 100_000;

  /** The directories of runs that are going on. */
  private static final Set<Path> BUSY = ConcurrentHashMap.newKeySet();

  private final Path directory;
  private final Clock clock;
  private final LongSupplier nanoTime;
  private final GrowingFile.Opener opener;
  private final StepClock steps;
  // names of terms are few, and joining strings is most of the work of a step
  private final Map<String, String> termTags = new HashMap<>();
  private final Map<String, String> weightTags = new HashMap<>();
  private final Map<String, String> normTags = new HashMap<>();
  private @Nullable GrowingFile file;
  private @Nullable Path busy;
  private long step;
  private long evaluated = -1;

  TensorBoardEvents(Path directory, Clock clock, LongSupplier nanoTime, GrowingFile.Opener opener) {
    this.directory = requireNonNull(directory, "directory");
    this.clock = clock;
    this.nanoTime = nanoTime;
    this.opener = opener;
    this.steps = new StepClock(nanoTime);
    Path real = prepare();
    if (BUSY.contains(real)) {
      throw taken();
    }
  }

  /**
   * Writes event files into a directory.
   *
   * @param directory the directory of the run, made if it is missing
   * @return the listener
   * @throws DistillationException if files cannot be made there, or another run is writing there
   */
  public static TensorBoardEvents to(Path directory) {
    return new TensorBoardEvents(
        directory, Clock.systemUTC(), System::nanoTime, GrowingFile.Opener.READ_WRITE);
  }

  /** Makes the directory, tries to write there, and returns its one true name. */
  private Path prepare() {
    try {
      Files.createDirectories(directory);
      Files.delete(Files.createTempFile(directory, ".distill-", ".tmp"));
      return directory.toRealPath();
    } catch (IOException e) {
      throw GrowingFile.unwritable("directory of event files", directory, e);
    }
  }

  private DistillationException taken() {
    return new DistillationException(
        "directory of event files must belong to one run at a time but was "
            + directory
            + ", to which another run is writing; give each run its own directory");
  }

  @Override
  public synchronized void onRunStart(RunStart event) {
    close();
    Path real = prepare();
    if (!BUSY.add(real)) {
      throw taken();
    }
    busy = real;
    step = event.firstStep();
    evaluated = -1;
    GrowingFile opened = GrowingFile.open(newFile(), opener, nanoTime);
    file = opened;
    write(EventRecords.version(now()));
    long first = event.firstStep() == 0 ? 0 : event.firstStep() + 1;
    write(EventRecords.session(now(), first, EventRecords.Session.START, ""));
    steps.restart();
  }

  /** Returns a name that sorts behind all that are there, since readers take them in order. */
  private Path newFile() {
    try (Stream<Path> files = Files.list(directory)) {
      String last =
          files
              .map(each -> each.getFileName().toString())
              .filter(name -> name.startsWith(NAME_START))
              .max(String::compareTo)
              .orElse("");
      Instant now = clock.instant();
      long seconds = now.getEpochSecond();
      String name = name(seconds);
      while (name.compareTo(last) <= 0 && seconds < now.getEpochSecond() + MAXIMUM_SHIFT) {
        seconds++;
        name = name(seconds);
      }
      return directory.resolve(name);
    } catch (IOException | UncheckedIOException e) {
      throw GrowingFile.unwritable("directory of event files", directory, e);
    }
  }

  private static String name(long seconds) {
    return NAME_START
        + String.format(Locale.ROOT, "%010d.distill.%d", seconds, ProcessHandle.current().pid());
  }

  @Override
  public synchronized void onStep(Step event) {
    step = event.progress().step() + 1;
    double rowsPerSecond = steps.rowsPerSecond(event.rows());
    EventRecords.Scalars scalars = new EventRecords.Scalars();
    scalars.add("train/loss", event.loss());
    addTerms(scalars, event.terms(), "train/terms/", termTags);
    addTerms(scalars, event.weights(), "train/weights/", weightTags);
    scalars.add("train/learningRate", event.learningRate());
    if (!Double.isNaN(event.temperature())) {
      scalars.add("train/temperature", event.temperature());
    }
    scalars.add("train/gradientNorm", event.gradientNorm());
    addTerms(scalars, event.gradientNorms(), "train/gradientNorms/", normTags);
    scalars.add("train/rowsPerSecond", rowsPerSecond);
    write(step, scalars);
  }

  @Override
  public synchronized void onEvaluation(Evaluation event) {
    evaluated = event.progress().step();
    EventRecords.Scalars scalars = new EventRecords.Scalars();
    event.metrics().forEach((name, value) -> scalars.add("validation/" + name, value));
    write(evaluated, scalars);
    steps.restart();
  }

  @Override
  public synchronized void onEpoch(Epoch event) {
    EventRecords.Scalars scalars = new EventRecords.Scalars();
    scalars.add("epoch/loss", event.loss());
    event.terms().forEach((name, value) -> scalars.add("epoch/terms/" + name, value));
    if (evaluated != step) {
      event.metrics().forEach((name, value) -> scalars.add("validation/" + name, value));
    }
    write(step, scalars);
    steps.restart();
  }

  @Override
  public synchronized void onCheckpoint(Checkpoint event) {
    EventRecords.Scalars scalars = new EventRecords.Scalars();
    scalars.add("checkpoint/bytes", (double) event.bytes());
    scalars.add("checkpoint/seconds", event.seconds());
    write(event.step(), scalars);
    write(
        EventRecords.session(
            now(), event.step(), EventRecords.Session.CHECKPOINT, event.directory().toString()));
    if (file != null) {
      file.sync();
    }
    steps.restart();
  }

  @Override
  public synchronized void onRunEnd(RunEnd event) {
    EventRecords.Scalars scalars = new EventRecords.Scalars();
    scalars.add("run/seconds", event.seconds());
    scalars.add("run/teacherSeconds", event.teacherSeconds());
    write(event.steps(), scalars);
    write(EventRecords.session(now(), event.steps(), EventRecords.Session.STOP, ""));
    close();
  }

  @Override
  public synchronized void onRunFailure(RunFailure event) {
    write(EventRecords.session(now(), event.steps(), EventRecords.Session.STOP, ""));
    close();
  }

  /** Closes the file, as the end of a run does; the next run writes another one. */
  @Override
  public synchronized void close() {
    if (file != null) {
      file.close();
      file = null;
    }
    if (busy != null) {
      BUSY.remove(busy);
      busy = null;
    }
  }

  private static void addTerms(
      EventRecords.Scalars scalars,
      Map<String, Double> values,
      String group,
      Map<String, String> tags) {
    values.forEach((name, value) -> scalars.add(tags.computeIfAbsent(name, group::concat), value));
  }

  private void write(long step, EventRecords.Scalars scalars) {
    if (!scalars.isEmpty()) {
      write(EventRecords.scalars(now(), step, scalars));
    }
  }

  private void write(byte[] record) {
    if (file != null) {
      file.append(record, record.length);
    }
  }

  private double now() {
    return clock.millis() / MILLIS;
  }

  @Override
  public String toString() {
    return "TensorBoardEvents to " + directory;
  }
}
