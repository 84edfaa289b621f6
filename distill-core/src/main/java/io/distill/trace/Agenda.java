package io.distill.trace;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All answers that are wanted, in the order of prompts and samples. Batches hold the same ones in
 * every run, whatever was answered before: what a model in this process writes can depend, in the
 * last bit of a probability, on what it writes beside.
 */
final class Agenda {

  /** A seed has 53 bits, which every reader of JSON can hold. */
  private static final int SPARE_BITS = 11;

  private final UniquePrompts prompts;
  private final int samples;
  private final long seed;
  private final int batchSize;
  private @Nullable Prompt prompt;
  private int index;

  Agenda(UniquePrompts prompts, int samples, long seed, int batchSize) {
    this.prompts = prompts;
    this.samples = samples;
    this.seed = seed;
    this.batchSize = batchSize;
  }

  /** Returns the next batch; an empty one at the end. */
  List<Questioning.Item> next() {
    List<Questioning.Item> batch = new ArrayList<>();
    while (batch.size() < batchSize) {
      Prompt asked = prompt;
      if (asked == null || index == samples) {
        if (!prompts.hasNext()) {
          return batch;
        }
        asked = prompts.next();
        prompt = asked;
        index = 0;
      }
      batch.add(new Questioning.Item(asked, index, questionSeed(asked, index)));
      index++;
    }
    return batch;
  }

  /** A stream of its own for each answer, so that none depends on what else is asked. */
  private long questionSeed(Prompt asked, int sample) {
    return Hashing.sha256()
            .newHasher()
            .putLong(seed)
            .putInt(sample)
            .putString(asked.id(), StandardCharsets.UTF_8)
            .hash()
            .asLong()
        >>> SPARE_BITS;
  }
}
