package io.distill.mapping;

import static com.google.common.base.Preconditions.checkArgument;

/**
 * One student layer and the teacher layer it learns from.
 *
 * @param student the index of the student's layer, counted from 0
 * @param teacher the index of the teacher's layer, counted from 0
 */
public record LayerPair(int student, int teacher) {

  /**
   * Checks the indices.
   *
   * @param student the index of the student's layer, counted from 0
   * @param teacher the index of the teacher's layer, counted from 0
   * @throws IllegalArgumentException if an index is negative
   */
  public LayerPair {
    checkArgument(student >= 0, "student layer must be at least 0 but was %s", student);
    checkArgument(teacher >= 0, "teacher layer must be at least 0 but was %s", teacher);
  }

  @Override
  public String toString() {
    return student + " <- " + teacher;
  }
}
