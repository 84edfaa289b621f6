package io.distill.losses.attention;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import com.google.common.math.IntMath;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Divergence of the relations of queries, of keys and of values, over relation heads.
 *
 * @param relationHeads the number of relation heads, at least 1; empty for the most that leave the
 *     teacher's heads 16 wide
 * @param mapped whether the layers are those of a mapping given to this loss, and not the last
 */
public record MiniLmV2(OptionalInt relationHeads, boolean mapped) implements LastLayerLoss {

  /** The width of the teacher's relation heads in all settings of the paper. */
  private static final int TEACHER_HEAD_WIDTH = 16;

  private static final Formula FORMULA =
      SelfRelation.formula(
          "MiniLmV2",
          """
          def split(self, x: Tensor) -> Tensor:
            shape = [torch.size(x, 0), torch.size(x, 2), self.relation_heads, -1]
            return torch.transpose(torch.reshape(torch.transpose(x, 1, 2), shape), 1, 2)
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor, tokens: Tensor) -> Tensor:
            own = self.split(student)
            given = self.split(teacher)
            return self.divergence(own, own, given, given, tokens)
          """,
          """
          def per_query(self, queries: Tensor, keys: Tensor, values: Tensor, teacher_queries: Tensor, teacher_keys: Tensor, teacher_values: Tensor, tokens: Tensor) -> Tensor:
            relations = self.relation(queries, teacher_queries, tokens) + self.relation(keys, teacher_keys, tokens)
            return relations + self.relation(values, teacher_values, tokens)
          """);

  /**
   * Checks the number of relation heads.
   *
   * @param relationHeads the number of relation heads, at least 1; empty for the most that leave
   *     the teacher's heads 16 wide
   * @param mapped whether the layers are those of a mapping given to this loss, and not the last
   * @throws IllegalArgumentException if it is below 1
   */
  public MiniLmV2 {
    relationHeads.ifPresent(
        heads -> checkArgument(heads >= 1, "relationHeads must be at least 1 but was %s", heads));
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    NDArray queries = Heads.student(context, SignalKind.QUERIES, pair);
    NDArray given = Heads.teacher(context, SignalKind.QUERIES, pair);
    Heads.sameTokens(SignalKind.QUERIES, queries, given, pair);
    int student = width(queries);
    int teacher = width(given);
    int heads = relationHeads.orElseGet(() -> defaultHeads(student, teacher));
    if (student % heads != 0 || teacher % heads != 0) {
      throw new DistillationException(
          "relationHeads must divide the widths of student and teacher, heads times head width,"
              + " but was "
              + heads
              + " for "
              + student
              + " (student, layer "
              + pair.student()
              + ") and "
              + teacher
              + " (teacher, layer "
              + pair.teacher()
              + "); choose a divisor of "
              + IntMath.gcd(student, teacher));
    }
    return SelfRelation.mean(context, pair, FORMULA.with("relation_heads", (long) heads), false);
  }

  private static int width(NDArray queries) {
    return Math.toIntExact(queries.getShape().get(1) * queries.getShape().get(3));
  }

  /** Returns the largest number that divides both and leaves the teacher's heads 16 wide. */
  private static int defaultHeads(int student, int teacher) {
    int common = IntMath.gcd(student, teacher);
    int heads = Math.max(1, Math.min(common, teacher / TEACHER_HEAD_WIDTH));
    while (common % heads != 0) {
      heads--;
    }
    return heads;
  }

  @Override
  public DistillationLoss followingMapping() {
    return new MiniLmV2(relationHeads, true);
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.copyOf(SelfRelation.KINDS);
  }

  @Override
  public String name() {
    return "miniLmV2";
  }
}
