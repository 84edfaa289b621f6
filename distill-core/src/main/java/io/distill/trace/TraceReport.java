package io.distill.trace;

import com.google.gson.JsonObject;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What became of prompts and answers: all of a directory, not of one run, unless said otherwise.
 *
 * @param prompts the number of prompts, duplicates not counted
 * @param duplicatePrompts how many prompts were left out because they came before
 * @param samples how many answers each prompt gets
 * @param answers the number of answers that are there
 * @param asked how many of them this run asked for
 * @param retries how often this run asked again after a temporary failure
 * @param judged the number of answers that were judged
 * @param kept the number of answers that were kept
 * @param dropped the number of answers that were dropped, by filter (in their order) and reason
 * @param solvedByNone the number of prompts of which all answers were judged and no answer is good:
 *     kept, or dropped by nothing but a filter that {@linkplain TraceFilter#selects() selects}
 * @param solvedBySome the number of prompts of which some answers are good
 * @param solvedByAll the number of prompts of which all answers are good
 * @param promptTokens the number of tokens of the prompts of all answers, as far as it is known
 * @param tokens the number of tokens of all answers, as far as it is known
 * @param keptTokens the number of tokens of all kept answers, as far as it is known
 * @param teacherSeconds how long the source took in this run, summed over requests at once
 * @param complete whether all answers were asked for and judged
 */
public record TraceReport(
    long prompts,
    long duplicatePrompts,
    int samples,
    long answers,
    long asked,
    long retries,
    long judged,
    long kept,
    Map<String, Map<String, Long>> dropped,
    long solvedByNone,
    long solvedBySome,
    long solvedByAll,
    long promptTokens,
    long tokens,
    long keptTokens,
    double teacherSeconds,
    boolean complete) {

  private static final double PERCENT = 100;

  /**
   * Copies the counts.
   *
   * @param prompts the number of prompts
   * @param duplicatePrompts how many prompts were left out
   * @param samples how many answers each prompt gets
   * @param answers the number of answers that are there
   * @param asked how many of them this run asked for
   * @param retries how often this run asked again
   * @param judged the number of answers that were judged
   * @param kept the number of answers that were kept
   * @param dropped the number of answers that were dropped, by filter and reason
   * @param solvedByNone the number of prompts without a good answer
   * @param solvedBySome the number of prompts of which some answers are good
   * @param solvedByAll the number of prompts of which all answers are good
   * @param promptTokens the number of tokens of the prompts of all answers
   * @param tokens the number of tokens of all answers
   * @param keptTokens the number of tokens of all kept answers
   * @param teacherSeconds how long the source took in this run
   * @param complete whether all answers were asked for and judged
   */
  public TraceReport {
    Map<String, Map<String, Long>> copy = new LinkedHashMap<>();
    dropped.forEach(
        (filter, reasons) ->
            copy.put(filter, Collections.unmodifiableMap(new LinkedHashMap<>(reasons))));
    dropped = Collections.unmodifiableMap(copy);
  }

  /**
   * Returns how many answers a filter dropped.
   *
   * @param filter the name of the filter
   * @return the sum over its reasons
   */
  public long dropped(String filter) {
    return dropped.getOrDefault(filter, Map.of()).values().stream()
        .mapToLong(Long::longValue)
        .sum();
  }

  /**
   * Returns all counts that do not differ from run to run in the same directory.
   *
   * @return a new object
   */
  public JsonObject json() {
    JsonObject json = new JsonObject();
    json.addProperty("prompts", prompts);
    json.addProperty("duplicatePrompts", duplicatePrompts);
    json.addProperty("samples", samples);
    json.addProperty("answers", answers);
    json.addProperty("judged", judged);
    json.addProperty("kept", kept);
    JsonObject drops = new JsonObject();
    dropped.forEach(
        (filter, reasons) -> {
          JsonObject counts = new JsonObject();
          reasons.forEach(counts::addProperty);
          drops.add(filter, counts);
        });
    json.add("dropped", drops);
    json.addProperty("solvedByNone", solvedByNone);
    json.addProperty("solvedBySome", solvedBySome);
    json.addProperty("solvedByAll", solvedByAll);
    json.addProperty("promptTokens", promptTokens);
    json.addProperty("tokens", tokens);
    json.addProperty("keptTokens", keptTokens);
    json.addProperty("complete", complete);
    return json;
  }

  /**
   * Returns a table for people.
   *
   * @return several lines
   */
  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    row(table, "prompts", prompts, duplicatePrompts + " duplicates left out");
    row(
        table,
        "answers",
        answers,
        String.format(
            Locale.ROOT,
            "of %d; %d asked in this run in %.1f s, %d retries",
            prompts * samples,
            asked,
            teacherSeconds,
            retries));
    row(table, "judged", judged, complete ? "" : "not complete; run it again to go on");
    dropped.forEach(
        (filter, reasons) ->
            reasons.forEach(
                (reason, count) -> row(table, "- " + filter, count, reason + share(count))));
    row(table, "kept", kept, share(kept).strip());
    row(table, "solved by none", solvedByNone, "prompts");
    row(table, "solved by some", solvedBySome, "prompts");
    row(table, "solved by all", solvedByAll, "prompts");
    row(table, "tokens", tokens, keptTokens + " of them kept, " + promptTokens + " of prompts");
    return table.toString();
  }

  private String share(long count) {
    return judged == 0
        ? ""
        : String.format(Locale.ROOT, " (%.1f %% of judged)", PERCENT * count / judged);
  }

  private static void row(StringBuilder table, String name, long count, String remark) {
    table.append(String.format(Locale.ROOT, "%-22s %10d  %s", name, count, remark).stripTrailing());
    table.append('\n');
  }
}
