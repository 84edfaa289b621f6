/** What a model says about a batch, as plain values. */
@NullMarked
package io.distill.signal;

import org.jspecify.annotations.NullMarked;
