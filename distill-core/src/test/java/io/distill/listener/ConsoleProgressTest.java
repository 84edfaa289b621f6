package io.distill.listener;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.distill.training.Every;
import io.distill.training.FloatRows;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
class ConsoleProgressTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);

  private final HandMade.Nanos nanos = new HandMade.Nanos();
  private final StringWriter out = new StringWriter();

  private ConsoleProgress lines() {
    return new ConsoleProgress(out, null, "", Duration.ofSeconds(10), nanos::read);
  }

  private ConsoleProgress bar() {
    return new ConsoleProgress(out, () -> 120, "", Duration.ofSeconds(10), nanos::read);
  }

  private List<String> printed() {
    return out.toString().lines().toList();
  }

  /** A terminal that understands what a screen writes to it. */
  private static final class Terminal {
    private final List<StringBuilder> rows = new ArrayList<>(List.of(new StringBuilder()));
    private int row;
    private int column;

    static List<String> show(CharSequence written) {
      Terminal terminal = new Terminal();
      for (int i = 0; i < written.length(); i++) {
        i = terminal.write(written, i);
      }
      List<String> shown =
          new ArrayList<>(
              terminal.rows.stream().map(each -> each.toString().stripTrailing()).toList());
      while (!shown.isEmpty() && shown.get(shown.size() - 1).isEmpty()) {
        shown.remove(shown.size() - 1);
      }
      return shown;
    }

    private int write(CharSequence text, int at) {
      char c = text.charAt(at);
      if (c == '\r') {
        column = 0;
      } else if (c == '\n') {
        column = 0;
        row++;
        if (row == rows.size()) {
          rows.add(new StringBuilder());
        }
      } else if (c == '\u001b') {
        int end = at + 2;
        while (!Character.isLetter(text.charAt(end))) {
          end++;
        }
        control(text.charAt(end), text.subSequence(at + 2, end).toString());
        return end;
      } else {
        StringBuilder line = rows.get(row);
        while (line.length() <= column) {
          line.append(' ');
        }
        line.setCharAt(column, c);
        column++;
      }
      return at;
    }

    private void control(char command, String number) {
      switch (command) {
        case 'A' -> row -= Integer.parseInt(number);
        case 'K' -> rows.get(row).setLength(Math.min(column, rows.get(row).length()));
        case 'J' -> {
          rows.get(row).setLength(Math.min(column, rows.get(row).length()));
          rows.subList(row + 1, rows.size()).clear();
        }
        case 'm' -> assertThat(number).matches("[0-9]*");
        default -> throw new AssertionError("ESC [ " + number + command);
      }
    }
  }

  private static void await(BooleanSupplier condition) throws InterruptedException {
    while (!condition.getAsBoolean()) {
      Thread.sleep(20);
    }
  }

  @Test
  void lines_comeAtABoundedRate_withoutControlCharacters() {
    ConsoleProgress progress = lines();
    progress.onTeacherPass(new TrainingListener.TeacherPass(32, 320));
    nanos.passSeconds(12);
    progress.onTeacherPass(new TrainingListener.TeacherPass(128, 320));
    nanos.passSeconds(1);
    progress.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    progress.onRunStart(HandMade.start(0));
    for (int number = 1; number <= 10; number++) {
      nanos.passSeconds(4);
      progress.onStep(HandMade.step(number));
      if (number == 5) {
        progress.onEvaluation(HandMade.evaluation(5));
        progress.onEpoch(HandMade.epoch(1));
        progress.onCheckpoint(HandMade.checkpoint(5));
      }
    }
    progress.onRunEnd(HandMade.end());
    assertThat(printed())
        .containsExactly(
            "teacher: 128 of 320 rows (40%), 8 rows/s, 24.0 s left",
            "training: 320 rows, 2 epochs, 10 steps, 1,234 parameters",
            "step 3/10 (30%)  epoch 1/2  loss 0.5000 (softTargets 0.3333, hardLabels 0.6667)"
                + "  lr 0.0033  T 4  8 rows/s  28.0 s left",
            "epoch 1/2  loss 0.7500  accuracy 0.6250  (best)  3.5 s",
            "checkpoint at step 5: " + Path.of("checkpoints", "step-5") + " (5.0 kB, 500 ms)",
            "step 6/10 (60%)  epoch 2/2  loss 0.2500 (softTargets 0.1667, hardLabels 0.3333)"
                + "  lr 0.0017  T 4  8 rows/s  16.0 s left",
            "step 9/10 (90%)  epoch 2/2  loss 0.1667 (softTargets 0.1111, hardLabels 0.2222)"
                + "  lr 0.0011  T 4  8 rows/s  4.0 s left",
            "completed: 10 steps in 12.5 s (teacher 2.5 s)  loss 0.1500  accuracy 0.6250");
    assertThat(out.toString()).matches("[\\x20-\\x7e\\r\\n]*").doesNotContain("\r\r");
  }

  @Test
  void manyShortEpochs_doNotFloodTheLog() {
    ConsoleProgress progress = lines();
    progress.onRunStart(HandMade.start(0));
    for (int i = 0; i < 1000; i++) {
      nanos.passSeconds(0.01);
      progress.onEpoch(HandMade.epoch(1));
      progress.onCheckpoint(HandMade.checkpoint(1));
    }
    // 20 at once, then one a second of each
    assertThat(printed()).hasSizeBetween(50, 62);
  }

  @Test
  void evaluationInsideAnEpoch_hasALineOfItsOwn() {
    ConsoleProgress progress = lines();
    progress.onRunStart(HandMade.start(0));
    progress.onStep(HandMade.step(1));
    progress.onEvaluation(HandMade.evaluation(1));
    progress.onStep(HandMade.step(2));
    progress.onEvaluation(
        new TrainingListener.Evaluation(HandMade.progress(2), Map.of(), false, 0));
    progress.onRunEnd(HandMade.end());
    assertThat(printed().get(1)).isEqualTo("evaluation at step 1  accuracy 0.0625  (best)  250 ms");
    assertThat(printed()).hasSize(3);
  }

  @Test
  void resumedRun_countsFromWhereItStopped() {
    ConsoleProgress progress = lines();
    progress.onRunStart(HandMade.start(6));
    nanos.passSeconds(20);
    progress.onStep(HandMade.step(7));
    assertThat(printed().get(0))
        .isEqualTo("training goes on after step 6: 320 rows, 2 epochs, 10 steps, 1,234 parameters");
    // one step took 20 s, three are left
    assertThat(printed().get(1)).startsWith("step 7/10 (70%)").endsWith("1:00 left");
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "COMPLETED, 'completed: '",
    "EARLY_STOPPED, 'stopped early, no improvement any more: '",
    "STOPPED, 'stopped on request: '"
  })
  void end_saysWhy(TrainingListener.EndReason reason, String start) {
    ConsoleProgress progress = lines().named("student A");
    progress.onRunStart(HandMade.start(0));
    progress.onRunEnd(HandMade.end(reason));
    assertThat(printed().get(1)).startsWith("[student A] " + start + "10 steps in 12.5 s");
  }

  @Test
  void failure_isOneLine() {
    ConsoleProgress progress = lines();
    progress.onRunStart(HandMade.start(0));
    progress.onRunFailure(HandMade.failure(3));
    progress.onRunStart(HandMade.start(0));
    progress.onRunFailure(new TrainingListener.RunFailure(0, new StackOverflowError()));
    assertThat(printed())
        .contains(
            "failed after 3 steps: IllegalStateException: loss must be finite but was NaN",
            "failed after 0 steps: StackOverflowError");
  }

  @Test
  void bar_showsAll_andIsGoneAtTheEnd() throws InterruptedException {
    ConsoleProgress progress = bar();
    progress.onTeacherPass(new TrainingListener.TeacherPass(32, 320));
    await(
        () ->
            Terminal.show(out.toString()).stream().anyMatch(row -> row.startsWith("teacher  10%")));
    progress.onRunStart(HandMade.start(0));
    for (int number = 1; number <= 5; number++) {
      nanos.passSeconds(2);
      progress.onStep(HandMade.step(number));
    }
    progress.onEvaluation(HandMade.evaluation(5));
    progress.onEpoch(HandMade.epoch(1));
    nanos.passSeconds(2);
    progress.onStep(HandMade.step(6));
    await(() -> Terminal.show(out.toString()).stream().anyMatch(row -> row.contains("6/10")));
    List<String> shown = Terminal.show(out.toString());
    assertThat(shown.subList(0, 3))
        .containsExactly(
            "training: 320 rows, 2 epochs, 10 steps, 1,234 parameters",
            "epoch 1/2  loss 0.7500  accuracy 0.6250  (best)  3.5 s",
            "");
    assertThat(shown.get(3))
        .startsWith("training  60% ")
        .contains(" 6/10 (0:00:0")
        .endsWith("16 rows/s");
    assertThat(shown.get(3).length()).isLessThan(120);
    assertThat(shown.subList(4, shown.size()))
        .containsExactly(
            "  epoch 2/2  loss 0.2500  softTargets 0.1667  hardLabels 0.3333",
            "  lr 0.0017  T 4  accuracy 0.6250");
    progress.onRunEnd(HandMade.end());
    assertThat(Terminal.show(out.toString()))
        .containsExactly(
            "training: 320 rows, 2 epochs, 10 steps, 1,234 parameters",
            "epoch 1/2  loss 0.7500  accuracy 0.6250  (best)  3.5 s",
            "completed: 10 steps in 12.5 s (teacher 2.5 s)  loss 0.2500  accuracy 0.6250");
    String before = out.toString();
    Thread.sleep(500);
    assertThat(out.toString()).as("nothing is drawn any more").isEqualTo(before);
  }

  @Test
  void narrowTerminal_getsShortRows() throws InterruptedException {
    ConsoleProgress progress =
        new ConsoleProgress(out, () -> 40, "", Duration.ofSeconds(10), nanos::read);
    progress.onRunStart(HandMade.start(0));
    progress.onStep(HandMade.step(1));
    await(() -> out.toString().contains("lr 0.0100"));
    assertThat(Terminal.show(out.toString()).subList(2, 6))
        .allMatch(row -> row.length() < 40)
        .contains(
            "  epoch 1/2  loss 1.5000",
            "  softTargets 1.0000  hardLabels 2.0000",
            "  lr 0.0100  T 4");
    progress.close();
  }

  @Test
  void runsOfTheSameConsole_standBelowOneAnother_andOthersMayPrint() throws InterruptedException {
    ConsoleProgress a = bar().named("a");
    ConsoleProgress b = bar().named("b");
    a.onRunStart(HandMade.start(0));
    b.onRunStart(HandMade.start(0));
    a.onStep(HandMade.step(1));
    b.onStep(HandMade.step(2));
    await(
        () ->
            Terminal.show(out.toString()).stream()
                .anyMatch(row -> row.startsWith("b training  20%")));
    await(
        () ->
            Terminal.show(out.toString()).stream()
                .anyMatch(row -> row.startsWith("a training  10%")));
    out.append("a logger prints this\n");
    b.onEpoch(HandMade.epoch(1));
    List<String> shown = Terminal.show(out.toString());
    assertThat(shown.subList(0, 5))
        .containsExactly(
            "[a] training: 320 rows, 2 epochs, 10 steps, 1,234 parameters",
            "[b] training: 320 rows, 2 epochs, 10 steps, 1,234 parameters",
            "a logger prints this",
            "[b] epoch 1/2  loss 0.7500  accuracy 0.6250  3.5 s",
            "");
    assertThat(shown.get(5)).startsWith("a training  10%");
    assertThat(shown.get(8)).startsWith("b training  20%");
    assertThat(shown).hasSize(11);
    a.onRunFailure(HandMade.failure(1));
    shown = Terminal.show(out.toString());
    assertThat(shown.get(4)).startsWith("[a] failed after 1 steps");
    assertThat(shown.get(6)).startsWith("b training  20%");
    assertThat(shown).hasSize(9);
    b.onRunEnd(HandMade.end());
    assertThat(Terminal.show(out.toString())).hasSize(6);
  }

  @Test
  void realRuns_atTheSameTime_bothArrive(@TempDir Path directory) throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    for (String name : List.of("a", "b")) {
      Thread thread =
          new Thread(
              () ->
                  TinyRuns.recipe()
                      .batchSize(4)
                      .epochs(2)
                      .validation(DATA)
                      .checkpoint(directory.resolve(name), Every.epochs(1))
                      .listener(ConsoleProgress.to(out).named(name).asBar(100))
                      .fit(DATA)
                      .close());
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    List<String> shown = Terminal.show(out.toString());
    for (String name : List.of("[a] ", "[b] ")) {
      assertThat(shown)
          .filteredOn(row -> row.startsWith(name))
          .extracting(row -> row.substring(4).replaceAll("[ :].*", ""))
          .containsExactly("training", "epoch", "checkpoint", "epoch", "checkpoint", "completed");
    }
    assertThat(shown).hasSize(12);
  }

  @Test
  void realRun_onAStreamThatIsNoTerminal_isLines() {
    java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
    PrintStream stream = new PrintStream(bytes, false, StandardCharsets.UTF_8);
    TinyRuns.recipe().epochs(1).listener(ConsoleProgress.to(stream)).fit(DATA).close();
    assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
        .hasSize(3)
        .first()
        .isEqualTo("training: 10 rows, 1 epoch, 1 step, 59 parameters");
    assertThat(bytes.toString(StandardCharsets.UTF_8)).doesNotContain("\u001b");
  }

  @Test
  void outputThatBreaks_isLoggedOnce() {
    Appendable broken =
        new Appendable() {
          @Override
          public Appendable append(CharSequence text) throws IOException {
            throw new IOException("Broken pipe");
          }

          @Override
          public Appendable append(CharSequence text, int start, int end) throws IOException {
            throw new IOException("Broken pipe");
          }

          @Override
          public Appendable append(char c) throws IOException {
            throw new IOException("Broken pipe");
          }
        };
    try (HandMade.Heard heard = new HandMade.Heard()) {
      HandMade.wholeRun(ConsoleProgress.to(broken));
      assertThat(heard.messages())
          .containsExactly("Progress can no longer be shown; the run goes on");
    }
  }

  @Test
  void interrupt_staysSet_whenTheBarIsTakenAway() {
    ConsoleProgress progress = bar();
    progress.onRunStart(HandMade.start(0));
    progress.onStep(HandMade.step(1));
    Thread.currentThread().interrupt();
    progress.onRunEnd(HandMade.end(TrainingListener.EndReason.STOPPED));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(Terminal.show(out.toString()).get(1)).startsWith("stopped on request: ");
    assertThat(Terminal.show(out.toString())).hasSize(2);
  }

  @Test
  void shortRuns_neverLeaveABar() {
    for (int i = 0; i < 50; i++) {
      HandMade.wholeRun(bar());
    }
    assertThat(Terminal.show(out.toString())).hasSize(50 * 6);
  }

  @Test
  void badArguments_areRefused() {
    assertThatNullPointerException().isThrownBy(() -> ConsoleProgress.to(null));
    assertThatNullPointerException().isThrownBy(() -> lines().named(null));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> lines().asLines(Duration.ofSeconds(-1)))
        .withMessage("interval must not be negative but was PT-1S");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> lines().asBar(19))
        .withMessage("width must be at least 20 but was 19");
    assertThat(ConsoleProgress.create().named("a")).hasToString("ConsoleProgress a");
  }

  @ParameterizedTest(name = "{0}, CI {1}, on {2}")
  @CsvSource({
    "xterm-256color, '', Linux, true",
    "xterm, true, Linux, false",
    "dumb, '', Linux, false",
    "'', '', Mac OS X, false",
    "'', '', Windows 11, false",
    "cygwin, '', Windows 11, true",
  })
  void environment_saysWhetherRowsCanBeDrawn(
      String type, String ci, String system, boolean expected) {
    assertThat(Terminals.canDraw(Map.of("TERM", type, "CI", ci), system)).isEqualTo(expected);
    assertThat(Terminals.canDraw(Map.of("WT_SESSION", "1"), "Windows 11")).isTrue();
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "0, 0",
    "-0.0, 0",
    "0.43121, 0.4312",
    "12.3456, 12.35",
    "1234.4, 1234",
    "29400000, 2.94e7",
    "0.00029, 2.90e-4",
    "-3e-12, -3.00e-12",
    "NaN, NaN",
    "Infinity, Infinity"
  })
  void values_areShort(double value, String text) {
    assertThat(Figures.value(value)).isEqualTo(text);
  }

  @Test
  void times_settingsAndSizes_areShort() {
    assertThat(Figures.time(0.0344)).isEqualTo("34 ms");
    assertThat(Figures.time(3.44)).isEqualTo("3.4 s");
    assertThat(Figures.time(65)).isEqualTo("1:05");
    assertThat(Figures.time(30 * 3600 + 7)).isEqualTo("30:00:07");
    assertThat(Figures.time(Double.NaN)).isEqualTo("NaN s");
    assertThat(Figures.setting(4)).isEqualTo("4");
    assertThat(Figures.setting(2.35)).isEqualTo("2.35");
    assertThat(Figures.setting(100)).isEqualTo("100");
    assertThat(Figures.setting(1e-5)).isEqualTo("1.00e-5");
    assertThat(Figures.bytes(512)).isEqualTo("512 B");
    assertThat(Figures.bytes(4_234_567)).isEqualTo("4.2 MB");
    assertThat(Figures.bytes(5_000_000_000_000_000L)).isEqualTo("5000.0 TB");
  }
}
