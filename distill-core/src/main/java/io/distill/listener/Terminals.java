package io.distill.listener;

import java.nio.charset.Charset;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntSupplier;
import org.jline.terminal.TerminalBuilder;
import org.jline.terminal.spi.SystemStream;
import org.jline.terminal.spi.TerminalProvider;
import org.jspecify.annotations.Nullable;

/** Finds out whether people watch a standard stream. */
final class Terminals {

  private static final int DEFAULT_COLUMNS = 80;
  private static final int FEWEST_COLUMNS = 20;

  /** Asking may start a process where native code is not to be had. */
  private static final long ASK_AGAIN_NANOS = 1_000_000_000L;

  private Terminals() {}

  /** Returns how wide a stream is now, or null if rows cannot be drawn there. */
  static @Nullable IntSupplier columns(SystemStream stream, Map<String, String> environment) {
    if (!canDraw(environment, System.getProperty("os.name", ""))) {
      return null;
    }
    for (TerminalProvider provider : providers()) {
      try {
        if (provider.isSystemStream(stream)) {
          return remembered(() -> provider.systemStreamWidth(stream));
        }
      } catch (RuntimeException | LinkageError e) {
        // the next one may know
      }
    }
    return null;
  }

  /** Returns whether a terminal of this environment understands how rows are drawn. */
  static boolean canDraw(Map<String, String> environment, String system) {
    if (!environment.getOrDefault("CI", "").isEmpty()) {
      return false;
    }
    String type = environment.getOrDefault("TERM", "");
    if (system.toLowerCase(Locale.ROOT).startsWith("windows")) {
      return !type.isEmpty() || environment.containsKey("WT_SESSION");
    }
    return !type.isEmpty() && !type.startsWith("dumb");
  }

  private static List<TerminalProvider> providers() {
    try {
      return TerminalBuilder.builder()
          .getProviders(null, new IllegalStateException("no way to ask a terminal"));
    } catch (RuntimeException | LinkageError e) {
      return List.of();
    }
  }

  private static IntSupplier remembered(IntSupplier ask) {
    return new IntSupplier() {
      private int columns;
      private long asked;

      @Override
      public synchronized int getAsInt() {
        long now = System.nanoTime();
        if (columns == 0 || now - asked > ASK_AGAIN_NANOS) {
          int answer = ask.getAsInt();
          // terminals inside of editors say 0
          columns = answer < FEWEST_COLUMNS ? DEFAULT_COLUMNS : answer;
          asked = now;
        }
        return columns;
      }
    };
  }

  /** Returns whether a standard stream can show the characters of a text. */
  static boolean shows(String text) {
    String name =
        System.getProperty("stderr.encoding", System.getProperty("sun.stderr.encoding", ""));
    try {
      Charset charset = name.isEmpty() ? Charset.defaultCharset() : Charset.forName(name);
      return charset.newEncoder().canEncode(text);
    } catch (IllegalArgumentException | UnsupportedOperationException e) {
      return false;
    }
  }
}
