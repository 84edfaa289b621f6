package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.NamedLayerPair;
import io.distill.provenance.spi.RecipePart;
import io.distill.provenance.spi.RecipeTypes;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.training.Optimizer;
import java.util.LinkedHashMap;
import java.util.Map;

/** The parts of recipes that this module has, each by an example: their classes are hidden. */
public final class CoreTypes implements RecipeTypes {

  /** Stands where an example needs a loss. */
  private record AnyLoss() implements DistillationLoss {
    @Override
    public NDArray compute(LossContext context) {
      return context.manager().create(0f);
    }
  }

  /** Found by the service loader. */
  public CoreTypes() {}

  /** Returns one part of each type, by the name of the type. */
  static Map<String, Object> examples() {
    Map<String, Object> examples = new LinkedHashMap<>();
    temperatures(examples);
    weights(examples);
    learningRates(examples);
    mappings(examples);
    DistillationLoss loss = new AnyLoss();
    examples.put("sum", loss.plus(loss));
    examples.put("named", loss.named("name"));
    examples.put("scoped", loss.onLayers(LayerMapping.last()));
    examples.put("optimizer.adamW", Optimizer.adamW());
    examples.put("optimizer.sgd", Optimizer.sgd(1));
    examples.put("student.encoder", Student.encoder().build());
    examples.put("student.decoder", Student.decoder().build());
    examples.put("student.bagOfEmbeddings", Student.bagOfEmbeddings().build());
    examples.put("student.multilayerPerceptron", Student.multilayerPerceptron().build());
    return examples;
  }

  private static void temperatures(Map<String, Object> examples) {
    examples.put("temperature.constant", TemperatureSchedule.constant(1));
    examples.put("temperature.linear", TemperatureSchedule.linear(2, 1));
    examples.put("temperature.cosine", TemperatureSchedule.cosine(2, 1));
    examples.put("temperature.exponential", TemperatureSchedule.exponential(2, 1));
    examples.put("temperature.step", TemperatureSchedule.step(2, 1, 0.5));
    examples.put("temperature.cyclic", TemperatureSchedule.cyclic(1, 2, 3));
    examples.put("temperature.table", TemperatureSchedule.table(2, 1));
    examples.put("temperature.interpolated", TemperatureSchedule.interpolated(Map.of(0.5, 2.0)));
    examples.put("temperature.byTeacherEntropy", RowTemperature.byTeacherEntropy(1, 2));
    examples.put("temperature.learned", RowTemperature.learned());
  }

  private static void weights(Map<String, Object> examples) {
    WeightSchedule linear = WeightSchedule.linear(0, 1);
    examples.put("weight.constant", WeightSchedule.constant(1));
    examples.put("weight.linear", linear);
    examples.put("weight.cosine", WeightSchedule.cosine(0, 1));
    examples.put("weight.warmUp", WeightSchedule.warmUp(2));
    examples.put("weight.warmUpSteps", WeightSchedule.warmUpSteps(2));
    examples.put("weight.table", WeightSchedule.table(0, 1));
    examples.put("weight.interpolated", WeightSchedule.interpolated(Map.of(0.5, 1.0)));
    examples.put("weight.product", linear.times(linear));
  }

  private static void learningRates(Map<String, Object> examples) {
    LearningRateSchedule constant = LearningRateSchedule.constant();
    examples.put("learningRate.constant", constant);
    examples.put("learningRate.linear", LearningRateSchedule.linear(0));
    examples.put("learningRate.cosine", LearningRateSchedule.cosine(0));
    examples.put("learningRate.step", LearningRateSchedule.step(1, 0.5));
    examples.put("learningRate.warmUp", constant.withWarmUp(1));
  }

  private static void mappings(Map<String, Object> examples) {
    examples.put("mapping.uniform", LayerMapping.uniform());
    examples.put("mapping.last", LayerMapping.last());
    examples.put("mapping.first", LayerMapping.first());
    examples.put("mapping.pairs", LayerMapping.of(new LayerPair(0, 0)));
    examples.put("mapping.byName", LayerMapping.byName(new NamedLayerPair("a", "b")));
    examples.put("mapping.manyToOne", LayerMapping.manyToOne());
    examples.put("mapping.random", LayerMapping.random());
    examples.put("mapping.allPairs", LayerMapping.learned());
  }

  @Override
  public Map<String, Class<? extends Record>> types() {
    Map<String, Class<? extends Record>> types = new LinkedHashMap<>();
    examples().forEach((name, example) -> types.put(name, type(example)));
    return types;
  }

  private static Class<? extends Record> type(Object example) {
    Object written = example instanceof RecipePart part ? part.description() : example;
    return written.getClass().asSubclass(Record.class);
  }
}
