package io.distill.huggingface.internal;

import com.google.common.html.HtmlEscapers;

/** A text that {@code safe} has marked: what is added to it is escaped for HTML. */
record Markup(String text) {
  static String escape(Object value) {
    return value instanceof Markup markup
        ? markup.text()
        : HtmlEscapers.htmlEscaper().escape(Values.text(value)).replace("&quot;", "&#34;");
  }
}
