package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LengthGroupedSamplerTest {

  private static int[] lengths(int rows) {
    SplittableRandom random = new SplittableRandom(5);
    return IntStream.range(0, rows).map(row -> 3 + random.nextInt(60)).toArray();
  }

  private static List<List<Integer>> nested(List<int[]> batches) {
    return batches.stream().map(batch -> Arrays.stream(batch).boxed().toList()).toList();
  }

  private static long padding(List<int[]> batches, int[] lengths) {
    return batches.stream()
        .mapToLong(
            batch -> {
              int longest = Arrays.stream(batch).map(row -> lengths[row]).max().orElseThrow();
              return Arrays.stream(batch).mapToLong(row -> longest - lengths[row]).sum();
            })
        .sum();
  }

  @ParameterizedTest(name = "rows={0} batchSize={1}")
  @CsvSource({"1, 1", "1, 8", "7, 3", "64, 32", "1000, 7", "5000, 32", "10, 2147483647"})
  void batches_ofEpochAndInOrder_holdEveryRowOnce(int rows, int batchSize) {
    LengthGroupedSampler sampler = LengthGroupedSampler.of(lengths(rows), batchSize, 42);

    for (List<int[]> batches : List.of(sampler.epoch(0), sampler.epoch(1), sampler.inOrder())) {
      assertThat(batches).hasSize(sampler.batchesPerEpoch());
      assertThat(batches.stream().flatMapToInt(Arrays::stream).sorted())
          .containsExactlyElementsOf(IntStream.range(0, rows).boxed().toList());
      assertThat(batches.stream().filter(batch -> batch.length != batchSize).count())
          .isLessThanOrEqualTo(1);
      assertThat(batches).allMatch(batch -> batch.length >= 1 && batch.length <= batchSize);
    }
  }

  @Test
  void epoch_sameSeedAndNumber_isTheSame() {
    int[] lengths = lengths(500);

    assertThat(nested(LengthGroupedSampler.of(lengths, 16, 9).epoch(3)))
        .isEqualTo(nested(LengthGroupedSampler.of(lengths, 16, 9).epoch(3)));
  }

  @Test
  void epoch_otherSeedOrNumber_isAnother() {
    int[] lengths = lengths(500);
    List<List<Integer>> batches = nested(LengthGroupedSampler.of(lengths, 16, 9).epoch(3));

    assertThat(nested(LengthGroupedSampler.of(lengths, 16, 9).epoch(4))).isNotEqualTo(batches);
    assertThat(nested(LengthGroupedSampler.of(lengths, 16, 10).epoch(3))).isNotEqualTo(batches);
  }

  @Test
  void epoch_ofEqualLengths_isTheDocumentedSequence() {
    // written down once: another JVM, or a later version, must give the same
    assertThat(LengthGroupedSampler.of(new int[8], 3, 42).epoch(1))
        .containsExactly(new int[] {0, 7}, new int[] {6, 2, 3}, new int[] {5, 1, 4});
  }

  @Test
  void epoch_rowsOfSimilarLength_shareBatches() {
    int[] lengths = lengths(5000);
    long grouped = padding(LengthGroupedSampler.of(lengths, 32, 1).epoch(0), lengths);
    long plain =
        padding(
            IntStream.range(0, 5000 / 32)
                .mapToObj(i -> IntStream.range(i * 32, i * 32 + 32).toArray())
                .toList(),
            lengths);

    assertThat(grouped).isLessThan(plain / 10);
  }

  @Test
  void epoch_orderOfBatches_isNotByLength() {
    int[] lengths = lengths(5000);
    int[] first =
        LengthGroupedSampler.of(lengths, 10, 1).epoch(0).stream()
            .mapToInt(batch -> lengths[batch[0]])
            .toArray();

    assertThat(IntStream.range(1, first.length).filter(i -> first[i] > first[i - 1]).count())
        .isGreaterThan(100);
  }

  @Test
  void inOrder_sortsStablyShortestFirst() {
    assertThat(LengthGroupedSampler.of(new int[] {5, 2, 5, 1, 2}, 2, 0).inOrder())
        .containsExactly(new int[] {3, 1}, new int[] {4, 0}, new int[] {2});
  }

  @Test
  void of_source_readsItsLengths() {
    TextDataset dataset =
        TextDataset.of(
            List.of(TextExample.unlabelled("the the the"), TextExample.unlabelled("the")));

    assertThat(LengthGroupedSampler.of(dataset.inputs(Tokenizers.small()), 2, 0).inOrder())
        .containsExactly(new int[] {1, 0});
  }

  @Test
  void of_badArguments_areRejected() {
    assertThatThrownBy(() -> LengthGroupedSampler.of(new int[0], 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("lengths must have at least one row but was empty");
    assertThatThrownBy(() -> LengthGroupedSampler.of(new int[1], 0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("batchSize must be at least 1 but was 0");
  }

  @Test
  void splitMix_fromZero_isThePublishedSequence() {
    SplitMix random = new SplitMix(0);

    assertThat(random.next()).isEqualTo(0xE220A8397B1DCDAFL);
    assertThat(random.next()).isEqualTo(0x6E789E6AA1B965F4L);
  }

  @Test
  void splitMix_below_isEven() {
    SplitMix random = new SplitMix(3);
    int[] counts = new int[7];
    for (int i = 0; i < 70_000; i++) {
      counts[random.below(7)]++;
    }

    assertThat(Arrays.stream(counts).boxed()).allMatch(count -> Math.abs(count - 10_000) < 500);
  }
}
