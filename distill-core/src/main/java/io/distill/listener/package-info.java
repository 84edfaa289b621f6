/**
 * Ready-made listeners: a run on the console, in a file of JSON lines, in TensorBoard, in
 * Micrometer.
 *
 * <pre>{@code
 * Distiller.builder()
 *     ...
 *     .listener(ConsoleProgress.create())
 *     .listener(JsonLinesMetrics.to(Path.of("run/metrics.jsonl")))
 *     .listener(TensorBoardEvents.to(Path.of("run/tensorboard")))
 *     .listener(MicrometerMeters.in(registry))
 * }</pre>
 *
 * <p>They cost microseconds a step. Those that write files refuse an unwritable path when they are
 * created; a disk that fills up later is logged once and never stops a run. Everywhere a step is
 * the number of optimizer steps taken, so the first is 1.
 */
@NullMarked
@CheckReturnValue
package io.distill.listener;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
