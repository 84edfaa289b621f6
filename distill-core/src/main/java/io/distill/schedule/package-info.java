/** Pure functions of training progress: temperature, learning rate. */
@NullMarked
package io.distill.schedule;

import org.jspecify.annotations.NullMarked;
