package io.distill.losses.training;

import static io.distill.losses.Losses.sequenceLevel;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.model.BlockTaps;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.ScriptModule;
import io.distill.training.Optimizer;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/** Which word comes next, in the sentences of {@link TextTask}, for a tiny language model. */
final class TokenTask implements Task {

  private static final int STUDENT_WIDTH = 12;
  private static final int TEACHER_WIDTH = 32;

  private final TextDataset train;
  private final TextDataset heldOut;
  private final Tokenizer tokenizer;
  private final ModelTeacher teacher;

  private TokenTask() {
    TextTask text = TextTask.task();
    train = text.train().withTokenLabels();
    heldOut = text.heldOut().withTokenLabels();
    tokenizer = TextTask.tokenizer(TextDataset.of(TextTask.sentences()).texts());
    teacher =
        Teacher.of(
            Distiller.builder()
                .teacher(Teacher.none())
                .student(languageModel(TEACHER_WIDTH, 3))
                .loss(sequenceLevel())
                .optimizer(Optimizer.adamW().withLearningRate(0.01))
                .batchSize(16)
                .epochs(15)
                .seed(1)
                .fit(train)
                .student());
  }

  private static final class Once {
    static final TokenTask TASK = new TokenTask();
  }

  static TokenTask task() {
    return Once.TASK;
  }

  /** Each word is guessed from the two before it. */
  private Student languageModel(int width, long seed) {
    int vocabulary = tokenizer.vocabularySize();
    Weights weights = new Weights(seed);
    ScriptModule module =
        ScriptModule.builder("LanguageModel")
            .parameter("embedding", weights.drawn(vocabulary, width))
            .parameter("mixing", weights.drawn(width, 2L * width))
            .parameter("output", weights.drawn(vocabulary, width))
            .method(
                """
                def forward(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
                  words = torch.embedding(self.embedding, ids)
                  before = torch.constant_pad_nd(torch.slice(words, 1, 0, -1), [0, 0, 1, 0])
                  states = torch.tanh(torch.linear(torch.cat([words, before], -1), self.mixing))
                  return (torch.linear(states, self.output), states, torch.alias(self.output))
                """)
            .build();
    return new ScriptedStudent(
        module,
        (outputs, inputs) ->
            Signals.builder()
                .logits(outputs.get(0))
                .hiddenStates(List.of(outputs.get(1)))
                .logitFactors(new LogitFactors(outputs.get(1), outputs.get(2)))
                .mask(inputs.get(1))
                .build(),
        tokenizer);
  }

  /** Gives a loss samples of the student's own for the labels of the text. */
  private record OwnSamples(DistillationLoss inside) implements DistillationLoss {

    @Override
    public NDArray compute(LossContext context) {
      NDArray texts = context.labels();
      int length = Math.toIntExact(texts.getShape().get(1));
      long[] labels = texts.toLongArray();
      sample(context, labels, length);
      return inside.compute(
          LossContext.builder(context.student(), context.teacher())
              .labels(context.manager().create(labels, texts.getShape()))
              .progress(context.progress())
              .build());
    }

    /** Draws each label but the first of a row from the logits at the token before. */
    private static void sample(LossContext context, long[] labels, int length) {
      NDArray probabilities = context.student().logits().stopGradient().softmax(-1);
      int classes = Math.toIntExact(probabilities.getShape().get(2));
      float[] shares = probabilities.toFloatArray();
      SplittableRandom random = new SplittableRandom(context.progress().step());
      for (int i = 0; i < labels.length; i++) {
        if (i % length > 0 && labels[i] >= 0) {
          double rest = random.nextDouble();
          int drawn = 0;
          while (drawn < classes - 1 && (rest -= shares[(i - 1) * classes + drawn]) > 0) {
            drawn++;
          }
          labels[i] = drawn;
        }
      }
    }

    @Override
    public Set<SignalKind> requiresOfStudent() {
      return inside.requiresOfStudent();
    }

    @Override
    public Set<SignalKind> requiresOfTeacher() {
      return inside.requiresOfTeacher();
    }

    @Override
    public boolean requiresLabels() {
      return true;
    }

    @Override
    public void prepare(LossSetup setup) {
      inside.prepare(setup);
    }

    @Override
    public String name() {
      return inside.name();
    }
  }

  @Override
  public DistillationLoss labels() {
    return sequenceLevel().named("labels");
  }

  /** Gives the loss words that the student draws, each after the words that the text has before. */
  DistillationLoss onOwnSamples(DistillationLoss loss) {
    return new OwnSamples(loss);
  }

  @Override
  public ModelTeacher teacher() {
    return teacher;
  }

  @Override
  public Student student() {
    return languageModel(STUDENT_WIDTH, 4);
  }

  @Override
  public BlockStudent blocks() {
    return new BlockStudent(
        () ->
            new TextBlock(
                tokenizer.vocabularySize(), STUDENT_WIDTH, tokenizer.vocabularySize(), true),
        BlockTaps.none(),
        TextBlock.reader(),
        tokenizer,
        new Shape(1, 1),
        new Shape(1, 1));
  }

  @Override
  public TextDataset train() {
    return train;
  }

  @Override
  public TextDataset heldOut() {
    return heldOut;
  }
}
