package io.distill.losses.internal;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * A loss as TorchScript: written as its paper writes it, run by libtorch with one native call, and
 * differentiated by libtorch. Faster than a chain of DJL operations, and free of their traps
 * (scalars whose memory dies before the backward pass, conversions that cut the graph).
 *
 * <p>An immutable value. Formulas are compiled at first use and stay in memory for the life of the
 * process: a few kilobytes each.
 */
public final class Formula {

  private static final Map<Formula, LoadedModule> COMPILED = new ConcurrentHashMap<>();

  private final String name;
  private final List<String> methods;
  private final Map<String, Object> constants;
  private final int hash;

  private Formula(String name, List<String> methods, Map<String, Object> constants) {
    this.name = name;
    this.methods = methods;
    this.constants = constants;
    this.hash = name.hashCode() * 31 + constants.hashCode();
  }

  /**
   * Declares a formula.
   *
   * @param name a class name for the generated source
   * @param methods TorchScript methods, each {@code def name(self, ...)}
   */
  public static Formula of(String name, String... methods) {
    return new Formula(name, List.of(methods), Map.of());
  }

  /** Returns this formula with a number that its methods read as {@code self.name}. */
  public Formula with(String constant, double value) {
    return withConstant(constant, value);
  }

  /** Returns this formula with a whole number that its methods read as {@code self.name}. */
  public Formula with(String constant, long value) {
    return withConstant(constant, value);
  }

  /** Returns this formula with a switch that its methods read as {@code self.name}. */
  public Formula with(String constant, boolean value) {
    return withConstant(constant, value);
  }

  private Formula withConstant(String constant, Object value) {
    Map<String, Object> all = new TreeMap<>(constants);
    all.put(constant, value);
    return new Formula(name, methods, all);
  }

  /** Returns this formula with one more method. */
  public Formula extended(String method) {
    return extended(name, method);
  }

  /** Returns this formula with more methods, under another name. */
  public Formula extended(String otherName, String... more) {
    return new Formula(
        otherName, Stream.concat(methods.stream(), Arrays.stream(more)).toList(), constants);
  }

  /**
   * Calls a method with gradients.
   *
   * @param method its name
   * @param inputs its tensors
   * @return its only result, attached to the manager of the first input
   */
  public NDArray call(String method, NDArray... inputs) {
    return callAll(method, inputs).get(0);
  }

  /**
   * Calls a method with gradients.
   *
   * @param method its name
   * @param inputs its tensors; arrays named {@code x[]} gather into a list
   * @return its results, attached to the manager of the first input
   */
  public NDList callAll(String method, NDArray... inputs) {
    return module().call(method, new NDList(inputs), true);
  }

  private LoadedModule module() {
    LoadedModule module = COMPILED.get(this);
    return module == null ? COMPILED.computeIfAbsent(this, Formula::compile) : module;
  }

  private static LoadedModule compile(Formula formula) {
    ScriptModule.Builder module = ScriptModule.builder(formula.name);
    formula.constants.forEach(
        (constant, value) -> {
          if (value instanceof Long number) {
            module.constant(constant, number);
          } else if (value instanceof Boolean choice) {
            module.constant(constant, choice);
          } else {
            module.constant(constant, (Double) value);
          }
        });
    formula.methods.forEach(module::method);
    return LoadedModule.load(module.build(), Device.cpu(), false);
  }

  @Override
  public boolean equals(Object other) {
    return this == other
        || (other instanceof Formula formula
            && hash == formula.hash
            && name.equals(formula.name)
            && constants.equals(formula.constants)
            && methods.equals(formula.methods));
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    return name + constants;
  }
}
