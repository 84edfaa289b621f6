/**
 * Losses on the tokens of language models. Users reach them through {@link
 * io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.sequence;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
