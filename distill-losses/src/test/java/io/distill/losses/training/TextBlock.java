package io.distill.losses.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.distill.model.SignalReader;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.ArrayList;
import java.util.List;

/**
 * A small transformer made of DJL blocks that shows all it computes: for rows (one answer for all
 * tokens) or for tokens (each token answers with the next one, seeing none after itself).
 */
final class TextBlock extends AbstractBlock {

  private static final int LAYERS = 2;
  private static final int HEADS = 2;
  private static final int PER_LAYER = 5;
  private static final float OUT_OF_REACH = -1e9f;

  private final int vocabulary;
  private final int width;
  private final int classes;
  private final boolean forTokens;
  private final Block embedding;
  private final List<Block> queries = new ArrayList<>();
  private final List<Block> keys = new ArrayList<>();
  private final List<Block> values = new ArrayList<>();
  private final List<Block> mixed = new ArrayList<>();
  private final Block classifier;

  @SuppressWarnings("this-escape")
  TextBlock(int vocabulary, int width, int classes, boolean forTokens) {
    this.vocabulary = vocabulary;
    this.width = width;
    this.classes = classes;
    this.forTokens = forTokens;
    embedding = addChildBlock("embedding", linear(width, false));
    for (int i = 0; i < LAYERS; i++) {
      queries.add(addChildBlock("query" + i, linear(width, true)));
      keys.add(addChildBlock("key" + i, linear(width, true)));
      values.add(addChildBlock("value" + i, linear(width, true)));
      mixed.add(addChildBlock("mixed" + i, linear(width, true)));
    }
    classifier = addChildBlock("classifier", linear(classes, false));
  }

  private static Block linear(int units, boolean bias) {
    return Linear.builder().setUnits(units).optBias(bias).build();
  }

  @Override
  protected NDList forwardInternal(
      ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
    NDArray ids = inputs.get(0);
    long rows = ids.getShape().get(0);
    long tokens = ids.getShape().get(1);
    NDArray mask = inputs.get(1).toType(DataType.FLOAT32, false);
    NDArray reach = mask.reshape(rows, 1, 1, tokens);
    if (forTokens) {
      NDArray places = ids.getManager().arange((float) tokens);
      NDArray earlier = places.reshape(tokens, 1).gte(places).toType(DataType.FLOAT32, false);
      reach = reach.mul(earlier.reshape(1, 1, tokens, tokens));
    }
    NDArray hidden = run(embedding, store, ids.oneHot(vocabulary), training);
    NDList layers = new NDList();
    for (int i = 0; i < LAYERS; i++) {
      NDArray query = heads(run(queries.get(i), store, hidden, training));
      NDArray key = heads(run(keys.get(i), store, hidden, training));
      NDArray value = heads(run(values.get(i), store, hidden, training));
      NDArray scores =
          query.matMul(key.transpose(0, 1, 3, 2)).mul(1 / Math.sqrt((double) width / HEADS));
      NDArray probabilities = scores.add(reach.sub(1).mul(-OUT_OF_REACH)).softmax(-1);
      NDArray context =
          probabilities.matMul(value).transpose(0, 2, 1, 3).reshape(rows, tokens, width);
      hidden = hidden.add(run(mixed.get(i), store, context, training)).tanh();
      layers.addAll(List.of(hidden, scores, query, key, value));
    }
    NDArray pooled =
        hidden.mul(mask.expandDims(2)).sum(new int[] {1}).div(mask.sum(new int[] {1}, true));
    NDArray logits = run(classifier, store, forTokens ? hidden : pooled, training);
    NDList outputs = new NDList(logits, pooled);
    outputs.addAll(layers);
    if (forTokens) {
      outputs.add(store.getValue(classifier.getParameters().valueAt(0), ids.getDevice(), training));
    }
    return outputs;
  }

  private static NDArray run(Block block, ParameterStore store, NDArray input, boolean training) {
    return block.forward(store, new NDList(input), training).head();
  }

  private NDArray heads(NDArray input) {
    return input
        .reshape(input.getShape().get(0), input.getShape().get(1), HEADS, width / HEADS)
        .transpose(0, 2, 1, 3);
  }

  /** Names the outputs. */
  static Signals read(NDList outputs, NDList inputs) {
    Signals.Builder signals =
        Signals.builder()
            .logits(outputs.get(0))
            .embedding(outputs.get(1))
            .hiddenStates(layers(outputs, 0))
            .attentionScores(layers(outputs, 1))
            .layers(SignalKind.QUERIES, layers(outputs, 2))
            .layers(SignalKind.KEYS, layers(outputs, 3))
            .layers(SignalKind.VALUES, layers(outputs, 4))
            .mask(inputs.get(1));
    int weight = 2 + LAYERS * PER_LAYER;
    if (outputs.size() > weight) {
      NDArray states = layers(outputs, 0).get(LAYERS - 1);
      signals.logitFactors(new LogitFactors(states, outputs.get(weight)));
    }
    return signals.build();
  }

  private static List<NDArray> layers(NDList outputs, int which) {
    List<NDArray> layers = new ArrayList<>();
    for (int i = 0; i < LAYERS; i++) {
      layers.add(outputs.get(2 + i * PER_LAYER + which));
    }
    return layers;
  }

  static SignalReader reader() {
    return TextBlock::read;
  }

  @Override
  public Shape[] getOutputShapes(Shape[] inputShapes) {
    return new Shape[] {new Shape(inputShapes[0].get(0), classes)};
  }

  @Override
  protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... inputs) {
    Shape hidden = new Shape(1, 1, width);
    embedding.initialize(manager, dataType, new Shape(1, 1, vocabulary));
    for (int i = 0; i < LAYERS; i++) {
      queries.get(i).initialize(manager, dataType, hidden);
      keys.get(i).initialize(manager, dataType, hidden);
      values.get(i).initialize(manager, dataType, hidden);
      mixed.get(i).initialize(manager, dataType, hidden);
    }
    classifier.initialize(manager, dataType, hidden);
  }
}
