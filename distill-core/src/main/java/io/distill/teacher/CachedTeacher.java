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
import io.distill.model.RowSignals;
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
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** WIP. */
public final class CachedTeacher implements Teacher {

  private static final int SAMPLED_ROWS = 256;

  private final Path path;
  private final @Nullable Teacher live;
  private final Options options;
  private final Map<SignalKind, SignalCodec> codecs = new EnumMap<>(SignalKind.class);
  private @Nullable SignalCache cache;
  private @Nullable Tokenizer tokenizer;
  private int runs;

  private record Options(int topK, boolean half, @Nullable String name) {}

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
    return new CachedTeacher(path, teacher, new Options(0, false, null));
  }

  static CachedTeacher of(Path path) {
    requireNonNull(path, "path");
    CachedTeacher teacher = new CachedTeacher(path, null, new Options(0, false, null));
    teacher.requireCache();
    return teacher;
  }

  public CachedTeacher topK(int k) {
    checkArgument(k >= 1, "k must be at least 1 but was %s", k);
    return new CachedTeacher(path, live, new Options(k, options.half(), options.name()));
  }

  public CachedTeacher halfPrecision() {
    return new CachedTeacher(path, live, new Options(options.topK(), true, options.name()));
  }

  // ------------------------------------------------------------------------------------------

  @CanIgnoreReturnValue
  private synchronized SignalCache requireCache() {
    SignalCache open = cache;
    if (open == null) {
      open = SignalCache.open(path);
      cache = open;
    }
    return open;
  }

  /** Returns the cache, or null if there is no file yet. */
  private synchronized @Nullable SignalCache cacheIfAny() {
    if (cache == null && live != null && Files.notExists(path)) {
      return null;
    }
    return requireCache();
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
                              + " has none; implement Teacher.fingerprint()"));
    }
    Tokenizer own = teacher.tokenizer().orElse(null);
    return new TeacherIdentity(
        fingerprint,
        own == null ? null : own.fingerprint(),
        own == null ? 0 : own.maxLength(),
        teacher.classNames(),
        options.topK(),
        options.half());
  }

  private void requireSameIdentity(SignalCache open) {
    if (live != null) {
      List<String> differences = open.identity().differences(identity(live));
      if (!differences.isEmpty()) {
        throw new DistillationException(
            "teacher cache "
                + path
                + " must have been written for this teacher and these options but "
                + String.join("; ", differences)
                + "; use another file, or delete this one");
      }
    }
  }

  @Override
  public void check(TeacherSetup setup) {
    missingRows(setup.dataset(), setup.kinds());
  }

  /** Returns how many rows are missing, and refuses if they cannot be asked for. */
  @CanIgnoreReturnValue
  private long missingRows(DistillationDataset dataset, Set<SignalKind> kinds) {
    SignalCache open = cacheIfAny();
    if (open == null) {
      return dataset.size();
    }
    requireSameIdentity(open);
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
    int most = missing.values().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (most > 0 && live == null) {
      throw new DistillationException(
          "teacher cache "
              + path
              + " must have every row of the data set but lacks "
              + missing
              + " of "
              + seen.size()
              + " different rows; give it the teacher too, with Teacher.cached(path, teacher), or"
              + " train on rows that it has");
    }
    if (most > 0 && !open.writable()) {
      throw new DistillationException(
          "teacher cache "
              + path
              + " must be writable to add "
              + missing
              + " rows but is not; check permissions of the file and its directory");
    }
    checkSample(open, dataset, kinds);
    return most;
  }

  private void checkSample(SignalCache open, DistillationDataset dataset, Set<SignalKind> kinds) {
    BatchSource source = dataset.inputs(tokenizer().orElse(null));
    int step = Math.max(1, dataset.size() / SAMPLED_ROWS);
    for (int row = 0; row < dataset.size(); row += step) {
      try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
        Batch batch = source.batch(manager, new int[] {row});
        RowKey key = RowKey.of(batch.ids().get(0));
        long digest = InputDigest.of(batch)[0];
        for (SignalKind kind : kinds) {
          requireSameInputs(open, kind, key, digest, batch.ids().get(0));
        }
      }
    }
  }

  private void requireSameInputs(
      SignalCache open, SignalKind kind, RowKey key, long digest, String id) {
    Long stored = open.inputs(kind, key);
    if (stored != null && stored != digest) {
      throw new DistillationException(
          "row "
              + id
              + " must be encoded as when teacher cache "
              + path
              + " was written but its inputs have digest "
              + Long.toHexString(digest)
              + " now and "
              + Long.toHexString(stored)
              + " in the cache; use the same data set and tokenizer, or another file");
    }
  }

  @Override
  public synchronized void prepare(TeacherSetup setup) {
    startRun(missingRows(setup.dataset(), setup.kinds()) > 0);
  }

  private synchronized void startRun(boolean writes) {
    if (writes && live != null) {
      openForWriting(live);
    }
    runs++;
  }

  @CanIgnoreReturnValue
  private synchronized SignalCache openForWriting(Teacher teacher) {
    SignalCache open = cache;
    if (open == null) {
      TeacherIdentity identity = identity(teacher);
      open =
          SignalCache.openForWriting(
              path, identity, teacher.tokenizer().map(Tokenizer::json).orElse(null));
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
    }
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    requireKinds(kinds);
    if (kinds.isEmpty()) {
      return Signals.none();
    }
    RowKey[] keys = batch.ids().stream().map(RowKey::of).toArray(RowKey[]::new);
    long[] digests = InputDigest.of(batch);
    int[] missing = missing(batch, keys, digests, kinds);
    if (missing.length > 0) {
      if (live == null) {
        throw new DistillationException(
            "teacher cache "
                + path
                + " must have every row that is asked for but lacks "
                + missing.length
                + " of the "
                + batch.size()
                + " rows of a batch; give it the teacher too, with Teacher.cached(path, teacher)");
      }
      synchronized (this) {
        if (runs == 0) {
          return live.signals(batch, kinds);
        }
        // another thread may have asked in the meantime
        missing = missing(batch, keys, digests, kinds);
        if (missing.length > 0) {
          ask(live, batch, missing, keys, digests, kinds);
        }
      }
    }
    return read(batch, keys, kinds);
  }

  private void requireKinds(Set<SignalKind> kinds) {
    Set<SignalKind> unknown = EnumSet.noneOf(SignalKind.class);
    unknown.addAll(kinds);
    unknown.removeAll(SignalCodec.KINDS);
    if (!unknown.isEmpty()) {
      throw new DistillationException(
          "signals of a cached teacher must be among "
              + SignalCodec.KINDS
              + " but "
              + unknown
              + " were asked for; ask for LOGITS instead, or use the teacher directly");
    }
  }

  /** Returns the positions of the rows that are not there, each sample once. */
  private int[] missing(Batch batch, RowKey[] keys, long[] digests, Set<SignalKind> kinds) {
    SignalCache open = cacheIfAny();
    Set<RowKey> seen = new HashSet<>();
    List<Integer> missing = new ArrayList<>();
    for (int row = 0; row < keys.length; row++) {
      boolean absent = open == null;
      for (SignalKind kind : kinds) {
        if (open != null) {
          requireSameInputs(open, kind, keys[row], digests[row], batch.ids().get(row));
          absent |= open.inputs(kind, keys[row]) == null;
        }
      }
      if (absent && seen.add(keys[row])) {
        missing.add(row);
      }
    }
    return missing.stream().mapToInt(Integer::intValue).toArray();
  }

  private void ask(
      Teacher teacher,
      Batch batch,
      int[] missing,
      RowKey[] keys,
      long[] digests,
      Set<SignalKind> kinds) {
    SignalCache open = openForWriting(teacher);
    Batch asked = missing.length == batch.size() ? batch : select(batch, missing);
    Signals signals = teacher.signals(asked, kinds);
    RowTokens tokens =
        signals.mask().map(RowTokens::of).orElseGet(() -> InputDigest.tokens(asked.inputs()));
    for (SignalKind kind : kinds) {
      if (open.layout(kind).isEmpty()) {
        open.define(
            SignalCodec.layout(
                signals,
                kind,
                tokens,
                inputWidth(asked),
                open.identity().half(),
                open.identity().topK()));
      }
      SignalCodec.Encoded encoded = codec(open, kind).encode(signals, asked.size(), tokens);
      for (int i = 0; i < missing.length; i++) {
        open.put(
            kind,
            keys[missing[i]],
            digests[missing[i]],
            encoded.records().get(i),
            encoded.keptMass().get(i));
      }
    }
  }

  private synchronized SignalCodec codec(SignalCache open, SignalKind kind) {
    return codecs.computeIfAbsent(kind, absent -> new SignalCodec(open, kind));
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

  private Signals read(Batch batch, RowKey[] keys, Set<SignalKind> kinds) {
    SignalCache open = requireCache();
    Signals.Builder signals = Signals.builder();
    for (SignalKind kind : kinds) {
      ByteBuffer[] records = new ByteBuffer[keys.length];
      for (int row = 0; row < keys.length; row++) {
        records[row] = open.read(kind, keys[row]);
      }
      try {
        codec(open, kind).decode(signals, batch.manager(), records, inputWidth(batch));
      } catch (IllegalArgumentException e) {
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

  @CanIgnoreReturnValue
  public long label(DistillationDataset dataset, Set<SignalKind> kinds) {
    return label(dataset, kinds, rows -> {});
  }

  @CanIgnoreReturnValue
  public long label(DistillationDataset dataset, Set<SignalKind> kinds, LongConsumer rowsDone) {
    requireKinds(kinds);
    long missing = missingRows(dataset, kinds);
    startRun(missing > 0);
    try {
      BatchSource source = dataset.inputs(tokenizer().orElse(null));
      long done = 0;
      for (int[] rows : LengthGroupedSampler.of(source, RowSignals.BATCH_SIZE, 0).inOrder()) {
        try (NDManager manager = NativeEngine.newManager(device())) {
          Batch batch = source.batch(manager, rows);
          RowKey[] keys = batch.ids().stream().map(RowKey::of).toArray(RowKey[]::new);
          long[] digests = InputDigest.of(batch);
          int[] absent = missing(batch, keys, digests, kinds);
          if (absent.length > 0) {
            ask(requireNonNull(live), batch, absent, keys, digests, kinds);
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
      String json = requireCache().tokenizerJson();
      parsed = json == null ? null : Tokenizer.parse(json);
      TeacherIdentity identity = requireCache().identity();
      if (parsed != null && parsed.maxLength() != identity.maxLength()) {
        parsed = parsed.withMaxLength(identity.maxLength());
      }
      tokenizer = parsed;
    }
    return Optional.ofNullable(parsed);
  }

  @Override
  public List<String> classNames() {
    return live == null ? requireCache().identity().classNames() : live.classNames();
  }

  @Override
  public Device device() {
    return live == null ? NativeEngine.defaultDevice() : live.device();
  }

  @Override
  public Optional<String> fingerprint() {
    return Optional.of((live == null ? requireCache().identity() : identity(live)).fingerprint());
  }

  /** Returns the mass that the kept logits have. */
  KeptMass keptMass() {
    return requireCache().keptMass(SignalKind.LOGITS);
  }

  Optional<SignalLayout> layout(SignalKind kind) {
    return requireCache().layout(kind);
  }

  @Override
  public synchronized void close() {
    SignalCache open = cache;
    if (open != null) {
      cache = null;
      open.close();
    }
  }
}
