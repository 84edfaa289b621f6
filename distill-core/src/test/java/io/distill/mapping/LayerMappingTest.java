package io.distill.mapping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.schedule.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayerMappingTest {

  private static final Progress START = new Progress(0, 0, 10, 1);

  private static List<LayerPair> checked(LayerMapping mapping, int students, int teachers) {
    return mapping.checkedPairs(
        LayerMapping.numbered(students), LayerMapping.numbered(teachers), START);
  }

  private static List<Integer> teachers(LayerMapping mapping, int students, int teachers) {
    return checked(mapping, students, teachers).stream().map(LayerPair::teacher).toList();
  }

  @ParameterizedTest(name = "{0} on {1}: {2}")
  @CsvSource({
    "1, 1, 0",
    "1, 12, 11",
    "2, 12, 5 11",
    "3, 12, 3 7 11",
    "4, 12, 2 5 8 11",
    "6, 12, 1 3 5 7 9 11",
    "5, 12, 1 3 6 8 11",
    "3, 4, 0 1 3",
    "4, 4, 0 1 2 3",
    "3, 2, 0 0 1",
    "4, 2, 0 0 0 1",
    "5, 1, 0 0 0 0 0",
    "2, 3, 0 2",
  })
  void uniform_spreadsEvenly(int students, int teachers, String expected) {
    assertThat(teachers(LayerMapping.uniform(), students, teachers))
        .isEqualTo(Arrays.stream(expected.split(" ", -1)).map(Integer::valueOf).toList());
  }

  @Test
  void uniform_ofAnyDepths_isSortedAndEndsLastOnLast() {
    for (int students = 1; students <= 30; students++) {
      for (int teachers = 1; teachers <= 30; teachers++) {
        List<LayerPair> pairs = checked(LayerMapping.uniform(), students, teachers);
        assertThat(pairs).hasSize(students);
        for (int i = 0; i < students; i++) {
          assertThat(pairs.get(i).student()).isEqualTo(i);
          // evenly: never a whole layer away from the exact place
          double exact = (i + 1.0) * teachers / students - 1;
          assertThat(Math.max(0, exact) - pairs.get(i).teacher()).isBetween(0.0, 1.0);
        }
        assertThat(pairs).extracting(LayerPair::teacher).isSorted().endsWith(teachers - 1);
        if (students <= teachers) {
          assertThat(pairs).extracting(LayerPair::teacher).doesNotHaveDuplicates();
        }
      }
    }
  }

  @Test
  void last_pairsTheLastLayers() {
    assertThat(checked(LayerMapping.last(), 3, 12)).containsExactly(new LayerPair(2, 11));
  }

  @Test
  void first_pairsAsManyAsBothHave() {
    assertThat(checked(LayerMapping.first(), 3, 2))
        .containsExactly(new LayerPair(0, 0), new LayerPair(1, 1));
    assertThat(checked(LayerMapping.first(), 1, 12)).containsExactly(new LayerPair(0, 0));
  }

  @Test
  void of_namesThePairs() {
    LayerPair[] pairs = {new LayerPair(0, 5), new LayerPair(1, 3)};
    LayerMapping mapping = LayerMapping.of(pairs);
    pairs[0] = new LayerPair(0, 0);
    assertThat(checked(mapping, 2, 6)).hasToString("[0 <- 5, 1 <- 3]");
  }

  @Test
  void of_nothing_isRefused() {
    assertThatThrownBy(LayerMapping::of)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("pairs must not be empty");
    assertThatThrownBy(() -> LayerMapping.of((LayerPair[]) null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("pairs");
  }

  @Test
  void byName_findsLayersByTheirNames() {
    LayerMapping mapping =
        LayerMapping.byName(
            new NamedLayerPair("top", "block.2"),
            new NamedLayerPair("bottom", "block.0"),
            new NamedLayerPair("top", "block.1"));
    List<String> students = List.of("bottom", "top");
    List<String> teachers = List.of("block.0", "block.1", "block.2");
    List<LayerPair> pairs = List.of(new LayerPair(1, 2), new LayerPair(0, 0), new LayerPair(1, 1));
    assertThat(mapping.checkedPairs(students, teachers, START)).isEqualTo(pairs);
    assertThat(mapping.checkedCandidates(students, teachers)).isEqualTo(pairs);
    assertThat(LayerMapping.byName(new NamedLayerPair("1", "3")).pairs(2, 4))
        .containsExactly(new LayerPair(1, 3));
  }

  @Test
  void byName_ofMissingLayers_listsThoseThatExist() {
    List<String> students = List.of("bottom", "top");
    List<String> teachers = List.of("block.0", "block.1", "block.2");
    LayerMapping wrongTeacher = LayerMapping.byName(new NamedLayerPair("top", "block.9"));
    assertThatThrownBy(() -> wrongTeacher.checkedPairs(students, teachers, START))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must name teacher layers that exist, 0 to 2 (block.0, block.1, block.2),"
                + " but named 'block.9'; name one of them");
    LayerMapping wrongStudent = LayerMapping.byName(new NamedLayerPair("2", "0"));
    assertThatThrownBy(() -> checked(wrongStudent, 2, 3))
        .hasMessage(
            "layerMapping must name student layers that exist, 0 to 1, but named '2'; name one of"
                + " them");
    assertThatThrownBy(LayerMapping::byName)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("pairs must not be empty");
  }

  @Test
  void checkedPairs_ofNamedLayers_listsTheNames() {
    LayerMapping wrong = LayerMapping.of(new LayerPair(0, 2));
    assertThatThrownBy(() -> wrong.checkedPairs(List.of("a"), List.of("x", "y"), START))
        .hasMessage(
            "layerMapping must pair student layers 0 to 0 (a) with teacher layers 0 to 1 (x, y) but"
                + " was [0 <- 2]; count layers from 0");
  }

  @Test
  void manyToOne_cutsTheTeacherIntoBlocks() {
    assertThat(checked(LayerMapping.manyToOne(), 2, 5))
        .containsExactly(
            new LayerPair(0, 0),
            new LayerPair(0, 1),
            new LayerPair(1, 2),
            new LayerPair(1, 3),
            new LayerPair(1, 4));
    assertThat(teachers(LayerMapping.manyToOne(), 4, 2)).containsExactly(0, 0, 0, 1);
    for (int students = 1; students <= 12; students++) {
      for (int teachers = students; teachers <= 30; teachers++) {
        List<LayerPair> pairs = checked(LayerMapping.manyToOne(), students, teachers);
        assertThat(pairs).extracting(LayerPair::teacher).isSorted().hasSize(teachers);
        assertThat(pairs).extracting(LayerPair::student).isSorted();
        int[] sizes = new int[students];
        pairs.forEach(pair -> sizes[pair.student()]++);
        assertThat(sizes).containsAnyOf(teachers / students).doesNotContain(0);
        assertThat(Arrays.stream(sizes).max().orElse(0) - teachers / students).isBetween(0, 1);
      }
    }
  }

  private static List<LayerPair> drawn(
      LayerMapping mapping, int students, int teachers, Progress at) {
    return mapping.checkedPairs(
        LayerMapping.numbered(students), LayerMapping.numbered(teachers), at);
  }

  @ParameterizedTest(name = "{0} on {1}")
  @CsvSource({"3, 12", "1, 5", "4, 4", "5, 3", "2, 3"})
  void random_drawsSortedDifferentLayers_andEveryCandidateComesUp(int students, int teachers) {
    LayerMapping mapping = LayerMapping.random();
    Set<LayerPair> seen = new HashSet<>();
    int fewer = Math.min(students, teachers);
    for (int step = 0; step < 2000; step++) {
      List<LayerPair> pairs = drawn(mapping, students, teachers, new Progress(0, step, 2000, 7));
      assertThat(pairs).hasSize(fewer);
      for (int i = 1; i < fewer; i++) {
        assertThat(pairs.get(i).student()).isGreaterThan(pairs.get(i - 1).student());
        assertThat(pairs.get(i).teacher()).isGreaterThan(pairs.get(i - 1).teacher());
      }
      seen.addAll(pairs);
    }
    assertThat(seen)
        .containsExactlyInAnyOrderElementsOf(
            mapping.checkedCandidates(
                LayerMapping.numbered(students), LayerMapping.numbered(teachers)));
  }

  @Test
  void random_drawsEachChoiceEquallyOften() {
    Map<List<LayerPair>, Integer> counts = new HashMap<>();
    int steps = 20000;
    for (int step = 0; step < steps; step++) {
      counts.merge(
          drawn(LayerMapping.random(), 2, 5, new Progress(0, step, steps, 1)), 1, Integer::sum);
    }
    // 10 choices; five standard deviations of a fair draw
    double spread = 5 * Math.sqrt(steps * 0.1 * 0.9);
    assertThat(counts).hasSize(10);
    assertThat(counts.values())
        .allSatisfy(count -> assertThat((double) count).isBetween(2000 - spread, 2000 + spread));
  }

  @Test
  void random_isAFunctionOfSeedAndStepAlone() {
    LayerMapping mapping = LayerMapping.random();
    List<Progress> run = new ArrayList<>();
    for (int step = 0; step < 50; step++) {
      run.add(new Progress(step / 10, step, 50, 3));
    }
    Map<Progress, List<LayerPair>> inOrder = new HashMap<>();
    run.forEach(at -> inOrder.put(at, drawn(mapping, 3, 12, at)));
    Collections.shuffle(run, new Random(1));
    assertThat(run)
        .allSatisfy(at -> assertThat(drawn(mapping, 3, 12, at)).isEqualTo(inOrder.get(at)));
    assertThat(Set.copyOf(inOrder.values())).hasSizeGreaterThan(20);
    // the epoch alone changes nothing, the seed does
    assertThat(drawn(mapping, 3, 12, new Progress(9, 5, 50, 3)))
        .isEqualTo(drawn(mapping, 3, 12, new Progress(0, 5, 50, 3)));
    assertThat(
            IntStream.range(0, 20)
                .filter(
                    step ->
                        !drawn(mapping, 3, 12, new Progress(0, step, 50, 4))
                            .equals(drawn(mapping, 3, 12, new Progress(0, step, 50, 3))))
                .count())
        .isGreaterThan(15);
  }

  /** What a run draws is part of its definition: it must not change from version to version. */
  @Test
  void random_drawsWhatItAlwaysDrew() {
    assertThat(
            IntStream.range(0, 4)
                .mapToObj(
                    step ->
                        drawn(LayerMapping.random(), 3, 12, new Progress(0, step, 9, 42)).stream()
                            .map(LayerPair::teacher)
                            .toList()))
        .containsExactly(
            List.of(1, 3, 10), List.of(4, 6, 8), List.of(4, 5, 10), List.of(4, 10, 11));
  }

  @Test
  void randomEachEpoch_holdsItsDrawThroughoutAnEpoch() {
    LayerMapping mapping = LayerMapping.randomEachEpoch();
    Set<List<LayerPair>> draws = new HashSet<>();
    for (int epoch = 0; epoch < 20; epoch++) {
      List<LayerPair> first = drawn(mapping, 3, 12, new Progress(epoch, 10L * epoch, 300, 3));
      assertThat(drawn(mapping, 3, 12, new Progress(epoch, 10L * epoch + 7, 300, 3)))
          .isEqualTo(first);
      draws.add(first);
    }
    assertThat(draws).hasSizeGreaterThan(15);
  }

  @Test
  void learnedAndEarthMovers_pairAllLayers() {
    for (LayerMapping mapping : List.of(LayerMapping.learned(), LayerMapping.earthMovers())) {
      assertThat(checked(mapping, 2, 3))
          .containsExactly(
              new LayerPair(0, 0),
              new LayerPair(0, 1),
              new LayerPair(0, 2),
              new LayerPair(1, 0),
              new LayerPair(1, 1),
              new LayerPair(1, 2));
    }
    assertThat(LayerMapping.learned().weighting()).isEqualTo(LayerWeighting.LEARNED);
    assertThat(LayerMapping.earthMovers().weighting())
        .isEqualTo(LayerWeighting.EARTH_MOVERS_DISTANCE);
    assertThat(LayerMapping.random().weighting()).isEqualTo(LayerWeighting.EQUAL);
  }

  @Test
  void lambda_isAMapping() {
    LayerMapping mapping = (students, teachers) -> List.of(new LayerPair(0, teachers / 2));
    assertThat(checked(mapping, 4, 12)).containsExactly(new LayerPair(0, 6));
  }

  @Test
  void checkedPairs_toMissingLayer_namesBothRanges() {
    LayerMapping tooDeepTeacher = LayerMapping.of(new LayerPair(1, 12));
    assertThatThrownBy(() -> checked(tooDeepTeacher, 2, 12))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must pair student layers 0 to 1 with teacher layers 0 to 11 but was"
                + " [1 <- 12]; count layers from 0");
    LayerMapping tooDeepStudent = LayerMapping.of(new LayerPair(2, 0));
    assertThatThrownBy(() -> checked(tooDeepStudent, 2, 12))
        .hasMessage(
            "layerMapping must pair student layers 0 to 1 with teacher layers 0 to 11 but was"
                + " [2 <- 0]; count layers from 0");
  }

  @Test
  void checkedPairs_ofNothing_isRefused() {
    LayerMapping empty = (students, teachers) -> List.of();
    assertThatThrownBy(() -> checked(empty, 1, 2))
        .hasMessage(
            "layerMapping must pair student layers 0 to 0 with teacher layers 0 to 1 but was [];"
                + " count layers from 0");
    LayerMapping broken = (students, teachers) -> null;
    assertThatThrownBy(() -> checked(broken, 1, 2))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("but was null");
  }

  @Test
  void pairOfNegativeLayer_isRefused() {
    assertThatThrownBy(() -> new LayerPair(-1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("student layer must be at least 0 but was -1");
    assertThatThrownBy(() -> new LayerPair(0, -2))
        .hasMessage("teacher layer must be at least 0 but was -2");
  }
}
