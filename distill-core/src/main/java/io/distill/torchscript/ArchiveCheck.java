package io.distill.torchscript;

import io.distill.exception.DistillationException;
import io.distill.torchscript.PickleReader.None;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Looks at a TorchScript file of any origin before libtorch may.
 *
 * <p>libtorch trusts such files: a wrong size makes it read outside of its memory, a deeply nested
 * expression overflows its stack, and either ends the process. Here the zip, every checksum, the
 * pickles and the outer form of the source are checked first.
 *
 * <p>The source itself is a program, which libtorch compiles and runs; some of it ({@code
 * __setstate__}) already while loading. It cannot reach Python, Java or the shell, but the two
 * operators that open files by name could read and overwrite files: whoever calls them is refused.
 */
final class ArchiveCheck {

  static final long MAX_PICKLE_BYTES = 64L << 20;
  private static final long MAX_SOURCE_BYTES = 16L << 20;

  /** What all compressed entries, which are sources, may unfold to. */
  private static final long MAX_INFLATED_BYTES = 256L << 20;

  /** One may use the next, and libtorch then compiles them inside of each other. */
  private static final int MAX_DEFINITIONS = 1 << 13;

  private static final long OLDEST_VERSION = 1;
  private static final long NEWEST_VERSION = 10;

  /** Whole words that name operators with a file name, and native classes beyond plain weights. */
  private static final Pattern FORBIDDEN =
      Pattern.compile(
          "\\b(from_file)\\b"
              + "|\\.[\\s\\\\]*(save)\\b"
              + "|\\b(classes[\\s\\\\]*\\.[\\s\\\\]*(?!(?:quantized|rnn|sparse|xnnpack|mkldnn)\\b)\\w+)");

  private static final String TABLE = "FORMAT_WITH_STRING_TABLE";

  private final ZipDirectory zip;
  private final String folder;

  private ArchiveCheck(ZipDirectory zip) {
    this.zip = zip;
    String first = zip.entries().iterator().next().name();
    this.folder = first.substring(0, first.indexOf('/') + 1);
  }

  /**
   * Refuses a file that libtorch must not see.
   *
   * @throws DistillationException if it is damaged, or does what no model needs
   * @throws IOException if it cannot be read
   */
  static void require(Path file) throws IOException {
    try (ZipDirectory zip = ZipDirectory.open(file)) {
      new ArchiveCheck(zip).check();
    }
  }

  private void check() throws IOException {
    if (folder.isEmpty()) {
      throw new DistillationException("its entries must be in one folder but are in none");
    }
    if (zip.find(folder + "model.json") != null) {
      throw new DistillationException("it is of the format before PyTorch 1.4; save it again");
    }
    requireVersion();
    long inflated = 0;
    int definitions = 0;
    for (ZipDirectory.Entry entry : zip.entries()) {
      String name = entry.name();
      if (!name.startsWith(folder)) {
        throw new DistillationException(
            "its entries must be in one folder but are in " + folder + " and " + name);
      }
      inflated += entry.stored() ? 0 : entry.size();
      if (inflated > MAX_INFLATED_BYTES) {
        throw new DistillationException(
            "its compressed entries unfold to more than " + MAX_INFLATED_BYTES + " bytes");
      }
      if (name.endsWith(".debug_pkl")) {
        requireDebug(entry);
      } else if (name.endsWith(".py")) {
        definitions += source(entry);
      } else if (!isPickle(name)) {
        zip.verify(entry);
      }
    }
    if (definitions > MAX_DEFINITIONS) {
      throw new DistillationException(
          "it has more than " + MAX_DEFINITIONS + " classes and methods");
    }
    Object constants = pickle("constants");
    Object data = pickle("data");
    if (!(constants instanceof PickleReader.Tuple) || !(data instanceof PickleReader.Instance)) {
      throw new DistillationException(
          "it must hold a module but data.pkl or constants.pkl holds something else");
    }
  }

  private void requireVersion() throws IOException {
    String name = folder + "version";
    ZipDirectory.Entry entry = required(name);
    String text = new String(zip.bytes(entry, 32), StandardCharsets.US_ASCII).strip();
    if (!text.matches("[0-9]{1,4}")
        || Long.parseLong(text) < OLDEST_VERSION
        || Long.parseLong(text) > NEWEST_VERSION) {
      throw new DistillationException(
          "entry "
              + name
              + " must be a format version from "
              + OLDEST_VERSION
              + " to "
              + NEWEST_VERSION
              + " but is '"
              + text.replaceAll("[^ -~]", "?")
              + "'");
    }
  }

  private boolean isPickle(String name) {
    return name.equals(folder + "data.pkl") || name.equals(folder + "constants.pkl");
  }

  private Object pickle(String archive) throws IOException {
    String name = folder + archive + ".pkl";
    return new PickleReader(
            "entry " + name,
            zip.bytes(required(name), MAX_PICKLE_BYTES),
            key -> {
              ZipDirectory.Entry record = zip.find(folder + archive + "/" + key);
              return record == null ? -1 : record.size();
            })
        .read();
  }

  private ZipDirectory.Entry required(String name) {
    ZipDirectory.Entry entry = zip.find(name);
    if (entry == null) {
      throw new DistillationException("entry " + name + " is missing");
    }
    return entry;
  }

  // ---- source -------------------------------------------------------------------------------

  /** Checks a source; returns the number of its classes and methods. */
  private int source(ZipDirectory.Entry entry) throws IOException {
    String text = new String(zip.bytes(entry, MAX_SOURCE_BYTES), StandardCharsets.ISO_8859_1);
    Matcher forbidden = FORBIDDEN.matcher(text);
    if (forbidden.find()) {
      throw malformed(
          entry,
          "uses "
              + forbidden.group().replaceAll("[\\s\\\\]", "")
              + ", which reaches files or native code: nothing of it was run");
    }
    return new SourceScan(text).definitions(entry);
  }

  /** Positions in sources, for messages: libtorch follows their indices unchecked. */
  private void requireDebug(ZipDirectory.Entry entry) throws IOException {
    Object value =
        new PickleReader("entry " + entry.name(), zip.bytes(entry, MAX_PICKLE_BYTES), key -> -1)
            .read();
    if (!(value instanceof PickleReader.Tuple tuple)
        || tuple.items().isEmpty()
        || !TABLE.equals(tuple.items().get(0))) {
      // the older form has no indices
      return;
    }
    List<Object> parts = tuple.items();
    if (parts.size() != 3 || !(parts.get(2) instanceof PickleReader.Tuple ranges)) {
      throw malformed(entry, "has no positions where some must be");
    }
    int texts = items(entry, parts.get(1)).size();
    for (Object each : ranges.items()) {
      Object place =
          items(entry, each).stream()
              .filter(PickleReader.Tuple.class::isInstance)
              .findFirst()
              .orElse(None.NONE);
      List<Object> source = items(entry, items(entry, place).get(0));
      if (source.size() < 2
          || !isIndex(source.get(1), texts)
          || !items(entry, source.get(0)).stream().allMatch(index -> isIndex(index, texts))) {
        throw malformed(entry, "points to texts that it does not have");
      }
    }
  }

  private static boolean isIndex(Object value, int size) {
    return value instanceof Long index && index >= 0 && index < size;
  }

  private List<Object> items(ZipDirectory.Entry entry, Object value) {
    if (value instanceof PickleReader.Tuple tuple && !tuple.items().isEmpty()) {
      return tuple.items();
    }
    if (value instanceof PickleReader.Container container
        && container.value instanceof List<?> list) {
      return List.copyOf(list);
    }
    throw malformed(entry, "has no positions where some must be");
  }

  private static DistillationException malformed(ZipDirectory.Entry entry, String detail) {
    return new DistillationException("entry " + entry.name() + " " + detail);
  }
}
