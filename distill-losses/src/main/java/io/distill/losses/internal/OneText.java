package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;

/** For losses that see a row as a whole, which has no meaning where it holds several texts. */
public final class OneText {

  private OneText() {}

  /**
   * Requires that no row holds several texts.
   *
   * @param loss the name of the loss
   * @throws DistillationException if one does
   */
  public static void check(String loss, LossContext context) {
    NDArray texts = context.student().texts().orElse(null);
    if (texts == null) {
      return;
    }
    long most = texts.max().getLong();
    if (most > 1) {
      throw new DistillationException(
          "rows must hold one text each for "
              + loss
              + ", which compares the tokens of a row with each other, but one holds "
              + most
              + "; make the data set without packed(true), or use a loss on single tokens such as"
              + " hiddenStateMse()");
    }
  }
}
