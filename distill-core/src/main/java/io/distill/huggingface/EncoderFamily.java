package io.distill.huggingface;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.EncoderHead;
import io.distill.model.ModelConfiguration;
import io.distill.model.Pooling;
import io.distill.model.TransformerEncoder;
import io.distill.torchscript.HostTensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** The encoder families: what their files call things, and what they fix. */
enum EncoderFamily implements Family {
  BERT("bert", "Bert", "bert."),
  ROBERTA("roberta", "Roberta", "roberta."),
  XLM_ROBERTA("xlm-roberta", "XLMRoberta", "roberta."),
  DISTILBERT("distilbert", "DistilBert", "distilbert.");

  private static final String BASE = "Model";
  private static final String MASKED = "ForMaskedLM";
  private static final String PRETRAINING = "ForPreTraining";
  private static final String CLASSIFIER = "ForSequenceClassification";
  private static final String LABELS = "id2label";
  private static final String LABEL_IDS = "label2id";
  private static final String PADDING = "pad_token_id";

  /** How many classes a configuration has that says nothing. */
  private static final int DEFAULT_CLASSES = 2;

  private static final double DISTILBERT_EPSILON = 1e-12;

  private final String modelType;
  private final String stem;
  private final String prefix;

  EncoderFamily(String modelType, String stem, String prefix) {
    this.modelType = modelType;
    this.stem = stem;
    this.prefix = prefix;
  }

  private boolean likeRoberta() {
    return this == ROBERTA || this == XLM_ROBERTA;
  }

  @Override
  public TransformerEncoder configuration(ConfigFile config) {
    String kind = kind(config);
    for (String name : new String[] {"is_decoder", "add_cross_attention"}) {
      if (config.flag(name, false)) {
        throw config.wrong(name, "must be false for an encoder but was true");
      }
    }
    String positions = config.text("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw config.wrong(
          "position_embedding_type",
          "must be absolute but was '" + positions + "'; other positions are not supported");
    }
    if (kind.equals(MASKED) && !config.flag("tie_word_embeddings", true)) {
      throw config.wrong(
          "tie_word_embeddings",
          "must be true but was false; scores from a matrix of their own are not supported");
    }
    try {
      TransformerEncoder shape = this == DISTILBERT ? distilbert(config, kind) : bert(config, kind);
      if (likeRoberta() && kind.equals(MASKED) && shape.activation() != Activation.GELU) {
        throw config.wrong(
            "hidden_act",
            "must be gelu, which is what predicts words in this family, but was "
                + ConfigFile.name(shape.activation()));
      }
      return shape;
    } catch (IllegalArgumentException e) {
      throw config.refused(e);
    }
  }

  private TransformerEncoder bert(ConfigFile config, String kind) {
    int first = likeRoberta() ? config.integer(PADDING, 1) + 1 : 0;
    return encoder(
        config,
        kind,
        config.integer("max_position_embeddings", 512) - first,
        config.integer("type_vocab_size", 2),
        config.integer("hidden_size", 768),
        config.integer("num_hidden_layers", 12),
        config.integer("num_attention_heads", 12),
        config.integer("intermediate_size", 3072),
        config.activation("hidden_act", "gelu"),
        config.number("layer_norm_eps", 1e-12),
        config.number("hidden_dropout_prob", 0.1),
        first);
  }

  private TransformerEncoder distilbert(ConfigFile config, String kind) {
    return encoder(
        config,
        kind,
        config.integer("max_position_embeddings", 512),
        0,
        config.integer("dim", 768),
        config.integer("n_layers", 6),
        config.integer("n_heads", 12),
        config.integer("hidden_dim", 3072),
        config.activation("activation", "gelu"),
        DISTILBERT_EPSILON,
        config.number("dropout", 0.1),
        0);
  }

  private TransformerEncoder encoder(
      ConfigFile config,
      String kind,
      int maxPositions,
      int types,
      int hiddenSize,
      int layers,
      int heads,
      int intermediateSize,
      Activation activation,
      double epsilon,
      double dropout,
      int firstPosition) {
    return new TransformerEncoder(
        config.integer("vocab_size"),
        maxPositions,
        types,
        hiddenSize,
        layers,
        heads,
        intermediateSize,
        activation,
        epsilon,
        dropout,
        Pooling.FIRST,
        false,
        kind.equals(CLASSIFIER) ? classes(config) : 0,
        head(kind),
        firstPosition);
  }

  private EncoderHead head(String kind) {
    return switch (kind) {
      case MASKED -> EncoderHead.MASKED_LANGUAGE_MODEL;
      case CLASSIFIER -> this == DISTILBERT ? EncoderHead.DENSE_RELU : EncoderHead.DENSE_TANH;
      default -> this == DISTILBERT ? EncoderHead.LINEAR : EncoderHead.DENSE_TANH;
    };
  }

  /** Returns the end of the name of the class that the weights belong to. */
  private String kind(ConfigFile config) {
    JsonElement names = config.json().get("architectures");
    if (names == null || !names.isJsonArray() || names.getAsJsonArray().isEmpty()) {
      return BASE;
    }
    JsonElement name = names.getAsJsonArray().get(0);
    String kind =
        name.isJsonPrimitive() && name.getAsString().startsWith(stem)
            ? name.getAsString().substring(stem.length())
            : "";
    return switch (kind) {
      case BASE, MASKED, CLASSIFIER -> kind;
      case PRETRAINING -> MASKED;
      default ->
          throw config.wrong(
              "architectures",
              "must be one of %1$sModel, %1$sForMaskedLM, %1$sForSequenceClassification but was %2$s"
                  .formatted(stem, name));
    };
  }

  private static int classes(ConfigFile config) {
    ConfigFile labels = config.inner(LABELS);
    return labels == null ? config.integer("num_labels", DEFAULT_CLASSES) : labels.json().size();
  }

  @Override
  public void describe(ModelConfiguration configuration, JsonObject config) {
    TransformerEncoder shape = (TransformerEncoder) configuration;
    JsonArray architectures = new JsonArray();
    architectures.add(stem + kind(shape));
    config.add("architectures", architectures);
    config.addProperty("model_type", modelType);
    config.addProperty("vocab_size", shape.vocabularySize());
    config.addProperty("max_position_embeddings", shape.maxPositions() + shape.firstPosition());
    if (this == DISTILBERT) {
      config.addProperty("dim", shape.hiddenSize());
      config.addProperty("n_layers", shape.layers());
      config.addProperty("n_heads", shape.heads());
      config.addProperty("hidden_dim", shape.intermediateSize());
      config.addProperty("activation", ConfigFile.name(shape.activation()));
      dropout(config, shape, "dropout", "attention_dropout", "seq_classif_dropout");
    } else {
      config.addProperty("type_vocab_size", shape.typeVocabularySize());
      config.addProperty("hidden_size", shape.hiddenSize());
      config.addProperty("num_hidden_layers", shape.layers());
      config.addProperty("num_attention_heads", shape.heads());
      config.addProperty("intermediate_size", shape.intermediateSize());
      config.addProperty("hidden_act", ConfigFile.name(shape.activation()));
      config.addProperty("layer_norm_eps", shape.layerNormEpsilon());
      dropout(config, shape, "hidden_dropout_prob", "attention_probs_dropout_prob");
      config.remove("classifier_dropout");
    }
    if (likeRoberta()) {
      // the token that fills up rows also says where positions start
      config.addProperty(PADDING, shape.firstPosition() - 1);
    }
    if (shape.classes() > 0) {
      describeLabels(shape.classes(), config);
    }
  }

  private static void dropout(JsonObject config, TransformerEncoder shape, String... names) {
    for (String name : names) {
      config.addProperty(name, shape.dropout());
    }
  }

  /** Names classes unless there are names for all of them. */
  private static void describeLabels(int classes, JsonObject config) {
    config.remove("num_labels");
    JsonElement known = config.get(LABELS);
    if (known != null && known.isJsonObject() && known.getAsJsonObject().size() == classes) {
      return;
    }
    JsonObject labels = new JsonObject();
    JsonObject ids = new JsonObject();
    for (int i = 0; i < classes; i++) {
      labels.addProperty(Integer.toString(i), "LABEL_" + i);
      ids.addProperty("LABEL_" + i, i);
    }
    config.add(LABELS, labels);
    config.add(LABEL_IDS, ids);
  }

  private static String kind(TransformerEncoder shape) {
    return shape.head() == EncoderHead.MASKED_LANGUAGE_MODEL
        ? MASKED
        : shape.classes() > 0 ? CLASSIFIER : BASE;
  }

  @Override
  public void requireHolds(ModelConfiguration configuration) {
    if (!(configuration instanceof TransformerEncoder shape)) {
      throw new DistillationException(
          "a "
              + modelType
              + " checkpoint must hold a TransformerEncoder but was given a "
              + configuration.getClass().getSimpleName()
              + "; choose another family");
    }
    JsonObject written = new JsonObject();
    describe(shape, written);
    TransformerEncoder read = configuration(new ConfigFile(Path.of("config.json"), written));
    if (!read.equals(shape)) {
      throw new DistillationException(
          "a "
              + modelType
              + " checkpoint must be able to say all of "
              + shape
              + " but it would be read as "
              + read
              + "; choose another family or head, or save the model in the library's own form");
    }
  }

  @Override
  public Map<String, HostTensor> weights(TensorReader reader, ModelConfiguration configuration) {
    TransformerEncoder shape = (TransformerEncoder) configuration;
    boolean prefixed = reader.has(prefix + "embeddings.word_embeddings.weight");
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    shape
        .shapes()
        .forEach(
            (name, size) ->
                weights.put(name, reader.take(stored(reader, shape, name, prefixed), size)));
    // buffers, second names of tied weights, and heads that this kind of model does not use
    reader.ignore(
        name ->
            name.endsWith(".position_ids")
                || name.endsWith(".token_type_ids")
                || name.startsWith("cls.seq_relationship.")
                || name.endsWith("pooler.dense.weight")
                || name.endsWith("pooler.dense.bias")
                || (shape.head() == EncoderHead.MASKED_LANGUAGE_MODEL
                    && (name.startsWith("cls.predictions.decoder.")
                        || name.startsWith("lm_head.decoder.")
                        || name.equals("vocab_projector.weight"))));
    reader.requireAllTaken(modelType);
    return weights;
  }

  /** Returns the name in the file, which the first checkpoints took from TensorFlow. */
  private String stored(
      TensorReader reader, TransformerEncoder shape, String name, boolean prefixed) {
    String stored = written(shape, name, prefixed);
    if (reader.has(stored)) {
      return stored;
    }
    String old =
        stored
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
    return reader.has(old) ? old : stored;
  }

  @Override
  public Map<String, HostTensor> tensors(
      Map<String, HostTensor> weights, ModelConfiguration configuration) {
    TransformerEncoder shape = (TransformerEncoder) configuration;
    boolean prefixed = !kind(shape).equals(BASE);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    weights.forEach((name, tensor) -> tensors.put(written(shape, name, prefixed), tensor));
    return tensors;
  }

  /** Returns the name that the files of this family have for one of the library. */
  private String written(TransformerEncoder shape, String name, boolean prefixed) {
    String start = prefixed ? prefix : "";
    if (name.startsWith("embeddings.") || name.startsWith("encoder.")) {
      return start + (this == DISTILBERT ? distilbertName(name) : name);
    }
    if (name.startsWith("pooler.")) {
      return switch (this) {
        case DISTILBERT -> name.replace("pooler.dense", "pre_classifier");
        case ROBERTA, XLM_ROBERTA ->
            shape.classes() > 0 ? name.replace("pooler", "classifier") : start + name;
        case BERT -> start + name;
      };
    }
    return switch (this) {
      case BERT -> name;
      case DISTILBERT ->
          name.replace("cls.predictions.transform.dense", "vocab_transform")
              .replace("cls.predictions.transform.LayerNorm", "vocab_layer_norm")
              .replace("cls.predictions.bias", "vocab_projector.bias");
      case ROBERTA, XLM_ROBERTA ->
          name.replace("classifier", "classifier.out_proj")
              .replace("cls.predictions.transform.dense", "lm_head.dense")
              .replace("cls.predictions.transform.LayerNorm", "lm_head.layer_norm")
              .replace("cls.predictions.bias", "lm_head.bias");
    };
  }

  private static String distilbertName(String name) {
    return name.replace("encoder.layer", "transformer.layer")
        .replace("attention.self.query", "attention.q_lin")
        .replace("attention.self.key", "attention.k_lin")
        .replace("attention.self.value", "attention.v_lin")
        .replace("attention.output.dense", "attention.out_lin")
        .replace("attention.output.LayerNorm", "sa_layer_norm")
        .replace("intermediate.dense", "ffn.lin1")
        .replace("output.dense", "ffn.lin2")
        .replace("output.LayerNorm", "output_layer_norm");
  }
}
