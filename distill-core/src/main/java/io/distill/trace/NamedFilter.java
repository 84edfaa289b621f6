package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/** A filter with a name and a description. */
record NamedFilter(String name, String description, TraceFilter filter) implements TraceFilter {

  NamedFilter {
    checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
    requireNonNull(filter, "filter");
  }

  /** Names a filter, and describes it by its name unless it says more. */
  NamedFilter(String name, TraceFilter filter) {
    this(name, filter.description().equals(filter.name()) ? name : filter.description(), filter);
  }

  @Override
  public Verdict judge(Candidate candidate) throws Exception {
    return filter.judge(candidate);
  }

  @Override
  public boolean selects() {
    return filter.selects();
  }

  @Override
  public TraceFilter begin() {
    return new NamedFilter(name, description, filter.begin());
  }

  @Override
  public void kept(Candidate candidate) {
    filter.kept(candidate);
  }
}
