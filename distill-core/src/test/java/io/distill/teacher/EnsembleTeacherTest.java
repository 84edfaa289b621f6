package io.distill.teacher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.provenance.Terms;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EnsembleTeacherTest {

  private static final float NONE = Float.NEGATIVE_INFINITY;
  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);
  private static final float[][] A = {{2, 0, -1}, {0.5f, 0.25f, 0}, {30, -40, 5}};
  private static final float[][] B = {{-1, 1, 0}, {4, -4, 1}, {-20, 60, 7}};
  private static final float[][] C = {{0, 0, 3}, {1, 1, 1}, {0, 1, 2}};

  /** A teacher that answers from a table, row by row. */
  private static class Table implements Teacher {
    final float[][] logits;
    final List<String> names;
    final List<String> told = new ArrayList<>();
    Optional<String> fingerprint = Optional.empty();
    Device device = Device.cpu();
    RuntimeException failure;

    Table(float[][] logits, String... names) {
      this.logits = logits;
      this.names = List.of(names);
    }

    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      float[] flat = new float[batch.size() * logits[0].length];
      for (int i = 0; i < batch.size(); i++) {
        System.arraycopy(logits[batch.rows()[i]], 0, flat, i * logits[0].length, logits[0].length);
      }
      NDManager manager = batch.inputs().head().getManager();
      return Signals.builder()
          .logits(manager.create(flat, new Shape(batch.size(), logits[0].length)))
          .build();
    }

    @Override
    public Set<SignalKind> provides() {
      return LOGITS;
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }

    @Override
    public List<String> classNames() {
      return names;
    }

    @Override
    public Device device() {
      return device;
    }

    @Override
    public Optional<String> fingerprint() {
      return fingerprint;
    }

    @Override
    public void check(TeacherSetup setup) {
      told.add("check " + setup.highestTemperature());
    }

    @Override
    public void prepare(TeacherSetup setup) {
      told.add("prepare " + setup.kinds());
      if (failure != null) {
        throw failure;
      }
    }

    @Override
    public void finish() {
      told.add("finish");
      if (failure != null) {
        throw failure;
      }
    }
  }

  private static Table table(float[][] logits, String... names) {
    return new Table(logits, names);
  }

  private static final FloatRows ROWS = FloatRows.random(3, 3, 5);

  private static float[][] ask(Teacher teacher, int... rows) {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray logits = teacher.signals(ROWS.batch(manager, rows), LOGITS).logits();
      assertThat(logits.getDataType()).isEqualTo(DataType.FLOAT32);
      assertThat(logits.getManager()).isSameAs(manager);
      float[] flat = logits.toFloatArray();
      int width = flat.length / rows.length;
      float[][] answers = new float[rows.length][];
      for (int i = 0; i < rows.length; i++) {
        answers[i] = Arrays.copyOfRange(flat, i * width, (i + 1) * width);
      }
      return answers;
    }
  }

  private static double[] softmax(float[] logits, double temperature) {
    double max = NONE;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double[] p = new double[logits.length];
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      p[c] = Math.exp((logits[c] - max) / temperature);
      sum += p[c];
    }
    for (int c = 0; c < p.length; c++) {
      p[c] /= sum;
    }
    return p;
  }

  private static double[] meanProbabilities(double[] weights, double temperature, float[]... rows) {
    double[] mean = new double[rows[0].length];
    for (int m = 0; m < rows.length; m++) {
      double[] p = softmax(rows[m], temperature);
      for (int c = 0; c < p.length; c++) {
        mean[c] += weights[m] * p[c];
      }
    }
    return mean;
  }

  private static double entropy(float[] logits) {
    double sum = 0;
    for (double p : softmax(logits, 1)) {
      sum -= p > 0 ? p * Math.log(p) : 0;
    }
    return sum;
  }

  private static double[] confidence(double... unsure) {
    double sum = 0;
    for (double u : unsure) {
      sum += Math.exp(u);
    }
    double[] weights = new double[unsure.length];
    for (int m = 0; m < unsure.length; m++) {
      weights[m] = (1 - Math.exp(unsure[m]) / sum) / (unsure.length - 1);
    }
    return weights;
  }

  private static void assertClose(float[] actual, double[] expected) {
    assertThat(actual).hasSize(expected.length);
    for (int c = 0; c < actual.length; c++) {
      assertThat((double) actual[c])
          .isCloseTo(expected[c], within(1e-5 * (1 + Math.abs(expected[c]))));
    }
  }

  private static double[] log(double[] values, double factor) {
    return Arrays.stream(values).map(value -> factor * Math.log(value)).toArray();
  }

  private static double[] equal() {
    return new double[] {1 / 3.0, 1 / 3.0, 1 / 3.0};
  }

  @Test
  void meanOfProbabilities_isTheDefault_andIsTheLogOfTheMean() {
    float[][] answers = ask(Teacher.ensemble(table(A), table(B), table(C)), 0, 1, 2);
    for (int row = 0; row < 3; row++) {
      assertClose(answers[row], log(meanProbabilities(equal(), 1, A[row], B[row], C[row]), 1));
    }
    assertThat(
            ask(
                Teacher.ensemble(table(A), table(B), table(C)).meanOfLogits().meanOfProbabilities(),
                0))
        .isDeepEqualTo(new float[][] {answers[0]});
  }

  @ParameterizedTest(name = "temperature={0}")
  @ValueSource(doubles = {0.5, 2, 4, 20})
  void meanOfProbabilities_atATemperature_isTheMeanThatALossAtItSees(double temperature) {
    float[][] answers =
        ask(Teacher.ensemble(table(A), table(B), table(C)).meanOfProbabilities(temperature), 0, 1);
    for (int row = 0; row < 2; row++) {
      double[] mean = meanProbabilities(equal(), temperature, A[row], B[row], C[row]);
      assertClose(answers[row], log(mean, temperature));
      double[] seen = softmax(answers[row], temperature);
      for (int c = 0; c < 3; c++) {
        assertThat(seen[c]).isCloseTo(mean[c], within(1e-6));
      }
    }
  }

  @Test
  void meanOfProbabilities_atAHighTemperature_isTheMeanOfLogits() {
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), table(B));
    float[] hot = ask(ensemble.meanOfProbabilities(3000), 0)[0];
    float[] logits = ask(ensemble.meanOfLogits(), 0)[0];
    assertThat(hot[0] - hot[1]).isCloseTo(logits[0] - logits[1], within(5e-3f));
    assertThat(hot[0] - hot[2]).isCloseTo(logits[0] - logits[2], within(5e-3f));
  }

  @Test
  void meanOfLogits_isTheWeightedMean() {
    float[][] answers =
        ask(
            Teacher.ensemble(table(A), table(B), table(C)).meanOfLogits().weighted(0.5, 0.3, 0.2),
            2,
            0);
    for (int i = 0; i < 2; i++) {
      int row = i == 0 ? 2 : 0;
      double[] expected = new double[3];
      for (int c = 0; c < 3; c++) {
        expected[c] = 0.5 * A[row][c] + 0.3 * B[row][c] + 0.2 * C[row][c];
      }
      assertClose(answers[i], expected);
    }
  }

  @Test
  void weights_countInTheMeanOfProbabilities() {
    float[][] answers =
        ask(Teacher.ensemble(table(A), table(B), table(C)).weighted(0.5, 0.3, 0.2), 0, 1, 2);
    for (int row = 0; row < 3; row++) {
      assertClose(
          answers[row],
          log(meanProbabilities(new double[] {0.5, 0.3, 0.2}, 1, A[row], B[row], C[row]), 1));
    }
  }

  @Test
  void confidence_weighsEachRowByEntropy() {
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), table(B), table(C)).byConfidence();
    float[][] answers = ask(ensemble, 0, 1, 2);
    float[][] logits = ask(ensemble.meanOfLogits(), 0, 1, 2);
    for (int row = 0; row < 3; row++) {
      double[] weights = confidence(entropy(A[row]), entropy(B[row]), entropy(C[row]));
      assertClose(answers[row], log(meanProbabilities(weights, 1, A[row], B[row], C[row]), 1));
      double[] expected = new double[3];
      for (int c = 0; c < 3; c++) {
        expected[c] = weights[0] * A[row][c] + weights[1] * B[row][c] + weights[2] * C[row][c];
      }
      assertClose(logits[row], expected);
    }
    // in row 1 the second member is nearly sure and the third knows nothing
    double[] weights = confidence(entropy(A[1]), entropy(B[1]), entropy(C[1]));
    assertThat(weights[1]).isGreaterThan(weights[0]).isGreaterThan(weights[2]);
  }

  @Test
  void confidence_withLabels_weighsByCrossEntropyWhereThereIsOne() {
    FloatRows labelled = ROWS.withLabels(1, -1, 0);
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), table(B)).byConfidence(labelled);
    float[][] answers = ask(ensemble, 0, 1, 2);
    double[] first = confidence(-Math.log(softmax(A[0], 1)[1]), -Math.log(softmax(B[0], 1)[1]));
    assertClose(answers[0], log(meanProbabilities(first, 1, A[0], B[0]), 1));
    double[] second = confidence(entropy(A[1]), entropy(B[1]));
    assertClose(answers[1], log(meanProbabilities(second, 1, A[1], B[1]), 1));
    // the second member is sure of class 1 in row 2, and wrong: exp(-80) of weight
    assertThat(answers[2][0]).isCloseTo(0, within(1e-6f));
    assertThat(answers[2][1]).isLessThan(-69);
    assertThat(ask(Teacher.ensemble(table(A), table(B)).byConfidence(), 2)[0][1]).isGreaterThan(-1);
  }

  @Test
  void labels_areFoundByName_inAnyOrder() {
    FloatRows labelled =
        FloatRows.of(
            new float[][] {ROWS.row(0), ROWS.row(1), ROWS.row(2)}, new int[] {0, 1, -1}, "z", "x");
    EnsembleTeacher ensemble =
        Teacher.ensemble(table(A, "x", "y", "z"), table(B, "x", "y", "z")).byConfidence(labelled);
    double[] weights = confidence(-Math.log(softmax(A[0], 1)[2]), -Math.log(softmax(B[0], 1)[2]));
    assertClose(ask(ensemble, 0)[0], log(meanProbabilities(weights, 1, A[0], B[0]), 1));
  }

  @Test
  void classThatOneMemberRulesOut_staysInTheMeanOfProbabilitiesOnly() {
    float[][] without = {{1, NONE, 0}};
    float[][] with = {{0, 2, NONE}};
    EnsembleTeacher ensemble = Teacher.ensemble(table(without), table(with));
    double p = 1 / (1 + Math.exp(-1));
    double q = 1 / (1 + Math.exp(2));
    assertClose(ask(ensemble, 0)[0], log(new double[] {(p + q) / 2, (1 - q) / 2, (1 - p) / 2}, 1));
    assertThat(ask(ensemble.meanOfLogits(), 0)[0]).containsExactly(0.5f, NONE, NONE);
  }

  @Test
  void classThatAllMembersRuleOut_isRuledOut() {
    float[][] without = {{1, NONE, 0}};
    assertThat(ask(Teacher.ensemble(table(without), table(without)), 0)[0][1]).isEqualTo(NONE);
    assertThat(ask(Teacher.ensemble(table(without), table(without)).byConfidence(), 0)[0])
        .satisfies(row -> assertThat(row[1]).isEqualTo(NONE))
        .satisfies(row -> assertThat(row[0] - row[2]).isCloseTo(1, within(1e-6f)));
  }

  @Test
  void memberThatRulesOutTheLabel_countsForNothing() {
    float[][] wrong = {{1, NONE, 0}};
    float[][] right = {{0, 2, 0}};
    EnsembleTeacher ensemble =
        Teacher.ensemble(table(wrong), table(right)).byConfidence(ROWS.withLabels(1, -1, -1));
    assertClose(ask(ensemble, 0)[0], log(softmax(right[0], 1), 1));
    assertThat(ask(ensemble.meanOfLogits(), 0)[0]).containsExactly(0, 2, 0);
    EnsembleTeacher both =
        Teacher.ensemble(table(wrong), table(wrong)).byConfidence(ROWS.withLabels(1, -1, -1));
    assertClose(Arrays.copyOf(ask(both, 0)[0], 1), log(new double[] {softmax(wrong[0], 1)[0]}, 1));
  }

  @Test
  void classes_areBroughtTogetherByName() {
    Table reordered = table(new float[][] {{9, 1, 5}}, "z", "x", "y");
    EnsembleTeacher ensemble =
        Teacher.ensemble(table(A), table(new float[][] {{1, 2, 3}}, "x", "y", "z"), reordered);
    assertThat(ensemble.classNames()).containsExactly("x", "y", "z");
    assertClose(
        ask(ensemble.meanOfLogits(), 0)[0],
        new double[] {(2 + 1 + 1) / 3.0, (0 + 2 + 5) / 3.0, (-1 + 3 + 9) / 3.0});
  }

  @Test
  void classes_thatDiffer_areRefusedByName() {
    assertThatThrownBy(
            () -> Teacher.ensemble(table(A), table(A, "a", "b", "c"), table(A, "a", "c", "d")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "members must know the same classes but member 3 lacks 'b' and has 'd', which member 2"
                + " has not; train the members on data sets with the same classes");
    assertThatThrownBy(() -> Teacher.ensemble(table(A, "a", "b", "c"), table(A, "b", "c")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "members must know the same classes but member 2 lacks 'a', which member 1 has; train"
                + " the members on data sets with the same classes");
    assertThatThrownBy(() -> Teacher.ensemble(table(A, "a", "b"), table(A, "a", "b", "a")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("members must name each class once but member 2 named [a, b, a]");
  }

  @Test
  void shapes_thatDiffer_areRefused() {
    assertThatThrownBy(() -> ask(Teacher.ensemble(table(A), table(new float[][] {{1, 2}})), 0))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "members must give logits of the same shape but they were (1, 3) (member 1) and (1, 2)"
                + " (member 2); take members with the same classes, of language models with the"
                + " same tokenizer");
    assertThatThrownBy(() -> ask(Teacher.ensemble(table(A, "a", "b"), table(A, "b", "a")), 0))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "member 1 of the ensemble must have one logit for each of its 2 class names but has 3;"
                + " correct its class names");
  }

  @Test
  void members_mustBeAtLeastTwoDifferentOnes() {
    assertThatThrownBy(() -> Teacher.ensemble())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "members must be at least two teachers but were 0; one teacher needs no ensemble");
    assertThatThrownBy(() -> Teacher.ensemble(List.of(table(A))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "members must be at least two teachers but were 1; one teacher needs no ensemble");
    Table one = table(A);
    assertThatThrownBy(() -> Teacher.ensemble(one, one))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "members must be different teachers but one was given twice; call weighted(...) to let"
                + " it count more");
    assertThatThrownBy(() -> Teacher.ensemble(one, null)).isInstanceOf(NullPointerException.class);
  }

  @Test
  void weights_outOfRange_areRefused() {
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), table(B));
    assertThatThrownBy(() -> ensemble.weighted(1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weights must be one for each of the 2 members but were [1.0]");
    assertThatThrownBy(() -> ensemble.weighted(0.5, 0.4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weights must sum to 1 but [0.5, 0.4] sum to 0.9; divide each by the sum");
    for (double bad : new double[] {0, -0.5, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThatThrownBy(() -> ensemble.weighted(bad, 1 - bad))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("weights must be finite and greater than 0 but were [" + bad);
      assertThatThrownBy(() -> ensemble.meanOfProbabilities(bad))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("temperature must be finite and greater than 0 but was " + bad);
    }
    assertThatThrownBy(() -> ensemble.featuresFrom(table(A)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("member must be one of the 2 members of the ensemble but was another teacher");
  }

  @Test
  void labels_thatHelpNobody_areRefused() {
    assertThatThrownBy(
            () -> Teacher.ensemble(table(A), table(B)).byConfidence(ROWS.withoutClasses()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "labelled must have labels but none of its 3 rows has one; call byConfidence() without"
                + " it");
    assertThatThrownBy(() -> Teacher.ensemble(table(A, "a", "b", "c"), table(B)).byConfidence(ROWS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(
            "labelled must have classes that the members know but has [class 0, class 1, class 2]"
                + " where they know [a, b, c]");
  }

  @Test
  void prepare_andFinish_reachAllMembers() {
    Table a = table(A);
    Table b = table(B);
    EnsembleTeacher ensemble = Teacher.ensemble(a, b);
    ensemble.check(new TeacherSetup(ROWS, LOGITS));
    ensemble.prepare(new TeacherSetup(ROWS, LOGITS));
    ensemble.finish();
    assertThat(a.told).containsExactly("check 1.0", "prepare [LOGITS]", "finish");
    assertThat(b.told).containsExactly("check 1.0", "prepare [LOGITS]", "finish");
    ensemble.meanOfProbabilities(4).check(new TeacherSetup(ROWS, LOGITS, 2));
    assertThat(a.told).endsWith("check 4.0");
    assertThat(ensemble.changes()).isFalse();
  }

  @Test
  void prepare_thatFails_finishesThoseBefore() {
    Table a = table(A);
    Table b = table(B);
    Table c = table(C);
    b.failure = new DistillationException("no");
    EnsembleTeacher ensemble = Teacher.ensemble(a, b, c);
    assertThatThrownBy(() -> ensemble.prepare(new TeacherSetup(ROWS, LOGITS))).isSameAs(b.failure);
    assertThat(a.told).containsExactly("prepare [LOGITS]", "finish");
    assertThat(b.told).containsExactly("prepare [LOGITS]");
    assertThat(c.told).isEmpty();
    assertThatThrownBy(ensemble::finish).isSameAs(b.failure);
    assertThat(c.told).containsExactly("finish");
  }

  @Test
  void fingerprint_tellsMembersAndTheirCombinationApart() {
    Table a = table(A);
    Table b = table(B);
    EnsembleTeacher ensemble = Teacher.ensemble(a, b);
    assertThat(ensemble.fingerprint()).isEmpty();
    a.fingerprint = Optional.of("a");
    assertThat(ensemble.fingerprint()).isEmpty();
    b.fingerprint = Optional.of("b");
    List<EnsembleTeacher> all =
        List.of(
            ensemble,
            Teacher.ensemble(b, a),
            ensemble.meanOfLogits(),
            ensemble.meanOfProbabilities(2),
            ensemble.weighted(0.4, 0.6),
            ensemble.byConfidence(),
            ensemble.byConfidence(ROWS),
            ensemble.featuresFrom(a),
            ensemble.featuresFrom(b),
            ensemble.concatenatedEmbeddings());
    assertThat(all.stream().map(each -> each.fingerprint().orElseThrow())).doesNotHaveDuplicates();
    assertThat(ensemble.weighted(0.5, 0.5).fingerprint()).isEqualTo(ensemble.fingerprint());
    assertThat(ensemble.fingerprint().orElseThrow()).matches("[0-9a-f]{64}");
  }

  @Test
  void memberElsewhere_isAskedThere() {
    Device elsewhere = Device.of("cpu", 0);
    List<Device> asked = new ArrayList<>();
    Table far =
        new Table(B) {
          @Override
          public Signals signals(Batch batch, Set<SignalKind> kinds) {
            asked.add(batch.inputs().head().getManager().getDevice());
            return super.signals(batch, kinds);
          }
        };
    far.device = elsewhere;
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), far);
    assertThat(ensemble.device()).isEqualTo(Device.cpu());
    float[][] answers = ask(ensemble, 1, 0);
    assertClose(answers[1], log(meanProbabilities(new double[] {0.5, 0.5}, 1, A[0], B[0]), 1));
    assertThat(asked).containsExactly(elsewhere);
  }

  private static DeployableModel bag(Tokenizer tokenizer, int width, long seed, String... names) {
    BagOfEmbeddings shape =
        new BagOfEmbeddings(
            tokenizer.vocabularySize(), 4, width, Activation.RELU, 0, 0, names.length);
    return new DeployableModel(
        ScriptedModel.open(shape, shape.initialWeights(seed), Device.cpu(), false),
        tokenizer,
        List.of(names));
  }

  private static final TextDataset TEXTS =
      TextDataset.of(
          List.of(
              TextExample.labelled("please refund the invoice", "left"),
              TextExample.labelled("hello", "right"),
              TextExample.unlabelled("the password in the mail is over there")));

  @Test
  void membersOfDifferentTokenizers_readTheTextsThroughTheirOwn() {
    Tokenizer whole = TinyRuns.tokenizer();
    Tokenizer trimmed = whole.trimmedTo(List.of("hello mail"));
    try (DeployableModel one = bag(whole, 6, 1, "left", "right");
        DeployableModel other = bag(trimmed, 5, 2, "right", "left");
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      ModelTeacher first = Teacher.of(one);
      ModelTeacher second = Teacher.of(other);
      EnsembleTeacher ensemble = Teacher.ensemble(first, second).meanOfLogits();
      assertThat(ensemble.tokenizer()).contains(whole);
      assertThat(ensemble.featuresFrom(second).tokenizer()).contains(trimmed);
      float[][] a = one.logits(TEXTS);
      float[][] b = other.logits(TEXTS);
      for (EnsembleTeacher each : List.of(ensemble, ensemble.featuresFrom(second))) {
        Batch batch = TEXTS.inputs(each.tokenizer().orElseThrow()).batch(manager, new int[] {0, 2});
        float[] mixed = each.signals(batch, LOGITS).logits().toFloatArray();
        for (int i = 0; i < 2; i++) {
          int row = i * 2;
          assertThat(mixed[2 * i]).isCloseTo((a[row][0] + b[row][1]) / 2, within(1e-5f));
          assertThat(mixed[2 * i + 1]).isCloseTo((a[row][1] + b[row][0]) / 2, within(1e-5f));
        }
      }
    }
  }

  @Test
  void features_areGivenOnlyOfANamedMember() {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    try (DeployableModel one = bag(tokenizer, 6, 1, "left", "right");
        DeployableModel other = bag(tokenizer, 5, 2, "left", "right");
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      ModelTeacher first = Teacher.of(one);
      ModelTeacher second = Teacher.of(other);
      EnsembleTeacher plain = Teacher.ensemble(first, second);
      assertThat(plain.provides()).containsExactly(SignalKind.LOGITS);
      Batch batch = TEXTS.inputs(tokenizer).batch(manager, new int[] {0, 1, 2});
      assertThatThrownBy(() -> plain.signals(batch, Set.of(SignalKind.EMBEDDING)))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "signals must be among [LOGITS] for an ensemble but [EMBEDDING] were asked for; call"
                  + " featuresFrom(member) or concatenatedEmbeddings(), or use another loss");
      Set<SignalKind> all =
          Set.of(SignalKind.LOGITS, SignalKind.EMBEDDING, SignalKind.HIDDEN_STATES);

      EnsembleTeacher ofSecond = plain.featuresFrom(second);
      assertThat(ofSecond.provides()).containsExactlyInAnyOrderElementsOf(all);
      Signals signals = ofSecond.signals(batch, all);
      Signals own = second.signals(batch, all);
      assertThat(signals.embedding().toFloatArray()).isEqualTo(own.embedding().toFloatArray());
      assertThat(signals.hiddenStates()).hasSameSizeAs(own.hiddenStates());
      assertThat(signals.hiddenStates().get(0).toFloatArray())
          .isEqualTo(own.hiddenStates().get(0).toFloatArray());
      assertThat(signals.layerNames()).isEqualTo(own.layerNames());
      assertThat(signals.logits().toFloatArray())
          .isEqualTo(plain.signals(batch, LOGITS).logits().toFloatArray())
          .isNotEqualTo(own.logits().toFloatArray());

      EnsembleTeacher both = ofSecond.concatenatedEmbeddings();
      NDArray embedding = both.signals(batch, all).embedding();
      NDArray left = first.signals(batch, all).embedding();
      assertThat(embedding.getShape())
          .isEqualTo(new Shape(3, left.getShape().get(1) + own.embedding().getShape().get(1)));
      assertThat(embedding.get(":, 0:" + left.getShape().get(1)).toFloatArray())
          .isEqualTo(left.toFloatArray());
      assertThat(embedding.get(":, " + left.getShape().get(1) + ":").toFloatArray())
          .isEqualTo(own.embedding().toFloatArray());
    }
  }

  @Test
  void model_isThatOfTheMemberWhoseFeaturesAreGiven() {
    try (DeployableModel one = bag(TinyRuns.tokenizer(), 6, 1, "left", "right");
        DeployableModel other = bag(TinyRuns.tokenizer(), 5, 2, "left", "right")) {
      ModelTeacher second = Teacher.of(other);
      EnsembleTeacher ensemble = Teacher.ensemble(Teacher.of(one), second);
      assertThat(ensemble.localModel()).isEmpty();
      assertThat(ensemble.featuresFrom(second).localModel()).contains(other);
    }
  }

  /** Caches and live models are teachers alike. */
  @Test
  void cachedMember_isAskedOnce(@TempDir Path directory) {
    RuleTeacher rule = RuleTeacher.echo();
    try (CachedTeacher cached =
        Teacher.cached(directory.resolve("cache"), rule).identifiedAs("echo")) {
      EnsembleTeacher ensemble = Teacher.ensemble(cached, table(A));
      for (int run = 0; run < 2; run++) {
        recipe(ensemble).fit(ROWS).close();
      }
    }
    // the probes of two runs, and each row once
    assertThat(rule.rowsAsked.get()).isLessThanOrEqualTo(2 + ROWS.size());
  }

  @Test
  void encodersWithoutLogits_giveEmbeddingsSideBySide() {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    try (DeployableModel one = bag(tokenizer, 6, 1);
        DeployableModel other = bag(tokenizer, 5, 2)) {
      EnsembleTeacher ensemble = Teacher.ensemble(Teacher.of(one), Teacher.of(other));
      assertThat(ensemble.provides()).isEmpty();
      assertThat(ensemble.concatenatedEmbeddings().provides())
          .containsExactly(SignalKind.EMBEDDING);
    }
  }

  /** A language model that says the same of each token. */
  private static Teacher language(float shift, Optional<Tokenizer> tokenizer) {
    return new Teacher() {
      @Override
      public Signals signals(Batch batch, Set<SignalKind> kinds) {
        NDManager manager = batch.inputs().head().getManager();
        NDArray logits = manager.arange(24f).reshape(2, 3, 4).mul(shift);
        return Signals.builder().logits(logits).mask(manager.ones(new Shape(2, 3))).build();
      }

      @Override
      public Set<SignalKind> provides() {
        return LOGITS;
      }

      @Override
      public Optional<Tokenizer> tokenizer() {
        return tokenizer;
      }
    };
  }

  @Test
  void languageModels_areWeighedTokenByToken() {
    EnsembleTeacher ensemble =
        Teacher.ensemble(language(1, Optional.empty()), language(0, Optional.empty()))
            .byConfidence();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Batch batch = ROWS.batch(manager, new int[] {0, 1});
      Signals signals = ensemble.signals(batch, LOGITS);
      assertThat(signals.logits().getShape()).isEqualTo(new Shape(2, 3, 4));
      assertThat(signals.mask()).isPresent();
      float[] sure = {0, 1, 2, 3};
      float[] unsure = {0, 0, 0, 0};
      double[] weights = confidence(entropy(sure), entropy(unsure));
      assertClose(
          signals.logits().get(1, 2).toFloatArray(),
          log(meanProbabilities(weights, 1, sure, unsure), 1));
      assertThatThrownBy(() -> ensemble.byConfidence(ROWS).signals(batch, LOGITS))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "logits must have shape (rows, classes) to weigh members by labels but had (2, 3, 4);"
                  + " call byConfidence() without labels for language models");
    }
  }

  @Test
  void languageModels_ofDifferentTokenizers_areRefused() {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    EnsembleTeacher ensemble =
        Teacher.ensemble(
            language(1, Optional.of(tokenizer)),
            language(2, Optional.of(tokenizer.trimmedTo(List.of("mail")))));
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Batch batch = TEXTS.inputs(tokenizer).batch(manager, new int[] {0, 1});
      assertThatThrownBy(() -> ensemble.signals(batch, LOGITS))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "members that are language models must have the same tokenizer but have 2 different"
                  + " ones; take models of one family");
    }
  }

  @Test
  void memberThatReadsTexts_getsThem_andArraysCannotBeReencoded() {
    List<Integer> arrays = new ArrayList<>();
    Tokenizer tokenizer = TinyRuns.tokenizer();
    Teacher reader =
        new Table(A) {
          @Override
          public Signals signals(Batch batch, Set<SignalKind> kinds) {
            arrays.add(batch.inputs().size());
            assertThat(batch.texts()).containsExactly("hello");
            return Signals.builder()
                .logits(NativeEngine.newManager(Device.cpu()).create(new float[][] {{1, 2, 3}}))
                .build();
          }
        };
    try (DeployableModel one = bag(tokenizer, 6, 1, "a", "b", "c");
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      EnsembleTeacher ensemble = Teacher.ensemble(Teacher.of(one), reader);
      Batch batch = TEXTS.inputs(tokenizer).batch(manager, new int[] {1});
      assertThat(ensemble.signals(batch, LOGITS).logits().getShape()).isEqualTo(new Shape(1, 3));
      assertThat(arrays).containsExactly(0);
      Batch noTexts = new Batch(new NDList(batch.inputs()), batch.rows(), batch.ids(), List.of());
      assertThatThrownBy(() -> noTexts.encodedBy(tokenizer))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "rows must be texts to be encoded by another tokenizer but have no texts; use a data set"
                  + " of texts");
    }
  }

  @Test
  void ensemble_ofEnsembles_isOne() {
    Random random = new Random(3);
    float[][] d = {{random.nextFloat(), random.nextFloat(), random.nextFloat()}};
    EnsembleTeacher inner = Teacher.ensemble(table(A), table(B));
    float[] answer = ask(Teacher.ensemble(inner, table(d)).weighted(0.8, 0.2), 0)[0];
    assertClose(
        answer, log(meanProbabilities(new double[] {0.4, 0.4, 0.2}, 1, A[0], B[0], d[0]), 1));
  }

  private static Distiller.Builder recipe(Teacher teacher) {
    return Distiller.builder()
        .teacher(teacher)
        .student(TinyRuns.perceptron())
        .loss(TinyRuns.divergence())
        .epochs(1);
  }

  private static Terms terms(Terms.Permission permission) {
    return Terms.agreement(permission.name(), permission, "");
  }

  @Test
  void terms_areTheStrictestOfTheMembers() {
    Teacher free = table(A).declaring("free", terms(Terms.Permission.YES));
    Teacher bound = table(B).declaring("bound", terms(Terms.Permission.CONDITIONAL));
    Teacher forbidden = table(C).declaring("forbidden", terms(Terms.Permission.NO));
    assertThat(Teacher.ensemble(free, bound).terms()).isEqualTo(bound.terms());
    assertThat(Teacher.ensemble(free, Teacher.ensemble(bound, forbidden)).terms())
        .isEqualTo(forbidden.terms());
    assertThat(Teacher.ensemble(free, forbidden).id()).isEqualTo("ensemble of free and forbidden");
    Terms unknown = Teacher.ensemble(free, table(B)).terms();
    assertThat(unknown.trainingOthers()).isEqualTo(Terms.Permission.UNKNOWN);
    // else the terms of another member's teachers would stand in for what is not known
    assertThat(unknown.declared()).isTrue();
    assertThat(Teacher.ensemble(free, Teacher.movingAverage(0.9)).terms()).isEqualTo(free.terms());
  }

  @Test
  void run_withAForbiddenMember_isRefused_alsoThroughStudents() {
    Teacher forbidden = RuleTeacher.echo().declaring("forbidden", terms(Terms.Permission.NO));
    Teacher free = RuleTeacher.of(row -> row).declaring("free", terms(Terms.Permission.YES));
    assertThatThrownBy(() -> recipe(Teacher.ensemble(free, forbidden)).fit(ROWS))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "teacher 'ensemble of free and forbidden' must allow other models to be trained");
    try (DistillationResult allowed = recipe(forbidden).allowTerms("a test").fit(ROWS)) {
      Teacher student = Teacher.of(allowed.student());
      assertThatThrownBy(() -> recipe(Teacher.ensemble(free, student)).fit(ROWS))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("must allow other models to be trained");
      try (DistillationResult again =
          recipe(Teacher.ensemble(free, student)).allowTerms("a test").fit(ROWS)) {
        assertThat(again.provenance().terms())
            .anySatisfy(
                each -> assertThat(each.terms().trainingOthers()).isEqualTo(Terms.Permission.NO));
      }
    }
  }

  @Test
  void footprint_isTheSumOfTheMembers() {
    try (DeployableModel one = bag(TinyRuns.tokenizer(), 6, 1, "left", "right");
        DeployableModel other = bag(TinyRuns.tokenizer(), 5, 2, "left", "right")) {
      assertThat(Teacher.ensemble(Teacher.of(one), Teacher.of(other)).footprint().loadedBytes())
          .isEqualTo(4 * (one.parameterCount() + other.parameterCount()));
    }
  }

  @Test
  void members_stayOpen() {
    try (DeployableModel one = bag(TinyRuns.tokenizer(), 6, 1, "left", "right");
        DeployableModel other = bag(TinyRuns.tokenizer(), 6, 2, "left", "right")) {
      Teacher.ensemble(Teacher.of(one), Teacher.of(other)).close();
      assertThat(one.logits(TEXTS)).hasDimensions(3, 2);
    }
  }

  @Test
  void description_saysHow() {
    EnsembleTeacher ensemble = Teacher.ensemble(table(A), table(B));
    assertThat(ensemble)
        .hasToString("ensemble(2 members, meanOfProbabilities, weights=[0.5, 0.5])");
    assertThat(ensemble.meanOfProbabilities(4).byConfidence())
        .hasToString("ensemble(2 members, meanOfProbabilities(4.0), byConfidence)");
    assertThat(ensemble.meanOfLogits().byConfidence(ROWS))
        .hasToString("ensemble(2 members, meanOfLogits, byConfidence(labels))");
  }
}
