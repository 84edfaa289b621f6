package io.distill.examples.benchmark;

import io.distill.data.Tokenizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPInputStream;

/** Distributions over the next token, such as a language model gives them; by a number each. */
interface NextTokens {

  String name();

  /** Returns the logits of a distribution, the same for the same number. */
  float[] logits(long number);

  static double[] softmax(float[] logits) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float each : logits) {
      largest = Math.max(largest, each);
    }
    double[] p = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      p[i] = Math.exp(logits[i] - largest);
      sum += p[i];
    }
    for (int i = 0; i < p.length; i++) {
      p[i] /= sum;
    }
    return p;
  }

  /** Returns the divergence of q from p in nats. */
  static double divergence(double[] p, double[] q) {
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += p[i] == 0 ? 0 : p[i] * Math.log(p[i] / q[i]);
    }
    return sum;
  }

  /** Logits that fall with the logarithm of the rank, with noise, at varied sharpness. */
  final class Zipf implements NextTokens {
    private static final double EXPONENT = 1.3;
    private static final double OFFSET = 2.7;
    private static final double NOISE = 1.5;
    private static final double LITTLE_NOISE = 0.3;

    private final String name;
    private final boolean favourites;
    private final int width;
    private final float[] shared;

    Zipf(String name, boolean favourites, int width) {
      this.name = name;
      this.favourites = favourites;
      this.width = width;
      this.shared = ranked(new Random(7));
    }

    private float[] ranked(Random random) {
      float[] ranked = new float[width];
      int[] order = new int[width];
      Arrays.setAll(order, i -> i);
      for (int i = width - 1; i > 0; i--) {
        int j = random.nextInt(i + 1);
        int swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
      }
      for (int rank = 0; rank < width; rank++) {
        ranked[order[rank]] = (float) (-EXPONENT * Math.log(rank + OFFSET));
      }
      return ranked;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public float[] logits(long number) {
      Random random = new Random(number * 0x9E3779B97F4A7C15L);
      float[] base = favourites ? shared : ranked(random);
      double noise = favourites ? NOISE : LITTLE_NOISE;
      double sharpness = 0.7 + 1.3 * random.nextDouble();
      float[] logits = new float[width];
      for (int i = 0; i < width; i++) {
        logits[i] = (float) (sharpness * (base[i] + noise * random.nextGaussian()));
      }
      return logits;
    }
  }

  /** A trigram model with absolute discounting, interpolated with bigrams and unigrams. */
  final class Trigrams implements NextTokens {
    private static final double DISCOUNT = 0.75;
    private static final double NOISE = 0.3;
    private static final int CHUNK = 2000;

    private final int width;
    private final int[] heldOut;
    private final double[] unigrams;
    private final Map<Integer, Map<Integer, Integer>> bigrams = new HashMap<>();
    private final Map<Long, Map<Integer, Integer>> trigrams = new HashMap<>();

    private Trigrams(int[] tokens, int width) {
      this.width = width;
      int train = tokens.length / 10 * 9;
      this.heldOut = Arrays.copyOfRange(tokens, train, tokens.length);
      this.unigrams = new double[width];
      Arrays.fill(unigrams, 0.1 / (train + 0.1 * width));
      for (int i = 0; i < train; i++) {
        unigrams[tokens[i]] += 1 / (train + 0.1 * width);
        if (i > 0) {
          count(bigrams, tokens[i - 1], tokens[i]);
        }
        if (i > 1) {
          count(trigrams, pair(tokens[i - 2], tokens[i - 1]), tokens[i]);
        }
      }
    }

    private static <K> void count(Map<K, Map<Integer, Integer>> counts, K before, int token) {
      counts.computeIfAbsent(before, key -> new HashMap<>()).merge(token, 1, Integer::sum);
    }

    private static long pair(int first, int second) {
      return (long) first << Integer.SIZE | second;
    }

    static Trigrams of(Tokenizer tokenizer, int width, Path text) throws IOException {
      List<int[]> parts = new ArrayList<>();
      try (InputStream file = Files.newInputStream(text);
          BufferedReader reader =
              new BufferedReader(
                  new InputStreamReader(
                      text.toString().endsWith(".gz") ? new GZIPInputStream(file) : file,
                      StandardCharsets.UTF_8))) {
        StringBuilder rest = new StringBuilder();
        char[] chunk = new char[CHUNK];
        for (int count = reader.read(chunk); count > 0; count = reader.read(chunk)) {
          rest.append(chunk, 0, count);
          int cut = rest.lastIndexOf(" ");
          if (cut > 0) {
            int[] ids = tokenizer.encode(rest.substring(0, cut));
            // without the start of a text
            parts.add(Arrays.copyOfRange(ids, Math.min(1, ids.length), ids.length));
            rest.delete(0, cut + 1);
          }
        }
      }
      return new Trigrams(parts.stream().flatMapToInt(Arrays::stream).toArray(), width);
    }

    @Override
    public String name() {
      return "text";
    }

    @Override
    public float[] logits(long number) {
      Random random = new Random(number * 0x9E3779B97F4A7C15L);
      int at = 2 + random.nextInt(heldOut.length - 2);
      double[] p = unigrams.clone();
      mix(p, bigrams.get(heldOut[at - 1]));
      mix(p, trigrams.get(pair(heldOut[at - 2], heldOut[at - 1])));
      float[] logits = new float[width];
      for (int i = 0; i < width; i++) {
        // a network gives no two tokens the very same probability
        logits[i] = (float) (Math.log(p[i]) + NOISE * random.nextGaussian());
      }
      return logits;
    }

    private static void mix(
        double[] p, @org.jspecify.annotations.Nullable Map<Integer, Integer> counts) {
      if (counts == null) {
        return;
      }
      double total = counts.values().stream().mapToInt(Integer::intValue).sum();
      double share = DISCOUNT * counts.size() / total;
      for (int i = 0; i < p.length; i++) {
        p[i] *= share;
      }
      counts.forEach((token, count) -> p[token] += (count - DISCOUNT) / total);
    }
  }
}
