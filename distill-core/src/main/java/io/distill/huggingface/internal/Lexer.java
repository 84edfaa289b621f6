package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts what stands between the marks of a template into tokens. */
final class Lexer {

  enum Kind {
    NAME,
    TEXT,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  record Token(Kind kind, String text) {}

  private static final Pattern TOKEN =
      Pattern.compile(
          "\\s*+(?:(?<real>\\d[\\d_]*(?:\\.\\d[\\d_]*(?:[eE][-+]?\\d+)?|[eE][-+]?\\d+))"
              + "|(?<whole>\\d[\\d_]*)"
              + "|(?<name>[\\p{L}_][\\p{L}\\p{M}\\p{N}_]*)"
              + "|(?<text>'(?:[^'\\\\]|\\\\.)*+'|\"(?:[^\"\\\\]|\\\\.)*+\")"
              + "|(?<operator>\\*\\*|//|[=!<>]=|[-+/*%~\\[\\](){}<>=.:|,]))",
          Pattern.DOTALL);

  private Lexer() {}

  static List<Token> tokens(String source) {
    List<Token> tokens = new ArrayList<>();
    Matcher matcher = TOKEN.matcher(source);
    int place = 0;
    while (matcher.find() && matcher.start() == place) {
      place = matcher.end();
      if (matcher.group("name") != null) {
        tokens.add(new Token(Kind.NAME, matcher.group("name")));
      } else if (matcher.group("whole") != null) {
        tokens.add(new Token(Kind.INTEGER, matcher.group("whole").replace("_", "")));
      } else if (matcher.group("real") != null) {
        tokens.add(new Token(Kind.FLOAT, matcher.group("real").replace("_", "")));
      } else if (matcher.group("text") != null) {
        String quoted = matcher.group("text");
        tokens.add(new Token(Kind.TEXT, unescape(quoted.substring(1, quoted.length() - 1))));
      } else {
        tokens.add(new Token(Kind.OPERATOR, matcher.group("operator")));
      }
    }
    if (!source.substring(place).isBlank()) {
      throw new TemplateException("unexpected '" + source.substring(place).strip() + "'");
    }
    tokens.add(new Token(Kind.END, "end of the expression"));
    return tokens;
  }

  /** Reads Python's escapes; what is none is left as it stands. */
  private static String unescape(String text) {
    if (text.indexOf('\\') < 0) {
      return text;
    }
    StringBuilder plain = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != '\\' || i + 1 == text.length()) {
        plain.append(c);
        continue;
      }
      char letter = text.charAt(++i);
      int simple = "\\'\"nrtbfav\n".indexOf(letter);
      int digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
      if (simple >= 0) {
        plain.append(
            letter == '\n' ? "" : "\\'\"\n\r\t\b\f\u0007\u000b".substring(simple, simple + 1));
      } else if (digits > 0) {
        plain.appendCodePoint(codePoint(text, i + 1, digits));
        i += digits;
      } else if (letter >= '0' && letter <= '7') {
        int end = i + 1;
        while (end < Math.min(text.length(), i + 3)
            && text.charAt(end) >= '0'
            && text.charAt(end) <= '7') {
          end++;
        }
        plain.append((char) Integer.parseInt(text.substring(i, end), 8));
        i = end - 1;
      } else {
        plain.append('\\').append(letter);
      }
    }
    return plain.toString();
  }

  private static int codePoint(String text, int begin, int digits) {
    try {
      int code = Integer.parseInt(text.substring(begin, begin + digits), 16);
      if (Character.isValidCodePoint(code)) {
        return code;
      }
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      // told below
    }
    throw new TemplateException("a text has a malformed escape");
  }
}
