package io.distill.conversation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import io.distill.huggingface.ChatTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConversationsTest {

  @TempDir private Path folder;

  private List<ChatMessage> read(String line) throws IOException {
    Path file = folder.resolve("rows.jsonl");
    Files.writeString(file, line);
    return ((Conversation.Messages) Conversations.jsonLines(file).read().get(0)).messages();
  }

  @Test
  void furtherMembers_ofMessagesReachTheTemplate() throws IOException {
    List<ChatMessage> messages =
        read(
            "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\","
                + " \"content\": null, \"tool_calls\": [{\"function\": {\"name\": \"f\","
                + " \"arguments\": {\"n\": 2, \"x\": 2.0, \"no\": null}}}]}, {\"role\": \"tool\","
                + " \"content\": [{\"type\": \"text\", \"text\": \"r\"}], \"name\": \"f\"}]}");
    assertThat(messages.get(1).content()).isEmpty();
    assertThat(messages.get(2).content()).isEqualTo("r");
    assertThat(
            ChatTemplate.of("{{ messages[1] | tojson }}{{ messages[2].name }}", Map.of())
                .render(messages, false))
        .isEqualTo(
            "{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\","
                + " \"arguments\": {\"n\": 2, \"x\": 2.0, \"no\": null}}}]}f");
  }

  @Test
  void messages_thatSayNothingAtAll_areRefused() {
    assertThatThrownBy(() -> read("{\"messages\": [{\"role\": \"user\", \"content\": null}]}"))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("a message has neither content nor further members");
  }
}
