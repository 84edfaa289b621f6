package io.distill.losses.training;

import static io.distill.losses.Losses.hardLabels;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.data.DistillationDataset;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A task that a small model learns in a second. The teacher learned it from labels, once in this
 * process; students learn it from the teacher.
 */
interface Task {

  /** Returns the teacher, which stays open as long as this process. */
  ModelTeacher teacher();

  /** Returns a TorchScript student that is smaller than the teacher, always with the same start. */
  Student student();

  /** Returns a student made of DJL blocks; whoever asks for it closes it. */
  BlockStudent blocks();

  /** Returns the rows to learn from. */
  DistillationDataset train();

  /** Returns rows that no model learned from. */
  DistillationDataset heldOut();

  /** Returns the loss on labels that joins a loss whose paper needs it. */
  default DistillationLoss labels() {
    return hardLabels();
  }

  /** Looks at what a model says about the rows that are held out, in one batch. */
  default Observed observe(DeployableModel model, Set<SignalKind> kinds) {
    NativeEngine.prepareThread();
    DistillationDataset rows = heldOut();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      int[] all = IntStream.range(0, rows.size()).toArray();
      Signals signals =
          model
              .model()
              .forward(
                  rows.inputs(model.tokenizer().orElse(null)).batch(manager, all).inputs(),
                  kinds,
                  false);
      return Observed.of(signals, kinds);
    }
  }
}
