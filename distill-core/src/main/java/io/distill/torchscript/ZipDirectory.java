package io.distill.torchscript;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/**
 * The entries of a zip file, read so strictly that no two readers can disagree about them: what is
 * checked here is what libtorch sees afterwards. {@code java.util.zip} is more lenient, and another
 * kind of lenient than libtorch.
 *
 * <p>Names are unique, also without regard to case (libtorch ignores it), and stay below one
 * folder; entries do not overlap each other, so that a small file cannot unfold into much; contents
 * have the size and the checksum that the directory gives. Nothing is ever written to disk.
 */
final class ZipDirectory implements Closeable {

  /**
   * An entry.
   *
   * @param name the full name
   * @param stored whether the content is not compressed
   * @param checksum the CRC-32 of the content
   * @param storedBytes the bytes in the file
   * @param size the bytes of the content
   * @param start where the entry starts in the file
   * @param offset where its bytes start in the file
   */
  record Entry(
      String name,
      boolean stored,
      long checksum,
      long storedBytes,
      long size,
      long start,
      long offset) {}

  private static final int END_BYTES = 22;
  private static final int LOCATOR_BYTES = 20;
  private static final int WIDE_END_BYTES = 56;
  private static final int HEADER_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final int END = 0x06054b50;
  private static final int LOCATOR = 0x07064b50;
  private static final int WIDE_END = 0x06064b50;
  private static final int HEADER = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final int WIDE_FIELD = 1;
  private static final long SATURATED = 0xffffffffL;
  private static final int ENCRYPTED = 1;
  private static final int LATER_SIZES = 8;
  private static final int DEFLATED = 8;

  /** Deflate cannot do better; more is a lie. */
  private static final long MOST_INFLATION = 1032;

  private static final long MAX_DIRECTORY_BYTES = 256L << 20;
  private static final int MAX_ENTRIES = 1 << 20;
  private static final int CHUNK_BYTES = 1 << 16;

  /** Not a channel, which an interrupt of the thread would close. */
  private final RandomAccessFile file;

  private final long fileBytes;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  private ZipDirectory(RandomAccessFile file) throws IOException {
    this.file = file;
    this.fileBytes = file.length();
    readEntries();
  }

  static ZipDirectory open(Path file) throws IOException {
    RandomAccessFile open = new RandomAccessFile(file.toFile(), "r");
    try {
      return new ZipDirectory(open);
    } catch (IOException | RuntimeException e) {
      open.close();
      throw e;
    }
  }

  Collection<Entry> entries() {
    return Collections.unmodifiableCollection(entries.values());
  }

  @Nullable Entry find(String name) {
    return entries.get(name);
  }

  /** Reads and checks a whole entry; allocates no more than {@code limit} bytes. */
  byte[] bytes(Entry entry, long limit) throws IOException {
    if (entry.size() > limit) {
      throw damaged(
          "entry " + entry.name() + " has " + entry.size() + " bytes, more than " + limit);
    }
    byte[] content = new byte[Math.toIntExact(entry.size())];
    ByteBuffer target = ByteBuffer.wrap(content);
    stream(entry, target::put);
    return content;
  }

  /** Checks size and checksum of an entry without keeping its content. */
  void verify(Entry entry) throws IOException {
    stream(entry, (bytes, from, count) -> {});
  }

  /** Returns the SHA-256 digest of an entry, in hexadecimal, and checks it on the way. */
  String digest(Entry entry) throws IOException {
    Hasher hasher = Hashing.sha256().newHasher();
    stream(entry, hasher::putBytes);
    return hasher.hash().toString();
  }

  private interface Sink {
    void accept(byte[] bytes, int from, int count);
  }

  private void stream(Entry entry, Sink sink) throws IOException {
    CRC32 checksum = new CRC32();
    long size = entry.stored() ? copy(entry, checksum, sink) : inflate(entry, checksum, sink);
    if (size != entry.size() || checksum.getValue() != entry.checksum()) {
      throw damaged("entry " + entry.name() + " is damaged (checksum)");
    }
  }

  private long copy(Entry entry, CRC32 checksum, Sink sink) throws IOException {
    byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, Math.max(1, entry.size()))];
    for (long done = 0; done < entry.size(); ) {
      int count = (int) Math.min(chunk.length, entry.size() - done);
      read(entry.offset() + done, chunk, count);
      checksum.update(chunk, 0, count);
      sink.accept(chunk, 0, count);
      done += count;
    }
    return entry.size();
  }

  private long inflate(Entry entry, CRC32 checksum, Sink sink) throws IOException {
    byte[] packed = new byte[(int) Math.min(CHUNK_BYTES, Math.max(1, entry.storedBytes()))];
    byte[] chunk = new byte[CHUNK_BYTES];
    Inflater inflater = new Inflater(true);
    try {
      long taken = 0;
      long size = 0;
      while (!inflater.finished()) {
        if (inflater.needsInput()) {
          int count = (int) Math.min(packed.length, entry.storedBytes() - taken);
          if (count == 0) {
            throw damaged("entry " + entry.name() + " is cut off");
          }
          read(entry.offset() + taken, packed, count);
          inflater.setInput(packed, 0, count);
          taken += count;
        }
        int count = inflater.inflate(chunk);
        size += count;
        if (size > entry.size() || inflater.needsDictionary()) {
          throw damaged("entry " + entry.name() + " unfolds to more than it declares");
        }
        checksum.update(chunk, 0, count);
        sink.accept(chunk, 0, count);
      }
      return size;
    } catch (DataFormatException e) {
      throw damaged("entry " + entry.name() + " is damaged (" + e.getMessage() + ")");
    } finally {
      inflater.end();
    }
  }

  private void readEntries() throws IOException {
    if (fileBytes < END_BYTES + LOCAL_BYTES || at(0, Integer.BYTES).getInt() != LOCAL) {
      throw damaged("it does not start as a zip file");
    }
    ByteBuffer end = at(fileBytes - END_BYTES, END_BYTES);
    if (end.getInt() != END) {
      throw damaged("it does not end as a zip file: cut off, or with something behind it");
    }
    requireOneDisk(end.getShort(), end.getShort());
    long count = unsigned(end.getShort());
    long countOfAll = unsigned(end.getShort());
    long bytes = unsigned(end.getInt());
    long start = unsigned(end.getInt());
    long endsAt = fileBytes - END_BYTES;
    if (count != countOfAll || end.getShort() != 0) {
      throw damaged("its directory has parts elsewhere, or a comment");
    }
    Wide wide = wideEnd(endsAt);
    if (wide != null) {
      // a reader may take either record, so both must say the same
      if ((count != 0xffff && count != wide.count())
          || (bytes != SATURATED && bytes != wide.bytes())
          || (start != SATURATED && start != wide.start())) {
        throw damaged("its two directories differ");
      }
      count = wide.count();
      bytes = wide.bytes();
      start = wide.start();
      endsAt = wide.at();
    }
    if (count < 1
        || count > MAX_ENTRIES
        || bytes > MAX_DIRECTORY_BYTES
        || bytes < count * HEADER_BYTES
        || start < 0
        || start != endsAt - bytes) {
      throw damaged(
          "its directory of "
              + count
              + " entries and "
              + bytes
              + " bytes at "
              + start
              + " does not fit the file of "
              + fileBytes
              + " bytes");
    }
    ByteBuffer directory = at(start, (int) bytes);
    List<Entry> found = new ArrayList<>();
    Set<String> folded = new HashSet<>();
    for (long i = 0; i < count; i++) {
      Entry entry = entry(directory, start);
      if (!folded.add(entry.name().toLowerCase(Locale.ROOT))) {
        throw damaged("entry " + entry.name() + " is there twice");
      }
      found.add(entry);
      entries.put(entry.name(), entry);
    }
    if (directory.hasRemaining()) {
      throw damaged("its directory has more bytes than entries");
    }
    requireApart(found);
  }

  private record Wide(long count, long bytes, long start, long at) {}

  private @Nullable Wide wideEnd(long endsAt) throws IOException {
    if (endsAt < LOCATOR_BYTES + WIDE_END_BYTES) {
      return null;
    }
    ByteBuffer locator = at(endsAt - LOCATOR_BYTES, LOCATOR_BYTES);
    if (locator.getInt() != LOCATOR) {
      return null;
    }
    int disk = locator.getInt();
    long at = locator.getLong();
    if (disk != 0 || at != endsAt - LOCATOR_BYTES - WIDE_END_BYTES) {
      throw damaged("its directory has parts elsewhere");
    }
    ByteBuffer end = at(at, WIDE_END_BYTES);
    if (end.getInt() != WIDE_END || end.getLong() != WIDE_END_BYTES - 12) {
      throw damaged("its directory is not where it should be");
    }
    end.getInt(); // versions
    if (end.getLong() != 0) { // numbers of disks
      throw damaged("its directory has parts elsewhere");
    }
    long count = end.getLong();
    if (count != end.getLong()) {
      throw damaged("its directory has parts elsewhere");
    }
    return new Wide(count, end.getLong(), end.getLong(), at);
  }

  private static void requireOneDisk(short disk, short diskOfDirectory) throws IOException {
    if (disk != 0 || diskOfDirectory != 0) {
      throw damaged("its directory has parts elsewhere");
    }
  }

  private Entry entry(ByteBuffer directory, long directoryStart) throws IOException {
    if (directory.remaining() < HEADER_BYTES || directory.getInt() != HEADER) {
      throw damaged("its directory is damaged");
    }
    directory.getInt(); // versions
    int flags = unsigned(directory.getShort());
    int method = unsigned(directory.getShort());
    directory.getInt(); // time
    long checksum = unsigned(directory.getInt());
    long storedBytes = unsigned(directory.getInt());
    long size = unsigned(directory.getInt());
    int nameBytes = unsigned(directory.getShort());
    int extraBytes = unsigned(directory.getShort());
    int commentBytes = unsigned(directory.getShort());
    int disk = unsigned(directory.getShort());
    directory.getShort(); // internal attributes
    directory.getInt(); // external attributes
    long local = unsigned(directory.getInt());
    if (directory.remaining() < nameBytes + extraBytes + commentBytes) {
      throw damaged("its directory is damaged");
    }
    byte[] name = new byte[nameBytes];
    directory.get(name);
    String text = name(name);
    ByteBuffer extra = directory.slice().limit(extraBytes).slice().order(ByteOrder.LITTLE_ENDIAN);
    directory.position(directory.position() + extraBytes + commentBytes);
    ByteBuffer wide = wideField(extra, text);
    if (size == SATURATED) {
      size = wideValue(wide, text);
    }
    if (storedBytes == SATURATED) {
      storedBytes = wideValue(wide, text);
    }
    if (local == SATURATED) {
      local = wideValue(wide, text);
    }
    boolean stored = method == 0;
    if (commentBytes != 0
        || disk != 0
        || (flags & ENCRYPTED) != 0
        || !(stored || method == DEFLATED)) {
      throw damaged(
          "entry " + text + " must be stored or deflated, and neither encrypted nor split");
    }
    if (size < 0
        || storedBytes < 0
        || storedBytes > fileBytes
        || (stored ? size != storedBytes : size > storedBytes * MOST_INFLATION)) {
      throw damaged(
          "entry "
              + text
              + " declares "
              + size
              + " bytes, in the file "
              + storedBytes
              + ", which cannot be");
    }
    if (local < 0 || local > directoryStart - LOCAL_BYTES - storedBytes) {
      throw damaged("entry " + text + " is not inside the file");
    }
    long offset = contentOffset(local, name, text, flags, method, checksum);
    if (offset > directoryStart - storedBytes) {
      throw damaged("entry " + text + " is not inside the file");
    }
    return new Entry(text, stored, checksum, storedBytes, size, local, offset);
  }

  private long contentOffset(
      long at, byte[] name, String text, int flags, int method, long checksum) throws IOException {
    ByteBuffer local = at(at, LOCAL_BYTES);
    boolean differs = local.getInt() != LOCAL;
    local.getShort(); // version
    differs |= unsigned(local.getShort()) != flags || unsigned(local.getShort()) != method;
    local.getInt(); // time
    long localChecksum = unsigned(local.getInt());
    differs |= (flags & LATER_SIZES) == 0 && localChecksum != checksum;
    local.getLong(); // sizes: those of the directory count
    int nameBytes = unsigned(local.getShort());
    int extraBytes = unsigned(local.getShort());
    if (differs || nameBytes != name.length) {
      throw damaged("entry " + text + " differs from what the directory says");
    }
    ByteBuffer again = at(at + LOCAL_BYTES, nameBytes);
    if (!again.equals(ByteBuffer.wrap(name))) {
      throw damaged("entry " + text + " differs from what the directory says");
    }
    return at + LOCAL_BYTES + nameBytes + extraBytes;
  }

  /** The names that libtorch and a file system could take for something else are refused. */
  private static String name(byte[] bytes) throws IOException {
    String name;
    try {
      name = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw damaged("the name of an entry is no UTF-8 text");
    }
    boolean plain =
        !name.isEmpty()
            && !name.startsWith("/")
            && !name.endsWith("/")
            && name.chars().noneMatch(c -> c < ' ' || c == 0x7f || c == '\\' || c == ':');
    for (String part : name.split("/", -1)) {
      plain &= !part.isEmpty() && !part.equals(".") && !part.equals("..");
    }
    if (!plain) {
      throw damaged("entry '" + printable(name) + "' must have a plain name below one folder");
    }
    return name;
  }

  private static String printable(String name) {
    String start = name.length() <= 80 ? name : name.substring(0, 80) + "...";
    return start.codePoints().allMatch(c -> c >= ' ' && c != 0x7f)
        ? start
        : start.replaceAll("\\p{Cntrl}", "?");
  }

  private static @Nullable ByteBuffer wideField(ByteBuffer extra, String name) throws IOException {
    ByteBuffer found = null;
    while (extra.remaining() >= 2 * Short.BYTES) {
      int kind = unsigned(extra.getShort());
      int bytes = unsigned(extra.getShort());
      if (bytes > extra.remaining() || (kind == WIDE_FIELD && found != null)) {
        throw damaged("entry " + name + " has a damaged extra field");
      }
      if (kind == WIDE_FIELD) {
        found = extra.slice().limit(bytes).slice().order(ByteOrder.LITTLE_ENDIAN);
      }
      extra.position(extra.position() + bytes);
    }
    return found;
  }

  private static long wideValue(@Nullable ByteBuffer wide, String name) throws IOException {
    if (wide == null || wide.remaining() < Long.BYTES) {
      throw damaged("entry " + name + " lacks its size");
    }
    return wide.getLong();
  }

  private static void requireApart(List<Entry> found) throws IOException {
    List<Entry> sorted = new ArrayList<>(found);
    sorted.sort(Comparator.comparingLong(Entry::start));
    for (int i = 1; i < sorted.size(); i++) {
      Entry before = sorted.get(i - 1);
      Entry next = sorted.get(i);
      if (next.start() < before.offset() + before.storedBytes()) {
        throw damaged("entries " + before.name() + " and " + next.name() + " overlap");
      }
    }
  }

  private ByteBuffer at(long position, int bytes) throws IOException {
    if (position < 0 || position > fileBytes - bytes) {
      throw damaged("it points outside of itself");
    }
    byte[] content = new byte[bytes];
    read(position, content, bytes);
    return ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void read(long position, byte[] target, int count) throws IOException {
    file.seek(position);
    file.readFully(target, 0, count);
  }

  private static int unsigned(short value) {
    return value & 0xffff;
  }

  private static long unsigned(int value) {
    return value & SATURATED;
  }

  private static DistillationException damaged(String detail) {
    return new DistillationException(detail);
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
