package io.distill.listener;

import com.google.common.collect.MapMaker;
import java.io.Flushable;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An output that several runs share. Each of them may keep rows at its bottom; lines scroll by
 * above them.
 *
 * <p>The cursor rests on an empty row above the rows. So what others print meanwhile, such as a
 * logger, is never painted over: it takes the place of the empty row, and the next picture is drawn
 * below. Without rows nothing but plain lines is ever written.
 */
final class Screen {

  private static final Logger LOGGER = LoggerFactory.getLogger(Screen.class);

  private static final String ERASE_REST_OF_ROW = "\u001b[K";
  private static final String ERASE_BELOW = "\u001b[J";
  private static final String NO_COLOUR = "\u001b[0m";

  private static final Map<Appendable, Screen> SCREENS =
      new MapMaker().weakKeys().weakValues().makeMap();

  private static volatile boolean ending;

  private final Appendable out;
  private final Map<Object, List<String>> rows = new LinkedHashMap<>();
  private boolean drawn;
  private boolean broken;

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(Screen::leave, "distill-console"));
  }

  private Screen(Appendable out) {
    this.out = out;
  }

  /** Returns the one screen of an output. */
  static Screen of(Appendable out) {
    return SCREENS.computeIfAbsent(out, Screen::new);
  }

  /** At the end of the process, as by Ctrl-C, the shell finds a clean row. */
  private static void leave() {
    ending = true;
    SCREENS.values().forEach(Screen::clear);
  }

  private synchronized void clear() {
    rows.clear();
    draw(null);
  }

  /** Shows rows of an owner in place of those it had. */
  synchronized void show(Object owner, List<String> owned) {
    if (!ending) {
      rows.put(owner, List.copyOf(owned));
      draw(null);
    }
  }

  /** Takes the rows of an owner away. */
  synchronized void remove(Object owner) {
    if (rows.remove(owner) != null) {
      draw(null);
    }
  }

  /** Prints a line above all rows. */
  synchronized void print(String line) {
    draw(line);
  }

  private void draw(@Nullable String line) {
    StringBuilder picture = new StringBuilder();
    if (drawn) {
      picture.append('\r').append(ERASE_BELOW);
    }
    if (line != null) {
      picture.append(line).append(System.lineSeparator());
    }
    if (!rows.isEmpty()) {
      int down = 0;
      for (List<String> owned : rows.values()) {
        for (String row : owned) {
          picture.append("\r\n").append(row).append(NO_COLOUR).append(ERASE_REST_OF_ROW);
          down++;
        }
      }
      picture.append("\u001b[").append(down).append("A\r");
    }
    drawn = !rows.isEmpty();
    write(picture);
  }

  private void write(StringBuilder picture) {
    if (broken || picture.isEmpty()) {
      return;
    }
    try {
      // in one piece, so that nothing of others comes between
      out.append(picture.toString());
      if (out instanceof Flushable flushable) {
        flushable.flush();
      }
    } catch (IOException | RuntimeException e) {
      broken = true;
      LOGGER.warn("Progress can no longer be shown; the run goes on", e);
    }
  }
}
