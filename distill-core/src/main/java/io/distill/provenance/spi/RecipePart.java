package io.distill.provenance.spi;

/**
 * A part of a recipe (a loss, a schedule, a layer mapping, a student) that is not a record itself
 * and says by one what it is.
 *
 * <p>Records need not implement this: they are their own description. A class that does not, and a
 * lambda, are written down by their class name alone, so that a change of their settings goes
 * unnoticed.
 *
 * <pre>{@code
 * final class MyLoss implements DistillationLoss, RecipePart {
 *   record Settings(double margin) implements PartDescription {
 *     public Optional<Object> part() {
 *       return Optional.of(new MyLoss(margin));
 *     }
 *   }
 *
 *   public Record description() {
 *     return new Settings(margin);
 *   }
 * }
 * }</pre>
 *
 * @see RecipeTypes
 */
public interface RecipePart {

  /**
   * Returns what tells this part from others of its class.
   *
   * @return a record of plain values, other records and lists of them. If it is listed by {@link
   *     RecipeTypes} and a {@link PartDescription}, the part can be made again from a file
   */
  Record description();
}
