package io.distill.losses.logit;

/** TorchScript over the pairs of classes of which the teacher prefers the first. */
final class RankedPairs {

  /** Averages {@code [N, C, C]} values; classes that the teacher rules out make no pairs. */
  static final String METHOD =
      """
      def mean_over_pairs(self, losses: Tensor, teacher: Tensor) -> Tensor:
        first = torch.unsqueeze(teacher, -1)
        second = torch.unsqueeze(teacher, -2)
        ranked = torch.logical_and(first > second, second > -1e30)
        pairs = torch.sum(torch.to(ranked, losses), [-2, -1])
        return torch.sum(torch.where(ranked, losses, 0.), [-2, -1]) / torch.clamp_min(pairs, 1.)
      """;

  private RankedPairs() {}
}
