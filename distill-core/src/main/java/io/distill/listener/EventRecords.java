package io.distill.listener;

import com.google.protobuf.CodedOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The bytes of TensorBoard's event files: {@code Event} messages of {@code event.proto}, each
 * framed as a TFRecord.
 *
 * <pre>{@code
 * uint64 length, uint32 crc(length), byte data[length], uint32 crc(data)      little-endian
 * crc(x) = rotateRight(crc32c(x), 15) + 0xa282ead8
 * }</pre>
 */
final class EventRecords {

  /** What the first record of a file says. */
  static final String VERSION = "brain.Event:2";

  /** The state of a session, as {@code SessionLog.SessionStatus} numbers it. */
  enum Session {
    START(1),
    STOP(2),
    CHECKPOINT(3);

    private final int number;

    Session(int number) {
      this.number = number;
    }
  }

  private static final int CRC_ROTATION = 15;
  private static final int CRC_MASK_DELTA = 0xa282ead8;
  private static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;

  // field numbers of Event, Summary, Summary.Value and SessionLog
  private static final int WALL_TIME = 1;
  private static final int STEP = 2;
  private static final int FILE_VERSION = 3;
  private static final int SUMMARY = 5;
  private static final int SESSION_LOG = 7;
  private static final int VALUE = 1;
  private static final int TAG = 1;
  private static final int SIMPLE_VALUE = 2;
  private static final int STATUS = 1;
  private static final int CHECKPOINT_PATH = 2;

  private static final int LENGTH_DELIMITED = 2;

  private EventRecords() {}

  /** Scalars of one step; all of them go into one record. */
  static final class Scalars {
    private final List<String> tags = new ArrayList<>();
    private final List<Float> values = new ArrayList<>();
    private int bytes;

    void add(String tag, double value) {
      tags.add(tag);
      values.add((float) value);
      bytes += delimited(VALUE, valueBytes(tag));
    }

    boolean isEmpty() {
      return tags.isEmpty();
    }

    private void writeTo(CodedOutputStream out) throws IOException {
      for (int i = 0; i < tags.size(); i++) {
        out.writeTag(VALUE, LENGTH_DELIMITED);
        out.writeUInt32NoTag(valueBytes(tags.get(i)));
        out.writeString(TAG, tags.get(i));
        out.writeFloat(SIMPLE_VALUE, values.get(i));
      }
    }
  }

  /** Writes the fields of an event after its time and step. */
  @FunctionalInterface
  private interface What {
    void writeTo(CodedOutputStream out) throws IOException;
  }

  static byte[] version(double wallTime) {
    int bytes = CodedOutputStream.computeStringSize(FILE_VERSION, VERSION);
    return record(wallTime, 0, bytes, out -> out.writeString(FILE_VERSION, VERSION));
  }

  static byte[] scalars(double wallTime, long step, Scalars scalars) {
    return record(
        wallTime,
        step,
        delimited(SUMMARY, scalars.bytes),
        out -> {
          out.writeTag(SUMMARY, LENGTH_DELIMITED);
          out.writeUInt32NoTag(scalars.bytes);
          scalars.writeTo(out);
        });
  }

  static byte[] session(double wallTime, long step, Session status, String checkpoint) {
    int path =
        checkpoint.isEmpty() ? 0 : CodedOutputStream.computeStringSize(CHECKPOINT_PATH, checkpoint);
    int bytes = CodedOutputStream.computeEnumSize(STATUS, status.number) + path;
    return record(
        wallTime,
        step,
        delimited(SESSION_LOG, bytes),
        out -> {
          out.writeTag(SESSION_LOG, LENGTH_DELIMITED);
          out.writeUInt32NoTag(bytes);
          out.writeEnum(STATUS, status.number);
          if (path > 0) {
            out.writeString(CHECKPOINT_PATH, checkpoint);
          }
        });
  }

  private static int valueBytes(String tag) {
    return CodedOutputStream.computeStringSize(TAG, tag)
        + CodedOutputStream.computeFloatSize(SIMPLE_VALUE, 0);
  }

  private static int delimited(int field, int bytes) {
    return CodedOutputStream.computeTagSize(field)
        + CodedOutputStream.computeUInt32SizeNoTag(bytes)
        + bytes;
  }

  private static byte[] record(double wallTime, long step, int whatBytes, What what) {
    int length = CodedOutputStream.computeDoubleSize(WALL_TIME, wallTime) + whatBytes;
    if (step != 0) {
      // as other writers do: 0 is what a reader takes anyway
      length += CodedOutputStream.computeInt64Size(STEP, step);
    }
    byte[] record = new byte[HEADER_BYTES + length + Integer.BYTES];
    CodedOutputStream out = CodedOutputStream.newInstance(record, HEADER_BYTES, length);
    try {
      out.writeDouble(WALL_TIME, wallTime);
      if (step != 0) {
        out.writeInt64(STEP, step);
      }
      what.writeTo(out);
      out.checkNoSpaceLeft();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    ByteBuffer frame = ByteBuffer.wrap(record).order(ByteOrder.LITTLE_ENDIAN);
    frame.putLong(0, length);
    frame.putInt(Long.BYTES, maskedCrc(record, 0, Long.BYTES));
    frame.putInt(HEADER_BYTES + length, maskedCrc(record, HEADER_BYTES, length));
    return record;
  }

  static int maskedCrc(byte[] bytes, int offset, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, offset, length);
    return Integer.rotateRight((int) crc.getValue(), CRC_ROTATION) + CRC_MASK_DELTA;
  }
}
