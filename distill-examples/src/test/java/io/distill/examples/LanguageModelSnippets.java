package io.distill.examples;

import io.distill.DistillationResult;
import io.distill.data.DistillationDataset;
import io.distill.evaluation.LanguageModelEvaluation;
import io.distill.generation.Generation;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.huggingface.ChatMessage;
import io.distill.model.ActivationImportance;
import io.distill.model.DeployableModel;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import java.nio.file.Path;
import java.util.List;

/** The code that {@code distill-core/docs/language-models.md} shows. */
final class LanguageModelSnippets {

  private LanguageModelSnippets() {}

  static void chat() {
    try (DeployableModel model = DeployableModel.load(Path.of("Qwen2.5-0.5B-Instruct"))) {
      TextGenerator generator = TextGenerator.of(model);
      GenerationOptions options =
          GenerationOptions.builder()
              .temperature(0.7)
              .topP(0.8)
              .maxNewTokens(400)
              .stopStrings("\n\n\n")
              .seed(1)
              .logProbabilities(true)
              .build();
      List<ChatMessage> messages =
          List.of(
              new ChatMessage("system", "You answer in one sentence."),
              new ChatMessage("user", "What is knowledge distillation?"));
      Generation answer = generator.chat(messages, options);
      System.out.println(answer.text());
    }
  }

  static Student prune(ModelTeacher teacher, DistillationDataset calibration) {
    ActivationImportance importance = ActivationImportance.measure(teacher.model(), calibration);
    System.out.println(importance); // influence of the layers, weakest heads, idle neurons
    Student student =
        Student.decoder()
            .prunedBy(importance)
            .layers(20)
            .hiddenSize(1024)
            .heads(8)
            .intermediateSize(5632)
            .build();
    return student;
  }

  static void compare(
      DistillationResult result, ModelTeacher teacher, DistillationDataset heldOut) {
    LanguageModelEvaluation lost =
        LanguageModelEvaluation.of(result.student(), teacher.model(), heldOut);
    System.out.println(lost); // perplexity, accuracy, agreement with the teacher, KL
  }
}
