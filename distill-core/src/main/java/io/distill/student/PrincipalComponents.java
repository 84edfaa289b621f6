package io.distill.student;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.distill.internal.NativeEngine;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Set;

/** Projects rows on their directions of largest variance. */
final class PrincipalComponents {

  private static final String SOURCE =
      """
      def project(self, x: Tensor, size: Tensor) -> Tensor:
        centred = torch.to(x, 7) - torch.mean(torch.to(x, 7), [0], True)
        values, vectors = torch.linalg_eigh(torch.matmul(torch.t(centred), centred))
        top = torch.flip(torch.slice(vectors, 1, -(int(size))), [1])
        largest = torch.gather(top, 0, torch.argmax(torch.abs(top), 0, True))
        return torch.matmul(centred, top * torch.sign(largest))
      """;

  private PrincipalComponents() {}

  /**
   * Projects all rows and scales the result.
   *
   * @param rows float32 {@code [N, D]}
   * @param size the number of components, at most {@code D}
   * @param deviation the standard deviation of all elements of the result
   * @param zeroRows rows that become 0
   */
  static HostTensor project(HostTensor rows, int size, double deviation, Set<Integer> zeroRows) {
    NativeEngine.prepareThread();
    ScriptModule definition = ScriptModule.builder("PrincipalComponents").method(SOURCE).build();
    double[] projected;
    try (LoadedModule module = LoadedModule.load(definition, Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      projected =
          module
              .call(
                  "project", new NDList(rows.toArray(manager), manager.create((long) size)), false)
              .singletonOrThrow()
              .toDoubleArray();
    }
    double squares = 0;
    for (double value : projected) {
      squares += value * value;
    }
    double scale = squares == 0 ? 0 : deviation / Math.sqrt(squares / projected.length);
    float[] scaled = new float[projected.length];
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] = zeroRows.contains(i / size) ? 0 : (float) (projected[i] * scale);
    }
    return HostTensor.of(scaled, rows.shape().get(0), size);
  }
}
