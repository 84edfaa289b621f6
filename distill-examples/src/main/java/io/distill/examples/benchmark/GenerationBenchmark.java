package io.distill.examples.benchmark;

import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.model.DeployableModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * How long a language model takes to write 200 tokens, alone and in a batch of 16, here and with
 * {@code generate} of the transformers library, in turns on the same threads.
 *
 * <p>Arguments: a checkpoint, the number of threads, a Python that has transformers, and the script
 * {@code distill-core/src/test/scripts/generation_benchmark.py}. Without the last two only this
 * library is timed.
 */
public final class GenerationBenchmark {

  private static final int[] BATCHES = {1, 16};
  private static final int TOKENS = 200;
  private static final int REPETITIONS = 5;
  private static final int ROUNDS = 3;
  private static final String PROMPT = "Once upon a time";

  private GenerationBenchmark() {}

  /**
   * Runs the benchmark.
   *
   * @param arguments a checkpoint, threads, and perhaps Python and script
   * @throws IOException if the other program cannot be run
   */
  public static void main(String[] arguments) throws IOException {
    PrintStream out = System.out;
    if (arguments.length != 2 && arguments.length != 4) {
      out.println("usage: GenerationBenchmark CHECKPOINT THREADS [PYTHON SCRIPT]");
      System.exit(2);
    }
    System.setProperty("ai.djl.pytorch.num_threads", arguments[1]);
    Map<Integer, List<Double>> ours = new HashMap<>();
    Map<Integer, List<Double>> theirs = new HashMap<>();
    try (DeployableModel model = DeployableModel.load(Path.of(arguments[0]))) {
      TextGenerator generator = TextGenerator.of(model);
      for (int round = 0; round < ROUNDS; round++) {
        for (int batch : BATCHES) {
          ours.computeIfAbsent(batch, key -> new ArrayList<>()).addAll(times(generator, batch));
        }
        if (arguments.length == 4) {
          transformers(arguments)
              .forEach(
                  (batch, times) ->
                      theirs.computeIfAbsent(batch, key -> new ArrayList<>()).addAll(times));
        }
      }
    }
    for (int batch : BATCHES) {
      double own = median(Objects.requireNonNull(ours.get(batch)));
      out.printf(
          Locale.ROOT,
          "batch %2d: distill %8.1f ms, %8.0f tokens/s",
          batch,
          own,
          1e3 * batch * TOKENS / own);
      List<Double> other = theirs.get(batch);
      if (other != null) {
        out.printf(
            Locale.ROOT,
            "; transformers %8.1f ms; %.2f times as fast",
            median(other),
            median(other) / own);
      }
      out.println();
    }
  }

  private static List<Double> times(TextGenerator generator, int batch) {
    GenerationOptions options =
        GenerationOptions.builder().maxNewTokens(TOKENS).ignoreEnd(true).build();
    List<String> prompts = Collections.nCopies(batch, PROMPT);
    List<Double> times = new ArrayList<>();
    for (int i = 0; i < REPETITIONS + 2; i++) {
      long start = System.nanoTime();
      int written = generator.generate(prompts, options).get(0).tokenIds().size();
      if (written != TOKENS) {
        throw new IllegalStateException("wrote " + written + " tokens");
      }
      if (i >= 2) {
        times.add((System.nanoTime() - start) / 1e6);
      }
    }
    return times;
  }

  private static Map<Integer, List<Double>> transformers(String[] arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                arguments[2],
                arguments[3],
                arguments[0],
                arguments[1],
                PROMPT,
                Integer.toString(TOKENS),
                Integer.toString(REPETITIONS)));
    Arrays.stream(BATCHES).forEach(batch -> command.add(Integer.toString(batch)));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    Map<Integer, List<Double>> times = new HashMap<>();
    try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        List<String> parts = List.of(line.split(" ", -1));
        times.put(
            Integer.valueOf(parts.get(0)),
            parts.subList(1, parts.size()).stream().map(Double::valueOf).toList());
      }
    }
    return times;
  }

  private static double median(List<Double> times) {
    List<Double> sorted = times.stream().sorted().toList();
    return sorted.get(sorted.size() / 2);
  }
}
