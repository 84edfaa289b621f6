package io.distill.teacher.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that are not what was written: each is a clear error, and none needs much memory. */
class DamagedCacheTest {

  private static final int WIDTH = 40;
  private static final int K = 5;
  private static final int ROWS = 12;

  @TempDir static Path directory;

  private static byte[] good;
  private static final List<Integer> STARTS = new ArrayList<>();

  /** Writes a cache of both codings, once. */
  private static synchronized byte[] good() {
    if (good == null) {
      try {
        Path file = Files.createTempDirectory("damaged").resolve("good");
        TeacherIdentity identity =
            new TeacherIdentity("teacher", "tokenizer", 16, List.of("a", "b"), K, false);
        try (SignalCache cache = SignalCache.openForWriting(file, identity, "{\"model\":{}}");
            NDManager manager = NativeEngine.newManager(Device.cpu())) {
          NativeEngine.prepareThread();
          Random random = new Random(1);
          float[] logits = new float[ROWS * WIDTH];
          float[] embeddings = new float[ROWS * 3];
          for (int i = 0; i < logits.length; i++) {
            logits[i] = 3 * (float) random.nextGaussian();
          }
          for (int i = 0; i < embeddings.length; i++) {
            embeddings[i] = i;
          }
          Signals signals =
              Signals.builder()
                  .logits(
                      manager.create(logits, new ai.djl.ndarray.types.Shape(ROWS / 3, 3, WIDTH)))
                  .embedding(
                      manager.create(embeddings, new ai.djl.ndarray.types.Shape(ROWS / 3, 9)))
                  .mask(manager.ones(new ai.djl.ndarray.types.Shape(ROWS / 3, 3)))
                  .build();
          RowTokens tokens = RowTokens.of(signals.mask().orElseThrow());
          for (SignalKind kind : List.of(SignalKind.LOGITS, SignalKind.EMBEDDING)) {
            cache.define(SignalCodec.layout(signals, kind, tokens, 3, false, K));
            SignalCodec.Encoded encoded =
                new SignalCodec(cache, kind).encode(signals, ROWS / 3, tokens);
            for (int row = 0; row < ROWS / 3; row++) {
              cache.put(
                  kind,
                  RowKey.of("row " + row),
                  row,
                  encoded.records().get(row),
                  encoded.keptMass().get(row));
            }
            cache.flush();
          }
        }
        try (BlockFile blocks = BlockFile.open(file, BlockFile.Opener.DEFAULT)) {
          blocks.walk(
              block -> {
                STARTS.add((int) block.position());
                STARTS.add((int) block.position() + BlockFile.BLOCK_PREFIX);
                STARTS.add((int) block.payload());
              });
        }
        good = Files.readAllBytes(file);
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
    return good;
  }

  /** Opens a file and reads all of it. */
  private static void readAll(Path file) {
    try (SignalCache cache = SignalCache.open(file);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NativeEngine.prepareThread();
      for (SignalKind kind : List.of(SignalKind.LOGITS, SignalKind.EMBEDDING)) {
        if (cache.layout(kind).isEmpty() || cache.rows(kind) < ROWS / 3) {
          throw new DistillationException("rows are missing");
        }
        SignalCodec codec = new SignalCodec(cache, kind);
        for (int row = 0; row < ROWS / 3; row++) {
          ByteBuffer[] records = {cache.read(kind, RowKey.of("row " + row))};
          try {
            codec.decode(Signals.builder(), manager, records, 3);
          } catch (IllegalArgumentException | ArithmeticException e) {
            // what CachedTeacher says then
            throw new DistillationException("records must be as they were written", e);
          }
        }
      }
    }
  }

  private static Path write(byte[] bytes) throws IOException {
    return Files.write(Files.createTempFile(directory, "damaged", ".cache"), bytes);
  }

  @Test
  void theGoodFile_isRead() throws IOException {
    readAll(write(good()));
    assertThat(STARTS).hasSizeGreaterThan(15);
  }

  static Stream<Arguments> damages() {
    byte[] bytes = good();
    List<Arguments> all = new ArrayList<>();
    for (int start : STARTS) {
      for (int cut : new int[] {start, start + 1, start + 5}) {
        if (cut < bytes.length) {
          all.add(arguments("cut at " + cut, (UnaryOperator<byte[]>) b -> Arrays.copyOf(b, cut)));
        }
      }
    }
    for (int cut : new int[] {0, 1, 7, 8, 12, 15, bytes.length - 1}) {
      all.add(arguments("cut at " + cut, (UnaryOperator<byte[]>) b -> Arrays.copyOf(b, cut)));
    }
    Random random = new Random(4);
    for (int i = 0; i < 60; i++) {
      int bit = random.nextInt(bytes.length * 8);
      all.add(arguments("bit " + bit + " flipped", (UnaryOperator<byte[]>) b -> flipped(b, bit)));
    }
    for (int start : STARTS) {
      int bit = start * 8 + random.nextInt(64);
      if (bit < bytes.length * 8) {
        all.add(arguments("bit " + bit + " flipped", (UnaryOperator<byte[]>) b -> flipped(b, bit)));
      }
    }
    return all.stream();
  }

  private static byte[] flipped(byte[] bytes, int bit) {
    byte[] copy = bytes.clone();
    copy[bit / 8] ^= (byte) (1 << (bit % 8));
    return copy;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void damage_isAClearError(String name, UnaryOperator<byte[]> damage) throws IOException {
    Path file = write(damage.apply(good()));
    assertThatThrownBy(() -> readAll(file))
        .as(name)
        .isExactlyInstanceOf(DistillationException.class);
  }

  /** Makes a file whose checksums are right and whose content is not. */
  private static final class Forged {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private int number;

    Forged() {
      out.writeBytes(BlockFile.filePrefix());
    }

    Forged add(BlockFile.Type type, byte[] meta, byte[] payload) {
      out.writeBytes(BlockFile.block(type, number++, meta, payload));
      return this;
    }

    Forged text(BlockFile.Type type, String text) {
      return add(type, text.getBytes(StandardCharsets.UTF_8), new byte[0]);
    }

    Forged header() {
      return text(
          BlockFile.Type.HEADER,
          new TeacherIdentity("teacher", null, 0, List.of(), 0, false).toJson());
    }

    Forged layout(String shapes, String coding, int topK) {
      return text(
          BlockFile.Type.LAYOUT,
          "{\"kind\":\"LOGITS\",\"coding\":\""
              + coding
              + "\",\"topK\":"
              + topK
              + ",\"shapes\":"
              + shapes
              + ",\"layerNames\":[],\"masked\":false,\"aligned\":false}");
    }

    Forged rows(Consumer<ByteBuffer> meta, int metaLength, byte[] payload) {
      byte[] bytes = new byte[metaLength];
      meta.accept(BlockFile.little(bytes));
      return add(BlockFile.Type.ROWS, bytes, payload);
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }

  private static byte[] oneRow(Forged forged, byte[] record) {
    RowKey key = RowKey.of("row 0");
    return forged
        .rows(
            meta ->
                meta.putInt(0)
                    .putInt(1)
                    .putInt(0)
                    .putLong(key.high())
                    .putLong(key.low())
                    .putLong(0)
                    .putInt(record.length)
                    .putInt(BlockFile.checksum(BlockFile.little(record))),
            44,
            record)
        .bytes();
  }

  static Stream<Arguments> forgeries() {
    String huge = Integer.toString(Integer.MAX_VALUE);
    byte[] many = new byte[12];
    BlockFile.little(many).putInt(Integer.MAX_VALUE);
    byte[] gaps = new byte[4];
    BlockFile.little(gaps).putInt(-1);
    byte[] fewTables = new byte[4 + 4 + 2 * 8 + 4];
    byte[] header = BlockFile.block(BlockFile.Type.HEADER, 0, new byte[0], new byte[0]);
    byte[] claims = header.clone();
    ByteBuffer claimed = BlockFile.little(claims);
    claimed.putInt(12, Integer.MAX_VALUE);
    claimed.putInt(28, BlockFile.checksum(claimed.slice(0, 28)));
    byte[] negative = header.clone();
    ByteBuffer claimedNegative = BlockFile.little(negative);
    claimedNegative.putLong(16, -5);
    claimedNegative.putInt(28, BlockFile.checksum(claimedNegative.slice(0, 28)));
    byte[] newer = BlockFile.filePrefix();
    ByteBuffer version = BlockFile.little(newer).putInt(8, 2);
    version.putInt(12, BlockFile.checksum(version.slice(0, 12)));
    byte[] older = BlockFile.filePrefix();
    ByteBuffer oldVersion = BlockFile.little(older).putInt(8, 0);
    oldVersion.putInt(12, BlockFile.checksum(oldVersion.slice(0, 12)));
    return Stream.of(
        arguments(
            "another magic",
            "must start with DISTILLC",
            "PK\3\4 and more bytes".getBytes(StandardCharsets.US_ASCII)),
        arguments("a newer version", "must be 1 but was 2; use the version", newer),
        arguments("an older version", "must be 1 but was 0; delete it", older),
        arguments("no header", "header is missing", BlockFile.filePrefix()),
        arguments(
            "a meta part of 2 GiB", "claims 2147483647", joined(BlockFile.filePrefix(), claims)),
        arguments(
            "a negative payload", "claims 0 and -5", joined(BlockFile.filePrefix(), negative)),
        arguments("no JSON", "JSON", new Forged().text(BlockFile.Type.HEADER, "nonsense").bytes()),
        arguments(
            "an empty object", "JSON", new Forged().text(BlockFile.Type.HEADER, "{}").bytes()),
        arguments(
            "deep JSON",
            "JSON",
            new Forged().text(BlockFile.Type.HEADER, "[".repeat(200_000)).bytes()),
        arguments(
            "no UTF-8",
            "UTF-8",
            new Forged().add(BlockFile.Type.HEADER, new byte[] {-1, -2}, new byte[0]).bytes()),
        arguments("two headers", "header must be", new Forged().header().header().bytes()),
        arguments(
            "a block before the header",
            "header must be",
            new Forged().layout("[[2]]", "FLOAT32", 0).header().bytes()),
        arguments(
            "a tokenizer that is missing",
            "tokenizer is missing",
            new Forged()
                .text(
                    BlockFile.Type.HEADER,
                    new TeacherIdentity("t", "x", 5, List.of(), 0, false).toJson())
                .bytes()),
        arguments(
            "an unknown kind",
            "No enum constant",
            new Forged()
                .header()
                .text(
                    BlockFile.Type.LAYOUT,
                    "{\"kind\":\"X\",\"coding\":\"FLOAT32\",\"topK\":0,\"shapes\":[[1]],"
                        + "\"layerNames\":[],\"masked\":false,\"aligned\":false}")
                .bytes()),
        arguments(
            "an unknown coding",
            "No enum constant",
            new Forged().header().layout("[[2]]", "FLOAT8", 0).bytes()),
        arguments(
            "a huge shape",
            "shape of a layout",
            new Forged().header().layout("[[" + huge + "," + huge + "]]", "FLOAT32", 0).bytes()),
        arguments(
            "a negative shape",
            "shape of a layout",
            new Forged().header().layout("[[-2]]", "FLOAT32", 0).bytes()),
        arguments(
            "no arrays",
            "number of arrays",
            new Forged().header().layout("[]", "FLOAT32", 0).bytes()),
        arguments(
            "many arrays",
            "number of arrays",
            new Forged().header().layout("[" + "[1],".repeat(5000) + "[1]]", "FLOAT32", 0).bytes()),
        arguments(
            "a top of more than all",
            "topK",
            new Forged().header().layout("[[5]]", "TOP_K", 9).bytes()),
        arguments(
            "a top of nothing", "topK", new Forged().header().layout("[[5]]", "TOP_K", 0).bytes()),
        arguments(
            "a layout twice",
            "must have one layout",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .layout("[[2]]", "FLOAT32", 0)
                .bytes()),
        arguments(
            "tables without a layout",
            "layout must be one of 0",
            new Forged().header().add(BlockFile.Type.TABLES, new byte[4], new byte[0]).bytes()),
        arguments(
            "tables without anything",
            "tables must name",
            new Forged()
                .header()
                .layout("[[8]]", "TOP_K", 2)
                .add(BlockFile.Type.TABLES, new byte[0], new byte[0])
                .bytes()),
        arguments(
            "tables of exact values",
            "only a layout of the top logits",
            new Forged()
                .header()
                .layout("[[8]]", "FLOAT32", 0)
                .add(BlockFile.Type.TABLES, new byte[40], new byte[0])
                .bytes()),
        arguments(
            "tables of no groups",
            "1 to 32 groups",
            new Forged()
                .header()
                .layout("[[8]]", "TOP_K", 2)
                .add(BlockFile.Type.TABLES, fewTables, new byte[0])
                .bytes()),
        arguments(
            "rows without a layout",
            "layout must be one of 0",
            new Forged().header().rows(meta -> {}, 12, new byte[0]).bytes()),
        arguments(
            "rows without a head",
            "directory of rows must have a head",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> {}, 3, new byte[0])
                .bytes()),
        arguments(
            "many more rows than bytes",
            "claims 2147483647 rows",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> meta.putInt(0).putInt(Integer.MAX_VALUE), 44, new byte[8])
                .bytes()),
        arguments(
            "no rows",
            "claims 0 rows",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> {}, 12, new byte[0])
                .bytes()),
        arguments(
            "a negative mass",
            "claims 1 rows",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> meta.putInt(0).putInt(1).putInt(-32), 12, new byte[0])
                .bytes()),
        arguments(
            "a mass that is not whole",
            "kept mass of a block must be whole",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> meta.putInt(0).putInt(1).putInt(5), 49, new byte[0])
                .bytes()),
        arguments(
            "a record before its block",
            "a record must have a length",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(meta -> meta.putInt(0).putInt(1).putInt(0).putInt(36, -8), 44, new byte[8])
                .bytes()),
        arguments(
            "a record beyond its block",
            "must fill it",
            new Forged()
                .header()
                .layout("[[2]]", "FLOAT32", 0)
                .rows(
                    meta -> meta.putInt(0).putInt(1).putInt(0).putInt(36, 1 << 30), 44, new byte[8])
                .bytes()),
        arguments(
            "a short record",
            "must have 8 bytes of values but has 4",
            oneRow(new Forged().header().layout("[[2]]", "FLOAT32", 0), new byte[4])),
        arguments(
            "a record without its tokens",
            "must start with its number of tokens",
            oneRow(new Forged().header().layout("[[-1,2]]", "FLOAT32", 0), new byte[2])),
        arguments(
            "a record of two thousand million tokens",
            "bytes of values but has 8",
            oneRow(new Forged().header().layout("[[-1,2]]", "FLOAT32", 0), many)),
        arguments(
            "a record with a mask beyond its end",
            "mask for all its tokens",
            oneRow(new Forged().header().layout("[[-1,2]]", "FLOAT32", 0), gaps)),
        arguments(
            "tokens without tables",
            "must name one of 0 tables",
            oneRow(new Forged().header().layout("[[8]]", "TOP_K", 2), new byte[8])),
        arguments(
            "a vocabulary of tokens without end",
            "must fit into memory",
            oneRow(new Forged().header().layout("[[-1,8]]", "TOP_K", 2), many)));
  }

  private static byte[] joined(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forgeries")
  void forgery_withRightChecksums_isAClearError(String name, String message, byte[] bytes)
      throws IOException {
    Path file = write(bytes);
    assertThatThrownBy(
            () -> {
              try (SignalCache cache = SignalCache.open(file);
                  NDManager manager = NativeEngine.newManager(Device.cpu())) {
                ByteBuffer[] records = {cache.read(SignalKind.LOGITS, RowKey.of("row 0"))};
                try {
                  new SignalCodec(cache, SignalKind.LOGITS)
                      .decode(Signals.builder(), manager, records, -1);
                } catch (IllegalArgumentException | ArithmeticException e) {
                  throw new DistillationException("records: " + e.getMessage(), e);
                }
              }
            })
        .as(name)
        .isExactlyInstanceOf(DistillationException.class)
        .hasMessageContaining(message);
  }
}
