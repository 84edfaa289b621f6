package io.distill.teacher;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import com.google.common.collect.ImmutableSet;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.provenance.Terms;
import io.distill.provenance.spi.RecipePart;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The moving average of one run.
 *
 * <p>It has arrays but no model of its own: to answer it lends them to the student's model and
 * takes them back. So it works for every student, blocks of DJL too, which cannot be copied, and
 * whatever is no parameter is up to date. A run asks its teacher before the student's forward pass
 * and never during a backward pass, so no graph of gradients sees the change.
 */
final class RunningAverage implements Teacher, StudentFollower, RecipePart {

  private static final double WARM_UP = 10;

  private static final String FOLLOW =
      """
      def follow(self, averages: List[Tensor], params: List[Tensor], share: float) -> int:
        torch._foreach_lerp_(averages, params, share)
        return len(averages)
      """;

  private static final String LEND =
      """
      def lend(self, params: List[Tensor], averages: List[Tensor], kept: List[Tensor]) -> int:
        torch._foreach_copy_(kept, params)
        torch._foreach_copy_(params, averages)
        return len(params)
      """;

  private static final String RETURN =
      """
      def give_back(self, params: List[Tensor], kept: List[Tensor]) -> int:
        torch._foreach_copy_(params, kept)
        return len(params)
      """;

  private final double decay;
  private final boolean warmUp;
  private @Nullable Following following;

  RunningAverage(double decay, boolean warmUp) {
    this.decay = decay;
    this.warmUp = warmUp;
  }

  /**
   * The arrays of a student and of its average; lists are made once and handed over as they are.
   */
  private static final class Following implements AutoCloseable {
    private final DeployableModel student;
    private final LoadedModule module;
    private final NDManager manager;
    private final Map<String, NDArray> averages = new LinkedHashMap<>();
    private final IValue params;
    private final IValue all;
    private final IValue kept;

    Following(DeployableModel student) {
      this.student = student;
      Device device = student.model().device();
      this.module =
          LoadedModule.load(
              ScriptModule.builder("RunningAverage")
                  .method(FOLLOW)
                  .method(LEND)
                  .method(RETURN)
                  .build(),
              device,
              false);
      this.manager = NativeEngine.newManager(device);
      Map<String, NDArray> parameters = student.model().parameters();
      List<NDArray> spare = new ArrayList<>();
      parameters.forEach(
          (name, array) -> {
            averages.put(name, copy(array));
            spare.add(copy(array));
          });
      this.params = list(parameters.values());
      this.all = list(averages.values());
      this.kept = list(spare);
    }

    private NDArray copy(NDArray array) {
      NDArray detached = array.stopGradient();
      NDArray copy = detached.duplicate();
      copy.attach(manager);
      detached.close();
      return copy;
    }

    private static IValue list(Collection<NDArray> arrays) {
      return IValue.listFrom(arrays.toArray(PtNDArray[]::new));
    }

    void follow(double share) {
      if (!averages.isEmpty()) {
        try (IValue number = IValue.from(share)) {
          module.run("follow", all, params, number).close();
        }
      }
    }

    Signals ask(Batch batch, Set<SignalKind> kinds) {
      if (averages.isEmpty()) {
        return student.model().answer(batch.inputs(), kinds);
      }
      module.run("lend", params, all, kept).close();
      try {
        return ownWeight(student.model().answer(batch.inputs(), kinds));
      } finally {
        module.run("give_back", params, kept).close();
      }
    }

    /**
     * An output embedding is the parameter itself, which is about to become the student's again.
     */
    private static Signals ownWeight(Signals signals) {
      if (!signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
        return signals;
      }
      NDArray states = signals.logitFactors().states();
      NDArray weight = signals.logitFactors().weight().duplicate();
      weight.attach(states.getManager());
      return signals.toBuilder().logitFactors(new LogitFactors(states, weight)).build();
    }

    @Override
    public void close() {
      params.close();
      all.close();
      kept.close();
      manager.close();
      module.close();
    }
  }

  /** What an average is, whoever it follows. */
  record Settings(double decay, boolean warmUp) {}

  @Override
  public Record description() {
    return new Settings(decay, warmUp);
  }

  @Override
  public void start(DeployableModel student) {
    close();
    following = new Following(student);
  }

  @Override
  public void afterStep(long step) {
    double decayNow = warmUp ? Math.min(decay, (1 + step) / (WARM_UP + step)) : decay;
    present().follow(1 - decayNow);
  }

  @Override
  public Map<String, NDArray> state() {
    return Collections.unmodifiableMap(present().averages);
  }

  @Override
  public Optional<StudentFollower> follower() {
    return Optional.of(this);
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    return present().ask(batch, kinds);
  }

  private Following present() {
    if (following == null) {
      throw MovingAverageTeacher.notYet();
    }
    return following;
  }

  @Override
  public Set<SignalKind> provides() {
    return following == null
        ? ImmutableSet.copyOf(SignalKind.values())
        : following.student.model().provides();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return following == null ? Optional.empty() : following.student.tokenizer();
  }

  @Override
  public List<String> classNames() {
    return following == null ? List.of() : following.student.classNames();
  }

  @Override
  public Device device() {
    return following == null ? NativeEngine.defaultDevice() : following.student.model().device();
  }

  /** The average, and room for the student's weights while it is lent; once there is a student. */
  @Override
  public Footprint footprint() {
    if (following == null) {
      return Footprint.none();
    }
    Footprint one =
        Footprint.loaded(
            following.averages.values().stream()
                .mapToLong(array -> array.size() * array.getDataType().getNumOfBytes())
                .sum());
    return one.plus(one);
  }

  @Override
  public String id() {
    return MovingAverageTeacher.ID;
  }

  @Override
  public Terms terms() {
    return MovingAverageTeacher.OWN;
  }

  @Override
  public boolean changes() {
    return true;
  }

  @Override
  public void close() {
    if (following != null) {
      following.close();
      following = null;
    }
  }
}
