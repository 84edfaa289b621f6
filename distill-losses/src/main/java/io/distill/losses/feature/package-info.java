/**
 * Losses on hidden states and embeddings. Users reach them through {@link
 * io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.feature;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
