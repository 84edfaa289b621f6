package io.distill.provenance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ModelCardTest {

  @Test
  void card_tellsAllThatHuggingFaceAsksFor() {
    String card = ProvenanceTest.provenance("org/model", "contract 17", List.of()).modelCard();
    assertThat(card)
        .startsWith(
            """
            ---
            license: mit
            base_model: org/model
            tags:
            - knowledge-distillation
            - djl
            pipeline_tag: text-classification
            metrics:
            - accuracy
            - kl
            ---
            """)
        .contains("# TransformerEncoder taught by org/model\n")
        .contains("123,456 parameters")
        .contains("tells 2 classes apart: ham, spam.")
        .contains("\n## Intended use and limits\n")
        .contains("\n## Training recipe\n")
        .contains("\"seed\": 42")
        .contains("\n## Data\n")
        .contains("| name | mails |\n| rows | 1,200 |\n| licence | not said |")
        .contains("\n## Evaluation\n")
        .contains("| accuracy | 0.8750 |\n| kl | NaN |")
        .contains("\n## Cost\n")
        .contains("| started | 2026-01-02T03:04:05Z |\n| seconds | 12.35 |")
        .contains("| end | early stopped |")
        .contains("Energy was not measured.")
        .contains("\n## Terms\n")
        .contains("refused by the policy, overridden by the user: contract 17 |")
        .contains("not legal advice")
        .contains("\n## How to run it from Java\n")
        .contains("model.classify(\"some text\")")
        .contains("\n## How to reproduce it\n")
        .contains("Distiller.from(provenance)\n    .teacher(teacher)\n    .fit(dataset);")
        .contains("a student with the fingerprint `4e5f`");
  }

  @Test
  void wordsFromOutside_stayWords() {
    String hostile =
        "x\n---\n# *bold* <script>alert(1)</script> [l](javascript:x) | `c` & \u202e y";
    JsonObject recipe = new JsonObject();
    recipe.addProperty("loss", "```\n# out\n````");
    Provenance provenance =
        new Provenance(
            RecipeDescription.of(recipe),
            new TeacherOrigin(hostile, Optional.of("`a`\n# b"), Terms.undeclared()),
            new DataOrigin(Optional.of(hostile), hostile, 1, Optional.of(hostile)),
            new StudentOrigin(hostile, 1, hostile, List.of(hostile), true, Optional.of(hostile)),
            new Environment(hostile, hostile, hostile, hostile, hostile, hostile, 1, 1),
            new RunFacts(Instant.EPOCH, 1, 1, 1, hostile),
            Map.of(hostile, 1.0),
            List.of(
                new TermsDecision(
                    hostile,
                    Terms.agreement(hostile, Terms.Permission.NO, hostile),
                    TermsPolicy.Verdict.REFUSE,
                    Optional.of(hostile))),
            List.of(),
            0);
    String card = provenance.modelCard();
    assertThat(card).doesNotContain("\u202e");
    assertThat(card.substring(card.indexOf("---\n", 4)))
        .doesNotContain("<")
        .doesNotContainPattern("[^\\\\]]\\(")
        .contains("&lt;script&gt;");
    // the header is not ended early, and every heading is the card's own
    assertThat(card.lines().filter(line -> line.equals("---"))).hasSize(2);
    String outside = card.replaceAll("(?s)`````json.*?`````", "");
    assertThat(outside.lines().filter(line -> line.startsWith("## "))).hasSize(8);
    assertThat(outside.lines().filter(line -> line.startsWith("# "))).hasSize(1);
    assertThat(card.lines().filter(line -> line.startsWith("license: ")))
        .singleElement()
        .asString()
        .startsWith("license: \"x ---");
    assertThat(card.lines().filter(line -> line.startsWith("| ")))
        .allSatisfy(
            line -> {
              int cells = line.replaceAll("\\\\.", "").split("\\|", -1).length - 2;
              assertThat(cells).as(line).isIn(2, 5);
            });
  }
}
