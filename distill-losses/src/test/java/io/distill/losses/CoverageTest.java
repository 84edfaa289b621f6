package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import io.distill.loss.DistillationLoss;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Holds the factories of {@link Losses} against the golden values and the tests of the contract.
 */
class CoverageTest {

  private static final int CASES = 5;

  /** Sums of other losses: the golden values of their terms are theirs. */
  private static final Map<String, String> WITHOUT_GOLDEN =
      Map.of(
          "relationalKd", "relationalDistance and relationalAngle, added",
          "softTargetsAndHardLabels", "softTargets and hardLabels, added");

  /** Files under another name: these factories wrap other losses. */
  private static final Map<String, String> GOLDEN_OF =
      Map.of(
          "onFlattenedHiddenStates", "flattenedSimilarityPreserving",
          "onPooledHiddenStates", "pooledCka");

  /** Sums of other losses: the contract holds for each term. */
  private static final Set<String> WITHOUT_CONTRACT = Set.of("softTargetsAndHardLabels");

  /** Losses that divide by the run's temperature, over as many classes as there are. */
  private static final List<String> TEMPERED =
      List.of(
          "softTargets",
          "reverseKl",
          "symmetricKl",
          "generalizedJsd",
          "totalVariation",
          "skewKl",
          "skewReverseKl",
          "adaptiveKl",
          "topKKl",
          "softCrossEntropy",
          "decoupledKd",
          "normalizedKd",
          "dist",
          "hingeRank",
          "correctedTeacher",
          "multiLabel",
          "listwiseKl",
          "tokenLevelKl",
          "policyAdvantage",
          "universalLogit");

  private static Set<String> factories() {
    return Arrays.stream(Losses.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> DistillationLoss.class.isAssignableFrom(method.getReturnType()))
        .map(Method::getName)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void everyFactory_hasGoldenValues() {
    Map<String, Integer> few = new TreeMap<>();
    for (String factory : factories()) {
      if (!WITHOUT_GOLDEN.containsKey(factory)) {
        String file = GOLDEN_OF.getOrDefault(factory, factory);
        int cases =
            Golden.class.getResource("/golden/" + file + ".json") == null
                ? 0
                : Golden.read(file).size();
        if (cases < CASES) {
          few.put(factory, cases);
        }
      }
    }
    assertThat(few).as("factories with fewer than %s golden cases", CASES).isEmpty();
    assertThat(factories()).containsAll(WITHOUT_GOLDEN.keySet()).containsAll(GOLDEN_OF.keySet());
  }

  @Test
  void temperedLosses_haveGoldenValuesAtLowAndHighTemperatures() {
    assertThat(factories()).containsAll(TEMPERED);
    assertThat(TEMPERED)
        .allSatisfy(
            name -> {
              List<Golden> cases = Golden.read(name);
              assertThat(cases)
                  .as("temperatures of %s", name)
                  .extracting(each -> each.temperature() == null ? 1 : each.temperature())
                  .contains(1.0, 2.0, 4.0, 20.0);
              assertThat(cases)
                  .as("classes of %s", name)
                  .extracting(CoverageTest::classes)
                  .contains(2L, 10L, 1000L);
            });
  }

  private static long classes(Golden golden) {
    List<Long> shape = golden.student().get(0).shape();
    return shape.get(shape.size() - 1);
  }

  @Test
  void everyFactory_isUnderTheContract() {
    JavaClasses classes = new ClassFileImporter().importPackages("io.distill.losses");
    Set<JavaClass> tests = new HashSet<>();
    for (JavaClass each : classes) {
      if (each.isAssignableTo(DistillationLossContract.class)) {
        tests.add(each);
        each.getEnclosingClass().ifPresent(tests::add);
      }
    }
    Set<String> called =
        tests.stream()
            .flatMap(each -> each.getAccessesFromSelf().stream())
            .filter(access -> access.getTargetOwner().isEquivalentTo(Losses.class))
            .map(JavaAccess::getName)
            .collect(Collectors.toSet());
    assertThat(factories())
        .as("factories that no test of the contract calls")
        .filteredOn(factory -> !WITHOUT_CONTRACT.contains(factory))
        .allSatisfy(factory -> assertThat(called).contains(factory));
  }
}
