package io.distill.provenance;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.provenance.spi.RecipeTypes;
import java.util.Map;

/** A user's loss that can be made again from a file: a record, listed by {@link Listing}. */
public record ListedLoss(int power) implements DistillationLoss {

  public ListedLoss {
    checkArgument(power >= 1, "power must be at least 1 but was %s", power);
  }

  /** Found by the service loader. */
  public static final class Listing implements RecipeTypes {
    @Override
    public Map<String, Class<? extends Record>> types() {
      return Map.of("test.listedLoss", ListedLoss.class);
    }
  }

  @Override
  public NDArray compute(LossContext context) {
    return context.meanOverRows(
        context
            .student()
            .logits()
            .sub(context.teacher().logits())
            .abs()
            .pow(power)
            .sum(new int[] {1}));
  }
}
