/**
 * Losses on how the rows of a batch lie to each other. Users reach them through {@link
 * io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.relation;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
