package io.distill.losses.contrastive;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.SameRows;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * Contrastive representation distillation: noise-contrastive estimation against memory banks of all
 * rows.
 *
 * @param negatives the number of rows that a row is told from, in each direction
 * @param temperature what scores are divided by
 * @param momentum the share of the old row when a bank is renewed
 * @param width the width of the space in which student and teacher meet
 * @param otherClasses whether rows of the same class are no negatives
 */
public record ContrastiveRepresentation(
    int negatives, double temperature, double momentum, int width, boolean otherClasses)
    implements DistillationLoss {

  private static final String STUDENT_BANK = "student.bank";
  private static final String TEACHER_BANK = "teacher.bank";
  private static final String CLASSES = "classes";

  /**
   * Banks are kept divided by √3: a set-up draws from ±1/√width, and the paper's banks start at
   * ±√(3/width), where rows have length 1 on average.
   */
  private static final double STORED = Math.sqrt(3);

  private static final Formula FORMULA =
      Formula.of(
          "ContrastiveRepresentation",
          """
          def unit(self, x: Tensor) -> Tensor:
            square = torch.sum(x * x, [-1], True)
            apart = square > 1e-24
            return x * torch.where(apart, torch.rsqrt(torch.where(apart, square, 1.)), 0.)
          """,
          // a bijection of 32-bit numbers that scatters them; products stay below 2^63
          """
          def scattered(self, x: Tensor) -> Tensor:
            y = torch.bitwise_xor(x, torch.bitwise_right_shift(x, 16))
            y = torch.bitwise_and(y * 73244475, 4294967295)
            y = torch.bitwise_xor(y, torch.bitwise_right_shift(y, 16))
            y = torch.bitwise_and(y * 73244475, 4294967295)
            return torch.bitwise_xor(y, torch.bitwise_right_shift(y, 16))
          """,
          // a function of the run's seed, the step and the row alone, so that neither the batch
          // around a row nor a resumed run changes what it is told from
          """
          def drawn(self, own: Tensor, key: Tensor, rows: int, negatives: int) -> Tensor:
            row = torch.unsqueeze(own, 1)
            start = self.scattered(torch.bitwise_xor(row, torch.select(key, 0, 0)))
            turned = torch.bitwise_and(row * 1640531527, 4294967295)
            twist = self.scattered(torch.bitwise_xor(turned, torch.select(key, 0, 1)))
            count = torch.arange(negatives, dtype=4, device=own.device) * 1640531527
            number = self.scattered(torch.bitwise_and(start + count, 4294967295))
            number = torch.bitwise_xor(number, twist) * (rows - 1)
            other = torch.bitwise_right_shift(number, 32)
            return other + (other >= row)
          """,
          // how much each negative counts
          """
          def weights(self, like: Tensor, own: Tensor, drawn: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
            all = drawn.numel() == 0
            if all:
              weight = torch.ones([own.size(0), classes.size(0)], dtype=like.dtype, device=like.device)
              weight = torch.scatter(weight, 1, torch.unsqueeze(own, 1), 0.)
            else:
              weight = torch.ones_like(drawn, dtype=like.dtype)
            if self.other_classes:
              label = torch.unsqueeze(labels, 1)
              if all:
                known = torch.unsqueeze(classes, 0)
              else:
                known = torch.reshape(torch.index_select(classes, 0, torch.flatten(drawn)), drawn.size())
              same = torch.logical_and(known == label, label >= 0)
              before = torch.sum(weight, [1], True)
              weight = torch.where(same, 0., weight)
              weight = weight * (before / torch.clamp_min(torch.sum(weight, [1], True), 1.))
            return weight
          """,
          // values [n] and their gradients [n, width] in anchors that carry no graph
          """
          def told_apart(self, anchor: Tensor, bank: Tensor, own: Tensor, drawn: Tensor, weight: Tensor, negatives: int) -> List[Tensor]:
            shift = self.log_mean + torch.log(torch.scalar_tensor(negatives, dtype=anchor.dtype, device=anchor.device))
            partner = torch.index_select(bank, 0, own)
            score = torch.sum(anchor * partner, [1]) * self.scale - shift
            value = torch.softplus(-score)
            gradient = partner * torch.unsqueeze(-torch.sigmoid(-score) * self.scale, 1)
            if drawn.numel() == 0:
              scores = torch.matmul(anchor, torch.t(bank)) * self.scale - shift
              value = value + torch.sum(torch.softplus(scores) * weight, [1])
              gradient = gradient + torch.matmul(torch.sigmoid(scores) * weight, bank) * self.scale
            elif bank.size(0) <= 8 * negatives:
              products = torch.matmul(anchor, torch.t(bank))
              scores = torch.gather(products, 1, drawn) * self.scale - shift
              value = value + torch.sum(torch.softplus(scores) * weight, [1])
              share = torch.scatter_add(torch.zeros_like(products), 1, drawn, torch.sigmoid(scores) * weight)
              gradient = gradient + torch.matmul(share, bank) * self.scale
            else:
              values = annotate(List[Tensor], [])
              gradients = annotate(List[Tensor], [])
              for i in range(anchor.size(0)):
                others = torch.index_select(bank, 0, torch.select(drawn, 0, i))
                scores = torch.mv(others, torch.select(anchor, 0, i)) * self.scale - shift
                each = torch.select(weight, 0, i)
                values.append(torch.sum(torch.softplus(scores) * each))
                gradients.append(torch.mv(torch.t(others), torch.sigmoid(scores) * each) * self.scale)
              value = value + torch.stack(values)
              gradient = gradient + torch.stack(gradients)
            return [value, gradient]
          """,
          """
          def renewed(self, bank: Tensor, own: Tensor, anchor: Tensor) -> Tensor:
            old = torch.index_select(bank, 0, own) * self.stored
            return self.unit(old * self.momentum + anchor * (1. - self.momentum)) / self.stored
          """,
          // gradients are computed along with values, a few rows at a time: a graph would hold
          // every score, or every negative, until the backward pass
          """
          def contrast(self, student: Tensor, teacher: Tensor, student_weight: Tensor, student_bias: Tensor, teacher_weight: Tensor, teacher_bias: Tensor, student_bank: Tensor, teacher_bank: Tensor, own: Tensor, key: Tensor, labels: Tensor, classes: Tensor, share: Tensor) -> List[Tensor]:
            s = self.unit(torch.linear(student, student_weight, student_bias))
            t = self.unit(torch.linear(teacher, teacher_weight, teacher_bias))
            s_fixed = torch.detach(s)
            t_fixed = torch.detach(t)
            rows = student_bank.size(0)
            negatives = min(self.negatives, rows - 1)
            dense = rows <= 8 * negatives
            columns = rows if dense else negatives
            size = max(1, 4194304 // columns)
            values = annotate(List[Tensor], [])
            s_slopes = annotate(List[Tensor], [])
            t_slopes = annotate(List[Tensor], [])
            start = 0
            while start < own.size(0):
              length = min(size, own.size(0) - start)
              at = torch.narrow(own, 0, start, length)
              drawn = torch.zeros([0], dtype=4, device=own.device)
              if negatives < rows - 1:
                drawn = self.drawn(at, key, rows, negatives)
              weight = self.weights(s_fixed, at, drawn, torch.narrow(labels, 0, start, length), classes)
              one = self.told_apart(torch.narrow(s_fixed, 0, start, length), teacher_bank, at, drawn, weight, negatives)
              two = self.told_apart(torch.narrow(t_fixed, 0, start, length), student_bank, at, drawn, weight, negatives)
              values.append(one[0] + two[0])
              s_slopes.append(one[1])
              t_slopes.append(two[1])
              start = start + length
            slope = torch.sum(s * torch.cat(s_slopes) + t * torch.cat(t_slopes), [1])
            value = torch.cat(values) + (slope - torch.detach(slope))
            return [torch.sum(value) * share, self.renewed(student_bank, own, s_fixed), self.renewed(teacher_bank, own, t_fixed), torch.to(labels, student_bank)]
          """);

  /**
   * Checks the ranges.
   *
   * @param negatives the number of rows that a row is told from; at least 1
   * @param temperature what scores are divided by; finite and greater than 0
   * @param momentum the share of the old row; at least 0 and less than 1
   * @param width the width of the common space; at least 1
   * @param otherClasses whether rows of the same class are no negatives
   */
  public ContrastiveRepresentation {
    checkArgument(negatives >= 1, "negatives must be at least 1 but was %s", negatives);
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "temperature must be finite and greater than 0 but was %s",
        temperature);
    checkArgument(
        momentum >= 0 && momentum < 1,
        "momentum must be at least 0 and less than 1 but was %s",
        momentum);
    checkArgument(width >= 1, "width must be at least 1 but was %s", width);
  }

  @Override
  public NDArray compute(LossContext context) {
    NDArray student = context.student().embedding();
    NDArray teacher = context.teacher().embedding();
    SameRows.ofEmbeddings(student, teacher);
    NDArray rows = context.rowIndices();
    NDArray studentBank = context.buffer(STUDENT_BANK);
    NDList result =
        formula()
            .callAll(
                "contrast",
                student,
                teacher,
                context.parameter("student.weight"),
                context.parameter("student.bias"),
                context.parameter("teacher.weight"),
                context.parameter("teacher.bias"),
                studentBank,
                context.buffer(TEACHER_BANK),
                rows,
                context.manager().create(key(context.progress())),
                otherClasses ? context.labels() : rows,
                otherClasses ? context.buffer(CLASSES) : studentBank,
                context.rowShare());
    context.updateRows(STUDENT_BANK, rows, result.get(1));
    context.updateRows(TEACHER_BANK, rows, result.get(2));
    if (otherClasses) {
      context.updateRows(CLASSES, rows, result.get(3));
    }
    return result.get(0);
  }

  /** Returns the formula at these settings. */
  Formula formula() {
    // the mean of exp(score) over a bank as it is drawn, of rows of length 1 on average
    double logMean = 1 / (2 * width * temperature * temperature);
    return FORMULA
        .with("negatives", (long) negatives)
        .with("scale", STORED / temperature)
        .with("stored", STORED)
        .with("log_mean", logMean)
        .with("momentum", momentum)
        .with("other_classes", otherClasses);
  }

  /** Returns two numbers of 32 bits that differ in every step and run. */
  static long[] key(Progress progress) {
    long mixed = scattered(scattered(progress.seed()) + progress.step());
    return new long[] {mixed >>> 32, mixed & 0xffffffffL};
  }

  private static long scattered(long number) {
    long x = number + 0x9e3779b97f4a7c15L;
    x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
    x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
    return x ^ (x >>> 31);
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.EMBEDDING);
  }

  @Override
  public boolean requiresLabels() {
    return otherClasses;
  }

  @Override
  public void prepare(LossSetup setup) {
    if (setup.rows() < 2) {
      throw new DistillationException(
          "training set must have at least 2 rows for contrastiveRepresentation but had "
              + setup.rows()
              + "; a row is told from other rows");
    }
    head(setup, "student", setup.student().embedding().orElseThrow());
    head(setup, "teacher", setup.teacher().embedding().orElseThrow());
    setup.buffer(STUDENT_BANK, new Shape(setup.rows(), width));
    setup.buffer(TEACHER_BANK, new Shape(setup.rows(), width));
    if (otherClasses) {
      setup.buffer(CLASSES, new Shape(setup.rows()), -1f);
    }
  }

  private void head(LossSetup setup, String side, int embedding) {
    setup.parameter(side + ".weight", new Shape(width, embedding));
    setup.parameter(side + ".bias", new Shape(width), 0f);
  }

  @Override
  public String name() {
    return "contrastiveRepresentation";
  }
}
