package io.distill.teacher;

import io.distill.signal.SignalKind;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What is in a teacher cache.
 *
 * @param path the file
 * @param kinds what is kept of each kind of signals
 * @param keptMass how much of the teacher's probability the kept logits have, by temperature,
 *     lowest first; empty if all logits are kept
 * @see CachedTeacher#report
 */
public record CacheReport(Path path, Map<SignalKind, Kind> kinds, List<Mass> keptMass) {

  /**
   * Copies the collections.
   *
   * @param path the file
   * @param kinds what is kept of each kind of signals
   * @param keptMass how much of the teacher's probability the kept logits have, by temperature
   */
  public CacheReport {
    Map<SignalKind, Kind> copy = new EnumMap<>(SignalKind.class);
    copy.putAll(kinds);
    kinds = Collections.unmodifiableMap(copy);
    keptMass = List.copyOf(keptMass);
  }

  /**
   * One kind of signals.
   *
   * @param rows the number of different rows
   * @param bytes the number of bytes that they take in the file, directories included; rows that
   *     are not on disk yet are not counted
   * @param coding how values are kept: {@code float32}, {@code float16} or {@code top k}
   */
  public record Kind(int rows, long bytes, String coding) {}

  /**
   * The probability that the kept logits have together, over all rows or tokens, measured on the
   * teacher's full distribution when they were written.
   *
   * @param temperature the softmax temperature
   * @param tokens the number of rows or tokens
   * @param mean the mean; from 0 to 1
   * @param least the least
   * @param percentile1 one row or token in a hundred has less than this; as the others below,
   *     rounded down by at most a fifth of the mass that is lost
   * @param percentile5 one in twenty has less
   * @param percentile25 one in four has less
   * @param median half have less
   */
  public record Mass(
      double temperature,
      long tokens,
      double mean,
      double least,
      double percentile1,
      double percentile5,
      double percentile25,
      double median) {}
}
