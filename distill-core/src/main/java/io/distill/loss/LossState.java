package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one term of a loss owns in a run: learned parameters, buffers, and the changes of buffers
 * that it asked for. Made by whoever runs a loss; the loss sees it through {@link LossContext}.
 */
public final class LossState {

  private final Map<String, NDArray> parameters;
  private final Map<String, NDArray> buffers;
  private final String prefix;
  private final List<Update> updates;

  /**
   * Collects the arrays of a term.
   *
   * @param parameters learned parameters by the names under which they were declared
   * @param buffers buffers by the names under which they were declared
   */
  public LossState(Map<String, NDArray> parameters, Map<String, NDArray> buffers) {
    this(Map.copyOf(parameters), Map.copyOf(buffers), "", new ArrayList<>());
  }

  private LossState(
      Map<String, NDArray> parameters,
      Map<String, NDArray> buffers,
      String prefix,
      List<Update> updates) {
    this.parameters = parameters;
    this.buffers = buffers;
    this.prefix = prefix;
    this.updates = updates;
  }

  /**
   * Returns the state of a loss that declares nothing.
   *
   * @return an empty state
   */
  public static LossState none() {
    return new LossState(Map.of(), Map.of());
  }

  /**
   * A change of a buffer, to be made after the optimizer step.
   *
   * @param buffer the name of the buffer
   * @param rows the rows to write, int64 {@code [K]}; null for the whole buffer
   * @param value the new values, without gradients
   */
  public record Update(String buffer, @Nullable NDArray rows, NDArray value) {}

  /**
   * Returns the changes of buffers that the loss asked for since this state was made.
   *
   * @return the changes, oldest first
   */
  public List<Update> updates() {
    return updates.stream()
        .map(each -> new Update(each.buffer(), each.rows(), each.value().stopGradient()))
        .toList();
  }

  Map<String, NDArray> parameters() {
    return parameters;
  }

  NDArray parameter(String name) {
    return declared("parameter", name, parameters);
  }

  NDArray buffer(String name) {
    return declared("buffer", name, buffers);
  }

  private static NDArray declared(String what, String name, Map<String, NDArray> arrays) {
    NDArray array = arrays.get(name);
    checkArgument(
        array != null,
        "%s %s must be declared in prepare(LossSetup) but only %s are",
        what,
        name,
        arrays.keySet());
    return requireNonNull(array);
  }

  void update(String name, @Nullable NDArray rows, NDArray value) {
    Shape whole = buffer(name).getShape();
    Shape expected = rows == null ? whole : new Shape(rows.size()).addAll(whole.slice(1));
    checkArgument(
        value.getShape().equals(expected),
        "update of buffer %s must have shape %s but had %s",
        name,
        expected,
        value.getShape());
    updates.add(new Update(prefix + name, rows, value));
  }

  /** Returns the part of this state whose names have a prefix, without it. */
  LossState nested(String inner) {
    return new LossState(
        without(inner, parameters), without(inner, buffers), prefix + inner, updates);
  }

  private static Map<String, NDArray> without(String prefix, Map<String, NDArray> arrays) {
    Map<String, NDArray> own = new HashMap<>();
    arrays.forEach(
        (name, array) -> {
          if (name.startsWith(prefix)) {
            own.put(name.substring(prefix.length()), array);
          }
        });
    return own;
  }
}
