package io.distill.examples.arithmetic;

/**
 * How much is done.
 *
 * @param layers the number of layers of teacher and students
 * @param teacherWidth the hidden size of the teacher; students have half of it
 * @param teacherSteps the optimizer steps of the teacher, each on problems that it has not seen
 * @param prompts how many problems the teacher is asked
 * @param studentSteps the optimizer steps of each student
 * @param testsPerDigit the number of held-out problems of each number of digits
 */
record Plan(
    int layers,
    int teacherWidth,
    int teacherSteps,
    int prompts,
    int studentSteps,
    int testsPerDigit) {

  /** How often the teacher is asked each problem. */
  static final int SAMPLES = 4;

  /** Returns what takes about ten minutes on two cores. */
  static Plan full() {
    return new Plan(4, 128, 900, 6000, 2500, 250);
  }

  /** Returns what takes seconds, to see that all works; nothing is learnt in it. */
  static Plan quick() {
    return new Plan(2, 32, 30, 30, 10, 3);
  }
}
