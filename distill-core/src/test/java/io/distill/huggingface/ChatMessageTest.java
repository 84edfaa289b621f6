package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ChatMessageTest {

  private static final Map<String, String> TOKENS = Map.of();

  private static String seen(ChatMessage message) {
    return ChatTemplate.of("{{ messages[0] | tojson }}", TOKENS).render(List.of(message), false);
  }

  @Test
  void fields_reachTheTemplate() {
    ChatMessage message =
        new ChatMessage("assistant", "")
            .with("tool_calls", List.of(Map.of("name", "f")))
            .with("weight", 0.5)
            .with("turn", 3);
    assertThat(seen(message))
        .isEqualTo(
            "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"name\": \"f\"}],"
                + " \"weight\": 0.5, \"turn\": 3}");
    assertThat(message.fields()).containsOnlyKeys("tool_calls", "weight", "turn");
  }

  @Test
  void nulls_areLeftOutOfMessagesButNotOfWhatTheyHold() {
    Map<String, Object> holding = new HashMap<>();
    holding.put("x", null);
    ChatMessage message =
        new ChatMessage("tool", "c").with("content", null).with("name", null).with("h", holding);
    assertThat(seen(message)).isEqualTo("{\"role\": \"tool\", \"h\": {\"x\": null}}");
    assertThat(message.content()).isEmpty();
  }

  @Test
  void parts_areHandedOnAndJoinedAsContent() {
    List<Object> parts =
        List.of(Map.of("text", "a"), Map.of("type", "image"), Map.of("text", " b"));
    ChatMessage message = ChatMessage.of(Map.of("role", "user", "content", parts));
    assertThat(message.content()).isEqualTo("a b");
    assertThat(message.fields()).containsEntry("content", parts);
    assertThat(seen(message)).contains("\"content\": [{\"text\": \"a\"}, {\"type\": \"image\"}");
    assertThat(message.with("content", "plain")).isEqualTo(new ChatMessage("user", "plain"));
  }

  @Test
  void reasoning_hasItsOlderNamesToo() {
    assertThat(seen(new ChatMessage("assistant", "c").with("reasoning", "r")))
        .isEqualTo(
            "{\"role\": \"assistant\", \"content\": \"c\", \"reasoning\": \"r\", \"thinking\":"
                + " \"r\", \"reasoning_content\": \"r\"}");
  }

  @Test
  void fields_areCopied() {
    List<Object> list = new ArrayList<>(List.of(1));
    ChatMessage message = new ChatMessage("user", "a").with("list", list);
    list.add(2);
    assertThat(message.fields()).containsEntry("list", List.of(1));
    assertThatThrownBy(() -> message.fields().clear())
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void badMembers_areRefused() {
    ChatMessage message = new ChatMessage("user", "a");
    assertThatThrownBy(() -> message.with("x", new Object()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("field must be a text, number, boolean, list or map but was java.lang.Object");
    assertThatThrownBy(() -> message.with("role", "tool"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("fields must not have a role; it is set by role");
    assertThatThrownBy(() -> message.with("content", List.of("a")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("parts of content must be maps but one was a");
    assertThatThrownBy(() -> ChatMessage.of(Map.of("content", "a")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("role must be a text but was null");
    assertThatThrownBy(() -> new ChatMessage(" ", "a"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("role must not be blank");
  }

  @Test
  void json_isReadAndWritten() {
    String line =
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":7,\"weight\":0.5,\"why\":null}],"
            + "\"name\":\"x\"}";
    ChatMessage message = ChatMessage.fromJson(JsonParser.parseString(line).getAsJsonObject());
    assertThat(message.content()).isEmpty();
    assertThat(message.toJson().toString()).isEqualTo(line);
    assertThat(ChatMessage.fromJson(message.toJson())).isEqualTo(message);
    JsonObject parts =
        JsonParser.parseString(
                "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}")
            .getAsJsonObject();
    assertThat(ChatMessage.fromJson(parts).content()).isEqualTo("hello");
    assertThat(ChatMessage.fromJson(parts).toJson()).isEqualTo(parts);
    JsonObject silent = new JsonObject();
    silent.addProperty("role", "user");
    assertThatThrownBy(() -> ChatMessage.fromJson(silent))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("neither content nor further members");
  }
}
