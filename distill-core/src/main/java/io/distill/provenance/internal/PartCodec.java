package io.distill.provenance.internal;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.provenance.spi.PartDescription;
import io.distill.provenance.spi.RecipePart;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Writes parts of recipes as JSON and makes them again.
 *
 * <p>A record becomes an object of its components, with its type beside them where a reader could
 * not know it. What is no record (a lambda, a class of the user's) becomes an object with its class
 * name under {@code "opaque"}: it can be compared and must be set again. Only records that a {@link
 * io.distill.provenance.spi.RecipeTypes} lists are ever made from JSON, by their constructors,
 * which check what they get.
 */
public final class PartCodec {

  /** The name under which an object says what it is. */
  public static final String TYPE = "type";

  /** The name under which an object that cannot be made again says its class. */
  public static final String OPAQUE = "opaque";

  private static final String VALUES = "values";

  /** The part of the name of a lambda's class that no other run gives it. */
  private static final String LAMBDA = "$$Lambda";

  /** Components that show no end, as cycles of a user's classes would. */
  private static final int MAXIMUM_DEPTH = 40;

  private final RecipeTypeRegistry registry;
  private final Function<Object, Map<String, JsonElement>> facts;

  /**
   * Makes a codec.
   *
   * @param facts what else tells an opaque part from others, such as values of a function
   */
  public PartCodec(Function<Object, Map<String, JsonElement>> facts) {
    this(RecipeTypeRegistry.load(), facts);
  }

  private PartCodec(RecipeTypeRegistry registry, Function<Object, Map<String, JsonElement>> facts) {
    this.registry = registry;
    this.facts = facts;
  }

  /** Makes a codec for records of which a reader knows the classes; it makes no other. */
  public static PartCodec ofPlainRecords() {
    return new PartCodec(RecipeTypeRegistry.empty(), part -> Map.of());
  }

  /** Writes a part, or a value of one. */
  public JsonElement encode(@Nullable Object part) {
    return encode(part, Object.class, 0);
  }

  /** Writes a part of which a reader knows the class, and so needs no type. */
  public <T> JsonElement encode(T part, Class<T> known) {
    return encode(part, known, 0);
  }

  private JsonElement encode(@Nullable Object value, Class<?> declared, int depth) {
    if (depth > MAXIMUM_DEPTH) {
      throw new DistillationException(
          "recipe must nest its parts at most "
              + MAXIMUM_DEPTH
              + " deep but one of "
              + declared.getName()
              + " is deeper; add losses up with plus(...) instead of wrapping sums");
    }
    Object plain = unwrapped(value);
    if (plain == null) {
      return JsonNull.INSTANCE;
    }
    if (plain instanceof Boolean flag) {
      return new JsonPrimitive(flag);
    }
    if (plain instanceof Number number) {
      return number(number);
    }
    if (plain instanceof String || plain instanceof Instant || plain instanceof LocalDate) {
      return new JsonPrimitive(plain.toString());
    }
    if (plain instanceof Map<?, ?> map) {
      JsonObject object = new JsonObject();
      map.forEach(
          (name, each) -> object.add(String.valueOf(name), encode(each, Object.class, depth + 1)));
      return object;
    }
    if (plain instanceof Collection<?> collection) {
      return array(collection, depth);
    }
    if (plain instanceof RecipePart part) {
      return described(part, depth);
    }
    if (plain instanceof Enum<?> choice && registry.name(plain.getClass()).isEmpty()) {
      return new JsonPrimitive(choice.name());
    }
    if (plain instanceof Record written) {
      return record(written, declared, depth);
    }
    return opaque(plain, null, depth);
  }

  private static @Nullable Object unwrapped(@Nullable Object value) {
    if (value instanceof Optional<?> optional) {
      return optional.orElse(null);
    }
    if (value instanceof OptionalInt optional) {
      return optional.isPresent() ? optional.getAsInt() : null;
    }
    if (value instanceof OptionalLong optional) {
      return optional.isPresent() ? optional.getAsLong() : null;
    }
    if (value instanceof OptionalDouble optional) {
      return optional.isPresent() ? optional.getAsDouble() : null;
    }
    return value;
  }

  /** JSON has no infinite numbers: they are written as words. */
  static JsonPrimitive number(Number number) {
    return Double.isFinite(number.doubleValue())
        ? new JsonPrimitive(new BigDecimal(number.toString()))
        : new JsonPrimitive(number.toString());
  }

  private JsonArray array(Collection<?> values, int depth) {
    JsonArray array = new JsonArray();
    values.forEach(each -> array.add(encode(each, Object.class, depth + 1)));
    return array;
  }

  private JsonElement described(RecipePart part, int depth) {
    Record description = part.description();
    boolean whole =
        registry.name(description.getClass()).isPresent()
            && description instanceof PartDescription again
            && again.part().isPresent();
    return whole ? record(description, Object.class, depth) : opaque(part, description, depth);
  }

  private JsonElement record(Record part, Class<?> declared, int depth) {
    Optional<String> name = registry.name(part.getClass());
    if (registry.isConstant(part.getClass())) {
      return number((Number) read(part.getClass().getRecordComponents()[0], part));
    }
    boolean known = declared == part.getClass();
    if (name.isEmpty() && !known) {
      return opaque(part, part, depth);
    }
    JsonObject object = new JsonObject();
    if (!known) {
      object.addProperty(TYPE, name.orElseThrow());
    }
    components(part, depth).forEach(object::add);
    return object;
  }

  private Map<String, JsonElement> components(Record part, int depth) {
    Map<String, JsonElement> components = new LinkedHashMap<>();
    for (RecordComponent component : part.getClass().getRecordComponents()) {
      Object value = read(component, part);
      Class<?> inside = inside(component);
      JsonElement element =
          value instanceof List<?> list
              ? list(list, inside, depth)
              : encode(value, inside, depth + 1);
      if (!element.isJsonNull()) {
        components.put(component.getName(), element);
      }
    }
    return components;
  }

  private JsonArray list(List<?> values, Class<?> type, int depth) {
    JsonArray array = new JsonArray();
    values.forEach(each -> array.add(encode(each, type, depth + 1)));
    return array;
  }

  /** Returns the declared class of a component, or of what a list or an Optional of it holds. */
  private static Class<?> inside(RecordComponent component) {
    if (component.getType() == List.class || component.getType() == Optional.class) {
      return component.getGenericType() instanceof ParameterizedType of
              && of.getActualTypeArguments()[0] instanceof Class<?> type
          ? type
          : Object.class;
    }
    return component.getType();
  }

  private static Object read(RecordComponent component, Record part) {
    try {
      component.getAccessor().setAccessible(true);
      return component.getAccessor().invoke(part);
    } catch (ReflectiveOperationException e) {
      throw new DistillationException(
          component.getName()
              + " of "
              + part.getClass().getName()
              + " must be readable but was not",
          e);
    }
  }

  private JsonObject opaque(Object part, @Nullable Record values, int depth) {
    JsonObject object = new JsonObject();
    object.addProperty(OPAQUE, className(part));
    if (values != null) {
      JsonObject components = new JsonObject();
      components(values, depth).forEach(components::add);
      if (!components.isEmpty()) {
        object.add(VALUES, components);
      }
    }
    facts.apply(part).forEach(object::add);
    return object;
  }

  /** Returns the name of an object's class; of a lambda, that of the class that it stands in. */
  public static String className(Object part) {
    Class<?> type = part instanceof Enum<?> choice ? choice.getDeclaringClass() : part.getClass();
    String name = type.getName();
    int lambda = name.indexOf(LAMBDA);
    return lambda < 0 ? name : name.substring(0, lambda + LAMBDA.length());
  }

  /** Returns where in a written part something is that cannot be made again, with its class. */
  public static Map<String, String> opaqueParts(String path, JsonElement element) {
    Map<String, String> found = new LinkedHashMap<>();
    collectOpaque(path, element, found);
    return found;
  }

  private static void collectOpaque(String path, JsonElement element, Map<String, String> found) {
    if (element instanceof JsonObject object) {
      JsonElement name = object.get(OPAQUE);
      if (name != null) {
        found.put(path, name.isJsonPrimitive() ? name.getAsString() : "");
        return;
      }
      object.asMap().forEach((key, each) -> collectOpaque(path + "." + key, each, found));
    } else if (element instanceof JsonArray array) {
      for (int i = 0; i < array.size(); i++) {
        collectOpaque(path + "[" + i + "]", array.get(i), found);
      }
    }
  }

  /**
   * Makes a part from JSON.
   *
   * @param path where it stands, as messages call it
   * @param wanted what it must be
   * @throws DistillationException if the JSON names a type that is not listed, or a value is
   *     missing, superfluous or refused
   */
  public <T> T decode(String path, JsonElement element, Class<T> wanted) {
    return wanted.cast(value(path, element, wanted));
  }

  private Object value(String path, JsonElement element, Type declared) {
    if (declared instanceof ParameterizedType parameterized) {
      Type of = parameterized.getActualTypeArguments()[0];
      if (parameterized.getRawType() == List.class) {
        return list(path, element, of);
      }
      if (parameterized.getRawType() == Optional.class) {
        return Optional.of(value(path, element, of));
      }
      if (parameterized.getRawType() == Map.class && of == String.class) {
        return map(path, element, parameterized.getActualTypeArguments()[1]);
      }
    }
    if (!(declared instanceof Class<?> type)) {
      throw refused(path, "be of a type that can be read but is " + declared.getTypeName());
    }
    if (type == boolean.class || type == Boolean.class) {
      return flag(path, element);
    }
    if (type == int.class || type == Integer.class) {
      return Math.toIntExact(whole(path, element, Integer.MIN_VALUE, Integer.MAX_VALUE));
    }
    if (type == long.class || type == Long.class) {
      return whole(path, element, Long.MIN_VALUE, Long.MAX_VALUE);
    }
    if (type == double.class || type == Double.class) {
      return real(path, element);
    }
    if (type == OptionalInt.class) {
      return OptionalInt.of((Integer) value(path, element, int.class));
    }
    if (type == OptionalLong.class) {
      return OptionalLong.of((Long) value(path, element, long.class));
    }
    if (type == OptionalDouble.class) {
      return OptionalDouble.of((Double) value(path, element, double.class));
    }
    if (type == String.class) {
      return text(path, element);
    }
    if (type == Instant.class) {
      return parsed(path, element, Instant::parse);
    }
    if (type == LocalDate.class) {
      return parsed(path, element, LocalDate::parse);
    }
    if (type.isEnum()) {
      return choice(path, element, type);
    }
    if (type.isRecord()) {
      return make(path, object(path, element), type.asSubclass(Record.class), Set.of());
    }
    return listed(path, element, type);
  }

  private Object listed(String path, JsonElement element, Class<?> wanted) {
    if (element instanceof JsonPrimitive number && number.isNumber()) {
      Class<? extends Record> constant =
          registry
              .constant(wanted)
              .orElseThrow(() -> refused(path, "be an object but is " + shown(element)));
      return construct(path, constant, List.of(real(path, element)));
    }
    JsonObject object = object(path, element);
    if (object.has(OPAQUE)) {
      throw refused(
          path,
          "be one that can be made from a file but is " + shown(object.get(OPAQUE)) + "; set it");
    }
    if (!object.has(TYPE)) {
      throw refused(path, "have a " + TYPE + " but has none");
    }
    String name = text(path + "." + TYPE, object.get(TYPE));
    Class<? extends Record> type =
        registry
            .type(name)
            .orElseThrow(
                () ->
                    refused(
                        path,
                        "be of a type that a RecipeTypes on the class path lists but is "
                            + shown(object.get(TYPE))
                            + "; add the module that has it"));
    Object made = make(path, object, type, Set.of(TYPE));
    if (made instanceof PartDescription description) {
      made = part(path, description);
    }
    if (!wanted.isInstance(made)) {
      throw refused(path, "be a " + wanted.getSimpleName() + " but is '" + name + "'");
    }
    return made;
  }

  private static Object part(String path, PartDescription description) {
    try {
      return description
          .part()
          .orElseThrow(() -> refused(path, "be complete but needs what no file has; set it"));
    } catch (DistillationException e) {
      throw e;
    } catch (RuntimeException e) {
      throw outOfRange(path, e);
    }
  }

  private Object make(
      String path, JsonObject object, Class<? extends Record> type, Set<String> beside) {
    RecordComponent[] components = type.getRecordComponents();
    Set<String> unknown = new HashSet<>(object.keySet());
    unknown.removeAll(beside);
    List<@Nullable Object> arguments = new ArrayList<>();
    for (RecordComponent component : components) {
      String name = component.getName();
      JsonElement element = object.get(name);
      unknown.remove(name);
      arguments.add(
          element == null
              ? absent(path, component)
              : value(path + "." + name, element, component.getGenericType()));
    }
    if (!unknown.isEmpty()) {
      throw refused(
          path,
          "have no values but "
              + Arrays.stream(components).map(RecordComponent::getName).toList()
              + " and has "
              + shown(new JsonPrimitive(unknown.iterator().next()))
              + "; the file may come from a newer version");
    }
    return construct(path, type, arguments);
  }

  private static @Nullable Object absent(String path, RecordComponent component) {
    Class<?> type = component.getType();
    if (type == OptionalInt.class) {
      return OptionalInt.empty();
    }
    if (type == OptionalLong.class) {
      return OptionalLong.empty();
    }
    if (type == OptionalDouble.class) {
      return OptionalDouble.empty();
    }
    if (type == Optional.class) {
      return Optional.empty();
    }
    AnnotatedType annotated = component.getAnnotatedType();
    if (annotated.isAnnotationPresent(Nullable.class)) {
      return null;
    }
    throw refused(path + "." + component.getName(), "be present but is missing");
  }

  private static Object construct(
      String path, Class<? extends Record> type, List<? extends @Nullable Object> arguments) {
    Class<?>[] types =
        Arrays.stream(type.getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      Constructor<? extends Record> constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(arguments.toArray());
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw outOfRange(path, cause);
      }
      throw new DistillationException(path + " could not be made (" + e.getCause() + ")", e);
    } catch (ReflectiveOperationException e) {
      throw new DistillationException(path + " could not be made (" + e + ")", e);
    }
  }

  private List<Object> list(String path, JsonElement element, Type of) {
    if (!(element instanceof JsonArray array)) {
      throw refused(path, "be a list but is " + shown(element));
    }
    List<Object> values = new ArrayList<>(array.size());
    for (int i = 0; i < array.size(); i++) {
      values.add(value(path + "[" + i + "]", array.get(i), of));
    }
    return values;
  }

  private Map<String, Object> map(String path, JsonElement element, Type of) {
    Map<String, Object> values = new LinkedHashMap<>();
    object(path, element)
        .asMap()
        .forEach((name, each) -> values.put(name, value(path + "." + name, each, of)));
    return values;
  }

  private static <T> T parsed(String path, JsonElement element, Function<String, T> parser) {
    try {
      return parser.apply(text(path, element));
    } catch (DateTimeParseException e) {
      throw refused(path, "be a time as ISO 8601 writes it but is " + shown(element));
    }
  }

  private static JsonObject object(String path, JsonElement element) {
    if (element instanceof JsonObject object) {
      return object;
    }
    throw refused(path, "be an object but is " + shown(element));
  }

  private static boolean flag(String path, JsonElement element) {
    if (element instanceof JsonPrimitive primitive && primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    throw refused(path, "be true or false but is " + shown(element));
  }

  private static String text(String path, JsonElement element) {
    if (element instanceof JsonPrimitive primitive && primitive.isString()) {
      return primitive.getAsString();
    }
    throw refused(path, "be a text but is " + shown(element));
  }

  private static long whole(String path, JsonElement element, long least, long most) {
    try {
      if (element instanceof JsonPrimitive primitive && primitive.isNumber()) {
        long value = new BigDecimal(primitive.getAsString()).longValueExact();
        if (value >= least && value <= most) {
          return value;
        }
      }
    } catch (ArithmeticException e) {
      throw refused(path, "be a whole number in range but is " + shown(element));
    }
    throw refused(path, "be a whole number in range but is " + shown(element));
  }

  private static double real(String path, JsonElement element) {
    if (element instanceof JsonPrimitive primitive) {
      if (primitive.isNumber()) {
        double value = new BigDecimal(primitive.getAsString()).doubleValue();
        if (Double.isFinite(value)) {
          return value;
        }
      } else if (primitive.isString()) {
        for (double word :
            new double[] {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN}) {
          if (primitive.getAsString().equals(Double.toString(word))) {
            return word;
          }
        }
      }
    }
    throw refused(path, "be a number but is " + shown(element));
  }

  private static Object choice(String path, JsonElement element, Class<?> type) {
    String name = text(path, element);
    return Arrays.stream(type.getEnumConstants())
        .filter(each -> ((Enum<?>) each).name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                refused(
                    path,
                    "be one of "
                        + Arrays.toString(type.getEnumConstants())
                        + " but is "
                        + shown(element)));
  }

  /** A value of a file in a message: short, and in one line. */
  private static String shown(JsonElement element) {
    String text = element.toString();
    return text.length() <= 80 ? text : text.substring(0, 77) + "...";
  }

  private static DistillationException refused(String path, String rule) {
    return new DistillationException(path + " must " + rule);
  }

  private static DistillationException outOfRange(String path, RuntimeException cause) {
    return new DistillationException(
        path + " must be in range but was refused (" + cause.getMessage() + ")", cause);
  }
}
