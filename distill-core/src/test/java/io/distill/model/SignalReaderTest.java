package io.distill.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SignalReaderTest {

  private NDManager manager;

  @BeforeEach
  void open() {
    manager = NativeEngine.newManager(Device.cpu());
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private NDArray array(String name, long... shape) {
    NDArray array = manager.ones(new Shape(shape));
    array.setName(name);
    return array;
  }

  private Signals read(NDArray... outputs) {
    return SignalReader.standard().read(new NDList(outputs), new NDList());
  }

  @Test
  void outputs_withNames_areReadByName() {
    NDArray tenth = array("hidden_states.10", 2, 4);
    NDArray second = array("hidden_states.2", 2, 4);
    NDArray scores = array("attention_scores.0", 2, 1, 4, 4);
    NDArray logits = array("logits", 2, 3);
    NDArray pooled = array("pooler_output", 2, 4);
    NDArray other = array("loss", 1);
    Signals signals = read(tenth, second, other, scores, pooled, logits);
    assertThat(signals.hiddenStates()).hasSize(2);
    assertThat(signals.hiddenStates().get(0)).isSameAs(second);
    assertThat(signals.hiddenStates().get(1)).isSameAs(tenth);
    assertThat(signals.attentionScores().get(0)).isSameAs(scores);
    assertThat(signals.logits()).isSameAs(logits);
    assertThat(signals.embedding()).isSameAs(pooled);
  }

  @Test
  void queriesKeysAndValues_areReadByName() {
    NDArray second = array("queries.1", 2, 1, 4, 3);
    NDArray first = array("queries.0", 2, 1, 4, 3);
    NDArray key = array("keys.0", 2, 1, 4, 3);
    NDArray value = array("values.0", 2, 1, 4, 3);
    NDArray critic = array("values", 2);
    Signals signals = read(second, value, critic, first, key);
    assertThat(signals.kinds())
        .containsExactlyInAnyOrder(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);
    assertThat(signals.queries()).hasSize(2);
    assertThat(signals.queries().get(0)).isSameAs(first);
    assertThat(signals.queries().get(1)).isSameAs(second);
    assertThat(signals.keys()).hasSize(1);
    assertThat(signals.keys().get(0)).isSameAs(key);
    assertThat(signals.values()).hasSize(1);
    assertThat(signals.values().get(0)).isSameAs(value);
  }

  @Test
  void outputs_withoutNames_areReadByDimension() {
    NDArray logits = manager.ones(new Shape(2, 3));
    NDArray embedding = manager.ones(new Shape(2, 5));
    NDArray first = manager.ones(new Shape(2, 4, 5));
    NDArray second = manager.zeros(new Shape(2, 4, 5));
    NDArray scores = manager.ones(new Shape(2, 1, 4, 4));
    Signals signals = read(logits, first, second, scores, embedding);
    assertThat(signals.logits()).isSameAs(logits);
    assertThat(signals.embedding()).isSameAs(embedding);
    assertThat(signals.hiddenStates().get(1)).isSameAs(second);
    assertThat(signals.attentionScores()).hasSize(1);
    assertThat(read(logits).kinds()).containsExactly(SignalKind.LOGITS);
  }

  @Test
  void mask_isTheSecondInputOfIntegers() {
    NDArray ids = manager.ones(new Shape(2, 4), DataType.INT64);
    NDArray mask = manager.ones(new Shape(2, 4), DataType.INT64);
    NDArray logits = manager.ones(new Shape(2, 3));
    SignalReader reader = SignalReader.standard();
    assertThat(reader.read(new NDList(logits), new NDList(ids, mask)).mask())
        .hasValueSatisfying(value -> assertThat(value).isSameAs(mask));
    assertThat(reader.read(new NDList(logits), new NDList(ids)).mask()).isEmpty();
    assertThat(reader.read(new NDList(logits), new NDList(ids, logits)).mask()).isEmpty();
  }

  @Test
  void outputs_thatFitNothing_areRefused() {
    assertThatThrownBy(() -> read(array("scores", 2, 3)))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "model outputs must be named logits, embedding, pooler_output, hidden_states.N,"
                + " attention_scores.N, queries.N, keys.N or values.N but none is; give a"
                + " SignalReader that names them");
    assertThatThrownBy(() -> read(manager.ones(new Shape(2))))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "model outputs must have 2, 3 or 4 dimensions but one has shape (2); give a"
                + " SignalReader that names them");
  }

  /** DJL reads dictionaries through a hash map: with 12 layers its order is another one. */
  @Test
  void hiddenStates_ofManyLayers_comeInTheOrderOfTheLayers() {
    MultilayerPerceptron deep =
        new MultilayerPerceptron(
            2, IntStream.rangeClosed(1, 12).boxed().toList(), Activation.TANH, 0, 2);
    try (ScriptedModel model =
        ScriptedModel.open(deep, deep.initialWeights(1), Device.cpu(), false)) {
      List<NDArray> states =
          model
              .forward(
                  new NDList(manager.ones(new Shape(1, 2))),
                  Set.of(SignalKind.HIDDEN_STATES),
                  false)
              .hiddenStates();
      assertThat(states.stream().map(state -> state.getShape().get(1)))
          .containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L);
    }
  }
}
