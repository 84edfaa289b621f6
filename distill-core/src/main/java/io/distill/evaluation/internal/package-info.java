/** What runs in processes of its own; for the library only. */
@NullMarked
package io.distill.evaluation.internal;

import org.jspecify.annotations.NullMarked;
