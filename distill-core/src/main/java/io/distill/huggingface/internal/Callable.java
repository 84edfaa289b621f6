package io.distill.huggingface.internal;

/** A function, macro or method. */
@FunctionalInterface
interface Callable {
  Object call(Arguments arguments);
}
