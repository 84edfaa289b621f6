package io.distill.student;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.common.primitives.Ints;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.huggingface.CheckpointFiles;
import io.distill.model.ActivationImportance;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.RotaryEmbedding;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.provenance.spi.PartDescription;
import io.distill.provenance.spi.RecipePart;
import io.distill.torchscript.HostTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * A language model: fresh, made of chosen layers of the teacher, or pruned from it by importance.
 * It is saved as a Hugging Face checkpoint.
 *
 * @see TransformerDecoder
 */
public final class DecoderStudent implements Student, RecipePart {

  private static final int DEFAULT_LAYERS = 2;
  private static final int DEFAULT_HIDDEN_SIZE = 128;
  private static final int HEAD_SIZE = 32;
  private static final String DEFAULT_FAMILY = "llama";

  private final Settings recipe;
  private final @Nullable Tokenizer tokenizer;
  private final @Nullable ActivationImportance importance;

  private DecoderStudent(
      Settings recipe, @Nullable Tokenizer tokenizer, @Nullable ActivationImportance importance) {
    this.recipe = recipe;
    this.tokenizer = tokenizer;
    this.importance = importance;
  }

  /** What a decoder is made by; of its own tokenizer and of importances only the fingerprint. */
  record Settings(
      OptionalInt layers,
      OptionalInt hiddenSize,
      OptionalInt heads,
      OptionalInt keyValueHeads,
      OptionalInt intermediateSize,
      OptionalInt maxLength,
      OptionalDouble rotaryBase,
      double dropout,
      Optional<String> family,
      OptionalInt beginId,
      OptionalInt endId,
      @Nullable String tokenizer,
      @Nullable List<Integer> teacherLayers,
      @Nullable String importance)
      implements PartDescription {

    Settings {
      teacherLayers = teacherLayers == null ? null : List.copyOf(teacherLayers);
    }

    @Override
    public Optional<Object> part() {
      if (tokenizer != null || importance != null) {
        return Optional.empty();
      }
      Builder builder = new Builder().dropout(dropout);
      layers.ifPresent(builder::layers);
      hiddenSize.ifPresent(builder::hiddenSize);
      heads.ifPresent(builder::heads);
      keyValueHeads.ifPresent(builder::keyValueHeads);
      intermediateSize.ifPresent(builder::intermediateSize);
      maxLength.ifPresent(builder::maxLength);
      rotaryBase.ifPresent(builder::rotaryBase);
      family.ifPresent(builder::family);
      beginId.ifPresent(builder::beginId);
      endId.ifPresent(builder::endId);
      if (teacherLayers != null) {
        builder.teacherLayers(Ints.toArray(teacherLayers));
      }
      return Optional.of(builder.build());
    }
  }

  @Override
  public Record description() {
    return recipe;
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    return Optional.of(shape(setup, setup.tokenizer(tokenizer, false)));
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    Tokenizer used = setup.tokenizer(tokenizer, false);
    TransformerDecoder shape = shape(setup, used);
    Map<String, HostTensor> weights =
        ofTeacher() ? teacherWeights(setup, shape, used) : shape.initialWeights(setup.seed());
    return new DeployableModel(
            ScriptedModel.open(shape, weights, setup.device(), true, setup.computation()),
            used.withMaxLength(Math.min(used.maxLength(), shape.maxPositions())),
            List.of())
        .withWriter(files(setup, shape, used));
  }

  private CheckpointFiles files(StudentSetup setup, TransformerDecoder shape, Tokenizer used) {
    boolean trimmed = tokenizer != null && ofTeacher();
    Optional<CheckpointFiles> teachers =
        (tokenizer != null && !trimmed) || recipe.family.isPresent()
            ? Optional.empty()
            : setup.teacher().localModel().flatMap(CheckpointFiles::of);
    if (teachers.isPresent()) {
      int[] ids = trimmed ? idsInTeacher(setup, used) : new int[0];
      CheckpointFiles files =
          trimmed ? teachers.get().withIds(old -> Ints.indexOf(ids, old)) : teachers.get();
      return files.withConfiguration(shape);
    }
    return CheckpointFiles.of(recipe.family.orElse(DEFAULT_FAMILY), shape)
        .withTokens(
            recipe.beginId.isPresent() ? (Integer) recipe.beginId.getAsInt() : null,
            recipe.endId.isPresent() ? (Integer) recipe.endId.getAsInt() : null,
            used.padId());
  }

  /** Whether the weights are parts of the teacher's. */
  private boolean ofTeacher() {
    return recipe.teacherLayers != null || importance != null;
  }

  private TransformerDecoder shape(StudentSetup setup, Tokenizer used) {
    Optional<TransformerDecoder> teacher = setup.teacherConfiguration(TransformerDecoder.class);
    if (ofTeacher()) {
      TransformerDecoder whole = fromTeacher(teacher.orElseThrow(() -> noTeacher(setup)));
      return tokenizer == null
          ? whole
          : whole.toBuilder().vocabularySize(tokenizer.vocabularySize()).build();
    }
    int hidden = recipe.hiddenSize.orElse(DEFAULT_HIDDEN_SIZE);
    int heads = recipe.heads.orElse(Math.max(1, hidden / HEAD_SIZE));
    checkDivides(hidden, heads);
    // the teacher's kind of positions, norms and biases, and its vocabulary with its padding
    TransformerDecoder.Builder builder =
        teacher.isPresent() && tokenizer == null && recipe.family.isEmpty()
            ? teacher.get().toBuilder().slidingWindow(0).slidingLayers(List.of())
            : TransformerDecoder.builder()
                .vocabularySize(used.vocabularySize())
                .maxPositions(used.maxLength());
    recipe.maxLength.ifPresent(builder::maxPositions);
    recipe.rotaryBase.ifPresent(base -> builder.rotary(RotaryEmbedding.of(base)));
    return builder
        .hiddenSize(hidden)
        .layers(recipe.layers.orElse(DEFAULT_LAYERS))
        .heads(heads)
        .keyValueHeads(recipe.keyValueHeads.orElse(heads))
        .headSize(hidden / heads)
        .intermediateSize(recipe.intermediateSize.orElse(defaultIntermediate(hidden)))
        .dropout(recipe.dropout)
        .build();
  }

  private static void checkDivides(int hidden, int heads) {
    if (hidden % heads != 0) {
      throw new DistillationException(
          "hiddenSize must be a multiple of heads "
              + heads
              + " but was "
              + hidden
              + "; choose another number of heads");
    }
  }

  /** Eight thirds, for a gated layer has three products where others have two. */
  private static int defaultIntermediate(int hidden) {
    return (8 * hidden / 3 + 7) / 8 * 8;
  }

  private TransformerDecoder fromTeacher(TransformerDecoder teacher) {
    List<Integer> chosen = layers(teacher);
    List<Integer> sliding = new ArrayList<>();
    for (int i = 0; i < chosen.size(); i++) {
      if (teacher.slidingLayers().contains(chosen.get(i))) {
        sliding.add(i);
      }
    }
    int heads = recipe.heads.orElse(teacher.heads());
    TransformerDecoder student =
        teacher.toBuilder()
            .layers(chosen.size())
            .hiddenSize(recipe.hiddenSize.orElse(teacher.hiddenSize()))
            .intermediateSize(recipe.intermediateSize.orElse(teacher.intermediateSize()))
            .heads(heads)
            .keyValueHeads(recipe.keyValueHeads.orElseGet(() -> keyValueHeads(teacher, heads)))
            .slidingWindow(sliding.isEmpty() ? 0 : teacher.slidingWindow())
            .slidingLayers(sliding)
            .dropout(recipe.dropout)
            .build();
    TeacherParts.requireWithin(teacher, student);
    return student;
  }

  /** As many as the teacher has, if that can be. */
  private static int keyValueHeads(TransformerDecoder teacher, int heads) {
    if (teacher.keyValueHeads() == teacher.heads()) {
      return heads;
    }
    if (heads % teacher.keyValueHeads() == 0) {
      return teacher.keyValueHeads();
    }
    throw new DistillationException(
        "heads must be a multiple of the teacher's "
            + teacher.keyValueHeads()
            + " key and value heads but were "
            + heads
            + "; choose keyValueHeads, too, or another number of heads");
  }

  /** The teacher's layers: those that are named, those that turn their input most, or all. */
  private List<Integer> layers(TransformerDecoder teacher) {
    if (recipe.teacherLayers == null) {
      ActivationImportance measured = requireNonNull(importance);
      int count = recipe.layers.orElse(teacher.layers());
      if (count > teacher.layers() || measured.layers().length() != teacher.layers()) {
        throw new DistillationException(
            "layers must be at most the "
                + teacher.layers()
                + " of the teacher, whose importance was measured, but were "
                + count
                + " (measured: "
                + measured.layers().length()
                + "); keep fewer, or measure this teacher");
      }
      return Ints.asList(TeacherParts.strongest(measured.layers(), count));
    }
    for (int layer : recipe.teacherLayers) {
      if (layer < 0 || layer >= teacher.layers()) {
        throw new DistillationException(
            "teacherLayers must be between 0 and "
                + (teacher.layers() - 1)
                + " but were "
                + recipe.teacherLayers
                + "; count layers from 0");
      }
    }
    return recipe.teacherLayers;
  }

  private static ScriptedModel teacher(StudentSetup setup) {
    return setup.teacherModel(TransformerDecoder.class).orElseThrow(() -> noTeacher(setup)).model();
  }

  private static DistillationException noTeacher(StudentSetup setup) {
    return new DistillationException(
        "teacherLayers and prunedBy must have a teacher that is a TransformerDecoder but the teacher"
            + " is "
            + setup.teacher().getClass().getSimpleName()
            + "; start afresh with layers(...) for this teacher");
  }

  private Map<String, HostTensor> teacherWeights(
      StudentSetup setup, TransformerDecoder shape, Tokenizer used) {
    ScriptedModel model = teacher(setup);
    if (importance != null && !importance.model().equals(model.fingerprint())) {
      throw new DistillationException(
          "importance must be measured on the teacher but was on another model, or before its"
              + " weights changed; measure this teacher with ActivationImportance.measure(...)");
    }
    TransformerDecoder whole = (TransformerDecoder) model.configuration().orElseThrow();
    return new TeacherParts(whole, shape, layers(whole), importance)
        .weights(model.weights(), tokenizer == null ? null : idsInTeacher(setup, used));
  }

  /** Returns the id that each piece of a trimmed vocabulary has in the teacher's. */
  private static int[] idsInTeacher(StudentSetup setup, Tokenizer trimmed) {
    int[] ids = trimmed.originalIds();
    Tokenizer whole = setup.teacher().tokenizer().orElse(null);
    boolean same = whole != null;
    for (int i = 0; same && i < ids.length; i++) {
      same = requireNonNull(whole).piece(ids[i]).equals(trimmed.piece(i));
    }
    if (!same) {
      throw new DistillationException(
          "student's tokenizer must be trimmed from the teacher's to start from its embeddings but"
              + " has other pieces; make it with teacher.tokenizer().trimmedTo(texts), or leave out"
              + " tokenizer(...)");
    }
    return ids;
  }

  @Override
  public String toString() {
    if (!ofTeacher()) {
      return "decoder(layers="
          + recipe.layers.orElse(DEFAULT_LAYERS)
          + ", hiddenSize="
          + recipe.hiddenSize.orElse(DEFAULT_HIDDEN_SIZE)
          + ")";
    }
    StringJoiner parts = new StringJoiner(", ", "decoder(", ")");
    if (recipe.teacherLayers != null) {
      parts.add("teacherLayers=" + recipe.teacherLayers);
    }
    if (importance != null) {
      parts.add("pruned");
    }
    recipe.layers.ifPresent(value -> parts.add("layers=" + value));
    recipe.hiddenSize.ifPresent(value -> parts.add("hiddenSize=" + value));
    recipe.heads.ifPresent(value -> parts.add("heads=" + value));
    recipe.keyValueHeads.ifPresent(value -> parts.add("keyValueHeads=" + value));
    recipe.intermediateSize.ifPresent(value -> parts.add("intermediateSize=" + value));
    return parts.toString();
  }

  /** Describes a decoder. */
  public static final class Builder {
    private OptionalInt layers = OptionalInt.empty();
    private OptionalInt hiddenSize = OptionalInt.empty();
    private OptionalInt heads = OptionalInt.empty();
    private OptionalInt keyValueHeads = OptionalInt.empty();
    private OptionalInt intermediateSize = OptionalInt.empty();
    private OptionalInt maxLength = OptionalInt.empty();
    private OptionalDouble rotaryBase = OptionalDouble.empty();
    private double dropout;
    private Optional<String> family = Optional.empty();
    private OptionalInt beginId = OptionalInt.empty();
    private OptionalInt endId = OptionalInt.empty();
    private @Nullable Tokenizer tokenizer;
    private int @Nullable [] teacherLayers;
    private @Nullable ActivationImportance importance;

    Builder() {}

    /**
     * Sets the number of layers.
     *
     * @param layers the number; at least 1; default 2
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder layers(int layers) {
      this.layers = positive("layers", layers);
      return this;
    }

    /**
     * Sets the width of the hidden states.
     *
     * @param hiddenSize the width; a multiple of the number of heads; default 128
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder hiddenSize(int hiddenSize) {
      this.hiddenSize = positive("hiddenSize", hiddenSize);
      return this;
    }

    /**
     * Sets the number of query heads.
     *
     * @param heads the number; at least 1; default one for each 32 of the hidden size
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder heads(int heads) {
      this.heads = positive("heads", heads);
      return this;
    }

    /**
     * Sets the number of key and value heads.
     *
     * @param keyValueHeads the number; divides the number of heads; default as many
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder keyValueHeads(int keyValueHeads) {
      this.keyValueHeads = positive("keyValueHeads", keyValueHeads);
      return this;
    }

    /**
     * Sets the width of the feed-forward layers.
     *
     * @param intermediateSize the width; at least 1; default eight thirds of the hidden size
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder intermediateSize(int intermediateSize) {
      this.intermediateSize = positive("intermediateSize", intermediateSize);
      return this;
    }

    /**
     * Sets the length of the context of a fresh student.
     *
     * @param maxLength the number of tokens; at least 1; default the teacher's, else the
     *     tokenizer's
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder maxLength(int maxLength) {
      this.maxLength = positive("maxLength", maxLength);
      return this;
    }

    /**
     * Sets the base of the frequencies of a fresh student's rotary positions; a small one suits
     * short contexts.
     *
     * @param rotaryBase the base; greater than 0; default the teacher's, else 10,000
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder rotaryBase(double rotaryBase) {
      checkArgument(rotaryBase > 0, "rotaryBase must be greater than 0 but was %s", rotaryBase);
      this.rotaryBase = OptionalDouble.of(rotaryBase);
      return this;
    }

    /**
     * Sets the dropout in training.
     *
     * @param dropout the probability; from 0, which is the default, to below 1
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder dropout(double dropout) {
      checkArgument(
          dropout >= 0 && dropout < 1, "dropout must be from 0 to below 1 but was %s", dropout);
      this.dropout = dropout;
      return this;
    }

    /**
     * Sets the family of the checkpoint that the student is saved as.
     *
     * @param family the {@code model_type}, such as {@code llama} or {@code qwen2}; default the
     *     teacher's if the student has its tokenizer, else {@code llama}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder family(String family) {
      this.family = Optional.of(family);
      return this;
    }

    /**
     * Sets the token that begins a text, as the saved checkpoint names it; default the teacher's.
     *
     * @param beginId its id; at least 0
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder beginId(int beginId) {
      this.beginId = id("beginId", beginId);
      return this;
    }

    /**
     * Sets the token that ends a text, as the saved checkpoint names it; default the teacher's.
     *
     * @param endId its id; at least 0
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder endId(int endId) {
      this.endId = id("endId", endId);
      return this;
    }

    private static OptionalInt id(String name, int value) {
      checkArgument(value >= 0, "%s must be at least 0 but was %s", name, value);
      return OptionalInt.of(value);
    }

    /**
     * Sets how text becomes tokens.
     *
     * @param tokenizer the tokenizer; default the teacher's. With {@link #teacherLayers} or {@link
     *     #prunedBy} one that {@link Tokenizer#trimmedTo} made of the teacher's: the student then
     *     has the embeddings of those pieces alone
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder tokenizer(Tokenizer tokenizer) {
      this.tokenizer = requireNonNull(tokenizer, "tokenizer");
      return this;
    }

    /**
     * Makes the student of chosen layers of the teacher, with the teacher's widths, embeddings and,
     * unless a trimmed one is given, tokenizer. The teacher must be a decoder of this library; with
     * all of its layers the student begins as the teacher.
     *
     * @param layers the teacher's layers, counted from 0, first to last
     * @return this builder
     * @throws IllegalArgumentException if no layer is named
     */
    @CanIgnoreReturnValue
    public Builder teacherLayers(int... layers) {
      checkArgument(layers.length > 0, "layers must name at least one teacher layer");
      this.teacherLayers = layers.clone();
      return this;
    }

    /**
     * Makes the student of the parts of the teacher that matter most on a calibration set. {@link
     * #layers}, {@link #hiddenSize}, {@link #heads}, {@link #keyValueHeads} and {@link
     * #intermediateSize} then say how much is kept, all of what is not said; heads keep their
     * width. {@link #teacherLayers} may name the layers instead. Kept are
     *
     * <ul>
     *   <li>the layers of the largest block influence, in their order,
     *   <li>in each layer the most important neurons and heads; heads that share keys and values
     *       stay together: first the groups with the strongest heads, then in each group as many of
     *       its heads as {@code heads / keyValueHeads},
     *   <li>the same most important channels of the hidden states throughout. The scales of the
     *       norms, which divide by a mean over all channels, are multiplied by {@code sqrt((mean
     *       square of the kept channels + epsilon) / (mean square of all + epsilon))}, so that kept
     *       channels keep their size on the calibration set.
     * </ul>
     *
     * <p>With nothing left out the student begins as the teacher. A pruned student needs training;
     * of a GPT-2 {@code hiddenSize / heads} must stay the teacher's.
     *
     * @param importance what was measured on the teacher
     * @return this builder
     * @see <a href="https://arxiv.org/abs/2407.14679">Muralidharan et al., Compact Language Models
     *     via Pruning and Knowledge Distillation (Minitron), 2024</a>
     */
    @CanIgnoreReturnValue
    public Builder prunedBy(ActivationImportance importance) {
      this.importance = requireNonNull(importance, "importance");
      return this;
    }

    /**
     * Builds the student.
     *
     * @return the student
     * @throws IllegalStateException if something is given although it comes from the teacher
     */
    public Student build() {
      checkState(
          teacherLayers == null || layers.isEmpty(),
          "layers must be left out with teacherLayers, which names them");
      checkState(
          teacherLayers == null
              || importance != null
              || (hiddenSize.isEmpty()
                  && heads.isEmpty()
                  && keyValueHeads.isEmpty()
                  && intermediateSize.isEmpty()),
          "widths must be left out with teacherLayers, which takes them from the teacher, unless"
              + " prunedBy(...) says what can be left out");
      checkState(
          (teacherLayers == null && importance == null)
              || (maxLength.isEmpty() && rotaryBase.isEmpty()),
          "maxLength and rotaryBase must be left out with teacherLayers and prunedBy, which take"
              + " them from the teacher");
      return new DecoderStudent(
          new Settings(
              layers,
              hiddenSize,
              heads,
              keyValueHeads,
              intermediateSize,
              maxLength,
              rotaryBase,
              dropout,
              family,
              beginId,
              endId,
              tokenizer == null ? null : tokenizer.fingerprint(),
              teacherLayers == null ? null : Ints.asList(teacherLayers),
              importance == null ? null : importance.fingerprint()),
          tokenizer,
          importance);
    }

    private static OptionalInt positive(String name, int value) {
      checkArgument(value >= 1, "%s must be at least 1 but was %s", name, value);
      return OptionalInt.of(value);
    }
  }
}
