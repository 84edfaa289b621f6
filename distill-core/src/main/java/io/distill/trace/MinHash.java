package io.distill.trace;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Signatures of sets whose share of equal places estimates how much the sets have in common.
 *
 * <p>Place i is the smallest of all hashes under the i-th function {@code (a_i x + b_i) mod p} with
 * the prime {@code p = 2^61 - 1}; the chance that two sets agree there is their Jaccard similarity.
 *
 * @see <a href="https://doi.org/10.1109/SEQUEN.1997.666900">Broder, On the resemblance and
 *     containment of documents, 1997</a>
 */
final class MinHash {

  private static final long PRIME = (1L << 61) - 1;
  private static final long SEED = 0x6D696E68617368L;

  private final long[] factors;
  private final long[] offsets;

  MinHash(int permutations) {
    SplittableRandom random = new SplittableRandom(SEED);
    factors = random.longs(permutations, 1, PRIME).toArray();
    offsets = random.longs(permutations, 0, PRIME).toArray();
  }

  /** Hashes the runs of n words; a text of fewer words is one run. */
  static Set<Long> words(String text, int n) {
    return shingles(Words.of(text), n);
  }

  /** Hashes the runs of n characters, without regard to case and to how many blanks there are. */
  static Set<Long> characters(String text, int n) {
    String plain = text.strip().toLowerCase(Locale.ROOT).replaceAll("\\s+", " ");
    return shingles(plain.codePoints().mapToObj(Character::toString).toList(), n);
  }

  private static Set<Long> shingles(List<String> parts, int n) {
    Set<Long> hashes = new HashSet<>();
    for (int i = 0; i == 0 || i + n <= parts.size(); i++) {
      String run = String.join("\u0001", parts.subList(i, Math.min(i + n, parts.size())));
      hashes.add(Hashing.murmur3_128().hashString(run, StandardCharsets.UTF_8).asLong());
    }
    return hashes;
  }

  /** Returns the signature of a set that is not empty. */
  int[] signature(Set<Long> hashes) {
    long[] smallest = new long[factors.length];
    Arrays.fill(smallest, Long.MAX_VALUE);
    for (long hash : hashes) {
      long x = reduce(hash & Long.MAX_VALUE);
      for (int i = 0; i < smallest.length; i++) {
        smallest[i] = Math.min(smallest[i], permuted(factors[i], x, offsets[i]));
      }
    }
    int[] signature = new int[smallest.length];
    for (int i = 0; i < signature.length; i++) {
      // 32 bits tell two minima apart well enough
      signature[i] = Long.hashCode(smallest[i] * 0x9E3779B97F4A7C15L);
    }
    return signature;
  }

  /** Returns {@code (factor x + offset) mod p}. */
  static long permuted(long factor, long x, long offset) {
    long high = Math.multiplyHigh(factor, x);
    long low = factor * x;
    // the product is high 2^64 + low, and 2^61 is 1 modulo p
    long sum = (low & PRIME) + ((low >>> 61) | (high << 3));
    return reduce(reduce(sum) + offset);
  }

  private static long reduce(long value) {
    long folded = (value & PRIME) + (value >>> 61);
    return folded >= PRIME ? folded - PRIME : folded;
  }

  /** Estimates the Jaccard similarity of two sets from their signatures. */
  static double similarity(int[] first, int[] second) {
    int equal = 0;
    for (int i = 0; i < first.length; i++) {
      equal += first[i] == second[i] ? 1 : 0;
    }
    return equal / (double) first.length;
  }
}
