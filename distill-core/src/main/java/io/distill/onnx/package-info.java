/**
 * Pretrained weights out of ONNX files: finds the tensors of a BERT-family encoder in an exported
 * graph and gives them back under the names and in the layout PyTorch uses.
 *
 * <p>The graph itself is never executed; only its weights and the few facts that the weights alone
 * do not tell (number of attention heads, epsilon, activation) are taken from it.
 */
@NullMarked
package io.distill.onnx;

import org.jspecify.annotations.NullMarked;
