package io.distill.examples.email;

import ai.djl.MalformedModelException;
import ai.djl.huggingface.translator.TextClassificationTranslatorFactory;
import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Serves a saved student with DJL alone: nothing of this library is used here, so this class is
 * also what an application that only serves needs.
 *
 * <p>Run it with a directory and some texts: {@code PlainDjl email-student "Where is my parcel?"}.
 */
public final class PlainDjl {

  private PlainDjl() {}

  /**
   * Classifies texts.
   *
   * @param directory a saved student
   * @param texts the texts
   * @return one answer a text
   * @throws IOException if the directory cannot be read
   * @throws ModelNotFoundException if there is no model in it
   * @throws MalformedModelException if the model is damaged
   * @throws TranslateException if a text cannot be classified
   */
  public static List<Classifications> classify(Path directory, List<String> texts)
      throws IOException, ModelNotFoundException, MalformedModelException, TranslateException {
    Criteria<String, Classifications> criteria =
        Criteria.builder()
            .setTypes(String.class, Classifications.class)
            .optModelPath(directory)
            .optModelName("model")
            .optEngine("PyTorch")
            .optTranslatorFactory(new TextClassificationTranslatorFactory())
            .build();
    try (ZooModel<String, Classifications> model = criteria.loadModel();
        Predictor<String, Classifications> predictor = model.newPredictor()) {
      List<Classifications> answers = new ArrayList<>();
      for (String text : texts) {
        answers.add(predictor.predict(text));
      }
      return answers;
    }
  }

  /**
   * Prints the class and its probability for each text.
   *
   * @param arguments the directory of a saved student, then texts
   * @throws Exception if the student cannot be loaded or asked
   */
  public static void main(String[] arguments) throws Exception {
    List<String> texts = Arrays.asList(arguments).subList(1, arguments.length);
    for (Classifications answer : classify(Path.of(arguments[0]), texts)) {
      Classifications.Classification best = answer.best();
      System.out.println(best.getClassName() + "\t" + best.getProbability());
    }
  }
}
