package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import java.lang.reflect.Field;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;

/**
 * Counts the native arrays that this thread has made and not closed, whoever owns them.
 *
 * <p>DJL tells each new array to the last scope of the thread's stack. This replaces the stack by
 * one whose last element always tells the counter, and the scope that would have been told.
 */
final class OpenArrays implements AutoCloseable {

  private final ThreadLocal<Deque<NDScope>> stacks;
  private final Deque<NDScope> before;
  private final Set<NDArray> open = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Field resources;

  @SuppressWarnings("unchecked")
  OpenArrays() throws ReflectiveOperationException {
    Field stack = NDScope.class.getDeclaredField("SCOPE_STACK");
    stack.setAccessible(true);
    resources = NDScope.class.getDeclaredField("resources");
    resources.setAccessible(true);
    stacks = (ThreadLocal<Deque<NDScope>>) stack.get(null);
    before = stacks.get();
    Stack counting = new Stack();
    stacks.set(counting);
    NDScope counter = new NDScope();
    resources.set(counter, new Tee());
    counting.counter = counter;
  }

  /** Returns how many arrays are open, and forgets those that are closed. */
  int count() {
    for (Iterator<NDArray> each = open.iterator(); each.hasNext(); ) {
      if (each.next().isReleased()) {
        each.remove();
      }
    }
    return open.size();
  }

  @Override
  public void close() {
    stacks.set(before);
  }

  private static final class Stack extends ArrayDeque<NDScope> {
    private static final long serialVersionUID = 1L;
    private transient NDScope counter;

    @Override
    public NDScope getLast() {
      return counter;
    }

    NDScope top() {
      NDScope last = super.getLast();
      return last == counter ? null : last;
    }
  }

  private final class Tee extends IdentityHashMap<NDArray, NDArray> {
    private static final long serialVersionUID = 1L;

    @Override
    @SuppressWarnings("unchecked")
    public NDArray put(NDArray key, NDArray value) {
      open.add(key);
      NDScope top = ((Stack) stacks.get()).top();
      if (top != null) {
        try {
          ((Map<NDArray, NDArray>) resources.get(top)).put(key, value);
        } catch (IllegalAccessException e) {
          throw new AssertionError(e);
        }
      }
      return null;
    }
  }
}
