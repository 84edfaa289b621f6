package io.distill.data;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;

/** Files of JSON Lines: an object a line, UTF-8, plain or compressed with gzip. */
public final class JsonLines {

  /** Room for a long conversation. */
  private static final int LONGEST = 1 << 24;

  private JsonLines() {}

  /** Takes the lines of a file. */
  @FunctionalInterface
  public interface Receiver {

    /**
     * Takes one line.
     *
     * @param line its number, from 1 on
     * @param object what stands there
     */
    void receive(long line, JsonObject object);
  }

  /** Is told of lines that are no objects. */
  @FunctionalInterface
  public interface BadLines {

    /**
     * Is told of one line.
     *
     * @param line its number, from 1 on
     * @param problem what is wrong
     * @throws DistillationException to stop reading
     */
    void bad(long line, DistillationException problem);
  }

  /**
   * Reads a file line by line; empty lines are left out.
   *
   * @param path the file; gzip is recognised by its content
   * @param receiver takes each object
   * @throws DistillationException if the file cannot be read, or a line is not a JSON object
   */
  public static void read(Path path, Receiver receiver) {
    read(
        path,
        receiver,
        (line, problem) -> {
          throw problem;
        });
  }

  /**
   * Reads a file line by line; empty lines are left out.
   *
   * @param path the file; gzip is recognised by its content
   * @param receiver takes each object
   * @param bad is told of lines that are no objects
   * @throws DistillationException if the file cannot be read
   */
  public static void read(Path path, Receiver receiver, BadLines bad) {
    requireNonNull(receiver, "receiver");
    try (BufferedReader reader =
        new BufferedReader(StrictTextReader.open(requireNonNull(path, "path")))) {
      long number = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        number++;
        if (!line.isBlank()) {
          JsonObject object;
          try {
            object = StrictJson.object(line, "line " + number + " of " + path, LONGEST);
          } catch (DistillationException e) {
            bad.bad(number, e);
            continue;
          }
          receiver.receive(number, object);
        }
      }
    } catch (IOException e) {
      throw new DistillationException(
          "data file " + path + " must be readable but was not: " + e, e);
    }
  }
}
