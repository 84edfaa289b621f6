package io.distill.data;

import io.distill.exception.DistillationException;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * Reads UTF-8 text, plain or compressed with gzip; a fault ends reading with the number of its
 * line. A byte order mark is dropped.
 *
 * <p>Faults are thrown as {@link DistillationException}, which parsers on top let through.
 */
final class StrictTextReader extends Reader {

  /**
   * Text packs to a tenth, and rarely to less than a twentieth; a bomb unfolds to a thousand times
   * its size.
   */
  private static final long MOST_INFLATION = 32;

  private static final long ALWAYS_ALLOWED_BYTES = 16L << 20;
  private static final int LONGEST_LINE = 1 << 24;

  private final Path path;
  private final InputStream stream;
  private final long mostBytes;
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT);
  private final ByteBuffer bytes = ByteBuffer.allocate(1 << 16).flip();
  private final CharBuffer characters = CharBuffer.allocate(1 << 16).flip();
  private boolean atStart = true;
  private boolean atEnd;
  private long line = 1;
  private int lineLength;
  private long read;

  private StrictTextReader(Path path, InputStream stream, long mostBytes) {
    this.path = path;
    this.stream = stream;
    this.mostBytes = mostBytes;
  }

  static StrictTextReader open(Path path) {
    if (Files.isDirectory(path)) {
      throw new DistillationException(
          "data file must be a file but " + path + " is a directory; name a file in it");
    }
    InputStream file;
    try {
      file = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
    } catch (NoSuchFileException e) {
      throw new DistillationException(
          "data file must exist but "
              + path
              + " does not; it was looked for at "
              + path.toAbsolutePath(),
          e);
    } catch (IOException e) {
      throw unreadable(path, e);
    }
    try {
      return isCompressed(file)
          ? new StrictTextReader(
              path,
              new GZIPInputStream(file),
              ALWAYS_ALLOWED_BYTES + MOST_INFLATION * Files.size(path))
          : new StrictTextReader(path, file, Long.MAX_VALUE);
    } catch (IOException | RuntimeException e) {
      closeQuietly(file, e);
      if (e instanceof EOFException) {
        throw cutOff(path, 1, e);
      }
      throw unreadable(path, e);
    }
  }

  private static boolean isCompressed(InputStream file) throws IOException {
    file.mark(2);
    boolean magic = file.read() == 0x1F && file.read() == 0x8B;
    file.reset();
    return magic;
  }

  private static void closeQuietly(InputStream stream, Exception reason) {
    try {
      stream.close();
    } catch (IOException e) {
      reason.addSuppressed(e);
    }
  }

  private static DistillationException unreadable(Path path, Exception cause) {
    return new DistillationException(
        "data file " + path + " must be readable but was not: " + cause, cause);
  }

  private static DistillationException cutOff(Path path, long line, Exception cause) {
    return new DistillationException(
        "data file "
            + path
            + " must be a complete gzip file but ends early, in line "
            + line
            + "; copy or download it again",
        cause);
  }

  @Override
  public int read(char[] target, int offset, int length) {
    if (length == 0) {
      return 0;
    }
    while (!characters.hasRemaining()) {
      if (atEnd) {
        return -1;
      }
      decode();
    }
    int count = Math.min(length, characters.remaining());
    characters.get(target, offset, count);
    return count;
  }

  private void decode() {
    characters.clear();
    CoderResult result = decoder.decode(bytes, characters, false);
    if (result.isUnderflow() && characters.position() == 0) {
      bytes.compact();
      boolean ended = fill();
      bytes.flip();
      result = decoder.decode(bytes, characters, ended);
      atEnd = ended && result.isUnderflow();
    }
    characters.flip();
    if (atStart && characters.hasRemaining()) {
      atStart = false;
      if (characters.get(0) == '\uFEFF') {
        characters.get();
      }
    }
    for (int i = characters.position(); i < characters.limit(); i++) {
      char c = characters.get(i);
      if (c == '\n') {
        line++;
        lineLength = 0;
      } else if (c == 0) {
        throw new DistillationException(
            "data file "
                + path
                + " must be UTF-8 text but line "
                + line
                + " has a zero byte, as UTF-16 and binary files have; save the file as UTF-8");
      } else if (++lineLength > LONGEST_LINE) {
        throw new DistillationException(
            "data file "
                + path
                + " must have lines of at most "
                + LONGEST_LINE
                + " characters but line "
                + line
                + " is longer; check that it is a text file, and split the row");
      }
    }
    if (result.isError()) {
      throw new DistillationException(
          "data file "
              + path
              + " must be UTF-8 text but line "
              + line
              + " has the byte 0x"
              + String.format("%02X", bytes.get(bytes.position()))
              + " where no character can have it; save the file as UTF-8");
    }
  }

  /** Returns whether the stream has ended. */
  private boolean fill() {
    try {
      int count = stream.read(bytes.array(), bytes.position(), bytes.remaining());
      if (count > 0) {
        bytes.position(bytes.position() + count);
        read += count;
        if (read > mostBytes) {
          throw new DistillationException(
              "data file "
                  + path
                  + " must unfold to at most "
                  + MOST_INFLATION
                  + " times its size but unfolds to more; if it is meant so, unpack it with gunzip"
                  + " first");
        }
      }
      return count < 0;
    } catch (EOFException e) {
      throw cutOff(path, line, e);
    } catch (ZipException e) {
      throw new DistillationException(
          "data file "
              + path
              + " must be a valid gzip file but is damaged in line "
              + line
              + ": "
              + e.getMessage()
              + "; copy or download it again",
          e);
    } catch (IOException e) {
      throw unreadable(path, e);
    }
  }

  @Override
  public void close() throws IOException {
    stream.close();
  }
}
