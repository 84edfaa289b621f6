/** Pure functions of training progress: temperature, learning rate, loss weights. */
@NullMarked
package io.distill.schedule;

import org.jspecify.annotations.NullMarked;
