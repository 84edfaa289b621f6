package io.distill.examples.arithmetic;

import com.google.common.hash.Hashing;
import com.google.errorprone.annotations.Immutable;
import io.distill.examples.arithmetic.Problem.Operation;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Draws word problems. Which pairs of numbers occur is settled for each {@link Purpose} once and
 * for all, whatever the seed: a pair that is tested on is never trained on, in no wording.
 */
final class Problems {

  /** The largest number of digits of a number. */
  static final int MOST_DIGITS = 4;

  /** What problems are for. */
  enum Purpose {
    TRAINING,
    VALIDATION,
    TEST
  }

  private static final List<Purpose> PURPOSES = List.of(Purpose.values());

  /** One pair of numbers in so many is tested on, and as many serve to choose settings. */
  private static final int HELD_OUT = 20;

  /** How often the second number has as many digits as the first may have. */
  private static final double EQUAL_DIGITS = 0.6;

  private static final List<String> NAMES =
      List.of(
          "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Iris", "Jack", "Kim", "Leo",
          "Mia", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Viktor");

  private static final List<String> THINGS =
      List.of(
          "apples", "books", "coins", "stamps", "shells", "cards", "pens", "marbles", "eggs",
          "bricks", "tickets", "roses", "plums", "stones", "beads", "nuts");

  private static final List<Wording> WORDINGS =
      List.of(
          addition(
              "NAME has FIRST THINGS and gets SECOND more. How many THINGS does NAME have now?"),
          addition(
              "NAME has FIRST THINGS. OTHER has SECOND THINGS. How many THINGS do they have"
                  + " together?"),
          addition(
              "There are FIRST THINGS in one box and SECOND in another. How many THINGS are there?"),
          addition(
              "A shop sold FIRST THINGS on Monday and SECOND on Tuesday. How many THINGS were"
                  + " sold?"),
          addition("NAME counted FIRST THINGS, then SECOND more. How many THINGS did NAME count?"),
          subtraction("NAME has FIRST THINGS and gives away SECOND. How many THINGS are left?"),
          subtraction(
              "NAME has FIRST THINGS. OTHER has SECOND fewer. How many THINGS does OTHER have?"),
          subtraction(
              "There were FIRST THINGS in a box. NAME took SECOND. How many THINGS are left?"),
          subtraction("A shop had FIRST THINGS and sold SECOND. How many THINGS are left?"),
          subtraction("NAME needs FIRST THINGS and has SECOND. How many THINGS are missing?"));

  private static final Pattern WORD_BREAK = Pattern.compile("[^A-Za-z]+");

  private final Purpose purpose;
  private final Random random;

  /**
   * Starts a stream of problems.
   *
   * @param purpose what they are for
   * @param seed the same seed gives the same problems
   */
  Problems(Purpose purpose, long seed) {
    this.purpose = purpose;
    this.random = new Random(seed * PURPOSES.size() + PURPOSES.indexOf(purpose));
  }

  /** Draws a problem; one of d digits is d times as likely as one of a single digit. */
  Problem next() {
    int ticket = random.nextInt(MOST_DIGITS * (MOST_DIGITS + 1) / 2);
    int digits = 1;
    while (ticket >= digits) {
      ticket -= digits;
      digits++;
    }
    return next(digits);
  }

  /** Draws a problem whose larger number has so many digits. */
  Problem next(int digits) {
    while (true) {
      int larger = number(digits);
      int smaller =
          number(random.nextDouble() < EQUAL_DIGITS ? digits : 1 + random.nextInt(digits));
      Wording wording = WORDINGS.get(random.nextInt(WORDINGS.size()));
      boolean swap =
          wording.operation() == Operation.ADDITION ? random.nextBoolean() : smaller > larger;
      int first = swap ? smaller : larger;
      int second = swap ? larger : smaller;
      if (purpose(wording.operation(), first, second) == purpose) {
        return new Problem(
            wording.question(first, second, random), wording.operation(), first, second, digits);
      }
    }
  }

  /** Draws problems that all differ in their text. */
  List<Problem> draw(int count) {
    return Stream.generate(this::next).distinct().limit(count).toList();
  }

  private int number(int digits) {
    int least = digits == 1 ? 1 : power(digits - 1);
    return least + random.nextInt(power(digits) - least);
  }

  private static int power(int exponent) {
    return exponent == 0 ? 1 : 10 * power(exponent - 1);
  }

  /** Returns what a pair of numbers is for. */
  static Purpose purpose(Operation operation, int first, int second) {
    int hash =
        Hashing.murmur3_32_fixed()
            .newHasher()
            .putChar(operation.sign())
            .putInt(first)
            .putInt(second)
            .hash()
            .asInt();
    return switch (Math.floorMod(hash, HELD_OUT)) {
      case 0 -> Purpose.TEST;
      case 1 -> Purpose.VALIDATION;
      default -> Purpose.TRAINING;
    };
  }

  /** Returns all words that occur in questions, each as it is spelled, in a fixed order. */
  static List<String> words() {
    TreeSet<String> words = new TreeSet<>(NAMES);
    words.addAll(THINGS);
    for (Wording wording : WORDINGS) {
      for (String word : WORD_BREAK.split(wording.text(), -1)) {
        if (!word.isEmpty() && !Wording.PLACES.contains(word)) {
          words.add(word);
        }
      }
    }
    return new ArrayList<>(words);
  }

  private static Wording addition(String text) {
    return new Wording(Operation.ADDITION, text);
  }

  private static Wording subtraction(String text) {
    return new Wording(Operation.SUBTRACTION, text);
  }

  /** A way to ask, with capitals where something is filled in. */
  @Immutable
  private record Wording(Operation operation, String text) {

    private static final List<String> PLACES =
        List.of("FIRST", "SECOND", "NAME", "OTHER", "THINGS");

    String question(int first, int second, Random random) {
      int name = random.nextInt(NAMES.size());
      int other = (name + 1 + random.nextInt(NAMES.size() - 1)) % NAMES.size();
      return text.replace("FIRST", Integer.toString(first))
          .replace("SECOND", Integer.toString(second))
          .replace("NAME", NAMES.get(name))
          .replace("OTHER", NAMES.get(other))
          .replace("THINGS", THINGS.get(random.nextInt(THINGS.size())));
    }
  }
}
