package io.distill.huggingface.internal;

import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.tree.parse.ExpressionToken;
import com.hubspot.jinjava.tree.parse.NoteToken;
import com.hubspot.jinjava.tree.parse.TagToken;
import com.hubspot.jinjava.tree.parse.TextToken;
import com.hubspot.jinjava.tree.parse.Token;
import com.hubspot.jinjava.tree.parse.TokenScanner;
import com.hubspot.jinjava.tree.parse.UnclosedToken;
import java.util.ArrayList;
import java.util.List;

/**
 * The texts, expressions and tags of a template, found by Jinjava's scanner. White space goes as
 * Jinja lets it with {@code trim_blocks} and {@code lstrip_blocks}.
 */
final class Pieces {

  enum Kind {
    TEXT,
    EXPRESSION,
    TAG
  }

  record Piece(Kind kind, String content, int line) {}

  private static final JinjavaConfig CONFIG = JinjavaConfig.newBuilder().build();

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
    try {
      new TokenScanner(lines, CONFIG).forEachRemaining(all::add);
    } catch (InterpretException e) {
      throw new TemplateException(String.valueOf(e.getMessage()));
    }
    all.flush(' ', false);
    return all.pieces;
  }

  private void add(Token token) {
    String image = token.getImage();
    if (token instanceof UnclosedToken) {
      throw new TemplateException("a tag or expression is not closed").at(token.getLineNumber());
    }
    if (token instanceof TextToken) {
      text.append(image);
      return;
    }
    boolean note = token instanceof NoteToken;
    if (image.length() < 4 || (note && !image.endsWith("#}"))) {
      throw new TemplateException("a comment is not closed").at(token.getLineNumber());
    }
    String inner = image.substring(2, image.length() - 2);
    boolean expression = token instanceof ExpressionToken;
    char before = inner.isEmpty() ? ' ' : inner.charAt(0);
    if (before == '-' || before == '+') {
      inner = inner.substring(1);
    }
    char after = inner.isEmpty() ? ' ' : inner.charAt(inner.length() - 1);
    if (after == '-' || (after == '+' && !expression)) {
      inner = inner.substring(0, inner.length() - 1);
    }
    flush(before, !expression);
    String tag = token instanceof TagToken ? inner.strip() : "";
    stripBegin = after == '-';
    cutLineEnd = !expression && after != '+' && !tag.equals("raw");
    atLineBegin = false;
    if (!note && !tag.equals("raw") && !tag.equals("endraw")) {
      Kind kind = expression ? Kind.EXPRESSION : Kind.TAG;
      pieces.add(new Piece(kind, inner, token.getLineNumber()));
    }
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
      rest = blank && (line > 0 || atLineBegin) ? rest.substring(0, line) : rest;
    }
    if (!rest.isEmpty()) {
      pieces.add(new Piece(Kind.TEXT, rest, 0));
    }
  }
}
