package io.distill.report;

import java.awt.Color;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The colours of charts by what they are for. In the page they are CSS classes, so that light, dark
 * and print choose their own; the values here only tell them apart while a chart is drawn.
 */
enum Palette {
  INK(1),
  QUIET(2),
  GRID(3),
  SERIES_0(10),
  SERIES_1(11),
  SERIES_2(12),
  SERIES_3(13),
  SERIES_4(14),
  SERIES_5(15);

  /** Nothing at all. */
  static final Color CLEAR = new Color(0, 0, 0, 0);

  private static final Map<String, Palette> BY_PAINT = new HashMap<>();

  static {
    for (Palette each : values()) {
      BY_PAINT.put("rgb(" + each.color.getRed() + "," + each.color.getGreen() + ",9)", each);
    }
    BY_PAINT.put("black", INK);
    BY_PAINT.put("rgb(0,0,0)", INK);
  }

  private final Color color;

  Palette(int number) {
    this.color = new Color(number, number, 9);
  }

  Color color() {
    return color;
  }

  /** Returns the name of the CSS class. */
  String css() {
    return name().toLowerCase(Locale.ROOT).replace("series_", "s");
  }

  /** Returns the colour of the n-th series; they repeat. */
  static Palette series(int number) {
    return valueOf("SERIES_" + number % 6);
  }

  /** Returns the colour that Batik wrote as this paint. */
  static Optional<Palette> of(String paint) {
    return Optional.ofNullable(BY_PAINT.get(paint));
  }
}
