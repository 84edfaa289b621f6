package io.distill.teacher.internal;

import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An append-only file of checked blocks; see the package for its format.
 *
 * <p>Reads are positional and may come from several threads. Appends come from one.
 */
final class BlockFile implements Closeable {

  static final int VERSION = 1;
  static final int FILE_PREFIX = 16;
  static final int BLOCK_PREFIX = 32;

  /** The meta part of a block is read into memory as a whole. */
  static final int LARGEST_META = 1 << 26;

  private static final byte[] MAGIC = "DISTILLC".getBytes(StandardCharsets.US_ASCII);
  private static final int MARK = 0x4B4C4244;

  private static final Logger LOGGER = LoggerFactory.getLogger(BlockFile.class);

  /** The kinds of blocks. */
  enum Type {
    HEADER(1),
    TOKENIZER(2),
    LAYOUT(3),
    TABLES(4),
    ROWS(5);

    private final int code;

    Type(int code) {
      this.code = code;
    }

    static @Nullable Type of(int code) {
      for (Type type : values()) {
        if (type.code == code) {
          return type;
        }
      }
      return null;
    }
  }

  /**
   * A block whose prefix and meta part have been checked.
   *
   * @param position where the block starts
   * @param payload where its payload starts
   * @param length the length of the payload
   */
  record Block(Type type, long position, ByteBuffer meta, long payload, long length) {
    long end() {
      return payload + length;
    }
  }

  /** Takes the blocks of a walk. */
  interface Visitor {
    /** Takes the next block; throws {@link DistillationException} if its meta part is wrong. */
    void visit(Block block);
  }

  /** Opens the channel of a file; replaced where a test lets a disk be full. */
  interface Opener {
    /** Opens a file for reading, and for writing too if asked. */
    FileChannel open(Path file, boolean writable) throws IOException;

    /** The file system's own. */
    Opener DEFAULT =
        (file, writable) ->
            writable
                ? FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)
                : FileChannel.open(file, StandardOpenOption.READ);
  }

  private final Path path;
  private final Opener opener;
  private volatile FileChannel channel;
  private volatile boolean closed;
  private long end;
  private int blocks;

  private BlockFile(Path path, Opener opener, FileChannel channel) {
    this.path = path;
    this.opener = opener;
    this.channel = channel;
    this.end = FILE_PREFIX;
  }

  /** Returns the first bytes of every file. */
  static byte[] filePrefix() {
    byte[] bytes = new byte[FILE_PREFIX];
    ByteBuffer prefix = little(bytes).put(MAGIC).putInt(VERSION);
    prefix.putInt(checksum(prefix.slice(0, prefix.position())));
    return bytes;
  }

  /** Returns a whole block. */
  static byte[] block(Type type, int number, byte[] meta, byte[] payload) {
    byte[] bytes = new byte[Math.addExact(BLOCK_PREFIX + meta.length, payload.length)];
    ByteBuffer block = little(bytes);
    block
        .putInt(MARK)
        .putInt(type.code)
        .putInt(number)
        .putInt(meta.length)
        .putLong(payload.length)
        .putInt(checksum(little(meta)));
    block.putInt(checksum(block.slice(0, block.position())));
    block.put(meta).put(payload);
    return bytes;
  }

  /** Opens a file for reading and checks its first bytes. */
  static BlockFile open(Path path, Opener opener) {
    FileChannel channel = null;
    try {
      if (Files.isDirectory(path)) {
        throw new DistillationException(
            "teacher cache must be a file but " + path + " is a directory; name a file in it");
      }
      channel = opener.open(path, false);
      BlockFile file = new BlockFile(path, opener, channel);
      file.checkFilePrefix();
      return file;
    } catch (NoSuchFileException e) {
      throw new DistillationException(
          "teacher cache must exist but "
              + path
              + " does not; check the path, or write it with Teacher.cached(path, teacher)",
          e);
    } catch (IOException e) {
      closeQuietly(channel);
      throw unreadable(path, e);
    } catch (RuntimeException e) {
      closeQuietly(channel);
      throw e;
    }
  }

  private void checkFilePrefix() throws IOException {
    if (channel.size() < FILE_PREFIX) {
      throw new DistillationException(
          "teacher cache must be at least "
              + FILE_PREFIX
              + " bytes long but "
              + path
              + " has "
              + channel.size()
              + "; delete it and write it again");
    }
    ByteBuffer prefix = read(0, FILE_PREFIX);
    byte[] magic = new byte[MAGIC.length];
    prefix.get(magic);
    if (!java.util.Arrays.equals(magic, MAGIC)) {
      throw new DistillationException(
          "teacher cache must start with "
              + new String(MAGIC, StandardCharsets.US_ASCII)
              + " but "
              + path
              + " does not; it is no teacher cache, or was damaged: check the path");
    }
    int version = prefix.getInt();
    if (prefix.getInt() != checksum(prefix.slice(0, FILE_PREFIX - Integer.BYTES))) {
      throw damaged(0, "the checksum of its first " + FILE_PREFIX + " bytes is wrong");
    }
    if (version != VERSION) {
      throw new DistillationException(
          "format version of teacher cache "
              + path
              + " must be "
              + VERSION
              + " but was "
              + version
              + "; "
              + (version > VERSION
                  ? "use the version of this library that wrote it"
                  : "delete it and write it again"));
    }
  }

  Path path() {
    return path;
  }

  /** Returns the number of bytes of all whole blocks. */
  long end() {
    return end;
  }

  /**
   * Walks over the blocks that have come since the last walk. What an interrupted write left at the
   * end is not a block.
   *
   * @return the last block seen in this walk; null if there was no new one
   */
  @Nullable Block walk(Visitor visitor) {
    Block last = null;
    try {
      long size = channel().size();
      for (Block block = next(size); block != null; block = next(size)) {
        visitor.visit(block);
        end = block.end();
        blocks++;
        last = block;
      }
    } catch (IOException e) {
      throw unreadable(path, e);
    }
    return last;
  }

  /** Returns the next block, or null at the end of what was written whole. */
  private @Nullable Block next(long size) throws IOException {
    long rest = size - end;
    if (rest < BLOCK_PREFIX) {
      return null;
    }
    ByteBuffer prefix = read(end, BLOCK_PREFIX);
    int mark = prefix.getInt();
    int code = prefix.getInt();
    Type type = Type.of(code);
    int number = prefix.getInt();
    int metaLength = prefix.getInt();
    long payloadLength = prefix.getLong();
    int metaChecksum = prefix.getInt();
    if (prefix.getInt() != checksum(prefix.slice(0, BLOCK_PREFIX - Integer.BYTES))) {
      if (isZero(prefix.rewind())) {
        // a file system may lengthen a file before the bytes arrive
        return null;
      }
      throw damaged(end, "the checksum of a block's prefix is wrong");
    }
    if (mark != MARK || number != blocks || type == null) {
      throw damaged(
          end,
          "block "
              + blocks
              + " has mark "
              + Integer.toHexString(mark)
              + ", number "
              + number
              + " and type "
              + code);
    }
    if (metaLength < 0 || metaLength > LARGEST_META || payloadLength < 0) {
      throw damaged(end, "a block claims " + metaLength + " and " + payloadLength + " bytes");
    }
    if (payloadLength > rest - BLOCK_PREFIX - metaLength) {
      return null;
    }
    ByteBuffer meta = read(end + BLOCK_PREFIX, metaLength);
    if (metaChecksum != checksum(meta)) {
      throw damaged(end, "the checksum of a block's directory is wrong");
    }
    return new Block(type, end, meta, end + BLOCK_PREFIX + metaLength, payloadLength);
  }

  private static boolean isZero(ByteBuffer bytes) {
    while (bytes.hasRemaining()) {
      if (bytes.get() != 0) {
        return false;
      }
    }
    return true;
  }

  /** Makes the file writable and cuts off what an interrupted write left. */
  void startWriting() {
    try {
      FileChannel writable = opener.open(path, true);
      FileChannel old = channel;
      channel = writable;
      old.close();
      truncate();
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private void truncate() throws IOException {
    long size = channel.size();
    if (size > end) {
      LOGGER.warn(
          "teacher cache {} ends with {} bytes of an interrupted write, which are cut off",
          path,
          size - end);
      channel.truncate(end);
    }
  }

  /** Forgets all blocks and lets the file end where an incomplete one starts. */
  void startOver(long incomplete) {
    try (FileChannel writable = opener.open(path, true)) {
      writable.truncate(incomplete);
    } catch (IOException e) {
      throw unwritable(e);
    }
    end = FILE_PREFIX;
    blocks = 0;
  }

  /**
   * Appends a block; it is on disk when this returns. If it cannot be written the file is left as
   * it was.
   */
  Block append(Type type, byte[] meta, byte[] payload) {
    try {
      ByteBuffer bytes = ByteBuffer.wrap(block(type, blocks, meta, payload));
      try {
        long position = end;
        while (bytes.hasRemaining()) {
          position += channel.write(bytes, position);
        }
        channel.force(false);
      } catch (IOException e) {
        cutOff(e);
        throw e;
      }
      Block block =
          new Block(type, end, little(meta), end + BLOCK_PREFIX + meta.length, payload.length);
      end = block.end();
      blocks++;
      return block;
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  private void cutOff(IOException failure) {
    try {
      if (channel.isOpen()) {
        channel.truncate(end);
      }
    } catch (IOException e) {
      // the next writer cuts it off
      failure.addSuppressed(e);
    }
  }

  /** Reads some bytes, which must be there. */
  ByteBuffer read(long position, int length) throws IOException {
    ByteBuffer bytes = little(length);
    while (bytes.hasRemaining()) {
      int count = readSome(bytes, position + bytes.position());
      if (count < 0) {
        throw damaged(position, "it ends there although " + length + " bytes should follow");
      }
    }
    return bytes.flip().order(ByteOrder.LITTLE_ENDIAN);
  }

  private int readSome(ByteBuffer bytes, long position) throws IOException {
    FileChannel used = channel();
    try {
      return used.read(bytes, position);
    } catch (ClosedByInterruptException e) {
      throw e;
    } catch (ClosedChannelException e) {
      // another thread was interrupted while it read, which closes the channel for all
      return reopened(used).read(bytes, position);
    }
  }

  private FileChannel channel() throws IOException {
    FileChannel current = channel;
    return current.isOpen() ? current : reopened(current);
  }

  private synchronized FileChannel reopened(FileChannel old) throws IOException {
    if (closed) {
      throw new ClosedChannelException();
    }
    if (channel == old) {
      channel = opener.open(path, false);
    }
    return channel;
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    closeQuietly(channel);
  }

  private static void closeQuietly(@Nullable FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      LOGGER.debug("teacher cache could not be closed", e);
    }
  }

  /** Returns the complaint about bytes that are not what was written. */
  DistillationException damaged(long position, String what) {
    return new DistillationException(
        "teacher cache "
            + path
            + " must be as it was written but is damaged at byte "
            + position
            + ": "
            + what
            + "; restore it from a copy, or delete it and write it again");
  }

  static DistillationException unreadable(Path path, IOException cause) {
    return new DistillationException(
        "teacher cache "
            + path
            + " must be readable but was not ("
            + cause
            + "); check the path and its permissions",
        cause);
  }

  private DistillationException unwritable(IOException cause) {
    return new DistillationException(
        "teacher cache "
            + path
            + " must be writable but could not be written ("
            + cause
            + "); all earlier blocks are intact: check free space and permissions, then run again",
        cause);
  }

  /** Returns the CRC32C of what is left of a buffer, which stays as it is. */
  static int checksum(ByteBuffer bytes) {
    CRC32C checksum = new CRC32C();
    checksum.update(bytes.duplicate());
    return (int) checksum.getValue();
  }

  static ByteBuffer little(int length) {
    return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
  }

  static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
