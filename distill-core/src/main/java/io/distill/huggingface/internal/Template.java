package io.distill.huggingface.internal;

import io.distill.huggingface.internal.ExpressionParser.Call;
import io.distill.huggingface.internal.ExpressionParser.Target;
import io.distill.huggingface.internal.Pieces.Piece;
import io.distill.huggingface.internal.Statement.End;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A parsed template; immutable and thread-safe. */
public final class Template {

  private static final int DEEPEST = 100;

  /** No name that a template could have. */
  private static final String CAPTURED = "captured text";

  private final List<Statement> statements;

  private Template(List<Statement> statements) {
    this.statements = statements;
  }

  /**
   * What was written.
   *
   * @param text the text
   * @param generated begin and end of the parts that {@code generation} marks, in characters
   */
  public record Result(String text, List<int[]> generated) {}

  /**
   * Parses a template.
   *
   * @param source the Jinja source
   * @return the template
   * @throws TemplateException if it is malformed
   */
  public static Template parse(String source) {
    Parser parser = new Parser(Pieces.of(source));
    List<Statement> statements = parser.block();
    if (parser.ending != null) {
      throw new TemplateException("the tag " + parser.ending.name() + " has nothing to end")
          .at(parser.line);
    }
    return new Template(statements);
  }

  /**
   * Renders.
   *
   * @param variables JSON-like values by name
   * @param clock what tells the date
   * @return what was written
   * @throws TemplateException if the template refuses the values, cannot take them, or takes too
   *     long
   */
  public Result render(Map<String, ?> variables, Clock clock) {
    Budget budget = Budget.open();
    try {
      Scope scope = new Scope(globals(clock));
      variables.forEach((name, value) -> scope.set(name, Values.of(value)));
      Output output = new Output();
      Statement.all(statements, scope, output);
      return new Result(output.toString(), output.marked());
    } catch (StackOverflowError e) {
      throw new TemplateException("it is nested too deeply");
    } finally {
      budget.close();
    }
  }

  private static Scope globals(Clock clock) {
    Scope globals = new Scope(null);
    globals.set("range", (Callable) Values::range);
    globals.set("namespace", (Callable) Namespace::of);
    globals.set(
        "dict", (Callable) arguments -> Collections.unmodifiableMap(Values.dict(arguments)));
    globals.set(
        "raise_exception",
        (Callable)
            arguments -> {
              Object message = arguments.bind(List.of("message")).get(0);
              throw new TemplateException(Printing.text(message), true, 0);
            });
    globals.set(
        "strftime_now",
        (Callable)
            arguments ->
                Dates.format(Values.text(arguments.bind(List.of("format")).get(0)), clock));
    return globals;
  }

  /** A tag that ends or divides a block. */
  private record Ending(String name, ExpressionParser rest) {}

  /** Reads blocks of statements. */
  private static final class Parser {
    private final List<Piece> pieces;
    private int place;
    private int depth;
    private int line;
    private @Nullable Ending ending;

    Parser(List<Piece> pieces) {
      this.pieces = pieces;
    }

    /** Reads up to a tag that is not a statement, which becomes the ending. */
    List<Statement> block() {
      if (++depth > DEEPEST) {
        throw new TemplateException("tags must not be nested deeper than " + DEEPEST);
      }
      List<Statement> statements = new ArrayList<>();
      ending = null;
      while (place < pieces.size() && ending == null) {
        Piece piece = pieces.get(place++);
        line = piece.line();
        try {
          Statement statement = statement(piece);
          if (statement != null) {
            statements.add(located(statement, piece.line()));
          }
        } catch (TemplateException e) {
          throw e.at(piece.line());
        }
      }
      depth--;
      return List.copyOf(statements);
    }

    private static Statement located(Statement statement, int line) {
      return (scope, output) -> {
        try {
          return statement.run(scope, output);
        } catch (TemplateException e) {
          throw e.at(line);
        }
      };
    }

    private List<Statement> block(String end) {
      List<Statement> statements = block();
      ended(end);
      return statements;
    }

    private ExpressionParser ended(String end) {
      Ending found = ending;
      if (found == null || !found.name().equals(end)) {
        throw new TemplateException(
            "expected the tag " + end + " but found " + (found == null ? "the end" : found.name()));
      }
      ending = null;
      return found.rest();
    }

    private boolean endsWith(String name) {
      return ending != null && ending.name().equals(name);
    }

    private @Nullable Statement statement(Piece piece) {
      if (piece.kind() == Pieces.Kind.TEXT) {
        return writing(scope -> piece.content());
      }
      ExpressionParser parser = new ExpressionParser(piece.content());
      if (piece.kind() == Pieces.Kind.EXPRESSION) {
        Expression value = parser.tuple(true);
        parser.end();
        return writing(value);
      }
      String name = parser.name();
      return switch (name) {
        case "if" -> condition(parser);
        case "for" -> loop(parser);
        case "set" -> assignment(parser);
        case "macro" -> macro(parser);
        case "call" -> callBlock(parser);
        case "filter" -> filterBlock(parser);
        case "generation" -> generation(parser);
        case "break" -> leaving(parser, End.BREAK);
        case "continue" -> leaving(parser, End.CONTINUE);
        case "elif",
            "else",
            "endif",
            "endfor",
            "endset",
            "endmacro",
            "endcall",
            "endfilter",
            "endgeneration" -> {
          ending = new Ending(name, parser);
          yield null;
        }
        default -> throw new TemplateException("there is no tag named '" + name + "'");
      };
    }

    private static Statement leaving(ExpressionParser parser, End end) {
      parser.end();
      return (scope, output) -> end;
    }

    private static Statement writing(Expression value) {
      return (scope, output) -> {
        output.append(Printing.text(value.value(scope)));
        return End.USUAL;
      };
    }

    private Statement condition(ExpressionParser parser) {
      Expression test = parser.tuple(false);
      parser.end();
      List<Statement> then = block();
      List<Statement> otherwise = List.of();
      if (endsWith("elif")) {
        otherwise = List.of(condition(ended("elif")));
      } else if (endsWith("else")) {
        ended("else").end();
        otherwise = block("endif");
      } else {
        ended("endif").end();
      }
      List<Statement> others = otherwise;
      return (scope, output) ->
          Statement.all(Values.truth(test.value(scope)) ? then : others, scope, output);
    }

    private Statement loop(ExpressionParser parser) {
      Target target = parser.target(false);
      parser.expectWord("in");
      Expression items = parser.tuple(false);
      Expression condition = parser.skipWord("if") ? parser.expression() : null;
      if (parser.skipWord("recursive")) {
        throw new TemplateException("recursive loops are not supported");
      }
      parser.end();
      List<Statement> body = block();
      List<Statement> otherwise = List.of();
      if (endsWith("else")) {
        ended("else").end();
        otherwise = block();
      }
      ended("endfor").end();
      return new For(target, items, condition, body, otherwise);
    }

    private Statement assignment(ExpressionParser parser) {
      Target target = parser.target(true);
      if (parser.skip("=")) {
        Expression value = parser.tuple(true);
        parser.end();
        return (scope, output) -> {
          target.assign(scope, value.value(scope));
          return End.USUAL;
        };
      }
      return captured(parser, "endset", (scope, output, value) -> target.assign(scope, value));
    }

    private Statement filterBlock(ExpressionParser parser) {
      Expression filtered = parser.filter(scope -> scope.get(CAPTURED));
      return captured(
          parser,
          "endfilter",
          filtered,
          (scope, output, value) -> output.append(Printing.text(value)));
    }

    /** What is done with what a block has written. */
    private interface Use {
      void of(Scope scope, Output output, Object value);
    }

    private Statement captured(ExpressionParser parser, String end, Use use) {
      return captured(parser, end, scope -> scope.get(CAPTURED), use);
    }

    private Statement captured(ExpressionParser parser, String end, Expression first, Use use) {
      Expression value = first;
      while (parser.skip("|")) {
        value = parser.filter(value);
      }
      parser.end();
      List<Statement> body = block(end);
      Expression made = value;
      return (scope, output) -> {
        Scope inner = new Scope(scope);
        inner.set(CAPTURED, Statement.text(body, inner));
        use.of(scope, output, made.value(inner));
        return End.USUAL;
      };
    }

    private Map<String, @Nullable Expression> parameters(ExpressionParser parser) {
      Map<String, @Nullable Expression> parameters = new LinkedHashMap<>();
      parser.expect("(");
      while (!parser.skip(")")) {
        if (!parameters.isEmpty()) {
          parser.expect(",");
        }
        parameters.put(parser.name(), parser.skip("=") ? parser.expression() : null);
      }
      return parameters;
    }

    private Statement macro(ExpressionParser parser) {
      String name = parser.name();
      Map<String, @Nullable Expression> parameters = parameters(parser);
      parser.end();
      List<Statement> body = block("endmacro");
      return (scope, output) -> {
        scope.set(name, new Macro(parameters, body, scope));
        return End.USUAL;
      };
    }

    private Statement callBlock(ExpressionParser parser) {
      Map<String, @Nullable Expression> parameters =
          parser.isAt("(") ? parameters(parser) : Map.of();
      if (!(parser.expression() instanceof Call call)) {
        throw new TemplateException("the tag call must have a call");
      }
      parser.end();
      List<Statement> body = block("endcall");
      return (scope, output) -> {
        Macro caller = new Macro(parameters, body, scope);
        output.append(Printing.text(call.valueWith(scope, caller)));
        return End.USUAL;
      };
    }

    private Statement generation(ExpressionParser parser) {
      parser.end();
      List<Statement> body = block("endgeneration");
      return (scope, output) -> {
        int begin = output.length();
        End end = Statement.all(body, new Scope(scope), output);
        output.mark(begin, output.length());
        return end;
      };
    }
  }

  /** A loop. */
  private record For(
      Target target,
      Expression items,
      @Nullable Expression condition,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {

    @Override
    public End run(Scope scope, Output output) {
      List<Object> all = chosen(scope);
      Loop loop = new Loop(all);
      for (int i = 0; i < all.size(); i++) {
        loop.moveTo(i);
        Scope inner = new Scope(scope);
        target.assign(inner, all.get(i));
        inner.set("loop", loop);
        Budget.spend(1);
        if (Statement.all(body, inner, output) == End.BREAK) {
          break;
        }
      }
      return all.isEmpty() ? Statement.all(otherwise, new Scope(scope), output) : End.USUAL;
    }

    private List<Object> chosen(Scope scope) {
      List<Object> all = Values.iterate(items.value(scope));
      if (condition == null) {
        return all;
      }
      List<Object> chosen = new ArrayList<>();
      for (Object each : all) {
        Scope inner = new Scope(scope);
        target.assign(inner, each);
        Budget.spend(1);
        if (Values.truth(condition.value(inner))) {
          chosen.add(each);
        }
      }
      return chosen;
    }
  }
}
