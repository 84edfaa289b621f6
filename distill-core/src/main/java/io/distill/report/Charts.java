package io.distill.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws charts with XChart. */
final class Charts {

  static final int WIDTH = 460;
  static final int HEIGHT = 300;

  private static final int LEGEND_ROW = 22;
  private static final int LONGEST_NAME = 28;
  private static final int MOST_POINTS = 250;

  private static final Font FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

  private static final List<Marker> MARKERS =
      List.of(
          SeriesMarkers.CIRCLE,
          SeriesMarkers.SQUARE,
          SeriesMarkers.DIAMOND,
          SeriesMarkers.TRIANGLE_UP,
          SeriesMarkers.TRIANGLE_DOWN,
          SeriesMarkers.CROSS);

  private static final List<float[]> DASHES =
      List.of(
          new float[0],
          new float[] {7, 3},
          new float[] {2, 3},
          new float[] {9, 3, 2, 3},
          new float[] {12, 4},
          new float[] {4, 4});

  private Charts() {}

  /** A line of a chart. */
  record Line(String name, List<Point> points, int style) {
    Line {
      points = List.copyOf(points);
    }
  }

  /** A point of a line. */
  record Point(double x, double y) {}

  /** What stands at the axes. */
  record Axes(String x, String y, boolean logX, boolean percent) {

    static Axes of(String x, String y) {
      return new Axes(x, y, false, false);
    }

    Axes inPercent() {
      return new Axes(x, y, logX, true);
    }

    Axes withLogX() {
      return new Axes(x, y, true, percent);
    }
  }

  /** Draws curves over steps or epochs. */
  static XYChart curves(Axes axes, List<Line> lines) {
    XYChart chart = chart(axes, HEIGHT + (lines.size() > 1 ? LEGEND_ROW * lines.size() : 0));
    for (Line line : lines) {
      List<Point> points = thinned(line.points());
      XYSeries series = add(chart, line.name(), points);
      style(series, line.style(), points.size() > 12 ? SeriesMarkers.NONE : marker(line.style()));
      if (lines.size() == 1) {
        series.setLineStyle(stroke(2, new float[0]));
      }
    }
    // the title names a single line
    return finished(chart, axes, lines.size() > 1);
  }

  /** Keeps the first and the last point and so many in between that a screen can show them. */
  private static List<Point> thinned(List<Point> points) {
    if (points.size() <= MOST_POINTS) {
      return points;
    }
    List<Point> kept = new ArrayList<>();
    for (int i = 0; i < MOST_POINTS; i++) {
      kept.add(points.get((int) ((long) i * (points.size() - 1) / (MOST_POINTS - 1))));
    }
    return kept;
  }

  /** Draws the reliability of several models around the diagonal of perfect calibration. */
  static XYChart reliability(List<Line> lines) {
    Axes axes = Axes.of("confidence", "accuracy").inPercent();
    XYChart chart = chart(axes, HEIGHT + LEGEND_ROW * (lines.size() + 1));
    XYSeries diagonal = add(chart, "as sure as right", List.of(new Point(0, 0), new Point(1, 1)));
    diagonal.setMarker(SeriesMarkers.NONE);
    diagonal.setLineColor(Palette.QUIET.color());
    diagonal.setLineStyle(stroke(1.2f, new float[] {3, 3}));
    for (Line line : lines) {
      style(add(chart, line.name(), line.points()), line.style(), marker(line.style()));
    }
    chart.getStyler().setXAxisMin(0.0).setXAxisMax(1.0).setYAxisMin(0.0).setYAxisMax(1.0);
    return finished(chart, axes, true);
  }

  /** A value with its interval; both ends are the value if there is none. */
  record Whisker(String name, double value, double low, double high, int style) {}

  /** Draws one value for each model, with its interval. */
  static XYChart whiskers(List<Whisker> whiskers) {
    return whiskers(whiskers, whiskers);
  }

  /** Draws one value for each model, on an axis that has room for all of the second list. */
  static XYChart whiskers(List<Whisker> whiskers, List<Whisker> scale) {
    Axes axes = Axes.of("", "").inPercent();
    XYChart chart = chart(axes, 120 + (34 + LEGEND_ROW) * whiskers.size());
    double low = scale.stream().mapToDouble(Whisker::low).min().orElse(0);
    double high = scale.stream().mapToDouble(Whisker::high).max().orElse(1);
    for (int i = 0; i < whiskers.size(); i++) {
      Whisker whisker = whiskers.get(i);
      double y = whiskers.size() - i;
      XYSeries bar =
          add(
              chart,
              whisker.name() + "\u2009",
              List.of(new Point(whisker.low(), y), new Point(whisker.high(), y)));
      style(bar, whisker.style(), SeriesMarkers.NONE);
      bar.setLineStyle(stroke(3, new float[0]));
      bar.setShowInLegend(false);
      XYSeries value = add(chart, whisker.name(), List.of(new Point(whisker.value(), y)));
      style(value, whisker.style(), marker(whisker.style()));
      value.setLineStyle(stroke(3, new float[0]));
    }
    double margin = Math.max(0.01, 0.08 * (high - low));
    XYStyler styler = chart.getStyler();
    styler.setXAxisMin(low - margin).setXAxisMax(high + margin);
    styler.setYAxisMin(0.4).setYAxisMax(whiskers.size() + 0.6);
    styler.setMarkerSize(12);
    styler.setYAxisTicksVisible(false).setPlotGridHorizontalLinesVisible(false);
    styler.setXAxisTickLabelsFormattingFunction(value -> percent(value));
    return finished(chart, axes, true);
  }

  /** Draws one point for each model. */
  static XYChart scatter(Axes axes, List<Line> points) {
    XYChart chart = chart(axes, HEIGHT + LEGEND_ROW * points.size());
    for (Line each : points) {
      XYSeries series = add(chart, each.name(), each.points());
      style(series, each.style(), marker(each.style()));
      series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
    }
    chart.getStyler().setMarkerSize(11);
    return finished(chart, axes, true);
  }

  private static XYChart chart(Axes axes, int height) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(height)
            .xAxisTitle(axes.x())
            .yAxisTitle(axes.y())
            .build();
    XYStyler styler = chart.getStyler();
    Color ink = Palette.INK.color();
    styler.setBaseFont(FONT);
    styler.setChartBackgroundColor(Palette.CLEAR);
    styler.setPlotBackgroundColor(Palette.CLEAR);
    styler.setPlotBorderVisible(false);
    styler.setChartFontColor(ink);
    styler.setChartTitleVisible(false);
    styler.setLegendBackgroundColor(Palette.CLEAR);
    styler.setLegendBorderColor(Palette.CLEAR);
    styler.setLegendFont(FONT);
    styler.setLegendPosition(Styler.LegendPosition.OutsideS);
    styler.setLegendLayout(Styler.LegendLayout.Vertical);
    styler.setLegendPadding(8);
    styler.setAxisTitleFont(FONT);
    styler.setAxisTickLabelsFont(FONT);
    styler.setAxisTickLabelsColor(ink);
    styler.setXAxisTitleColor(ink);
    styler.setYAxisTitleColor(ink);
    styler.setAxisTickMarksColor(Palette.QUIET.color());
    styler.setPlotGridLinesColor(Palette.GRID.color());
    styler.setPlotGridLinesStroke(new BasicStroke(1));
    styler.setXAxisTickMarkSpacingHint(80);
    styler.setYAxisTickMarkSpacingHint(50);
    styler.setMarkerSize(8);
    styler.setAntiAlias(true);
    styler.setXAxisLogarithmic(axes.logX());
    // a logarithmic axis would draw nine grid lines for each power of ten
    styler.setPlotGridVerticalLinesVisible(!axes.logX());
    styler.setChartPadding(6);
    styler.setLocale(java.util.Locale.ROOT);
    return chart;
  }

  private static XYChart finished(XYChart chart, Axes axes, boolean legend) {
    XYStyler styler = chart.getStyler();
    styler.setLegendVisible(legend);
    if (axes.percent()) {
      styler.setYAxisTickLabelsFormattingFunction(Charts::percent);
      if (axes.x().equals("confidence")) {
        styler.setXAxisTickLabelsFormattingFunction(Charts::percent);
      }
    } else {
      styler.setYAxisTickLabelsFormattingFunction(value -> number(value));
    }
    return chart;
  }

  private static String percent(double value) {
    return number(100 * value) + " %";
  }

  private static String number(double value) {
    if (value == 0) {
      return "0";
    }
    double magnitude = Math.abs(value);
    if (magnitude < 1e-3 || magnitude >= 1e6) {
      return String.format(java.util.Locale.ROOT, "%.1e", value).replace("e-0", "e-");
    }
    return new java.math.BigDecimal(value)
        .round(new java.math.MathContext(4))
        .stripTrailingZeros()
        .toPlainString();
  }

  private static XYSeries add(XYChart chart, String name, List<Point> points) {
    String shown = shortened(name);
    List<String> taken = chart.getSeriesCollection().stream().map(XYSeries::getName).toList();
    String unique = shown;
    for (int i = 2; taken.contains(unique); i++) {
      unique = shown + " (" + i + ")";
    }
    return chart.addSeries(
        unique,
        points.stream().mapToDouble(Point::x).toArray(),
        points.stream().mapToDouble(Point::y).toArray());
  }

  static String shortened(String name) {
    String line = name.replaceAll("\\s+", " ");
    return line.codePointCount(0, line.length()) <= LONGEST_NAME
        ? line
        : line.substring(0, line.offsetByCodePoints(0, LONGEST_NAME - 1)) + "…";
  }

  private static void style(XYSeries series, int style, Marker marker) {
    Color color = Palette.series(style).color();
    series.setLineColor(color);
    series.setMarkerColor(color);
    series.setMarker(marker);
    series.setLineStyle(stroke(2, DASHES.get(style % DASHES.size())));
  }

  private static Marker marker(int style) {
    return MARKERS.get(style % MARKERS.size());
  }

  private static BasicStroke stroke(float width, float[] dash) {
    return dash.length == 0
        ? new BasicStroke(width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND)
        : new BasicStroke(width, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10, dash, 0);
  }
}
