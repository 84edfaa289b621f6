package io.distill.huggingface.internal;

import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** Dates as C's {@code strftime} writes them in English. */
final class Dates {

  private Dates() {}

  static String format(String format, Clock clock) {
    LocalDateTime time = LocalDateTime.now(clock);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        text.append(c);
        continue;
      }
      boolean unpadded = format.charAt(i + 1) == '-' && i + 2 < format.length();
      char letter = format.charAt(i += unpadded ? 2 : 1);
      if (letter == '%') {
        text.append(letter);
        continue;
      }
      String written = DateTimeFormatter.ofPattern(pattern(letter), Locale.ENGLISH).format(time);
      text.append(unpadded ? written.replaceFirst("^0(?=.)", "") : written);
    }
    return text.toString();
  }

  private static String pattern(char letter) {
    return switch (letter) {
      case 'Y' -> "yyyy";
      case 'y' -> "yy";
      case 'm' -> "MM";
      case 'd' -> "dd";
      case 'b' -> "MMM";
      case 'B' -> "MMMM";
      case 'a' -> "EEE";
      case 'A' -> "EEEE";
      case 'j' -> "DDD";
      case 'H' -> "HH";
      case 'I' -> "hh";
      case 'p' -> "a";
      case 'M' -> "mm";
      case 'S' -> "ss";
      case 'F' -> "yyyy-MM-dd";
      case 'T' -> "HH:mm:ss";
      default -> throw new TemplateException("strftime_now does not know %" + letter);
    };
  }
}
