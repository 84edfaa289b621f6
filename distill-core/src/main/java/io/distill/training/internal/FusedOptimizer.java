package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.NativeEngine;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import io.distill.training.Optimizer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
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

  private static final String CLIP =
      """
      def clip(self, grads: List[Tensor], max_norm: float) -> float:
        norm = float(torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads))))
        if norm > max_norm and norm < inf:
          torch._foreach_mul_(grads, max_norm / (norm + 1e-6))
        return norm
      """;

  private static final String NORM =
      """
      def norm(self, grads: List[Tensor]) -> float:
        return float(torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads))))
      """;

  /** Multiplying or subtracting would keep NaN; this writes zeros. */
  private static final String ZERO =
      """
      def zero(self, grads: List[Tensor]) -> int:
        torch._foreach_zero_(grads)
        return len(grads)
      """;

  /**
   * Updates one group of parameters. Groups are lists of their own: an operator that changes a
   * slice of a list in place looks dead to the TorchScript compiler, which then removes it.
   */
  private static final String ADAM_W =
      """
      def update(self, params: List[Tensor], grads: List[Tensor], means: List[Tensor], squares: List[Tensor], steps: List[Tensor], lr: float, beta1: float, beta2: float, eps: float, decay: float) -> int:
        if len(params) > 0:
          none = annotate(List[Tensor], [])
          torch._fused_adamw_(params, grads, means, squares, none, steps, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
        return len(params)
      """;

  private static final String ADAM_W_STEP =
      """
      def step(self, all_grads: List[Tensor], params: List[Tensor], grads: List[Tensor], means: List[Tensor], squares: List[Tensor], steps: List[Tensor], plain_params: List[Tensor], plain_grads: List[Tensor], plain_means: List[Tensor], plain_squares: List[Tensor], plain_steps: List[Tensor], counter: Tensor, lr: float, max_norm: float, beta1: float, beta2: float, eps: float, decay: float) -> float:
        norm = self.clip(all_grads, max_norm)
        if norm < inf:
          torch.add_(counter, 1)
          decayed = self.update(params, grads, means, squares, steps, lr, beta1, beta2, eps, decay)
          others = self.update(plain_params, plain_grads, plain_means, plain_squares, plain_steps, lr, beta1, beta2, eps, 0.)
        torch._foreach_zero_(all_grads)
        return norm
      """;

  private static final String SGD =
      """
      def update(self, params: List[Tensor], grads: List[Tensor], buffers: List[Tensor], lr: float, first: bool, momentum: float, nesterov: bool, decay: float) -> int:
        if len(params) > 0:
          if decay > 0.:
            torch._foreach_add_(grads, params, alpha=decay)
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
        return len(params)
      """;

  private static final String SGD_STEP =
      """
      def step(self, all_grads: List[Tensor], params: List[Tensor], grads: List[Tensor], buffers: List[Tensor], plain_params: List[Tensor], plain_grads: List[Tensor], plain_buffers: List[Tensor], counter: Tensor, lr: float, max_norm: float, momentum: float, nesterov: bool, decay: float) -> float:
        norm = self.clip(all_grads, max_norm)
        if norm < inf:
          first = bool(torch.eq(counter, 0))
          torch.add_(counter, 1)
          decayed = self.update(params, grads, buffers, lr, first, momentum, nesterov, decay)
          others = self.update(plain_params, plain_grads, plain_buffers, lr, first, momentum, nesterov, 0.)
        torch._foreach_zero_(all_grads)
        return norm
      """;

  private final Optimizer recipe;
  private final LoadedModule module;
  private final NDManager manager;
  private final Map<String, NDArray> state = new LinkedHashMap<>();
  private final Map<String, NDArray> gradients = new LinkedHashMap<>();

  /** Lists and counter, handed over by reference at each step. */
  private final List<IValue> fixed = new ArrayList<>();

  /**
   * Creates the state for a set of parameters.
   *
   * @param recipe the optimizer
   * @param parameters the parameters, all with gradients
   * @param device where they live
   */
  public FusedOptimizer(Optimizer recipe, Map<String, NDArray> parameters, Device device) {
    this.recipe = recipe;
    boolean adam = recipe instanceof Optimizer.AdamW;
    this.module =
        LoadedModule.load(
            ScriptModule.builder(recipe.getClass().getSimpleName())
                .method(CLIP)
                .method(NORM)
                .method(ZERO)
                .method(adam ? ADAM_W : SGD)
                .method(adam ? ADAM_W_STEP : SGD_STEP)
                .build(),
            device,
            false);
    this.manager = NativeEngine.newManager(device);
    parameters.forEach((name, array) -> gradients.put(name, gradient((PtNDArray) array)));
    NDArray counter = manager.zeros(new Shape());
    IValue all = list(gradients.values());
    fixed.add(all);
    // a model that was trained before may still hold gradients
    module.run("zero", all).close();
    for (boolean decayed : new boolean[] {true, false}) {
      List<String> group =
          parameters.keySet().stream()
              .filter(name -> decays(requireNonNull(parameters.get(name))) == decayed)
              .toList();
      fixed.add(list(group.stream().map(parameters::get).toList()));
      fixed.add(list(group.stream().map(gradients::get).toList()));
      if (adam) {
        fixed.add(zeros("mean", group, parameters));
        fixed.add(zeros("square", group, parameters));
        // one counter serves all parameters
        fixed.add(list(Collections.nCopies(group.size(), counter)));
      } else {
        fixed.add(zeros("momentum", group, parameters));
      }
    }
    state.put("step", counter);
    fixed.add(IValue.from((PtNDArray) counter));
  }

  private static boolean decays(NDArray parameter) {
    return parameter.getShape().dimension() >= 2;
  }

  /**
   * Returns the array in which libtorch accumulates a gradient. It exists only after a first
   * backward pass and then stays in place.
   */
  private NDArray gradient(PtNDArray parameter) {
    if (JniUtils.getGradient(parameter) == null) {
      boolean mode = JniUtils.isGradMode();
      JniUtils.setGradMode(true);
      try (NDManager scratch = manager.newSubManager()) {
        NDArray view = parameter.reshape(parameter.getShape());
        view.attach(scratch);
        JniUtils.backward((PtNDArray) view.sum(), (PtNDArray) scratch.create(0f), false, false);
      } finally {
        JniUtils.setGradMode(mode);
      }
    }
    NDArray gradient = requireNonNull(JniUtils.getGradient(parameter), "gradient");
    gradient.attach(manager);
    return gradient;
  }

  private IValue zeros(String kind, List<String> group, Map<String, NDArray> parameters) {
    List<NDArray> arrays = new ArrayList<>();
    for (String name : group) {
      NDArray array =
          manager.zeros(requireNonNull(parameters.get(name)).getShape(), DataType.FLOAT32);
      state.put(kind + "/" + name, array);
      arrays.add(array);
    }
    return list(arrays);
  }

  private static IValue list(Collection<NDArray> arrays) {
    return IValue.listFrom(arrays.toArray(PtNDArray[]::new));
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
    scalars.add(IValue.from(learningRate));
    scalars.add(IValue.from(maxNorm));
    if (recipe instanceof Optimizer.AdamW adam) {
      scalars.add(IValue.from(adam.beta1()));
      scalars.add(IValue.from(adam.beta2()));
      scalars.add(IValue.from(adam.epsilon()));
      scalars.add(IValue.from(adam.weightDecay()));
    } else if (recipe instanceof Optimizer.Sgd sgd) {
      scalars.add(IValue.from(sgd.momentum()));
      scalars.add(IValue.from(sgd.nesterov()));
      scalars.add(IValue.from(sgd.weightDecay()));
    }
    List<IValue> arguments = new ArrayList<>(fixed);
    arguments.addAll(scalars);
    try (IValue norm = module.run("step", arguments.toArray(IValue[]::new))) {
      return norm.toDouble();
    } finally {
      scalars.forEach(IValue::close);
    }
  }

  /**
   * Measures the gradients of some parameters and zeroes all gradients, as if the backward pass had
   * not been.
   *
   * @param names the names of the parameters, at least one
   * @return the L2 norm of their gradients
   */
  public double measure(Collection<String> names) {
    try (IValue some = list(names.stream().map(gradients::get).toList());
        IValue norm = module.run("norm", some)) {
      return norm.toDouble();
    } finally {
      module.run("zero", fixed.get(0)).close();
    }
  }

  /** Returns the state by name: what a checkpoint of the optimizer holds. */
  public Map<String, NDArray> state() {
    return state;
  }

  /** Takes over a state that {@link #state} gave, bit for bit. */
  public void restore(Map<String, HostTensor> saved) {
    Restoring.copy("optimizer state", saved, state);
  }

  @Override
  public void close() {
    fixed.forEach(IValue::close);
    manager.close();
    module.close();
  }
}
