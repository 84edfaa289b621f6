package io.distill.conversation;

import io.distill.data.DistillationDataset;
import java.util.Arrays;

/** Tokens and what of them is learned; the first of a text never is. */
@SuppressWarnings("ArrayRecordComponent") // internal; never compared
record TokenisedSample(int[] ids, int[] labels) {

  /** Learns the tokens of some spans, given as pairs of begin and end. */
  static TokenisedSample of(int[] ids, int[]... spans) {
    int[] labels = new int[ids.length];
    Arrays.fill(labels, DistillationDataset.NO_LABEL);
    for (int[] span : spans) {
      for (int i = Math.max(1, span[0]); i < Math.min(span[1], ids.length); i++) {
        labels[i] = ids[i];
      }
    }
    return new TokenisedSample(ids, labels);
  }

  int length() {
    return ids.length;
  }

  int learned() {
    int count = 0;
    for (int label : labels) {
      count += label >= 0 ? 1 : 0;
    }
    return count;
  }

  TokenisedSample part(int from, int to) {
    int[] some = Arrays.copyOfRange(labels, from, to);
    some[0] = DistillationDataset.NO_LABEL;
    return new TokenisedSample(Arrays.copyOfRange(ids, from, to), some);
  }
}
