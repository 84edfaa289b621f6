package io.distill.data;

import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Turns token ids into text while they are generated, one by one; not thread-safe.
 *
 * <p>A token may end within a character, and the text of a token may depend on those before it. So
 * {@link #append} returns only text that no later token can change, and keeps back the rest: the
 * start of a character that is not complete, and a run of single bytes ({@code <0xE2>}) until it is
 * over. All texts returned, with that of {@link #finish()}, make up {@link Tokenizer#decode(int[])}
 * of all ids.
 *
 * <p>Each token costs the decoding of a few tokens, however many came before it.
 */
public final class TokenStream {

  private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");
  private static final char INCOMPLETE = '\uFFFD';

  private final Tokenizer tokenizer;
  private final Set<Integer> skipped;

  // the last tokens: those before complete are context, whose text was returned
  private int[] window = new int[16];
  private int size;
  private int complete;
  private int returned;
  private boolean bytes;

  /**
   * Starts a stream that leaves special tokens out.
   *
   * @param tokenizer the tokenizer of the ids
   */
  public TokenStream(Tokenizer tokenizer) {
    this(tokenizer, true);
  }

  /**
   * Starts a stream.
   *
   * @param tokenizer the tokenizer of the ids
   * @param skipSpecialTokens whether special tokens are left out
   */
  public TokenStream(Tokenizer tokenizer, boolean skipSpecialTokens) {
    this.tokenizer = requireNonNull(tokenizer, "tokenizer");
    this.skipped = skipSpecialTokens ? tokenizer.specialIds() : Set.of();
  }

  /**
   * Takes the next token.
   *
   * @param id its id
   * @return the text that is complete with it and was not returned before; may be empty
   * @throws IllegalArgumentException if {@code id} is negative
   */
  @CanIgnoreReturnValue
  public String append(int id) {
    TokenizerDefinition.requireIds(new int[] {id});
    if (skipped.contains(id)) {
      return "";
    }
    if (size == window.length) {
      window = Arrays.copyOf(window, size * 2);
    }
    window[size++] = id;
    // whether bytes are characters is known when the last of them is; an id without a piece does
    // not end a run
    tokenizer.piece(id).ifPresent(piece -> bytes = BYTE.matcher(piece).matches());
    if (bytes) {
      return "";
    }
    String text = text(0);
    int end = text.length();
    boolean whole = end == 0 || text.charAt(end - 1) != INCOMPLETE;
    String result = returnTo(text, whole ? end : end - 1);
    if (whole) {
      forget();
    }
    return result;
  }

  /**
   * Ends the text; the stream can then be used for another one.
   *
   * @return the text that was kept back; a character that is not complete is U+FFFD
   */
  public String finish() {
    String text = text(0);
    String result = returnTo(text, text.length());
    size = 0;
    complete = 0;
    returned = 0;
    bytes = false;
    return result;
  }

  private String returnTo(String text, int end) {
    if (end <= returned) {
      return "";
    }
    String result = text.substring(returned, end);
    returned = end;
    return result;
  }

  /** Leaves the tokens since the last whole text as the context of the next ones. */
  private void forget() {
    String context = text(complete);
    // a decoder that strips the start of a text must find something there that stops it
    if (complete > 0 && context.isBlank()) {
      return;
    }
    System.arraycopy(window, complete, window, 0, size - complete);
    size -= complete;
    complete = size;
    returned = context.length();
  }

  private String text(int from) {
    return tokenizer.decode(Arrays.copyOfRange(window, from, size), false);
  }
}
