package io.distill.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.examples.catalogue.LossCall;
import io.distill.examples.catalogue.LossTable;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class LossTableTest {

  private static final Path ROOT = Path.of("..");

  @Test
  void tableOfLosses_inTheReadme_isUpToDate() throws IOException {
    assertThat(Files.readString(ROOT.resolve("README.md")))
        .as(
            "README.md is not what follows from Losses.java; run: mvn -q -B -DskipTests -Prun"
                + " package -pl distill-examples -am -Dexample.main="
                + LossTable.class.getName())
        .isEqualTo(LossTable.updated(ROOT));
  }

  @Test
  void everyFactory_hasALine() throws IOException {
    String readme = LossTable.updated(ROOT);
    String table = readme.substring(readme.indexOf(LossTable.BEGIN), readme.indexOf(LossTable.END));

    assertThat(LossCall.factories())
        .extracting(Method::getName)
        .allSatisfy(name -> assertThat(table).contains("| `" + name + "("));
    assertThat(LossCall.all().stream().map(LossCall::factory).collect(Collectors.toSet()))
        .as("calls of LossCall.withArguments")
        .containsExactlyInAnyOrderElementsOf(
            LossCall.factories().stream().map(Method::getName).collect(Collectors.toSet()));
  }
}
