package io.distill;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.training.dataset.RandomAccessDataset;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.TrainingListener;
import io.distill.training.TrainingListener.EndReason;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Self-distillation across generations: the same student again and again, each generation taught by
 * the one before. The students get better for some generations, and their ensemble better still.
 *
 * <pre>{@code
 * try (DistillationResults family = BornAgain.from(Teacher.of(plain.student()))
 *     .generation(t -> Distiller.builder().teacher(t).student(student)
 *         .loss(softTargets().plus(hardLabels())).validation(validation))
 *     .generations(5)
 *     .earlyStopping(EarlyStopping.maximising("accuracy").patience(1))
 *     .fit(dataset)) {
 *   family.student().save(directory);                  // the best generation
 *   int[] predicted = family.ensemble().predict(test); // all of them together (BANE)
 * }
 * }</pre>
 *
 * <p>The first generation has the seed of its recipe; later ones have seeds that are drawn from it,
 * so that no two start from the same weights. Immutable; a family holds no state of a run.
 *
 * @see <a href="https://arxiv.org/abs/1805.04770">Furlanello et al., Born-Again Neural Networks,
 *     2018</a>
 */
public final class BornAgain {

  /** The default number of generations. */
  public static final int DEFAULT_GENERATIONS = 3;

  private final Teacher first;
  private final @Nullable Function<? super Teacher, Distiller.Builder> generation;
  private final int generations;
  private final @Nullable EarlyStopping earlyStopping;

  private BornAgain(
      Teacher first,
      @Nullable Function<? super Teacher, Distiller.Builder> generation,
      int generations,
      @Nullable EarlyStopping earlyStopping) {
    this.first = first;
    this.generation = generation;
    this.generations = generations;
    this.earlyStopping = earlyStopping;
  }

  /**
   * Starts a family.
   *
   * @param first who teaches the first generation, such as a student of the same kind that learned
   *     from labels alone; it stays the caller's to close
   * @return a family without a recipe
   */
  public static BornAgain from(Teacher first) {
    return new BornAgain(requireNonNull(first, "first"), null, DEFAULT_GENERATIONS, null);
  }

  /**
   * Returns a family with a recipe.
   *
   * @param generation the recipe of each generation, for the teacher that it is given
   * @return the family; this one is unchanged
   */
  public BornAgain generation(Function<? super Teacher, Distiller.Builder> generation) {
    return new BornAgain(
        first, requireNonNull(generation, "generation"), generations, earlyStopping);
  }

  /**
   * Returns a family with another number of generations.
   *
   * @param generations how many students are trained at most; at least 1; default 3
   * @return the family; this one is unchanged
   * @throws IllegalArgumentException if it is below 1
   */
  public BornAgain generations(int generations) {
    checkArgument(generations >= 1, "generations must be at least 1 but was %s", generations);
    return new BornAgain(first, generation, generations, earlyStopping);
  }

  /**
   * Returns a family that ends when its generations do not get better any more. The results then
   * end with the best generation; those after it are closed and left out.
   *
   * @param rule which metric of the recipe's validation set to watch; its patience counts
   *     generations
   * @return the family; this one is unchanged
   */
  public BornAgain earlyStopping(EarlyStopping rule) {
    return new BornAgain(first, generation, generations, requireNonNull(rule, "rule"));
  }

  /**
   * Trains one generation after the other, on this thread. A generation that is stopped by an
   * interrupt ends the family with it.
   *
   * @param dataset the rows to learn from, the same for all generations
   * @return the results of the generations; close them
   * @throws IllegalStateException if there is no recipe
   * @throws DistillationException as {@link Distiller#fit(DistillationDataset)}, or if early
   *     stopping watches a metric that the recipe does not report; the students of the generations
   *     before are closed
   */
  public DistillationResults fit(DistillationDataset dataset) {
    requireNonNull(dataset, "dataset");
    Function<? super Teacher, Distiller.Builder> recipe = generation;
    if (recipe == null) {
      throw new IllegalStateException(
          "family must have a recipe but has none; call generation(...)");
    }
    List<DistillationResult> results = new ArrayList<>();
    try {
      Teacher teacher = first;
      double best = Double.NaN;
      int bestGeneration = 0;
      for (int number = 1; number <= generations; number++) {
        int earlier = number - 1;
        Distiller distiller =
            recipe.apply(teacher).reseeded(seed -> DerivedSeeds.of(seed, earlier)).build();
        DistillationResult result = distiller.fit(dataset);
        results.add(result);
        if (result.endReason() == EndReason.STOPPED) {
          return new DistillationResults(results);
        }
        if (earlyStopping != null) {
          double value =
              reached(result.history(), distiller.recipe().earlyStopping(), earlyStopping.metric());
          if (earlyStopping.improves(value, best)) {
            best = value;
            bestGeneration = number;
          } else if (number - bestGeneration >= earlyStopping.patience()) {
            break;
          }
        }
        teacher = Teacher.of(result.student());
      }
      if (earlyStopping != null) {
        List<DistillationResult> worse =
            results.subList(Math.max(1, bestGeneration), results.size());
        DistillationResults.close(worse, null);
        worse.clear();
      }
      return new DistillationResults(results);
    } catch (RuntimeException | Error e) {
      DistillationResults.close(results, e);
      throw e;
    }
  }

  /**
   * Returns what the student of a result reached, by the history of its run.
   *
   * @param own the early stopping of the run, if it had one
   */
  static double reached(
      List<TrainingListener.Epoch> history, @Nullable EarlyStopping own, String metric) {
    Double value = null;
    double best = Double.NaN;
    for (TrainingListener.Epoch epoch : history) {
      Double here = metric(epoch, metric);
      if (own == null) {
        value = here == null ? value : here;
      } else {
        // the student is the one of the best trial
        Double watched = metric(epoch, own.metric());
        if (here != null && watched != null && own.improves(watched, best)) {
          best = watched;
          value = here;
        }
      }
    }
    if (value == null) {
      throw new DistillationException(
          "earlyStopping must watch a metric that each generation reports at the end of an epoch but"
              + " '"
              + metric
              + "' is not reported; set a validation set in the recipe, or watch another metric");
    }
    return value;
  }

  private static @Nullable Double metric(TrainingListener.Epoch epoch, String name) {
    return name.equals(EarlyStopping.TRAINING_LOSS)
        ? Double.valueOf(epoch.loss())
        : epoch.metrics().get(name);
  }

  /**
   * Trains one generation after the other on a DJL data set.
   *
   * @param dataset the rows to learn from
   * @return the results of the generations; close them
   * @see #fit(DistillationDataset)
   */
  public DistillationResults fit(RandomAccessDataset dataset) {
    return fit(DistillationDataset.of(dataset));
  }
}
