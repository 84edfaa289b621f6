package io.distill.teacher;

import ai.djl.Device;
import ai.djl.Model;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.Pooling;
import io.distill.model.SavedModel;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalReader;
import io.distill.model.TorchScriptModel;
import io.distill.model.TransformerEncoder;
import io.distill.onnx.OnnxEncoderWeights;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDeclaration;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A frozen source of signals for a batch. Never trained, never in training mode.
 *
 * <p>The factories here cover models in files and in memory; implement the interface for anything
 * else that can answer, such as an ensemble or a service. Answers must depend on the rows alone:
 * the training loop asks once for each row and remembers logits and embeddings.
 *
 * <p>Whoever opens a teacher closes it.
 */
public interface Teacher extends AutoCloseable {

  /**
   * Answers for a batch.
   *
   * @param batch the rows, as the teacher's {@link #tokenizer()} encodes them
   * @param kinds what is asked for
   * @return at least those kinds, on the manager of the batch, without gradients
   */
  Signals signals(Batch batch, Set<SignalKind> kinds);

  /**
   * Returns what the teacher may be asked for.
   *
   * @return the kinds of signals
   */
  Set<SignalKind> provides();

  /**
   * Returns how text becomes the teacher's inputs.
   *
   * @return the tokenizer; empty if inputs are not text
   */
  Optional<Tokenizer> tokenizer();

  /**
   * Returns the names of the classes that the logits stand for.
   *
   * @return names by class index; empty if unknown
   */
  default List<String> classNames() {
    return List.of();
  }

  /**
   * Returns the model behind the answers, so that a student can start from its weights.
   *
   * @return the model, if it is one in this process; empty by default
   */
  default Optional<DeployableModel> localModel() {
    return Optional.empty();
  }

  /**
   * Returns where inputs are expected.
   *
   * @return the device
   */
  default Device device() {
    return NativeEngine.defaultDevice();
  }

  /**
   * Returns a digest of everything that the teacher's answers depend on besides the rows: weights,
   * architecture, tokenizer, classes. What was kept of one teacher's answers is never taken for
   * another's.
   *
   * @return a SHA-256 digest in hexadecimal; empty if the teacher cannot tell, which is the default
   */
  default Optional<String> fingerprint() {
    return Optional.empty();
  }

  /**
   * Returns the name of the teacher for people, as provenance and model cards have it.
   *
   * @return a name such as {@code sentence-transformers/all-MiniLM-L6-v2}; the name of the class by
   *     default
   */
  default String id() {
    return getClass().getSimpleName();
  }

  /**
   * Returns under which licence or terms the teacher answers.
   *
   * @return its terms; {@link Terms#undeclared()} by default
   * @see #declaring(Terms)
   */
  default Terms terms() {
    return Terms.undeclared();
  }

  /**
   * Returns where the teacher comes from, if it is a student of earlier runs, or made of some.
   *
   * @return a provenance for each; none by default
   */
  default List<Provenance> origins() {
    return List.of();
  }

  /**
   * Returns this teacher under terms that the user declares, as after reading its model card.
   *
   * @param terms the terms, such as {@code Terms.spdx("Apache-2.0")}
   * @return the same teacher; close either
   */
  default Teacher declaring(Terms terms) {
    return declaring(id(), terms);
  }

  /**
   * Returns this teacher under a name and terms that the user declares.
   *
   * @param id the name for people, such as {@code sentence-transformers/all-MiniLM-L6-v2}
   * @param terms the terms, such as {@code Terms.spdx("Apache-2.0")}
   * @return the same teacher; close either
   */
  default Teacher declaring(String id, Terms terms) {
    return new DeclaredTeacher(this, id, terms);
  }

  /**
   * Returns the memory that the teacher's weights take, without loading them: a run that cannot fit
   * is refused before anything is loaded. A teacher of several models adds up theirs.
   *
   * @return the footprint; none for a teacher that is elsewhere or cannot tell, which is the
   *     default
   */
  default Footprint footprint() {
    return Footprint.none();
  }

  /**
   * Checks whether this teacher can serve a run, before anything is asked or opened. What it finds
   * is told together with all other problems of the run; {@link #prepare} follows if there are
   * none.
   *
   * @param setup what the run will ask
   * @throws DistillationException if the teacher cannot serve this run
   */
  default void check(TeacherSetup setup) {}

  /**
   * Is told of a run that will ask this teacher, once all other checks have passed and before the
   * first question of the run itself.
   *
   * @param setup what the run will ask
   * @throws DistillationException if the teacher cannot serve this run
   */
  default void prepare(TeacherSetup setup) {}

  /**
   * Is told that a run which {@link #prepare} announced is over, also if it failed. Whatever the
   * teacher has not written yet, it writes now.
   */
  default void finish() {}

  /**
   * Returns whether the teacher learns during the run, as a moving average of the student does. The
   * answers of one that does not are asked for once a row and remembered.
   *
   * @return whether the same row may get another answer later; default false
   */
  default boolean changes() {
    return false;
  }

  /**
   * Returns the teacher that one run asks. A run calls this once, at its very start, and closes
   * what it gets if that is another teacher.
   *
   * @return this teacher, which is the default; a new one if answers depend on what happens in the
   *     run, as those of a moving average do
   */
  default Teacher forRun() {
    return this;
  }

  /**
   * Returns who must be told of the student and of each step.
   *
   * @return what follows the student; empty for a teacher that does not, which is the default
   */
  default Optional<StudentFollower> follower() {
    return Optional.empty();
  }

  @Override
  default void close() {}

  /**
   * Remembers what a teacher says in a file, so that it is asked once for each row: the first
   * epoch, or {@link CachedTeacher#label}, writes, later epochs and later runs read. Answers are
   * kept exactly unless {@link CachedTeacher#topK} or {@link CachedTeacher#halfPrecision} say
   * otherwise.
   *
   * @param path the file; made if it does not exist
   * @param teacher who is asked for rows that are not there; stays the caller's to close
   * @return the teacher; close it
   * @throws DistillationException if the teacher changes during a run
   */
  static CachedTeacher cached(Path path, Teacher teacher) {
    return CachedTeacher.of(path, teacher);
  }

  /**
   * Repeats what another teacher said, from the file that it was written to; no model is loaded.
   *
   * @param path the file
   * @return the teacher; close it
   * @throws DistillationException if the file does not exist, is damaged, or is no teacher cache
   */
  static CachedTeacher cached(Path path) {
    return CachedTeacher.of(path);
  }

  /**
   * Returns a teacher that says nothing, for a student that learns from labels alone: the baseline
   * that every distilled student should be compared with.
   *
   * @return the silent teacher
   */
  static Teacher none() {
    return SilentTeacher.INSTANCE;
  }

  /**
   * Lets several teachers answer as one: by the mean of their probabilities, unless the ensemble is
   * told otherwise.
   *
   * <pre>{@code
   * Teacher.ensemble(a, b, c).byConfidence()
   * }</pre>
   *
   * @param members at least two teachers; they stay the caller's to close
   * @return the ensemble
   * @throws IllegalArgumentException if there are fewer, one is given twice, or they know different
   *     classes
   */
  static EnsembleTeacher ensemble(Teacher... members) {
    return EnsembleTeacher.of(List.of(members));
  }

  /**
   * Lets several teachers answer as one.
   *
   * @param members at least two teachers; they stay the caller's to close
   * @return the ensemble
   * @throws IllegalArgumentException if there are fewer, one is given twice, or they know different
   *     classes
   * @see #ensemble(Teacher...)
   */
  static EnsembleTeacher ensemble(List<? extends Teacher> members) {
    return EnsembleTeacher.of(members);
  }

  /**
   * Lets the student learn from the moving average of its own weights: the mean teacher. It learns
   * to agree with itself on rows without labels too; labels, and dropout or other noise in the
   * student, keep the two from agreeing on nothing.
   *
   * @param decay how much of the average stays at each step, after a warm-up; from 0 to below 1;
   *     usual values 0.99 (short runs) to 0.9999
   * @return the teacher, for any number of runs
   * @throws IllegalArgumentException if {@code decay} is out of range
   */
  static MovingAverageTeacher movingAverage(double decay) {
    return MovingAverageTeacher.of(decay);
  }

  /**
   * Opens a directory that {@link DeployableModel#save} wrote, such as a student of an earlier run.
   * A licence that is declared there ({@code README.md}, {@code config.json}, {@code LICENSE})
   * counts as declared.
   *
   * @param directory the directory
   * @return the teacher; close it
   * @throws DistillationException if a file is missing or damaged, or the model is a TorchScript
   *     program of another origin, which {@link DeployableModel#loadTrusted(Path)} reads
   */
  static ModelTeacher load(Path directory) {
    return new ModelTeacher(DeployableModel.load(directory), true)
        .declaring(name(directory), terms(directory));
  }

  private static String name(Path directory) {
    Path name = directory.toAbsolutePath().normalize().getFileName();
    return name == null ? "model" : name.toString();
  }

  private static Terms terms(Path directory) {
    return TermsDeclaration.in(directory).orElseGet(Terms::undeclared);
  }

  /**
   * Uses a directory that {@link DeployableModel#save} wrote, and loads the model when it is first
   * asked something. What is small is read at once, so a run knows tokenizer, classes and size
   * before, and refuses what does not fit into memory without loading it.
   *
   * @param directory the directory
   * @return the teacher; close it
   * @throws DistillationException if a file is missing, or a small one damaged, or the model is a
   *     TorchScript program of another origin; a damaged model file is only noticed when it is
   *     loaded
   */
  static ModelTeacher lazy(Path directory) {
    Path provenance = directory.resolve(Provenance.FILE);
    return new ModelTeacher(
        SavedModel.of(directory),
        name(directory),
        terms(directory),
        Files.exists(provenance) ? List.of(Provenance.read(provenance)) : List.of());
  }

  /**
   * Uses a live model as a teacher, such as the student of an earlier run.
   *
   * @param model the model; it stays the caller's to close
   * @return the teacher
   */
  static ModelTeacher of(DeployableModel model) {
    return new ModelTeacher(model, false);
  }

  /**
   * Uses a DJL model as a teacher.
   *
   * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's to
   *     close
   * @return the teacher
   */
  static ModelTeacher of(Model model) {
    return of(model, BlockTaps.none());
  }

  /**
   * Uses a DJL model as a teacher and taps intermediate outputs of its blocks.
   *
   * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's to
   *     close
   * @param taps which intermediate outputs are signals
   * @return the teacher
   */
  static ModelTeacher of(Model model, BlockTaps taps) {
    return new ModelTeacher(
        new DeployableModel(
            BlockModel.open(model, taps, SignalReader.standard(), false), null, List.of()),
        false);
  }

  /**
   * Opens a TorchScript file whose inputs are not text, or come tokenised.
   *
   * <p>The file is a program that libtorch compiles and runs: see {@link
   * TorchScriptModel#openTrusted} for what is checked first, and what is not. Load only from where
   * you would take a library; for models of others prefer safetensors, ONNX or this library's own
   * format.
   *
   * @param file a file that {@code torch.jit.save} wrote and the caller trusts
   * @return the teacher; close it
   * @throws DistillationException if the file is missing or damaged
   */
  static ModelTeacher trustedTorchScript(Path file) {
    return trustedTorchScript(file, SignalReader.standard());
  }

  /**
   * Opens a TorchScript file and names its outputs.
   *
   * <p>The file is a program that libtorch compiles and runs: see {@link
   * TorchScriptModel#openTrusted} for what is checked first, and what is not. Load only from where
   * you would take a library; for models of others prefer safetensors, ONNX or this library's own
   * format.
   *
   * @param file a file that {@code torch.jit.save} wrote and the caller trusts
   * @param reader which output is which signal
   * @return the teacher; close it
   * @throws DistillationException if the file is missing or damaged
   */
  static ModelTeacher trustedTorchScript(Path file, SignalReader reader) {
    return new ModelTeacher(
        new DeployableModel(
            TorchScriptModel.openTrusted(file, reader, NativeEngine.defaultDevice(), false),
            null,
            List.of()),
        true);
  }

  /**
   * Opens a TorchScript file that reads tokenised text: {@code forward(input_ids, attention_mask)}.
   *
   * <p>The file is a program that libtorch compiles and runs: see {@link
   * TorchScriptModel#openTrusted} for what is checked first, and what is not. Load only from where
   * you would take a library; for models of others prefer safetensors, ONNX or this library's own
   * format.
   *
   * @param file a file that {@code torch.jit.save} wrote and the caller trusts
   * @param reader which output is which signal
   * @param tokenizer how text becomes its inputs
   * @return the teacher; close it
   * @throws DistillationException if the file is missing or damaged
   */
  static ModelTeacher trustedTorchScript(Path file, SignalReader reader, Tokenizer tokenizer) {
    return new ModelTeacher(
        new DeployableModel(
            TorchScriptModel.openTrusted(file, reader, NativeEngine.defaultDevice(), false),
            tokenizer,
            List.of()),
        true);
  }

  /**
   * Opens a sentence encoder of the BERT family from its ONNX export: mean pooling over the tokens
   * and an embedding of length 1, as Sentence-Transformers models are made. It gives embeddings,
   * hidden states and attention scores; {@link ModelTeacher#withClassifier} adds logits.
   *
   * @param onnx the ONNX file
   * @param tokenizer the tokenizer of the model
   * @return the teacher; close it
   * @throws DistillationException if the file is missing, damaged, or no BERT encoder
   */
  static ModelTeacher onnxSentenceEncoder(Path onnx, Tokenizer tokenizer) {
    return sentenceEncoder(OnnxEncoderWeights.read(onnx), tokenizer);
  }

  /**
   * Opens a sentence encoder from a stream, such as a class path resource.
   *
   * @param onnx the content of the ONNX file; left open
   * @param tokenizer the tokenizer of the model
   * @return the teacher; close it
   * @throws DistillationException if the content is damaged or no BERT encoder
   * @see #onnxSentenceEncoder(Path, Tokenizer)
   */
  static ModelTeacher onnxSentenceEncoder(InputStream onnx, Tokenizer tokenizer) {
    return sentenceEncoder(OnnxEncoderWeights.read(onnx, "ONNX stream"), tokenizer);
  }

  private static ModelTeacher sentenceEncoder(OnnxEncoderWeights onnx, Tokenizer tokenizer) {
    TransformerEncoder encoder = onnx.configuration().encoder(Pooling.MEAN, true);
    if (tokenizer.vocabularySize() > encoder.vocabularySize()) {
      throw new DistillationException(
          "tokenizer must have at most the "
              + encoder.vocabularySize()
              + " word pieces of the model but has "
              + tokenizer.vocabularySize()
              + "; use the tokenizer.json that belongs to the model");
    }
    Map<String, HostTensor> weights = new LinkedHashMap<>(onnx.tensors());
    weights.keySet().removeIf(name -> name.startsWith("pooler."));
    ScriptedModel model = ScriptedModel.open(encoder, weights, NativeEngine.defaultDevice(), false);
    int longest = Math.min(tokenizer.maxLength(), encoder.maxPositions());
    return new ModelTeacher(
        new DeployableModel(model, tokenizer.withMaxLength(longest), List.of()), true);
  }
}
