package io.distill.conversation;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.primitives.ImmutableIntArray;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatTemplate;
import io.distill.huggingface.CheckpointFiles;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.TransformerDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Rows of tokens for language models, with labels on what shall be learned: of conversations what
 * the assistant says, of prompts with completions the completion, of texts everything. The token
 * that ends a text is learned, also where it is the token that pads.
 *
 * <p>With {@link Builder#packed} several samples share a row: the attention mask numbers them, and
 * no token sees another sample, so losses are those of the samples alone.
 *
 * <p>Immutable and thread-safe.
 */
public final class ConversationDataset implements DistillationDataset {

  /** What happens to samples that are longer than the maximum length. */
  public enum TooLong {
    /** The end is cut off. */
    TRUNCATE,
    /** They become several rows. */
    SPLIT,
    /** They are left out and counted. */
    DROP
  }

  private static final int UNCUT = 1 << 24;
  private static final int ID_LENGTH = 24;

  private final Tokenizer tokenizer;
  private final List<List<TokenisedSample>> rows;
  private final List<String> ids;
  private final ConversationReport report;

  private ConversationDataset(
      Tokenizer tokenizer,
      List<List<TokenisedSample>> rows,
      List<String> ids,
      ConversationReport report) {
    this.tokenizer = tokenizer;
    this.rows = rows;
    this.ids = ids;
    this.report = report;
  }

  /**
   * Starts a data set.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Returns what became of the samples.
   *
   * @return the report; of a {@link #subset} that of the whole
   */
  public ConversationReport report() {
    return report;
  }

  @Override
  public int size() {
    return rows.size();
  }

  @Override
  public List<String> classNames() {
    return List.of();
  }

  @Override
  public int label(int row) {
    Objects.checkIndex(row, size());
    return NO_LABEL;
  }

  @Override
  public boolean hasTokenLabels() {
    return true;
  }

  @Override
  public String id(int row) {
    return ids.get(row);
  }

  /**
   * Returns some of the rows.
   *
   * @param chosen the rows, in the order wanted, at least one
   * @return a data set
   * @throws IllegalArgumentException if none is named
   */
  public ConversationDataset subset(int[] chosen) {
    checkArgument(chosen.length > 0, "chosen must have at least one row but was empty");
    return new ConversationDataset(
        tokenizer,
        Arrays.stream(chosen).mapToObj(rows::get).toList(),
        Arrays.stream(chosen).mapToObj(ids::get).toList(),
        report);
  }

  /**
   * Divides the rows at random, for instance into training and validation rows.
   *
   * @param share the share of the first part; above 0 and below 1; each part gets at least one row
   * @param seed the seed of the draw
   * @return two data sets, rows in their old order
   * @throws IllegalArgumentException if the share is out of range, or there is only one row
   */
  public List<ConversationDataset> split(double share, long seed) {
    checkArgument(share > 0 && share < 1, "share must be above 0 and below 1 but was %s", share);
    checkArgument(size() > 1, "rows must be at least 2 to be divided but were %s", size());
    List<Integer> order = new ArrayList<>(IntStream.range(0, size()).boxed().toList());
    Collections.shuffle(order, new Random(seed));
    int first = Math.max(1, Math.min(size() - 1, (int) Math.round(share * size())));
    return List.of(
        subset(sorted(order.subList(0, first))), subset(sorted(order.subList(first, size()))));
  }

  private static int[] sorted(List<Integer> some) {
    return some.stream().mapToInt(Integer::intValue).sorted().toArray();
  }

  @Override
  public BatchSource inputs(@Nullable Tokenizer asked) {
    if (asked != null
        && !asked
            .withMaxLength(UNCUT)
            .fingerprint()
            .equals(tokenizer.withMaxLength(UNCUT).fingerprint())) {
      throw new DistillationException(
          "model must have the tokenizer of the data set but has another one; build the data set"
              + " with the tokenizer of the student, and for losses on tokens use a teacher that"
              + " has it too");
    }
    return new Source();
  }

  private final class Source implements BatchSource {

    @Override
    public int size() {
      return rows.size();
    }

    @Override
    public int length(int row) {
      return rows.get(row).stream().mapToInt(TokenisedSample::length).sum();
    }

    @Override
    public int[] tokenLabels(int row) {
      return rows.get(row).stream()
          .flatMapToInt(sample -> Arrays.stream(sample.labels()))
          .toArray();
    }

    @Override
    public Batch batch(NDManager manager, int[] chosen) {
      requireNonNull(manager, "manager");
      checkArgument(chosen.length > 0, "rows must have at least one row but was empty");
      int longest = Arrays.stream(chosen).map(this::length).max().orElseThrow();
      long[] tokens = new long[Math.multiplyExact(chosen.length, longest)];
      Arrays.fill(tokens, tokenizer.padId());
      long[] mask = new long[tokens.length];
      List<String> names = new ArrayList<>(chosen.length);
      for (int i = 0; i < chosen.length; i++) {
        int at = i * longest;
        int number = 0;
        for (TokenisedSample sample : rows.get(chosen[i])) {
          number++;
          for (int id : sample.ids()) {
            tokens[at] = id;
            mask[at++] = number;
          }
        }
        names.add(ids.get(chosen[i]));
      }
      Shape shape = new Shape(chosen.length, longest);
      return new Batch(
          manager,
          new NDList(manager.create(tokens, shape), manager.create(mask, shape)),
          chosen,
          names,
          List.of());
    }
  }

  @Override
  public String fingerprint() {
    Hasher hasher = Hashing.sha256().newHasher();
    byte[] bytes = tokenizer.withMaxLength(UNCUT).fingerprint().getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes).putInt(rows.size());
    for (List<TokenisedSample> row : rows) {
      hasher.putInt(row.size());
      row.forEach(sample -> put(hasher, sample));
    }
    return hasher.hash().toString();
  }

  private static void put(Hasher hasher, TokenisedSample sample) {
    hasher.putInt(sample.length());
    for (int i = 0; i < sample.length(); i++) {
      hasher.putInt(sample.ids()[i]).putInt(sample.labels()[i]);
    }
  }

  @Override
  public String toString() {
    return "ConversationDataset[" + report + "]";
  }

  /** Collects what a data set is made of. */
  public static final class Builder {
    private final List<Conversation> conversations = new ArrayList<>();
    private @Nullable Tokenizer tokenizer;
    private @Nullable ConversationTemplate template;
    private int @Nullable [] endIds;
    private @Nullable Integer maxLength;
    private TooLong tooLong = TooLong.TRUNCATE;
    private boolean packed;
    private boolean endTexts = true;

    private Builder() {}

    /**
     * Adds samples.
     *
     * @param conversations the samples
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder conversations(List<? extends Conversation> conversations) {
      this.conversations.addAll(conversations);
      return this;
    }

    /**
     * Takes tokenizer, chat template, end tokens and maximum length of a model, as far as they are
     * not set.
     *
     * @param model a language model, such as the student, or the teacher that has the same
     *     tokenizer
     * @return this builder
     * @throws DistillationException if the model has no tokenizer
     */
    @CanIgnoreReturnValue
    public Builder model(DeployableModel model) {
      Tokenizer own =
          model
              .tokenizer()
              .orElseThrow(
                  () ->
                      new DistillationException(
                          "model must have a tokenizer to make a data set for but has none; call"
                              + " tokenizer(...)"));
      tokenizer = tokenizer == null ? own : tokenizer;
      ModelConfiguration shape = model.model().configuration().orElse(null);
      if (maxLength == null && shape instanceof TransformerDecoder decoder) {
        maxLength = decoder.maxPositions();
      }
      boolean ofMessages = conversations.stream().anyMatch(Conversation.Messages.class::isInstance);
      if (template == null && ofMessages) {
        CheckpointFiles.of(model)
            .flatMap(ChatTemplate::of)
            .ifPresent(each -> template = each::render);
      }
      ImmutableIntArray ends =
          CheckpointFiles.of(model).map(CheckpointFiles::endIds).orElse(ImmutableIntArray.of());
      if (endIds == null && !ends.isEmpty()) {
        endIds = ends.toArray();
      }
      return this;
    }

    /**
     * Sets how text becomes tokens.
     *
     * @param tokenizer the tokenizer of the student
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder tokenizer(Tokenizer tokenizer) {
      this.tokenizer = requireNonNull(tokenizer, "tokenizer");
      return this;
    }

    /**
     * Sets how messages become text.
     *
     * @param template the template; needed for messages
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder template(ConversationTemplate template) {
      this.template = requireNonNull(template, "template");
      return this;
    }

    /**
     * Sets the token that ends a text.
     *
     * @param endId the token; it is added to completions and texts, and to conversations that do
     *     not end with a special token; default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder endId(int endId) {
      this.endIds = new int[] {endId};
      return this;
    }

    /**
     * Sets the length of the longest row.
     *
     * @param maxLength the number of tokens; at least 2; default the tokenizer's
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder maxLength(int maxLength) {
      checkArgument(maxLength >= 2, "maxLength must be at least 2 but was %s", maxLength);
      this.maxLength = maxLength;
      return this;
    }

    /**
     * Sets what happens to longer samples.
     *
     * @param tooLong what to do; default {@link TooLong#TRUNCATE}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder tooLong(TooLong tooLong) {
      this.tooLong = requireNonNull(tooLong, "tooLong");
      return this;
    }

    /**
     * Sets whether several samples share a row as long as they fit.
     *
     * @param packed whether to pack; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder packed(boolean packed) {
      this.packed = packed;
      return this;
    }

    /**
     * Sets whether the end token is added to plain texts, too.
     *
     * @param endTexts whether to add it; default true
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder endTexts(boolean endTexts) {
      this.endTexts = endTexts;
      return this;
    }

    /**
     * Builds the data set.
     *
     * @return the data set
     * @throws IllegalStateException if samples or tokenizer are missing, or the template of
     *     messages is
     * @throws DistillationException if no sample is left
     */
    public ConversationDataset build() {
      List<String> missing = new ArrayList<>();
      if (conversations.isEmpty()) {
        missing.add("conversations");
      }
      if (tokenizer == null) {
        missing.add("tokenizer");
      }
      if (template == null
          && conversations.stream().anyMatch(Conversation.Messages.class::isInstance)) {
        missing.add("template");
      }
      checkState(missing.isEmpty(), "%s must be set", String.join(", ", missing));
      Tokenizer used = requireNonNull(tokenizer);
      int longest = maxLength == null ? Math.max(2, used.maxLength()) : maxLength;
      return new Assembly(
              new SampleTokenizer(used.withMaxLength(UNCUT), template, endIds, endTexts),
              longest,
              tooLong)
          .of(conversations, used, packed);
    }
  }

  /** Counts while samples become rows. */
  private static final class Assembly {
    private final SampleTokenizer samples;
    private final int longest;
    private final TooLong tooLong;
    private final Map<String, Integer> dropped = new TreeMap<>();
    private final List<TokenisedSample> kept = new ArrayList<>();
    private int count;
    private int truncated;
    private int split;
    private int lastTurnOnly;

    Assembly(SampleTokenizer samples, int longest, TooLong tooLong) {
      this.samples = samples;
      this.longest = longest;
      this.tooLong = tooLong;
    }

    ConversationDataset of(List<Conversation> conversations, Tokenizer tokenizer, boolean packed) {
      for (Conversation each : conversations) {
        try {
          add(each);
          count++;
        } catch (SampleTokenizer.Dropped e) {
          dropped.merge(requireNonNull(e.getMessage()), 1, Integer::sum);
        }
      }
      if (kept.isEmpty()) {
        throw new DistillationException(
            "conversations must have at least one sample to learn from but all "
                + conversations.size()
                + " were dropped: "
                + dropped
                + "; see ConversationReport for the reasons");
      }
      List<List<Integer>> places =
          packed
              ? Packing.of(kept, longest)
              : IntStream.range(0, kept.size()).mapToObj(List::of).toList();
      List<List<TokenisedSample>> rows =
          places.stream().map(row -> row.stream().map(kept::get).toList()).toList();
      long tokens = kept.stream().mapToLong(TokenisedSample::length).sum();
      ConversationReport report =
          new ConversationReport(
              conversations.size(),
              count,
              dropped,
              truncated,
              split,
              lastTurnOnly,
              rows.size(),
              tokens,
              kept.stream().mapToLong(TokenisedSample::learned).sum(),
              tokens / ((double) rows.size() * longest));
      return new ConversationDataset(
          tokenizer, rows, rows.stream().map(Assembly::id).toList(), report);
    }

    private void add(Conversation conversation) throws SampleTokenizer.Dropped {
      SampleTokenizer.Result result = samples.tokenise(conversation);
      TokenisedSample sample = result.sample();
      int before = kept.size();
      boolean cut = sample.length() > longest;
      if (!cut) {
        keep(sample);
      } else if (tooLong == TooLong.TRUNCATE) {
        keep(sample.part(0, longest));
      } else if (tooLong == TooLong.SPLIT) {
        for (int from = 0; from < sample.length(); from += longest) {
          keep(sample.part(from, Math.min(sample.length(), from + longest)));
        }
      } else {
        throw new SampleTokenizer.Dropped(ConversationReport.TOO_LONG);
      }
      if (kept.size() == before) {
        throw new SampleTokenizer.Dropped(
            cut ? ConversationReport.NOTHING_LEFT : ConversationReport.EMPTY);
      }
      truncated += cut && tooLong == TooLong.TRUNCATE ? 1 : 0;
      split += cut && tooLong == TooLong.SPLIT ? 1 : 0;
      lastTurnOnly += result.lastTurnOnly() ? 1 : 0;
    }

    private void keep(TokenisedSample sample) {
      if (sample.learned() > 0) {
        kept.add(sample);
      }
    }

    private static String id(List<TokenisedSample> row) {
      Hasher hasher = Hashing.sha256().newHasher();
      row.forEach(sample -> put(hasher, sample));
      return hasher.hash().toString().substring(0, ID_LENGTH);
    }
  }
}
