/**
 * Architectures: a configuration and weights become a TorchScript module whose methods give
 * signals.
 *
 * <p>Every module of this library has the methods {@code forward} (the logits, or the embedding if
 * there are no classes; what a plain serving program calls), {@code outputs} (a dictionary of
 * {@code logits} and {@code embedding}), {@code outputs_with_hidden_states} (adds {@code
 * hidden_states.0} and on) and, for encoders, {@code outputs_with_relations} (adds {@code
 * queries.0}, {@code keys.0}, {@code values.0} and on), {@code outputs_with_attention} (adds {@code
 * attention_scores.0} and on to the hidden states, at the price of attention that is not fused) and
 * {@code outputs_with_attention_and_relations}. Parameters carry the names that the Hugging Face
 * checkpoints of the family use.
 */
@NullMarked
@CheckReturnValue
package io.distill.model;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
