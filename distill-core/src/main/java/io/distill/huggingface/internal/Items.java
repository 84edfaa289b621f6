package io.distill.huggingface.internal;

import java.util.List;

/** What can be gone through but not indexed: a view of a dict, or a generator, which ends. */
final class Items {
  private static final String GENERATOR = "generator";

  private final String name;
  private List<Object> values;

  private Items(String name, List<Object> values) {
    this.name = name;
    this.values = values;
  }

  static Items view(String name, List<Object> values) {
    return new Items(name, values);
  }

  static Items generator(List<Object> values) {
    return new Items(GENERATOR, values);
  }

  boolean isGenerator() {
    return name.equals(GENERATOR);
  }

  String name() {
    return name;
  }

  /** Returns what is left; a generator has nothing left afterwards. */
  List<Object> take() {
    List<Object> taken = values;
    if (isGenerator()) {
      values = List.of();
    }
    return taken;
  }
}
