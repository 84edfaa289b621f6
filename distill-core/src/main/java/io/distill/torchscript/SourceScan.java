package io.distill.torchscript;

import io.distill.exception.DistillationException;
import java.util.Set;

/**
 * Measures how deeply TorchScript source is nested. libtorch's compiler works by recursion; the
 * stack that it gets ({@link LoadedModule}) is enough for what passes here.
 */
final class SourceScan {

  private static final int MAX_BRACKETS = 256;
  private static final int MAX_INDENTATION = 256;

  /** Operators of one statement: each may be a level, also of the stack of whoever calls it. */
  private static final int MAX_OPERATORS = 1024;

  /** Characters of one statement, besides texts. */
  private static final int MAX_STATEMENT = 1 << 20;

  private static final String OPERATORS = "+-*/%@.&|^~<>=!([{";
  private static final Set<String> OPERATOR_WORDS =
      Set.of("not", "and", "or", "if", "else", "in", "is", "for");

  private final String text;
  private int at;
  private int brackets;
  private int operators;
  private int length;
  private int indentation;
  private int definitions;

  SourceScan(String text) {
    this.text = text;
  }

  /** Returns the number of classes and methods; refuses what is nested too deeply. */
  int definitions(ZipDirectory.Entry entry) {
    startLine();
    while (at < text.length()) {
      char c = text.charAt(at);
      length++;
      if (c == '\n') {
        at++;
        startLine();
      } else if (c == '#') {
        int end = text.indexOf('\n', at);
        at = end < 0 ? text.length() : end;
      } else if (c == '"' || c == '\'') {
        skipText(entry, c);
      } else if (Character.isLetter(c) || c == '_') {
        word();
      } else {
        bracket(c);
        operators += OPERATORS.indexOf(c) < 0 ? 0 : 1;
        at++;
      }
      if (brackets > MAX_BRACKETS
          || operators > MAX_OPERATORS
          || length > MAX_STATEMENT
          || indentation > MAX_INDENTATION) {
        throw refused(entry, "is nested too deeply, or has a statement that is too long");
      }
    }
    return definitions;
  }

  private void bracket(char c) {
    if (c == '(' || c == '[' || c == '{') {
      brackets++;
    } else if (c == ')' || c == ']' || c == '}') {
      brackets = Math.max(0, brackets - 1);
    }
  }

  private void startLine() {
    boolean continued = brackets > 0 || (at > 1 && text.charAt(at - 2) == '\\');
    int start = at;
    while (at < text.length() && (text.charAt(at) == ' ' || text.charAt(at) == '\t')) {
      at++;
    }
    if (!continued) {
      operators = 0;
      length = 0;
      indentation = at - start;
    }
  }

  private void word() {
    int start = at;
    while (at < text.length()
        && (Character.isLetterOrDigit(text.charAt(at)) || text.charAt(at) == '_')) {
      at++;
    }
    length += at - start;
    String word = text.substring(start, at);
    if (OPERATOR_WORDS.contains(word)) {
      operators++;
    } else if (word.equals("class") || word.equals("def")) {
      definitions++;
    }
  }

  /** Skips a text as libtorch's lexer does. */
  private void skipText(ZipDirectory.Entry entry, char quote) {
    String triple = String.valueOf(quote).repeat(3);
    boolean isTriple = text.startsWith(triple, at);
    String end = isTriple ? triple : String.valueOf(quote);
    int from = at + end.length();
    while (from < text.length() && !text.startsWith(end, from)) {
      if (text.charAt(from) == '\n' && !isTriple) {
        throw refused(entry, "has a text that does not end");
      }
      from += text.charAt(from) == '\\' ? 2 : 1;
    }
    if (from >= text.length()) {
      throw refused(entry, "has a text that does not end");
    }
    at = from + end.length();
  }

  private static DistillationException refused(ZipDirectory.Entry entry, String detail) {
    return new DistillationException("entry " + entry.name() + " " + detail);
  }
}
