package io.distill.losses.training;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import io.distill.losses.Losses;
import io.distill.losses.training.Catalogue.Entry;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CatalogueTest {

  private static Stream<Method> factories() {
    return Arrays.stream(Losses.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> DistillationLoss.class.isAssignableFrom(method.getReturnType()));
  }

  @Test
  void everyFactory_isInTheCatalogue() {
    Set<String> listed =
        Catalogue.entries().stream().map(Entry::factory).collect(Collectors.toSet());

    assertThat(listed)
        .as("a factory of Losses without a line in Catalogue, or the other way round")
        .isEqualTo(factories().map(Method::getName).collect(Collectors.toSet()));
  }

  @Test
  void everyFactoryWithoutArguments_isInTheCatalogue() {
    Set<String> calls = Catalogue.entries().stream().map(Entry::call).collect(Collectors.toSet());

    assertThat(calls)
        .containsAll(
            factories()
                .filter(method -> method.getParameterCount() == 0)
                .map(method -> method.getName() + "()")
                .collect(Collectors.toSet()));
  }

  @Test
  void everyTermReportsTheNameOfItsFactory() {
    Set<String> names = factories().map(Method::getName).collect(Collectors.toSet());

    assertThat(Catalogue.entries())
        .allSatisfy(
            entry ->
                assertThat(entry.loss().terms())
                    .as(entry.call())
                    .allSatisfy(term -> assertThat(names).contains(term.name())));
  }
}
