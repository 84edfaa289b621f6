/**
 * What the documentation says about every loss: the list that benchmarks and tables share, and the
 * program that writes the tables.
 */
@NullMarked
package io.distill.examples.catalogue;

import org.jspecify.annotations.NullMarked;
