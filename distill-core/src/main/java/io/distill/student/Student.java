package io.distill.student;

import static java.util.Objects.requireNonNull;

import ai.djl.Model;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.SignalReader;
import io.distill.provenance.spi.RecipePart;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What shall be trained: an architecture to start afresh, or a model to train further. It is a
 * description; each run opens a model of its own from it, so one recipe can run many times.
 *
 * <p>A student knows nothing of any loss. A lambda is one, for models that this class does not
 * cover.
 */
@FunctionalInterface
public interface Student {

  /**
   * Opens a trainable model for a run.
   *
   * @param setup what the run is about
   * @return the model; the run's result closes it
   * @throws DistillationException if the model cannot be opened for this run
   */
  DeployableModel open(StudentSetup setup);

  /**
   * Tells what {@link #open} would build, without building it, so that its memory can be estimated.
   *
   * @param setup what the run is about
   * @return the configuration of a model of this library, with no fewer word pieces than it will
   *     have; empty if the model is another one or cannot be told before, which is the default
   * @throws DistillationException if the model cannot be opened for this run
   */
  default Optional<ModelConfiguration> configuration(StudentSetup setup) {
    return Optional.empty();
  }

  /**
   * Returns the memory that the student's weights take, without loading them.
   *
   * @param setup what the run is about
   * @return the footprint; by default that of the {@link #configuration}, none if there is none
   * @throws DistillationException if the model cannot be opened for this run
   */
  default Footprint footprint(StudentSetup setup) {
    return configuration(setup)
        .map(shape -> Footprint.pending(Float.BYTES * shape.parameterCount()))
        .orElseGet(Footprint::none);
  }

  /**
   * Starts a transformer encoder of the BERT family.
   *
   * @return a builder: 2 layers, hidden size 128, 2 heads unless said otherwise
   */
  static EncoderStudent.Builder encoder() {
    return new EncoderStudent.Builder();
  }

  /**
   * Starts a language model, which is saved as a Hugging Face checkpoint.
   *
   * @return a builder: 2 layers, hidden size 128, 4 heads unless said otherwise
   */
  static DecoderStudent.Builder decoder() {
    return new DecoderStudent.Builder();
  }

  /**
   * Starts a bag of embeddings, the fastest text model.
   *
   * @return a builder: embedding size 64, hidden size 256, word pieces of the training data unless
   *     said otherwise
   */
  static BagOfEmbeddingsStudent.Builder bagOfEmbeddings() {
    return new BagOfEmbeddingsStudent.Builder();
  }

  /**
   * Starts a multilayer perceptron for rows of numbers.
   *
   * @return a builder: one hidden layer of 128 unless said otherwise
   */
  static MultilayerPerceptronStudent.Builder multilayerPerceptron() {
    return new MultilayerPerceptronStudent.Builder();
  }

  /**
   * Trains a saved student further. A run refuses a directory with a TorchScript program of another
   * origin: {@link #trustedTorchScript(Path)} takes its {@code model.pt}.
   *
   * @param directory a directory that {@link DeployableModel#save} wrote; it is not changed
   * @return the student
   */
  static Student load(Path directory) {
    return new SavedStudent(directory);
  }

  /**
   * Trains a TorchScript file further; its inputs are not text, or come tokenised.
   *
   * <p>The file is a program that libtorch compiles and runs: see {@link
   * io.distill.model.TorchScriptModel#openTrusted} for what is checked first, and what is not. Load
   * only from where you would take a library; for models of others prefer safetensors, ONNX or this
   * library's own format.
   *
   * @param file a file that {@code torch.jit.save} wrote and the caller trusts; it is not changed
   * @return the student
   */
  static Student trustedTorchScript(Path file) {
    return trustedTorchScript(file, SignalReader.standard(), null);
  }

  /**
   * Trains a TorchScript file further and names its outputs.
   *
   * <p>The file is a program that libtorch compiles and runs: see {@link
   * io.distill.model.TorchScriptModel#openTrusted} for what is checked first, and what is not. Load
   * only from where you would take a library; for models of others prefer safetensors, ONNX or this
   * library's own format.
   *
   * @param file a file that {@code torch.jit.save} wrote and the caller trusts; it is not changed
   * @param reader which output is which signal
   * @param tokenizer how text becomes its inputs; null if they are not text
   * @return the student
   */
  static Student trustedTorchScript(Path file, SignalReader reader, @Nullable Tokenizer tokenizer) {
    return new TorchScriptStudent(file, reader, tokenizer);
  }

  /**
   * Trains a DJL model. Its parameters are changed in place, so a second run goes on from the
   * first.
   *
   * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's to
   *     close
   * @return the student
   */
  static Student of(Model model) {
    return of(model, BlockTaps.none());
  }

  /**
   * Trains a DJL model and taps intermediate outputs of its blocks.
   *
   * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's to
   *     close
   * @param taps which intermediate outputs are signals
   * @return the student
   */
  static Student of(Model model, BlockTaps taps) {
    return of(model, taps, null);
  }

  /**
   * Trains a DJL model that reads tokenised text.
   *
   * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's to
   *     close
   * @param taps which intermediate outputs are signals
   * @param tokenizer how text becomes its inputs; null if they are not text
   * @return the student
   */
  static Student of(Model model, BlockTaps taps, @Nullable Tokenizer tokenizer) {
    return new DjlStudent(model, taps, tokenizer);
  }

  /**
   * A DJL model as a student; known to the pre-flight check, which compares it with the teacher.
   */
  record DjlStudent(Model model, BlockTaps taps, @Nullable Tokenizer tokenizer)
      implements Student, RecipePart {
    /**
     * Checks the parts.
     *
     * @param model the model
     * @param taps which intermediate outputs are signals
     * @param tokenizer how text becomes its inputs; null if they are not text
     */
    public DjlStudent {
      requireNonNull(model, "model");
      requireNonNull(taps, "taps");
    }

    @Override
    public Footprint footprint(StudentSetup setup) {
      long elements = 0;
      for (Pair<String, Parameter> each : model.getBlock().getParameters()) {
        elements += each.getValue().getArray().size();
      }
      return Footprint.loaded(Float.BYTES * elements);
    }

    @Override
    public Record description() {
      return new ModelInHand(
          BlockModel.fingerprint(model),
          taps.toString(),
          tokenizer == null ? null : tokenizer.fingerprint());
    }

    @Override
    public DeployableModel open(StudentSetup setup) {
      return new DeployableModel(
          BlockModel.open(model, taps, SignalReader.standard(), true),
          tokenizer,
          List.copyOf(setup.classNames()));
    }
  }
}
