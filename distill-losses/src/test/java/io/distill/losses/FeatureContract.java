package io.distill.losses;

import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalWidths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** The contract on hidden states of one kind; parameters are those that the loss declares. */
abstract class FeatureContract extends DistillationLossContract {

  private static final int ROWS = 5;

  /** What hidden states are; maps of student and teacher differ in height and width. */
  enum Kind {
    VECTORS,
    TOKENS,
    MAPS;

    /** Tokens, or height and width, of the student's layers. */
    private long[] student() {
      return switch (this) {
        case VECTORS -> new long[0];
        case TOKENS -> new long[] {3};
        case MAPS -> new long[] {4, 2};
      };
    }

    private long[] teacher() {
      return this == MAPS ? new long[] {2, 3} : student();
    }

    private long[] shape(int rows, int width, long... positions) {
      return switch (this) {
        case VECTORS -> new long[] {rows, width};
        case TOKENS -> new long[] {rows, positions[0], width};
        case MAPS -> new long[] {rows, width, positions[0], positions[1]};
      };
    }
  }

  private final DistillationLoss loss;
  private final Kind kind;
  private final int student;
  private final int teacher;
  private final int layers;

  FeatureContract(DistillationLoss loss, Kind kind, int student, int teacher, int layers) {
    this.loss = loss;
    this.kind = kind;
    this.student = student;
    this.teacher = teacher;
    this.layers = layers;
  }

  @Override
  final DistillationLoss loss() {
    return loss;
  }

  @Override
  LossCase example() {
    Values mask =
        kind == Kind.TOKENS
            ? new Values(new float[] {1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0}, ROWS, 3)
            : null;
    List<Values> of = new ArrayList<>();
    List<Values> from = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      of.add(Values.drawn(1 + i, 2, kind.shape(ROWS, student, kind.student())));
      from.add(Values.drawn(11 + i, 2, kind.shape(ROWS, teacher, kind.teacher())));
    }
    return prepared(loss, LossCase.layers(of, from, mask), 21);
  }

  /** Gives a case what the loss declares: numbers around those with which a run would start. */
  static LossCase prepared(DistillationLoss loss, LossCase given, long seed) {
    Declared declared = new Declared(widths(given.student()), widths(given.teacher()), seed);
    loss.prepare(declared);
    return given.withParameters(declared.parameters).withBuffers(declared.buffers);
  }

  private static SignalWidths widths(List<Values> layers) {
    List<Integer> widths =
        layers.stream()
            .map(Values::shape)
            .map(shape -> (int) shape[shape.length == 3 ? 2 : 1])
            .toList();
    return new SignalWidths(
        OptionalInt.empty(),
        OptionalInt.of(widths.get(0)),
        widths,
        List.of(),
        LayerMapping.numbered(widths.size()));
  }

  @Override
  Line<LossCase> agreement() {
    if (student != teacher) {
      return Line.doesNotApply("a projector between widths is learned; see equal widths");
    }
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()));
  }

  @Override
  Line<Sliced> sliced() {
    if (kind != Kind.TOKENS) {
      return Line.doesNotApply("without tokens every row counts");
    }
    LossCase example = example();
    Values all = new Values(new float[] {1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0}, ROWS, 3);
    Values cut = new Values(new float[] {1, 1, 1, 1, 1, 0, 1, 1, 1, 1}, ROWS, 2);
    return Line.holds(
        new Sliced(
            example.withMask(all),
            example
                .mapStudent(FeatureContract::withoutLastToken)
                .mapTeacher(FeatureContract::withoutLastToken)
                .withMask(cut)));
  }

  static Values withoutLastToken(Values values) {
    long[] shape = values.shape();
    int row = (int) (shape[1] * shape[2]);
    int kept = row - (int) shape[2];
    double[] cut = new double[values.rows() * kept];
    for (int i = 0; i < values.rows(); i++) {
      System.arraycopy(values.doubles(), i * row, cut, i * kept, kept);
    }
    return new Values(cut, shape[0], shape[1] - 1, shape[2]);
  }

  @Override
  Line<LossCase> nothing() {
    return kind == Kind.TOKENS
        ? Line.holds(example().withMask(Values.zeros(ROWS, 3)))
        : Line.doesNotApply("without tokens every row counts");
  }

  @Override
  Map<String, LossCase> misfits() {
    String form =
        "student and teacher hidden states must %s but were %s (student, layer 0) and %s (teacher, layer 0); %s";
    String of = text(kind.shape(ROWS, student, kind.student()));
    long[] rows = kind.shape(ROWS - 1, teacher, kind.teacher());
    long[] dimensions =
        new long[kind == Kind.MAPS ? 2 : kind.shape(1, 1, kind.student()).length + 1];
    Arrays.fill(dimensions, 5);
    long[] tokens = {ROWS, 4, teacher};
    boolean text = kind == Kind.TOKENS;
    Map<String, LossCase> misfits = new LinkedHashMap<>();
    misfits.put(
        form.formatted(
            text ? "have the same rows and tokens" : "have the same rows",
            of,
            text(rows),
            text ? "give both models the same tokenizer" : "give both models the same batch"),
        example().mapTeacher(values -> Values.drawn(9, 1, rows)));
    misfits.put(
        form.formatted(
            "both have shape (rows, width), (rows, tokens, width) or (rows, channels, height,"
                + " width)",
            of,
            text(dimensions),
            "pair other layers"),
        example().mapTeacher(values -> Values.drawn(9, 1, dimensions)));
    if (text) {
      misfits.put(
          form.formatted(
              "have the same rows and tokens",
              of,
              text(tokens),
              "give both models the same tokenizer"),
          example().mapTeacher(values -> Values.drawn(9, 1, tokens)));
    }
    return misfits;
  }

  private static String text(long... shape) {
    return new Shape(shape).toString();
  }

  /** Draws what a loss declares. */
  private static final class Declared implements LossSetup {
    private final SignalWidths student;
    private final SignalWidths teacher;
    private final Map<String, Values> parameters = new LinkedHashMap<>();
    private final Map<String, Values> buffers = new LinkedHashMap<>();
    private final long seed;

    Declared(SignalWidths student, SignalWidths teacher, long seed) {
      this.student = student;
      this.teacher = teacher;
      this.seed = seed;
    }

    @Override
    public SignalWidths student() {
      return student;
    }

    @Override
    public SignalWidths teacher() {
      return teacher;
    }

    @Override
    public int rows() {
      return ROWS;
    }

    @Override
    public LayerMapping layerMapping() {
      return LayerMapping.uniform();
    }

    @Override
    public LossSetup onLayers(LayerMapping mapping) {
      throw new UnsupportedOperationException("these losses leave the mapping to their wrapper");
    }

    private Values drawn(Shape shape, double center) {
      double[] numbers = Values.drawn(seed + parameters.size(), 0.75, shape.getShape()).doubles();
      return new Values(
          Arrays.stream(numbers).map(number -> center + number).toArray(), shape.getShape());
    }

    @Override
    public void parameter(String name, Shape shape) {
      parameters.putIfAbsent(name, drawn(shape, 0));
    }

    @Override
    public void parameter(String name, Shape shape, float value) {
      parameters.putIfAbsent(name, drawn(shape, value));
    }

    @Override
    public void buffer(String name, Shape shape) {
      buffers.putIfAbsent(name, drawn(shape, 0));
    }

    @Override
    public void buffer(String name, Shape shape, float value) {
      Values zeros = Values.zeros(shape.getShape());
      buffers.putIfAbsent(
          name,
          new Values(
              Arrays.stream(zeros.doubles()).map(number -> value).toArray(), shape.getShape()));
    }
  }
}
