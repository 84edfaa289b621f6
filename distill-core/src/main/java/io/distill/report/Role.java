package io.distill.report;

/** What a model is in a comparison. */
enum Role {
  TEACHER("teacher", "teacher"),
  PLAIN("plain", "trained without a teacher"),
  STUDENT("student", ""),
  DISTILLED("distilled", "distilled");

  private final String key;
  private final String words;

  Role(String key, String words) {
    this.key = key;
    this.words = words;
  }

  /** Returns how JSON names it. */
  String key() {
    return key;
  }

  /** Returns how people name it; empty if its own name says enough. */
  String words() {
    return words;
  }
}
