package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * How large a model is.
 *
 * @param parameters the number of elements of all parameters, at least 0
 * @param bytes the number of bytes on disk, at least 0
 */
public record ModelSize(long parameters, long bytes) {

  /**
   * Checks the values.
   *
   * @param parameters the number of elements of all parameters, at least 0
   * @param bytes the number of bytes on disk, at least 0
   * @throws IllegalArgumentException if a value is out of range
   */
  public ModelSize {
    checkArgument(parameters >= 0, "parameters must be at least 0 but were %s", parameters);
    checkArgument(bytes >= 0, "bytes must be at least 0 but were %s", bytes);
  }

  /**
   * Measures a model and what was saved of it.
   *
   * @param model the model
   * @param saved the directory or file that it was saved to or read from
   * @return its size
   * @throws DistillationException if there is no such directory or file, or it cannot be read
   */
  public static ModelSize of(DeployableModel model, Path saved) {
    return new ModelSize(requireNonNull(model, "model").parameterCount(), bytes(saved));
  }

  /**
   * Measures a directory or file.
   *
   * @param path a file, or a directory that counts with everything below it
   * @return the sum of the sizes of the files, in bytes
   * @throws DistillationException if there is no such directory or file, or it cannot be read
   */
  public static long bytes(Path path) {
    requireNonNull(path, "path");
    if (!Files.exists(path)) {
      throw new DistillationException(
          "saved model must exist but " + path + " does not; check the path, or save the model");
    }
    try (Stream<Path> paths = Files.walk(path)) {
      List<Path> files = paths.filter(Files::isRegularFile).toList();
      long sum = 0;
      for (Path file : files) {
        sum += Files.size(file);
      }
      return sum;
    } catch (IOException | java.io.UncheckedIOException e) {
      throw new DistillationException(
          "saved model must be readable but "
              + path
              + " was not ("
              + e
              + "); check its permissions",
          e);
    }
  }
}
