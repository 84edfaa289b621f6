package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.NativeEngine;
import io.distill.internal.StrictJson;
import io.distill.provenance.Provenance;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A live model together with what makes it useful alone: its tokenizer and the names of its
 * classes.
 *
 * <p>{@link #save} writes a directory that a plain DJL program serves: {@code model.pt}, {@code
 * tokenizer.json}, {@code config.json} (with {@code id2label}) and {@code serving.properties},
 * which names DJL's own text-classification translator. A trained student also has {@code
 * provenance.json}, which says where it comes from, and {@code README.md}, a model card made of it.
 * No weight of a teacher or of a loss is in it.
 *
 * <p>Predictions may come from several threads. Whoever opens the model closes it.
 */
public final class DeployableModel implements AutoCloseable {

  private static final String CONFIG_FILE = "config.json";

  /** Room for a million names of classes. */
  private static final int MAX_CONFIG_BYTES = 64 << 20;

  /** Where the architecture of a model of this library stands in the configuration file. */
  static final String CONFIGURATION_PROPERTY = "distill";

  private static final String TOKENIZER_FILE = "tokenizer.json";
  private static final String TOKENIZER_PROPERTY = "tokenizer_file";
  private static final String CARD_FILE = "README.md";
  private static final String SERVING_FILE = "serving.properties";

  private final SignalModel model;
  private final @Nullable Tokenizer tokenizer;
  private final List<String> classNames;
  private final @Nullable Provenance provenance;
  private final @Nullable ModelWriter writer;

  /**
   * Puts the parts together.
   *
   * @param model the model; closed with this
   * @param tokenizer how text becomes its inputs; null if its inputs are not text
   * @param classNames the names of its classes, by index; empty if unknown
   */
  public DeployableModel(
      SignalModel model, @Nullable Tokenizer tokenizer, List<String> classNames) {
    this(model, tokenizer, classNames, null, null);
  }

  private DeployableModel(
      SignalModel model,
      @Nullable Tokenizer tokenizer,
      List<String> classNames,
      @Nullable Provenance provenance,
      @Nullable ModelWriter writer) {
    this.model = requireNonNull(model, "model");
    this.tokenizer = tokenizer;
    this.classNames = List.copyOf(classNames);
    this.provenance = provenance;
    this.writer = writer;
  }

  /**
   * Returns this model with a note on where it comes from.
   *
   * @param provenance the note; null for none
   * @return the same live model; close either
   */
  public DeployableModel withProvenance(@Nullable Provenance provenance) {
    return new DeployableModel(model, tokenizer, classNames, provenance, writer);
  }

  /**
   * Returns this model with another form of the directories that {@link #save} writes.
   *
   * @param writer the form, such as that of a Hugging Face checkpoint; null for this library's own
   * @return the same live model; close either
   */
  public DeployableModel withWriter(@Nullable ModelWriter writer) {
    return new DeployableModel(model, tokenizer, classNames, provenance, writer);
  }

  /**
   * Returns in which form {@link #save} writes.
   *
   * @return the form; empty for this library's own
   */
  public Optional<ModelWriter> writer() {
    return Optional.ofNullable(writer);
  }

  /**
   * Returns where this model comes from.
   *
   * @return its provenance; empty if it was not trained by a run of this library, or saved before
   *     there were any
   */
  public Optional<Provenance> provenance() {
    return Optional.ofNullable(provenance);
  }

  /**
   * Returns the name of the architecture.
   *
   * @return the class of the configuration of a model of this library, else that of the model
   */
  public String architecture() {
    return model
        .configuration()
        .map(configuration -> configuration.getClass().getSimpleName())
        .orElse(model.getClass().getSimpleName());
  }

  /**
   * One answer.
   *
   * @param label the class of the highest probability
   * @param probability its probability, by softmax
   * @param logits the scores of all classes
   */
  public record Classification(String label, double probability, List<Float> logits) {
    /**
     * Copies the list.
     *
     * @param label the class of the highest probability
     * @param probability its probability, by softmax
     * @param logits the scores of all classes
     */
    public Classification {
      logits = List.copyOf(logits);
    }
  }

  /**
   * Reads a directory that {@link #save} wrote, onto the default device.
   *
   * <p>Only configuration and weights are taken from the files, never code. A student from a
   * TorchScript file of another origin is a program and is refused: {@link #loadTrusted(Path)}
   * reads it.
   *
   * @param directory the directory
   * @return the model
   * @throws DistillationException if a file is missing or damaged, or the model is a program
   */
  public static DeployableModel load(Path directory) {
    return load(directory, NativeEngine.defaultDevice());
  }

  /**
   * Reads a directory that {@link #save} wrote.
   *
   * @param directory the directory
   * @param device where the model shall live
   * @return the model
   * @throws DistillationException if a file is missing or damaged, or the model is a program
   */
  public static DeployableModel load(Path directory, Device device) {
    return load(directory, device, false);
  }

  /**
   * Reads a directory that {@link #save} wrote, to train it further.
   *
   * <p>DJL blocks are loaded by {@code ai.djl.Model.load} into the same blocks.
   *
   * @param directory the directory
   * @param device where the model shall live
   * @param trainable whether it can be trained
   * @return the model
   * @throws DistillationException if a file is missing or damaged, or the model is a program
   */
  public static DeployableModel load(Path directory, Device device, boolean trainable) {
    return load(directory, device, trainable, Computation.standard());
  }

  /**
   * Reads a directory that {@link #save} wrote, to compute as it is told; only models of this
   * library can, others compute as they are.
   *
   * @param directory the directory
   * @param device where the model shall live
   * @param trainable whether it can be trained
   * @param computation the precision, and whether activations are kept
   * @return the model
   * @throws DistillationException if a file is missing or damaged, or the model is a program
   */
  public static DeployableModel load(
      Path directory, Device device, boolean trainable, Computation computation) {
    return SavedModel.of(directory).open(device, trainable, computation);
  }

  /**
   * Reads a directory that {@link #save} wrote, also of a model that is a program, onto the default
   * device.
   *
   * @param directory a directory that the caller trusts as he would a library
   * @return the model
   * @throws DistillationException if a file is missing, damaged or unsafe
   * @see #loadTrusted(Path, Device, boolean)
   */
  public static DeployableModel loadTrusted(Path directory) {
    return loadTrusted(directory, NativeEngine.defaultDevice(), false);
  }

  /**
   * Reads a directory that {@link #save} wrote, also of a model that is a program: a student from a
   * TorchScript file of another origin. libtorch compiles and runs what is in {@code model.pt}; see
   * {@link TorchScriptModel#openTrusted} for what is checked first. Its outputs are read by {@link
   * SignalReader#standard()}. All other models are read as {@link #load(Path, Device, boolean)}
   * does, and run nothing of the files.
   *
   * <p>Load only from where you would take a library; for models of others prefer safetensors, ONNX
   * or this library's own format.
   *
   * @param directory a directory that the caller trusts as he would a library
   * @param device where the model shall live
   * @param trainable whether it can be trained
   * @return the model
   * @throws DistillationException if a file is missing, damaged or unsafe
   */
  public static DeployableModel loadTrusted(Path directory, Device device, boolean trainable) {
    JsonObject config = readConfig(directory);
    if (!SavedModel.isProgram(directory, config)) {
      return load(directory, device, trainable);
    }
    List<String> names = classNames(directory, config);
    Tokenizer tokenizer = tokenizer(directory, config);
    Provenance provenance = provenance(directory);
    return new DeployableModel(
        TorchScriptModel.openTrusted(
            directory.resolve(SignalModel.MODEL_FILE), SignalReader.standard(), device, trainable),
        tokenizer,
        names,
        provenance,
        null);
  }

  private static @Nullable Provenance provenance(Path directory) {
    Path file = directory.resolve(Provenance.FILE);
    return Files.exists(file) ? Provenance.read(file) : null;
  }

  /** Reads a directory of this library's own form. */
  static DeployableModel loadOwn(
      Path directory, Device device, boolean trainable, Computation computation) {
    JsonObject config = readConfig(directory);
    List<String> names = classNames(directory, config);
    Tokenizer tokenizer = tokenizer(directory, config);
    Path modelFile = directory.resolve(SignalModel.MODEL_FILE);
    Provenance provenance = provenance(directory);
    ScriptedModel model = ScriptedModel.read(modelFile, device, trainable, computation);
    try {
      requireBelongTogether(directory, model.configuration().orElseThrow(), tokenizer, names);
    } catch (DistillationException e) {
      model.close();
      throw e;
    }
    return new DeployableModel(model, tokenizer, names, provenance, null);
  }

  private static void requireBelongTogether(
      Path directory,
      ModelConfiguration configuration,
      @Nullable Tokenizer tokenizer,
      List<String> names) {
    if (!names.isEmpty() && names.size() != configuration.classes()) {
      throw new DistillationException(
          CONFIG_FILE
              + " in "
              + directory
              + " must name the "
              + configuration.classes()
              + " classes of the model but names "
              + names.size()
              + "; save the model again");
    }
    int rows = configuration.vocabularySize();
    int pieces = tokenizer == null ? 0 : tokenizer.vocabularySize();
    if (pieces > rows) {
      throw new DistillationException(
          TOKENIZER_FILE
              + " in "
              + directory
              + " must have at most the "
              + rows
              + " word pieces of the model but has "
              + pieces
              + "; use the file that was saved with the model");
    }
  }

  private static void requireDirectory(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new DistillationException(
          "model directory must exist but " + directory + " does not; check the path");
    }
  }

  static @Nullable Tokenizer tokenizer(Path directory, JsonObject config) {
    boolean readsText =
        config.has(TOKENIZER_PROPERTY) || Files.exists(directory.resolve(TOKENIZER_FILE));
    return readsText ? Tokenizer.load(directory) : null;
  }

  static JsonObject readConfig(Path directory) {
    requireDirectory(directory);
    Path file = directory.resolve(CONFIG_FILE);
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          "configuration file must exist but "
              + file
              + " does not; give a directory that DeployableModel.save wrote, or a Hugging Face"
              + " checkpoint");
    }
    return StrictJson.object(
        StrictJson.text(file, "configuration file", MAX_CONFIG_BYTES),
        "configuration file " + file,
        MAX_CONFIG_BYTES);
  }

  static List<String> classNames(Path directory, JsonObject config) {
    try {
      List<String> names = new ArrayList<>();
      JsonObject labels = config.getAsJsonObject("id2label");
      for (int i = 0; labels != null && i < labels.size(); i++) {
        names.add(labels.get(Integer.toString(i)).getAsString());
      }
      return names;
    } catch (IllegalStateException
        | ClassCastException
        | NullPointerException
        | UnsupportedOperationException e) {
      throw unreadable(directory.resolve(CONFIG_FILE), e);
    }
  }

  private static DistillationException unreadable(Path file, Exception cause) {
    return new DistillationException(
        "configuration file "
            + file
            + " must be JSON with id2label from \"0\" on but could not be read ("
            + cause
            + "); save the model again",
        cause);
  }

  /**
   * Returns the live model.
   *
   * @return the model
   */
  public SignalModel model() {
    return model;
  }

  /**
   * Returns how text becomes the model's inputs.
   *
   * @return the tokenizer; empty if inputs are not text
   */
  public Optional<Tokenizer> tokenizer() {
    return Optional.ofNullable(tokenizer);
  }

  /**
   * Returns the names of the classes.
   *
   * @return names by class index; empty if unknown
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Counts the parameters.
   *
   * @return the number of elements of all parameters
   */
  public long parameterCount() {
    return model.parameterCount();
  }

  /**
   * Returns a digest of everything that answers depend on besides the input: the model with its
   * present weights, the tokenizer, the names of the classes.
   *
   * @return a SHA-256 digest in hexadecimal
   */
  public String fingerprint() {
    Hasher hasher = Hashing.sha256().newHasher();
    hasher.putString(model.fingerprint(), StandardCharsets.UTF_8);
    hasher.putString(tokenizer == null ? "none" : tokenizer.fingerprint(), StandardCharsets.UTF_8);
    for (String name : classNames) {
      byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
      hasher.putInt(bytes.length).putBytes(bytes);
    }
    return hasher.hash().toString();
  }

  /**
   * Scores all rows of a data set.
   *
   * @param dataset the rows; labels are not looked at
   * @return logits, one vector a row
   */
  public float[][] logits(DistillationDataset dataset) {
    return signals(dataset, SignalKind.LOGITS);
  }

  /**
   * Represents all rows of a data set.
   *
   * @param dataset the rows; labels are not looked at
   * @return embeddings, one vector a row
   */
  public float[][] embeddings(DistillationDataset dataset) {
    return signals(dataset, SignalKind.EMBEDDING);
  }

  private float[][] signals(DistillationDataset dataset, SignalKind kind) {
    BatchSource source = dataset.inputs(tokenizer);
    return RowSignals.collect(
            source,
            model.device(),
            (batch, kinds) -> model.forward(batch.inputs(), kinds, false),
            Set.of(kind),
            rows -> {})
        .values(kind);
  }

  /**
   * Decides the class of all rows of a data set.
   *
   * @param dataset the rows; labels are not looked at
   * @return the index of the highest logit, a row each
   */
  public int[] predict(DistillationDataset dataset) {
    return Arrays.stream(logits(dataset)).mapToInt(DeployableModel::indexOfMaximum).toArray();
  }

  /**
   * Scores one text, the short way: tokenise, one native call, read.
   *
   * @param text the text
   * @return logits
   * @throws DistillationException if the model does not read text
   */
  public float[] logits(String text) {
    return logits(requireTokenizer().encode(text));
  }

  /**
   * Scores one tokenised text.
   *
   * @param tokenIds the ids that {@link #tokenizer()} gave
   * @return logits
   */
  public float[] logits(int[] tokenIds) {
    return signal(tokenIds, SignalKind.LOGITS);
  }

  /**
   * Represents one text.
   *
   * @param text the text
   * @return its embedding
   * @throws DistillationException if the model does not read text
   */
  public float[] embedding(String text) {
    return embedding(requireTokenizer().encode(text));
  }

  /**
   * Represents one tokenised text.
   *
   * @param tokenIds the ids that {@link #tokenizer()} gave
   * @return its embedding
   */
  public float[] embedding(int[] tokenIds) {
    return signal(tokenIds, SignalKind.EMBEDDING);
  }

  private float[] signal(int[] tokenIds, SignalKind kind) {
    NativeEngine.prepareThread();
    long[] ids = Arrays.stream(tokenIds).asLongStream().toArray();
    long[] mask = new long[ids.length];
    Arrays.fill(mask, 1);
    try (NDManager manager = NativeEngine.newManager(model.device())) {
      Shape shape = new Shape(1, ids.length);
      NDList inputs = new NDList(manager.create(ids, shape), manager.create(mask, shape));
      Signals signals = model.forward(inputs, Set.of(kind), false);
      return (kind == SignalKind.LOGITS ? signals.logits() : signals.embedding()).toFloatArray();
    }
  }

  /**
   * Decides the class of one text.
   *
   * @param text the text
   * @return the class and its probability
   * @throws DistillationException if the model does not read text
   */
  public Classification classify(String text) {
    float[] logits = logits(text);
    int best = indexOfMaximum(logits);
    double sum = 0;
    List<Float> scores = new ArrayList<>(logits.length);
    for (float logit : logits) {
      sum += Math.exp((double) logit - logits[best]);
      scores.add(logit);
    }
    String label = best < classNames.size() ? classNames.get(best) : Integer.toString(best);
    return new Classification(label, 1 / sum, scores);
  }

  private Tokenizer requireTokenizer() {
    if (tokenizer == null) {
      throw new DistillationException(
          "model must have a tokenizer to read text but has none; give it one when it is built");
    }
    return tokenizer;
  }

  /**
   * Returns the index of the largest value.
   *
   * @param values at least one value
   * @return the first index of the maximum
   */
  public static int indexOfMaximum(float[] values) {
    int best = 0;
    for (int i = 1; i < values.length; i++) {
      if (values[i] > values[best]) {
        best = i;
      }
    }
    return best;
  }

  /**
   * Writes the model so that it works alone, whole or not at all.
   *
   * @param directory a directory that is new, empty, or was saved before
   * @throws DistillationException if it cannot be written; what was there is then left as it was
   */
  public void save(Path directory) {
    AtomicFiles.writeDirectory(
        directory,
        CONFIG_FILE,
        target -> {
          if (writer == null) {
            writeOwn(target);
          } else {
            writer.write(this, target);
          }
          if (provenance != null) {
            provenance.write(target.resolve(Provenance.FILE));
            AtomicFiles.write(target.resolve(CARD_FILE), provenance.modelCard());
          }
        });
  }

  private void writeOwn(Path target) throws IOException {
    model.writeTo(target);
    if (tokenizer != null) {
      tokenizer.save(target);
    }
    AtomicFiles.write(target.resolve(CONFIG_FILE), config() + "\n");
    AtomicFiles.write(target.resolve(SERVING_FILE), serving());
  }

  /**
   * Refuses a directory that {@link #save} would refuse; worth asking before a long run.
   *
   * @param directory where a model shall be saved
   * @throws DistillationException if something else is there
   */
  public static void checkSavable(Path directory) {
    AtomicFiles.requireReplaceable(directory, CONFIG_FILE);
  }

  private String config() {
    Gson gson = new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();
    JsonObject config = new JsonObject();
    config.addProperty("model_type", "distill");
    if (!classNames.isEmpty()) {
      JsonObject idToLabel = new JsonObject();
      JsonObject labelToId = new JsonObject();
      for (int i = 0; i < classNames.size(); i++) {
        idToLabel.addProperty(Integer.toString(i), classNames.get(i));
        labelToId.addProperty(classNames.get(i), i);
      }
      config.addProperty("problem_type", "single_label_classification");
      config.add("id2label", idToLabel);
      config.add("label2id", labelToId);
    }
    if (tokenizer != null) {
      config.addProperty(TOKENIZER_PROPERTY, TOKENIZER_FILE);
    }
    model.configuration().ifPresent(shape -> config.add(CONFIGURATION_PROPERTY, shape.toJson()));
    return gson.toJson(config);
  }

  private String serving() {
    String engine = "engine=" + NativeEngine.NAME + "\noption.modelName=model\n";
    return tokenizer == null || classNames.isEmpty()
        ? engine
        : engine
            + "translatorFactory=ai.djl.huggingface.translator.TextClassificationTranslatorFactory\n";
  }

  @Override
  public void close() {
    model.close();
  }
}
