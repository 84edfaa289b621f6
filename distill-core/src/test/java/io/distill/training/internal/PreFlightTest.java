package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.RandomAccessDataset;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.NamedLayerPair;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PreFlightTest {

  private static final FloatRows DATA = FloatRows.random(8, 3, 1);

  private static final String LABELS_NEEDED =
      "data set must have labels for loss labels but none of its 8 rows has one; label some rows,"
          + " or leave out the terms that need labels";

  private static void refused(Distiller.Builder recipe, DistillationDataset data, String message) {
    List<Object> started = new ArrayList<>();
    recipe.listener(
        new TrainingListener() {
          @Override
          public void onRunStart(RunStart event) {
            started.add(event);
          }
        });
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe.fit(data).close())
        .withMessage(message);
    assertThat(started).isEmpty();
  }

  private static Distiller.Builder recipe(Teacher teacher, Student student, DistillationLoss loss) {
    return Distiller.builder().teacher(teacher).student(student).loss(loss).steps(1);
  }

  /** Three labels of tokens a row, the same in each. */
  private static DistillationDataset ofTokens(NDManager manager, int... labels) {
    long[] all = new long[24];
    Arrays.setAll(all, i -> labels[i % 3]);
    return DistillationDataset.of(
        new ArrayDataset.Builder()
            .setData(manager.ones(new Shape(8, 3)))
            .optLabels(manager.create(all, new Shape(8, 3)))
            .setSampling(8, false)
            .build());
  }

  @Test
  void tokenLabels_beyondTheVocabulary() {
    try (NDManager manager = NDManager.newBaseManager()) {
      refused(
          recipe(Teacher.none(), stubborn(4), TinyRuns.crossEntropy()),
          ofTokens(manager, 0, 4, 1),
          "token labels must be within the student's vocabulary, from 0 to 3 (or negative for"
              + " none), but row 0 has 4; make labels and student with the same tokenizer");
    }
  }

  @Test
  void tokenLabels_ofFirstTokensOnly() {
    try (NDManager manager = NDManager.newBaseManager()) {
      refused(
          recipe(Teacher.none(), stubborn(4), TinyRuns.crossEntropy()),
          ofTokens(manager, 2, -1, -1),
          "data set must have token labels for loss labels but none of its 8 rows has one after the"
              + " first token; label some tokens, or leave out the terms that need labels");
    }
  }

  /** A student whose number of classes is what it says, not what the data have. */
  private static Student stubborn(int classes) {
    return setup ->
        TinyRuns.perceptron()
            .open(
                new io.distill.student.StudentSetup(
                    setup.dataset(),
                    setup.teacher(),
                    classes,
                    List.of(),
                    setup.seed(),
                    setup.device()));
  }

  @Test
  void emptyDataset() {
    refused(
        TinyRuns.recipe(),
        FloatRows.of(new float[0][], new int[0]),
        "data set must have at least one row but is empty; check the file it came from");
  }

  @Test
  void emptyValidationSet() {
    refused(
        TinyRuns.recipe().validation(FloatRows.of(new float[0][], new int[0])),
        DATA,
        "validation set must have at least one row but is empty; check the file it came from, or"
            + " leave it out");
  }

  @Test
  void labelOutOfRange() {
    refused(
        TinyRuns.recipe(),
        DATA.withLabels(0, 1, 2, -1, 0, 3, 1, 7),
        "labels must be from 0 to 2 (or -1 for none) but row 5 has 3; correct the data set");
    refused(
        TinyRuns.recipe(),
        DATA.withLabels(0, -2, 2, -1, 0, 0, 1, 1),
        "labels must be from 0 to 2 (or -1 for none) but row 1 has -2; correct the data set");
  }

  @Test
  void labelsNeededButNone() {
    refused(
        recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.crossEntropy()),
        DATA.withLabels(-1, -1, -1, -1, -1, -1, -1, -1),
        LABELS_NEEDED);
  }

  @Test
  void labelsNeeded_oneIsEnough() {
    recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.crossEntropy())
        .fit(DATA.withLabels(-1, -1, -1, 2, -1, -1, -1, -1))
        .close();
  }

  @Test
  void oneClassOnly() {
    refused(
        recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.crossEntropy()),
        FloatRows.of(new float[][] {{1, 2}, {3, 4}}, new int[] {0, 0}, "spam"),
        "data set must have at least two classes but has only [spam]; a student of one class has"
            + " nothing to learn");
  }

  @Test
  void classNamesOfTeacherAndDatasetDiffer() {
    Teacher teacher =
        new RuleTeacher(
            row -> row, Set.of(SignalKind.LOGITS), List.of("class 1", "class 0", "class 2"));
    refused(
        recipe(teacher, TinyRuns.perceptron(), TinyRuns.logitDistance()),
        DATA,
        "teacher and data set must have the same classes in the same order but were [class 1, class"
            + " 0, class 2] (teacher) and [class 0, class 1, class 2] (data set); call"
            + " dataset.classes(teacher.classNames())");
  }

  @Test
  void classNamesOfTeacher_areThoseOfAnUnlabelledDataset() {
    List<String> names = List.of("x", "y", "z");
    Teacher teacher = new RuleTeacher(row -> row, Set.of(SignalKind.LOGITS), names);
    try (var result =
        recipe(teacher, TinyRuns.perceptron(), TinyRuns.logitDistance())
            .fit(DATA.withoutClasses())) {
      assertThat(result.student().classNames()).isEqualTo(names);
    }
  }

  @Test
  void classNamesOfValidationSetDiffer() {
    FloatRows validation =
        FloatRows.of(new float[][] {{1, 2, 3}}, new int[] {0}, "class 1", "class 2");
    refused(
        TinyRuns.recipe().validation(validation),
        DATA,
        "validation set must have the student's classes in the same order but were [class 1, class"
            + " 2] (validation set) and [class 0, class 1, class 2] (student); call"
            + " validation.classes(...) with the student's");
  }

  @Test
  void classNamesOfValidationSet_mayStopEarlier() {
    FloatRows validation =
        FloatRows.of(new float[][] {{1, 2, 3}}, new int[] {0}, "class 0", "class 1");
    TinyRuns.recipe().validation(validation).steps(1).fit(DATA).close();
  }

  @Test
  void classCountsDiffer() {
    refused(
        recipe(
            RuleTeacher.of(row -> new float[5]), TinyRuns.perceptron(), TinyRuns.logitDistance()),
        DATA,
        "teacher and student logits must have the same number of classes but were 5 (teacher) and 3"
            + " (student); select the shared classes or use a feature loss");
  }

  @Test
  void classCountsDiffer_whereTheLossDoesNotCompareClasses_isNoProblem() {
    DistillationLoss sorted =
        new DistillationLoss() {
          @Override
          public NDArray compute(LossContext context) {
            return context.meanOverRows(
                context
                    .student()
                    .logits()
                    .max(new int[] {1})
                    .sub(context.teacher().logits().max(new int[] {1}))
                    .square());
          }

          @Override
          public boolean requiresSameClasses() {
            return false;
          }
        };
    recipe(RuleTeacher.of(row -> new float[5]), TinyRuns.perceptron(), sorted.named("largest"))
        .fit(DATA)
        .close();
  }

  @Test
  void teacherLogits_differFromItsClassNames() {
    Teacher teacher =
        new RuleTeacher(row -> new float[] {1, 2}, Set.of(SignalKind.LOGITS), DATA.classNames());
    refused(
        recipe(teacher, stubborn(2), TinyRuns.logitDistance()),
        DATA,
        "teacher must have one logit for each of its 3 class names but has 2; correct its class"
            + " names");
  }

  @Test
  void studentHasFewerLogitsThanClasses() {
    refused(
        recipe(Teacher.none(), stubborn(2), TinyRuns.crossEntropy()),
        DATA,
        "student must have a logit for each of the 3 classes of the data set but has 2; use a"
            + " student with more outputs, or fewer classes");
  }

  @Test
  void teacherCannotGiveWhatTheLossAsks() {
    refused(
        recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.logitDistance()),
        DATA,
        "teacher must give [LOGITS] for loss loss but gives only []; use another teacher or another"
            + " loss");
    refused(
        recipe(
            new RuleTeacher(row -> row, Set.of(SignalKind.EMBEDDING), List.of()),
            TinyRuns.perceptron(),
            TinyRuns.logitDistance().named("first").plus(TinyRuns.logitDistance())),
        DATA,
        "teacher must give [LOGITS] for loss first+loss but gives only [EMBEDDING]; give it a"
            + " classifier with withClassifier(...), or use another loss");
  }

  @Test
  void studentCannotGiveWhatTheLossAsks() {
    DistillationLoss attention =
        TinyRuns.of(
                context -> context.meanOverRows(context.student().logits().sum(new int[] {1})),
                Set.of(SignalKind.LOGITS, SignalKind.ATTENTION_SCORES),
                Set.of(),
                false)
            .named("attention");
    refused(
        recipe(Teacher.none(), TinyRuns.perceptron(), attention),
        DATA,
        "student must give [ATTENTION_SCORES] for loss attention but gives only [LOGITS, EMBEDDING,"
            + " HIDDEN_STATES]; use another student or another loss");
  }

  @Test
  void signalsThatShowOnlyWhenAModelRuns() {
    try (Model model = linear("linear", 3)) {
      DistillationLoss hidden =
          TinyRuns.of(
              context -> context.student().hiddenStates().get(0).mean(),
              Set.of(SignalKind.HIDDEN_STATES),
              Set.of(),
              false);
      refused(
          recipe(Teacher.none(), Student.of(model), hidden),
          DATA,
          "student must give [HIDDEN_STATES] but gave [LOGITS]; name its outputs with a"
              + " SignalReader or BlockTaps, or use another loss");
    }
  }

  private static Model linear(String name, int inputs) {
    Model model = Model.newInstance(name, Device.cpu(), NativeEngine.NAME);
    model.setBlock(new SequentialBlock().add(Linear.builder().setUnits(3).build()));
    model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, inputs));
    return model;
  }

  @Test
  void studentIsTheTeacher() {
    try (Model model = linear("shared", 3)) {
      refused(
          Distiller.builder().teacher(model).student(model).loss(TinyRuns.logitDistance()).steps(1),
          DATA,
          "student must be another model than the teacher but both are 'shared'; training would"
              + " change the teacher; copy the model");
      // and it is as it was: nothing trains it
      assertThat(model.getBlock().getParameters().get(0).getValue().getArray().hasGradient())
          .isFalse();
    }
  }

  @Test
  void studentWithoutTrainableParameters() {
    try (Model model = linear("frozen", 3)) {
      model.getBlock().freezeParameters(true);
      refused(
          recipe(RuleTeacher.echo(), Student.of(model), TinyRuns.logitDistance()),
          DATA,
          "student must have trainable parameters but has none; load it with trainParam=true, or"
              + " unfreeze its parameters");
    }
  }

  @Test
  void modelThatDoesNotTakeTheRows() {
    try (Model model = linear("wide", 7)) {
      assertThatExceptionOfType(DistillationException.class)
          .isThrownBy(
              () ->
                  recipe(RuleTeacher.echo(), Student.of(model), TinyRuns.logitDistance())
                      .fit(DATA)
                      .close())
          .satisfies(
              e -> {
                assertThat(e.getMessage())
                    .startsWith("models must run on the first rows of the data set but failed: ")
                    .hasLineCount(1);
                assertThat(e.getSuppressed()).hasSize(1);
              });
    }
  }

  @Test
  void layerMappingOutOfRange() {
    DistillationLoss hidden =
        TinyRuns.of(
            context -> context.student().hiddenStates().get(0).mean(),
            Set.of(SignalKind.HIDDEN_STATES),
            Set.of(SignalKind.HIDDEN_STATES),
            false);
    Teacher teacher = new RuleTeacher(row -> row, Set.of(SignalKind.HIDDEN_STATES), List.of());
    refused(
        recipe(teacher, TinyRuns.perceptron(), hidden)
            .layerMapping(LayerMapping.of(new LayerPair(0, 2), new LayerPair(1, 1))),
        DATA,
        "loss term 'loss': layerMapping must pair student layers 0 to 0 (hidden.0) with teacher layers 0 to 2 but was [0 <- 2, 1"
            + " <- 1]; count layers from 0");
    refused(
        recipe(teacher, TinyRuns.perceptron(), hidden)
            .layerMapping((students, teachers) -> List.of()),
        DATA,
        "loss term 'loss': layerMapping must pair student layers 0 to 0 (hidden.0) with teacher layers 0 to 2 but was []; count"
            + " layers from 0");
    // the run's mapping, one of the term's own, and the run's again: told once a message
    DistillationLoss sum =
        hidden
            .named("a")
            .plus(
                hidden
                    .named("b")
                    .onLayers(LayerMapping.byName(new NamedLayerPair("hidden.0", "7"))))
            .plus(hidden.named("c").weighted(2));
    refused(
        recipe(teacher, TinyRuns.perceptron(), sum)
            .layerMapping(LayerMapping.of(new LayerPair(0, 9))),
        DATA,
        "the run has 2 problems:\n- loss terms 'a', 'c': layerMapping must pair student layers 0 to 0 (hidden.0)"
            + " with teacher layers 0 to 2 but was [0 <- 9]; count layers from 0\n- loss term 'b':"
            + " layerMapping must name teacher layers that exist, 0 to 2, but named '7'; name one of"
            + " them");
    // a mapping that no term uses does not matter
    recipe(teacher, TinyRuns.perceptron(), hidden.onLayers(LayerMapping.last()))
        .layerMapping(LayerMapping.of(new LayerPair(0, 9)))
        .fit(DATA)
        .close();
  }

  private static Tokenizer withoutSpecialTokens() {
    JsonObject json = JsonParser.parseString(TinyRuns.tokenizerJson()).getAsJsonObject();
    json.add("post_processor", JsonNull.INSTANCE);
    return Tokenizer.parse(json.toString());
  }

  @Test
  void rowsWithoutTokens() {
    List<TextExample> examples = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      examples.add(TextExample.labelled(i % 2 == 0 ? "\u0001" : "hello", i % 3 == 0 ? "a" : "b"));
    }
    refused(
        recipe(
            Teacher.none(),
            Student.bagOfEmbeddings().tokenizer(withoutSpecialTokens()).build(),
            TinyRuns.crossEntropy()),
        TextDataset.of(examples),
        "every row must have at least one token for the student but rows [0, 2, 4, 6, 8] have none;"
            + " remove them, or use a tokenizer that adds special tokens");
  }

  private static DeployableModel bag(int vocabularySize, Tokenizer tokenizer) {
    BagOfEmbeddings shape = new BagOfEmbeddings(vocabularySize, 4, 4, Activation.RELU, 0, 0, 2);
    return new DeployableModel(
        ScriptedModel.open(shape, shape.initialWeights(1), Device.cpu(), true),
        tokenizer,
        List.of("even", "odd"));
  }

  private static String vocabulary(String who) {
    return who
        + "'s tokenizer must have at most as many word pieces as its model has embeddings, 233, but"
        + " has 234; use the tokenizer.json that belongs to the model";
  }

  @Test
  void vocabularyLargerThanTheEmbeddings_ofStudent() {
    refused(
        recipe(Teacher.none(), setup -> bag(233, TinyRuns.tokenizer()), TinyRuns.crossEntropy()),
        TinyRuns.texts(9),
        vocabulary("student"));
  }

  @Test
  void vocabularyLargerThanTheEmbeddings_ofTeacher() {
    try (DeployableModel model = bag(233, TinyRuns.tokenizer())) {
      refused(
          recipe(Teacher.of(model), Student.bagOfEmbeddings().build(), TinyRuns.logitDistance()),
          TinyRuns.texts(9),
          vocabulary("teacher"));
    }
  }

  @Test
  void vocabularyOfTheRightSize_passes() {
    recipe(Teacher.none(), setup -> bag(234, TinyRuns.tokenizer()), TinyRuns.crossEntropy())
        .fit(TinyRuns.texts(9))
        .close();
  }

  @Test
  void studentWithoutTokenizer() {
    refused(
        recipe(Teacher.none(), Student.bagOfEmbeddings().build(), TinyRuns.crossEntropy()),
        TinyRuns.texts(9),
        "student must have a tokenizer but neither it nor the teacher has one; call tokenizer(...)"
            + " on the student's builder");
  }

  @Test
  void severalProblems_areToldInOneMessage() {
    TinyRuns.Watched student = TinyRuns.Watched.of(stubborn(2));
    DistillationLoss loss =
        TinyRuns.logitDistance()
            .named("distance")
            .plus(TinyRuns.crossEntropy())
            .plus(
                TinyRuns.of(
                        context -> context.student().logits().mean(),
                        Set.of(SignalKind.ATTENTION_SCORES),
                        Set.of(),
                        false)
                    .named("attention"));
    refused(
        recipe(RuleTeacher.echo(), student, loss)
            .validation(FloatRows.of(new float[][] {{1}}, new int[] {0}, "other")),
        DATA.withLabels(-1, -1, -1, -1, -1, -1, -1, -1),
        """
        the run has 3 problems:
        - data set must have labels for loss distance+labels+attention but none of its 8 rows has \
        one; label some rows, or leave out the terms that need labels
        - validation set must have the student's classes in the same order but were [other] \
        (validation set) and [class 0, class 1, class 2] (student); call validation.classes(...) \
        with the student's
        - student must give [ATTENTION_SCORES] for loss distance+labels+attention but gives only \
        [LOGITS, EMBEDDING, HIDDEN_STATES]; use another student or another loss""");
    assertThat(student.closed()).isTrue();
  }

  @Test
  void problemsThatFollowFromOthers_areNotTold() {
    // without the teacher's logits nobody knows how many classes the student should have
    refused(
        recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.logitDistance()),
        DATA.withoutClasses(),
        "teacher must give [LOGITS] for loss loss but gives only []; use another teacher or another"
            + " loss");
  }

  @Test
  void teacherThatFails_isToldWithoutStackTrace() {
    Teacher teacher =
        RuleTeacher.of(
            row -> {
              throw new IllegalStateException("service is down\n\tat somewhere");
            });
    refused(
        recipe(teacher, TinyRuns.perceptron(), TinyRuns.logitDistance()),
        DATA,
        "models must run on the first rows of the data set but failed:"
            + " java.lang.IllegalStateException: service is down");
  }

  @Test
  void oneRow_isEnough() {
    FloatRows one = FloatRows.random(1, 3, 1);
    recipe(RuleTeacher.echo(), TinyRuns.perceptron(), TinyRuns.logitDistance()).fit(one).close();
  }

  @Test
  void djlDataset_isCheckedWhenItIsWrapped() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      RandomAccessDataset dataset =
          new ai.djl.training.dataset.ArrayDataset.Builder()
              .setData(manager.create(new float[] {1, 2}, new Shape(2, 1)))
              .optLabels(manager.create(new float[] {0.5f, 1}))
              .setSampling(2, false)
              .build();
      assertThatExceptionOfType(DistillationException.class)
          .isThrownBy(
              () ->
                  recipe(Teacher.none(), TinyRuns.perceptron(), TinyRuns.crossEntropy())
                      .fit(dataset)
                      .close())
          .withMessage(
              "label of row 0 must be a class index of at least 0 (or -1 for none) but was 0.5");
    }
  }
}
