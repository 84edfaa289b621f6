package io.distill.huggingface.internal;

import java.util.ArrayList;
import java.util.List;

/** What has been written, and which parts of it were marked as the assistant's. */
final class Output {
  private final StringBuilder text = new StringBuilder();
  private final List<int[]> marked = new ArrayList<>();

  void append(String more) {
    Budget.spendText(more.length());
    if (text.length() + (long) more.length() > Budget.LONGEST_TEXT) {
      Budget.spendText(Long.MAX_VALUE);
    }
    text.append(more);
  }

  int length() {
    return text.length();
  }

  void mark(int begin, int end) {
    marked.add(new int[] {begin, end});
  }

  List<int[]> marked() {
    return marked;
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
