package io.distill.trace;

import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.generation.Generation;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.huggingface.ChatMessage;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDecision;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A language model in this process that answers. */
final class GeneratorSource implements AnswerSource {

  private final TextGenerator generator;
  private final GenerationOptions options;
  private final @Nullable Function<List<ChatMessage>, String> template;

  GeneratorSource(
      TextGenerator generator,
      GenerationOptions options,
      @Nullable Function<List<ChatMessage>, String> template) {
    this.generator = requireNonNull(generator, "generator");
    this.options = requireNonNull(options, "options");
    this.template = template;
    checkState(
        generator.tokenizer().isPresent(),
        "generator must have a tokenizer to read prompts but has none");
  }

  @Override
  public List<Answer> answers(List<Question> batch) {
    Tokenizer tokenizer = generator.tokenizer().orElseThrow();
    List<int[]> prompts = new ArrayList<>();
    for (Question question : batch) {
      prompts.add(
          question.text().isPresent()
              ? tokenizer.encode(question.prompt())
              : tokenizer.encode(rendered(question), false));
    }
    List<Generation> written =
        generator.continueTokens(
            prompts,
            batch.stream().mapToLong(Question::seed).toArray(),
            options,
            (row, piece) -> {});
    return written.stream().map(this::answer).toList();
  }

  private String rendered(Question question) {
    if (template == null) {
      throw new DistillationException(
          "source must have a chat template to answer messages but has none; give it one, or ask"
              + " with prompts of text");
    }
    return template.apply(question.messages());
  }

  private Answer answer(Generation generation) {
    return new Answer(
        generation.text(),
        generation.end() == Generation.End.LENGTH ? FinishReason.LENGTH : FinishReason.STOP,
        OptionalInt.of(generation.promptTokens()),
        OptionalInt.of(generation.tokenIds().size()),
        options.logProbabilities()
            ? OptionalDouble.of(generation.logProbability())
            : OptionalDouble.empty());
  }

  @Override
  public String id() {
    return "language model";
  }

  @Override
  public Optional<String> fingerprint() {
    return Optional.of(generator.fingerprint());
  }

  /** A model that was taught is as free as its own teachers, and never freer. */
  @Override
  public Terms terms() {
    return generator.provenance().stream()
        .flatMap(origin -> origin.terms().stream())
        .map(TermsDecision::terms)
        .reduce(Terms::stricter)
        .orElseGet(Terms::undeclared);
  }

  @Override
  public Map<String, String> sampling() {
    Map<String, String> sampling = new TreeMap<>();
    sampling.put("maxNewTokens", Integer.toString(options.maxNewTokens()));
    sampling.put("temperature", Double.toString(options.temperature()));
    sampling.put("topK", Integer.toString(options.topK()));
    sampling.put("topP", Double.toString(options.topP()));
    sampling.put("minP", Double.toString(options.minP()));
    sampling.put("repetitionPenalty", Double.toString(options.repetitionPenalty()));
    if (!options.stopStrings().isEmpty()) {
      sampling.put("stopStrings", options.stopStrings().toString());
    }
    if (!options.endIds().isEmpty()) {
      sampling.put("endIds", options.endIds().toString());
    }
    if (options.ignoreEnd()) {
      sampling.put("ignoreEnd", "true");
    }
    return sampling;
  }
}
