package io.distill.huggingface.internal;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** How Python writes values: {@code str}, {@code repr} and {@code json.dumps}. */
final class Printing {

  private static final int LARGEST_PLAIN_EXPONENT = 16;
  private static final int SMALLEST_PLAIN_EXPONENT = -4;
  private static final int DOUBLE_DIGITS = 17;

  private Printing() {}

  static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    if (value instanceof Markup markup) {
      return markup.text();
    }
    if (value instanceof Undefined) {
      return "";
    }
    StringBuilder text = new StringBuilder();
    repr(value, text, 0);
    return text.toString();
  }

  static String repr(Object value) {
    StringBuilder text = new StringBuilder();
    repr(value, text, 0);
    return text.toString();
  }

  private static void repr(Object value, StringBuilder text, int depth) {
    Budget.spend(1);
    checkSize(text, depth);
    if (value instanceof String string) {
      quoted(string, text);
    } else if (value == None.NONE) {
      text.append("None");
    } else if (value instanceof Boolean truth) {
      text.append(truth ? "True" : "False");
    } else if (value instanceof Double real) {
      text.append(real(real));
    } else if (value instanceof Number) {
      text.append(value);
    } else if (value instanceof Map<?, ?> map) {
      text.append('{');
      String separator = "";
      for (Map.Entry<?, ?> each : map.entrySet()) {
        text.append(separator);
        repr(each.getKey(), text, depth + 1);
        text.append(": ");
        repr(each.getValue(), text, depth + 1);
        separator = ", ";
      }
      text.append('}');
    } else if (value instanceof List<?> list) {
      boolean tuple = value instanceof Tuple;
      text.append(tuple ? '(' : '[');
      list(list, text, depth);
      text.append(tuple && list.size() == 1 ? "," : "").append(tuple ? ')' : ']');
    } else if (value instanceof Items items && !items.isGenerator()) {
      text.append(items.name()).append("([");
      list(items.take(), text, depth);
      text.append("])");
    } else if (value instanceof Undefined) {
      text.append("Undefined");
    } else {
      // Python writes its address
      throw Values.typeError("writing", value);
    }
  }

  private static void checkSize(StringBuilder text, int depth) {
    if (text.length() > Budget.LONGEST_TEXT) {
      Budget.spendText(text.length());
    }
    if (depth > Budget.DEPTH) {
      throw new TemplateException("a value must not be nested deeper than " + Budget.DEPTH);
    }
  }

  private static void list(List<?> list, StringBuilder text, int depth) {
    String separator = "";
    for (Object each : list) {
      text.append(separator);
      repr(each, text, depth + 1);
      separator = ", ";
    }
  }

  private static void quoted(String string, StringBuilder text) {
    char quote = (string.indexOf('\'') >= 0 && string.indexOf('"') < 0) ? '"' : '\'';
    text.append(quote);
    string
        .codePoints()
        .forEach(
            c -> {
              if (c == quote || c == '\\') {
                text.append('\\').append((char) c);
              } else if (c == '\n' || c == '\r' || c == '\t') {
                text.append('\\').append(c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
              } else if (isPrintable(c)) {
                text.appendCodePoint(c);
              } else {
                text.append(
                    String.format(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
              }
            });
    text.append(quote);
  }

  private static boolean isPrintable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> c == ' ' || Character.getType(c) != Character.SPACE_SEPARATOR;
    };
  }

  /** The fewest digits that are read as the same number. */
  static String real(double value) {
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    BigDecimal exact = new BigDecimal(value);
    BigDecimal digits = exact;
    for (int count = 1; count <= DOUBLE_DIGITS; count++) {
      digits = exact.round(new MathContext(count, RoundingMode.HALF_EVEN));
      if (digits.doubleValue() == value) {
        break;
      }
    }
    digits = digits.stripTrailingZeros();
    int exponent = digits.precision() - digits.scale() - 1;
    if (exponent >= SMALLEST_PLAIN_EXPONENT && exponent < LARGEST_PLAIN_EXPONENT) {
      return digits.scale() > 0 ? digits.toPlainString() : digits.toPlainString() + ".0";
    }
    String all = digits.unscaledValue().abs().toString();
    return (value < 0 ? "-" : "")
        + all.charAt(0)
        + (all.length() > 1 ? "." + all.substring(1) : "")
        + (exponent < 0 ? "e-" : "e+")
        + (Math.abs(exponent) < 10 ? "0" : "")
        + Math.abs(exponent);
  }

  /** How {@code json.dumps} shall write. */
  record JsonStyle(
      String indent,
      boolean lines,
      String separator,
      String colon,
      boolean ascii,
      boolean sorted) {}

  static String json(Object value, JsonStyle style) {
    StringBuilder text = new StringBuilder();
    json(value, style, text, 0);
    Budget.spendText(text.length());
    return text.toString();
  }

  private static void json(Object value, JsonStyle style, StringBuilder text, int depth) {
    Budget.spend(1);
    checkSize(text, depth);
    if (Values.isText(value)) {
      jsonString(text(value), style.ascii(), text);
    } else if (value instanceof Map<?, ?> map) {
      List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
      if (style.sorted()) {
        entries.sort(Comparator.comparing(Map.Entry::getKey, Values::compare));
      }
      Iterator<Map.Entry<?, ?>> left = entries.iterator();
      text.append('{');
      while (left.hasNext()) {
        Map.Entry<?, ?> each = left.next();
        newLine(style, text, depth + 1);
        jsonString(jsonKey(each.getKey()), style.ascii(), text);
        text.append(style.colon());
        json(each.getValue(), style, text, depth + 1);
        text.append(left.hasNext() ? style.separator() : "");
      }
      end(style, text, depth, map.isEmpty()).append('}');
    } else if (value instanceof List<?> list) {
      Iterator<?> left = list.iterator();
      text.append('[');
      while (left.hasNext()) {
        newLine(style, text, depth + 1);
        json(left.next(), style, text, depth + 1);
        text.append(left.hasNext() ? style.separator() : "");
      }
      end(style, text, depth, list.isEmpty()).append(']');
    } else if (value instanceof Number || value instanceof Boolean || value == None.NONE) {
      text.append(jsonKey(value));
    } else if (value instanceof Undefined) {
      throw new TemplateException("Object of type Undefined is not JSON serializable");
    } else {
      throw Values.typeError("tojson", value);
    }
  }

  private static void newLine(JsonStyle style, StringBuilder text, int depth) {
    if (style.lines()) {
      text.append('\n').append(style.indent().repeat(depth));
    }
  }

  private static StringBuilder end(JsonStyle style, StringBuilder text, int depth, boolean empty) {
    if (!empty) {
      newLine(style, text, depth);
    }
    return text;
  }

  private static String jsonKey(Object key) {
    if (key instanceof String text) {
      return text;
    }
    if (key instanceof Boolean || key == None.NONE) {
      return key == None.NONE ? "null" : key.toString();
    }
    if (key instanceof Double real && (real.isNaN() || real.isInfinite())) {
      return real.isNaN() ? "NaN" : real > 0 ? "Infinity" : "-Infinity";
    }
    if (key instanceof Number) {
      return repr(key);
    }
    throw Values.typeError("a key of tojson", key);
  }

  private static void jsonString(String string, boolean ascii, StringBuilder text) {
    text.append('"');
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      int plain = "\"\\\n\r\t\f\b".indexOf(c);
      if (plain >= 0) {
        text.append('\\').append("\"\\nrtfb".charAt(plain));
      } else if (c < ' ' || (ascii && c > '~')) {
        text.append(String.format("\\u%04x", (int) c));
      } else {
        text.append(c);
      }
    }
    text.append('"');
  }
}
