package io.distill.examples.email;

import io.distill.training.TrainingListener;
import java.io.PrintStream;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** Shows a run: a bar on a terminal, a line at the end of it elsewhere. */
final class Progress implements TrainingListener, AutoCloseable {

  private final String name;
  private final PrintStream out;
  private final boolean terminal;
  private @Nullable ProgressBar bar;
  private double loss;

  Progress(String name, PrintStream out, boolean terminal) {
    this.name = name;
    this.out = out;
    this.terminal = terminal;
  }

  private void show(String task, long done, long total) {
    if (!terminal) {
      return;
    }
    if (bar == null || !bar.getTaskName().equals(task)) {
      close();
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(total)
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(200)
              .clearDisplayOnFinish()
              .build();
    }
    bar.stepTo(done);
  }

  @Override
  public void onTeacherPass(TeacherPass event) {
    show(name + ": teacher reads", event.rowsDone(), event.rows());
  }

  @Override
  public void onStep(Step event) {
    show(name + ": student learns", event.progress().step() + 1, event.progress().totalSteps());
  }

  @Override
  public void onEpoch(Epoch event) {
    loss = event.loss();
  }

  @Override
  public void onRunEnd(RunEnd event) {
    close();
    out.printf(
        Locale.ROOT,
        "  %-12s %5d steps, last loss %.3f, %.1f s (teacher %.1f s)%n",
        name,
        event.steps(),
        loss,
        event.seconds(),
        event.teacherSeconds());
    out.flush();
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
