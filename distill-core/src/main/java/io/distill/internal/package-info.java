/** Files written whole or not at all, hashing, and the native engine; for the library only. */
@NullMarked
package io.distill.internal;

import org.jspecify.annotations.NullMarked;
