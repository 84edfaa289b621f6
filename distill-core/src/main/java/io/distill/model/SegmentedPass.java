package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A training pass that keeps what goes into each layer and nothing else. Layers run without a graph
 * and their outputs become leaves; on the way back each layer runs again, from the leaf before it,
 * and hands the gradient on. A random seed of its own for each layer makes dropout the same both
 * times. What follows the last layer keeps its graph, for it is small.
 *
 * @see <a href="https://arxiv.org/abs/1604.06174">Chen et al., Training Deep Nets with Sublinear
 *     Memory Cost, 2016</a>
 */
final class SegmentedPass implements TrainingPass {

  /** How a language model's method says in which form it gives logits. */
  private static final Pattern ENDING = Pattern.compile("^.*?((_factored|_complete)?)$");

  private final LoadedModule module;
  private final NDManager manager;
  private final NDArray ids;
  private final NDArray mask;
  private final String suffix;
  private final String finish;
  private final long[] seeds;

  /** What goes into each layer, and at last what comes out of the last one; all leaves. */
  private final List<NDArray> states = new ArrayList<>();

  /** What else each layer says; all leaves. */
  private final List<Map<SignalKind, NDArray>> others = new ArrayList<>();

  private final Signals signals;

  SegmentedPass(
      ModelConfiguration configuration,
      LoadedModule module,
      NDList inputs,
      Set<SignalKind> kinds,
      long seed) {
    this.module = module;
    this.ids = inputs.get(0);
    this.mask = inputs.get(1);
    this.manager = ids.getManager();
    String method = configuration.method(kinds);
    String ending = ENDING.matcher(method).replaceFirst("$1");
    this.finish = "finish" + ending;
    this.suffix =
        method
            .substring(0, method.length() - ending.length())
            .replaceFirst("^outputs(_with_hidden_states)?", "");
    this.seeds = new SplittableRandom(seed).longs(configuration.segments() + 1L).toArray();
    this.signals = forward(configuration, inputs, kinds);
  }

  private Signals forward(ModelConfiguration configuration, NDList inputs, Set<SignalKind> kinds) {
    int segments = configuration.segments();
    states.add(leaf(embed(ids, false)));
    Map<SignalKind, List<NDArray>> layers = new EnumMap<>(SignalKind.class);
    for (int i = 0; i < segments; i++) {
      Map<SignalKind, NDArray> outputs = segment(i, states.get(i), false);
      outputs.values().forEach(SegmentedPass::leaf);
      outputs.forEach(
          (kind, array) -> layers.computeIfAbsent(kind, each -> new ArrayList<>()).add(array));
      states.add(requireNonNull(outputs.remove(SignalKind.HIDDEN_STATES)));
      others.add(outputs);
    }
    layers.keySet().retainAll(kinds);
    NDList last = module.call(finish, new NDList(states.get(segments), mask), true);
    Signals.Builder builder = SignalReader.standard().read(last, inputs).toBuilder();
    layers.forEach(builder::layers);
    return (layers.isEmpty() ? builder : builder.layerNames(configuration.layerNames())).build();
  }

  private NDArray embed(NDArray input, boolean gradients) {
    JniUtils.setSeed(seeds[0]);
    return module.call("embed", new NDList(input, mask), gradients).singletonOrThrow();
  }

  private Map<SignalKind, NDArray> segment(int index, NDArray input, boolean gradients) {
    JniUtils.setSeed(seeds[index + 1]);
    Map<SignalKind, NDArray> outputs = new EnumMap<>(SignalKind.class);
    for (NDArray array :
        module.call("segment_" + index + suffix, new NDList(input, mask), gradients)) {
      outputs.put(SignalKind.valueOf(array.getName().toUpperCase(Locale.ROOT)), array);
      // DJL would pass a named array on as a part of a dictionary
      array.setName(null);
    }
    return outputs;
  }

  @CanIgnoreReturnValue
  private static NDArray leaf(NDArray array) {
    array.setRequiresGradient(true);
    return array;
  }

  @Override
  public Signals signals() {
    return signals;
  }

  @Override
  public void backward() {
    int segments = states.size() - 1;
    NDArray gradient = gradient(states.get(segments));
    for (int i = segments - 1; i >= 0; i--) {
      Map<SignalKind, NDArray> known = new EnumMap<>(SignalKind.class);
      if (gradient != null) {
        known.put(SignalKind.HIDDEN_STATES, gradient);
      }
      others
          .get(i)
          .forEach(
              (kind, array) -> {
                NDArray own = gradient(array);
                if (own != null) {
                  known.put(kind, own);
                }
              });
      NDArray injected = gradient(states.get(i));
      gradient = known.isEmpty() ? injected : throughSegment(i, known, injected);
      known.values().forEach(NDArray::close);
    }
    if (gradient != null) {
      try (NDManager scratch = manager.newSubManager()) {
        // the ids need no gradient; a view on them makes the output belong to the scratch manager
        NDArray output = embed(viewed(ids, scratch), true);
        JniUtils.backward((PtNDArray) output, (PtNDArray) gradient, false, false);
      }
    }
    states.forEach(SegmentedPass::forget);
    others.forEach(each -> each.values().forEach(SegmentedPass::forget));
  }

  /** Runs a layer again and returns the gradient of what goes into it, the loss's own included. */
  private NDArray throughSegment(
      int index, Map<SignalKind, NDArray> known, @Nullable NDArray injected) {
    // closing the scratch manager lets go of the layer's graph and with it of its activations
    try (NDManager scratch = manager.newSubManager()) {
      NDArray input = leaf(viewed(states.get(index), scratch));
      Map<SignalKind, NDArray> outputs = segment(index, input, true);
      if (known.size() == 1) {
        Map.Entry<SignalKind, NDArray> only = known.entrySet().iterator().next();
        backward(requireNonNull(outputs.get(only.getKey())), only.getValue());
      } else {
        NDArray total = null;
        for (Map.Entry<SignalKind, NDArray> each : known.entrySet()) {
          NDArray product = requireNonNull(outputs.get(each.getKey())).mul(each.getValue()).sum();
          total = total == null ? product : total.add(product);
        }
        backward(requireNonNull(total), scratch.create(1f));
      }
      NDArray gradient = requireNonNull(gradient(input), "gradient");
      NDArray sum = gradient;
      if (injected != null) {
        sum = gradient.add(injected);
        injected.close();
      }
      sum.attach(manager);
      return sum;
    }
  }

  private static void backward(NDArray value, NDArray gradient) {
    JniUtils.backward((PtNDArray) value, (PtNDArray) gradient, false, false);
  }

  private static NDArray viewed(NDArray array, NDManager owner) {
    NDArray view = array.stopGradient();
    view.attach(owner);
    return view;
  }

  private static @Nullable NDArray gradient(NDArray leaf) {
    return JniUtils.getGradient((PtNDArray) leaf);
  }

  private static void forget(NDArray leaf) {
    NDArray gradient = gradient(leaf);
    if (gradient != null) {
      gradient.close();
      JniUtils.zeroGrad((PtNDArray) leaf);
    }
  }
}
