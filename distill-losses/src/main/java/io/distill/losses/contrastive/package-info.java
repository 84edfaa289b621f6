/**
 * Losses on embeddings, on scores of candidates, and on telling a row from others. Users reach them
 * through {@link io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.contrastive;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
