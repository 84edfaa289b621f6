package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The texts, expressions and tags of a template. White space goes as Jinja lets it with {@code
 * trim_blocks} and {@code lstrip_blocks}.
 */
final class Pieces {

  enum Kind {
    TEXT,
    EXPRESSION,
    TAG
  }

  record Piece(Kind kind, String content, int line) {}

  private static final Pattern BEGIN = Pattern.compile("\\{[{%#]");
  private static final Pattern END_OF_RAW = Pattern.compile("\\{%[-+]?\\s*endraw\\s*[-+]?%}");
  private static final String RAW = "raw";

  private final List<Piece> pieces = new ArrayList<>();
  private final StringBuilder text = new StringBuilder();
  private boolean stripBegin;
  private boolean cutLineEnd;

  /** Whether what precedes the text ended a line. */
  private boolean atLineBegin = true;

  private Pieces() {}

  static List<Piece> of(String source) {
    String lines = source.replace("\r\n", "\n").replace('\r', '\n');
    if (lines.endsWith("\n")) {
      lines = lines.substring(0, lines.length() - 1);
    }
    Pieces all = new Pieces();
    all.read(lines);
    all.flush(' ', false);
    return all.pieces;
  }

  private void read(String source) {
    Matcher begin = BEGIN.matcher(source);
    Matcher endOfRaw = END_OF_RAW.matcher(source);
    int place = 0;
    int line = 1;
    int counted = 0;
    boolean raw = false;
    while (raw ? endOfRaw.find(place) : begin.find(place)) {
      int from = (raw ? endOfRaw : begin).start();
      text.append(source, place, from);
      place = end(source, from);
      line += lineEnds(source, counted, from);
      counted = from;
      raw = add(source.charAt(from + 1), source.substring(from + 2, place - 2), line);
    }
    if (raw) {
      throw new TemplateException("the tag raw is not closed");
    }
    text.append(source.substring(place));
  }

  /** Returns where a tag, expression or comment ends; not inside of texts or brackets. */
  private static int end(String source, int from) {
    char kind = source.charAt(from + 1);
    String mark = (kind == '{' ? '}' : kind) + "}";
    int depth = 0;
    char quote = 0;
    for (int i = from + 2; i + 1 < source.length(); i++) {
      char c = source.charAt(i);
      if (quote == 0 && depth == 0 && source.startsWith(mark, i)) {
        return i + 2;
      }
      if (kind == '#') {
        continue;
      }
      if (quote != 0) {
        i += c == '\\' ? 1 : 0;
        quote = c == quote ? 0 : quote;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if ("([{".indexOf(c) >= 0) {
        depth++;
      } else if (")]}".indexOf(c) >= 0) {
        depth--;
      }
    }
    throw new TemplateException("what begins with {" + kind + " is not closed")
        .at(1 + lineEnds(source, 0, from));
  }

  private static int lineEnds(String source, int begin, int end) {
    return (int) source.substring(begin, end).chars().filter(c -> c == '\n').count();
  }

  /** Adds a tag, expression or comment; returns whether raw text follows. */
  private boolean add(char kind, String marked, int line) {
    String inner = marked;
    boolean expression = kind == '{';
    char before = inner.isEmpty() ? ' ' : inner.charAt(0);
    if (before == '-' || before == '+') {
      inner = inner.substring(1);
    }
    char after = inner.isEmpty() ? ' ' : inner.charAt(inner.length() - 1);
    if (after == '-' || (after == '+' && !expression)) {
      inner = inner.substring(0, inner.length() - 1);
    }
    flush(before, !expression);
    String tag = kind == '%' ? inner.strip() : "";
    stripBegin = after == '-';
    cutLineEnd = !expression && after != '+' && !tag.equals(RAW);
    atLineBegin = false;
    if (kind != '#' && !tag.equals(RAW) && !tag.equals("endraw")) {
      pieces.add(new Piece(expression ? Kind.EXPRESSION : Kind.TAG, inner, line));
    }
    return tag.equals(RAW);
  }

  private void flush(char before, boolean unindent) {
    String rest = text.toString();
    text.setLength(0);
    if (stripBegin) {
      String stripped = PythonText.strip(rest, null, true, false);
      atLineBegin = rest.substring(0, rest.length() - stripped.length()).endsWith("\n");
      rest = stripped;
    } else if (cutLineEnd && rest.startsWith("\n")) {
      atLineBegin = true;
      rest = rest.substring(1);
    }
    if (before == '-') {
      rest = PythonText.strip(rest, null, false, true);
    } else if (before != '+' && unindent) {
      int line = rest.lastIndexOf('\n') + 1;
      boolean blank = PythonText.strip(rest.substring(line), null, true, false).isEmpty();
      rest = (blank && (line > 0 || atLineBegin)) ? rest.substring(0, line) : rest;
    }
    if (!rest.isEmpty()) {
      pieces.add(new Piece(Kind.TEXT, rest, 0));
    }
  }
}
