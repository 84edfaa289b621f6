package io.distill.training;

import static com.google.common.base.Preconditions.checkArgument;

/**
 * How gradients change weights: an immutable recipe; the run keeps the state.
 *
 * <p>Weight decay acts on matrices and larger tensors only, not on biases and the weights of norms
 * (tensors of fewer than two dimensions). The formulas are PyTorch's.
 */
public sealed interface Optimizer permits Optimizer.AdamW, Optimizer.Sgd {

  /** The default learning rate of {@link #adamW()}. */
  double DEFAULT_ADAM_W_LEARNING_RATE = 1e-3;

  /**
   * Returns the learning rate.
   *
   * @return the rate before the schedule; greater than 0
   */
  double learningRate();

  /**
   * Returns this optimizer at another learning rate.
   *
   * @param learningRate the rate before the schedule; finite and greater than 0
   * @return a copy
   * @throws IllegalArgumentException if it is out of range
   */
  Optimizer withLearningRate(double learningRate);

  /**
   * Returns AdamW with PyTorch's defaults.
   *
   * @return AdamW: learning rate 1e-3, betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01
   */
  static AdamW adamW() {
    return new AdamW(DEFAULT_ADAM_W_LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01);
  }

  /**
   * Returns plain stochastic gradient descent.
   *
   * @param learningRate the rate before the schedule; finite and greater than 0
   * @return SGD without momentum and weight decay
   * @throws IllegalArgumentException if it is out of range
   */
  static Sgd sgd(double learningRate) {
    return new Sgd(learningRate, 0, false, 0);
  }

  /**
   * Adam with decoupled weight decay.
   *
   * <pre>{@code
   * w ← w − η λ w − η m̂ / (√v̂ + ε)
   * }</pre>
   *
   * @param learningRate the rate η; finite and greater than 0
   * @param beta1 the decay of the mean m; from 0 to below 1
   * @param beta2 the decay of the mean square v; from 0 to below 1
   * @param epsilon the ε; greater than 0
   * @param weightDecay the λ; at least 0
   * @see <a href="https://arxiv.org/abs/1711.05101">Loshchilov and Hutter, Decoupled Weight Decay
   *     Regularization, 2019</a>
   */
  record AdamW(double learningRate, double beta1, double beta2, double epsilon, double weightDecay)
      implements Optimizer {

    /**
     * Checks the values.
     *
     * @param learningRate the rate η; finite and greater than 0
     * @param beta1 the decay of the mean m; from 0 to below 1
     * @param beta2 the decay of the mean square v; from 0 to below 1
     * @param epsilon the ε; greater than 0
     * @param weightDecay the λ; at least 0
     * @throws IllegalArgumentException if a value is out of range
     */
    public AdamW {
      checkRate(learningRate);
      checkArgument(beta1 >= 0 && beta1 < 1, "beta1 must be from 0 to below 1 but was %s", beta1);
      checkArgument(beta2 >= 0 && beta2 < 1, "beta2 must be from 0 to below 1 but was %s", beta2);
      checkArgument(
          Double.isFinite(epsilon) && epsilon > 0,
          "epsilon must be greater than 0 but was %s",
          epsilon);
      checkDecay(weightDecay);
    }

    @Override
    public AdamW withLearningRate(double learningRate) {
      return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay);
    }

    /**
     * Returns this optimizer with other betas.
     *
     * @param beta1 the decay of the mean; from 0 to below 1
     * @param beta2 the decay of the mean square; from 0 to below 1
     * @return a copy
     * @throws IllegalArgumentException if a value is out of range
     */
    public AdamW withBetas(double beta1, double beta2) {
      return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay);
    }

    /**
     * Returns this optimizer with another weight decay.
     *
     * @param weightDecay the decay; at least 0
     * @return a copy
     * @throws IllegalArgumentException if it is out of range
     */
    public AdamW withWeightDecay(double weightDecay) {
      return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay);
    }

    /**
     * Returns this optimizer with another epsilon.
     *
     * @param epsilon the epsilon; greater than 0
     * @return a copy
     * @throws IllegalArgumentException if it is out of range
     */
    public AdamW withEpsilon(double epsilon) {
      return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay);
    }
  }

  /**
   * Stochastic gradient descent with momentum; weight decay is added to the gradient.
   *
   * <pre>{@code
   * g ← g + λ w;  b ← μ b + g;  w ← w − η (nesterov ? g + μ b : b)
   * }</pre>
   *
   * @param learningRate the rate η; finite and greater than 0
   * @param momentum the momentum μ; from 0 to below 1
   * @param nesterov whether the momentum looks ahead; needs a momentum
   * @param weightDecay the λ; at least 0
   */
  record Sgd(double learningRate, double momentum, boolean nesterov, double weightDecay)
      implements Optimizer {

    /**
     * Checks the values.
     *
     * @param learningRate the rate η; finite and greater than 0
     * @param momentum the momentum μ; from 0 to below 1
     * @param nesterov whether the momentum looks ahead; needs a momentum
     * @param weightDecay the λ; at least 0
     * @throws IllegalArgumentException if a value is out of range
     */
    public Sgd {
      checkRate(learningRate);
      checkArgument(
          momentum >= 0 && momentum < 1, "momentum must be from 0 to below 1 but was %s", momentum);
      checkArgument(
          !nesterov || momentum > 0,
          "momentum must be greater than 0 with nesterov but was %s",
          momentum);
      checkDecay(weightDecay);
    }

    @Override
    public Sgd withLearningRate(double learningRate) {
      return new Sgd(learningRate, momentum, nesterov, weightDecay);
    }

    /**
     * Returns this optimizer with momentum.
     *
     * @param momentum the momentum; from 0 to below 1
     * @return a copy
     * @throws IllegalArgumentException if it is out of range
     */
    public Sgd withMomentum(double momentum) {
      return new Sgd(learningRate, momentum, false, weightDecay);
    }

    /**
     * Returns this optimizer with Nesterov momentum.
     *
     * @param momentum the momentum; greater than 0 and below 1
     * @return a copy
     * @throws IllegalArgumentException if it is out of range
     */
    public Sgd withNesterovMomentum(double momentum) {
      return new Sgd(learningRate, momentum, true, weightDecay);
    }

    /**
     * Returns this optimizer with weight decay.
     *
     * @param weightDecay the decay; at least 0
     * @return a copy
     * @throws IllegalArgumentException if it is out of range
     */
    public Sgd withWeightDecay(double weightDecay) {
      return new Sgd(learningRate, momentum, nesterov, weightDecay);
    }
  }

  private static void checkRate(double learningRate) {
    checkArgument(
        Double.isFinite(learningRate) && learningRate > 0,
        "learningRate must be finite and greater than 0 but was %s",
        learningRate);
  }

  private static void checkDecay(double weightDecay) {
    checkArgument(
        Double.isFinite(weightDecay) && weightDecay >= 0,
        "weightDecay must be finite and at least 0 but was %s",
        weightDecay);
  }
}
