package io.distill.examples.benchmark;

import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.TorchScriptModel;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.CacheReport;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.CachedTeacher.Shortfall;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Size, fidelity and speed of a cache of top logits over a vocabulary of 32,000, against the same
 * logits in plain form: ids of 15 bits each, log-probabilities and the mass of the rest in
 * bfloat16, the rest spread evenly.
 *
 * <p>Divergences are those of what comes back from the teacher's full distribution, in nats a
 * token. Bytes are those of the file, all directories included, with 32 tokens a row. Reading ends
 * with dense logits {@code [N, L, V]} on both sides. The share of a step is the part of a run in
 * which the cache answered, for a student with 64 hidden units and soft targets on every token.
 *
 * <p>Teachers: logits that fall as Zipf's law with noise, around favourite tokens that are the same
 * everywhere ({@code zipf}) or drawn anew for each token ({@code chance}, the worst that can come);
 * and with the arguments {@code tokenizer.json text.txt[.gz]} an interpolated trigram model of that
 * text ({@code text}).
 */
public final class CacheBenchmark {

  private static final int VOCABULARY = 32_000;
  private static final int ROWS = 24;
  private static final int LENGTH = 32;
  private static final int WIDTH = 64;
  private static final int[] KEPT = {8, 32, 50, 128};
  private static final int REPETITIONS = 5;
  private static final double NANOS = 1e3;
  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);

  private final PrintStream out;

  private CacheBenchmark(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments none, or a tokenizer.json and a text
   * @throws IOException if a file cannot be read or written
   */
  public static void main(String[] arguments) throws IOException {
    CacheBenchmark benchmark =
        new CacheBenchmark(new PrintStream(System.out, true, StandardCharsets.UTF_8));
    benchmark.run(arguments);
  }

  private void run(String[] arguments) throws IOException {
    out.printf(Locale.ROOT, "top logits of %,d, %d rows of %d tokens%n", VOCABULARY, ROWS, LENGTH);
    out.println(
        "teacher    k  kept T=1   T=4 | bytes  plain  ratio |     KL     plain | write  read  plain"
            + " µs/token | of a step");
    table(new NextTokens.Zipf("zipf", true, VOCABULARY));
    table(new NextTokens.Zipf("chance", false, VOCABULARY));
    if (arguments.length == 2) {
      Tokenizer tokenizer = Tokenizer.load(Path.of(arguments[0]), 1 << 16);
      table(NextTokens.Trigrams.of(tokenizer, VOCABULARY, Path.of(arguments[1])));
    }
  }

  private void table(NextTokens source) throws IOException {
    for (int k : KEPT) {
      Path directory = Files.createTempDirectory("distill-cache");
      try {
        line(source, k, directory.resolve("teacher.cache"));
      } finally {
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    }
  }

  private void line(NextTokens source, int k, Path file) throws IOException {
    DistillationDataset data = data();
    Drawn teacher = new Drawn(source);
    double write;
    try (CachedTeacher cached = Teacher.cached(file, teacher).topK(k)) {
      long start = System.nanoTime();
      cached.label(data, LOGITS);
      write = (System.nanoTime() - start - teacher.nanos) / NANOS / (ROWS * LENGTH);
    }
    try (CachedTeacher cached = Teacher.cached(file).keptMass(0, Shortfall.WARN)) {
      CacheReport report = cached.report();
      CacheReport.Kind logits = report.kinds().values().iterator().next();
      double bytes = (double) logits.bytes() / (ROWS * LENGTH);
      double plainBytes = (double) PackedTop.bytes(k, VOCABULARY);
      double[] divergences = divergences(cached, data, source, k);
      double[] read = read(cached, data, source, k);
      out.printf(
          Locale.ROOT,
          "%-9s %3d   %6.4f %6.4f | %5.1f  %5.1f   %4.2f | %.6f %.6f | %5.1f %5.1f  %5.1f         | %5.2f %%%n",
          source.name(),
          k,
          report.keptMass().get(0).mean(),
          report.keptMass().get(4).mean(),
          bytes,
          plainBytes,
          bytes / plainBytes,
          divergences[0],
          divergences[1],
          write,
          read[0],
          read[1],
          share(cached, data));
    }
  }

  /** Each token stands for a distribution of its own. */
  private static DistillationDataset data() {
    NDManager manager = NativeEngine.newManager(Device.cpu());
    long[] ids = IntStream.range(0, ROWS * LENGTH).asLongStream().toArray();
    return DistillationDataset.of(
        new ArrayDataset.Builder()
            .setData(
                manager.create(ids, new Shape(ROWS, LENGTH)),
                manager.ones(new Shape(ROWS, LENGTH), DataType.INT64))
            .setSampling(ROWS, false)
            .build());
  }

  private static final class Drawn implements Teacher {
    private final NextTokens source;
    private long nanos;

    Drawn(NextTokens source) {
      this.source = source;
    }

    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      long start = System.nanoTime();
      NDArray ids = batch.inputs().head();
      long[] tokens = ids.toLongArray();
      float[] flat = new float[tokens.length * VOCABULARY];
      for (int i = 0; i < tokens.length; i++) {
        System.arraycopy(source.logits(tokens[i]), 0, flat, i * VOCABULARY, VOCABULARY);
      }
      Signals signals =
          Signals.builder()
              .logits(batch.manager().create(flat, ids.getShape().add(VOCABULARY)))
              .mask(batch.inputs().get(1))
              .build();
      nanos += System.nanoTime() - start;
      return signals;
    }

    @Override
    public Set<SignalKind> provides() {
      return LOGITS;
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }

    @Override
    public Optional<String> fingerprint() {
      return Optional.of(source.name());
    }
  }

  /** Returns the mean divergence of the cache and of the plain form. */
  private static double[] divergences(
      CachedTeacher cached, DistillationDataset data, NextTokens source, int k) {
    double[] sums = new double[2];
    for (int row = 0; row < ROWS; row++) {
      try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
        Batch batch = data.inputs(null).batch(manager, new int[] {row});
        float[] kept = cached.signals(batch, LOGITS).logits().toFloatArray();
        for (int i = 0; i < LENGTH; i++) {
          double[] p = NextTokens.softmax(source.logits((long) row * LENGTH + i));
          sums[0] +=
              NextTokens.divergence(
                  p,
                  NextTokens.softmax(
                      Arrays.copyOfRange(kept, i * VOCABULARY, (i + 1) * VOCABULARY)));
          float[] plain = new float[VOCABULARY];
          PackedTop.pack(p, k).unpack(plain, 0);
          sums[1] += NextTokens.divergence(p, NextTokens.softmax(plain));
        }
      }
    }
    return new double[] {sums[0] / (ROWS * LENGTH), sums[1] / (ROWS * LENGTH)};
  }

  /** Returns the medians of the times to read a token, from the cache and in plain form. */
  private static double[] read(
      CachedTeacher cached, DistillationDataset data, NextTokens source, int k) {
    List<PackedTop> packed =
        IntStream.range(0, ROWS * LENGTH)
            .mapToObj(i -> PackedTop.pack(NextTokens.softmax(source.logits(i)), k))
            .toList();
    double[] ours = new double[REPETITIONS];
    double[] plain = new double[REPETITIONS];
    for (int i = -1; i < REPETITIONS; i++) {
      try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
        Batch batch = data.inputs(null).batch(manager, IntStream.range(0, ROWS).toArray());
        long start = System.nanoTime();
        NDArray kept = cached.signals(batch, LOGITS).logits();
        double one = (System.nanoTime() - start) / NANOS / (ROWS * LENGTH);
        start = System.nanoTime();
        NDArray dense = PackedTop.dense(manager, packed, k, VOCABULARY);
        double other = (System.nanoTime() - start) / NANOS / (ROWS * LENGTH);
        if (kept.size() != dense.size()) {
          throw new IllegalStateException("both forms must give as many logits");
        }
        if (i >= 0) {
          ours[i] = one;
          plain[i] = other;
        }
      }
    }
    Arrays.sort(ours);
    Arrays.sort(plain);
    return new double[] {ours[REPETITIONS / 2], plain[REPETITIONS / 2]};
  }

  /** Returns the part of a run's steps, in per cent, that the cache takes. */
  private static double share(CachedTeacher cached, DistillationDataset data) {
    try (DistillationResult result =
        Distiller.builder()
            .teacher(cached)
            .student(student())
            .loss(tokenLevel(softTargets()))
            .batchSize(ROWS / 2)
            .epochs(3)
            .device(Device.cpu())
            .fit(data)) {
      double steps = result.history().get(result.history().size() - 1).seconds();
      return 100 * result.teacherSeconds() / steps;
    }
  }

  private static Student student() {
    ScriptModule module =
        ScriptModule.builder("Tokens")
            .parameter("embedding", drawn(1))
            .parameter("output", drawn(2))
            .method(
                """
                def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
                  states = torch.tanh(torch.embedding(self.embedding, ids))
                  return torch.linear(states, self.output)
                """)
            .build();
    return setup -> {
      try {
        Path file = Files.createTempFile("tokens", ".pt");
        try {
          new TorchScriptArchive(module).write(file);
          return new DeployableModel(
              TorchScriptModel.openTrusted(
                  file,
                  (outputs, inputs) ->
                      Signals.builder().logits(outputs.get(0)).mask(inputs.get(1)).build(),
                  setup.device(),
                  true),
              null,
              setup.classNames());
        } finally {
          Files.delete(file);
        }
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    };
  }

  private static HostTensor drawn(long seed) {
    Random random = new Random(seed);
    float[] values = new float[VOCABULARY * WIDTH];
    for (int i = 0; i < values.length; i++) {
      values[i] = 0.1f * (float) random.nextGaussian();
    }
    return HostTensor.of(values, VOCABULARY, WIDTH);
  }
}
