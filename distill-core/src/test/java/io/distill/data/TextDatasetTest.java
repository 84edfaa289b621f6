package io.distill.data;

import static io.distill.data.TextExample.labelled;
import static io.distill.data.TextExample.unlabelled;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.training.TinyRuns;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class TextDatasetTest {

  private final TextDataset dataset =
      TextDataset.of(
          Stream.of(
              labelled("the refund", "refund"),
              unlabelled("hello world he"),
              labelled("the invoice", "invoice"),
              new TextExample("password", " "),
              labelled("invoice 100", "invoice")));

  @Test
  void of_examples_sortsClassesAndKeepsRows() {
    assertThat(dataset.size()).isEqualTo(5);
    assertThat(dataset.classNames()).containsExactly("invoice", "refund");
    assertThat(IntStream.range(0, 5).map(dataset::label)).containsExactly(1, -1, 0, -1, 0);
    assertThat(dataset.labelledRows()).containsExactly(0, 2, 4);
    assertThat(dataset.unlabelledRows()).containsExactly(1, 3);
    assertThat(dataset.text(3)).isEqualTo("password");
    assertThat(dataset.texts()).hasSize(5).startsWith("the refund");
    assertThat(dataset).hasToString("TextDataset[5 rows, 3 labelled, 2 classes]");
  }

  @Test
  void of_unlabelledExamples_hasNoClasses() {
    assertThat(TextDataset.of(List.of(unlabelled("x"))).classNames()).isEmpty();
  }

  @Test
  void of_noExamples_isRejected() {
    assertThatThrownBy(() -> TextDataset.of(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("examples must have at least one row but was empty");
  }

  @Test
  void arguments_null_areNamed() {
    assertNamed("examples", () -> TextDataset.of(TextDatasetTest.<List<TextExample>>nothing()));
    assertNamed("examples", () -> TextDataset.of(TextDatasetTest.<Stream<TextExample>>nothing()));
    assertNamed("path", () -> TextDataset.csv(nothing()));
    assertNamed("name", () -> TextDataset.csv(Path.of("x")).textColumn(nothing()));
    assertNamed("name", () -> TextDataset.csv(Path.of("x")).labelColumn(nothing()));
    assertNamed("names", () -> dataset.classes(nothing()));
    assertNamed("newLabels", () -> dataset.withLabels(nothing()));
    assertNamed("rows", () -> dataset.subset(nothing()));
    assertNamed("other", () -> dataset.plus(nothing()));
    assertNamed("manager", () -> dataset.inputs(null).batch(nothing(), new int[1]));
    assertNamed("lengths", () -> LengthGroupedSampler.of(TextDatasetTest.<int[]>nothing(), 1, 0));
    assertNamed("text", () -> Tokenizers.small().encode(nothing()));
    assertNamed("texts", () -> Tokenizers.small().trimmedTo(nothing()));
    assertNamed("piece", () -> Tokenizers.small().id(nothing()));
    assertNamed("dataset", () -> DistillationDataset.of(nothing()));
  }

  private static void assertNamed(String name, ThrowingCallable action) {
    assertThatThrownBy(action).isInstanceOf(NullPointerException.class).hasMessage(name);
  }

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nothing() {
    return null;
  }

  @Test
  void rows_outOfRange_areRejected() {
    assertThatThrownBy(() -> dataset.label(5)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> dataset.id(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> dataset.text(5)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> dataset.inputs(null).length(5))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void id_ofEqualTexts_isStable() {
    TextDataset reversed = dataset.subset(new int[] {4, 3, 2, 1, 0});

    assertThat(dataset.id(0)).isEqualTo(reversed.id(4)).hasSize(24).matches("[0-9a-f]+");
    // the start of the SHA-256 digest of the text: caches on disk rely on it
    assertThat(TextDataset.of(List.of(unlabelled("abc"))).id(0))
        .isEqualTo("ba7816bf8f01cfea414140de");
    assertThat(IntStream.range(0, 5).mapToObj(dataset::id)).doesNotHaveDuplicates();
  }

  @Test
  void classes_fixed_mapsLabelsByName() {
    TextDataset fixed = dataset.classes(List.of("refund", "other", "invoice"));

    assertThat(fixed.classNames()).containsExactly("refund", "other", "invoice");
    assertThat(IntStream.range(0, 5).map(fixed::label)).containsExactly(0, -1, 2, -1, 2);
  }

  @Test
  void classes_withoutALabelThatOccurs_isReported() {
    assertThatThrownBy(() -> dataset.classes(List.of("refund", "other")))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "label of row 2 must be one of the classes refund, other but was 'invoice'; correct the"
                + " label, drop the row with subset(rows), or add the class");
  }

  @Test
  void classes_twice_isRejected() {
    assertThatThrownBy(() -> dataset.classes(List.of("a", "a")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("names must differ from each other but were [a, a]");
  }

  @Test
  void withLabels_replacesAll() {
    int[] labels = {0, 1, 1, -1, 0};
    TextDataset pseudo = dataset.withLabels(labels);
    labels[0] = 1;

    assertThat(IntStream.range(0, 5).map(pseudo::label)).containsExactly(0, 1, 1, -1, 0);
    assertThat(pseudo.texts()).isEqualTo(dataset.texts());
  }

  @Test
  void withLabels_wrongNumberOrRange_isRejected() {
    assertThatThrownBy(() -> dataset.withLabels(new int[4]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("labels must be as many as the 5 rows but were 4");
    assertThatThrownBy(() -> dataset.withLabels(new int[] {0, 1, 2, 0, 0}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label of row 2 must be from 0 to 1, or -1 for none, but was 2");
  }

  @Test
  void withTokenLabels_labelsEachTokenWithItself() {
    TextDataset tokens = dataset.withTokenLabels();
    Tokenizer tokenizer = TinyRuns.tokenizer();

    assertThat(tokens.hasTokenLabels()).isTrue();
    assertThat(tokens.classNames()).isEmpty();
    assertThat(tokens.labelledRows()).isEmpty();
    assertThat(tokens.inputs(tokenizer).tokenLabels(1))
        .containsExactly(tokenizer.encode(tokens.text(1)));
    assertThat(tokens.inputs(null).tokenLabels(1)).isEmpty();
    assertThat(tokens.subset(new int[] {1}).hasTokenLabels()).isTrue();
    assertThat(tokens.plus(tokens).hasTokenLabels()).isTrue();
    assertThat(tokens.withoutLabels().hasTokenLabels()).isFalse();
    assertThat(tokens.toString()).endsWith(" rows, token labels]");
    assertThat(tokens.fingerprint())
        .isNotEqualTo(dataset.withoutLabels().classes(List.of()).fingerprint());
    assertThat(dataset.hasTokenLabels()).isFalse();
    assertThat(dataset.inputs(tokenizer).tokenLabels(1)).isEmpty();
    assertThatThrownBy(() -> tokens.plus(dataset))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "both datasets or none must have token labels but only this one has; call"
                + " withTokenLabels() on the other");
  }

  @Test
  void withoutLabels_keepsClasses() {
    assertThat(dataset.withoutLabels().labelledRows()).isEmpty();
    assertThat(dataset.withoutLabels().classNames()).isEqualTo(dataset.classNames());
  }

  @Test
  void subset_takesRowsInOrder() {
    TextDataset subset = dataset.subset(new int[] {4, 1, 4});

    assertThat(subset.texts()).containsExactly("invoice 100", "hello world he", "invoice 100");
    assertThat(IntStream.range(0, 3).map(subset::label)).containsExactly(0, -1, 0);
    assertThat(subset.classNames()).isEqualTo(dataset.classNames());
    assertThatThrownBy(() -> dataset.subset(new int[0]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rows must have at least one row but was empty");
    assertThatThrownBy(() -> dataset.subset(new int[] {5}))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void plus_unitesClasses() {
    TextDataset more =
        TextDataset.of(
            List.of(labelled("a", "complaint"), labelled("b", "refund"), unlabelled("c")));
    TextDataset both = dataset.plus(more);

    assertThat(both.size()).isEqualTo(8);
    assertThat(both.classNames()).containsExactly("invoice", "refund", "complaint");
    assertThat(IntStream.range(0, 8).map(both::label)).containsExactly(1, -1, 0, -1, 0, 2, 1, -1);
    assertThat(both.text(5)).isEqualTo("a");
  }

  private static TextDataset manyLabels() {
    return TextDataset.of(
        IntStream.range(0, 90).mapToObj(i -> labelled("text " + i, "class " + i % 3)));
  }

  @Test
  void labelsPerClass_keepsThatManyOfTheOldLabels() {
    TextDataset few = manyLabels().labelsPerClass(10, 1);

    assertThat(few.size()).isEqualTo(90);
    assertThat(few.labelledRows()).hasSize(30);
    for (int row : few.labelledRows()) {
      assertThat(few.label(row)).isEqualTo(row % 3);
    }
    for (int label = 0; label < 3; label++) {
      int wanted = label;
      assertThat(IntStream.of(few.labelledRows()).filter(row -> few.label(row) == wanted))
          .hasSize(10);
    }
  }

  @Test
  void labelsPerClass_dependsOnSeedAlone() {
    int[] rows = manyLabels().labelsPerClass(10, 1).labelledRows();

    assertThat(manyLabels().labelsPerClass(10, 1).labelledRows()).isEqualTo(rows);
    assertThat(manyLabels().labelsPerClass(10, 2).labelledRows()).isNotEqualTo(rows);
    assertThat(manyLabels().labelsPerClass(30, 2).labelledRows()).hasSize(90);
  }

  @Test
  void labelsPerClass_moreThanThereAre_isReported() {
    assertThatThrownBy(() -> dataset.labelsPerClass(2, 0))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "class 'refund' must have at least 2 labelled rows but had 1; lower labelsPerClass or"
                + " label more rows");
    assertThatThrownBy(() -> dataset.labelsPerClass(0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("labelsPerClass must be at least 1 but was 0");
  }

  @Test
  void fingerprint_changesWithTextLabelClassAndOrder() {
    assertThat(dataset.fingerprint())
        .hasSize(64)
        .isEqualTo(dataset.subset(new int[] {0, 1, 2, 3, 4}).fingerprint())
        .isNotEqualTo(dataset.subset(new int[] {1, 0, 2, 3, 4}).fingerprint())
        .isNotEqualTo(dataset.withoutLabels().fingerprint())
        .isNotEqualTo(dataset.classes(List.of("invoice", "refund", "x")).fingerprint())
        .isNotEqualTo(dataset.subset(new int[] {0, 1, 2, 3}).fingerprint());
  }

  @Test
  void batch_ofTokens_isPaddedAndMasked() {
    Tokenizer tokenizer = Tokenizers.small();
    BatchSource source = dataset.inputs(tokenizer);
    long the = tokenizer.id("the").orElseThrow();
    long refund = tokenizer.id("refund").orElseThrow();
    long password = tokenizer.id("password").orElseThrow();

    assertThat(source.size()).isEqualTo(5);
    assertThat(source.length(0)).isEqualTo(4);
    assertThat(source.length(3)).isEqualTo(3);
    try (NDManager manager = NDManager.newBaseManager()) {
      Batch batch = source.batch(manager, new int[] {3, 0});
      NDList inputs = batch.inputs();

      assertThat(inputs).hasSize(2);
      assertThat(inputs.get(0).getShape()).isEqualTo(new Shape(2, 4));
      assertThat(inputs.get(0).getDataType()).isEqualTo(DataType.INT64);
      assertThat(inputs.get(0).getManager()).isSameAs(manager);
      assertThat(inputs.get(0).toLongArray()).containsExactly(2, password, 3, 0, 2, the, refund, 3);
      assertThat(inputs.get(1).toLongArray()).containsExactly(1, 1, 1, 0, 1, 1, 1, 1);
      assertThat(inputs.stream().map(NDArray::getName)).containsOnlyNulls();
      assertThat(batch.size()).isEqualTo(2);
      assertThat(batch.rows()).containsExactly(3, 0);
      assertThat(batch.ids()).containsExactly(dataset.id(3), dataset.id(0));
      assertThat(batch.texts()).containsExactly("password", "the refund");
    }
  }

  @Test
  void batch_withOtherPadding_padsWithItsId() {
    try (NDManager manager = NDManager.newBaseManager()) {
      Tokenizer counting = new CountingTokenizer(7);
      Batch batch = dataset.inputs(counting).batch(manager, new int[] {0, 1});

      assertThat(batch.inputs().get(0).toLongArray()).containsExactly(1, 1, 7, 1, 1, 1);
      assertThat(batch.inputs().get(1).toLongArray()).containsExactly(1, 1, 0, 1, 1, 1);
    }
  }

  @Test
  void batch_withoutTokenizer_hasTextsAlone() {
    BatchSource source = dataset.inputs(null);
    try (NDManager manager = NDManager.newBaseManager()) {
      Batch batch = source.batch(manager, new int[] {2});

      assertThat(source.length(2)).isEqualTo(1);
      assertThat(batch.inputs()).isEmpty();
      assertThat(batch.texts()).containsExactly("the invoice");
    }
  }

  @Test
  void batch_badRows_areRejected() {
    try (NDManager manager = NDManager.newBaseManager()) {
      BatchSource source = dataset.inputs(Tokenizers.small());

      assertThatThrownBy(() -> source.batch(manager, new int[0]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("rows must have at least one row but was empty");
      assertThatThrownBy(() -> source.batch(manager, new int[] {5}))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void inputs_ofEqualTokenizers_areTokenisedOnce() {
    CountingTokenizer tokenizer = new CountingTokenizer(0);
    dataset.inputs(tokenizer);
    dataset.inputs(tokenizer);
    dataset.withoutLabels().inputs(tokenizer);

    assertThat(tokenizer.calls).hasValue(5);
    dataset.inputs(Tokenizers.small());
    assertThat(tokenizer.calls).hasValue(5);
  }

  @Test
  void example_blank_isRejected() {
    assertThatThrownBy(() -> unlabelled(" "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("text must not be blank but was ' '");
    assertThatThrownBy(() -> labelled("x", ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label must not be blank but was ''; use unlabelled(text)");
    assertThat(labelled("x", " a ").label()).isEqualTo("a");
    assertThat(new TextExample("x", " ").label()).isNull();
  }

  @Test
  void batch_ofUnequalParts_isRejected() {
    assertThatThrownBy(() -> new Batch(new NDList(), new int[2], List.of("a"), List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ids must be as many as rows but were 1 for 2 rows");
    assertThatThrownBy(() -> new Batch(new NDList(), new int[1], List.of("a"), List.of("x", "y")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("texts must be as many as rows or none but were 2 for 1 rows");
  }

  /** Encodes each word as 1 and counts its calls. */
  private static final class CountingTokenizer implements Tokenizer {

    final AtomicInteger calls = new AtomicInteger();
    private final int padId;

    CountingTokenizer(int padId) {
      this.padId = padId;
    }

    @Override
    public int[] encode(String text) {
      calls.incrementAndGet();
      return IntStream.range(0, text.split(" ", -1).length).map(i -> 1).toArray();
    }

    @Override
    public int vocabularySize() {
      return 8;
    }

    @Override
    public int maxLength() {
      return 9;
    }

    @Override
    public int padId() {
      return padId;
    }

    @Override
    public OptionalInt id(String piece) {
      return OptionalInt.empty();
    }

    @Override
    public Tokenizer withMaxLength(int maxLength) {
      return this;
    }

    @Override
    public Tokenizer trimmedTo(Iterable<String> texts) {
      return this;
    }

    @Override
    public int[] originalIds() {
      return new int[8];
    }

    @Override
    public String json() {
      return "{}";
    }

    @Override
    public String fingerprint() {
      return "counting";
    }

    @Override
    public void save(Path directory) {
      throw new UnsupportedOperationException();
    }
  }
}
