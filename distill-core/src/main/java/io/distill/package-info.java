/** The sentence a user writes: {@code Distiller} and its result. */
@NullMarked
package io.distill;

import org.jspecify.annotations.NullMarked;
