package io.distill.trace;

import io.distill.exception.DistillationException;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Reads a file line by line, as bytes, and knows where each line stands. */
final class LineReader implements Closeable {

  /** No line may be longer: an answer of a million tokens stays below. */
  static final int MAXIMUM_LINE_BYTES = 1 << 25;

  private static final int BUFFER_BYTES = 1 << 16;

  private final String what;
  private final Path path;
  private final InputStream in;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private int position;
  private int limit;
  private long offset;
  private long number;

  private LineReader(String what, Path path, InputStream in) {
    this.what = what;
    this.path = path;
    this.in = in;
  }

  /**
   * One line.
   *
   * @param where what file and line it is, as messages call it
   * @param offset where it begins
   * @param bytes the line without its end
   * @param ended whether it has an end; the last line of a file may have none
   */
  @SuppressWarnings("ArrayRecordComponent") // internal; never compared
  record Line(String where, long offset, byte[] bytes, boolean ended) {

    long next() {
      return offset + bytes.length + (ended ? 1 : 0);
    }

    /**
     * Decodes the line.
     *
     * @throws DistillationException if it is not UTF-8
     */
    String text() {
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      } catch (CharacterCodingException e) {
        throw new DistillationException(
            where + " must be UTF-8 but is not; save the file as UTF-8", e);
      }
    }
  }

  /** Opens a file; {@code what} is what messages call it. */
  static LineReader open(String what, Path path) {
    if (!Files.isRegularFile(path)) {
      throw new DistillationException(
          what
              + " must be a file but "
              + path
              + (Files.exists(path) ? " is none" : " does not exist")
              + "; check the path");
    }
    try {
      // not a channel, which an interrupt of the thread would close
      return new LineReader(what, path, new FileInputStream(path.toFile()));
    } catch (IOException e) {
      throw unreadable(what, path, e);
    }
  }

  static DistillationException unreadable(String what, Path path, IOException cause) {
    return new DistillationException(
        what + " " + path + " must be readable but was not (" + cause + "); check the file", cause);
  }

  /** Returns the next line; null at the end. */
  @Nullable Line next() {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    String where = what + " " + path + " line " + (number + 1);
    try {
      while (true) {
        if (position == limit) {
          limit = Math.max(0, in.read(buffer));
          position = 0;
          if (limit == 0) {
            return line.size() == 0 ? null : line(where, line, false);
          }
        }
        int end = position;
        while (end < limit && buffer[end] != '\n') {
          end++;
        }
        line.write(buffer, position, end - position);
        if (line.size() > MAXIMUM_LINE_BYTES) {
          throw new DistillationException(
              where
                  + " must have at most "
                  + MAXIMUM_LINE_BYTES
                  + " bytes but has more; check that it is a file of JSON Lines");
        }
        position = end;
        if (end < limit) {
          position++;
          return line(where, line, true);
        }
      }
    } catch (IOException e) {
      throw unreadable(what, path, e);
    }
  }

  private Line line(String where, ByteArrayOutputStream bytes, boolean ended) {
    Line line = new Line(where, offset, bytes.toByteArray(), ended);
    number++;
    offset = line.next();
    return line;
  }

  @Override
  public void close() {
    try {
      in.close();
    } catch (IOException e) {
      throw unreadable(what, path, e);
    }
  }
}
