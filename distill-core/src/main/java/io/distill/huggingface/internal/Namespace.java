package io.distill.huggingface.internal;

import java.util.HashMap;
import java.util.Map;

/** What a template can write to from inside a loop. */
record Namespace(Map<String, Object> values) {
  static Namespace of(Arguments arguments) {
    Namespace namespace = new Namespace(new HashMap<>());
    Values.dict(arguments).forEach((key, value) -> namespace.set(Values.text(key), value));
    return namespace;
  }

  void set(String name, Object value) {
    if (name.startsWith("_")) {
      throw new TemplateException("a namespace must not have names with an underscore: " + name);
    }
    values.put(name, value);
  }
}
