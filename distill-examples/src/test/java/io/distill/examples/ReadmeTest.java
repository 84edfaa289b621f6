package io.distill.examples;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.losses.Losses;
import io.distill.losses.Projector;
import io.distill.mapping.LayerMapping;
import io.distill.model.DeployableModel;
import io.distill.model.Tap;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.signal.Signals;
import io.distill.student.DecoderStudent;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ReadmeTest {

  private static final Path ROOT = Path.of("..");
  private static final Pattern JAVA = Pattern.compile("(?s)```java\\n(.*?)```");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#]+)");
  private static final Pattern COMMAND = Pattern.compile("(?s)\\n## %s\\n+```sh\\n([^\\n]+)\\n```");

  private static final List<Path> COMPILED =
      List.of(
          Path.of("src/test/java/io/distill/examples/ReadmeSnippets.java"),
          Path.of("src/test/java/io/distill/examples/LanguageModelSnippets.java"),
          Path.of("src/main/java/io/distill/examples/email/PlainDjl.java"),
          Path.of("../distill-losses/src/test/java/io/distill/losses/docs/CustomLossGuide.java"));

  private static final Map<String, Class<?>> API =
      Stream.<Class<?>>of(
              Losses.class,
              DistillationLoss.class,
              LossContext.class,
              LossSetup.class,
              TemperatureSchedule.class,
              WeightSchedule.class,
              RowTemperature.class,
              LayerMapping.class,
              Distiller.Builder.class,
              DistillationResult.class,
              Signals.class,
              Student.class,
              DeployableModel.class,
              Teacher.class,
              Projector.class,
              Tap.class,
              NDArray.class)
          .collect(Collectors.toMap(Class::getSimpleName, type -> type));

  private static final Set<String> ALL =
      Stream.concat(API.values().stream(), Stream.of(DecoderStudent.Builder.class))
          .flatMap(type -> names(type).stream())
          .collect(Collectors.toSet());

  static Stream<String> snippets() throws IOException {
    StringBuilder pages = new StringBuilder(readme());
    for (Path page : guides()) {
      pages.append(Files.readString(page));
    }
    return JAVA.matcher(pages).results().map(match -> match.group(1));
  }

  private static List<Path> guides() throws IOException {
    List<Path> pages = new ArrayList<>();
    pages.add(ROOT.resolve("distill-losses/README.md"));
    for (String folder : List.of("distill-core/docs", "distill-losses/docs")) {
      try (Stream<Path> files = Files.list(ROOT.resolve(folder))) {
        files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
      }
    }
    return pages;
  }

  @ParameterizedTest
  @MethodSource("snippets")
  void snippet_isCompiledByTheBuild(String snippet) throws IOException {
    StringBuilder compiled = new StringBuilder();
    for (Path source : COMPILED) {
      compiled.append(Files.readString(source));
    }
    assertThat(squeezed(compiled.toString())).contains(squeezed(snippet));
  }

  @Test
  void readmeAndGuides_haveSnippets() throws IOException {
    assertThat(JAVA.matcher(readme()).results()).hasSizeGreaterThanOrEqualTo(4);
    assertThat(snippets()).hasSizeGreaterThanOrEqualTo(9);
  }

  @Test
  void linksWithinTheProject_lead() throws IOException {
    List<Path> pages = new ArrayList<>(guides());
    pages.add(ROOT.resolve("README.md"));
    for (Path page : pages) {
      Path folder = page.toAbsolutePath().normalize().getParent();
      LINK.matcher(Files.readString(page))
          .results()
          .map(match -> match.group(1))
          .filter(link -> !link.startsWith("http"))
          .forEach(link -> assertThat(folder.resolve(link)).as("%s in %s", link, page).exists());
    }
  }

  @Test
  void composedLosses_ofTheReadme_haveTheTermsThatItNames() {
    assertThat(ReadmeSnippets.recipe().terms())
        .extracting(LossTerm::name)
        .containsExactly("softTargets", "hardLabels", "features");
    assertThat(ReadmeSnippets.nextTokens().get(0).terms())
        .extracting(LossTerm::name)
        .containsExactly("reverseKl", "hardLabels");
    assertThat(ReadmeSnippets.nextTokens().get(1).name()).isEqualTo("nextTokens");
  }

  /** A name with parentheses, or one behind a type, in the text of a page is one of the API. */
  @Test
  void names_inTheTextOfThePages_exist() throws IOException {
    List<Path> pages = new ArrayList<>(guides());
    pages.add(ROOT.resolve("README.md"));
    for (Path page : pages) {
      String text = Pattern.compile("(?s)```.*?```").matcher(Files.readString(page)).replaceAll("");
      List<String> spans =
          Pattern.compile("`([^`\\n]+)`").matcher(text).results().map(m -> m.group(1)).toList();
      for (String span : spans) {
        Pattern.compile("(?<![\\w.-])(\\w+)\\.([a-z]\\w+)(?![\\w.])")
            .matcher(span)
            .results()
            .filter(match -> API.containsKey(match.group(1)))
            .forEach(
                match ->
                    assertThat(names(API.get(match.group(1))))
                        .as("%s in %s", span, page)
                        .contains(match.group(2)));
        Pattern.compile("(?<![\\w.])([a-z]\\w*)\\(")
            .matcher(span)
            .results()
            .forEach(match -> assertThat(ALL).as("%s in %s", span, page).contains(match.group(1)));
      }
    }
  }

  private static Set<String> names(Class<?> type) {
    return Arrays.stream(type.getMethods()).map(Method::getName).collect(Collectors.toSet());
  }

  @Test
  void schedulesAndMappings_areAllInTheReadme() throws IOException {
    for (Class<?> type :
        List.of(TemperatureSchedule.class, RowTemperature.class, LayerMapping.class)) {
      for (Method method : type.getDeclaredMethods()) {
        if (Modifier.isStatic(method.getModifiers())
            && Modifier.isPublic(method.getModifiers())
            && type.equals(method.getReturnType())) {
          assertThat(readme())
              .as("%s.%s", type.getSimpleName(), method.getName())
              .containsPattern("`(" + type.getSimpleName() + "\\.)?" + method.getName() + "[`(]");
        }
      }
    }
  }

  @Test
  void readme_hasOneCommandToRunAndOneToTest() throws IOException {
    for (String heading : List.of("Run", "Test")) {
      Matcher command = Pattern.compile(COMMAND.pattern().formatted(heading)).matcher(readme());
      assertThat(command.find()).as("one fenced command under ## %s", heading).isTrue();
      assertThat(command.group(1)).startsWith("mvn ");
    }
  }

  @Test
  void versions_inTheReadme_areThoseOfTheBuild() throws IOException {
    String pom = Files.readString(ROOT.resolve("pom.xml"));
    for (String property : List.of("djl.version", "pytorch.version")) {
      Matcher version = Pattern.compile("<" + property + ">(.*?)<").matcher(pom);
      assertThat(version.find()).isTrue();
      assertThat(readme()).contains(version.group(1));
    }
  }

  private static String readme() throws IOException {
    return Files.readString(ROOT.resolve("README.md"));
  }

  private static String squeezed(String source) {
    return source.replaceAll("\\s+", "");
  }
}
