/**
 * Files written whole or not at all, and the native engine; for the library only.
 *
 * <p>What DJL 0.36 with libtorch 2.7.1 does that code here has to know:
 *
 * <ul>
 *   <li>Memory of scalar operands is freed while the graph of gradients still points to it; see
 *       {@link io.distill.internal.HostMemoryScope}, which must be open wherever gradients are
 *       computed.
 *   <li>{@code NDArray.toType} cuts the graph of gradients, and a 0-dimensional array times a Java
 *       {@code double} becomes float64.
 *   <li>{@code hasGradient()} is true for leaves only; asking for the gradient function of an array
 *       that has none ends the process.
 *   <li>A gradient exists only after a first backward pass, and then stays in place.
 *   <li>Gradient mode belongs to the thread and is off on the thread that started the engine.
 *   <li>Results are attached to the manager of the first input, and so outlive a step if that is a
 *       parameter.
 *   <li>Dictionaries come back in the order of a hash map.
 *   <li>TorchScript removes an in-place operator on a slice of a list, since nothing seems to read
 *       it.
 *   <li>Reductions take one axis.
 * </ul>
 */
@NullMarked
package io.distill.internal;

import org.jspecify.annotations.NullMarked;
