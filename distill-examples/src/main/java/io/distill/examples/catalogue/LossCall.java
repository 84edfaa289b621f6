package io.distill.examples.catalogue;

import io.distill.loss.DistillationLoss;
import io.distill.losses.Losses;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * A factory call of {@link Losses} and the loss that it gives. Factories without arguments are
 * found; one that has no such form is listed here with typical arguments.
 *
 * @param call the call, as a reader would write it
 * @param loss what it gives
 */
public record LossCall(String call, DistillationLoss loss) {

  /** Calls of factories that need arguments. */
  private static List<LossCall> withArguments() {
    return List.of(
        new LossCall("topKKl(64)", Losses.topKKl(64)),
        new LossCall("standardized(softTargets(2))", Losses.standardized(Losses.softTargets(2))),
        new LossCall(
            "onFlattenedHiddenStates(similarityPreserving())",
            Losses.onFlattenedHiddenStates(Losses.similarityPreserving())),
        new LossCall(
            "onPooledHiddenStates(relationalKd())",
            Losses.onPooledHiddenStates(Losses.relationalKd())),
        new LossCall("tokenLevel(softTargets())", Losses.tokenLevel(Losses.softTargets())),
        new LossCall("chunked(softTargets())", Losses.chunked(Losses.softTargets())),
        new LossCall("softTargetsAndHardLabels(0.9)", Losses.softTargetsAndHardLabels(0.9)));
  }

  /**
   * Returns the name of the factory.
   *
   * @return its name
   */
  public String factory() {
    return call.substring(0, call.indexOf('('));
  }

  /**
   * Returns one call of every factory, in the order of their names.
   *
   * @return the calls
   */
  public static List<LossCall> all() {
    List<LossCall> calls = new ArrayList<>(withArguments());
    for (Method factory : factories()) {
      if (factory.getParameterCount() == 0) {
        try {
          calls.add(
              new LossCall(factory.getName() + "()", (DistillationLoss) factory.invoke(null)));
        } catch (ReflectiveOperationException e) {
          throw new IllegalStateException(factory + " must be callable but was not", e);
        }
      }
    }
    calls.sort(Comparator.comparing(LossCall::call));
    return calls;
  }

  /**
   * Returns the public factories of losses.
   *
   * @return the methods, in no order
   */
  public static List<Method> factories() {
    return Arrays.stream(Losses.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> DistillationLoss.class.isAssignableFrom(method.getReturnType()))
        .toList();
  }
}
