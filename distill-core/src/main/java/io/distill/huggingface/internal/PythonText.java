package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** What Python does with texts, which it counts in code points. */
final class PythonText {

  private PythonText() {}

  static boolean isSpace(int c) {
    return (c >= 9 && c <= 13)
        || (c >= 0x1c && c <= 0x20)
        || c == 0x85
        || c == 0xa0
        || (c > 0xa0 && Character.isSpaceChar(c));
  }

  static String part(String text, long begin, long end) {
    if (text.codePointCount(0, text.length()) == text.length()) {
      return text.substring((int) begin, (int) end);
    }
    int from = text.offsetByCodePoints(0, (int) begin);
    return text.substring(from, text.offsetByCodePoints(from, (int) (end - begin)));
  }

  static String strip(String text, @Nullable String characters, boolean left, boolean right) {
    IntPredicate goes = characters == null ? PythonText::isSpace : c -> characters.indexOf(c) >= 0;
    int begin = 0;
    int end = text.length();
    while (left && begin < end && goes.test(text.codePointAt(begin))) {
      begin += Character.charCount(text.codePointAt(begin));
    }
    while (right && begin < end && goes.test(text.codePointBefore(end))) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(begin, end);
  }

  static List<Object> split(String text, @Nullable String separator, long most, boolean fromRight) {
    if (separator != null && separator.isEmpty()) {
      throw new TemplateException("a separator must not be empty");
    }
    List<Object> parts = new ArrayList<>();
    String rest = separator == null ? strip(text, null, !fromRight, fromRight) : text;
    long left = most < 0 ? Long.MAX_VALUE : most;
    while (left-- > 0) {
      int at = separator == null ? space(rest, fromRight) : find(rest, separator, fromRight);
      if (at < 0) {
        break;
      }
      int length = separator == null ? 1 : separator.length();
      String before = rest.substring(0, at);
      String after = rest.substring(at + length);
      parts.add(fromRight ? after : before);
      rest = fromRight ? before : after;
      if (separator == null) {
        rest = strip(rest, null, !fromRight, fromRight);
      }
    }
    if (separator == null) {
      rest = most < 0 ? strip(rest, null, true, true) : rest;
    }
    if (separator != null || !rest.isEmpty()) {
      parts.add(rest);
    }
    if (fromRight) {
      Collections.reverse(parts);
    }
    Budget.spend(1 + parts.size() / 4);
    return parts;
  }

  private static int find(String text, String part, boolean fromRight) {
    return fromRight ? text.lastIndexOf(part) : text.indexOf(part);
  }

  private static int space(String text, boolean fromRight) {
    for (int i = 0; i < text.length(); i++) {
      int at = fromRight ? text.length() - 1 - i : i;
      if (isSpace(text.charAt(at))) {
        return at;
      }
    }
    return -1;
  }

  static List<Object> lines(String text, boolean keepEnds) {
    List<Object> lines = new ArrayList<>();
    int begin = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if ((c >= 10 && c <= 13)
          || (c >= 0x1c && c <= 0x1e)
          || c == 0x85
          || c == 0x2028
          || c == 0x2029) {
        int end = i;
        if (c == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n') {
          i++;
        }
        lines.add(text.substring(begin, keepEnds ? i + 1 : end));
        begin = i + 1;
      }
    }
    if (begin < text.length()) {
      lines.add(text.substring(begin));
    }
    return lines;
  }

  static String replace(String text, String old, String with, long most) {
    if (most >= 0) {
      return replaceSome(text, old, with, most);
    }
    long longest = old.isEmpty() ? text.length() + 1L : text.length() / old.length();
    Budget.spendText(text.length() + longest * Math.max(0, with.length() - old.length()));
    return text.replace(old, with);
  }

  private static String replaceSome(String text, String old, String with, long most) {
    StringBuilder replaced = new StringBuilder();
    int begin = 0;
    for (long i = 0; i < most && begin <= text.length(); i++) {
      int at = text.indexOf(old, begin);
      if (at < 0) {
        break;
      }
      Budget.spendText(replaced.length() / 64 + with.length());
      replaced.append(text, begin, at).append(with);
      begin = at + old.length();
      if (old.isEmpty() && at < text.length()) {
        replaced.append(text.charAt(begin++));
      } else if (old.isEmpty()) {
        break;
      }
    }
    return replaced.append(text.substring(Math.min(begin, text.length()))).toString();
  }

  static String join(String separator, List<String> parts) {
    long length = (long) separator.length() * parts.size();
    for (String each : parts) {
      length += each.length();
    }
    Budget.spendText(length);
    return String.join(separator, parts);
  }

  static String repeat(String text, long times) {
    long count = Math.max(0, times);
    Budget.spendText(
        text.isEmpty() ? 0 : count > Budget.LONGEST_TEXT ? count : text.length() * count);
    return text.isEmpty() ? "" : text.repeat((int) count);
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = Character.charCount(text.codePointAt(0));
    return Character.toString(Character.toTitleCase(text.codePointAt(0)))
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  /** Python's {@code str.title}: a word begins after anything that is no letter. */
  static String title(String text) {
    StringBuilder titled = new StringBuilder();
    boolean inside = false;
    for (int c : text.codePoints().toArray()) {
      titled.appendCodePoint(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inside = Character.isLetter(c);
    }
    return titled.toString();
  }
}
