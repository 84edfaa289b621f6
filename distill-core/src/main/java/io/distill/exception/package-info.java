/** What can go wrong, as unchecked exceptions with one root. */
@NullMarked
package io.distill.exception;

import org.jspecify.annotations.NullMarked;
