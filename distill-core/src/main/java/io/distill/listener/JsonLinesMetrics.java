package io.distill.listener;

import static java.util.Objects.requireNonNull;

import com.google.gson.stream.JsonWriter;
import io.distill.exception.DistillationException;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what happens to a file, one JSON object a line.
 *
 * <pre>{@code
 * {"event":"runStart","time":"2026-03-01T09:30:00.000Z","firstStep":0,"rows":3000,"epochs":10,
 *     "totalSteps":940,"studentParameters":122890}
 * {"event":"step","time":"...","step":1,"epoch":1,"loss":1.25,"terms":{"softTargets":1.25},
 *     "weights":{"softTargets":1.0},"learningRate":0.001,"temperature":4.0,"gradientNorm":0.7,"rows":32,"rowsPerSecond":1840.2}
 * }</pre>
 *
 * <p><b>Lines.</b> Every line has {@code event} first, then {@code time} (UTC, ISO 8601,
 * milliseconds). {@code step} is the number of optimizer steps taken, {@code epoch} counts from 1,
 * times are in seconds. What is not finite is {@code null}.
 *
 * <ul>
 *   <li>{@code runStart}: {@code firstStep} (greater than 0 where a run goes on from a checkpoint),
 *       {@code rows}, {@code epochs}, {@code totalSteps}, {@code studentParameters}
 *   <li>{@code teacherPass}: {@code rowsDone}, {@code rows}; only the last one before another event
 *   <li>{@code step}: {@code step}, {@code epoch}, {@code loss} (weighted), {@code terms} (by name,
 *       before weighting), {@code weights} (by term), {@code learningRate}, {@code temperature},
 *       {@code gradientNorm}, {@code gradientNorms} (by term, where measured), {@code rows}, {@code
 *       rowsPerSecond} (of this step)
 *   <li>{@code evaluation}: {@code step}, {@code metrics} (by name), {@code best}, {@code seconds}
 *   <li>{@code epoch}: {@code step}, {@code epoch}, {@code epochs}, {@code loss}, {@code terms},
 *       {@code learningRate}, {@code temperature}, {@code metrics}, {@code seconds}
 *   <li>{@code checkpoint}: {@code step}, {@code directory}, {@code bytes}, {@code seconds}
 *   <li>{@code runEnd}: {@code step}, {@code seconds}, {@code teacherSeconds}, {@code reason}
 *   <li>{@code runFailure}: {@code step}, {@code exception} (its class), {@code message}
 * </ul>
 *
 * <p><b>Whole lines.</b> Each line is handed to the operating system at once, and synced to the
 * disk with every checkpoint. A process that is killed leaves whole lines or a torn last one, which
 * is taken away when the file is next opened.
 *
 * <p><b>Resumed runs.</b> A run that goes on from a checkpoint in the same file takes away what was
 * written after that checkpoint, so that no step appears twice, and adds another {@code runStart}.
 * A run from the start comes after what is there ({@link #to}) or replaces it ({@link #replacing}).
 *
 * <p>The file is open during a run and closed at its end; several runs may follow one another, but
 * two at the same time need a file each. A full disk is logged once and does not stop the run.
 */
public final class JsonLinesMetrics implements TrainingListener, AutoCloseable {

  private static final Logger LOGGER = LoggerFactory.getLogger(JsonLinesMetrics.class);

  private static final DateTimeFormatter TIME =
      new DateTimeFormatterBuilder().appendInstant(3).toFormatter(Locale.ROOT);

  private final Path path;
  private final boolean replace;
  private final Clock clock;
  private final LongSupplier nanoTime;
  private final GrowingFile.Opener opener;
  private final StepClock steps;
  private final StringWriter text = new StringWriter();
  private @Nullable GrowingFile file;
  private @Nullable TeacherPass teacherPass;
  private @Nullable Instant teacherPassTime;
  private long step;

  JsonLinesMetrics(
      Path path, boolean replace, Clock clock, LongSupplier nanoTime, GrowingFile.Opener opener) {
    this.path = requireNonNull(path, "path");
    this.replace = replace;
    this.clock = clock;
    this.nanoTime = nanoTime;
    this.opener = opener;
    this.steps = new StepClock(nanoTime);
    openMended().close();
  }

  /**
   * Writes to a file, after what is already there.
   *
   * @param path the file, made if it is missing, with the directories above it
   * @return the listener
   * @throws DistillationException if the file cannot be written, another run is writing to it, or
   *     it holds something else than lines of this class
   */
  public static JsonLinesMetrics to(Path path) {
    return of(path, false);
  }

  /**
   * Writes to a file, which a run from the start empties first; a run that goes on from a
   * checkpoint goes on in it.
   *
   * @param path the file, made if it is missing, with the directories above it
   * @return the listener
   * @throws DistillationException as {@link #to}
   */
  public static JsonLinesMetrics replacing(Path path) {
    return of(path, true);
  }

  private static JsonLinesMetrics of(Path path, boolean replace) {
    return new JsonLinesMetrics(
        path, replace, Clock.systemUTC(), System::nanoTime, GrowingFile.Opener.READ_WRITE);
  }

  private GrowingFile openMended() {
    GrowingFile opened = GrowingFile.open(path, opener, nanoTime);
    try {
      new JsonLinesFile(path, opened).mend();
      return opened;
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  @Override
  public synchronized void onRunStart(RunStart event) {
    TeacherPass passed = teacherPass;
    close();
    teacherPass = passed;
    step = event.firstStep();
    GrowingFile opened = openMended();
    try {
      if (event.firstStep() > 0) {
        new JsonLinesFile(path, opened).cut(event);
      } else if (replace) {
        opened.truncate(0);
      }
    } catch (IOException | RuntimeException e) {
      LOGGER.warn("{} keeps lines of steps that come again", path, e);
    }
    file = opened;
    write(
        "runStart",
        json -> {
          json.name("firstStep").value(event.firstStep());
          json.name("rows").value(event.rows());
          json.name("epochs").value(event.epochs());
          json.name("totalSteps").value(event.totalSteps());
          json.name("studentParameters").value(event.studentParameters());
        });
    steps.restart();
  }

  @Override
  public synchronized void onTeacherPass(TeacherPass event) {
    // every batch tells; before the run starts the file is not open yet
    teacherPass = event;
    teacherPassTime = clock.instant();
  }

  @Override
  public synchronized void onStep(Step event) {
    step = event.progress().step() + 1;
    double rowsPerSecond = steps.rowsPerSecond(event.rows());
    write(
        "step",
        json -> {
          json.name("step").value(step);
          json.name("epoch").value(event.progress().epoch() + 1);
          number(json, "loss", event.loss());
          numbers(json, "terms", event.terms());
          numbers(json, "weights", event.weights());
          number(json, "learningRate", event.learningRate());
          number(json, "temperature", event.temperature());
          number(json, "gradientNorm", event.gradientNorm());
          if (!event.gradientNorms().isEmpty()) {
            numbers(json, "gradientNorms", event.gradientNorms());
          }
          json.name("rows").value(event.rows());
          number(json, "rowsPerSecond", rowsPerSecond);
        });
  }

  @Override
  public synchronized void onEvaluation(Evaluation event) {
    write(
        "evaluation",
        json -> {
          json.name("step").value(event.progress().step());
          numbers(json, "metrics", event.metrics());
          json.name("best").value(event.best());
          number(json, "seconds", event.seconds());
        });
    steps.restart();
  }

  @Override
  public synchronized void onEpoch(Epoch event) {
    write(
        "epoch",
        json -> {
          json.name("step").value(step);
          json.name("epoch").value(event.epoch());
          json.name("epochs").value(event.epochs());
          number(json, "loss", event.loss());
          numbers(json, "terms", event.terms());
          number(json, "learningRate", event.learningRate());
          number(json, "temperature", event.temperature());
          numbers(json, "metrics", event.metrics());
          number(json, "seconds", event.seconds());
        });
    steps.restart();
  }

  @Override
  public synchronized void onCheckpoint(Checkpoint event) {
    write(
        "checkpoint",
        json -> {
          json.name("step").value(event.step());
          json.name("directory").value(event.directory().toString());
          json.name("bytes").value(event.bytes());
          number(json, "seconds", event.seconds());
        });
    if (file != null) {
      file.sync();
    }
    steps.restart();
  }

  @Override
  public synchronized void onRunEnd(RunEnd event) {
    write(
        "runEnd",
        json -> {
          json.name("step").value(event.steps());
          number(json, "seconds", event.seconds());
          number(json, "teacherSeconds", event.teacherSeconds());
          json.name("reason").value(event.reason().name());
        });
    close();
  }

  @Override
  public synchronized void onRunFailure(RunFailure event) {
    write(
        "runFailure",
        json -> {
          json.name("step").value(event.steps());
          json.name("exception").value(event.cause().getClass().getName());
          json.name("message").value(event.cause().getMessage());
        });
    close();
  }

  /** Closes the file, as the end of a run does; the next run opens it again. */
  @Override
  public synchronized void close() {
    teacherPass = null;
    if (file != null) {
      file.close();
      file = null;
    }
  }

  /** Writes the names and values of a line after the first two. */
  @FunctionalInterface
  private interface Content {
    void writeTo(JsonWriter json) throws IOException;
  }

  private void write(String event, Content content) {
    if (file == null) {
      return;
    }
    TeacherPass passed = teacherPass;
    if (passed != null && !event.equals("runStart")) {
      teacherPass = null;
      writeLine(
          "teacherPass",
          requireNonNull(teacherPassTime),
          json -> {
            json.name("rowsDone").value(passed.rowsDone());
            json.name("rows").value(passed.rows());
          });
    }
    writeLine(event, clock.instant(), content);
  }

  private void writeLine(String event, Instant time, Content content) {
    text.getBuffer().setLength(0);
    try {
      JsonWriter json = new JsonWriter(text);
      json.beginObject();
      json.name("event").value(event);
      json.name("time").value(TIME.format(time));
      content.writeTo(json);
      json.endObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    byte[] line = text.append('\n').toString().getBytes(StandardCharsets.UTF_8);
    requireNonNull(file).append(line, line.length);
  }

  private static void numbers(JsonWriter json, String name, Map<String, Double> values)
      throws IOException {
    json.name(name).beginObject();
    for (Map.Entry<String, Double> value : values.entrySet()) {
      number(json, value.getKey(), value.getValue());
    }
    json.endObject();
  }

  private static void number(JsonWriter json, String name, double value) throws IOException {
    json.name(name);
    if (Double.isFinite(value)) {
      json.value(value);
    } else {
      json.nullValue();
    }
  }

  @Override
  public String toString() {
    return "JsonLinesMetrics to " + path;
  }
}
