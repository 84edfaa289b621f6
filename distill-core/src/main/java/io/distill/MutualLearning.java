package io.distill;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.training.dataset.RandomAccessDataset;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.training.internal.OpenStudent;
import io.distill.training.internal.Recipe;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Students that learn from each other and from the labels at the same time, without a teacher.
 *
 * <pre>{@code
 * try (DistillationResults both = MutualLearning.of(
 *         peer -> Distiller.builder().teacher(peer).student(a).loss(softTargets().plus(hardLabels())),
 *         peer -> Distiller.builder().teacher(peer).student(b).loss(softTargets().plus(hardLabels())))
 *     .fit(dataset)) {
 *   both.students().get(0).save(directory);
 * }
 * }</pre>
 *
 * <p>The students take turns, one optimizer step each, on one thread: each step learns from the
 * peers as they stand then, in evaluation mode and without gradients. Of more than two students
 * each learns from the mean of the probabilities of all others, which comes to the mean of one
 * divergence for each. A recipe may also mix its peers with a teacher of its own: {@code
 * Teacher.ensemble(peer, teacher)}.
 *
 * <p><b>Seeds.</b> Recipes of the same seed (the default) see the rows in the same order, as in the
 * paper; their students start from different weights all the same, for that is what they have to
 * tell each other: the first from the recipe's seed, later ones from seeds drawn from it. Recipes
 * of different seeds have their own order each. The same recipes and data give the same students,
 * bit for bit on CPU.
 *
 * <p><b>Students</b> are opened before their peers are known, so they need their own tokenizer, and
 * data with classes (or a number of outputs of their own).
 *
 * <p><b>Checkpoints.</b> Each recipe may keep its own, in a directory of its own; when one student
 * is kept, all are. Runs resume from the newest step at which all students were kept.
 *
 * <p>Immutable; holds no state of a run.
 *
 * @see <a href="https://arxiv.org/abs/1706.00384">Zhang et al., Deep Mutual Learning, 2018</a>
 */
public final class MutualLearning {

  private static final int FEWEST = 2;

  private final List<Function<? super Teacher, Distiller.Builder>> recipes;

  private MutualLearning(List<Function<? super Teacher, Distiller.Builder>> recipes) {
    this.recipes = recipes;
  }

  /**
   * Brings students together.
   *
   * @param recipes one recipe a student, for the teacher that it is given, which is its peers; at
   *     least two
   * @return the group
   * @throws IllegalArgumentException if there are fewer than two
   */
  @SafeVarargs
  public static MutualLearning of(Function<? super Teacher, Distiller.Builder>... recipes) {
    List<Function<? super Teacher, Distiller.Builder>> all = new ArrayList<>();
    for (Function<? super Teacher, Distiller.Builder> recipe : recipes) {
      all.add(requireNonNull(recipe, "recipe"));
    }
    return of(all);
  }

  /**
   * Brings students of one recipe together.
   *
   * @param students the number of students; at least 2
   * @param recipe the recipe of each, for the teacher that it is given, which is its peers
   * @return the group
   * @throws IllegalArgumentException if there are fewer than two students
   */
  public static MutualLearning of(
      int students, Function<? super Teacher, Distiller.Builder> recipe) {
    checkArgument(students >= FEWEST, "students must be at least two but were %s", students);
    return of(Collections.nCopies(students, requireNonNull(recipe, "recipe")));
  }

  private static MutualLearning of(List<Function<? super Teacher, Distiller.Builder>> recipes) {
    checkArgument(
        recipes.size() >= FEWEST, "students must be at least two but were %s", recipes.size());
    return new MutualLearning(List.copyOf(recipes));
  }

  /**
   * Trains all students, on this thread. An interrupt of the thread ends all runs after the present
   * step.
   *
   * @param dataset the rows to learn from, the same for all
   * @return one result a student, in the order of the recipes; close them
   * @throws DistillationException as {@link Distiller#fit(DistillationDataset)}; all students are
   *     closed
   * @throws IllegalArgumentException if two recipes train the same DJL model
   */
  public DistillationResults fit(DistillationDataset dataset) {
    requireNonNull(dataset, "dataset");
    List<Peer> peers = new ArrayList<>();
    recipes.forEach(each -> peers.add(new Peer()));
    List<Recipe> parts = new ArrayList<>();
    for (int i = 0; i < recipes.size(); i++) {
      parts.add(recipes.get(i).apply(othersOf(peers, i)).build().recipe());
    }
    requireDifferentModels(parts);
    // all together first: a peer must not answer for what another one was just told
    Peer sources = new Peer();
    parts.forEach(part -> sources.alsoLearnsFrom(part.teacher()));
    peers.forEach(peer -> peer.alsoLearnsFrom(sources));
    try {
      open(parts, peers, dataset);
      return new DistillationResults(DistillationResult.together(parts, dataset));
    } catch (RuntimeException | Error e) {
      for (Peer peer : peers) {
        try {
          peer.closeStudent();
        } catch (RuntimeException another) {
          e.addSuppressed(another);
        }
      }
      throw e;
    }
  }

  /**
   * Trains all students on a DJL data set.
   *
   * @param dataset the rows to learn from
   * @return one result a student, in the order of the recipes; close them
   * @see #fit(DistillationDataset)
   */
  public DistillationResults fit(RandomAccessDataset dataset) {
    return fit(DistillationDataset.of(dataset));
  }

  private static Teacher othersOf(List<Peer> peers, int index) {
    List<Peer> others = new ArrayList<>(peers);
    others.remove(index);
    return others.size() == 1 ? others.get(0) : Teacher.ensemble(others);
  }

  private static void requireDifferentModels(List<Recipe> parts) {
    Map<Object, Integer> models = new HashMap<>();
    for (int i = 0; i < parts.size(); i++) {
      if (parts.get(i).student() instanceof Student.DjlStudent student) {
        Integer before = models.putIfAbsent(student.model(), i);
        checkArgument(
            before == null,
            "students must be different models but %s and %s both train the DJL model '%s'; copy"
                + " the model",
            before == null ? 0 : before + 1,
            i + 1,
            student.model().getName());
      }
    }
  }

  /** Opens the students, makes them peers, and lets the recipes take them as they are. */
  private static void open(List<Recipe> parts, List<Peer> peers, DistillationDataset dataset) {
    NativeEngine.prepareThread();
    Map<Long, Integer> ofSeed = new HashMap<>();
    for (int i = 0; i < parts.size(); i++) {
      Recipe part = parts.get(i);
      int before = ofSeed.merge(part.seed(), 1, Integer::sum) - 1;
      List<String> names =
          dataset.classNames().isEmpty() ? part.teacher().classNames() : dataset.classNames();
      StudentSetup setup =
          new StudentSetup(
              dataset,
              part.teacher(),
              names.size(),
              names,
              DerivedSeeds.of(part.seed(), before),
              part.device(),
              part.computation());
      DeployableModel model = part.student().open(setup);
      peers.get(i).become(model);
      parts.set(i, part.withStudent(new OpenStudent(part.student(), model)));
    }
  }
}
