package io.distill.huggingface.internal;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code %} and {@code str.format} with plain fields. */
final class Formats {

  private static final Pattern PERCENT =
      Pattern.compile("%(?:\\((?<name>[^)]*)\\))?(?<places>(?:\\.\\d{1,2})?)(?<kind>.?)", Pattern.DOTALL);
  private static final Pattern BRACES = Pattern.compile("\\{\\{|}}|\\{(?<name>\\w*)}|[{}]");

  private Formats() {}

  static String percent(String format, Object values) {
    List<Object> all = values instanceof Tuple tuple ? tuple : List.of(values);
    StringBuilder text = new StringBuilder();
    int next = 0;
    Matcher matcher = PERCENT.matcher(format);
    while (matcher.find()) {
      String kind = matcher.group("kind");
      String made;
      if (kind.equals("%")) {
        made = "%";
      } else {
        String name = matcher.group("name");
        if (name == null && next == all.size()) {
          throw new TemplateException("not enough arguments for the format");
        }
        Object value = name == null ? all.get(next++) : Values.item(values, name);
        made = one(matcher.group("places"), kind, value);
      }
      Budget.spendText(made.length());
      matcher.appendReplacement(text, Matcher.quoteReplacement(made));
    }
    if (next < all.size() && !(values instanceof Map)) {
      throw new TemplateException("not all arguments were used by the format");
    }
    return matcher.appendTail(text).toString();
  }

  private static String one(String places, String kind, Object value) {
    if (places.isEmpty() && kind.equals("s")) {
      return Printing.text(value);
    }
    if (places.isEmpty() && kind.equals("r")) {
      return Printing.repr(value);
    }
    Number number = Values.number(value);
    if (number == null) {
      throw Values.typeError("the format %" + kind, value);
    }
    if (places.isEmpty() && (kind.equals("d") || kind.equals("i"))) {
      return Long.toString(number.longValue());
    }
    if (kind.equals("f")) {
      return String.format(Locale.ROOT, "%" + places + "f", number.doubleValue());
    }
    throw new TemplateException("the format %" + places + kind + " is not supported");
  }

  static String braces(String format, Arguments arguments) {
    StringBuilder text = new StringBuilder();
    int next = 0;
    Matcher matcher = BRACES.matcher(format);
    while (matcher.find()) {
      String found = matcher.group();
      String name = matcher.group("name");
      if (name == null && found.length() == 1) {
        throw new TemplateException("the format '" + format + "' is not supported");
      }
      String made = found.substring(0, 1);
      if (name != null) {
        Object value =
            name.isEmpty() || Character.isDigit(name.charAt(0))
                ? Values.item(arguments.positional(), name.isEmpty() ? next++ : Long.parseLong(name))
                : Values.item(arguments.named(), name);
        if (value instanceof Undefined undefined) {
          throw undefined.failure();
        }
        made = Printing.text(value);
      }
      Budget.spendText(made.length());
      matcher.appendReplacement(text, Matcher.quoteReplacement(made));
    }
    return matcher.appendTail(text).toString();
  }
}
