package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.internal.ByteSize;

/**
 * The memory that the weights of a model, or of several, take. Known without loading anything.
 *
 * @param loadedBytes what is in memory already
 * @param pendingBytes what will be, once a model that is not loaded yet is asked something
 * @param copyBytes the largest copy of one model's weights that the Java heap and the temporary
 *     directory hold while it is loaded; 0 for models that libtorch reads itself
 */
public record Footprint(long loadedBytes, long pendingBytes, long copyBytes) {

  private static final Footprint NONE = new Footprint(0, 0, 0);

  /**
   * Checks the numbers.
   *
   * @param loadedBytes what is in memory already
   * @param pendingBytes what will be, once a model is loaded
   * @param copyBytes the largest copy while a model is loaded
   */
  public Footprint {
    checkArgument(
        loadedBytes >= 0 && pendingBytes >= 0 && copyBytes >= 0,
        "bytes must be at least 0 but were %s, %s and %s",
        loadedBytes,
        pendingBytes,
        copyBytes);
  }

  /**
   * Returns the footprint of something that needs no memory of this machine, or cannot tell.
   *
   * @return no bytes
   */
  public static Footprint none() {
    return NONE;
  }

  /**
   * Returns the footprint of a model in memory.
   *
   * @param bytes the bytes of its weights; at least 0
   * @return the footprint
   */
  public static Footprint loaded(long bytes) {
    return new Footprint(bytes, 0, 0);
  }

  /**
   * Returns the footprint of a live model.
   *
   * @param model the model; its weights count as float32
   * @return the footprint
   */
  public static Footprint of(SignalModel model) {
    return loaded(Float.BYTES * model.parameterCount());
  }

  /**
   * Returns the footprint of a model that this library reads or makes, and hands to libtorch.
   *
   * @param bytes the bytes of its weights; at least 0
   * @return the footprint
   */
  public static Footprint pending(long bytes) {
    return new Footprint(0, bytes, bytes);
  }

  /**
   * Returns the footprint of both, as an ensemble has it.
   *
   * @param other the other footprint
   * @return sums; of copies the larger, as models are loaded one after the other
   */
  public Footprint plus(Footprint other) {
    return new Footprint(
        ByteSize.sum(loadedBytes, other.loadedBytes),
        ByteSize.sum(pendingBytes, other.pendingBytes),
        Math.max(copyBytes, other.copyBytes));
  }

  /**
   * Returns what all weights take once everything is loaded.
   *
   * @return bytes
   */
  public long bytes() {
    return ByteSize.sum(loadedBytes, pendingBytes);
  }
}
