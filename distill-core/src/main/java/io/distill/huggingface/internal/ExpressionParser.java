package io.distill.huggingface.internal;

import io.distill.huggingface.internal.Lexer.Kind;
import io.distill.huggingface.internal.Lexer.Token;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Reads expressions by Jinja's grammar, from the weakest binding to the strongest. */
final class ExpressionParser {

  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
  private static final Set<String> AFTER_TEST = Set.of("else", "or", "and");
  private static final int DEEPEST = 100;

  /** An argument of a call; named, or unpacked by one star or two. */
  private record Argument(String name, Expression value) {}

  /** A call, to which a block can add what it holds. */
  record Call(Expression function, List<Argument> arguments) implements Expression {
    @Override
    public Object value(Scope scope) {
      return call(function.value(scope), evaluate(arguments, scope));
    }

    Object valueWith(Scope scope, Callable caller) {
      return call(function.value(scope), evaluate(arguments, scope).with("caller", caller));
    }
  }

  private final List<Token> tokens;
  private int place;
  private int depth;

  ExpressionParser(String source) {
    this.tokens = Lexer.tokens(source);
  }

  static Object call(Object function, Arguments arguments) {
    if (!(function instanceof Callable callable)) {
      throw Values.typeError("calling", function);
    }
    Budget.spend(1);
    return callable.call(arguments);
  }

  private static Arguments evaluate(List<Argument> arguments, Scope scope) {
    List<Object> positional = new ArrayList<>();
    Map<String, Object> named = new LinkedHashMap<>();
    for (Argument each : arguments) {
      Object value = each.value().value(scope);
      switch (each.name()) {
        case "" -> positional.add(value);
        case "*" -> positional.addAll(Values.iterate(value));
        case "**" ->
            Values.dict(Arguments.of(value))
                .forEach((key, one) -> named.put(Values.text(key), one));
        default -> named.put(each.name(), value);
      }
    }
    return new Arguments(positional, named);
  }

  // tokens

  private Token current() {
    return tokens.get(place);
  }

  private boolean at(Kind kind, String text) {
    return current().kind() == kind && current().text().equals(text);
  }

  boolean isAt(String operator) {
    return at(Kind.OPERATOR, operator);
  }

  boolean atWord(String word) {
    return at(Kind.NAME, word);
  }

  boolean skip(String operator) {
    return skip(Kind.OPERATOR, operator);
  }

  boolean skipWord(String word) {
    return skip(Kind.NAME, word);
  }

  private boolean skip(Kind kind, String text) {
    boolean there = at(kind, text);
    place += there ? 1 : 0;
    return there;
  }

  void expect(String operator) {
    if (!skip(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectWord(String word) {
    if (!skipWord(word)) {
      throw unexpected("'" + word + "'");
    }
  }

  String name() {
    if (current().kind() != Kind.NAME) {
      throw unexpected("a name");
    }
    return tokens.get(place++).text();
  }

  boolean isAtEnd() {
    return current().kind() == Kind.END;
  }

  void end() {
    if (!isAtEnd()) {
      throw unexpected("the end of the expression");
    }
  }

  private TemplateException unexpected(String wanted) {
    return new TemplateException("expected " + wanted + " but found '" + current().text() + "'");
  }

  // grammar

  /** Reads an expression, or several with commas as a tuple. */
  Expression tuple(boolean conditional) {
    List<Expression> items = new ArrayList<>();
    boolean comma = false;
    while (!isAtEnd() && !isAt(")") && !atWord("if")) {
      items.add(conditional ? expression() : or());
      if (!skip(",")) {
        break;
      }
      comma = true;
    }
    if (items.isEmpty()) {
      throw unexpected("an expression");
    }
    return comma ? tuple(items) : items.get(0);
  }

  private static Expression tuple(List<Expression> items) {
    return scope -> new Tuple(values(items, scope));
  }

  private static List<Object> values(List<Expression> items, Scope scope) {
    List<Object> values = new ArrayList<>(items.size());
    Budget.spend(items.size());
    items.forEach(each -> values.add(each.value(scope)));
    return values;
  }

  Expression expression() {
    if (++depth > DEEPEST) {
      throw new TemplateException("an expression must not be nested deeper than " + DEEPEST);
    }
    Expression value = or();
    while (skipWord("if")) {
      Expression then = value;
      Expression test = or();
      Expression otherwise =
          skipWord("else") ? expression() : scope -> new Undefined("inline if-expression");
      value = scope -> (Values.truth(test.value(scope)) ? then : otherwise).value(scope);
    }
    depth--;
    return value;
  }

  private Expression or() {
    Expression left = and();
    while (skipWord("or")) {
      Expression first = left;
      Expression second = and();
      left =
          scope -> {
            Object value = first.value(scope);
            return Values.truth(value) ? value : second.value(scope);
          };
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (skipWord("and")) {
      Expression first = left;
      Expression second = not();
      left =
          scope -> {
            Object value = first.value(scope);
            return Values.truth(value) ? second.value(scope) : value;
          };
    }
    return left;
  }

  private Expression not() {
    int count = 0;
    while (skipWord("not")) {
      count++;
    }
    Expression value = comparison();
    boolean negated = count % 2 == 1;
    return count == 0 ? value : scope -> Values.truth(value.value(scope)) != negated;
  }

  private Expression comparison() {
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    while (true) {
      boolean notIn = atWord("not") && tokens.get(place + 1).equals(new Token(Kind.NAME, "in"));
      if (notIn || atWord("in")) {
        place += notIn ? 2 : 1;
        operators.add(notIn ? "not in" : "in");
      } else if (current().kind() == Kind.OPERATOR && COMPARISONS.contains(current().text())) {
        operators.add(tokens.get(place++).text());
      } else {
        break;
      }
      others.add(sum());
    }
    if (operators.isEmpty()) {
      return first;
    }
    return scope -> {
      Object left = first.value(scope);
      for (int i = 0; i < operators.size(); i++) {
        Object right = others.get(i).value(scope);
        if (!compare(operators.get(i), left, right)) {
          return false;
        }
        left = right;
      }
      return true;
    };
  }

  private static boolean compare(String operator, Object left, Object right) {
    return switch (operator) {
      case "==" -> Values.equal(left, right);
      case "!=" -> !Values.equal(left, right);
      case "<" -> Values.compare(left, right) < 0;
      case "<=" -> Values.compare(left, right) <= 0;
      case ">" -> Values.compare(left, right) > 0;
      case ">=" -> Values.compare(left, right) >= 0;
      case "in" -> Values.contains(right, left);
      default -> !Values.contains(right, left);
    };
  }

  /** Reads operators of one strength, which take from left to right. */
  private Expression computed(Set<String> operators, Supplier<Expression> stronger) {
    Expression left = stronger.get();
    while (current().kind() == Kind.OPERATOR && operators.contains(current().text())) {
      String operator = tokens.get(place++).text();
      Expression first = left;
      Expression second = stronger.get();
      left = scope -> Arithmetic.apply(operator, first.value(scope), second.value(scope));
    }
    return left;
  }

  private Expression sum() {
    return computed(Set.of("+", "-"), this::concatenation);
  }

  private Expression product() {
    return computed(Set.of("*", "/", "//", "%"), () -> computed(Set.of("**"), () -> unary(true)));
  }

  private Expression concatenation() {
    Expression first = product();
    if (!isAt("~")) {
      return first;
    }
    List<Expression> parts = new ArrayList<>(List.of(first));
    while (skip("~")) {
      parts.add(product());
    }
    return scope -> PythonText.join("", values(parts, scope).stream().map(Printing::text).toList());
  }

  private Expression unary(boolean filtered) {
    if (++depth > DEEPEST) {
      throw new TemplateException("an expression must not be nested deeper than " + DEEPEST);
    }
    Expression value;
    if (skip("-")) {
      Expression positive = unary(false);
      value = scope -> Arithmetic.negative(positive.value(scope));
    } else if (skip("+")) {
      Expression same = unary(false);
      value = scope -> Arithmetic.apply("+", 0L, same.value(scope));
    } else {
      value = primary();
    }
    value = postfix(value);
    depth--;
    return filtered ? filtered(value) : value;
  }

  private Expression primary() {
    Token token = current();
    place++;
    Expression value =
        switch (token.kind()) {
          case NAME -> name(token.text());
          case TEXT -> texts(token.text());
          case INTEGER -> constant(token.text(), true);
          case FLOAT -> constant(token.text(), false);
          case OPERATOR -> bracketed(token.text());
          case END -> null;
        };
    if (value == null) {
      place--;
      throw unexpected("an expression");
    }
    return value;
  }

  private static Expression name(String name) {
    return switch (name) {
      case "true", "True" -> scope -> true;
      case "false", "False" -> scope -> false;
      case "none", "None" -> scope -> None.NONE;
      default -> scope -> scope.get(name);
    };
  }

  /** Reads texts that follow each other, which are one. */
  private Expression texts(String first) {
    StringBuilder text = new StringBuilder(first);
    while (current().kind() == Kind.TEXT) {
      text.append(tokens.get(place++).text());
    }
    String whole = text.toString();
    return scope -> whole;
  }

  private @Nullable Expression bracketed(String open) {
    return switch (open) {
      case "(" -> skip(")") ? tuple(List.of()) : parenthesised();
      case "[" -> {
        List<Expression> items = list("]");
        yield scope -> values(items, scope);
      }
      case "{" -> dict();
      default -> null;
    };
  }

  private static Expression constant(String digits, boolean whole) {
    try {
      Object number = whole ? (Object) Long.parseLong(digits) : Double.parseDouble(digits);
      return scope -> number;
    } catch (NumberFormatException e) {
      throw new TemplateException("the number " + digits + " is too large");
    }
  }

  private Expression parenthesised() {
    Expression inner = tuple(true);
    expect(")");
    return inner;
  }

  private List<Expression> list(String close) {
    List<Expression> items = new ArrayList<>();
    while (!skip(close)) {
      if (!items.isEmpty()) {
        expect(",");
        if (skip(close)) {
          break;
        }
      }
      items.add(expression());
    }
    return items;
  }

  private Expression dict() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> items = new ArrayList<>();
    while (!skip("}")) {
      if (!keys.isEmpty()) {
        expect(",");
        if (skip("}")) {
          break;
        }
      }
      keys.add(expression());
      expect(":");
      items.add(expression());
    }
    return scope -> {
      Map<Object, Object> dict = new LinkedHashMap<>();
      for (int i = 0; i < keys.size(); i++) {
        dict.put(keys.get(i).value(scope), items.get(i).value(scope));
      }
      return Collections.unmodifiableMap(dict);
    };
  }

  private Expression postfix(Expression start) {
    Expression value = start;
    while (true) {
      Expression base = value;
      if (skip(".")) {
        if (current().kind() == Kind.INTEGER) {
          Expression index = constant(tokens.get(place++).text(), true);
          value = scope -> Values.item(base.value(scope), index.value(scope));
        } else {
          String name = name();
          value = scope -> Values.attribute(base.value(scope), name);
        }
      } else if (skip("[")) {
        value = subscript(base);
      } else if (isAt("(")) {
        value = new Call(base, arguments());
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression base) {
    Expression none = scope -> None.NONE;
    Expression[] bounds = {none, none, none};
    int colons = 0;
    while (!skip("]")) {
      if (skip(":")) {
        if (++colons > 2) {
          throw unexpected("']'");
        }
      } else if (bounds[colons] == none) {
        bounds[colons] = expression();
      } else {
        throw unexpected("']'");
      }
    }
    if (colons == 0) {
      if (bounds[0] == none) {
        throw unexpected("an expression");
      }
      return scope -> Values.item(base.value(scope), bounds[0].value(scope));
    }
    return scope ->
        Values.slice(
            base.value(scope),
            bounds[0].value(scope),
            bounds[1].value(scope),
            bounds[2].value(scope));
  }

  private List<Argument> arguments() {
    List<Argument> arguments = new ArrayList<>();
    expect("(");
    while (!skip(")")) {
      if (!arguments.isEmpty()) {
        expect(",");
        if (skip(")")) {
          break;
        }
      }
      String name = skip("**") ? "**" : skip("*") ? "*" : "";
      if (name.isEmpty()
          && current().kind() == Kind.NAME
          && tokens.get(place + 1).equals(new Token(Kind.OPERATOR, "="))) {
        name = name();
        expect("=");
      }
      arguments.add(new Argument(name, expression()));
    }
    return arguments;
  }

  private Expression filtered(Expression start) {
    Expression value = start;
    while (true) {
      if (skip("|")) {
        value = filter(value);
      } else if (skipWord("is")) {
        value = test(value);
      } else if (isAt("(")) {
        value = new Call(value, arguments());
      } else {
        return value;
      }
    }
  }

  /** Reads a filter, the name first. */
  Expression filter(Expression value) {
    String name = name();
    List<Argument> arguments = isAt("(") ? arguments() : List.of();
    return scope -> Filters.apply(name, value.value(scope), evaluate(arguments, scope));
  }

  private Expression test(Expression value) {
    boolean wanted = !skipWord("not");
    String name = name();
    List<Argument> arguments = List.of();
    Kind next = current().kind();
    if (isAt("(")) {
      arguments = arguments();
    } else if (next != Kind.END
        && (next != Kind.OPERATOR || isAt("[") || isAt("{"))
        && !(next == Kind.NAME && AFTER_TEST.contains(current().text()))) {
      if (atWord("is")) {
        throw unexpected("one test");
      }
      arguments = List.of(new Argument("", postfix(primary())));
    }
    List<Argument> given = arguments;
    return scope -> Tests.apply(name, value.value(scope), evaluate(given, scope)) == wanted;
  }

  /** Reads what a value is given to: a name, a member of a namespace, or several in a tuple. */
  Target target(boolean members) {
    List<Target> targets = new ArrayList<>();
    boolean comma = false;
    do {
      if (skip("(")) {
        targets.add(target(members));
        expect(")");
      } else if (current().kind() == Kind.NAME && !atWord("in")) {
        targets.add(named(members));
      } else {
        break;
      }
      comma = skip(",") || (comma && targets.size() > 1);
    } while (tokens.get(place - 1).text().equals(","));
    if (targets.isEmpty()) {
      throw unexpected("a name");
    }
    return comma ? (scope, value) -> unpack(targets, scope, value) : targets.get(0);
  }

  private Target named(boolean members) {
    String name = name();
    if (members && skip(".")) {
      String member = name();
      return (scope, value) -> {
        if (!(scope.get(name) instanceof Namespace namespace)) {
          throw new TemplateException("only a namespace can be given members, but not " + name);
        }
        namespace.set(member, value);
      };
    }
    return (scope, value) -> scope.set(name, value);
  }

  private static void unpack(List<Target> targets, Scope scope, Object value) {
    List<Object> values = Values.iterate(value);
    if (values.size() != targets.size()) {
      throw new TemplateException(
          "expected " + targets.size() + " values to unpack but found " + values.size());
    }
    for (int i = 0; i < targets.size(); i++) {
      targets.get(i).assign(scope, values.get(i));
    }
  }

  /** What a value is given to. */
  @FunctionalInterface
  interface Target {
    void assign(Scope scope, Object value);
  }
}
