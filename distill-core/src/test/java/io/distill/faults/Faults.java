package io.distill.faults;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Collects the faults of one format, and knows those that every format has. */
final class Faults {

  private static final int RANDOM_CASES = 10;

  private final String format;
  private final String fileName;
  private final Fault.Reading reading;
  private final List<Fault> all = new ArrayList<>();
  private final Random random;

  Faults(String format, String fileName, Fault.Reading reading) {
    this.format = format;
    this.fileName = fileName;
    this.reading = reading;
    this.random = new Random(format.hashCode());
  }

  List<Fault> all() {
    return Collections.unmodifiableList(all);
  }

  /** Adds a file that must be refused. */
  void refused(String name, byte[] content) {
    refused(name, Fault.file(fileName, content));
  }

  void refused(String name, String content) {
    refused(name, content.getBytes(StandardCharsets.UTF_8));
  }

  void refused(String name, Fault.Making making) {
    all.add(new Fault(format, name, false, making, reading));
  }

  /** Adds a file that must be refused or be sound. */
  void either(String name, byte[] content) {
    either(name, Fault.file(fileName, content));
  }

  void either(String name, String content) {
    either(name, content.getBytes(StandardCharsets.UTF_8));
  }

  void either(String name, Fault.Making making) {
    add(name, true, making);
  }

  void add(String name, boolean mayLoad, Fault.Making making) {
    all.add(new Fault(format, name, mayLoad, making, reading));
  }

  /** What can happen to any file: cut off, flipped, overwritten, not there, something else. */
  void common(byte[] whole, int headerBytes, boolean flipsAreSeen, boolean cutsAreSeen) {
    add("empty", new byte[0], !cutsAreSeen);
    add("one byte", Arrays.copyOf(whole, 1), !cutsAreSeen);
    add("header only", Arrays.copyOf(whole, Math.min(headerBytes, whole.length - 1)), !cutsAreSeen);
    add("without the last byte", Arrays.copyOf(whole, whole.length - 1), !cutsAreSeen);
    add("first half", Arrays.copyOf(whole, whole.length / 2), !cutsAreSeen);
    for (int length : places(1, whole.length)) {
      add("cut off after " + length + " bytes", Arrays.copyOf(whole, length), !cutsAreSeen);
    }
    int header = Math.min(whole.length, headerBytes);
    for (int at : places(0, header)) {
      flip(whole, at, true);
    }
    for (int at : places(header, whole.length)) {
      flip(whole, at, !flipsAreSeen);
    }
    byte[] zeros = new byte[whole.length];
    add("zeros instead", zeros, false);
    byte[] ones = new byte[whole.length];
    Arrays.fill(ones, (byte) 0xff);
    add("0xff instead", ones, false);
    byte[] noise = new byte[whole.length];
    random.nextBytes(noise);
    add("noise instead", noise, false);
    byte[] holed = whole.clone();
    Arrays.fill(holed, whole.length / 4, whole.length / 2, (byte) 0);
    add("zeros in the second quarter, as after a crash", holed, !flipsAreSeen);
    byte[] twice = Arrays.copyOf(whole, 2 * whole.length);
    System.arraycopy(whole, 0, twice, whole.length, whole.length);
    add("twice in one file", twice, true);
    byte[] longer = Arrays.copyOf(whole, whole.length + 100);
    add("followed by 100 zeros", longer, true);
    refused("missing", directory -> directory.resolve(fileName));
    refused(
        "a directory",
        directory -> Files.createDirectories(directory.resolve(fileName + "/x")).getParent());
    refused(
        "a symbolic link to itself",
        directory -> Files.createSymbolicLink(directory.resolve(fileName), Path.of(fileName)));
    refused(
        "a link to a device without end",
        directory -> Files.createSymbolicLink(directory.resolve(fileName), Path.of("/dev/zero")));
  }

  private int[] places(int from, int to) {
    return random.ints(from, to).distinct().limit(Math.min(RANDOM_CASES, to - from)).toArray();
  }

  private void flip(byte[] whole, int at, boolean mayLoad) {
    byte[] flipped = whole.clone();
    int bit = random.nextInt(Byte.SIZE);
    flipped[at] ^= (byte) (1 << bit);
    add("bit " + bit + " of byte " + at + " flipped", flipped, mayLoad);
  }

  private void add(String name, byte[] content, boolean mayLoad) {
    all.add(new Fault(format, name, mayLoad, Fault.file(fileName, content), reading));
  }

  /** Copies a directory that was saved once, so that a case can spoil a part of it. */
  static Path copy(Path from, Path to) throws IOException {
    try (var tree = Files.walk(from)) {
      for (Path each : tree.toList()) {
        Path target = to.resolve(from.relativize(each).toString());
        if (Files.isDirectory(each)) {
          Files.createDirectories(target);
        } else {
          Files.copy(each, target);
        }
      }
    }
    return to;
  }
}
