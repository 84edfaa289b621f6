package io.distill.trace;

import com.google.common.hash.Hashing;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** One pass over prompts in which each comes once. */
final class UniquePrompts implements Iterator<Prompt>, Closeable {

  private final Stream<Prompt> stream;
  private final Iterator<Prompt> prompts;
  private final Map<String, String> seen = new HashMap<>();
  private final long mark;
  private @Nullable Prompt next;
  private String digest = "";
  private String digestAtMark = "";
  private long count;
  private long duplicates;

  private UniquePrompts(Stream<Prompt> stream, long mark) {
    this.stream = stream;
    this.prompts = stream.iterator();
    this.mark = mark;
  }

  /** Opens a pass that remembers the digest of the first {@code mark} prompts. */
  static UniquePrompts open(Prompts prompts, long mark) {
    return new UniquePrompts(prompts.open(), mark);
  }

  /** Passes over all prompts that are left. */
  @CanIgnoreReturnValue
  UniquePrompts drain() {
    while (hasNext()) {
      next();
    }
    return this;
  }

  @Override
  public boolean hasNext() {
    while (next == null && prompts.hasNext()) {
      Prompt prompt = prompts.next();
      String content = prompt.digest();
      @Nullable String before = seen.putIfAbsent(prompt.id(), content);
      if (before == null) {
        digest = chain(digest, content);
        next = prompt;
      } else if (before.equals(content)) {
        duplicates++;
      } else {
        throw new DistillationException(
            "prompts must have an id each but '"
                + prompt.id()
                + "' stands for two that differ; give them other ids, or none");
      }
    }
    return next != null;
  }

  @Override
  @CanIgnoreReturnValue
  public Prompt next() {
    if (!hasNext() || next == null) {
      throw new NoSuchElementException();
    }
    Prompt prompt = next;
    next = null;
    count++;
    if (count == mark) {
      digestAtMark = digest;
    }
    return prompt;
  }

  private static String chain(String before, String content) {
    return Hashing.sha256().hashString(before + content, StandardCharsets.UTF_8).toString();
  }

  long count() {
    return count;
  }

  long duplicates() {
    return duplicates;
  }

  /** Returns a digest of all prompts so far, in their order. */
  String digest() {
    return digest;
  }

  /** Returns the digest of the first prompts; empty if there were fewer. */
  String digestAtMark() {
    return digestAtMark;
  }

  @Override
  public void close() {
    stream.close();
  }
}
