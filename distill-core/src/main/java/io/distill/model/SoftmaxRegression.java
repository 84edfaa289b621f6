package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.internal.NativeEngine;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;

/**
 * A linear classifier on fixed vectors, fitted to the optimum: the head of a teacher, or a probe of
 * what a representation knows.
 *
 * <pre>{@code
 * minimise  mean_rows −log softmax(W x + b)_y  +  λ/2 · ‖W‖²
 * }</pre>
 *
 * <p>The objective is strictly convex in {@code W}; it is minimised in float64 by L-BFGS (memory
 * 10, Armijo line search) until the largest gradient component is below 1e-6, or for 500
 * iterations, from zero. The result depends on nothing but the data.
 *
 * @param weight the matrix {@code W}, {@code [C, D]}
 * @param bias the vector {@code b}, {@code [C]}
 * @see <a href="https://doi.org/10.1007/BF01589116">Liu and Nocedal, On the limited memory BFGS
 *     method, 1989</a>
 */
public record SoftmaxRegression(HostTensor weight, HostTensor bias) {

  private static final String SOURCE =
      """
      def objective(self, x: Tensor, target: Tensor, w: Tensor, l2: float) -> Tuple[float, Tensor]:
        rows = float(torch.size(x, 0))
        scores = torch.matmul(x, w)
        log_probabilities = torch.log_softmax(scores, 1)
        penalised = torch.clone(w)
        last = torch.select(penalised, 0, -1)
        torch.zero_(last)
        loss = -(torch.sum(log_probabilities * target)) / rows + 0.5 * l2 * torch.sum(penalised * penalised)
        gradient = torch.matmul(torch.t(x), torch.exp(log_probabilities) - target) / rows + l2 * penalised
        return (float(loss), gradient)
      """;

  private static final String FIT =
      """
      def fit(self, x: Tensor, target: Tensor, settings: Tensor) -> Tensor:
        l2 = float(settings[0])
        w = torch.zeros([torch.size(x, 1), torch.size(target, 1)], dtype=7)
        loss, gradient = self.objective(x, target, w, l2)
        steps = annotate(List[Tensor], [])
        changes = annotate(List[Tensor], [])
        iteration = 0
        while iteration < 500 and float(torch.max(torch.abs(gradient))) > 1e-6:
          direction = torch.clone(gradient)
          alphas = annotate(List[float], [])
          for j in range(len(steps)):
            i = len(steps) - 1 - j
            rho = 1. / float(torch.sum(steps[i] * changes[i]))
            alpha = rho * float(torch.sum(steps[i] * direction))
            alphas.append(alpha)
            direction = direction - alpha * changes[i]
          if len(steps) > 0:
            s = steps[len(steps) - 1]
            y = changes[len(steps) - 1]
            direction = direction * (float(torch.sum(s * y)) / float(torch.sum(y * y)))
          for i in range(len(steps)):
            rho = 1. / float(torch.sum(steps[i] * changes[i]))
            beta = rho * float(torch.sum(changes[i] * direction))
            direction = direction + steps[i] * (alphas[len(steps) - 1 - i] - beta)
          slope = -float(torch.sum(direction * gradient))
          if slope > -1e-18:
            break
          size = 1.
          found = False
          tries = 0
          new_w = w
          new_loss = loss
          new_gradient = gradient
          while not found and tries < 40:
            new_w = w - size * direction
            new_loss, new_gradient = self.objective(x, target, new_w, l2)
            found = new_loss <= loss + 1e-4 * size * slope
            size = size * 0.5
            tries = tries + 1
          if not found:
            break
          step = new_w - w
          change = new_gradient - gradient
          if float(torch.sum(step * change)) > 1e-14 * float(torch.sum(change * change)):
            steps.append(step)
            changes.append(change)
            if len(steps) > 10:
              steps.pop(0)
              changes.pop(0)
          w = new_w
          loss = new_loss
          gradient = new_gradient
          iteration = iteration + 1
        return w
      """;

  /**
   * Fits a classifier.
   *
   * @param features one vector a row, all of one width
   * @param labels the class of each row, from 0 to below {@code classes}
   * @param classes the number of classes, at least 2
   * @param l2 the strength λ of the penalty on {@code W}; greater than 0
   * @return the classifier
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static SoftmaxRegression fit(float[][] features, int[] labels, int classes, double l2) {
    checkArgument(features.length > 0, "features must have at least one row but were empty");
    checkArgument(
        features.length == labels.length,
        "labels must be as many as features, %s, but were %s",
        features.length,
        labels.length);
    checkArgument(classes >= 2, "classes must be at least 2 but were %s", classes);
    checkArgument(l2 > 0, "l2 must be greater than 0 but was %s", l2);
    int width = features[0].length;
    double[] x = new double[features.length * (width + 1)];
    double[] target = new double[features.length * classes];
    for (int row = 0; row < features.length; row++) {
      checkArgument(
          features[row].length == width,
          "features must be of one width, %s, but row %s has %s",
          width,
          row,
          features[row].length);
      for (int i = 0; i < width; i++) {
        checkArgument(
            Float.isFinite(features[row][i]),
            "features must be finite but row %s has %s",
            row,
            (Object) features[row][i]);
        x[row * (width + 1) + i] = features[row][i];
      }
      x[row * (width + 1) + width] = 1;
      checkArgument(
          labels[row] >= 0 && labels[row] < classes,
          "labels must be from 0 to below %s but row %s has %s",
          classes,
          row,
          labels[row]);
      target[row * classes + labels[row]] = 1;
    }
    NativeEngine.prepareThread();
    ScriptModule solver =
        ScriptModule.builder("SoftmaxRegression").method(SOURCE).method(FIT).build();
    try (LoadedModule module = LoadedModule.load(solver, Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray solution =
          module
              .call(
                  "fit",
                  new NDList(
                      manager.create(x, new Shape(features.length, width + 1)),
                      manager.create(target, new Shape(features.length, classes)),
                      manager.create(new double[] {l2})),
                  false)
              .singletonOrThrow()
              .transpose()
              .toType(DataType.FLOAT32, false);
      return new SoftmaxRegression(
          HostTensor.of(solution.get(":, :" + width).toFloatArray(), classes, width),
          HostTensor.of(solution.get(":, " + width).toFloatArray(), classes));
    }
  }

  /**
   * Scores one vector.
   *
   * @param features the vector
   * @return logits
   */
  public float[] logits(float[] features) {
    float[] w = weight.toFloatArray();
    float[] logits = bias.toFloatArray();
    for (int c = 0; c < logits.length; c++) {
      double sum = logits[c];
      for (int i = 0; i < features.length; i++) {
        sum += (double) w[c * features.length + i] * features[i];
      }
      logits[c] = (float) sum;
    }
    return logits;
  }

  /**
   * Decides the classes of rows.
   *
   * @param features one vector a row
   * @return the class index of each row
   */
  public int[] predict(float[][] features) {
    int[] classes = new int[features.length];
    for (int i = 0; i < classes.length; i++) {
      classes[i] = DeployableModel.indexOfMaximum(logits(features[i]));
    }
    return classes;
  }
}
