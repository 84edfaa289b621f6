package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.function.ToIntFunction;

/** What is behind the filters that come with the library. */
final class Filters {

  private Filters() {}

  static TraceFilter length(
      String unit, int minimum, int maximum, ToIntFunction<Candidate> length) {
    checkArgument(
        minimum >= 0 && minimum <= maximum,
        "minimum must be from 0 to maximum %s but was %s",
        maximum,
        minimum);
    return new NamedFilter(
        unit,
        unit + "(" + minimum + ", " + maximum + ")",
        candidate -> {
          int actual = length.applyAsInt(candidate);
          return actual < minimum
              ? Verdict.drop("too short")
              : Verdict.keepIf(actual <= maximum, "too long");
        });
  }

  static Verdict reasoning(String text, String open, String close) {
    int opened = text.indexOf(open);
    int closed = text.indexOf(close);
    if (opened < 0 || closed < 0) {
      return Verdict.drop(opened < 0 ? "tag not opened" : "tag not closed");
    }
    if (text.lastIndexOf(open) != opened || text.lastIndexOf(close) != closed) {
      return Verdict.drop("tag more than once");
    }
    if (closed < opened) {
      return Verdict.drop("tag closed before opened");
    }
    if (!text.substring(0, opened).isBlank()) {
      return Verdict.drop("text before tag");
    }
    if (text.substring(opened + open.length(), closed).isBlank()) {
      return Verdict.drop("no reasoning");
    }
    return Verdict.keepIf(
        !text.substring(closed + close.length()).isBlank(), "no answer after reasoning");
  }

  /** Counts what is kept of the prompt that is judged now: answers to a prompt come together. */
  static final class AtMostPerPrompt implements TraceFilter {
    private final int most;
    private String prompt = "";
    private int count;

    AtMostPerPrompt(int most) {
      this.most = most;
    }

    @Override
    public Verdict judge(Candidate candidate) {
      return Verdict.keepIf(
          !candidate.prompt().id().equals(prompt) || count < most, "enough answers");
    }

    @Override
    public void kept(Candidate candidate) {
      if (!candidate.prompt().id().equals(prompt)) {
        prompt = candidate.prompt().id();
        count = 0;
      }
      count++;
    }

    @Override
    public TraceFilter begin() {
      return new AtMostPerPrompt(most);
    }

    @Override
    public String name() {
      return "atMostPerPrompt";
    }

    @Override
    public String description() {
      return "atMostPerPrompt(" + most + ")";
    }

    @Override
    public boolean selects() {
      return true;
    }
  }
}
