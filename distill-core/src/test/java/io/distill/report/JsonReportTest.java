package io.distill.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import java.io.StringReader;
import org.junit.jupiter.api.Test;

class JsonReportTest {

  private static JsonObject parsed(String json) {
    JsonReader reader = new JsonReader(new StringReader(json));
    // NaN and infinities are errors then
    reader.setStrictness(Strictness.STRICT);
    return JsonParser.parseReader(reader).getAsJsonObject();
  }

  @Test
  void schema_isTheDocumentedOne() {
    JsonObject json = parsed(JsonReport.of(SampleFindings.of(4, 3, 2, c -> "class " + c)));

    assertThat(json.keySet())
        .containsExactly(
            "format",
            "version",
            "title",
            "created",
            "headline",
            "notes",
            "bootstrap",
            "testSet",
            "models",
            "specialisation",
            "runs");
    assertThat(json.get("format").getAsString()).isEqualTo("io.distill.report");
    assertThat(json.get("version").getAsInt()).isEqualTo(1);
    assertThat(json.get("created").getAsString()).isEqualTo("2026-01-02T03:04:05Z");
    assertThat(json.getAsJsonObject("testSet").getAsJsonArray("classes")).hasSize(4);
    JsonObject distilled = json.getAsJsonArray("models").get(2).getAsJsonObject();
    assertThat(distilled.keySet())
        .containsExactly(
            "name",
            "role",
            "seeds",
            "accuracyBySeed",
            "figures",
            "classes",
            "confusion",
            "reliability");
    assertThat(distilled.get("role").getAsString()).isEqualTo("distilled");
    JsonObject accuracy = distilled.getAsJsonObject("figures").getAsJsonObject("accuracy");
    assertThat(accuracy.get("value").getAsDouble()).isEqualTo(0.89);
    assertThat(accuracy.getAsJsonObject("interval").get("over").getAsString())
        .isEqualTo("seeds and rows");
    JsonObject missing = distilled.getAsJsonObject("figures").getAsJsonObject("trainingJoules");
    assertThat(missing.get("value").isJsonNull()).isTrue();
    assertThat(missing.get("missing").getAsString()).isEqualTo("not measured");
    int rows = 0;
    for (JsonElement cell : distilled.getAsJsonArray("confusion").get(1).getAsJsonArray()) {
      rows += cell.getAsInt();
    }
    assertThat(rows).isEqualTo(60);
  }

  @Test
  void curves_areColumnsOfEqualLength() {
    JsonObject json = parsed(JsonReport.of(SampleFindings.of(2, 1, 3, c -> "class " + c)));
    JsonObject run = json.getAsJsonArray("runs").get(1).getAsJsonObject();
    JsonObject points = run.getAsJsonObject("points");

    assertThat(run.get("model").getAsString()).isEqualTo("distilled");
    assertThat(run.getAsJsonArray("epochs")).hasSize(3);
    for (String column : new String[] {"firstStep", "lastStep", "loss", "temperature"}) {
      assertThat(points.getAsJsonArray(column)).hasSize(120);
    }
    JsonArray weights = points.getAsJsonObject("weights").getAsJsonArray("hardLabels");
    assertThat(weights).hasSize(120);
    assertThat(weights.get(119).getAsDouble()).isZero();
    // the first step had no temperature
    assertThat(points.getAsJsonArray("temperature").get(0).isJsonNull()).isTrue();
    assertThat(
            run.getAsJsonArray("epochs").get(0).getAsJsonObject().get("temperature").isJsonNull())
        .isTrue();
  }
}
