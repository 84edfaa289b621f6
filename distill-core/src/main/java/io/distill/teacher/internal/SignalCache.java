package io.distill.teacher.internal;

import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.WriterLock;
import io.distill.signal.SignalKind;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The records of a cache file, by kind and sample. Any number of threads and processes may read
 * while one writes.
 */
public final class SignalCache implements Closeable {

  /** A block is written when its records have so many bytes or rows, or are so old. */
  private static final int BLOCK_BYTES = 1 << 20;

  private static final int BLOCK_ROWS = 1 << 14;
  private static final int LARGEST_BLOCK = 1 << 29;
  private static final long BLOCK_NANOS = 15_000_000_000L;

  private static final int MOST_TABLES = 255;

  private static final int ENTRY = RowKey.BYTES + Long.BYTES + 2 * Integer.BYTES;
  private static final int ROWS_HEAD = 3 * Integer.BYTES;

  private static final Logger LOGGER = LoggerFactory.getLogger(SignalCache.class);

  private final BlockFile file;
  private final List<SignalLayout> layouts = new ArrayList<>();
  private final Map<SignalKind, Section> sections = new EnumMap<>(SignalKind.class);
  private @Nullable TeacherIdentity identity;
  private @Nullable String tokenizerJson;
  private BlockFile.@Nullable Block lastRows;
  private @Nullable WriterLock lock;

  private SignalCache(BlockFile file) {
    this.file = file;
  }

  /** All that is known of one kind. */
  private static final class Section {
    final int number;
    final SignalLayout layout;
    final RowIndex rows = new RowIndex();
    final Map<RowKey, Pending> pending = new LinkedHashMap<>();
    KeptMass keptMass = KeptMass.NONE;
    KeptMass pendingMass = KeptMass.NONE;
    final List<TopKTables> tables = new CopyOnWriteArrayList<>();
    long pendingBytes;
    long pendingSince;
    long bytes;

    Section(int number, SignalLayout layout) {
      this.number = number;
      this.layout = layout;
    }
  }

  /** A row that is not on disk yet. */
  private record Pending(long inputs, ByteBuffer record) {}

  /** Opens a cache for writing; makes one without rows if there is none. */
  public static SignalCache openForWriting(
      Path path, TeacherIdentity identity, @Nullable String tokenizerJson) {
    return openForWriting(path, identity, tokenizerJson, BlockFile.Opener.DEFAULT);
  }

  static SignalCache openForWriting(
      Path path,
      TeacherIdentity identity,
      @Nullable String tokenizerJson,
      BlockFile.Opener opener) {
    WriterLock taken = WriterLock.beside(path, lockSubject(path));
    SignalCache cache = null;
    try {
      if (!Files.exists(path)) {
        create(path, identity, tokenizerJson);
      }
      cache = open(path, opener);
      cache.startWriting(taken);
      return cache;
    } finally {
      if (cache == null || cache.lock == null) {
        taken.close();
      }
    }
  }

  private static void create(Path path, TeacherIdentity identity, @Nullable String tokenizerJson) {
    AtomicFiles.write(
        path,
        out -> {
          out.write(BlockFile.filePrefix());
          out.write(
              BlockFile.block(BlockFile.Type.HEADER, 0, utf8(identity.toJson()), new byte[0]));
          if (tokenizerJson != null) {
            out.write(
                BlockFile.block(BlockFile.Type.TOKENIZER, 1, utf8(tokenizerJson), new byte[0]));
          }
        });
  }

  /** Opens a cache for reading. */
  public static SignalCache open(Path path) {
    return open(path, BlockFile.Opener.DEFAULT);
  }

  static SignalCache open(Path path, BlockFile.Opener opener) {
    SignalCache cache = new SignalCache(BlockFile.open(path, opener));
    try {
      cache.refresh();
      TeacherIdentity whose = cache.identity;
      if (whose == null) {
        throw cache.file.damaged(BlockFile.FILE_PREFIX, "its header is missing");
      }
      if (whose.tokenizer() != null && cache.tokenizerJson == null) {
        throw cache.file.damaged(BlockFile.FILE_PREFIX, "its tokenizer is missing");
      }
      return cache;
    } catch (RuntimeException e) {
      cache.close();
      throw e;
    }
  }

  /** Looks for blocks that another process has written in the meantime. */
  public synchronized void refresh() {
    file.walk(this::visit);
  }

  private void visit(BlockFile.Block block) {
    try {
      if ((block.type() == BlockFile.Type.HEADER) != (identity == null)) {
        throw new IllegalArgumentException("the header must be the first block and no other");
      }
      switch (block.type()) {
        case HEADER -> identity = TeacherIdentity.parse(text(block));
        case TOKENIZER -> tokenizerJson = text(block);
        case LAYOUT -> add(SignalLayout.parse(text(block)));
        case TABLES -> readTables(block);
        case ROWS -> readRows(block);
      }
    } catch (IllegalArgumentException | ArithmeticException e) {
      DistillationException damaged =
          file.damaged(block.position(), String.valueOf(e.getMessage()));
      damaged.initCause(e);
      throw damaged;
    }
  }

  private static String text(BlockFile.Block block) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(block.meta()).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("a block of text must be UTF-8", e);
    }
  }

  private void add(SignalLayout layout) {
    if (sections.containsKey(layout.kind())) {
      throw new IllegalArgumentException("kind " + layout.kind() + " must have one layout");
    }
    sections.put(layout.kind(), new Section(layouts.size(), layout));
    layouts.add(layout);
  }

  private Section section(int layout) {
    if (layout < 0 || layout >= layouts.size()) {
      throw new IllegalArgumentException(
          "layout must be one of " + layouts.size() + " but was " + layout);
    }
    Section section = sections.get(layouts.get(layout).kind());
    return requireNonNull(section);
  }

  private void readTables(BlockFile.Block block) {
    ByteBuffer meta = block.meta();
    if (meta.remaining() < Integer.BYTES) {
      throw new IllegalArgumentException("tables must name their layout");
    }
    Section section = section(meta.getInt());
    if (section.layout.coding() != SignalLayout.Coding.TOP_K
        || section.tables.size() >= MOST_TABLES) {
      throw new IllegalArgumentException("only a layout of the top logits may have tables");
    }
    section.tables.add(TopKTables.read(meta, section.layout.width(), section.layout.topK()));
  }

  private void readRows(BlockFile.Block block) {
    ByteBuffer meta = block.meta();
    if (meta.remaining() < ROWS_HEAD) {
      throw new IllegalArgumentException("a directory of rows must have a head");
    }
    Section section = section(meta.getInt());
    int count = meta.getInt();
    int massLength = meta.getInt();
    if (massLength < 0 || count < 1 || meta.remaining() != massLength + (long) count * ENTRY) {
      throw new IllegalArgumentException(
          "a directory of rows must fit its block but claims " + count + " rows");
    }
    KeptMass mass = KeptMass.read(meta.slice(meta.position(), massLength).order(meta.order()));
    meta.position(meta.position() + massLength);
    long position = block.payload();
    int first = meta.position();
    for (int row = 0; row < count; row++) {
      int length = meta.getInt(first + row * ENTRY + RowKey.BYTES + Long.BYTES);
      if (length < 0) {
        throw new IllegalArgumentException("a record must have a length but has " + length);
      }
      position += length;
    }
    if (position != block.end()) {
      throw new IllegalArgumentException("the records of a block must fill it but do not");
    }
    position = block.payload();
    for (int row = 0; row < count; row++) {
      RowKey key = new RowKey(meta.getLong(), meta.getLong());
      long inputs = meta.getLong();
      int length = meta.getInt();
      int checksum = meta.getInt();
      section.rows.put(key, new RowIndex.Place(position, length, checksum, inputs));
      position += length;
    }
    section.keptMass = section.keptMass.plus(mass);
    section.bytes += block.end() - block.position();
    lastRows = block;
  }

  /** Returns whose answers these are. */
  public TeacherIdentity identity() {
    return requireNonNull(identity);
  }

  /** Returns the definition of the tokenizer, null if there is none. */
  public @Nullable String tokenizerJson() {
    return tokenizerJson;
  }

  /** Returns the path. */
  public Path path() {
    return file.path();
  }

  /** Returns the kinds that have a layout. */
  public synchronized Set<SignalKind> kinds() {
    return sections.isEmpty()
        ? Set.of()
        : Collections.unmodifiableSet(Set.copyOf(sections.keySet()));
  }

  /** Returns the layout of a kind, if it has one yet. */
  public synchronized Optional<SignalLayout> layout(SignalKind kind) {
    return Optional.ofNullable(sections.get(kind)).map(section -> section.layout);
  }

  /** Returns the tables of a kind that has a layout. */
  TopKCoding.Tables tables(SignalKind kind) {
    Section section;
    synchronized (this) {
      section = requireNonNull(sections.get(kind));
    }
    return new TopKCoding.Tables() {
      @Override
      public List<TopKTables> all() {
        return section.tables;
      }

      @Override
      public void add(TopKTables tables) {
        addTables(section, tables);
      }
    };
  }

  /** Returns the number of rows of a kind. */
  public synchronized int rows(SignalKind kind) {
    Section section = sections.get(kind);
    return section == null ? 0 : section.rows.size() + section.pending.size();
  }

  /** Returns the number of bytes of the blocks of a kind. */
  public synchronized long bytes(SignalKind kind) {
    Section section = sections.get(kind);
    return section == null ? 0 : section.bytes;
  }

  /** Returns the mass that the kept logits of a kind have. */
  public synchronized KeptMass keptMass(SignalKind kind) {
    Section section = sections.get(kind);
    return section == null ? KeptMass.NONE : section.keptMass.plus(section.pendingMass);
  }

  /** Returns the digest of the inputs that a row had when it was stored, null if it was not. */
  public synchronized @Nullable Long inputs(SignalKind kind, RowKey key) {
    Section section = sections.get(kind);
    if (section == null) {
      return null;
    }
    Pending pending = section.pending.get(key);
    if (pending != null) {
      return pending.inputs();
    }
    RowIndex.Place place = section.rows.get(key);
    return place == null ? null : place.inputs();
  }

  /** Reads a record; it must be there. */
  public ByteBuffer read(SignalKind kind, RowKey key) {
    RowIndex.Place place;
    synchronized (this) {
      Section section = requireNonNull(sections.get(kind));
      Pending pending = section.pending.get(key);
      if (pending != null) {
        return pending.record().duplicate().order(ByteOrder.LITTLE_ENDIAN);
      }
      place = requireNonNull(section.rows.get(key));
    }
    try {
      ByteBuffer record = file.read(place.position(), place.length());
      if (BlockFile.checksum(record) != place.checksum()) {
        throw file.damaged(place.position(), "the checksum of a record of " + kind + " is wrong");
      }
      return record;
    } catch (IOException e) {
      throw BlockFile.unreadable(path(), e);
    }
  }

  /** Returns whether this holds the right to write. */
  public synchronized boolean writing() {
    return lock != null;
  }

  /** Takes the right to write, and cuts off what an interrupted write left at the end. */
  public synchronized void startWriting() {
    if (lock != null) {
      return;
    }
    WriterLock taken = WriterLock.beside(path(), lockSubject(path()));
    try {
      startWriting(taken);
    } finally {
      if (lock == null) {
        taken.close();
      }
    }
  }

  private static WriterLock.Subject lockSubject(Path cache) {
    return new WriterLock.Subject(
        "teacher cache " + cache,
        "directory of teacher cache " + cache + " must be writable to add rows",
        "check its permissions, or use a cache that has all rows",
        "use another file");
  }

  private synchronized void startWriting(WriterLock taken) {
    refresh();
    BlockFile.Block last = lastRows;
    if (last != null && last.end() == file.end() && !intact(last)) {
      LOGGER.warn(
          "teacher cache {} ends with a block whose bytes never all arrived; its rows are asked for"
              + " again",
          path());
      file.startOver(last.position());
      sections.clear();
      layouts.clear();
      identity = null;
      tokenizerJson = null;
      lastRows = null;
      refresh();
    }
    file.startWriting();
    lock = taken;
  }

  private boolean intact(BlockFile.Block block) {
    ByteBuffer meta = block.meta();
    int first = ROWS_HEAD + meta.getInt(2 * Integer.BYTES);
    long position = block.payload();
    try {
      for (int entry = first; entry < meta.capacity(); entry += ENTRY) {
        int length = meta.getInt(entry + RowKey.BYTES + Long.BYTES);
        ByteBuffer record = file.read(position, length);
        if (BlockFile.checksum(record) != meta.getInt(entry + ENTRY - Integer.BYTES)) {
          return false;
        }
        position += length;
      }
      return true;
    } catch (IOException e) {
      throw BlockFile.unreadable(path(), e);
    }
  }

  /** Fixes the shape and coding of a kind. */
  public synchronized void define(SignalLayout layout) {
    file.append(BlockFile.Type.LAYOUT, utf8(layout.toJson()), new byte[0]);
    add(layout);
  }

  private synchronized void addTables(Section section, TopKTables tables) {
    byte[] bytes = tables.bytes();
    byte[] meta = new byte[Integer.BYTES + bytes.length];
    BlockFile.little(meta).putInt(section.number).put(bytes);
    file.append(BlockFile.Type.TABLES, meta, new byte[0]);
    section.tables.add(tables);
  }

  /** Adds a row; it can be read at once and is on disk after the next {@link #flush}. */
  public synchronized void put(
      SignalKind kind, RowKey key, long inputs, byte[] record, KeptMass mass) {
    Section section = requireNonNull(sections.get(kind));
    if (section.rows.get(key) != null || section.pending.containsKey(key)) {
      return;
    }
    if (section.pending.isEmpty()) {
      section.pendingSince = System.nanoTime();
    }
    section.pending.put(key, new Pending(inputs, BlockFile.little(record)));
    section.pendingMass = section.pendingMass.plus(mass);
    section.pendingBytes += record.length;
    if (section.pendingBytes >= LARGEST_BLOCK) {
      flush(section);
    }
  }

  /**
   * Writes all rows that are not on disk yet, if they are many or old. Called between batches, so
   * that a run that is broken off asks again for whole batches, which a model answers to the last
   * bit alike.
   */
  public synchronized void flushIfDue() {
    for (Section section : sections.values()) {
      if (section.pendingBytes >= BLOCK_BYTES
          || section.pending.size() >= BLOCK_ROWS
          || (!section.pending.isEmpty()
              && System.nanoTime() - section.pendingSince > BLOCK_NANOS)) {
        flush();
        return;
      }
    }
  }

  /** Writes all rows that are not on disk yet. */
  public synchronized void flush() {
    sections.values().forEach(this::flush);
  }

  private void flush(Section section) {
    if (section.pending.isEmpty()) {
      return;
    }
    byte[] mass = section.pendingMass.bytes();
    int count = section.pending.size();
    byte[] directory = new byte[ROWS_HEAD + mass.length + count * ENTRY];
    byte[] records = new byte[Math.toIntExact(section.pendingBytes)];
    ByteBuffer meta = BlockFile.little(directory);
    ByteBuffer payload = BlockFile.little(records);
    meta.putInt(section.number).putInt(count).putInt(mass.length).put(mass);
    section.pending.forEach(
        (key, pending) -> {
          ByteBuffer record = pending.record();
          meta.putLong(key.high()).putLong(key.low()).putLong(pending.inputs());
          meta.putInt(record.remaining()).putInt(BlockFile.checksum(record));
          payload.put(record.duplicate());
        });
    BlockFile.Block block = file.append(BlockFile.Type.ROWS, directory, records);
    section.pending.clear();
    section.pendingBytes = 0;
    section.pendingMass = KeptMass.NONE;
    readRows(block);
  }

  /** Writes what is left and gives the right to write back. */
  public synchronized void stopWriting() {
    WriterLock held = lock;
    if (held != null) {
      try {
        flush();
      } finally {
        lock = null;
        held.close();
      }
    }
  }

  @Override
  public synchronized void close() {
    try {
      stopWriting();
    } finally {
      file.close();
    }
  }

  /** Returns whether a row can be added, as far as that can be told without writing. */
  public boolean writable() {
    Path parent = path().toAbsolutePath().getParent();
    return Files.isWritable(path()) && (parent == null || Files.isWritable(parent));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
