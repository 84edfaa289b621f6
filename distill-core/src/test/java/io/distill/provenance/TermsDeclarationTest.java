package io.distill.provenance;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TermsDeclarationTest {

  @TempDir private Path directory;

  private void write(String name, String text) throws IOException {
    Files.writeString(directory.resolve(name), text);
  }

  @Test
  void header_declaresALicence() throws IOException {
    write("README.md", "---\nlanguage: en\nlicense: \"apache-2.0\"\ntags:\n- x\n---\n# Model\n");
    assertThat(TermsDeclaration.in(directory)).contains(Terms.spdx("Apache-2.0"));
  }

  @Test
  void otherLicence_isKnownByItsName() throws IOException {
    write("README.md", "---\nlicense: other\nlicense_name: qwen-research\n---\n");
    assertThat(TermsDeclaration.in(directory)).contains(Terms.spdx("qwen-research"));
  }

  @Test
  void header_goesBeforeTheOtherFiles() throws IOException {
    write("README.md", "---\nlicense: gemma\n---\n");
    write("config.json", "{\"license\": \"mit\"}");
    write("LICENSE", "MIT License\n");
    assertThat(TermsDeclaration.in(directory)).contains(Terms.spdx("gemma"));
    Files.delete(directory.resolve("README.md"));
    assertThat(TermsDeclaration.in(directory)).contains(Terms.spdx("MIT"));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "'\n   Apache License\n      Version 2.0, January 2004', Apache-2.0",
    "'MIT License\n\nCopyright (c)', MIT",
    "'META LLAMA 3 COMMUNITY LICENSE AGREEMENT', llama3",
    "' LLAMA 3.1 COMMUNITY LICENSE AGREEMENT', llama3.1",
    "'Last modified\nGemma Terms of Use', gemma"
  })
  void text_isMadeOut(String text, String id) throws IOException {
    write("LICENSE.txt", text);
    assertThat(TermsDeclaration.in(directory)).contains(Terms.spdx(id));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "README.md, '# no header\nlicense: mit'",
    "README.md, '---\nlicense: unknown\n---'",
    "README.md, '---\nlicense:\n---'",
    "README.md, '---\nlicense: [a, b]\n---'",
    "README.md, '---\ntext\n---\nlicense: mit\n'",
    "config.json, '{\"license\": 5.5e'",
    "config.json, '[]'",
    "LICENSE, 'All rights reserved. Parts are under the Apache License Version 2.0.'",
    "LICENSE, 'Portions under the MIT License'"
  })
  void otherText_declaresNothing(String file, String text) throws IOException {
    write(file, text);
    assertThat(TermsDeclaration.in(directory)).isEmpty();
  }

  @Test
  void hugeFiles_areNotReadWhole() throws IOException {
    for (String name : new String[] {"README.md", "config.json", "LICENSE"}) {
      try (RandomAccessFile file = new RandomAccessFile(directory.resolve(name).toFile(), "rw")) {
        file.setLength(1L << 40);
      }
    }
    assertThat(TermsDeclaration.in(directory)).isEmpty();
    assertThat(TermsDeclaration.in(directory.resolve("nothing"))).isEmpty();
  }
}
