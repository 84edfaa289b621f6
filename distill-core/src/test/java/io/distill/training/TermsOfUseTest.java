package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDecision;
import io.distill.provenance.TermsPolicy;
import io.distill.provenance.TermsPolicy.Verdict;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

class TermsOfUseTest {

  private static final FloatRows ROWS = FloatRows.random(12, 3, 1);

  private final Logger logger = (Logger) LoggerFactory.getLogger(Provenance.class);
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();

  @TempDir private Path directory;

  @BeforeEach
  void listen() {
    log.start();
    logger.addAppender(log);
  }

  @AfterEach
  void stop() {
    logger.detachAppender(log);
  }

  private List<String> warnings() {
    return log.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
  }

  private static Distiller.Builder recipe(Teacher teacher) {
    return Distiller.builder()
        .teacher(teacher)
        .student(TinyRuns.perceptron())
        .loss(TinyRuns.logitDistance())
        .epochs(1)
        .device(ai.djl.Device.cpu());
  }

  private static Teacher under(String id, Terms terms) {
    return RuleTeacher.echo().declaring(id, terms);
  }

  @Test
  void forbiddingTerms_areRefusedByDefault() {
    Distiller distiller = recipe(under("gpt", Terms.service("openai"))).build();
    assertThatThrownBy(() -> distiller.fit(ROWS))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "teacher 'gpt' must allow other models to be trained on its outputs, but OpenAI"
                + " Services Agreement and Terms of Use do not (")
        .hasMessageContaining("https://openai.com/policies/services-agreement/")
        .hasMessageContaining("allowTerms(\"the reason\")")
        .hasMessageContaining("not legal advice");
  }

  @Test
  void overriddenRefusal_isRecordedWithItsReason() {
    try (DistillationResult result =
        recipe(under("gpt", Terms.service("openai"))).allowTerms("contract 17").fit(ROWS)) {
      assertThat(result.provenance().terms())
          .containsExactly(
              new TermsDecision(
                  "gpt", Terms.service("openai"), Verdict.REFUSE, Optional.of("contract 17")));
      assertThat(result.provenance().modelCard())
          .contains("refused by the policy, overridden by the user: contract 17");
    }
  }

  @Test
  void reasonWithoutNeed_isNotRecorded() {
    try (DistillationResult result =
        recipe(under("free", Terms.spdx("Apache-2.0"))).allowTerms("just in case").fit(ROWS)) {
      assertThat(result.provenance().terms())
          .containsExactly(
              new TermsDecision("free", Terms.spdx("apache-2.0"), Verdict.ALLOW, Optional.empty()));
      assertThat(warnings()).isEmpty();
    }
  }

  @Test
  void blankReason_isNone() {
    Distiller.Builder builder = Distiller.builder();
    assertThatThrownBy(() -> builder.allowTerms(" "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("reason must not be blank");
    assertThatThrownBy(() -> builder.allowTerms("x".repeat(1001)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void undeclaredTerms_areWarnedOfOnce() {
    Teacher teacher = RuleTeacher.echo().declaring("never seen before", Terms.undeclared());
    for (int i = 0; i < 2; i++) {
      recipe(teacher).fit(ROWS).close();
    }
    assertThat(warnings())
        .containsExactly(
            "Teacher 'never seen before' declares no licence; say under which terms it may be"
                + " learned from with teacher.declaring(Terms.spdx(...))");
  }

  @Test
  void conditions_areWarnedOf() {
    recipe(under("llama", Terms.spdx("llama3.1"))).fit(ROWS).close();
    assertThat(warnings())
        .singleElement()
        .asString()
        .startsWith("Teacher 'llama' is under Llama 3.1 Community License: ")
        .contains("\"Llama\" at the beginning of its name");
  }

  @Test
  void policies_canBeChosen() {
    Teacher conditional = under("cc", Terms.spdx("CC-BY-4.0"));
    assertThatThrownBy(() -> recipe(conditional).termsPolicy(TermsPolicy.strict()).fit(ROWS))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("Creative Commons Attribution 4.0 are refused by the policy");
    Teacher forbidden = under("forbidden", Terms.service("anthropic"));
    assertThatCode(() -> recipe(forbidden).termsPolicy(TermsPolicy.warning()).fit(ROWS).close())
        .doesNotThrowAnyException();
    assertThatThrownBy(
            () ->
                recipe(under("ours", Terms.spdx("MIT")))
                    .termsPolicy(terms -> Verdict.REFUSE)
                    .fit(ROWS))
        .isInstanceOf(DistillationException.class);
  }

  @Test
  void silentTeacher_hasNoTerms() {
    try (DistillationResult result =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.logitsToOne())
            .termsPolicy(terms -> Verdict.REFUSE)
            .epochs(1)
            .device(ai.djl.Device.cpu())
            .fit(FloatRows.of(new float[][] {{1, 2}, {2, 1}}, new int[] {0, 1}, "a", "b"))) {
      assertThat(result.provenance().terms()).isEmpty();
    }
  }

  @Test
  void studentOfARefusedTeacher_staysUnderItsTerms() {
    Path saved = directory.resolve("student");
    try (DistillationResult result =
        recipe(under("gpt", Terms.service("openai"))).allowTerms("contract 17").fit(ROWS)) {
      result.student().save(saved);
    }
    try (ModelTeacher student = Teacher.load(saved)) {
      assertThat(student.terms().declared()).isFalse();
      // declaring another licence does not wash it clean
      for (Teacher teacher : List.of(student, student.declaring(Terms.spdx("MIT")))) {
        Distiller distiller = recipe(teacher).build();
        assertThatThrownBy(() -> distiller.fit(ROWS))
            .isInstanceOf(DistillationException.class)
            .hasMessageContaining("OpenAI");
      }
      try (DistillationResult second = recipe(student).allowTerms("still 17").fit(ROWS)) {
        assertThat(second.provenance().terms())
            .extracting(TermsDecision::teacher, decision -> decision.reason().orElse(""))
            .containsExactly(
                org.assertj.core.groups.Tuple.tuple("student", "still 17"),
                org.assertj.core.groups.Tuple.tuple("gpt", "contract 17"));
        assertThat(second.provenance().modelCard()).contains("contract 17").contains("still 17");
      }
    }
  }

  @Test
  void studentOfAFreeTeacher_isAsFree() {
    try (DistillationResult first = recipe(under("free", Terms.spdx("MIT"))).fit(ROWS);
        ModelTeacher assistant = Teacher.of(first.student());
        DistillationResult second = recipe(assistant).termsPolicy(TermsPolicy.strict()).fit(ROWS)) {
      assertThat(second.provenance().terms())
          .extracting(decision -> decision.terms().id())
          .containsExactly("MIT", "MIT");
    }
  }

  @Test
  void declaredLicence_isReadFromTheFilesOfAModel() throws Exception {
    Path saved = directory.resolve("labelled");
    try (DistillationResult result = recipe(under("x", Terms.spdx("MIT"))).fit(ROWS)) {
      result.student().withProvenance(null).save(saved);
    }
    assertThat(saved.resolve("provenance.json")).doesNotExist();
    assertThat(saved.resolve("README.md")).doesNotExist();
    Files.writeString(saved.resolve("README.md"), "---\nlicense: llama2\n---\n");
    try (ModelTeacher teacher = Teacher.load(saved)) {
      assertThat(teacher.terms()).isEqualTo(Terms.spdx("llama2"));
      assertThat(teacher.id()).isEqualTo("labelled");
      assertThat(teacher.declaring("other", Terms.spdx("MIT")).id()).isEqualTo("other");
    }
  }

  @Test
  void damagedProvenance_isRefusedOnLoad() throws Exception {
    Path saved = directory.resolve("damaged");
    try (DistillationResult result = recipe(RuleTeacher.echo()).fit(ROWS)) {
      result.student().save(saved);
    }
    Files.writeString(saved.resolve("provenance.json"), "{\"format\":");
    assertThatThrownBy(() -> DeployableModel.load(saved))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("provenance.json must be JSON but is not");
  }

  @Test
  void declaredTeacher_forwardsEverything() throws Exception {
    Class<?> declared = RuleTeacher.echo().declaring(Terms.undeclared()).getClass();
    for (Method method : Teacher.class.getMethods()) {
      boolean inherited =
          Modifier.isStatic(method.getModifiers())
              || (method.getName().equals("declaring") && method.getParameterCount() == 1);
      if (!inherited) {
        assertThat(declared.getMethod(method.getName(), method.getParameterTypes()))
            .extracting(Method::getDeclaringClass)
            .as("%s of a declared teacher", method)
            .isEqualTo(declared);
      }
    }
    assertThat(Arrays.stream(declared.getInterfaces()).toList()).contains(Teacher.class);
  }
}
