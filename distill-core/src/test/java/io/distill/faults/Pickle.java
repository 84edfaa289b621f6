package io.distill.faults;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes pickles instruction by instruction. */
final class Pickle {

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** Starts as protocol 2 does. */
  static Pickle start() {
    return new Pickle().raw(0x80, 2);
  }

  Pickle raw(int... bytes) {
    for (int each : bytes) {
      out.write(each);
    }
    return this;
  }

  Pickle op(String instructions) {
    out.writeBytes(instructions.getBytes(StandardCharsets.ISO_8859_1));
    return this;
  }

  Pickle global(String module, String name) {
    return op("c" + module + "\n" + name + "\n");
  }

  Pickle text(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    op("X").little(bytes.length, 4);
    out.writeBytes(bytes);
    return this;
  }

  Pickle number(long value) {
    return raw(0x8a, 8).little(value, 8);
  }

  Pickle numbers(long... values) {
    op("(");
    for (long value : values) {
      number(value);
    }
    return op("t");
  }

  Pickle little(long value, int bytes) {
    out.write(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array(), 0, bytes);
    return this;
  }

  Pickle storage(String type, String key, long count) {
    op("(").text("storage").global("torch", type).text(key).text("cpu").number(count);
    return op("tQ");
  }

  /** A tensor on a storage that was pushed before: see {@link #tensorStart}. */
  Pickle tensorEnd(long offset, long[] shape, long[] strides) {
    number(offset).numbers(shape).numbers(strides).raw(0x89);
    return global("collections", "OrderedDict").op(")RtR");
  }

  Pickle tensorStart() {
    return global("torch._utils", "_rebuild_tensor_v2").op("(");
  }

  Pickle tensor(String type, String key, long count, long offset, long[] shape, long[] strides) {
    return tensorStart().storage(type, key, count).tensorEnd(offset, shape, strides);
  }

  Pickle weight() {
    return text("weight").tensor("FloatStorage", "0", 6, 0, new long[] {2, 3}, new long[] {3, 1});
  }

  Pickle bias() {
    return text("bias").tensor("FloatStorage", "1", 2, 0, new long[] {2}, new long[] {1});
  }

  /** Starts the module of {@link TorchScriptFaults}, up to its attributes. */
  static Pickle net() {
    return start().global("__torch__", "Net").op(")").raw(0x81).op("}(");
  }

  byte[] netEnd() {
    return text("training").raw(0x89).op("ub.").bytes();
  }

  byte[] bytes() {
    return out.toByteArray();
  }
}
