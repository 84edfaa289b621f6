/**
 * Losses on attention: where a layer looks, and how its queries, keys and values relate. Users
 * reach them through {@link io.distill.losses.Losses}.
 */
@NullMarked
@CheckReturnValue
package io.distill.losses.attention;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
