package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
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

/** A teacher that is a model in this process. */
public final class ModelTeacher implements Teacher {

  /** The default strength of the penalty on a fitted classifier's weights. */
  public static final double DEFAULT_L2 = 1e-4;

  private final DeployableModel model;
  private final boolean owner;
  private final String id;
  private final Terms terms;
  private final List<Provenance> origins;

  ModelTeacher(DeployableModel model, boolean owner) {
    this(
        model,
        owner,
        model.architecture(),
        Terms.undeclared(),
        model.provenance().stream().toList());
  }

  private ModelTeacher(
      DeployableModel model, boolean owner, String id, Terms terms, List<Provenance> origins) {
    this.model = requireNonNull(model, "model");
    this.owner = owner;
    this.id = requireNonNull(id, "id");
    this.terms = requireNonNull(terms, "terms");
    this.origins = origins;
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
    return new ModelTeacher(model, owner, declaredId, declared, origins);
  }

  /**
   * Returns the model that answers.
   *
   * @return the model; saved or asked directly
   */
  public DeployableModel model() {
    return model;
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
    SoftmaxRegression head = SoftmaxRegression.fit(model.embeddings(labelled), labels, classes, l2);
    ScriptedModel encoder = encoder();
    ModelConfiguration configuration = encoder.configuration().orElseThrow().withClasses(classes);
    Map<String, HostTensor> weights = new LinkedHashMap<>(encoder.weights());
    weights.put("classifier.weight", head.weight());
    weights.put("classifier.bias", head.bias());
    return new ModelTeacher(
        new DeployableModel(
            ScriptedModel.open(configuration, weights, encoder.device(), false),
            model.tokenizer().orElse(null),
            dataset.classNames()),
        true,
        id,
        terms,
        origins);
  }

  private ScriptedModel encoder() {
    if (model.model() instanceof ScriptedModel scripted) {
      return scripted;
    }
    throw new DistillationException(
        "teacher must be a model of this library to get a classifier but was "
            + model.model().getClass().getSimpleName()
            + "; fit the classifier where the model was made");
  }

  private static int[] labels(TextDataset dataset) {
    int[] labels = new int[dataset.size()];
    Arrays.setAll(labels, dataset::label);
    return labels;
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    return model.model().forward(batch.inputs(), kinds, false);
  }

  @Override
  public Set<SignalKind> provides() {
    return model.model().provides();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return model.tokenizer();
  }

  @Override
  public List<String> classNames() {
    return model.classNames();
  }

  @Override
  public Optional<String> fingerprint() {
    return Optional.of(model.fingerprint());
  }

  @Override
  public Device device() {
    return model.model().device();
  }

  @Override
  public void close() {
    if (owner) {
      model.close();
    }
  }
}
