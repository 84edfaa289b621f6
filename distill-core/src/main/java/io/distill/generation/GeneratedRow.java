package io.distill.generation;

import io.distill.data.TokenStream;
import io.distill.data.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One text while it is written. */
final class GeneratedRow {

  private final int row;
  private final GenerationOptions options;
  private final int[] prompt;
  private final TokenSampler sampler;
  private final @Nullable TokenStream stream;
  private final GenerationListener listener;
  private final List<Integer> ids = new ArrayList<>();
  private final List<Double> logProbabilities = new ArrayList<>();
  private final StringBuilder text = new StringBuilder();
  private int told;
  private Generation.@Nullable End end;

  GeneratedRow(
      int row,
      GenerationOptions options,
      int[] prompt,
      int vocabulary,
      long seed,
      @Nullable Tokenizer tokenizer,
      GenerationListener listener) {
    this.row = row;
    this.options = options;
    this.prompt = prompt;
    this.sampler = new TokenSampler(options, vocabulary, seed);
    this.stream = tokenizer == null ? null : new TokenStream(tokenizer);
    this.listener = listener;
    for (int id : prompt) {
      sampler.saw(id);
    }
  }

  int row() {
    return row;
  }

  int[] prompt() {
    return prompt;
  }

  boolean ended() {
    return end != null;
  }

  int last() {
    return ids.get(ids.size() - 1);
  }

  /** Writes one token. */
  void write(float[] logits, Ends ends, int most) {
    float[] own = options.logProbabilities() ? logits.clone() : logits;
    int id = sampler.choose(logits);
    if (options.logProbabilities()) {
      logProbabilities.add(sampler.logProbability(own, id));
    }
    ids.add(id);
    sampler.saw(id);
    if (ends.has(id)) {
      finish(Generation.End.END_TOKEN);
      return;
    }
    if (stream != null) {
      append(stream.append(id));
    }
    if (end == null && ids.size() >= most) {
      finish(Generation.End.LENGTH);
    }
  }

  /** Which tokens end a text. */
  @FunctionalInterface
  interface Ends {
    boolean has(int id);
  }

  private void append(String piece) {
    int before = text.length();
    text.append(piece);
    int found = -1;
    for (String stop : options.stopStrings()) {
      int at = text.indexOf(stop, Math.max(0, before - stop.length() + 1));
      found = at >= 0 && (found < 0 || at < found) ? at : found;
    }
    if (found >= 0) {
      text.setLength(found);
      tell(found);
      end = Generation.End.STOP_STRING;
      return;
    }
    tell(text.length() - undecided());
  }

  /** Returns how much of the end may be the beginning of a stop string. */
  private int undecided() {
    int longest = 0;
    for (String stop : options.stopStrings()) {
      for (int length = Math.min(stop.length() - 1, text.length()); length > longest; length--) {
        if (stop.startsWith(text.substring(text.length() - length))) {
          longest = length;
        }
      }
    }
    return longest;
  }

  private void tell(int until) {
    if (until > told) {
      String piece = text.substring(told, until);
      told = until;
      listener.wrote(row, piece);
    }
  }

  private void finish(Generation.End how) {
    if (stream != null) {
      append(stream.finish());
    }
    if (end == null) {
      end = how;
      tell(text.length());
    }
  }

  Generation result() {
    return new Generation(
        text.toString(),
        ids,
        end == null ? Generation.End.LENGTH : end,
        prompt.length,
        logProbabilities);
  }
}
