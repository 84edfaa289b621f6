package io.distill.teacher.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Keeps the likeliest logits. */
final class TopKCoding {
  TopKCoding(SignalLayout layout, TailPrior prior) {}

  SignalCodec.Encoded encode(NDArray logits, int rows, @Nullable RowTokens tokens) {
    return new SignalCodec.Encoded(java.util.List.of(), java.util.List.of());
  }

  NDArray decode(NDManager manager, ByteBuffer[] records, @Nullable RowTokens tokens, int width) {
    return manager.create(0f);
  }
}
