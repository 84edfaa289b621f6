/**
 * Losses on embeddings and on scores of candidates. Users reach them through {@link
 * io.distill.losses.Losses}.
 * Losses that tell a row's teacher embedding from those of other rows. Users reach them through
 * {@link io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.contrastive;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
