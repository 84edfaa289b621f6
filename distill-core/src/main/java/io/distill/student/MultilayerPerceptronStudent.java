package io.distill.student;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.internal.NativeEngine;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.ScriptedModel;
import io.distill.provenance.spi.PartDescription;
import io.distill.provenance.spi.RecipePart;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A fresh multilayer perceptron.
 *
 * @see MultilayerPerceptron
 */
public final class MultilayerPerceptronStudent implements Student, RecipePart {

  private final Settings recipe;

  private MultilayerPerceptronStudent(Settings recipe) {
    this.recipe = recipe;
  }

  /** What a perceptron is made by. */
  record Settings(List<Integer> hiddenSizes, Activation activation, double dropout)
      implements PartDescription {

    Settings {
      hiddenSizes = List.copyOf(hiddenSizes);
    }

    @Override
    public Optional<Object> part() {
      return Optional.of(
          new Builder()
              .hiddenSizes(hiddenSizes.stream().mapToInt(Integer::intValue).toArray())
              .activation(activation)
              .dropout(dropout)
              .build());
    }
  }

  @Override
  public Record description() {
    return recipe;
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    MultilayerPerceptron configuration = shape(setup);
    return new DeployableModel(
        ScriptedModel.open(
            configuration,
            configuration.initialWeights(setup.seed()),
            setup.device(),
            true,
            setup.computation()),
        null,
        setup.classNames());
  }

  @Override
  public Optional<ModelConfiguration> configuration(StudentSetup setup) {
    return Optional.of(shape(setup));
  }

  private MultilayerPerceptron shape(StudentSetup setup) {
    int inputSize;
    try (NDManager manager = NativeEngine.newManager(setup.device())) {
      NDArray row = setup.dataset().inputs(null).batch(manager, new int[] {0}).inputs().get(0);
      inputSize = Math.toIntExact(row.size());
    }
    return new MultilayerPerceptron(
        inputSize, recipe.hiddenSizes, recipe.activation, recipe.dropout, setup.classes());
  }

  @Override
  public String toString() {
    return "multilayerPerceptron(hiddenSizes=" + recipe.hiddenSizes + ")";
  }

  /** Describes a perceptron; the width of its input is that of the data. */
  public static final class Builder {
    private List<Integer> hiddenSizes = List.of(128);
    private Activation activation = Activation.RELU;
    private double dropout;

    Builder() {}

    /**
     * Sets the hidden layers.
     *
     * @param hiddenSizes the width of each hidden layer, first to last; at least 1 each; default
     *     one layer of 128
     * @return this builder
     * @throws IllegalArgumentException if there is no layer, or a width is out of range
     */
    @CanIgnoreReturnValue
    public Builder hiddenSizes(int... hiddenSizes) {
      checkArgument(
          hiddenSizes.length > 0 && Arrays.stream(hiddenSizes).allMatch(size -> size >= 1),
          "hiddenSizes must have at least one layer, each at least 1 wide, but were %s",
          Arrays.toString(hiddenSizes));
      this.hiddenSizes = Arrays.stream(hiddenSizes).boxed().toList();
      return this;
    }

    /**
     * Sets the activation of the hidden layers.
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
     * Sets the dropout after each hidden layer in training.
     *
     * @param dropout the probability; from 0 to below 1; default 0
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
     * Builds the student.
     *
     * @return the student
     */
    public Student build() {
      return new MultilayerPerceptronStudent(new Settings(hiddenSizes, activation, dropout));
    }
  }
}
