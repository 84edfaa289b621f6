package io.distill.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.Tokenizer;
import io.distill.data.WordTokenizers;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConversationDatasetTest {

  private static final List<String> WORDS =
      List.of("<end>", "<unk>", "user", "assistant", "system", "a", "b", "c", "d", "e", "f");

  private static final int END = 0;

  /** A word a token; the end token also pads. */
  private static final Tokenizer TOKENIZER = WordTokenizers.ofWords(WORDS);

  /** A header, the words, an end token and a line end for each message. */
  private static final ConversationTemplate TEMPLATE =
      (messages, prompt) ->
          messages.stream()
                  .map(message -> message.role() + " " + message.content() + " <end>\n")
                  .collect(Collectors.joining())
              + (prompt ? "assistant " : "");

  private static ChatMessage user(String text) {
    return new ChatMessage("user", text);
  }

  private static ChatMessage assistant(String text) {
    return new ChatMessage("assistant", text);
  }

  private static int[] ids(String text) {
    return Arrays.stream(text.split(" ", -1)).mapToInt(WORDS::indexOf).toArray();
  }

  private static ConversationDataset.Builder builder(Conversation... conversations) {
    return ConversationDataset.builder()
        .conversations(List.of(conversations))
        .tokenizer(TOKENIZER)
        .template(TEMPLATE)
        .endId(END)
        .maxLength(32);
  }

  private static int[] labels(ConversationDataset dataset, int row) {
    return dataset.inputs(TOKENIZER).tokenLabels(row);
  }

  private static int[] array(String text) {
    return Arrays.stream(text.split(" ", -1))
        .mapToInt(word -> word.equals("_") ? -1 : WORDS.indexOf(word))
        .toArray();
  }

  @Test
  void conversation_learnsWhatTheAssistantSays_andThatItEnds() {
    ConversationDataset dataset =
        builder(Conversation.of(List.of(user("a b"), assistant("c d"), user("e"), assistant("f"))))
            .build();
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Batch batch = dataset.inputs(TOKENIZER).batch(manager, new int[] {0});
      assertThat(batch.inputs().get(0).toLongArray())
          .containsExactly(
              Arrays.stream(
                      ids("user a b <end> assistant c d <end> user e <end> assistant f <end>"))
                  .asLongStream()
                  .toArray());
      assertThat(batch.inputs().get(1).toLongArray()).containsOnly(1);
    }
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ _ _ _ c d <end> _ _ _ _ f <end>"));
    assertThat(dataset.report().learnedTokens()).isEqualTo(5);
  }

  @Test
  void padding_withTheEndToken_leavesItLearned() {
    ConversationDataset dataset =
        builder(
                Conversation.of(List.of(user("a"), assistant("b"))),
                Conversation.of(List.of(user("a b c"), assistant("d e f"))))
            .build();
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Batch batch = dataset.inputs(TOKENIZER).batch(manager, new int[] {0, 1});
      assertThat(batch.inputs().get(1).toLongArray())
          .containsExactly(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    }
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ _ _ b <end>"));
  }

  @Test
  void afterTheLastAnswer_nothingIsKept() {
    ConversationDataset dataset =
        builder(Conversation.of(List.of(user("a"), assistant("b"), user("c")))).build();
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ _ _ b <end>"));
  }

  @Test
  void templateWithoutAnEnd_getsOne() {
    ConversationDataset dataset =
        builder(Conversation.of(List.of(user("a"), assistant("b c"))))
            .template(
                (messages, prompt) ->
                    messages.stream()
                            .map(message -> message.role() + " " + message.content() + " ")
                            .collect(Collectors.joining())
                        + (prompt ? "assistant " : ""))
            .build();
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ _ b c <end>"));
  }

  @Test
  void templateThatRewritesHistory_learnsTheLastAnswer() {
    // answers but the last are shortened to their first word, as thoughts are left out
    ConversationTemplate forgetful =
        (messages, prompt) -> {
          List<ChatMessage> shown = new ArrayList<>();
          for (int i = 0; i < messages.size(); i++) {
            ChatMessage each = messages.get(i);
            boolean last = i == messages.size() - 1;
            shown.add(
                each.role().equals("assistant") && !last
                    ? assistant(each.content().substring(0, 1))
                    : each);
          }
          return TEMPLATE.render(shown, prompt);
        };
    ConversationDataset dataset =
        builder(Conversation.of(List.of(user("a"), assistant("b c"), user("d"), assistant("e f"))))
            .template(forgetful)
            .build();
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ _ _ _ _ _ _ _ _ e f <end>"));
    assertThat(dataset.report().lastTurnOnly()).isEqualTo(1);
  }

  @Test
  void completion_learnsWhatFollowsThePrompt() {
    ConversationDataset dataset = builder(Conversation.of("a b ", "c d")).build();
    assertThat(labels(dataset, 0)).isEqualTo(array("_ _ c d <end>"));
  }

  @Test
  void text_isLearnedButForItsFirstToken() {
    ConversationDataset ended = builder(Conversation.of("a b c")).build();
    assertThat(labels(ended, 0)).isEqualTo(array("_ b c <end>"));
    assertThat(labels(builder(Conversation.of("a b c")).endTexts(false).build(), 0))
        .isEqualTo(array("_ b c"));
  }

  @Test
  void longSamples_areCutSplitOrDropped() {
    Conversation sample = Conversation.of(List.of(user("a b c"), assistant("d e f a b c")));
    Conversation hopeless = Conversation.of(List.of(user("a b c d e f a b c d"), assistant("e")));
    Conversation brief = Conversation.of("a ", "b");
    ConversationDataset cut = builder(sample, hopeless, brief).maxLength(8).build();
    assertThat(labels(cut, 0)).isEqualTo(array("_ _ _ _ _ _ d e"));
    assertThat(cut.report().truncated()).isEqualTo(1);
    assertThat(cut.report().dropped())
        .containsExactlyEntriesOf(Map.of(ConversationReport.NOTHING_LEFT, 1));
    ConversationDataset split =
        builder(sample, brief).maxLength(8).tooLong(ConversationDataset.TooLong.SPLIT).build();
    assertThat(split.size()).isEqualTo(3);
    assertThat(labels(split, 1)).isEqualTo(array("_ a b c <end>"));
    assertThat(split.report().split()).isEqualTo(1);
    ConversationDataset dropped =
        builder(sample, brief).maxLength(8).tooLong(ConversationDataset.TooLong.DROP).build();
    assertThat(dropped.size()).isEqualTo(1);
    assertThat(dropped.report().dropped()).containsEntry(ConversationReport.TOO_LONG, 1);
  }

  @Test
  void unusableSamples_areCountedByReason() {
    ConversationDataset dataset =
        builder(
                Conversation.of("a ", ""),
                Conversation.of(List.of(user("a"))),
                Conversation.of(List.of(user("a"), assistant(""))),
                Conversation.of(""),
                Conversation.of("a ", "b"))
            .build();
    assertThat(dataset.size()).isEqualTo(1);
    assertThat(dataset.report().dropped())
        .containsEntry(ConversationReport.EMPTY, 3)
        .containsEntry(ConversationReport.NO_ASSISTANT, 1);
    assertThat(dataset.report().toString()).contains("5 samples: 1 kept");
    assertThatThrownBy(() -> builder(Conversation.of("a ", "")).build())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("all 1 were dropped: {empty completion=1}");
  }

  @Test
  void templateThatRefuses_isACountedDrop() {
    ConversationDataset dataset =
        builder(
                Conversation.of(List.of(user("a"), user("b"), assistant("c"))),
                Conversation.of(List.of(user("a"), assistant("c"))))
            .template(
                (messages, prompt) -> {
                  if (messages.size() > 1 && messages.get(1).role().equals("user")) {
                    throw new DistillationException("roles must alternate");
                  }
                  return TEMPLATE.render(messages, prompt);
                })
            .build();
    assertThat(dataset.report().dropped()).containsEntry(ConversationReport.REFUSED, 1);
  }

  @Test
  void packedRows_numberTheirSamples_andKeepAllLabels() {
    SplittableRandom random = new SplittableRandom(3);
    List<Conversation> samples = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      String text =
          random
              .ints(1 + random.nextInt(9), 5, 11)
              .mapToObj(WORDS::get)
              .collect(Collectors.joining(" "));
      samples.add(Conversation.of("a " + "b ".repeat(random.nextInt(5)), text));
    }
    Conversation[] array = samples.toArray(Conversation[]::new);
    ConversationDataset alone = builder(array).build();
    ConversationDataset packed = builder(array).packed(true).build();
    assertThat(packed.size()).isLessThan(alone.size() / 2);
    assertThat(packed.report().filled()).isGreaterThan(0.9);
    assertThat(packed.report().learnedTokens()).isEqualTo(alone.report().learnedTokens());
    BatchSource source = packed.inputs(TOKENIZER);
    List<String> seen = new ArrayList<>();
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      for (int row = 0; row < packed.size(); row++) {
        Batch batch = source.batch(manager, new int[] {row});
        long[] ids = batch.inputs().get(0).toLongArray();
        long[] mask = batch.inputs().get(1).toLongArray();
        int[] labels = source.tokenLabels(row);
        assertThat(ids).hasSizeLessThanOrEqualTo(32).hasSameSizeAs(labels);
        StringBuilder sample = new StringBuilder();
        for (int i = 0; i < ids.length; i++) {
          boolean first = i == 0 || mask[i] != mask[i - 1];
          assertThat(mask[i]).isEqualTo(i == 0 ? 1 : first ? mask[i - 1] + 1 : mask[i - 1]);
          if (first && i > 0) {
            seen.add(sample.toString());
            sample.setLength(0);
          }
          assertThat(labels[i]).isIn(-1, (int) ids[i]);
          assertThat(first && labels[i] >= 0).isFalse();
          sample.append(ids[i]).append(':').append(labels[i]).append(' ');
        }
        seen.add(sample.toString());
      }
      List<String> expected = new ArrayList<>();
      for (int row = 0; row < alone.size(); row++) {
        long[] ids =
            alone.inputs(null).batch(manager, new int[] {row}).inputs().get(0).toLongArray();
        StringBuilder sample = new StringBuilder();
        for (int i = 0; i < ids.length; i++) {
          sample.append(ids[i]).append(':').append(labels(alone, row)[i]).append(' ');
        }
        expected.add(sample.toString());
      }
      assertThat(seen).containsExactlyInAnyOrderElementsOf(expected);
    }
  }

  @Test
  void fingerprintAndIds_areStable_andTellLabelsApart() {
    Conversation one = Conversation.of("a ", "b");
    assertThat(builder(one).build().fingerprint()).isEqualTo(builder(one).build().fingerprint());
    assertThat(builder(one).build().id(0)).isEqualTo(builder(one).build().id(0));
    // the same tokens, of which more are learned
    assertThat(builder(Conversation.of("a b c")).build().fingerprint())
        .isNotEqualTo(builder(Conversation.of("a b ", "c")).build().fingerprint());
    assertThat(builder(Conversation.of("a b ", "c"), one).build().fingerprint())
        .isNotEqualTo(builder(one, Conversation.of("a b ", "c")).build().fingerprint());
  }

  @Test
  void otherTokenizer_isRefused() {
    Tokenizer other = Tokenizer.parse(TOKENIZER.json().replace("\"f\"", "\"g\""));
    ConversationDataset dataset = builder(Conversation.of("a ", "b")).build();
    assertThatThrownBy(() -> dataset.inputs(other))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have the tokenizer of the data set");
    assertThat(dataset.inputs(TOKENIZER.withMaxLength(7)).size()).isEqualTo(1);
  }

  @Test
  void build_withoutParts_namesThemAll() {
    assertThatIllegalStateException()
        .isThrownBy(() -> ConversationDataset.builder().build())
        .withMessage("conversations, tokenizer must be set");
    assertThatIllegalStateException()
        .isThrownBy(
            () ->
                ConversationDataset.builder()
                    .conversations(List.of(Conversation.of(List.of(assistant("a")))))
                    .tokenizer(TOKENIZER)
                    .build())
        .withMessage("template must be set");
  }

  @Test
  void split_dividesAllRows() {
    Conversation[] samples = new Conversation[10];
    for (int i = 0; i < samples.length; i++) {
      samples[i] = Conversation.of("a ".repeat(1 + i), "b");
    }
    ConversationDataset whole = builder(samples).build();
    List<ConversationDataset> parts = whole.split(0.8, 5);
    assertThat(parts.get(0).size()).isEqualTo(8);
    assertThat(parts.get(1).size()).isEqualTo(2);
    List<String> ids = new ArrayList<>();
    parts.forEach(
        part -> {
          for (int i = 0; i < part.size(); i++) {
            ids.add(part.id(i));
          }
        });
    assertThat(ids).doesNotHaveDuplicates().hasSize(10);
  }

  @Test
  void threads_seeTheSame() throws Exception {
    ConversationDataset dataset =
        builder(Conversation.of("a b ", "c"), Conversation.of("a ", "d e")).build();
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try {
      Callable<String> task =
          () -> {
            try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
              return Arrays.toString(
                      dataset
                          .inputs(TOKENIZER)
                          .batch(manager, new int[] {1, 0})
                          .inputs()
                          .get(0)
                          .toLongArray())
                  + dataset.fingerprint();
            }
          };
      List<String> all = new ArrayList<>();
      for (var each : pool.invokeAll(Collections.nCopies(16, task))) {
        all.add(each.get());
      }
      assertThat(all).containsOnly(all.get(0));
    } finally {
      pool.shutdownNow();
    }
  }

  @Test
  void jsonLines_readsTheUsualForms(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("data.jsonl");
    Files.writeString(
        file,
        """
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "id": 7}

        {"prompt": "a ", "completion": "b"}
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}
        {"prompt": [{"role": "user", "content": "a"}], "completion": "b"}
        {"text": "a b"}
        """);
    Conversation chat = Conversation.of(List.of(user("a"), assistant("b")));
    assertThat(Conversations.jsonLines(file).read())
        .containsExactly(chat, Conversation.of("a ", "b"), chat, chat, Conversation.of("a b"));
  }

  @Test
  void jsonLines_badRows_areRefusedWithTheirLine_orCounted(@TempDir Path directory)
      throws Exception {
    Path file = directory.resolve("data.jsonl");
    List<String> bad =
        List.of(
            "{",
            "[]",
            "3",
            "{}",
            "{\"text\": 3}",
            "{\"text\": null}",
            "{\"messages\": []}",
            "{\"messages\": {}}",
            "{\"messages\": [3]}",
            "{\"messages\": [{\"role\": \"user\"}]}",
            "{\"messages\": [{\"role\": \"\", \"content\": \"a\"}]}",
            "{\"messages\": [{\"role\": \"user\", \"content\": [\"a\"]}]}",
            "{\"prompt\": \"a\"}",
            "{\"prompt\": 1, \"completion\": \"a\"}",
            "[".repeat(5000));
    for (String line : bad) {
      Files.writeString(file, "{\"text\": \"a\"}\n" + line + "\n");
      assertThatThrownBy(() -> Conversations.jsonLines(file).read())
          .as(line)
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("line 2 of " + file);
    }
    Files.writeString(file, String.join("\n", bad) + "\n{\"text\": \"a\"}\n");
    Conversations reader = Conversations.jsonLines(file).skipBadRows(true);
    assertThat(reader.read()).containsExactly(Conversation.of("a"));
    assertThat(reader.skipped()).isEqualTo(bad.size());
    Files.writeString(file, "\n");
    assertThatThrownBy(() -> Conversations.jsonLines(file).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have at least one sample");
  }
}
