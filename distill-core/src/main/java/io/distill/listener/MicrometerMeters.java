package io.distill.listener;

import static java.util.Objects.requireNonNull;

import io.distill.training.TrainingListener;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps meters of a run in a Micrometer registry. Needs {@code io.micrometer:micrometer-core} on
 * the class path, which nothing else of the library does.
 *
 * <table>
 * <caption>Meters</caption>
 * <tr><th>name</th><th>type</th><th>tag</th><th>is</th></tr>
 * <tr><td>{@code distill.loss}</td><td>gauge</td><td></td>
 *     <td>weighted loss of the last step</td></tr>
 * <tr><td>{@code distill.loss.weight}</td><td>gauge</td><td>{@code term}</td>
 *     <td>the weight of a term at the last step</td></tr>
 * <tr><td>{@code distill.loss.term}</td><td>gauge</td><td>{@code term}</td>
 *     <td>a term of it before weighting</td></tr>
 * <tr><td>{@code distill.learning.rate}</td><td>gauge</td><td></td>
 *     <td>learning rate of the last step</td></tr>
 * <tr><td>{@code distill.temperature}</td><td>gauge</td><td></td>
 *     <td>temperature of the last step</td></tr>
 * <tr><td>{@code distill.gradient.norm}</td><td>gauge</td><td></td>
 *     <td>L2 norm of all gradients of the last step before clipping</td></tr>
 * <tr><td>{@code distill.gradient.norm.term}</td><td>gauge</td><td>{@code term}</td>
 *     <td>that of a weighted term, when last measured</td></tr>
 * <tr><td>{@code distill.progress}</td><td>gauge</td><td></td>
 *     <td>steps taken divided by all steps, 0 to 1</td></tr>
 * <tr><td>{@code distill.validation}</td><td>gauge</td><td>{@code metric}</td>
 *     <td>a metric of the last evaluation</td></tr>
 * <tr><td>{@code distill.steps}</td><td>counter</td><td></td>
 *     <td>optimizer steps taken</td></tr>
 * <tr><td>{@code distill.rows}</td><td>counter</td><td></td>
 *     <td>rows learned from, each epoch anew</td></tr>
 * <tr><td>{@code distill.teacher.rows}</td><td>counter</td><td></td>
 *     <td>rows the teacher answered for before the first step</td></tr>
 * <tr><td>{@code distill.step}</td><td>timer</td><td></td>
 *     <td>an optimizer step</td></tr>
 * <tr><td>{@code distill.evaluation}</td><td>timer</td><td></td>
 *     <td>a trial on the validation set</td></tr>
 * <tr><td>{@code distill.checkpoint}</td><td>timer</td><td></td>
 *     <td>a checkpoint</td></tr>
 * <tr><td>{@code distill.teacher}</td><td>timer</td><td></td>
 *     <td>the time of a run in which the teacher answered, recorded at its end</td></tr>
 * <tr><td>{@code distill.run}</td><td>timer</td>
 *     <td>{@code outcome}: {@code completed}, {@code early_stopped}, {@code stopped}</td>
 *     <td>a run, recorded at its end</td></tr>
 * <tr><td>{@code distill.failures}</td><td>counter</td><td>{@code exception}: simple name</td>
 *     <td>runs broken off by an exception</td></tr>
 * </table>
 *
 * <p>A gauge is {@code NaN} where nothing is known. Counters and timers add up over runs; gauges
 * show the run that started last, and keep its last values unless {@link #removedAtEnd} is asked
 * for. They hold one number each and nothing of the run. Runs at the same time need a listener
 * each, told apart by a tag: {@code MicrometerMeters.in(registry).tagged("run", "a")}.
 */
public final class MicrometerMeters implements TrainingListener, AutoCloseable {

  private final MeterRegistry registry;
  private final Tags tags;
  private final boolean removedAtEnd;
  private final LongSupplier nanoTime;
  private final StepClock steps;
  private final Map<String, Value> gauges = new HashMap<>();
  private final Map<String, Map<String, Value>> families = new HashMap<>();
  private final Set<Meter> registered = new LinkedHashSet<>();
  private @Nullable Counter stepCount;
  private @Nullable Counter rowCount;
  private @Nullable Timer stepTime;
  private long teacherRows;

  /** What a gauge shows; all that a registry holds of a run. */
  private static final class Value {
    private volatile double now = Double.NaN;
  }

  MicrometerMeters(MeterRegistry registry, Tags tags, boolean removedAtEnd, LongSupplier nanoTime) {
    this.registry = registry;
    this.tags = tags;
    this.removedAtEnd = removedAtEnd;
    this.nanoTime = nanoTime;
    this.steps = new StepClock(nanoTime);
  }

  /**
   * Keeps meters in a registry.
   *
   * @param registry the registry
   * @return the listener
   */
  public static MicrometerMeters in(MeterRegistry registry) {
    return new MicrometerMeters(
        requireNonNull(registry, "registry"), Tags.empty(), false, System::nanoTime);
  }

  /**
   * Adds a tag to all meters.
   *
   * @param key the name of the tag
   * @param value its value
   * @return another listener, which has the tag
   */
  public MicrometerMeters tagged(String key, String value) {
    return new MicrometerMeters(
        registry,
        tags.and(requireNonNull(key, "key"), requireNonNull(value, "value")),
        removedAtEnd,
        nanoTime);
  }

  /**
   * Takes all meters of the listener out of the registry at the end of a run, for registries that
   * outlive many runs with tags of their own.
   *
   * @return another listener, which does so
   */
  public MicrometerMeters removedAtEnd() {
    return new MicrometerMeters(registry, tags, true, nanoTime);
  }

  @Override
  public synchronized void onTeacherPass(TeacherPass event) {
    // a pass that starts anew counts from 0
    long more = event.rowsDone() - (event.rowsDone() > teacherRows ? teacherRows : 0);
    teacherRows = event.rowsDone();
    counter("distill.teacher.rows", "rows the teacher answered for", tags).increment((double) more);
  }

  @Override
  public synchronized void onRunStart(RunStart event) {
    forget();
    teacherRows = 0;
    stepCount = counter("distill.steps", "optimizer steps taken", tags);
    rowCount = counter("distill.rows", "rows learned from", tags);
    stepTime = timer("distill.step", "an optimizer step", tags);
    show("distill.progress", share(event.firstStep(), event.totalSteps()));
    steps.restart();
  }

  @Override
  public synchronized void onStep(Step event) {
    if (stepTime == null || stepCount == null || rowCount == null) {
      return;
    }
    stepTime.record(steps.step(), TimeUnit.NANOSECONDS);
    stepCount.increment();
    rowCount.increment(event.rows());
    show("distill.loss", event.loss());
    show("distill.loss.term", "term", event.terms());
    show("distill.loss.weight", "term", event.weights());
    show("distill.learning.rate", event.learningRate());
    show("distill.temperature", event.temperature());
    show("distill.gradient.norm", event.gradientNorm());
    show("distill.gradient.norm.term", "term", event.gradientNorms());
    show("distill.progress", share(event.progress().step() + 1, event.progress().totalSteps()));
  }

  @Override
  public synchronized void onEvaluation(Evaluation event) {
    show("distill.validation", "metric", event.metrics());
    record(timer("distill.evaluation", "a trial on the validation set", tags), event.seconds());
    steps.restart();
  }

  @Override
  public synchronized void onEpoch(Epoch event) {
    show("distill.validation", "metric", event.metrics());
    steps.restart();
  }

  @Override
  public synchronized void onCheckpoint(Checkpoint event) {
    record(timer("distill.checkpoint", "a checkpoint", tags), event.seconds());
    steps.restart();
  }

  @Override
  public synchronized void onRunEnd(RunEnd event) {
    record(timer("distill.teacher", "the teacher's part of a run", tags), event.teacherSeconds());
    String outcome = event.reason().name().toLowerCase(Locale.ROOT);
    record(timer("distill.run", "a run", tags.and("outcome", outcome)), event.seconds());
    end();
  }

  @Override
  public synchronized void onRunFailure(RunFailure event) {
    String exception = event.cause().getClass().getSimpleName();
    counter("distill.failures", "runs broken off", tags.and("exception", exception)).increment();
    end();
  }

  private void end() {
    stepCount = null;
    rowCount = null;
    stepTime = null;
    if (removedAtEnd) {
      close();
    }
  }

  /** Takes all meters of this listener out of the registry. */
  @Override
  public synchronized void close() {
    registered.forEach(registry::remove);
    registered.clear();
    forget();
    stepCount = null;
    rowCount = null;
    stepTime = null;
  }

  private void forget() {
    // a term that the next run does not have must not look alive
    gauges.values().forEach(value -> value.now = Double.NaN);
    families.values().forEach(family -> family.values().forEach(value -> value.now = Double.NaN));
    gauges.clear();
    families.clear();
  }

  private static double share(long steps, long totalSteps) {
    return (double) steps / totalSteps;
  }

  private static void record(Timer timer, double seconds) {
    timer.record(Math.round(seconds * TimeUnit.SECONDS.toNanos(1)), TimeUnit.NANOSECONDS);
  }

  private void show(String name, double value) {
    Value shown = gauges.get(name);
    if (shown == null) {
      shown = gauge(name, tags);
      gauges.put(name, shown);
    }
    shown.now = value;
  }

  private void show(String name, String key, Map<String, Double> values) {
    if (values.isEmpty()) {
      return;
    }
    Map<String, Value> family = families.computeIfAbsent(name, any -> new HashMap<>());
    for (Map.Entry<String, Double> value : values.entrySet()) {
      Value shown = family.get(value.getKey());
      if (shown == null) {
        shown = gauge(name, tags.and(key, value.getKey()));
        family.put(value.getKey(), shown);
      }
      shown.now = value.getValue();
    }
  }

  private Value gauge(String name, Tags all) {
    // a registry keeps the gauge that came first, which shows an earlier run
    registry.removeByPreFilterId(new Meter.Id(name, all, null, null, Meter.Type.GAUGE));
    Value value = new Value();
    registered.add(
        Gauge.builder(name, value, shown -> shown.now)
            .tags(all)
            .strongReference(true)
            .register(registry));
    return value;
  }

  private Counter counter(String name, String description, Tags all) {
    Counter counter = Counter.builder(name).description(description).tags(all).register(registry);
    registered.add(counter);
    return counter;
  }

  private Timer timer(String name, String description, Tags all) {
    Timer timer = Timer.builder(name).description(description).tags(all).register(registry);
    registered.add(timer);
    return timer;
  }

  @Override
  public String toString() {
    return "MicrometerMeters in " + registry.getClass().getSimpleName();
  }
}
