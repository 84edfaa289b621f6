package io.distill.data;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.ArrayList;
import java.util.List;

/** Definitions of small tokenizers of the kinds that language models have. */
final class TinyTokenizers {

  private TinyTokenizers() {}

  /** The character by which byte-level vocabularies write a byte. */
  static char character(int value) {
    boolean printable =
        (value >= '!' && value <= '~')
            || (value >= 0xa1 && value <= 0xac)
            || (value >= 0xae && value <= 0xff);
    if (printable) {
      return (char) value;
    }
    int rank = value <= 0x20 ? value : value < 0xa1 ? value - 0x7f + 33 : 67;
    return (char) (0x100 + rank);
  }

  /** GPT-2's kind; the end of text is special, a tool's name is added but is not. */
  static String byteLevel() {
    List<String> vocabulary = new ArrayList<>();
    for (int value = 0; value < 256; value++) {
      vocabulary.add(Character.toString(character(value)));
    }
    JsonObject root = base();
    root.add(
        "pre_tokenizer",
        json("{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':true}"));
    root.add(
        "decoder",
        json("{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}"));
    root.add(
        "model",
        bytePair(
            vocabulary,
            List.of(
                "Ġ t", "h e", "Ġt he", "i n", "i s", "e r", "Ġ a", "l l", "e ll", "h ell", "a n",
                "an d", "Ġ and", "Ã ©", "ð Ł", "ðŁ ĺ", "ðŁĺ Ģ", "Ġ Ġ", "o r", "w or", "d o",
                "wor l", "worl d", "ĠĠ ĠĠ"),
            "{'type':'BPE','dropout':null,'unk_token':null,'continuing_subword_prefix':'',"
                + "'end_of_word_suffix':'','fuse_unk':false,'byte_fallback':false,"
                + "'ignore_merges':false}"));
    int size = size(root);
    added(root, size, "<|end|>", true);
    added(root, size + 1, "<tool>", false);
    return root.toString();
  }

  /** Llama 2's kind. */
  static String byteFallback() {
    List<String> vocabulary = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    for (int value = 0; value < 256; value++) {
      vocabulary.add(String.format("<0x%02X>", value));
    }
    "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'é€"
        .codePoints()
        .forEach(point -> vocabulary.add(Character.toString(point)));
    JsonObject root = base();
    root.add(
        "normalizer",
        json(
            "{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'▁'},"
                + "{'type':'Replace','pattern':{'String':' '},'content':'▁'}]}"));
    root.add(
        "decoder",
        json(
            "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'▁'},"
                + "'content':' '},{'type':'ByteFallback'},{'type':'Fuse'},"
                + "{'type':'Strip','content':' ','start':1,'stop':0}]}"));
    root.add(
        "post_processor",
        json(
            "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},"
                + "{'Sequence':{'id':'A','type_id':0}}],'pair':[{'Sequence':{'id':'A','type_id':0}},"
                + "{'SpecialToken':{'id':'</s>','type_id':0}},{'Sequence':{'id':'B','type_id':1}}],"
                + "'special_tokens':{'<s>':{'id':'<s>','ids':[1],'tokens':['<s>']},"
                + "'</s>':{'id':'</s>','ids':[2],'tokens':['</s>']}}}"));
    root.add(
        "model",
        bytePair(
            vocabulary,
            List.of(
                "▁ t", "h e", "▁t he", "i n", "i s", "e r", "▁ a", "l l", "e ll", "h ell", "a n",
                "an d", "▁ and", "o r", "w or", "▁ wor", "l d", "▁wor ld", "▁ ▁", "▁▁ ▁▁", "c a",
                "ca f", "caf é", "▁ caf"),
            "{'type':'BPE','dropout':null,'unk_token':'<unk>','continuing_subword_prefix':null,"
                + "'end_of_word_suffix':null,'fuse_unk':true,'byte_fallback':true}"));
    added(root, 0, "<unk>", true);
    added(root, 1, "<s>", true);
    added(root, 2, "</s>", true);
    return root.toString();
  }

  /** T5's kind; what it does not know is unknown. */
  static String unigram() {
    JsonObject root = base();
    root.add(
        "pre_tokenizer",
        json("{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}"));
    root.add(
        "decoder",
        json("{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}"));
    root.add(
        "post_processor",
        json(
            "{'type':'TemplateProcessing','single':[{'Sequence':{'id':'A','type_id':0}},"
                + "{'SpecialToken':{'id':'</s>','type_id':0}}],'pair':[],"
                + "'special_tokens':{'</s>':{'id':'</s>','ids':[1],'tokens':['</s>']}}}"));
    JsonArray vocabulary = new JsonArray();
    double score = 0;
    for (String piece : List.of("<pad>", "</s>", "<unk>")) {
      scored(vocabulary, piece, 0);
    }
    for (String piece :
        List.of("▁the", "▁", "ing", "▁hell", "o", "▁world", "▁caf", "é", "▁and", "s", "▁a")) {
      score -= 0.5;
      scored(vocabulary, piece, score);
    }
    for (char c = 'a'; c <= 'z'; c++) {
      if (c != 'o' && c != 's') {
        score -= 0.25;
        scored(vocabulary, Character.toString(c), score);
      }
    }
    JsonObject model = json("{'type':'Unigram','unk_id':2,'byte_fallback':false}");
    model.add("vocab", vocabulary);
    root.add("model", model);
    added(root, 0, "<pad>", true);
    added(root, 1, "</s>", true);
    added(root, 2, "<unk>", true);
    return root.toString();
  }

  private static void scored(JsonArray vocabulary, String piece, double score) {
    JsonArray pair = new JsonArray();
    pair.add(piece);
    pair.add(score);
    vocabulary.add(pair);
  }

  private static JsonObject base() {
    JsonObject root = json("{'version':'1.0','truncation':null,'padding':null,'normalizer':null}");
    root.add("added_tokens", new JsonArray());
    root.add("pre_tokenizer", null);
    root.add("post_processor", null);
    return root;
  }

  private static JsonObject bytePair(
      List<String> characters, List<String> merges, String modelJson) {
    JsonObject vocabulary = new JsonObject();
    characters.forEach(piece -> vocabulary.addProperty(piece, vocabulary.size()));
    JsonArray list = new JsonArray();
    for (String merge : merges) {
      list.add(merge);
      vocabulary.addProperty(merge.replace(" ", ""), vocabulary.size());
    }
    JsonObject model = json(modelJson);
    model.add("vocab", vocabulary);
    model.add("merges", list);
    return model;
  }

  private static int size(JsonObject root) {
    return root.getAsJsonObject("model").getAsJsonObject("vocab").size();
  }

  private static void added(JsonObject root, int id, String content, boolean special) {
    JsonObject token =
        json("{'single_word':false,'lstrip':false,'rstrip':false,'normalized':false}");
    token.addProperty("id", id);
    token.addProperty("content", content);
    token.addProperty("special", special);
    root.getAsJsonArray("added_tokens").add(token);
  }

  private static JsonObject json(String text) {
    return JsonParser.parseString(text.replace('\'', '"')).getAsJsonObject();
  }
}
