package io.distill.loss;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import com.google.common.collect.Sets;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.function.UnaryOperator;

/** A sum of weighted terms. */
record SumLoss(List<LossTerm> terms) implements DistillationLoss {

  SumLoss {
    terms = List.copyOf(terms);
  }

  static SumLoss of(List<LossTerm> first, List<LossTerm> second) {
    List<LossTerm> all = new ArrayList<>(first);
    all.addAll(second);
    return new SumLoss(all);
  }

  @Override
  public NDArray compute(LossContext context) {
    NDArray sum = null;
    for (int i = 0; i < terms.size(); i++) {
      LossTerm term = terms.get(i);
      NDArray value =
          term.loss()
              .compute(context.nested(prefix(i)))
              .mul((float) term.weightAt(context.progress()));
      sum = sum == null ? value : sum.add(value);
    }
    return sum == null ? context.manager().create(0f) : sum;
  }

  @Override
  public Set<SignalKind> requires() {
    return Sets.union(requiresOfStudent(), requiresOfTeacher()).immutableCopy();
  }

  @Override
  public Set<SignalKind> requiresOfStudent() {
    return union(DistillationLoss::requiresOfStudent);
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return union(DistillationLoss::requiresOfTeacher);
  }

  private Set<SignalKind> union(Function<DistillationLoss, Set<SignalKind>> kinds) {
    Set<SignalKind> union = EnumSet.noneOf(SignalKind.class);
    terms.forEach(term -> union.addAll(kinds.apply(term.loss())));
    return union;
  }

  @Override
  public double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return terms.stream()
        .mapToDouble(term -> term.loss().highestTemperature(ofRun, highest))
        .max()
        .orElse(ofRun);
  }

  @Override
  public boolean requiresLabels() {
    return terms.stream().anyMatch(term -> term.loss().requiresLabels());
  }

  @Override
  public boolean requiresSameClasses() {
    return terms.stream().anyMatch(SumLoss::readsTheSameClasses);
  }

  private static boolean readsTheSameClasses(LossTerm term) {
    return term.loss().requiresSameClasses()
        && term.loss().requiresOfStudent().contains(SignalKind.LOGITS)
        && term.loss().requiresOfTeacher().contains(SignalKind.LOGITS);
  }

  @Override
  public DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return new SumLoss(
        terms.stream()
            .map(
                term ->
                    new LossTerm(term.name(), term.weight(), term.loss().mapInnermost(operation)))
            .toList());
  }

  @Override
  public void prepare(LossSetup setup) {
    for (int i = 0; i < terms.size(); i++) {
      terms.get(i).loss().prepare(new NestedSetup(setup, prefix(i)));
    }
  }

  /** A term may have a layer mapping of its own by default; each decides for itself. */
  @Override
  public DistillationLoss onLayers(LayerMapping mapping) {
    requireNonNull(mapping, "mapping");
    return new SumLoss(
        terms.stream()
            .map(term -> new LossTerm(term.name(), term.weight(), term.loss().onLayers(mapping)))
            .toList());
  }

  /** Keeps the parameters of terms apart when the whole sum is one term, as a named sum is. */
  private static String prefix(int index) {
    return index + ".";
  }

  @Override
  public String name() {
    return String.join("+", terms.stream().map(LossTerm::name).toList());
  }
}
