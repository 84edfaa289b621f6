/** The sentence a user writes: {@code Distiller} and its result. */
@NullMarked
@CheckReturnValue
package io.distill;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
