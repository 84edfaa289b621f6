package io.distill.losses;

import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalWidths;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Remembers what a loss declares. */
record RecordingSetup(
    SignalWidths student, SignalWidths teacher, LayerMapping mapping, Map<String, String> declared)
    implements LossSetup {

  static RecordingSetup ofEmbeddings(int student, int teacher) {
    return new RecordingSetup(
        widths(OptionalInt.of(student), List.of()),
        widths(OptionalInt.of(teacher), List.of()),
        LayerMapping.uniform(),
        new LinkedHashMap<>());
  }

  static RecordingSetup ofHiddenStates(
      List<Integer> student, List<Integer> teacher, LayerMapping mapping) {
    return new RecordingSetup(
        widths(OptionalInt.empty(), student),
        widths(OptionalInt.empty(), teacher),
        mapping,
        new LinkedHashMap<>());
  }

  private static SignalWidths widths(OptionalInt embedding, List<Integer> hiddenStates) {
    return new SignalWidths(OptionalInt.empty(), embedding, hiddenStates, List.of());
  }

  @Override
  public List<LayerPair> layerPairs() {
    return mapping.checkedPairs(student.hiddenStates().size(), teacher.hiddenStates().size());
  }

  @Override
  public LossSetup onLayers(LayerMapping other) {
    return new RecordingSetup(student, teacher, other, declared);
  }

  @Override
  public void parameter(String name, Shape shape) {
    declared.put(name, shape.toString());
  }

  @Override
  public void parameter(String name, Shape shape, float value) {
    declared.put(name, shape + " = " + value);
  }
}
