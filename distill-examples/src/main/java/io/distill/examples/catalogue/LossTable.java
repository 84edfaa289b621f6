package io.distill.examples.catalogue;

import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Writes the table of losses in the README from the code: names, sentences and papers from the
 * Javadoc of the factories, needs and defaults from the losses that they give.
 */
public final class LossTable {

  /** The line after which the table starts in a file. */
  public static final String BEGIN = "<!-- losses: begin -->";

  /** The line before which it ends. */
  public static final String END = "<!-- losses: end -->";

  private static final Path FACTORIES =
      Path.of("distill-losses/src/main/java/io/distill/losses/Losses.java");
  private static final Path README = Path.of("README.md");

  private static final Pattern SECTION =
      Pattern.compile("\\n  // -{8,} ([^\\n]*(?:\\n  // [^\\n]*)*)\\n");
  private static final Pattern FACTORY =
      Pattern.compile(
          "(?s)  /\\*\\*\\n(.*?)\\n   \\*/\\n(?:  @[^\\n]*\\n)*"
              + "  public static DistillationLoss (\\w+)\\(([^)]*)\\)");
  private static final Pattern SENTENCE = Pattern.compile("(?s)^(.*?)\\.(?:\\s|$)");
  private static final Pattern PAPER =
      Pattern.compile("(?s)@see\\s+<a\\s+href=\"([^\"]+)\">(.*?)</a>");
  private static final Pattern DEFAULTS = Pattern.compile("(?s)\\bDefaults?: (.*?)\\.(?:\\s|$)");
  private static final Pattern LINK =
      Pattern.compile("\\{@link(?:plain)? ([^\\s}]+)(?: ([^}]+))?\\}");
  private static final Pattern CODE = Pattern.compile("(?s)\\{@code (.*?)\\}");

  private static final Map<SignalKind, String> WORDS = words();

  private final List<Section> sections = new ArrayList<>();

  private static Map<SignalKind, String> words() {
    Map<SignalKind, String> words = new EnumMap<>(SignalKind.class);
    words.put(SignalKind.LOGITS, "logits");
    words.put(SignalKind.EMBEDDING, "embedding");
    words.put(SignalKind.HIDDEN_STATES, "hidden states");
    words.put(SignalKind.ATTENTION_SCORES, "attention");
    words.put(SignalKind.QUERIES, "queries");
    words.put(SignalKind.KEYS, "keys");
    words.put(SignalKind.VALUES, "values");
    words.put(SignalKind.LOGIT_FACTORS, "last hidden states and output embedding");
    return words;
  }

  private record Section(String title, Map<String, List<Factory>> losses) {}

  private record Factory(String comment, String name, String parameters) {
    String call() {
      String names =
          parameters.isBlank()
              ? ""
              : List.of(parameters.strip().split(",\\s*", -1)).stream()
                  .map(each -> each.strip().substring(each.strip().lastIndexOf(' ') + 1))
                  .collect(Collectors.joining(", "));
      return "`" + name + "(" + names + ")`";
    }
  }

  private LossTable(String source) {
    List<MatchResult> titles = SECTION.matcher(source).results().toList();
    for (int i = 0; i < titles.size(); i++) {
      int end = i + 1 < titles.size() ? titles.get(i + 1).start() : source.length();
      Map<String, List<Factory>> losses = new LinkedHashMap<>();
      FACTORY
          .matcher(source.substring(titles.get(i).end() - 1, end))
          .results()
          .forEach(
              match ->
                  losses
                      .computeIfAbsent(match.group(2), name -> new ArrayList<>())
                      .add(
                          new Factory(
                              plain(match.group(1)),
                              match.group(2),
                              match.group(3).replaceAll("\\s+", " "))));
      if (!losses.isEmpty()) {
        sections.add(new Section(title(titles.get(i).group(1)), losses));
      }
    }
  }

  /**
   * Rewrites the README.
   *
   * @param arguments none are read; the working directory is the root of the project
   * @throws IOException if a file cannot be read or written
   */
  public static void main(String[] arguments) throws IOException {
    Path root = Path.of("");
    Files.writeString(root.resolve(README), updated(root));
  }

  /**
   * Returns the README as it should be.
   *
   * @param root the root of the project
   * @return the text of the README with the table that follows from the code
   * @throws IOException if a file cannot be read
   */
  public static String updated(Path root) throws IOException {
    String table = new LossTable(Files.readString(root.resolve(FACTORIES))).markdown();
    String readme = Files.readString(root.resolve(README));
    int begin = readme.indexOf(BEGIN);
    int end = readme.indexOf(END);
    if (begin < 0 || end < begin) {
      throw new IllegalStateException("README.md must have lines " + BEGIN + " and " + END);
    }
    return readme.substring(0, begin + BEGIN.length()) + "\n" + table + readme.substring(end);
  }

  private String markdown() {
    Map<String, DistillationLoss> losses = new TreeMap<>();
    LossCall.all().forEach(call -> losses.put(call.factory(), call.loss()));
    StringBuilder table = new StringBuilder();
    for (Section section : sections) {
      table.append("\n**").append(section.title()).append("**\n\n");
      table.append("| loss | what it does | needs | defaults | paper |\n|---|---|---|---|---|\n");
      section
          .losses()
          .forEach(
              (name, factories) -> {
                DistillationLoss loss = losses.get(name);
                if (loss == null) {
                  throw new IllegalStateException("LossCall must list " + name + " but does not");
                }
                table.append(row(factories, loss)).append('\n');
              });
    }
    return table.append('\n').toString();
  }

  private static String row(List<Factory> factories, DistillationLoss loss) {
    Set<String> calls = new LinkedHashSet<>();
    Set<String> papers = new LinkedHashSet<>();
    String defaults = "";
    for (Factory factory : factories) {
      calls.add(factory.call());
      PAPER
          .matcher(factory.comment())
          .results()
          .forEach(
              match -> papers.add("[" + markdown(match.group(2)) + "](" + match.group(1) + ")"));
      Matcher named = DEFAULTS.matcher(factory.comment());
      if (defaults.isEmpty() && named.find()) {
        defaults = markdown(named.group(1));
      }
    }
    Matcher sentence = SENTENCE.matcher(factories.get(0).comment());
    if (!sentence.find()) {
      throw new IllegalStateException("a sentence must describe " + factories.get(0).name());
    }
    boolean withoutArguments = factories.stream().anyMatch(each -> each.parameters().isBlank());
    if (defaults.isEmpty() && withoutArguments) {
      String parameters =
          factories.stream().map(Factory::call).collect(Collectors.joining(" ")) + " ";
      defaults = components(loss, parameters);
    }
    return "| "
        + String.join("<br>", calls)
        + " | "
        + markdown(sentence.group(1))
        + " | "
        + needs(loss)
        + " | "
        + defaults
        + " | "
        + String.join("; ", papers)
        + " |";
  }

  private static String needs(DistillationLoss loss) {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    kinds.addAll(loss.requires());
    kinds.addAll(loss.requiresOfStudent());
    kinds.addAll(loss.requiresOfTeacher());
    List<String> needs = new ArrayList<>();
    kinds.forEach(kind -> needs.add(WORDS.get(kind)));
    if (loss.requiresLabels()) {
      needs.add("labels");
    }
    if (asksForRows(loss)) {
      needs.add("sample ids");
    }
    return String.join(", ", needs) + (loss.requiresOfTeacher().isEmpty() ? "; no teacher" : "");
  }

  /** Whether a loss keeps something for each row of the data. */
  private static boolean asksForRows(DistillationLoss loss) {
    AtomicBoolean asked = new AtomicBoolean();
    loss.prepare(new Listening(LayerMapping.uniform(), asked));
    return asked.get();
  }

  private record Listening(LayerMapping layerMapping, AtomicBoolean asked) implements LossSetup {
    @Override
    public SignalWidths student() {
      List<Integer> widths = List.of(16, 16);
      return new SignalWidths(
          OptionalInt.of(8), OptionalInt.of(16), widths, List.of(4, 4), LayerMapping.numbered(2));
    }

    @Override
    public SignalWidths teacher() {
      return student();
    }

    @Override
    public int rows() {
      asked.set(true);
      return 1 << 15;
    }

    @Override
    public LossSetup onLayers(LayerMapping other) {
      return new Listening(other, asked);
    }

    @Override
    public void parameter(String name, Shape shape) {}

    @Override
    public void parameter(String name, Shape shape, float value) {}

    @Override
    public void buffer(String name, Shape shape) {}

    @Override
    public void buffer(String name, Shape shape, float value) {}
  }

  /** The numbers and choices that a loss was made with and that a caller may choose. */
  private static String components(DistillationLoss loss, String parameters) {
    RecordComponent[] components = loss.getClass().getRecordComponents();
    List<String> defaults = new ArrayList<>();
    for (RecordComponent component : components == null ? new RecordComponent[0] : components) {
      Object value;
      try {
        component.getAccessor().setAccessible(true);
        value = component.getAccessor().invoke(loss);
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException(component + " must be readable but was not", e);
      }
      boolean chosen = parameters.matches(".*\\b" + component.getName() + "\\b.*");
      if (chosen
          && (value instanceof Number || value instanceof Boolean || value instanceof Enum<?>)) {
        defaults.add(component.getName() + " " + shown(value));
      }
    }
    return String.join(", ", defaults);
  }

  private static String shown(Object value) {
    if (value instanceof Enum<?> choice) {
      return choice.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
    return value.toString().replaceAll("\\.0$", "");
  }

  /** Takes the stars off a comment. */
  private static String plain(String comment) {
    return comment.replaceAll("(?m)^   \\* ?", "").strip();
  }

  private static String title(String lines) {
    String joined = lines.replaceAll("\\s*\\n\\s*// ", " ").strip();
    return joined.substring(0, 1).toUpperCase(Locale.ROOT) + joined.substring(1);
  }

  /** Javadoc as Markdown in one line. */
  private static String markdown(String javadoc) {
    String linked =
        LINK.matcher(javadoc)
            .replaceAll(
                match ->
                    Matcher.quoteReplacement(
                        match.group(2) != null
                            ? match.group(2)
                            : "`" + match.group(1).replaceAll("^.*#", "") + "`"));
    return CODE.matcher(linked)
        .replaceAll(match -> Matcher.quoteReplacement("`" + match.group(1) + "`"))
        .replaceAll("\\s+", " ")
        .replace("|", "\\|")
        .strip();
  }
}
