/**
 * The compiled engine: writes TorchScript archives from Java, reads them back, and runs their
 * methods through DJL with one native call each.
 */
@NullMarked
package io.distill.torchscript;

import org.jspecify.annotations.NullMarked;
