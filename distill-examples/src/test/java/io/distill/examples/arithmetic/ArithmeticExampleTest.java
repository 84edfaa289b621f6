package io.distill.examples.arithmetic;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.data.Tokenizer;
import io.distill.examples.arithmetic.Problem.Operation;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.model.DeployableModel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArithmeticExampleTest {

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(String... arguments) {
    return ArithmeticExample.run(
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8),
        arguments);
  }

  @Test
  void quick_doesAllSteps_andItsStudentIsATeacherForTheNext(@TempDir Path directory)
      throws IOException {
    Path first = directory.resolve("first");
    int status = run("--quick", "--out", first.toString());
    assertThat(err.toString(StandardCharsets.UTF_8)).doesNotContain("Exception");
    if (status != 0) {
      // a teacher of thirty steps may get nothing right at all: then that is what is said
      assertThat(err.toString(StandardCharsets.UTF_8)).contains("must have at least one sample");
      return;
    }
    assertThat(out.toString(StandardCharsets.UTF_8))
        .contains("student: verified traces")
        .contains("student: all traces")
        .contains("student: bare answers")
        .contains("12 held-out problems");
    try (DeployableModel student = DeployableModel.load(first.resolve("student"))) {
      assertThat(
              TextGenerator.of(student)
                  .generate("Ada has 3 nuts", GenerationOptions.builder().maxNewTokens(2).build())
                  .tokenIds())
          .isNotEmpty();
    }
  }

  @Test
  void wrongArguments_areTold(@TempDir Path directory) throws IOException {
    assertThat(run("--teacher", directory.toString())).isEqualTo(1);
    assertThat(err.toString(StandardCharsets.UTF_8))
        .contains("--teacher and --prompts must be given together");
    Path prompts = Files.writeString(directory.resolve("p.jsonl"), "{\"prompt\": \"a\"}\n");
    assertThat(
            run(
                "--teacher",
                directory.toString(),
                "--prompts",
                prompts.toString(),
                "--out",
                directory.resolve("out").toString()))
        .isEqualTo(1);
    assertThat(err.toString(StandardCharsets.UTF_8)).contains("configuration file must exist");
  }

  @Test
  void solutions_areRight_andAreRead() {
    assertThat(Solution.worked(new Problem("", Operation.ADDITION, 345, 278, 3)))
        .isEqualTo("<think>5+8=13\n4+7+1=12\n3+2+1=6</think>#### 623");
    assertThat(Solution.worked(new Problem("", Operation.SUBTRACTION, 345, 278, 3)))
        .isEqualTo("<think>15-8=7\n14-7-1=6\n3-2-1=0</think>#### 67");
    for (Problem problem : new Problems(Problems.Purpose.TRAINING, 3).draw(300)) {
      assertThat(Solution.answer(Solution.worked(problem)))
          .isEqualTo(OptionalInt.of(problem.answer()));
      assertThat(Solution.answer(Solution.bare(problem)))
          .isEqualTo(OptionalInt.of(problem.answer()));
    }
    for (String wrong :
        List.of("", "12", "#### ", "#### 12 13", "<think>#### 12", "#### 12 <think>a</think>")) {
      assertThat(Solution.answer(wrong)).as(wrong).isEmpty();
    }
  }

  @Test
  void testProblems_areNeverTrainedOn() {
    Set<String> trained = new HashSet<>();
    for (Problem problem : new Problems(Problems.Purpose.TRAINING, 1).draw(3000)) {
      trained.add(problem.first() + "" + problem.operation() + problem.second());
    }
    for (Problem problem : new Problems(Problems.Purpose.TEST, 0).draw(500)) {
      assertThat(trained)
          .doesNotContain(problem.first() + "" + problem.operation() + problem.second());
    }
  }

  @Test
  void vocabulary_saysEverything() {
    Tokenizer tokenizer = Vocabulary.tokenizer();
    int unknown = tokenizer.id(Vocabulary.UNKNOWN).orElseThrow();
    for (Problem problem : new Problems(Problems.Purpose.TRAINING, 4).draw(300)) {
      String text = problem.question() + Solution.worked(problem);
      int[] ids = tokenizer.encode(text);
      assertThat(ids).doesNotContain(unknown).hasSizeLessThan(Vocabulary.MAX_TOKENS);
      assertThat(tokenizer.decode(ids)).isEqualTo(text);
    }
  }
}
