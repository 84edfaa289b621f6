/** Factories of the losses of knowledge distillation. */
@NullMarked
package io.distill.losses;

import org.jspecify.annotations.NullMarked;
