package io.distill.listener;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.training.TrainingListener;
import java.text.DecimalFormat;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.DefaultProgressBarRenderer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;
import me.tongfei.progressbar.ProgressState;
import org.jline.terminal.spi.SystemStream;
import org.jspecify.annotations.Nullable;

/**
 * Shows a run on the console.
 *
 * <p>On a terminal a bar stands at the bottom, with the loss, its terms and the settings below it;
 * epochs, checkpoints and the end scroll by above, and so does what others print:
 *
 * <pre>{@code
 * epoch 4/10  loss 0.4519 (softTargets 0.4301, hardLabels 0.6480)  accuracy 0.9130  31.2 s
 *
 * training  43% ━━━━━━━━━━━━━╸━━━━━━━━━━━━━━━━ 404/940 (0:00:34 / 0:00:45) 1,840 rows/s
 *   epoch 5/10  loss 0.4312  softTargets 0.4102  hardLabels 0.6213
 *   lr 2.90e-4  T 3.2  accuracy 0.9130  agreement 0.9420
 * }</pre>
 *
 * <p>Elsewhere (a file, a pipe, a build server, {@code TERM=dumb}) it prints plain lines instead,
 * at most one in {@link #DEFAULT_INTERVAL} about steps, and after the first 20 at most one a second
 * about epochs, evaluations and checkpoints each. No control characters are written there.
 *
 * <p>Several runs at the same time share a console if each has a listener of its own; {@link
 * #named} tells them apart. One listener may show several runs one after another. A run that goes
 * on from a checkpoint starts where it stopped. The environment variable {@code NO_COLOR} is
 * respected.
 */
public final class ConsoleProgress implements TrainingListener, AutoCloseable {

  /** The least time between two lines about steps where there is no terminal. */
  public static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(10);

  private static final int NEWS_AT_ONCE = 20;
  private static final int REDRAW_MILLIS = 200;
  private static final int FEWEST_COLUMNS = 20;
  private static final double NANOS = 1e9;
  private static final double SPEED_SECONDS = 3;
  private static final String ALL_CHARACTERS = "━╸╺";

  private final Screen screen;
  private final @Nullable IntSupplier columns;
  private final Appendable out;
  private final String name;
  private final long intervalNanos;
  private final LongSupplier nanoTime;
  private final StepClock steps;

  private @Nullable ProgressBar bar;
  private @Nullable RunStart run;
  private @Nullable Evaluation evaluation;
  private final Allowance evaluationLines;
  private final Allowance epochLines;
  private final Allowance checkpointLines;
  private long lastStepLine;
  private long startNanos;
  private long teacherNanos;
  private long teacherRows;

  // read by the thread that draws
  private volatile @Nullable Step step;
  private volatile Map<String, Double> metrics = Map.of();
  private volatile double rowsPerSecond;
  private volatile int epochs;

  ConsoleProgress(
      Appendable out,
      @Nullable IntSupplier columns,
      String name,
      Duration interval,
      LongSupplier nanoTime) {
    this.out = out;
    this.screen = Screen.of(out);
    this.columns = columns;
    this.name = name;
    this.intervalNanos = interval.toNanos();
    this.nanoTime = nanoTime;
    this.steps = new StepClock(nanoTime);
    this.evaluationLines = new Allowance();
    this.epochLines = new Allowance();
    this.checkpointLines = new Allowance();
  }

  /**
   * Shows runs on the standard error stream: a bar if that is a terminal, else lines.
   *
   * @return the listener
   */
  public static ConsoleProgress create() {
    return to(System.err);
  }

  /**
   * Shows runs elsewhere: a bar if it is one of the standard streams and that is a terminal, else
   * lines.
   *
   * @param out where to write, such as a {@code PrintStream}, a {@code Writer} or a {@code
   *     StringBuilder}; it is flushed if it can be, and never closed
   * @return the listener
   */
  public static ConsoleProgress to(Appendable out) {
    requireNonNull(out, "out");
    IntSupplier columns =
        out == System.err
            ? Terminals.columns(SystemStream.Error, System.getenv())
            : out == System.out ? Terminals.columns(SystemStream.Output, System.getenv()) : null;
    return new ConsoleProgress(out, columns, "", DEFAULT_INTERVAL, System::nanoTime);
  }

  /**
   * Gives runs a name, which is shown wherever something is said about them.
   *
   * @param name the name, such as that of a student
   * @return another listener, which has the name
   */
  public ConsoleProgress named(String name) {
    return new ConsoleProgress(
        out, columns, requireNonNull(name, "name"), Duration.ofNanos(intervalNanos), nanoTime);
  }

  /**
   * Prints plain lines, also on a terminal.
   *
   * @param interval the least time between two lines about steps, not negative; default {@link
   *     #DEFAULT_INTERVAL}
   * @return another listener, which does so
   * @throws IllegalArgumentException if {@code interval} is negative
   */
  public ConsoleProgress asLines(Duration interval) {
    checkArgument(!interval.isNegative(), "interval must not be negative but was %s", interval);
    return new ConsoleProgress(out, null, name, interval, nanoTime);
  }

  /**
   * Draws a bar, also where no terminal is recognised, as in the console of an editor.
   *
   * @param width the number of columns, at least 20
   * @return another listener, which does so
   * @throws IllegalArgumentException if {@code width} is less than 20
   */
  public ConsoleProgress asBar(int width) {
    checkArgument(
        width >= FEWEST_COLUMNS, "width must be at least %s but was %s", FEWEST_COLUMNS, width);
    return new ConsoleProgress(out, () -> width, name, Duration.ofNanos(intervalNanos), nanoTime);
  }

  @Override
  public synchronized void onTeacherPass(TeacherPass event) {
    long now = nanoTime.getAsLong();
    if (run != null) {
      return;
    }
    if (teacherRows == 0 || event.rowsDone() <= teacherRows) {
      // the clock starts with the first answer: how long that took nobody told
      close();
      teacherNanos = now;
      teacherRows = event.rowsDone();
      lastStepLine = now;
      if (columns != null && event.rowsDone() < event.rows()) {
        bar = newBar("teacher", teacherRows, event.rows());
      }
      return;
    }
    double seconds = Math.max(1, now - teacherNanos) / NANOS;
    rowsPerSecond = (event.rowsDone() - teacherRows) / seconds;
    if (bar != null) {
      bar.stepTo(event.rowsDone());
    } else if (columns == null && stepDue()) {
      say(
          "teacher: "
              + Figures.count(event.rowsDone())
              + " of "
              + Figures.count(event.rows())
              + " rows ("
              + Figures.percent((double) event.rowsDone() / event.rows())
              + "), "
              + speed()
              + ", "
              + Figures.time((event.rows() - event.rowsDone()) / rowsPerSecond)
              + " left");
    }
  }

  @Override
  public synchronized void onRunStart(RunStart event) {
    close();
    run = event;
    epochs = event.epochs();
    startNanos = nanoTime.getAsLong();
    lastStepLine = startNanos;
    say(
        (event.firstStep() == 0
                ? "training: "
                : "training goes on after step " + Figures.count(event.firstStep()) + ": ")
            + Figures.count(event.rows())
            + (event.rows() == 1 ? " row, " : " rows, ")
            + Figures.count(event.epochs())
            + (event.epochs() == 1 ? " epoch, " : " epochs, ")
            + Figures.count(event.totalSteps())
            + (event.totalSteps() == 1 ? " step, " : " steps, ")
            + Figures.count(event.studentParameters())
            + " parameters");
    if (columns != null) {
      bar = newBar("training", event.firstStep(), event.totalSteps());
    }
    steps.restart();
  }

  @Override
  public synchronized void onStep(Step event) {
    tellEvaluation();
    double seconds = steps.step() / NANOS;
    double weight = step == null ? 0 : Math.exp(-seconds / SPEED_SECONDS);
    rowsPerSecond = weight * rowsPerSecond + (1 - weight) * event.rows() / seconds;
    step = event;
    if (bar != null) {
      bar.stepTo(event.progress().step() + 1);
    } else if (columns == null && stepDue()) {
      say(stepLine(event));
    }
  }

  private String stepLine(Step event) {
    long done = event.progress().step() + 1;
    long total = event.progress().totalSteps();
    RunStart started = run;
    long before = started == null ? 0 : started.firstStep();
    double seconds = (nanoTime.getAsLong() - startNanos) / NANOS;
    double left = seconds / Math.max(1, done - before) * (total - done);
    return "step "
        + Figures.count(done)
        + "/"
        + Figures.count(total)
        + " ("
        + Figures.percent((double) done / total)
        + ")  epoch "
        + (event.progress().epoch() + 1)
        + (started == null ? "" : "/" + started.epochs())
        + "  "
        + loss(event.loss(), event.terms())
        + "  "
        + settings(event)
        + "  "
        + speed()
        + "  "
        + Figures.time(left)
        + " left";
  }

  @Override
  public synchronized void onEvaluation(Evaluation event) {
    tellEvaluation();
    metrics = event.metrics();
    // at the end of an epoch the epoch tells it
    evaluation = event;
    steps.restart();
  }

  private void tellEvaluation() {
    Evaluation last = evaluation;
    evaluation = null;
    if (last != null && !last.metrics().isEmpty() && evaluationLines.take()) {
      say(
          "evaluation at step "
              + Figures.count(last.progress().step())
              + "  "
              + Figures.values(last.metrics(), "  ")
              + (last.best() ? "  (best)" : "")
              + "  "
              + Figures.time(last.seconds()));
    }
  }

  @Override
  public synchronized void onEpoch(Epoch event) {
    Evaluation last = evaluation;
    evaluation = null;
    if (!event.metrics().isEmpty()) {
      metrics = event.metrics();
    }
    if (epochLines.take()) {
      say(
          "epoch "
              + event.epoch()
              + "/"
              + event.epochs()
              + "  "
              + loss(event.loss(), event.terms())
              + (event.metrics().isEmpty() ? "" : "  " + Figures.values(event.metrics(), "  "))
              + (last != null && last.best() ? "  (best)" : "")
              + "  "
              + Figures.time(event.seconds()));
    }
    steps.restart();
  }

  @Override
  public synchronized void onCheckpoint(Checkpoint event) {
    tellEvaluation();
    if (checkpointLines.take()) {
      say(
          "checkpoint at step "
              + Figures.count(event.step())
              + ": "
              + event.directory()
              + " ("
              + Figures.bytes(event.bytes())
              + ", "
              + Figures.time(event.seconds())
              + ")");
    }
    steps.restart();
  }

  @Override
  public synchronized void onRunEnd(RunEnd event) {
    tellEvaluation();
    Step last = step;
    String reason =
        switch (event.reason()) {
          case COMPLETED -> "completed: ";
          case EARLY_STOPPED -> "stopped early, no improvement any more: ";
          case STOPPED -> "stopped on request: ";
        };
    say(
        reason
            + Figures.count(event.steps())
            + " steps in "
            + Figures.time(event.seconds())
            + (event.teacherSeconds() > 0
                ? " (teacher " + Figures.time(event.teacherSeconds()) + ")"
                : "")
            + (last == null ? "" : "  loss " + Figures.value(last.loss()))
            + (metrics.isEmpty() ? "" : "  " + Figures.values(metrics, "  ")));
    close();
  }

  @Override
  public synchronized void onRunFailure(RunFailure event) {
    tellEvaluation();
    String message = event.cause().getMessage();
    say(
        "failed after "
            + Figures.count(event.steps())
            + " steps: "
            + event.cause().getClass().getSimpleName()
            + (message == null ? "" : ": " + message.lines().findFirst().orElse("")));
    close();
  }

  /**
   * Takes the bar away, as the end of a run does. Only needed where the teacher failed before the
   * run started, of which no listener is told.
   */
  @Override
  public synchronized void close() {
    ProgressBar shown = bar;
    bar = null;
    if (shown != null) {
      // the bar swallows an interrupt, with which a run may be asked to stop
      boolean interrupted = Thread.interrupted();
      shown.close();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      // a bar that was closed before it was first drawn forgets to do so
      screen.remove(this);
    }
    run = null;
    step = null;
    evaluation = null;
    metrics = Map.of();
    rowsPerSecond = 0;
    teacherRows = 0;
  }

  private void say(String line) {
    screen.print(name.isEmpty() ? line : "[" + name + "] " + line);
  }

  /** Returns whether it is time for another line about steps. */
  private boolean stepDue() {
    long now = nanoTime.getAsLong();
    boolean due = now - lastStepLine >= intervalNanos;
    if (due) {
      lastStepLine = now;
    }
    return due;
  }

  /** How many lines of a kind may still be printed at once; each second allows one more. */
  private final class Allowance {
    private double lines = NEWS_AT_ONCE;
    private long asked = nanoTime.getAsLong();

    boolean take() {
      long now = nanoTime.getAsLong();
      lines = Math.min(NEWS_AT_ONCE, lines + (now - asked) / NANOS);
      asked = now;
      boolean allowed = lines >= 1;
      lines -= allowed ? 1 : 0;
      return allowed;
    }
  }

  private static String loss(double loss, Map<String, Double> terms) {
    return "loss "
        + Figures.value(loss)
        + (terms.size() > 1 ? " (" + Figures.values(terms, ", ") + ")" : "");
  }

  private static String settings(Step event) {
    return "lr "
        + Figures.value(event.learningRate())
        + (Double.isNaN(event.temperature()) ? "" : "  T " + Figures.setting(event.temperature()));
  }

  private String speed() {
    return Figures.count(Math.round(rowsPerSecond)) + " rows/s";
  }

  private ProgressBar newBar(String task, long done, long total) {
    Drawing drawing = new Drawing(requireNonNull(columns));
    ProgressBarBuilder builder = new ProgressBarBuilder();
    if (run != null) {
      // time passes on; but a teacher that failed is told to nobody, and its bar must not live on
      builder.continuousUpdate();
    }
    return builder
        .setTaskName(name.isEmpty() ? task : name + " " + task)
        .setInitialMax(total)
        .startsFrom(done, Duration.ZERO)
        .setUpdateIntervalMillis(REDRAW_MILLIS)
        .setRenderer(drawing)
        .setConsumer(drawing.rows)
        .build();
  }

  private static ProgressBarStyle style() {
    return !Terminals.shows(ALL_CHARACTERS)
        ? ProgressBarStyle.ASCII
        : System.getenv("NO_COLOR") == null
            ? ProgressBarStyle.COLORFUL_UNICODE_BAR
            : ProgressBarStyle.UNICODE_BLOCK;
  }

  /** Draws the bar and what stands below it; runs on the thread of the progress bars. */
  private final class Drawing extends DefaultProgressBarRenderer {
    private final Rows rows;

    Drawing(IntSupplier width) {
      super(style(), "", 1, true, new DecimalFormat(), null, true, Drawing::left);
      rows = new Rows(width);
    }

    private static Optional<Duration> left(ProgressState state) {
      long done = state.getCurrent() - state.getStart();
      return done == 0
          ? Optional.empty()
          : Optional.of(
              state
                  .getElapsedAfterStart()
                  .dividedBy(done)
                  .multipliedBy(state.getMax() - state.getCurrent()));
    }

    @Override
    protected String speed(ProgressState progress) {
      return rowsPerSecond > 0 ? ConsoleProgress.this.speed() : "";
    }
  }

  /** Takes the finished bar to the screen. */
  private final class Rows implements ProgressBarConsumer {
    private final IntSupplier width;

    Rows(IntSupplier width) {
      this.width = width;
    }

    @Override
    public int getMaxRenderedLength() {
      // a full row would wrap on some terminals
      return width.getAsInt() - 1;
    }

    @Override
    public void accept(String text) {
      List<String> rows = new ArrayList<>();
      rows.add(text);
      rows.addAll(details(getMaxRenderedLength()));
      screen.show(ConsoleProgress.this, rows);
    }

    @Override
    public void close() {
      screen.remove(ConsoleProgress.this);
    }
  }

  private List<String> details(int width) {
    Step event = step;
    if (event == null) {
      return List.of();
    }
    List<String> losses = new ArrayList<>();
    losses.add("epoch " + (event.progress().epoch() + 1) + "/" + epochs);
    losses.add("loss " + Figures.value(event.loss()));
    if (event.terms().size() > 1) {
      event.terms().forEach((term, value) -> losses.add(term + " " + Figures.value(value)));
    }
    List<String> settings = new ArrayList<>(List.of(settings(event)));
    metrics.forEach((metric, value) -> settings.add(metric + " " + Figures.value(value)));
    List<String> rows = new ArrayList<>();
    wrap(losses, width, rows);
    wrap(settings, width, rows);
    return rows;
  }

  private static void wrap(List<String> parts, int width, List<String> rows) {
    StringBuilder row = new StringBuilder();
    for (String part : parts) {
      if (row.length() > 0 && row.length() + 2 + part.length() > width) {
        rows.add(row.toString());
        row.setLength(0);
      }
      row.append("  ").append(part, 0, Math.min(part.length(), width - 2));
    }
    rows.add(row.toString());
  }

  @Override
  public String toString() {
    return "ConsoleProgress" + (name.isEmpty() ? "" : " " + name);
  }
}
