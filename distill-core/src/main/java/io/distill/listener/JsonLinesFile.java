package io.distill.listener;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import io.distill.exception.DistillationException;
import io.distill.training.TrainingListener.RunStart;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads back what {@link JsonLinesMetrics} wrote before, to mend and to continue it. */
final class JsonLinesFile {

  /** What every line starts with. */
  static final String LINE_START = "{\"event\":\"";

  /** No line is longer: a step of a thousand terms stays below. */
  static final int MAXIMUM_LINE_BYTES = 1 << 20;

  private static final int BUFFER_BYTES = 1 << 16;

  private final Path path;
  private final GrowingFile file;

  JsonLinesFile(Path path, GrowingFile file) {
    this.path = path;
    this.file = file;
  }

  /** Says what a whole line is, and where the next one starts. */
  private interface Visitor {
    void line(Line line, long next);
  }

  /** What a line says of itself. */
  private record Line(String event, Map<String, Long> counts) {
    boolean is(String name) {
      return event.equals(name);
    }

    long count(String name) {
      return counts.getOrDefault(name, -1L);
    }
  }

  /**
   * Checks that all lines are ours, and mends the last one, of which a killed process or a failed
   * computer may have written a part.
   */
  void mend() {
    try {
      long rest = scan((line, next) -> {});
      long length = file.length();
      if (rest == length) {
        return;
      }
      byte[] torn = new byte[Math.toIntExact(Math.min(length - rest, MAXIMUM_LINE_BYTES))];
      file.read(rest, torn, torn.length);
      if (!startsLikeALine(torn) || torn.length < length - rest) {
        throw foreign("its last line", null);
      }
      if (isWhole(torn)) {
        file.append(new byte[] {'\n'}, 1);
      } else {
        file.truncate(rest);
      }
    } catch (IOException e) {
      throw GrowingFile.unwritable("metrics file", path, e);
    }
  }

  /**
   * Drops what a run that goes on from a checkpoint will tell again: whatever followed the
   * checkpoint. Lines of an older run, or of another recipe, stay.
   */
  void cut(RunStart start) throws IOException {
    Cut cut = new Cut(start);
    scan(cut);
    if (cut.sameRun) {
      file.truncate(cut.keep);
    }
  }

  /** Looks for the place behind the checkpoint. */
  private static final class Cut implements Visitor {
    private final RunStart start;
    private boolean sameRun;
    private boolean checkpointSeen;
    private boolean dropping;
    private long previous;
    private long keep;

    Cut(RunStart start) {
      this.start = start;
    }

    @Override
    public void line(Line line, long next) {
      if (line.is("runStart")) {
        boolean same = isSameRun(line);
        if (line.count("firstStep") == 0 || !same || !sameRun) {
          // all that came before belongs to other runs
          sameRun = same;
          checkpointSeen = false;
          dropping = false;
          keep = previous;
        }
      }
      dropping |= sameRun && comesAgain(line);
      if (!dropping) {
        keep = next;
      }
      previous = next;
    }

    private boolean comesAgain(Line line) {
      if (line.is("runStart")) {
        return line.count("firstStep") > start.firstStep();
      }
      long step = line.count("step");
      if (step < start.firstStep()) {
        return false;
      }
      if (step > start.firstStep()
          || checkpointSeen
          || line.is("runEnd")
          || line.is("runFailure")) {
        return true;
      }
      checkpointSeen = line.is("checkpoint");
      return false;
    }

    private boolean isSameRun(Line line) {
      return line.count("rows") == start.rows()
          && line.count("totalSteps") == start.totalSteps()
          && line.count("studentParameters") == start.studentParameters();
    }
  }

  /** Visits the whole lines and returns where the rest starts. */
  @CanIgnoreReturnValue
  private long scan(Visitor visitor) throws IOException {
    byte[] buffer = new byte[BUFFER_BYTES];
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    long lineStart = 0;
    long number = 1;
    for (long position = 0; position < file.length(); ) {
      int length = Math.toIntExact(Math.min(buffer.length, file.length() - position));
      file.read(position, buffer, length);
      int start = 0;
      for (int i = 0; i < length; i++) {
        if (buffer[i] == '\n') {
          line.write(buffer, start, i - start);
          start = i + 1;
          lineStart = position + start;
          visitor.line(parse(line.toByteArray(), number), lineStart);
          number++;
          line.reset();
        }
      }
      line.write(buffer, start, length - start);
      if (line.size() > MAXIMUM_LINE_BYTES) {
        throw foreign("line " + number, null);
      }
      position += length;
    }
    return lineStart;
  }

  private Line parse(byte[] bytes, long number) {
    try {
      return parse(bytes);
    } catch (IOException | IllegalStateException | NumberFormatException e) {
      throw foreign("line " + number, e);
    }
  }

  private static Line parse(byte[] bytes) throws IOException {
    String event = null;
    Map<String, Long> counts = new HashMap<>();
    try (JsonReader reader =
        new JsonReader(
            new InputStreamReader(new ByteArrayInputStream(bytes), StandardCharsets.UTF_8))) {
      reader.beginObject();
      while (reader.hasNext()) {
        String name = reader.nextName();
        if (event == null) {
          if (!name.equals("event")) {
            throw new IOException("the first name is " + name);
          }
          event = reader.nextString();
        } else if (reader.peek() == JsonToken.NUMBER) {
          double value = reader.nextDouble();
          counts.put(name, (long) value);
        } else {
          reader.skipValue();
        }
      }
      reader.endObject();
      if (event == null || reader.peek() != JsonToken.END_DOCUMENT) {
        throw new IOException("not one object with an event");
      }
    }
    return new Line(event, counts);
  }

  private static boolean isWhole(byte[] line) {
    try {
      return !parse(line).event().isEmpty();
    } catch (IOException | IllegalStateException | NumberFormatException e) {
      return false;
    }
  }

  private static boolean startsLikeALine(byte[] torn) {
    for (int i = 0; i < Math.min(torn.length, LINE_START.length()); i++) {
      // a computer that failed may leave zeros where data should have come
      if (torn[i] != LINE_START.charAt(i) && torn[i] != 0) {
        return false;
      }
    }
    return true;
  }

  private DistillationException foreign(String where, @Nullable Exception cause) {
    return new DistillationException(
        "metrics file must be new, empty or one that JsonLinesMetrics wrote but was "
            + path
            + ", in which "
            + where
            + " is something else; choose another path or move that file away",
        cause);
  }
}
