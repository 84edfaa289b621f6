package io.distill.data;

import java.util.Arrays;

/**
 * The pieces of a vocabulary as a trie over UTF-16 units, for the longest match at a position.
 *
 * <p>All edges stand in one hash table with open addressing: parent node and character to child.
 */
final class PieceTrie {

  /** The node that a word starts at. */
  static final int START = 0;

  /** The node that the rest of a word continues at. */
  static final int CONTINUATION = 1;

  private static final long FREE = -1;

  private long[] keys = new long[1 << 10];
  private int[] children = new int[1 << 10];
  private int shift = Long.SIZE - 10;
  private int[] pieces = {-1, -1};
  private int nodes = 2;

  private PieceTrie() {
    Arrays.fill(keys, FREE);
  }

  /**
   * Builds the trie.
   *
   * @param pieces the pieces by id; {@code null} where there is none
   * @param prefix what marks a piece that continues a word
   */
  static PieceTrie of(String[] pieces, String prefix) {
    PieceTrie trie = new PieceTrie();
    for (int id = 0; id < pieces.length; id++) {
      String piece = pieces[id];
      // at the start of a word a prefix is never met: it is punctuation, which stands alone
      if (piece.startsWith(prefix)) {
        trie.add(CONTINUATION, piece, prefix.length(), id);
      }
      trie.add(START, piece, 0, id);
    }
    return trie;
  }

  private void add(int root, String piece, int from, int id) {
    int node = root;
    for (int i = from; i < piece.length(); i++) {
      node = childOrNew(node, piece.charAt(i));
    }
    if (node != root) {
      pieces[node] = id;
    }
  }

  private int childOrNew(int node, char c) {
    long key = ((long) node << 16) | c;
    int slot = slot(key);
    if (keys[slot] == key) {
      return children[slot];
    }
    if (nodes == pieces.length) {
      pieces = Arrays.copyOf(pieces, nodes * 2);
    }
    pieces[nodes] = -1;
    keys[slot] = key;
    children[slot] = nodes;
    int child = nodes++;
    if (nodes * 2 > keys.length) {
      grow();
    }
    return child;
  }

  private void grow() {
    long[] oldKeys = keys;
    int[] oldChildren = children;
    keys = new long[oldKeys.length * 2];
    children = new int[keys.length];
    shift--;
    Arrays.fill(keys, FREE);
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] != FREE) {
        int slot = slot(oldKeys[i]);
        keys[slot] = oldKeys[i];
        children[slot] = oldChildren[i];
      }
    }
  }

  /** Returns where the key is, or where it would be. */
  private int slot(long key) {
    int slot = (int) ((key * 0x9E3779B97F4A7C15L) >>> shift);
    while (keys[slot] != key && keys[slot] != FREE) {
      slot = (slot + 1) & (keys.length - 1);
    }
    return slot;
  }

  /**
   * Finds the longest piece at a position.
   *
   * @return the id in the upper and the end of the piece in the lower 32 bits; -1 if there is none
   */
  long longest(int root, char[] text, int from, int to) {
    int node = root;
    long found = -1;
    for (int i = from; i < to; i++) {
      long key = ((long) node << 16) | text[i];
      int slot = slot(key);
      if (keys[slot] != key) {
        break;
      }
      node = children[slot];
      if (pieces[node] >= 0) {
        found = ((long) pieces[node] << 32) | (i + 1);
      }
    }
    return found;
  }
}
