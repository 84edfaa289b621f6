package io.distill;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import io.distill.listener.ConsoleProgress;
import io.distill.listener.MicrometerMeters;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/** Holds the floor plan: imports go downwards only. */
class ArchitectureTest {

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .importUrl(Distiller.class.getProtectionDomain().getCodeSource().getLocation());

  /** The floors, lowest first; rooms of one floor, separated by commas, do not see each other. */
  private static final List<String> FLOORS =
      List.of(
          "exception",
          "internal",
          "signal,schedule,provenance",
          "mapping",
          "torchscript,data",
          "model",
          "huggingface,onnx",
          "generation",
          "conversation",
          "loss",
          "teacher",
          "student",
          "training,evaluation",
          "trace",
          "listener,report");

  private static List<String> rooms(String floor) {
    return List.of(floor.split(",", -1));
  }

  @Test
  void rooms_importOnlyFloorsBelow() {
    List<String> below = new ArrayList<>();
    var architecture =
        layeredArchitecture().consideringOnlyDependenciesInAnyPackage("io.distill..");
    architecture = architecture.layer("root").definedBy("io.distill");
    for (String floor : FLOORS) {
      for (String room : rooms(floor)) {
        architecture = architecture.optionalLayer(room).definedBy("io.distill." + room + "..");
      }
    }
    architecture = architecture.whereLayer("root").mayNotBeAccessedByAnyLayer();
    for (String floor : FLOORS) {
      for (String room : rooms(floor)) {
        architecture =
            below.isEmpty()
                ? architecture.whereLayer(room).mayNotAccessAnyLayer()
                : architecture.whereLayer(room).mayOnlyAccessLayers(below.toArray(String[]::new));
      }
      below.addAll(rooms(floor));
    }
    architecture.check(CLASSES);
  }

  @Test
  void everyPackage_hasAFloor() {
    Set<String> rooms = new HashSet<>();
    FLOORS.forEach(floor -> rooms.addAll(rooms(floor)));
    for (JavaClass each : CLASSES) {
      String below = each.getPackageName().substring("io.distill".length());
      if (!below.isEmpty()) {
        assertThat(rooms).contains(below.split("\\.", -1)[1]);
      }
    }
  }

  @Test
  void packages_haveNoCycles() {
    slices().matching("io.distill.(**)").should().beFreeOfCycles().check(CLASSES);
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
    // the one listener whose work it is; a user has to add it
    NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(
        CLASSES.that(
            DescribedPredicate.not(JavaClass.Predicates.belongToAnyOf(ConsoleProgress.class))));
  }

  @Test
  void micrometer_isOptional() {
    noClasses()
        .that(DescribedPredicate.not(JavaClass.Predicates.belongToAnyOf(MicrometerMeters.class)))
        .should()
        .dependOnClassesThat(JavaClass.Predicates.resideInAPackage("io.micrometer.."))
        .orShould()
        .dependOnClassesThat(JavaClass.Predicates.belongToAnyOf(MicrometerMeters.class))
        .check(CLASSES);
  }

  @Test
  void logging_isSlf4jOnly() {
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CLASSES);
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "ch.qos.logback..",
            "org.apache.log4j..",
            "org.apache.logging..",
            "org.apache.commons.logging..")
        .check(CLASSES);
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
  void publicSignatures_nameNoInternalType() {
    classes()
        .that()
        .resideOutsideOfPackage("..internal..")
        .and(reachableByUsers())
        .should(keepInternalTypesOutOfSignatures())
        .check(CLASSES);
  }

  private static DescribedPredicate<JavaClass> reachableByUsers() {
    return DescribedPredicate.describe(
        "can be reached by users",
        each -> {
          JavaClass outer = each;
          while (outer.getModifiers().contains(JavaModifier.PUBLIC)) {
            if (outer.getEnclosingClass().isEmpty()) {
              return true;
            }
            outer = outer.getEnclosingClass().get();
          }
          return false;
        });
  }

  private static ArchCondition<JavaClass> keepInternalTypesOutOfSignatures() {
    return new ArchCondition<>("keep internal types out of their public signatures") {
      @Override
      public void check(JavaClass item, ConditionEvents events) {
        Set<JavaClass> supertypes = new LinkedHashSet<>(item.getRawInterfaces());
        item.getRawSuperclass().ifPresent(supertypes::add);
        report(item.getName(), supertypes, events);
        item.getMembers().stream()
            .filter(ArchitectureTest::isOpen)
            .forEach(member -> report(member.getFullName(), types(member), events));
      }

      private void report(String where, Set<JavaClass> types, ConditionEvents events) {
        for (JavaClass type : types) {
          if (type.getPackageName().matches("io\\.distill\\.(.*\\.)?internal(\\..*)?")) {
            events.add(SimpleConditionEvent.violated(type, where + " shows " + type.getName()));
          }
        }
      }
    };
  }

  private static boolean isOpen(JavaMember member) {
    return member.getModifiers().contains(JavaModifier.PUBLIC)
        || member.getModifiers().contains(JavaModifier.PROTECTED);
  }

  private static Set<JavaClass> types(JavaMember member) {
    Set<JavaType> types = new LinkedHashSet<>();
    if (member instanceof JavaField field) {
      types.add(field.getType());
    } else if (member instanceof JavaCodeUnit unit) {
      types.add(unit.getReturnType());
      types.addAll(unit.getParameterTypes());
    }
    Set<JavaClass> raw = new LinkedHashSet<>();
    types.forEach(type -> raw.addAll(type.getAllInvolvedRawTypes()));
    return raw;
  }
}
