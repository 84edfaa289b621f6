package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.RowTemperature;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.CachedTeacher.Shortfall;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Top logits of rows and of tokens, through a file. */
class CachedTopKTest {

  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);
  private static final int VOCABULARY = 300;
  private static final int K = 12;

  @TempDir Path directory;

  private Path file() {
    return directory.resolve("teacher.cache");
  }

  /** A language model: the logits after each token are drawn from its id. */
  private static final class Drawn implements Teacher {
    private final double sharpness;

    Drawn(double sharpness) {
      this.sharpness = sharpness;
    }

    float[] logits(long token) {
      Random random = new Random(token);
      float[] logits = new float[VOCABULARY];
      for (int i = 0; i < VOCABULARY; i++) {
        logits[i] = (float) (sharpness * (random.nextGaussian() - 0.01 * i));
      }
      logits[VOCABULARY - 1] = Float.NEGATIVE_INFINITY;
      return logits;
    }

    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      NDArray ids = batch.inputs().head();
      long[] tokens = ids.toLongArray();
      float[] flat = new float[tokens.length * VOCABULARY];
      for (int i = 0; i < tokens.length; i++) {
        System.arraycopy(logits(tokens[i]), 0, flat, i * VOCABULARY, VOCABULARY);
      }
      return Signals.builder()
          .logits(batch.manager().create(flat, ids.getShape().add(VOCABULARY)))
          .mask(batch.inputs().get(1))
          .build();
    }

    @Override
    public Set<SignalKind> provides() {
      return LOGITS;
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.of(TinyRuns.tokenizer());
    }

    @Override
    public Optional<String> fingerprint() {
      return Optional.of("drawn " + sharpness);
    }

    @Override
    public Device device() {
      return Device.cpu();
    }
  }

  private static double[] softmax(float[] logits, int from) {
    double[] p = new double[VOCABULARY];
    double sum = 0;
    for (int i = 0; i < VOCABULARY; i++) {
      p[i] = Math.exp(logits[from + i]);
      sum += p[i];
    }
    for (int i = 0; i < VOCABULARY; i++) {
      p[i] /= sum;
    }
    return p;
  }

  @Test
  void tokens_keepTheirTopAndTheMassOfTheRest() {
    TextDataset data = TinyRuns.texts(60);
    Drawn teacher = new Drawn(2);
    try (CachedTeacher cached = Teacher.cached(file(), teacher).topK(K)) {
      cached.label(data, LOGITS);
    }
    BatchSource source = data.inputs(TinyRuns.tokenizer());
    try (CachedTeacher alone = Teacher.cached(file());
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      int[] rows = {5, 0, 20, 7};
      Batch batch = source.batch(manager, rows);
      Signals kept = alone.signals(batch, LOGITS);
      assertThat(kept.logits().getShape())
          .isEqualTo(batch.inputs().head().getShape().add(VOCABULARY));
      assertThat(kept.mask().orElseThrow().toLongArray())
          .isEqualTo(batch.inputs().get(1).toLongArray());
      float[] logits = kept.logits().toFloatArray();
      long[] tokens = batch.inputs().head().toLongArray();
      long[] mask = batch.inputs().get(1).toLongArray();
      int padding = 0;
      for (int i = 0; i < tokens.length; i++) {
        if (mask[i] == 1) {
          requireClose(softmax(teacher.logits(tokens[i]), 0), softmax(logits, i * VOCABULARY));
          assertThat(logits[(i + 1) * VOCABULARY - 1]).isEqualTo(Float.NEGATIVE_INFINITY);
        } else {
          padding++;
        }
      }
      assertThat(padding).isPositive();
      CacheReport report = alone.report();
      assertThat(report.kinds().get(SignalKind.LOGITS).coding()).isEqualTo("top 12");
      assertThat(report.kinds().get(SignalKind.LOGITS).rows()).isEqualTo(60);
      long length = IntStream.range(0, 60).map(source::length).sum();
      assertThat(report.keptMass())
          .hasSize(6)
          .allSatisfy(mass -> assertThat(mass.tokens()).isEqualTo(length));
    }
  }

  private static void requireClose(double[] teacher, double[] kept) {
    int[] order =
        IntStream.range(0, VOCABULARY)
            .boxed()
            .sorted((left, right) -> Double.compare(teacher[right], teacher[left]))
            .mapToInt(Integer::intValue)
            .toArray();
    double divergence = 0;
    double teachersRest = 0;
    double rest = 0;
    for (int i = 0; i < VOCABULARY; i++) {
      double p = teacher[order[i]];
      double q = kept[order[i]];
      if (i < K) {
        divergence += p * Math.log(p / q);
      } else {
        teachersRest += p;
        rest += q;
      }
    }
    divergence += teachersRest * Math.log(teachersRest / rest);
    assertThat(divergence).isLessThan(1.0 / (1 << 16));
  }

  @Test
  void keptMass_isThatOfTheFullDistribution_atEachTemperature() {
    TextDataset data = TinyRuns.texts(60);
    Drawn teacher = new Drawn(2);
    double[] sums = new double[2];
    double least = 1;
    long count = 0;
    BatchSource source = data.inputs(TinyRuns.tokenizer());
    try (CachedTeacher cached = Teacher.cached(file(), teacher).topK(K);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      cached.label(data, LOGITS);
      Batch batch = source.batch(manager, IntStream.range(0, 60).toArray());
      long[] tokens = batch.inputs().head().toLongArray();
      long[] mask = batch.inputs().get(1).toLongArray();
      for (int i = 0; i < tokens.length; i++) {
        if (mask[i] == 1) {
          double atOne = top(teacher.logits(tokens[i]), 1);
          sums[0] += atOne;
          sums[1] += top(teacher.logits(tokens[i]), 4);
          least = Math.min(least, atOne);
          count++;
        }
      }
      CacheReport.Mass one = cached.report().keptMass().get(0);
      CacheReport.Mass four = cached.report().keptMass().get(4);
      assertThat(one.temperature()).isEqualTo(1);
      assertThat(four.temperature()).isEqualTo(4);
      assertThat(one.mean()).isCloseTo(sums[0] / count, within(1e-5));
      assertThat(four.mean()).isCloseTo(sums[1] / count, within(1e-5));
      assertThat(one.least()).isCloseTo(least, within(1e-5));
      assertThat(one.least()).isLessThanOrEqualTo(one.percentile1());
      assertThat(one.percentile1()).isLessThanOrEqualTo(one.percentile25());
      assertThat(one.percentile25()).isLessThanOrEqualTo(one.median());
      assertThat(four.mean()).isLessThan(one.mean());
    }
  }

  private static double top(float[] logits, double temperature) {
    double[] p = new double[VOCABULARY];
    double sum = 0;
    for (int i = 0; i < VOCABULARY; i++) {
      p[i] = Math.exp(logits[i] / temperature);
      sum += p[i];
    }
    Arrays.sort(p);
    double kept = 0;
    for (int i = VOCABULARY - K; i < VOCABULARY; i++) {
      kept += p[i] / sum;
    }
    return kept;
  }

  @Test
  void theEpochThatWrites_seesWhatLaterOnesRead() {
    TextDataset data = TinyRuns.texts(20);
    BatchSource source = data.inputs(TinyRuns.tokenizer());
    try (CachedTeacher cached = Teacher.cached(file(), new Drawn(2)).topK(K);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      cached.prepare(new TeacherSetup(data, LOGITS));
      Batch batch = source.batch(manager, new int[] {0, 1, 2, 3, 4, 5});
      float[] first = cached.signals(batch, LOGITS).logits().toFloatArray();
      float[] second = cached.signals(batch, LOGITS).logits().toFloatArray();
      cached.finish();
      float[] third = cached.signals(batch, LOGITS).logits().toFloatArray();
      assertThat(second).isEqualTo(first);
      assertThat(third).isEqualTo(first);
    }
    try (CachedTeacher alone = Teacher.cached(file());
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Batch one = source.batch(manager, new int[] {4});
      Batch many = source.batch(manager, new int[] {1, 4});
      NDList both =
          new NDList(
              alone.signals(one, LOGITS).logits().get(0),
              alone.signals(many, LOGITS).logits().get(1));
      long length = source.length(4);
      assertThat(both.get(1).get("0:" + length).toFloatArray())
          .as("whatever the padding")
          .isEqualTo(both.get(0).get("0:" + length).toFloatArray());
    }
  }

  @Test
  void tablesAreLearnedAgain_whenMoreIsKnown() {
    // short rows first, then many
    TextDataset few = TinyRuns.texts(2);
    TextDataset many = manyTexts(400);
    BatchSource source = many.inputs(TinyRuns.tokenizer());
    Drawn teacher = new Drawn(2);
    try (CachedTeacher cached = Teacher.cached(file(), teacher).topK(K);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      cached.label(few, LOGITS);
      cached.label(many, LOGITS);
      long bytes = cached.report().kinds().get(SignalKind.LOGITS).bytes();
      assertThat(bytes).isPositive();
      // rows under old and new tables in one batch
      TextDataset both = few.plus(many);
      Batch batch = both.inputs(TinyRuns.tokenizer()).batch(manager, new int[] {0, 1, 100, 401});
      float[] logits = cached.signals(batch, LOGITS).logits().toFloatArray();
      long[] tokens = batch.inputs().head().toLongArray();
      long[] mask = batch.inputs().get(1).toLongArray();
      for (int i = 0; i < tokens.length; i++) {
        if (mask[i] == 1) {
          requireClose(softmax(teacher.logits(tokens[i]), 0), softmax(logits, i * VOCABULARY));
        }
      }
      assertThat(source.size()).isEqualTo(400);
    }
  }

  private static TextDataset manyTexts(int size) {
    return TextDataset.of(
        IntStream.range(0, size)
            .mapToObj(
                i ->
                    io.distill.data.TextExample.unlabelled(
                        "refund " + i + " of the invoice " + (i * 7919) % 1000 + " mail"))
            .toList());
  }

  @Test
  void rowsOfManyClasses_areKeptByTheirTop_fewClassesExactly() {
    FloatRows wide = FloatRows.random(40, 50, 1);
    FloatRows narrow = FloatRows.random(40, 5, 1);
    try (CachedTeacher cached =
            Teacher.cached(file(), RuleTeacher.of(row -> scaled(row))).identifiedAs("a").topK(10);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      cached.label(wide, LOGITS);
      Batch batch = wide.batch(manager, new int[] {3, 9});
      float[] kept = cached.signals(batch, LOGITS).logits().softmax(1).toFloatArray();
      float[] exact =
          manager
              .create(batch.inputs().head().mul(3f).toFloatArray(), new Shape(2, 50))
              .softmax(1)
              .toFloatArray();
      for (int row = 0; row < 2; row++) {
        float[] sorted = Arrays.copyOfRange(exact, row * 50, row * 50 + 50);
        Arrays.sort(sorted);
        for (int i = row * 50; i < row * 50 + 50; i++) {
          if (exact[i] >= sorted[40]) {
            assertThat(kept[i]).isCloseTo(exact[i], within(0.13f * exact[i]));
          }
        }
      }
      assertThat(cached.verify(wide, 40, 1).largestDifference())
          .isLessThan(CachedTeacher.TOP_K_BOUND);
    }
    try (CachedTeacher cached =
            Teacher.cached(directory.resolve("b"), RuleTeacher.echo()).identifiedAs("b").topK(10);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      cached.label(narrow, LOGITS);
      Batch batch = narrow.batch(manager, new int[] {3, 9});
      assertThat(cached.signals(batch, LOGITS).logits().toFloatArray())
          .isEqualTo(batch.inputs().head().toFloatArray());
      assertThat(cached.report().keptMass()).isEmpty();
    }
  }

  private static float[] scaled(float[] row) {
    float[] scaled = row.clone();
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] *= 3;
    }
    return scaled;
  }

  @Test
  void temperaturesThatKeepTooLittle_areRefused_orWarnedOf() {
    FloatRows rows = FloatRows.random(400, 50, 1);
    CachedTeacher strict =
        Teacher.cached(file(), RuleTeacher.of(CachedTopKTest::scaled)).identifiedAs("a").topK(8);
    try (strict) {
      strict.label(rows, LOGITS);
      double atOne = strict.report().keptMass().get(0).mean();
      double atFour = strict.report().keptMass().get(4).mean();
      assertThat(atOne).isGreaterThan(0.7);
      assertThat(atFour).isLessThan(0.5);
      var recipe = TinyRuns.recipeOf(strict).epochs(1).batchSize(100);
      assertThatCode(() -> TinyRuns.train(recipe, rows)).doesNotThrowAnyException();
      assertThatThrownBy(
              () ->
                  TinyRuns.train(
                      TinyRuns.recipeOf(strict)
                          .temperature(TemperatureSchedule.cosine(4, 1))
                          .epochs(1),
                      rows))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining(
              "must have at least 0.500 of the teacher's probability at the highest temperature of"
                  + " the run, 4.00, but have ");
      assertThatThrownBy(
              () -> TinyRuns.train(TinyRuns.recipeOf(strict).temperature(9).epochs(1), rows))
          .hasMessageContaining("9.00, but have at most");
      assertThatThrownBy(
              () ->
                  TinyRuns.train(
                      TinyRuns.recipeOf(strict)
                          .temperature(RowTemperature.learned(1, 6, 2))
                          .epochs(1),
                      rows))
          .hasMessageContaining("6.00, but have");
    }
    try (CachedTeacher lenient = Teacher.cached(file()).keptMass(0.5, Shortfall.WARN)) {
      assertThatCode(
              () -> TinyRuns.train(TinyRuns.recipeOf(lenient).temperature(4).epochs(1), rows))
          .doesNotThrowAnyException();
    }
    try (CachedTeacher strictest = Teacher.cached(file()).keptMass(0.99, Shortfall.REFUSE)) {
      assertThatThrownBy(() -> TinyRuns.train(TinyRuns.recipeOf(strictest).epochs(1), rows))
          .hasMessageContaining("must have at least 0.990");
    }
  }

  @Test
  void aTemperatureOfALoss_countsInsteadOfTheRuns() {
    FloatRows rows = FloatRows.random(400, 50, 1);
    try (CachedTeacher cached =
        Teacher.cached(file(), RuleTeacher.of(CachedTopKTest::scaled)).identifiedAs("a").topK(8)) {
      cached.label(rows, LOGITS);
      assertThatCode(
              () ->
                  TinyRuns.train(
                      io.distill.Distiller.builder()
                          .teacher(cached)
                          .student(TinyRuns.perceptron())
                          .loss(
                              TinyRuns.logitDistance()
                                  .atTemperature(TemperatureSchedule.constant(1)))
                          .temperature(4)
                          .epochs(1)
                          .device(Device.cpu()),
                      rows))
          .doesNotThrowAnyException();
      assertThatThrownBy(
              () ->
                  TinyRuns.train(
                      io.distill.Distiller.builder()
                          .teacher(cached)
                          .student(TinyRuns.perceptron())
                          .loss(
                              TinyRuns.logitDistance()
                                  .plus(
                                      TinyRuns.logitDistance()
                                          .atTemperature(TemperatureSchedule.linear(1, 5))))
                          .epochs(1)
                          .device(Device.cpu()),
                      rows))
          .hasMessageContaining("5.00, but have");
    }
  }

  @Test
  void aNewCache_isJudgedWhileItIsWritten() {
    FloatRows rows = FloatRows.random(400, 50, 1);
    try (CachedTeacher cached =
        Teacher.cached(file(), RuleTeacher.of(CachedTopKTest::scaled)).identifiedAs("a").topK(8)) {
      assertThatThrownBy(
              () -> TinyRuns.train(TinyRuns.recipeOf(cached).temperature(4).epochs(1), rows))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("4.00, but have");
    }
  }

  @Test
  void aSequence_ofAUsualVocabulary_isSmall() {
    TextDataset data = manyTexts(120);
    Drawn teacher = new Drawn(2);
    try (CachedTeacher cached = Teacher.cached(file(), teacher).topK(K)) {
      cached.label(data, LOGITS);
      CacheReport.Kind logits = cached.report().kinds().get(SignalKind.LOGITS);
      long tokens = cached.report().keptMass().get(0).tokens();
      // 12 of 300 take 76 bits as a random set; plain they would take 12 * (9 + 16) bits
      assertThat((double) logits.bytes() / tokens).isLessThan(12 * (9 + 16) / 8.0 + 2);
    }
  }
}
