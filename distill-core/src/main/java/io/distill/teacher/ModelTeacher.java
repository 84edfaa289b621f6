package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.Precision;
import io.distill.model.SavedModel;
import io.distill.model.ScriptedModel;
import io.distill.model.SoftmaxRegression;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A teacher that is a model in this process. */
public final class ModelTeacher implements Teacher {

  /** The default strength of the penalty on a fitted classifier's weights. */
  public static final double DEFAULT_L2 = 1e-4;

  private final Source source;
  private final String id;
  private final Terms terms;
  private final List<Provenance> origins;

  ModelTeacher(DeployableModel model, boolean owner) {
    this(
        new Source(null, requireNonNull(model, "model"), owner),
        model.architecture(),
        Terms.undeclared(),
        model.provenance().stream().toList());
  }

  ModelTeacher(SavedModel saved, String id, Terms terms, List<Provenance> origins) {
    this(new Source(saved, null, true), id, terms, origins);
  }

  private ModelTeacher(DeployableModel model, String id, Terms terms, List<Provenance> origins) {
    this(new Source(null, model, true), id, terms, origins);
  }

  private ModelTeacher(Source source, String id, Terms terms, List<Provenance> origins) {
    this.source = source;
    this.id = requireNonNull(id, "id");
    this.terms = requireNonNull(terms, "terms");
    this.origins = List.copyOf(origins);
  }

  /** The model, live or still to be loaded; shared by teachers that only declare other terms. */
  private static final class Source {
    /** Where the model is loaded from when it is first needed; null if it came live. */
    private final @Nullable SavedModel saved;

    private final boolean owner;

    @GuardedBy("this")
    private @Nullable DeployableModel model;

    @GuardedBy("this")
    private boolean closed;

    Source(@Nullable SavedModel saved, @Nullable DeployableModel model, boolean owner) {
      this.saved = saved;
      this.model = model;
      this.owner = owner;
    }

    /** Returns what is known without loading; null if the model is live. */
    synchronized @Nullable SavedModel unloaded() {
      return model == null ? saved : null;
    }

    synchronized DeployableModel model() {
      DeployableModel live = model;
      if (live == null) {
        checkState(!closed, "teacher must be open to load its model but was closed");
        live =
            requireNonNull(saved).open(NativeEngine.defaultDevice(), false, Computation.standard());
        model = live;
      }
      return live;
    }

    synchronized void close() {
      closed = true;
      if (owner && model != null) {
        model.close();
      }
    }
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public Terms terms() {
    return terms;
  }

  @Override
  public List<Provenance> origins() {
    return origins;
  }

  @Override
  public ModelTeacher declaring(Terms declared) {
    return declaring(id, declared);
  }

  @Override
  public ModelTeacher declaring(String declaredId, Terms declared) {
    return new ModelTeacher(source, declaredId, declared, origins);
  }

  /**
   * Returns the model that answers.
   *
   * @return the model; saved or asked directly. A lazy teacher loads it now
   * @throws DistillationException if it is to be loaded now and a file is damaged
   */
  public DeployableModel model() {
    return source.model();
  }

  /**
   * Returns the configuration of a model of this library, without loading a lazy one.
   *
   * @return the configuration; empty for other models
   * @throws DistillationException if a file is damaged
   */
  public Optional<ModelConfiguration> configuration() {
    SavedModel saved = source.unloaded();
    return saved == null ? model().model().configuration() : saved.configuration();
  }

  /**
   * Returns a teacher whose answers are computed in another precision: a copy of this one's model.
   *
   * @param precision the precision; {@link Precision#BFLOAT16} is quicker where the processor has
   *     instructions for it, and its answers are rounded
   * @return the teacher; close both
   * @throws DistillationException if the model is not one of this library
   */
  public ModelTeacher withPrecision(Precision precision) {
    ScriptedModel scripted =
        scripted("to answer in another precision", "choose one where it was made");
    return new ModelTeacher(
        new DeployableModel(
            ScriptedModel.open(
                scripted.configuration().orElseThrow(),
                scripted.weights(),
                scripted.device(),
                false,
                Computation.standard().withInference(precision)),
            tokenizer().orElse(null),
            classNames()),
        id,
        terms,
        origins);
  }

  /**
   * Returns a teacher that also gives logits: this encoder with a linear classifier on its
   * embedding, fitted on labelled rows.
   *
   * @param dataset rows of text; those without a label are ignored
   * @return the teacher, with a copy of the encoder; close both
   * @throws DistillationException if fewer than two classes have labels, or the model is not one of
   *     this library's encoders
   * @see SoftmaxRegression
   */
  public ModelTeacher withClassifier(TextDataset dataset) {
    return withClassifier(dataset, DEFAULT_L2);
  }

  /**
   * Returns a teacher that also gives logits, with a chosen strength of regularisation.
   *
   * @param dataset rows of text; those without a label are ignored
   * @param l2 the strength of the penalty on the classifier's weights; greater than 0; default
   *     1e-4. Smaller values give sharper soft targets
   * @return the teacher, with a copy of the encoder; close both
   * @throws DistillationException if fewer than two classes have labels, or the model is not one of
   *     this library's encoders
   */
  public ModelTeacher withClassifier(TextDataset dataset, double l2) {
    checkArgument(l2 > 0, "l2 must be greater than 0 but was %s", l2);
    TextDataset labelled = dataset.subset(dataset.labelledRows());
    int[] labels = labels(labelled);
    long distinct = Arrays.stream(labels).distinct().count();
    if (distinct < 2) {
      throw new DistillationException(
          "data set must have labels of at least two classes to fit a classifier but has labels of "
              + distinct
              + "; label some rows of each class");
    }
    int classes = dataset.classNames().size();
    SoftmaxRegression head =
        SoftmaxRegression.fit(model().embeddings(labelled), labels, classes, l2);
    ScriptedModel encoder =
        scripted("to get a classifier", "fit the classifier where the model was made");
    ModelConfiguration configuration = encoder.configuration().orElseThrow().withClasses(classes);
    Map<String, HostTensor> weights = new LinkedHashMap<>(encoder.weights());
    weights.put("classifier.weight", head.weight());
    weights.put("classifier.bias", head.bias());
    return new ModelTeacher(
        new DeployableModel(
            ScriptedModel.open(
                configuration, weights, encoder.device(), false, encoder.computation()),
            tokenizer().orElse(null),
            dataset.classNames()),
        id,
        terms,
        origins);
  }

  private ScriptedModel scripted(String purpose, String next) {
    if (model().model() instanceof ScriptedModel scripted) {
      return scripted;
    }
    throw new DistillationException(
        "teacher must be a model of this library "
            + purpose
            + " but was "
            + model().model().getClass().getSimpleName()
            + "; "
            + next);
  }

  private static int[] labels(TextDataset dataset) {
    int[] labels = new int[dataset.size()];
    Arrays.setAll(labels, dataset::label);
    return labels;
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    return model().model().forward(batch.inputs(), kinds, false);
  }

  @Override
  public Set<SignalKind> provides() {
    SavedModel saved = source.unloaded();
    return saved == null ? model().model().provides() : saved.provides();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    SavedModel saved = source.unloaded();
    return saved == null ? model().tokenizer() : saved.tokenizer();
  }

  @Override
  public List<String> classNames() {
    SavedModel saved = source.unloaded();
    return saved == null ? model().classNames() : saved.classNames();
  }

  @Override
  public Optional<String> fingerprint() {
    return Optional.of(model().fingerprint());
  }

  @Override
  public Optional<DeployableModel> localModel() {
    return Optional.of(model());
  }

  @Override
  public Device device() {
    return source.unloaded() == null ? model().model().device() : NativeEngine.defaultDevice();
  }

  @Override
  public Footprint footprint() {
    SavedModel saved = source.unloaded();
    return saved == null ? Footprint.of(model().model()) : saved.footprint();
  }

  @Override
  public void close() {
    source.close();
  }
}
