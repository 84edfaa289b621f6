package io.distill.trace;

import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Judges answers in order, and writes every verdict and every trace.
 *
 * <p>A trace is written before its verdict. So after a kill the verdicts are right as far as they
 * have their answers and traces; what is behind is cut off and judged again.
 */
final class Judge implements Closeable {

  /** What is always dropped, whatever the filters are. */
  static final String EMPTY_FILTER = "answer";

  private static final Logger LOGGER = LoggerFactory.getLogger(TracePipeline.class);
  private static final String EMPTY = "empty";
  private static final String OTHER_REASONS = "other reasons";
  private static final int MOST_REASONS = 100;
  private static final int LONGEST_MESSAGE = 300;

  private final List<TraceFilter> filters;
  private final int errorsInARow;
  private final AnswerSource source;
  private final AnswerLog answers;
  private final LineFile verdicts;
  private final LineFile traces;
  private final int samples;
  private final int[] errors;
  private final Place[] rowStarts;
  private final Set<String> toldErrors = new HashSet<>();
  private final Map<String, Map<String, Long>> dropped = new LinkedHashMap<>();
  private @Nullable LineReader recordedVerdicts;
  private @Nullable LineReader recordedTraces;
  private Place end = new Place(0, 0);
  private long judged;
  private long kept;
  private long keptTokens;
  private int goodOfPrompt;
  private final long[] solved = new long[3];

  /** How far the verdicts and the traces reach. */
  private record Place(long verdicts, long traces) {}

  Judge(
      List<TraceFilter> filters,
      int errorsInARow,
      int samples,
      AnswerSource source,
      AnswerLog answers,
      Path verdictsFile,
      Path tracesFile) {
    this.filters = filters.stream().map(TraceFilter::begin).toList();
    this.errorsInARow = errorsInARow;
    this.samples = samples;
    this.source = source;
    this.answers = answers;
    this.errors = new int[filters.size()];
    this.rowStarts = new Place[filters.size()];
    dropped.put(EMPTY_FILTER, new TreeMap<>());
    filters.forEach(filter -> dropped.put(filter.name(), new TreeMap<>()));
    LineFile first = LineFile.open("verdicts file", verdictsFile);
    LineFile second;
    try {
      second = LineFile.open("traces file", tracesFile);
    } catch (RuntimeException e) {
      first.close();
      throw e;
    }
    this.verdicts = first;
    this.traces = second;
    this.recordedVerdicts = verdicts.reader();
    this.recordedTraces = traces.reader();
  }

  /**
   * Goes over a verdict that was recorded before, instead of judging again.
   *
   * @return whether there was one; if not, there are no more
   */
  boolean replay(Prompt prompt, int index) {
    LineReader verdictLines = recordedVerdicts;
    LineReader traceLines = recordedTraces;
    if (verdictLines == null || traceLines == null) {
      return false;
    }
    LineReader.Line line = verdictLines.next();
    if (line == null || !answers.has(prompt, index)) {
      cut();
      return false;
    }
    JsonLine verdict = JsonLine.of(line);
    require(verdict, prompt, index);
    if (verdict.bool("kept")) {
      LineReader.Line trace = traceLines.next();
      if (trace == null) {
        cut();
        return false;
      }
      require(JsonLine.of(trace), prompt, index);
      end = new Place(line.next(), trace.next());
      keep(new Candidate(prompt, index, answers.read(prompt, index)));
    } else {
      end = new Place(line.next(), end.traces);
      drop(verdict.string("filter"), verdict.string("reason"));
    }
    count(index);
    return true;
  }

  private static void require(JsonLine line, Prompt prompt, int index) {
    if (!line.string("id").equals(prompt.id()) || line.integer("index") != index) {
      throw new DistillationException(
          line.where()
              + " must be about answer "
              + index
              + " to prompt '"
              + prompt.id()
              + "' but is about another; restore the file, or delete it and the "
              + "verdicts to have the stored answers judged again");
    }
  }

  /** Drops what follows the last verdict that is whole with all that belongs to it. */
  private void cut() {
    closeReaders();
    verdicts.truncate(end.verdicts);
    traces.truncate(end.traces);
  }

  private void closeReaders() {
    if (recordedVerdicts != null) {
      recordedVerdicts.close();
      recordedVerdicts = null;
    }
    if (recordedTraces != null) {
      recordedTraces.close();
      recordedTraces = null;
    }
  }

  /**
   * Judges an answer and writes what comes out.
   *
   * @throws DistillationException if a filter failed too often in a row; what it failed on is then
   *     taken back, to be judged again
   */
  void judge(Prompt prompt, int index, long seed, Answer answer) {
    Candidate candidate = new Candidate(prompt, index, answer);
    if (answer.text().isBlank()) {
      write(candidate, EMPTY_FILTER, Verdict.drop(EMPTY));
      return;
    }
    Map<String, Map<String, String>> details = new TreeMap<>();
    for (int i = 0; i < filters.size(); i++) {
      TraceFilter filter = filters.get(i);
      Verdict verdict = verdict(i, candidate);
      if (!verdict.kept()) {
        write(candidate, filter.name(), verdict);
        return;
      }
      if (!verdict.details().isEmpty()) {
        details.put(filter.name(), verdict.details());
      }
    }
    traces.append(
        new Trace(prompt, index, seed, answer.text(), source.id(), source.sampling(), details)
            .json());
    verdicts.append(line(candidate, true));
    keep(candidate);
    count(index);
  }

  private Verdict verdict(int filter, Candidate candidate) {
    try {
      Verdict verdict = filters.get(filter).judge(candidate);
      if (verdict == null) {
        throw new NullPointerException("the filter gave no verdict");
      }
      errors[filter] = 0;
      return verdict;
    } catch (Exception | StackOverflowError e) {
      return failed(filter, candidate, e);
    }
  }

  /** An expression that backtracks too far overflows the stack; anything else is no verdict. */
  private Verdict failed(int filter, Candidate candidate, Throwable failure) {
    if (failure instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
    String name = filters.get(filter).name();
    if (errors[filter] == 0) {
      rowStarts[filter] = new Place(verdicts.length(), traces.length());
    }
    errors[filter]++;
    if (errors[filter] >= errorsInARow) {
      verdicts.truncate(rowStarts[filter].verdicts);
      traces.truncate(rowStarts[filter].traces);
      throw new DistillationException(
          "filter '"
              + name
              + "' must judge answers but failed on "
              + errors[filter]
              + " in a row, last on answer "
              + candidate.index()
              + " to prompt '"
              + candidate.prompt().id()
              + "' ("
              + failure
              + "); mend it and run again: the answers are stored and these will be judged again",
          failure);
    }
    if (toldErrors.add(name + failure.getClass().getName())) {
      LOGGER.warn(
          "Filter '{}' failed on answer {} to prompt '{}', which is dropped; further failures of"
              + " this kind are only counted",
          name,
          candidate.index(),
          candidate.prompt().id(),
          failure);
    }
    String message = String.valueOf(failure);
    return Verdict.drop(TraceFilter.ERROR)
        .with(
            "exception",
            message.length() <= LONGEST_MESSAGE ? message : message.substring(0, LONGEST_MESSAGE));
  }

  private void write(Candidate candidate, String filter, Verdict verdict) {
    JsonObject json = line(candidate, false);
    json.addProperty("filter", filter);
    json.addProperty("reason", verdict.reason());
    if (!verdict.details().isEmpty()) {
      json.add("details", JsonLine.strings(verdict.details()));
    }
    verdicts.append(json);
    drop(filter, verdict.reason());
    count(candidate.index());
  }

  private static JsonObject line(Candidate candidate, boolean kept) {
    JsonObject json = new JsonObject();
    json.addProperty("id", candidate.prompt().id());
    json.addProperty("index", candidate.index());
    json.addProperty("kept", kept);
    return json;
  }

  private void keep(Candidate candidate) {
    kept++;
    goodOfPrompt++;
    keptTokens += candidate.answer().tokens().orElse(0);
    for (TraceFilter filter : filters) {
      filter.kept(candidate);
    }
  }

  private void drop(String filter, String reason) {
    Map<String, Long> reasons = dropped.computeIfAbsent(filter, name -> new TreeMap<>());
    String counted =
        reasons.containsKey(reason) || reasons.size() < MOST_REASONS ? reason : OTHER_REASONS;
    reasons.merge(counted, 1L, Long::sum);
    boolean selected =
        !reason.equals(TraceFilter.ERROR)
            && filters.stream().anyMatch(each -> each.name().equals(filter) && each.selects());
    goodOfPrompt += selected ? 1 : 0;
  }

  private void count(int index) {
    judged++;
    if (index == samples - 1) {
      solved[goodOfPrompt == 0 ? 0 : goodOfPrompt < samples ? 1 : 2]++;
      goodOfPrompt = 0;
    }
  }

  /** Drops what files have behind the last answer, and forces the rest to the disk. */
  void finish() {
    if (recordedVerdicts != null) {
      cut();
    }
    traces.sync();
    verdicts.sync();
  }

  /** Returns the counts. */
  TraceReport report(
      UniquePrompts prompts, long asked, long retries, double teacherSeconds, boolean complete) {
    Map<String, Map<String, Long>> counts = new LinkedHashMap<>();
    dropped.forEach(
        (filter, reasons) -> {
          if (!reasons.isEmpty()) {
            counts.put(filter, reasons);
          }
        });
    return new TraceReport(
        prompts.count(),
        prompts.duplicates(),
        samples,
        answers.answers(),
        asked,
        retries,
        judged,
        kept,
        counts,
        solved[0],
        solved[1],
        solved[2],
        answers.promptTokens(),
        answers.tokens(),
        keptTokens,
        teacherSeconds,
        complete);
  }

  @Override
  public void close() {
    closeReaders();
    verdicts.close();
    traces.close();
  }
}
