/**
 * Where a student comes from, as plain values: what a recipe was, what it was run with, and what
 * may be done with the result. Nothing here knows of training.
 */
@NullMarked
@CheckReturnValue
package io.distill.provenance;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
