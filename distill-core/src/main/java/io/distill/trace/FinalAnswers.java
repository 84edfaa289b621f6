package io.distill.trace;

import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** How final answers are found and compared. */
final class FinalAnswers {

  private static final String DIGITS = "(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?|\\.\\d+";
  private static final Pattern IN_TEXT =
      Pattern.compile("(?:(?<![\\p{L}\\p{N})\\]}])[-+\u2212])?(?:" + DIGITS + ")");
  private static final Pattern NUMBER =
      Pattern.compile(
          "[$\u20ac\u00a3]?([-+]?)[$\u20ac\u00a3]?((?:" + DIGITS + ")(?:[eE][-+]?\\d{1,3})?)\\.?");
  private static final int LONGEST_NUMBER = 1000;
  private static final String BOX = "\\boxed{";

  private FinalAnswers() {}

  static Optional<String> lastNumber(String text) {
    Matcher matcher = IN_TEXT.matcher(text);
    String last = null;
    while (matcher.find()) {
      last = matcher.group();
    }
    return Optional.ofNullable(last);
  }

  static Optional<String> after(String text, List<String> markers) {
    int best = -1;
    int end = 0;
    for (String marker : markers) {
      int place = text.lastIndexOf(marker);
      if (place > best || (place >= 0 && place == best && place + marker.length() > end)) {
        best = place;
        end = place + marker.length();
      }
    }
    return best < 0
        ? Optional.empty()
        : text.substring(end)
            .lines()
            .map(String::strip)
            .filter(line -> !line.isEmpty())
            .findFirst();
  }

  static Optional<String> boxed(String text) {
    int start = text.lastIndexOf(BOX);
    if (start < 0) {
      return Optional.empty();
    }
    int depth = 1;
    int from = start + BOX.length();
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\\') {
        // an escaped brace is a sign
        i++;
      } else if (c == '{') {
        depth++;
      } else if (c == '}' && --depth == 0) {
        return Optional.of(text.substring(from, i).strip());
      }
    }
    return Optional.empty();
  }

  static String normalForm(String answer) {
    String text = answer.strip().replace('\u2212', '-').replaceAll("[\\s\\h]+", " ");
    text = withoutDollars(text);
    BigDecimal number = parse(text);
    return number == null ? text : plain(number);
  }

  private static String withoutDollars(String text) {
    return text.length() > 2 && text.startsWith("$") && text.endsWith("$")
        ? text.substring(1, text.length() - 1).strip()
        : text;
  }

  static Optional<BigDecimal> number(String answer) {
    return Optional.ofNullable(parse(withoutDollars(answer.strip().replace('\u2212', '-'))));
  }

  private static @Nullable BigDecimal parse(String text) {
    if (text.length() > LONGEST_NUMBER) {
      return null;
    }
    Matcher matcher = NUMBER.matcher(text);
    return matcher.matches()
        ? new BigDecimal(matcher.group(1) + matcher.group(2).replace(",", ""))
        : null;
  }

  private static String plain(BigDecimal number) {
    return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
  }
}
