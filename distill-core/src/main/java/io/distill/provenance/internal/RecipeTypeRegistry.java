package io.distill.provenance.internal;

import io.distill.exception.DistillationException;
import io.distill.provenance.spi.RecipeTypes;
import java.lang.reflect.RecordComponent;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.regex.Pattern;

/** The record classes that may be made from a file, and their names there. */
final class RecipeTypeRegistry {

  private static final Pattern NAME = Pattern.compile("[A-Za-z]\\w*(\\.[A-Za-z]\\w*)*");

  /** Names that mean something else where parts are written down. */
  private static final Set<String> RESERVED = Set.of(PartCodec.TYPE, PartCodec.OPAQUE);

  private final Map<String, Class<? extends Record>> byName = new LinkedHashMap<>();
  private final Map<Class<?>, String> byClass = new HashMap<>();

  static RecipeTypeRegistry empty() {
    return new RecipeTypeRegistry();
  }

  /** Finds all that the class path lists. */
  static RecipeTypeRegistry load() {
    RecipeTypeRegistry registry = new RecipeTypeRegistry();
    Set<Class<?>> seen = new LinkedHashSet<>();
    ClassLoader own = RecipeTypes.class.getClassLoader();
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    try {
      for (RecipeTypes each : ServiceLoader.load(RecipeTypes.class, own)) {
        registry.add(each, seen);
      }
      // a user's own losses may be out of sight of the library's loader
      for (RecipeTypes each : ServiceLoader.load(RecipeTypes.class, context)) {
        registry.add(each, seen);
      }
    } catch (ServiceConfigurationError e) {
      throw new DistillationException(
          "types of recipe parts must be listed by public classes with a public constructor but one"
              + " could not be loaded ("
              + e.getMessage()
              + "); correct META-INF/services/"
              + RecipeTypes.class.getName(),
          e);
    }
    return registry;
  }

  private void add(RecipeTypes types, Set<Class<?>> seen) {
    if (seen.add(types.getClass())) {
      types.types().forEach((name, type) -> add(types, name, type));
    }
  }

  private void add(RecipeTypes source, String name, Class<? extends Record> type) {
    require(type.isRecord(), source, name, "be records but this is " + type.getName());
    require(
        NAME.matcher(name).matches(),
        source,
        name,
        "have names of letters, digits and single dots");
    for (RecordComponent component : type.getRecordComponents()) {
      require(
          !RESERVED.contains(component.getName()),
          source,
          name,
          "have no component named '" + component.getName() + "'; rename it");
    }
    Class<?> before = byName.putIfAbsent(name, type);
    require(before == null || before == type, source, name, "have names of their own");
    String other = byClass.putIfAbsent(type, name);
    require(other == null || other.equals(name), source, name, "be listed once, but also " + other);
  }

  private static void require(boolean holds, RecipeTypes source, String name, String rule) {
    if (!holds) {
      throw new DistillationException(
          "types of recipe parts must "
              + rule
              + ", but "
              + source.getClass().getName()
              + " lists '"
              + name
              + "'");
    }
  }

  /** Returns the name of a class, if it is listed. */
  Optional<String> name(Class<?> type) {
    return Optional.ofNullable(byClass.get(type));
  }

  /** Returns the class of a name, if it is listed. */
  Optional<Class<? extends Record>> type(String name) {
    return Optional.ofNullable(byName.get(name));
  }

  /** Returns the constant of an interface: the type that is written as a bare number. */
  Optional<Class<? extends Record>> constant(Class<?> wanted) {
    return byName.values().stream()
        .filter(type -> wanted.isAssignableFrom(type) && isConstant(type))
        .findFirst();
  }

  /** Whether values of a class are written as bare numbers. */
  boolean isConstant(Class<?> type) {
    RecordComponent[] components = type.getRecordComponents();
    return byClass.getOrDefault(type, "").endsWith(".constant")
        && components.length == 1
        && components[0].getType() == double.class;
  }
}
