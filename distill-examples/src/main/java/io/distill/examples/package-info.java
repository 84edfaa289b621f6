/** Runnable examples. */
@NullMarked
package io.distill.examples;

import org.jspecify.annotations.NullMarked;
