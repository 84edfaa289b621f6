package io.distill.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The plain form of top logits: bit-packed ids, log-probabilities and the log-mass of the rest in
 * bfloat16.
 */
final class PackedTop {

  private final int width;
  private final int k;
  private final byte[] ids;
  private final short[] values;

  private PackedTop(int width, int k, byte[] ids, short[] values) {
    this.width = width;
    this.k = k;
    this.ids = ids;
    this.values = values;
  }

  private static int bits(int width) {
    return Integer.SIZE - Integer.numberOfLeadingZeros(width - 1);
  }

  static int bytes(int k, int width) {
    return (k * bits(width) + Byte.SIZE - 1) / Byte.SIZE + (k + 1) * Short.BYTES;
  }

  static PackedTop pack(double[] p, int k) {
    double[] sorted = p.clone();
    Arrays.sort(sorted);
    double least = sorted[p.length - k];
    int[] top =
        IntStream.range(0, p.length)
            .filter(i -> p[i] >= least)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> -p[i]))
            .limit(k)
            .mapToInt(Integer::intValue)
            .toArray();
    int bits = bits(p.length);
    byte[] ids = new byte[(k * bits + Byte.SIZE - 1) / Byte.SIZE];
    short[] values = new short[k + 1];
    boolean[] kept = new boolean[p.length];
    for (int i = 0; i < k; i++) {
      kept[top[i]] = true;
      values[i] = bfloat16(Math.log(p[top[i]]));
      for (int bit = 0; bit < bits; bit++) {
        int position = i * bits + bit;
        ids[position / Byte.SIZE] |= (byte) (((top[i] >> bit) & 1) << (position % Byte.SIZE));
      }
    }
    double rest = 0;
    for (int i = 0; i < p.length; i++) {
      rest += kept[i] ? 0 : p[i];
    }
    values[k] = bfloat16(Math.log(rest));
    return new PackedTop(p.length, k, ids, values);
  }

  private static short bfloat16(double value) {
    int bits = Float.floatToIntBits((float) value);
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  private float value(int i) {
    return Float.intBitsToFloat(values[i] << 16);
  }

  private float base() {
    return value(k) - (float) Math.log(width - k);
  }

  private int id(int i, int bits) {
    int first = i * bits;
    int id = 0;
    int have = 0;
    for (int at = first / Byte.SIZE; have < bits; at++) {
      int shift = at == first / Byte.SIZE ? first % Byte.SIZE : 0;
      id |= ((ids[at] & 0xFF) >> shift) << have;
      have += Byte.SIZE - shift;
    }
    return id & ((1 << bits) - 1);
  }

  void unpack(float[] logits, int from) {
    Arrays.fill(logits, from, from + width, base());
    int bits = bits(width);
    for (int i = 0; i < k; i++) {
      logits[from + id(i, bits)] = value(i);
    }
  }

  /** Makes dense logits of several tokens, natively where that is faster. */
  static NDArray dense(NDManager manager, List<PackedTop> tokens, int k, int width) {
    long[] ids = new long[tokens.size() * k];
    float[] values = new float[ids.length];
    float[] base = new float[tokens.size()];
    int bits = bits(width);
    for (int token = 0; token < base.length; token++) {
      PackedTop packed = tokens.get(token);
      base[token] = packed.base();
      for (int i = 0; i < k; i++) {
        ids[token * k + i] = packed.id(i, bits);
        values[token * k + i] = packed.value(i);
      }
    }
    Shape shape = new Shape(base.length, k);
    return manager
        .create(base, new Shape(base.length, 1))
        .repeat(1, width)
        .scatter(manager.create(ids, shape), manager.create(values, shape), 1);
  }
}
