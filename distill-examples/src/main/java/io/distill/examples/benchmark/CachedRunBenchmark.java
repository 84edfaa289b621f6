package io.distill.examples.benchmark;

import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.softTargetsAndHardLabels;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.examples.email.EmailExample;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.Student;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Ten epochs of the e-mail example without a cache, with one that is written, and from it alone:
 * whole wall time, and the part in which the teacher answered. The three runs must end in the same
 * weights.
 */
public final class CachedRunBenchmark {

  private static final int EPOCHS = 10;
  private static final int BATCH_SIZE = 64;
  private static final int LABELS_PER_CLASS = 10;
  private static final double NANOS = 1e9;

  private final PrintStream out;

  private CachedRunBenchmark(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments none are read
   * @throws IOException if a file cannot be read or written
   */
  public static void main(String[] arguments) throws IOException {
    new CachedRunBenchmark(new PrintStream(System.out, true, StandardCharsets.UTF_8)).run();
  }

  private void run() throws IOException {
    TextDataset data =
        mails("train.tsv").labelsPerClass(LABELS_PER_CLASS, 1).plus(mails("unlabelled.tsv"));
    Path directory = Files.createTempDirectory("distill-cache");
    Path file = directory.resolve("teacher.cache");
    try (ModelTeacher encoder = encoder();
        ModelTeacher teacher = encoder.withClassifier(data)) {
      TextDataset rows = data.classes(teacher.classNames());
      Tokenizer vocabulary = encoder.tokenizer().orElseThrow().trimmedTo(rows.texts());
      out.printf(Locale.ROOT, "%,d rows, %d epochs%n", rows.size(), EPOCHS);
      // the first run in a process compiles and loads
      train("warm-up", teacher, vocabulary, rows, 1);
      Map<String, float[]> plain = train("no cache", teacher, vocabulary, rows, EPOCHS);
      Map<String, float[]> first;
      try (CachedTeacher cached = Teacher.cached(file, teacher)) {
        first = train("writes the cache", cached, vocabulary, rows, EPOCHS);
      }
      Map<String, float[]> second;
      try (CachedTeacher cached = Teacher.cached(file)) {
        second = train("from the cache", cached, vocabulary, rows, EPOCHS);
        out.printf(
            Locale.ROOT, "%,d bytes in the file; %s%n", Files.size(file), cached.report().kinds());
      }
      boolean same = same(plain, first) && same(plain, second);
      out.println("the three runs ended in " + (same ? "the same weights" : "DIFFERENT weights"));
    } finally {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private Map<String, float[]> train(
      String name, Teacher teacher, Tokenizer vocabulary, TextDataset rows, int epochs) {
    long start = System.nanoTime();
    try (DistillationResult result =
        Distiller.builder()
            .teacher(teacher)
            .student(
                Student.bagOfEmbeddings()
                    .embeddingSize(64)
                    .hiddenSize(256)
                    .tokenizer(vocabulary)
                    .vocabularyFromData(false)
                    .build())
            .loss(softTargetsAndHardLabels(0.9).plus(embeddingCosine().weighted(5)))
            .temperature(0.5)
            .optimizer(Optimizer.adamW().withLearningRate(3e-3))
            .learningRateSchedule(LearningRateSchedule.cosine(0))
            .batchSize(BATCH_SIZE)
            .epochs(epochs)
            .seed(1)
            .fit(rows)) {
      double seconds = (System.nanoTime() - start) / NANOS;
      out.printf(
          Locale.ROOT,
          "%-17s %7.2f s, teacher %7.3f s (%4.1f %%)%n",
          name,
          seconds,
          result.teacherSeconds(),
          100 * result.teacherSeconds() / seconds);
      Map<String, float[]> weights = new TreeMap<>();
      result
          .student()
          .model()
          .parameters()
          .forEach((key, array) -> weights.put(key, array.toFloatArray()));
      return weights;
    }
  }

  private static boolean same(Map<String, float[]> left, Map<String, float[]> right) {
    return left.keySet().equals(right.keySet())
        && left.entrySet().stream()
            .allMatch(entry -> Arrays.equals(entry.getValue(), right.get(entry.getKey())));
  }

  private static ModelTeacher encoder() throws IOException {
    ClassLoader loader = EmailExample.class.getClassLoader();
    try (InputStream tokenizer = open(loader, "all-minilm-l6-v2-tokenizer.json");
        InputStream onnx = open(loader, "all-minilm-l6-v2.onnx")) {
      return Teacher.onnxSentenceEncoder(onnx, Tokenizer.parse(tokenizer).withMaxLength(256));
    }
  }

  private static InputStream open(ClassLoader loader, String name) {
    InputStream stream = loader.getResourceAsStream(name);
    if (stream == null) {
      throw new IllegalStateException("resource " + name + " must be on the class path");
    }
    return stream;
  }

  /** Reads a file of the example's corpus: a header, then a text and, after a tab, its label. */
  private static TextDataset mails(String name) throws IOException {
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(
                open(EmailExample.class.getClassLoader(), "io/distill/examples/email/" + name),
                StandardCharsets.UTF_8))) {
      List<TextExample> examples =
          reader
              .lines()
              .skip(1)
              .map(
                  line -> {
                    int tab = line.indexOf('\t');
                    return tab < 0
                        ? TextExample.unlabelled(line)
                        : TextExample.labelled(line.substring(0, tab), line.substring(tab + 1));
                  })
              .toList();
      return TextDataset.of(examples);
    }
  }
}
