package io.distill.mapping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.schedule.Progress;
import java.util.Arrays;
import java.util.List;
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
