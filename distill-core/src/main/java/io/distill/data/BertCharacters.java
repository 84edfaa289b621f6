package io.distill.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** The role of every code point in BERT's normaliser and pre-tokeniser, as bits. */
final class BertCharacters {

  static final int REMOVED = 1;
  static final int WHITESPACE = 2;
  static final int PUNCTUATION = 4;
  static final int MARK = 8;
  static final int IDEOGRAPH = 16;

  private static final String RESOURCE = "bert-characters.txt";
  private static final List<String> ROLES = List.of("removed", "punctuation", "mark", "ideograph");
  private static final int[] BITS = {REMOVED, PUNCTUATION, MARK, IDEOGRAPH};

  private static final int PAGE = 256;
  // pages without any role share one array
  private static final byte[] EMPTY_PAGE = new byte[PAGE];
  private static final byte[][] PAGES = read();

  private BertCharacters() {}

  static int roles(int codePoint) {
    return PAGES[codePoint >> 8][codePoint & 0xFF];
  }

  private static byte[][] read() {
    byte[][] pages = new byte[(Character.MAX_CODE_POINT + 1) / PAGE][];
    Arrays.fill(pages, EMPTY_PAGE);
    // White_Space is a stable property: it will not change with a newer Unicode version
    for (String range : "9-d 20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000".split(" ", -1)) {
      add(pages, range, WHITESPACE);
    }
    try (InputStream stream = BertCharacters.class.getResourceAsStream(RESOURCE);
        BufferedReader reader =
            new BufferedReader(
                new InputStreamReader(
                    Objects.requireNonNull(stream, RESOURCE), StandardCharsets.US_ASCII))) {
      int bit = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (line.endsWith(":")) {
          bit = BITS[ROLES.indexOf(line.substring(0, line.length() - 1))];
        } else if (!line.startsWith("#")) {
          for (String range : line.strip().split(" ", -1)) {
            add(pages, range, bit);
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(RESOURCE, e);
    }
    return pages;
  }

  private static void add(byte[][] pages, String range, int bit) {
    int dash = range.indexOf('-');
    int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash), 16);
    int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1), 16);
    for (int point = first; point <= last; point++) {
      int page = point >> 8;
      if (pages[page] == EMPTY_PAGE) {
        pages[page] = new byte[PAGE];
      }
      pages[page][point & 0xFF] |= (byte) bit;
    }
  }
}
