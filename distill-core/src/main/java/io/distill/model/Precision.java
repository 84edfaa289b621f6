package io.distill.model;

/** The number format in which a model of this library computes; its weights are always float32. */
public enum Precision {

  /** IEEE single precision everywhere. */
  FLOAT32,

  /**
   * Mixed precision: matrix products and attention read and write bfloat16 (8 bits of significand,
   * the exponents of float32, so that no loss scaling is needed) and add up in float32. Embeddings,
   * layer norm, softmax, pooling and the classifier stay float32, as do the weights, their
   * gradients, the optimizer's state, every signal and every loss.
   *
   * <p>Faster only where the processor multiplies bfloat16 in hardware (on x86: the flags {@code
   * avx512_bf16} or {@code amx_bf16}), and only if layers are wide enough to make up for the
   * conversions; elsewhere it is slower than float32. It saves a part of the memory for activations
   * anywhere.
   *
   * @see <a href="https://arxiv.org/abs/1905.12322">Kalamkar et al., A Study of BFLOAT16 for Deep
   *     Learning Training, 2019</a>
   */
  BFLOAT16
}
