package io.distill.data;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Tokenizers of whole words, for tests. */
public final class WordTokenizers {

  private WordTokenizers() {}

  /** Knows {@code w0}, which also stands for what is unknown, to {@code w<count - 1>}. */
  public static Tokenizer numbered(int count) {
    return tokenizer(IntStream.range(0, count).mapToObj(i -> "w" + i).toList(), "w0", "");
  }

  /** Knows some words, of which the first ends a text and the second is what is unknown. */
  public static Tokenizer ofWords(List<String> words) {
    return tokenizer(
        words,
        words.get(1),
        """
        {"id": 0, "content": "%s", "special": true, "single_word": false, "lstrip": false,
         "rstrip": false, "normalized": false}
        """
            .formatted(words.get(0)));
  }

  private static Tokenizer tokenizer(List<String> words, String unknown, String added) {
    return Tokenizer.parse(
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [%s],
         "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
         "post_processor": null, "decoder": null,
         "model": {"type": "WordLevel", "unk_token": "%s", "vocab": {%s}}}
        """
            .formatted(
                added,
                unknown,
                IntStream.range(0, words.size())
                    .mapToObj(i -> "\"" + words.get(i) + "\": " + i)
                    .collect(Collectors.joining(", "))));
  }
}
