/** The kinds of student, where they start from, and what a trained one can do. */
@NullMarked
@CheckReturnValue
package io.distill.student;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
