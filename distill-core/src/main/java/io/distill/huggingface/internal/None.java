package io.distill.huggingface.internal;

/** Python's {@code None}, so that templates handle no Java null. */
enum None {
  NONE
}
