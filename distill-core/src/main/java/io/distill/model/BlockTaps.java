package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Which intermediate outputs of DJL blocks are hidden states, and which is the embedding.
 *
 * <p>A child of a {@link ai.djl.nn.SequentialBlock} is named as DJL names it, a position and the
 * class ({@code "01Linear"}); children of children with a slash ({@code
 * "02SequentialBlock/01Linear"}). Inside other blocks, which call their children themselves, wrap
 * the child with {@link Tap#named} and give that name.
 */
public final class BlockTaps {

  private static final BlockTaps NONE = new BlockTaps(List.of(), null);

  private final List<String> hiddenStates;
  private final @Nullable String embedding;

  private BlockTaps(List<String> hiddenStates, @Nullable String embedding) {
    this.hiddenStates = hiddenStates;
    this.embedding = embedding;
  }

  /**
   * Taps nothing: the outputs of the model are all it says.
   *
   * @return no taps
   */
  public static BlockTaps none() {
    return NONE;
  }

  /**
   * Taps hidden states.
   *
   * @param names the children whose outputs are the hidden states, first layer to last
   * @return the taps
   * @throws IllegalArgumentException if no child is named
   */
  public static BlockTaps hiddenStates(String... names) {
    checkArgument(names.length > 0, "names must have at least one child but were empty");
    return new BlockTaps(List.copyOf(Arrays.asList(names)), null);
  }

  /**
   * Taps the embedding as well.
   *
   * @param name the child whose output is the embedding, {@code [N, D]}
   * @return the taps
   */
  public BlockTaps embedding(String name) {
    return new BlockTaps(hiddenStates, name);
  }

  List<String> hiddenStateNames() {
    return hiddenStates;
  }

  Optional<String> embeddingName() {
    return Optional.ofNullable(embedding);
  }

  @Override
  public String toString() {
    return "hiddenStates=" + hiddenStates + (embedding == null ? "" : ", embedding=" + embedding);
  }
}
