package io.distill.provenance.spi;

import java.util.Map;

/**
 * Lists record classes that may be made from a file: the parts of recipes that can be run again
 * from their description alone. Found with {@link java.util.ServiceLoader}; a file never names a
 * class, only a type that is listed.
 *
 * <p>To make losses of one's own part of that, write them as records, list them in a public class
 * with a public constructor without parameters, and name that class in {@code
 * META-INF/services/io.distill.provenance.spi.RecipeTypes}:
 *
 * <pre>{@code
 * public final class MyTypes implements RecipeTypes {
 *   public Map<String, Class<? extends Record>> types() {
 *     return Map.of("com.acme.focalKd", FocalKd.class);
 *   }
 * }
 * }</pre>
 *
 * <p><b>Components</b> may be {@code boolean}, {@code int}, {@code long}, {@code double}, {@code
 * String}, enums, {@code OptionalInt}, {@code OptionalLong}, {@code OptionalDouble}, records,
 * {@code List} of these, and interfaces whose implementations are listed, such as {@code
 * DistillationLoss}. Their constructors must check their arguments: values come from files.
 */
public interface RecipeTypes {

  /**
   * Returns the record classes by the name of their type in files.
   *
   * @return names that are unique among all listed, such as {@code com.acme.focalKd}; names without
   *     a domain are the library's
   */
  Map<String, Class<? extends Record>> types();
}
