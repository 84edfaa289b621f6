package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TokenizerTest {

  /** A byte-pair tokenizer of five pieces: nothing that Java runs itself. */
  private static final String BYTE_PAIR =
      """
      {"version":"1.0",
       "truncation":null,
       "padding":{"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":null,
         "pad_id":3,"pad_type_id":0,"pad_token":"c"},
       "added_tokens":[{"id":5,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
         "normalized":false,"special":true}],
       "normalizer":null,
       "pre_tokenizer":{"type":"Whitespace"},
       "post_processor":{"type":"TemplateProcessing",
         "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
         "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
         "special_tokens":{"<s>":{"id":"<s>","ids":[5],"tokens":["<s>"]}}},
       "decoder":null,
       "model":{"type":"BPE","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"c":3,"ab":4},
         "merges":["a b"]}}
      """;

  @TempDir private Path directory;

  @Test
  void parse_bytePair_runsNatively() {
    Tokenizer tokenizer = Tokenizer.parse(BYTE_PAIR);

    assertThat(tokenizer).isInstanceOf(NativeTokenizer.class);
    assertThat(tokenizer.encode("abc ab")).containsExactly(5, 4, 3, 4);
    assertThat(tokenizer.encode("")).containsExactly(5);
    assertThat(tokenizer.encode("a\ud800")).containsExactly(5, 1, 0);
    assertThat(tokenizer.vocabularySize()).isEqualTo(6);
    assertThat(tokenizer.maxLength()).isEqualTo(512);
    assertThat(tokenizer.padId()).isEqualTo(3);
    assertThat(tokenizer.id("ab")).hasValue(4);
    assertThat(tokenizer.id("x")).isEmpty();
    assertThat(tokenizer.originalIds()).containsExactly(0, 1, 2, 3, 4, 5);
    assertThat(tokenizer).hasToString("Tokenizer[native, 6 pieces, maxLength 512]");
  }

  @Test
  void parse_unigram_knowsItsPieces() {
    Tokenizer tokenizer =
        Tokenizer.parse(
            """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
             "normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,
             "model":{"type":"Unigram","unk_id":0,
               "vocab":[["<unk>",0.0],["a",-1.5],["<pad>",-9.0]]}}""");

    assertThat(tokenizer.encode("aa")).containsExactly(1, 1);
    assertThat(tokenizer.padId()).isEqualTo(2);
    assertThat(tokenizer.vocabularySize()).isEqualTo(3);
  }

  @Test
  void nativeTokenizer_withMaxLength_truncates() {
    Tokenizer tokenizer = Tokenizer.parse(BYTE_PAIR).withMaxLength(700);

    assertThat(tokenizer.encode("ab ".repeat(1000))).hasSize(700).startsWith(5, 4);
    assertThat(tokenizer.withMaxLength(700)).isSameAs(tokenizer);
    assertThat(tokenizer.fingerprint())
        .isEqualTo(Tokenizer.parse(BYTE_PAIR).withMaxLength(700).fingerprint())
        .isNotEqualTo(Tokenizer.parse(BYTE_PAIR).fingerprint());
    assertThatThrownBy(() -> tokenizer.withMaxLength(1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxLength must be greater than the 1 special tokens of a text but was 1");
    assertThatThrownBy(() -> tokenizer.withMaxLength(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxLength must be at least 1 but was 0");
  }

  @Test
  void nativeTokenizer_savedAndLoaded_isTheSame() {
    Tokenizer tokenizer = Tokenizer.parse(BYTE_PAIR).withMaxLength(9);
    tokenizer.save(directory);

    assertThat(Tokenizer.load(directory).json()).isEqualTo(tokenizer.json());
    assertThat(Tokenizer.load(directory).maxLength()).isEqualTo(9);
  }

  static Stream<Consumer<JsonObject>> variants() {
    return Stream.of(
        definition -> definition.getAsJsonObject("pre_tokenizer").addProperty("type", "Whitespace"),
        definition -> definition.getAsJsonObject("normalizer").addProperty("type", "Lowercase"),
        definition -> added(definition, 4).addProperty("single_word", true),
        definition -> added(definition, 4).addProperty("normalized", true),
        definition -> {
          added(definition, 4).addProperty("content", "two words");
          added(definition, 4).addProperty("id", 1000);
        },
        definition ->
            definition.getAsJsonObject("model").addProperty("continuing_subword_prefix", "~~"),
        definition -> vocabulary(definition).addProperty("gap", 5000),
        definition -> {
          JsonObject processor = definition.getAsJsonObject("post_processor");
          processor.addProperty("type", "RobertaProcessing");
          processor.addProperty("trim_offsets", false);
          processor.addProperty("add_prefix_space", false);
        });
  }

  private static JsonObject added(JsonObject definition, int index) {
    return definition.getAsJsonArray("added_tokens").get(index).getAsJsonObject();
  }

  private static JsonObject vocabulary(JsonObject definition) {
    return definition.getAsJsonObject("model").getAsJsonObject("vocab");
  }

  @ParameterizedTest(name = "variant {index}")
  @MethodSource("variants")
  void parse_variantThatJavaDoesNotCover_runsNatively(Consumer<JsonObject> variant) {
    JsonObject definition = Tokenizers.object(Tokenizers.SMALL_JSON);
    variant.accept(definition);

    Tokenizer tokenizer = Tokenizer.parse(definition.toString());

    assertThat(tokenizer).isInstanceOf(NativeTokenizer.class);
    assertThat(tokenizer.encode("the mail")).hasSize(4);
  }

  @Test
  void parse_templateWithTwoSequences_runsNatively() {
    JsonObject definition = Tokenizers.object(BYTE_PAIR);
    JsonObject small = Tokenizers.object(Tokenizers.SMALL_JSON);
    JsonObject processor = definition.getAsJsonObject("post_processor");
    JsonArray single = processor.getAsJsonArray("single");
    single.add(single.get(1));
    processor
        .getAsJsonObject("special_tokens")
        .getAsJsonObject("<s>")
        .add("ids", Tokenizers.object("{\"ids\":[2]}").get("ids"));
    small.add("post_processor", processor);

    assertThat(WordPieceTokenizer.of(new TokenizerDefinition(small, "x"), 9)).isNull();
  }

  @Test
  void load_fileOrDirectory_givesTheSame() throws IOException {
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, "\uFEFF" + Tokenizers.SMALL_JSON);

    assertThat(Tokenizer.load(file).fingerprint()).isEqualTo(Tokenizers.small().fingerprint());
    assertThat(Tokenizer.load(directory).fingerprint()).isEqualTo(Tokenizers.small().fingerprint());
    assertThat(Tokenizer.load(directory, 600).maxLength()).isEqualTo(600);
    assertThatThrownBy(() -> Tokenizer.load(directory, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxLength must be at least 1 but was 0");
  }

  @Test
  void save_overExisting_replacesWhole() throws IOException {
    Path target = directory.resolve("a/b");
    Tokenizers.small().save(target);
    Tokenizers.small().withMaxLength(20).save(target);

    assertThat(Tokenizer.load(target).maxLength()).isEqualTo(20);
    try (Stream<Path> files = Files.list(target)) {
      assertThat(files).hasSize(1);
    }
  }

  @Test
  void save_intoFile_isReported() throws IOException {
    Path file = Files.writeString(directory.resolve("file"), "x");

    assertThatThrownBy(() -> Tokenizers.small().save(file))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "file " + file.resolve("tokenizer.json") + " could not be written (");
  }

  @Test
  void save_whenTargetCannotBeReplaced_leavesNoPartialFile() throws IOException {
    Files.createDirectories(directory.resolve("tokenizer.json/occupied"));

    assertThatThrownBy(() -> Tokenizers.small().save(directory))
        .isInstanceOf(DistillationException.class);
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).hasSize(1);
    }
  }

  @Test
  void load_missing_isReported() {
    Path file = directory.resolve("tokenizer.json");

    assertThatThrownBy(() -> Tokenizer.load(directory))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "tokenizer must be a tokenizer.json or a directory that has one but "
                + file
                + " does not exist");
  }

  @Test
  void load_notUtf8_isReported() throws IOException {
    Path file = Files.write(directory.resolve("tokenizer.json"), new byte[] {'{', (byte) 0xFF});

    assertThatThrownBy(() -> Tokenizer.load(file))
        .isInstanceOf(DistillationException.class)
        .hasMessage("tokenizer " + file + " must be UTF-8 but is not; use a file that is whole");
  }

  @Test
  void load_directoryInsteadOfFile_isReported() throws IOException {
    Files.createDirectories(directory.resolve("tokenizer.json"));

    assertThatThrownBy(() -> Tokenizer.load(directory))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("tokenizer must be a file but ");
  }

  @Test
  void parse_brokenText_isReported() {
    assertThatThrownBy(() -> Tokenizer.parse("{\"model\": "))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("tokenizer tokenizerJson must be JSON but is not (");
    assertThatThrownBy(() -> Tokenizer.parse("{\"model\": {}} x"))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("tokenizer tokenizerJson must be JSON but is not (");
    assertThatThrownBy(() -> Tokenizer.parse("{\"model\": 3}"))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "tokenizer tokenizerJson must be a JSON object with a 'model' object but was not; pass"
                + " the tokenizer.json of a fast Hugging Face tokenizer");
    assertThatThrownBy(() -> Tokenizer.parse("{\"model\": {\"type\": \"Nonsense\"}}"))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "tokenizer tokenizerJson must be a definition that the native tokenizer can read but"
                + " was not: ");
  }

  @Test
  void parse_wrongTypes_isReported() {
    JsonObject definition = Tokenizers.object(Tokenizers.SMALL_JSON);
    definition.getAsJsonObject("model").addProperty("vocab", "none");

    assertThatThrownBy(() -> Tokenizer.parse(definition.toString()))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("tokenizer tokenizerJson must be a valid definition but was not: ");
  }

  @Test
  void parse_stream_equalsText() {
    byte[] bytes = Tokenizers.SMALL_JSON.getBytes(StandardCharsets.UTF_8);

    assertThat(Tokenizer.parse(new ByteArrayInputStream(bytes)).fingerprint())
        .isEqualTo(Tokenizers.small().fingerprint());
  }

  @Test
  void parse_failingStream_isReported() {
    InputStream failing =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("gone");
          }

          @Override
          public int read(byte[] target, int offset, int length) throws IOException {
            throw new IOException("gone");
          }
        };

    assertThatThrownBy(() -> Tokenizer.parse(failing))
        .isInstanceOf(DistillationException.class)
        .hasMessage("tokenizer must be readable from its stream but was not: gone");
  }
}
