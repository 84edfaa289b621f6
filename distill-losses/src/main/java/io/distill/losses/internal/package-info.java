/** Checks that several losses share; for the library only. */
@NullMarked
package io.distill.losses.internal;

import org.jspecify.annotations.NullMarked;
