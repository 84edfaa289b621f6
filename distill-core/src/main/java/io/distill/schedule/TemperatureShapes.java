package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.List;

/** The temperature schedules of this library; values, so that a recipe can be written down. */
final class TemperatureShapes {

  private TemperatureShapes() {}

  static void check(String name, double temperature) {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "%s must be finite and greater than 0 but was %s",
        name,
        temperature);
  }

  record Constant(double temperature) implements TemperatureSchedule {
    Constant {
      check("temperature", temperature);
    }

    @Override
    public double at(Progress progress) {
      return temperature;
    }
  }

  record Linear(double first, double last) implements TemperatureSchedule {
    Linear {
      check("first", first);
      check("last", last);
    }

    @Override
    public double at(Progress progress) {
      return Curves.linear(first, last, progress.fraction());
    }
  }

  record Cosine(double first, double last) implements TemperatureSchedule {
    Cosine {
      check("first", first);
      check("last", last);
    }

    @Override
    public double at(Progress progress) {
      return Curves.cosine(first, last, progress.fraction());
    }
  }

  record Exponential(double first, double last) implements TemperatureSchedule {
    Exponential {
      check("first", first);
      check("last", last);
    }

    @Override
    public double at(Progress progress) {
      return Curves.exponential(first, last, progress.fraction());
    }
  }

  record Step(double first, int epochs, double factor) implements TemperatureSchedule {
    Step {
      check("first", first);
      checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
      check("factor", factor);
    }

    @Override
    public double at(Progress progress) {
      return first * StrictMath.pow(factor, Math.floorDiv(progress.epoch(), epochs));
    }
  }

  record Cyclic(double low, double high, int cycles) implements TemperatureSchedule {
    Cyclic {
      check("low", low);
      check("high", high);
      checkArgument(cycles >= 1, "cycles must be at least 1 but was %s", cycles);
    }

    @Override
    public double at(Progress progress) {
      return Curves.triangle(low, high, cycles * progress.fraction());
    }
  }

  record Table(List<Double> perEpoch) implements TemperatureSchedule {
    Table {
      perEpoch = List.copyOf(perEpoch);
      Curves.checkTable(perEpoch, TemperatureShapes::check);
    }

    @Override
    public double at(Progress progress) {
      return perEpoch.get(Math.min(progress.epoch(), perEpoch.size() - 1));
    }
  }

  record Interpolated(Polyline byFraction) implements TemperatureSchedule {
    Interpolated {
      requireNonNull(byFraction, "byFraction").checkValues("byFraction", TemperatureShapes::check);
    }

    @Override
    public double at(Progress progress) {
      return byFraction.at(progress.fraction());
    }
  }
}
