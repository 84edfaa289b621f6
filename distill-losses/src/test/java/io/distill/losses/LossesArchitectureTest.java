package io.distill.losses;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import io.distill.loss.DistillationLoss;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

class LossesArchitectureTest {

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .importUrl(Losses.class.getProtectionDomain().getCodeSource().getLocation());

  @Test
  void rooms_leanOnTheirInternalPackageAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackage("io.distill.losses")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("io.distill.losses")
        .check(CLASSES);
    slices()
        .matching("io.distill.losses.(*)..")
        .should()
        .notDependOnEachOther()
        .ignoreDependency(
            resideInAnyPackage("io.distill.losses.."),
            resideInAnyPackage("io.distill.losses.internal"))
        .check(CLASSES);
    slices().matching("io.distill.(losses)..").should().beFreeOfCycles().check(CLASSES);
  }

  @Test
  void losses_leanOnThePlainFloorsOfTheCore() {
    noClasses()
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                "io.distill",
                "io.distill.training..",
                "io.distill.evaluation..",
                "io.distill.teacher..",
                "io.distill.student..",
                "io.distill.model..",
                "io.distill.onnx..",
                "io.distill.data.."))
        .check(CLASSES);
  }

  @Test
  void publicClassesOfRooms_areLosses() {
    classes()
        .that()
        .arePublic()
        .and()
        .areTopLevelClasses()
        .and()
        .areNotEnums()
        .and()
        .resideOutsideOfPackages("io.distill.losses", "io.distill.losses.internal..")
        .should()
        .implement(DistillationLoss.class)
        .check(CLASSES);
  }

  @Test
  void classNames_sayWhatAClassIs() {
    noClasses()
        .should()
        .haveSimpleNameEndingWith("Utils")
        .orShould()
        .haveSimpleNameEndingWith("Helper")
        .orShould()
        .haveSimpleNameEndingWith("Manager")
        .orShould()
        .haveSimpleNameEndingWith("Impl")
        .check(CLASSES);
  }

  @Test
  void console_isLeftAlone() {
    NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(CLASSES);
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CLASSES);
  }

  @Test
  void everyPackage_isNullMarked() {
    Set<JavaPackage> packages = new HashSet<>();
    CLASSES.forEach(each -> packages.add(each.getPackage()));
    assertThat(packages)
        .isNotEmpty()
        .allSatisfy(
            each -> assertThat(each.isAnnotatedWith(NullMarked.class)).as(each.getName()).isTrue());
  }

  @Test
  void noPackage_existsInTwoModules() throws IOException {
    Path root = Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
    List<String> seen = new ArrayList<>();
    for (String module : List.of("distill-core", "distill-losses", "distill-examples")) {
      seen.addAll(packages(root.resolve(module).resolve("src/main/java")));
    }
    assertThat(seen).contains("io/distill", "io/distill/losses").doesNotHaveDuplicates();
  }

  private static Set<String> packages(Path sources) throws IOException {
    if (!Files.isDirectory(sources)) {
      return Set.of();
    }
    try (Stream<Path> files = Files.walk(sources)) {
      return files
          .filter(file -> file.toString().endsWith(".java"))
          .map(file -> sources.relativize(file.getParent()).toString().replace('\\', '/'))
          .collect(Collectors.toSet());
    }
  }
}
