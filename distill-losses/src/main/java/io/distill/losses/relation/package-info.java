/**
 * Losses on relations: between the rows of a batch, between the layers of a model, and between the
 * channels of a layer. Users reach them through {@link io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.relation;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
