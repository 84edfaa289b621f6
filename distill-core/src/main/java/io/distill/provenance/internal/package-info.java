/** Writes the parts of a recipe down and makes them again; for the library itself only. */
@NullMarked
@CheckReturnValue
package io.distill.provenance.internal;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
