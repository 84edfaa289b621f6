package io.distill.teacher.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The arithmetic coder and what is built on it. */
class CoderTest {

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void everything_comesBack(long seed) {
    Random random = new Random(seed);
    FrequencyTable numbers = table(random, NumberCode.SYMBOLS);
    FrequencyTable table = table(random, 1 + random.nextInt(200));
    SetCode sets = new SetCode(40);
    RangeEncoder out = new RangeEncoder();
    List<Runnable> checks = new ArrayList<>();
    RangeDecoder[] in = new RangeDecoder[1];
    for (int i = 0; i < 5000; i++) {
      switch (random.nextInt(5)) {
        case 0 -> {
          int symbol = random.nextInt(table.symbols());
          out.symbol(table, symbol);
          checks.add(() -> assertThat(in[0].symbol(table)).isEqualTo(symbol));
        }
        case 1 -> {
          int count = 1 + random.nextInt(1 << (1 + random.nextInt(29)));
          int value = random.nextInt(count);
          out.uniform(value, count);
          checks.add(() -> assertThat(in[0].uniform(count)).isEqualTo(value));
        }
        case 2 -> {
          int count = random.nextInt(RangeEncoder.TOTAL_BITS + 1);
          int value = random.nextInt(1 << count);
          out.bits(value, count);
          checks.add(() -> assertThat(in[0].bits(count)).isEqualTo(value));
        }
        case 3 -> {
          int number = random.nextInt(1 << (1 + random.nextInt(20)));
          NumberCode.encode(out, numbers, number);
          checks.add(() -> assertThat(NumberCode.decode(in[0], numbers)).isEqualTo(number));
        }
        default -> {
          int size = 1 + random.nextInt(1 << (1 + random.nextInt(16)));
          int count = random.nextInt(Math.min(40, size) + 1);
          int[] set = random.ints(0, size).distinct().limit(count).sorted().toArray();
          sets.encode(out, set, 0, count, 0, size);
          checks.add(
              () -> {
                int[] decoded = new int[count];
                sets.decode(in[0], decoded, 0, count, 0, size);
                assertThat(decoded).isEqualTo(set);
              });
        }
      }
    }
    in[0] = new RangeDecoder(BlockFile.little(out.finish()));
    checks.forEach(Runnable::run);
  }

  private static FrequencyTable table(Random random, int symbols) {
    double[] weights = random.doubles(symbols).map(x -> Math.pow(x, 8)).toArray();
    weights[0] += 1e-9;
    FrequencyTable table = FrequencyTable.of(weights);
    byte[] bytes = new byte[table.bytes()];
    table.write(BlockFile.little(bytes));
    return FrequencyTable.read(BlockFile.little(bytes), symbols);
  }

  @Test
  void bytes_areThoseOfTheInformation() {
    Random random = new Random(5);
    FrequencyTable table = FrequencyTable.of(new double[] {0.9, 0.09, 0.009, 0.001});
    RangeEncoder out = new RangeEncoder();
    double bits = 0;
    for (int i = 0; i < 100_000; i++) {
      double draw = random.nextDouble();
      int symbol = draw < 0.9 ? 0 : draw < 0.99 ? 1 : draw < 0.999 ? 2 : 3;
      bits -= Math.log(table.frequency(symbol) / 32768.0) / Math.log(2);
      out.symbol(table, symbol);
    }
    assertThat(out.finish().length * 8.0).isBetween(bits, bits * 1.001 + 40);
  }

  @Test
  void aRandomSet_takesTheBitsOfAChoice() {
    Random random = new Random(6);
    SetCode sets = new SetCode(50);
    RangeEncoder out = new RangeEncoder();
    int tokens = 1000;
    for (int i = 0; i < tokens; i++) {
      TreeSet<Integer> set = new TreeSet<>();
      while (set.size() < 50) {
        set.add(random.nextInt(32_000));
      }
      int[] numbers = set.stream().mapToInt(Integer::intValue).toArray();
      sets.encode(out, numbers, 0, 50, 0, 32_000);
    }
    // log2 (32000 choose 50) is 534 bits
    assertThat((double) out.finish().length / tokens).isBetween(66.7, 66.9);
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4})
  void arbitraryBytes_decodeToSomething_orAreRefused(long seed) {
    Random random = new Random(seed);
    byte[] bytes = new byte[5000];
    random.nextBytes(bytes);
    FrequencyTable table = table(random, NumberCode.SYMBOLS);
    SetCode sets = new SetCode(40);
    RangeDecoder in = new RangeDecoder(BlockFile.little(bytes));
    assertThatCode(
            () -> {
              for (int i = 0; i < 3000; i++) {
                assertThat(NumberCode.decode(in, table)).isBetween(0, NumberCode.LARGEST);
                assertThat(in.uniform(7)).isBetween(0, 6);
                assertThat(in.bits(5)).isBetween(0, 31);
                try {
                  sets.decode(in, new int[30], 0, 30, 0, 1000);
                } catch (IllegalArgumentException e) {
                  // a half had more numbers than places
                }
              }
            })
        .doesNotThrowAnyException();
  }

  @Test
  void aTableThatDoesNotAddUp_isRefused() {
    byte[] bytes = new byte[4];
    assertThatThrownBy(() -> FrequencyTable.read(BlockFile.little(bytes), 2))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> FrequencyTable.read(BlockFile.little(bytes), 3))
        .hasMessage("a table must have 3 frequencies");
    bytes[1] = 0x40;
    bytes[3] = 0x30;
    assertThatThrownBy(() -> FrequencyTable.read(BlockFile.little(bytes), 2))
        .hasMessage("frequencies of a table must add up to 32768");
    bytes[3] = 0x40;
    assertThat(FrequencyTable.read(BlockFile.little(bytes), 2).frequency(1)).isEqualTo(16384);
  }
}
