package io.distill.huggingface;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.ToNumberPolicy;
import com.google.gson.reflect.TypeToken;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation.
 *
 * @param role who speaks, such as {@code system}, {@code user} or {@code assistant}; not blank
 * @param content what is said; empty if nothing is, the texts joined if it has parts
 * @param fields further members as JSON has them, such as {@code tool_calls}, {@code tool_call_id},
 *     {@code name} or {@code reasoning_content}: texts, numbers, booleans, null, and lists and maps
 *     of them; unmodifiable. {@code content} is among them if it is no text, but such as a list of
 *     parts or null
 */
public record ChatMessage(String role, String content, Map<String, @Nullable Object> fields) {

  private static final String ROLE = "role";
  private static final String CONTENT = "content";

  /** Whole numbers stay whole, as templates write them. */
  private static final Gson GSON =
      new GsonBuilder()
          .serializeNulls()
          .setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE)
          .create();

  private static final TypeToken<Map<String, @Nullable Object>> MEMBERS = new TypeToken<>() {};

  /**
   * Checks the role and copies the fields.
   *
   * @param role who speaks; not blank
   * @param content what is said
   * @param fields further members
   * @throws IllegalArgumentException if the role is blank, a field is named {@code role}, or a
   *     value is not JSON-like
   */
  public ChatMessage {
    checkArgument(!requireNonNull(role, ROLE).isBlank(), "role must not be blank");
    requireNonNull(content, CONTENT);
    Map<String, @Nullable Object> copy = new LinkedHashMap<>();
    fields.forEach((name, value) -> copy.put(name, copy(value)));
    checkArgument(!copy.containsKey(ROLE), "fields must not have a role; it is set by role");
    fields = Collections.unmodifiableMap(copy);
  }

  /**
   * Makes a message without further fields.
   *
   * @param role who speaks; not blank
   * @param content what is said
   * @throws IllegalArgumentException if the role is blank
   */
  public ChatMessage(String role, String content) {
    this(role, content, Map.of());
  }

  /**
   * Makes a message of its members.
   *
   * @param members the members as JSON has them: {@code role}, {@code content} (a text, or such as
   *     null or a list of parts like {@code {"type": "text", "text": "..."}}) and any others
   * @return the message
   * @throws IllegalArgumentException if the role is no text or blank, or a value is not JSON-like
   */
  public static ChatMessage of(Map<String, ? extends @Nullable Object> members) {
    checkArgument(
        members.get(ROLE) instanceof String, "role must be a text but was %s", members.get(ROLE));
    Map<String, @Nullable Object> fields = new LinkedHashMap<>(members);
    String role = String.valueOf(fields.remove(ROLE));
    Object content = fields.remove(CONTENT);
    return new ChatMessage(role, "", fields).with(CONTENT, content);
  }

  /**
   * Makes a message of a JSON object, as data files have them.
   *
   * @param json the object; whole numbers stay whole
   * @return the message
   * @throws IllegalArgumentException as {@link #of(Map)}, or if it says nothing: it has no {@code
   *     content} and no further member
   */
  public static ChatMessage fromJson(JsonObject json) {
    Map<String, @Nullable Object> members = GSON.fromJson(json, MEMBERS);
    boolean silent = members.get(CONTENT) == null && members.size() < 3;
    checkArgument(!silent, "a message has neither content nor further members");
    return of(members);
  }

  /**
   * Returns the message as a JSON object.
   *
   * @return a new object, that {@link #fromJson} makes an equal message of
   */
  public JsonObject toJson() {
    JsonObject json = new JsonObject();
    json.addProperty(ROLE, role);
    json.addProperty(CONTENT, content);
    fields.forEach((name, value) -> json.add(name, GSON.toJsonTree(value)));
    return json;
  }

  /**
   * Returns this message with one more field.
   *
   * @param name the name, such as {@code tool_calls}; {@code content} replaces the content
   * @param value a text, number, boolean, list, map or null
   * @return a copy
   * @throws IllegalArgumentException if the name is {@code role}, or the value is not JSON-like
   */
  public ChatMessage with(String name, @Nullable Object value) {
    Map<String, @Nullable Object> more = new LinkedHashMap<>(fields);
    if (!requireNonNull(name, "name").equals(CONTENT)) {
      more.put(name, value);
      return new ChatMessage(role, content, more);
    }
    more.remove(CONTENT);
    if (value instanceof String text) {
      return new ChatMessage(role, text, more);
    }
    more.put(CONTENT, value);
    return new ChatMessage(role, texts(value), more);
  }

  private static String texts(@Nullable Object parts) {
    StringBuilder text = new StringBuilder();
    if (parts instanceof List<?> list) {
      for (Object part : list) {
        checkArgument(part instanceof Map, "parts of content must be maps but one was %s", part);
        text.append(((Map<?, ?>) part).get("text") instanceof String said ? said : "");
      }
    }
    return text.toString();
  }

  private static @Nullable Object copy(@Nullable Object value) {
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> copy = new LinkedHashMap<>();
      map.forEach((key, each) -> copy.put((String) key, copy(each)));
      return Collections.unmodifiableMap(copy);
    }
    if (value instanceof List<?> list) {
      List<@Nullable Object> copy = new ArrayList<>();
      list.forEach(each -> copy.add(copy(each)));
      return Collections.unmodifiableList(copy);
    }
    checkArgument(
        value == null
            || value instanceof String
            || value instanceof Number
            || value instanceof Boolean,
        "field must be a text, number, boolean, list or map but was %s",
        value == null ? null : value.getClass().getName());
    return value;
  }
}
