package io.distill.training.internal;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.core.Linear;
import ai.djl.pytorch.jni.JniUtils;
import com.google.common.hash.Hashing;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.NamedLayerPair;
import io.distill.model.Activation;
import io.distill.model.Pooling;
import io.distill.model.Precision;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.internal.PartCodec;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RecipeDescriberTest {

  private static final DistillationDataset DATA = TinyRuns.texts(12);

  private static final Set<Class<?>> PARTS =
      Set.of(
          TemperatureSchedule.class,
          WeightSchedule.class,
          LearningRateSchedule.class,
          LayerMapping.class,
          RowTemperature.class,
          DistillationLoss.class,
          Optimizer.class);

  /** Stands for a user's loss that is no record. */
  private static final class OwnLoss implements DistillationLoss {
    @Override
    public NDArray compute(LossContext context) {
      return context.student().logits().mean();
    }
  }

  /** Stands for a user's loss that is a record but listed nowhere. */
  record UnlistedLoss(double margin) implements DistillationLoss {
    @Override
    public NDArray compute(LossContext context) {
      return context.student().logits().mean();
    }
  }

  private static Recipe recipe(
      Student student,
      DistillationLoss loss,
      TemperatureSchedule temperature,
      @Nullable RowTemperature rowTemperature,
      LayerMapping mapping,
      Optimizer optimizer,
      LearningRateSchedule schedule) {
    return new Recipe(
        RuleTeacher.echo(),
        student,
        loss,
        temperature,
        rowTemperature,
        mapping,
        OptionalInt.of(3),
        OptionalLong.empty(),
        32,
        1,
        Double.POSITIVE_INFINITY,
        optimizer,
        schedule,
        42,
        Device.cpu(),
        Precision.FLOAT32,
        false,
        OptionalLong.empty(),
        OptionalInt.empty(),
        List.of(),
        null,
        List.of(),
        null,
        null,
        null,
        Declarations.none());
  }

  /** The loss is a part that can be made again without the module of losses. */
  private static DistillationLoss restorable() {
    return new io.distill.provenance.ListedLoss(2).weighted(0.5).named("own");
  }

  private static Recipe usual() {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        TemperatureSchedule.constant(1),
        null,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  private static RecipeDescription describe(Recipe recipe) {
    return RecipeDescriber.describe(recipe, DATA);
  }

  private static Recipe withStudent(Student student) {
    return recipe(
        student,
        restorable(),
        TemperatureSchedule.constant(1),
        null,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  private static Recipe withLoss(DistillationLoss loss) {
    return recipe(
        TinyRuns.perceptron(),
        loss,
        TemperatureSchedule.constant(1),
        null,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  private static Recipe withTemperature(TemperatureSchedule temperature) {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        temperature,
        null,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  private static Recipe withMapping(LayerMapping mapping) {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        TemperatureSchedule.constant(1),
        null,
        mapping,
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  private static Recipe withOptimizer(Optimizer optimizer) {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        TemperatureSchedule.constant(1),
        null,
        LayerMapping.uniform(),
        optimizer,
        LearningRateSchedule.constant());
  }

  private static Recipe withLearningRate(LearningRateSchedule schedule) {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        TemperatureSchedule.constant(1),
        null,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        schedule);
  }

  private static Recipe withRowTemperature(RowTemperature temperature) {
    return recipe(
        TinyRuns.perceptron(),
        restorable(),
        TemperatureSchedule.constant(1),
        temperature,
        LayerMapping.uniform(),
        Optimizer.adamW(),
        LearningRateSchedule.constant());
  }

  /** A recipe with the parts that a file gave and all else as before. */
  private static Recipe again(Recipe before, RecipeDescriber.Parts parts) {
    return new Recipe(
        before.teacher(),
        parts.student(),
        parts.loss(),
        parts.temperature() == null ? TemperatureSchedule.constant(1) : parts.temperature(),
        parts.rowTemperature(),
        parts.layerMapping(),
        parts.epochs() == null ? OptionalInt.empty() : OptionalInt.of(parts.epochs()),
        parts.steps() == null ? OptionalLong.empty() : OptionalLong.of(parts.steps()),
        parts.batchSize(),
        parts.gradientAccumulation(),
        parts.gradientClipping(),
        parts.optimizer(),
        parts.learningRateSchedule(),
        parts.seed(),
        parts.device(),
        parts.precision(),
        parts.activationCheckpointing(),
        before.memoryLimit(),
        parts.gradientNormSteps() == null
            ? OptionalInt.empty()
            : OptionalInt.of(parts.gradientNormSteps()),
        List.of(),
        null,
        List.of(),
        null,
        null,
        null,
        Declarations.none());
  }

  static Stream<Arguments> recipes() {
    List<Arguments> all = new ArrayList<>();
    all.add(Arguments.of("usual", usual()));
    Map<String, Student> students =
        Map.of(
            "encoder",
            Student.encoder()
                .layers(3)
                .hiddenSize(48)
                .heads(4)
                .intermediateSize(7)
                .maxLength(9)
                .dropout(0.3)
                .pooling(Pooling.FIRST)
                .vocabularyFromData(true)
                .build(),
            "encoder of layers",
            Student.encoder().teacherLayers(0, 5, 11).build(),
            "bag",
            Student.bagOfEmbeddings()
                .embeddingSize(5)
                .hiddenSize(6)
                .activation(Activation.TANH)
                .wordDropout(0.1)
                .dropout(0.2)
                .vocabularyFromData(false)
                .embeddingsFromTeacher()
                .build(),
            "perceptron",
            Student.multilayerPerceptron()
                .hiddenSizes(3, 4)
                .activation(Activation.GELU)
                .dropout(0.5)
                .build());
    students.forEach((name, student) -> all.add(Arguments.of(name, withStudent(student))));
    for (TemperatureSchedule each :
        List.of(
            TemperatureSchedule.constant(4),
            TemperatureSchedule.linear(6, 1),
            TemperatureSchedule.cosine(6, 1),
            TemperatureSchedule.exponential(6, 1),
            TemperatureSchedule.step(8, 2, 0.7),
            TemperatureSchedule.cyclic(1, 4, 3),
            TemperatureSchedule.table(3, 2, 1),
            TemperatureSchedule.interpolated(Map.of(0.0, 3.0, 0.25, 2.0, 1.0, 1.0 / 3)))) {
      all.add(Arguments.of("temperature " + each, withTemperature(each)));
      all.add(Arguments.of("own " + each, withLoss(restorable().atTemperature(each))));
    }
    for (RowTemperature each :
        List.of(
            RowTemperature.byTeacherEntropy(1, 3),
            RowTemperature.learned(1, 5, 4),
            RowTemperature.learnedByInstance(1, 5, 4, 3))) {
      all.add(Arguments.of("row temperature " + each, withRowTemperature(each)));
      all.add(Arguments.of("own row " + each, withLoss(restorable().atTemperature(each))));
    }
    for (WeightSchedule each :
        List.of(
            WeightSchedule.constant(0.1),
            WeightSchedule.linear(0, 1),
            WeightSchedule.cosine(1, 0),
            WeightSchedule.warmUp(20),
            WeightSchedule.warmUpSteps(5_000_000_000L),
            WeightSchedule.table(0, 0.5, 1),
            WeightSchedule.interpolated(Map.of(0.5, 1e-7)),
            WeightSchedule.linear(0, 1).times(WeightSchedule.warmUp(3)))) {
      all.add(Arguments.of("weight " + each, withLoss(restorable().weighted(each))));
    }
    for (LearningRateSchedule each :
        List.of(
            LearningRateSchedule.constant(),
            LearningRateSchedule.linear(0),
            LearningRateSchedule.cosine(0.1),
            LearningRateSchedule.step(2, 0.5),
            LearningRateSchedule.cosine(0).withWarmUp(100))) {
      all.add(Arguments.of("learning rate " + each, withLearningRate(each)));
    }
    for (LayerMapping each :
        List.of(
            LayerMapping.uniform(),
            LayerMapping.last(),
            LayerMapping.first(),
            LayerMapping.of(new LayerPair(0, 3), new LayerPair(1, 7)),
            LayerMapping.byName(new NamedLayerPair("a.0", "b.\"1")),
            LayerMapping.manyToOne(),
            LayerMapping.random(),
            LayerMapping.randomEachEpoch(),
            LayerMapping.learned(),
            LayerMapping.earthMovers())) {
      all.add(Arguments.of("mapping " + each, withMapping(each)));
      all.add(Arguments.of("own mapping " + each, withLoss(restorable().onLayers(each))));
    }
    for (Optimizer each :
        List.of(
            Optimizer.adamW()
                .withLearningRate(3e-4)
                .withBetas(0.8, 0.95)
                .withEpsilon(1e-7)
                .withWeightDecay(0.2),
            Optimizer.sgd(0.1),
            Optimizer.sgd(0.1).withNesterovMomentum(0.9).withWeightDecay(1e-4))) {
      all.add(Arguments.of("optimizer " + each, withOptimizer(each)));
    }
    return all.stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("recipes")
  void recipe_isTheSameAfterItsDescription(String name, Recipe recipe) {
    RecipeDescription written = describe(recipe);
    RecipeDescription read = RecipeDescription.parse(written.toString());
    assertThat(read).as(name).isEqualTo(written);
    RecipeDescriber.Parts parts = RecipeDescriber.restore(read);
    assertThat(parts.missing()).containsOnlyKeys("teacher");
    Recipe made = again(recipe, parts);
    assertThat(describe(made).fingerprint()).isEqualTo(written.fingerprint());
    assertThat(written.differences(describe(made))).isEmpty();
    // records are equal by value: the parts are the same, not only what is written of them
    assertThat(made.loss()).isEqualTo(recipe.loss());
    assertThat(made.layerMapping()).isEqualTo(recipe.layerMapping());
    assertThat(made.optimizer()).isEqualTo(recipe.optimizer());
    assertThat(made.learningRateSchedule()).isEqualTo(recipe.learningRateSchedule());
    assertThat(made.rowTemperature()).isEqualTo(recipe.rowTemperature());
  }

  @Test
  void recipes_haveFingerprintsOfTheirOwn() {
    Map<String, List<String>> names =
        recipes()
            .collect(
                Collectors.groupingBy(
                    each -> describe((Recipe) each.get()[1]).fingerprint(),
                    Collectors.mapping(each -> each.get()[0].toString(), Collectors.toList())));
    // "usual" comes again among the learning rates and mappings
    assertThat(names.values()).filteredOn(same -> same.size() > 1).hasSize(1);
  }

  @Test
  void everyComponentOfARecipe_isDescribedOrDecidesNothing() {
    Set<String> decideNothing =
        Set.of("listeners", "checkpoints", "resume", "declarations", "memoryLimit");
    assertThat(Recipe.class.getRecordComponents())
        .extracting(RecordComponent::getName)
        .filteredOn(name -> !decideNothing.contains(name))
        .allSatisfy(name -> assertThat(RecipeDescriber.MEMBERS).contains(name));
  }

  @Test
  void description_isOrderedAndReadable() {
    JsonObject json = describe(usual()).json();
    assertThat(json.keySet())
        .containsExactly(
            "format",
            "teacher",
            "data",
            "student",
            "loss",
            "temperature",
            "layerMapping",
            "epochs",
            "batchSize",
            "gradientAccumulation",
            "gradientClipping",
            "optimizer",
            "learningRateSchedule",
            "seed",
            "device",
            "precision",
            "activationCheckpointing");
    assertThat(json.get("temperature").getAsDouble()).isEqualTo(1);
    assertThat(json.get("gradientClipping").getAsString()).isEqualTo("Infinity");
    assertThat(json.getAsJsonObject("data").get("fingerprint").getAsString())
        .isEqualTo(DATA.fingerprint());
    assertThat(json.getAsJsonObject("loss").toString())
        .isEqualTo(
            "{\"type\":\"named\",\"loss\":{\"type\":\"sum\",\"terms\":[{\"name\":\"loss\","
                + "\"weight\":0.5,\"loss\":{\"type\":\"test.listedLoss\",\"power\":2}}]},"
                + "\"name\":\"own\"}");
  }

  @Test
  void fingerprint_isTheDigestOfTheCanonicalText() {
    RecipeDescription description =
        RecipeDescription.parse("{\"b\": [1.50, \"\\u00e9\"], \"a\": {\"z\": 1e2, \"y\": null}}");
    String canonical = "{\"a\":{\"y\":null,\"z\":1E+2},\"b\":[1.5,\"é\"]}";
    assertThat(description.fingerprint())
        .isEqualTo(Hashing.sha256().hashString(canonical, StandardCharsets.UTF_8).toString());
    assertThat(RecipeDescription.parse("{\"a\":{\"y\":null,\"z\":100},\"b\":[1.5,\"é\"]}"))
        .isEqualTo(description)
        .hasSameHashCodeAs(description);
  }

  @Test
  void differences_areSaidInWords() {
    Recipe before =
        recipe(
            TinyRuns.perceptron(),
            restorable().plus(new UnlistedLoss(0.5).weighted(0.1)),
            TemperatureSchedule.constant(4),
            null,
            LayerMapping.of(new LayerPair(0, 3)),
            Optimizer.adamW(),
            LearningRateSchedule.constant());
    Recipe after =
        recipe(
            Student.multilayerPerceptron().hiddenSizes(8, 4).build(),
            restorable().plus(new UnlistedLoss(0.75).weighted(0.2)),
            TemperatureSchedule.linear(4, 1),
            null,
            LayerMapping.of(new LayerPair(0, 2), new LayerPair(1, 3)),
            Optimizer.adamW().withLearningRate(0.002),
            LearningRateSchedule.cosine(0));
    assertThat(
            RecipeDescriber.describe(before, DATA)
                .differences(RecipeDescriber.describe(after, TinyRuns.texts(11))))
        .containsExactly(
            "data.fingerprint was "
                + DATA.fingerprint()
                + " and is "
                + TinyRuns.texts(11).fingerprint(),
            "data.rows was 12 and is 11",
            "student.hiddenSizes was [8] and is [8,4]",
            "loss.terms[1].weight was 0.1 and is 0.2",
            "loss.terms[1].loss.values.margin was 0.5 and is 0.75",
            "temperature was 4.0 and is temperature.linear(first=4.0, last=1.0)",
            "layerMapping.pairs[0].teacher was 3 and is 2",
            "layerMapping.pairs[1] was missing and is (student=1, teacher=3)",
            "optimizer.learningRate was 0.001 and is 0.002",
            "learningRateSchedule was learningRate.constant and is learningRate.cosine(last=0.0)");
    assertThat(describe(before).differingMembers(describe(after)))
        .containsExactly(
            "student", "loss", "temperature", "layerMapping", "optimizer", "learningRateSchedule");
  }

  @Test
  void lambdas_areToldByWhatTheySay() {
    RecipeDescription half = describe(withTemperature(progress -> 1 + progress.fraction() / 2));
    RecipeDescription same = describe(withTemperature(progress -> 1 + 0.5 * progress.fraction()));
    RecipeDescription third = describe(withTemperature(progress -> 1 + progress.fraction() / 3));
    RecipeDescription late =
        describe(withTemperature(progress -> progress.epoch() < 32 ? 1 : 1.0 / 0));
    assertThat(half).isEqualTo(same);
    assertThat(half.differences(third))
        .singleElement()
        .asString()
        .startsWith("temperature.samples");
    JsonArray samples = late.json().getAsJsonObject("temperature").getAsJsonArray("samples");
    assertThat(samples).hasSize(33);
    assertThat(samples.get(32)).isEqualTo(new JsonPrimitive("Infinity"));
    JsonElement name = half.json().getAsJsonObject("temperature").get("opaque");
    assertThat(name.getAsString()).isEqualTo(RecipeDescriberTest.class.getName() + "$$Lambda");
    LayerMapping backwards = (students, teachers) -> List.of(new LayerPair(students - 1, 0));
    LayerMapping refusing =
        (students, teachers) -> {
          throw new IllegalArgumentException("no");
        };
    assertThat(describe(withMapping(backwards))).isNotEqualTo(describe(withMapping(refusing)));
  }

  @Test
  void partsOfTheUsersOwn_mustBeSetAgain() {
    Recipe recipe =
        recipe(
            setup -> {
              throw new IllegalStateException("never opened");
            },
            restorable().plus(new OwnLoss()).plus(new UnlistedLoss(1)),
            progress -> 1,
            null,
            LayerMapping.uniform(),
            Optimizer.adamW(),
            progress -> 1);
    RecipeDescriber.Parts parts = RecipeDescriber.restore(describe(recipe));
    assertThat(parts.missing())
        .containsOnlyKeys(
            "teacher",
            "student",
            "loss.terms[1].loss",
            "loss.terms[2].loss",
            "temperature",
            "learningRateSchedule")
        .containsEntry("loss.terms[1].loss", OwnLoss.class.getName());
    assertThat(parts.loss()).isNull();
    assertThat(parts.student()).isNull();
    assertThat(parts.optimizer()).isEqualTo(Optimizer.adamW());
  }

  @Test
  void studentWithATokenizer_isComparedAndSetAgain() {
    Recipe recipe = withStudent(Student.bagOfEmbeddings().tokenizer(TinyRuns.tokenizer()).build());
    JsonObject student = describe(recipe).json().getAsJsonObject("student");
    assertThat(student.getAsJsonObject("values").get("tokenizer").getAsString())
        .isEqualTo(TinyRuns.tokenizer().fingerprint());
    assertThat(RecipeDescriber.restore(describe(recipe)).missing()).containsKey("student");
  }

  @Test
  void modelsInHand_countByTheirWeights() throws Exception {
    Path file =
        Path.of(
            requireNonNull(getClass().getResource("/io/distill/model/torch-dictionary.pt"))
                .toURI());
    Path other =
        Path.of(requireNonNull(getClass().getResource("/io/distill/model/torch-tuple.pt")).toURI());
    RecipeDescription script = describe(withStudent(Student.trustedTorchScript(file)));
    assertThat(script).isEqualTo(describe(withStudent(Student.trustedTorchScript(file))));
    assertThat(script.differences(describe(withStudent(Student.trustedTorchScript(other)))))
        .singleElement()
        .asString()
        .startsWith("student.values.weights was ");
    assertThat(script.toString()).doesNotContain(file.toString());
    assertThat(RecipeDescriber.restore(script).missing()).containsKey("student");
    try (Model model = Model.newInstance("linear", "PyTorch")) {
      Block block = Linear.builder().setUnits(2).build();
      model.setBlock(block);
      block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
      RecipeDescription before = describe(withStudent(Student.of(model)));
      assertThat(before).isEqualTo(describe(withStudent(Student.of(model))));
      // tests that ran before on this thread may have left gradients on
      boolean gradients = JniUtils.isGradMode();
      JniUtils.setGradMode(false);
      block.getParameters().get(0).getValue().getArray().addi(1);
      JniUtils.setGradMode(gradients);
      assertThat(before.differences(describe(withStudent(Student.of(model)))))
          .singleElement()
          .asString()
          .startsWith("student.values.weights was ");
    }
  }

  @Test
  void teacher_countsByWhatItAnswers() {
    Recipe recipe = usual();
    JsonObject teacher = describe(recipe).json().getAsJsonObject("teacher");
    assertThat(teacher.keySet()).containsExactly("opaque");
    Recipe alone =
        new Recipe(
            Teacher.none(),
            recipe.student(),
            recipe.loss(),
            recipe.temperature(),
            null,
            recipe.layerMapping(),
            OptionalInt.empty(),
            OptionalLong.of(7),
            8,
            2,
            0.5,
            recipe.optimizer(),
            recipe.learningRateSchedule(),
            -5,
            Device.gpu(3),
            Precision.BFLOAT16,
            true,
            OptionalLong.of(9),
            OptionalInt.of(4),
            List.of(),
            DATA,
            List.of(Every.steps(3), Every.epochs(1)),
            EarlyStopping.minimising("kl").patience(5),
            null,
            null,
            Declarations.none());
    RecipeDescriber.Parts parts = RecipeDescriber.restore(describe(alone));
    assertThat(parts.withoutTeacher()).isTrue();
    assertThat(parts.missing()).containsOnlyKeys("validation");
    assertThat(parts.earlyStopping()).isEqualTo(EarlyStopping.minimising("kl").patience(5));
    assertThat(parts.evaluations()).containsExactly(Every.steps(3), Every.epochs(1));
    assertThat(parts.steps()).isEqualTo(7);
    assertThat(parts.gradientClipping()).isEqualTo(0.5);
    assertThat(parts.seed()).isEqualTo(-5);
    assertThat(parts.device()).isEqualTo(Device.gpu(3));
    assertThat(parts.precision()).isEqualTo(Precision.BFLOAT16);
    assertThat(parts.activationCheckpointing()).isTrue();
    assertThat(parts.gradientNormSteps()).isEqualTo(4);
  }

  @Test
  void coreTypes_coverEveryScheduleMappingOptimizerAndStudent() {
    assertThat(new CoreTypes().types().values()).doesNotHaveDuplicates();
    PartCodec codec = new PartCodec(part -> Map.of());
    CoreTypes.examples()
        .forEach(
            (name, example) -> {
              JsonElement json = codec.encode(example);
              if (!json.isJsonPrimitive()) {
                assertThat(json.getAsJsonObject().get("type")).isEqualTo(new JsonPrimitive(name));
              }
            });
    Set<String> listed =
        new CoreTypes().types().values().stream().map(Class::getName).collect(Collectors.toSet());
    JavaClasses main =
        new ClassFileImporter()
            .importUrl(Recipe.class.getProtectionDomain().getCodeSource().getLocation());
    assertThat(main)
        .filteredOn(each -> each.isRecord() && PARTS.stream().anyMatch(each::isAssignableTo))
        .extracting(JavaClass::getName)
        .filteredOn(name -> !name.equals(CoreTypes.class.getName() + "$AnyLoss"))
        .hasSizeGreaterThan(30)
        .allSatisfy(name -> assertThat(listed).contains(name));
  }

  private static JsonObject changed(String member, String value) {
    JsonObject json = describe(usual()).json();
    if (value.isEmpty()) {
      json.remove(member);
    } else {
      json.add(member, JsonParser.parseString(value));
    }
    return json;
  }

  static Stream<Arguments> malformed() {
    return Stream.of(
        Arguments.of("format", "2", "must have format 1"),
        Arguments.of("format", "\"1\"", "format must be a whole number"),
        Arguments.of("format", "", "must have a member 'format'"),
        Arguments.of("extra", "1", "and also [extra]"),
        Arguments.of("teacher", "", "must have a member 'teacher'"),
        Arguments.of("data", "", "must have a member 'data'"),
        Arguments.of("student", "", "must have a member 'student'"),
        Arguments.of("loss", "", "must have a member 'loss'"),
        Arguments.of("temperature", "", "either temperature or rowTemperature"),
        Arguments.of("rowTemperature", "{}", "but has both"),
        Arguments.of("steps", "3", "either epochs or steps"),
        Arguments.of("epochs", "1.5", "epochs must be a whole number"),
        Arguments.of("epochs", "1e999999999", "epochs must be a whole number"),
        Arguments.of("epochs", "99999999999", "epochs must be a whole number"),
        Arguments.of("epochs", "true", "epochs must be a whole number"),
        Arguments.of("seed", "9223372036854775808", "seed must be a whole number"),
        Arguments.of("gradientClipping", "\"NotANumber\"", "gradientClipping must be a number"),
        Arguments.of("gradientClipping", "1e999", "gradientClipping must be a number"),
        Arguments.of("device", "\"gpu\"", "device must be cpu, or gpu with a number"),
        Arguments.of("device", "\"../../etc\"", "device must be cpu"),
        Arguments.of("loss", "3", "loss must be an object"),
        Arguments.of("loss", "[]", "loss must be an object"),
        Arguments.of("loss", "null", "loss must be an object"),
        Arguments.of("loss", "{}", "loss must have a type"),
        Arguments.of("loss", "{\"type\":5}", "loss.type must be a text"),
        Arguments.of("loss", "{\"type\":\"java.lang.Runtime\"}", "that a RecipeTypes"),
        Arguments.of("loss", "{\"type\":\"optimizer.sgd\"}", "learningRate must be present"),
        Arguments.of("loss", "{\"type\":\"mapping.last\"}", "be a DistillationLoss"),
        Arguments.of("loss", "{\"type\":\"mapping.last\",\"x\":1}", "and has \"x\""),
        Arguments.of("loss", "{\"type\":\"named\",\"name\":\"x\"}", "loss.loss must be present"),
        Arguments.of("loss", "{\"type\":\"sum\",\"terms\":{}}", "loss.terms must be a list"),
        Arguments.of("loss", "{\"type\":\"sum\",\"terms\":[null]}", "terms[0] must be an object"),
        Arguments.of(
            "loss",
            "{\"type\":\"named\",\"name\":\" \",\"loss\":{\"type\":\"test.listedLoss\",\"power\":2}}",
            "loss must be in range but was refused (name must not be blank)"),
        Arguments.of("temperature", "-1", "temperature must be finite and greater than 0"),
        Arguments.of("temperature", "\"hot\"", "temperature must be an object"),
        Arguments.of(
            "temperature",
            "{\"type\":\"temperature.table\",\"perEpoch\":[]}",
            "perEpoch must not be empty"),
        Arguments.of(
            "temperature",
            "{\"type\":\"temperature.interpolated\",\"byFraction\":{\"points\":["
                + "{\"fraction\":0.5,\"value\":1},{\"fraction\":0.1,\"value\":1}]}}",
            "must rise"),
        Arguments.of("optimizer", "{\"type\":\"optimizer.sgd\",\"learningRate\":0}", "present"),
        Arguments.of(
            "optimizer",
            "{\"type\":\"optimizer.sgd\",\"learningRate\":0.1,\"momentum\":0,\"nesterov\":1,"
                + "\"weightDecay\":0}",
            "nesterov must be true or false"),
        Arguments.of(
            "layerMapping",
            "{\"type\":\"mapping.pairs\",\"pairs\":[{\"student\":-1,\"teacher\":0}]}",
            "student layer must be at least 0"),
        Arguments.of(
            "layerMapping",
            "{\"type\":\"mapping.allPairs\",\"weighting\":\"SOME\"}",
            "weighting must be one of"),
        Arguments.of(
            "student",
            "{\"type\":\"student.multilayerPerceptron\",\"hiddenSizes\":[0],\"activation\":"
                + "\"RELU\",\"dropout\":0}",
            "student must be in range but was refused"),
        Arguments.of(
            "student",
            "{\"type\":\"student.bagOfEmbeddings\",\"embeddingSize\":1,\"hiddenSize\":1,"
                + "\"activation\":\"RELU\",\"wordDropout\":0,\"dropout\":0,\"tokenizer\":\"x\","
                + "\"vocabularyFromData\":true,\"embeddingsFromTeacher\":false}",
            "needs what no file has"));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("malformed")
  void malformedRecipe_isRefused(String member, String value, String message) {
    RecipeDescription description = RecipeDescription.of(changed(member, value));
    assertThatThrownBy(() -> RecipeDescriber.restore(description))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(message);
  }
}
