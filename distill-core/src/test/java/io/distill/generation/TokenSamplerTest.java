package io.distill.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class TokenSamplerTest {

  /** Probabilities 0.5, 0.25, 0.15, 0.07 and 0.03, not in order. */
  private static final double[] PROBABILITIES = {0.07, 0.5, 0.03, 0.25, 0.15};

  private static float[] logits() {
    float[] logits = new float[PROBABILITIES.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) Math.log(PROBABILITIES[i]) + 3;
    }
    return logits;
  }

  private static double[] frequencies(Consumer<GenerationOptions.Builder> settings) {
    GenerationOptions.Builder options = GenerationOptions.builder().temperature(1);
    settings.accept(options);
    TokenSampler sampler = new TokenSampler(options.build(), 5, 7);
    int draws = 40_000;
    double[] shares = new double[5];
    for (int i = 0; i < draws; i++) {
      shares[sampler.choose(logits())] += 1.0 / draws;
    }
    return shares;
  }

  private static void assertShares(double[] shares, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      if (expected[i] == 0) {
        assertThat(shares[i]).as("token %s", i).isZero();
      } else {
        assertThat(shares[i]).as("token %s", i).isCloseTo(expected[i], within(0.01));
      }
    }
  }

  @Test
  void temperatureZero_takesTheBest() {
    TokenSampler sampler = new TokenSampler(GenerationOptions.greedy(), 5, 1);
    assertThat(sampler.choose(logits())).isEqualTo(1);
  }

  @Test
  void temperature_one_drawsByProbability() {
    assertShares(frequencies(options -> {}), PROBABILITIES);
  }

  @Test
  void temperature_half_squaresProbabilities() {
    double sum = 0.0049 + 0.25 + 0.0009 + 0.0625 + 0.0225;
    assertShares(
        frequencies(options -> options.temperature(0.5)),
        0.0049 / sum,
        0.25 / sum,
        0.0009 / sum,
        0.0625 / sum,
        0.0225 / sum);
  }

  @Test
  void topK_keepsTheBest() {
    assertShares(frequencies(options -> options.topK(2)), 0, 2 / 3.0, 0, 1 / 3.0, 0);
  }

  @Test
  void topP_keepsTheSmallestSetWithEnough() {
    assertShares(frequencies(options -> options.topP(0.7)), 0, 2 / 3.0, 0, 1 / 3.0, 0);
    assertShares(
        frequencies(options -> options.topP(0.8)), 0, 0.5 / 0.9, 0, 0.25 / 0.9, 0.15 / 0.9);
    assertShares(frequencies(options -> options.topP(1e-9)), 0, 1, 0, 0, 0);
  }

  @Test
  void topP_afterTopK_countsTheMassThatIsLeft() {
    // of 0.5 and 0.25 the first has two thirds
    assertShares(frequencies(options -> options.topK(2).topP(0.6)), 0, 1, 0, 0, 0);
  }

  @Test
  void minP_cutsByTheBest() {
    assertShares(frequencies(options -> options.minP(0.4)), 0, 2 / 3.0, 0, 1 / 3.0, 0);
  }

  @Test
  void nucleus_ofMany_isThatOfASort() {
    Random random = new Random(5);
    for (int round = 0; round < 20; round++) {
      int size = 3000;
      float[] scores = new float[size];
      for (int i = 0; i < size; i++) {
        scores[i] = (float) random.nextGaussian() * (1 + round % 5);
      }
      double mass = 0.05 + 0.0475 * round;
      Set<Integer> allowed = nucleus(scores, mass);
      TokenSampler sampler =
          new TokenSampler(
              GenerationOptions.builder().temperature(1).topP(mass).build(), size, round);
      for (int i = 0; i < 300; i++) {
        assertThat(allowed).contains(sampler.choose(scores.clone()));
      }
    }
  }

  private static Set<Integer> nucleus(float[] scores, double mass) {
    List<Integer> order = new ArrayList<>();
    double all = 0;
    for (int i = 0; i < scores.length; i++) {
      order.add(i);
      all += Math.exp(scores[i]);
    }
    order.sort((a, b) -> Float.compare(scores[b], scores[a]));
    Set<Integer> kept = new TreeSet<>();
    double sum = 0;
    for (int i : order) {
      kept.add(i);
      sum += Math.exp(scores[i]) / all;
      if (sum >= mass + 1e-12) {
        break;
      }
    }
    return kept;
  }

  @Test
  void repetitionPenalty_dividesPositiveAndMultipliesNegativeScores() {
    GenerationOptions options = GenerationOptions.builder().repetitionPenalty(2).build();
    TokenSampler sampler = new TokenSampler(options, 3, 0);
    sampler.saw(0);
    assertThat(sampler.choose(new float[] {3, 2, 0})).isEqualTo(1);
    assertThat(sampler.choose(new float[] {5, 2, 0})).isZero();
    assertThat(sampler.choose(new float[] {-1, -1.5f, -9})).isEqualTo(1);
  }

  @Test
  void paddedVocabulary_isNeverChosenNorCounted() {
    TokenSampler sampler = new TokenSampler(GenerationOptions.greedy(), 2, 0);
    float[] logits = {0, 0, 99};
    assertThat(sampler.choose(logits.clone())).isLessThan(2);
    assertThat(sampler.logProbability(logits, 0)).isCloseTo(Math.log(0.5), within(1e-12));
  }
}
