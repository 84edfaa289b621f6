package io.distill.provenance.spi;

import java.util.Optional;

/** A record that stands for a {@link RecipePart} and can make it again. */
public interface PartDescription {

  /**
   * Makes the part that this record describes.
   *
   * @return a part with an equal description; empty if it needs something that is not in the
   *     record, such as a tokenizer, and must be set again by the user
   * @throws IllegalArgumentException if a value is out of range
   */
  Optional<Object> part();
}
