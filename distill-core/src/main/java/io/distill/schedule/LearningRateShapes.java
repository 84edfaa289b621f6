package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/** The learning-rate schedules of this library; values, so that a recipe can be written down. */
final class LearningRateShapes {

  private LearningRateShapes() {}

  private static void check(String name, double value) {
    checkArgument(value >= 0 && value <= 1, "%s must be between 0 and 1 but was %s", name, value);
  }

  record Constant() implements LearningRateSchedule {
    @Override
    public double factor(Progress progress) {
      return 1;
    }
  }

  record Linear(double last) implements LearningRateSchedule {
    Linear {
      check("last", last);
    }

    @Override
    public double factor(Progress progress) {
      return Curves.linear(1, last, progress.fraction());
    }
  }

  record Cosine(double last) implements LearningRateSchedule {
    Cosine {
      check("last", last);
    }

    @Override
    public double factor(Progress progress) {
      return Curves.cosine(1, last, progress.fraction());
    }
  }

  record Step(int epochs, double factor) implements LearningRateSchedule {
    Step {
      checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
      check("factor", factor);
    }

    @Override
    public double factor(Progress progress) {
      return StrictMath.pow(factor, Math.floorDiv(progress.epoch(), epochs));
    }
  }

  record WarmUp(LearningRateSchedule then, long steps) implements LearningRateSchedule {
    WarmUp {
      requireNonNull(then, "then");
      checkArgument(steps >= 0, "steps must be at least 0 but was %s", steps);
    }

    @Override
    public double factor(Progress progress) {
      if (progress.step() < steps) {
        return (progress.step() + 1.0) / (steps + 1.0);
      }
      return then.factor(
          new Progress(
              progress.epoch(),
              progress.step() - steps,
              Math.max(1, progress.totalSteps() - steps),
              progress.seed()));
    }
  }
}
