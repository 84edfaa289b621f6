package io.distill.provenance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads under which licence a model stands from the files beside it, as Hugging Face repositories
 * have them.
 */
public final class TermsDeclaration {

  private static final int MAXIMUM_CONFIG_BYTES = 4 << 20;
  private static final int HEAD_BYTES = 1 << 14;
  private static final Pattern ENTRY =
      Pattern.compile("(license|license_name):\\s*[\"']?([\\w.+-]{1,100})[\"']?\\s*");

  /** Words in the texts of licences; those that allow most must stand at the very beginning. */
  private static final Map<Pattern, String> TEXTS = texts();

  private TermsDeclaration() {}

  private static Map<Pattern, String> texts() {
    Map<Pattern, String> texts = new LinkedHashMap<>();
    texts.put(Pattern.compile("\\AApache License\\s+Version 2\\.0"), "Apache-2.0");
    texts.put(Pattern.compile("LLAMA 2 COMMUNITY LICENSE"), "llama2");
    texts.put(Pattern.compile("META LLAMA 3 COMMUNITY LICENSE"), "llama3");
    texts.put(Pattern.compile("LLAMA 3\\.1 COMMUNITY LICENSE"), "llama3.1");
    texts.put(Pattern.compile("LLAMA 3\\.2 COMMUNITY LICENSE"), "llama3.2");
    texts.put(Pattern.compile("LLAMA 3\\.3 COMMUNITY LICENSE"), "llama3.3");
    texts.put(Pattern.compile("LLAMA 4 COMMUNITY LICENSE"), "llama4");
    texts.put(Pattern.compile("Gemma Terms of Use"), "gemma");
    texts.put(Pattern.compile("Qwen RESEARCH LICENSE", Pattern.CASE_INSENSITIVE), "qwen-research");
    texts.put(Pattern.compile("Qwen LICENSE AGREEMENT", Pattern.CASE_INSENSITIVE), "qwen");
    texts.put(Pattern.compile("DEEPSEEK LICENSE AGREEMENT"), "deepseek-model");
    texts.put(Pattern.compile("TENCENT HUNYUAN COMMUNITY LICENSE"), "hunyuan");
    texts.put(Pattern.compile("\\AMIT License|\\AThe MIT License"), "MIT");
    texts.put(Pattern.compile("\\ABSD 3-Clause"), "BSD-3-Clause");
    return texts;
  }

  /**
   * Looks in a directory: at {@code license} in the header of {@code README.md}, then in {@code
   * config.json}, then at the first lines of {@code LICENSE}.
   *
   * @param directory the directory of a model
   * @return the terms that are declared there; empty if none are, or the files cannot be made out
   */
  public static Optional<Terms> in(Path directory) {
    return ofCard(directory.resolve("README.md"))
        .or(() -> ofConfig(directory.resolve("config.json")))
        .or(() -> ofText(directory))
        .map(Terms::spdx);
  }

  private static Optional<String> ofCard(Path card) {
    List<String> lines = head(card).lines().toList();
    if (lines.isEmpty() || !lines.get(0).strip().equals("---")) {
      return Optional.empty();
    }
    String licence = null;
    String name = null;
    for (String line : lines.subList(1, lines.size())) {
      if (line.strip().equals("---")) {
        break;
      }
      Matcher entry = ENTRY.matcher(line);
      if (entry.matches() && entry.group(1).equals("license")) {
        licence = entry.group(2);
      } else if (entry.matches()) {
        name = entry.group(2);
      }
    }
    return known("other".equals(licence) && name != null ? name : licence);
  }

  private static Optional<String> known(@Nullable String licence) {
    return licence == null || licence.isBlank() || licence.equals("unknown")
        ? Optional.empty()
        : Optional.of(licence);
  }

  private static Optional<String> ofConfig(Path config) {
    if (!Files.isRegularFile(config)) {
      return Optional.empty();
    }
    try {
      JsonElement json = StrictJson.read(config, "configuration file", MAXIMUM_CONFIG_BYTES);
      return json instanceof JsonObject object
              && object.get("license") instanceof JsonPrimitive licence
              && licence.getAsString().length() <= 100
          ? known(licence.getAsString())
          : Optional.empty();
    } catch (DistillationException e) {
      // whoever loads the model tells what is wrong with its files
      return Optional.empty();
    }
  }

  private static Optional<String> ofText(Path directory) {
    for (String name : List.of("LICENSE", "LICENSE.txt", "LICENSE.md")) {
      String text = head(directory.resolve(name)).strip();
      for (Map.Entry<Pattern, String> each : TEXTS.entrySet()) {
        if (each.getKey().matcher(text).find()) {
          return Optional.of(each.getValue());
        }
      }
    }
    return Optional.empty();
  }

  private static String head(Path file) {
    if (!Files.isRegularFile(file)) {
      return "";
    }
    try (InputStream in = Files.newInputStream(file)) {
      return new String(in.readNBytes(HEAD_BYTES), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return "";
    }
  }
}
