package io.distill.huggingface;

import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.model.ModelConfiguration;
import io.distill.torchscript.HostTensor;
import java.util.Map;
import java.util.TreeSet;

/** How the checkpoints of a family of models are written. */
interface Family {

  /** Families by {@code model_type}. */
  Map<String, Family> ALL =
      Map.ofEntries(
          Map.entry("bert", EncoderFamily.BERT),
          Map.entry("roberta", EncoderFamily.ROBERTA),
          Map.entry("xlm-roberta", EncoderFamily.XLM_ROBERTA),
          Map.entry("distilbert", EncoderFamily.DISTILBERT),
          Map.entry("llama", DecoderFamily.LLAMA),
          Map.entry("mistral", DecoderFamily.MISTRAL),
          Map.entry("qwen2", DecoderFamily.QWEN2),
          Map.entry("qwen3", DecoderFamily.QWEN3),
          Map.entry("granite", DecoderFamily.GRANITE),
          Map.entry("gpt2", DecoderFamily.GPT2),
          Map.entry("phi3", DecoderFamily.PHI3));

  static Family of(String modelType, ConfigFile config) {
    Family family = ALL.get(modelType);
    if (family == null) {
      throw config.wrong(
          "model_type",
          "must be one of " + new TreeSet<>(ALL.keySet()) + " but was '" + modelType + "'");
    }
    return family;
  }

  /** Reads the shape. */
  ModelConfiguration configuration(ConfigFile config);

  /** Writes the shape over what a configuration file says. */
  void describe(ModelConfiguration configuration, JsonObject config);

  /** Reads the weights under the names of the library. */
  Map<String, HostTensor> weights(TensorReader reader, ModelConfiguration configuration);

  /** Returns the weights under the names of the files. */
  Map<String, HostTensor> tensors(
      Map<String, HostTensor> weights, ModelConfiguration configuration);

  /**
   * Checks that this family can hold a shape.
   *
   * @throws DistillationException if a checkpoint of this family could not say all of it
   */
  void requireHolds(ModelConfiguration configuration);
}
