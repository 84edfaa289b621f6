package io.distill.teacher.internal;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the k likeliest logits of each row or token, and the mass of all others.
 *
 * <p>What comes back are logits over the whole vocabulary: the kept ones as they were, and the mass
 * of the rest spread over all others in proportion to what the teacher's first answers gave them.
 */
final class TopKCoding {

  /** The most tokens of a row; more are taken for damage. */
  private static final int MOST_TOKENS = 1 << 20;

  /** So many logits are looked at in one native call, to bound its memory. */
  private static final int CHUNK = 1 << 24;

  /** Tables of fewer tokens are made anew when so many times more have been seen. */
  private static final int ENOUGH_TOKENS = 4096;

  private static final int GROWTH = 16;
  private static final int FEWEST_TOKENS = 1024;

  private static final Map<Key, LoadedModule> MODULES = new ConcurrentHashMap<>();

  private record Key(int topK, Device device) {}

  private final SignalLayout layout;
  private final Tables tables;
  private TopKTables.@Nullable Counter counter;

  /** The tables of a cache, to which new ones are added. */
  interface Tables {
    /** Returns all tables, oldest first. */
    List<TopKTables> all();

    /** Adds tables for all rows to come. */
    void add(TopKTables tables);
  }

  TopKCoding(SignalLayout layout, Tables tables) {
    this.layout = layout;
    this.tables = tables;
    List<TopKTables> all = tables.all();
    this.counter =
        all.isEmpty() || all.get(all.size() - 1).tokens() < ENOUGH_TOKENS
            ? new TopKTables.Counter(layout.width(), layout.topK())
            : null;
  }

  /** Compiles the native part once for each k and device. */
  private static LoadedModule module(int topK, Device device) {
    return MODULES.computeIfAbsent(
        new Key(topK, device),
        key -> {
          String lost =
              KeptMass.TEMPERATURES.stream()
                  .map(
                      t ->
                          "torch.exp(torch.logsumexp(rest / %s, [-1]) - torch.logsumexp(logs / %s, [-1]))"
                              .formatted(t, t))
                  .collect(Collectors.joining(", "));
          ScriptModule module =
              ScriptModule.builder("TopLogits")
                  .parameter("unused", HostTensor.of(new float[1], 1))
                  .constant("k", (long) topK)
                  .method(
                      """
                      def forward(self, logits: Tensor) -> Tensor:
                        return logits
                      """)
                  .method(
                      """
                      def top(self, logits: Tensor) -> List[Tensor]:
                        logs = torch.log_softmax(torch.to(logits, 6), -1)
                        top, ids = torch.topk(logs, self.k, -1)
                        rest = torch.scatter(logs, -1, ids, float("-inf"))
                        lost = torch.stack([%s])
                        return [ids, top, torch.logsumexp(rest, [-1]), lost, rest]
                      """
                          .formatted(lost))
                  .method(
                      """
                      def tails(self, rest: Tensor) -> List[Tensor]:
                        mass = torch.exp(rest)
                        first = torch.sum(torch.slice(mass, 0, 0, 9223372036854775807, 2), [0])
                        return [first, torch.sum(mass, [0]) - first, torch.amax(rest, [0])]
                      """)
                  .method(
                      """
                      def dense(self, base: Tensor, tails: Tensor, ids: Tensor, values: Tensor) -> Tensor:
                        return torch.scatter_(torch.unsqueeze(base, -1) + tails, -1, ids, values)
                      """)
                  .method(
                      """
                      def apart(self, kept: Tensor, live: Tensor) -> Tensor:
                        p = torch.sqrt(torch.softmax(kept, -1))
                        q = torch.sqrt(torch.softmax(torch.to(live, 6), -1))
                        top, ids = torch.topk(q, (self.k + 1) // 2, -1)
                        return torch.amax(torch.abs(torch.gather(p, -1, ids) - top), [-1])
                      """)
                  .build();
          return LoadedModule.load(module, device, false);
        });
  }

  /** Encodes the rows of a batch. */
  SignalCodec.Encoded encode(NDArray logits, int rows, @Nullable RowTokens tokens) {
    int positions = tokens == null ? 1 : tokens.width();
    int width = layout.width();
    NDArray flat = logits.reshape(new Shape((long) rows * positions, width));
    List<List<TokenCode.Token>> byRow = new ArrayList<>();
    List<KeptMass> keptMass = new ArrayList<>();
    if (tokens == null) {
      Looked all = look(flat, 0, rows);
      for (int row = 0; row < rows; row++) {
        byRow.add(List.of(all.tokens().get(row)));
        keptMass.add(all.keptMass(row, row + 1));
      }
    } else {
      for (int row = 0; row < rows; row++) {
        Looked ofRow = look(flat, (long) row * positions, tokens.length(row));
        byRow.add(ofRow.tokens());
        keptMass.add(ofRow.keptMass(0, tokens.length(row)));
      }
    }
    TopKTables used = current();
    int number = tables.all().size() - 1;
    TokenCode code = new TokenCode(used);
    List<byte[]> records = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      RangeEncoder out = new RangeEncoder();
      byRow.get(row).forEach(token -> code.encode(out, token));
      byte[] bits = out.finish();
      int head = tokens == null ? 0 : tokens.headBytes(row);
      byte[] record = new byte[head + 1 + bits.length];
      ByteBuffer buffer = BlockFile.little(record);
      if (tokens != null) {
        tokens.writeHead(row, buffer);
      }
      buffer.put((byte) number).put(bits);
      records.add(record);
    }
    return new SignalCodec.Encoded(records, keptMass);
  }

  /** The tokens of some rows, and by temperature what of each is lost. */
  private record Looked(List<TokenCode.Token> tokens, List<float[]> lost) {
    KeptMass keptMass(int from, int to) {
      return KeptMass.of(
          lost.stream().map(each -> Arrays.copyOfRange(each, from, to)).toArray(float[][]::new));
    }
  }

  /** Looks at consecutive distributions, in chunks. */
  private Looked look(NDArray flat, long first, int count) {
    List<TokenCode.Token> tokens = new ArrayList<>();
    List<float[]> lost = new ArrayList<>();
    KeptMass.TEMPERATURES.forEach(t -> lost.add(new float[count]));
    int step = Math.max(1, CHUNK / layout.width());
    for (int from = 0; from < count; from += step) {
      int to = Math.min(count, from + step);
      try (NDManager scratch = flat.getManager().newSubManager()) {
        NDArray chunk = flat.get(scratch, new NDIndex().addSliceDim(first + from, first + to));
        float[] ofChunk = look(scratch, chunk, tokens);
        for (int i = 0; i < lost.size(); i++) {
          System.arraycopy(ofChunk, i * (to - from), lost.get(i), from, to - from);
        }
      }
    }
    return new Looked(tokens, lost);
  }

  private float[] look(NDManager scratch, NDArray logits, List<TokenCode.Token> tokens) {
    LoadedModule module = module(layout.topK(), logits.getDevice());
    NDList found = module.call("top", new NDList(logits), false);
    found.attach(scratch);
    long[] ids = found.get(0).toLongArray();
    float[] values = found.get(1).toFloatArray();
    float[] tails = found.get(2).toFloatArray();
    int k = layout.topK();
    List<TokenCode.Token> added = new ArrayList<>();
    for (int token = 0; token < tails.length; token++) {
      int[] entries = new int[k];
      for (int i = 0; i < k; i++) {
        entries[i] = (int) ids[token * k + i];
      }
      float[] top = Arrays.copyOfRange(values, token * k, (token + 1) * k);
      if (Float.isNaN(tails[token]) || Float.isNaN(top[0])) {
        throw new DistillationException(
            "teacher's LOGITS must be finite to be kept but gave NaN as a probability; check its"
                + " weights and this batch");
      }
      added.add(TokenCode.round(entries, top, tails[token]));
    }
    tokens.addAll(added);
    TopKTables.Counter learning = counter;
    if (learning != null) {
      added.forEach(learning::token);
      NDList mass = module.call("tails", new NDList(found.get(4)), false);
      mass.attach(scratch);
      learning.tails(
          mass.get(0).toFloatArray(), mass.get(1).toFloatArray(), mass.get(2).toFloatArray());
    }
    return found.get(3).toFloatArray();
  }

  /** Returns the tables for what is written now; makes new ones when enough more has been seen. */
  private TopKTables current() {
    List<TopKTables> all = tables.all();
    TopKTables last = all.isEmpty() ? null : all.get(all.size() - 1);
    TopKTables.Counter learning = counter;
    if (learning == null) {
      return java.util.Objects.requireNonNull(last);
    }
    boolean enough =
        last == null || learning.tokens() >= Math.max(FEWEST_TOKENS, (long) GROWTH * last.tokens());
    if (enough) {
      last = learning.build();
      tables.add(last);
      if (last.tokens() >= ENOUGH_TOKENS) {
        counter = null;
      }
    }
    return java.util.Objects.requireNonNull(last);
  }

  /**
   * Decodes some rows.
   *
   * @param records positioned after the number of tokens
   * @param width the number of positions of a row
   */
  NDArray decode(NDManager manager, ByteBuffer[] records, @Nullable RowTokens tokens, int width) {
    int rows = records.length;
    int positions = tokens == null ? 1 : width;
    int k = layout.topK();
    long count = (long) rows * positions;
    if (positions > MOST_TOKENS
        || count * layout.width() * Float.BYTES > Integer.MAX_VALUE * 8L
        || count * k * Long.BYTES > Integer.MAX_VALUE) {
      throw new DistillationException(
          "logits of a batch must fit into memory but "
              + rows
              + " rows of "
              + positions
              + " tokens have "
              + count * layout.width()
              + "; use a smaller batchSize");
    }
    int slots = (int) count;
    long[] ids = new long[slots * k];
    float[] values = new float[slots * k];
    float[] base = new float[slots];
    int[] which = new int[slots];
    List<TopKTables> all = tables.all();
    TokenCode[] codes = new TokenCode[all.size()];
    int least = Integer.MAX_VALUE;
    int most = 0;
    for (int row = 0; row < rows; row++) {
      ByteBuffer record = records[row];
      int number = record.hasRemaining() ? record.get() & 0xFF : -1;
      if (number < 0 || number >= all.size()) {
        throw new IllegalArgumentException(
            "a record must name one of " + all.size() + " tables but named " + number);
      }
      least = Math.min(least, number);
      most = Math.max(most, number);
      TokenCode code = codes[number];
      if (code == null) {
        code = new TokenCode(all.get(number));
        codes[number] = code;
      }
      RangeDecoder in = new RangeDecoder(record);
      int length = tokens == null ? 1 : tokens.length(row);
      Arrays.fill(which, row * positions, (row + 1) * positions, number);
      for (int token = 0; token < length; token++) {
        int slot = row * positions + token;
        base[slot] = code.decode(in, ids, values, slot * k);
      }
    }
    Device device = manager.getDevice();
    NDArray tails;
    if (least == most) {
      tails = manager.create(all.get(most).tailLogarithms());
    } else {
      float[][] each = new float[all.size()][];
      Arrays.setAll(each, i -> all.get(i).tailLogarithms());
      try (NDManager scratch = manager.newSubManager()) {
        tails = scratch.create(each).get(scratch.create(which, new Shape(slots)));
        tails.attach(manager);
      }
    }
    NDArray dense =
        module(k, device)
            .call(
                "dense",
                new NDList(
                    manager.create(base),
                    tails,
                    manager.create(ids, new Shape(slots, k)),
                    manager.create(values, new Shape(slots, k))),
                false)
            .head();
    return tokens == null ? dense : dense.reshape(new Shape(rows, positions, layout.width()));
  }

  /**
   * Returns the largest difference of the roots of probabilities among the likelier kept entries.
   */
  double difference(NDArray kept, NDArray live, @Nullable RowTokens tokens) {
    float[] apart =
        module(layout.topK(), kept.getDevice())
            .call("apart", new NDList(kept, live), false)
            .head()
            .toFloatArray();
    int rows = Math.toIntExact(kept.getShape().get(0));
    int positions = apart.length / rows;
    double largest = 0;
    for (int row = 0; row < rows; row++) {
      int length = tokens == null ? positions : tokens.length(row);
      for (int i = 0; i < length; i++) {
        double each = apart[row * positions + i];
        largest = Double.isNaN(each) ? Double.POSITIVE_INFINITY : Math.max(largest, each);
      }
    }
    return largest;
  }
}
