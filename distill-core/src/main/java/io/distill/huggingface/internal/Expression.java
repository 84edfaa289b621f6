package io.distill.huggingface.internal;

/** A parsed expression. */
@FunctionalInterface
interface Expression {
  Object value(Scope scope);
}
