package io.distill.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A live model that gives signals, whatever it is made of: one of the library's architectures, a
 * TorchScript file, or DJL blocks. Teachers and students stand on one.
 *
 * <p>Whoever opens a model closes it. Calls without training may come from several threads.
 */
public interface SignalModel extends AutoCloseable {

  /** The name of the file that a TorchScript model is written to. */
  String MODEL_FILE = "model.pt";

  /**
   * Returns what the model may be asked for.
   *
   * @return the kinds of signals; a TorchScript file is only known once it has run, so all kinds
   *     are then possible
   */
  Set<SignalKind> provides();

  /**
   * Runs the model.
   *
   * @param inputs its inputs; the signals are attached to the manager of the first one
   * @param kinds what is asked for; more may be given
   * @param training whether gradients are recorded and dropout acts
   * @return the signals
   */
  Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training);

  /**
   * Runs the model as a teacher, also while it is trained: in inference mode, and so that no
   * gradient can lead from what it says to its parameters.
   *
   * @param inputs its inputs; the signals are attached to the manager of the first one
   * @param kinds what is asked for; more may be given
   * @return the signals
   */
  default Signals answer(NDList inputs, Set<SignalKind> kinds) {
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      Signals signals = forward(inputs, kinds, false);
      if (!signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
        return signals;
      }
      // an output embedding is a parameter itself
      NDArray states = signals.logitFactors().states();
      NDArray weight = signals.logitFactors().weight().stopGradient();
      weight.attach(states.getManager());
      return signals.toBuilder().logitFactors(new LogitFactors(states, weight)).build();
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  /**
   * Runs the model in a training step. Unless the model checkpoints activations this is {@link
   * #forward} with training, and the graph leads from the signals to the parameters.
   *
   * @param inputs its inputs; the signals are attached to the manager of the first one
   * @param kinds what is asked for; more may be given
   * @param seed what the dropout of a model that runs in parts is made from; the random state of
   *     libtorch is set from it by the caller, too
   * @return the pass
   */
  default TrainingPass trainingPass(NDList inputs, Set<SignalKind> kinds, long seed) {
    Signals signals = forward(inputs, kinds, true);
    return new TrainingPass() {
      @Override
      public Signals signals() {
        return signals;
      }

      @Override
      public void backward() {}
    };
  }

  /**
   * Returns the arrays that training changes; they are the model's own.
   *
   * @return trainable parameters by name
   */
  Map<String, NDArray> parameters();

  /**
   * Counts the parameters, trainable or not.
   *
   * @return the number of elements
   */
  long parameterCount();

  /**
   * Returns the configuration of a model of this library.
   *
   * @return the configuration; empty for other models
   */
  default Optional<ModelConfiguration> configuration() {
    return Optional.empty();
  }

  /**
   * Returns how the model computes.
   *
   * @return the computation; {@link Computation#standard()} for all models but this library's own
   */
  default Computation computation() {
    return Computation.standard();
  }

  /**
   * Returns where the model lives.
   *
   * @return the device
   */
  Device device();

  /**
   * Writes the model with its present weights into a directory.
   *
   * @param directory an existing directory; a TorchScript model becomes {@code model.pt}, DJL
   *     blocks become a parameter file as {@code Model.save} writes it
   * @throws IOException if a file cannot be written
   */
  void writeTo(Path directory) throws IOException;

  /**
   * Takes over the weights, and whatever else training changes, that {@link #writeTo} wrote: bit
   * for bit. The arrays of {@link #parameters} may be others afterwards: ask again.
   *
   * @param directory where {@code writeTo} wrote
   * @throws IOException if a file cannot be read
   * @throws io.distill.exception.DistillationException if the files are not of this model
   */
  void readFrom(Path directory) throws IOException;

  /**
   * Returns a digest of the architecture and the present weights.
   *
   * @return a SHA-256 digest in hexadecimal; equal digests give equal answers
   */
  String fingerprint();

  @Override
  void close();
}
