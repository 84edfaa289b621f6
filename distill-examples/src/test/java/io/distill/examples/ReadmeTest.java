package io.distill.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
          Path.of("src/main/java/io/distill/examples/email/PlainDjl.java"),
          Path.of("../distill-losses/src/test/java/io/distill/losses/docs/CustomLossGuide.java"));

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
    try (Stream<Path> files = Files.list(ROOT.resolve("distill-losses/docs"))) {
      files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
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
