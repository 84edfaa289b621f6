package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.LengthGroupedSampler;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.RowSignals;
import io.distill.provenance.Provenance;
import io.distill.provenance.TeacherOrigin;
import io.distill.provenance.Terms;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.internal.InputDigest;
import io.distill.teacher.internal.KeptMass;
import io.distill.teacher.internal.RowKey;
import io.distill.teacher.internal.RowTokens;
import io.distill.teacher.internal.SignalCache;
import io.distill.teacher.internal.SignalCodec;
import io.distill.teacher.internal.SignalLayout;
import io.distill.teacher.internal.TeacherIdentity;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A teacher that is asked once for each row; its answers are kept in a file for later epochs and
 * later runs.
 *
 * <pre>{@code
 * try (CachedTeacher teacher = Teacher.cached(Path.of("teacher.cache"), Teacher.load(large))) { ... }
 * try (CachedTeacher teacher = Teacher.cached(Path.of("teacher.cache"))) { ... }  // no model at all
 * }</pre>
 *
 * <p><b>What is kept.</b> Logits, embeddings, hidden states, attention scores, queries, keys and
 * values, of rows {@code [N, C]} and of tokens {@code [N, L, V]}, without padding and with the
 * mask. A kind is added to the file when a run first asks for it. Not kept are {@link
 * SignalKind#LOGIT_FACTORS}, whose second factor is the teacher's own output embedding: ask for
 * logits.
 *
 * <p><b>Precision.</b> By default float32, bit for bit: a run with the cache ends in the same
 * weights as one without. {@link #halfPrecision} rounds to float16, which is exact for what the
 * teacher computed in float16 and otherwise off by at most 2^-11 of each value. {@link #topK} keeps
 * the likeliest logits of a vocabulary in a fraction of the space. What a run sees is always what
 * was kept, also in the epoch that writes it, so that it makes no difference which epoch that was.
 *
 * <p><b>Never another's answers.</b> A file belongs to one teacher (fingerprint of weights,
 * architecture and classes), one tokenizer with its maximum length, one k and one precision. A row
 * is found by its {@linkplain DistillationDataset#id sample id} and must be encoded as when it was
 * stored, of which the file has a digest. All of this is checked before a run starts, the encoding
 * of a sample of the rows then and of every row when it is read; what differs is refused with both
 * values. Labels and the order of rows do not matter: another selection of the rows can be read,
 * and rows that are new are asked for and added if there is a teacher to ask. Rows of equal id
 * share the first answer.
 *
 * <p><b>Safety.</b> Each row has a checksum, and so has everything around it. The file is only
 * appended to; a run that is killed loses the rows of the last seconds, and the next run goes on
 * from there. Many threads and processes may read while one writes; a second writer is refused. If
 * the disk is full the run fails, with all earlier rows intact. No more than an index of some 70
 * bytes a row is held in memory.
 *
 * <p>Immutable but for the file it has open, and thread-safe. Options come before use: each returns
 * another teacher for the same file. The file is opened when it is first needed; closing lets the
 * teacher inside live.
 */
public final class CachedTeacher implements Teacher {

  /** The default least mean mass of the kept logits at the highest temperature of a run. */
  public static final double DEFAULT_LEAST_MASS = 0.5;

  /** The bound on the difference of exact values that {@link #verify} allows. */
  public static final double EXACT_BOUND = 1e-3;

  /** The bound on the difference of float16 values that {@link #verify} allows. */
  public static final double HALF_BOUND = 2e-3;

  /** The bound on the difference of square roots of probabilities that {@link #verify} allows. */
  public static final double TOP_K_BOUND = 1e-2;

  private static final int LARGEST_TOP_K = 1024;
  private static final int SAMPLED_ROWS = 256;

  /** The mass that is kept is judged as soon as it has been measured on so many tokens. */
  private static final int JUDGED_TOKENS = 256;

  private static final Logger LOGGER = LoggerFactory.getLogger(CachedTeacher.class);

  private final Path path;
  private final @Nullable Teacher live;
  private final Options options;
  private final Map<SignalKind, SignalCodec> codecs = new EnumMap<>(SignalKind.class);
  private @Nullable SignalCache cache;
  private @Nullable Tokenizer tokenizer;
  private @Nullable TeacherSetup checked;
  private boolean incomplete;
  private double highestTemperature = 1;
  private boolean massJudged = true;
  private long asked;
  private int runs;

  /** What to do with a run at whose highest temperature the kept logits have too little mass. */
  public enum Shortfall {
    /** Refuse it. */
    REFUSE,
    /** Log a warning and let it go on. */
    WARN
  }

  private record Options(
      int topK,
      boolean half,
      @Nullable String name,
      double leastMass,
      Shortfall shortfall,
      int recheckedRows) {

    static final Options DEFAULT =
        new Options(0, false, null, DEFAULT_LEAST_MASS, Shortfall.REFUSE, 0);
  }

  private CachedTeacher(Path path, @Nullable Teacher live, Options options) {
    this.path = requireNonNull(path, "path");
    this.live = live;
    this.options = options;
  }

  static CachedTeacher of(Path path, Teacher teacher) {
    requireNonNull(teacher, "teacher");
    if (teacher.changes()) {
      throw new DistillationException(
          "teacher must stay as it is to be cached but it learns during the run; use it directly");
    }
    return new CachedTeacher(path, teacher, Options.DEFAULT);
  }

  static CachedTeacher of(Path path) {
    CachedTeacher teacher = new CachedTeacher(path, null, Options.DEFAULT);
    teacher.requireCache();
    return teacher;
  }

  /**
   * Keeps only the likeliest logits of each row or token, where there are more: their ids and
   * log-probabilities, and the log of the mass of all others.
   *
   * <p><b>Size.</b> At a vocabulary of 32,000 and k = 50 at most 114 bytes a token whatever the
   * teacher says, and 75 to 85 where it has favourite tokens, as real text makes it have: ids are
   * coded by an arithmetic coder that has learned from the first answers which tokens are often
   * among the top.
   *
   * <p><b>Error.</b> Kept probabilities are rounded in even steps of their square root, finely
   * enough that the divergence of the kept and the mass of the rest from the teacher's is at most
   * {@code 2^-16} nats a token, and at most what rounding the log-probabilities to bfloat16 would
   * be expected to cost; each log-probability is within 1/8.
   *
   * <p><b>What a loss sees.</b> Logits over the whole vocabulary whose softmax at temperature 1 has
   * the kept probabilities and the mass of the rest as the teacher had them. The rest is spread
   * over all other entries in proportion to the mass that each had in the teacher's first answers
   * when it was not among the top; entries that the teacher rules out stay at {@code -infinity}. So
   * {@code topKKl(k)} at temperature 1 loses nothing but the rounding. At other temperatures the
   * split between top and rest is an estimate, the worse the less mass is kept there: see {@link
   * #keptMass}.
   *
   * @param k the number of logits that are kept; from 1 to 1024; 50 is usual
   * @return this teacher with that option
   * @throws IllegalArgumentException if {@code k} is out of range
   */
  public CachedTeacher topK(int k) {
    checkArgument(
        k >= 1 && k <= LARGEST_TOP_K, "k must be from 1 to %s but was %s", LARGEST_TOP_K, k);
    return with(
        new Options(
            k,
            options.half(),
            options.name(),
            options.leastMass(),
            options.shortfall(),
            options.recheckedRows()));
  }

  /**
   * Keeps values as float16 instead of float32, in half the space. Exact for what the teacher
   * computed in float16; otherwise each value is rounded by at most 2^-11 of itself, or 2^-25 below
   * 6e-5. A value beyond ±65504 is refused.
   *
   * @return this teacher with that option
   */
  public CachedTeacher halfPrecision() {
    return with(
        new Options(
            options.topK(),
            true,
            options.name(),
            options.leastMass(),
            options.shortfall(),
            options.recheckedRows()));
  }

  /**
   * Says who the teacher is, if it has no {@link Teacher#fingerprint()} of its own: a hosted model,
   * for example, by name and version. Whatever changes its answers must change this name.
   *
   * @param name the name; not blank
   * @return this teacher with that option
   * @throws IllegalArgumentException if the name is blank
   */
  public CachedTeacher identifiedAs(String name) {
    checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
    return with(
        new Options(
            options.topK(),
            options.half(),
            name,
            options.leastMass(),
            options.shortfall(),
            options.recheckedRows()));
  }

  /**
   * Sets how much of the teacher's probability the kept logits must have, on average, at the
   * highest temperature at which a run's loss reads logits. The more a temperature flattens a
   * distribution, the less of it is among the top: at 4, 50 of 32,000 may have a few per cent.
   *
   * <p>The mass is measured on the full distribution when it is written, at temperatures 1, 1.5, 2,
   * 3, 4 and 8; in between it is estimated by a straight line in log T, above 8 it counts as too
   * small. Rows that are there already are judged before the run, and new ones as soon as 256
   * tokens are written.
   *
   * @param least the least mean mass; from 0 to 1; default {@value #DEFAULT_LEAST_MASS}
   * @param otherwise what to do with a run below it; default {@link Shortfall#REFUSE}
   * @return this teacher with that option
   * @throws IllegalArgumentException if {@code least} is out of range
   */
  public CachedTeacher keptMass(double least, Shortfall otherwise) {
    checkArgument(least >= 0 && least <= 1, "least must be from 0 to 1 but was %s", least);
    return with(
        new Options(
            options.topK(),
            options.half(),
            options.name(),
            least,
            requireNonNull(otherwise, "otherwise"),
            options.recheckedRows()));
  }

  /**
   * Asks the teacher again for some rows before each run, and refuses the run if its answers are
   * not what was kept; see {@link #verify}.
   *
   * @param rows how many rows, chosen anew each time; at least 0; default 0
   * @return this teacher with that option
   * @throws IllegalArgumentException if {@code rows} is negative, or there is no teacher to ask
   */
  public CachedTeacher recheck(int rows) {
    checkArgument(rows >= 0, "rows must be at least 0 but was %s", rows);
    checkArgument(
        rows == 0 || live != null,
        "a cache must have its teacher to be rechecked; use Teacher.cached(path, teacher)");
    return with(
        new Options(
            options.topK(),
            options.half(),
            options.name(),
            options.leastMass(),
            options.shortfall(),
            rows));
  }

  private CachedTeacher with(Options changed) {
    close();
    return new CachedTeacher(path, live, changed);
  }

  @CanIgnoreReturnValue
  private synchronized SignalCache requireCache() {
    SignalCache open = cache;
    if (open == null) {
      open = SignalCache.open(path);
      try {
        requireSameIdentity(open);
      } catch (RuntimeException e) {
        open.close();
        throw e;
      }
      cache = open;
    }
    return open;
  }

  /** Returns the cache, or null if there is no file yet that could be read. */
  private synchronized @Nullable SignalCache cacheIfAny() {
    return cache == null && live != null && !Files.exists(path) ? null : requireCache();
  }

  private TeacherIdentity identity(Teacher teacher) {
    String fingerprint = options.name();
    if (fingerprint == null) {
      fingerprint =
          teacher
              .fingerprint()
              .orElseThrow(
                  () ->
                      new DistillationException(
                          "teacher must have a fingerprint to be cached but "
                              + teacher.getClass().getSimpleName()
                              + " has none; implement Teacher.fingerprint(), or name it with"
                              + " identifiedAs(...)"));
    }
    Tokenizer own = teacher.tokenizer().orElse(null);
    return new TeacherIdentity(
        fingerprint,
        own == null ? null : own.fingerprint(),
        own == null ? 0 : own.maxLength(),
        teacher.classNames(),
        options.topK(),
        options.half(),
        new TeacherOrigin(teacher.id(), Optional.of(fingerprint), teacher.terms()));
  }

  private void requireSameIdentity(SignalCache open) {
    List<String> differences =
        live == null ? chosenDifferences(open) : open.identity().differences(identity(live));
    if (!differences.isEmpty()) {
      throw new DistillationException(
          "teacher cache "
              + path
              + " must have been written for this teacher with these options but "
              + String.join("; ", differences)
              + "; use another file, or delete this one");
    }
  }

  /** Without a teacher only what the user chose can differ. */
  private List<String> chosenDifferences(SignalCache open) {
    TeacherIdentity there = open.identity();
    return there.differences(
        new TeacherIdentity(
            options.name() == null ? there.teacher() : options.name(),
            there.tokenizer(),
            there.maxLength(),
            there.classNames(),
            options.topK() == 0 ? there.topK() : options.topK(),
            options.half() || there.half()));
  }

  @Override
  public synchronized void check(TeacherSetup setup) {
    requireKinds(setup.kinds());
    SignalCache open = cacheIfAny();
    if (open != null) {
      requireSameIdentity(open);
    }
    incomplete = missingRows(open, setup.dataset(), setup.kinds()) > 0;
    if (open != null && setup.kinds().contains(SignalKind.LOGITS)) {
      judgeMass(open, setup.highestTemperature());
    }
    checked = setup;
  }

  /** Returns how many rows are missing, and refuses if they cannot be asked for. */
  private int missingRows(
      @Nullable SignalCache open, DistillationDataset dataset, Set<SignalKind> kinds) {
    if (open == null) {
      requireFingerprint();
      return dataset.size();
    }
    open.refresh();
    Map<SignalKind, Integer> missing = new TreeMap<>();
    Set<RowKey> seen = new HashSet<>();
    for (int row = 0; row < dataset.size(); row++) {
      RowKey key = RowKey.of(dataset.id(row));
      if (seen.add(key)) {
        for (SignalKind kind : kinds) {
          if (open.inputs(kind, key) == null) {
            missing.merge(kind, 1, Integer::sum);
          }
        }
      }
    }
    if (!missing.isEmpty() && live == null) {
      throw new DistillationException(
          "teacher cache "
              + path
              + " must have every row of the data set but lacks "
              + missing
              + " of its "
              + seen.size()
              + " different rows; give it the teacher too, with Teacher.cached(path, teacher), or"
              + " train on rows that it has");
    }
    if (!missing.isEmpty() && !open.writable()) {
      throw new DistillationException(
          "teacher cache "
              + path
              + " must be writable, and its directory too, to add "
              + missing
              + " rows but is not; change its permissions, or copy it elsewhere");
    }
    checkEncoding(open, dataset, kinds);
    return missing.values().stream().mapToInt(Integer::intValue).max().orElse(0);
  }

  private void requireFingerprint() {
    if (live != null) {
      TeacherIdentity identity = identity(live);
      LOGGER.debug("teacher cache {} will be written for {}", path, identity);
    }
  }

  /** Compares what the teacher would read of a sample of rows, spread evenly over the data set. */
  private void checkEncoding(SignalCache open, DistillationDataset dataset, Set<SignalKind> kinds) {
    BatchSource source = dataset.inputs(tokenizer().orElse(null));
    int step = Math.max(1, dataset.size() / SAMPLED_ROWS);
    for (int row = 0; row < dataset.size(); row += step) {
      try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
        requireSameInputs(open, new Question(source.batch(manager, new int[] {row}), kinds));
      }
    }
  }

  /** A batch as the cache sees it. */
  private static final class Question {
    final Batch batch;
    final Set<SignalKind> kinds;
    final RowKey[] keys;
    final long[] inputs;

    Question(Batch batch, Set<SignalKind> kinds) {
      this.batch = batch;
      this.kinds = kinds;
      this.keys = batch.ids().stream().map(RowKey::of).toArray(RowKey[]::new);
      this.inputs = InputDigest.of(batch);
    }
  }

  private void requireSameInputs(SignalCache open, Question question) {
    for (int row = 0; row < question.keys.length; row++) {
      for (SignalKind kind : question.kinds) {
        Long stored = open.inputs(kind, question.keys[row]);
        if (stored != null && stored != question.inputs[row]) {
          throw new DistillationException(
              "row "
                  + question.batch.ids().get(row)
                  + " must be encoded as when teacher cache "
                  + path
                  + " was written but its inputs have digest "
                  + Long.toHexString(stored)
                  + " in the cache and "
                  + Long.toHexString(question.inputs[row])
                  + " now; use the same data set and tokenizer, or another file");
        }
      }
    }
  }

  private void judgeMass(SignalCache open, double temperature) {
    KeptMass mass = open.keptMass(SignalKind.LOGITS);
    if (mass.count() == 0) {
      return;
    }
    double mean = mass.mean(temperature);
    if (mean >= options.leastMass()) {
      return;
    }
    int last = KeptMass.TEMPERATURES.size() - 1;
    String message =
        String.format(
            Locale.ROOT,
            "kept logits of teacher cache %s must have at least %.3f of the teacher's probability at"
                + " the highest temperature of the run, %.3g, but have %s%.4f (%.4f at 1); lower the"
                + " temperature, keep more with topK(k), or choose another limit with"
                + " keptMass(least, otherwise)",
            path,
            options.leastMass(),
            temperature,
            Double.isNaN(mean) ? "at most " : "",
            Double.isNaN(mean) ? mass.mean(last) : mean,
            mass.mean(0));
    if (options.shortfall() == Shortfall.REFUSE) {
      throw new DistillationException(message);
    }
    LOGGER.warn("{}", message);
  }

  @Override
  public synchronized void prepare(TeacherSetup setup) {
    if (!setup.equals(checked)) {
      check(setup);
    }
    checked = null;
    highestTemperature = setup.highestTemperature();
    massJudged = !setup.kinds().contains(SignalKind.LOGITS);
    if (options.recheckedRows() > 0 && cacheIfAny() != null) {
      CacheCheck check =
          verify(setup.dataset(), options.recheckedRows(), new Random().nextLong(), setup.kinds());
      LOGGER.info("teacher cache {} was rechecked: {}", path, check);
    }
    start();
  }

  private synchronized void start() {
    if (incomplete && live != null) {
      openForWriting(live);
    }
    runs++;
  }

  @CanIgnoreReturnValue
  private synchronized SignalCache openForWriting(Teacher teacher) {
    SignalCache open = cache;
    if (open == null) {
      open =
          SignalCache.openForWriting(
              path, identity(teacher), teacher.tokenizer().map(Tokenizer::json).orElse(null));
      cache = open;
      // another process may have made the file in this moment
      requireSameIdentity(open);
    } else {
      open.startWriting();
    }
    return open;
  }

  @Override
  public synchronized void finish() {
    runs = Math.max(0, runs - 1);
    SignalCache open = cache;
    if (runs == 0 && open != null) {
      open.stopWriting();
      if (asked > 0) {
        LOGGER.info("teacher cache {}: {} rows were asked for and added", path, asked);
        asked = 0;
      }
    }
  }

  /**
   * Answers from the file; rows that are not there are asked for and added, all at once for a
   * batch. Outside a run or {@link #label} nothing is added, and the teacher's own answers are
   * returned if a row is not there.
   *
   * @param batch the rows, as the teacher's {@link #tokenizer()} encodes them
   * @param kinds what is asked for
   * @return those kinds as float32, on the manager of the batch, without gradients; where a row has
   *     padding, zeros
   * @throws DistillationException if a row is not there and there is no teacher to ask, a row is
   *     not encoded as when it was stored, or the file is damaged
   */
  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    requireKinds(kinds);
    if (kinds.isEmpty()) {
      return Signals.none();
    }
    Question question = new Question(batch, kinds);
    if (missing(question).length > 0) {
      Teacher teacher = live;
      if (teacher == null) {
        refresh();
        int missing = missing(question).length;
        if (missing > 0) {
          throw new DistillationException(
              "teacher cache "
                  + path
                  + " must have every row that is asked for but lacks "
                  + missing
                  + " of the "
                  + batch.size()
                  + " rows of a batch; give it the teacher too, with Teacher.cached(path, teacher)");
        }
      } else {
        synchronized (this) {
          if (runs == 0) {
            return teacher.signals(batch, kinds);
          }
          ask(teacher, question);
        }
      }
    }
    return read(question);
  }

  private void requireKinds(Set<SignalKind> kinds) {
    Set<SignalKind> unknown = EnumSet.noneOf(SignalKind.class);
    unknown.addAll(kinds);
    unknown.removeAll(SignalCodec.KINDS);
    if (!unknown.isEmpty()) {
      throw new DistillationException(
          "signals of a cached teacher must be among "
              + EnumSet.copyOf(SignalCodec.KINDS)
              + " but "
              + unknown
              + " were asked for; ask for LOGITS instead, or use the teacher directly");
    }
  }

  private void refresh() {
    requireCache().refresh();
  }

  /** Returns the positions of the rows that are not there, each sample once. */
  private int[] missing(Question question) {
    SignalCache open = cacheIfAny();
    if (open != null) {
      requireSameInputs(open, question);
    }
    Set<RowKey> seen = new HashSet<>();
    List<Integer> missing = new ArrayList<>();
    for (int row = 0; row < question.keys.length; row++) {
      RowKey key = question.keys[row];
      boolean there =
          open != null && question.kinds.stream().allMatch(kind -> open.inputs(kind, key) != null);
      if (!there && seen.add(key)) {
        missing.add(row);
      }
    }
    return missing.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Asks for the rows of a batch that are not there and keeps the answers. */
  private synchronized void ask(Teacher teacher, Question question) {
    SignalCache open = openForWriting(teacher);
    // another thread may have asked in the meantime
    int[] missing = missing(question);
    if (missing.length == 0) {
      return;
    }
    Batch batch = question.batch;
    Batch rest = missing.length == batch.size() ? batch : select(batch, missing);
    Signals signals = teacher.signals(rest, question.kinds);
    RowTokens tokens = tokens(signals, rest);
    for (SignalKind kind : question.kinds) {
      if (open.layout(kind).isEmpty()) {
        open.define(
            SignalCodec.layout(
                signals,
                kind,
                tokens,
                inputWidth(rest),
                open.identity().half(),
                open.identity().topK()));
      }
      SignalCodec.Encoded encoded = codec(open, kind).encode(signals, rest.size(), tokens);
      for (int i = 0; i < missing.length; i++) {
        open.put(
            kind,
            question.keys[missing[i]],
            question.inputs[missing[i]],
            encoded.records().get(i),
            encoded.keptMass().get(i));
      }
    }
    open.flushIfDue();
    asked += missing.length;
    if (!massJudged && open.keptMass(SignalKind.LOGITS).count() >= JUDGED_TOKENS) {
      massJudged = true;
      judgeMass(open, highestTemperature);
    }
  }

  private static @Nullable RowTokens tokens(Signals signals, Batch batch) {
    NDArray mask = signals.mask().orElse(null);
    return mask != null && mask.getShape().dimension() == 2
        ? RowTokens.of(mask)
        : InputDigest.tokens(batch.inputs());
  }

  private synchronized SignalCodec codec(SignalCache open, SignalKind kind) {
    return codecs.computeIfAbsent(kind, absent -> new SignalCodec(open, absent));
  }

  private static int inputWidth(Batch batch) {
    NDList inputs = batch.inputs();
    return inputs.isEmpty() || inputs.head().getShape().dimension() < 2
        ? -1
        : Math.toIntExact(inputs.head().getShape().get(1));
  }

  private static Batch select(Batch batch, int[] positions) {
    long[] index = Arrays.stream(positions).asLongStream().toArray();
    NDList inputs = new NDList();
    for (NDArray input : batch.inputs()) {
      inputs.add(input.get(batch.manager().create(index)));
    }
    int[] rows = batch.rows();
    return new Batch(
        batch.manager(),
        inputs,
        Arrays.stream(positions).map(i -> rows[i]).toArray(),
        Arrays.stream(positions).mapToObj(i -> batch.ids().get(i)).toList(),
        batch.texts().isEmpty()
            ? List.of()
            : Arrays.stream(positions).mapToObj(i -> batch.texts().get(i)).toList());
  }

  private Signals read(Question question) {
    SignalCache open = requireCache();
    Signals.Builder signals = Signals.builder();
    for (SignalKind kind : question.kinds) {
      ByteBuffer[] records = new ByteBuffer[question.keys.length];
      for (int row = 0; row < records.length; row++) {
        records[row] = open.read(kind, question.keys[row]);
      }
      try {
        codec(open, kind)
            .decode(signals, question.batch.manager(), records, inputWidth(question.batch));
      } catch (IllegalArgumentException | ArithmeticException e) {
        throw new DistillationException(
            "records of "
                + kind
                + " in teacher cache "
                + path
                + " must be as they were written but are not: "
                + e.getMessage()
                + "; restore it from a copy, or delete it and write it again",
            e);
      }
    }
    return signals.build();
  }

  /**
   * Asks for logits and embeddings, as far as the teacher gives them, of all rows of a data set
   * that are not there yet.
   *
   * @param dataset the rows; labels are not looked at
   * @return how many different rows were missing
   * @throws DistillationException as {@link #label(DistillationDataset, Set, LongConsumer)}
   */
  @CanIgnoreReturnValue
  public int label(DistillationDataset dataset) {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    kinds.addAll(provides());
    kinds.retainAll(RowSignals.KINDS);
    return label(dataset, kinds);
  }

  /**
   * Asks for some kinds of signals of all rows of a data set that are not there yet.
   *
   * @param dataset the rows; labels are not looked at
   * @param kinds the kinds; those that a loss needs are {@code loss.requiresOfTeacher()}
   * @return how many different rows were missing
   * @throws DistillationException as {@link #label(DistillationDataset, Set, LongConsumer)}
   */
  @CanIgnoreReturnValue
  public int label(DistillationDataset dataset, Set<SignalKind> kinds) {
    return label(dataset, kinds, rows -> {});
  }

  /**
   * Asks for some kinds of signals of all rows of a data set that are not there yet, in the batches
   * in which a run would ask. If it is broken off, the next call goes on where it stopped.
   *
   * @param dataset the rows; labels are not looked at
   * @param kinds the kinds; those that a loss needs are {@code loss.requiresOfTeacher()}
   * @param rowsDone told after each batch how many rows are done
   * @return how many different rows were missing
   * @throws DistillationException if the file was written for another teacher or with other
   *     options, cannot be written or is being written, or the teacher fails
   */
  @CanIgnoreReturnValue
  public int label(DistillationDataset dataset, Set<SignalKind> kinds, LongConsumer rowsDone) {
    requireNonNull(rowsDone, "rowsDone");
    requireKinds(kinds);
    int missing;
    synchronized (this) {
      SignalCache open = cacheIfAny();
      if (open != null) {
        requireSameIdentity(open);
      }
      missing = missingRows(open, dataset, kinds);
      incomplete = missing > 0;
      start();
    }
    try {
      BatchSource source = dataset.inputs(tokenizer().orElse(null));
      NativeEngine.prepareThread();
      long done = 0;
      for (int[] rows : LengthGroupedSampler.of(source, RowSignals.BATCH_SIZE, 0).inOrder()) {
        if (live != null) {
          try (NDManager manager = NativeEngine.newManager(device())) {
            Question question = new Question(source.batch(manager, rows), kinds);
            if (missing(question).length > 0) {
              ask(live, question);
            }
          }
        }
        done += rows.length;
        rowsDone.accept(done);
      }
      return missing;
    } finally {
      finish();
    }
  }

  /**
   * Asks the teacher again for a random sample of rows, and compares its answers with what was
   * kept: for one that may have changed behind its name, or a machine that is not trusted.
   *
   * @param dataset rows to choose from; only those that are there are compared
   * @param rows how many; at least 1
   * @param seed what the choice depends on
   * @return the largest differences
   * @throws IllegalArgumentException if {@code rows} is below 1
   * @throws DistillationException if there is no teacher to ask or no row to compare, or a
   *     difference is above the bound of its coding: {@link #EXACT_BOUND}, {@link #HALF_BOUND} or
   *     {@link #TOP_K_BOUND}
   */
  @CanIgnoreReturnValue
  public CacheCheck verify(DistillationDataset dataset, int rows, long seed) {
    return verify(dataset, rows, seed, requireCache().kinds());
  }

  private CacheCheck verify(
      DistillationDataset dataset, int rows, long seed, Set<SignalKind> kinds) {
    checkArgument(rows >= 1, "rows must be at least 1 but was %s", rows);
    Teacher teacher = live;
    if (teacher == null) {
      throw new DistillationException(
          "teacher must be there to verify what was kept of it but the cache stands alone; use"
              + " Teacher.cached(path, teacher)");
    }
    SignalCache open = requireCache();
    requireSameIdentity(open);
    Map<SignalKind, Double> differences = new EnumMap<>(SignalKind.class);
    BatchSource source = dataset.inputs(tokenizer().orElse(null));
    int compared = 0;
    for (int row : shuffled(dataset.size(), seed)) {
      RowKey key = RowKey.of(dataset.id(row));
      boolean there = kinds.stream().allMatch(kind -> open.inputs(kind, key) != null);
      if (compared < rows && there) {
        compare(teacher, source, row, kinds, differences);
        compared++;
      }
    }
    if (compared == 0 && incomplete) {
      return new CacheCheck(0, seed, differences);
    }
    if (compared == 0) {
      throw new DistillationException(
          "data set must have rows that are in teacher cache "
              + path
              + " to verify them but none of its "
              + dataset.size()
              + " rows is there; give the data set that was labelled");
    }
    requireWithin(open, differences, compared, seed);
    return new CacheCheck(compared, seed, differences);
  }

  private static int[] shuffled(int size, long seed) {
    List<Integer> rows = new ArrayList<>(IntStream.range(0, size).boxed().toList());
    Collections.shuffle(rows, new Random(seed));
    return rows.stream().mapToInt(Integer::intValue).toArray();
  }

  private void compare(
      Teacher teacher,
      BatchSource source,
      int row,
      Set<SignalKind> kinds,
      Map<SignalKind, Double> differences) {
    NativeEngine.prepareThread();
    try (NDManager manager = NativeEngine.newManager(device())) {
      Question question = new Question(source.batch(manager, new int[] {row}), kinds);
      requireSameInputs(requireCache(), question);
      Signals answer = teacher.signals(question.batch, kinds);
      Signals kept = read(question);
      RowTokens tokens = tokens(answer, question.batch);
      for (SignalKind kind : kinds) {
        double difference = codec(requireCache(), kind).difference(kept, answer, tokens);
        differences.merge(kind, difference, Math::max);
      }
    }
  }

  private void requireWithin(
      SignalCache open, Map<SignalKind, Double> differences, int rows, long seed) {
    differences.forEach(
        (kind, difference) -> {
          SignalLayout layout = open.layout(kind).orElseThrow();
          double bound =
              switch (layout.coding()) {
                case FLOAT32 -> EXACT_BOUND;
                case FLOAT16 -> HALF_BOUND;
                case TOP_K -> TOP_K_BOUND;
              };
          if (!(difference <= bound)) {
            throw new DistillationException(
                "teacher must say what teacher cache "
                    + path
                    + " has of it, to within "
                    + bound
                    + ", but "
                    + kind
                    + " of "
                    + rows
                    + " random rows (seed "
                    + seed
                    + ") differ by up to "
                    + difference
                    + "; use another file for this teacher");
          }
        });
  }

  /**
   * Reports what is in the file.
   *
   * @return rows, bytes and coding by kind, and the mass of the kept logits by temperature
   * @throws DistillationException if there is no file yet, or it is damaged
   */
  public CacheReport report() {
    SignalCache open = requireCache();
    Map<SignalKind, CacheReport.Kind> kinds = new EnumMap<>(SignalKind.class);
    for (SignalKind kind : open.kinds()) {
      kinds.put(
          kind,
          new CacheReport.Kind(
              open.rows(kind), open.bytes(kind), open.layout(kind).orElseThrow().codingText()));
    }
    KeptMass mass = open.keptMass(SignalKind.LOGITS);
    List<CacheReport.Mass> byTemperature = new ArrayList<>();
    for (int i = 0; i < KeptMass.TEMPERATURES.size() && mass.count() > 0; i++) {
      byTemperature.add(
          new CacheReport.Mass(
              KeptMass.TEMPERATURES.get(i),
              mass.count(),
              mass.mean(i),
              mass.least(i),
              mass.quantile(i, 0.01),
              mass.quantile(i, 0.05),
              mass.quantile(i, 0.25),
              mass.quantile(i, 0.5)));
    }
    return new CacheReport(path, kinds, byTemperature);
  }

  @Override
  public Set<SignalKind> provides() {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    kinds.addAll(live == null ? requireCache().kinds() : live.provides());
    kinds.retainAll(SignalCodec.KINDS);
    return kinds;
  }

  @Override
  public synchronized Optional<Tokenizer> tokenizer() {
    if (live != null) {
      return live.tokenizer();
    }
    Tokenizer parsed = tokenizer;
    if (parsed == null) {
      SignalCache open = requireCache();
      String json = open.tokenizerJson();
      if (json != null) {
        parsed = Tokenizer.parse(json).withMaxLength(open.identity().maxLength());
        if (!parsed.fingerprint().equals(open.identity().tokenizer())) {
          throw new DistillationException(
              "tokenizer in teacher cache "
                  + path
                  + " must have fingerprint "
                  + open.identity().tokenizer()
                  + " but has "
                  + parsed.fingerprint()
                  + "; write the cache again");
        }
        tokenizer = parsed;
      }
    }
    return Optional.ofNullable(parsed);
  }

  @Override
  public List<String> classNames() {
    return live == null ? requireCache().identity().classNames() : live.classNames();
  }

  @Override
  public String id() {
    return live == null ? requireCache().identity().origin().id() : live.id();
  }

  /**
   * The terms of the teacher inside; without one those that it declared when the cache was begun.
   */
  @Override
  public Terms terms() {
    return live == null ? requireCache().identity().origin().terms() : live.terms();
  }

  @Override
  public List<Provenance> origins() {
    return live == null ? List.of() : live.origins();
  }

  @Override
  public Footprint footprint() {
    return live == null ? Footprint.none() : live.footprint();
  }

  @Override
  public Optional<DeployableModel> localModel() {
    return live == null ? Optional.empty() : live.localModel();
  }

  @Override
  public Device device() {
    return live == null ? NativeEngine.defaultDevice() : live.device();
  }

  /**
   * Returns the teacher's fingerprint where its answers are kept exactly; otherwise one that
   * depends on how they are kept, too.
   *
   * @return a digest in hexadecimal, the same with and without the teacher; what {@link
   *     #identifiedAs} said, if the teacher has none; empty if nothing did
   */
  @Override
  public Optional<String> fingerprint() {
    if (live == null) {
      return Optional.of(requireCache().identity().fingerprint());
    }
    return options.name() == null && live.fingerprint().isEmpty()
        ? Optional.empty()
        : Optional.of(identity(live).fingerprint());
  }

  /** Writes what is not on disk yet and closes the file; the teacher inside stays open. */
  @Override
  public synchronized void close() {
    SignalCache open = cache;
    cache = null;
    codecs.clear();
    if (open != null) {
      open.close();
    }
  }

  @Override
  public String toString() {
    return "CachedTeacher[" + path + (live == null ? "]" : ", " + live + "]");
  }
}
