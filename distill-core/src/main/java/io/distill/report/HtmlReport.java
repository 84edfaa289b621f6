package io.distill.report;

import static java.util.Objects.requireNonNull;

import com.google.common.hash.Hashing;
import com.google.common.io.Resources;
import io.distill.evaluation.Bootstrap;
import io.distill.evaluation.Calibration;
import io.distill.evaluation.Interval;
import io.distill.report.Charts.Axes;
import io.distill.report.Charts.Line;
import io.distill.report.Charts.Point;
import io.distill.report.Charts.Whisker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.knowm.xchart.XYChart;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes findings as a page for people. */
final class HtmlReport {

  private static final Logger LOGGER = LoggerFactory.getLogger(HtmlReport.class);

  /** Up to so many classes the confusion matrix shows numbers, above it only shades. */
  private static final int MOST_NUMBERED = 24;

  /** Above so many classes only the most frequent confusions are listed. */
  private static final int MOST_SHADED = 150;

  private static final int MOST_CONFUSIONS = 20;

  /** Tables of curves have at most so many rows. */
  private static final int MOST_ROWS = 30;

  private final Findings findings;
  private final Page page = new Page();
  private final Optional<Findings.OfModel> subject;
  private int charts;
  private boolean chartsFailed;

  private HtmlReport(Findings findings) {
    this.findings = findings;
    this.subject = Headline.subject(findings);
  }

  static String of(Findings findings) {
    return new HtmlReport(findings).write();
  }

  private String write() {
    String css = css();
    page.open("html", "lang", "en");
    page.open("head");
    page.empty("meta", "charset", "utf-8");
    page.empty(
        "meta",
        "http-equiv",
        "Content-Security-Policy",
        "content",
        "default-src 'none'; style-src 'sha256-"
            + Base64.getEncoder()
                .encodeToString(Hashing.sha256().hashString(css, StandardCharsets.UTF_8).asBytes())
            + "'; base-uri 'none'; form-action 'none'");
    page.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    page.empty("meta", "name", "color-scheme", "content", "light dark");
    page.element("title", findings.title());
    page.element("style", css);
    page.close();
    page.open("body");
    head();
    page.open("main");
    comparison();
    classes();
    calibration();
    specialisation();
    training();
    method();
    page.close();
    page.close();
    page.close();
    return page.finished();
  }

  private static String css() {
    try {
      return Resources.toString(
          Resources.getResource(HtmlReport.class, "report.css"), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void head() {
    page.open("header");
    page.element("h1", findings.title());
    page.element("p", about(), "class", "about");
    for (String sentence : List.of(String.join(" ", findings.headline()))) {
      page.element("p", sentence, "class", "headline");
    }
    subject.ifPresent(this::tiles);
    findings.notes().forEach(note -> page.element("p", note, "class", "warning"));
    page.close();
  }

  private String about() {
    String day =
        DateTimeFormatter.ofPattern("d MMMM yyyy, HH:mm 'UTC'", Locale.ENGLISH)
            .withZone(ZoneOffset.UTC)
            .format(findings.created());
    String rows =
        findings
            .test()
            .map(
                test ->
                    " · "
                        + Format.count(test.rows())
                        + " test rows"
                        + (test.labelledRows() == test.rows()
                            ? ""
                            : ", " + Format.count(test.labelledRows()) + " with a label")
                        + (test.classes().isEmpty()
                            ? ""
                            : ", " + test.classes().size() + " classes"))
            .orElse("");
    int seeds = findings.models().stream().mapToInt(Findings.OfModel::seeds).max().orElse(1);
    return day + rows + " · " + (seeds == 1 ? "1 seed" : seeds + " seeds");
  }

  private void tiles(Findings.OfModel student) {
    List<String[]> tiles = new ArrayList<>();
    tile(tiles, student.figure("retention"), Format::percent, "of the teacher’s accuracy");
    tile(tiles, student.figure("gapClosed"), Format::percent, "of the gap to the teacher closed");
    tile(tiles, student.figure("agreement"), Format::percent, "same answer as the teacher");
    tile(
        tiles,
        student.figure("timesFewerParameters"),
        value -> "1/" + Format.times(value),
        "of the teacher’s parameters");
    tile(tiles, student.figure("timesFaster"), Format::ratio, "as fast, one text at a time");
    findings.specialisation().stream()
        .flatMap(found -> found.models().stream())
        .filter(each -> each.name().equals(student.name()))
        .forEach(
            each ->
                tile(
                    tiles,
                    each.figure("offTaskRetentionMean"),
                    Format::percent,
                    "of what the teacher knows beyond the target"));
    if (tiles.isEmpty()) {
      tile(tiles, student.figure("parameters"), Format::count, "parameters");
      tile(tiles, student.figure("bytes"), Format::bytes, "on disk");
      tile(tiles, student.figure("trainingSteps"), Format::count, "optimizer steps");
      tile(tiles, student.figure("trainingSeconds"), Format::seconds, "of training");
    }
    if (!tiles.isEmpty()) {
      page.open("ul", "class", "tiles");
      for (String[] tile : tiles) {
        page.open("li");
        page.element("span", tile[0], "class", "big");
        page.text(" ");
        page.element("span", tile[1], "class", "small");
        page.close();
      }
      page.close();
    }
  }

  private static void tile(
      List<String[]> tiles,
      Figure figure,
      java.util.function.DoubleFunction<String> format,
      String what) {
    if (figure.isPresent()) {
      tiles.add(new String[] {format.apply(figure.get()), what});
    }
  }

  private void comparison() {
    page.element("h2", findings.models().size() > 1 ? "Side by side" : "The student");
    scrollable(
        "Figures of all models",
        () -> {
          page.open("thead");
          page.open("tr");
          page.element("th", "", "scope", "col");
          findings.models().forEach(model -> modelHeader(model.name(), model.role()));
          page.close();
          page.close();
          page.open("tbody");
          for (Rows.Group group : Rows.COMPARISON) {
            List<Rows> rows = group.rows().stream().filter(this::isKnown).toList();
            if (!rows.isEmpty()) {
              page.open("tr", "class", "group");
              page.element(
                  "th",
                  group.title(),
                  "colspan",
                  Integer.toString(findings.models().size() + 1),
                  "scope",
                  "colgroup");
              page.close();
            }
            for (Rows row : rows) {
              page.open("tr");
              page.element("th", row.label(), "scope", "row", "title", row.help());
              for (Findings.OfModel model : findings.models()) {
                cell(
                    Optional.ofNullable(model.figures().get(row.key())),
                    row,
                    "models/" + model.name() + "/" + row.key(),
                    isSubject(model.name()));
              }
              page.close();
            }
          }
          page.close();
        });
    page.open("div", "class", "charts");
    whiskers("accuracy", "Accuracy", "Points are means over the seeds, bars their intervals.");
    whiskers("agreement", "Agreement with the teacher", "Same answer, right or wrong.");
    speed();
    page.close();
  }

  private boolean isKnown(Rows row) {
    return findings.models().stream().anyMatch(model -> model.figures().containsKey(row.key()));
  }

  private boolean isSubject(String name) {
    return findings.models().size() > 1 && subject.isPresent() && subject.get().name().equals(name);
  }

  private void modelHeader(String name, Role role) {
    page.open("th", "scope", "col", "class", isSubject(name) ? "subject" : "model");
    page.text(name);
    if (!role.words().isEmpty() && !role.words().equals(name)) {
      page.element("span", role.words(), "class", "role");
    }
    page.close();
  }

  private void cell(Optional<Figure> figure, Rows row, String path, boolean marked) {
    String css = marked ? "subject" : "value";
    if (figure.isEmpty()) {
      page.element("td", "–", "class", css);
      return;
    }
    page.open("td", "class", css, "data-figure", path);
    value(figure.get(), row.format());
    page.close();
  }

  private void value(Figure figure, java.util.function.DoubleFunction<String> format) {
    if (!figure.isPresent()) {
      page.element("span", figure.missing(), "class", "missing");
      return;
    }
    page.text(format.apply(figure.get()));
    Optional<Interval> known = figure.interval();
    if (known.isPresent()
        && !format.apply(known.get().low()).equals(format.apply(known.get().high()))) {
      Interval interval = known.get();
      boolean range = interval.over() == Interval.Over.RANGE_OF_SEEDS;
      page.element(
          "span",
          format.apply(interval.low()) + " to " + format.apply(interval.high()),
          "class",
          "interval",
          "title",
          range ? "range of the seeds" : "95 % interval over " + interval.over());
    }
  }

  private void scrollable(String label, Runnable content) {
    scrollable(label, "figures", content);
  }

  private void scrollable(String label, String css, Runnable content) {
    page.open("div", "class", "scroll", "role", "region", "aria-label", label, "tabindex", "0");
    page.open("table", "class", css);
    page.element("caption", label);
    content.run();
    page.close();
    page.close();
  }

  /** Writes a table of texts. */
  private void table(String label, List<String> header, List<List<String>> rows) {
    scrollable(
        label,
        () -> {
          page.open("thead");
          page.open("tr");
          header.forEach(each -> page.element("th", each, "scope", "col"));
          page.close();
          page.close();
          page.open("tbody");
          for (List<String> row : rows) {
            page.open("tr");
            page.element("th", row.get(0), "scope", "row");
            row.subList(1, row.size()).forEach(each -> page.element("td", each));
            page.close();
          }
          page.close();
        });
  }

  /** Draws a chart, or says why it could not be drawn; tables have its numbers anyway. */
  private void chart(String title, String caption, Supplier<XYChart> chart) {
    page.open("figure");
    page.open("figcaption");
    page.element("strong", title);
    page.text(caption);
    page.close();
    if (!chartsFailed) {
      try {
        XYChart drawn = chart.get();
        charts++;
        Svg.write(page, drawn, "chart" + charts, title);
      } catch (LinkageError | RuntimeException | InternalError e) {
        // a Java without fonts, as some containers have it
        LOGGER.warn("charts of the report could not be drawn; its tables are complete", e);
        chartsFailed = true;
      }
    }
    if (chartsFailed) {
      page.element(
          "p",
          "This chart could not be drawn: this Java has no fonts (install fontconfig). The tables"
              + " have its numbers.",
          "class",
          "note");
    }
    page.close();
  }

  private int style(String model) {
    for (int i = 0; i < findings.models().size(); i++) {
      if (findings.models().get(i).name().equals(model)) {
        boolean teacherFirst = findings.models().get(0).role() == Role.TEACHER;
        return teacherFirst ? i : i + 1;
      }
    }
    return 0;
  }

  private void whiskers(String key, String title, String caption) {
    List<Whisker> whiskers = new ArrayList<>();
    findings
        .models()
        .forEach(model -> whisker(model.name(), model.figure(key)).ifPresent(whiskers::add));
    if (whiskers.size() > 1) {
      chart(title, caption, () -> Charts.whiskers(whiskers));
    }
  }

  private void speed() {
    List<Line> points = new ArrayList<>();
    for (Findings.OfModel model : findings.models()) {
      Figure time = model.figure("p50Millis");
      Figure accuracy = model.figure("accuracy");
      if (time.isPresent() && accuracy.isPresent()) {
        points.add(
            new Line(
                model.name(), List.of(new Point(time.get(), accuracy.get())), style(model.name())));
      }
    }
    if (points.size() > 1) {
      chart(
          "Accuracy and speed",
          "Further left is faster; the time is on a logarithmic scale.",
          () ->
              Charts.scatter(
                  Axes.of("median latency in ms", "accuracy").inPercent().withLogX(), points));
    }
  }

  private void classes() {
    List<Findings.OfModel> models =
        findings.models().stream().filter(model -> !model.classes().isEmpty()).toList();
    if (models.isEmpty()) {
      return;
    }
    page.element("h2", "Classes");
    Findings.OfModel about = subject.filter(models::contains).orElse(models.get(0));
    Findings.OfClass worst =
        about.classes().stream()
            .min(java.util.Comparator.comparingDouble(each -> each.accuracy().get()))
            .orElseThrow();
    page.element(
        "p",
        "“"
            + about.name()
            + "” is weakest on the class “"
            + worst.name()
            + "”: "
            + Format.percent(worst.accuracy().get())
            + " of "
            + Format.count(worst.rows())
            + (worst.rows() == 1 ? " row" : " rows")
            + " recognised.");
    boolean many = about.classes().size() > MOST_NUMBERED;
    if (many) {
      page.open("details");
      page.element("summary", "Accuracy of all " + about.classes().size() + " classes");
    }
    scrollable(
        "Accuracy by class, a mean over the seeds",
        () -> {
          page.open("thead");
          page.open("tr");
          page.element("th", "class", "scope", "col");
          page.element("th", "rows", "scope", "col");
          models.forEach(model -> modelHeader(model.name(), model.role()));
          page.close();
          page.close();
          page.open("tbody");
          for (int i = 0; i < about.classes().size(); i++) {
            page.open("tr");
            page.element("th", about.classes().get(i).name(), "scope", "row");
            page.element("td", Format.count(about.classes().get(i).rows()));
            for (Findings.OfModel model : models) {
              page.open(
                  "td",
                  "class",
                  isSubject(model.name()) ? "subject" : "value",
                  "data-class-accuracy",
                  model.name());
              value(model.classes().get(i).accuracy(), Format::percent);
              page.close();
            }
            page.close();
          }
          page.close();
        });
    if (many) {
      page.close();
    }
    page.element("h3", "What is taken for what");
    for (Findings.OfModel model : models) {
      page.open("details", model.equals(about) ? new String[] {"open", "open"} : new String[0]);
      page.element("summary", model.name());
      confusion(model);
      page.close();
    }
  }

  private void confusion(Findings.OfModel model) {
    List<String> names = requireNonNull(findings.test().orElseThrow().classes());
    List<List<Integer>> counts = model.confusion();
    String seeds = model.seeds() == 1 ? "" : ", rows of all " + model.seeds() + " seeds";
    if (names.size() <= MOST_NUMBERED) {
      scrollable(
          "Rows: the class; columns: the answer" + seeds,
          "confusion",
          () -> {
            page.open("thead");
            page.open("tr");
            page.element("th", "class", "scope", "col");
            for (String name : names) {
              page.open("th", "scope", "col", "class", "turned", "title", name);
              page.element("span", Charts.shortened(name));
              page.close();
            }
            page.close();
            page.close();
            confusionBody(names, counts, true);
          });
    } else if (names.size() <= MOST_SHADED) {
      scrollable(
          "Rows: the class; columns: the answer, in the order of the table above"
              + seeds
              + ". Blue is right, orange is wrong, darker is more often; point at a cell for its"
              + " number",
          "confusion dense",
          () -> confusionBody(names, counts, false));
    }
    confusions(names, counts, seeds);
  }

  private void confusionBody(List<String> names, List<List<Integer>> counts, boolean numbered) {
    page.open("tbody");
    for (int actual = 0; actual < names.size(); actual++) {
      List<Integer> row = counts.get(actual);
      int sum = row.stream().mapToInt(Integer::intValue).sum();
      page.open("tr");
      if (numbered) {
        page.element("th", names.get(actual), "scope", "row");
      }
      for (int predicted = 0; predicted < names.size(); predicted++) {
        int count = row.get(predicted);
        String shade = count == 0 ? "zero" : shade(actual == predicted, (double) count / sum);
        if (numbered) {
          page.element("td", Format.count(count), "class", shade);
        } else if (count == 0) {
          page.open("td");
          page.close();
        } else {
          page.open(
              "td",
              "class",
              shade,
              "title",
              names.get(actual) + " → " + names.get(predicted) + ": " + count);
          page.close();
        }
      }
      page.close();
    }
    page.close();
  }

  private static String shade(boolean right, double share) {
    int level = Math.max(1, Math.min(5, (int) Math.ceil(5 * share)));
    return (right ? "h" : "m") + level;
  }

  private void confusions(List<String> names, List<List<Integer>> counts, String seeds) {
    List<List<String>> rows = new ArrayList<>();
    List<int[]> pairs = new ArrayList<>();
    for (int actual = 0; actual < names.size(); actual++) {
      for (int predicted = 0; predicted < names.size(); predicted++) {
        if (actual != predicted && counts.get(actual).get(predicted) > 0) {
          pairs.add(new int[] {actual, predicted, counts.get(actual).get(predicted)});
        }
      }
    }
    if (pairs.isEmpty()) {
      page.element("p", "Nothing was taken for anything else.");
      return;
    }
    pairs.sort((first, second) -> Integer.compare(second[2], first[2]));
    for (int[] pair : pairs.subList(0, Math.min(MOST_CONFUSIONS, pairs.size()))) {
      int sum = counts.get(pair[0]).stream().mapToInt(Integer::intValue).sum();
      rows.add(
          List.of(
              names.get(pair[0]),
              names.get(pair[1]),
              Format.count(pair[2]),
              Format.percent((double) pair[2] / sum)));
    }
    page.open(
        "details", names.size() > MOST_NUMBERED ? new String[] {"open", "open"} : new String[0]);
    page.element("summary", "The most frequent mistakes");
    table(
        "The "
            + (pairs.size() > rows.size() ? rows.size() + " most frequent of " : "")
            + pairs.size()
            + " kinds of mistakes"
            + seeds,
        List.of("class", "was taken for", "rows", "of the class"),
        rows);
    page.close();
  }

  private void calibration() {
    List<Line> lines = new ArrayList<>();
    List<Findings.OfModel> models =
        findings.models().stream().filter(model -> model.reliability().isPresent()).toList();
    for (Findings.OfModel model : models) {
      lines.add(
          new Line(
              model.name(),
              model.reliability().orElseThrow().bins().stream()
                  .map(bin -> new Point(bin.confidence(), bin.accuracy()))
                  .toList(),
              style(model.name())));
    }
    if (lines.isEmpty()) {
      return;
    }
    page.element("h2", "Can its confidence be trusted?");
    page.element(
        "p",
        "Below the dotted line a model is less often right than it says, above it more often. Each"
            + " point stands for one of "
            + Calibration.BINS
            + " equally large groups of test rows, from the least to the most confident; rows of"
            + " all seeds together.");
    page.open("div", "class", "charts");
    chart("Reliability", "Confidence and accuracy.", () -> Charts.reliability(lines));
    page.open("div");
    for (Findings.OfModel model : models) {
      List<List<String>> rows = new ArrayList<>();
      List<Calibration.Bin> bins = model.reliability().orElseThrow().bins();
      for (int i = 0; i < bins.size(); i++) {
        rows.add(
            List.of(
                Integer.toString(i + 1),
                Format.count(bins.get(i).rows()),
                Format.percent(bins.get(i).confidence()),
                Format.percent(bins.get(i).accuracy())));
      }
      page.open("details", isSubject(model.name()) ? new String[] {"open", "open"} : new String[0]);
      page.element("summary", model.name());
      table(
          "Reliability of " + model.name(), List.of("bin", "rows", "confidence", "accuracy"), rows);
      page.close();
    }
    page.close();
    page.close();
  }

  private void specialisation() {
    if (findings.specialisation().isEmpty()) {
      return;
    }
    Findings.Specialisation found = findings.specialisation().get();
    page.element("h2", "What it knows beyond " + found.target());
    page.element(
        "p",
        "Specialised in “"
            + found.target()
            + "”, measured by "
            + found.measuredBy()
            + ". Elsewhere all models are measured by a linear probe on their frozen"
            + " representations, fitted on the same rows: what it cannot find there, no later"
            + " training on top will find either."
            + (found.rareClasses().isEmpty()
                ? ""
                : " Rare classes: " + String.join(", ", found.rareClasses()) + "."));
    scrollable(
        "Specialisation report",
        () -> {
          page.open("thead");
          page.open("tr");
          page.element("th", "", "scope", "col");
          found.models().forEach(model -> modelHeader(model.name(), model.role()));
          page.close();
          page.close();
          page.open("tbody");
          for (Rows row : Rows.SPECIALISATION) {
            if (found.models().stream().anyMatch(each -> each.figures().containsKey(row.key()))) {
              page.open("tr");
              page.element("th", row.label(), "scope", "row", "title", row.help());
              for (Findings.OfSpecialist model : found.models()) {
                cell(
                    Optional.ofNullable(model.figures().get(row.key())),
                    row,
                    "specialisation/" + model.name() + "/" + row.key(),
                    isSubject(model.name()));
              }
              page.close();
            }
          }
          for (String other : found.others()) {
            page.open("tr", "class", "group");
            page.element(
                "th",
                other,
                "colspan",
                Integer.toString(found.models().size() + 1),
                "scope",
                "colgroup");
            page.close();
            for (Rows row : Rows.OTHER_SET) {
              page.open("tr");
              page.element("th", row.label(), "scope", "row", "title", row.help());
              for (Findings.OfSpecialist model : found.models()) {
                cell(
                    Optional.ofNullable(
                        model.others().getOrDefault(other, Map.of()).get(row.key())),
                    row,
                    "specialisation/" + model.name() + "/others/" + other + "/" + row.key(),
                    isSubject(model.name()));
              }
              page.close();
            }
          }
          page.close();
        });
    retentionCharts(found);
  }

  private void retentionCharts(Findings.Specialisation found) {
    Map<String, List<Whisker>> retained = new LinkedHashMap<>();
    List<Whisker> all = new ArrayList<>();
    List<String> sets = new ArrayList<>(List.of(found.target()));
    sets.addAll(found.others());
    for (String set : sets) {
      List<Whisker> whiskers = new ArrayList<>();
      for (Findings.OfSpecialist model : found.models()) {
        Figure figure =
            set.equals(found.target())
                ? model.figure("targetRetention")
                : model
                    .others()
                    .getOrDefault(set, Map.of())
                    .getOrDefault("retention", Figure.missing("not measured"));
        whisker(model.name(), figure).ifPresent(whiskers::add);
      }
      retained.put(set, whiskers);
      all.addAll(whiskers);
    }
    page.open("div", "class", "charts");
    retained.forEach(
        (set, whiskers) -> {
          if (!whiskers.isEmpty()) {
            chart(
                "Retention: " + Charts.shortened(set),
                "Of the teacher’s score; all sets on the same scale.",
                () -> Charts.whiskers(whiskers, all));
          }
        });
    page.close();
  }

  private Optional<Whisker> whisker(String model, Figure figure) {
    if (!figure.isPresent()) {
      return Optional.empty();
    }
    double value = figure.get();
    return Optional.of(
        new Whisker(
            model,
            value,
            // a bootstrap interval of few rows need not hold the value itself
            Math.min(value, figure.interval().map(Interval::low).orElse(value)),
            Math.max(value, figure.interval().map(Interval::high).orElse(value)),
            style(model)));
  }

  private void training() {
    if (findings.runs().isEmpty()) {
      return;
    }
    page.element("h2", "Training");
    List<Findings.Run> first = findings.runs().stream().filter(run -> run.seed() == 1).toList();
    if (findings.runs().size() > 1) {
      List<List<String>> rows = new ArrayList<>();
      for (Findings.Run run : findings.runs()) {
        rows.add(
            List.of(
                run.model() + ", seed " + run.seed(),
                Format.count(run.steps()),
                Format.count(run.epochs().size()),
                run.epochs().isEmpty()
                    ? ""
                    : Format.decimal(run.epochs().get(run.epochs().size() - 1).loss()),
                Format.seconds(run.seconds()),
                Format.seconds(run.teacherSeconds())));
      }
      table(
          "All runs",
          List.of("run", "steps", "epochs", "loss of the last epoch", "time", "teacher"),
          rows);
    }
    for (Findings.Run run : first) {
      boolean main =
          first.size() == 1 || (subject.isPresent() && subject.get().name().equals(run.model()));
      if (first.size() > 1) {
        page.open("details", main ? new String[] {"open", "open"} : new String[0]);
        page.element("summary", "Curves of " + run.model() + ", first seed");
      }
      new RunSection(run).write();
      if (first.size() > 1) {
        page.close();
      }
    }
  }

  /** The curves of one run. */
  private final class RunSection {
    private final Findings.Run run;

    RunSection(Findings.Run run) {
      this.run = run;
    }

    void write() {
      List<String> constant = new ArrayList<>();
      page.open("div", "class", "charts");
      List<String> terms =
          run.record().points().isEmpty()
              ? List.of()
              : List.copyOf(run.record().points().get(0).terms().keySet());
      curve("Loss", "The weighted sum of all terms.", List.of("loss"), RunRecord.Point::loss);
      if (terms.size() > 1) {
        for (String term : terms) {
          curve(
              "Loss term " + term,
              "Before weighting.",
              List.of(term),
              point -> point.terms().getOrDefault(term, Double.NaN));
        }
        weights(terms, constant);
      } else if (terms.size() == 1) {
        weights(terms, constant);
      }
      varying(
          "Temperature",
          "Of the softmax of soft targets.",
          point -> point.temperature().orElse(Double.NaN),
          constant);
      varying("Learning rate", "Of each step.", RunRecord.Point::learningRate, constant);
      curve(
          "Gradient norm",
          "The L2 norm of all gradients, before clipping.",
          List.of("gradient norm"),
          RunRecord.Point::gradientNorm);
      metrics();
      gradientScales();
      page.close();
      constant.forEach(each -> page.element("p", each, "class", "note"));
      epochTable();
      stepTable(terms);
    }

    private List<Point> points(java.util.function.ToDoubleFunction<RunRecord.Point> value) {
      return run.record().points().stream()
          .map(
              point ->
                  new Point(
                      (point.firstStep() + point.lastStep()) / 2.0, value.applyAsDouble(point)))
          .filter(point -> Double.isFinite(point.y()))
          .toList();
    }

    private void curve(
        String title,
        String caption,
        List<String> names,
        java.util.function.ToDoubleFunction<RunRecord.Point> value) {
      List<Point> points = points(value);
      if (!points.isEmpty()) {
        chart(
            title,
            caption,
            () ->
                Charts.curves(
                    Axes.of("step", ""),
                    List.of(new Line(names.get(0), points, style(run.model())))));
      }
    }

    private void varying(
        String title,
        String caption,
        java.util.function.ToDoubleFunction<RunRecord.Point> value,
        List<String> constant) {
      List<Point> points = points(value);
      double[] values = points.stream().mapToDouble(Point::y).distinct().toArray();
      if (values.length == 1) {
        constant.add(title + ": " + Format.decimal(values[0]) + " in all steps.");
      } else {
        curve(title, caption, List.of(title.toLowerCase(Locale.ROOT)), value);
      }
    }

    private void weights(List<String> terms, List<String> constant) {
      List<Line> lines = new ArrayList<>();
      for (int i = 0; i < terms.size(); i++) {
        String term = terms.get(i);
        List<Point> points = points(point -> point.weights().getOrDefault(term, Double.NaN));
        double[] values = points.stream().mapToDouble(Point::y).distinct().toArray();
        if (values.length == 1) {
          constant.add("Weight of " + term + ": " + Format.decimal(values[0]) + " in all steps.");
        } else if (values.length > 1) {
          lines.add(new Line(term, points, i + 1));
        }
      }
      if (!lines.isEmpty()) {
        chart(
            "Weights of the terms",
            "What each term is multiplied with.",
            () -> Charts.curves(Axes.of("step", ""), lines));
      }
    }

    private void metrics() {
      List<String> names =
          run.epochs().stream()
              .flatMap(epoch -> epoch.metrics().keySet().stream())
              .distinct()
              .toList();
      List<Line> lines = new ArrayList<>();
      for (int i = 0; i < names.size(); i++) {
        String name = names.get(i);
        lines.add(
            new Line(
                name,
                run.epochs().stream()
                    .filter(epoch -> epoch.metrics().containsKey(name))
                    .map(
                        epoch ->
                            new Point(epoch.epoch(), requireNonNull(epoch.metrics().get(name))))
                    .filter(point -> Double.isFinite(point.y()))
                    .toList(),
                i + 1));
      }
      lines.removeIf(line -> line.points().isEmpty());
      if (!lines.isEmpty()) {
        chart(
            "Validation",
            "On rows that were held out of training, after each epoch.",
            () -> Charts.curves(Axes.of("epoch", ""), lines));
      }
    }

    private void gradientScales() {
      List<Line> lines = new ArrayList<>();
      List<String> names =
          run.gradientScales().stream()
              .flatMap(scales -> scales.norms().keySet().stream())
              .distinct()
              .toList();
      for (int i = 0; i < names.size(); i++) {
        String name = names.get(i);
        List<Point> points =
            run.gradientScales().stream()
                .filter(scales -> scales.norms().containsKey(name))
                .map(
                    scales ->
                        new Point(
                            scales.progress().step() + 1.0,
                            requireNonNull(scales.norms().get(name))))
                .filter(point -> Double.isFinite(point.y()))
                .toList();
        if (!points.isEmpty()) {
          lines.add(new Line(name, points, i + 1));
        }
      }
      if (!lines.isEmpty()) {
        chart(
            "Pull of each term",
            "The gradient norm of each weighted term at the start of each epoch: who has a say.",
            () -> Charts.curves(Axes.of("step", ""), lines));
      }
    }

    private void epochTable() {
      if (run.epochs().isEmpty()) {
        return;
      }
      List<String> header = new ArrayList<>(List.of("epoch", "loss"));
      List<String> terms = List.copyOf(run.epochs().get(0).terms().keySet());
      List<String> metrics =
          run.epochs().stream()
              .flatMap(epoch -> epoch.metrics().keySet().stream())
              .distinct()
              .toList();
      header.addAll(terms);
      header.addAll(metrics);
      header.addAll(List.of("learning rate", "temperature"));
      List<List<String>> rows = new ArrayList<>();
      int shown = Math.min(MOST_ROWS, run.epochs().size());
      for (int i = 0; i < shown; i++) {
        var epoch = run.epochs().get(evenly(i, shown, run.epochs().size()));
        List<String> row =
            new ArrayList<>(List.of(Integer.toString(epoch.epoch()), number(epoch.loss())));
        terms.forEach(term -> row.add(number(epoch.terms().getOrDefault(term, Double.NaN))));
        metrics.forEach(name -> row.add(number(epoch.metrics().getOrDefault(name, Double.NaN))));
        row.add(number(epoch.learningRate()));
        row.add(number(epoch.temperature()));
        rows.add(row);
      }
      page.open("details");
      page.element("summary", "Numbers by epoch");
      table(
          (shown < run.epochs().size()
                  ? shown + " of " + run.epochs().size() + " epochs; the JSON file has all. "
                  : "")
              + "Means of each epoch; settings of its last step",
          header,
          rows);
      page.close();
    }

    private void stepTable(List<String> terms) {
      List<RunRecord.Point> points = run.record().points();
      if (points.isEmpty()) {
        return;
      }
      List<String> header = new ArrayList<>(List.of("steps", "loss"));
      header.addAll(terms);
      terms.forEach(term -> header.add("weight of " + term));
      header.addAll(List.of("learning rate", "temperature", "gradient norm"));
      List<List<String>> rows = new ArrayList<>();
      int shown = Math.min(MOST_ROWS, points.size());
      for (int i = 0; i < shown; i++) {
        RunRecord.Point point = points.get(evenly(i, shown, points.size()));
        List<String> row =
            new ArrayList<>(
                List.of(
                    point.firstStep() == point.lastStep()
                        ? Format.count(point.firstStep())
                        : Format.count(point.firstStep()) + "–" + Format.count(point.lastStep()),
                    number(point.loss())));
        terms.forEach(term -> row.add(number(point.terms().getOrDefault(term, Double.NaN))));
        terms.forEach(term -> row.add(number(point.weights().getOrDefault(term, Double.NaN))));
        row.add(number(point.learningRate()));
        row.add(number(point.temperature().orElse(Double.NaN)));
        row.add(number(point.gradientNorm()));
        rows.add(row);
      }
      page.open("details");
      page.element("summary", "Numbers by step");
      table(
          shown < points.size()
              ? shown + " of " + points.size() + " points of the curves; the JSON file has all"
              : "All points of the curves",
          header,
          rows);
      page.close();
    }

    /** Returns the i-th of some indices that lie evenly between the first and the last. */
    private int evenly(int i, int shown, int all) {
      return shown == 1 ? 0 : (int) ((long) i * (all - 1) / (shown - 1));
    }

    private String number(double value) {
      return Double.isFinite(value) ? Format.decimal(value) : "–";
    }
  }

  private void method() {
    page.element("h2", "How this was measured");
    page.element(
        "p",
        "Small numbers under a figure are its 95 % bootstrap interval: "
            + Bootstrap.RESAMPLES
            + " resamples, in each of which first the seeds and then the test rows are drawn with"
            + " replacement; all models and seeds of a resample answer the same drawn rows, so that"
            + " comparisons are paired. With fewer than "
            + Bootstrap.MIN_SEEDS
            + " seeds only rows are drawn. For figures whose resamples would be biased (calibration"
            + " error, single classes, agreement beyond the task) and for costs they are the range"
            + " of the seeds instead.");
    page.element(
        "p",
        "Sizes and speeds are those of the first model of each kind, on this machine and at this"
            + " load, on one thread; compare them with each other only.");
    page.open("dl");
    for (Rows.Group group : Rows.COMPARISON) {
      for (Rows row : group.rows()) {
        if (isKnown(row)) {
          definition(row);
        }
      }
    }
    if (findings.specialisation().isPresent()) {
      Rows.SPECIALISATION.forEach(this::definition);
    }
    page.close();
    page.element(
        "p",
        "Made by distill for the JVM. This page refers to nothing outside itself.",
        "class",
        "note");
  }

  private void definition(Rows row) {
    page.element("dt", row.label().replace("… ", ""));
    page.element("dd", row.help());
  }
}
