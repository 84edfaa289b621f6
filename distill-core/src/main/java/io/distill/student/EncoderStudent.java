package io.distill.student;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.common.primitives.Ints;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.Pooling;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.provenance.spi.PartDescription;
import io.distill.provenance.spi.RecipePart;
import io.distill.torchscript.HostTensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A transformer encoder, fresh or made of chosen layers of the teacher.
 *
 * @see TransformerEncoder
 */
public final class EncoderStudent implements Student, RecipePart {

  private static final int DEFAULT_LAYERS = 2;
  private static final int DEFAULT_HIDDEN_SIZE = 128;
  private static final int HEAD_SIZE = 64;
  private static final int INTERMEDIATE_FACTOR = 4;
  private static final double LAYER_NORM_EPSILON = 1e-12;

  private final Settings recipe;
  private final @Nullable Tokenizer tokenizer;

  private EncoderStudent(Settings recipe, @Nullable Tokenizer tokenizer) {
    this.recipe = recipe;
    this.tokenizer = tokenizer;
  }

  /** What an encoder is made by; of its own tokenizer only the fingerprint. */
  record Settings(
      OptionalInt layers,
      OptionalInt hiddenSize,
      OptionalInt heads,
      OptionalInt intermediateSize,
      OptionalInt maxLength,
      double dropout,
      Pooling pooling,
      @Nullable String tokenizer,
      boolean vocabularyFromData,
      @Nullable List<Integer> teacherLayers)
      implements PartDescription {

    Settings {
      teacherLayers = teacherLayers == null ? null : List.copyOf(teacherLayers);
    }

    @Override
    public Optional<Object> part() {
      if (tokenizer != null) {
        return Optional.empty();
      }
      Builder builder =
          new Builder().dropout(dropout).pooling(pooling).vocabularyFromData(vocabularyFromData);
      layers.ifPresent(builder::layers);
      hiddenSize.ifPresent(builder::hiddenSize);
      heads.ifPresent(builder::heads);
      intermediateSize.ifPresent(builder::intermediateSize);
      maxLength.ifPresent(builder::maxLength);
      if (teacherLayers != null) {
        builder.teacherLayers(teacherLayers.stream().mapToInt(Integer::intValue).toArray());
      }
      return Optional.of(builder.build());
    }
  }

  @Override
  public Record description() {
    return recipe;
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    Tokenizer tokenizer = setup.tokenizer(this.tokenizer, recipe.vocabularyFromData);
    TransformerEncoder configuration = shape(setup, tokenizer);
    Map<String, HostTensor> weights =
        recipe.teacherLayers == null
            ? configuration.initialWeights(setup.seed())
            : teacherWeights(setup, teacher(setup), tokenizer, configuration);
    return new DeployableModel(
        ScriptedModel.open(configuration, weights, setup.device(), true, setup.computation()),
        tokenizer.withMaxLength(configuration.maxPositions()),
        setup.classNames());
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    // a vocabulary that is trimmed to the data is smaller; to know it would take as long as a pass
    return Optional.of(shape(setup, setup.tokenizer(this.tokenizer, false)));
  }

  private TransformerEncoder shape(StudentSetup setup, Tokenizer tokenizer) {
    int maxPositions =
        Math.min(recipe.maxLength.orElse(tokenizer.maxLength()), tokenizer.maxLength());
    if (recipe.teacherLayers == null) {
      return fresh(setup, tokenizer, maxPositions);
    }
    TransformerEncoder teacher =
        setup.teacherConfiguration(TransformerEncoder.class).orElseThrow(() -> noTeacher(setup));
    return fromTeacher(setup, teacher, tokenizer, Math.min(maxPositions, teacher.maxPositions()));
  }

  private TransformerEncoder fresh(StudentSetup setup, Tokenizer tokenizer, int maxPositions) {
    int hidden = recipe.hiddenSize.orElse(DEFAULT_HIDDEN_SIZE);
    return new TransformerEncoder(
        tokenizer.vocabularySize(),
        maxPositions,
        1,
        hidden,
        recipe.layers.orElse(DEFAULT_LAYERS),
        recipe.heads.orElse(Math.max(1, hidden / HEAD_SIZE)),
        recipe.intermediateSize.orElse(INTERMEDIATE_FACTOR * hidden),
        Activation.GELU,
        LAYER_NORM_EPSILON,
        recipe.dropout,
        recipe.pooling,
        false,
        setup.classes());
  }

  private static StudentSetup.TeacherModel<TransformerEncoder> teacher(StudentSetup setup) {
    return setup.teacherModel(TransformerEncoder.class).orElseThrow(() -> noTeacher(setup));
  }

  private static DistillationException noTeacher(StudentSetup setup) {
    return new DistillationException(
        "teacherLayers must have a teacher that is an encoder of this library but the teacher is "
            + setup.teacher().getClass().getSimpleName()
            + "; start afresh with layers(...) for this teacher");
  }

  private TransformerEncoder fromTeacher(
      StudentSetup setup, TransformerEncoder teacher, Tokenizer tokenizer, int maxPositions) {
    List<Integer> chosen = requireNonNull(recipe.teacherLayers);
    for (int layer : chosen) {
      if (layer < 0 || layer >= teacher.layers()) {
        throw new DistillationException(
            "teacherLayers must be between 0 and "
                + (teacher.layers() - 1)
                + " but were "
                + chosen
                + "; count layers from 0");
      }
    }
    return new TransformerEncoder(
            tokenizer.vocabularySize(),
            maxPositions,
            teacher.typeVocabularySize(),
            teacher.hiddenSize(),
            chosen.size(),
            teacher.heads(),
            teacher.intermediateSize(),
            teacher.activation(),
            teacher.layerNormEpsilon(),
            recipe.dropout,
            teacher.pooling(),
            teacher.normalized(),
            0,
            teacher.head(),
            teacher.firstPosition())
        .withClasses(setup.classes());
  }

  private Map<String, HostTensor> teacherWeights(
      StudentSetup setup,
      StudentSetup.TeacherModel<TransformerEncoder> teacher,
      Tokenizer tokenizer,
      TransformerEncoder configuration) {
    List<Integer> chosen = requireNonNull(recipe.teacherLayers);
    Map<String, HostTensor> source = teacher.model().weights();
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    configuration
        .initialWeights(setup.seed())
        .forEach(
            (name, initial) -> {
              HostTensor copied = source.get(nameInTeacher(name, chosen));
              // a classifier for other classes starts afresh
              boolean fits = copied != null && copied.shape().equals(initial.shape());
              weights.put(name, fits ? requireNonNull(copied) : initial);
            });
    weights.put(
        "embeddings.word_embeddings.weight",
        TeacherVocabulary.rows(teacher, tokenizer, "word_embeddings.weight"));
    weights.put(
        "embeddings.position_embeddings.weight",
        firstRows(
            requireNonNull(source.get("embeddings.position_embeddings.weight")),
            configuration.maxPositions() + configuration.firstPosition()));
    return weights;
  }

  private static String nameInTeacher(String name, List<Integer> chosen) {
    String prefix = "encoder.layer.";
    if (!name.startsWith(prefix)) {
      return name;
    }
    int dot = name.indexOf('.', prefix.length());
    int layer = Integer.parseInt(name.substring(prefix.length(), dot));
    return prefix + chosen.get(layer) + name.substring(dot);
  }

  private static HostTensor firstRows(HostTensor tensor, int rows) {
    int width = Math.toIntExact(tensor.shape().get(1));
    return HostTensor.of(
        Arrays.copyOf(tensor.toFloatArray(), Math.multiplyExact(rows, width)), rows, width);
  }

  @Override
  public String toString() {
    return recipe.teacherLayers == null
        ? "encoder(layers="
            + recipe.layers.orElse(DEFAULT_LAYERS)
            + ", hiddenSize="
            + recipe.hiddenSize.orElse(DEFAULT_HIDDEN_SIZE)
            + ")"
        : "encoder(teacherLayers=" + recipe.teacherLayers + ")";
  }

  /** Describes an encoder. */
  public static final class Builder {
    private OptionalInt layers = OptionalInt.empty();
    private OptionalInt hiddenSize = OptionalInt.empty();
    private OptionalInt heads = OptionalInt.empty();
    private OptionalInt intermediateSize = OptionalInt.empty();
    private OptionalInt maxLength = OptionalInt.empty();
    private double dropout = 0.1;
    private Pooling pooling = Pooling.MEAN;
    private @Nullable Tokenizer tokenizer;
    private boolean vocabularyFromData;
    private int @Nullable [] teacherLayers;

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
     * Sets the number of attention heads.
     *
     * @param heads the number; at least 1; default one for each 64 of the hidden size
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder heads(int heads) {
      this.heads = positive("heads", heads);
      return this;
    }

    /**
     * Sets the width of the feed-forward layers.
     *
     * @param intermediateSize the width; at least 1; default four times the hidden size
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder intermediateSize(int intermediateSize) {
      this.intermediateSize = positive("intermediateSize", intermediateSize);
      return this;
    }

    /**
     * Sets the longest input; longer texts are cut.
     *
     * @param maxLength the number of tokens; at least 1; default the tokenizer's
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder maxLength(int maxLength) {
      this.maxLength = positive("maxLength", maxLength);
      return this;
    }

    /**
     * Sets the dropout in training.
     *
     * @param dropout the probability; from 0 to below 1; default 0.1
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
     * Sets how the tokens become one vector.
     *
     * @param pooling the pooling; default the mean; a student made of teacher layers has the
     *     teacher's
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder pooling(Pooling pooling) {
      this.pooling = requireNonNull(pooling, "pooling");
      return this;
    }

    /**
     * Sets how text becomes tokens.
     *
     * @param tokenizer the tokenizer; default the teacher's
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder tokenizer(Tokenizer tokenizer) {
      this.tokenizer = requireNonNull(tokenizer, "tokenizer");
      return this;
    }

    /**
     * Sets whether the vocabulary is trimmed to the word pieces that the training data use; other
     * words then fall apart into smaller pieces.
     *
     * @param vocabularyFromData whether to trim; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder vocabularyFromData(boolean vocabularyFromData) {
      this.vocabularyFromData = vocabularyFromData;
      return this;
    }

    /**
     * Makes the student of chosen layers of the teacher, with the teacher's widths and embeddings.
     * The teacher must be an encoder of this library.
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
     * Builds the student.
     *
     * @return the student
     * @throws IllegalStateException if widths are given although they come from the teacher
     */
    public Student build() {
      checkState(
          teacherLayers == null
              || (layers.isEmpty()
                  && hiddenSize.isEmpty()
                  && heads.isEmpty()
                  && intermediateSize.isEmpty()),
          "layers, hiddenSize, heads and intermediateSize must be left out with teacherLayers, which"
              + " takes them from the teacher");
      return new EncoderStudent(
          new Settings(
              layers,
              hiddenSize,
              heads,
              intermediateSize,
              maxLength,
              dropout,
              pooling,
              tokenizer == null ? null : tokenizer.fingerprint(),
              vocabularyFromData,
              teacherLayers == null ? null : Ints.asList(teacherLayers)),
          tokenizer);
    }

    private static OptionalInt positive(String name, int value) {
      checkArgument(value >= 1, "%s must be at least 1 but was %s", name, value);
      return OptionalInt.of(value);
    }
  }
}
