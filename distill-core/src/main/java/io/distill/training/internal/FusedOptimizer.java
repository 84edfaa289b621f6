package io.distill.training.internal;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import io.distill.internal.NativeEngine;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import io.distill.training.Optimizer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One optimizer step over all parameters as one native call: the norm of all gradients, clipping,
 * the update, and zeroing. If the norm is not finite nothing is changed.
 *
 * <p>Lists of parameters, gradients and state are made once and handed over by reference, so a step
 * costs Java a single call, however many parameters there are.
 */
public final class FusedOptimizer implements AutoCloseable {

  private static final String PREPARE =
      """
      def clip(self, grads: List[Tensor], max_norm: float) -> float:
        norm = float(torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads))))
        if norm > max_norm and norm < inf:
          torch._foreach_mul_(grads, max_norm / (norm + 1e-6))
        return norm
      """;

  /** Both groups in each list: first the parameters that decay, then the others. */
  private static final String ADAM_W =
      """
      def step(self, params: List[Tensor], grads: List[Tensor], means: List[Tensor], squares: List[Tensor], steps: List[Tensor], decayed: int, lr: float, beta1: float, beta2: float, eps: float, decay: float, max_norm: float) -> float:
        norm = self.clip(grads, max_norm)
        if norm < inf:
          torch._foreach_add_(torch.slice(steps, 0, 1), 1)
          none = annotate(List[Tensor], [])
          n = torch.len(params)
          if decayed > 0:
            torch._fused_adamw_(torch.slice(params, 0, decayed), torch.slice(grads, 0, decayed), torch.slice(means, 0, decayed), torch.slice(squares, 0, decayed), none, torch.slice(steps, 0, decayed), lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
          if n > decayed:
            torch._fused_adamw_(torch.slice(params, decayed, n), torch.slice(grads, decayed, n), torch.slice(means, decayed, n), torch.slice(squares, decayed, n), none, torch.slice(steps, decayed, n), lr=lr, beta1=beta1, beta2=beta2, weight_decay=0., eps=eps, amsgrad=False, maximize=False)
        torch._foreach_zero_(grads)
        return norm
      """;

  private static final String SGD =
      """
      def step(self, params: List[Tensor], grads: List[Tensor], buffers: List[Tensor], first: bool, decayed: int, lr: float, momentum: float, nesterov: bool, decay: float, max_norm: float) -> float:
        norm = self.clip(grads, max_norm)
        if norm < inf:
          if decay > 0. and decayed > 0:
            torch._foreach_add_(torch.slice(grads, 0, decayed), torch.slice(params, 0, decayed), alpha=decay)
          if momentum > 0.:
            if first:
              torch._foreach_copy_(buffers, grads)
            else:
              torch._foreach_mul_(buffers, momentum)
              torch._foreach_add_(buffers, grads)
            if nesterov:
              torch._foreach_add_(grads, buffers, alpha=momentum)
              torch._foreach_add_(params, grads, alpha=-lr)
            else:
              torch._foreach_add_(params, buffers, alpha=-lr)
          else:
            torch._foreach_add_(params, grads, alpha=-lr)
        torch._foreach_zero_(grads)
        return norm
      """;

  private final Optimizer recipe;
  private final LoadedModule module;
  private final NDManager manager;
  private final Map<String, NDArray> parameters;
  private final Map<String, NDArray> state = new LinkedHashMap<>();
  private final List<IValue> lists = new ArrayList<>();
  private final int decayed;
  private boolean first = true;

  /**
   * Creates the state for a set of parameters.
   *
   * @param recipe the optimizer
   * @param parameters the parameters, all with gradients
   * @param device where they live
   */
  public FusedOptimizer(Optimizer recipe, Map<String, NDArray> parameters, Device device) {
    this.recipe = recipe;
    this.parameters = decayedFirst(parameters);
    this.decayed = (int) this.parameters.values().stream().filter(FusedOptimizer::decays).count();
    ScriptModule.Builder definition =
        ScriptModule.builder(recipe.getClass().getSimpleName()).method(PREPARE);
    definition.method(recipe instanceof Optimizer.AdamW ? ADAM_W : SGD);
    this.module = LoadedModule.load(definition.build(), device, false);
    this.manager = NativeEngine.newManager(device);
    list(this.parameters.values());
    List<NDArray> gradients = new ArrayList<>();
    for (NDArray parameter : this.parameters.values()) {
      NDArray gradient = parameter.getGradient();
      gradient.attach(manager);
      gradients.add(gradient);
    }
    list(gradients);
    if (recipe instanceof Optimizer.AdamW) {
      zeros("mean");
      zeros("square");
      // one counter serves all parameters
      NDArray step = manager.zeros(new Shape());
      state.put("step", step);
      list(java.util.Collections.nCopies(this.parameters.size(), step));
    } else {
      zeros("momentum");
    }
  }

  private static boolean decays(NDArray parameter) {
    return parameter.getShape().dimension() >= 2;
  }

  private static Map<String, NDArray> decayedFirst(Map<String, NDArray> parameters) {
    Map<String, NDArray> ordered = new LinkedHashMap<>();
    parameters.forEach(
        (name, array) -> {
          if (decays(array)) {
            ordered.put(name, array);
          }
        });
    parameters.forEach(ordered::putIfAbsent);
    return ordered;
  }

  private void zeros(String kind) {
    List<NDArray> arrays = new ArrayList<>();
    parameters.forEach(
        (name, parameter) -> {
          NDArray array = manager.zeros(parameter.getShape(), DataType.FLOAT32);
          state.put(kind + "/" + name, array);
          arrays.add(array);
        });
    list(arrays);
  }

  private void list(Collection<NDArray> arrays) {
    lists.add(IValue.listFrom(arrays.toArray(PtNDArray[]::new)));
  }

  /**
   * Clips, updates the parameters and zeroes the gradients.
   *
   * @param learningRate the rate of this step
   * @param maxNorm the norm to which gradients are scaled down; infinite for no clipping
   * @return the norm of all gradients before clipping; if it is not finite nothing was changed
   */
  public double step(double learningRate, double maxNorm) {
    List<IValue> scalars = new ArrayList<>();
    List<IValue> arguments = new ArrayList<>(lists);
    if (recipe instanceof Optimizer.AdamW adam) {
      scalars.add(IValue.from((long) decayed));
      scalars.add(IValue.from(learningRate));
      scalars.add(IValue.from(adam.beta1()));
      scalars.add(IValue.from(adam.beta2()));
      scalars.add(IValue.from(adam.epsilon()));
      scalars.add(IValue.from(adam.weightDecay()));
    } else if (recipe instanceof Optimizer.Sgd sgd) {
      scalars.add(IValue.from(first));
      scalars.add(IValue.from((long) decayed));
      scalars.add(IValue.from(learningRate));
      scalars.add(IValue.from(sgd.momentum()));
      scalars.add(IValue.from(sgd.nesterov()));
      scalars.add(IValue.from(sgd.weightDecay()));
    }
    scalars.add(IValue.from(maxNorm));
    arguments.addAll(scalars);
    try (IValue norm = module.run("step", arguments.toArray(IValue[]::new))) {
      double value = norm.toDouble();
      first &= !Double.isFinite(value);
      return value;
    } finally {
      scalars.forEach(IValue::close);
    }
  }

  /** Returns the state by name: what a checkpoint of the optimizer holds. */
  public Map<String, NDArray> state() {
    return state;
  }

  @Override
  public void close() {
    lists.forEach(IValue::close);
    manager.close();
    module.close();
  }
}
