package io.distill.model;

/** How the vectors of the tokens become one vector a row. */
public enum Pooling {
  /** The mean over the real tokens. */
  MEAN,
  /** The vector of the first token ({@code [CLS]}). */
  FIRST
}
