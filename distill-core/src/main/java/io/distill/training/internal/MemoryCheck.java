package io.distill.training.internal;

import ai.djl.Device;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.ByteSize;
import io.distill.internal.DiskSpace;
import io.distill.internal.MachineMemory;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.RowSignals;
import io.distill.model.SignalModel;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import io.distill.student.StudentSetup;
import io.distill.training.Optimizer;
import io.distill.training.internal.MemoryEstimate.Kind;
import io.distill.training.internal.MemoryEstimate.Part;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Compares what a run needs with what the machine has: before models are loaded, and after. */
final class MemoryCheck {

  private static final Logger LOGGER = LoggerFactory.getLogger(MemoryEstimate.class);

  /** Student, teacher, log-probabilities of both, gradient. */
  private static final int COPIES_OF_LOGITS = 5;

  private final Recipe recipe;
  private final DistillationDataset dataset;
  private final Function<Device, Optional<MachineMemory>> machine;

  MemoryCheck(
      Recipe recipe,
      DistillationDataset dataset,
      Function<Device, Optional<MachineMemory>> machine) {
    this.recipe = recipe;
    this.dataset = dataset;
    this.machine = machine;
  }

  static MemoryCheck of(Recipe recipe, DistillationDataset dataset) {
    return new MemoryCheck(recipe, dataset, MachineMemory::of);
  }

  // ---- before anything is loaded --------------------------------------------------------------

  /**
   * Refuses a run whose weights, gradients and optimizer alone do not fit into memory, or whose
   * files do not fit on their disks.
   */
  void beforeLoading() {
    MemoryEstimate fixed = fixed();
    for (Device device : devices(fixed)) {
      MemoryEstimate own = fixed.on(device);
      Optional<MachineMemory> memory = memory(device, own);
      if (memory.isPresent() && own.certainBytes() > memory.get().totalBytes()) {
        throw new DistillationException(
            "memory of the run must be at most what "
                + source(device)
                + ", "
                + ByteSize.text(memory.get().totalBytes())
                + ", but weights, gradients and optimizer state alone need "
                + ByteSize.text(own.certainBytes())
                + "; use smaller models, or cache the answers of one teacher at a time, or set"
                + " memoryLimit(...) if there is more:\n"
                + own);
      }
    }
    checkCopies();
  }

  private static String name(Device device) {
    return device.isGpu() ? "GPU " + device.getDeviceId() : "CPU";
  }

  private String source(Device device) {
    if (device.isGpu()) {
      return name(device) + " has";
    }
    return recipe.memoryLimit().isPresent() ? "memoryLimit allows" : "this machine has";
  }

  private void checkCopies() {
    Footprint student = student();
    long copy = Math.max(student.copyBytes(), recipe.teacher().footprint().copyBytes());
    long heap = Runtime.getRuntime().maxMemory();
    if (checked() && copy > heap) {
      throw new DistillationException(
          "Java heap must hold a copy of a model's weights while it is loaded, "
              + ByteSize.text(copy)
              + ", but may grow to "
              + ByteSize.text(heap)
              + " only; start Java with a larger -Xmx");
    }
    DiskSpace.require(
        "temporary directory", Path.of(System.getProperty("java.io.tmpdir", ".")), copy);
    CheckpointPlan plan = recipe.checkpoints();
    if (plan != null) {
      DiskSpace.require(
          "checkpoint directory",
          plan.directory(),
          checkpointBytes(plan, student.bytes(), CheckpointStore.list(plan.directory()).size()));
    }
  }

  /** Those that are still to come: one more than are kept, as an old one goes after a new one. */
  private long checkpointBytes(CheckpointPlan plan, long studentBytes, int present) {
    int copies = 1 + optimizerCopies() + (recipe.earlyStopping() == null ? 0 : 1);
    return Math.max(1, plan.kept() + 1L - present) * copies * studentBytes;
  }

  private MemoryEstimate fixed() {
    List<Part> parts = new ArrayList<>();
    Footprint teacher = recipe.teacher().footprint();
    Device there = teacher.bytes() == 0 ? recipe.device() : recipe.teacher().device();
    parts.add(new Part("teacher weights", there, teacher.loadedBytes(), Kind.LOADED));
    parts.add(new Part("teacher weights, to be loaded", there, teacher.pendingBytes(), Kind.FIXED));
    Footprint student = student();
    parts.add(new Part("student weights", recipe.device(), student.loadedBytes(), Kind.LOADED));
    parts.add(
        new Part(
            "student weights, to be loaded", recipe.device(), student.pendingBytes(), Kind.FIXED));
    addTrained(parts, student.bytes());
    return new MemoryEstimate(parts);
  }

  private void addTrained(List<Part> parts, long weightBytes) {
    parts.add(new Part("gradients", recipe.device(), weightBytes, Kind.FIXED));
    parts.add(
        new Part("optimizer state", recipe.device(), optimizerCopies() * weightBytes, Kind.FIXED));
  }

  private int optimizerCopies() {
    return recipe.optimizer() instanceof Optimizer.AdamW ? 2 : 1;
  }

  private StudentSetup setup() {
    List<String> names =
        dataset.classNames().isEmpty() ? recipe.teacher().classNames() : dataset.classNames();
    return new StudentSetup(
        dataset,
        recipe.teacher(),
        names.size(),
        names,
        recipe.seed(),
        recipe.device(),
        recipe.computation());
  }

  /** A student that cannot be opened is told of later, together with all other problems. */
  private Footprint student() {
    try {
      return dataset.size() == 0 ? Footprint.none() : recipe.student().footprint(setup());
    } catch (RuntimeException e) {
      LOGGER.debug("the student's size cannot be told before it is opened", e);
      return Footprint.none();
    }
  }

  // ---- once the models are open ---------------------------------------------------------------

  /** Warns of a run that needs more than what is free, and says what needs it. */
  void beforeTraining(
      SignalModel student,
      BatchSource inputs,
      SignalWidths studentWidths,
      SignalWidths teacherWidths,
      boolean logitsAreRows,
      LossParameters.Declared declared) {
    List<Part> parts = new ArrayList<>();
    Footprint teacher = recipe.teacher().footprint();
    parts.add(new Part("teacher weights", recipe.teacher().device(), teacher.bytes(), Kind.LOADED));
    long weights = Footprint.of(student).bytes();
    parts.add(new Part("student weights", recipe.device(), weights, Kind.LOADED));
    addTrained(parts, weights);
    long learned = declared.learnedBytes();
    parts.add(
        new Part(
            "parameters and buffers of the loss",
            recipe.device(),
            (2L + optimizerCopies()) * learned + declared.keptBytes(),
            Kind.FIXED));
    student.configuration().ifPresent(shape -> parts.add(activations(shape, inputs)));
    if (!logitsAreRows && studentWidths.classes().isPresent()) {
      parts.add(
          new Part(
              "logits of tokens",
              recipe.device(),
              (long) COPIES_OF_LOGITS
                  * Float.BYTES
                  * rows()
                  * longest(inputs)
                  * studentWidths.classes().getAsInt(),
              Kind.WORKING));
    }
    parts.add(remembered(teacherWidths));
    compare(new MemoryEstimate(parts), student.configuration().isPresent());
  }

  private void compare(MemoryEstimate estimate, boolean activationsKnown) {
    for (Device device : devices(estimate)) {
      MemoryEstimate own = estimate.on(device);
      Optional<MachineMemory> memory = memory(device, own);
      if (memory.isPresent() && own.pendingBytes() > memory.get().freeBytes()) {
        LOGGER.warn(
            "memory that the run still needs, about {}, must be free but only {} of the {} is; make"
                + " batches smaller and use gradientAccumulation(...), or set"
                + " activationCheckpointing(true):\n{}",
            ByteSize.text(own.pendingBytes()),
            ByteSize.text(memory.get().freeBytes()),
            name(device),
            own);
      } else {
        LOGGER.debug(
            "memory on the {}{}:\n{}",
            name(device),
            activationsKnown ? "" : ", activations of the student not counted",
            own);
      }
    }
  }

  private Part activations(ModelConfiguration shape, BatchSource inputs) {
    int tokens = longest(inputs);
    return new Part(
        String.format(Locale.ROOT, "activations of %d rows of %d", rows(), tokens),
        recipe.device(),
        shape.activationBytes(rows(), tokens, recipe.computation()),
        Kind.WORKING);
  }

  private Part remembered(SignalWidths teacher) {
    long width = 0;
    if (!recipe.teacher().changes() && RowSignals.KINDS.containsAll(recipe.requiresOfTeacher())) {
      for (SignalKind kind : recipe.requiresOfTeacher()) {
        width += (kind == SignalKind.LOGITS ? teacher.classes() : teacher.embedding()).orElse(0);
      }
    }
    long bytes = Float.BYTES * width * dataset.size();
    return new Part(
        "remembered answers of the teacher",
        Device.cpu(),
        bytes > TeacherAnswers.MEMORY_BYTES ? 0 : bytes,
        Kind.WORKING);
  }

  private int rows() {
    return Math.min(recipe.batchSize(), dataset.size());
  }

  /** Rows are batched by length, so there is a batch of the longest. */
  private static int longest(BatchSource inputs) {
    int longest = 1;
    for (int row = 0; row < inputs.size(); row++) {
      longest = Math.max(longest, inputs.length(row));
    }
    return longest;
  }

  private static List<Device> devices(MemoryEstimate estimate) {
    return estimate.parts().stream().map(Part::device).distinct().toList();
  }

  private boolean checked() {
    return recipe.memoryLimit().orElse(0) != Long.MAX_VALUE;
  }

  /** Returns what the run may have of a device; empty if nobody knows, or nothing is checked. */
  private Optional<MachineMemory> memory(Device device, MemoryEstimate own) {
    if (!checked()) {
      return Optional.empty();
    }
    if (device.isGpu() || recipe.memoryLimit().isEmpty()) {
      return machine.apply(device);
    }
    long limit = recipe.memoryLimit().getAsLong();
    long loaded = own.bytes() - own.pendingBytes();
    return Optional.of(new MachineMemory(limit, Math.max(0, limit - loaded)));
  }
}
