package io.distill.training.internal;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import io.distill.internal.ByteSize;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What a run needs of the memory of its devices, part by part: sizes that follow from the models
 * are exact, those of activations right to about a third. What Java itself, the data and libtorch's
 * code take is not in it.
 *
 * @param parts the parts, in the order in which they arise
 */
record MemoryEstimate(List<Part> parts) {

  /** When a part takes memory. */
  enum Kind {
    /** In memory already. */
    LOADED,
    /** For the whole run, for certain: weights, gradients, the optimizer's state. */
    FIXED,
    /** For the whole run or a part of it, as estimated: activations, logits, remembered answers. */
    WORKING
  }

  /**
   * A part.
   *
   * @param name what it is, such as {@code optimizer state}
   * @param device whose memory it takes
   * @param bytes how much; at least 0
   * @param kind when
   */
  record Part(String name, Device device, long bytes, Kind kind) {
    /** Checks the values. */
    Part {
      requireNonNull(name, "name");
      requireNonNull(device, "device");
      requireNonNull(kind, "kind");
      checkArgument(bytes >= 0, "bytes must be at least 0 but were %s", bytes);
    }
  }

  /** Copies the list. */
  MemoryEstimate {
    parts = List.copyOf(parts);
  }

  /** Returns what concerns one device. */
  MemoryEstimate on(Device device) {
    return new MemoryEstimate(parts.stream().filter(part -> part.device().equals(device)).toList());
  }

  /** Adds up everything. */
  long bytes() {
    return bytes(EnumSet.allOf(Kind.class));
  }

  /** Adds up what the run cannot do without: what is loaded, and what is fixed. */
  long certainBytes() {
    return bytes(EnumSet.of(Kind.LOADED, Kind.FIXED));
  }

  /** Adds up what is not in memory yet. */
  long pendingBytes() {
    return bytes(EnumSet.of(Kind.FIXED, Kind.WORKING));
  }

  private long bytes(Set<Kind> kinds) {
    return parts.stream()
        .filter(part -> kinds.contains(part.kind()))
        .mapToLong(Part::bytes)
        .reduce(0, ByteSize::sum);
  }

  /**
   * Returns a table: a line for each part that takes memory, such as its name and 1.2 GiB, and the
   * sum.
   */
  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    for (Part part : parts) {
      if (part.bytes() > 0) {
        String name = part.name() + (part.kind() == Kind.LOADED ? " (in memory already)" : "");
        table.append(line(name, part.bytes())).append('\n');
      }
    }
    return table.append(line("all", bytes())).toString();
  }

  private static String line(String name, long bytes) {
    return String.format(Locale.ROOT, "  %-46s %10s", name, ByteSize.text(bytes));
  }
}
