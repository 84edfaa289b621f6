package io.distill.teacher.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.signal.SignalKind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SignalCacheTest {

  private static final TeacherIdentity IDENTITY =
      new TeacherIdentity("teacher", null, 0, List.of("a", "b"), 0, false);

  private static final SignalLayout LAYOUT =
      new SignalLayout(
          SignalKind.LOGITS,
          SignalLayout.Coding.FLOAT32,
          0,
          List.of(List.of(2)),
          List.of(),
          false,
          false);

  @TempDir Path directory;

  private Path file() {
    return directory.resolve("cache");
  }

  private static RowKey key(int row) {
    return RowKey.of("row " + row);
  }

  private static byte[] record(int row) {
    byte[] record = new byte[8];
    BlockFile.little(record).putInt(row).putInt(-row);
    return record;
  }

  private static void put(SignalCache cache, int from, int to) {
    for (int row = from; row < to; row++) {
      cache.put(SignalKind.LOGITS, key(row), row, record(row), KeptMass.NONE);
    }
  }

  private static void require(SignalCache cache, int rows) {
    assertThat(cache.rows(SignalKind.LOGITS)).isEqualTo(rows);
    for (int row = 0; row < rows; row++) {
      assertThat(cache.inputs(SignalKind.LOGITS, key(row))).isEqualTo(row);
      assertThat(cache.read(SignalKind.LOGITS, key(row))).isEqualTo(BlockFile.little(record(row)));
    }
  }

  private SignalCache written(int rows, int blocks) {
    SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null);
    cache.define(LAYOUT);
    for (int block = 0; block < blocks; block++) {
      put(cache, rows * block / blocks, rows * (block + 1) / blocks);
      cache.flush();
    }
    return cache;
  }

  @Test
  void rows_comeBack_beforeAndAfterTheyAreOnDisk() {
    try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
      cache.define(LAYOUT);
      put(cache, 0, 100);
      require(cache, 100);
      cache.flush();
      require(cache, 100);
      put(cache, 50, 150);
      require(cache, 150);
    }
    try (SignalCache cache = SignalCache.open(file())) {
      require(cache, 150);
      assertThat(cache.identity()).isEqualTo(IDENTITY);
      assertThat(cache.layout(SignalKind.LOGITS)).contains(LAYOUT);
      assertThat(cache.kinds()).containsExactly(SignalKind.LOGITS);
    }
  }

  @Test
  void manyRows_fillSeveralBlocks() {
    try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
      cache.define(LAYOUT);
      for (int batch = 0; batch < 400; batch++) {
        put(cache, batch * 100, batch * 100 + 100);
        cache.flushIfDue();
      }
      assertThat(cache.bytes(SignalKind.LOGITS)).isGreaterThan(32_000 * 40L);
    }
    try (SignalCache cache = SignalCache.open(file())) {
      require(cache, 40_000);
      assertThat(cache.bytes(SignalKind.LOGITS)).isBetween(40_000 * 40L, 40_000 * 40L + 1000);
    }
  }

  @Test
  void aWriteCutAnywhere_isCutOff_andGoesOn() throws IOException {
    written(60, 3).close();
    byte[] whole = Files.readAllBytes(file());
    List<Long> ends = new ArrayList<>();
    try (BlockFile blocks = BlockFile.open(file(), BlockFile.Opener.DEFAULT)) {
      blocks.walk(block -> ends.add(block.end()));
    }
    long header = ends.get(0);
    int cases = 0;
    for (int length = (int) header; length < whole.length; length += 7) {
      Files.write(file(), java.util.Arrays.copyOf(whole, length));
      int cut = length;
      long kept = ends.stream().filter(end -> end <= cut).count();
      int rows = (int) Math.max(0, kept - 2) * 20;
      try (SignalCache cache = SignalCache.open(file())) {
        assertThat(cache.rows(SignalKind.LOGITS)).as("a reader, cut at " + cut).isEqualTo(rows);
      }
      assertThat(Files.size(file())).as("a reader changes nothing").isEqualTo(length);
      try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
        if (kept < 2) {
          cache.define(LAYOUT);
        }
        assertThat(cache.rows(SignalKind.LOGITS)).isEqualTo(rows);
        put(cache, rows, 60);
      }
      try (SignalCache cache = SignalCache.open(file())) {
        require(cache, 60);
      }
      cases++;
    }
    assertThat(cases).isGreaterThan(100);
  }

  @Test
  void aLastBlockWhoseBytesNeverArrived_isWrittenAgain() throws IOException {
    written(60, 3).close();
    byte[] bytes = Files.readAllBytes(file());
    java.util.Arrays.fill(bytes, bytes.length - 100, bytes.length, (byte) 0);
    Files.write(file(), bytes);
    try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
      assertThat(cache.rows(SignalKind.LOGITS)).isEqualTo(40);
      put(cache, 40, 60);
    }
    try (SignalCache cache = SignalCache.open(file())) {
      require(cache, 60);
    }
  }

  @Test
  void zerosAtTheEnd_areNoBlock() throws IOException {
    written(20, 1).close();
    byte[] bytes = Files.readAllBytes(file());
    Files.write(file(), java.util.Arrays.copyOf(bytes, bytes.length + 5000));
    try (SignalCache cache = SignalCache.open(file())) {
      require(cache, 20);
    }
    try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
      put(cache, 20, 30);
    }
    try (SignalCache cache = SignalCache.open(file())) {
      require(cache, 30);
    }
  }

  @Test
  void aReader_seesWhatAnotherWrites_afterALook() {
    try (SignalCache writer = written(20, 1);
        SignalCache reader = SignalCache.open(file())) {
      require(reader, 20);
      put(writer, 20, 40);
      writer.flush();
      assertThat(reader.rows(SignalKind.LOGITS)).isEqualTo(20);
      reader.refresh();
      require(reader, 40);
    }
  }

  @Test
  void threads_readWhileOneWrites() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    AtomicBoolean done = new AtomicBoolean();
    try (SignalCache writer = written(20, 1);
        SignalCache reader = SignalCache.open(file())) {
      List<Future<Integer>> reads = new ArrayList<>();
      for (SignalCache each : List.of(writer, reader, reader)) {
        Callable<Integer> reading =
            () -> {
              int passes = 0;
              while (!done.get() || passes == 0) {
                each.refresh();
                int rows = each.rows(SignalKind.LOGITS);
                for (int row = 0; row < rows; row++) {
                  assertThat(each.read(SignalKind.LOGITS, key(row)).getInt()).isEqualTo(row);
                }
                passes++;
              }
              return passes;
            };
        reads.add(threads.submit(reading));
      }
      for (int row = 20; row < 600; row += 20) {
        put(writer, row, row + 20);
        if (row % 40 == 0) {
          writer.flush();
        }
      }
      done.set(true);
      for (Future<Integer> read : reads) {
        assertThat(read.get(60, TimeUnit.SECONDS)).isPositive();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void anInterruptedReader_doesNotStopTheOthers() throws Exception {
    try (SignalCache cache = written(20, 1)) {
      Thread interrupted =
          new Thread(
              () -> {
                Thread.currentThread().interrupt();
                assertThatThrownBy(() -> cache.read(SignalKind.LOGITS, key(1)))
                    .isInstanceOf(DistillationException.class);
              });
      interrupted.start();
      interrupted.join();
      require(cache, 20);
    }
  }

  @Test
  void anotherProcess_isRefusedWhileOneWrites() throws Exception {
    try (SignalCache writer = written(20, 1)) {
      assertThat(inAnotherProcess())
          .contains("must have one writer at a time but another process is writing it");
      require(writer, 20);
      // a reader that closes must not give the writer's lock away
      SignalCache.open(file()).close();
      assertThat(inAnotherProcess()).contains("another process is writing it");
    }
    assertThat(inAnotherProcess()).contains("20 rows");
  }

  private String inAnotherProcess() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Writer.class.getName(),
                file().toString())
            .redirectErrorStream(true)
            .start();
    String out =
        new String(
            process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return out;
  }

  /** Opens a cache for writing and says how that went. */
  static final class Writer {
    private Writer() {}

    public static void main(String[] arguments) {
      try (SignalCache cache = SignalCache.openForWriting(Path.of(arguments[0]), IDENTITY, null)) {
        System.out.println(cache.rows(SignalKind.LOGITS) + " rows");
      } catch (DistillationException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  @Test
  void aFullDisk_isAClearError_andLosesNothing() throws IOException {
    written(40, 2).close();
    long before = Files.size(file());
    for (long room : new long[] {0, 10, 100, 700}) {
      SignalCache cache =
          SignalCache.openForWriting(
              file(),
              IDENTITY,
              null,
              (path, writable) ->
                  writable
                      ? new FullDisk(
                          FileChannel.open(
                              path,
                              java.nio.file.StandardOpenOption.READ,
                              java.nio.file.StandardOpenOption.WRITE),
                          before + room)
                      : BlockFile.Opener.DEFAULT.open(path, false));
      put(cache, 40, 60);
      assertThatThrownBy(cache::flush)
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("must be writable but could not be written")
          .hasMessageContaining("No space left on device")
          .hasMessageContaining("all earlier blocks are intact");
      require(cache, 60);
      assertThatThrownBy(cache::close).isInstanceOf(DistillationException.class);
      assertThat(Files.size(file())).isEqualTo(before);
      try (SignalCache reader = SignalCache.open(file())) {
        require(reader, 40);
      }
    }
    assertThatCode(
            () -> {
              try (SignalCache cache = SignalCache.openForWriting(file(), IDENTITY, null)) {
                put(cache, 40, 60);
              }
            })
        .as("the lock was given back")
        .doesNotThrowAnyException();
  }

  @Test
  void aFileThatShrinksUnderAReader_isAClearError() throws IOException {
    written(40, 2).close();
    try (SignalCache cache = SignalCache.open(file())) {
      try (FileChannel channel = FileChannel.open(file(), java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(600);
      }
      assertThatThrownBy(() -> cache.read(SignalKind.LOGITS, key(39)))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("must be as it was written but is damaged at byte");
    }
  }

  @Test
  void anIndex_growsAndKeepsTheFirst() {
    RowIndex index = new RowIndex();
    for (int row = 0; row < 5000; row++) {
      index.put(key(row), new RowIndex.Place(row, row + 1, row + 2, row + 3));
      index.put(key(row), new RowIndex.Place(0, 0, 0, 0));
    }
    assertThat(index.size()).isEqualTo(5000);
    for (int row = 0; row < 5000; row++) {
      assertThat(index.get(key(row))).isEqualTo(new RowIndex.Place(row, row + 1, row + 2, row + 3));
    }
    assertThat(index.get(key(5000))).isNull();
  }

  /** A channel on a disk with little room. */
  private static final class FullDisk extends FileChannel {
    private final FileChannel inside;
    private final long limit;

    FullDisk(FileChannel inside, long limit) {
      this.inside = inside;
      this.limit = limit;
    }

    @Override
    public int write(ByteBuffer source, long position) throws IOException {
      if (position >= limit) {
        throw new IOException("No space left on device");
      }
      int count = (int) Math.min(source.remaining(), limit - position);
      ByteBuffer part = source.slice(source.position(), count);
      int written = inside.write(part, position);
      source.position(source.position() + written);
      return written;
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
      return inside.read(target, position);
    }

    @Override
    public long size() throws IOException {
      return inside.size();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
      inside.truncate(size);
      return this;
    }

    @Override
    public void force(boolean metaData) throws IOException {
      inside.force(metaData);
    }

    @Override
    protected void implCloseChannel() throws IOException {
      inside.close();
    }

    @Override
    public int read(ByteBuffer target) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public int write(ByteBuffer source) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long position() {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileChannel position(long newPosition) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) {
      throw new UnsupportedOperationException();
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) {
      throw new UnsupportedOperationException();
    }
  }
}
