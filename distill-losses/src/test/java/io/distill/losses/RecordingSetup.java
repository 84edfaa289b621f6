package io.distill.losses;

import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalWidths;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Remembers what a loss declares: parameters by name, buffers by {@code buffer:name}. */
record RecordingSetup(
    SignalWidths student,
    SignalWidths teacher,
    LayerMapping layerMapping,
    int rows,
    Map<String, String> declared)
    implements LossSetup {

  private static final int ROWS = 100;

  static RecordingSetup of(SignalWidths student, SignalWidths teacher) {
    return new RecordingSetup(
        student, teacher, LayerMapping.uniform(), ROWS, new LinkedHashMap<>());
  }

  static RecordingSetup ofEmbeddings(int student, int teacher) {
    return of(
        widths(OptionalInt.of(student), List.of()), widths(OptionalInt.of(teacher), List.of()));
  }

  static RecordingSetup ofHiddenStates(
      List<Integer> student, List<Integer> teacher, LayerMapping mapping) {
    return (RecordingSetup)
        of(widths(OptionalInt.empty(), student), widths(OptionalInt.empty(), teacher))
            .onLayers(mapping);
  }

  private static SignalWidths widths(OptionalInt embedding, List<Integer> hiddenStates) {
    return new SignalWidths(
        OptionalInt.empty(),
        embedding,
        hiddenStates,
        List.of(),
        LayerMapping.numbered(hiddenStates.size()));
  }

  @Override
  public LossSetup onLayers(LayerMapping other) {
    return new RecordingSetup(student, teacher, other, rows, declared);
  }

  @Override
  public void parameter(String name, Shape shape) {
    declared.put(name, shape.toString());
  }

  @Override
  public void parameter(String name, Shape shape, float value) {
    declared.put(name, shape + " = " + value);
  }

  @Override
  public void buffer(String name, Shape shape) {
    declared.put("buffer:" + name, shape.toString());
  }

  @Override
  public void buffer(String name, Shape shape, float value) {
    declared.put("buffer:" + name, shape + " = " + value);
  }
}
