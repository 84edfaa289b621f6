/** Which student layer learns from which teacher layer. */
@NullMarked
package io.distill.mapping;

import org.jspecify.annotations.NullMarked;
