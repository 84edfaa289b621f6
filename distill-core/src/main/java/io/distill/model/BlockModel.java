package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import com.google.common.collect.ImmutableSet;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A live model of DJL blocks. The blocks stay the user's: closing this does not close them, and
 * training changes their parameters in place.
 */
public final class BlockModel implements SignalModel {

  private final Model model;
  private final BlockTaps taps;
  private final SignalReader reader;
  private final boolean trainable;
  private Map<String, NDArray> parameters;
  private final boolean scripted;

  private BlockModel(Model model, BlockTaps taps, SignalReader reader, boolean trainable) {
    this.model = model;
    this.taps = taps;
    this.reader = reader;
    this.scripted = isScripted(model.getBlock());
    this.trainable = trainable;
    this.parameters = trained(model, trainable);
  }

  private static Map<String, NDArray> trained(Model model, boolean trainable) {
    Map<String, NDArray> trained = new LinkedHashMap<>();
    if (trainable) {
      for (Pair<String, Parameter> each : model.getBlock().getParameters()) {
        Parameter parameter = each.getValue();
        if (parameter.requiresGradient() && parameter.getArray().getDataType().isFloating()) {
          parameter.getArray().setRequiresGradient(true);
          trained.put(each.getKey(), parameter.getArray());
        }
      }
    }
    return Collections.unmodifiableMap(trained);
  }

  /**
   * Wraps a DJL model.
   *
   * @param model a model on the PyTorch engine whose block is initialised
   * @param taps which intermediate outputs are signals
   * @param reader which output of the whole block is which signal
   * @param trainable whether it is to be trained; frozen parameters stay frozen
   * @return the model
   * @throws DistillationException if the model has no block, it is not initialised, or a weight is
   *     NaN
   */
  public static BlockModel open(
      Model model, BlockTaps taps, SignalReader reader, boolean trainable) {
    requireNonNull(model, "model");
    requireNonNull(taps, "taps");
    requireNonNull(reader, "reader");
    Block block = model.getBlock();
    // a loaded TorchScript block never counts as initialised
    if (block == null || !(block instanceof PtSymbolBlock || block.isInitialized())) {
      throw new DistillationException(
          "DJL model '"
              + model.getName()
              + "' must have an initialised block but "
              + (block == null ? "has none" : "its block is not initialised")
              + "; call setBlock, and initialize(manager, DataType.FLOAT32, inputShapes)");
    }
    for (Pair<String, Parameter> parameter : block.getParameters()) {
      Weights.requireNoNaN(
          "DJL model '" + model.getName() + "'",
          parameter.getKey(),
          parameter.getValue().getArray());
    }
    return new BlockModel(model, taps, reader, trainable);
  }

  /**
   * Returns the wrapped model.
   *
   * @return the user's model
   */
  public Model model() {
    return model;
  }

  @Override
  public Set<SignalKind> provides() {
    return ImmutableSet.copyOf(SignalKind.values());
  }

  @Override
  public Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training) {
    Signals signals = run(inputs, training);
    // DJL runs TorchScript blocks so that no later backward pass may keep what they give; copies
    // may
    return training || !scripted ? signals : signals.map(NDArray::duplicate);
  }

  private static boolean isScripted(Block block) {
    return block instanceof PtSymbolBlock
        || block.getChildren().values().stream().anyMatch(BlockModel::isScripted);
  }

  private Signals run(NDList inputs, boolean training) {
    ParameterStore store = new ParameterStore(inputs.getManager(), false);
    if (taps == BlockTaps.none()) {
      return reader.read(model.getBlock().forward(store, inputs, training), inputs);
    }
    Map<String, NDArray> tapped = Tap.record();
    try {
      NDList outputs = run(model.getBlock(), "", inputs, store, training, tapped);
      return merge(reader.read(outputs, inputs), tapped);
    } finally {
      Tap.stopRecording();
    }
  }

  /** Runs sequential blocks child by child, so that the children's outputs can be seen. */
  private static NDList run(
      Block block,
      String path,
      NDList inputs,
      ParameterStore store,
      boolean training,
      Map<String, NDArray> tapped) {
    NDList outputs = inputs;
    if (block instanceof SequentialBlock sequence && !sequence.isReturnIntermediate()) {
      for (Pair<String, Block> child : sequence.getChildren()) {
        String name = path.isEmpty() ? child.getKey() : path + "/" + child.getKey();
        outputs = run(child.getValue(), name, outputs, store, training, tapped);
      }
    } else {
      outputs = block.forward(store, inputs, training);
    }
    if (!path.isEmpty()) {
      tapped.put(path, outputs.get(0));
    }
    return outputs;
  }

  private Signals merge(Signals outputs, Map<String, NDArray> tapped) {
    Signals.Builder merged = outputs.toBuilder();
    List<NDArray> hidden = new ArrayList<>();
    for (String name : taps.hiddenStateNames()) {
      hidden.add(tapped(name, tapped));
    }
    if (!hidden.isEmpty()) {
      merged.hiddenStates(hidden).layerNames(taps.hiddenStateNames());
    }
    taps.embeddingName().ifPresent(name -> merged.embedding(tapped(name, tapped)));
    return merged.build();
  }

  private static NDArray tapped(String name, Map<String, NDArray> tapped) {
    NDArray output = tapped.get(name);
    if (output == null) {
      throw new DistillationException(
          "tap '"
              + name
              + "' must name a child block that runs but the children are "
              + tapped.keySet().stream().sorted().toList()
              + "; name one of them, or wrap the block with Tap.named");
    }
    return output;
  }

  @Override
  public Map<String, NDArray> parameters() {
    return parameters;
  }

  @Override
  public long parameterCount() {
    long count = 0;
    for (Pair<String, Parameter> parameter : model.getBlock().getParameters()) {
      count += parameter.getValue().getArray().size();
    }
    return count;
  }

  @Override
  public Device device() {
    return model.getNDManager().getDevice();
  }

  @Override
  public void writeTo(Path directory) throws IOException {
    if (model.getBlock() instanceof PtSymbolBlock block) {
      // Model.save refuses TorchScript models
      JniUtils.enableInferenceMode(block);
      AtomicFiles.write(
          directory.resolve(MODEL_FILE), out -> JniUtils.writeModule(block, out, false));
    } else {
      model.save(directory, model.getName());
    }
  }

  @Override
  public void readFrom(Path directory) throws IOException {
    if (model.getBlock() instanceof PtSymbolBlock) {
      LoadedModule.reloadInto(directory.resolve(MODEL_FILE), model, trainable);
      parameters = trained(model, trainable);
    } else {
      BlockParameters.read(directory, model);
    }
  }

  @Override
  public String fingerprint() {
    return fingerprint(model);
  }

  /**
   * Returns a digest of a DJL model: its block and its present weights.
   *
   * @param model a model whose block is initialised
   * @return a SHA-256 digest in hexadecimal
   */
  public static String fingerprint(Model model) {
    if (model.getBlock() instanceof PtSymbolBlock block) {
      JniUtils.enableInferenceMode(block);
      return Weights.digest(
          block.getParameters().values().stream().map(Parameter::getArray).toList(),
          out -> JniUtils.writeModule(block, out, false));
    }
    Map<String, NDArray> arrays = new LinkedHashMap<>();
    for (Pair<String, Parameter> parameter : model.getBlock().getParameters()) {
      arrays.put(parameter.getKey(), parameter.getValue().getArray());
    }
    return Weights.digest(structure(model.getBlock()), arrays);
  }

  /** What a block is made of; its own description changes when it has run. */
  private static String structure(Block block) {
    StringBuilder text = new StringBuilder(block.getClass().getName());
    for (Pair<String, Block> child : block.getChildren()) {
      text.append('(').append(child.getKey()).append(' ').append(structure(child.getValue()));
      text.append(')');
    }
    return text.toString();
  }

  @Override
  public void close() {
    parameters.values().forEach(array -> array.setRequiresGradient(false));
  }
}
