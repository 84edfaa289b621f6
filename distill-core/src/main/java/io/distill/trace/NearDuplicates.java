package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Drops answers that are nearly the same as one that was kept before.
 *
 * <p>Two texts are compared by the runs of words or characters (shingles) that they have in common:
 *
 * <pre>{@code
 * Jaccard similarity = |A ∩ B| / |A ∪ B|
 * }</pre>
 *
 * <p>which is estimated with MinHash, with a standard deviation of at most {@code 1 / (2
 * sqrt(permutations))}. Which kept texts are compared at all is found by locality-sensitive
 * hashing: signatures are cut into bands, and two texts meet if one band is equal, which happens
 * with a chance of {@code 1 - (1 - s^rows)^bands} at similarity s. The number of bands is chosen
 * such that this is at least {@value #RECALL} at the threshold. A kept text takes about 4 bytes a
 * permutation and 100 bytes a band. Verdicts are the same in every run.
 *
 * @see <a href="https://doi.org/10.1145/276698.276876">Indyk, Motwani, Approximate nearest
 *     neighbors, 1998</a>
 */
public final class NearDuplicates implements TraceFilter {

  /** The number of words of a run unless the user says otherwise. */
  public static final int DEFAULT_WORDS = 3;

  /** The similarity from which on texts are duplicates unless the user says otherwise. */
  public static final double DEFAULT_THRESHOLD = 0.8;

  /** The number of permutations unless the user says otherwise. */
  public static final int DEFAULT_PERMUTATIONS = 128;

  /** The chance that two texts at the threshold are compared, at least. */
  public static final double RECALL = 0.99;

  private static final int MAXIMUM_PERMUTATIONS = 4096;

  private final boolean byWords;
  private final int length;
  private final double threshold;
  private final int permutations;
  private final boolean perPrompt;
  private final int bands;
  private final MinHash hash;
  private final Map<Long, List<int[]>> kept = new HashMap<>();
  private String prompt = "";

  private NearDuplicates(
      boolean byWords, int length, double threshold, int permutations, boolean perPrompt) {
    this.byWords = byWords;
    this.length = length;
    this.threshold = threshold;
    this.permutations = permutations;
    this.perPrompt = perPrompt;
    this.bands = bands(permutations, threshold);
    this.hash = new MinHash(permutations);
  }

  /**
   * Compares runs of words, as fits prose. Signs such as {@code +} count as words, case does not
   * matter.
   *
   * @param n the number of words of a run, at least 1; usual 3 to 5
   * @return the filter, over all prompts, with threshold {@value #DEFAULT_THRESHOLD} and {@value
   *     #DEFAULT_PERMUTATIONS} permutations
   * @throws IllegalArgumentException if {@code n} is below 1
   */
  public static NearDuplicates words(int n) {
    return of(true, n);
  }

  /**
   * Compares runs of characters, as fits short texts and scripts without blanks. Case and the
   * number of blanks do not matter.
   *
   * @param n the number of characters of a run, at least 1; usual 5 to 9
   * @return the filter, over all prompts, with threshold {@value #DEFAULT_THRESHOLD} and {@value
   *     #DEFAULT_PERMUTATIONS} permutations
   * @throws IllegalArgumentException if {@code n} is below 1
   */
  public static NearDuplicates characters(int n) {
    return of(false, n);
  }

  private static NearDuplicates of(boolean byWords, int n) {
    checkArgument(n >= 1, "n must be at least 1 but was %s", n);
    return new NearDuplicates(byWords, n, DEFAULT_THRESHOLD, DEFAULT_PERMUTATIONS, false);
  }

  /**
   * Sets from which similarity on texts are duplicates.
   *
   * @param threshold a Jaccard similarity, greater than 0, at most 1
   * @return the filter with it
   * @throws IllegalArgumentException if it is out of its range
   */
  public NearDuplicates threshold(double threshold) {
    checkArgument(
        threshold > 0 && threshold <= 1,
        "threshold must be greater than 0 and at most 1 but was %s",
        threshold);
    return new NearDuplicates(byWords, length, threshold, permutations, perPrompt);
  }

  /**
   * Sets the length of signatures: more estimate better and take longer.
   *
   * @param permutations from 16 to 4096, a multiple of 16
   * @return the filter with it
   * @throws IllegalArgumentException if it is out of its range
   */
  public NearDuplicates permutations(int permutations) {
    checkArgument(
        permutations >= 16 && permutations <= MAXIMUM_PERMUTATIONS && permutations % 16 == 0,
        "permutations must be a multiple of 16 from 16 to %s but were %s",
        MAXIMUM_PERMUTATIONS,
        permutations);
    return new NearDuplicates(byWords, length, threshold, permutations, perPrompt);
  }

  /**
   * Compares answers to the same prompt only, and forgets them after it.
   *
   * @return the filter for each prompt on its own
   */
  public NearDuplicates perPrompt() {
    return new NearDuplicates(byWords, length, threshold, permutations, true);
  }

  /** Returns as few bands as find what they must. */
  static int bands(int permutations, double threshold) {
    for (int bands = 1; bands < permutations; bands++) {
      if (permutations % bands == 0) {
        double rows = permutations / (double) bands;
        if (1 - Math.pow(1 - Math.pow(threshold, rows), bands) >= RECALL) {
          return bands;
        }
      }
    }
    return permutations;
  }

  @Override
  public Verdict judge(Candidate candidate) {
    forgetOthers(candidate);
    int[] signature = signature(candidate);
    double most = 0;
    for (int band = 0; band < bands; band++) {
      for (int[] other : kept.getOrDefault(key(signature, band), List.of())) {
        most = Math.max(most, MinHash.similarity(signature, other));
      }
    }
    return Verdict.keepIf(most < threshold, "near-duplicate");
  }

  @Override
  public void kept(Candidate candidate) {
    forgetOthers(candidate);
    int[] signature = signature(candidate);
    for (int band = 0; band < bands; band++) {
      kept.computeIfAbsent(key(signature, band), key -> new ArrayList<>(1)).add(signature);
    }
  }

  private void forgetOthers(Candidate candidate) {
    if (perPrompt && !candidate.prompt().id().equals(prompt)) {
      kept.clear();
      prompt = candidate.prompt().id();
    }
  }

  private int[] signature(Candidate candidate) {
    return hash.signature(
        byWords
            ? MinHash.words(candidate.text(), length)
            : MinHash.characters(candidate.text(), length));
  }

  private long key(int[] signature, int band) {
    int rows = permutations / bands;
    long key = band;
    for (int i = band * rows; i < (band + 1) * rows; i++) {
      key = (key ^ signature[i]) * 0x9E3779B97F4A7C15L;
      key ^= key >>> 32;
    }
    return key;
  }

  @Override
  public TraceFilter begin() {
    return new NearDuplicates(byWords, length, threshold, permutations, perPrompt);
  }

  @Override
  public String name() {
    return "nearDuplicates";
  }

  @Override
  public String description() {
    return "nearDuplicates("
        + length
        + (byWords ? " words" : " characters")
        + ", threshold "
        + threshold
        + ", "
        + permutations
        + " permutations"
        + (perPrompt ? ", per prompt" : "")
        + ")";
  }

  @Override
  public boolean selects() {
    return true;
  }
}
