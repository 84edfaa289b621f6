package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.StrictJson;
import io.distill.provenance.internal.PartCodec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Where a student comes from: enough to run the recipe again on the same teacher and data, and to
 * tell others what the student is and what may be done with it.
 *
 * <p>{@code DeployableModel.save} writes it as {@code provenance.json}; {@code
 * Distiller.from(provenance)} runs it again. It holds digests of weights and data, never weights or
 * data themselves, and no name of a machine, user or path.
 *
 * @param recipe what decided the weights
 * @param teacher who taught
 * @param data what the student learned from
 * @param student what came out
 * @param environment what the run ran on
 * @param run how the run went, and what it cost
 * @param metrics the last values on the validation set, or the watched metric of the best trial
 * @param terms what was decided about the teacher, and about the teachers before it
 * @param lineage the provenance of the teacher, if it is a student itself, and of the model that
 *     the student started from
 * @param omittedAncestors how many further models of the lineage were left out
 */
public record Provenance(
    RecipeDescription recipe,
    TeacherOrigin teacher,
    DataOrigin data,
    StudentOrigin student,
    Environment environment,
    RunFacts run,
    Map<String, Double> metrics,
    List<TermsDecision> terms,
    List<Provenance> lineage,
    int omittedAncestors) {

  /** The name of the file beside a saved student. */
  public static final String FILE = "provenance.json";

  /** How many generations of teachers a provenance holds; of older ones only the terms stay. */
  public static final int MAXIMUM_GENERATIONS = 6;

  /** How many models the lineage of a provenance holds in all. */
  public static final int MAXIMUM_ANCESTORS = 32;

  /** How many decisions about terms a provenance holds. */
  public static final int MAXIMUM_TERMS = 64;

  private static final int MAXIMUM_BYTES = 16 << 20;
  private static final String FORMAT = "distill provenance";
  private static final int VERSION = 1;
  private static final Set<String> MEMBERS =
      Set.of(
          "format",
          "version",
          "recipe",
          "teacher",
          "data",
          "student",
          "environment",
          "run",
          "metrics",
          "terms",
          "lineage",
          "omittedAncestors");

  /**
   * Copies the collections, and leaves out ancestors and terms beyond the bounds.
   *
   * @param recipe what decided the weights
   * @param teacher who taught
   * @param data what the student learned from
   * @param student what came out
   * @param environment what the run ran on
   * @param run how the run went, and what it cost
   * @param metrics the last values on the validation set, or the watched metric of the best trial
   * @param terms what was decided about the teacher, and about the teachers before it
   * @param lineage the provenance of the models before
   * @param omittedAncestors how many further models of the lineage were left out
   */
  public Provenance {
    requireNonNull(recipe, "recipe");
    requireNonNull(teacher, "teacher");
    requireNonNull(data, "data");
    requireNonNull(student, "student");
    requireNonNull(environment, "environment");
    requireNonNull(run, "run");
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    terms = terms.stream().distinct().limit(MAXIMUM_TERMS).toList();
    int before = count(lineage);
    lineage = bounded(lineage, MAXIMUM_GENERATIONS, new int[] {MAXIMUM_ANCESTORS});
    omittedAncestors += before - count(lineage);
  }

  private static int count(List<Provenance> lineage) {
    return lineage.stream().mapToInt(each -> 1 + count(each.lineage)).sum();
  }

  private static List<Provenance> bounded(List<Provenance> lineage, int generations, int[] room) {
    List<Provenance> kept = new ArrayList<>();
    for (Provenance each : lineage) {
      if (generations == 0 || room[0] == 0) {
        break;
      }
      room[0]--;
      List<Provenance> older = bounded(each.lineage, generations - 1, room);
      kept.add(older.equals(each.lineage) ? each : each.withLineage(older));
    }
    return List.copyOf(kept);
  }

  private Provenance withLineage(List<Provenance> older) {
    return new Provenance(
        recipe,
        teacher,
        data,
        student,
        environment,
        run,
        metrics,
        terms,
        older,
        omittedAncestors + count(lineage) - count(older));
  }

  /**
   * Reads a file that a saved student has beside it.
   *
   * @param file the file, or the directory of a saved student
   * @return the provenance
   * @throws DistillationException if it is missing, too large, or damaged
   */
  public static Provenance read(Path file) {
    Path named = file.resolve(FILE);
    Path chosen = Files.isDirectory(file) ? named : file;
    return of(StrictJson.read(chosen, "provenance", MAXIMUM_BYTES), "provenance " + chosen, 0);
  }

  /**
   * Reads a text.
   *
   * @param text what {@link #toJson()} gave
   * @return the provenance
   * @throws DistillationException if it is damaged
   */
  public static Provenance parse(String text) {
    return of(StrictJson.parse(text, "provenance", MAXIMUM_BYTES), "provenance", 0);
  }

  private static Provenance of(JsonElement element, String what, int generation) {
    if (!(element instanceof JsonObject json)) {
      throw new DistillationException(
          what + " must be a JSON object but is another value; use a file that is whole");
    }
    return new Reader(what, json).provenance(generation);
  }

  /** Reads the members of one object. */
  private record Reader(String what, JsonObject json) {

    private static final PartCodec CODEC = PartCodec.ofPlainRecords();

    Provenance provenance(int generation) {
      checkMembers(generation);
      List<Provenance> lineage = new ArrayList<>();
      for (JsonElement each : list("lineage")) {
        lineage.add(of(each, what + " lineage[" + lineage.size() + "]", generation + 1));
      }
      List<TermsDecision> terms = new ArrayList<>();
      for (JsonElement each : list("terms")) {
        String path = what + " terms[" + terms.size() + "]";
        terms.add(CODEC.decode(path, each, TermsDecision.class));
      }
      return new Provenance(
          recipe(),
          member("teacher", TeacherOrigin.class),
          member("data", DataOrigin.class),
          member("student", StudentOrigin.class),
          member("environment", Environment.class),
          member("run", RunFacts.class),
          metrics(),
          terms,
          lineage,
          omittedAncestors());
    }

    private int omittedAncestors() {
      int omitted = member("omittedAncestors", Integer.class);
      if (omitted < 0) {
        throw new DistillationException(
            what
                + " must have at least 0 omittedAncestors but has "
                + omitted
                + "; use a file that is whole");
      }
      return omitted;
    }

    private void checkMembers(int generation) {
      Set<String> unknown = new LinkedHashSet<>(json.keySet());
      unknown.removeAll(MEMBERS);
      String format = member("format", String.class);
      int version = member("version", Integer.class);
      if (!format.equals(FORMAT) || version != VERSION || !unknown.isEmpty()) {
        throw new DistillationException(
            what
                + " must be of format '"
                + FORMAT
                + "', version "
                + VERSION
                + " but is of format '"
                + format.lines().findFirst().orElse("").strip()
                + "', version "
                + version
                + (unknown.isEmpty() ? "" : ", and has unknown members")
                + "; read it with the version of the library that wrote it");
      }
      if (generation > MAXIMUM_GENERATIONS) {
        throw new DistillationException(
            what + " must have at most " + MAXIMUM_GENERATIONS + " generations but has more");
      }
    }

    private JsonElement element(String name) {
      JsonElement element = json.get(name);
      if (element == null) {
        throw new DistillationException(
            what + " must have a member '" + name + "' but has none; use a file that is whole");
      }
      return element;
    }

    private <T> T member(String name, Class<T> type) {
      return CODEC.decode(what + " " + name, element(name), type);
    }

    private JsonArray list(String name) {
      if (element(name) instanceof JsonArray array) {
        return array;
      }
      throw new DistillationException(
          what + " must have a list '" + name + "' but it is none; use a file that is whole");
    }

    private RecipeDescription recipe() {
      if (element("recipe") instanceof JsonObject recipe) {
        return RecipeDescription.of(recipe);
      }
      throw new DistillationException(
          what + " must have an object 'recipe' but it is none; use a file that is whole");
    }

    private Map<String, Double> metrics() {
      if (!(element("metrics") instanceof JsonObject object)) {
        throw new DistillationException(
            what + " must have an object 'metrics' but it is none; use a file that is whole");
      }
      Map<String, Double> metrics = new LinkedHashMap<>();
      object
          .asMap()
          .forEach(
              (name, value) ->
                  metrics.put(name, CODEC.decode(what + " metrics." + name, value, Double.class)));
      return metrics;
    }
  }

  private JsonObject json() {
    PartCodec codec = Reader.CODEC;
    JsonObject json = new JsonObject();
    json.addProperty("format", FORMAT);
    json.addProperty("version", VERSION);
    json.add("recipe", recipe.json());
    json.add("teacher", codec.encode(teacher, TeacherOrigin.class));
    json.add("data", codec.encode(data, DataOrigin.class));
    json.add("student", codec.encode(student, StudentOrigin.class));
    json.add("environment", codec.encode(environment, Environment.class));
    json.add("run", codec.encode(run, RunFacts.class));
    json.add("metrics", codec.encode(metrics));
    JsonArray decisions = new JsonArray();
    terms.forEach(each -> decisions.add(codec.encode(each, TermsDecision.class)));
    json.add("terms", decisions);
    JsonArray ancestors = new JsonArray();
    lineage.forEach(each -> ancestors.add(each.json()));
    json.add("lineage", ancestors);
    json.addProperty("omittedAncestors", omittedAncestors);
    return json;
  }

  /**
   * Writes this provenance as JSON.
   *
   * @return the text, indented
   */
  public String toJson() {
    return new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json());
  }

  /**
   * Writes this provenance to a file, whole or not at all.
   *
   * @param file the file; replaced if it exists
   * @throws DistillationException if it cannot be written
   */
  public void write(Path file) {
    AtomicFiles.write(file, toJson() + "\n");
  }

  /**
   * Tells people about the student, as Hugging Face shows it: what it is, what for and what not,
   * how it was made, from what, how good it is, what it cost, under which terms, and how to run it
   * and make it again.
   *
   * @return Markdown with a YAML header
   */
  public String modelCard() {
    return new ModelCard(this).markdown();
  }
}
