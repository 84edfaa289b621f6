package io.distill.huggingface.internal;

import com.google.common.math.LongMath;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Python's operators on numbers, texts and lists. */
final class Arithmetic {

  private Arithmetic() {}

  static Object apply(String operator, Object left, Object right) {
    Budget.spend(1);
    Number a = Values.number(left);
    Number b = Values.number(right);
    if (a != null && b != null) {
      try {
        return (a instanceof Long whole && b instanceof Long other && !operator.equals("/"))
            ? whole(operator, whole, other)
            : real(operator, a.doubleValue(), b.doubleValue());
      } catch (ArithmeticException e) {
        throw new TemplateException(left + " " + operator + " " + right + ": " + e.getMessage());
      }
    }
    Object made = null;
    if (operator.equals("+")) {
      made = joined(left, right);
    } else if (operator.equals("*") && (a instanceof Long || b instanceof Long)) {
      made = a == null ? times(left, Values.integer(right)) : times(right, Values.integer(left));
    }
    if (made == null) {
      boolean leftIsGuilty = left instanceof Undefined || !(right instanceof Undefined);
      throw Values.typeError("the operator " + operator, leftIsGuilty ? left : right);
    }
    return made;
  }

  private static @Nullable Object joined(Object left, Object right) {
    if (left instanceof String text && right instanceof String other) {
      return PythonText.join("", List.of(text, other));
    }
    if (Values.isText(left) && Values.isText(right)) {
      return new Markup(PythonText.join("", List.of(Markup.escape(left), Markup.escape(right))));
    }
    if (left instanceof List<?> list
        && right instanceof List<?> other
        && (left instanceof Tuple) == (right instanceof Tuple)) {
      Budget.spend((list.size() + other.size()) / 4);
      List<Object> both = new ArrayList<>(list);
      both.addAll(other);
      return left instanceof Tuple ? new Tuple(both) : both;
    }
    return null;
  }

  private static Object times(Object value, long times) {
    if (value instanceof String text) {
      return PythonText.repeat(text, times);
    }
    if (!(value instanceof List<?> list)) {
      throw Values.typeError("the operator *", value);
    }
    List<Object> all = new ArrayList<>();
    for (long i = 0; i < times && !list.isEmpty(); i++) {
      Budget.spend(list.size());
      all.addAll(list);
    }
    return value instanceof Tuple ? new Tuple(all) : all;
  }

  private static Object whole(String operator, long a, long b) {
    return switch (operator) {
      case "+" -> Math.addExact(a, b);
      case "-" -> Math.subtractExact(a, b);
      case "*" -> Math.multiplyExact(a, b);
      case "//" -> Math.floorDiv(a, b);
      case "%" -> Math.floorMod(a, b);
      default ->
          b < 0
              ? (Object) Math.pow((double) a, (double) b)
              : LongMath.checkedPow(a, Math.toIntExact(b));
    };
  }

  private static Object real(String operator, double a, double b) {
    if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
      throw new ArithmeticException("division by zero");
    }
    return switch (operator) {
      case "+" -> a + b;
      case "-" -> a - b;
      case "*" -> a * b;
      case "/" -> a / b;
      case "//" -> Math.floor(a / b);
      case "%" -> (a % b != 0 && (a < 0) != (b < 0)) ? a % b + b : a % b;
      default -> Math.pow(a, b);
    };
  }

  static Object negative(Object value) {
    Number number = Values.number(value);
    if (number instanceof Long whole) {
      return Math.negateExact(whole);
    }
    if (number == null) {
      throw Values.typeError("the sign", value);
    }
    return -number.doubleValue();
  }
}
