package io.distill.examples.email;

import com.google.common.base.Splitter;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.TextFileReader;
import io.distill.exception.DistillationException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The data of the example: a pool of labelled rows, rows without labels, rows to test on, and other
 * kinds of text.
 *
 * @param title what the report is called
 * @param labelled rows from which each seed draws the labels that count
 * @param unlabelled further rows of the same kind, without labels; may be null
 * @param test rows that no student sees in training
 * @param others rows of other kinds, for the off-task check
 * @param labelsPerClass how many labels of each class count; empty for all
 * @param examples sentences to classify at the end
 */
record Scenario(
    String title,
    TextDataset labelled,
    @Nullable TextDataset unlabelled,
    TextDataset test,
    TextDataset others,
    OptionalInt labelsPerClass,
    List<String> examples) {

  private static final int DEFAULT_LABELS_PER_CLASS = 10;
  private static final double TEST_SHARE = 0.2;
  private static final int EXAMPLES = 5;

  private static final List<String> EXAMPLE_MAILS =
      List.of(
          "Could you send me last month's bill again? The total on it looks too high to me.",
          "I am out of the country until the 12th, please contact the front desk instead.",
          "my parcel says delivered but there is nothing on the porch",
          "Please take me off this list, I get three of these a day.",
          "Would Thursday at ten suit you for a quick call about the new kitchen?");

  /** Copies the list. */
  Scenario {
    examples = List.copyOf(examples);
  }

  /** The corpus that comes with the example. */
  static Scenario emails(OptionalInt labelsPerClass) {
    TextDataset labelled = resource("train.tsv");
    return new Scenario(
        "E-mail intents",
        labelled,
        resource("unlabelled.tsv"),
        resource("test.tsv").classes(labelled.classNames()),
        resource("other-texts.tsv"),
        OptionalInt.of(labelsPerClass.orElse(DEFAULT_LABELS_PER_CLASS)),
        EXAMPLE_MAILS);
  }

  /** The user's own files. */
  static Scenario files(
      Path data, @Nullable Path unlabelled, @Nullable Path test, OptionalInt labelsPerClass) {
    TextDataset all = reader(data).read();
    if (all.classNames().isEmpty()) {
      throw new DistillationException(
          "--data must have labels but no row of "
              + data
              + " has one; add a column named label, category or intent");
    }
    if (all.classNames().size() < 2) {
      throw new DistillationException(
          "--data must have labels of at least two classes but has only "
              + all.classNames()
              + "; add rows of another class");
    }
    TextDataset labelled = all;
    TextDataset held;
    if (test == null) {
      int[] order = shuffled(all.size());
      int cut = Math.max(1, (int) (all.size() * TEST_SHARE));
      held = all.subset(Arrays.copyOfRange(order, 0, cut)).classes(all.classNames());
      labelled = all.subset(Arrays.copyOfRange(order, cut, order.length)).classes(all.classNames());
    } else {
      held = reader(test).read().classes(all.classNames());
    }
    if (held.labelledRows().length == 0) {
      throw new DistillationException(
          "test rows must have labels but none has one; give labelled rows with --test");
    }
    TextDataset tested = held;
    return new Scenario(
        "Distilled on " + data.getFileName(),
        labelled,
        unlabelled == null ? null : reader(unlabelled).unlabelled().read(),
        held,
        resource("other-texts.tsv"),
        labelsPerClass,
        IntStream.range(0, Math.min(EXAMPLES, held.size())).mapToObj(tested::text).toList());
  }

  private static TextFileReader reader(Path file) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    String bare = name.endsWith(".gz") ? name.substring(0, name.length() - 3) : name;
    if (bare.endsWith(".jsonl")) {
      return TextDataset.jsonLines(file);
    }
    return bare.endsWith(".tsv") || bare.endsWith(".txt")
        ? TextDataset.tsv(file)
        : TextDataset.csv(file);
  }

  private static int[] shuffled(int size) {
    List<Integer> rows = new ArrayList<>(IntStream.range(0, size).boxed().toList());
    Collections.shuffle(rows, new Random(size));
    return rows.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Reads a file of the corpus: a header, then a text and, after a tab, its label. */
  private static TextDataset resource(String name) {
    try (InputStream stream = Scenario.class.getResourceAsStream(name)) {
      if (stream == null) {
        throw new DistillationException("resource " + name + " must be on the class path");
      }
      BufferedReader reader =
          new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
      Splitter tab = Splitter.on('\t');
      return TextDataset.of(
          reader
              .lines()
              .skip(1)
              .map(
                  line -> {
                    List<String> cells = tab.splitToList(line);
                    return cells.size() == 1
                        ? TextExample.unlabelled(cells.get(0))
                        : TextExample.labelled(cells.get(0), cells.get(1));
                  }));
    } catch (IOException e) {
      throw new DistillationException("resource " + name + " must be readable but was not", e);
    }
  }

  /** All training rows; only the labels that one seed draws count. */
  TextDataset training(long seed) {
    TextDataset drawn =
        labelsPerClass.isPresent()
            ? labelled.labelsPerClass(labelsPerClass.getAsInt(), seed)
            : labelled;
    return unlabelled == null ? drawn : drawn.plus(unlabelled).classes(drawn.classNames());
  }

  /** Returns whether some training rows have no label that counts. */
  boolean hasUnlabelledRows() {
    return training(0).unlabelledRows().length > 0;
  }

  /** Every second of the other texts, to fit a probe on. */
  TextDataset othersToFit() {
    return others.subset(IntStream.range(0, others.size()).filter(i -> i % 2 == 0).toArray());
  }

  /** The others, to try the probe on. */
  TextDataset othersToTest() {
    return others
        .subset(IntStream.range(0, others.size()).filter(i -> i % 2 == 1).toArray())
        .classes(othersToFit().classNames());
  }
}
