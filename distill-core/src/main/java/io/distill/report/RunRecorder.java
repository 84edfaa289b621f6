package io.distill.report;

import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * Keeps the curves of a run in bounded memory: once there are more than {@value #MAX_POINTS}
 * points, neighbours are merged and each point stands for twice as many steps.
 *
 * <p>A run that goes on from a checkpoint is recorded from there on. Used on one thread, that of
 * the run.
 */
public final class RunRecorder implements TrainingListener {

  /** The largest number of points of a record. */
  public static final int MAX_POINTS = 2000;

  private final EnergyMeter energy;
  private final List<Sum> sums = new ArrayList<>();
  private int stepsPerPoint = 1;

  /** Creates a recorder for one run. */
  public RunRecorder() {
    this(EnergyMeter.ofThisMachine());
  }

  RunRecorder(EnergyMeter energy) {
    this.energy = energy;
  }

  @Override
  public void onRunStart(RunStart event) {
    energy.start();
  }

  @Override
  public void onStep(Step event) {
    energy.read();
    if (sums.isEmpty() || last().steps == stepsPerPoint) {
      if (sums.size() == MAX_POINTS) {
        merge();
      }
      if (sums.isEmpty() || last().steps == stepsPerPoint) {
        sums.add(new Sum(event.progress().step() + 1));
      }
    }
    last().add(event);
  }

  @Override
  public void onRunEnd(RunEnd event) {
    energy.stop();
  }

  private Sum last() {
    return sums.get(sums.size() - 1);
  }

  private void merge() {
    List<Sum> merged = new ArrayList<>();
    for (int i = 0; i < sums.size(); i += 2) {
      Sum sum = sums.get(i);
      if (i + 1 < sums.size()) {
        sum.add(sums.get(i + 1));
      }
      merged.add(sum);
    }
    sums.clear();
    sums.addAll(merged);
    stepsPerPoint *= 2;
  }

  /**
   * Returns what was recorded so far.
   *
   * @return the curves and the energy
   */
  public RunRecord record() {
    return new RunRecord(sums.stream().map(Sum::point).toList(), energy.joules());
  }

  /** Sums over some steps in a row. */
  private static final class Sum {
    private final long firstStep;
    private final Map<String, Double> terms = new LinkedHashMap<>();
    private final Map<String, Double> weights = new LinkedHashMap<>();
    private int steps;
    private double loss;
    private double learningRate;
    private double gradientNorm;
    private double temperature;
    private int withTemperature;

    Sum(long firstStep) {
      this.firstStep = firstStep;
    }

    void add(Step event) {
      steps++;
      loss += event.loss();
      learningRate += event.learningRate();
      gradientNorm += event.gradientNorm();
      event.terms().forEach((name, value) -> terms.merge(name, value, Double::sum));
      event.weights().forEach((name, value) -> weights.merge(name, value, Double::sum));
      if (Double.isFinite(event.temperature())) {
        temperature += event.temperature();
        withTemperature++;
      }
    }

    void add(Sum next) {
      steps += next.steps;
      loss += next.loss;
      learningRate += next.learningRate;
      gradientNorm += next.gradientNorm;
      next.terms.forEach((name, value) -> terms.merge(name, value, Double::sum));
      next.weights.forEach((name, value) -> weights.merge(name, value, Double::sum));
      temperature += next.temperature;
      withTemperature += next.withTemperature;
    }

    RunRecord.Point point() {
      return new RunRecord.Point(
          firstStep,
          firstStep + steps - 1,
          loss / steps,
          means(terms),
          means(weights),
          learningRate / steps,
          withTemperature == 0
              ? OptionalDouble.empty()
              : OptionalDouble.of(temperature / withTemperature),
          gradientNorm / steps);
    }

    private Map<String, Double> means(Map<String, Double> sums) {
      Map<String, Double> means = new LinkedHashMap<>();
      sums.forEach((name, sum) -> means.put(name, sum / steps));
      return means;
    }
  }
}
