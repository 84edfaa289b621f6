package io.distill.mapping;

import static java.util.Objects.requireNonNull;

/**
 * The name of a student layer and that of the teacher layer it learns from.
 *
 * @param student the name of the student's layer
 * @param teacher the name of the teacher's layer
 */
public record NamedLayerPair(String student, String teacher) {

  /**
   * Checks that both are there.
   *
   * @param student the name of the student's layer
   * @param teacher the name of the teacher's layer
   */
  public NamedLayerPair {
    requireNonNull(student, "student");
    requireNonNull(teacher, "teacher");
  }

  @Override
  public String toString() {
    return student + " <- " + teacher;
  }
}
