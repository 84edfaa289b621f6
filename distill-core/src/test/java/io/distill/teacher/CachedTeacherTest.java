package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CachedTeacherTest {

  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);

  private static final TextDataset DATA = TinyRuns.texts(60);

  private static DistillationResult trained;
  private static DistillationResult other;

  @TempDir Path directory;

  private static Student encoder(int layers) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(16)
        .heads(2)
        .dropout(0.1)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  private static DistillationResult train(long seed) {
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(encoder(2))
        .loss(TinyRuns.crossEntropy())
        .epochs(1)
        .seed(seed)
        .fit(DATA);
  }

  @BeforeAll
  static void train() {
    trained = train(5);
    other = train(6);
  }

  @AfterAll
  static void close() {
    trained.close();
    other.close();
  }

  private Path file() {
    return directory.resolve("teacher.cache");
  }

  /** Counts the rows that a teacher is asked for. */
  private static final class Counted implements Teacher {
    private final Teacher inside;
    final AtomicInteger rows = new AtomicInteger();

    Counted(Teacher inside) {
      this.inside = inside;
    }

    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      rows.addAndGet(batch.size());
      return inside.signals(batch, kinds);
    }

    @Override
    public Set<SignalKind> provides() {
      return inside.provides();
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return inside.tokenizer();
    }

    @Override
    public List<String> classNames() {
      return inside.classNames();
    }

    @Override
    public Optional<String> fingerprint() {
      return inside.fingerprint();
    }
  }

  private static Counted teacher() {
    return new Counted(Teacher.of(trained.student()));
  }

  @CanIgnoreReturnValue
  private static Map<String, float[]> run(
      Teacher teacher, DistillationLoss loss, int epochs, DistillationDataset data) {
    return TinyRuns.train(
        Distiller.builder()
            .teacher(teacher)
            .student(encoder(1))
            .loss(loss)
            .epochs(epochs)
            .batchSize(16),
        data);
  }

  private static Map<String, float[]> run(Teacher teacher, DistillationLoss loss) {
    return run(teacher, loss, 3, DATA);
  }

  private static void requireSame(Map<String, float[]> expected, Map<String, float[]> actual) {
    assertThat(actual.keySet()).isEqualTo(expected.keySet());
    expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).isEqualTo(values));
  }

  /** Reads logits and embeddings. */
  private static DistillationLoss rowLoss() {
    return TinyRuns.of(
        context ->
            context.meanOverRows(
                context
                    .student()
                    .logits()
                    .sub(context.teacher().logits())
                    .square()
                    .sum(new int[] {1})
                    .add(context.teacher().embedding().square().sum(new int[] {1}))
                    .mul(context.student().logits().square().sum(new int[] {1}))),
        LOGITS,
        Set.of(SignalKind.LOGITS, SignalKind.EMBEDDING),
        false);
  }

  /** Reads the last hidden states, masked. */
  private static DistillationLoss hiddenLoss() {
    return TinyRuns.of(
        context -> {
          NDArray mask = context.teacher().mask().orElseThrow().expandDims(2);
          NDArray difference =
              context
                  .student()
                  .hiddenStates()
                  .get(0)
                  .sub(context.teacher().hiddenStates().get(1))
                  .square()
                  .mul(mask.toType(ai.djl.ndarray.types.DataType.FLOAT32, false));
          return context.meanOverRows(difference.sum(new int[] {2}).sum(new int[] {1}));
        },
        Set.of(SignalKind.HIDDEN_STATES),
        Set.of(SignalKind.HIDDEN_STATES),
        false);
  }

  @Test
  void weights_areThoseOfARunWithoutACache() {
    Map<String, float[]> expected = run(teacher(), rowLoss());
    Counted paid = teacher();
    try (CachedTeacher first = Teacher.cached(file(), paid)) {
      requireSame(expected, run(first, rowLoss()));
    }
    int distinct = (int) DATA.texts().stream().distinct().count();
    // two more for the look before the run, which is not kept
    assertThat(paid.rows).hasValue(distinct + 2);
    try (CachedTeacher second = Teacher.cached(file(), paid)) {
      requireSame(expected, run(second, rowLoss()));
    }
    assertThat(paid.rows).as("asked again").hasValue(distinct + 2);
    try (CachedTeacher alone = Teacher.cached(file())) {
      requireSame(expected, run(alone, rowLoss()));
    }
  }

  @Test
  void labelled_beforeTheRun_givesTheSameWeights() {
    Map<String, float[]> expected = run(teacher(), rowLoss());
    List<Long> done = new ArrayList<>();
    try (CachedTeacher labelling = Teacher.cached(file(), teacher())) {
      assertThat(labelling.label(DATA)).isEqualTo(60);
      assertThat(labelling.label(DATA, LOGITS, done::add)).as("nothing is missing").isZero();
    }
    assertThat(done).containsExactly(32L, 60L);
    try (CachedTeacher alone = Teacher.cached(file())) {
      requireSame(expected, run(alone, rowLoss()));
    }
  }

  @Test
  void hiddenStates_areKeptWithTheirMask() {
    Map<String, float[]> expected = run(teacher(), hiddenLoss(), 1, DATA);
    Counted paid = teacher();
    try (CachedTeacher first = Teacher.cached(file(), paid)) {
      requireSame(expected, run(first, hiddenLoss(), 1, DATA));
      int asked = paid.rows.get();
      run(first, hiddenLoss(), 4, DATA);
      assertThat(paid.rows).hasValue(asked);
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      requireSame(expected, run(alone, hiddenLoss(), 1, DATA));
    }
  }

  @Test
  void everyKind_comesBackExactly_withOtherPadding() {
    Set<SignalKind> kinds = trained.student().model().provides();
    assertThat(kinds)
        .contains(
            SignalKind.LOGITS,
            SignalKind.EMBEDDING,
            SignalKind.HIDDEN_STATES,
            SignalKind.ATTENTION_SCORES,
            SignalKind.QUERIES,
            SignalKind.KEYS,
            SignalKind.VALUES);
    BatchSource source = DATA.inputs(TinyRuns.tokenizer());
    int[] rows = {1, 3, 0, 8};
    try (CachedTeacher cached = Teacher.cached(file(), teacher());
        NDManager manager = NativeEngine.newManager(cached.device())) {
      cached.label(DATA.subset(rows), kinds);
      Batch batch = source.batch(manager, rows);
      Signals live = teacher().signals(batch, kinds);
      Signals kept = cached.signals(batch, kinds);
      assertThat(kept.kinds()).isEqualTo(live.kinds());
      assertThat(kept.layerNames()).isEqualTo(live.layerNames());
      assertThat(kept.mask().orElseThrow().toLongArray())
          .isEqualTo(live.mask().orElseThrow().toLongArray());
      close(kept.logits(), live.logits());
      close(kept.embedding(), live.embedding());
      NDArray mask = kept.mask().orElseThrow().toType(live.logits().getDataType(), false);
      for (SignalKind kind : kinds) {
        if (Signals.LAYERED.contains(kind)) {
          NDArray counted =
              switch (kind) {
                case HIDDEN_STATES -> mask.expandDims(2);
                case ATTENTION_SCORES ->
                    mask.expandDims(1).expandDims(2).mul(mask.expandDims(1).expandDims(3));
                default -> mask.expandDims(1).expandDims(3);
              };
          for (int layer = 0; layer < live.layers(kind).size(); layer++) {
            NDArray keptLayer = kept.layers(kind).get(layer);
            close(keptLayer, live.layers(kind).get(layer).mul(counted));
            assertThat(keptLayer.getShape()).isEqualTo(live.layers(kind).get(layer).getShape());
          }
        }
      }
      // a shorter batch of the same rows
      Batch single = source.batch(manager, new int[] {3});
      Signals alone = cached.signals(single, kinds);
      close(alone.hiddenStates().get(0), teacher().signals(single, kinds).hiddenStates().get(0));
    }
  }

  private static void close(NDArray actual, NDArray expected) {
    assertThat(actual.getShape()).isEqualTo(expected.getShape());
    assertThat(actual.sub(expected).abs().max().getFloat()).isLessThan(1e-5f);
  }

  @Test
  void missingRows_withoutATeacher_areRefusedWithCounts() {
    try (CachedTeacher first = Teacher.cached(file(), teacher())) {
      first.label(DATA.subset(new int[] {0, 1, 2, 3}), LOGITS);
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      assertThatThrownBy(() -> run(alone, TinyRuns.logitDistance()))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "teacher cache "
                  + file()
                  + " must have every row of the data set but lacks {LOGITS=56} of its 60 different"
                  + " rows; give it the teacher too, with Teacher.cached(path, teacher), or train on"
                  + " rows that it has");
      assertThatCode(() -> run(alone, TinyRuns.logitDistance(), 1, DATA.subset(new int[] {2, 0})))
          .as("a subset in another order")
          .doesNotThrowAnyException();
    }
  }

  @Test
  void newRows_areAskedForAndAdded_oldOnesAreNot() {
    TextDataset first = DATA.subset(IntStream.range(0, 40).toArray());
    Counted paid = teacher();
    try (CachedTeacher cached = Teacher.cached(file(), paid)) {
      cached.label(first, LOGITS);
      assertThat(paid.rows).hasValue(40);
      assertThat(cached.label(DATA, LOGITS)).isEqualTo(20);
      assertThat(paid.rows).hasValue(60);
      assertThat(cached.report().kinds().get(SignalKind.LOGITS).rows()).isEqualTo(60);
    }
  }

  @Test
  void equalRows_shareAnAnswer() {
    TextDataset twice = DATA.plus(DATA);
    Counted paid = teacher();
    try (CachedTeacher cached = Teacher.cached(file(), paid)) {
      cached.label(twice, LOGITS);
      assertThat(paid.rows).hasValue(60);
      run(cached, TinyRuns.logitDistance(), 1, twice);
      assertThat(paid.rows).hasValue(60);
    }
  }

  @Test
  void otherLabels_doNotMatter() {
    try (CachedTeacher cached = Teacher.cached(file(), teacher())) {
      cached.label(DATA, LOGITS);
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      assertThat(alone.classNames()).isEqualTo(DATA.classNames());
      assertThat(alone.tokenizer().orElseThrow().json()).isEqualTo(TinyRuns.tokenizer().json());
      assertThat(alone.provides()).containsExactly(SignalKind.LOGITS);
      assertThatCode(() -> run(alone, TinyRuns.logitDistance(), 1, DATA.withoutLabels()))
          .doesNotThrowAnyException();
    }
  }

  @Test
  void kinds_areAddedWhenTheyAreAskedFor() {
    Counted paid = teacher();
    try (CachedTeacher cached = Teacher.cached(file(), paid)) {
      cached.label(DATA, LOGITS);
      cached.label(DATA, Set.of(SignalKind.LOGITS, SignalKind.HIDDEN_STATES));
      assertThat(paid.rows).hasValue(120);
      cached.label(DATA, Set.of(SignalKind.HIDDEN_STATES));
      assertThat(paid.rows).hasValue(120);
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      assertThat(alone.provides())
          .containsExactlyInAnyOrder(SignalKind.LOGITS, SignalKind.HIDDEN_STATES);
    }
  }

  @Test
  void anotherTeacher_isRefusedWithBothFingerprints() {
    try (CachedTeacher cached = Teacher.cached(file(), teacher())) {
      cached.label(DATA, LOGITS);
    }
    try (CachedTeacher cached = Teacher.cached(file(), Teacher.of(other.student()))) {
      assertThatThrownBy(() -> run(cached, TinyRuns.logitDistance()))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining(
              "teacher fingerprint is "
                  + trained.student().fingerprint()
                  + " in the cache and "
                  + other.student().fingerprint()
                  + " now");
      assertThatThrownBy(() -> cached.label(DATA, LOGITS))
          .hasMessageContaining("teacher fingerprint is");
    }
  }

  /** The same model behind another tokenizer, class list or fingerprint. */
  private record Posing(
      Teacher inside, String name, Tokenizer ownTokenizer, List<String> ownClasses)
      implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      return inside.signals(batch, kinds);
    }

    @Override
    public Set<SignalKind> provides() {
      return inside.provides();
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.of(ownTokenizer);
    }

    @Override
    public List<String> classNames() {
      return ownClasses;
    }

    @Override
    public Optional<String> fingerprint() {
      return name.isEmpty() ? Optional.empty() : Optional.of(name);
    }
  }

  @Test
  void everythingThatDiffers_isNamedInOneMessage() {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    Tokenizer shorter = tokenizer.withMaxLength(8);
    Teacher first = new Posing(teacher(), "a", tokenizer, List.of("even", "odd"));
    Teacher second = new Posing(teacher(), "b", shorter, List.of("odd", "even"));
    try (CachedTeacher cached = Teacher.cached(file(), first)) {
      cached.label(DATA, LOGITS);
    }
    try (CachedTeacher cached = Teacher.cached(file(), second).topK(5).halfPrecision()) {
      assertThatThrownBy(() -> cached.label(DATA, LOGITS))
          .hasMessage(
              "teacher cache "
                  + file()
                  + " must have been written for this teacher with these options but teacher"
                  + " fingerprint is a in the cache and b now; tokenizer is "
                  + tokenizer.fingerprint()
                  + " (maxLength 512) in the cache and "
                  + shorter.fingerprint()
                  + " (maxLength 8) now; class names is [even, odd] in the cache and [odd, even]"
                  + " now; top k is all in the cache and 5 now; dtype is float32 in the cache and"
                  + " float16 now; use another file, or delete this one");
    }
    try (CachedTeacher alone = Teacher.cached(file()).topK(5)) {
      assertThatThrownBy(alone::provides).hasMessageContaining("top k is all in the cache and 5");
    }
  }

  @Test
  void aNamelessTeacher_needsAName() {
    Teacher nameless = new Posing(teacher(), "", TinyRuns.tokenizer(), List.of("even", "odd"));
    try (CachedTeacher cached = Teacher.cached(file(), nameless)) {
      assertThatThrownBy(() -> cached.label(DATA, LOGITS))
          .hasMessage(
              "teacher must have a fingerprint to be cached but Posing has none; implement"
                  + " Teacher.fingerprint(), or name it with identifiedAs(...)");
    }
    try (CachedTeacher cached = Teacher.cached(file(), nameless).identifiedAs("service 2026-01")) {
      cached.label(DATA, LOGITS);
      assertThat(cached.fingerprint()).contains("service 2026-01");
    }
    try (CachedTeacher cached = Teacher.cached(file(), nameless).identifiedAs("service 2026-02")) {
      assertThatThrownBy(() -> cached.label(DATA, LOGITS))
          .hasMessageContaining(
              "teacher fingerprint is service 2026-01 in the cache and service 2026-02 now");
    }
  }

  @Test
  void rowsOfAnotherContent_underTheSameIds_areRefusedBeforeTheRun() {
    FloatRows rows = FloatRows.random(20, 4, 1);
    FloatRows others = FloatRows.random(20, 4, 2);
    try (CachedTeacher cached = Teacher.cached(file(), RuleTeacher.echo()).identifiedAs("echo")) {
      cached.label(rows, LOGITS);
      assertThatThrownBy(() -> TinyRuns.train(TinyRuns.recipeOf(cached).epochs(1), others))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("row row 0 must be encoded as when teacher cache")
          .hasMessageContaining("in the cache and");
      assertThatCode(() -> TinyRuns.train(TinyRuns.recipeOf(cached).epochs(1), rows))
          .doesNotThrowAnyException();
    }
  }

  @Test
  void halfPrecision_isWithinItsBound_andExactForHalfs() {
    FloatRows rows = FloatRows.random(50, 6, 1);
    try (CachedTeacher cached =
            Teacher.cached(file(), RuleTeacher.echo()).identifiedAs("echo").halfPrecision();
        NDManager manager = NativeEngine.newManager(cached.device())) {
      cached.label(rows, LOGITS);
      Batch batch = rows.batch(manager, IntStream.range(0, 50).toArray());
      float[] kept = cached.signals(batch, LOGITS).logits().toFloatArray();
      float[] given = batch.inputs().head().toFloatArray();
      for (int i = 0; i < kept.length; i++) {
        assertThat(Math.abs(kept[i] - given[i]))
            .isLessThanOrEqualTo(Math.abs(given[i]) / 2048 + 0x1p-25f);
      }
      assertThat(cached.fingerprint()).isNotEqualTo(Optional.of("echo"));
      assertThat(cached.report().kinds().get(SignalKind.LOGITS).coding()).isEqualTo("float16");
    }
    Path exact = directory.resolve("exact");
    RuleTeacher halfs = RuleTeacher.of(row -> new float[] {0.5f, -3, 1024, 0x1p-24f, 65504});
    try (CachedTeacher cached = Teacher.cached(exact, halfs).identifiedAs("halfs").halfPrecision();
        NDManager manager = NativeEngine.newManager(cached.device())) {
      cached.label(rows, LOGITS);
      assertThat(cached.signals(rows.batch(manager, new int[] {7}), LOGITS).logits().toFloatArray())
          .containsExactly(0.5f, -3, 1024, 0x1p-24f, 65504);
    }
    RuleTeacher large = RuleTeacher.of(row -> new float[] {1e6f, 0});
    try (CachedTeacher cached =
        Teacher.cached(directory.resolve("large"), large).identifiedAs("large").halfPrecision()) {
      assertThatThrownBy(() -> cached.label(rows, LOGITS))
          .hasMessageContaining("must lie within ±65504 to be kept with half precision")
          .hasMessageContaining("1000000.0");
    }
  }

  @Test
  void nan_isNeverKept_minusInfinityIs() {
    FloatRows rows = FloatRows.random(5, 3, 1);
    RuleTeacher broken = RuleTeacher.of(row -> new float[] {Float.NaN, 0});
    try (CachedTeacher cached = Teacher.cached(file(), broken).identifiedAs("broken")) {
      assertThatThrownBy(() -> cached.label(rows, LOGITS))
          .hasMessageContaining("teacher's LOGITS must be finite to be kept but one value was NaN");
    }
    RuleTeacher padded = RuleTeacher.of(row -> new float[] {1, Float.NEGATIVE_INFINITY});
    Path second = directory.resolve("padded");
    try (CachedTeacher cached = Teacher.cached(second, padded).identifiedAs("padded");
        NDManager manager = NativeEngine.newManager(cached.device())) {
      cached.label(rows, LOGITS);
      assertThat(cached.signals(rows.batch(manager, new int[] {0}), LOGITS).logits().toFloatArray())
          .containsExactly(1, Float.NEGATIVE_INFINITY);
    }
  }

  @Test
  void logitFactors_areNotKept() {
    try (CachedTeacher cached = Teacher.cached(file(), teacher());
        NDManager manager = NativeEngine.newManager(cached.device())) {
      Batch batch = DATA.inputs(TinyRuns.tokenizer()).batch(manager, new int[] {0});
      assertThatThrownBy(() -> cached.signals(batch, Set.of(SignalKind.LOGIT_FACTORS)))
          .hasMessageContaining("[LOGIT_FACTORS] were asked for; ask for LOGITS instead");
    }
  }

  @Test
  void verify_findsATeacherThatChangedBehindItsName() {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    List<String> classes = List.of("even", "odd");
    Teacher first = new Posing(teacher(), "name", tokenizer, classes);
    Teacher second = new Posing(Teacher.of(other.student()), "name", tokenizer, classes);
    try (CachedTeacher cached = Teacher.cached(file(), first)) {
      cached.label(DATA, Set.of(SignalKind.LOGITS, SignalKind.HIDDEN_STATES));
      CacheCheck check = cached.verify(DATA, 10, 3);
      assertThat(check.rows()).isEqualTo(10);
      assertThat(check.largestDifferences())
          .containsOnlyKeys(SignalKind.LOGITS, SignalKind.HIDDEN_STATES);
      assertThat(check.largestDifference()).isLessThan(1e-5);
    }
    try (CachedTeacher cached = Teacher.cached(file(), second)) {
      assertThatThrownBy(() -> cached.verify(DATA, 10, 3))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("of 10 random rows (seed 3) differ by up to");
    }
    try (CachedTeacher cached = Teacher.cached(file(), second).recheck(4)) {
      assertThatThrownBy(() -> run(cached, TinyRuns.logitDistance()))
          .hasMessageContaining("of 4 random rows");
    }
    try (CachedTeacher cached = Teacher.cached(file(), first).recheck(4)) {
      assertThatCode(() -> run(cached, TinyRuns.logitDistance(), 1, DATA))
          .doesNotThrowAnyException();
    }
    try (CachedTeacher alone = Teacher.cached(file())) {
      assertThatThrownBy(() -> alone.verify(DATA, 1, 0))
          .hasMessageContaining("teacher must be there to verify");
    }
  }

  @Test
  void aSecondWriter_isRefused_andAReaderIsNot() {
    TextDataset half = DATA.subset(IntStream.range(0, 30).toArray());
    try (CachedTeacher writer = Teacher.cached(file(), teacher());
        CachedTeacher second = Teacher.cached(file(), teacher())) {
      writer.label(half, LOGITS);
      writer.prepare(new TeacherSetup(DATA, LOGITS));
      assertThatThrownBy(() -> second.label(DATA, LOGITS))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("must have one writer at a time but another run in this process");
      assertThatCode(() -> run(second, TinyRuns.logitDistance(), 1, half))
          .as("all rows are there, so nothing is written")
          .doesNotThrowAnyException();
      writer.finish();
      assertThat(second.label(DATA, LOGITS)).isEqualTo(30);
    }
  }

  @Test
  void aFailingRun_keepsWhatItAskedFor() {
    Counted paid = teacher();
    Teacher failing = new FailingAfter(paid, 32);
    try (CachedTeacher cached = Teacher.cached(file(), failing).identifiedAs("name")) {
      assertThatThrownBy(() -> cached.label(DATA, LOGITS)).hasMessage("out of credit");
    }
    try (CachedTeacher cached = Teacher.cached(file(), paid).identifiedAs("name")) {
      assertThat(cached.label(DATA, LOGITS)).isEqualTo(28);
      assertThat(paid.rows).hasValue(60);
    }
  }

  private static final class FailingAfter implements Teacher {
    private final Teacher inside;
    private int left;

    FailingAfter(Teacher inside, int rows) {
      this.inside = inside;
      this.left = rows;
    }

    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      left -= batch.size();
      if (left < 0) {
        throw new DistillationException("out of credit");
      }
      return inside.signals(batch, kinds);
    }

    @Override
    public Set<SignalKind> provides() {
      return inside.provides();
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return inside.tokenizer();
    }

    @Override
    public List<String> classNames() {
      return inside.classNames();
    }
  }

  /** Reads the texts themselves, as a hosted model does. */
  private record TextLength() implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      float[] lengths = new float[batch.size()];
      for (int i = 0; i < lengths.length; i++) {
        lengths[i] = batch.texts().get(i).length();
      }
      return Signals.builder()
          .embedding(
              batch.manager().create(lengths, new ai.djl.ndarray.types.Shape(lengths.length, 1)))
          .build();
    }

    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.EMBEDDING);
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }
  }

  @Test
  void aTeacherThatReadsTexts_isKept() {
    TextDataset data =
        TextDataset.of(
            List.of(TextExample.unlabelled("four"), TextExample.unlabelled("fourteen letters")));
    try (CachedTeacher cached = Teacher.cached(file(), new TextLength()).identifiedAs("length")) {
      cached.label(data);
    }
    try (CachedTeacher alone = Teacher.cached(file());
        NDManager manager = NativeEngine.newManager(alone.device())) {
      assertThat(alone.tokenizer()).isEmpty();
      Batch batch = data.inputs(null).batch(manager, new int[] {1, 0});
      assertThat(alone.signals(batch, Set.of(SignalKind.EMBEDDING)).embedding().toFloatArray())
          .containsExactly(16, 4);
    }
  }

  @Test
  void aLearningTeacher_isRefused() {
    Teacher learning =
        new Teacher() {
          @Override
          public Signals signals(Batch batch, Set<SignalKind> kinds) {
            return Signals.none();
          }

          @Override
          public Set<SignalKind> provides() {
            return Set.of();
          }

          @Override
          public Optional<Tokenizer> tokenizer() {
            return Optional.empty();
          }

          @Override
          public boolean changes() {
            return true;
          }
        };
    assertThatThrownBy(() -> Teacher.cached(file(), learning))
        .hasMessage(
            "teacher must stay as it is to be cached but it learns during the run; use it"
                + " directly");
  }

  @Test
  void aMissingFile_orDirectory_isAClearError() throws IOException {
    assertThatThrownBy(() -> Teacher.cached(file()))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "teacher cache must exist but "
                + file()
                + " does not; check the path, or write it with Teacher.cached(path, teacher)");
    assertThatThrownBy(() -> Teacher.cached(directory))
        .hasMessageContaining("must be a file but " + directory + " is a directory");
    Path notADirectory = Files.writeString(directory.resolve("file"), "x");
    try (CachedTeacher cached = Teacher.cached(notADirectory.resolve("cache"), teacher())) {
      assertThatThrownBy(() -> cached.label(DATA, LOGITS))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("directory of teacher cache")
          .hasMessageContaining("must be writable to add rows but was not");
    }
  }

  @Test
  void options_outOfRange_areRefused() {
    CachedTeacher cached = Teacher.cached(file(), teacher());
    assertThatThrownBy(() -> cached.topK(0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> cached.topK(1025)).hasMessage("k must be from 1 to 1024 but was 1025");
    assertThatThrownBy(() -> cached.identifiedAs(" ")).hasMessage("name must not be blank");
    assertThatThrownBy(() -> cached.keptMass(1.5, CachedTeacher.Shortfall.WARN))
        .hasMessage("least must be from 0 to 1 but was 1.5");
    assertThatThrownBy(() -> cached.recheck(-1)).isInstanceOf(IllegalArgumentException.class);
  }
}
