package io.distill.examples.email;

/**
 * The figures of one model.
 *
 * @param accuracy the share of test rows it gets right
 * @param agreement the share of test rows on which it says what the teacher says
 * @param parameters the number of its parameters
 * @param bytes the size of its saved directory
 * @param sentencesPerSecond texts a second on one thread, one at a time, tokenising included
 * @param p50Millis the median time of one text on one thread, tokenising included
 * @param p50MillisWithoutTokenising the same for text that is tokenised already
 * @param trainingSeconds how long it was trained; for the teacher, how long its classifier was
 *     fitted
 * @param offTask the accuracy of a linear probe on its representation of other kinds of text
 */
record Figures(
    double accuracy,
    double agreement,
    long parameters,
    long bytes,
    double sentencesPerSecond,
    double p50Millis,
    double p50MillisWithoutTokenising,
    double trainingSeconds,
    double offTask) {}
