package io.distill.generation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.base.Suppliers;
import com.google.common.collect.Iterables;
import com.google.common.primitives.ImmutableIntArray;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import io.distill.huggingface.ChatTemplate;
import io.distill.huggingface.CheckpointFiles;
import io.distill.model.DecodingSession;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.provenance.Provenance;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Lets a language model continue prompts.
 *
 * <pre>{@code
 * try (DeployableModel model = DeployableModel.load(directory)) {
 *   TextGenerator generator = TextGenerator.of(model);
 *   String story = generator.generate("Once upon a time", GenerationOptions.greedy()).text();
 * }
 * }</pre>
 *
 * <p>Prompts of unequal length are padded on the left and written together; rows that end make
 * room. Thread-safe; the model stays the caller's to close.
 */
public final class TextGenerator {

  /** No prompt of a context this long is cut by the tokenizer. */
  private static final int UNCUT = 1 << 24;

  private final ScriptedModel model;
  private final TransformerDecoder shape;
  private final @Nullable Tokenizer tokenizer;
  private final @Nullable CheckpointFiles files;
  private final ImmutableIntArray endIds;
  private final Supplier<String> fingerprint;
  private final @Nullable Provenance provenance;

  private TextGenerator(DeployableModel deployable, ScriptedModel model, TransformerDecoder shape) {
    this.model = model;
    this.shape = shape;
    this.tokenizer = deployable.tokenizer().map(each -> each.withMaxLength(UNCUT)).orElse(null);
    this.files = CheckpointFiles.of(deployable).orElse(null);
    this.endIds = files == null ? ImmutableIntArray.of() : files.endIds();
    this.provenance = deployable.provenance().orElse(null);
    // a digest of all weights takes its time; only those of a model in training change
    this.fingerprint =
        model.trainable() ? deployable::fingerprint : Suppliers.memoize(deployable::fingerprint);
  }

  /**
   * Starts to use a model.
   *
   * @param model a language model, such as {@code DeployableModel.load} gives of a checkpoint
   * @return the generator
   * @throws DistillationException if the model is no language model of this library
   */
  public static TextGenerator of(DeployableModel model) {
    if (model.model() instanceof ScriptedModel scripted
        && scripted.configuration().orElseThrow() instanceof TransformerDecoder decoder) {
      return new TextGenerator(model, scripted, decoder);
    }
    throw new DistillationException(
        "model must be a TransformerDecoder to write text but was a "
            + model.architecture()
            + "; load a checkpoint of a language model");
  }

  /**
   * Returns what the model's {@code generation_config.json} recommends.
   *
   * @return a builder with these values; with the defaults if there is no such file
   */
  public GenerationOptions.Builder recommendedOptions() {
    return files == null
        ? GenerationOptions.builder()
        : GenerationOptions.recommended(files.generationConfig());
  }

  /**
   * Returns the tokens that end a text unless options say otherwise.
   *
   * @return token ids; empty if the model names none
   */
  public ImmutableIntArray endIds() {
    return endIds;
  }

  /**
   * Continues a prompt.
   *
   * @param prompt the text; special tokens are added as the tokenizer does it
   * @param options how to write
   * @return what was written
   * @throws DistillationException if the prompt is empty or fills the context, or the model has no
   *     tokenizer
   */
  public Generation generate(String prompt, GenerationOptions options) {
    return generate(List.of(prompt), options).get(0);
  }

  /**
   * Continues a prompt and tells of each piece of text.
   *
   * @param prompt the text; special tokens are added as the tokenizer does it
   * @param options how to write
   * @param listener is told of each piece, with row 0
   * @return what was written
   * @throws DistillationException as {@link #generate(String, GenerationOptions)}
   */
  public Generation generate(
      String prompt, GenerationOptions options, GenerationListener listener) {
    return generate(List.of(prompt), options, listener).get(0);
  }

  /**
   * Continues several prompts.
   *
   * @param prompts the texts
   * @param options how to write
   * @return what was written, in the order of the prompts
   * @throws DistillationException as {@link #generate(String, GenerationOptions)}
   */
  public List<Generation> generate(List<String> prompts, GenerationOptions options) {
    return generate(prompts, options, (row, piece) -> {});
  }

  /**
   * Continues several prompts and tells of each piece of text.
   *
   * @param prompts the texts
   * @param options how to write
   * @param listener is told of each piece
   * @return what was written, in the order of the prompts
   * @throws DistillationException as {@link #generate(String, GenerationOptions)}
   */
  public List<Generation> generate(
      List<String> prompts, GenerationOptions options, GenerationListener listener) {
    Tokenizer encoder = requireTokenizer();
    List<int[]> ids = prompts.stream().map(encoder::encode).toList();
    return continueTokens(ids, seeds(ids.size(), options), options, listener);
  }

  private static long[] seeds(int rows, GenerationOptions options) {
    return new SplittableRandom(options.seed()).longs(rows).toArray();
  }

  private Tokenizer requireTokenizer() {
    if (tokenizer == null) {
      throw new DistillationException(
          "model must have a tokenizer to read a prompt but has none; continue token ids, or add a"
              + " tokenizer.json");
    }
    return tokenizer;
  }

  /**
   * Answers messages: they are written by the model's own chat template and continued.
   *
   * @param messages the messages in order
   * @param options how to write
   * @return what was written
   * @throws DistillationException if the model has no chat template, the template refuses the
   *     messages, or as {@link #generate(String, GenerationOptions)}
   */
  public Generation chat(List<ChatMessage> messages, GenerationOptions options) {
    ChatTemplate template =
        Optional.ofNullable(files)
            .flatMap(ChatTemplate::of)
            .orElseThrow(
                () ->
                    new DistillationException(
                        "model must have a chat template to answer messages but has none; write"
                            + " them as text yourself and continue that"));
    int[] ids = requireTokenizer().encode(template.render(messages, true), false);
    return continueTokens(List.of(ids), options).get(0);
  }

  /**
   * Continues rows of token ids.
   *
   * @param prompts the ids of each row, at least one each
   * @param options how to write
   * @return what was written, in the order of the prompts; texts are empty without a tokenizer
   * @throws DistillationException if a prompt is empty or fills the context
   */
  public List<Generation> continueTokens(List<int[]> prompts, GenerationOptions options) {
    return continueTokens(prompts, seeds(prompts.size(), options), options, (row, piece) -> {});
  }

  /**
   * Continues rows of token ids, each with a seed of its own.
   *
   * @param prompts the ids of each row, at least one each
   * @param seeds the seed of each row's draws; that of the options is not looked at
   * @param options how to write
   * @param listener is told of each piece of text
   * @return what was written, in the order of the prompts; texts are empty without a tokenizer
   * @throws DistillationException if a prompt is empty or fills the context
   */
  public List<Generation> continueTokens(
      List<int[]> prompts, long[] seeds, GenerationOptions options, GenerationListener listener) {
    requireNonNull(listener, "listener");
    checkArgument(
        seeds.length == prompts.size(),
        "seeds must be as many as prompts but were %s for %s",
        seeds.length,
        prompts.size());
    for (int[] prompt : prompts) {
      requireRoom(prompt);
    }
    Generation[] results = new Generation[prompts.size()];
    // rows of similar length together: less padding
    List<Integer> order =
        IntStream.range(0, results.length)
            .boxed()
            .sorted(Comparator.comparingInt(row -> prompts.get(row).length))
            .toList();
    for (List<Integer> some : Iterables.partition(order, options.batchSize())) {
      List<GeneratedRow> rows = new ArrayList<>();
      for (int row : some) {
        rows.add(
            new GeneratedRow(
                row,
                options,
                prompts.get(row),
                tokenizer == null ? shape.vocabularySize() : tokenizer.vocabularySize(),
                seeds[row],
                tokenizer,
                listener));
      }
      write(rows, options);
      rows.forEach(row -> results[row.row()] = row.result());
    }
    return Arrays.asList(results);
  }

  private void requireRoom(int[] prompt) {
    if (prompt.length == 0 || prompt.length >= shape.maxPositions()) {
      throw new DistillationException(
          "prompt must have 1 to "
              + (shape.maxPositions() - 1)
              + " tokens, one less than the context of the model, but had "
              + prompt.length
              + "; "
              + (prompt.length == 0 ? "begin with a token of your own" : "cut it"));
    }
  }

  private void write(List<GeneratedRow> rows, GenerationOptions options) {
    int longest = rows.stream().mapToInt(row -> row.prompt().length).max().orElse(0);
    int most = Math.min(options.maxNewTokens(), shape.maxPositions() - longest);
    GeneratedRow.Ends ends =
        id -> options.endIds().contains(id) || (!options.ignoreEnd() && endIds.contains(id));
    List<GeneratedRow> live = new ArrayList<>(rows);
    try (DecodingSession session = model.decode(rows.size(), longest + most)) {
      float[][] logits =
          session.begin(rows.stream().map(GeneratedRow::prompt).toArray(int[][]::new));
      for (int written = 1; ; written++) {
        for (int i = 0; i < live.size(); i++) {
          if (!live.get(i).ended()) {
            live.get(i).write(logits[i], ends, most);
          }
        }
        long going = live.stream().filter(row -> !row.ended()).count();
        if (going == 0 || written == most) {
          return;
        }
        // to take rows out copies the cache, so it must be worth it
        if (going <= live.size() * 3L / 4) {
          int[] kept = goingOn(live);
          List<GeneratedRow> remaining = new ArrayList<>();
          for (int i : kept) {
            remaining.add(live.get(i));
          }
          session.select(kept);
          live = remaining;
        }
        logits = session.next(live.stream().mapToInt(GeneratedRow::last).toArray());
      }
    }
  }

  private static int[] goingOn(List<GeneratedRow> live) {
    return IntStream.range(0, live.size()).filter(i -> !live.get(i).ended()).toArray();
  }

  /**
   * Returns a digest of the model with its present weights and tokenizer. It is taken once, unless
   * the model is one that can be trained.
   *
   * @return a SHA-256 digest in hexadecimal
   */
  public String fingerprint() {
    return fingerprint.get();
  }

  /**
   * Returns where the model comes from.
   *
   * @return its provenance; empty if it was not trained by a run of this library
   */
  public Optional<Provenance> provenance() {
    return Optional.ofNullable(provenance);
  }

  /**
   * Returns the tokenizer of the model, which cuts nothing.
   *
   * @return the tokenizer; empty if the model has none
   */
  public Optional<Tokenizer> tokenizer() {
    return Optional.ofNullable(tokenizer);
  }

  @Override
  public String toString() {
    return "TextGenerator[" + (files == null ? "decoder" : files.modelType()) + "]";
  }
}
