/**
 * What a model is worth: how often it is right, how often it agrees with its teacher, what its
 * representation knows beyond its task, how fast it answers and how large it is.
 *
 * <p>Everything here reads models and data and changes neither.
 */
@NullMarked
@CheckReturnValue
package io.distill.evaluation;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
