package io.distill.torchscript;

import ai.djl.ndarray.types.DataType;
import com.google.common.collect.ImmutableBiMap;
import org.jspecify.annotations.Nullable;

/** The storage classes by which PyTorch pickles name element types. */
final class StorageTypes {

  private static final ImmutableBiMap<DataType, String> NAMES =
      ImmutableBiMap.of(
          DataType.FLOAT32, "FloatStorage",
          DataType.FLOAT64, "DoubleStorage",
          DataType.FLOAT16, "HalfStorage",
          DataType.BFLOAT16, "BFloat16Storage",
          DataType.INT64, "LongStorage",
          DataType.INT32, "IntStorage",
          DataType.INT8, "CharStorage",
          DataType.UINT8, "ByteStorage",
          DataType.BOOLEAN, "BoolStorage");

  private StorageTypes() {}

  static String name(DataType type) {
    String name = NAMES.get(type);
    if (name == null) {
      throw new IllegalArgumentException(
          "tensor type must be one of " + NAMES.keySet() + " but was " + type);
    }
    return name;
  }

  static @Nullable DataType type(String name) {
    return NAMES.inverse().get(name);
  }
}
