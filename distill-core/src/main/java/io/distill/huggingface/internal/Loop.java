package io.distill.huggingface.internal;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Jinja's {@code loop}; its depth counts recursion, which is not supported. */
final class Loop {
  private final List<Object> items;
  private int index;
  private @Nullable Object seen;

  Loop(List<Object> items) {
    this.items = items;
  }

  void moveTo(int place) {
    index = place;
  }

  @Nullable Object attribute(String name) {
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) items.size() - index;
      case "revindex0" -> items.size() - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == items.size() - 1;
      case "length" -> (long) items.size();
      case "depth" -> 1L;
      case "depth0" -> 0L;
      case "previtem" -> index == 0 ? new Undefined(name) : items.get(index - 1);
      case "nextitem" -> index == items.size() - 1 ? new Undefined(name) : items.get(index + 1);
      case "cycle" -> (Callable) this::cycle;
      case "changed" -> (Callable) this::changed;
      default -> null;
    };
  }

  private Object cycle(Arguments arguments) {
    List<Object> values = arguments.positional();
    if (values.isEmpty()) {
      throw new TemplateException("no items for cycling given");
    }
    return values.get(index % values.size());
  }

  private Object changed(Arguments arguments) {
    Object now = new Tuple(arguments.positional());
    boolean changed = seen == null || !Values.equal(now, seen);
    seen = now;
    return changed;
  }
}
