/** The extension point: what a loss is, what it sees, and how losses are composed. */
@NullMarked
@CheckReturnValue
package io.distill.loss;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
