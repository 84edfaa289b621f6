package io.distill.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
  private static final Pattern COMMAND = Pattern.compile("(?s)\\n## %s\\n+```sh\\n([^\\n]+)\\n```");

  static Stream<String> snippets() throws IOException {
    return JAVA.matcher(readme()).results().map(match -> match.group(1));
  }

  @ParameterizedTest
  @MethodSource("snippets")
  void snippet_isCompiledByTheBuild(String snippet) throws IOException {
    String compiled =
        Files.readString(Path.of("src/test/java/io/distill/examples/ReadmeSnippets.java"))
            + Files.readString(Path.of("src/main/java/io/distill/examples/email/PlainDjl.java"));
    assertThat(squeezed(compiled)).contains(squeezed(snippet));
  }

  @Test
  void readme_hasSnippets() throws IOException {
    assertThat(snippets()).hasSizeGreaterThanOrEqualTo(4);
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
