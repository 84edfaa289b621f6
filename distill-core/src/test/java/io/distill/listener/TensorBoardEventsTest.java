package io.distill.listener;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import com.google.protobuf.CodedInputStream;
import io.distill.exception.DistillationException;
import io.distill.training.FloatRows;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardEventsTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);

  @TempDir Path directory;

  private final HandMade.Nanos nanos = new HandMade.Nanos();

  /** What a reader makes of a record. */
  private record Event(
      double wallTime, long step, String version, int session, Map<String, Float> scalars) {}

  private TensorBoardEvents listener(GrowingFile.Opener opener) {
    return new TensorBoardEvents(directory, HandMade.CLOCK, nanos::read, opener);
  }

  private TensorBoardEvents listener() {
    return listener(GrowingFile.Opener.READ_WRITE);
  }

  private List<Path> files() {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Reads a file by the rules of the format, written down here once more. */
  private static List<Event> read(Path file) {
    try {
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      List<Event> events = new ArrayList<>();
      while (bytes.hasRemaining()) {
        int start = bytes.position();
        int length = Math.toIntExact(bytes.getLong());
        assertThat(bytes.getInt()).isEqualTo(masked(bytes.array(), start, 8));
        byte[] data = new byte[length];
        bytes.get(data);
        assertThat(bytes.getInt()).isEqualTo(masked(data, 0, length));
        events.add(event(CodedInputStream.newInstance(data)));
      }
      return events;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** CRC32C bit by bit, reflected polynomial 0x82f63b78. */
  private static int masked(byte[] bytes, int offset, int length) {
    int crc = ~0;
    for (int i = offset; i < offset + length; i++) {
      crc ^= bytes[i] & 0xff;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc & 1) == 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
      }
    }
    crc = ~crc;
    return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
  }

  private static Event event(CodedInputStream in) throws IOException {
    double wallTime = 0;
    long step = 0;
    String version = "";
    int session = 0;
    Map<String, Float> scalars = new LinkedHashMap<>();
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (tag >>> 3) {
        case 1 -> wallTime = in.readDouble();
        case 2 -> step = in.readInt64();
        case 3 -> version = in.readString();
        case 5 -> scalars(in.readByteArray(), scalars);
        case 7 -> {
          CodedInputStream log = CodedInputStream.newInstance(in.readByteArray());
          assertThat(log.readTag()).isEqualTo(1 << 3);
          session = log.readEnum();
        }
        default -> throw new AssertionError("field " + (tag >>> 3));
      }
    }
    return new Event(wallTime, step, version, session, scalars);
  }

  private static void scalars(byte[] summary, Map<String, Float> into) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(summary);
    while (!in.isAtEnd()) {
      assertThat(in.readTag()).isEqualTo((1 << 3) | 2);
      CodedInputStream value = CodedInputStream.newInstance(in.readByteArray());
      assertThat(value.readTag()).isEqualTo((1 << 3) | 2);
      String name = value.readString();
      assertThat(value.readTag()).isEqualTo((2 << 3) | 5);
      into.put(name, value.readFloat());
    }
  }

  @Test
  void records_areByteForByteWhatTensorBoardWrites() throws IOException {
    EventRecords.Scalars first = new EventRecords.Scalars();
    first.add("train/loss", 0.5);
    first.add("train/terms/softTargets", 0.1);
    EventRecords.Scalars second = new EventRecords.Scalars();
    second.add("validation/précision", 0);
    EventRecords.Scalars third = new EventRecords.Scalars();
    third.add("train/loss", Double.POSITIVE_INFINITY);
    ByteArrayOutputStream written = new ByteArrayOutputStream();
    written.write(EventRecords.version(1700000000.25));
    written.write(EventRecords.session(1700000000.5, 0, EventRecords.Session.START, ""));
    written.write(EventRecords.scalars(1700000001.0, 1, first));
    written.write(EventRecords.scalars(1700000002.0, 300, second));
    written.write(EventRecords.scalars(1700000003.0, 1L << 40, third));
    written.write(
        EventRecords.session(1700000004.0, 300, EventRecords.Session.CHECKPOINT, "runs/a/300"));
    written.write(EventRecords.session(1700000005.0, 300, EventRecords.Session.STOP, ""));
    try (InputStream golden = getClass().getResourceAsStream("/golden/tensorboard-events.bin")) {
      assertThat(written.toByteArray()).isEqualTo(Objects.requireNonNull(golden).readAllBytes());
    }
  }

  @Test
  void maskedCrc_isTheOneOfTheFormat() {
    byte[] bytes = "123456789".getBytes(StandardCharsets.US_ASCII);
    // the check value of CRC32C is 0xe3069283
    assertThat(EventRecords.maskedCrc(bytes, 0, bytes.length))
        .isEqualTo(((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8)
        .isEqualTo(masked(bytes, 0, bytes.length));
  }

  @Test
  void run_becomesScalarsByTag() {
    TensorBoardEvents events = listener();
    events.onRunStart(HandMade.start(0));
    nanos.passSeconds(0.5);
    events.onStep(
        new TrainingListener.Step(
            HandMade.progress(4),
            1.25,
            Map.of("softTargets", 1.5),
            Map.of("softTargets", 0.875),
            0.25,
            4,
            0.75,
            Map.of("softTargets", 0.125),
            32));
    events.onEvaluation(HandMade.evaluation(5));
    events.onEpoch(HandMade.epoch(1));
    events.onCheckpoint(HandMade.checkpoint(5));
    events.onRunEnd(HandMade.end());
    assertThat(files()).hasSize(1);
    assertThat(files().get(0).getFileName().toString())
        .startsWith("events.out.tfevents.1772366400.");
    List<Event> read = read(files().get(0));
    double noon = HandMade.NOON.getEpochSecond();
    assertThat(read.get(0)).isEqualTo(new Event(noon, 0, "brain.Event:2", 0, Map.of()));
    assertThat(read.get(1)).isEqualTo(new Event(noon, 0, "", 1, Map.of()));
    assertThat(read.get(2).step()).isEqualTo(5);
    assertThat(read.get(2).scalars())
        .containsExactly(
            Map.entry("train/loss", 1.25f),
            Map.entry("train/terms/softTargets", 1.5f),
            Map.entry("train/weights/softTargets", 0.875f),
            Map.entry("train/learningRate", 0.25f),
            Map.entry("train/temperature", 4f),
            Map.entry("train/gradientNorm", 0.75f),
            Map.entry("train/gradientNorms/softTargets", 0.125f),
            Map.entry("train/rowsPerSecond", 64f));
    assertThat(read.get(3))
        .isEqualTo(new Event(noon, 5, "", 0, Map.of("validation/accuracy", 0.3125f)));
    assertThat(read.get(4).scalars())
        .containsExactly(
            Map.entry("epoch/loss", 0.75f), Map.entry("epoch/terms/softTargets", 0.5f));
    assertThat(read.get(5).scalars())
        .containsExactly(
            Map.entry("checkpoint/bytes", 5000f), Map.entry("checkpoint/seconds", 0.5f));
    assertThat(read.get(6)).isEqualTo(new Event(noon, 5, "", 3, Map.of()));
    assertThat(read.get(7).scalars())
        .containsExactly(Map.entry("run/seconds", 12.5f), Map.entry("run/teacherSeconds", 2.5f));
    assertThat(read.get(8)).isEqualTo(new Event(noon, 10, "", 2, Map.of()));
    assertThat(read).hasSize(9);
  }

  @Test
  void epochWithoutEvaluation_tellsItsMetrics_andNoTemperatureIsNoPoint() {
    TensorBoardEvents events = listener();
    events.onRunStart(HandMade.start(0));
    events.onStep(
        new TrainingListener.Step(
            HandMade.progress(0), Double.NaN, Map.of(), Map.of(), 1, Double.NaN, 1, Map.of(), 1));
    events.onEpoch(HandMade.epoch(1));
    events.onRunFailure(HandMade.failure(1));
    List<Event> read = read(files().get(0));
    assertThat(read.get(2).scalars()).containsEntry("train/loss", Float.NaN);
    assertThat(read.get(2).scalars()).doesNotContainKey("train/temperature");
    assertThat(read.get(3).scalars()).containsEntry("validation/accuracy", 0.625f);
    assertThat(read.get(3).step()).isEqualTo(1);
    assertThat(read.get(4).session()).isEqualTo(2);
    events.onStep(HandMade.step(2));
    assertThat(read(files().get(0))).hasSize(5);
  }

  @Test
  void everyRun_hasAFileOfItsOwn_inOrder_andSaysWhatComesAgain() {
    TensorBoardEvents events = listener();
    HandMade.wholeRun(events);
    List<Path> first = files();
    events.onRunStart(HandMade.start(5));
    HandMade.steps(events, 5, 10);
    events.onRunEnd(HandMade.end());
    // in the same second, and sorted behind
    assertThat(files()).hasSize(2);
    assertThat(files().get(0)).isEqualTo(first.get(0));
    List<Event> second = read(files().get(1));
    assertThat(second.get(1).session()).isEqualTo(1);
    assertThat(second.get(1).step()).isEqualTo(6);
    assertThat(second.get(2).step()).isEqualTo(6);
  }

  @Test
  void realRun_writesEveryStep() {
    TinyRuns.Events heard = new TinyRuns.Events();
    TinyRuns.recipe()
        .batchSize(4)
        .epochs(2)
        .validation(DATA)
        .listener(heard)
        .listener(TensorBoardEvents.to(directory.resolve("a/b")))
        .fit(DATA)
        .close();
    List<Event> read;
    try (Stream<Path> files = Files.list(directory.resolve("a/b"))) {
      read = read(files.toList().get(0));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    List<Event> steps =
        read.stream().filter(event -> event.scalars().containsKey("train/loss")).toList();
    assertThat(steps).hasSameSizeAs(heard.steps);
    for (int i = 0; i < steps.size(); i++) {
      assertThat(steps.get(i).step()).isEqualTo(i + 1);
      assertThat(steps.get(i).scalars())
          .containsEntry("train/loss", (float) heard.steps.get(i).loss())
          .containsEntry("train/gradientNorm", (float) heard.steps.get(i).gradientNorm());
    }
    assertThat(read.stream().filter(event -> event.scalars().containsKey("validation/agreement")))
        .extracting(Event::step)
        .containsExactly(3L, 6L);
  }

  @Test
  void file_isWholeAfterEveryEvent() {
    TensorBoardEvents events = listener();
    events.onRunStart(HandMade.start(0));
    for (int step = 1; step <= 4; step++) {
      events.onStep(HandMade.step(step));
      assertThat(read(files().get(0))).hasSize(step + 2);
    }
    events.close();
  }

  @Test
  void directoryThatCannotBeWritten_isRefusedAtOnce() throws IOException {
    Files.writeString(directory.resolve("file"), "");
    Path below = directory.resolve("file/events");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> TensorBoardEvents.to(below))
        .withMessageStartingWith(
            "directory of event files must be writable but was " + below + " (")
        .withMessageEndingWith("); check the path and its permissions");
    assertThatNullPointerException().isThrownBy(() -> TensorBoardEvents.to(null));
  }

  @Test
  void creation_leavesNothingBehind() {
    listener().close();
    assertThat(files()).isEmpty();
  }

  @Test
  void twoRunsAtTheSameTime_needADirectoryEach() {
    TensorBoardEvents first = listener();
    TensorBoardEvents second = listener();
    first.onRunStart(HandMade.start(0));
    String message =
        "directory of event files must belong to one run at a time but was "
            + directory
            + ", to which another run is writing; give each run its own directory";
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(this::listener)
        .withMessage(message);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> second.onRunStart(HandMade.start(0)))
        .withMessage(message);
    second.onStep(HandMade.step(1));
    second.close();
    assertThat(files()).hasSize(1);
    first.onRunEnd(HandMade.end());
    HandMade.wholeRun(second);
    assertThat(files()).hasSize(2);
  }

  @Test
  void fullDisk_isLoggedOnce_andLeavesWholeRecords() {
    HandMade.FullDisk disk = new HandMade.FullDisk();
    try (HandMade.Heard heard = new HandMade.Heard()) {
      TensorBoardEvents events = listener(disk);
      events.onRunStart(HandMade.start(0));
      disk.full.set(true);
      HandMade.steps(events, 0, 5);
      disk.full.set(false);
      events.onRunEnd(HandMade.end());
      assertThat(read(files().get(0))).hasSize(2);
      assertThat(heard.messages())
          .containsExactly(
              files().get(0) + " cannot be written any more; the run goes on without it",
              files().get(0) + " lacks 11 entries that could not be written");
    }
  }

  @Test
  void interruptedThread_writesOn() {
    TensorBoardEvents events = listener();
    Thread.currentThread().interrupt();
    try {
      HandMade.wholeRun(events);
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
    assertThat(read(files().get(0))).hasSizeGreaterThan(12);
  }
}
