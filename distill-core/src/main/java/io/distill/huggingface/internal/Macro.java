package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A function that a template defines; its parameters may have defaults. */
record Macro(Map<String, @Nullable Expression> parameters, List<Statement> body, Scope scope)
    implements Callable {

  private static final String CALLER = "caller";

  @Override
  public Object call(Arguments arguments) {
    Scope inner = new Scope(scope);
    List<String> names = new ArrayList<>(parameters.keySet());
    Map<String, Object> named = new LinkedHashMap<>(arguments.named());
    Object caller = named.remove(CALLER);
    if (caller != null) {
      inner.set(CALLER, caller);
    }
    Map<String, Object> given = new Arguments(arguments.positional(), named).bind(names).values();
    Budget.enter();
    parameters.forEach(
        (name, otherwise) -> {
          Object value = given.get(name);
          if (value == null) {
            value = otherwise == null ? new Undefined(name) : otherwise.value(inner);
          }
          inner.set(name, value);
        });
    String text = Statement.text(body, inner);
    Budget.leave();
    return text;
  }
}
