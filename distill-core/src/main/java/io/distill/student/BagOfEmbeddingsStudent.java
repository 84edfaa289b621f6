package io.distill.student;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.provenance.spi.PartDescription;
import io.distill.provenance.spi.RecipePart;
import io.distill.torchscript.HostTensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A fresh bag of embeddings.
 *
 * @see BagOfEmbeddings
 */
public final class BagOfEmbeddingsStudent implements Student, RecipePart {

  /** The standard deviation of embeddings that start from the teacher's. */
  private static final double PROJECTED_DEVIATION = 0.2;

  private final Settings recipe;
  private final @Nullable Tokenizer tokenizer;

  private BagOfEmbeddingsStudent(Settings recipe, @Nullable Tokenizer tokenizer) {
    this.recipe = recipe;
    this.tokenizer = tokenizer;
  }

  /** What a bag of embeddings is made by; of its own tokenizer only the fingerprint. */
  record Settings(
      int embeddingSize,
      int hiddenSize,
      Activation activation,
      double wordDropout,
      double dropout,
      @Nullable String tokenizer,
      boolean vocabularyFromData,
      boolean embeddingsFromTeacher)
      implements PartDescription {

    @Override
    public Optional<Object> part() {
      if (tokenizer != null) {
        return Optional.empty();
      }
      Builder builder =
          new Builder()
              .embeddingSize(embeddingSize)
              .hiddenSize(hiddenSize)
              .activation(activation)
              .wordDropout(wordDropout)
              .dropout(dropout)
              .vocabularyFromData(vocabularyFromData);
      if (embeddingsFromTeacher) {
        builder.embeddingsFromTeacher();
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
    BagOfEmbeddings configuration = shape(setup, tokenizer);
    Map<String, HostTensor> weights =
        new LinkedHashMap<>(configuration.initialWeights(setup.seed()));
    if (recipe.embeddingsFromTeacher) {
      weights.put(BagOfEmbeddings.EMBEDDINGS, projectedEmbeddings(setup, tokenizer));
    }
    return new DeployableModel(
        ScriptedModel.open(configuration, weights, setup.device(), true, setup.computation()),
        tokenizer,
        setup.classNames());
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    // a vocabulary that is trimmed to the data is smaller; to know it would take as long as a pass
    return Optional.of(shape(setup, setup.tokenizer(this.tokenizer, false)));
  }

  private BagOfEmbeddings shape(StudentSetup setup, Tokenizer tokenizer) {
    return new BagOfEmbeddings(
        tokenizer.vocabularySize(),
        recipe.embeddingSize,
        recipe.hiddenSize,
        recipe.activation,
        recipe.wordDropout,
        recipe.dropout,
        setup.classes());
  }

  private HostTensor projectedEmbeddings(StudentSetup setup, Tokenizer tokenizer) {
    StudentSetup.TeacherModel<TransformerEncoder> teacher =
        setup
            .teacherModel(TransformerEncoder.class)
            .orElseThrow(
                () ->
                    new DistillationException(
                        "embeddingsFromTeacher must have a teacher that is an encoder of this"
                            + " library but the teacher is "
                            + setup.teacher().getClass().getSimpleName()
                            + "; leave it out for this teacher"));
    if (recipe.embeddingSize > teacher.configuration().hiddenSize()) {
      throw new DistillationException(
          "embeddingSize must be at most the teacher's hidden size "
              + teacher.configuration().hiddenSize()
              + " for embeddingsFromTeacher but was "
              + recipe.embeddingSize
              + "; make it smaller");
    }
    HostTensor words = TeacherVocabulary.rows(teacher, tokenizer, "word_embeddings.weight");
    return PrincipalComponents.project(
        words, recipe.embeddingSize, PROJECTED_DEVIATION, TeacherVocabulary.specialIds(tokenizer));
  }

  @Override
  public String toString() {
    return "bagOfEmbeddings(embeddingSize="
        + recipe.embeddingSize
        + ", hiddenSize="
        + recipe.hiddenSize
        + ")";
  }

  /** Describes a bag of embeddings. */
  public static final class Builder {
    private int embeddingSize = 64;
    private int hiddenSize = 256;
    private Activation activation = Activation.RELU;
    private double wordDropout = 0.3;
    private double dropout = 0.3;
    private @Nullable Tokenizer tokenizer;
    private boolean vocabularyFromData = true;
    private boolean embeddingsFromTeacher;

    Builder() {}

    /**
     * Sets the width of the embeddings.
     *
     * @param embeddingSize the width; at least 1; default 64
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder embeddingSize(int embeddingSize) {
      checkArgument(
          embeddingSize >= 1, "embeddingSize must be at least 1 but was %s", embeddingSize);
      this.embeddingSize = embeddingSize;
      return this;
    }

    /**
     * Sets the width of the hidden layer.
     *
     * @param hiddenSize the width; at least 1; default 256
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder hiddenSize(int hiddenSize) {
      checkArgument(hiddenSize >= 1, "hiddenSize must be at least 1 but was %s", hiddenSize);
      this.hiddenSize = hiddenSize;
      return this;
    }

    /**
     * Sets the activation of the hidden layer.
     *
     * @param activation the activation; default ReLU
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder activation(Activation activation) {
      this.activation = requireNonNull(activation, "activation");
      return this;
    }

    /**
     * Sets how often a token is left out in training.
     *
     * @param wordDropout the probability; from 0 to below 1; default 0.3
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     */
    @CanIgnoreReturnValue
    public Builder wordDropout(double wordDropout) {
      checkArgument(
          wordDropout >= 0 && wordDropout < 1,
          "wordDropout must be from 0 to below 1 but was %s",
          wordDropout);
      this.wordDropout = wordDropout;
      return this;
    }

    /**
     * Sets the dropout after the hidden layer.
     *
     * @param dropout the probability; from 0 to below 1; default 0.3
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
     * @param vocabularyFromData whether to trim; default true
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder vocabularyFromData(boolean vocabularyFromData) {
      this.vocabularyFromData = vocabularyFromData;
      return this;
    }

    /**
     * Starts the embeddings from the principal components of the teacher's word embeddings instead
     * of random numbers. The teacher must be an encoder of this library with the same word pieces.
     *
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder embeddingsFromTeacher() {
      this.embeddingsFromTeacher = true;
      return this;
    }

    /**
     * Builds the student.
     *
     * @return the student
     */
    public Student build() {
      return new BagOfEmbeddingsStudent(
          new Settings(
              embeddingSize,
              hiddenSize,
              activation,
              wordDropout,
              dropout,
              tokenizer == null ? null : tokenizer.fingerprint(),
              vocabularyFromData,
              embeddingsFromTeacher),
          tokenizer);
    }
  }
}
