package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.primitives.ImmutableDoubleArray;
import io.distill.data.Batch;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.RowSignals;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDecision;
import io.distill.provenance.spi.RecipePart;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Several teachers that answer as one.
 *
 * <pre>{@code
 * mean of probabilities   z = T · log Σ_m w_m softmax(z_m / T)       (the default, T = 1)
 * mean of logits          z = Σ_m w_m z_m
 * }</pre>
 *
 * <p>The mean of the probabilities is the default because it is what a loss does that adds up one
 * term for each teacher: {@code Σ_m w_m KL(p_m ‖ q)} and {@code KL(Σ_m w_m p_m ‖ q)} have the same
 * gradient in the student. A class that one member believes in stays possible. The mean of the
 * logits is, up to a constant a row, the geometric mean of the probabilities: a class survives if
 * all members believe in it.
 *
 * <p><b>Temperature.</b> A teacher gives logits, and the loss tempers them. So the members are
 * averaged at temperature 1 and the logits given are the logarithm of that mean, whose softmax at
 * temperature 1 it is. A loss at temperature T then reads {@code softmax(log p̄ / T)}, which is
 * close to, but not, the mean of the tempered probabilities; for exactly that mean, name the loss's
 * temperature: {@link #meanOfProbabilities(double)}. As T grows, both means become the same.
 *
 * <p><b>Members</b> may be any teachers: they may live on different devices, read the texts through
 * different tokenizers and know their classes in different orders. Each reads the rows through its
 * own tokenizer, and classes are brought together by name. Members that do not name their classes
 * are taken to have the order of those that do. A logit of {@code -Infinity} is a probability of 0.
 * All members are asked for logits one after the other on the thread that asks, so an answer takes
 * as long as those of all members together; the training loop asks once a row.
 *
 * <p><b>Other signals</b> than logits have no mean that makes sense: hidden states, attention and
 * embeddings of different models live in different spaces. They are given only if {@link
 * #featuresFrom} says whose they shall be, or {@link #concatenatedEmbeddings} puts embeddings side
 * by side.
 *
 * <p>Immutable, and as safe for several threads as the members are. The members stay the caller's
 * to close.
 *
 * @see <a href="https://arxiv.org/abs/1503.02531">Hinton et al., Distilling the Knowledge in a
 *     Neural Network, 2015 (arithmetic and geometric means of ensembles as soft targets)</a>
 * @see <a href="https://doi.org/10.1145/3097983.3098135">You et al., Learning from Multiple Teacher
 *     Networks, 2017</a>
 */
public final class EnsembleTeacher implements Teacher, RecipePart {

  /** How far the sum of weights may be from 1. */
  private static final double WEIGHT_TOLERANCE = 1e-6;

  private static final Set<SignalKind> LOGITS = Set.of(SignalKind.LOGITS);
  private static final Terms UNDECLARED_MEMBER =
      Terms.agreement(
          "terms that a member does not declare",
          Terms.Permission.UNKNOWN,
          "declare them with member.declaring(Terms.spdx(...))");

  private static final int FEWEST = 2;
  private static final int NOBODY = -1;

  /** How differences of classes are told: this many names. */
  private static final int NAMED_CLASSES = 5;

  private final List<Teacher> members;
  private final Combination combination;
  private final KnownLabels labels;
  private final int features;
  private final boolean concatenated;
  private final List<String> classNames;

  /** Members that were made for a run, which closes them with this. */
  private final List<Teacher> owned;

  /** How the logits of the members become one; a temperature of 0 stands for the mean of logits. */
  private record Combination(
      double temperature, ImmutableDoubleArray weights, boolean byConfidence) {
    boolean ofLogits() {
      return temperature == 0;
    }
  }

  private EnsembleTeacher(
      List<Teacher> members,
      Combination combination,
      KnownLabels labels,
      int features,
      boolean concatenated,
      List<Teacher> owned) {
    this.members = members;
    this.owned = owned;
    this.combination = combination;
    this.labels = labels;
    this.features = features;
    this.concatenated = concatenated;
    this.classNames = sameClasses(members);
  }

  static EnsembleTeacher of(List<? extends Teacher> members) {
    List<Teacher> all = List.copyOf(members);
    checkArgument(
        all.size() >= FEWEST,
        "members must be at least two teachers but were %s; one teacher needs no ensemble",
        all.size());
    Set<Teacher> distinct = Sets.newIdentityHashSet();
    distinct.addAll(all);
    checkArgument(
        distinct.size() == all.size(),
        "members must be different teachers but one was given twice; call weighted(...) to let it"
            + " count more");
    double[] equal = new double[all.size()];
    Arrays.fill(equal, 1.0 / all.size());
    return new EnsembleTeacher(
        all,
        new Combination(1, ImmutableDoubleArray.copyOf(equal), false),
        KnownLabels.NONE,
        NOBODY,
        false,
        List.of());
  }

  /** Returns the class names; every member that has names has the same ones, in any order. */
  private static List<String> sameClasses(List<Teacher> members) {
    List<String> names = List.of();
    int named = 0;
    for (int i = 0; i < members.size(); i++) {
      List<String> own = members.get(i).classNames();
      if (names.isEmpty()) {
        names = own;
        named = i;
      } else if (!own.isEmpty()) {
        Set<String> lacking = new LinkedHashSet<>(names);
        own.forEach(lacking::remove);
        Set<String> besides = new LinkedHashSet<>(own);
        names.forEach(besides::remove);
        if (!lacking.isEmpty() || !besides.isEmpty()) {
          throw new IllegalArgumentException(
              "members must know the same classes but member "
                  + (i + 1)
                  + (lacking.isEmpty() ? "" : " lacks " + some(lacking))
                  + (lacking.isEmpty() || besides.isEmpty() ? "" : " and")
                  + (besides.isEmpty() ? "" : " has " + some(besides))
                  + (besides.isEmpty() ? "" : ", which member " + (named + 1) + " has not")
                  + (besides.isEmpty() ? ", which member " + (named + 1) + " has" : "")
                  + "; train the members on data sets with the same classes");
        }
        checkArgument(
            own.size() == names.size(),
            "members must name each class once but member %s named %s",
            i + 1,
            own);
      }
    }
    checkArgument(
        new HashSet<>(names).size() == names.size(),
        "members must name each class once but member %s named %s",
        named + 1,
        names);
    return names;
  }

  private static String some(Set<String> names) {
    List<String> first = names.stream().limit(NAMED_CLASSES).toList();
    int more = names.size() - first.size();
    return "'" + String.join("', '", first) + "'" + (more == 0 ? "" : " and " + more + " more");
  }

  /**
   * Returns an ensemble that gives the mean of its members' probabilities; the default.
   *
   * @return the ensemble; this one is unchanged
   */
  public EnsembleTeacher meanOfProbabilities() {
    return meanOfProbabilities(1);
  }

  /**
   * Returns an ensemble that gives the mean of its members' probabilities at the temperature of the
   * loss: a loss at that temperature then sees exactly the mean of what it would see of each
   * member.
   *
   * @param temperature the softmax temperature; unitless, finite, greater than 0; default 1
   * @return the ensemble; this one is unchanged
   * @throws IllegalArgumentException if {@code temperature} is out of range
   */
  public EnsembleTeacher meanOfProbabilities(double temperature) {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "temperature must be finite and greater than 0 but was %s",
        temperature);
    return with(new Combination(temperature, combination.weights, combination.byConfidence));
  }

  /**
   * Returns an ensemble that gives the mean of its members' logits, a geometric mean of their
   * probabilities. Members that speak louder, with logits of a larger scale, count for more.
   *
   * @return the ensemble; this one is unchanged
   */
  public EnsembleTeacher meanOfLogits() {
    return with(new Combination(0, combination.weights, combination.byConfidence));
  }

  /**
   * Returns an ensemble whose members count differently, in place of any weights before.
   *
   * @param weights one weight a member, in their order; finite, greater than 0, sum 1 within 1e-6;
   *     default equal weights
   * @return the ensemble; this one is unchanged
   * @throws IllegalArgumentException if they are not as many as the members, out of range, or do
   *     not sum to 1
   */
  public EnsembleTeacher weighted(double... weights) {
    checkArgument(
        weights.length == members.size(),
        "weights must be one for each of the %s members but were %s",
        members.size(),
        Arrays.toString(weights));
    double sum = 0;
    for (double weight : weights) {
      checkArgument(
          Double.isFinite(weight) && weight > 0,
          "weights must be finite and greater than 0 but were %s; leave out a member that shall not"
              + " count",
          Arrays.toString(weights));
      sum += weight;
    }
    checkArgument(
        Math.abs(sum - 1) <= WEIGHT_TOLERANCE,
        "weights must sum to 1 but %s sum to %s; divide each by the sum",
        Arrays.toString(weights),
        sum);
    return with(
        new Combination(combination.temperature, ImmutableDoubleArray.copyOf(weights), false));
  }

  /**
   * Returns an ensemble whose members count, row by row, as much as they are sure, in place of any
   * weights before.
   *
   * <pre>{@code
   * w_m = (1 − softmax_m(u)_m) / (M − 1),   u_m = H(p_m) = −Σ_c p_mc log p_mc
   * }</pre>
   *
   * <p>The weights are those of confidence-aware distillation, with the entropy of each member's
   * distribution (in nats, at temperature 1) where that has the cross-entropy to the label: no
   * label is needed. Of more than two members none gets more than {@code 1 / (M − 1)}. Of a
   * language model each token is weighted on its own.
   *
   * @return the ensemble; this one is unchanged
   * @see <a href="https://arxiv.org/abs/2201.00007">Zhang et al., Confidence-Aware Multi-Teacher
   *     Knowledge Distillation, 2022</a>
   * @see <a href="https://doi.org/10.1109/ICASSP40776.2020.9054698">Kwon et al., Adaptive Knowledge
   *     Distillation Based on Entropy, 2020</a>
   */
  public EnsembleTeacher byConfidence() {
    return byConfidence(KnownLabels.NONE);
  }

  /**
   * Returns an ensemble whose members count, row by row, as much as they are right where the label
   * is known, and as much as they are sure elsewhere: {@link #byConfidence()} with the
   * cross-entropy {@code −log p_m,label} in place of the entropy for rows with a label, as the
   * paper has it. Both are nats: what a member expects to be surprised by, and what it is.
   *
   * @param labelled the rows whose labels are known, such as the training data; others are looked
   *     up by their sample id and have none
   * @return the ensemble; this one is unchanged
   * @throws IllegalArgumentException if no row has a label, or the classes of {@code labelled} are
   *     others than the members'
   */
  public EnsembleTeacher byConfidence(DistillationDataset labelled) {
    return byConfidence(KnownLabels.of(labelled, classNames));
  }

  private EnsembleTeacher byConfidence(KnownLabels known) {
    return new EnsembleTeacher(
        members,
        new Combination(combination.temperature, combination.weights, true),
        known,
        features,
        concatenated,
        owned);
  }

  /**
   * Returns an ensemble that also gives what one of its members gives besides logits: hidden
   * states, attention, embedding. Its tokenizer is then that member's, whose tokens these signals
   * stand for.
   *
   * @param member one of the members
   * @return the ensemble; this one is unchanged
   * @throws IllegalArgumentException if it is not a member
   */
  public EnsembleTeacher featuresFrom(Teacher member) {
    requireNonNull(member, "member");
    for (int i = 0; i < members.size(); i++) {
      if (members.get(i) == member) {
        return new EnsembleTeacher(members, combination, labels, i, concatenated, owned);
      }
    }
    throw new IllegalArgumentException(
        "member must be one of the "
            + members.size()
            + " members of the ensemble but was another teacher");
  }

  /**
   * Returns an ensemble that also gives an embedding: those of all members side by side, first
   * member first.
   *
   * @return the ensemble; this one is unchanged
   */
  public EnsembleTeacher concatenatedEmbeddings() {
    return new EnsembleTeacher(members, combination, labels, features, true, owned);
  }

  private EnsembleTeacher with(Combination other) {
    return new EnsembleTeacher(members, other, labels, features, concatenated, owned);
  }

  /**
   * Returns the members.
   *
   * @return the members, in the order in which they were given
   */
  public List<Teacher> members() {
    return members;
  }

  @Override
  public Set<SignalKind> provides() {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    if (features != NOBODY) {
      kinds.addAll(members.get(features).provides());
      kinds.remove(SignalKind.LOGITS);
      // they would be one member's logits, not the ensemble's
      kinds.remove(SignalKind.LOGIT_FACTORS);
    }
    if (allGive(SignalKind.LOGITS)) {
      kinds.add(SignalKind.LOGITS);
    }
    if (concatenated) {
      kinds.remove(SignalKind.EMBEDDING);
      if (allGive(SignalKind.EMBEDDING)) {
        kinds.add(SignalKind.EMBEDDING);
      }
    }
    return ImmutableSet.copyOf(kinds);
  }

  private boolean allGive(SignalKind kind) {
    return members.stream().allMatch(member -> member.provides().contains(kind));
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    if (features != NOBODY && members.get(features).tokenizer().isPresent()) {
      return members.get(features).tokenizer();
    }
    return members.stream().flatMap(member -> member.tokenizer().stream()).findFirst();
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  /** The device of the first member, which is where answers come together. */
  @Override
  public Device device() {
    return members.get(0).device();
  }

  @Override
  public boolean changes() {
    return members.stream().anyMatch(Teacher::changes);
  }

  /** An ensemble of the members as they are for a run; this one if they all stay the same. */
  @Override
  public Teacher forRun() {
    List<Teacher> live = new ArrayList<>();
    List<Teacher> made = new ArrayList<>();
    for (Teacher member : members) {
      Teacher own = member.forRun();
      live.add(own);
      if (own != member) {
        made.add(own);
      }
    }
    return made.isEmpty()
        ? this
        : new EnsembleTeacher(
            List.copyOf(live), combination, labels, features, concatenated, List.copyOf(made));
  }

  @Override
  public Optional<StudentFollower> follower() {
    Map<String, StudentFollower> followers = new LinkedHashMap<>();
    for (int i = 0; i < members.size(); i++) {
      String prefix = "member." + (i + 1) + ".";
      members.get(i).follower().ifPresent(each -> followers.put(prefix, each));
    }
    return followers.isEmpty() ? Optional.empty() : Optional.of(new Followers(followers));
  }

  /** The members that follow the student, by what sets the names of their arrays apart. */
  private record Followers(Map<String, StudentFollower> byPrefix) implements StudentFollower {
    @Override
    public void start(DeployableModel student) {
      byPrefix.values().forEach(each -> each.start(student));
    }

    @Override
    public void afterStep(long step) {
      byPrefix.values().forEach(each -> each.afterStep(step));
    }

    @Override
    public Map<String, NDArray> state() {
      Map<String, NDArray> state = new LinkedHashMap<>();
      byPrefix.forEach(
          (prefix, each) -> each.state().forEach((name, array) -> state.put(prefix + name, array)));
      return state;
    }
  }

  @Override
  public void close() {
    owned.forEach(Teacher::close);
  }

  /**
   * Scores all rows of a data set, as {@link DeployableModel#logits(DistillationDataset)} does.
   *
   * @param dataset the rows; labels are not looked at
   * @return the ensemble's logits, one vector a row
   * @throws DistillationException if the members give no logits, or those of tokens
   */
  public float[][] logits(DistillationDataset dataset) {
    return RowSignals.collect(
            dataset.inputs(tokenizer().orElse(null)), device(), this::signals, LOGITS, rows -> {})
        .values(SignalKind.LOGITS);
  }

  /**
   * Decides the class of all rows of a data set.
   *
   * @param dataset the rows; labels are not looked at
   * @return the index of the highest logit, a row each
   * @throws DistillationException if the members give no logits, or those of tokens
   */
  public int[] predict(DistillationDataset dataset) {
    return Arrays.stream(logits(dataset)).mapToInt(DeployableModel::indexOfMaximum).toArray();
  }

  /** The sum of the members'. */
  @Override
  public Footprint footprint() {
    return members.stream().map(Teacher::footprint).reduce(Footprint.none(), Footprint::plus);
  }

  /** The names of the members. */
  @Override
  public String id() {
    return "ensemble of " + members.stream().map(Teacher::id).collect(Collectors.joining(" and "));
  }

  /**
   * The strictest terms of the members, each of which is as free as its own teachers: an ensemble
   * with a member that must not be learned from must not be either.
   */
  @Override
  public Terms terms() {
    Terms strictest = members.stream().map(EnsembleTeacher::terms).reduce(Terms::stricter).get();
    // not undeclared as a whole, which the terms of other members' teachers would stand in for
    return strictest.declared() ? strictest : UNDECLARED_MEMBER;
  }

  private static Terms terms(Teacher member) {
    return member.origins().stream()
        .flatMap(origin -> origin.terms().stream())
        .map(TermsDecision::terms)
        .reduce(Terms::stricter)
        .map(member.terms()::orInherited)
        .orElse(member.terms());
  }

  /** The provenances of all members. */
  @Override
  public List<Provenance> origins() {
    return members.stream().flatMap(member -> member.origins().stream()).distinct().toList();
  }

  /** A digest of how members are put together and of their digests; empty if one has none. */
  @Override
  public Optional<String> fingerprint() {
    Hasher hasher = Hashing.sha256().newHasher();
    put(hasher, "ensemble");
    hasher.putDouble(combination.temperature).putBoolean(combination.byConfidence);
    if (combination.byConfidence) {
      put(hasher, labels.fingerprint());
    } else {
      combination.weights.forEach(hasher::putDouble);
    }
    hasher.putInt(features).putBoolean(concatenated);
    for (Teacher member : members) {
      Optional<String> own = member.fingerprint();
      if (own.isEmpty()) {
        return Optional.empty();
      }
      put(hasher, own.get());
    }
    return Optional.of(hasher.hash().toString());
  }

  /**
   * What an ensemble is.
   *
   * @param members of each member its fingerprint, else its description, else its class
   */
  private record Settings(
      String combination,
      String labels,
      int featuresFrom,
      boolean concatenated,
      List<Object> members) {}

  @Override
  public Record description() {
    List<Object> each = new ArrayList<>();
    for (Teacher member : members) {
      Object part = member instanceof RecipePart ? member : member.getClass().getName();
      each.add(member.fingerprint().map(Object.class::cast).orElse(part));
    }
    return new Settings(how(), labels.fingerprint(), features, concatenated, each);
  }

  private static void put(Hasher hasher, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes);
  }

  @Override
  public void prepare(TeacherSetup setup) {
    int prepared = 0;
    try {
      for (; prepared < members.size(); prepared++) {
        members
            .get(prepared)
            .prepare(new TeacherSetup(setup.dataset(), kindsOf(prepared, setup.kinds())));
      }
    } catch (RuntimeException | Error e) {
      // whoever calls finishes only what was prepared whole
      try {
        finish(members.subList(0, prepared));
      } catch (RuntimeException | Error another) {
        e.addSuppressed(another);
      }
      throw e;
    }
  }

  @Override
  public void finish() {
    finish(members);
  }

  private static void finish(List<Teacher> members) {
    RuntimeException failure = null;
    for (Teacher member : members) {
      try {
        member.finish();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** Returns what one member is asked for when the ensemble is asked for some kinds. */
  private Set<SignalKind> kindsOf(int member, Set<SignalKind> asked) {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    if (member == features) {
      kinds.addAll(asked);
    }
    if (asked.contains(SignalKind.LOGITS)) {
      kinds.add(SignalKind.LOGITS);
    }
    if (concatenated && asked.contains(SignalKind.EMBEDDING)) {
      kinds.add(SignalKind.EMBEDDING);
    }
    return kinds;
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> kinds) {
    Set<SignalKind> missing = Sets.difference(kinds, provides());
    if (!missing.isEmpty()) {
      throw new DistillationException(
          "signals must be among "
              + provides()
              + " for an ensemble but "
              + missing
              + " were asked for; call featuresFrom(member) or concatenatedEmbeddings(), or use"
              + " another loss");
    }
    NativeEngine.prepareThread();
    List<NDArray> logits = new ArrayList<>();
    List<NDArray> embeddings = new ArrayList<>();
    Signals.Builder signals = Signals.builder();
    Optional<NDArray> mask = Optional.empty();
    for (int i = 0; i < members.size(); i++) {
      Set<SignalKind> own = kindsOf(i, kinds);
      if (own.isEmpty()) {
        continue;
      }
      Signals answer = ask(i, own, batch);
      if (own.contains(SignalKind.LOGITS)) {
        logits.add(aligned(i, answer.logits()));
      }
      if (own.contains(SignalKind.EMBEDDING)) {
        embeddings.add(answer.embedding());
      }
      if (i == features || (features == NOBODY && mask.isEmpty())) {
        mask = answer.mask();
      }
      if (i == features) {
        addFeatures(answer, signals);
      }
    }
    if (!logits.isEmpty()) {
      requireSameShape(logits);
      signals.logits(mixed(logits, batch));
    }
    if (!embeddings.isEmpty()) {
      signals.embedding(sideBySide(embeddings));
    }
    // which tokens are real is only said of what has tokens
    if (features != NOBODY || (!logits.isEmpty() && ofTokens(logits.get(0)))) {
      mask.ifPresent(signals::mask);
    }
    return signals.build();
  }

  private void addFeatures(Signals answer, Signals.Builder signals) {
    Sets.intersection(Signals.LAYERED, answer.kinds())
        .forEach(kind -> signals.layers(kind, answer.layers(kind)));
    signals.layerNames(answer.layerNames());
    if (!concatenated && answer.kinds().contains(SignalKind.EMBEDDING)) {
      signals.embedding(answer.embedding());
    }
  }

  private NDArray mixed(List<NDArray> logits, Batch batch) {
    if (combination.byConfidence && labels.any() && ofTokens(logits.get(0))) {
      throw new DistillationException(
          "logits must have shape (rows, classes) to weigh members by labels but had "
              + logits.get(0).getShape()
              + "; call byConfidence() without labels for language models");
    }
    NDArray weights =
        combination.byConfidence
            ? LogitMixture.confidence(logits, labels.of(batch.ids()))
            : LogitMixture.weights(logits, combination.weights.toArray());
    return combination.ofLogits()
        ? LogitMixture.ofLogits(logits, weights)
        : LogitMixture.ofProbabilities(logits, weights, combination.temperature);
  }

  /** Lets a member answer through its own tokenizer and on its own device. */
  private Signals ask(int index, Set<SignalKind> kinds, Batch batch) {
    Teacher member = members.get(index);
    Batch own = asRead(index, batch);
    Device home = device();
    if (member.device().equals(home)) {
      return given(index, kinds, member.signals(own, kinds));
    }
    if (own.inputs().isEmpty()) {
      return given(index, kinds, member.signals(own, kinds))
          .map(array -> array.toDevice(home, false));
    }
    NDManager here = own.inputs().get(0).getManager();
    try (NDManager elsewhere = NativeEngine.newManager(member.device())) {
      NDList inputs = new NDList();
      for (NDArray array : own.inputs()) {
        inputs.add(moved(array, member.device(), elsewhere));
      }
      Batch there = new Batch(inputs, own.rows(), own.ids(), own.texts());
      return given(index, kinds, member.signals(there, kinds))
          .map(array -> moved(array, home, here));
    }
  }

  private static NDArray moved(NDArray array, Device device, NDManager owner) {
    NDArray moved = array.toDevice(device, true);
    moved.attach(owner);
    return moved;
  }

  private static Signals given(int index, Set<SignalKind> kinds, Signals answer) {
    Set<SignalKind> missing = Sets.difference(kinds, answer.kinds());
    if (!missing.isEmpty()) {
      throw new DistillationException(
          "member "
              + (index + 1)
              + " of the ensemble must give "
              + kinds
              + " but gave "
              + answer.kinds()
              + "; leave it out, or give it a classifier with withClassifier(...)");
    }
    return answer;
  }

  /** Returns the rows as a member reads them. */
  private Batch asRead(int index, Batch batch) {
    Optional<Tokenizer> own = members.get(index).tokenizer();
    if (own.equals(tokenizer())) {
      return batch;
    }
    if (own.isPresent()) {
      return batch.encodedBy(own.get());
    }
    // it reads the texts themselves, or arrays that are not text
    return batch.texts().isEmpty()
        ? batch
        : new Batch(new NDList(), batch.rows(), batch.ids(), batch.texts());
  }

  /** Returns a member's logits in the ensemble's order of classes. */
  private NDArray aligned(int index, NDArray logits) {
    List<String> own = members.get(index).classNames();
    long width = logits.getShape().get(logits.getShape().dimension() - 1);
    if (!own.isEmpty() && own.size() != width) {
      throw new DistillationException(
          "member "
              + (index + 1)
              + " of the ensemble must have one logit for each of its "
              + own.size()
              + " class names but has "
              + width
              + "; correct its class names");
    }
    if (own.isEmpty() || classNames.isEmpty() || own.equals(classNames)) {
      return logits;
    }
    return LogitMixture.inOrder(logits, classNames.stream().mapToLong(own::indexOf).toArray());
  }

  private static boolean ofTokens(NDArray logits) {
    return logits.getShape().dimension() > 2;
  }

  private void requireSameShape(List<NDArray> logits) {
    Shape first = logits.get(0).getShape();
    for (int i = 1; i < logits.size(); i++) {
      if (!logits.get(i).getShape().equals(first)) {
        throw new DistillationException(
            "members must give logits of the same shape but they were "
                + first
                + " (member 1) and "
                + logits.get(i).getShape()
                + " (member "
                + (i + 1)
                + "); take members with the same classes, of language models with the same"
                + " tokenizer");
      }
    }
    // tokens of different tokenizers mean different things even where they are equally many
    if (ofTokens(logits.get(0))
        && members.stream().map(Teacher::tokenizer).distinct().count() > 1) {
      throw new DistillationException(
          "members that are language models must have the same tokenizer but have "
              + members.stream().map(Teacher::tokenizer).distinct().count()
              + " different ones; take models of one family");
    }
  }

  private static NDArray sideBySide(List<NDArray> embeddings) {
    return embeddings.size() == 1 ? embeddings.get(0) : NDArrays.concat(new NDList(embeddings), -1);
  }

  @Override
  public String toString() {
    return "ensemble(" + members.size() + " members, " + how() + ")";
  }

  private String how() {
    String mean =
        combination.temperature == 1
            ? "meanOfProbabilities"
            : combination.ofLogits()
                ? "meanOfLogits"
                : "meanOfProbabilities(" + combination.temperature + ")";
    return mean
        + ", "
        + (combination.byConfidence
            ? labels.any() ? "byConfidence(labels)" : "byConfidence"
            : "weights=" + combination.weights);
  }
}
