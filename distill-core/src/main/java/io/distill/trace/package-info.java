/**
 * Distillation from what a teacher writes: prompts go out, answers come back, the good ones are
 * kept as traces that a student is fine-tuned on.
 *
 * <p>Everything that differs from one project to the next is an interface that a lambda implements:
 * {@link io.distill.trace.Prompts}, {@link io.distill.trace.AnswerSource}, {@link
 * io.distill.trace.TraceFilter} and {@link io.distill.trace.AnswerExtractor}. {@link
 * io.distill.trace.TracePipeline} joins them, keeps everything in one directory and goes on where
 * it was ended. {@link io.distill.trace.EvaluationPipeline} does the same with prompts whose
 * answers are known, and counts right ones; {@link io.distill.trace.AnswerEvaluation} does so in
 * memory. {@code io.distill.TraceDistiller} joins all of it with fine-tuning.
 *
 * @see <a href="https://arxiv.org/abs/2501.12948">DeepSeek-AI, DeepSeek-R1, 2025</a>
 */
@NullMarked
@CheckReturnValue
package io.distill.trace;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
