package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Turns text into the token ids of a model; immutable and thread-safe.
 *
 * <p>Defined by a Hugging Face {@code tokenizer.json}. One of BERT's kind (WordPiece) is run by a
 * fast tokenizer in Java, any other by DJL's {@code HuggingFaceTokenizer}; both give the same ids.
 *
 * <p>Padding in the file is ignored: batches are padded to their longest row. Truncation in the
 * file sets the default {@link #maxLength()} and the side that is cut off.
 */
public interface Tokenizer {

  /** The largest number of tokens of a text unless the definition or the caller says otherwise. */
  int DEFAULT_MAX_LENGTH = 512;

  /**
   * Loads a tokenizer. Its maximum length is {@value #DEFAULT_MAX_LENGTH}, or that of the file's
   * truncation if smaller.
   *
   * @param path a {@code tokenizer.json}, or a directory that has one
   * @return the tokenizer
   * @throws DistillationException if the file is missing, unreadable or not a tokenizer
   */
  static Tokenizer load(Path path) {
    return TokenizerDefinition.read(path).tokenizer(OptionalInt.empty());
  }

  /**
   * Loads a tokenizer with a maximum length, whatever truncation the file asks for.
   *
   * @param path a {@code tokenizer.json}, or a directory that has one
   * @param maxLength the largest number of tokens of a text, special tokens included; greater than
   *     the number of special tokens
   * @return the tokenizer
   * @throws DistillationException if the file is missing, unreadable or not a tokenizer
   * @throws IllegalArgumentException if {@code maxLength} leaves no room for a token of the text
   */
  static Tokenizer load(Path path, int maxLength) {
    checkArgument(maxLength >= 1, "maxLength must be at least 1 but was %s", maxLength);
    return TokenizerDefinition.read(path).tokenizer(OptionalInt.of(maxLength));
  }

  /**
   * Reads a tokenizer from the text of a {@code tokenizer.json}; maximum length as in {@link
   * #load(Path)}.
   *
   * @param tokenizerJson the definition
   * @return the tokenizer
   * @throws DistillationException if the text is not the definition of a tokenizer
   */
  static Tokenizer parse(String tokenizerJson) {
    requireNonNull(tokenizerJson, "tokenizerJson");
    return TokenizerDefinition.parse(tokenizerJson, "tokenizerJson").tokenizer(OptionalInt.empty());
  }

  /**
   * Reads a tokenizer from a stream, such as a class path resource; maximum length as in {@link
   * #load(Path)}.
   *
   * @param tokenizerJson the UTF-8 text of a {@code tokenizer.json}; read to its end, not closed
   * @return the tokenizer
   * @throws DistillationException if the stream cannot be read or is not the definition of a
   *     tokenizer
   */
  static Tokenizer parse(InputStream tokenizerJson) {
    requireNonNull(tokenizerJson, "tokenizerJson");
    try {
      byte[] content = tokenizerJson.readNBytes(TokenizerDefinition.MAX_BYTES + 1);
      if (content.length > TokenizerDefinition.MAX_BYTES) {
        throw new IOException("it has more than " + TokenizerDefinition.MAX_BYTES + " bytes");
      }
      return parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString());
    } catch (CharacterCodingException e) {
      throw new DistillationException(
          "tokenizer must be UTF-8 text but is not; save it again as UTF-8", e);
    } catch (IOException e) {
      throw new DistillationException(
          "tokenizer must be readable from its stream but was not: " + e.getMessage(), e);
    }
  }

  /**
   * Encodes a text: special tokens are added, and the text is truncated so that all of it fits into
   * {@link #maxLength()} with the special tokens kept.
   *
   * <p>The name of a special token in the text, such as {@code [SEP]}, becomes that token. An
   * unpaired surrogate counts as U+FFFD.
   *
   * @param text the text; may be empty
   * @return the token ids, not padded, at most {@link #maxLength()}
   */
  int[] encode(String text);

  /**
   * Encodes a text with or without the special tokens that {@link #encode(String)} adds.
   *
   * <p>The name of a special token in the text becomes that token either way, which is how the text
   * of a chat template gets its special tokens.
   *
   * @param text the text; may be empty
   * @param specialTokens whether the special tokens around a text are added
   * @return the token ids, not padded, at most {@link #maxLength()}
   * @throws DistillationException if this is not a tokenizer of this library and its class does not
   *     have this method
   */
  default int[] encode(String text, boolean specialTokens) {
    if (specialTokens) {
      return encode(text);
    }
    throw new DistillationException(
        "tokenizer must be able to encode without special tokens but "
            + getClass().getName()
            + " is not; add encode(String, boolean) to it");
  }

  /**
   * Decodes token ids to text; special tokens are left out.
   *
   * @param ids the token ids
   * @return {@code decode(ids, true)}
   * @throws IllegalArgumentException if an id is negative
   * @throws DistillationException as {@link #decode(int[], boolean)} does
   */
  default String decode(int[] ids) {
    return decode(ids, true);
  }

  /**
   * Decodes token ids to text as the Hugging Face tokenizers library does: by the decoder of the
   * definition, without further cleaning of spaces. Bytes that are no UTF-8 become U+FFFD.
   *
   * @param ids the token ids; an id without a piece, as the rows of a padded embedding have, is
   *     left out
   * @param skipSpecialTokens whether {@link #specialIds()} are left out
   * @return the text
   * @throws IllegalArgumentException if an id is negative
   * @throws DistillationException if this is not a tokenizer of this library and its class does not
   *     have this method
   * @see TokenStream
   */
  default String decode(int[] ids, boolean skipSpecialTokens) {
    throw new DistillationException(
        "tokenizer must be able to decode but "
            + getClass().getName()
            + " is not; add decode(int[], boolean) to it");
  }

  /**
   * Returns the piece of an id.
   *
   * @param id an id
   * @return the piece as it is written in the vocabulary, or empty if the id has none
   */
  default Optional<String> piece(int id) {
    return Optional.empty();
  }

  /**
   * Returns the ids of special tokens, such as {@code [CLS]} or {@code </s>}: the added tokens that
   * the definition calls special.
   *
   * @return the ids, ascending; not modifiable
   */
  default Set<Integer> specialIds() {
    return Set.of();
  }

  /**
   * Returns the number of ids, which is the number of rows of an embedding table.
   *
   * @return one more than the largest id
   */
  int vocabularySize();

  /**
   * Returns the largest number of tokens of an encoded text.
   *
   * @return the maximum length, special tokens included
   */
  int maxLength();

  /**
   * Returns the id that pads short rows.
   *
   * @return the id of the padding token; 0 if the definition has none
   */
  int padId();

  /**
   * Returns the id of a piece of the vocabulary.
   *
   * @param piece the piece as it is written in the vocabulary, such as {@code ##ing} or {@code
   *     [CLS]}
   * @return its id, or empty if the vocabulary has no such piece
   */
  OptionalInt id(String piece);

  /**
   * Returns this tokenizer with another maximum length.
   *
   * @param maxLength the largest number of tokens of a text, special tokens included; greater than
   *     the number of special tokens
   * @return the tokenizer
   * @throws IllegalArgumentException if {@code maxLength} leaves no room for a token of the text
   */
  Tokenizer withMaxLength(int maxLength);

  /**
   * Returns a tokenizer of the same kind with only those pieces that some texts need.
   *
   * <p>It has the special and other added tokens, every piece that {@code texts} are made of, and
   * what the kind needs so that no other text becomes unknown:
   *
   * <ul>
   *   <li>WordPiece: every piece of a single character, {@code x} and {@code ##x}, for the
   *       characters of {@code texts} and for ASCII letters, digits and punctuation, as far as this
   *       vocabulary has them;
   *   <li>byte-pair (BPE): the pieces and merges by which kept pieces are made; all single
   *       characters, or, if this vocabulary falls back to bytes, all bytes and ASCII;
   *   <li>Unigram: all single characters, or all bytes and ASCII as above; pieces with a character
   *       that stands nowhere alone.
   * </ul>
   *
   * <p>All of {@code texts} are cut into the same pieces as before; words that were not among them
   * fall apart into smaller pieces. Ids are dense and in the order of this tokenizer's ids.
   *
   * @param texts the texts to keep the pieces of; may be read twice, to find the pieces and to
   *     check that texts are cut as before
   * @return the smaller tokenizer; its {@link #originalIds()} lead back to this one's ids
   * @throws DistillationException if this is no WordPiece tokenizer of BERT's kind, no byte-pair
   *     and no Unigram tokenizer, or has what cannot be trimmed: dropout, marks of the start or end
   *     of a word, one id for two pieces
   */
  Tokenizer trimmedTo(Iterable<String> texts);

  /**
   * Returns for every id the id of the same piece in the tokenizer that this one was trimmed from,
   * so that rows of an embedding table can be copied.
   *
   * @return {@link #vocabularySize()} ids, ascending; each its own index if this tokenizer was not
   *     made by {@link #trimmedTo}
   */
  int[] originalIds();

  /**
   * Returns the definition of exactly this tokenizer: truncation at {@link #maxLength()}, no
   * padding.
   *
   * @return the text of a {@code tokenizer.json}; equal tokenizers have equal texts
   */
  String json();

  /**
   * Returns a digest of {@link #json()}; tokenizers with the same digest encode alike.
   *
   * @return a SHA-256 digest in hexadecimal
   */
  String fingerprint();

  /**
   * Writes {@link #json()} to {@code tokenizer.json}; the file appears whole or not at all.
   *
   * @param directory where to write; created if it does not exist
   * @throws DistillationException if the file cannot be written
   */
  void save(Path directory);
}
