/**
 * What to implement so that losses, schedules and students of one's own can be written down with a
 * recipe and made again from it.
 */
@NullMarked
@CheckReturnValue
package io.distill.provenance.spi;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
