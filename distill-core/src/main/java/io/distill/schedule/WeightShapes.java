package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.List;

/** The weight schedules of this library; values, so that a recipe can be written down. */
final class WeightShapes {

  private WeightShapes() {}

  static void check(String name, double weight) {
    checkArgument(
        Double.isFinite(weight) && weight >= 0,
        "%s must be finite and at least 0 but was %s",
        name,
        weight);
  }

  record Constant(double weight) implements WeightSchedule {
    Constant {
      check("weight", weight);
    }

    @Override
    public double at(Progress progress) {
      return weight;
    }
  }

  record Linear(double first, double last) implements WeightSchedule {
    Linear {
      check("first", first);
      check("last", last);
    }

    @Override
    public double at(Progress progress) {
      return Curves.linear(first, last, progress.fraction());
    }
  }

  record Cosine(double first, double last) implements WeightSchedule {
    Cosine {
      check("first", first);
      check("last", last);
    }

    @Override
    public double at(Progress progress) {
      return Curves.cosine(first, last, progress.fraction());
    }
  }

  record WarmUp(int epochs) implements WeightSchedule {
    WarmUp {
      checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
    }

    @Override
    public double at(Progress progress) {
      return Math.min(1, (progress.epoch() + 1.0) / epochs);
    }
  }

  record WarmUpSteps(long steps) implements WeightSchedule {
    WarmUpSteps {
      checkArgument(steps >= 1, "steps must be at least 1 but was %s", steps);
    }

    @Override
    public double at(Progress progress) {
      return Math.min(1, (progress.step() + 1.0) / steps);
    }
  }

  record Table(List<Double> perEpoch) implements WeightSchedule {
    Table {
      perEpoch = List.copyOf(perEpoch);
      Curves.checkTable(perEpoch, WeightShapes::check);
    }

    @Override
    public double at(Progress progress) {
      return perEpoch.get(Math.min(progress.epoch(), perEpoch.size() - 1));
    }
  }

  record Interpolated(Polyline byFraction) implements WeightSchedule {
    Interpolated {
      requireNonNull(byFraction, "byFraction").checkValues("byFraction", WeightShapes::check);
    }

    @Override
    public double at(Progress progress) {
      return byFraction.at(progress.fraction());
    }
  }

  record Product(WeightSchedule first, WeightSchedule second) implements WeightSchedule {
    Product {
      requireNonNull(first, "first");
      requireNonNull(second, "second");
    }

    /** Two constants make one, which reads better where a recipe is written down. */
    static WeightSchedule of(WeightSchedule first, WeightSchedule second) {
      return first instanceof Constant one
              && second instanceof Constant other
              && Double.isFinite(one.weight * other.weight)
          ? new Constant(one.weight * other.weight)
          : new Product(first, second);
    }

    @Override
    public double at(Progress progress) {
      return first.at(progress) * second.at(progress);
    }
  }
}
