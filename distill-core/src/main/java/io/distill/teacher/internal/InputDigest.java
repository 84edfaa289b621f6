package io.distill.teacher.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import com.google.common.hash.HashFunction;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import io.distill.data.Batch;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A digest of what a teacher reads of a row, padding left out: token ids rather than the text, so
 * that a row that comes out of another tokenizer, or another data set's row of the same id, is
 * noticed.
 *
 * <p>64 bits against accidents, not against an attacker, who could write the cache itself.
 */
public final class InputDigest {

  private static final HashFunction HASH = Hashing.murmur3_128(0x64697374);

  private InputDigest() {}

  /** Returns the digests of the rows of a batch. */
  public static long[] of(Batch batch) {
    Hasher[] hashers = new Hasher[batch.size()];
    for (int row = 0; row < hashers.length; row++) {
      hashers[row] = HASH.newHasher();
      if (batch.inputs().isEmpty() && !batch.texts().isEmpty()) {
        hashers[row].putString(batch.texts().get(row), StandardCharsets.UTF_8);
      }
    }
    RowTokens tokens = tokens(batch.inputs());
    for (NDArray input : batch.inputs()) {
      put(hashers, input, tokens);
    }
    long[] digests = new long[hashers.length];
    for (int row = 0; row < digests.length; row++) {
      digests[row] = hashers[row].hash().asLong();
    }
    return digests;
  }

  private static void put(Hasher[] hashers, NDArray input, @Nullable RowTokens tokens) {
    Shape shape = input.getShape();
    ByteBuffer bytes = input.toByteBuffer();
    int stride = bytes.remaining() / hashers.length;
    boolean ofTokens = tokens != null && shape.dimension() >= 2 && shape.get(1) == tokens.width();
    for (int row = 0; row < hashers.length; row++) {
      int length =
          ofTokens && tokens != null ? stride / tokens.width() * tokens.length(row) : stride;
      hashers[row]
          .putInt(input.getDataType().getNumOfBytes())
          .putInt(length)
          .putBytes(bytes.slice(row * stride, length));
    }
  }

  /** Reads the mask among inputs of tokens: the second array, of the shape of the first. */
  public static @Nullable RowTokens tokens(NDList inputs) {
    if (inputs.size() < 2) {
      return null;
    }
    NDArray mask = inputs.get(1);
    Shape shape = mask.getShape();
    Shape first = inputs.get(0).getShape();
    boolean fits =
        shape.dimension() == 2
            && first.dimension() >= 2
            && first.slice(0, 2).equals(shape)
            && mask.getDataType().isInteger();
    if (!fits) {
      return null;
    }
    RowTokens tokens = RowTokens.of(mask);
    // segment numbers and the like are not a mask
    return tokens.plain() ? tokens : null;
  }
}
