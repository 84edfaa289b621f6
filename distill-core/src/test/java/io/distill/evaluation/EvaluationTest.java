package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class EvaluationTest {

  private static final List<String> NAMES = List.of("mail", "refund", "hello");

  /** A data set of rows such as {@code "the mail=mail"}; without {@code =} a row has no label. */
  private static TextDataset rows(String... rows) {
    return TextDataset.of(
        Arrays.stream(rows)
            .map(row -> row.split("=", 2))
            .map(parts -> new TextExample(parts[0], parts.length == 1 ? null : parts[1]))
            .toList());
  }

  @Test
  void accuracy_countsLabelledRowsOnly() {
    TextDataset test = rows("a=x", "b=y", "c", "d=y", "e=z").classes(List.of("x", "y", "z"));

    Evaluation evaluation = Evaluation.of(new int[] {0, 1, 2, 0, 1}, test);

    assertThat(evaluation.rows()).isEqualTo(4);
    assertThat(evaluation.correct()).isEqualTo(2);
    assertThat(evaluation.accuracy()).isEqualTo(0.5);
    assertThat(evaluation.balancedAccuracy()).isEqualTo(0.5);
    assertThat(evaluation).hasToString("Evaluation[2 of 4 rows correct]");
  }

  @Test
  void balancedAccuracy_weighsClassesAlike() {
    TextDataset test = rows("a=x", "b=x", "c=x", "d=y").classes(List.of("x", "y"));

    Evaluation evaluation = Evaluation.of(new int[] {0, 0, 0, 0}, test);

    assertThat(evaluation.accuracy()).isEqualTo(0.75);
    assertThat(evaluation.balancedAccuracy()).isEqualTo(0.5);
  }

  @Test
  void classes_listThoseThatOccurInOrder() {
    TextDataset test = rows("a=x", "b=z", "c=z", "d=z", "e=w").classes(List.of("w", "x", "y", "z"));

    Evaluation evaluation = Evaluation.of(new int[] {1, 3, 2, 3, 1}, test);

    assertThat(evaluation.classes())
        .containsExactly(
            new Evaluation.ClassResult("w", 1, 0),
            new Evaluation.ClassResult("x", 1, 1),
            new Evaluation.ClassResult("z", 3, 2));
    assertThat(evaluation.classes().get(2).accuracy()).isEqualTo(2 / 3d);
    assertThat(evaluation.worstClass().name()).isEqualTo("w");
  }

  @Test
  void worstClass_isTheFirstOfEquals() {
    TextDataset test = rows("a=x", "b=y", "c=z").classes(List.of("x", "y", "z"));

    assertThat(Evaluation.of(new int[] {0, 0, 0}, test).worstClass().name()).isEqualTo("y");
  }

  @Test
  void confusion_isActualByPredicted() {
    TextDataset test = rows("a=x", "b=y", "c=y", "d=y").classes(List.of("x", "y", "z"));

    Evaluation evaluation = Evaluation.of(new int[] {1, 1, 2, 1}, test);

    assertThat(evaluation.confusionMatrix())
        .isDeepEqualTo(new int[][] {{0, 1, 0}, {0, 2, 1}, {0, 0, 0}});
    assertThat(evaluation.confusion(1, 2)).isEqualTo(1);
    assertThat(evaluation.confusion(2, 1)).isZero();
    assertThatThrownBy(() -> evaluation.confusion(0, 3))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void confusionMatrix_isACopy() {
    Evaluation evaluation = Evaluation.of(new int[] {0}, rows("a=x"));

    evaluation.confusionMatrix()[0][0] = 7;

    assertThat(evaluation.confusion(0, 0)).isEqualTo(1);
  }

  @Test
  void model_isAskedForEachRow() {
    try (DeployableModel model = WordModel.of(NAMES)) {
      Evaluation evaluation =
          Evaluation.of(
              model, rows("the mail=mail", "The refund=refund", "hello mail mail=hello", "hello"));

      assertThat(evaluation.classNames()).isEqualTo(NAMES);
      assertThat(evaluation.confusionMatrix())
          .isDeepEqualTo(new int[][] {{1, 0, 0}, {0, 1, 0}, {1, 0, 0}});
    }
  }

  @Test
  void model_classesAreMatchedByName() {
    try (DeployableModel model = WordModel.of(NAMES)) {
      Evaluation evaluation = Evaluation.of(model, rows("hello=hello", "refund=refund"));

      assertThat(evaluation.accuracy()).isEqualTo(1);
      assertThat(evaluation.classNames()).isEqualTo(NAMES);
    }
  }

  @Test
  void model_withoutClassNames_takesThoseOfTheData() {
    try (DeployableModel model = WordModel.of(List.of())) {
      assertThat(Evaluation.of(model, rows("mail=mail", "refund=refund")).accuracy()).isEqualTo(1);
      assertThatThrownBy(() -> Evaluation.of(model, rows("mail=mail", "hello=refund")))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "test must know all classes of the model but has 2 and row 1 was predicted as class"
                  + " 2; give the test set the classes of the training set with classes(...)");
    }
  }

  @Test
  void model_unknownClass_isRefused() {
    try (DeployableModel model = WordModel.of(NAMES)) {
      assertThatThrownBy(() -> Evaluation.of(model, rows("mail=letter")))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "label of row 0 must be one of the classes mail, refund, hello but was 'letter';"
                  + " correct the label, drop the row with subset(rows), or add the class");
    }
  }

  @Test
  void model_otherClassesOfArrays_areRefused() {
    try (DeployableModel model = WordModel.of(NAMES);
        NDManager manager = NDManager.newBaseManager()) {
      DistillationDataset test =
          DistillationDataset.of(
              new ArrayDataset.Builder()
                  .setData(manager.create(new long[][] {{204}, {210}}))
                  .optLabels(manager.create(new long[] {0, 1}))
                  .setSampling(1, false)
                  .build());

      assertThatThrownBy(() -> Evaluation.of(model, test))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "test must have the classes of the model in the same order but has 0, 1 and the model"
                  + " has mail, refund, hello; number the labels as in training");
    }
  }

  @Test
  void noLabels_areRefused() {
    String message =
        "test must have at least one labelled row but none of its 2 rows has a label; name the"
            + " label column, or measure agreement(...) instead";
    TextDataset test = rows("a", "b");

    assertThatThrownBy(() -> Evaluation.of(new int[] {0, 0}, test))
        .isInstanceOf(DistillationException.class)
        .hasMessage(message);
    try (DeployableModel model = WordModel.of(NAMES)) {
      assertThatThrownBy(() -> Evaluation.of(model, test))
          .isInstanceOf(DistillationException.class)
          .hasMessage(message);
    }
  }

  @Test
  void predictions_ofAnotherNumber_areRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Evaluation.of(new int[] {0}, rows("a=x", "b=x")))
        .withMessage("predicted must be as many as the 2 rows of test but were 1");
  }

  @Test
  void predictions_ofNoClass_areRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Evaluation.of(new int[] {0, 2}, rows("a=x", "b=y")))
        .withMessage("predicted must be from 0 to below 2 but row 1 has 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Evaluation.of(new int[] {-1, 0}, rows("a=x", "b=y")))
        .withMessage("predicted must be from 0 to below 2 but row 0 has -1");
  }

  @Test
  void agreement_isTheShareOfEqualDecisions() {
    assertThat(Evaluation.agreement(new int[] {1, 2, 3, 4}, new int[] {1, 0, 3, 4}))
        .isEqualTo(0.75);
  }

  @Test
  void agreement_needsEquallyManyRows() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Evaluation.agreement(new int[2], new int[3]))
        .withMessage("first and second must be equally many but were 2 and 3");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Evaluation.agreement(new int[0], new int[0]))
        .withMessage("first and second must have at least one row but were empty");
  }

  @Test
  void classResult_outOfRange_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Evaluation.ClassResult("x", 0, 0))
        .withMessage("rows must be at least 1 but were 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Evaluation.ClassResult("x", 2, 3))
        .withMessage("correct must be from 0 to rows 2 but was 3");
  }

  @Test
  void equals_comparesClassesAndCounts() {
    TextDataset test = rows("a=x", "b=y");
    TextDataset others = rows("a=x", "b=z");
    Evaluation evaluation = Evaluation.of(new int[] {0, 1}, test);

    assertThat(evaluation)
        .isEqualTo(Evaluation.of(new int[] {0, 1}, test))
        .hasSameHashCodeAs(Evaluation.of(new int[] {0, 1}, test))
        .isNotEqualTo(Evaluation.of(new int[] {0, 0}, test))
        .isNotEqualTo(Evaluation.of(new int[] {0, 1}, others))
        .isNotEqualTo("evaluation");
  }

  @Test
  void nulls_areNamed() {
    assertThatNullPointerException()
        .isThrownBy(() -> Evaluation.of((int[]) null, rows("a=x")))
        .withMessage("predicted");
    assertThatNullPointerException()
        .isThrownBy(() -> Evaluation.of(new int[1], null))
        .withMessage("test");
    assertThatNullPointerException()
        .isThrownBy(() -> Evaluation.of((DeployableModel) null, rows("a=x")))
        .withMessage("model");
    assertThatNullPointerException()
        .isThrownBy(() -> Evaluation.agreement(new int[1], null))
        .withMessage("second");
  }
}
