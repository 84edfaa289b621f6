package io.distill.model;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.Pair;
import ai.djl.util.Utils;
import io.distill.exception.DistillationException;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads weights that {@code ai.djl.Model.save} wrote back into the same blocks.
 *
 * <p>DJL's own reader allocates whatever sizes a file declares. Here the blocks write themselves
 * once more, and the file must have the very same bytes wherever a block writes anything but
 * weights: names, types, shapes, sizes. So nothing in a file decides how much is allocated, or
 * which code runs.
 */
final class BlockParameters {

  private static final byte[] MAGIC = "DJL@".getBytes(StandardCharsets.US_ASCII);
  private static final int VERSION = 1;

  /** How the array of a parameter starts, as {@code writeUTF} writes it. */
  private static final byte[] ARRAY = {0, 4, 'N', 'D', 'A', 'R'};

  private BlockParameters() {}

  /**
   * Replaces the weights of a model; on failure they stay as they were.
   *
   * @throws DistillationException if the file is missing, damaged, or of other blocks
   * @throws IOException if it cannot be read
   */
  static void read(Path directory, Model model) throws IOException {
    int epoch = Utils.getCurrentEpoch(directory, model.getName());
    Path file =
        directory.resolve(
            String.format(Locale.ROOT, "%s-%04d.params", model.getName(), Math.max(0, epoch)));
    if (epoch < 0 || !Files.isRegularFile(file)) {
      throw new DistillationException(
          "weights of the DJL model '"
              + model.getName()
              + "' must be in "
              + directory
              + " but are not; name the directory that they were saved to");
    }
    Map<NDArray, ByteBuffer> values = new LinkedHashMap<>();
    // not a channel, which an interrupt of the thread would close
    try (InputStream stream =
        new BufferedInputStream(new FileInputStream(file.toFile()), 1 << 16)) {
      skipHeader(new DataInputStream(stream));
      Comparison comparison = new Comparison(stream, model, values);
      model.getBlock().saveParameters(new DataOutputStream(comparison));
      if (!comparison.open.isEmpty()) {
        throw new IOException("the blocks did not write parameter " + comparison.open.peek());
      }
      if (stream.read() >= 0) {
        throw new IOException("there is more in the file than in the blocks");
      }
      for (Map.Entry<NDArray, ByteBuffer> each : values.entrySet()) {
        requireNoNaN(each.getKey(), each.getValue());
      }
    } catch (IOException e) {
      throw new DistillationException(
          "weights in "
              + file
              + " must be those of the DJL model '"
              + model.getName()
              + "' but were refused ("
              + (e instanceof EOFException ? "the file is cut off" : e.getMessage())
              + "); read those of the same student",
          e);
    }
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      values.forEach(BlockParameters::set);
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  private static void set(NDArray array, ByteBuffer bytes) {
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.remaining()).order(ByteOrder.nativeOrder());
    try (NDArray copy =
        array
            .getManager()
            .create(direct.put(bytes).rewind(), array.getShape(), array.getDataType())) {
      copy.copyTo(array);
    }
  }

  private static void requireNoNaN(NDArray array, ByteBuffer bytes) throws IOException {
    ByteBuffer values = bytes.duplicate().order(ByteOrder.nativeOrder());
    boolean wrong =
        switch (array.getDataType()) {
          case FLOAT32 -> {
            boolean found = false;
            while (values.hasRemaining()) {
              found |= Float.isNaN(values.getFloat());
            }
            yield found;
          }
          case FLOAT64 -> {
            boolean found = false;
            while (values.hasRemaining()) {
              found |= Double.isNaN(values.getDouble());
            }
            yield found;
          }
          default -> false;
        };
    if (wrong) {
      throw new IOException("parameter " + array.getName() + " has NaN");
    }
  }

  /** The header names the model and what it was trained with; none of it is needed. */
  private static void skipHeader(DataInputStream in) throws IOException {
    if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC) || in.readInt() != VERSION) {
      throw new IOException("it is no parameter file of version " + VERSION);
    }
    in.readUTF(); // name
    in.readUTF(); // element type
    for (int inputs = in.readInt(); inputs > 0; inputs--) {
      in.readUTF();
      in.skipNBytes((long) Long.BYTES * length(in)); // dimensions
      in.skipNBytes((long) Character.BYTES * length(in)); // their meanings
    }
    for (int properties = in.readInt(); properties > 0; properties--) {
      in.readUTF();
      in.readUTF();
    }
  }

  private static int length(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0) {
      throw new IOException("it has a negative length");
    }
    return length;
  }

  /** Compares what is written with the file, and keeps the file's bytes of weights. */
  private static final class Comparison extends OutputStream {

    private final InputStream file;
    private final Map<NDArray, ByteBuffer> values;
    final Deque<Parameter> open = new ArrayDeque<>();

    Comparison(InputStream file, Model model, Map<NDArray, ByteBuffer> values) {
      this.file = file;
      this.values = values;
      for (Pair<String, Parameter> each : model.getBlock().getParameters()) {
        open.add(each.getValue());
      }
    }

    @Override
    public void write(int expected) throws IOException {
      requireEqual(new byte[] {(byte) expected}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      NDArray array = arrayWritten(bytes, offset, length);
      if (array == null) {
        requireEqual(bytes, offset, length);
        return;
      }
      int weights = Math.toIntExact(array.size() * array.getDataType().getNumOfBytes());
      requireEqual(bytes, offset, length - weights);
      byte[] read = file.readNBytes(weights);
      if (read.length < weights) {
        throw new EOFException();
      }
      values.put(array, ByteBuffer.wrap(read));
    }

    /** Parameters come one after the other, each array in one piece with its bytes at the end. */
    private @Nullable NDArray arrayWritten(byte[] bytes, int offset, int length) {
      boolean array =
          length > ARRAY.length
              && Arrays.equals(bytes, offset, offset + ARRAY.length, ARRAY, 0, ARRAY.length);
      Parameter next = array ? open.poll() : null;
      return next == null ? null : next.getArray();
    }

    private void requireEqual(byte[] bytes, int offset, int length) throws IOException {
      byte[] read = file.readNBytes(length);
      if (read.length < length) {
        throw new EOFException();
      }
      if (!Arrays.equals(read, 0, length, bytes, offset, offset + length)) {
        throw new IOException("names, types or shapes differ, or are damaged");
      }
    }
  }
}
