package io.distill.training.internal;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.data.DistillationDataset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What decides the outcome of a run, as JSON. */
final class RecipeDescription {

  private RecipeDescription() {}

  static JsonObject of(Recipe recipe, DistillationDataset dataset) {
    JsonObject json = new JsonObject();
    json.addProperty("seed", recipe.seed());
    json.addProperty("batchSize", recipe.batchSize());
    json.addProperty("dataset", dataset.fingerprint());
    return json;
  }

  static List<String> differences(JsonObject before, JsonObject now) {
    Set<String> names = new TreeSet<>(before.keySet());
    names.addAll(now.keySet());
    List<String> differences = new ArrayList<>();
    for (String name : names) {
      JsonElement was = before.get(name);
      JsonElement is = now.get(name);
      if (was == null ? is != null : !was.equals(is)) {
        differences.add(name + " was " + was + " and is " + is);
      }
    }
    return differences;
  }
}
