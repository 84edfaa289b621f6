package io.distill.training;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.model.DeployableModel;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/** Data, losses and students that take milliseconds to train. */
public final class TinyRuns {

  private static final String[] SENTENCES = {
    "please refund the invoice",
    "hello world",
    "the password in the mail is over",
    "long refund",
    "re: invoice 100",
    "unsubscribe",
    "naïve café mail",
    "the The mailing",
    "is the invoice in the mail over there, or in another mail of the long long thread?",
    "no",
    "password password password",
    "a refund for the refund",
  };

  private TinyRuns() {}

  /** The mean squared distance of logits, as users write it. */
  public static DistillationLoss logitDistance() {
    return context ->
        context.meanOverRows(
            context.student().logits().sub(context.teacher().logits()).square().sum(new int[] {1}));
  }

  /** The divergence from the teacher's classes to the student's. */
  public static DistillationLoss divergence() {
    DistillationLoss loss =
        context -> {
          NDArray teacher = context.teacher().logits().logSoftmax(1);
          NDArray away = teacher.sub(context.student().logits().logSoftmax(1));
          return context.meanOverRows(teacher.exp().mul(away).sum(new int[] {1}));
        };
    return loss.named("divergence");
  }

  /** Draws the logits to 1, without a teacher. */
  public static DistillationLoss logitsToOne() {
    return alone(
        context ->
            context.meanOverRows(context.student().logits().sub(1f).square().sum(new int[] {1})));
  }

  /** A loss that asks nothing of a teacher. */
  public static DistillationLoss alone(DistillationLoss loss) {
    return of(loss, Set.of(SignalKind.LOGITS), Set.of(), false);
  }

  /** Cross-entropy on the labelled rows. */
  public static DistillationLoss crossEntropy() {
    return of(TinyRuns::labelLoss, Set.of(SignalKind.LOGITS), Set.of(), true).named("labels");
  }

  private static NDArray labelLoss(LossContext context) {
    NDArray logProbabilities = context.student().logits().logSoftmax(1);
    NDArray index = context.labels().maximum(0).expandDims(1);
    return context.meanOverLabelledRows(logProbabilities.gather(index, 1).squeeze(1).neg());
  }

  /** A loss with chosen demands. */
  public static DistillationLoss of(
      DistillationLoss loss, Set<SignalKind> ofStudent, Set<SignalKind> ofTeacher, boolean labels) {
    return new DistillationLoss() {
      @Override
      public NDArray compute(LossContext context) {
        return loss.compute(context);
      }

      @Override
      public Set<SignalKind> requiresOfStudent() {
        return ofStudent;
      }

      @Override
      public Set<SignalKind> requiresOfTeacher() {
        return ofTeacher;
      }

      @Override
      public Set<SignalKind> requires() {
        return com.google.common.collect.Sets.union(ofStudent, ofTeacher).immutableCopy();
      }

      @Override
      public boolean requiresLabels() {
        return labels;
      }
    };
  }

  public static Student perceptron() {
    return Student.multilayerPerceptron().hiddenSizes(8).build();
  }

  public static Tokenizer tokenizer() {
    return Tokenizer.parse(tokenizerJson());
  }

  public static String tokenizerJson() {
    try (InputStream stream =
        TinyRuns.class.getResourceAsStream("/io/distill/data/small-tokenizer.json")) {
      return new String(
          Objects.requireNonNull(stream).readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns so many short texts of varied length; every third has no label. */
  public static TextDataset texts(int size) {
    List<TextExample> examples = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      String text = SENTENCES[i % SENTENCES.length] + " " + "abcdefghij".substring(0, i % 10);
      examples.add(
          i % 3 == 2
              ? TextExample.unlabelled(text)
              : TextExample.labelled(text, i % 2 == 0 ? "even" : "odd"));
    }
    return TextDataset.of(examples);
  }

  /** Starts a recipe for rows of numbers. */
  public static Distiller.Builder recipe() {
    return recipe(logitDistance());
  }

  /** Starts a recipe for rows of numbers with another loss. */
  public static Distiller.Builder recipe(DistillationLoss loss) {
    return Distiller.builder()
        .teacher(RuleTeacher.echo())
        .student(perceptron())
        .loss(loss)
        .device(Device.cpu());
  }

  /** Starts a recipe for rows of numbers with another teacher. */
  public static Distiller.Builder recipeOf(io.distill.teacher.Teacher teacher) {
    return Distiller.builder()
        .teacher(teacher)
        .student(perceptron())
        .loss(logitDistance())
        .device(Device.cpu());
  }

  /** Copies the weights of a student. */
  public static Map<String, float[]> weights(DeployableModel model) {
    Map<String, float[]> weights = new LinkedHashMap<>();
    model.model().parameters().forEach((name, array) -> weights.put(name, array.toFloatArray()));
    return weights;
  }

  /** Runs a recipe and returns the weights it ends in. */
  public static Map<String, float[]> train(
      Distiller.Builder recipe, io.distill.data.DistillationDataset data) {
    try (DistillationResult result = recipe.fit(data)) {
      return weights(result.student());
    }
  }

  /** Returns a listener of steps. */
  public static TrainingListener onStep(Consumer<TrainingListener.Step> action) {
    return new TrainingListener() {
      @Override
      public void onStep(Step event) {
        action.accept(event);
      }
    };
  }

  /** A student that also tells which model it opened last. */
  public record Watched(Student inside, AtomicReference<DeployableModel> opened)
      implements Student {

    public static Watched of(Student inside) {
      return new Watched(inside, new AtomicReference<>());
    }

    @Override
    public DeployableModel open(io.distill.student.StudentSetup setup) {
      DeployableModel model = inside.open(setup);
      opened.set(model);
      return model;
    }

    /** Returns whether the native weights are gone. */
    public boolean closed() {
      return opened.get().model().parameters().values().stream().allMatch(NDArray::isReleased);
    }
  }

  /** Keeps all events in the order in which they came. */
  public static final class Events implements TrainingListener {
    public final List<Record> all = new ArrayList<>();
    public final List<Step> steps = new ArrayList<>();
    public final List<Epoch> epochs = new ArrayList<>();
    public final List<Thread> threads = new ArrayList<>();

    @Override
    public void onRunStart(RunStart event) {
      add(event);
    }

    @Override
    public void onTeacherPass(TeacherPass event) {
      add(event);
    }

    @Override
    public void onStep(Step event) {
      add(event);
      steps.add(event);
    }

    @Override
    public void onEpoch(Epoch event) {
      add(event);
      epochs.add(event);
    }

    @Override
    public void onRunEnd(RunEnd event) {
      add(event);
    }

    private void add(Record event) {
      all.add(event);
      threads.add(Thread.currentThread());
    }
  }
}
