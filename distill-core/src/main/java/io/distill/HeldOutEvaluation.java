package io.distill;

import com.google.gson.JsonObject;
import io.distill.conversation.ConversationTemplate;
import io.distill.exception.DistillationException;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.huggingface.ChatMessage;
import io.distill.huggingface.ChatTemplate;
import io.distill.huggingface.CheckpointFiles;
import io.distill.internal.StrictJson;
import io.distill.model.DeployableModel;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.EvaluationPipeline;
import io.distill.trace.EvaluationResult;
import io.distill.trace.Prompt;
import io.distill.trace.PromptOverlap;
import io.distill.trace.Prompts;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The stage in which held-out prompts are answered. Each source has a directory that is named by
 * what its answers depend on, so that another student is asked anew and the same one is not.
 */
record HeldOutEvaluation(
    Prompts prompts,
    AnswerExtractor extractor,
    GenerationOptions options,
    int samples,
    Function<Prompt, String> grouping,
    @Nullable ConversationTemplate template,
    boolean overlapAllowed,
    Path directory) {

  private static final Logger LOGGER = LoggerFactory.getLogger(TraceDistiller.class);
  private static final int KEY_LENGTH = 12;
  private static final int BATCH_SIZE = 64;

  /** Looks for held-out prompts among the training prompts, before anyone is asked. */
  PromptOverlap overlap(Prompts training) {
    PromptOverlap overlap = PromptOverlap.between(training, prompts);
    if (overlap.shared() > 0) {
      String what =
          overlap.shared()
              + " of "
              + overlap.heldOut()
              + " held-out prompts are among the training prompts (such as "
              + overlap.examples()
              + ")";
      if (!overlapAllowed) {
        throw new DistillationException(
            "held-out prompts must not be trained on but "
                + what
                + "; take them out of either, or call allowOverlap() if that is meant");
      }
      LOGGER.warn("{}: the evaluation says how well they are remembered", what);
    }
    return overlap;
  }

  /** Evaluates a model; answers of other models of that name are deleted when it is done. */
  EvaluationResult model(String name, DeployableModel model) {
    TextGenerator generator = TextGenerator.of(model);
    Optional<Function<List<ChatMessage>, String>> written = template(model);
    AnswerSource source =
        written.isPresent()
            ? AnswerSource.of(generator, options, written.get())
            : AnswerSource.of(generator, options);
    int size = Math.max(BATCH_SIZE, options.batchSize());
    AnswerSource named = source.named(name);
    String place = name + "-" + key(named);
    EvaluationResult result = evaluate(named, place, each -> each.batchSize(size));
    if (result.complete()) {
      FineTuning.deleteOthers(directory, name + "-[0-9a-f]{" + KEY_LENGTH + "}", place);
    }
    return result;
  }

  private Optional<Function<List<ChatMessage>, String>> template(DeployableModel model) {
    if (template != null) {
      return Optional.of(messages -> template.render(messages, true));
    }
    return CheckpointFiles.of(model)
        .flatMap(ChatTemplate::of)
        .map(own -> messages -> own.render(messages, true));
  }

  /** Evaluates another source, whose answers stay: they may have been paid for. */
  EvaluationResult source(
      String name, AnswerSource source, Consumer<? super EvaluationPipeline.Builder> how) {
    return evaluate(source, name + "-" + key(source), how);
  }

  private EvaluationResult evaluate(
      AnswerSource source, String place, Consumer<? super EvaluationPipeline.Builder> how) {
    EvaluationPipeline.Builder builder = EvaluationPipeline.builder();
    how.accept(builder);
    return builder
        .source(source)
        .prompts(prompts)
        .extractor(extractor)
        .samples(samples)
        .grouping(grouping)
        .directory(directory.resolve(place))
        .run();
  }

  private String key(AnswerSource source) {
    JsonObject json = new JsonObject();
    json.addProperty("id", source.id());
    json.addProperty("fingerprint", source.fingerprint().orElse(""));
    source.sampling().forEach(json::addProperty);
    json.addProperty("samples", samples);
    return StrictJson.digest(json).substring(0, KEY_LENGTH);
  }
}
