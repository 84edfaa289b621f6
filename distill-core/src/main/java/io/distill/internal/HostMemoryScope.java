package io.distill.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import ai.djl.pytorch.engine.PtNDArray;
import io.distill.exception.DistillationException;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the host memory of all arrays alive that this thread makes until the scope is closed.
 *
 * <p>On CPU, DJL makes an array of Java values over a direct buffer that only the array's Java
 * object holds. {@code x.mul(2)} makes such an array for the 2 and closes it at once, but the graph
 * of gradients still points to its memory: if the garbage collector runs before the backward pass,
 * that reads freed memory, and gradients become wrong or NaN, rarely and silently. DJL tells each
 * new array to the innermost {@link NDScope}, so a scope that collects buffers instead of arrays
 * closes the gap for every loss and every block.
 */
public final class HostMemoryScope implements AutoCloseable {

  private static final Field RESOURCES = field(NDScope.class, "resources");
  private static final Field BUFFER = field(PtNDArray.class, "dataRef");

  private final NDScope scope;
  private final List<Object> buffers = new ArrayList<>();

  /** Opens a scope on this thread. */
  public HostMemoryScope() {
    scope = new NDScope();
    try {
      RESOURCES.set(scope, new Collector(buffers));
    } catch (ReflectiveOperationException e) {
      scope.close();
      throw unsupported(e);
    }
  }

  /** Returns how many buffers are kept. */
  public int size() {
    return buffers.size();
  }

  @Override
  public void close() {
    scope.close();
    buffers.clear();
  }

  private static Field field(Class<?> type, String name) {
    try {
      Field field = type.getDeclaredField(name);
      field.setAccessible(true);
      return field;
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw unsupported(e);
    }
  }

  private static DistillationException unsupported(Exception cause) {
    return new DistillationException(
        "DJL must be version 0.36 to protect gradients from the garbage collector but its internals"
            + " differ ("
            + cause
            + "); use the DJL version that distill-bom names",
        cause);
  }

  /** Looks like the scope's set of arrays, but holds their buffers and no array. */
  private static final class Collector extends IdentityHashMap<NDArray, NDArray> {
    private static final long serialVersionUID = 1L;

    private final transient List<Object> buffers;

    Collector(List<Object> buffers) {
      this.buffers = buffers;
    }

    @Override
    public @Nullable NDArray put(NDArray key, NDArray value) {
      if (key instanceof PtNDArray) {
        try {
          Object buffer = BUFFER.get(key);
          if (buffer != null) {
            buffers.add(buffer);
          }
        } catch (IllegalAccessException e) {
          throw unsupported(e);
        }
      }
      return null;
    }
  }
}
