package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import io.distill.internal.StrictJson;
import io.distill.loss.DistillationLoss;
import io.distill.provenance.internal.PartCodec;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every loss of the library can be written down and made again. */
class LossTypesTest {

  private static final PartCodec CODEC = new PartCodec(part -> Map.of());

  /** Arguments to try, none of them a default. */
  private static final Map<Class<?>, List<Object>> CANDIDATES =
      Map.of(
          double.class, List.of(0.3, 1.7),
          int.class, List.of(2, 3),
          boolean.class, List.of(true),
          Projector.class, List.of(Projector.MLP.always(), Projector.LINEAR_RELU),
          DistillationLoss.class,
              List.of(
                  Losses.skewKl(0.25).weighted(0.3).plus(Losses.softTargets(3)),
                  Losses.relationalKd(1, 3),
                  Losses.hardLabels(0.2)));

  private static List<Method> factories() {
    return Arrays.stream(Losses.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> DistillationLoss.class.isAssignableFrom(method.getReturnType()))
        .sorted(Comparator.comparing(Method::toGenericString))
        .toList();
  }

  /** Calls a factory with the first arguments that it takes. */
  private static @Nullable DistillationLoss call(Method factory, List<Object> arguments) {
    int given = arguments.size();
    if (given == factory.getParameterCount()) {
      try {
        return (DistillationLoss) factory.invoke(null, arguments.toArray());
      } catch (InvocationTargetException e) {
        return null;
      } catch (IllegalAccessException e) {
        throw new AssertionError(e);
      }
    }
    for (Object each : CANDIDATES.get(factory.getParameterTypes()[given])) {
      List<Object> more = new ArrayList<>(arguments);
      more.add(each);
      DistillationLoss loss = call(factory, more);
      if (loss != null) {
        return loss;
      }
    }
    return null;
  }

  static Stream<Method> everyFactory() {
    return factories().stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("everyFactory")
  void loss_isTheSameAfterItsDescription(Method factory) {
    DistillationLoss loss = call(factory, List.of());
    assertThat(loss).as("%s with some of the candidates", factory).isNotNull();
    JsonElement written = CODEC.encode(loss);
    assertThat(PartCodec.opaqueParts("loss", written)).isEmpty();
    JsonElement read = StrictJson.parse(written.toString(), "loss", 1 << 20);
    DistillationLoss made = CODEC.decode("loss", read, DistillationLoss.class);
    assertThat(made).isEqualTo(loss);
    assertThat(StrictJson.digest(CODEC.encode(made))).isEqualTo(StrictJson.digest(written));
  }

  @Test
  void arguments_areAllWrittenDown() {
    // two losses that differ in one argument never look the same
    Set<String> texts = new TreeSet<>();
    List<DistillationLoss> losses =
        List.of(
            Losses.contrastiveRepresentation(2, 0.3, 0.3, 2, true),
            Losses.contrastiveRepresentation(3, 0.3, 0.3, 2, true),
            Losses.contrastiveRepresentation(2, 0.4, 0.3, 2, true),
            Losses.contrastiveRepresentation(2, 0.3, 0.4, 2, true),
            Losses.contrastiveRepresentation(2, 0.3, 0.3, 3, true),
            Losses.contrastiveRepresentation(2, 0.3, 0.3, 2, false),
            Losses.hint(Projector.MLP),
            Losses.hint(Projector.MLP.always()),
            Losses.hint(Projector.LINEAR),
            Losses.hingeRank(),
            Losses.hingeRank(0),
            Losses.miniLm(),
            Losses.miniLm().onLayers(io.distill.mapping.LayerMapping.last()));
    losses.forEach(loss -> texts.add(StrictJson.canonical(CODEC.encode(loss))));
    assertThat(texts).hasSameSizeAs(losses);
  }

  @Test
  void everyRecordThatIsALoss_isListed() {
    Set<String> listed =
        new LossTypes().types().values().stream().map(Class::getName).collect(Collectors.toSet());
    assertThat(
            new ClassFileImporter()
                .importUrl(Losses.class.getProtectionDomain().getCodeSource().getLocation()))
        .filteredOn(each -> each.isRecord() && each.isAssignableTo(DistillationLoss.class))
        .extracting(JavaClass::getName)
        .hasSizeGreaterThan(50)
        .containsExactlyInAnyOrderElementsOf(listed);
  }
}
