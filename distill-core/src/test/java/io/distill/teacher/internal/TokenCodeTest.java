package io.distill.teacher.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenCodeTest {

  private static final int WIDTH = 32_000;

  private static TopKTables tables(Distributions source, int width, int k, int tokens) {
    TopKTables.Counter counter = new TopKTables.Counter(width, k);
    for (int i = 0; i < tokens; i++) {
      Distributions.count(counter, Distributions.softmax(source.logits()), k);
    }
    return TopKTables.read(BlockFile.little(counter.build().bytes()), width, k);
  }

  private static double[] decoded(TokenCode code, TopKTables tables, RangeDecoder in) {
    long[] ids = new long[tables.topK()];
    float[] values = new float[tables.topK()];
    float base = code.decode(in, ids, values, 0);
    float[] logits = new float[tables.width()];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = base + tables.tailLogarithms()[i];
    }
    for (int i = 0; i < ids.length; i++) {
      logits[(int) ids[i]] = values[i];
    }
    return Distributions.softmax(logits);
  }

  @ParameterizedTest(name = "favourites={0}")
  @CsvSource({"true, 95", "false, 113.5"})
  void aVocabularyOf32000_withTheTop50_takesAtMost114Bytes(boolean favourites, double most) {
    int k = 50;
    Distributions source = new Distributions(WIDTH, favourites, favourites ? 1.5 : 0.3, 7);
    TopKTables tables = tables(source, WIDTH, k, 100);
    TokenCode code = new TokenCode(tables);
    RangeEncoder out = new RangeEncoder();
    List<double[]> teacher = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      teacher.add(Distributions.softmax(source.logits()));
      code.encode(out, Distributions.round(teacher.get(i), k));
    }
    byte[] bytes = out.finish();
    assertThat(bytes.length / 64.0).isLessThan(most);
    RangeDecoder in = new RangeDecoder(BlockFile.little(bytes));
    double divergence = 0;
    double plain = 0;
    for (double[] p : teacher) {
      double[] q = decoded(code, tables, in);
      assertThat(apart(p, q, k)).as("of the top and the rest").isLessThan(1.0 / (1 << 16));
      divergence += Distributions.divergence(p, q);
      plain += Distributions.divergence(p, Distributions.bfloat16(p, k));
    }
    assertThat(divergence).isLessThanOrEqualTo(plain);
  }

  /** The divergence of the k kept entries and the rest as one. */
  private static double apart(double[] p, double[] q, int k) {
    int[] top = Distributions.top(p, k);
    double rest = Distributions.tail(p, top);
    double sum = rest * Math.log(rest / Distributions.tail(q, top));
    for (int i : top) {
      sum += p[i] * Math.log(p[i] / q[i]);
    }
    return sum;
  }

  @ParameterizedTest(name = "k={0}")
  @CsvSource({"1", "2", "8", "127", "128", "1000"})
  void everyLogProbability_isWithinAnEighth(int k) {
    Distributions source = new Distributions(2000, true, 3, k);
    TopKTables tables = tables(source, 2000, k, 20);
    TokenCode code = new TokenCode(tables);
    RangeEncoder out = new RangeEncoder();
    List<double[]> teacher = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      teacher.add(Distributions.softmax(source.logits()));
      code.encode(out, Distributions.round(teacher.get(i), k));
    }
    RangeDecoder in = new RangeDecoder(BlockFile.little(out.finish()));
    for (double[] p : teacher) {
      double[] q = decoded(code, tables, in);
      for (int i : Distributions.top(p, k)) {
        assertThat(Math.abs(Math.log(q[i] / p[i]))).isLessThan(0.126);
      }
    }
  }

  @Test
  void extremes_comeBack() {
    int width = 100;
    int k = 10;
    TopKTables tables = tables(new Distributions(width, true, 1, 1), width, k, 30);
    TokenCode code = new TokenCode(tables);
    float[] certain = new float[width];
    certain[3] = 90;
    float[] two = new float[width];
    Arrays.fill(two, Float.NEGATIVE_INFINITY);
    two[4] = 1;
    two[90] = 0;
    float[] even = new float[width];
    float[] one = two.clone();
    one[4] = Float.NEGATIVE_INFINITY;
    for (float[] logits : List.of(certain, two, even, one)) {
      double[] p = Distributions.softmax(logits);
      RangeEncoder out = new RangeEncoder();
      code.encode(out, Distributions.round(p, k));
      double[] q = decoded(code, tables, new RangeDecoder(BlockFile.little(out.finish())));
      assertThat(apart(p, q)).isLessThan(1e-4);
      for (int i = 0; i < width; i++) {
        assertThat(q[i] == 0).as("ruled out " + i).isEqualTo(logits[i] < -1e30f);
      }
    }
  }

  private static double apart(double[] p, double[] q) {
    double largest = 0;
    for (int i = 0; i < p.length; i++) {
      // an even tail is spread by the tables, so only its sum can be compared
      largest = p[i] > 0.05 ? Math.max(largest, Math.abs(p[i] - q[i])) : largest;
    }
    return largest;
  }

  @Test
  void entriesThatATeacherRulesOut_getNothingOfTheTail() {
    int width = 60;
    int k = 4;
    TopKTables.Counter counter = new TopKTables.Counter(width, k);
    Random random = new Random(3);
    for (int token = 0; token < 40; token++) {
      float[] logits = new float[width];
      for (int i = 0; i < width; i++) {
        logits[i] = i >= 50 ? Float.NEGATIVE_INFINITY : (float) random.nextGaussian();
      }
      Distributions.count(counter, Distributions.softmax(logits), k);
    }
    TopKTables tables = counter.build();
    for (int i = 0; i < width; i++) {
      assertThat(tables.tailShare(i) == 0).isEqualTo(i >= 50);
    }
  }

  @Test
  void theTail_isSpreadAsItWasSeen_ifThatHolds() {
    Distributions favourites = new Distributions(3000, true, 0.5, 1);
    Distributions chance = new Distributions(3000, false, 0.5, 1);
    assertThat(spread(tables(favourites, 3000, 10, 100))).isGreaterThan(2);
    assertThat(spread(tables(chance, 3000, 10, 100))).isLessThan(0.5);
  }

  private static double spread(TopKTables tables) {
    float[] logarithms = tables.tailLogarithms().clone();
    Arrays.sort(logarithms);
    return logarithms[logarithms.length * 9 / 10] - logarithms[logarithms.length / 10];
  }

  @Test
  void arbitraryBits_areATokenOrRefused() {
    int width = 500;
    TopKTables tables = tables(new Distributions(width, true, 1, 1), width, 20, 50);
    TokenCode code = new TokenCode(tables);
    int refused = 0;
    for (int seed = 0; seed < 300; seed++) {
      byte[] bytes = new byte[60];
      new Random(seed).nextBytes(bytes);
      RangeDecoder in = new RangeDecoder(BlockFile.little(bytes));
      long[] ids = new long[20];
      try {
        for (int token = 0; token < 5; token++) {
          float base = code.decode(in, ids, new float[20], 0);
          assertThat(base).isLessThan(20);
          assertThat(Arrays.stream(ids).allMatch(id -> id >= 0 && id < width)).isTrue();
        }
      } catch (IllegalArgumentException e) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }

  @Test
  void tablesOfOtherSize_areRefused() {
    TopKTables tables = tables(new Distributions(100, true, 1, 1), 100, 5, 10);
    byte[] bytes = tables.bytes();
    assertThatThrownBy(() -> TopKTables.read(BlockFile.little(bytes), 101, 5))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> TopKTables.read(BlockFile.little(bytes), 100, 6))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () -> TopKTables.read(BlockFile.little(Arrays.copyOf(bytes, bytes.length + 1)), 100, 5))
        .hasMessage("tables of the top logits must end with their block");
  }
}
