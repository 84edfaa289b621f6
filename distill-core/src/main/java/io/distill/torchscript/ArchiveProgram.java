package io.distill.torchscript;

import com.google.common.collect.ImmutableSortedMap;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What in a TorchScript file decides which code runs, and nothing of the weights: digests of its
 * sources and of the constants that they name, the class of the module, and those of all objects.
 *
 * @param parts what each part is, by name
 */
record ArchiveProgram(SortedMap<String, String> parts) {

  ArchiveProgram {
    parts = ImmutableSortedMap.copyOf(parts);
  }

  /**
   * Reads the program of a file that {@link ArchiveCheck} let pass; runs nothing.
   *
   * @throws io.distill.exception.DistillationException if the file is damaged
   * @throws IOException if it cannot be read
   */
  static ArchiveProgram of(Path file) throws IOException {
    try (ZipDirectory zip = ZipDirectory.open(file)) {
      SortedMap<String, String> parts = new TreeMap<>();
      String first = zip.entries().iterator().next().name();
      String folder = first.substring(0, first.indexOf('/') + 1);
      for (ZipDirectory.Entry entry : zip.entries()) {
        String name = entry.name().substring(folder.length());
        // positions in sources, beside each of them, are for messages only
        boolean code = name.startsWith("code/") && !name.endsWith(".debug_pkl");
        if (code || name.equals("constants.pkl") || name.startsWith("constants/")) {
          parts.put(name, zip.digest(entry));
        }
      }
      ZipDirectory.Entry data = Objects.requireNonNull(zip.find(folder + "data.pkl"));
      Object root =
          new PickleReader(
                  "entry " + data.name(),
                  zip.bytes(data, ArchiveCheck.MAX_PICKLE_BYTES),
                  key -> {
                    ZipDirectory.Entry record = zip.find(folder + "data/" + key);
                    return record == null ? -1 : record.size();
                  })
              .read();
      SortedSet<String> classes = new TreeSet<>();
      collect(root, classes, Collections.newSetFromMap(new IdentityHashMap<>()));
      String outermost = root instanceof PickleReader.Instance module ? module.type() + "" : "none";
      parts.put("classes of objects", outermost + " of " + classes);
      return new ArchiveProgram(parts);
    }
  }

  /** Names the parts that are in one of two only, or differ. */
  Set<String> differences(ArchiveProgram other) {
    Set<String> names = new TreeSet<>(parts.keySet());
    names.addAll(other.parts.keySet());
    names.removeIf(name -> Objects.equals(parts.get(name), other.parts.get(name)));
    return names;
  }

  /** Collects the classes of objects; each value once, as one may stand in many places. */
  private static void collect(Object value, Set<String> classes, Set<Object> seen) {
    if (value instanceof PickleReader.Instance instance && seen.add(value)) {
      classes.add(instance.type().toString());
      collect(instance.state(), classes, seen);
    } else if (value instanceof PickleReader.Tuple tuple && seen.add(value)) {
      tuple.items().forEach(item -> collect(item, classes, seen));
    } else if (value instanceof PickleReader.Container container && seen.add(value)) {
      if (container.value instanceof Map<?, ?> map) {
        map.values().forEach(item -> collect(item, classes, seen));
      } else if (container.value instanceof List<?> list) {
        list.forEach(item -> collect(item, classes, seen));
      }
    }
  }
}
