package io.distill.training;

import io.distill.schedule.Progress;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/**
 * How strongly each term of a loss pulls at the student: the norm of the gradient of each weighted
 * term in all parameters of the student, before clipping.
 *
 * <p>Values of losses cannot be compared, gradients can: a term whose gradient is a hundredth of
 * another's has next to no say. Weights should be chosen by these numbers.
 *
 * @param progress where the run stood; the gradients are those before this step
 * @param norms the L2 norm of each weighted term's gradient over the first batch of the step, by
 *     name
 */
public record GradientScales(Progress progress, Map<String, Double> norms) {

  /** The ratio of the largest to the smallest gradient above which a run warns. */
  public static final double WARNING_RATIO = 100;

  private static final double EXACT = 100;

  /**
   * Copies the map.
   *
   * @param progress where the run stood; the gradients are those before this step
   * @param norms the L2 norm of each weighted term's gradient over the first batch of the step, by
   *     name
   */
  public GradientScales {
    norms = EventMaps.copy(norms);
  }

  /**
   * Compares the strongest term with the weakest one that has a gradient.
   *
   * @return the largest norm divided by the smallest above 0; empty if fewer than two are above 0
   */
  public OptionalDouble ratio() {
    List<Map.Entry<String, Double>> pulling = pulling();
    return pulling.size() < 2
        ? OptionalDouble.empty()
        : OptionalDouble.of(pulling.get(0).getValue() / last(pulling).getValue());
  }

  /**
   * Returns whether the weakest term hardly counts.
   *
   * @return whether {@link #ratio} is above {@link #WARNING_RATIO}
   */
  public boolean unbalanced() {
    OptionalDouble ratio = ratio();
    return ratio.isPresent() && ratio.getAsDouble() > WARNING_RATIO;
  }

  private List<Map.Entry<String, Double>> pulling() {
    return norms.entrySet().stream()
        .filter(term -> term.getValue() > 0)
        .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
        .toList();
  }

  private static <T> T last(List<T> list) {
    return list.get(list.size() - 1);
  }

  /**
   * Says what the numbers mean.
   *
   * @return such as {@code term hint contributes 240 times the gradient of softTargets}
   */
  @Override
  public String toString() {
    List<Map.Entry<String, Double>> pulling = pulling();
    StringBuilder text = new StringBuilder();
    if (pulling.size() >= 2) {
      text.append("term ")
          .append(pulling.get(0).getKey())
          .append(" contributes ")
          .append(rounded(pulling.get(0).getValue() / last(pulling).getValue()))
          .append(" times the gradient of ")
          .append(last(pulling).getKey());
    } else {
      text.append(
          pulling.isEmpty()
              ? "no term contributes a gradient"
              : "only term " + pulling.get(0).getKey() + " contributes a gradient");
    }
    return text.append(" (norms: ")
        .append(
            norms.entrySet().stream()
                .map(term -> String.format(Locale.ROOT, "%s %.3g", term.getKey(), term.getValue()))
                .collect(Collectors.joining(", ")))
        .append(")")
        .toString();
  }

  private static String rounded(double ratio) {
    return String.format(Locale.ROOT, ratio < EXACT ? "%.2g" : "%.0f", ratio);
  }
}
