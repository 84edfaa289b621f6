package io.distill.model;

import ai.djl.ndarray.NDArray;
import com.google.common.primitives.Ints;
import java.util.Comparator;
import java.util.List;

/**
 * An output with the number at the end of its name; DJL hands the entries of a dictionary over in
 * the order of their hashes.
 */
record NumberedArray(int number, NDArray array) {

  static NumberedArray of(String name, NDArray array) {
    Integer number = Ints.tryParse(name.substring(name.lastIndexOf('.') + 1));
    return new NumberedArray(number == null ? 0 : number, array);
  }

  static List<NDArray> inOrder(List<NumberedArray> arrays) {
    return arrays.stream()
        .sorted(Comparator.comparingInt(NumberedArray::number))
        .map(NumberedArray::array)
        .toList();
  }
}
