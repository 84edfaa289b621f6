/**
 * The sentence a user writes: {@code Distiller} and its result; for teachers that only answer,
 * {@code TraceDistiller}.
 */
@NullMarked
@CheckReturnValue
package io.distill;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
