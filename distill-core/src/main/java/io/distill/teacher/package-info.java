/** The kinds of teacher: frozen sources of signals. */
@NullMarked
@CheckReturnValue
package io.distill.teacher;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
