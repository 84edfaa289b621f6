/** Losses on class scores. Users reach them through {@link io.distill.losses.Losses}. */
@NullMarked
@CheckReturnValue
package io.distill.losses.logit;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
