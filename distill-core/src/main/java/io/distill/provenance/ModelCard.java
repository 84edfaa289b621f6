package io.distill.provenance;

import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A provenance as people read it: Markdown with the YAML header that Hugging Face knows. Everything
 * that comes from outside is escaped.
 */
final class ModelCard {

  /** What Hugging Face takes for the name of a model. */
  /** The architecture of students from TorchScript files of other origins. */
  private static final String PROGRAM = "TorchScriptModel";

  private static final Pattern REPOSITORY = Pattern.compile("[\\w.-]{1,96}/[\\w.-]{1,96}");

  private static final Pattern MARKUP = Pattern.compile("[\\\\`*_\\[\\]|~$]");
  private static final int SHOWN = 200;
  private static final int SHOWN_CLASSES = 50;

  private final Provenance provenance;
  private final StringBuilder text = new StringBuilder();

  ModelCard(Provenance provenance) {
    this.provenance = provenance;
  }

  String markdown() {
    header();
    what();
    use();
    recipe();
    data();
    evaluation();
    cost();
    terms();
    run();
    reproduce();
    return text.toString();
  }

  private void line(String line) {
    text.append(line).append('\n');
  }

  private void section(String title) {
    line("");
    line("## " + title);
    line("");
  }

  private void header() {
    line("---");
    line("license: " + yaml(provenance.student().licence().map(ModelCard::tag).orElse("unknown")));
    if (REPOSITORY.matcher(provenance.teacher().id()).matches()) {
      line("base_model: " + yaml(provenance.teacher().id()));
    }
    line("tags:");
    line("- knowledge-distillation");
    line("- djl");
    if (isClassifier()) {
      line("pipeline_tag: text-classification");
    }
    if (!provenance.metrics().isEmpty()) {
      line("metrics:");
      provenance.metrics().keySet().forEach(name -> line("- " + yaml(name)));
    }
    line("---");
    line("");
  }

  private static String tag(String licence) {
    return licence.toLowerCase(Locale.ROOT);
  }

  private boolean isClassifier() {
    return provenance.student().readsText() && !provenance.student().classNames().isEmpty();
  }

  private void what() {
    StudentOrigin student = provenance.student();
    line("# " + escaped(student.architecture()) + " taught by " + escaped(teacherName()));
    line("");
    line(
        "A student of "
            + number(student.parameters())
            + " parameters that was trained by knowledge distillation with the Java library"
            + " distill. Its teacher is "
            + escaped(teacherName())
            + ".");
    if (!student.classNames().isEmpty()) {
      List<String> shown =
          student.classNames().stream().limit(SHOWN_CLASSES).map(ModelCard::escaped).toList();
      int rest = student.classNames().size() - shown.size();
      line("");
      line(
          "It tells "
              + student.classNames().size()
              + " classes apart: "
              + String.join(", ", shown)
              + (rest > 0 ? " and " + rest + " more." : "."));
    }
  }

  private String teacherName() {
    return provenance.teacher().id();
  }

  private void use() {
    section("Intended use and limits");
    line(
        "Meant for inputs like those that it was trained on. What its teacher did not show it on"
            + " these rows it was never taught: expect it to do worse than its teacher on anything"
            + " else, and try it on your own data first. It takes over its teacher's mistakes and"
            + " biases. Numbers below hold for the data that they were measured on only.");
  }

  private void recipe() {
    section("Training recipe");
    line("The whole recipe, with fingerprint `" + provenance.recipe().fingerprint() + "`:");
    line("");
    String json = provenance.recipe().toString();
    String fence = fence(json);
    line(fence + "json");
    line(json);
    line(fence);
  }

  /** A fence that nothing inside can close. */
  private static String fence(String content) {
    int longest = 2;
    int run = 0;
    for (int i = 0; i < content.length(); i++) {
      run = content.charAt(i) == '`' ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    return "`".repeat(longest + 1);
  }

  private void data() {
    section("Data");
    DataOrigin data = provenance.data();
    line("| | |");
    line("|---|---|");
    row("name", data.name().orElse("not said"));
    row("rows", number(data.rows()));
    row("licence", data.licence().orElse("not said"));
    row("SHA-256", data.fingerprint());
    data.tracesDigest().ifPresent(digest -> row("SHA-256 of the teacher's answers", digest));
  }

  private void row(String name, String value) {
    line("| " + escaped(name) + " | " + escaped(value) + " |");
  }

  private void evaluation() {
    section("Evaluation");
    if (provenance.metrics().isEmpty()) {
      line("Nothing was measured during training.");
      return;
    }
    line("Measured on the validation data of the run:");
    line("");
    line("| metric | value |");
    line("|---|---|");
    provenance.metrics().forEach((name, value) -> row(name, rounded(value)));
  }

  private void cost() {
    section("Cost");
    RunFacts run = provenance.run();
    Environment environment = provenance.environment();
    line("| | |");
    line("|---|---|");
    row("started", run.started().toString());
    row("seconds", rounded(run.seconds()));
    row("of which the teacher answered", rounded(run.teacherSeconds()));
    row("optimizer steps", number(run.steps()));
    row("end", run.endReason().toLowerCase(Locale.ROOT).replace('_', ' '));
    row("device", environment.device());
    row("threads", environment.threads() + " of " + environment.processors() + " processors");
    row("system", environment.system());
    row("Java", environment.java());
    row("distill", environment.library());
    row("DJL", environment.djl());
    row("libtorch", environment.libtorch());
    line("");
    line("Energy was not measured.");
  }

  private void terms() {
    section("Terms");
    line("Under which terms the models before this one answered, nearest first:");
    line("");
    line("| teacher | terms | may others be trained on its outputs | clause | decision |");
    line("|---|---|---|---|---|");
    for (TermsDecision each : provenance.terms()) {
      Terms terms = each.terms();
      line(
          "| "
              + String.join(
                  " | ",
                  List.of(
                      escaped(each.teacher()),
                      escaped(terms.name()),
                      terms.trainingOthers().name().toLowerCase(Locale.ROOT),
                      escaped(terms.clause()) + link(terms.url()) + known(terms),
                      decision(each)))
              + " |");
    }
    if (provenance.terms().isEmpty()) {
      line("| none | | | it learned from labels alone | |");
    }
    line("");
    line(
        "This is information that a program put together, not legal advice. Read the terms"
            + " themselves before you pass the model on.");
  }

  private static String link(Optional<String> url) {
    return url.map(address -> " " + escaped(address)).orElse("");
  }

  private static String known(Terms terms) {
    String how =
        switch (terms.source()) {
          case READ -> "read";
          case QUOTED -> "as quoted by others";
          case MEMORY -> "from memory, unverified";
          case USER -> "";
        };
    String when = terms.checked().map(date -> " " + date).orElse("");
    return how.isEmpty() ? "" : " (" + escaped(how + when) + ")";
  }

  private static String decision(TermsDecision decision) {
    String verdict =
        switch (decision.verdict()) {
          case ALLOW -> "allowed";
          case WARN -> "allowed with a warning";
          case REFUSE -> "refused by the policy, overridden by the user";
        };
    return verdict + decision.reason().map(reason -> ": " + escaped(reason)).orElse("");
  }

  private void run() {
    section("How to run it from Java");
    line("```java");
    boolean program = provenance.student().architecture().equals(PROGRAM);
    if (program) {
      line("// model.pt is a program that would run: only if you trust whoever gave it to you");
    }
    line(
        "try (DeployableModel model = DeployableModel."
            + (program ? "loadTrusted" : "load")
            + "(Path.of(\"this-directory\"))) {");
    if (isClassifier()) {
      line("  DeployableModel.Classification answer = model.classify(\"some text\");");
      line("  System.out.println(answer.label() + \" \" + answer.probability());");
    } else {
      line("  float[][] logits = model.logits(dataset);");
    }
    line("}");
    line("```");
    line("");
    line("`model.pt` is TorchScript: DJL, or any libtorch, runs it without this library.");
  }

  private void reproduce() {
    section("How to reproduce it");
    List<String> calls = new ArrayList<>();
    calls.add("Provenance provenance = Provenance.read(Path.of(\"this-directory\"));");
    calls.add("DistillationResult result = Distiller.from(provenance)");
    boolean asked = provenance.data().tracesDigest().isEmpty();
    if (asked && !provenance.terms().isEmpty()) {
      calls.add("    .teacher(teacher)");
    }
    calls.add("    .fit(dataset);");
    line("```java");
    calls.forEach(this::line);
    line("```");
    line("");
    line(
        (asked
                ? "With the teacher `"
                    + provenance
                        .teacher()
                        .fingerprint()
                        .map(ModelCard::code)
                        .orElse("of the same name")
                    + "` and the data `"
                : "The teacher's answers are the data: with the data `")
            + code(provenance.data().fingerprint())
            + "` on the same versions, device and number of threads this gives the same weights,"
            + " bit for bit: a student with the fingerprint `"
            + code(provenance.student().fingerprint())
            + "`. Another teacher, other data or another recipe are refused, and the message says"
            + " what differs.");
    if (!provenance.lineage().isEmpty()) {
      line("");
      line("Models that it comes from have a provenance of their own in `provenance.json`:");
      line("");
      for (Provenance each : provenance.lineage()) {
        line(
            "- "
                + escaped(each.student().architecture())
                + " `"
                + code(each.student().fingerprint())
                + "`, taught by "
                + escaped(each.teacher().id()));
      }
    }
  }

  /** Digests and words in a code span: nothing else is let through. */
  private static String code(String value) {
    return value.replaceAll("[^\\w .-]", "");
  }

  private static String number(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  private static String rounded(double value) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%.4g", value)
        : Double.toString(value);
  }

  /** A JSON string is a YAML string in double quotes, once no unusual character is left in it. */
  private static String yaml(String value) {
    String plain = flat(value);
    return Pattern.matches("[A-Za-z][\\w.-]*(/[\\w.-]+)?", plain)
            && !Pattern.matches("(?i)true|false|yes|no|on|off|null|y|n", plain)
        ? plain
        : new JsonPrimitive(plain).toString();
  }

  /** Text from outside in a line of Markdown, where it is only text. */
  private static String escaped(String value) {
    String plain = flat(value);
    String shown = plain.length() <= Terms.MAXIMUM_LENGTH ? plain : plain.substring(0, SHOWN) + "…";
    String marked =
        MARKUP.matcher(shown).replaceAll(match -> Matcher.quoteReplacement("\\" + match.group()));
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }

  /** One line, without characters that change how others are shown. */
  private static String flat(String value) {
    StringBuilder plain = new StringBuilder(value.length());
    value
        .codePoints()
        .forEach(
            point -> {
              switch (Character.getType(point)) {
                case Character.CONTROL,
                    Character.FORMAT,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SURROGATE ->
                    plain.append(' ');
                default -> plain.appendCodePoint(point);
              }
            });
    return plain.toString().strip();
  }
}
