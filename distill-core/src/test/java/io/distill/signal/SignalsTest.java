package io.distill.signal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SignalsTest {

  private final NDManager manager = NativeEngine.newManager(Device.cpu());

  @AfterEach
  void closeManager() {
    manager.close();
  }

  private NDArray ones(long... shape) {
    return manager.ones(new Shape(shape));
  }

  private Signals full() {
    return Signals.builder()
        .logits(ones(2, 3))
        .embedding(ones(2, 4))
        .hiddenStates(List.of(ones(2, 5, 6), ones(2, 5, 7)))
        .attentionScores(List.of(ones(2, 8, 5, 5)))
        .layers(SignalKind.QUERIES, List.of(ones(2, 8, 5, 1), ones(2, 8, 5, 1)))
        .layers(SignalKind.KEYS, List.of(ones(2, 8, 5, 2)))
        .layers(SignalKind.VALUES, List.of(ones(2, 8, 5, 3)))
        .logitFactors(new LogitFactors(ones(2, 5, 6), ones(9, 6)))
        .mask(ones(2, 5))
        .build();
  }

  @Test
  void kinds_areThoseGiven() {
    assertThat(full().kinds()).containsExactlyInAnyOrder(SignalKind.values());
    assertThat(Signals.none().kinds()).isEmpty();
    assertThat(Signals.builder().mask(ones(2, 5)).build().kinds()).isEmpty();
    assertThat(Signals.builder().embedding(ones(2, 4)).build().kinds())
        .containsExactly(SignalKind.EMBEDDING);
    assertThatThrownBy(() -> full().kinds().clear())
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void layers_areNumberedUnlessNamed() {
    assertThat(full().layerNames()).containsExactly("0", "1");
    assertThat(full().toBuilder().layerNames(List.of("a", "b")).build().layerNames())
        .containsExactly("a", "b");
    assertThat(full().toBuilder().layerNames(List.of("a")).build().layerNames())
        .as("names of another number of layers")
        .containsExactly("0", "1");
    assertThat(Signals.none().layerNames()).isEmpty();
    assertThat(Signals.none().layerCount()).isZero();
    assertThatThrownBy(() -> Signals.builder().layers(SignalKind.LOGITS, List.of(ones(1, 1))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "kind must be one of [HIDDEN_STATES, ATTENTION_SCORES, QUERIES, KEYS, VALUES] but was"
                + " LOGITS");
  }

  @Test
  void toBuilder_keepsEverythingElse() {
    Signals changed = full().toBuilder().logits(ones(2, 9)).hiddenStates(List.of()).build();
    assertThat(changed.logits().getShape()).isEqualTo(new Shape(2, 9));
    assertThat(changed.kinds())
        .doesNotContain(SignalKind.HIDDEN_STATES)
        .contains(SignalKind.EMBEDDING, SignalKind.QUERIES, SignalKind.LOGIT_FACTORS);
    assertThat(changed.mask()).isPresent();
    assertThat(changed.queries()).hasSize(2);
    assertThat(changed.keys().get(0).getShape()).isEqualTo(new Shape(2, 8, 5, 2));
    assertThat(changed.values().get(0).getShape()).isEqualTo(new Shape(2, 8, 5, 3));
    assertThat(changed.logitFactors().weight().getShape()).isEqualTo(new Shape(9, 6));
  }

  @Test
  void signals_areGivenByName() {
    Signals signals = full();
    assertThat(signals.logits().getShape()).isEqualTo(new Shape(2, 3));
    assertThat(signals.embedding().getShape()).isEqualTo(new Shape(2, 4));
    assertThat(signals.hiddenStates())
        .extracting(NDArray::getShape)
        .containsExactly(new Shape(2, 5, 6), new Shape(2, 5, 7));
    assertThat(signals.attentionScores())
        .extracting(NDArray::getShape)
        .containsExactly(new Shape(2, 8, 5, 5));
    assertThat(signals.mask().orElseThrow().getShape()).isEqualTo(new Shape(2, 5));
    assertThat(Signals.none().mask()).isEmpty();
  }

  @Test
  void absentSignal_isNamedWithThoseThatAreThere() {
    Signals signals = Signals.builder().logits(ones(2, 3)).build();
    String end =
        " must be present but the model gave [LOGITS]; ask for it in"
            + " DistillationLoss.requires()";
    assertThatThrownBy(signals::embedding)
        .isInstanceOf(DistillationException.class)
        .hasMessage("signal EMBEDDING" + end);
    assertThatThrownBy(signals::hiddenStates).hasMessage("signal HIDDEN_STATES" + end);
    assertThatThrownBy(signals::attentionScores).hasMessage("signal ATTENTION_SCORES" + end);
    assertThatThrownBy(Signals.none()::logits)
        .hasMessage(
            "signal LOGITS must be present but the model gave []; ask for it in"
                + " DistillationLoss.requires()");
  }

  @Test
  void map_reachesEveryArrayOnce() {
    List<Shape> seen = new ArrayList<>();
    Signals mapped =
        full()
            .map(
                array -> {
                  seen.add(array.getShape());
                  return array.mul(2f);
                });
    assertThat(seen)
        .containsExactlyInAnyOrder(
            new Shape(2, 3),
            new Shape(2, 4),
            new Shape(2, 5, 6),
            new Shape(2, 5, 7),
            new Shape(2, 8, 5, 5),
            new Shape(2, 8, 5, 1),
            new Shape(2, 8, 5, 1),
            new Shape(2, 8, 5, 2),
            new Shape(2, 8, 5, 3),
            new Shape(2, 5, 6),
            new Shape(9, 6),
            new Shape(2, 5));
    assertThat(mapped.kinds()).containsExactlyInAnyOrder(SignalKind.values());
    assertThat(mapped.logits().getFloat(0, 0)).isEqualTo(2);
    assertThat(mapped.embedding().getShape()).isEqualTo(new Shape(2, 4));
    assertThat(mapped.hiddenStates().get(1).getShape()).isEqualTo(new Shape(2, 5, 7));
    assertThat(mapped.mask().orElseThrow().getFloat(0, 0)).isEqualTo(2);
    assertThat(Signals.none().map(array -> array).kinds()).isEmpty();
  }

  @Test
  void lists_areCopied() {
    List<NDArray> layers = new ArrayList<>(List.of(ones(1, 2)));
    Signals signals = Signals.builder().hiddenStates(layers).build();
    layers.clear();
    assertThat(signals.hiddenStates()).hasSize(1);
  }

  @Test
  void nullSignals_areNamed() {
    Signals.Builder builder = Signals.builder();
    assertNamed("logits", () -> builder.logits(null));
    assertNamed("embedding", () -> builder.embedding(null));
    assertNamed("hiddenStates", () -> builder.hiddenStates(null));
    assertNamed("attentionScores", () -> builder.attentionScores(null));
    assertNamed("mask", () -> builder.mask(null));
  }

  private static void assertNamed(String name, ThrowingCallable call) {
    assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
  }

  @Test
  void toString_listsTheKinds() {
    assertThat(Signals.builder().logits(ones(2, 3)).build()).hasToString("Signals[LOGITS]");
  }

  @Test
  void widths_areLastDimensionsAndHeads() {
    assertThat(SignalWidths.of(full()))
        .isEqualTo(
            new SignalWidths(
                OptionalInt.of(3),
                OptionalInt.of(4),
                List.of(6, 7),
                List.of(8),
                List.of("0", "1")));
    assertThat(SignalWidths.of(Signals.none()))
        .isEqualTo(
            new SignalWidths(
                OptionalInt.empty(), OptionalInt.empty(), List.of(), List.of(), List.of()));
  }

  @Test
  void widths_copyTheirLists() {
    List<Integer> layers = new ArrayList<>(List.of(6));
    SignalWidths widths =
        new SignalWidths(OptionalInt.empty(), OptionalInt.empty(), layers, List.of(), List.of());
    layers.add(7);
    assertThat(widths.hiddenStates()).containsExactly(6);
    assertThatThrownBy(
            () -> new SignalWidths(null, OptionalInt.empty(), List.of(), List.of(), List.of()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("classes");
  }
}
