/**
 * The second example: a small language model learns step-by-step arithmetic from scratch, writes
 * out its reasoning, and a student a quarter of its size learns from what was verified.
 */
@NullMarked
package io.distill.examples.arithmetic;

import org.jspecify.annotations.NullMarked;
