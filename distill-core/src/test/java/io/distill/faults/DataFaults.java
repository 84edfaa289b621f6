package io.distill.faults;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.hash.Hashing;
import io.distill.data.TextDataset;
import io.distill.data.TextFileReader;
import io.distill.data.Tokenizer;
import io.distill.provenance.TermsTable;
import io.distill.training.TinyRuns;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.zip.GZIPOutputStream;

/** Files of texts, and tokenizers. */
final class DataFaults {

  private static final String CSV =
      "text,label\n\"good, \"\"very\"\" good\",plus\nbad thing,minus\n";
  private static final String LINES =
      "{\"text\":\"good film\",\"label\":\"plus\"}\n{\"text\":\"bad film\",\"label\":\"minus\"}\n";

  private DataFaults() {}

  static List<Fault> csv() {
    Faults faults = new Faults("CSV", "data.csv", path -> read(path, TextDataset::csv));
    faults.common(CSV.repeat(3).replace("text,label\n", "").getBytes(UTF_8), 11, false, false);
    texts(faults, CSV);
    faults.refused("a quote that is not closed", "text,label\n\"good,plus\nbad,minus\n");
    faults.refused("a quote in the middle of a quoted field", "text,label\n\"go\"od,plus\n");
    faults.refused(
        "a quote that is not closed in 10 MiB", "text,label\n\"" + "x\n".repeat(5 << 20));
    faults.refused("a field more", "text,label\ngood,plus,more\n");
    faults.refused("a field less", "text,label\ngood\n");
    faults.refused("the header alone", "text,label\n");
    faults.refused("100,000 columns", "x,".repeat(100_000) + "x\n");
    faults.refused("a million separators", ",".repeat(1_000_000) + "\n");
    faults.refused("a million quotes", "text,label\n" + "\"".repeat(1_000_001) + "\n");
    faults.refused("a blank text", "text,label\n   ,plus\n");
    return faults.all();
  }

  static List<Fault> tsv() {
    Faults faults = new Faults("TSV", "data.tsv", path -> read(path, TextDataset::tsv));
    String whole = "text\tlabel\ngood film\tplus\nbad film\tminus\n";
    texts(faults, whole);
    faults.refused("a field more", whole + "a\tb\tc\n");
    faults.either("quotes that are not closed", whole + "\"a\tplus\n");
    return faults.all();
  }

  static List<Fault> jsonLines() {
    Faults faults =
        new Faults("JSON Lines", "data.jsonl", path -> read(path, TextDataset::jsonLines));
    faults.common(LINES.repeat(3).getBytes(UTF_8), 40, false, false);
    texts(faults, LINES);
    for (String line : jsonFaults("\"text\"")) {
      faults.refused("the line " + start(line), LINES + line + "\n");
    }
    faults.refused("a list", "[{\"text\":\"a\"}]\n");
    faults.refused("a text that is a number", "{\"text\":1}\n");
    faults.refused("a label that is an object", "{\"text\":\"a\",\"label\":{}}\n");
    faults.refused("two objects in a line", "{\"text\":\"a\"}{\"text\":\"b\"}\n");
    faults.refused("no text", "{\"label\":\"a\"}\n");
    return faults.all();
  }

  static List<Fault> gzip() {
    Faults faults = new Faults("gzip", "data.csv.gz", path -> read(path, TextDataset::csv));
    byte[] whole = packed(CSV);
    // spare bits at the end of the packed data say nothing
    faults.common(whole, 10, false, true);
    byte[] method = whole.clone();
    method[2] = 7;
    faults.refused("another method", method);
    for (int trailer = 1; trailer <= 8; trailer += 4) {
      byte[] wrong = whole.clone();
      wrong[wrong.length - trailer] ^= 1;
      faults.refused("a wrong " + (trailer == 1 ? "length" : "checksum"), wrong);
    }
    faults.refused("1 GiB of zeros", bomb((byte) 0));
    faults.refused("1 GiB of letters", bomb((byte) 'x'));
    faults.refused("1 GiB of line ends", bomb((byte) '\n'));
    faults.refused("1 GiB of commas", bomb((byte) ','));
    faults.refused("1 GiB of quotes", bomb((byte) '"'));
    faults.refused("gzip in gzip", packed(whole));
    faults.refused("a name that does not end", withFlags(whole, 8, new byte[100_000]));
    faults.refused(
        "a field that is longer than the file", withFlags(whole, 4, new byte[] {-1, -1}));
    return faults.all();
  }

  /** What can be wrong with any text. */
  private static void texts(Faults faults, String whole) {
    faults.either("nothing wrong at all", whole);
    faults.refused("nothing in it", "");
    faults.either("a byte order mark", "\uFEFF" + whole);
    faults.either("line ends of Windows", whole.replace("\n", "\r\n"));
    faults.refused("UTF-16 with a byte order mark", whole.getBytes(UTF_16));
    faults.refused("UTF-16 without one", whole.getBytes(UTF_16LE));
    faults.refused("a zero byte", whole + whole.replace("good", "go\0d"));
    for (byte[] bytes :
        new byte[][] {
          {(byte) 0xc3, 0x28},
          {(byte) 0xed, (byte) 0xa0, (byte) 0x80},
          {(byte) 0xc0, (byte) 0xaf},
          {(byte) 0xf8, (byte) 0x88, (byte) 0x80, (byte) 0x80},
          {(byte) 0x80},
          {(byte) 0xff}
        }) {
      byte[] wrong = whole.getBytes(UTF_8);
      int at = whole.indexOf("good");
      System.arraycopy(bytes, 0, wrong, at, Math.min(4, bytes.length));
      faults.refused("the bytes " + Arrays.toString(bytes), wrong);
    }
    faults.refused(
        "cut off within a character",
        Arrays.copyOf((whole + "\u20ac").getBytes(UTF_8), whole.length() + 2));
    faults.refused("a line of 20 million characters", whole + "x".repeat(20_000_000) + "\n");
    faults.refused("a zip", RawZip.of(emptyZip()).plus("a", whole.getBytes(UTF_8)).bytes());
  }

  private static byte[] emptyZip() {
    return new RawZip().plus("x", new byte[1]).bytes();
  }

  private static String read(Path path, Function<Path, TextFileReader> reader) {
    TextDataset dataset = reader.apply(path).read();
    for (int row = 0; row < dataset.size(); row++) {
      if (dataset.text(row).isBlank() || dataset.id(row).length() != 24) {
        throw new AssertionError("row " + row + " is no text");
      }
    }
    return dataset.size() + " rows of classes " + dataset.classNames().size();
  }

  private static byte[] packed(String text) {
    return packed(text.getBytes(UTF_8));
  }

  private static byte[] packed(byte[] bytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
      gzip.write(bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  private static byte[] bomb(byte value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, 0});
    out.writeBytes(RawZip.deflatedRepeats(value, 1024));
    out.writeBytes(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putInt(0).putInt(1 << 30).array());
    return out.toByteArray();
  }

  private static byte[] withFlags(byte[] whole, int flags, byte[] inserted) {
    ByteBuffer bytes = ByteBuffer.allocate(10 + inserted.length);
    bytes.put(whole, 0, 10).put(inserted);
    bytes.put(3, (byte) flags);
    for (int i = 10; flags == 8 && i < bytes.capacity(); i++) {
      bytes.put(i, (byte) 'x');
    }
    return bytes.array();
  }

  /** Objects that are none, or too much of one. */
  static List<String> jsonFaults(String key) {
    return List.of(
        "{" + key + ":",
        "{" + key + ":\"a\"",
        "{" + key + ":\"a\",}",
        "{" + key + ":\"a\"} x",
        "{" + key + ":\"a\"," + key + ":\"b\"}",
        "{" + key + ":'a'}",
        "{" + key + "=\"a\"}",
        "{" + key + ":NaN}",
        "{" + key + ":\"a\",\"n\":Infinity}",
        "{" + key + ":\"a\",\"n\":01}",
        "{" + key + ":\"a\",\"n\":1" + "0".repeat(100_000) + "}",
        "{" + key + ":\"a\",\"n\":1e999999999}",
        "{" + key + ":\"a\",\"n\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}",
        "{" + key + ":" + ("{" + key + ":").repeat(100_000),
        "[".repeat(100_000),
        "{" + key + ":\"\\ud\"}",
        "{" + key + ":\"a\u0001\"}",
        "{" + key + ":\"a\",\"n\":\"\\x\"}",
        "/*" + key + "*/{}",
        "null",
        "\"" + "x".repeat(1000) + "\"",
        "{" + key + ":\"a\",null:1}");
  }

  private static String start(String text) {
    String line = text.replace("\n", "|");
    return line.length() <= 120 ? line : line.substring(0, 120) + "... of " + line.length();
  }

  /** The table of licences and services that a user adds. */
  static List<Fault> terms() {
    Faults faults =
        new Faults(
            "terms table", "terms.tsv", path -> TermsTable.read(path).rows().size() + " rows");
    String row =
        "own-1\town\tOwn terms\tSERVICE\tNO\tSection 2\thttps://example.org\t2024-01-31\tREAD\n";
    faults.either("nothing wrong at all", row);
    faults.common(("# table\n" + row).getBytes(UTF_8), 20, false, false);
    faults.refused("a column less", row.replace("\tREAD", ""));
    faults.refused("a column more", row.replace("READ", "READ\tmore"));
    faults.refused("a name twice", row + row);
    faults.refused("an unknown kind", row.replace("SERVICE", "EVIL"));
    faults.refused("an unknown permission", row.replace("NO", "PERHAPS"));
    faults.refused("an impossible date", row.replace("01-31", "02-31"));
    faults.refused("bytes that are no UTF-8", (row + "\u00e9").getBytes(ISO_8859_1));
    faults.refused("two mebibytes", "#".repeat(2 << 20));
    faults.refused("100,000 columns", "x\t".repeat(100_000));
    return faults.all();
  }

  // ---- tokenizers ---------------------------------------------------------------------------

  /** Definitions that the tokenizer in Java reads, or hands to the native one. */
  static List<Fault> tokenizers() {
    Faults faults = new Faults("tokenizer", "tokenizer.json", DataFaults::readTokenizer);
    String whole = TinyRuns.tokenizerJson();
    faults.either("nothing wrong at all", whole);
    faults.either("a byte order mark", "\uFEFF" + whole);
    faults.common(whole.strip().getBytes(UTF_8), 64, false, true);
    for (String json : jsonFaults("\"model\"")) {
      faults.refused("the text " + start(json), json);
    }
    faults.refused("UTF-16", whole.getBytes(UTF_16));
    faults.refused(
        "a file of 300 MB", directory -> sparse(directory.resolve("tokenizer.json"), 300L << 20));
    replaced(
        faults,
        whole,
        "\"id\": 1,",
        List.of(
            "\"id\": -1,",
            "\"id\": 1.5,",
            "\"id\": 4294967297,",
            "\"id\": 2147483647,",
            "\"id\": 9223372036854775808,",
            "\"id\": 1e99,",
            "\"id\": \"1\",",
            "\"id\": null,",
            "\"id\": [1],",
            "\"id\": 999999999,"));
    replaced(
        faults,
        whole,
        "\"truncation\": null",
        List.of(
            "\"truncation\": {\"max_length\": -1}",
            "\"truncation\": {\"max_length\": 0}",
            "\"truncation\": {\"max_length\": 1}",
            "\"truncation\": {\"max_length\": \"many\"}",
            "\"truncation\": {\"max_length\": 1e999}",
            "\"truncation\": {\"max_length\": 4294967300}"));
    replaced(
        faults,
        whole,
        "\"WordPiece\"",
        List.of("\"Evil\"", "null", "{}", "\"BPE\"", "\"Unigram\"", "\"WordLevel\""));
    replaced(faults, whole, "\"[UNK]\"", List.of("null", "7", "\"\"", "\"\\ud800\""));
    return faults.all();
  }

  private static void replaced(Faults faults, String whole, String part, List<String> others) {
    if (!whole.contains(part)) {
      throw new IllegalArgumentException("the tokenizer has no " + part);
    }
    for (String other : others) {
      faults.either(other + " instead of " + part, whole.replace(part, other));
    }
  }

  private static Path sparse(Path file, long size) throws IOException {
    try (var open = new java.io.RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(size);
    }
    return file;
  }

  private static String readTokenizer(Path path) {
    Tokenizer tokenizer = Tokenizer.load(path);
    int[] ids =
        tokenizer.encode("the good film, said \u00e9milie \ud83d\ude00 [SEP] " + "x".repeat(300));
    for (int id : ids) {
      if (id < 0 || id >= tokenizer.vocabularySize()) {
        throw new AssertionError("id " + id + " is outside of " + tokenizer.vocabularySize());
      }
    }
    if (ids.length > tokenizer.maxLength() || tokenizer.vocabularySize() > 1 << 24) {
      throw new AssertionError("tokenizer breaks its own limits");
    }
    return tokenizer
        + ", json "
        + Hashing.sha256().hashString(tokenizer.json(), UTF_8).toString().substring(0, 8);
  }

  /** Definitions for the native tokenizer; they belong into a process of their own. */
  static List<Fault> nativeTokenizers() {
    Faults faults = new Faults("native tokenizer", "tokenizer.json", DataFaults::readTokenizer);
    String vocabulary = "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"the\":4}";
    String[] models = {
      "{\"type\":\"BPE\"," + vocabulary + ",\"merges\":[\"a b\"],\"unk_token\":\"<unk>\"}",
      "{\"type\":\"WordLevel\"," + vocabulary + ",\"unk_token\":\"<unk>\"}",
      "{\"type\":\"WordPiece\","
          + vocabulary
          + ",\"unk_token\":\"<unk>\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100}",
      "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1.5],[\"b\",-2]]}"
    };
    for (String model : models) {
      faults.either("nothing wrong: " + start(model), definition(model, ""));
    }
    for (String model :
        List.of(
            "{}",
            "{\"type\":\"BPE\"}",
            "{\"type\":\"BPE\",\"vocab\":{},\"merges\":[\"a b\"]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b c d\"]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":4294967296},\"merges\":[]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":2147483647},\"merges\":[]}",
            "{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}",
            "{\"type\":\"BPE\",\"vocab\":[],\"merges\":{}}",
            "{\"type\":\"WordLevel\",\"vocab\":{}}",
            "{\"type\":\"WordPiece\",\"vocab\":{},\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\",\"max_input_chars_per_word\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":7}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":-1}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"a\"]],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[[]],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[\"a\"],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"\",-1],[\"a\",-1]],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e308],[\"b\",1e308]],\"unk_id\":0}",
            "{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e400]],\"unk_id\":0}")) {
      faults.either("the model " + start(model), definition(model, ""));
    }
    for (String part :
        List.of(
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAP////8=\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAAAAD/////\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}",
            "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAIA=\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(x+x+)+y\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\""
                + "(".repeat(10_000)
                + ")".repeat(10_000)
                + "\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?:x{1000}){1000}\"},\"content\":\"x\"}",
            "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\"}",
            "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]}",
            "\"normalizer\":{\"type\":\"Strip\",\"strip_left\":1,\"strip_right\":2}",
            "\"normalizer\":{\"type\":\"Evil\"}",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\",\"invert\":false}",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(x|x)*$\"},\"behavior\":\"Isolated\",\"invert\":false}",
            "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?<=a*)\"},\"behavior\":\"Isolated\",\"invert\":true}",
            "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\",\"prepend_scheme\":\"always\"}",
            "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"abc\",\"add_prefix_space\":true}",
            "\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"\"}",
            "\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}",
            "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":7}",
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[],\"special_tokens\":{}}",
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}",
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[4294967295],\"tokens\":[\"x\"]}}}",
            "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}",
            "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",99],\"cls\":[\"c\",98]}",
            "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"s\",3000000000],\"cls\":[\"c\",0],\"trim_offsets\":true,\"add_prefix_space\":true}",
            "\"added_tokens\":[{\"id\":9,\"content\":\"\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":false}]",
            "\"added_tokens\":[{\"id\":4000000000,\"content\":\"x\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":false}]",
            "\"added_tokens\":[{\"id\":1}]",
            "\"added_tokens\":[[]]",
            "\"added_tokens\":{}",
            "\"padding\":{\"strategy\":{\"Fixed\":1000000000000},\"direction\":\"Right\",\"pad_to_multiple_of\":0,\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"x\"}",
            "\"truncation\":{\"direction\":\"Right\",\"max_length\":3,\"strategy\":\"LongestFirst\",\"stride\":1000}",
            "\"version\":\"99.0\"",
            "\"decoder\":{\"type\":\"Evil\"}")) {
      faults.either("the part " + start(part), definition(models[0], part));
      faults.either("the part " + start(part) + " with Unigram", definition(models[3], part));
    }
    return faults.all();
  }

  private static String definition(String model, String part) {
    String text = "{";
    for (String key :
        List.of(
            "version",
            "truncation",
            "padding",
            "added_tokens",
            "normalizer",
            "pre_tokenizer",
            "post_processor",
            "decoder")) {
      String value = key.equals("version") ? "\"1.0\"" : key.equals("added_tokens") ? "[]" : "null";
      text += part.startsWith("\"" + key + "\"") ? part + "," : "\"" + key + "\":" + value + ",";
    }
    return text + "\"model\":" + model + "}";
  }
}
