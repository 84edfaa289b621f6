/** Factories of the losses of knowledge distillation. */
@NullMarked
@CheckReturnValue
package io.distill.losses;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
