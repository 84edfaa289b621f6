package io.distill.teacher.internal;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hashing;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A sample as a cache knows it: 128 bits of the SHA-256 of its id. */
public record RowKey(long high, long low) {

  static final int BYTES = 2 * Long.BYTES;

  /** Returns the key of a sample id. */
  public static RowKey of(String id) {
    HashCode hash = Hashing.sha256().hashString(id, StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.wrap(hash.asBytes()).order(ByteOrder.LITTLE_ENDIAN);
    return new RowKey(bytes.getLong(), bytes.getLong());
  }
}
