package io.distill.report;

import static io.distill.evaluation.WordModel.WORDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.DistillationResult;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.evaluation.Interval;
import io.distill.evaluation.WordModel;
import io.distill.model.DeployableModel;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {

  private static TextDataset texts(String... textsAndLabels) {
    List<TextExample> examples = new ArrayList<>();
    for (int i = 0; i < textsAndLabels.length; i += 2) {
      examples.add(TextExample.labelled(textsAndLabels[i], textsAndLabels[i + 1]));
    }
    return TextDataset.of(examples);
  }

  /** Two of three rows are right for a model that knows the words by their names. */
  private static final TextDataset MAILS =
      texts("mail", "mail", "refund refund", "refund", "hello", "mail", "mail mail", "mail")
          .classes(WORDS);

  private static final List<String> SWAPPED = List.of("refund", "mail", "hello");

  private static Report.Builder quick() {
    return Report.builder().measuringTime(Duration.ZERO);
  }

  @Test
  void result_reportsOnItself(@TempDir Path directory) throws Exception {
    try (DistillationResult result =
        TinyRuns.recipe(TinyRuns.logitDistance().named("distance").plus(TinyRuns.crossEntropy()))
            .epochs(2)
            .fit(FloatRows.random(12, 3, 1))) {
      Path html = directory.resolve("report.html");
      Path json = directory.resolve("deeper/report.json");

      result.report().writeHtml(html);
      result.report().title("Of numbers").writeJson(json);

      assertThat(Files.readString(html))
          .contains("A student of 59 parameters was trained for 2 steps", "Loss term distance");
      JsonObject written = JsonParser.parseString(Files.readString(json)).getAsJsonObject();
      assertThat(written.get("title").getAsString()).isEqualTo("Of numbers");
      JsonObject run = written.getAsJsonArray("runs").get(0).getAsJsonObject();
      assertThat(run.getAsJsonObject("points").getAsJsonObject("terms").keySet())
          .containsExactly("distance", "labels");
      assertThat(run.getAsJsonObject("points").getAsJsonArray("loss").get(1).getAsDouble())
          .isEqualTo(result.history().get(1).loss());
    }
  }

  @Test
  void figures_areThoseOfTheModels() {
    try (DeployableModel good = WordModel.of(WORDS);
        DeployableModel bad = WordModel.of(SWAPPED)) {
      Report report =
          quick()
              .teacher(Teacher.of(good))
              .plain("bad", bad)
              .distilled("same", good)
              .testSet(MAILS)
              .build();

      assertThat(report.figure("teacher", "accuracy").get()).isEqualTo(0.75);
      assertThat(report.figure("bad", "accuracy").get()).isZero();
      assertThat(report.figure("same", "gapClosed").get()).isEqualTo(1);
      assertThat(report.figure("same", "retention").get()).isEqualTo(1);
      assertThat(report.figure("same", "agreement").get()).isEqualTo(1);
      assertThat(report.figure("same", "kl").get()).isZero();
      assertThat(report.figure("same", "similarity").get()).isEqualTo(1);
      assertThat(report.figure("bad", "agreement").get()).isEqualTo(0.25);
      assertThat(report.figure("bad", "kl").get()).isPositive();
      assertThat(report.figure("same", "worstClassAccuracy").get()).isCloseTo(2 / 3d, within(1e-9));
      assertThat(report.figure("same", "accuracy").interval().orElseThrow().over())
          .isEqualTo(Interval.Over.ROWS);
      assertThat(report.figure("same", "parameters").get())
          .isEqualTo((double) good.parameterCount());
      assertThat(report.figure("same", "p50Millis").missing())
          .isEqualTo("not measured: no time was given for it");
      assertThat(report.headline())
          .startsWith(
              "The student keeps 100.0 % of the teacher’s accuracy (75.0 % against 75.0 %)");
    }
  }

  @Test
  void gapClosed_withATeacherThatIsNoBetter_isUndefined() {
    try (DeployableModel good = WordModel.of(WORDS)) {
      Report report =
          quick()
              .teacher(Teacher.of(good))
              .plain("plain", good)
              .distilled("distilled", good)
              .testSet(MAILS)
              .build();

      assertThat(report.figure("distilled", "gapClosed").missing())
          .isEqualTo("undefined: the teacher is not better than the plain student");
      assertThat(report.headline()).contains("the share of the gap closed is undefined");
      assertThat(report.html()).contains("undefined: the teacher is not better");
    }
  }

  @Test
  void rowsWithoutLabels_stillTellFidelity() {
    try (DeployableModel good = WordModel.of(WORDS);
        DeployableModel bad = WordModel.of(SWAPPED)) {
      Report report =
          quick()
              .teacher(Teacher.of(good))
              .distilled("distilled", bad)
              .testSet(MAILS.withoutLabels())
              .build();

      assertThat(report.figure("distilled", "accuracy").missing())
          .isEqualTo("no row of the test set has a label");
      assertThat(report.figure("distilled", "agreement").get()).isEqualTo(0.25);
      assertThat(report.headline())
          .startsWith("The student agrees with the teacher on 25.0 % of the test rows");
    }
  }

  @Test
  void modelsWithoutClasses_areComparedByTheirEmbeddings() {
    try (DeployableModel encoder = WordModel.embeddingOnly()) {
      Report report =
          quick()
              .teacher(Teacher.of(encoder))
              .distilled("distilled", encoder)
              .testSet(MAILS)
              .target("words", MAILS, MAILS)
              .other("again", MAILS, MAILS)
              .build();

      assertThat(report.figure("distilled", "accuracy").missing()).startsWith("no logits: ");
      assertThat(report.figure("distilled", "embeddingCosine").get()).isCloseTo(1, within(1e-6));
      assertThat(report.figure("distilled", "targetRetention").get()).isEqualTo(1);
      assertThat(report.figure("distilled", "targetRetention").interval()).isEmpty();
      assertThat(report.figure("distilled", "specialisationIndex").get()).isZero();
      assertThat(report.figure("distilled", "targetAgreement").missing()).startsWith("no logits: ");
      assertThat(report.html()).contains("a linear probe on the frozen representation");
    }
  }

  @Test
  void specialisation_isMeasuredAgainstTheTeacherAndTheStudentBefore() {
    TextDataset others = texts("mail", "x", "hello", "y", "mail mail", "x", "hello hello", "y");
    try (DeployableModel good = WordModel.of(WORDS);
        DeployableModel bad = WordModel.of(SWAPPED)) {
      Report report =
          quick()
              .teacher(Teacher.of(good))
              .distilled("good", good, good, good)
              .student("bad", bad)
              .before("good", bad)
              .recovered("good", good)
              .before("bad", good)
              .target("words", MAILS, MAILS)
              .other("letters", others, others)
              .build();

      assertThat(report.figure("good", "targetScore").get()).isEqualTo(0.75);
      assertThat(report.figure("good", "offTaskRetentionWorst").get()).isEqualTo(1);
      assertThat(report.figure("good", "offTaskRetentionMean").interval().orElseThrow().over())
          .isEqualTo(Interval.Over.SEEDS_AND_ROWS);
      assertThat(report.figure("good", "letters/retention").get()).isEqualTo(1);
      // the target gained all, the other set nothing
      assertThat(report.figure("good", "transferabilityIndex").get()).isZero();
      assertThat(report.figure("good", "recoveredOffTaskRetentionMean").get()).isEqualTo(1);
      assertThat(report.figure("bad", "transferabilityIndex").missing())
          .isEqualTo("undefined: specialising gained nothing on the target");
      assertThat(report.figure("good", "offTaskAgreement").get()).isEqualTo(1);
      assertThat(report.figure("good", "targetCalibrationError").isPresent()).isTrue();
      // "hello" never occurs in training: "refund" is the rarest, and recognised
      assertThat(report.figure("good", "rareClassAccuracy").get()).isEqualTo(1);
      assertThat(report.figure("bad", "rareClassAccuracy").get()).isZero();
      assertThat(report.html()).contains("Rare classes: refund.");
    }
  }

  @Test
  void classes_areComparedByName() {
    try (DeployableModel model = WordModel.of(List.of("hello", "mail", "refund"))) {
      // the word "mail" speaks for "hello": no row is right, whatever the order of classes
      Report report = quick().distilled("student", model).testSet(MAILS).build();

      assertThat(report.figure("student", "accuracy").get()).isZero();
    }
  }

  @Test
  void teacherOfNumbers_isAskedWithoutBeingAModel() {
    DistillationDataset rows = FloatRows.random(40, 3, 2);
    try (DistillationResult result = TinyRuns.recipe().epochs(1).fit(rows)) {
      Report report =
          result
              .report()
              .teacher(RuleTeacher.echo())
              .testSet(rows)
              .measuringTime(Duration.ZERO)
              .build();

      assertThat(report.figure("teacher", "accuracy").get()).isEqualTo(1);
      assertThat(report.figure("student", "agreement").isPresent()).isTrue();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> report.figure("teacher", "parameters"))
          .withMessageStartingWith("name must be one of [accuracy, balancedAccuracy");
    }
  }

  @Test
  void speeds_areMeasuredWhereTextsAreThere() {
    try (DeployableModel model = WordModel.of(WORDS)) {
      Report report =
          Report.builder()
              .teacher(Teacher.of(model))
              .distilled("student", model)
              .testSet(MAILS)
              .measuringTime(Duration.ofMillis(60))
              .build();

      assertThat(report.figure("student", "p50Millis").get()).isPositive();
      assertThat(report.figure("student", "batchTextsPerSecond").get()).isPositive();
      assertThat(report.figure("student", "timesFewerBytes").get()).isEqualTo(1);
      assertThat(report.figure("student", "timesFaster").get()).isPositive();
    }
  }

  @Test
  void builder_refusesWhatDoesNotFit() {
    try (DeployableModel model = WordModel.of(WORDS)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> quick().build())
          .withMessage("report cannot be built: a model must be given; call distilled(...)");
      assertThatIllegalStateException()
          .isThrownBy(
              () ->
                  quick()
                      .plain("two", model, model)
                      .distilled("three", model, model, model)
                      .before("four", model)
                      .build())
          .withMessage(
              "report cannot be built: two must have one model for each of the 3 seeds, or a single"
                  + " one, but had 2; before(...) and recovered(...) must name a student but named"
                  + " four; other(...), before(...) and recovered(...) must come with"
                  + " target(...)");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> quick().student("a", model).distilled("a", model))
          .withMessage("name must differ from those of other models but a was given twice");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> quick().distilled("a", new DeployableModel[0]))
          .withMessage("a must have at least one model but had none");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> quick().distilled(" ", model))
          .withMessage("name must not be blank");
      assertThatIllegalStateException()
          .isThrownBy(() -> quick().plain("a", model).plain("b", model))
          .withMessage("plain must be set only once but was already set");
      assertThatIllegalStateException()
          .isThrownBy(() -> quick().testSet(MAILS).testSet(MAILS))
          .withMessage("testSet must be set only once but was already set");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> quick().target("none", MAILS, MAILS.withoutLabels()))
          .withMessage("test of none must have labels but no row has one");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> quick().other("a", MAILS, MAILS).other("a", MAILS, MAILS))
          .withMessage("name must differ from those of other sets but a was given twice");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Report.builder().measuringTime(Duration.ofSeconds(-1)))
          .withMessage("time must be at least 0 but was PT-1S");
    }
  }
}
