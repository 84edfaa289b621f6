package io.distill.losses;

import com.google.common.base.CaseFormat;
import io.distill.losses.attention.AttentionScoreMse;
import io.distill.losses.attention.AttentionTransfer;
import io.distill.losses.attention.MiniLm;
import io.distill.losses.attention.MiniLmV2;
import io.distill.losses.contrastive.ContrastiveRepresentation;
import io.distill.losses.contrastive.EmbeddingCosine;
import io.distill.losses.contrastive.EmbeddingL2;
import io.distill.losses.contrastive.InfoNce;
import io.distill.losses.contrastive.ListwiseKl;
import io.distill.losses.contrastive.MarginMse;
import io.distill.losses.feature.ActivationBoundary;
import io.distill.losses.feature.FactorTransfer;
import io.distill.losses.feature.HiddenStateCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.feature.HierarchicalContext;
import io.distill.losses.feature.Hint;
import io.distill.losses.feature.MaskedGeneration;
import io.distill.losses.feature.Overhaul;
import io.distill.losses.feature.PatientKd;
import io.distill.losses.feature.ReviewKd;
import io.distill.losses.feature.SimKd;
import io.distill.losses.feature.VariationalInformation;
import io.distill.losses.logit.AdaptiveKl;
import io.distill.losses.logit.CorrectedTeacher;
import io.distill.losses.logit.DecoupledKd;
import io.distill.losses.logit.Dist;
import io.distill.losses.logit.GeneralizedJsd;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.HingeRank;
import io.distill.losses.logit.LogisticRank;
import io.distill.losses.logit.LogitMse;
import io.distill.losses.logit.MultiLabel;
import io.distill.losses.logit.NormalizedKd;
import io.distill.losses.logit.Regression;
import io.distill.losses.logit.ReverseKl;
import io.distill.losses.logit.SkewKl;
import io.distill.losses.logit.SkewReverseKl;
import io.distill.losses.logit.SoftCrossEntropy;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.logit.Standardized;
import io.distill.losses.logit.SymmetricKl;
import io.distill.losses.logit.TopKKl;
import io.distill.losses.logit.TotalVariation;
import io.distill.losses.relation.CentredKernelAlignment;
import io.distill.losses.relation.CorrelationCongruence;
import io.distill.losses.relation.Fsp;
import io.distill.losses.relation.LayerRelation;
import io.distill.losses.relation.NeuronSelectivity;
import io.distill.losses.relation.ProbabilisticTransfer;
import io.distill.losses.relation.RelationalAngle;
import io.distill.losses.relation.RelationalDistance;
import io.distill.losses.relation.SimilarityPreserving;
import io.distill.losses.sequence.Chunked;
import io.distill.losses.sequence.PolicyAdvantage;
import io.distill.losses.sequence.TokenLevel;
import io.distill.losses.sequence.UniversalLogit;
import io.distill.provenance.spi.RecipeTypes;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The losses of this library as parts of recipes that can be run again from a file; found by the
 * service loader.
 */
public final class LossTypes implements RecipeTypes {

  private static final List<Class<? extends Record>> LOSSES =
      List.of(
          AdaptiveKl.class,
          CorrectedTeacher.class,
          DecoupledKd.class,
          Dist.class,
          GeneralizedJsd.class,
          HardLabels.class,
          HingeRank.class,
          LogisticRank.class,
          LogitMse.class,
          MultiLabel.class,
          NormalizedKd.class,
          Regression.class,
          ReverseKl.class,
          SkewKl.class,
          SkewReverseKl.class,
          SoftCrossEntropy.class,
          SoftTargets.class,
          Standardized.class,
          SymmetricKl.class,
          TopKKl.class,
          TotalVariation.class,
          ActivationBoundary.class,
          FactorTransfer.class,
          HiddenStateCosine.class,
          HiddenStateMse.class,
          HierarchicalContext.class,
          Hint.class,
          MaskedGeneration.class,
          Overhaul.class,
          PatientKd.class,
          ReviewKd.class,
          SimKd.class,
          VariationalInformation.class,
          AttentionScoreMse.class,
          AttentionTransfer.class,
          MiniLm.class,
          MiniLmV2.class,
          CentredKernelAlignment.class,
          CorrelationCongruence.class,
          Fsp.class,
          LayerRelation.class,
          NeuronSelectivity.class,
          ProbabilisticTransfer.class,
          RelationalAngle.class,
          RelationalDistance.class,
          SimilarityPreserving.class,
          ContrastiveRepresentation.class,
          EmbeddingCosine.class,
          EmbeddingL2.class,
          InfoNce.class,
          ListwiseKl.class,
          MarginMse.class,
          Chunked.class,
          PolicyAdvantage.class,
          TokenLevel.class,
          UniversalLogit.class);

  /** Found by the service loader. */
  public LossTypes() {}

  @Override
  public Map<String, Class<? extends Record>> types() {
    Map<String, Class<? extends Record>> types = new LinkedHashMap<>();
    for (Class<? extends Record> loss : LOSSES) {
      String name = CaseFormat.UPPER_CAMEL.to(CaseFormat.LOWER_CAMEL, loss.getSimpleName());
      types.put(name, loss);
    }
    return types;
  }
}
