package io.distill.faults;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A malformed input: how it is made, and who reads it.
 *
 * @param format what it is a fault of
 * @param name what is wrong with it
 * @param mayLoad whether it may also load as sound data, as a flipped bit of a weight does
 * @param making puts the input into an empty directory and returns what is to be read
 * @param reading reads it and asserts that what was read is sound
 */
record Fault(String format, String name, boolean mayLoad, Making making, Reading reading) {

  /** Makes an input. */
  @FunctionalInterface
  interface Making {
    Path make(Path directory) throws IOException;
  }

  /** Reads an input; returns in a few words what was read. */
  @FunctionalInterface
  interface Reading {
    String read(Path path) throws IOException;
  }

  /** Makes a file of given content. */
  static Making file(String fileName, byte[] content) {
    return directory -> Files.write(directory.resolve(fileName), content);
  }

  @Override
  public String toString() {
    return format + ": " + name;
  }
}
