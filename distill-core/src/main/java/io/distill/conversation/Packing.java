package io.distill.conversation;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Puts samples into rows, longest first, each into the fullest row that has room for it. */
final class Packing {

  private Packing() {}

  /** Returns which samples each row holds, ascending; rows in the order of their first sample. */
  static List<List<Integer>> of(List<TokenisedSample> samples, int capacity) {
    List<Integer> order =
        IntStream.range(0, samples.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> -samples.get(i).length()))
            .toList();
    List<List<Integer>> rows = new ArrayList<>();
    // rows by the room they have left; the fullest that fits is taken
    TreeMap<Integer, ArrayDeque<List<Integer>>> open = new TreeMap<>();
    for (int sample : order) {
      int length = samples.get(sample).length();
      Map.Entry<Integer, ArrayDeque<List<Integer>>> fit = open.ceilingEntry(length);
      List<Integer> row;
      int room;
      if (fit == null) {
        row = new ArrayList<>();
        rows.add(row);
        room = capacity;
      } else {
        row = fit.getValue().removeFirst();
        room = fit.getKey();
        if (fit.getValue().isEmpty()) {
          open.remove(room);
        }
      }
      row.add(sample);
      open.computeIfAbsent(room - length, key -> new ArrayDeque<>()).addLast(row);
    }
    rows.forEach(row -> row.sort(Comparator.naturalOrder()));
    rows.sort(Comparator.comparing(row -> row.get(0)));
    return rows;
  }
}
