package io.distill.listener;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.distill.Distiller;
import io.distill.training.FloatRows;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.core.instrument.config.MeterFilter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class MicrometerMetersTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);

  private final MeterRegistry registry = new SimpleMeterRegistry();
  private final HandMade.Nanos nanos = new HandMade.Nanos();

  private MicrometerMeters listener() {
    return new MicrometerMeters(registry, Tags.empty(), false, nanos::read);
  }

  private double gauge(String name, String... tags) {
    return registry.get(name).tags(tags).gauge().value();
  }

  @Test
  void meters_areThoseOfTheTable() {
    MicrometerMeters meters = listener();
    meters.onTeacherPass(new TrainingListener.TeacherPass(160, 320));
    meters.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    meters.onRunStart(HandMade.start(0));
    assertThat(gauge("distill.progress")).isZero();
    nanos.passSeconds(0.5);
    meters.onStep(
        new TrainingListener.Step(
            HandMade.progress(0),
            1.25,
            Map.of("softTargets", 1.5),
            Map.of("softTargets", 0.875),
            0.25,
            4,
            0.75,
            Map.of("softTargets", 0.125),
            32));
    nanos.passSeconds(9);
    meters.onEvaluation(HandMade.evaluation(1));
    nanos.passSeconds(9);
    meters.onCheckpoint(HandMade.checkpoint(1));
    nanos.passSeconds(1.5);
    meters.onStep(HandMade.step(2));
    meters.onEpoch(HandMade.epoch(1));
    assertThat(gauge("distill.loss")).isEqualTo(0.75);
    assertThat(gauge("distill.loss.term", "term", "softTargets")).isEqualTo(0.5);
    assertThat(gauge("distill.loss.term", "term", "hardLabels")).isEqualTo(1);
    assertThat(gauge("distill.loss.weight", "term", "hardLabels")).isEqualTo(0.25);
    assertThat(gauge("distill.learning.rate")).isEqualTo(0.005);
    assertThat(gauge("distill.temperature")).isEqualTo(4);
    assertThat(gauge("distill.gradient.norm")).isEqualTo(0.5);
    assertThat(gauge("distill.gradient.norm.term", "term", "softTargets")).isEqualTo(0.125);
    assertThat(gauge("distill.progress")).isEqualTo(0.2);
    assertThat(gauge("distill.validation", "metric", "accuracy")).isEqualTo(0.625);
    assertThat(registry.get("distill.steps").counter().count()).isEqualTo(2);
    assertThat(registry.get("distill.rows").counter().count()).isEqualTo(64);
    assertThat(registry.get("distill.teacher.rows").counter().count()).isEqualTo(320);
    // what evaluations and checkpoints took is no part of a step
    assertThat(registry.get("distill.step").timer().totalTime(TimeUnit.SECONDS)).isEqualTo(2);
    assertThat(registry.get("distill.evaluation").timer().totalTime(TimeUnit.SECONDS))
        .isEqualTo(0.25);
    assertThat(registry.get("distill.checkpoint").timer().totalTime(TimeUnit.SECONDS))
        .isEqualTo(0.5);
    meters.onRunEnd(HandMade.end(TrainingListener.EndReason.EARLY_STOPPED));
    assertThat(registry.get("distill.teacher").timer().totalTime(TimeUnit.SECONDS)).isEqualTo(2.5);
    assertThat(
            registry
                .get("distill.run")
                .tag("outcome", "early_stopped")
                .timer()
                .totalTime(TimeUnit.SECONDS))
        .isEqualTo(12.5);
    meters.onRunStart(HandMade.start(0));
    meters.onRunFailure(HandMade.failure(0));
    assertThat(
            registry
                .get("distill.failures")
                .tag("exception", "IllegalStateException")
                .counter()
                .count())
        .isEqualTo(1);
    assertThat(registry.getMeters())
        .extracting(meter -> meter.getId().getName())
        .containsOnly(
            "distill.loss",
            "distill.loss.term",
            "distill.loss.weight",
            "distill.learning.rate",
            "distill.temperature",
            "distill.gradient.norm",
            "distill.gradient.norm.term",
            "distill.progress",
            "distill.validation",
            "distill.steps",
            "distill.rows",
            "distill.teacher.rows",
            "distill.step",
            "distill.evaluation",
            "distill.checkpoint",
            "distill.teacher",
            "distill.run",
            "distill.failures");
  }

  @Test
  void realRun_isMetered_andKeepsItsLastValues() {
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe()
        .batchSize(4)
        .epochs(2)
        .validation(DATA)
        .listener(events)
        .listener(MicrometerMeters.in(registry))
        .fit(DATA)
        .close();
    assertThat(gauge("distill.loss")).isEqualTo(events.steps.get(5).loss());
    assertThat(gauge("distill.progress")).isEqualTo(1);
    assertThat(gauge("distill.validation", "metric", "agreement")).isBetween(0.0, 1.0);
    assertThat(registry.get("distill.steps").counter().count()).isEqualTo(6);
    assertThat(registry.get("distill.rows").counter().count()).isEqualTo(20);
    assertThat(registry.get("distill.step").timer().count()).isEqualTo(6);
    assertThat(registry.get("distill.run").tag("outcome", "completed").timer().count())
        .isEqualTo(1);
  }

  @Test
  void nextRun_ofAnotherListener_takesOverTheGauges() {
    HandMade.wholeRun(listener());
    MicrometerMeters next = listener();
    next.onRunStart(HandMade.start(0));
    next.onStep(HandMade.step(1));
    assertThat(gauge("distill.loss")).isEqualTo(1.5);
    assertThat(gauge("distill.progress")).isEqualTo(0.1);
    assertThat(registry.get("distill.steps").counter().count()).isEqualTo(11);
  }

  @Test
  void nextRun_ofTheSameListener_forgetsWhatItDoesNotHave() {
    MicrometerMeters meters = listener();
    HandMade.wholeRun(meters);
    meters.onRunStart(HandMade.start(0));
    assertThat(gauge("distill.loss.term", "term", "hardLabels")).isNaN();
    assertThat(gauge("distill.loss")).isNaN();
    meters.onStep(HandMade.step(2));
    assertThat(gauge("distill.loss.term", "term", "hardLabels")).isEqualTo(1);
  }

  @Test
  void removedAtEnd_leavesNothing_butOnlyOfItsOwn() {
    registry.counter("mine");
    MicrometerMeters other = listener().tagged("run", "b");
    HandMade.wholeRun(other);
    List<Meter> before = registry.getMeters();
    MicrometerMeters meters = listener().tagged("run", "a").removedAtEnd();
    HandMade.wholeRun(meters);
    assertThat(registry.getMeters()).containsExactlyInAnyOrderElementsOf(before);
    meters.onRunStart(HandMade.start(0));
    meters.onStep(HandMade.step(1));
    assertThat(gauge("distill.loss", "run", "a")).isEqualTo(1.5);
    meters.onRunFailure(HandMade.failure(1));
    assertThat(registry.getMeters()).containsExactlyInAnyOrderElementsOf(before);
  }

  @Test
  void runsAtTheSameTime_areToldApartByATag() {
    MicrometerMeters a = listener().tagged("run", "a");
    MicrometerMeters b = listener().tagged("run", "b");
    a.onRunStart(HandMade.start(0));
    b.onRunStart(HandMade.start(0));
    a.onStep(HandMade.step(1));
    b.onStep(HandMade.step(2));
    assertThat(gauge("distill.loss", "run", "a")).isEqualTo(1.5);
    assertThat(gauge("distill.loss", "run", "b")).isEqualTo(0.75);
    assertThat(gauge("distill.loss.term", "run", "b", "term", "softTargets")).isEqualTo(0.5);
    a.close();
    assertThat(registry.find("distill.loss").tag("run", "a").gauge()).isNull();
    assertThat(gauge("distill.loss", "run", "b")).isEqualTo(0.75);
  }

  @Test
  void filtersAndCommonTags_areRespected() {
    registry
        .config()
        .commonTags("host", "x")
        .meterFilter(MeterFilter.denyNameStartsWith("distill.temperature"));
    HandMade.wholeRun(listener());
    HandMade.wholeRun(listener());
    assertThat(gauge("distill.loss", "host", "x")).isEqualTo(0.15);
    assertThat(registry.find("distill.temperature").gauge()).isNull();
    CompositeMeterRegistry composite = new CompositeMeterRegistry();
    HandMade.wholeRun(MicrometerMeters.in(composite));
    SimpleMeterRegistry added = new SimpleMeterRegistry();
    composite.add(added);
    assertThat(added.get("distill.loss").gauge().value()).isEqualTo(0.15);
  }

  @Test
  void null_isRefused() {
    assertThatNullPointerException().isThrownBy(() -> MicrometerMeters.in(null));
    assertThatNullPointerException().isThrownBy(() -> listener().tagged(null, "a"));
    assertThatNullPointerException().isThrownBy(() -> listener().tagged("a", null));
  }

  /** Has the library and all it needs, but no Micrometer. */
  private static final class Without extends URLClassLoader {
    Without(URL library, ClassLoader parent) {
      super(new URL[] {library}, parent);
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
      if (name.startsWith("io.micrometer.")) {
        throw new ClassNotFoundException(name);
      }
      if (!name.startsWith("io.distill.")) {
        return super.loadClass(name, resolve);
      }
      synchronized (getClassLoadingLock(name)) {
        Class<?> loaded = findLoadedClass(name);
        return loaded == null ? findClass(name) : loaded;
      }
    }
  }

  @Test
  void everythingElse_worksWithoutMicrometer() throws Exception {
    URL library = Distiller.class.getProtectionDomain().getCodeSource().getLocation();
    TreeSet<String> failed = new TreeSet<>();
    int loaded = 0;
    try (Without loader = new Without(library, getClass().getClassLoader())) {
      for (String name : classNames(Path.of(library.toURI()))) {
        try {
          Class<?> each = Class.forName(name, false, loader);
          assertThat(each.getClassLoader()).isSameAs(loader);
          // resolves every type of every signature
          assertThat(each.getDeclaredMethods()).isNotNull();
          assertThat(each.getDeclaredConstructors()).isNotNull();
          assertThat(each.getDeclaredFields()).isNotNull();
          loaded++;
        } catch (LinkageError e) {
          failed.add(name);
        }
      }
    }
    assertThat(loaded).isGreaterThan(100);
    assertThat(failed).allMatch(name -> name.startsWith("io.distill.listener.MicrometerMeters"));
    assertThat(failed).contains("io.distill.listener.MicrometerMeters");
  }

  private static List<String> classNames(Path root) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .map(file -> root.relativize(file).toString().replace('\\', '/'))
          .filter(name -> name.endsWith(".class") && !name.endsWith("package-info.class"))
          .map(name -> name.substring(0, name.length() - 6).replace('/', '.'))
          .toList();
    }
  }

  @Test
  void missingMicrometer_isNamed() throws Exception {
    URL library = Distiller.class.getProtectionDomain().getCodeSource().getLocation();
    try (Without loader = new Without(library, getClass().getClassLoader())) {
      Class<?> meters = Class.forName("io.distill.listener.MicrometerMeters", false, loader);
      assertThatExceptionOfType(NoClassDefFoundError.class)
          .isThrownBy(meters::getDeclaredMethods)
          .withMessageContaining("io/micrometer");
    }
  }
}
