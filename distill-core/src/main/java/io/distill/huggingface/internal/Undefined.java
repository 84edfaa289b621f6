package io.distill.huggingface.internal;

/** A name or member that is not there; it may be printed and tested but not used. */
record Undefined(String name) {
  TemplateException failure() {
    return new TemplateException("'" + name + "' is undefined");
  }
}
