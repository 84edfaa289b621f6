package io.distill.onnx;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.Float16Utils;
import ai.onnx.proto.OnnxMl.TensorProto;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Optional;
import java.util.OptionalDouble;

/** Turns stored tensors into float32 values; never allocates more than the stored data justify. */
final class TensorData {

  private TensorData() {}

  /** Reads a tensor as float32 in the layout of PyTorch and checks its shape and its values. */
  static HostTensor read(
      EncoderTensors.Source source,
      String name,
      Shape expected,
      String model,
      ExternalData external) {
    TensorProto tensor = source.tensor();
    String subject = subject(name, tensor, model);
    Shape shape = source.shape();
    if (!shape.equals(expected)) {
      throw new DistillationException(
          subject
              + " must have shape "
              + expected
              + " but has "
              + shape
              + "; export the model again, as a BERT encoder");
    }
    int width = width(tensor, subject);
    long count = shape.size();
    if (count > Integer.MAX_VALUE / Double.BYTES) {
      throw new DistillationException(
          subject
              + " must have at most "
              + Integer.MAX_VALUE / Double.BYTES
              + " elements but has shape "
              + shape
              + "; use a smaller model");
    }
    ByteBuffer values = floats(tensor, (int) count, width, subject, external);
    requireFinite(values.duplicate().order(ByteOrder.LITTLE_ENDIAN), subject);
    if (source.transpose()) {
      values = transpose(values, (int) shape.get(0), (int) shape.get(1));
    }
    return HostTensor.of(DataType.FLOAT32, shape, values);
  }

  /** Returns the element of a floating tensor of one element, kept inside the model. */
  static OptionalDouble scalar(TensorProto tensor) {
    if (tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL
        || tensor.getDimsList().stream().anyMatch(dimension -> dimension != 1)) {
      return OptionalDouble.empty();
    }
    ByteBuffer raw = raw(tensor);
    return switch (tensor.getDataType()) {
      case TensorProto.DataType.FLOAT_VALUE -> {
        if (tensor.getFloatDataCount() == 1) {
          yield OptionalDouble.of(decimal(tensor.getFloatData(0)));
        }
        yield raw.remaining() == Float.BYTES
            ? OptionalDouble.of(decimal(raw.getFloat(0)))
            : OptionalDouble.empty();
      }
      case TensorProto.DataType.DOUBLE_VALUE -> {
        if (tensor.getDoubleDataCount() == 1) {
          yield OptionalDouble.of(tensor.getDoubleData(0));
        }
        yield raw.remaining() == Double.BYTES
            ? OptionalDouble.of(raw.getDouble(0))
            : OptionalDouble.empty();
      }
      case TensorProto.DataType.FLOAT16_VALUE -> {
        if (tensor.getInt32DataCount() == 1) {
          yield OptionalDouble.of(
              decimal(Float16Utils.halfToFloat((short) tensor.getInt32Data(0))));
        }
        yield raw.remaining() == Short.BYTES
            ? OptionalDouble.of(decimal(Float16Utils.halfToFloat(raw.getShort(0))))
            : OptionalDouble.empty();
      }
      default -> OptionalDouble.empty();
    };
  }

  /** Returns the elements of a small int64 tensor, kept inside the model. */
  static Optional<long[]> integers(TensorProto tensor, int most) {
    if (tensor.getDataType() != TensorProto.DataType.INT64_VALUE
        || tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL) {
      return Optional.empty();
    }
    ByteBuffer raw = raw(tensor);
    int count = tensor.hasRawData() ? raw.remaining() / Long.BYTES : tensor.getInt64DataCount();
    if (count > most) {
      return Optional.empty();
    }
    long[] elements = new long[count];
    for (int i = 0; i < count; i++) {
      elements[i] = tensor.hasRawData() ? raw.getLong(i * Long.BYTES) : tensor.getInt64Data(i);
    }
    return Optional.of(elements);
  }

  /** The shortest decimal, so that a float32 of 1e-12 becomes the double 1e-12. */
  static double decimal(float value) {
    return Double.parseDouble(Float.toString(value));
  }

  static String subject(String name, TensorProto tensor, String model) {
    String stored = tensor.getName();
    return "tensor '"
        + name
        + "'"
        + (stored.isEmpty() || stored.equals(name) ? "" : " (stored as '" + stored + "')")
        + " of "
        + model;
  }

  private static int width(TensorProto tensor, String subject) {
    return switch (tensor.getDataType()) {
      case TensorProto.DataType.FLOAT_VALUE -> Float.BYTES;
      case TensorProto.DataType.FLOAT16_VALUE, TensorProto.DataType.BFLOAT16_VALUE -> Short.BYTES;
      case TensorProto.DataType.DOUBLE_VALUE -> Double.BYTES;
      default -> {
        TensorProto.DataType type = TensorProto.DataType.forNumber(tensor.getDataType());
        throw new DistillationException(
            subject
                + " must have element type FLOAT, FLOAT16, BFLOAT16 or DOUBLE but has "
                + (type == null ? tensor.getDataType() : type)
                + "; export the model without quantization");
      }
    };
  }

  private static ByteBuffer floats(
      TensorProto tensor, int count, int width, String subject, ExternalData external) {
    long bytes = (long) count * width;
    if (tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL) {
      return widen(external.read(tensor, bytes, subject), tensor.getDataType(), count);
    }
    int type = tensor.getDataType();
    if (tensor.hasRawData()) {
      requireStored(tensor.getRawData().size(), bytes, "bytes", subject);
      return widen(raw(tensor), type, count);
    }
    int stored =
        switch (type) {
          case TensorProto.DataType.FLOAT_VALUE -> tensor.getFloatDataCount();
          case TensorProto.DataType.DOUBLE_VALUE -> tensor.getDoubleDataCount();
          default -> tensor.getInt32DataCount();
        };
    requireStored(stored, count, "elements", subject);
    ByteBuffer result = allocate(count);
    for (int i = 0; i < count; i++) {
      result.putFloat(
          i * Float.BYTES,
          switch (type) {
            case TensorProto.DataType.FLOAT_VALUE -> tensor.getFloatData(i);
            case TensorProto.DataType.DOUBLE_VALUE -> (float) tensor.getDoubleData(i);
            case TensorProto.DataType.FLOAT16_VALUE ->
                Float16Utils.halfToFloat((short) tensor.getInt32Data(i));
            default -> brainFloat((short) tensor.getInt32Data(i));
          });
    }
    return result;
  }

  private static void requireStored(long stored, long expected, String unit, String subject) {
    if (stored != expected) {
      throw new DistillationException(
          subject
              + " must hold "
              + expected
              + " "
              + unit
              + " but holds "
              + stored
              + "; copy or export the model again");
    }
  }

  private static ByteBuffer widen(ByteBuffer source, int type, int count) {
    source.order(ByteOrder.LITTLE_ENDIAN);
    if (type == TensorProto.DataType.FLOAT_VALUE) {
      return source;
    }
    ByteBuffer result = allocate(count);
    for (int i = 0; i < count; i++) {
      result.putFloat(
          i * Float.BYTES,
          switch (type) {
            case TensorProto.DataType.DOUBLE_VALUE -> (float) source.getDouble(i * Double.BYTES);
            case TensorProto.DataType.FLOAT16_VALUE ->
                Float16Utils.halfToFloat(source.getShort(i * Short.BYTES));
            default -> brainFloat(source.getShort(i * Short.BYTES));
          });
    }
    return result;
  }

  private static ByteBuffer transpose(ByteBuffer source, int rows, int columns) {
    FloatBuffer from = source.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    ByteBuffer result = allocate(rows * columns);
    FloatBuffer to = result.asFloatBuffer();
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        to.put(row * columns + column, from.get(column * rows + row));
      }
    }
    return result;
  }

  private static void requireFinite(ByteBuffer values, String subject) {
    FloatBuffer floats = values.asFloatBuffer();
    for (int i = 0; i < floats.limit(); i++) {
      if (!Float.isFinite(floats.get(i))) {
        throw new DistillationException(
            subject
                + " must be finite but element "
                + i
                + " is "
                + floats.get(i)
                + "; use a model that was trained without overflow");
      }
    }
  }

  private static float brainFloat(short bits) {
    return Float.intBitsToFloat(bits << Short.SIZE);
  }

  private static ByteBuffer raw(TensorProto tensor) {
    return tensor.getRawData().asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  private static ByteBuffer allocate(int floats) {
    return ByteBuffer.allocate(Math.multiplyExact(floats, Float.BYTES))
        .order(ByteOrder.LITTLE_ENDIAN);
  }
}
