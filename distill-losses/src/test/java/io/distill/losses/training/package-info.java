/** Small real tasks on which every loss of the catalogue trains a student. */
@NullMarked
@CheckReturnValue
package io.distill.losses.training;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
