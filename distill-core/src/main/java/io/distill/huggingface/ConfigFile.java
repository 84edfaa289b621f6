package io.distill.huggingface;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.model.Activation;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The values of a {@code config.json}; what is wrong is told with file and name. */
final class ConfigFile {

  private static final Map<String, Activation> ACTIVATIONS =
      Map.of(
          "silu", Activation.SILU,
          "swish", Activation.SILU,
          "gelu", Activation.GELU,
          "gelu_new", Activation.GELU_TANH,
          "gelu_fast", Activation.GELU_TANH,
          "gelu_pytorch_tanh", Activation.GELU_TANH,
          "relu", Activation.RELU,
          "tanh", Activation.TANH);

  private final Path file;
  private final JsonObject json;
  private final String prefix;

  ConfigFile(Path file, JsonObject json) {
    this(file, json, "");
  }

  private ConfigFile(Path file, JsonObject json, String prefix) {
    this.file = file;
    this.json = json;
    this.prefix = prefix;
  }

  JsonObject json() {
    return json;
  }

  boolean has(String name) {
    return json.has(name) && !json.get(name).isJsonNull();
  }

  int integer(String name) {
    if (!has(name)) {
      throw wrong(name, "must be there but is missing");
    }
    return integer(name, 0);
  }

  int integer(String name, int otherwise) {
    try {
      return has(name) ? StrictJson.integer(json.get(name)) : otherwise;
    } catch (RuntimeException e) {
      throw wrong(name, "must be an integer but was " + json.get(name));
    }
  }

  double number(String name, double otherwise) {
    try {
      return has(name) ? json.get(name).getAsJsonPrimitive().getAsDouble() : otherwise;
    } catch (RuntimeException e) {
      throw wrong(name, "must be a number but was " + json.get(name));
    }
  }

  boolean flag(String name, boolean otherwise) {
    if (!has(name)) {
      return otherwise;
    }
    JsonElement value = json.get(name);
    if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isBoolean()) {
      throw wrong(name, "must be true or false but was " + value);
    }
    return value.getAsBoolean();
  }

  String text(String name, String otherwise) {
    if (!has(name)) {
      return otherwise;
    }
    JsonElement value = json.get(name);
    if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
      throw wrong(name, "must be text but was " + value);
    }
    return value.getAsString();
  }

  Activation activation(String name, String otherwise) {
    String value = text(name, otherwise);
    Activation activation = ACTIVATIONS.get(value);
    if (activation == null) {
      throw wrong(name, "must be one of " + ACTIVATIONS.keySet() + " but was " + value);
    }
    return activation;
  }

  static String name(Activation activation) {
    return switch (activation) {
      case SILU -> "silu";
      case GELU -> "gelu";
      case GELU_TANH -> "gelu_new";
      case RELU -> "relu";
      case TANH -> "tanh";
    };
  }

  /** Returns an object inside; null if there is none. */
  @Nullable ConfigFile inner(String name) {
    if (!has(name)) {
      return null;
    }
    if (!json.get(name).isJsonObject()) {
      throw wrong(name, "must be an object but was " + json.get(name));
    }
    return new ConfigFile(file, json.getAsJsonObject(name), prefix + name + ".");
  }

  DistillationException wrong(String name, String what) {
    return new DistillationException(
        prefix + name + " in " + file + " " + what + "; fetch or write the file again");
  }

  /** Says in which file a value was out of range. */
  DistillationException refused(IllegalArgumentException e) {
    return new DistillationException(
        "configuration in "
            + file
            + " is out of range: "
            + e.getMessage()
            + "; fetch or write the file again",
        e);
  }
}
