package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.provenance.Terms;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A source of which more is said than it says itself. */
record DescribedSource(AnswerSource source, String id, Terms terms, Map<String, String> sampling)
    implements AnswerSource {

  DescribedSource {
    checkArgument(!requireNonNull(id, "id").isBlank(), "id must not be blank");
    requireNonNull(terms, "terms");
    if (source instanceof GeneratorSource) {
      // what its own teachers forbid, no declaration allows
      terms = terms.orInherited(source.terms());
    }
    sampling = Collections.unmodifiableMap(new TreeMap<>(sampling));
  }

  @Override
  public List<Answer> answers(List<Question> batch) throws Exception {
    return source.answers(batch);
  }

  @Override
  public void answers(List<Question> batch, Receiver receiver) throws Exception {
    source.answers(batch, receiver);
  }

  @Override
  public Optional<String> fingerprint() {
    return source.fingerprint();
  }

  @Override
  public AnswerSource named(String name) {
    return new DescribedSource(source, name, terms, sampling);
  }

  @Override
  public AnswerSource declaring(Terms declared) {
    return new DescribedSource(source, id, declared, sampling);
  }

  @Override
  public AnswerSource sampling(Map<String, String> settings) {
    return new DescribedSource(source, id, terms, settings);
  }
}
