package io.distill.data;

/** Text without unpaired surrogates, which no UTF-8 encoder can write. */
final class WellFormed {

  private WellFormed() {}

  /** Replaces every unpaired surrogate by U+FFFD; returns the same object if there is none. */
  static String text(String text) {
    int length = text.length();
    for (int i = 0; i < length; i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        return replaced(text);
      }
    }
    return text;
  }

  private static String replaced(String text) {
    StringBuilder result = new StringBuilder(text.length());
    text.codePoints()
        .map(point -> point >= 0xD800 && point <= 0xDFFF ? 0xFFFD : point)
        .forEach(result::appendCodePoint);
    return result.toString();
  }
}
