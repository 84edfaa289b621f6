package io.distill.losses.logit;

/** TorchScript that takes the label out of a row of logits. */
final class OtherClasses {

  /**
   * Rules the label's class out. A class that is ruled out has a very small logit instead of {@code
   * -inf}: its probability is 0 all the same, but 0 times its logarithm is 0 and not NaN, in the
   * value and in all gradients.
   */
  static final String METHOD =
      """
      def other_classes(self, logits: Tensor, index: Tensor) -> Tensor:
        label = torch.scatter(torch.zeros_like(logits), -1, index, 1.)
        return torch.where(label > 0., -1e30, logits)
      """;

  private OtherClasses() {}
}
