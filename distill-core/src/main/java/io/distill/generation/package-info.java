/**
 * Language models that write: greedy or sampled, in batches, streamed.
 *
 * <p>{@link io.distill.generation.TextGenerator} continues prompts, {@link
 * io.distill.generation.GenerationOptions} says how, {@link io.distill.generation.Generation} is
 * what came out.
 */
@CheckReturnValue
@NullMarked
package io.distill.generation;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
