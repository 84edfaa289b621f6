package io.distill.huggingface;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.model.ModelConfiguration;
import io.distill.model.Normalization;
import io.distill.model.RotaryEmbedding;
import io.distill.model.RotaryEmbedding.Scaling;
import io.distill.model.TransformerDecoder;
import io.distill.torchscript.HostTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The decoder families: what their configuration files call things, and what they fix. */
enum DecoderFamily implements Family {
  LLAMA("LlamaForCausalLM", 1e-6),
  MISTRAL("MistralForCausalLM", 1e-6),
  QWEN2("Qwen2ForCausalLM", 1e-6),
  QWEN3("Qwen3ForCausalLM", 1e-6),
  GRANITE("GraniteForCausalLM", 1e-6),
  PHI3("Phi3ForCausalLM", 1e-5),
  GPT2("GPT2LMHeadModel", 1e-5);

  private static final String ROPE = "rope_parameters";
  private static final String OLD_ROPE = "rope_scaling";
  private static final String LAYERS = "model.layers.";

  private final String architecture;
  private final double epsilon;

  DecoderFamily(String architecture, double epsilon) {
    this.architecture = architecture;
    this.epsilon = epsilon;
  }

  private String modelType() {
    return name().toLowerCase(Locale.ROOT);
  }

  @Override
  public TransformerDecoder configuration(ConfigFile config) {
    try {
      return this == GPT2 ? gpt2(config) : llama(config);
    } catch (IllegalArgumentException e) {
      throw config.refused(e);
    }
  }

  private static TransformerDecoder gpt2(ConfigFile config) {
    if (config.flag("scale_attn_by_inverse_layer_idx", false)
        || !config.flag("scale_attn_weights", true)) {
      throw config.wrong(
          "scale_attn_by_inverse_layer_idx",
          "must be false, and scale_attn_weights true, but are not; such models are not supported");
    }
    if (config.flag("add_cross_attention", false)) {
      throw config.wrong("add_cross_attention", "must be false but was true");
    }
    int width = config.integer("n_embd", 768);
    return TransformerDecoder.builder()
        .vocabularySize(config.integer("vocab_size"))
        .maxPositions(config.integer("n_positions", 1024))
        .hiddenSize(width)
        .layers(config.integer("n_layer", 12))
        .heads(config.integer("n_head", 12))
        .intermediateSize(config.integer("n_inner", 4 * width))
        .activation(config.activation("activation_function", "gelu_new"))
        .gated(false)
        .normalization(Normalization.LAYER_NORM)
        .normEpsilon(config.number("layer_norm_epsilon", 1e-5))
        .rotary(null)
        .attentionBias(true)
        .outputBias(true)
        .feedForwardBias(true)
        .tiedEmbeddings(config.flag("tie_word_embeddings", true))
        .dropout(config.number("resid_pdrop", 0.1))
        .build();
  }

  private TransformerDecoder llama(ConfigFile config) {
    int hidden = config.integer("hidden_size");
    int heads = config.integer("num_attention_heads");
    int layers = config.integer("num_hidden_layers");
    int positions = config.integer("max_position_embeddings", 2048);
    TransformerDecoder.Builder builder =
        TransformerDecoder.builder()
            .vocabularySize(config.integer("vocab_size"))
            .maxPositions(positions)
            .hiddenSize(hidden)
            .layers(layers)
            .heads(heads)
            .keyValueHeads(config.integer("num_key_value_heads", this == MISTRAL ? 8 : heads))
            .headSize(config.integer("head_dim", this == QWEN3 ? 128 : hidden / Math.max(1, heads)))
            .intermediateSize(config.integer("intermediate_size"))
            .activation(config.activation("hidden_act", "silu"))
            .normEpsilon(config.number("rms_norm_eps", epsilon))
            .rotary(rotary(config, positions))
            .tiedEmbeddings(config.flag("tie_word_embeddings", false));
    switch (this) {
      case LLAMA, GRANITE -> {
        boolean biased = config.flag("attention_bias", false);
        builder
            .attentionBias(biased)
            .outputBias(biased)
            .feedForwardBias(config.flag("mlp_bias", false));
      }
      case QWEN2 -> builder.attentionBias(true);
      case QWEN3 -> {
        boolean biased = config.flag("attention_bias", false);
        builder.queryKeyNorm(true).attentionBias(biased).outputBias(biased);
      }
      case PHI3 -> builder.dropout(config.number("resid_pdrop", 0));
      default -> {}
    }
    if (this == GRANITE) {
      builder
          .embeddingMultiplier(config.number("embedding_multiplier", 1))
          .attentionMultiplier(config.number("attention_multiplier", 1))
          .residualMultiplier(config.number("residual_multiplier", 1))
          .logitsDivisor(config.number("logits_scaling", 1));
    }
    int window = window(config);
    List<Integer> sliding = window > 0 ? sliding(config, layers) : List.of();
    if (!sliding.isEmpty()) {
      builder.slidingWindow(window).slidingLayers(sliding);
    }
    return builder.build();
  }

  private int window(ConfigFile config) {
    return switch (this) {
      case MISTRAL ->
          config.json().has("sliding_window") ? config.integer("sliding_window", 0) : 4096;
      case PHI3 -> config.integer("sliding_window", 0);
      case QWEN2, QWEN3 ->
          config.flag("use_sliding_window", false) ? config.integer("sliding_window", 4096) : 0;
      default -> 0;
    };
  }

  private List<Integer> sliding(ConfigFile config, int layers) {
    if (this != QWEN2 && this != QWEN3) {
      return IntStream.range(0, layers).boxed().toList();
    }
    if (config.has("layer_types")) {
      List<Integer> sliding = new ArrayList<>();
      JsonElement types = config.json().get("layer_types");
      if (!types.isJsonArray() || types.getAsJsonArray().size() != layers) {
        throw config.wrong(
            "layer_types", "must be a list of " + layers + " types but was " + types);
      }
      for (int i = 0; i < layers; i++) {
        JsonElement type = types.getAsJsonArray().get(i);
        if (type.isJsonPrimitive() && type.getAsString().equals("sliding_attention")) {
          sliding.add(i);
        } else if (!type.isJsonPrimitive() || !type.getAsString().equals("full_attention")) {
          throw config.wrong(
              "layer_types", "must be full_attention or sliding_attention but had " + type);
        }
      }
      return sliding;
    }
    return IntStream.range(Math.min(layers, config.integer("max_window_layers", 28)), layers)
        .boxed()
        .toList();
  }

  private RotaryEmbedding rotary(ConfigFile config, int positions) {
    ConfigFile rope = config.inner(ROPE);
    ConfigFile scaled = rope == null ? config.inner(OLD_ROPE) : rope;
    double theta =
        rope == null || !rope.has("rope_theta")
            ? config.number("rope_theta", 10_000)
            : rope.number("rope_theta", 10_000);
    double share =
        rope == null || !rope.has("partial_rotary_factor")
            ? config.number("partial_rotary_factor", 1)
            : rope.number("partial_rotary_factor", 1);
    if (scaled == null) {
      return RotaryEmbedding.of(theta).withShare(share);
    }
    String type = scaled.text("rope_type", scaled.text("type", "default"));
    Scaling scaling =
        switch (type) {
          case "default" -> Scaling.NONE;
          case "linear" -> Scaling.LINEAR;
          case "dynamic" -> Scaling.DYNAMIC;
          case "llama3" -> Scaling.LLAMA3;
          default ->
              throw scaled.wrong(
                  "rope_type",
                  "must be one of default, linear, dynamic, llama3 but was '"
                      + type
                      + "'; other ways to scale positions are not supported");
        };
    if (scaling == Scaling.NONE) {
      return RotaryEmbedding.of(theta).withShare(share);
    }
    return new RotaryEmbedding(
        theta,
        share,
        scaling,
        scaled.number("factor", 1),
        scaled.number("low_freq_factor", 1),
        scaled.number("high_freq_factor", 4),
        // of dynamic scaling transformers takes the configured positions for the original ones
        scaling == Scaling.DYNAMIC
            ? positions
            : scaled.integer("original_max_position_embeddings", positions));
  }

  @Override
  public void describe(ModelConfiguration configuration, JsonObject config) {
    TransformerDecoder shape = (TransformerDecoder) configuration;
    JsonArray architectures = new JsonArray();
    architectures.add(architecture);
    config.add("architectures", architectures);
    config.addProperty("model_type", modelType());
    config.addProperty("vocab_size", shape.vocabularySize());
    config.addProperty("tie_word_embeddings", shape.tiedEmbeddings());
    if (this == GPT2) {
      config.addProperty("n_positions", shape.maxPositions());
      config.remove("n_ctx");
      config.addProperty("n_embd", shape.hiddenSize());
      config.addProperty("n_layer", shape.layers());
      config.addProperty("n_head", shape.heads());
      config.addProperty("n_inner", shape.intermediateSize());
      config.addProperty("activation_function", ConfigFile.name(shape.activation()));
      config.addProperty("layer_norm_epsilon", shape.normEpsilon());
      for (String name : new String[] {"resid_pdrop", "embd_pdrop", "attn_pdrop"}) {
        config.addProperty(name, shape.dropout());
      }
      return;
    }
    config.addProperty("hidden_size", shape.hiddenSize());
    config.addProperty("num_hidden_layers", shape.layers());
    config.addProperty("num_attention_heads", shape.heads());
    config.addProperty("num_key_value_heads", shape.keyValueHeads());
    // phi3 and qwen2 of some versions know no head_dim but hidden_size / num_attention_heads
    if ((this == PHI3 || this == QWEN2) && shape.headSize() * shape.heads() == shape.hiddenSize()) {
      config.remove("head_dim");
    } else {
      config.addProperty("head_dim", shape.headSize());
    }
    config.addProperty("intermediate_size", shape.intermediateSize());
    config.addProperty("max_position_embeddings", shape.maxPositions());
    config.addProperty("hidden_act", ConfigFile.name(shape.activation()));
    config.addProperty("rms_norm_eps", shape.normEpsilon());
    describeRotary(requireNonNull(shape.rotary()), config);
    switch (this) {
      case LLAMA, GRANITE -> {
        config.addProperty("attention_bias", shape.attentionBias());
        config.addProperty("mlp_bias", shape.feedForwardBias());
      }
      case QWEN3 -> config.addProperty("attention_bias", shape.attentionBias());
      case PHI3 -> {
        config.addProperty("resid_pdrop", shape.dropout());
        config.addProperty("embd_pdrop", shape.dropout());
      }
      default -> {}
    }
    if (this == GRANITE) {
      config.addProperty("embedding_multiplier", shape.embeddingMultiplier());
      config.addProperty("attention_multiplier", shape.attentionMultiplier());
      config.addProperty("residual_multiplier", shape.residualMultiplier());
      config.addProperty("logits_scaling", shape.logitsDivisor());
    }
    describeWindow(shape, config);
  }

  /** Writes positions as the newest files have them and, as far as they can say it, old ones. */
  private static void describeRotary(RotaryEmbedding rotary, JsonObject config) {
    JsonObject rope = new JsonObject();
    rope.addProperty(
        "rope_type",
        rotary.scaling().name().equals("NONE")
            ? "default"
            : rotary.scaling().name().toLowerCase(Locale.ROOT));
    rope.addProperty("rope_theta", rotary.theta());
    if (rotary.share() != 1) {
      rope.addProperty("partial_rotary_factor", rotary.share());
      config.addProperty("partial_rotary_factor", rotary.share());
    }
    if (rotary.scaling() != Scaling.NONE) {
      rope.addProperty("factor", rotary.factor());
    }
    if (rotary.scaling() == Scaling.LLAMA3) {
      rope.addProperty("low_freq_factor", rotary.lowFrequencyFactor());
      rope.addProperty("high_freq_factor", rotary.highFrequencyFactor());
      rope.addProperty("original_max_position_embeddings", rotary.originalPositions());
    }
    config.addProperty("rope_theta", rotary.theta());
    config.remove(ROPE);
    config.remove(OLD_ROPE);
    config.add(ROPE, rope);
    if (rotary.scaling() != Scaling.NONE) {
      JsonObject old = rope.deepCopy();
      old.remove("rope_theta");
      old.remove("partial_rotary_factor");
      config.add(OLD_ROPE, old);
    }
  }

  private void describeWindow(TransformerDecoder shape, JsonObject config) {
    boolean sliding = !shape.slidingLayers().isEmpty();
    if (this == MISTRAL || this == PHI3) {
      config.add(
          "sliding_window", sliding ? new JsonPrimitive(shape.slidingWindow()) : JsonNull.INSTANCE);
    }
    if (this == QWEN2 || this == QWEN3) {
      config.addProperty("use_sliding_window", sliding);
      JsonArray types = new JsonArray();
      int first = shape.layers();
      for (int i = shape.layers() - 1; i >= 0; i--) {
        first = shape.slidingLayers().contains(i) ? i : first;
      }
      for (int i = 0; i < shape.layers(); i++) {
        types.add(shape.slidingLayers().contains(i) ? "sliding_attention" : "full_attention");
      }
      config.add("layer_types", types);
      config.addProperty("max_window_layers", first);
      config.add(
          "sliding_window", sliding ? new JsonPrimitive(shape.slidingWindow()) : JsonNull.INSTANCE);
    }
  }

  @Override
  public void requireHolds(ModelConfiguration configuration) {
    if (!(configuration instanceof TransformerDecoder shape)) {
      throw new DistillationException(
          "a "
              + modelType()
              + " checkpoint must hold a TransformerDecoder but was given a "
              + configuration.getClass().getSimpleName());
    }
    JsonObject written = new JsonObject();
    TransformerDecoder read;
    if ((this == GPT2) != (shape.rotary() == null)) {
      throw cannotHold(shape, "positions are of another kind");
    }
    describe(shape, written);
    read = configuration(new ConfigFile(Path.of("config.json"), written));
    TransformerDecoder expected =
        this == GPT2 || this == PHI3 ? shape : shape.toBuilder().dropout(0).build();
    if (!read.equals(expected)) {
      throw cannotHold(shape, "it would be read as " + read);
    }
  }

  private DistillationException cannotHold(TransformerDecoder shape, String why) {
    return new DistillationException(
        "a "
            + modelType()
            + " checkpoint must be able to say all of "
            + shape
            + " but cannot ("
            + why
            + "); choose another family");
  }

  @Override
  public Map<String, HostTensor> weights(TensorReader reader, ModelConfiguration configuration) {
    TransformerDecoder shape = (TransformerDecoder) configuration;
    Map<String, HostTensor> weights =
        switch (this) {
          case GPT2 -> gpt2Weights(reader, shape);
          case PHI3 -> phi3Weights(reader, shape);
          default -> {
            Map<String, HostTensor> same = new LinkedHashMap<>();
            shape.shapes().forEach((name, size) -> same.put(name, reader.take(name, size)));
            yield same;
          }
        };
    // what old versions saved besides: tables that are computed, and the second name of a tied one
    reader.ignore(
        name ->
            name.endsWith("rotary_emb.inv_freq")
                || (shape.tiedEmbeddings() && name.equals("lm_head.weight"))
                || (this == GPT2 && (name.endsWith(".attn.bias") || name.endsWith("masked_bias"))));
    reader.requireAllTaken(modelType());
    return weights;
  }

  private static Map<String, HostTensor> phi3Weights(
      TensorReader reader, TransformerDecoder shape) {
    long queries = (long) shape.heads() * shape.headSize();
    long keys = (long) shape.keyValueHeads() * shape.headSize();
    long inner = shape.intermediateSize();
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    shape
        .shapes()
        .forEach(
            (name, size) -> {
              if (name.contains(".q_proj.")) {
                String fused = name.replace("q_proj", "qkv_proj");
                HostTensor all = reader.take(fused, queries + 2 * keys, size[1]);
                weights.put(name, all.rows(0, queries));
                weights.put(name.replace("q_proj", "k_proj"), all.rows(queries, queries + keys));
                weights.put(
                    name.replace("q_proj", "v_proj"), all.rows(queries + keys, queries + 2 * keys));
              } else if (name.contains(".gate_proj.")) {
                HostTensor all =
                    reader.take(name.replace("gate_proj", "gate_up_proj"), 2 * inner, size[1]);
                weights.put(name, all.rows(0, inner));
                weights.put(name.replace("gate_proj", "up_proj"), all.rows(inner, 2 * inner));
              } else if (!weights.containsKey(name)) {
                weights.put(name, reader.take(name, size));
              }
            });
    return weights;
  }

  private static Map<String, HostTensor> gpt2Weights(
      TensorReader reader, TransformerDecoder shape) {
    // published without the prefix, saved by new versions with it
    String prefix = reader.has("transformer.wte.weight") ? "transformer." : "";
    long width = shape.hiddenSize();
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    shape
        .shapes()
        .forEach(
            (name, size) -> {
              if (name.contains(".q_proj.")) {
                boolean bias = name.endsWith(".bias");
                HostTensor all =
                    bias
                        ? reader.take(prefix + gpt2Name(name), 3 * width)
                        : reader.take(prefix + gpt2Name(name), width, 3 * width).transposed();
                for (int i = 0; i < 3; i++) {
                  weights.put(
                      name.replace("q_proj", "qkv".charAt(i) + "_proj"),
                      all.rows(i * width, (i + 1) * width));
                }
              } else if (!weights.containsKey(name)) {
                weights.put(
                    name,
                    transposed(name)
                        ? reader.take(prefix + gpt2Name(name), size[1], size[0]).transposed()
                        : reader.take(
                            name.equals("lm_head.weight") ? name : prefix + gpt2Name(name), size));
              }
            });
    return weights;
  }

  private static boolean transposed(String name) {
    return name.contains("_proj.weight");
  }

  private static String gpt2Name(String name) {
    String renamed =
        name.replace("model.embed_tokens", "wte")
            .replace("model.embed_positions", "wpe")
            .replace("model.norm", "ln_f")
            .replace(LAYERS, "h.")
            .replace("post_attention_layernorm", "ln_2")
            .replace("input_layernorm", "ln_1")
            .replace("self_attn.o_proj", "attn.c_proj")
            .replace("self_attn.q_proj", "attn.c_attn")
            .replace("mlp.up_proj", "mlp.c_fc");
    return renamed.replace("mlp.down_proj", "mlp.c_proj");
  }

  @Override
  public Map<String, HostTensor> tensors(
      Map<String, HostTensor> weights, ModelConfiguration configuration) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    weights.forEach(
        (name, tensor) -> {
          String written = this == GPT2 ? written(name) : name;
          if (this != GPT2 && this != PHI3) {
            tensors.put(name, tensor);
          } else if (name.contains(".q_proj.")) {
            HostTensor all =
                HostTensor.concatenated(
                    List.of(
                        tensor,
                        weight(weights, name.replace("q_proj", "k_proj")),
                        weight(weights, name.replace("q_proj", "v_proj"))));
            tensors.put(
                this == GPT2 ? written : name.replace("q_proj", "qkv_proj"),
                this == GPT2 && transposed(name) ? all.transposed() : all);
          } else if (this == PHI3 && name.contains(".gate_proj.")) {
            tensors.put(
                name.replace("gate_proj", "gate_up_proj"),
                HostTensor.concatenated(
                    List.of(tensor, weight(weights, name.replace("gate_proj", "up_proj")))));
          } else if (!name.contains(".k_proj.")
              && !name.contains(".v_proj.")
              && !(this == PHI3 && name.contains(".up_proj."))) {
            tensors.put(written, this == GPT2 && transposed(name) ? tensor.transposed() : tensor);
          }
        });
    return tensors;
  }

  private static String written(String name) {
    return name.equals("lm_head.weight") ? name : "transformer." + gpt2Name(name);
  }

  private static HostTensor weight(Map<String, HostTensor> weights, String name) {
    @Nullable HostTensor tensor = weights.get(name);
    return requireNonNull(tensor, name);
  }
}
