package io.distill.report;

import java.awt.Dimension;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGeneratorContext;
import org.apache.batik.svggen.SVGGraphics2D;
import org.apache.batik.svggen.SVGIDGenerator;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.XYChart;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;

/** Paints charts as SVG elements of a page. */
final class Svg {

  private static final String NAMESPACE = "http://www.w3.org/2000/svg";

  /** What Batik writes although it is what SVG has anyway, or means nothing to browsers. */
  private static final Set<String> NEEDLESS =
      Set.of(
          "color-interpolation",
          "color-rendering",
          "image-rendering",
          "shape-rendering",
          "text-rendering",
          "font-family",
          "font-size",
          "font-style",
          "font-weight",
          "xmlns:xlink");

  private Svg() {}

  /** Paints a chart and writes it into a page, described for those who do not see it. */
  static void write(Page page, XYChart chart, String id, String title) {
    Element root = paint(chart, id);
    page.open(
        "svg",
        "xmlns",
        NAMESPACE,
        "viewBox",
        "0 0 " + chart.getWidth() + " " + chart.getHeight(),
        "width",
        Integer.toString(chart.getWidth()),
        "height",
        Integer.toString(chart.getHeight()),
        "role",
        "img",
        "aria-labelledby",
        id + "-title",
        "class",
        "chart fink stroke-none");
    page.element("title", title, "id", id + "-title");
    children(page, root);
    page.close();
  }

  private static Element paint(XYChart chart, String id) {
    Document document = document();
    SVGGeneratorContext context = SVGGeneratorContext.createDefault(document);
    context.setComment(null);
    context.setPrecision(2);
    context.setIDGenerator(
        new SVGIDGenerator() {
          @Override
          public String generateID(String prefix) {
            // all charts stand in one page
            return super.generateID(id + "-" + prefix);
          }
        });
    SVGGraphics2D graphics = new SVGGraphics2D(context, false);
    try {
      graphics.setSVGCanvasSize(new Dimension(chart.getWidth(), chart.getHeight()));
      chart.paint(graphics, chart.getWidth(), chart.getHeight());
      return graphics.getRoot();
    } finally {
      graphics.dispose();
    }
  }

  private static Document document() {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
      return factory
          .newDocumentBuilder()
          .getDOMImplementation()
          .createDocument(NAMESPACE, "svg", null);
    } catch (ParserConfigurationException e) {
      throw new IllegalStateException("the XML parser of the JDK must work", e);
    }
  }

  private static void children(Page page, Node parent) {
    for (Node child = parent.getFirstChild(); child != null; child = child.getNextSibling()) {
      if (child instanceof Element element) {
        if (isInvisible(element)) {
          continue;
        }
        if (element.getLocalName().equals("line")) {
          child = lines(page, element);
          continue;
        }
        page.open(element.getLocalName(), attributes(element));
        children(page, element);
        page.close();
      } else if (child.getNodeType() == Node.TEXT_NODE) {
        page.text(child.getNodeValue());
      }
    }
  }

  /**
   * Writes a line and those that go on where it ends as one path, and returns the last of them: a
   * curve is drawn in pieces otherwise, with gaps in its dashes.
   */
  private static Element lines(Page page, Element first) {
    StringBuilder path = new StringBuilder();
    path.append("M").append(first.getAttribute("x1")).append(" ").append(first.getAttribute("y1"));
    Element last = first;
    for (Element next = first; next != null; next = following(last)) {
      path.append("L").append(next.getAttribute("x2")).append(" ").append(next.getAttribute("y2"));
      last = next;
    }
    Element joined = (Element) first.cloneNode(false);
    List.of("x1", "y1", "x2", "y2").forEach(joined::removeAttribute);
    joined.setAttribute("d", path.toString());
    page.open("path", attributes(joined));
    page.close();
    return last;
  }

  private static @Nullable Element following(Element line) {
    if (!(line.getNextSibling() instanceof Element next) || !next.getLocalName().equals("line")) {
      return null;
    }
    boolean goesOn =
        next.getAttribute("x1").equals(line.getAttribute("x2"))
            && next.getAttribute("y1").equals(line.getAttribute("y2"));
    Element atTheSamePlace = (Element) next.cloneNode(false);
    for (String place : List.of("x1", "y1", "x2", "y2")) {
      atTheSamePlace.setAttribute(place, line.getAttribute(place));
    }
    return goesOn && atTheSamePlace.isEqualNode(line) ? next : null;
  }

  /** Backgrounds are painted in no colour at all, and lists of definitions may be empty. */
  private static boolean isInvisible(Element element) {
    return element.getAttribute("fill-opacity").equals("0")
        || (element.getLocalName().equals("defs") && !element.hasChildNodes());
  }

  private static String[] attributes(Element element) {
    Map<String, String> attributes = new TreeMap<>();
    List<String> classes = new ArrayList<>();
    NamedNodeMap all = element.getAttributes();
    for (int i = 0; i < all.getLength(); i++) {
      String name = all.item(i).getNodeName();
      String value = all.item(i).getNodeValue();
      if (NEEDLESS.contains(name)) {
        continue;
      }
      String side = name.equals("fill") ? "f" : name.equals("stroke") ? "k" : "";
      var color = side.isEmpty() ? java.util.Optional.<Palette>empty() : Palette.of(value);
      if (color.isPresent()) {
        classes.add(side + color.get().css());
      } else {
        attributes.put(name, value);
      }
    }
    if (!classes.isEmpty()) {
      attributes.put("class", String.join(" ", classes));
    }
    List<String> flat = new ArrayList<>();
    attributes.forEach(
        (name, value) -> {
          flat.add(name);
          flat.add(value);
        });
    return flat.toArray(String[]::new);
  }
}
