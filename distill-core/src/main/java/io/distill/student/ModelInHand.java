package io.distill.student;

import org.jspecify.annotations.Nullable;

/**
 * What tells a model that is trained further from others. It cannot be made from this: whoever runs
 * the recipe again has the model.
 *
 * @param weights a SHA-256 digest of the weights, or of the files that they are in
 * @param outputs what its outputs are taken for
 * @param tokenizer the fingerprint of a tokenizer that came with it
 */
record ModelInHand(String weights, Object outputs, @Nullable String tokenizer) {}
