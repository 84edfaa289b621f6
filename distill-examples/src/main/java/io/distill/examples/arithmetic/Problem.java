package io.distill.examples.arithmetic;

/**
 * A word problem about an addition or a subtraction.
 *
 * @param question the text of the problem, such as {@code Ada has 34 coins and gets 8 more. How
 *     many coins does Ada have now?}
 * @param operation what has to be done
 * @param first the number on the left, at least as large as {@code second} in a subtraction
 * @param second the number on the right
 * @param digits the number of digits of the larger number
 */
record Problem(String question, Operation operation, int first, int second, int digits) {

  /** What has to be done with the two numbers. */
  enum Operation {
    ADDITION('+'),
    SUBTRACTION('-');

    private final char sign;

    Operation(char sign) {
      this.sign = sign;
    }

    char sign() {
      return sign;
    }
  }

  /** Returns the right answer, at least 0. */
  int answer() {
    return operation == Operation.ADDITION ? first + second : first - second;
  }
}
