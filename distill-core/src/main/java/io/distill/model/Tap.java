package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A DJL block that does what the block inside does, and lets its output be tapped by name. */
public final class Tap extends AbstractBlock {

  private static final ThreadLocal<@Nullable Map<String, NDArray>> RECORD = new ThreadLocal<>();

  private final String name;
  private final Block inside;

  @SuppressWarnings("this-escape")
  private Tap(String name, Block inside) {
    this.name = name;
    this.inside = addChildBlock(name, inside);
  }

  /**
   * Wraps a block.
   *
   * @param name the name to give to {@link BlockTaps}; not blank
   * @param block the block
   * @return a block that does the same
   * @throws IllegalArgumentException if the name is blank
   */
  public static Block named(String name, Block block) {
    checkArgument(!name.isBlank(), "name must not be blank");
    return new Tap(name, requireNonNull(block, "block"));
  }

  /** Starts recording on this thread; the map fills as taps run. */
  static Map<String, NDArray> record() {
    Map<String, NDArray> outputs = new HashMap<>();
    RECORD.set(outputs);
    return outputs;
  }

  static void stopRecording() {
    RECORD.remove();
  }

  @Override
  protected NDList forwardInternal(
      ParameterStore parameterStore,
      NDList inputs,
      boolean training,
      PairList<String, Object> params) {
    NDList outputs = inside.forward(parameterStore, inputs, training, params);
    Map<String, NDArray> record = RECORD.get();
    if (record != null) {
      record.put(name, outputs.get(0));
    }
    return outputs;
  }

  @Override
  public Shape[] getOutputShapes(Shape[] inputShapes) {
    return inside.getOutputShapes(inputShapes);
  }

  @Override
  protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... inputShapes) {
    inside.initialize(manager, dataType, inputShapes);
  }
}
