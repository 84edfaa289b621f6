package io.distill.report;

import java.io.StringWriter;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/**
 * A page of HTML that is well-formed XML too. Everything that is not a tag is escaped by the
 * writer, whoever it came from.
 */
final class Page {

  private final StringWriter out = new StringWriter();
  private final XMLStreamWriter xml;

  Page() {
    try {
      this.xml = XMLOutputFactory.newDefaultFactory().createXMLStreamWriter(out);
      xml.writeDTD("<!DOCTYPE html>");
      xml.writeCharacters("\n");
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  /** Opens an element; attributes come in pairs of name and value. */
  void open(String name, String... attributes) {
    try {
      xml.writeStartElement(name);
      attributes(attributes);
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  /** Closes the element that was opened last. */
  void close() {
    try {
      // keeps an element without content from becoming <div/>, which HTML does not know
      xml.writeCharacters("");
      xml.writeEndElement();
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  /** Writes an element that HTML knows to have no content. */
  void empty(String name, String... attributes) {
    try {
      xml.writeEmptyElement(name);
      attributes(attributes);
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  /** Writes an element of text. */
  void element(String name, String text, String... attributes) {
    open(name, attributes);
    text(text);
    close();
  }

  void text(String text) {
    try {
      xml.writeCharacters(allowed(text));
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  private void attributes(String... attributes) throws XMLStreamException {
    for (int i = 0; i < attributes.length; i += 2) {
      xml.writeAttribute(attributes[i], allowed(attributes[i + 1]));
    }
  }

  /** Replaces characters that XML does not allow, such as control characters of a class name. */
  static String allowed(String text) {
    StringBuilder clean = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              boolean fine =
                  c == '\t'
                      || c == '\n'
                      || (c >= 0x20 && c <= 0xD7FF && !(c >= 0x7F && c <= 0x9F))
                      || (c >= 0xE000 && c <= 0xFFFD)
                      || c >= 0x10000;
              clean.appendCodePoint(fine ? c : 0xFFFD);
            });
    return clean.toString();
  }

  /** Returns the page; the writer must not be used afterwards. */
  String finished() {
    try {
      xml.writeEndDocument();
      xml.close();
      return out + "\n";
    } catch (XMLStreamException e) {
      throw failure(e);
    }
  }

  private static IllegalStateException failure(XMLStreamException cause) {
    return new IllegalStateException("a page in memory must be writable", cause);
  }
}
