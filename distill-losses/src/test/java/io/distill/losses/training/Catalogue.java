package io.distill.losses.training;

import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hiddenStateMse;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.softTargetsAndHardLabels;

import io.distill.loss.DistillationLoss;
import java.util.List;

/**
 * Every loss of the library, as a reader would write it, with the task on which it trains a small
 * student. A new factory of {@link io.distill.losses.Losses} gets a line here.
 */
final class Catalogue {

  private static final double LEARNING_RATE = 0.01;
  private static final int EPOCHS = 12;

  private Catalogue() {}

  /** Where a student trains. */
  enum Setting {
    /** Sentences, with the library's encoder: logits, embedding, hidden states, attention. */
    TEXT {
      @Override
      Task task() {
        return TextTask.task();
      }
    },
    /** Images, with convolutions: logits, embedding, maps. */
    IMAGES {
      @Override
      Task task() {
        return ImageTask.task();
      }
    },
    /** Images, with a student whose maps are as wide as the teacher's. */
    IMAGES_OF_EQUAL_WIDTHS {
      @Override
      Task task() {
        return ImageTask.ofEqualWidths();
      }
    },
    /** Next words, with a language model: logits and labels of each token, logit factors. */
    TOKENS {
      @Override
      Task task() {
        return TokenTask.task();
      }
    },
    /** Next words that the student draws. */
    OWN_SAMPLES {
      @Override
      Task task() {
        return TokenTask.task();
      }

      @Override
      DistillationLoss given(DistillationLoss loss) {
        return TokenTask.task().onOwnSamples(loss);
      }
    };

    abstract Task task();

    DistillationLoss given(DistillationLoss loss) {
      return task().given(loss);
    }
  }

  /**
   * One loss.
   *
   * @param call the factory call
   * @param loss what it gives
   * @param setting where it trains
   * @param closeness what must rise
   * @param labelWeight the weight of the hard labels that its paper trains it with; 0 for none
   * @param learningRate of the run
   * @param epochs of the run
   */
  record Entry(
      String call,
      DistillationLoss loss,
      Setting setting,
      Closeness closeness,
      double labelWeight,
      double learningRate,
      int epochs) {

    Entry withHardLabels(double weight) {
      return new Entry(call, loss, setting, closeness, weight, learningRate, epochs);
    }

    Entry at(double rate) {
      return new Entry(call, loss, setting, closeness, labelWeight, rate, epochs);
    }

    Entry epochs(int count) {
      return new Entry(call, loss, setting, closeness, labelWeight, learningRate, count);
    }

    Entry by(Closeness measure) {
      return new Entry(call, loss, setting, measure, labelWeight, learningRate, epochs);
    }

    /** Returns the name of the factory. */
    String factory() {
      return call.substring(0, call.indexOf('('));
    }

    /** Returns what the run minimises. */
    DistillationLoss objective() {
      DistillationLoss given = setting.given(loss);
      return labelWeight == 0 ? given : given.plus(setting.task().labels().weighted(labelWeight));
    }

    @Override
    public String toString() {
      return call;
    }
  }

  private static Entry text(String call, DistillationLoss loss) {
    return entry(call, loss, Setting.TEXT, Closeness.fitting(loss));
  }

  private static Entry images(String call, DistillationLoss loss) {
    return images(call, loss, Setting.IMAGES);
  }

  private static Entry images(String call, DistillationLoss loss, Setting setting) {
    Closeness closeness = Closeness.fitting(loss);
    return entry(
        call, loss, setting, closeness == Closeness.GEOMETRY ? Closeness.MAP_GEOMETRY : closeness);
  }

  private static Entry tokens(String call, DistillationLoss loss) {
    return entry(call, loss, Setting.TOKENS, Closeness.fitting(loss));
  }

  private static Entry ownSamples(String call, DistillationLoss loss) {
    return entry(call, loss, Setting.OWN_SAMPLES, Closeness.fitting(loss));
  }

  private static Entry entry(
      String call, DistillationLoss loss, Setting setting, Closeness closeness) {
    return new Entry(call, loss, setting, closeness, 0, LEARNING_RATE, EPOCHS);
  }

  /** Returns all losses, in the order of the factories. */
  static List<Entry> entries() {
    return List.of(
        // soft targets and divergences
        text("softTargets()", softTargets()),
        text("softTargets(4)", softTargets(4)),
        text("hardLabels()", hardLabels()),
        // decoupled, ranked, corrected
        // feature
        text("hiddenStateMse()", hiddenStateMse()),
        images("softTargets()", softTargets()),
        tokens(
            "softTargets()",
            ((DistillationLoss) context -> softTargets().compute(context.tokens()))
                .named("softTargets")),
        ownSamples(
            "softTargets()",
            ((DistillationLoss) context -> softTargets().compute(context.tokens()))
                .named("softTargets")),
        // attention
        // relation
        // contrastive
        text("embeddingCosine()", embeddingCosine()),
        // sequence
        // composition
        text("softTargetsAndHardLabels(0.5)", softTargetsAndHardLabels(0.5)));
  }
}
