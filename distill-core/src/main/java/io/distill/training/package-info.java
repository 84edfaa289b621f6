/** The optimizers, what a run reports, and (inside {@code internal}) the loop itself. */
@NullMarked
@CheckReturnValue
package io.distill.training;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
