package io.distill.training.internal;

import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.model.SignalModel;
import io.distill.training.EarlyStopping;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The best student of a run with early stopping, kept in a temporary directory. */
final class BestStudent implements AutoCloseable {

  private final EarlyStopping rule;
  private final Path directory;
  private RunState.@Nullable Best best;
  private int withoutImprovement;

  BestStudent(EarlyStopping rule) {
    this.rule = rule;
    try {
      directory = Files.createTempDirectory("distill-best");
    } catch (IOException e) {
      throw new DistillationException(
          "temporary directory must be writable to keep the best student but was not ("
              + e
              + "); set java.io.tmpdir",
          e);
    }
  }

  RunState.@Nullable Best best() {
    return best;
  }

  int withoutImprovement() {
    return withoutImprovement;
  }

  /** Looks at a trial, keeps the student if it is the best so far, and tells whether it is. */
  boolean look(double value, long step, SignalModel model) {
    if (!rule.improves(value, best == null ? Double.NaN : best.value())) {
      withoutImprovement++;
      return false;
    }
    withoutImprovement = 0;
    best = new RunState.Best(value, step);
    try {
      empty();
      model.writeTo(directory);
    } catch (IOException e) {
      throw new DistillationException(
          "temporary directory "
              + directory
              + " must have room for the best student but could not be written ("
              + e
              + "); free some space or set java.io.tmpdir",
          e);
    }
    return true;
  }

  /** Returns whether the run has been without improvement for too long. */
  boolean exhausted() {
    return withoutImprovement >= rule.patience();
  }

  /** Gives the student the weights of the best trial, if there was one. */
  void restore(SignalModel model) {
    if (best == null) {
      return;
    }
    try {
      model.readFrom(directory);
    } catch (IOException e) {
      throw new DistillationException(
          "best student must be readable again but was not (" + e + ")", e);
    }
  }

  /** Copies the best student into a checkpoint. */
  void save(Path target) throws IOException {
    if (best != null) {
      copy(directory, target);
    }
  }

  /** Takes over what a checkpoint kept. */
  void resume(RunState state, Path source) throws IOException {
    best = state.best();
    withoutImprovement = state.trialsWithoutImprovement();
    if (best != null) {
      empty();
      copy(source, directory);
    }
  }

  private void empty() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      files.toList().forEach(AtomicFiles::deleteQuietly);
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      List<Path> all = files.toList();
      for (Path file : all) {
        Files.copy(file, to.resolve(file.getFileName().toString()));
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  @Override
  public void close() {
    AtomicFiles.deleteQuietly(directory);
  }
}
