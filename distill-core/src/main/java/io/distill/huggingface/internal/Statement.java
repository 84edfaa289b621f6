package io.distill.huggingface.internal;

import java.util.List;

/** A part of a template that writes something or changes names. */
@FunctionalInterface
interface Statement {

  /** How a statement ends. */
  enum End {
    USUAL,
    BREAK,
    CONTINUE
  }

  End run(Scope scope, Output output);

  /** Runs statements until one leaves a loop. */
  static End all(List<Statement> statements, Scope scope, Output output) {
    for (Statement each : statements) {
      Budget.spend(1);
      End end = each.run(scope, output);
      if (end != End.USUAL) {
        return end;
      }
    }
    return End.USUAL;
  }

  /** Runs statements and returns what they write. */
  static String text(List<Statement> statements, Scope scope) {
    Output output = new Output();
    all(statements, scope, output);
    return output.toString();
  }
}
