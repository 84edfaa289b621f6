/**
 * Datasets that are tokenised once and handed out in batches of rows of similar length.
 *
 * <p>{@link io.distill.data.TextDataset} reads CSV, TSV, JSON Lines and Java streams; {@link
 * io.distill.data.DistillationDataset#of} takes any DJL {@code RandomAccessDataset}. Rows need no
 * labels: a row without one is distilled from the teacher alone.
 */
@NullMarked
package io.distill.data;

import org.jspecify.annotations.NullMarked;
