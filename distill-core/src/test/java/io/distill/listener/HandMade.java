package io.distill.listener;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.google.common.collect.ImmutableMap;
import io.distill.schedule.Progress;
import io.distill.training.TrainingListener;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.LoggerFactory;

/**
 * Events of a run of 10 steps in 2 epochs that never was, and what else tests of listeners need.
 */
final class HandMade {

  static final Instant NOON = Instant.parse("2026-03-01T12:00:00Z");
  static final Clock CLOCK = Clock.fixed(NOON, ZoneOffset.UTC);

  private static final Map<String, Double> WEIGHTS =
      ImmutableMap.of("softTargets", 0.75, "hardLabels", 0.25);

  private HandMade() {}

  /** Time that stands still until it is moved. */
  static final class Nanos {
    final AtomicLong now = new AtomicLong(1);

    long read() {
      return now.get();
    }

    void passSeconds(double seconds) {
      now.addAndGet(Math.round(seconds * 1e9));
    }
  }

  static TrainingListener.RunStart start(long firstStep) {
    return new TrainingListener.RunStart(320, 2, 10, firstStep, 1234);
  }

  static Progress progress(long step) {
    return new Progress((int) Math.min(1, step / 5), step, 10, 42);
  }

  /** The step that is the n-th, counted from 1. */
  static TrainingListener.Step step(long number) {
    Map<String, Double> terms = new LinkedHashMap<>();
    terms.put("softTargets", 1.0 / number);
    terms.put("hardLabels", 2.0 / number);
    return new TrainingListener.Step(
        progress(number - 1), 1.5 / number, terms, WEIGHTS, 0.01 / number, 4, 0.5, Map.of(), 32);
  }

  static TrainingListener.Evaluation evaluation(long step) {
    return new TrainingListener.Evaluation(
        progress(step), Map.of("accuracy", step / 16.0), true, 0.25);
  }

  static TrainingListener.Epoch epoch(int epoch) {
    return new TrainingListener.Epoch(
        epoch, 2, 0.75, Map.of("softTargets", 0.5), 0.01, 4, Map.of("accuracy", 0.625), 3.5);
  }

  static TrainingListener.Checkpoint checkpoint(long step) {
    return new TrainingListener.Checkpoint(Path.of("checkpoints", "step-" + step), step, 5000, 0.5);
  }

  static TrainingListener.RunEnd end(TrainingListener.EndReason reason) {
    return new TrainingListener.RunEnd(10, 12.5, 2.5, reason);
  }

  static TrainingListener.RunEnd end() {
    return end(TrainingListener.EndReason.COMPLETED);
  }

  static TrainingListener.RunFailure failure(long steps) {
    return new TrainingListener.RunFailure(
        steps, new IllegalStateException("loss must be finite but was NaN\nand more"));
  }

  /** Tells the steps after the first so many, with the ends of epochs. */
  static void steps(TrainingListener listener, long after, long last) {
    for (long number = after + 1; number <= last; number++) {
      listener.onStep(step(number));
      if (number % 5 == 0) {
        listener.onEvaluation(evaluation(number));
        listener.onEpoch(epoch((int) (number / 5)));
        listener.onCheckpoint(checkpoint(number));
      }
    }
  }

  static void wholeRun(TrainingListener listener) {
    listener.onTeacherPass(new TrainingListener.TeacherPass(160, 320));
    listener.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    listener.onRunStart(start(0));
    steps(listener, 0, 10);
    listener.onRunEnd(end());
  }

  /** Opens files on a disk that is full at times: half of what is written then arrives. */
  static final class FullDisk implements GrowingFile.Opener {
    final AtomicBoolean full = new AtomicBoolean();

    @Override
    public RandomAccessFile open(File file) throws IOException {
      return new RandomAccessFile(file, "rw") {
        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
          if (full.get()) {
            super.write(bytes, offset, length / 2);
            throw new IOException("No space left on device");
          }
          super.write(bytes, offset, length);
        }
      };
    }
  }

  /** What the package logs, until closed. */
  static final class Heard implements AutoCloseable {
    private final Logger logger = (Logger) LoggerFactory.getLogger("io.distill.listener");
    private final ListAppender<ILoggingEvent> appender = new ListAppender<>();

    Heard() {
      appender.start();
      logger.addAppender(appender);
      logger.setAdditive(false);
      logger.setLevel(Level.INFO);
    }

    List<String> messages() {
      return appender.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
    }

    @Override
    public void close() {
      logger.setLevel(null);
      logger.setAdditive(true);
      logger.detachAppender(appender);
    }
  }
}
