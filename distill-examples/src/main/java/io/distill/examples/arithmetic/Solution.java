package io.distill.examples.arithmetic;

import io.distill.examples.arithmetic.Problem.Operation;
import java.util.OptionalInt;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is answered to a {@link Problem}, with the reasoning or without it.
 *
 * <p>The reasoning goes from the last digits to the first, a line for each. In an addition a line
 * has the two digits and the carry if there is one; in a subtraction ten is borrowed where the
 * upper digit is too small, and paid back in the next line:
 *
 * <pre>{@code
 * 345 + 278:  <think>5+8=13          345 - 278:  <think>15-8=7
 *             4+7+1=12                           14-7-1=6
 *             3+2+1=6</think>#### 623            3-2-1=0</think>#### 67
 * }</pre>
 */
final class Solution {

  static final String BEFORE_REASONING = "<think>";
  static final String AFTER_REASONING = "</think>";

  /** Stands before the answer, as in the data set GSM8K. */
  static final String BEFORE_ANSWER = "#### ";

  private static final Pattern ANSWER =
      Pattern.compile("\\s*(?:<think>[^<]*</think>)?\\s*#### ?([0-9]{1,9})\\s*");

  private Solution() {}

  /** Returns the answer alone. */
  static String bare(Problem problem) {
    return BEFORE_ANSWER + problem.answer();
  }

  /** Returns the reasoning, column by column, and the answer. */
  static String worked(Problem problem) {
    StringJoiner lines = new StringJoiner("\n", BEFORE_REASONING, AFTER_REASONING);
    int first = problem.first();
    int second = problem.second();
    int carry = 0;
    while (first > 0 || second > 0) {
      int upper = first % 10;
      int lower = second % 10;
      int result;
      int next;
      if (problem.operation() == Operation.ADDITION) {
        result = upper + lower + carry;
        next = result / 10;
      } else {
        next = upper - lower - carry < 0 ? 1 : 0;
        upper += 10 * next;
        result = upper - lower - carry;
      }
      char sign = problem.operation().sign();
      lines.add("" + upper + sign + lower + (carry > 0 ? "" + sign + carry : "") + "=" + result);
      carry = next;
      first /= 10;
      second /= 10;
    }
    return lines + bare(problem);
  }

  /**
   * Reads the answer.
   *
   * @param text what a model said
   * @return the number; empty if the text is not a reasoning, or none, followed by one answer
   */
  static OptionalInt answer(String text) {
    Matcher matcher = ANSWER.matcher(text);
    return matcher.matches()
        ? OptionalInt.of(Integer.parseInt(matcher.group(1)))
        : OptionalInt.empty();
  }
}
