package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelSizeTest {

  @TempDir Path directory;

  @Test
  void bytes_sumsFilesBelowADirectory() throws IOException {
    Files.write(directory.resolve("a"), new byte[3]);
    Files.write(Files.createDirectory(directory.resolve("below")).resolve("b"), new byte[4]);

    assertThat(ModelSize.bytes(directory)).isEqualTo(7);
    assertThat(ModelSize.bytes(directory.resolve("a"))).isEqualTo(3);
  }

  @Test
  void bytes_ofNothing_isRefused() {
    Path missing = directory.resolve("missing");

    assertThatThrownBy(() -> ModelSize.bytes(missing))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "saved model must exist but "
                + missing
                + " does not; check the path, or save the model");
  }

  @Test
  void of_countsParametersAndFiles() throws IOException {
    try (DeployableModel model = WordModel.of(WordModel.WORDS)) {
      Path saved = directory.resolve("student");
      model.save(saved);

      // 234 embeddings, hidden layer and classifier, each 3 wide
      ModelSize size = ModelSize.of(model, saved);
      assertThat(size.parameters()).isEqualTo(234 * 3 + 2 * (9 + 3));
      long files = 0;
      for (String name :
          new String[] {"model.pt", "tokenizer.json", "config.json", "serving.properties"}) {
        files += Files.size(saved.resolve(name));
      }
      assertThat(size.bytes()).isEqualTo(files);
    }
  }

  @Test
  void size_below0_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new ModelSize(-1, 0))
        .withMessage("parameters must be at least 0 but were -1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new ModelSize(0, -1))
        .withMessage("bytes must be at least 0 but were -1");
  }
}
