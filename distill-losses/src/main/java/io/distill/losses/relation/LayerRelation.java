package io.distill.losses.relation;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossTerm;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.OneText;
import io.distill.losses.internal.Positions;
import io.distill.losses.internal.SameRows;
import io.distill.mapping.LayerPair;
import io.distill.signal.Signals;
import java.util.List;

/**
 * A relation of rows on the hidden states of pairs of layers.
 *
 * @param relation the relation
 * @param rows how the hidden states of a row become one vector
 */
public record LayerRelation(DistillationLoss relation, Rows rows) implements LayerLoss {

  /** What is added to the formula of a relation, to go from hidden states to the value. */
  private static final String[] ON_LAYERS = {
    """
    def flattened(self, positions: Tensor, mask: Tensor) -> Tensor:
      return torch.flatten(positions * torch.unsqueeze(mask, -1), 1)
    """,
    """
    def pooled(self, positions: Tensor, mask: Tensor) -> Tensor:
      real = torch.clamp_min(torch.sum(mask, [1], True), 1.)
      return torch.sum(positions * torch.unsqueeze(mask / real, -1), [1])
    """,
    """
    def relation_of_flattened(self, student: Tensor, teacher: Tensor, mask: Tensor, teacher_mask: Tensor) -> Tensor:
      own = self.flattened(self.positions(student), mask)
      return self.relation(own, self.flattened(self.positions(teacher), teacher_mask))
    """,
    """
    def relation_of_pooled(self, student: Tensor, teacher: Tensor, mask: Tensor, teacher_mask: Tensor) -> Tensor:
      own = self.pooled(self.positions(student), mask)
      return self.relation(own, self.pooled(self.positions(teacher), teacher_mask))
    """
  };

  /** How the hidden states of a row become one vector. */
  public enum Rows {
    /** All positions beside each other, padding as zeros. */
    FLATTENED("relation_of_flattened"),
    /** The mean of the positions that count. */
    POOLED("relation_of_pooled");

    private final String method;

    Rows(String method) {
      this.method = method;
    }
  }

  /**
   * Checks that the loss is a relation.
   *
   * @param relation the relation
   * @param rows how the hidden states of a row become one vector
   */
  public LayerRelation {
    checkArgument(
        relation instanceof RelationLoss,
        "relation must be a loss on the relations of rows, such as similarityPreserving(), but was"
            + " %s; name or scope the result instead",
        relation.name());
  }

  /**
   * Puts a relation, or the weighted sum of some, on hidden states.
   *
   * @param relation the relation or sum
   * @param rows how the hidden states of a row become one vector
   * @return the loss on hidden states
   */
  public static DistillationLoss of(DistillationLoss relation, Rows rows) {
    if (relation instanceof RelationLoss) {
      return new LayerRelation(relation, rows);
    }
    List<LossTerm> terms = relation.terms();
    DistillationLoss sum = onLayers(terms.get(0), rows);
    for (LossTerm term : terms.subList(1, terms.size())) {
      sum = sum.plus(onLayers(term, rows));
    }
    return sum;
  }

  private static DistillationLoss onLayers(LossTerm term, Rows rows) {
    return new LayerRelation(term.loss(), rows).weighted(term.weight());
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray student = context.student().hiddenStates().get(pair.student());
    NDArray teacher = context.teacher().hiddenStates().get(pair.teacher());
    LossContext other = context.teacher().mask().isPresent() ? asStudent(context) : context;
    NDArray mask = Positions.mask(context, student);
    NDArray teacherMask = Positions.mask(other, teacher);
    SameRows.sameNumber(student, teacher);
    return ((RelationLoss) relation)
        .formula()
        .extended("LayerRelation", Positions.methods())
        .extended("LayerRelation", ON_LAYERS)
        .call(rows.method, student, teacher, mask, teacherMask);
  }

  /** The teacher may split text into other tokens than the student: then it has a mask too. */
  private static LossContext asStudent(LossContext context) {
    return context.withSignals(context.teacher(), Signals.none());
  }

  @Override
  public String name() {
    return relation.name();
  }
}
