package io.distill.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.hash.Hashing;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.report.Findings.OfModel;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.DoubleFunction;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class HtmlReportTest {

  private static final String HOSTILE = "<script>alert('\"&\u0000\uD800')</script>";

  private static String plain(int number) {
    return "class " + number;
  }

  private static Document parsed(String html) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(html)));
  }

  private static List<Element> elements(Document document, String name) {
    NodeList found = document.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < found.getLength(); i++) {
      elements.add((Element) found.item(i));
    }
    return elements;
  }

  /** The page of each shape; painting its charts takes a while. */
  private static final Map<Findings, String> PAGES = new LinkedHashMap<>();

  static Stream<Findings> shapes() {
    if (PAGES.isEmpty()) {
      sampled().forEach(findings -> PAGES.put(findings, HtmlReport.of(findings)));
    }
    return PAGES.keySet().stream();
  }

  private static Stream<Findings> sampled() {
    return Stream.of(
        SampleFindings.of(2, 3, 3, HtmlReportTest::plain),
        SampleFindings.of(5, 1, 1, HtmlReportTest::plain),
        SampleFindings.of(30, 3, 2, HtmlReportTest::plain),
        SampleFindings.of(160, 1, 1, HtmlReportTest::plain),
        SampleFindings.named(HOSTILE, HOSTILE, c -> HOSTILE + c));
  }

  @ParameterizedTest(name = "shape {index}")
  @MethodSource("shapes")
  void page_isWellFormed_andRefersToNothing(Findings findings) throws Exception {
    String html = PAGES.get(findings);
    Document document = parsed(html);

    assertThat(html).startsWith("<!DOCTYPE html>");
    Set<String> ids = new HashSet<>();
    for (Element element : elements(document, "*")) {
      for (String name : List.of("src", "href", "style", "action", "xlink:href")) {
        assertThat(element.hasAttribute(name)).as(element.getTagName() + " " + name).isFalse();
      }
      for (int i = 0; i < element.getAttributes().getLength(); i++) {
        assertThat(element.getAttributes().item(i).getNodeName()).doesNotStartWith("on");
      }
      if (element.hasAttribute("id")) {
        assertThat(ids.add(element.getAttribute("id"))).as(element.getAttribute("id")).isTrue();
      }
    }
    for (String name : List.of("script", "img", "link", "iframe", "object", "base", "form")) {
      assertThat(elements(document, name)).isEmpty();
    }
    assertThat(elements(document, "style").get(0).getTextContent())
        .doesNotContain("url(", "@import", "<", "&");
    // every reference within a chart leads to something
    var references = Pattern.compile("url\\(#([^)]*)\\)").matcher(html);
    while (references.find()) {
      assertThat(ids).contains(references.group(1));
    }
    assertThat(html.replace("http://www.w3.org/2000/svg", "")).doesNotContain("http:", "https:");
  }

  @Test
  void page_hasNoSelfClosedElements_thatHtmlDoesNotKnow() {
    var closed =
        Pattern.compile("<(\\w+)[^<>]*/>")
            .matcher(HtmlReport.of(SampleFindings.of(3, 3, 3, HtmlReportTest::plain)));
    while (closed.find()) {
      assertThat(closed.group(1)).isEqualTo("meta");
    }
  }

  @Test
  void policy_allowsTheStylesOfThePageAlone() throws Exception {
    Document document = parsed(HtmlReport.of(SampleFindings.of(2, 1, 1, HtmlReportTest::plain)));
    String policy =
        elements(document, "meta").stream()
            .filter(meta -> meta.getAttribute("http-equiv").equals("Content-Security-Policy"))
            .findFirst()
            .orElseThrow()
            .getAttribute("content");
    String styles = elements(document, "style").get(0).getTextContent();

    assertThat(policy)
        .startsWith("default-src 'none'; style-src 'sha256-")
        .contains(
            Base64.getEncoder()
                .encodeToString(
                    Hashing.sha256().hashString(styles, StandardCharsets.UTF_8).asBytes()));
  }

  @Test
  void whatUsersChose_isEscaped() throws Exception {
    String html = HtmlReport.of(SampleFindings.named(HOSTILE, HOSTILE, c -> HOSTILE + c));

    assertThat(html)
        .doesNotContain("<script", "\u0000")
        .contains("&lt;script&gt;alert('\"&amp;\uFFFD\uFFFD')&lt;/script&gt;");
    assertThat(elements(parsed(html), "title").get(0).getTextContent())
        .isEqualTo("<script>alert('\"&\uFFFD\uFFFD')</script>");
  }

  @Test
  void charts_areVectorsInTheColoursOfThePage() throws Exception {
    Document document = parsed(HtmlReport.of(SampleFindings.of(3, 3, 5, HtmlReportTest::plain)));

    List<Element> charts = elements(document, "svg");
    assertThat(charts).hasSizeGreaterThan(12);
    for (Element chart : charts) {
      assertThat(chart.getElementsByTagName("path").getLength()).isPositive();
      String title = chart.getAttribute("aria-labelledby");
      assertThat(((Element) chart.getFirstChild()).getAttribute("id")).isEqualTo(title);
      NodeList parts = chart.getElementsByTagName("*");
      for (int i = 0; i < parts.getLength(); i++) {
        Element part = (Element) parts.item(i);
        for (String paint : List.of("fill", "stroke")) {
          assertThat(part.getAttribute(paint)).isIn("", "none");
        }
      }
    }
  }

  @Test
  void everyCurve_isThere() throws Exception {
    Document document = parsed(HtmlReport.of(SampleFindings.of(3, 1, 5, HtmlReportTest::plain)));

    assertThat(elements(document, "strong").stream().map(Element::getTextContent))
        .contains(
            "Accuracy",
            "Accuracy and speed",
            "Agreement with the teacher",
            "Reliability",
            "Retention: mails",
            "Retention: prose",
            "Loss",
            "Loss term softTargets",
            "Loss term hardLabels",
            "Weights of the terms",
            "Temperature",
            "Learning rate",
            "Gradient norm",
            "Validation",
            "Pull of each term");
    assertThat(document.getDocumentElement().getTextContent())
        .contains("Weight of softTargets: 0.9000 in all steps.");
  }

  /** Every figure of the page is in the JSON file under the path that the page gives. */
  @ParameterizedTest(name = "shape {index}")
  @MethodSource("shapes")
  void figures_agreeWithJson(Findings findings) throws Exception {
    Document document = parsed(PAGES.get(findings));
    JsonObject json = JsonParser.parseString(JsonReport.of(findings)).getAsJsonObject();
    Map<String, JsonObject> figures = figures(json);
    Map<String, DoubleFunction<String>> formats = new LinkedHashMap<>();
    Rows.COMPARISON.forEach(group -> group.rows().forEach(r -> formats.put(r.key(), r.format())));
    Rows.SPECIALISATION.forEach(row -> formats.put(row.key(), row.format()));
    Rows.OTHER_SET.forEach(row -> formats.putIfAbsent(row.key(), row.format()));
    int compared = 0;
    for (Element cell : elements(document, "td")) {
      if (cell.hasAttribute("data-figure")) {
        String path = cell.getAttribute("data-figure");
        JsonObject figure = figures.remove(path);
        assertThat(figure).as(path).isNotNull();
        DoubleFunction<String> format = formats.get(path.substring(path.lastIndexOf('/') + 1));
        assertThat(cell.getTextContent()).isEqualTo(text(figure, format));
        compared++;
      }
    }
    assertThat(compared).isGreaterThan(40);
    // and nothing is in the JSON file alone
    assertThat(figures).isEmpty();
  }

  private static String text(JsonObject figure, DoubleFunction<String> format) {
    JsonElement value = figure.get("value");
    if (value.isJsonNull()) {
      return figure.get("missing").getAsString();
    }
    String text = format.apply(value.getAsDouble());
    JsonObject interval = figure.getAsJsonObject("interval");
    return interval == null
        ? text
        : text
            + format.apply(interval.get("low").getAsDouble())
            + " to "
            + format.apply(interval.get("high").getAsDouble());
  }

  private static Map<String, JsonObject> figures(JsonObject json) {
    Map<String, JsonObject> all = new LinkedHashMap<>();
    for (JsonElement each : json.getAsJsonArray("models")) {
      JsonObject model = each.getAsJsonObject();
      add(all, "models/" + name(model) + "/", model.getAsJsonObject("figures"));
    }
    for (JsonElement each : json.getAsJsonObject("specialisation").getAsJsonArray("models")) {
      JsonObject model = each.getAsJsonObject();
      String path = "specialisation/" + name(model) + "/";
      add(all, path, model.getAsJsonObject("figures"));
      JsonObject others = model.getAsJsonObject("others");
      others
          .keySet()
          .forEach(
              other -> add(all, path + "others/" + other + "/", others.getAsJsonObject(other)));
    }
    return all;
  }

  private static String name(JsonObject model) {
    return Page.allowed(model.get("name").getAsString());
  }

  private static void add(Map<String, JsonObject> all, String path, JsonObject figures) {
    figures.keySet().forEach(key -> all.put(path + key, figures.getAsJsonObject(key)));
  }

  @Test
  void emptyFindings_stillMakeAPage() throws Exception {
    Findings nothing =
        new Findings(
            "Nothing",
            Instant.EPOCH,
            List.of(),
            List.of(),
            Optional.empty(),
            List.of(
                new OfModel(
                    "student",
                    Role.DISTILLED,
                    1,
                    List.of(),
                    Map.of(),
                    List.of(),
                    List.of(),
                    Optional.empty())),
            Optional.empty(),
            List.of());

    assertThat(elements(parsed(HtmlReport.of(nothing)), "h1").get(0).getTextContent())
        .isEqualTo("Nothing");
  }
}
