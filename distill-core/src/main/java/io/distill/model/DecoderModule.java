package io.distill.model;

import io.distill.signal.SignalKind;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Writes a {@link TransformerDecoder} as TorchScript. */
final class DecoderModule {

  /** What a layer shall tell besides its output. */
  private enum Inner {
    NOTHING("", false, false, false),
    HIDDEN_STATES("_with_hidden_states", true, false, false),
    RELATIONS("_with_relations", true, true, false),
    ATTENTION("_with_attention", true, false, true),
    BOTH("_with_attention_and_relations", true, true, true);

    private final String suffix;
    private final boolean states;
    private final boolean relations;
    private final boolean attention;

    Inner(String suffix, boolean states, boolean relations, boolean attention) {
      this.suffix = suffix;
      this.states = states;
      this.relations = relations;
      this.attention = attention;
    }

    String flags() {
      return (relations ? "True" : "False") + ", " + (attention ? "True" : "False");
    }
  }

  /** How the logits are given. */
  private enum Ending {
    LOGITS("", true, false),
    FACTORS("_factored", false, true),
    COMPLETE("_complete", true, true);

    private final String suffix;
    private final boolean logits;
    private final boolean factors;

    Ending(String suffix, boolean logits, boolean factors) {
      this.suffix = suffix;
      this.logits = logits;
      this.factors = factors;
    }
  }

  /** Sums over rows of the squared means over tokens of sizes. */
  private static final String SIZES =
      "  sums.append(torch.sum(torch.pow(torch.sum(torch.abs(%s) * share, [1]), 2), [0]))\n";

  private final TransformerDecoder shape;
  private final Computation computation;
  private final Layers parts;

  DecoderModule(
      TransformerDecoder shape, Map<String, HostTensor> weights, Computation computation) {
    this.shape = shape;
    this.computation = computation;
    this.parts = new Layers(weights, computation);
  }

  /** Returns the end of the names of methods that give logits as they are asked for. */
  static String ending(Set<SignalKind> kinds) {
    if (!kinds.contains(SignalKind.LOGIT_FACTORS)) {
      return Ending.LOGITS.suffix;
    }
    return kinds.contains(SignalKind.LOGITS) ? Ending.COMPLETE.suffix : Ending.FACTORS.suffix;
  }

  ScriptModule build() {
    ScriptModule.Builder stack = ScriptModule.builder("ModuleList");
    for (int i = 0; i < shape.layers(); i++) {
      stack.module(Integer.toString(i), layer(i));
    }
    ScriptModule.Builder model =
        ScriptModule.builder("DecoderModel")
            .module(
                "embed_tokens",
                parts.embedding("model.embed_tokens", shape.vocabularySize(), shape.hiddenSize()))
            .module("layers", stack.build())
            .module("norm", norm("model.norm"));
    boolean learned = shape.rotary() == null;
    if (learned) {
      model.module(
          "embed_positions",
          parts.embedding("model.embed_positions", shape.maxPositions(), shape.hiddenSize()));
    }
    ScriptModule.Builder builder =
        ScriptModule.builder("TransformerDecoder").module("model", model.build());
    if (!shape.tiedEmbeddings()) {
      builder.module(
          "lm_head", parts.product("lm_head", shape.vocabularySize(), shape.hiddenSize(), false));
    }
    inputs(builder, learned);
    outputs(builder);
    decoding(builder);
    measuring(builder);
    if (computation.activationCheckpointing()) {
      segments(builder);
    }
    parts.requireAllUsed("TransformerDecoder");
    return builder.build();
  }

  private void inputs(ScriptModule.Builder builder, boolean learned) {
    // the first token of each text is where the mask changes
    builder.method(
        """
        def positions(self, mask: Tensor) -> Tensor:
          index = torch.unsqueeze(torch.arange(torch.size(mask, 1), dtype=4, device=mask.device), 0)
          before = torch.constant_pad_nd(torch.narrow(mask, 1, 0, torch.size(mask, 1) - 1), [1, 0])
          starts = torch.where(torch.ne(mask, before), index, torch.zeros_like(mask))
          return index - torch.cummax(starts, 1)[0]
        """);
    // padding sees padding: a row of scores that are all hidden would be no number
    builder.method(
        """
        def allowed(self, mask: Tensor, window: int, always: bool) -> Optional[Tensor]:
          length = torch.size(mask, 1)
          result = annotate(Optional[Tensor], None)
          plain = bool(torch.all(torch.eq(mask, 1))) and (window == 0 or length <= window)
          if always or not plain:
            index = torch.arange(length, dtype=4, device=mask.device)
            distance = torch.unsqueeze(index, 1) - torch.unsqueeze(index, 0)
            near = torch.ge(distance, 0)
            if window > 0:
              near = torch.logical_and(near, torch.lt(distance, window))
            same = torch.eq(torch.unsqueeze(mask, 2), torch.unsqueeze(mask, 1))
            result = torch.unsqueeze(torch.logical_and(same, near), 1)
          return result
        """);
    builder.method(
        """
        def embedded(self, input_ids: Tensor, positions: Tensor) -> Tensor:
          hidden = self.model.embed_tokens.forward(input_ids)%s%s
          return torch.dropout(hidden, %s, self.training)
        """
            .formatted(
                learned ? " + self.model.embed_positions.forward(positions)" : "",
                shape.embeddingMultiplier() == 1 ? "" : " * " + shape.embeddingMultiplier(),
                shape.dropout()));
    builder.method(rotary(learned));
  }

  /** Cosines and sines of the angles, {@code [N, 1, L, turned]}, each frequency twice. */
  private String rotary(boolean learned) {
    String head = "def rotary(self, positions: Tensor) -> Tuple[Tensor, Tensor]:\n";
    RotaryEmbedding rotary = shape.rotary();
    if (learned || rotary == null) {
      return head + "  none = torch.to(positions, 6)\n  return (none, none)\n";
    }
    int turned = rotary.turned(shape.headSize());
    StringBuilder source = new StringBuilder(head);
    source.append("  base = %s\n".formatted(rotary.theta()));
    if (rotary.scaling() == RotaryEmbedding.Scaling.DYNAMIC && turned > 2) {
      source.append(
          """
            longest = int(torch.max(positions)) + 1
            if longest > %1$d:
              base = %2$s * ((%3$s * longest / %1$d - (%3$s - 1.)) ** (%4$d. / %5$d.))
          """
              .formatted(
                  rotary.originalPositions(), rotary.theta(), rotary.factor(), turned, turned - 2));
    }
    source.append(
        """
          exponents = torch.to(torch.arange(0, %1$d, 2, dtype=4, device=positions.device), 6) / %1$d.
          frequencies = torch.reciprocal(torch.pow(base, exponents))
        """
            .formatted(turned));
    switch (rotary.scaling()) {
      case LINEAR -> source.append("  frequencies = frequencies / %s\n".formatted(rotary.factor()));
      case LLAMA3 ->
          source.append(
              """
                lengths = %1$s / frequencies
                smooth = (%2$d. / lengths - %3$s) / %4$s
                mixed = (1. - smooth) * frequencies / %5$s + smooth * frequencies
                low = torch.gt(lengths, %6$s)
                high = torch.lt(lengths, %7$s)
                frequencies = torch.where(low, frequencies / %5$s, torch.where(high, frequencies, mixed))
              """
                  .formatted(
                      2 * Math.PI,
                      rotary.originalPositions(),
                      rotary.lowFrequencyFactor(),
                      rotary.highFrequencyFactor() - rotary.lowFrequencyFactor(),
                      rotary.factor(),
                      rotary.originalPositions() / rotary.lowFrequencyFactor(),
                      rotary.originalPositions() / rotary.highFrequencyFactor()));
      default -> {}
    }
    source.append(
        """
          angles = torch.unsqueeze(torch.to(positions, 6), -1) * frequencies
          twice = torch.unsqueeze(torch.cat([angles, angles], -1), 1)
          return (torch.cos(twice), torch.sin(twice))
        """);
    return source.toString();
  }

  private void outputs(ScriptModule.Builder builder) {
    String weight =
        shape.tiedEmbeddings() ? "self.model.embed_tokens.weight" : "self.lm_head.weight";
    String divided = shape.logitsDivisor() == 1 ? "" : " / " + shape.logitsDivisor();
    String product =
        shape.tiedEmbeddings()
            ? parts.tied(weight, "states")
            : parts.float32("self.lm_head.forward(" + parts.operand("states") + ")");
    builder.method(
        """
        def states(self, hidden: Tensor) -> Tensor:
          return self.model.norm.forward(hidden)%s
        """
            .formatted(divided));
    builder.method(
        """
        def scores(self, states: Tensor) -> Tensor:
          return %s
        """
            .formatted(product));
    builder.method(
        """
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
          layers = annotate(List[Tensor], [])
          relations = annotate(List[Tensor], [])
          attention = annotate(List[Tensor], [])
          hidden = self.decode(input_ids, attention_mask, layers, relations, attention, False, False)
          return self.scores(self.states(hidden))
        """);
    StringBuilder decode = new StringBuilder();
    decode.append(
        """
        def decode(self, input_ids: Tensor, attention_mask: Tensor, layers: List[Tensor], relations: List[Tensor], attention: List[Tensor], related: bool, scored: bool) -> Tensor:
          positions = self.positions(attention_mask)
          cos, sin = self.rotary(positions)
          hidden = self.embedded(input_ids, positions)
        """);
    decode.append(masks("attention_mask", "scored"));
    for (int i = 0; i < shape.layers(); i++) {
      decode.append(
          "  hidden = getattr(self.model.layers, \"%d\").forward(hidden, cos, sin, %s, relations, attention, related, scored)\n"
              .formatted(i, maskOf(i)));
      decode.append("  layers.append(hidden)\n");
    }
    builder.method(decode + "  return hidden\n");
    for (Inner inner : Inner.values()) {
      for (Ending ending : Ending.values()) {
        builder.method(
            """
            def outputs%s%s(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              layers = annotate(List[Tensor], [])
              relations = annotate(List[Tensor], [])
              attention = annotate(List[Tensor], [])
              hidden = self.decode(input_ids, attention_mask, layers, relations, attention, %s)
              states = self.states(hidden)
              return {%s, "mask": torch.to(torch.ne(attention_mask, 0), 4), "texts": torch.alias(attention_mask)%s}
            """
                .formatted(
                    inner.suffix,
                    ending.suffix,
                    inner.flags(),
                    last(ending, weight),
                    entries(inner)));
      }
    }
  }

  private static String last(Ending ending, String weight) {
    String logits = "\"logits\": self.scores(states)";
    String factors =
        "\"logit_factors.states\": states, \"logit_factors.weight\": torch.alias(" + weight + ")";
    if (ending.logits) {
      return ending.factors ? logits + ", " + factors : logits;
    }
    return factors;
  }

  private String masks(String mask, String always) {
    String full = "  full = self.allowed(%s, 0, %s)\n".formatted(mask, always);
    return shape.slidingLayers().isEmpty()
        ? full
        : full
            + "  sliding = self.allowed(%s, %d, %s)\n"
                .formatted(mask, shape.slidingWindow(), always);
  }

  private String maskOf(int layer) {
    return shape.slidingLayers().contains(layer) ? "sliding" : "full";
  }

  private String entries(Inner inner) {
    StringBuilder entries = new StringBuilder();
    for (int i = 0; i < shape.layers(); i++) {
      if (inner.states) {
        entry(entries, "hidden_states", i, "layers", i);
      }
      if (inner.attention) {
        entry(entries, "attention_scores", i, "attention", i);
      }
      if (inner.relations) {
        entry(entries, "queries", i, "relations", 3 * i);
        entry(entries, "keys", i, "relations", 3 * i + 1);
        entry(entries, "values", i, "relations", 3 * i + 2);
      }
    }
    return entries.toString();
  }

  private static void entry(StringBuilder to, String key, int layer, String list, int index) {
    to.append(", \"%s.%d\": %s[%d]".formatted(key, layer, list, index));
  }

  /**
   * One call feeds the cache: {@code place} holds the first free position and whether any row is
   * padded. The logits are those after the last token fed.
   */
  private void decoding(ScriptModule.Builder builder) {
    builder.method(
        """
        def seen(self, visible: Tensor, at: int, length: int, padded: bool, window: int) -> Optional[Tensor]:
          result = annotate(Optional[Tensor], None)
          if length == 1:
            if padded:
              shown = torch.narrow(visible, 1, 0, at + 1)
              result = torch.unsqueeze(torch.unsqueeze(shown, 1), 1)
          elif padded or at > 0 or (window > 0 and length > window):
            key = torch.arange(at + length, dtype=4, device=visible.device)
            query = torch.narrow(key, 0, at, length)
            distance = torch.unsqueeze(query, 1) - torch.unsqueeze(key, 0)
            near = torch.ge(distance, 0)
            if window > 0:
              near = torch.logical_and(near, torch.lt(distance, window))
            shown = torch.unsqueeze(torch.narrow(visible, 1, 0, at + length), 1)
            shown = torch.logical_and(shown, torch.unsqueeze(near, 0))
            shown = torch.logical_or(shown, torch.unsqueeze(torch.eq(distance, 0), 0))
            result = torch.unsqueeze(shown, 1)
          return result
        """);
    builder.method(
        """
        def select(self, cache: Tensor, visible: Tensor, starts: Tensor, rows: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
          return (torch.index_select(cache, 2, rows), torch.index_select(visible, 0, rows), torch.index_select(starts, 0, rows))
        """);
    StringBuilder feed = new StringBuilder();
    feed.append(
        """
        def feed(self, input_ids: Tensor, cache: Tensor, visible: Tensor, starts: Tensor, place: Tensor) -> Tensor:
          at = int(place[0])
          padded = int(place[1]) != 0
          length = torch.size(input_ids, 1)
          index = torch.arange(at, at + length, dtype=4, device=input_ids.device)
          positions = torch.clamp_min(torch.unsqueeze(index, 0) - torch.unsqueeze(starts, 1), 0)
          cos, sin = self.rotary(positions)
          hidden = self.embedded(input_ids, positions)
          full = self.seen(visible, at, length, padded, 0)
        """);
    if (!shape.slidingLayers().isEmpty()) {
      feed.append(
          "  sliding = self.seen(visible, at, length, padded, %d)\n"
              .formatted(shape.slidingWindow()));
    }
    for (int i = 0; i < shape.layers(); i++) {
      feed.append(
          "  hidden = getattr(self.model.layers, \"%1$d\").feed(hidden, cos, sin, %2$s, torch.select(cache, 0, %1$d), at)\n"
              .formatted(i, maskOf(i)));
    }
    feed.append("  last = torch.select(hidden, 1, length - 1)\n");
    feed.append("  return self.scores(self.states(last))\n");
    builder.method(feed.toString());
  }

  private void segments(ScriptModule.Builder builder) {
    builder.method(
        """
        def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
          return self.embedded(input_ids, self.positions(attention_mask))
        """);
    String weight =
        shape.tiedEmbeddings() ? "self.model.embed_tokens.weight" : "self.lm_head.weight";
    for (Ending ending : Ending.values()) {
      builder.method(
          """
          def finish%s(self, hidden: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
            states = self.states(hidden)
            return {%s, "mask": torch.to(torch.ne(attention_mask, 0), 4), "texts": torch.alias(attention_mask)}
          """
              .formatted(ending.suffix, last(ending, weight)));
    }
    for (int i = 0; i < shape.layers(); i++) {
      for (Inner inner : Inner.values()) {
        if (inner == Inner.HIDDEN_STATES) {
          continue;
        }
        StringBuilder entries = new StringBuilder();
        if (inner.attention) {
          entries.append(", \"attention_scores\": attention[0]");
        }
        if (inner.relations) {
          entries.append(
              ", \"queries\": relations[0], \"keys\": relations[1], \"values\": relations[2]");
        }
        builder.method(
            """
            def segment_%1$d%2$s(self, hidden: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
              relations = annotate(List[Tensor], [])
              attention = annotate(List[Tensor], [])
              cos, sin = self.rotary(self.positions(attention_mask))
              mask = self.allowed(attention_mask, %3$d, %4$s)
              output = getattr(self.model.layers, "%1$d").forward(hidden, cos, sin, mask, relations, attention, %5$s)
              return {"hidden_states": output%6$s}
            """
                .formatted(
                    i,
                    inner.suffix,
                    window(i),
                    inner.attention ? "True" : "False",
                    inner.flags(),
                    entries));
      }
    }
  }

  /**
   * Gives, layer by layer, what {@link ActivationMeter} adds up: sums over rows of squared means of
   * sizes, and sums over tokens of squares.
   */
  private void measuring(ScriptModule.Builder builder) {
    StringBuilder measure = new StringBuilder();
    measure.append(
        """
        def measure(self, input_ids: Tensor, attention_mask: Tensor) -> List[Tensor]:
          valid = torch.unsqueeze(torch.to(torch.ne(attention_mask, 0), 6), -1)
          share = valid / torch.clamp_min(torch.sum(valid, [1], True), 1.)
          sums = annotate(List[Tensor], [])
          none = annotate(List[Tensor], [])
          positions = self.positions(attention_mask)
          cos, sin = self.rotary(positions)
          hidden = self.embedded(input_ids, positions)
        """);
    measure.append(masks("attention_mask", "False"));
    for (int i = 0; i < shape.layers(); i++) {
      measure.append(
          "  hidden = getattr(self.model.layers, \"%d\").measure(hidden, cos, sin, %s, valid, share, sums, none)\n"
              .formatted(i, maskOf(i)));
    }
    measure.append(squares("hidden"));
    measure.append(SIZES.formatted("self.model.norm.forward(hidden)"));
    builder.method(measure + "  return sums\n");
  }

  /** The layer's part of {@link #measuring}. */
  private String measure(String added) {
    String method =
        """
        def measure(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], valid: Tensor, share: Tensor, sums: List[Tensor], none: List[Tensor]) -> Tensor:
          before = hidden
          normed = self.input_layernorm.forward(hidden)
          context = self.self_attn.attend(normed, cos, sin, mask, none, none, False, False)
          hidden = hidden + torch.to(self.self_attn.o_proj.forward(context), 6)%1$s
          forwarded = self.post_attention_layernorm.forward(hidden)
          inner = self.mlp.inner(forwarded)
          after = hidden + torch.to(self.mlp.down_proj.forward(inner), 6)%1$s
        """
            .formatted(added);
    return method
        + squares("before")
        + SIZES.formatted("normed")
        + SIZES.formatted("torch.to(context, 6)")
        + squares("hidden")
        + SIZES.formatted("forwarded")
        + SIZES.formatted("torch.to(inner, 6)")
        + """
            turned = 1. - torch.cosine_similarity(before, after, -1, 1e-08)
            sums.append(torch.reshape(torch.sum(torch.unsqueeze(turned, -1) * valid), [1]))
            return after
          """;
  }

  /** Sums over tokens of the squares that a norm divides by. */
  private String squares(String tensor) {
    String centred =
        shape.normalization() == Normalization.LAYER_NORM
            ? "%1$s - torch.mean(%1$s, [-1], True)".formatted(tensor)
            : tensor;
    return "  sums.append(torch.sum(torch.pow(%s, 2) * valid, [0, 1]))\n".formatted(centred);
  }

  private int window(int layer) {
    return shape.slidingLayers().contains(layer) ? shape.slidingWindow() : 0;
  }

  private ScriptModule norm(String name) {
    return shape.normalization() == Normalization.LAYER_NORM
        ? parts.layerNorm(name, shape.hiddenSize(), shape.normEpsilon())
        : parts.rootMeanSquareNorm(name, shape.hiddenSize(), shape.normEpsilon());
  }

  private ScriptModule layer(int index) {
    String name = TransformerDecoder.layer(index);
    String added = shape.residualMultiplier() == 1 ? "" : " * " + shape.residualMultiplier();
    String dropped = "torch.dropout(%s, " + shape.dropout() + ", self.training)";
    String forward =
        """
        def %s:
          attended = %s
          hidden = hidden + %s%s
          forwarded = self.mlp.forward(self.post_attention_layernorm.forward(hidden))
          return hidden + %s%s
        """;
    String first = dropped.formatted("attended");
    String second = dropped.formatted("forwarded");
    return ScriptModule.builder(window(index) > 0 ? "SlidingDecoderLayer" : "DecoderLayer")
        .module("self_attn", attention(name + "self_attn.", window(index)))
        .module("mlp", feedForward(name + "mlp."))
        .module("input_layernorm", norm(name + "input_layernorm"))
        .module("post_attention_layernorm", norm(name + "post_attention_layernorm"))
        .method(
            forward.formatted(
                "forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], relations: List[Tensor], attention: List[Tensor], related: bool, scored: bool) -> Tensor",
                "self.self_attn.forward(self.input_layernorm.forward(hidden), cos, sin, mask, relations, attention, related, scored)",
                first,
                added,
                second,
                added))
        .method(
            forward.formatted(
                "feed(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], cache: Tensor, at: int) -> Tensor",
                "self.self_attn.feed(self.input_layernorm.forward(hidden), cos, sin, mask, cache, at)",
                first,
                added,
                second,
                added))
        .method(measure(added))
        .build();
  }

  private ScriptModule attention(String name, int window) {
    long queries = (long) shape.heads() * shape.headSize();
    long keys = (long) shape.keyValueHeads() * shape.headSize();
    int group = shape.heads() / shape.keyValueHeads();
    ScriptModule.Builder builder =
        ScriptModule.builder(window > 0 ? "SlidingAttention" : "Attention")
            .module(
                "q_proj",
                parts.product(name + "q_proj", queries, shape.hiddenSize(), shape.attentionBias()))
            .module(
                "k_proj",
                parts.product(name + "k_proj", keys, shape.hiddenSize(), shape.attentionBias()))
            .module(
                "v_proj",
                parts.product(name + "v_proj", keys, shape.hiddenSize(), shape.attentionBias()))
            .module(
                "o_proj",
                parts.product(name + "o_proj", shape.hiddenSize(), queries, shape.outputBias()));
    String query = "self.split(self.q_proj.forward(input))";
    String key = "self.split(self.k_proj.forward(input))";
    if (shape.queryKeyNorm()) {
      builder
          .module(
              "q_norm",
              parts.rootMeanSquareNorm(name + "q_norm", shape.headSize(), shape.normEpsilon()))
          .module(
              "k_norm",
              parts.rootMeanSquareNorm(name + "k_norm", shape.headSize(), shape.normEpsilon()));
      query = "self.q_norm.forward(" + parts.float32(query) + ")";
      key = "self.k_norm.forward(" + parts.float32(key) + ")";
    }
    builder
        .method(
            """
            def split(self, input: Tensor) -> Tensor:
              shape = [torch.size(input, 0), torch.size(input, 1), -1, %d]
              return torch.transpose(torch.reshape(input, shape), 1, 2)
            """
                .formatted(shape.headSize()))
        .method(turn())
        .method(
            """
            def project(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
              input = %s
              value = self.split(self.v_proj.forward(input))
              query = torch.type_as(self.turn(%s, cos, sin), value)
              key = torch.type_as(self.turn(%s, cos, sin), value)
              return (query, key, value)
            """
                .formatted(parts.operand("hidden"), query, key))
        .method(
            group == 1
                ? "def repeated(self, input: Tensor) -> Tensor:\n  return input\n"
                : """
                  def repeated(self, input: Tensor) -> Tensor:
                    return torch.flatten(torch.expand(torch.unsqueeze(input, 2), [-1, -1, %d, -1, -1]), 1, 2)
                  """
                    .formatted(group));
    String related =
        String.format(
            Locale.ROOT,
            """
              if related:
                relations.append(%s)
                relations.append(%s)
                relations.append(%s)
            """,
            parts.float32("query"),
            parts.float32("key"),
            parts.float32("value"));
    builder.method(
        """
        def attend(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], relations: List[Tensor], attention: List[Tensor], related: bool, scored: bool) -> Tensor:
          query, key, value = self.project(hidden, cos, sin)
        %1$s  key = self.repeated(key)
          value = self.repeated(value)
          dropout = %2$s if self.training else 0.
          if scored and mask is not None:
            hidden_from = torch.logical_not(mask)
            scores = torch.masked_fill(%3$s * %4$s, hidden_from, -1000000000.)
            attention.append(scores)
            probabilities = torch.dropout(torch.softmax(scores, -1), dropout, self.training)
            context = torch.matmul(torch.type_as(probabilities, value), value)
          else:
            context = torch.scaled_dot_product_attention(query, key, value, mask, dropout, mask is None, scale=%4$s)
          return torch.flatten(torch.transpose(context, 1, 2), 2)
        """
            .formatted(
                related,
                shape.dropout(),
                parts.float32("torch.matmul(query, torch.transpose(key, -2, -1))"),
                shape.attentionScale()));
    builder.method(
        """
        def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], relations: List[Tensor], attention: List[Tensor], related: bool, scored: bool) -> Tensor:
          return self.o_proj.forward(self.attend(hidden, cos, sin, mask, relations, attention, related, scored))
        """);
    String nearest =
        window == 0
            ? ""
            : """
                  first = at + 1 - %1$d
                  if first > 0:
                    keys = torch.narrow(keys, 2, first, %1$d)
                    values = torch.narrow(values, 2, first, %1$d)
                    if mask is not None:
                      mask = torch.narrow(mask, 3, first, %1$d)
              """
                .formatted(window);
    // the heads of a group stand beside each other as if they were queries: nothing is repeated
    builder.method(
        """
        def feed(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], cache: Tensor, at: int) -> Tensor:
          query, key, value = self.project(hidden, cos, sin)
          length = torch.size(query, 2)
          rows = torch.size(query, 0)
          torch.copy_(torch.narrow(torch.select(cache, 0, 0), 2, at, length), key)
          torch.copy_(torch.narrow(torch.select(cache, 0, 1), 2, at, length), value)
          keys = torch.narrow(torch.select(cache, 0, 0), 2, 0, at + length)
          values = torch.narrow(torch.select(cache, 0, 1), 2, 0, at + length)
          if length == 1:
        %1$s    grouped = torch.reshape(query, [rows, %2$d, %3$d, %4$d])
            context = torch.scaled_dot_product_attention(torch.type_as(grouped, keys), keys, values, mask, 0., False, scale=%5$s)
            merged = torch.reshape(context, [rows, 1, %6$d])
          else:
            context = torch.scaled_dot_product_attention(torch.type_as(query, keys), self.repeated(keys), self.repeated(values), mask, 0., mask is None, scale=%5$s)
            merged = torch.flatten(torch.transpose(context, 1, 2), 2)
          return %7$s
        """
            .formatted(
                nearest,
                shape.keyValueHeads(),
                group,
                shape.headSize(),
                shape.attentionScale(),
                queries,
                output(parts.operand("merged"))));
    return builder.build();
  }

  private static String output(String context) {
    return "self.o_proj.forward(" + context + ")";
  }

  /** Halves of the turned part stand for the two numbers of each pair. */
  private String turn() {
    String head = "def turn(self, input: Tensor, cos: Tensor, sin: Tensor) -> Tensor:\n";
    RotaryEmbedding rotary = shape.rotary();
    if (rotary == null) {
      return head + "  return input\n";
    }
    int turned = rotary.turned(shape.headSize());
    String half =
        """
          first = torch.narrow(input, -1, 0, %1$d)
          second = torch.narrow(input, -1, %1$d, %1$d)
        """
            .formatted(turned / 2);
    String product = "%s * cos + torch.cat([torch.neg(second), first], -1) * sin";
    if (turned == shape.headSize()) {
      return head + half + "  return " + product.formatted("input") + "\n";
    }
    return head
        + half
        + """
            part = torch.narrow(input, -1, 0, %d)
            rest = torch.narrow(input, -1, %d, %d)
            return torch.cat([%s, rest], -1)
          """
            .formatted(turned, turned, shape.headSize() - turned, product.formatted("part"));
  }

  private ScriptModule feedForward(String name) {
    ScriptModule.Builder builder =
        ScriptModule.builder("FeedForward")
            .module(
                "up_proj",
                parts.product(
                    name + "up_proj",
                    shape.intermediateSize(),
                    shape.hiddenSize(),
                    shape.feedForwardBias()))
            .module(
                "down_proj",
                parts.product(
                    name + "down_proj",
                    shape.hiddenSize(),
                    shape.intermediateSize(),
                    shape.feedForwardBias()));
    String inner = shape.activation().of("self.up_proj.forward(input)");
    if (shape.gated()) {
      builder.module(
          "gate_proj",
          parts.product(
              name + "gate_proj",
              shape.intermediateSize(),
              shape.hiddenSize(),
              shape.feedForwardBias()));
      inner =
          shape.activation().of("self.gate_proj.forward(input)") + " * self.up_proj.forward(input)";
    }
    return builder
        .method(
            """
            def inner(self, hidden: Tensor) -> Tensor:
              input = %s
              return %s
            """
                .formatted(parts.operand("hidden"), inner))
        .method(
            """
            def forward(self, hidden: Tensor) -> Tensor:
              return self.down_proj.forward(self.inner(hidden))
            """)
        .build();
  }
}
