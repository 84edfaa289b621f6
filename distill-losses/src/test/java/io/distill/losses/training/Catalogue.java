package io.distill.losses.training;

import static io.distill.losses.Losses.activationBoundary;
import static io.distill.losses.Losses.adaptiveKl;
import static io.distill.losses.Losses.attentionScoreMse;
import static io.distill.losses.Losses.attentionTransfer;
import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.cka;
import static io.distill.losses.Losses.contrastiveRepresentation;
import static io.distill.losses.Losses.correctedTeacher;
import static io.distill.losses.Losses.correlationCongruence;
import static io.distill.losses.Losses.decoupledKd;
import static io.distill.losses.Losses.dist;
import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.embeddingL2;
import static io.distill.losses.Losses.factorTransfer;
import static io.distill.losses.Losses.fsp;
import static io.distill.losses.Losses.generalizedJsd;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.hiddenStateCosine;
import static io.distill.losses.Losses.hiddenStateMse;
import static io.distill.losses.Losses.hierarchicalContext;
import static io.distill.losses.Losses.hingeRank;
import static io.distill.losses.Losses.hint;
import static io.distill.losses.Losses.infoNce;
import static io.distill.losses.Losses.listwiseKl;
import static io.distill.losses.Losses.logisticRank;
import static io.distill.losses.Losses.logitMse;
import static io.distill.losses.Losses.marginMse;
import static io.distill.losses.Losses.maskedGeneration;
import static io.distill.losses.Losses.miniLm;
import static io.distill.losses.Losses.miniLmV2;
import static io.distill.losses.Losses.multiLabel;
import static io.distill.losses.Losses.neuronSelectivity;
import static io.distill.losses.Losses.normalizedKd;
import static io.distill.losses.Losses.onFlattenedHiddenStates;
import static io.distill.losses.Losses.onPooledHiddenStates;
import static io.distill.losses.Losses.overhaul;
import static io.distill.losses.Losses.patientKd;
import static io.distill.losses.Losses.policyAdvantage;
import static io.distill.losses.Losses.probabilisticTransfer;
import static io.distill.losses.Losses.regression;
import static io.distill.losses.Losses.relationalAngle;
import static io.distill.losses.Losses.relationalDistance;
import static io.distill.losses.Losses.relationalKd;
import static io.distill.losses.Losses.reverseKl;
import static io.distill.losses.Losses.reviewKd;
import static io.distill.losses.Losses.sequenceLevel;
import static io.distill.losses.Losses.simKd;
import static io.distill.losses.Losses.similarityPreserving;
import static io.distill.losses.Losses.skewKl;
import static io.distill.losses.Losses.skewReverseKl;
import static io.distill.losses.Losses.softCrossEntropy;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.softTargetsAndHardLabels;
import static io.distill.losses.Losses.standardized;
import static io.distill.losses.Losses.symmetricKl;
import static io.distill.losses.Losses.tokenLevel;
import static io.distill.losses.Losses.tokenLevelKl;
import static io.distill.losses.Losses.topKKl;
import static io.distill.losses.Losses.totalVariation;
import static io.distill.losses.Losses.universalLogit;
import static io.distill.losses.Losses.variationalInformation;

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
      return loss;
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
        text("reverseKl()", reverseKl()),
        text("symmetricKl()", symmetricKl()),
        text("generalizedJsd()", generalizedJsd()),
        text("totalVariation()", totalVariation()),
        text("skewKl()", skewKl()),
        text("skewReverseKl()", skewReverseKl()),
        text("adaptiveKl()", adaptiveKl()),
        text("topKKl(2)", topKKl(2)),
        text("softCrossEntropy()", softCrossEntropy()),
        text("hardLabels()", hardLabels()),
        text("hardLabels(0.1)", hardLabels(0.1)),
        text("logitMse()", logitMse()),
        images("softTargets()", softTargets()),
        // decoupled, ranked, corrected
        text("decoupledKd()", decoupledKd()),
        text("normalizedKd()", normalizedKd()),
        text("standardized(softTargets(2))", standardized(softTargets(2))),
        text("dist()", dist()),
        text("hingeRank()", hingeRank()).at(0.005).epochs(24),
        text("logisticRank()", logisticRank()),
        text("correctedTeacher()", correctedTeacher()),
        text("multiLabel()", multiLabel()),
        text("regression()", regression()),
        // feature
        text("hiddenStateMse()", hiddenStateMse()),
        text("hint()", hint()),
        text("hiddenStateCosine()", hiddenStateCosine()),
        text("patientKd()", patientKd()),
        text("variationalInformation()", variationalInformation()),
        text("simKd()", simKd()),
        images("hiddenStateMse()", hiddenStateMse()),
        images("hint()", hint()),
        images("variationalInformation()", variationalInformation()),
        images("factorTransfer()", factorTransfer()),
        images("activationBoundary()", activationBoundary()),
        images("overhaul()", overhaul()),
        images("maskedGeneration()", maskedGeneration()),
        images("hierarchicalContext()", hierarchicalContext()),
        images("reviewKd()", reviewKd()),
        // attention
        images("attentionTransfer()", attentionTransfer()).by(Closeness.ENERGY),
        text("attentionScoreMse()", attentionScoreMse()),
        text("miniLm()", miniLm()),
        text("miniLmV2()", miniLmV2()).epochs(24),
        // relation
        images("fsp()", fsp(), Setting.IMAGES_OF_EQUAL_WIDTHS),
        images("neuronSelectivity()", neuronSelectivity()),
        text("relationalDistance()", relationalDistance()),
        text("relationalAngle()", relationalAngle()),
        text("relationalKd()", relationalKd()),
        text("similarityPreserving()", similarityPreserving()),
        text("correlationCongruence()", correlationCongruence()),
        text("probabilisticTransfer()", probabilisticTransfer()),
        text("cka()", cka()),
        images(
            "onFlattenedHiddenStates(similarityPreserving())",
            onFlattenedHiddenStates(similarityPreserving())),
        images("onPooledHiddenStates(relationalKd())", onPooledHiddenStates(relationalKd())),
        // contrastive
        text("embeddingCosine()", embeddingCosine()),
        text("embeddingL2()", embeddingL2()),
        text("infoNce()", infoNce()),
        text("marginMse()", marginMse()).at(0.005).epochs(24),
        text("listwiseKl()", listwiseKl()),
        text("contrastiveRepresentation()", contrastiveRepresentation()),
        // sequence
        tokens("tokenLevel(softTargets())", tokenLevel(softTargets())),
        tokens("tokenLevelKl()", tokenLevelKl()),
        tokens("sequenceLevel()", sequenceLevel()),
        tokens("universalLogit()", universalLogit()).withHardLabels(1),
        ownSamples("policyAdvantage()", policyAdvantage()).at(0.02).epochs(60),
        tokens("chunked(softTargets())", chunked(softTargets())),
        // composition
        text("softTargetsAndHardLabels(0.5)", softTargetsAndHardLabels(0.5)));
  }
}
