/** The training loop and its parts; for the library only. */
@NullMarked
package io.distill.training.internal;

import org.jspecify.annotations.NullMarked;
